#pragma once

#include "bind/python.h"

namespace chainrule::bind {

void init_location(PyObject* module);

}  // namespace chainrule::bind
