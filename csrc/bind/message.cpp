#include "base/message.h"

#include "autograd/origin.h"
#include "base/shape_hints.h"
#include "bind/arguments.h"
#include "bind/location.h"
#include "bind/tensor_object.h"

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

PyMethodDef functions[] = {
    {"_describe_origin", origin, METH_O, "Where a tensor comes from, for messages; may be empty."},
    {"_hint_same_shape", method(same_shape), METH_FASTCALL,
     "A further line of a message: how to make input and target of one shape."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_messages(PyObject* module) { add_functions(module, functions); }

}  // namespace chainrule::bind
