#pragma once

#include "base/scalar.h"
#include "bind/python.h"

namespace chainrule::bind {

// The parts of the creation functions that stand in files of their own.
extern PyMethodDef creation_from_data_functions[];  // tensor, as_tensor, from_numpy, …
extern PyMethodDef creation_like_functions[];       // zeros_like, …
extern PyMethodDef creation_methods[];              // new_zeros, …

// Refuses a fill value that the dtype cannot hold.
void check_fill_value(const Scalar& value, DType dtype);

}  // namespace chainrule::bind
