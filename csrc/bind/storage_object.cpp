#include "bind/arguments.h"
#include "bind/dtype_object.h"
#include "bind/generated_support.h"
#include "bind/interchange.h"
#include "bind/tensor_object.h"

// The memory under tensors as a Python object: UntypedStorage counts bytes, TypedStorage elements.
namespace chainrule::bind {

namespace {

struct PyStorage {
    PyObject_HEAD Storage* storage;
    DType dtype;
};

PyTypeObject* g_untyped;
PyTypeObject* g_typed;

PyStorage& of(PyObject* self) { return *reinterpret_cast<PyStorage*>(self); }
int64_t length_of(PyObject* self) {
    auto bytes = static_cast<int64_t>(of(self).storage->nbytes);
    if (Py_TYPE(self) == g_untyped) return bytes;
    return bytes / static_cast<int64_t>(item_size(of(self).dtype));
}

void dealloc(PyObject* self) {
    of(self).storage->release();
    PyTypeObject* type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

PyObject* make(PyTypeObject* type, TensorImpl& t) {
    auto* self = PyObject_New(PyStorage, type);
    if (!self) throw PythonErrorSet();
    t.storage->retain();
    self->storage = t.storage;
    self->dtype = t.dtype;
    return reinterpret_cast<PyObject*>(self);
}

PyObject* untyped_storage(PyObject* tensor, PyObject*) {
    return guarded([&] { return make(g_untyped, *impl_of(tensor)); });
}
PyObject* storage(PyObject* tensor, PyObject*) {
    return guarded([&] { return make(g_typed, *impl_of(tensor)); });
}

PyObject* data_ptr(PyObject* self, PyObject*) { return PyLong_FromVoidPtr(of(self).storage->data); }
PyObject* nbytes(PyObject* self, PyObject*) { return PyLong_FromSize_t(of(self).storage->nbytes); }
PyObject* size(PyObject* self, PyObject*) { return PyLong_FromLongLong(length_of(self)); }
Py_ssize_t length(PyObject* self) { return length_of(self); }

PyObject* element(PyObject* self, Py_ssize_t i) {
    return guarded([&]() -> PyObject* {
        check(i >= 0 && i < length_of(self), ErrorKind::Index, "index ", i,
              " is out of range for a storage of size ", length_of(self));
        char* data = of(self).storage->data;
        if (Py_TYPE(self) == g_untyped) {
            return PyLong_FromLong(reinterpret_cast<const uint8_t*>(data)[i]);
        }
        return dispatch(of(self).dtype, [&](auto zero) -> PyObject* {
            using T = decltype(zero);
            T value = reinterpret_cast<const T*>(data)[i];
            if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(value);
            else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(value);
            else return PyFloat_FromDouble(static_cast<double>(value));
        });
    });
}

PyObject* tolist(PyObject* self, PyObject*) { return PySequence_List(self); }
PyObject* dtype(PyObject* self, void*) { return dtype_object(of(self).dtype); }
PyObject* device(PyObject*, void*) { return cpu_device(); }

PyObject* compare(PyObject* self, PyObject* other, int operation) {
    if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool same = of(self).storage->data == of(other).storage->data;
    return PyBool_FromLong(same == (operation == Py_EQ));
}
Py_hash_t hash(PyObject* self) {
    return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(of(self).storage->data) >> 4);
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
    return guarded_int([&] {
        Storage* s = of(self).storage;
        return export_buffer(self, view, flags, s, s->data,
                             {"B", 1, {static_cast<int64_t>(s->nbytes)}, {1}}, true);
    });
}

PyMethodDef methods[] = {
    {"data_ptr", data_ptr, METH_NOARGS, "Address of the memory."},
    {"nbytes", nbytes, METH_NOARGS, "Size in bytes."},
    {"size", size, METH_NOARGS, "Number of elements; bytes of an untyped storage."},
    {"tolist", tolist, METH_NOARGS, "The elements, or bytes, as Python numbers."},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef untyped_getset[] = {
    {"device", device, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyGetSetDef typed_getset[] = {
    {"dtype", dtype, nullptr, nullptr, nullptr},
    {"device", device, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyTypeObject* make_type(const char* name, PyGetSetDef* getset) {
    PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
        {Py_tp_hash, reinterpret_cast<void*>(hash)},
        {Py_sq_length, reinterpret_cast<void*>(length)},
        {Py_sq_item, reinterpret_cast<void*>(element)},
        {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
        {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
        {0, nullptr},
    };
    PyType_Spec spec = {name, sizeof(PyStorage), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    return reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
}

PyMethodDef tensor_methods[] = {
    {"untyped_storage", untyped_storage, METH_NOARGS, "The memory under the tensor, as bytes."},
    {"storage", storage, METH_NOARGS, "The memory under the tensor, as elements of its dtype."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_storage(PyObject* module) {
    g_untyped = make_type("chainrule.UntypedStorage", untyped_getset);
    g_typed = make_type("chainrule.TypedStorage", typed_getset);
    checked(
        PyModule_AddObjectRef(module, "UntypedStorage", reinterpret_cast<PyObject*>(g_untyped)));
    checked(PyModule_AddObjectRef(module, "TypedStorage", reinterpret_cast<PyObject*>(g_typed)));
    add_tensor_methods(tensor_methods);
}

}  // namespace chainrule::bind
