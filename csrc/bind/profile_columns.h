#pragma once

#include "autograd/profiler.h"
#include "bind/python.h"

namespace chainrule::bind {

// The events of a profile as a dictionary of lists, one for each column; what many events share
// (names, places, module calls, shapes) stands in tables that the columns point into.
PyRef profile_columns(Profile& profile);

void init_record_range(PyObject* module);

}  // namespace chainrule::bind
