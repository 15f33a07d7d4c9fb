#include "bind/python.h"

#include <structmember.h>

#include <cstddef>

#include "autograd/module_scope.h"
#include "autograd/thread_state.h"
#include "bind/modules.h"

// The base class of nn.Module: attributes fall back to the parameters, buffers and submodules.
namespace chainrule::bind {

namespace {

struct PyModuleBase {
    PyObject_HEAD PyObject* dict;
    PyObject* weak_references;
    // Makes the layout "solid": Python ignores a tail of dict and weak references when it chooses
    // the base that gives a class its layout, and `class Net(Mixin, nn.Module)` would take the
    // mixin's.
    void* solid;
};

PyModuleBase* object_of(PyObject* self) { return reinterpret_cast<PyModuleBase*>(self); }

PyObject* g_registries[3];  // "_parameters", "_buffers", "_modules"
PyObject* g_hooked;         // "_hooked": True once a call may have to run hooks
PyObject* g_call_with_hooks;
PyObject* g_forward;

// The order of lookup is Python's, then the registries; no AttributeError is made and thrown away
// on the way, which is what makes `self.weight` cheap.
PyObject* getattro(PyObject* self, PyObject* name) {
    if (_PyType_Lookup(Py_TYPE(self), name)) return PyObject_GenericGetAttr(self, name);
    PyObject* dict = object_of(self)->dict;
    if (dict) {
        if (PyObject* value = PyDict_GetItemWithError(dict, name)) return Py_NewRef(value);
        if (PyErr_Occurred()) return nullptr;
        for (PyObject* registry : g_registries) {
            PyObject* members = PyDict_GetItemWithError(dict, registry);
            if (!members || !PyDict_Check(members)) continue;
            if (PyObject* value = PyDict_GetItemWithError(members, name)) return Py_NewRef(value);
        }
        if (PyErr_Occurred()) return nullptr;
    }
    return PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '%U'",
                        Py_TYPE(self)->tp_name, name);
}

PyObject* call_method(PyObject* self, PyObject* name, PyObject* args, PyObject* kwargs) {
    PyObject* method = PyObject_GetAttr(self, name);
    if (!method) return nullptr;
    PyObject* result = PyObject_Call(method, args, kwargs);
    Py_DECREF(method);
    return result;
}

// The module call that runs, for the nodes recorded during it.
class EnteredScope {
public:
    explicit EnteredScope(PyObject* module) {
        static uint32_t calls = 0;
        PyObject* weak = PyWeakref_NewRef(module, nullptr);
        if (!weak) throw PythonErrorSet();
        scope_ = ModuleScope::create();
        scope_->call = ++calls;
        scope_->parent = t_state.scope;
        scope_->module = weak;
        // Every class of modules is made by a class statement (or PyType_FromSpec).
        scope_->type_name =
            Py_NewRef(reinterpret_cast<PyHeapTypeObject*>(Py_TYPE(module))->ht_name);
        t_state.scope = scope_;
    }
    ~EnteredScope() {
        t_state.scope = scope_->parent;
        if (scope_->parent) scope_->parent->retain();
        scope_->release();
    }
    EnteredScope(const EnteredScope&) = delete;
    EnteredScope& operator=(const EnteredScope&) = delete;

private:
    ModuleScope* scope_;
};

// A call without hooks goes straight to the class's `forward`: no frame of a Python `__call__`, no
// bound method, no packing of arguments.
PyObject* call_forward(PyObject* self, PyObject* args, PyObject* kwargs) {
    PyObject* dict = object_of(self)->dict;
    PyObject* hooked = dict ? PyDict_GetItemWithError(dict, g_hooked) : nullptr;
    if (!hooked) hooked = _PyType_Lookup(Py_TYPE(self), g_hooked);
    if (hooked == Py_True) return call_method(self, g_call_with_hooks, args, kwargs);
    constexpr Py_ssize_t max_arguments = 6;
    const Py_ssize_t count = PyTuple_GET_SIZE(args);
    PyObject* forward = _PyType_Lookup(Py_TYPE(self), g_forward);
    const bool plain = forward && PyFunction_Check(forward) && count <= max_arguments &&
                       (!kwargs || PyDict_GET_SIZE(kwargs) == 0) &&
                       !(dict && PyDict_GetItemWithError(dict, g_forward));
    if (!plain) return call_method(self, g_forward, args, kwargs);
    PyObject* stack[max_arguments + 2] = {nullptr, self};
    for (Py_ssize_t i = 0; i < count; ++i) stack[i + 2] = PyTuple_GET_ITEM(args, i);
    Py_INCREF(forward);  // the call may replace it in the class
    PyObject* result = PyObject_Vectorcall(
        forward, stack + 1, static_cast<size_t>(count + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET,
        nullptr);
    Py_DECREF(forward);
    return result;
}

PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
    if (__builtin_expect(!g_front_end.capture, 0)) return call_forward(self, args, kwargs);
    return guarded([&] {
        EnteredScope scope(self);
        return call_forward(self, args, kwargs);
    });
}

int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(object_of(self)->dict);
    return 0;
}

int clear(PyObject* self) {
    Py_CLEAR(object_of(self)->dict);
    return 0;
}

void dealloc(PyObject* self) {
    PyObject_GC_UnTrack(self);
    if (object_of(self)->weak_references) PyObject_ClearWeakRefs(self);
    Py_CLEAR(object_of(self)->dict);
    PyTypeObject* type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PyModuleBase, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyModuleBase, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};
PyGetSetDef getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

void init_module_base(PyObject* module) {
    const char* names[] = {"_parameters", "_buffers", "_modules"};
    for (int i = 0; i < 3; ++i)
        g_registries[i] = checked(PyUnicode_InternFromString(names[i])).leak();
    g_hooked = checked(PyUnicode_InternFromString("_hooked")).leak();
    g_call_with_hooks = checked(PyUnicode_InternFromString("_call_with_hooks")).leak();
    g_forward = checked(PyUnicode_InternFromString("forward")).leak();
    PyType_Slot slots[] = {
        {Py_tp_call, reinterpret_cast<void*>(call)},
        {Py_tp_getattro, reinterpret_cast<void*>(getattro)},
        {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(clear)},
        {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
        {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
        {Py_tp_members, members},
        {Py_tp_getset, getset},
        {Py_tp_doc, const_cast<char*>("Attribute lookup of nn.Module.")},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule.nn.modules.module.ModuleBase", sizeof(PyModuleBase), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    PyRef type = checked(PyType_FromSpec(&spec));
    checked(PyModule_AddObjectRef(module, "ModuleBase", type.get()));
}

}  // namespace chainrule::bind
