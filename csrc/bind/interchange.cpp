#include "bind/interchange.h"

#include "autograd/history.h"
#include "base/message.h"
#include "bind/arguments.h"
#include "bind/buffer.h"
#include "bind/call.h"
#include "bind/creation.h"
#include "bind/generated_support.h"
#include "bind/modules.h"
#include "bind/tensor_object.h"

// Python numbers and lists, NumPy, the buffer protocol.
namespace chainrule::bind {

namespace {

PyObject* item(PyObject* self, PyObject*) {
    return guarded([&] { return wrap_scalar(tensor_of(self).item()); });
}

template <class T>
PyObject* number_object(T value) {
    if constexpr (std::is_same_v<T, bool>) return Py_NewRef(value ? Py_True : Py_False);
    else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(value);
    else return PyFloat_FromDouble(static_cast<double>(value));
}

template <class T>
PyObject* nested_list(const TensorImpl& t, int dim, const T* data) {
    if (dim == t.ndim) return checked(number_object(*data)).leak();
    PyRef list = checked(PyList_New(t.sizes()[dim]));
    for (int64_t i = 0; i < t.sizes()[dim]; ++i) {
        PyList_SET_ITEM(list.get(), i, nested_list(t, dim + 1, data + i * t.strides()[dim]));
    }
    return list.leak();
}

PyObject* tolist(PyObject* self, PyObject*) {
    return guarded([&] {
        const TensorImpl& t = *impl_of(self);
        return dispatch(t.dtype, [&](auto zero) {
            return nested_list(t, 0, reinterpret_cast<const decltype(zero)*>(t.data));
        });
    });
}

const char* buffer_format(DType dtype) {
    switch (dtype) {
        case DType::Bool:
            return "?";
        case DType::Int64:
            return sizeof(long) == 8 ? "l" : "q";
        case DType::Float64:
            return "d";
        default:
            return "f";
    }
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
    return guarded_int([&] {
        TensorImpl& t = *impl_of(self);
        if (requires_grad(t)) {
            PyErr_SetString(PyExc_BufferError,
                            "Can't export the memory of a Tensor that requires grad. Use "
                            "tensor.detach() instead.");
            throw PythonErrorSet();
        }
        BufferShape shape{buffer_format(t.dtype), static_cast<int64_t>(item_size(t.dtype)),
                          Dims(t.sizes(), t.ndim), Dims(t.strides(), t.ndim)};
        for (int64_t& stride : shape.strides) stride *= shape.item;
        return export_buffer(self, view, flags, t.storage, t.data, std::move(shape),
                             t.flags & kContiguous);
    });
}

// numpy.asarray of the tensor's buffer: no copy, and the array keeps the tensor alive.
PyRef numpy_array(PyObject* self, bool force) {
    TensorImpl& t = *impl_of(self);
    PyRef source = PyRef::share(self);
    if (requires_grad(t)) {
        check(force, ErrorKind::Runtime,
              "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
              "instead.",
              t.grad_fn ? note("It is the result of ", t.grad_fn->described())
                        : note("It is a leaf that requires a gradient."));
        source = checked(wrap(Tensor::alias(t)));
    }
    static PyObject* as_array;
    if (!as_array) {
        PyRef numpy(PyImport_ImportModule("numpy"));
        if (!numpy) {
            if (!PyErr_ExceptionMatches(PyExc_ImportError)) throw PythonErrorSet();
            PyErr_Clear();
            fail(ErrorKind::Runtime, "Numpy is not available");
        }
        as_array = checked(PyObject_GetAttrString(numpy.get(), "asarray")).leak();
    }
    PyRef view = checked(PyMemoryView_FromObject(source.get()));
    return checked(PyObject_CallOneArg(as_array, view.get()));
}

PyObject* numpy(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("numpy", {"force"}, kNoKeywords, args, nargs, kwnames, 0);
        return numpy_array(self, call.flag(0, false)).leak();
    });
}

// __array__(dtype=None, copy=None): what numpy.asarray and numpy.array call.
PyObject* array(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("__array__", {"dtype", "copy"}, kNoKeywords, args, nargs, kwnames);
        PyRef shared = numpy_array(self, false);
        bool copies = call.given(1) && call.flag(1, false);
        bool must_share = call.given(1) && !copies;
        if (call.given(0)) {
            PyRef keywords = checked(Py_BuildValue("{sO}", "copy", copies ? Py_True : Py_False));
            PyRef positional = checked(PyTuple_Pack(1, call[0]));
            PyRef cast = checked(PyObject_GetAttrString(shared.get(), "astype"));
            PyRef out = checked(PyObject_Call(cast.get(), positional.get(), keywords.get()));
            check(!must_share || out.get() == shared.get(), ErrorKind::Value,
                  "Unable to avoid copy while creating an array as requested: the dtype differs");
            return out.leak();
        }
        if (copies) return checked(PyObject_CallMethod(shared.get(), "copy", nullptr)).leak();
        return shared.leak();
    });
}

// The result of a NumPy function of tensors becomes a tensor again.
PyObject* array_wrap(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs >= 1, ErrorKind::Type, "__array_wrap__() takes an array");
        if (!is_numpy_array(args[0])) return Py_NewRef(args[0]);
        return wrap(finish_new(share_numpy(args[0]), false));
    });
}

PyObject* data_ptr(PyObject* self, PyObject*) {
    TensorImpl* t = impl_of(self);
    return t->numel ? PyLong_FromVoidPtr(t->data) : PyLong_FromLong(0);
}
PyObject* storage_offset(PyObject* self, PyObject*) {
    return PyLong_FromLongLong(tensor_of(self).offset());
}
PyObject* element_size(PyObject* self, PyObject*) {
    return PyLong_FromSize_t(item_size(impl_of(self)->dtype));
}

PyMethodDef methods[] = {
    {"item", item, METH_NOARGS, "The number in a tensor of one element."},
    {"tolist", tolist, METH_NOARGS, "Nested lists of Python numbers; a number if 0-d."},
    {"numpy", method(numpy), kFlags,
     "numpy(*, force=False): a NumPy array over the same memory. With force also of a tensor that "
     "requires grad."},
    {"__array__", method(array), kFlags, nullptr},
    {"__array_wrap__", method(array_wrap), METH_FASTCALL, nullptr},
    {"data_ptr", data_ptr, METH_NOARGS, "Address of the first element; 0 if there is none."},
    {"storage_offset", storage_offset, METH_NOARGS, "Of the first element, in elements."},
    {"element_size", element_size, METH_NOARGS, "Bytes of an element."},
    {nullptr, nullptr, 0, nullptr},
};

// Shape and strides of a buffer, and the storage that it keeps.
struct BufferState {
    Storage* storage;
    Dims shape;
    Dims strides;
};

}  // namespace

int export_buffer(PyObject* owner, Py_buffer* view, int flags, Storage* storage, char* data,
                  BufferShape shape, bool contiguous) {
    bool wants_strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
    bool wants_column_major = (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS &&
                              (flags & PyBUF_ANY_CONTIGUOUS) != PyBUF_ANY_CONTIGUOUS;
    bool wants_dense = !wants_strides || (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS ||
                       (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS;
    if ((wants_dense && !contiguous) || (wants_column_major && shape.shape.size() > 1)) {
        PyErr_SetString(
            PyExc_BufferError,
            "the memory of the tensor is not contiguous as asked for; use .contiguous()");
        throw PythonErrorSet();
    }
    auto* state = new BufferState{storage, std::move(shape.shape), std::move(shape.strides)};
    storage->retain();
    int64_t numel = 1;
    for (int64_t size : state->shape) numel *= size;
    view->obj = Py_NewRef(owner);
    view->buf = data;
    view->len = numel * shape.item;
    view->itemsize = shape.item;
    view->readonly = 0;
    view->format = flags & PyBUF_FORMAT ? const_cast<char*>(shape.format) : nullptr;
    view->ndim = static_cast<int>(state->shape.size());
    static_assert(sizeof(Py_ssize_t) == sizeof(int64_t));
    bool wants_shape = flags & PyBUF_ND;
    view->shape = wants_shape ? reinterpret_cast<Py_ssize_t*>(state->shape.data()) : nullptr;
    view->strides = wants_strides ? reinterpret_cast<Py_ssize_t*>(state->strides.data()) : nullptr;
    view->suboffsets = nullptr;
    view->internal = state;
    return 0;
}

void release_buffer(PyObject*, Py_buffer* view) {
    auto* state = static_cast<BufferState*>(view->internal);
    state->storage->release();
    delete state;
}

void init_interchange(PyObject* module) {
    add_tensor_methods(methods);
    add_tensor_methods(dlpack_methods);
    for (PyTypeObject* type : {g_tensor_type, g_parameter_type}) {
        type->tp_as_buffer->bf_getbuffer = get_buffer;
        type->tp_as_buffer->bf_releasebuffer = release_buffer;
    }
    // NumPy scalars leave arithmetic with a tensor to the tensor.
    PyRef priority = checked(PyLong_FromLong(1000));
    checked(PyObject_SetAttrString(reinterpret_cast<PyObject*>(g_tensor_type), "__array_priority__",
                                   priority.get()));
    init_storage(module);
    init_pickling(module);
}

}  // namespace chainrule::bind
