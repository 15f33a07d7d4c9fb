#include "bind/node_object.h"

#include "bind/python.h"

#include <structmember.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

#include "autograd/accumulate_grad.h"
#include "autograd/saved.h"
#include "bind/arguments.h"
#include "bind/dtype_object.h"
#include "bind/generated_support.h"
#include "bind/hook_objects.h"
#include "bind/tensor_object.h"

namespace chainrule::bind {

PyTypeObject* g_node_type;

namespace {

PyNode* object_of(PyObject* self) { return reinterpret_cast<PyNode*>(self); }

void node_dealloc(PyObject* self) {
    PyNode* n = object_of(self);
    PyObject_GC_UnTrack(self);
    if (n->weak_references) PyObject_ClearWeakRefs(self);
    Py_CLEAR(n->dict);
    if (n->node && n->owns_node) {
        n->node->python_object = nullptr;
        n->node->release();
    }
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

int node_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(object_of(self)->dict);
    return 0;
}

int node_clear(PyObject* self) {
    Py_CLEAR(object_of(self)->dict);
    return 0;
}

PyObject* node_repr(PyObject* self) {
    const char* name = Py_TYPE(self)->tp_name;
    const char* dot = std::strrchr(name, '.');
    return PyUnicode_FromFormat("<%s object at %p>", dot ? dot + 1 : name, self);
}

PyObject* node_name(PyObject* self, PyObject*) {
    return guarded([&] { return PyUnicode_FromString(node_of(self)->name()); });
}

PyObject* next_functions(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        Node& node = *node_of(self);
        PyRef tuple = checked(PyTuple_New(node.num_inputs()));
        for (uint32_t i = 0; i < node.num_inputs(); ++i) {
            PyRef next = checked(wrap_node(node.edges()[i].node));
            PyObject* pair = Py_BuildValue("(OI)", next.get(), node.edges()[i].index);
            if (!pair) return nullptr;
            PyTuple_SET_ITEM(tuple.get(), i, pair);
        }
        return tuple.leak();
    });
}

PyObject* input_metadata(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        Node& node = *node_of(self);
        PyRef list = checked(PyList_New(0));
        for (uint32_t i = 0; i < node.num_outputs(); ++i) {
            Dims shape = node.meta(i).shape();
            PyRef size = checked(size_object(shape.data(), shape.size()));
            PyRef dtype = checked(dtype_object(node.meta(i).dtype()));
            PyRef pair = checked(PyTuple_Pack(2, size.get(), dtype.get()));
            checked(PyList_Append(list.get(), pair.get()));
        }
        return list.leak();
    });
}

PyObject* node_metadata(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        PyNode* n = object_of(self);
        if (!n->dict) n->dict = checked(PyDict_New()).leak();
        PyRef key = checked(PyUnicode_FromString("_metadata"));
        PyRef empty = checked(PyDict_New());
        return Py_XNewRef(PyDict_SetDefault(n->dict, key.get(), empty.get()));
    });
}

PyObject* node_sequence(PyObject* self, PyObject*) {
    return guarded([&] { return PyLong_FromUnsignedLongLong(node_of(self)->sequence()); });
}

// Where the operation was recorded: "file.py:12", or None.
PyObject* node_location(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        std::string place = describe_location(node_of(self)->where());
        if (place.empty()) Py_RETURN_NONE;
        return PyUnicode_FromString(place.c_str());
    });
}

// The formulas of the gradients, one per input; None where the table has none.
PyObject* node_formulas(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        Node& node = *node_of(self);
        PyRef tuple = checked(PyTuple_New(node.num_inputs()));
        for (uint32_t i = 0; i < node.num_inputs(); ++i) {
            const char* text = node.formula(i);
            PyObject* item = text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
            if (!item) return nullptr;
            PyTuple_SET_ITEM(tuple.get(), i, item);
        }
        return tuple.leak();
    });
}

PyObject* node_variable(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        Node* node = node_of(self);
        check(node->is_accumulate_grad(), ErrorKind::Attribute, "'", node->name(),
              "' object has no attribute 'variable'");
        return wrap(static_cast<AccumulateGrad*>(node)->variable());
    });
}

// `_saved_self`, `_saved_other`, `_saved_dim`, …
struct FindSaved final : SavedVisitor {
    std::string wanted;
    Node* node = nullptr;
    PyRef found;
    PyRef names = PyRef(PyList_New(0));

    bool is(const char* name) {
        PyRef text(PyUnicode_FromFormat("_saved_%s", name));
        if (text) PyList_Append(names.get(), text.get());
        return wanted == name;
    }
    PyObject* unpacked(Saved& value) {
        if (!value.defined() && !node->released()) return Py_NewRef(Py_None);
        GradModeGuard recording(true);
        return wrap(value.unpack(*node));
    }
    void tensor(const char* name, Saved& value) override {
        if (is(name)) found = checked(unpacked(value));
    }
    void scalar(const char* name, const Scalar& value) override {
        if (is(name)) found = checked(wrap_scalar(value));
    }
    void dims(const char* name, const Dims& value) override {
        if (!is(name)) return;
        PyRef size = checked(size_object(value.data(), value.size()));
        found = checked(PySequence_Tuple(size.get()));
    }
    void flag(const char* name, bool value) override {
        if (is(name)) found = PyRef(PyBool_FromLong(value));
    }
    void tensor_list(const char* name, std::vector<Saved>& values) override {
        if (!is(name)) return;
        found = checked(PyTuple_New(static_cast<Py_ssize_t>(values.size())));
        for (size_t i = 0; i < values.size(); ++i) {
            PyTuple_SET_ITEM(found.get(), static_cast<Py_ssize_t>(i), unpacked(values[i]));
        }
    }
};

PyObject* node_getattro(PyObject* self, PyObject* name) {
    PyObject* value = PyObject_GenericGetAttr(self, name);
    if (value || !PyErr_ExceptionMatches(PyExc_AttributeError)) return value;
    PyObject *type, *error, *trace;  // set aside, as making the value calls Python
    PyErr_Fetch(&type, &error, &trace);
    const char* text = PyUnicode_AsUTF8(name);
    if (text && std::string(text).rfind("_saved_", 0) == 0) {
        value = guarded([&]() -> PyObject* {
            FindSaved find;
            find.wanted = text + 7;
            find.node = node_of(self);
            find.node->visit_saved(find);
            return find.found.leak();
        });
    }
    if (value || PyErr_Occurred()) {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(trace);
    } else {
        PyErr_Restore(type, error, trace);
    }
    return value;
}

PyObject* node_dir(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        PyRef type_dir = checked(PyObject_Dir(reinterpret_cast<PyObject*>(Py_TYPE(self))));
        FindSaved find;
        find.node = node_of(self);
        find.node->visit_saved(find);
        return PySequence_Concat(type_dir.get(), find.names.get());
    });
}

PyObject* register_hook(PyObject* self, PyObject* callable) {
    return guarded([&] { return add_node_post_hook(*node_of(self), callable); });
}
PyObject* register_prehook(PyObject* self, PyObject* callable) {
    return guarded([&] { return add_node_pre_hook(*node_of(self), callable); });
}

// node(*gradients): the gradients of the inputs for given gradients of the outputs (None: zero), as
// the engine would compute them; without hooks, recorded if recording is on, and nothing is freed.
PyObject* node_call(PyObject* self, PyObject* args, PyObject* kwargs) {
    return guarded([&]() -> PyObject* {
        Node& node = *node_of(self);
        check(!kwargs || PyDict_GET_SIZE(kwargs) == 0, ErrorKind::Type, node.name(),
              "() takes no keyword arguments");
        check(PyTuple_GET_SIZE(args) == node.num_outputs(), ErrorKind::Type, node.name(),
              "() takes one gradient for each of its ", node.num_outputs(), " outputs, got ",
              PyTuple_GET_SIZE(args));
        check(!node.is_accumulate_grad(), ErrorKind::Type,
              "an AccumulateGrad has no inputs: add to variable.grad instead");
        std::vector<Tensor> in(node.num_outputs()), out(node.num_inputs());
        for (uint32_t i = 0; i < node.num_outputs(); ++i) {
            PyObject* given = PyTuple_GET_ITEM(args, i);
            if (given == Py_None) continue;
            check(is_tensor(given), ErrorKind::Type, node.name(), "() takes Tensors or None, not ",
                  Py_TYPE(given)->tp_name);
            in[i] = tensor_of(given);
            check(node.meta(i).same_shape(*in[i]), ErrorKind::Runtime, node.name(), "(): gradient ",
                  i, " has shape ", to_string(in[i].shape()), ", its output has ",
                  to_string(node.meta(i).shape()));
        }
        std::unique_ptr<bool[]> wanted(new bool[node.num_inputs() + 1]);
        for (uint32_t i = 0; i < node.num_inputs(); ++i) wanted[i] = node.edges()[i].node;
        GradIO io{in.data(), out.data(), wanted.get()};
        node.backward(io);
        PyRef tuple = checked(PyTuple_New(node.num_inputs()));
        for (uint32_t i = 0; i < node.num_inputs(); ++i) {
            PyTuple_SET_ITEM(tuple.get(), i, checked(wrap_or_none(out[i])).leak());
        }
        return tuple.leak();
    });
}

PyMethodDef methods[] = {
    {"name", node_name, METH_NOARGS, "Name of the operation."},
    {"register_hook", register_hook, METH_O,
     "Calls hook(grad_inputs, grad_outputs) after the node's backward; may return new "
     "grad_inputs."},
    {"register_prehook", register_prehook, METH_O,
     "Calls hook(grad_outputs) before the node's backward; may return new grad_outputs."},
    {"_sequence_nr", node_sequence, METH_NOARGS, "Position in the order of recording."},
    {"__dir__", node_dir, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef getset[] = {
    {"next_functions", next_functions, nullptr,
     "Pairs (node, output index), one per input; node None: no gradient wanted.", nullptr},
    {"metadata", node_metadata, nullptr, "A dict for the user's notes on this node.", nullptr},
    {"variable", node_variable, nullptr, "The leaf that an AccumulateGrad adds into.", nullptr},
    {"_output_metadata", input_metadata, nullptr, "Shape and dtype of each output.", nullptr},
    {"_location", node_location, nullptr, "Where the operation was recorded.", nullptr},
    {"_formulas", node_formulas, nullptr, "The derivative's formula for each input.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PyNode, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyNode, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

}  // namespace

// One Python type per kind of node, so that type(t.grad_fn).__name__ is AddBackward0.
PyTypeObject* node_type_named(const char* name, PyTypeObject* base) {
    static std::unordered_map<std::string, PyTypeObject*> types;
    PyTypeObject*& type = types[concat(name, static_cast<const void*>(base))];
    if (!type) {
        auto* full = new std::string(concat("chainrule.autograd.graph.", name));
        PyType_Slot slots[] = {
            {Py_tp_base, base},
            {Py_tp_doc, const_cast<char*>("A recorded operation.")},
            {0, nullptr},
        };
        // Support of the cycle collector comes from the base.
        PyType_Spec spec = {full->c_str(), 0, 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
        type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    }
    return type;
}

bool is_node(PyObject* object) { return PyObject_TypeCheck(object, g_node_type); }
Node* node_of(PyObject* object) {
    Node* node = object_of(object)->node;
    check(node, ErrorKind::Runtime, "the graph that this ", Py_TYPE(object)->tp_name,
          " belonged to was freed; keep the output tensor alive to look at its grad_fn");
    return node;
}

PyObject* wrap_node(Node* node) {
    if (!node) Py_RETURN_NONE;
    if (node->python_object) return Py_NewRef(static_cast<PyObject*>(node->python_object));
    PyTypeObject* type = node_type_named(node->name(), g_node_type);
    PyNode* n = PyObject_GC_New(PyNode, type);
    if (!n) throw PythonErrorSet();
    node->retain();
    n->node = node;
    n->dict = nullptr;
    n->weak_references = nullptr;
    n->owns_node = true;
    node->python_object = n;
    PyObject_GC_Track(reinterpret_cast<PyObject*>(n));
    return reinterpret_cast<PyObject*>(n);
}

void init_nodes(PyObject* module) {
    PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
        {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
        {Py_tp_repr, reinterpret_cast<void*>(node_repr)},
        {Py_tp_call, reinterpret_cast<void*>(node_call)},
        {Py_tp_getattro, reinterpret_cast<void*>(node_getattro)},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_members, members},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule.autograd.graph.Node", sizeof(PyNode), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                            Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        slots};
    g_node_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    checked(PyModule_AddObjectRef(module, "Node", reinterpret_cast<PyObject*>(g_node_type)));
}

}  // namespace chainrule::bind
