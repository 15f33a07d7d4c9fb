#pragma once

#include "bind/python.h"

namespace chainrule::bind {

void init_location(PyObject* module);
void init_messages(PyObject* module);  // called by init_location

}  // namespace chainrule::bind
