#include "autograd/history.h"
#include "base/message.h"
#include "bind/arguments.h"
#include "bind/call.h"
#include "bind/creation.h"
#include "bind/dtype_object.h"
#include "bind/interchange.h"
#include "bind/tensor_object.h"

// Copies and pickles of tensors, and the attributes that go with them.
namespace chainrule::bind {

namespace {

// The attributes that the user gave to a tensor; null if there are none.
PyObject* attributes_of(PyObject* self) {
    PyObject* dict = reinterpret_cast<PyTensor*>(self)->dict;
    return dict && PyDict_GET_SIZE(dict) > 0 ? dict : nullptr;
}

void set_attributes(PyObject* self, PyObject* dict) {
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(dict, &position, &key, &value)) {
        checked(PyObject_SetAttr(self, key, value));
    }
}

// Bytes from the first element to the last.
int64_t span_bytes(const TensorImpl& t) {
    if (t.numel == 0) return 0;
    int64_t last = 0;
    for (int i = 0; i < t.ndim; ++i) last += (t.sizes()[i] - 1) * t.strides()[i];
    return (last + 1) * static_cast<int64_t>(item_size(t.dtype));
}

PyObject* g_rebuild;  // chainrule._C._rebuild_tensor

PyObject* reduce(PyObject* self, PyObject*) {
    return guarded([&] {
        TensorImpl& t = *impl_of(self);
        PyRef bytes = checked(PyBytes_FromStringAndSize(t.data, span_bytes(t)));
        PyRef dtype = checked(dtype_object(t.dtype));
        PyRef size = checked(PyTuple_New(t.ndim)), stride = checked(PyTuple_New(t.ndim));
        for (int i = 0; i < t.ndim; ++i) {
            PyTuple_SET_ITEM(size.get(), i, PyLong_FromLongLong(t.sizes()[i]));
            PyTuple_SET_ITEM(stride.get(), i, PyLong_FromLongLong(t.strides()[i]));
        }
        PyRef arguments =
            checked(Py_BuildValue("(OOOOOO)", Py_TYPE(self), bytes.get(), dtype.get(), size.get(),
                                  stride.get(), requires_grad(t) ? Py_True : Py_False));
        PyObject* state = attributes_of(self);
        return checked(PyTuple_Pack(3, g_rebuild, arguments.get(), state ? state : Py_None)).leak();
    });
}

// _rebuild_tensor(cls, data, dtype, size, stride, requires_grad): what a pickle calls.
PyObject* rebuild(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&] {
        check(nargs == 6, ErrorKind::Type, "_rebuild_tensor() takes 6 arguments");
        auto* type = reinterpret_cast<PyTypeObject*>(args[0]);
        check(PyType_Check(args[0]) && PyType_IsSubtype(type, g_tensor_type), ErrorKind::Type,
              "_rebuild_tensor(): the class must be a subclass of Tensor");
        check(PyBytes_Check(args[1]), ErrorKind::Type, "_rebuild_tensor(): the data must be bytes");
        DType dtype = dtype_option("_rebuild_tensor", args[2]);
        Dims size = size_from("_rebuild_tensor", 4, args[3]);
        Dims stride = size_from("_rebuild_tensor", 5, args[4]);
        auto count =
            static_cast<int64_t>(static_cast<size_t>(PyBytes_GET_SIZE(args[1])) / item_size(dtype));
        Tensor memory = new_empty({count}, dtype);
        std::memcpy(memory->data, PyBytes_AS_STRING(args[1]),
                    static_cast<size_t>(count) * item_size(dtype));
        check_in_storage(size, stride, 0, *memory->storage, dtype);
        memory->set_geometry(size, stride);
        return wrap_as(type, finish_new(std::move(memory), PyObject_IsTrue(args[5]) == 1));
    });
}

// The copy of t's storage: one for all tensors that share it, found through `memo`.
Tensor copied_storage(const TensorImpl& t, PyObject* memo) {
    PyRef key = checked(PyLong_FromVoidPtr(t.storage->data));
    PyObject* known = t.storage->nbytes ? PyDict_GetItemWithError(memo, key.get()) : nullptr;
    if (known && is_tensor(known)) return tensor_of(known);
    auto count = static_cast<int64_t>(t.storage->nbytes / item_size(t.dtype));
    Tensor copy = new_empty({count}, t.dtype);
    std::memcpy(copy->data, t.storage->data, static_cast<size_t>(count) * item_size(t.dtype));
    if (t.storage->nbytes) {
        PyRef object = checked(wrap(copy));
        checked(PyDict_SetItem(memo, key.get(), object.get()));
    }
    return copy;
}

PyRef deep_copy(PyObject* object, PyObject* memo) {
    static PyObject* function;
    if (!function) {
        PyRef module = checked(PyImport_ImportModule("copy"));
        function = checked(PyObject_GetAttrString(module.get(), "deepcopy")).leak();
    }
    return checked(PyObject_CallFunctionObjArgs(function, object, memo, nullptr));
}

PyObject* deepcopy(PyObject* self, PyObject* memo) {
    return guarded([&] {
        check(PyDict_Check(memo), ErrorKind::Type, "__deepcopy__() takes a dict");
        PyRef key = checked(PyLong_FromVoidPtr(self));
        if (PyObject* known = PyDict_GetItemWithError(memo, key.get())) return Py_NewRef(known);
        const Tensor t = tensor_of(self);
        check(is_leaf(*t), ErrorKind::Runtime,
              "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
              "protocol at the moment.",
              note("This one is the result of ",
                   t->grad_fn ? t->grad_fn->described() : "an operation"),
              note("Copy tensor.detach() instead."));
        PyTypeObject* type = Py_TYPE(self);
        bool parameter = PyType_IsSubtype(type, g_parameter_type);
        Tensor memory = copied_storage(*t, memo);
        PyRef result = checked(
            wrap_as(type, finish_new(Tensor::view_of(*memory, t.shape(), t.strides(), t.offset()),
                                     requires_grad(*t))));
        checked(PyDict_SetItem(memo, key.get(), result.get()));
        if (parameter) return result.leak();  // torch's parameters leave .grad and attributes out
        if (t->grad) {
            PyRef grad = checked(wrap(Tensor(Ref<TensorImpl>::share(t->grad))));
            PyRef copy = deep_copy(grad.get(), memo);
            impl_of(result.get())->grad = tensor_of(copy.get()).leak();
        }
        if (PyObject* attributes = attributes_of(self)) {
            set_attributes(result.get(), deep_copy(attributes, memo).get());
        }
        return result.leak();
    });
}

PyObject* copy(PyObject* self, PyObject*) {
    return guarded([&] {
        const TensorImpl& t = *impl_of(self);
        PyRef result =
            checked(wrap_as(Py_TYPE(self), finish_new(Tensor::alias(t), requires_grad(t))));
        if (PyObject* attributes = attributes_of(self)) set_attributes(result.get(), attributes);
        return result.leak();
    });
}

// _view_of_memory(tensor, offset, size, stride): another tensor over the same storage, without
// history, for loaders.
PyObject* view_of_memory(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&] {
        check(nargs == 4 && is_tensor(args[0]), ErrorKind::Type,
              "_view_of_memory() takes a tensor, an offset, a size and a stride");
        Tensor memory = tensor_of(args[0]);
        int64_t offset = integer_from(args[1], "offset");
        Dims size = size_from("_view_of_memory", 3, args[2]);
        Dims stride = size_from("_view_of_memory", 4, args[3]);
        check_in_storage(size, stride, offset, *memory->storage, memory.dtype());
        return wrap(finish_new(Tensor::view_of(*memory, size, stride, offset), false));
    });
}

// Who sees the dict can put a reference to the tensor into it.
PyObject* get_dict(PyObject* self, void* context) {
    track(self);
    return PyObject_GenericGetDict(self, context);
}
int set_dict(PyObject* self, PyObject* dict, void* context) {
    track(self);
    return PyObject_GenericSetDict(self, dict, context);
}
PyGetSetDef getset[] = {
    {"__dict__", get_dict, set_dict, "The attributes that the user gave to the tensor.", nullptr},
};

PyMethodDef methods[] = {
    {"__reduce_ex__", reduce, METH_O, nullptr},
    {"__deepcopy__", deepcopy, METH_O, nullptr},
    {"__copy__", copy, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyMethodDef functions[] = {
    {"_rebuild_tensor", method(rebuild), METH_FASTCALL, nullptr},
    {"_view_of_memory", method(view_of_memory), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_pickling(PyObject* module) {
    add_tensor_methods(methods);
    // Not by setattr: that would set the type's own __dict__.
    PyRef attribute = checked(PyDescr_NewGetSet(g_tensor_type, getset));
    checked(PyDict_SetItemString(g_tensor_type->tp_dict, "__dict__", attribute.get()));
    PyType_Modified(g_tensor_type);
    add_functions(module, functions);
    g_rebuild = checked(PyObject_GetAttrString(module, "_rebuild_tensor")).leak();
}

}  // namespace chainrule::bind
