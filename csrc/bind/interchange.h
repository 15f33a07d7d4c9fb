#pragma once

#include "bind/python.h"
#include "tensor/tensor.h"

namespace chainrule::bind {

// A tensor over the memory of an object with __dlpack__, or of a DLPack capsule.
Tensor tensor_from_dlpack(PyObject* object);
PyMethodDef* dlpack_methods();
PyMethodDef* pickling_methods();
PyMethodDef* pickling_functions();
void init_storage_type(PyObject* module);

}  // namespace chainrule::bind
