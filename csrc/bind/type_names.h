#pragma once

#include "bind/python.h"

namespace chainrule::bind {

// Makes a type of the package print as torch's: <class 'torch.Tensor'>. Its __module__ stays
// chainrule, so that it can be pickled where no torch is. `short_name` is what error messages of
// the interpreter call it; null: as it is.
void print_as_torch(PyTypeObject* type, const char* short_name = nullptr);

}  // namespace chainrule::bind
