#include "autograd/history.h"
#include "bind/arguments.h"
#include "bind/buffer.h"
#include "bind/call.h"
#include "bind/creation.h"
#include "bind/creation_methods.h"
#include "bind/dtype_object.h"
#include "bind/interchange.h"
#include "bind/observed_call.h"
#include "bind/tensor_object.h"
#include "ops.h"

// torch.tensor and its kind: tensors with the values, or over the memory, of other objects.
namespace chainrule::bind {

namespace {

PyObject* tensor(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        Call call("tensor", {"data"}, kTensorKeywords, args, nargs, kwnames);
        PyObject* data = call.required(0);
        if (is_tensor(data)) {
            checked(PyErr_WarnEx(PyExc_UserWarning,
                                 "To copy construct from a tensor, it is recommended to use "
                                 "sourceTensor.detach().clone() or "
                                 "sourceTensor.detach().clone().requires_grad_(True), rather than "
                                 "torch.tensor(sourceTensor).",
                                 1));
        }
        Tensor out = tensor_from_data(data, call.options().dtype);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

// The object itself, or a tensor over its memory, where dtype allows; else a copy.
Tensor tensor_over(PyObject* data, std::optional<DType> dtype) {
    if (is_tensor(data)) {
        Tensor t = tensor_of(data);
        return dtype && *dtype != t.dtype() ? ops::_to_dtype(t, dtype) : t;
    }
    Tensor shared;
    if (is_numpy_array(data)) {
        std::optional<DType> found = BufferView(data).format().dtype();
        if (dtype && found != dtype) return tensor_from_data(data, dtype);
        shared = share_numpy(data);
    } else if (!PyList_Check(data) && !PyTuple_Check(data) && !is_numpy_scalar(data) &&
               PyObject_HasAttrString(data, "__dlpack__")) {
        shared = tensor_from_dlpack(data);
    }
    if (shared && (!dtype || *dtype == shared.dtype())) return finish_new(shared, false);
    return finish_new(tensor_from_data(data, dtype), false);
}

PyObject* as_tensor(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("as_tensor", {"data", "dtype", "device"}, kNoKeywords, args, nargs, kwnames);
        std::optional<DType> dtype;
        if (call.given(1)) dtype = dtype_option("as_tensor", call[1]);
        if (call.given(2)) check_device(call[2]);
        return wrap(tensor_over(call.required(0), dtype));
    });
}

// frombuffer's and asarray's view of any buffer: a vector of `dtype`.
Tensor vector_over(PyObject* object, DType dtype, int64_t count, int64_t offset) {
    auto* view = new Py_buffer;
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) < 0) {
        delete view;
        PyErr_Clear();
        fail(ErrorKind::Value, "object does not implement Python buffer protocol.");
    }
    auto let_go = [](void* owner) {
        auto* held = static_cast<Py_buffer*>(owner);
        PyBuffer_Release(held);
        delete held;
    };
    Ref<Storage> storage = Ref<Storage>::steal(
        Storage::over(static_cast<char*>(view->buf), static_cast<size_t>(view->len), view, let_go));
    auto item = static_cast<int64_t>(item_size(dtype));
    int64_t length = view->len;
    check(length > 0 && count != 0, ErrorKind::Value, "both buffer length (", length,
          ") and count (", count, ") must not be 0");
    check(offset >= 0 && offset < length, ErrorKind::Value, "offset (", offset,
          " bytes) must be non-negative and no greater than buffer length (", length,
          " bytes) minus 1");
    check(count > 0 || (length - offset) % item == 0, ErrorKind::Value, "buffer length (", length,
          " bytes) after offset (", offset, " bytes) must be a multiple of element size (", item,
          ")");
    if (count < 0) count = (length - offset) / item;
    check(count <= (length - offset) / item, ErrorKind::Value, "requested buffer length (", count,
          " * ", item, " bytes) after offset (", offset,
          " bytes) must not be greater than actual buffer length (", length, " bytes)");
    check(reinterpret_cast<uintptr_t>(storage->data + offset) % static_cast<uintptr_t>(item) == 0,
          ErrorKind::Value, "the buffer after offset ", offset, " is not aligned to ", item,
          " bytes, the size of an element; copy it first");
    static bool warned = false;
    if (view->readonly && !std::exchange(warned, true)) {
        checked(PyErr_WarnEx(
            PyExc_UserWarning,
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. "
            "This means you can write to the underlying (supposedly non-writable) buffer using the "
            "tensor. You may want to copy the buffer to protect its data or make it writable "
            "before "
            "converting it to a tensor. This type of warning will be suppressed for the rest of "
            "this program.",
            1));
    }
    TensorImpl* impl = TensorImpl::create();
    impl->data = storage->data + offset;
    impl->storage = storage.leak();
    impl->dtype = dtype;
    impl->set_contiguous(&count, 1, count);
    return Tensor(Ref<TensorImpl>::steal(impl));
}

PyObject* frombuffer(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("frombuffer", {"buffer", "count", "offset"}, kTensorKeywords, args, nargs,
                  kwnames, 1);
        check(call.options().dtype.has_value(), ErrorKind::Type,
              "frombuffer() missing 1 required positional arguments: \"dtype\"");
        Tensor out = vector_over(call.required(0), *call.options().dtype, call.integer(1, -1),
                                 call.integer(2, 0));
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

PyObject* asarray(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("asarray", {"obj", "copy"}, kTensorKeywords, args, nargs, kwnames, 1);
        PyObject* object = call.required(0);
        std::optional<DType> dtype = call.options().dtype;
        bool requires_grad = call.options().requires_grad;
        bool may_share = !call.given(1) || !call.flag(1, false);
        bool must_share = call.given(1) && may_share;
        bool plain_buffer = !is_tensor(object) && !is_numpy_array(object) &&
                            !is_numpy_scalar(object) && PyObject_CheckBuffer(object);
        if (is_tensor(object)) {
            Tensor t = tensor_over(object, dtype);
            check(!must_share || t.get() == impl_of(object), ErrorKind::Value,
                  "can't alias tensor with dtype 'torch.", dtype_name(impl_of(object)->dtype),
                  "' into dtype 'torch.", dtype_name(t.dtype()), "'.");
            if (!may_share && t.get() == impl_of(object)) t = ops::clone(t);
            if (requires_grad && !is_leaf(*t)) t = detach(t);
            if (requires_grad) set_requires_grad(*t, true);
            return wrap(t);
        }
        Tensor out;
        if (plain_buffer) {
            out = vector_over(object, dtype.value_or(default_dtype()), -1, 0);
        } else {
            bool shares = is_numpy_array(object) || PyObject_HasAttrString(object, "__dlpack__");
            check(!must_share || shares, ErrorKind::Value,
                  "can't alias arbitrary sequence into a tensor.");
            out = may_share ? tensor_over(object, dtype) : tensor_from_data(object, dtype);
        }
        if (plain_buffer && !may_share) out = ops::clone(out);
        return wrap(finish_new(std::move(out), requires_grad));
    });
}

PyObject* from_numpy(PyObject*, PyObject* array) {
    return guarded([&] {
        check(is_numpy_array(array), ErrorKind::Type, "expected np.ndarray (got ",
              Py_TYPE(array)->tp_name, ")");
        return wrap(finish_new(share_numpy(array), false));
    });
}

PyObject* from_dlpack(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("from_dlpack", {"ext_tensor", "device", "copy"}, kNoKeywords, args, nargs,
                  kwnames, 1);
        if (call.given(1)) check_device(call[1]);
        Tensor out = finish_new(tensor_from_dlpack(call.required(0)), false);
        if (call.given(2) && call.flag(2, false)) out = ops::clone(out);
        return wrap(std::move(out));
    });
}

}  // namespace

PyMethodDef creation_from_data_functions[] = {
    {"tensor", created<"tensor", tensor>(), kFlags,
     "tensor(data, *, dtype=None, requires_grad=False)\n\nA copy of numbers, of nested sequences "
     "of "
     "them, or of a NumPy array. Without a dtype: bool, int64 or the default floating dtype, as "
     "the "
     "numbers are; an array keeps its own."},
    {"as_tensor", created<"as_tensor", as_tensor>(), kFlags,
     "as_tensor(data, dtype=None, device=None): as tensor(), without a copy where possible."},
    {"asarray", created<"asarray", asarray>(), kFlags,
     "asarray(obj, *, dtype=None, copy=None, requires_grad=False): without a copy where possible."},
    {"from_numpy", from_numpy, METH_O, "A tensor over the memory of a NumPy array."},
    {"frombuffer", created<"frombuffer", frombuffer>(), kFlags,
     "frombuffer(buffer, *, dtype, count=-1, offset=0): a vector over the memory of any object "
     "with the buffer protocol."},
    {"from_dlpack", created<"from_dlpack", from_dlpack>(), kFlags,
     "from_dlpack(ext_tensor): a tensor over the memory of an object with __dlpack__."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace chainrule::bind
