#pragma once

#include "autograd/node.h"
#include "bind/python.h"

namespace chainrule::bind {

// Layout of the wrapper of a graph node.
struct PyNode {
    PyObject_HEAD Node* node;
    PyObject* dict;
    PyObject* weak_references;
    bool owns_node;  // a context of a custom Function is owned by its node instead
};

// The Python object of a graph node: the one it has, or a new one; None for null. New reference.
PyObject* wrap_node(Node* node);
bool is_node(PyObject* object);
Node* node_of(PyObject* object);
// The graph node class of a custom Function's contexts derives from this type.
extern PyTypeObject* g_node_type;
// The type with that name below `base`, made at the first call.
PyTypeObject* node_type_named(const char* name, PyTypeObject* base);

void init_nodes(PyObject* module);

}  // namespace chainrule::bind
