#pragma once

#include "bind/python.h"

// Each part of the bindings adds itself to the extension module.
namespace chainrule::bind {

void init_modes(PyObject* module);
void init_autograd(PyObject* module);
void init_graph_snapshot(PyObject* module);
void init_observers(PyObject* module);
void init_anomaly(PyObject* module);
void init_creation(PyObject* module);
void init_attributes();
void init_conversion(PyObject* module);
void init_random(PyObject* module);
void init_function(PyObject* module);
void init_module_base(PyObject* module);
void init_optim(PyObject* module);
void init_interchange(PyObject* module);
void init_memory(PyObject* module);
void init_profiler(PyObject* module);

}  // namespace chainrule::bind
