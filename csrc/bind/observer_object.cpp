#include "autograd/observer.h"

#include "autograd/engine.h"
#include "bind/modules.h"
#include "bind/node_object.h"
#include "bind/tensor_object.h"

// chainrule.autograd.observe: an Observer that calls Python.
namespace chainrule::bind {

namespace {

PyTypeObject* g_observed_operator;  // a tuple with names: name, inputs, outputs, location, row

struct PyObserver;

// Lives in the Python object. While it is started the object is kept alive by it.
class PythonObserver final : public Observer {
public:
    explicit PythonObserver(PyObserver* object) : object_(object) {}
    void after_op(const ObservedOp& op, const ObservedTensors& outputs) override;
    void before_node(Node& node, Tensor* in) override;
    void after_node(Node& node, Tensor* in, Tensor* out) override;
    void before_backward(const std::vector<Edge>& roots, const BackwardOptions& options) override;
    void after_backward() override;
    bool wants_arrived(const Node&) const override;
    bool inside_node(const Node& node) const override { return runs_user_code(node); }

private:
    void tell_backward(const char* stage);

    PyObserver* object_;
    PyRef roots_;  // of the backward that runs
    bool retain_graph_ = false;
};

struct PyObserver {
    PyObject_HEAD PyObject* on_operator;  // callables, or null
    PyObject* on_node;
    PyObject* before_node;
    PyObject* on_backward;
    PythonObserver* observer;
    unsigned long thread;  // the one that started it; 0: not started
};

PyObserver* object_of(PyObject* self) { return reinterpret_cast<PyObserver*>(self); }
PyObject* python_of(PyObserver* self) { return reinterpret_cast<PyObject*>(self); }

PyRef tensor_tuple(const ObservedTensors& list) {
    PyRef tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(list.size())));
    for (size_t i = 0; i < list.size(); ++i) {
        PyObject* item = wrap(Tensor(Ref<TensorImpl>::share(list[i])));
        PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), item);
    }
    return tuple;
}

PyRef tensor_tuple(const Tensor* list, uint32_t count) {
    PyRef tuple = checked(PyTuple_New(count));
    for (uint32_t i = 0; i < count; ++i) {
        PyTuple_SET_ITEM(tuple.get(), i, wrap_or_none(list[i]));
    }
    return tuple;
}

PyRef location_text() {
    SourceLocation here;
    capture_location(&here);
    std::string text = describe_location(here);
    release_location(&here);
    if (text.empty()) return PyRef::share(Py_None);
    return checked(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

void call(PyObject* callable, std::initializer_list<PyObject*> args) {
    PyRef held = PyRef::share(callable);
    checked(PyObject_Vectorcall(callable, args.begin(), args.size(), nullptr));
}

void PythonObserver::after_op(const ObservedOp& op, const ObservedTensors& outputs) {
    if (!object_->on_operator) return;
    PyRef self = PyRef::share(python_of(object_));  // the callback may stop it
    PyRef shown = checked(PyStructSequence_New(g_observed_operator));
    PyRef row = *op.row ? checked(PyUnicode_FromString(op.row)) : PyRef::share(Py_None);
    PyStructSequence_SetItem(shown.get(), 0, checked(PyUnicode_FromString(op.name)).leak());
    PyStructSequence_SetItem(shown.get(), 1, tensor_tuple(op.inputs).leak());
    PyStructSequence_SetItem(shown.get(), 2, tensor_tuple(outputs).leak());
    PyStructSequence_SetItem(shown.get(), 3, location_text().leak());
    PyStructSequence_SetItem(shown.get(), 4, row.leak());
    call(object_->on_operator, {shown.get()});
}

void PythonObserver::before_node(Node& node, Tensor* in) {
    if (!object_->before_node) return;
    PyRef self = PyRef::share(python_of(object_));
    PyRef wrapped = checked(wrap_node(&node));
    PyRef arrived = tensor_tuple(in, node.num_outputs());
    call(object_->before_node, {wrapped.get(), arrived.get()});
}

void PythonObserver::after_node(Node& node, Tensor* in, Tensor* out) {
    if (!object_->on_node) return;
    PyRef self = PyRef::share(python_of(object_));
    PyRef wrapped = checked(wrap_node(&node));
    PyRef arrived = tensor_tuple(in, node.num_outputs());
    PyRef left = tensor_tuple(out, node.num_inputs());
    call(object_->on_node, {wrapped.get(), arrived.get(), left.get()});
}

bool PythonObserver::wants_arrived(const Node&) const { return object_->on_node != nullptr; }

void PythonObserver::tell_backward(const char* stage) {
    PyRef text = checked(PyUnicode_FromString(stage));
    call(object_->on_backward, {text.get(), roots_.get(), retain_graph_ ? Py_True : Py_False});
}

void PythonObserver::before_backward(const std::vector<Edge>& roots,
                                     const BackwardOptions& options) {
    if (!object_->on_backward) return;
    PyRef self = PyRef::share(python_of(object_));
    roots_ = checked(PyTuple_New(static_cast<Py_ssize_t>(roots.size())));
    for (size_t i = 0; i < roots.size(); ++i) {
        PyTuple_SET_ITEM(roots_.get(), static_cast<Py_ssize_t>(i),
                         checked(wrap_node(roots[i].node)).leak());
    }
    retain_graph_ = options.retain_graph;
    tell_backward("begin");
}

void PythonObserver::after_backward() {
    if (!object_->on_backward || !roots_) return;
    PyRef self = PyRef::share(python_of(object_));
    if (!backward_failed()) {
        tell_backward("end");
        roots_ = PyRef();
        return;
    }
    // The error of the backward goes to the user; one of the callback can only be reported.
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    try {
        tell_backward("end");
    } catch (...) {
        set_python_error();
        PyErr_WriteUnraisable(object_->on_backward);
    }
    roots_ = PyRef();
    PyErr_Restore(type, value, traceback);
}

// The object ----------------------------------------------------------------------------------

PyObject* observer_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return guarded([&]() -> PyObject* {
        static const char* names[] = {"on_operator", "on_node", "before_node", "on_backward",
                                      nullptr};
        PyObject* given[4] = {};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:observe", const_cast<char**>(names),
                                         &given[0], &given[1], &given[2], &given[3])) {
            return nullptr;
        }
        bool any = false;
        for (int i = 0; i < 4; ++i) {
            if (given[i] == Py_None) given[i] = nullptr;
            if (!given[i]) continue;
            any = true;
            check(PyCallable_Check(given[i]), ErrorKind::Type, "observe(): ", names[i],
                  " must be callable, not ", Py_TYPE(given[i])->tp_name);
        }
        check(any, ErrorKind::Type,
              "observe() needs something to call: on_operator, on_node, before_node or "
              "on_backward");
        PyRef self = checked(type->tp_alloc(type, 0));
        PyObserver* o = object_of(self.get());
        o->on_operator = Py_XNewRef(given[0]);
        o->on_node = Py_XNewRef(given[1]);
        o->before_node = Py_XNewRef(given[2]);
        o->on_backward = Py_XNewRef(given[3]);
        o->observer = new PythonObserver(o);
        return self.leak();
    });
}

int observer_clear(PyObject* self) {
    PyObserver* o = object_of(self);
    Py_CLEAR(o->on_operator);
    Py_CLEAR(o->on_node);
    Py_CLEAR(o->before_node);
    Py_CLEAR(o->on_backward);
    return 0;
}

int observer_traverse(PyObject* self, visitproc visit, void* arg) {
    PyObserver* o = object_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(o->on_operator);
    Py_VISIT(o->on_node);
    Py_VISIT(o->before_node);
    Py_VISIT(o->on_backward);
    return 0;
}

void observer_dealloc(PyObject* self) {
    PyObject_GC_UnTrack(self);
    observer_clear(self);
    delete object_of(self)->observer;
    PyTypeObject* type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* start(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        PyObserver* o = object_of(self);
        check(!o->thread, ErrorKind::Runtime,
              "this observer runs already; call stop() first, or "
              "make another one for another thread");
        add_observer(*o->observer);
        o->thread = PyThread_get_thread_ident();
        Py_INCREF(self);
        return Py_NewRef(self);
    });
}

PyObject* stop(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        PyObserver* o = object_of(self);
        if (!o->thread) Py_RETURN_NONE;
        check(o->thread == PyThread_get_thread_ident(), ErrorKind::Runtime,
              "this observer was started by another thread, and observes that one: stop it there");
        remove_observer(*o->observer);
        o->thread = 0;
        Py_DECREF(self);  // the caller still holds it
        Py_RETURN_NONE;
    });
}

PyObject* leave(PyObject* self, PyObject*) { return stop(self, nullptr); }

PyObject* is_active(PyObject* self, void*) { return PyBool_FromLong(object_of(self)->thread != 0); }

PyMethodDef methods[] = {
    {"start", start, METH_NOARGS,
     "start()\n--\n\nBegins to observe the calling thread; returns the observer.\n\nRaises:\n"
     "    RuntimeError: it runs already."},
    {"stop", stop, METH_NOARGS,
     "stop()\n--\n\nEnds observing; nothing happens if it does not run.\n\nRaises:\n"
     "    RuntimeError: another thread started it."},
    {"__enter__", start, METH_NOARGS, nullptr},
    {"__exit__", leave, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
// _unobserved(function, *arguments): a call that no observer sees, for tools that compute.
PyObject* unobserved(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs > 0, ErrorKind::Type, "_unobserved needs something to call");
        ObserversHidden hidden;
        return PyObject_Vectorcall(args[0], args + 1, static_cast<size_t>(nargs - 1), nullptr);
    });
}

PyMethodDef functions[] = {
    {"_unobserved", method(unobserved), METH_FASTCALL,
     "Calls a function whose operators no observer sees."},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef getset[] = {
    {"active", is_active, nullptr, "Whether it observes.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyStructSequence_Field operator_fields[] = {
    {"name", "Name of the operator: 'mul', 'add_'."},
    {"inputs", "The tensors it was called with."},
    {"outputs", "The tensors it gave."},
    {"location", "The line of the program that called it, as 'file:line'; None if unknown."},
    {"row", "Where the operator is defined in the operator table; None for a custom Function."},
    {nullptr, nullptr},
};
PyStructSequence_Desc operator_description = {
    "chainrule.autograd.ObservedOperator",
    "One call of an operator, as observe() shows it.",
    operator_fields,
    5,
};

}  // namespace

void init_observers(PyObject* module) {
    PyType_Slot slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(observer_new)},
        {Py_tp_dealloc, reinterpret_cast<void*>(observer_dealloc)},
        {Py_tp_traverse, reinterpret_cast<void*>(observer_traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(observer_clear)},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule._C._Observer", sizeof(PyObserver), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    PyRef type = checked(PyType_FromSpec(&spec));
    checked(PyModule_AddObjectRef(module, "_Observer", type.get()));
    add_functions(module, functions);
    g_observed_operator = PyStructSequence_NewType(&operator_description);
    if (!g_observed_operator) throw PythonErrorSet();
    checked(PyModule_AddObjectRef(module, "_ObservedOperator",
                                  reinterpret_cast<PyObject*>(g_observed_operator)));
}

}  // namespace chainrule::bind
