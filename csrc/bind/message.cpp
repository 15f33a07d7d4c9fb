#include "base/message.h"

#include "autograd/origin.h"
#include "base/shape_hints.h"
#include "bind/arguments.h"
#include "bind/location.h"
#include "bind/scope_object.h"
#include "bind/tensor_object.h"
#include "tensor/origin.h"

// Parts of messages, for errors that are raised in Python.
namespace chainrule::bind {

namespace {

PyObject* text_object(const std::string& text) { return PyUnicode_FromString(text.c_str()); }

PyObject* origin(PyObject*, PyObject* tensor) {
    return guarded([&]() -> PyObject* {
        check(is_tensor(tensor), ErrorKind::Type, "_describe_origin takes a Tensor, not ",
              Py_TYPE(tensor)->tp_name);
        return text_object(describe_origin(*impl_of(tensor)));
    });
}

PyObject* same_shape(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 2 && is_tensor(args[0]) && is_tensor(args[1]), ErrorKind::Type,
              "_hint_same_shape takes the input and the target of a loss");
        return text_object(hint_same_shape(tensor_of(args[0]).shape(), tensor_of(args[1]).shape(),
                                           "input", "target"));
    });
}

// The modules whose calls were running, outermost first; None for one that is gone.
PyRef calls_of(const ModuleScope& innermost) {
    PyRef list = checked(PyList_New(0));
    for (const ModuleScope* scope = &innermost; scope; scope = scope->parent) {
        checked(PyList_Insert(list.get(), 0, module_of(*scope).get()));
    }
    return list;
}

// What a function of chainrule.nn.modules._messages says; "" if it fails, since the error that is
// being described matters more.
template <class Arguments>
std::string said_by(const char* function, Arguments&& arguments) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    std::string text;
    try {
        PyRef messages = checked(PyImport_ImportModule("chainrule.nn.modules._messages"));
        PyRef method = checked(PyObject_GetAttrString(messages.get(), function));
        PyRef given = checked(arguments());
        PyRef said = checked(PyObject_CallObject(method.get(), given.get()));
        const char* utf8 = PyUnicode_AsUTF8(said.get());
        if (utf8) text = utf8;
    } catch (const PythonErrorSet&) {
        text.clear();
    }
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return text;
}

std::string describe_module(const ModuleScope& scope) {
    return said_by("module_call", [&] {
        PyRef name = PyRef::share(static_cast<PyObject*>(scope.type_name));
        return PyTuple_Pack(2, calls_of(scope).get(), name.get());
    });
}

std::string describe_parameter(const ModuleScope& scope, const TensorImpl& leaf) {
    auto* object = static_cast<PyObject*>(leaf.python_object);
    if (!object) return "";
    return said_by("parameter", [&] { return PyTuple_Pack(2, calls_of(scope).get(), object); });
}

PyMethodDef functions[] = {
    {"_describe_origin", origin, METH_O, "Where a tensor comes from, for messages; may be empty."},
    {"_hint_same_shape", method(same_shape), METH_FASTCALL,
     "A further line of a message: how to make input and target of one shape."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_messages(PyObject* module) {
    g_describe_origin = describe_origin;
    g_describe_module = describe_module;
    g_describe_parameter = describe_parameter;
    g_describe_running_module = [] {
        return t_state.scope ? describe_module(*t_state.scope) : std::string();
    };
    add_functions(module, functions);
}

}  // namespace chainrule::bind
