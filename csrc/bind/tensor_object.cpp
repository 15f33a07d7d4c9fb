#include "bind/tensor_object.h"

#include <structmember.h>

#include <cstddef>
#include <vector>

#include "autograd/history.h"
#include "bind/hooks.h"
#include "bind/source_line.h"
#include "bind/type_names.h"

namespace chainrule::bind {

PyTypeObject* g_tensor_type = nullptr;
PyTypeObject* g_parameter_type = nullptr;

namespace {

// Objects of the exact type Tensor wait here to be used again.
constexpr int kFreeObjects = 256;
PyTensor* g_free[kFreeObjects];
int g_num_free = 0;

PyTensor* object_of(PyObject* self) { return reinterpret_cast<PyTensor*>(self); }

PyTensor* allocate_object() {
    if (g_num_free > 0) {
        PyTensor* t = g_free[--g_num_free];
        PyObject_Init(reinterpret_cast<PyObject*>(t), g_tensor_type);
        return t;
    }
    PyTensor* t = PyObject_GC_New(PyTensor, g_tensor_type);
    if (!t) throw PythonErrorSet();
    t->dict = nullptr;
    t->weak_references = nullptr;
    return t;
}

// Note [Gradients that carry a graph]: such a gradient's graph holds the TensorImpl. It goes with
// the last handle that the user has, so that no cycle keeps both alive.
void drop_graph_of_grad(TensorImpl& impl) {
    TensorImpl* grad = impl.grad;
    if (grad && grad->grad_fn) {
        impl.grad = nullptr;
        grad->release();
    }
}

// Note [Who owns whom]: as a rule the Python object owns the TensorImpl. When the last Python
// reference goes while the graph still holds the TensorImpl, and the object has something to lose
// (a subclass, attributes), the ownership turns round: the TensorImpl keeps the object, and hands
// it out again when asked.
bool keep_object(PyObject* self) {
    PyTensor* t = object_of(self);
    TensorImpl* impl = t->impl;
    if (!impl || impl->refcount <= 1) return false;
    drop_graph_of_grad(*impl);
    if (impl->refcount <= 1) return false;
    bool something = Py_TYPE(self) != g_tensor_type || t->weak_references ||
                     (t->dict && PyDict_GET_SIZE(t->dict) > 0);
    if (!something) return false;
    Py_SET_REFCNT(self, 1);
    impl->owns_python = true;
    impl->release();
    return true;
}

void release_kept_object(void* object) {
    auto* self = static_cast<PyObject*>(object);
    object_of(self)->impl = nullptr;
    Py_DECREF(self);
}

void tensor_dealloc(PyObject* self) {
    PyTensor* t = object_of(self);
    if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
    if (keep_object(self)) {
        PyObject_GC_Track(self);
        return;
    }
    if (t->weak_references) PyObject_ClearWeakRefs(self);
    Py_CLEAR(t->dict);
    if (TensorImpl* impl = t->impl) {
        t->impl = nullptr;
        impl->python_object = nullptr;
        impl->release();
    }
    PyTypeObject* type = Py_TYPE(self);
    if (type == g_tensor_type && g_num_free < kFreeObjects) g_free[g_num_free++] = t;
    else PyObject_GC_Del(self);
    Py_DECREF(type);
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
    PyTensor* t = object_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(t->dict);
    // What only this object keeps alive is part of what it refers to.
    if (t->impl && t->impl->refcount == 1) return visit_hooks(*t->impl, visit, arg);
    return 0;
}

int tensor_clear(PyObject* self) {
    PyTensor* t = object_of(self);
    Py_CLEAR(t->dict);
    if (t->impl && t->impl->refcount == 1) clear_hooks(*t->impl);
    return 0;
}

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PyTensor, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

int tensor_setattro(PyObject* self, PyObject* name, PyObject* value) {
    int status = PyObject_GenericSetAttr(self, name, value);
    if (status == 0 && object_of(self)->dict) track(self);
    return status;
}

}  // namespace

void track(PyObject* tensor) {
    if (!PyObject_GC_IsTracked(tensor)) PyObject_GC_Track(tensor);
}

PyObject* wrap(Tensor tensor) {
    TensorImpl* impl = tensor.get();
    if (impl->python_object) {
        auto* self = static_cast<PyObject*>(impl->python_object);
        if (impl->owns_python) {
            impl->owns_python = false;  // the object's one reference passes to the caller
            tensor.leak();              // and the object owns the tensor again
            return self;
        }
        Py_INCREF(self);
        return self;
    }
    PyTensor* t = allocate_object();
    t->impl = tensor.leak();
    t->impl->python_object = t;
    return reinterpret_cast<PyObject*>(t);
}

PyObject* wrap_or_none(const Tensor& tensor) {
    if (!tensor) Py_RETURN_NONE;
    return wrap(tensor);
}

PyObject* wrap_as(PyTypeObject* type, Tensor tensor) {
    if (type == g_tensor_type) return wrap(std::move(tensor));
    PyRef self = checked(type->tp_alloc(type, 0));
    auto* t = object_of(self.get());
    t->impl = tensor.leak();
    t->impl->python_object = t;
    return self.leak();
}

bool is_consumed_temporary(PyObject* object) {
#if PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_Object_IsUniqueReferencedTemporary(object);
#else
    return Py_REFCNT(object) == 1 && chainrule_is_on_value_stack(object);
#endif
}

void add_tensor_methods(PyMethodDef* methods) {
    for (PyMethodDef* m = methods; m->ml_name; ++m) {
        PyRef descriptor = checked(PyDescr_NewMethod(g_tensor_type, m));
        checked(PyObject_SetAttrString(reinterpret_cast<PyObject*>(g_tensor_type), m->ml_name,
                                       descriptor.get()));
    }
}

void add_tensor_getset(PyGetSetDef* getset) {
    for (PyGetSetDef* g = getset; g->name; ++g) {
        PyRef descriptor = checked(PyDescr_NewGetSet(g_tensor_type, g));
        checked(PyObject_SetAttrString(reinterpret_cast<PyObject*>(g_tensor_type), g->name,
                                       descriptor.get()));
    }
}

void init_tensor_type(PyObject* module) {
    std::vector<PyType_Slot> slots = {
        {Py_tp_dealloc, reinterpret_cast<void*>(tensor_dealloc)},
        {Py_tp_traverse, reinterpret_cast<void*>(tensor_traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(tensor_clear)},
        {Py_tp_setattro, reinterpret_cast<void*>(tensor_setattro)},
        {Py_tp_members, members},
        {Py_tp_doc, const_cast<char*>("A multi-dimensional array that can record a graph.")},
    };
    add_number_slots(slots);
    add_protocol_slots(slots);
    slots.push_back({0, nullptr});
    PyType_Spec spec = {"chainrule.Tensor", sizeof(PyTensor), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                        slots.data()};
    g_tensor_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    print_as_torch(g_tensor_type, "Tensor");
    g_release_python_object = release_kept_object;
    checked(PyModule_AddObjectRef(module, "Tensor", reinterpret_cast<PyObject*>(g_tensor_type)));
}

}  // namespace chainrule::bind
