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

// What a registration gives back, and the node that it keeps alive; null for hooks at leaves.
bool is_hook_handle(PyTypeObject* type);
Node* node_of_handle(PyObject* handle);

}  // namespace chainrule::bind
