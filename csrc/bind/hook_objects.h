#pragma once

#include "autograd/node.h"
#include "bind/python.h"

namespace chainrule::bind {

// Hooks that call Python. Each returns a handle with remove(), usable as a context manager.
PyObject* add_tensor_hook(PyObject* tensor, PyObject* callable);
PyObject* add_post_accumulate_hook(PyObject* tensor, PyObject* callable);
PyObject* add_node_pre_hook(Node& node, PyObject* callable);
PyObject* add_node_post_hook(Node& node, PyObject* callable);

void init_hooks(PyObject* module);

}  // namespace chainrule::bind
