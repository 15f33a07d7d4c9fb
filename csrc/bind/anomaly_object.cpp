#include "autograd/anomaly.h"

#include "bind/arguments.h"
#include "bind/modules.h"
#include "bind/node_object.h"
#include "bind/place_object.h"
#include "bind/scope_object.h"
#include "bind/tensor_object.h"

// The anomaly trap of each thread. What it finds is told by chainrule.autograd._anomaly_report.
namespace chainrule::bind {

namespace {

enum Mode : long {
    kTrapNan = 1,
    kTrapInfinite = 2,
    kTrapForward = 4,
    kTrapBackward = 8,
    kTrapLeaves = 16,
    // 32 and above: what Python asks for, whatever is trapped
};

PyObject* text_or_none(const char* text) {
    return text && *text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
}

// (code object, byte offset of the instruction, line), or None.
PyRef site_of(const SourceLocation& where) {
    if (!where.code) return PyRef::share(Py_None);
    return place_object(where.code, where.instruction);
}

PyRef site_here() {
    SourceLocation here;
    capture_location(&here);
    PyRef site = site_of(here);
    release_location(&here);
    return site;
}

// The calls of modules, outermost first: (index of the enclosing one, module or None, class name,
// number of the call).
PyRef scopes_of(const ModuleScope* scope) {
    std::vector<const ModuleScope*> chain;
    for (; scope; scope = scope->parent) chain.push_back(scope);
    PyRef list = checked(PyList_New(0));
    for (size_t i = chain.size(); i-- > 0;) {
        PyRef item = scope_object(PyList_GET_SIZE(list.get()) - 1, *chain[i]);
        checked(PyList_Append(list.get(), item.get()));
    }
    return list;
}

PyRef origin_of(const AnomalyTrap::Origin& origin) {
    if (!origin.kinds) return PyRef::share(Py_None);
    PyRef site = site_of(origin.where), scopes = scopes_of(origin.scope);
    return checked(Py_BuildValue("(siOO)", origin.operation.c_str(), int{origin.kinds}, site.get(),
                                 scopes.get()));
}

PyRef tensors(const ObservedTensors& list) {
    PyRef tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(list.size())));
    for (size_t i = 0; i < list.size(); ++i) {
        PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i),
                         wrap(Tensor(Ref<TensorImpl>::share(list[i]))));
    }
    return tuple;
}

PyRef tensors(const Tensor* list, size_t count) {
    PyRef tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(count)));
    for (size_t i = 0; i < count; ++i) {
        PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), wrap_or_none(list[i]));
    }
    return tuple;
}

// Raises the error that a function of the report makes; none of its frames stands in the traceback.
[[noreturn]] void raise(const char* function, PyRef arguments) {
    PyRef report = checked(PyImport_ImportModule("chainrule.autograd._anomaly_report"));
    PyRef callable = checked(PyObject_GetAttrString(report.get(), function));
    PyRef error = checked(PyObject_CallObject(callable.get(), arguments.get()));
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
    throw PythonErrorSet();
}

class ReportingTrap final : public AnomalyTrap {
public:
    long mode = 0;

protected:
    void report_operator(const ObservedOp& op, const ObservedTensors& outputs, size_t index,
                         uint8_t kinds, uint8_t given_kinds) override {
        PyRef in = tensors(op.inputs), out = tensors(outputs), site = site_here();
        PyRef scopes = scopes_of(t_state.scope), row(text_or_none(op.row));
        raise("operator",
              checked(Py_BuildValue("(sOOOniiiOO)", op.name, row.get(), in.get(), out.get(),
                                    static_cast<Py_ssize_t>(index), int{kinds}, int{given_kinds},
                                    int{op.changes}, site.get(), scopes.get())));
    }

    void report_node(Node& node, Tensor* in, Tensor* out, size_t index, uint8_t kinds,
                     Cause cause) override {
        static const char* const causes[] = {"appeared", "value",  "sum",
                                             "arrived",  "stored", "captured"};
        PyRef wrapped = checked(wrap_node(&node)), site = site_here();
        PyRef arrived = tensors(in, node.num_outputs()), left = tensors(out, node.num_inputs());
        PyRef infinite = origin_of(first_infinite_), nan = origin_of(first_nan_);
        PyRef given = origin_of(given_);
        raise("node", checked(Py_BuildValue("(OOOnisOOOO)", wrapped.get(), arrived.get(),
                                            left.get(), static_cast<Py_ssize_t>(index), int{kinds},
                                            causes[static_cast<int>(cause)], site.get(),
                                            infinite.get(), nan.get(), given.get())));
    }
};

// Leaked on purpose: a thread may end without the interpreter's lock.
thread_local ReportingTrap* t_trap = nullptr;

PyObject* get_mode(PyObject*, PyObject*) { return PyLong_FromLong(t_trap ? t_trap->mode : 0); }

// Of the calling thread; gives the mode that was set.
PyObject* set_mode(PyObject*, PyObject* wanted) {
    return guarded([&]() -> PyObject* {
        long mode = PyLong_AsLong(wanted);
        if (mode == -1 && PyErr_Occurred()) return nullptr;
        if (!t_trap) t_trap = new ReportingTrap;
        long before = t_trap->mode;
        bool watched = before & (kTrapNan | kTrapInfinite);
        bool watches = mode & (kTrapNan | kTrapInfinite);
        t_trap->mode = mode;
        t_trap->options = {(mode & kTrapNan) != 0, (mode & kTrapInfinite) != 0,
                           (mode & kTrapForward) != 0, (mode & kTrapBackward) != 0,
                           (mode & kTrapLeaves) != 0};
        if (watches && !watched) {
            t_trap->after_backward();
            add_observer(*t_trap);
        }
        if (watched && !watches) remove_observer(*t_trap);
        return PyLong_FromLong(before);
    });
}

PyMethodDef functions[] = {
    {"_anomaly_mode", get_mode, METH_NOARGS, "What the calling thread traps, as bits."},
    {"_set_anomaly_mode", set_mode, METH_O, "Sets it; gives what it was."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_anomaly(PyObject* module) { add_functions(module, functions); }

}  // namespace chainrule::bind
