#include "bind/arguments.h"
#include "bind/call.h"
#include "bind/creation.h"
#include "bind/creation_methods.h"
#include "bind/observed_call.h"
#include "bind/tensor_object.h"
#include "forward/fill.h"

// New tensors with the shape or the dtype of another one.
namespace chainrule::bind {

namespace {

constexpr unsigned kLikeKeywords = kTensorKeywords | kFormatKeyword;

Tensor empty_as(const Call& call) {
    Tensor like = call.tensor(0);
    DType dtype = call.options().dtype.value_or(like.dtype());
    return call.options().row_major ? Tensor::empty_like(*like, dtype)
                                    : new_empty_like(*like, dtype);
}

PyObject* empty_like(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("empty_like", {"input"}, kLikeKeywords, args, nargs, kwnames);
        return wrap(finish_new(empty_as(call), call.options().requires_grad));
    });
}

template <int value>
PyObject* constant_like(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call(value ? "ones_like" : "zeros_like", {"input"}, kLikeKeywords, args, nargs,
                  kwnames);
        Tensor out = empty_as(call);
        forward::fill_value(out, value);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

PyObject* full_like(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("full_like", {"input", "fill_value"}, kLikeKeywords, args, nargs, kwnames);
        Tensor out = empty_as(call);
        Scalar value = call.number(1);
        check_fill_value(value, out.dtype());
        forward::fill_value(out, value);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

Tensor new_sized(PyObject* self, const SizedCall& call) {
    return new_empty(call.size, call.options.dtype.value_or(impl_of(self)->dtype));
}

PyObject* method_new_empty(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                           PyObject* kwnames) {
    return guarded([&] {
        SizedCall call("new_empty", kTensorKeywords, args, nargs, kwnames);
        return wrap(finish_new(new_sized(self, call), call.options.requires_grad));
    });
}

template <int value>
PyObject* method_new_constant(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                              PyObject* kwnames) {
    return guarded([&] {
        SizedCall call(value ? "new_ones" : "new_zeros", kTensorKeywords, args, nargs, kwnames);
        Tensor out = new_sized(self, call);
        forward::fill_value(out, value);
        return wrap(finish_new(std::move(out), call.options.requires_grad));
    });
}

PyObject* method_new_full(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                          PyObject* kwnames) {
    return guarded([&] {
        Call call("new_full", {"size", "fill_value"}, kTensorKeywords, args, nargs, kwnames);
        Scalar value = call.number(1);
        DType dtype = call.options().dtype.value_or(impl_of(self)->dtype);
        check_fill_value(value, dtype);
        Tensor out = new_empty(call.size(0), dtype);
        forward::fill_value(out, value);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

PyObject* method_new_tensor(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                            PyObject* kwnames) {
    return guarded([&] {
        Call call("new_tensor", {"data"}, kTensorKeywords, args, nargs, kwnames);
        Tensor out =
            tensor_from_data(call.required(0), call.options().dtype.value_or(impl_of(self)->dtype));
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

// The old form: sizes, or values, of this tensor's dtype.
PyObject* method_new(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&] {
        PyRef tuple = checked(PyTuple_New(nargs));
        for (Py_ssize_t i = 0; i < nargs; ++i) {
            PyTuple_SET_ITEM(tuple.get(), i, Py_NewRef(args[i]));
        }
        return legacy_tensor_new(g_tensor_type, tuple.get(), nullptr, impl_of(self)->dtype);
    });
}

}  // namespace

PyMethodDef creation_like_functions[] = {
    {"empty_like", created<"empty_like", empty_like>(), kFlags,
     "empty_like(input, *, dtype=None): input's shape and order of strides."},
    {"zeros_like", created<"zeros_like", constant_like<0>>(), kFlags,
     "zeros_like(input, *, dtype=None)"},
    {"ones_like", created<"ones_like", constant_like<1>>(), kFlags,
     "ones_like(input, *, dtype=None)"},
    {"full_like", created<"full_like", full_like>(), kFlags,
     "full_like(input, fill_value, *, dtype=None)"},
    {nullptr, nullptr, 0, nullptr},
};

PyMethodDef creation_methods[] = {
    {"new_tensor", created<"new_tensor", method_new_tensor>(), kFlags,
     "new_tensor(data, *, dtype=None): a copy of data, of this tensor's dtype."},
    {"new_empty", created<"new_empty", method_new_empty>(), kFlags, "new_empty(*size, dtype=None)"},
    {"new_zeros", created<"new_zeros", method_new_constant<0>>(), kFlags,
     "new_zeros(*size, dtype=None)"},
    {"new_ones", created<"new_ones", method_new_constant<1>>(), kFlags,
     "new_ones(*size, dtype=None)"},
    {"new_full", created<"new_full", method_new_full>(), kFlags,
     "new_full(size, fill_value, *, dtype=None)"},
    {"new", method(method_new), METH_FASTCALL, "new(*size) or new(data): of this tensor's dtype."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace chainrule::bind
