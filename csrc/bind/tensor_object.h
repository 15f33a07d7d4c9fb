#pragma once

#include "bind/python.h"
#include "tensor/tensor.h"

namespace chainrule::bind {

// The Python object of a tensor. It owns the TensorImpl, except while the TensorImpl owns it; see
// Note [Who owns whom].
struct PyTensor {
    PyObject_HEAD TensorImpl* impl;
    PyObject* dict;
    PyObject* weak_references;
};

extern PyTypeObject* g_tensor_type;
extern PyTypeObject* g_parameter_type;

inline bool is_tensor(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    return type == g_tensor_type || type == g_parameter_type ||
           PyType_IsSubtype(type, g_tensor_type);
}
inline TensorImpl* impl_of(PyObject* tensor) { return reinterpret_cast<PyTensor*>(tensor)->impl; }
inline Tensor tensor_of(PyObject* tensor) {
    return Tensor(Ref<TensorImpl>::share(impl_of(tensor)));
}

// The Python object of a tensor: the one it has, or a new one. New reference.
PyObject* wrap(Tensor tensor);
PyObject* wrap_or_none(const Tensor& tensor);
// A new object of a Python subclass (or Parameter) over `tensor`, which must have none yet.
PyObject* wrap_as(PyTypeObject* type, Tensor tensor);
// From now on the cycle collector looks at the object: it got something that can refer back to it.
void track(PyObject* tensor);

// True if `object` is a temporary that only the interpreter's value stack holds, so that its
// memory may be given to the result of the operation that consumes it.
bool is_consumed_temporary(PyObject* object);

void init_tensor_type(PyObject* module);
void add_tensor_methods(PyMethodDef* methods);  // plain functions with self
void add_tensor_getset(PyGetSetDef* getset);

}  // namespace chainrule::bind
