#pragma once

#include "bind/python.h"

namespace chainrule::bind {

// x[key], x[key] = value, del x[key]: slots of the tensor type.
PyObject* tensor_getitem(PyObject* self, PyObject* key);
int tensor_setitem(PyObject* self, PyObject* key, PyObject* value);

// Functions and methods of indexing that the table cannot express: those with results
// that depend on their arguments, with any number of tensors, and the in-place forms.
void init_indexing(PyObject* module);

}  // namespace chainrule::bind
