#include "bind/creation.h"

#include <cfloat>
#include <cmath>

#include "autograd/history.h"
#include "base/message.h"
#include "bind/arguments.h"
#include "bind/call.h"
#include "bind/creation_methods.h"
#include "bind/modules.h"
#include "bind/observed_call.h"
#include "bind/tensor_object.h"
#include "forward/fill.h"

// torch's functions that make tensors of a size, or of a range.
namespace chainrule::bind {

void check_has_kernels(DType dtype) {
    check(is_enabled(dtype), ErrorKind::NotImplemented, "Chainrule has no kernels for torch.",
          dtype_name(dtype),
          " yet; the dtypes are torch.float32, torch.float64, torch.int64 and torch.bool");
}

Tensor new_empty(const Dims& shape, DType dtype) {
    int64_t numel = 1;
    bool overflow = false;
    for (int64_t size : shape) {
        check(size >= 0, ErrorKind::Runtime, "Trying to create tensor with negative dimension ",
              size, ": ", to_string(shape));
        overflow |= __builtin_mul_overflow(numel, size, &numel);
    }
    int64_t nbytes;
    overflow |= __builtin_mul_overflow(numel, static_cast<int64_t>(item_size(dtype)), &nbytes);
    check(!overflow, ErrorKind::Runtime,
          "Storage size calculation overflowed with sizes=", to_string(shape));
    return Tensor::empty(shape, dtype);
}

Tensor new_empty_like(const TensorImpl& like, DType dtype) {
    Tensor out = Tensor::empty_like(like, dtype);
    if ((like.flags & kContiguous) || like.numel == 0) return out;
    Dims strides = Dims::filled(like.ndim, 1);
    int64_t step = 1;
    for (int64_t d : forward::dimensions_by_stride(like)) {
        strides[d] = step;
        step *= like.sizes()[d];
    }
    out->set_geometry(Dims(like.sizes(), like.ndim), strides);
    return out;
}

Tensor finish_new(Tensor t, bool requires_grad) {
    if (t_state.inference) t->flags |= kInference;
    if (!requires_grad) return t;
    check(is_differentiable(t.dtype()), ErrorKind::Runtime,
          "Only Tensors of floating point and complex dtype can require gradients",
          note("This one is torch.", dtype_name(t.dtype()),
               ": write 1.0 instead of 1, or give dtype=torch.float32."));
    set_requires_grad(*t, true);
    return t;
}

void check_fill_value(const Scalar& value, DType dtype) {
    if (!value.is_float()) return;
    double v = value.as_double();
    check(dtype != DType::Int64 || (v >= -0x1p63 && v < 0x1p63), ErrorKind::Runtime,
          "value cannot be converted to type int64_t without overflow");
    check(dtype != DType::Float32 || !std::isfinite(v) || std::fabs(v) <= FLT_MAX,
          ErrorKind::Runtime, "value cannot be converted to type float without overflow");
}

namespace {

constexpr unsigned kSizedKeywords = kTensorKeywords | kOutKeyword;

Tensor sized(const SizedCall& call) {
    return new_empty(call.size, call.options.dtype.value_or(default_dtype()));
}

PyObject* empty(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        SizedCall call("empty", kSizedKeywords | kFormatKeyword, args, nargs, kwnames);
        return wrap(finish_new(sized(call), call.options.requires_grad));
    });
}

template <int value>
PyObject* constant(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        SizedCall call(value ? "ones" : "zeros", kSizedKeywords, args, nargs, kwnames);
        Tensor out = sized(call);
        forward::fill_value(out, value);
        return wrap(finish_new(std::move(out), call.options.requires_grad));
    });
}

PyObject* full(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("full", {"size", "fill_value"}, kSizedKeywords, args, nargs, kwnames);
        Scalar value = call.number(1);
        DType dtype = call.options().dtype.value_or(value.dtype());
        check_fill_value(value, dtype);
        Tensor out = new_empty(call.size(0), dtype);
        forward::fill_value(out, value);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

PyObject* scalar_tensor(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("scalar_tensor", {"s"}, kTensorKeywords, args, nargs, kwnames);
        Scalar value = call.number(0);
        DType dtype = call.options().dtype.value_or(default_dtype());
        check_fill_value(value, dtype);
        Tensor out = Tensor::full({}, dtype, value);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

PyObject* empty_strided(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("empty_strided", {"size", "stride"}, kTensorKeywords, args, nargs, kwnames);
        Dims size = call.size(0), stride = call.size(1);
        check(size.size() == stride.size(), ErrorKind::Runtime, "dimensionality of sizes (",
              size.size(), ") must match dimensionality of strides (", stride.size(), ")");
        checked_numel(size);
        int64_t span = 1;
        for (size_t i = 0; i < size.size(); ++i) {
            if (size[i] == 0) span = 0;
        }
        for (size_t i = 0; i < size.size() && span; ++i) {
            int64_t reach;
            check(stride[i] >= 0 && !__builtin_mul_overflow(size[i] - 1, stride[i], &reach) &&
                      !__builtin_add_overflow(span, reach, &span),
                  ErrorKind::Runtime,
                  "Storage size calculation overflowed with sizes=", to_string(size),
                  " and strides=", to_string(stride));
        }
        Tensor out = new_empty({span}, call.options().dtype.value_or(default_dtype()));
        out->set_geometry(size, stride);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

// The number of steps of arange; torch's checks and messages.
int64_t arange_length(const Scalar& start, const Scalar& end, const Scalar& step, DType dtype) {
    bool integers = dtype == DType::Int64;
    double first = start.as_double(), last = end.as_double(), by = step.as_double();
    check(integers ? step.as_int() != 0 : by > 0 || by < 0, ErrorKind::Runtime,
          "step must be nonzero");
    check(std::isfinite(first) && std::isfinite(last), ErrorKind::Runtime,
          "unsupported range: ", first, " -> ", last);
    check((by > 0 && last >= first) || (by < 0 && last <= first), ErrorKind::Runtime,
          "upper bound and lower bound inconsistent with step sign");
    double length = std::ceil((last - first) / by);
    check(length >= 0 && length < 0x1p63, ErrorKind::Runtime, "invalid size, possible overflow?");
    if (!integers) return static_cast<int64_t>(length);
    using Wide = __int128;
    Wide from = start.as_int(), to = end.as_int(), width = step.as_int();
    Wide rounding = width > 0 ? width - 1 : width + 1;
    return static_cast<int64_t>((to - from + rounding) / width);
}

PyObject* arange(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("arange", {"start", "end", "step"}, kTensorKeywords | kOutKeyword, args, nargs,
                  kwnames);
        Scalar start(0), end, step(1);
        if (call[1]) {
            if (call[0]) start = call.number(0);
            end = call.number(1);
        } else {
            end = call.number(0);
        }
        if (call[2]) step = call.number(2);
        bool real = start.is_float() || end.is_float() || step.is_float();
        DType dtype = call.options().dtype.value_or(real ? default_dtype() : DType::Int64);
        check(dtype != DType::Bool, ErrorKind::NotImplemented,
              "\"arange_cpu\" not implemented for 'Bool'");
        Tensor out = new_empty({arange_length(start, end, step, dtype)}, dtype);
        forward::fill_arange(out, start, step);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

Tensor spaced(const Call& call) {
    int64_t steps = call.integer(2);
    check(steps >= 0, ErrorKind::Runtime, "number of steps must be non-negative");
    return new_empty({steps}, call.options().dtype.value_or(default_dtype()));
}

PyObject* linspace(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("linspace", {"start", "end", "steps"}, kTensorKeywords | kOutKeyword, args, nargs,
                  kwnames);
        Scalar start = call.number(0), end = call.number(1);
        Tensor out = spaced(call);
        forward::fill_linspace(out, start, end);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

PyObject* logspace(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("logspace", {"start", "end", "steps", "base"}, kTensorKeywords | kOutKeyword,
                  args, nargs, kwnames);
        Scalar start = call.number(0), end = call.number(1);
        Tensor out = spaced(call);
        forward::fill_logspace(out, start, end, call.real(3, 10.0));
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

PyObject* eye(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("eye", {"n", "m"}, kTensorKeywords | kOutKeyword, args, nargs, kwnames);
        int64_t rows = call.integer(0);
        int64_t columns = call.given(1) ? call.integer(1) : rows;
        check(rows >= 0, ErrorKind::Runtime, "n must be greater or equal to 0, got ", rows);
        check(columns >= 0, ErrorKind::Runtime, "m must be greater or equal to 0, got ", columns);
        Tensor out = new_empty({rows, columns}, call.options().dtype.value_or(default_dtype()));
        forward::fill_eye(out);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

PyMethodDef functions[] = {
    {"empty", created<"empty", empty>(), kFlags,
     "empty(*size, dtype=None, requires_grad=False): memory with whatever was in it."},
    {"zeros", created<"zeros", constant<0>>(), kFlags,
     "zeros(*size, dtype=None, requires_grad=False)"},
    {"ones", created<"ones", constant<1>>(), kFlags,
     "ones(*size, dtype=None, requires_grad=False)"},
    {"full", created<"full", full>(), kFlags,
     "full(size, fill_value, *, dtype=None, requires_grad=False)"},
    {"scalar_tensor", created<"scalar_tensor", scalar_tensor>(), kFlags,
     "scalar_tensor(s, *, dtype=None): 0-d."},
    {"empty_strided", created<"empty_strided", empty_strided>(), kFlags,
     "empty_strided(size, stride, *, dtype=None): memory with the given strides, in elements."},
    {"arange", created<"arange", arange>(), kFlags,
     "arange(start=0, end, step=1, *, dtype=None): start + i * step, below end."},
    {"linspace", created<"linspace", linspace>(), kFlags,
     "linspace(start, end, steps, *, dtype=None): evenly spaced, both ends included."},
    {"logspace", created<"logspace", logspace>(), kFlags,
     "logspace(start, end, steps, base=10.0, *, dtype=None): base to the power of linspace."},
    {"eye", created<"eye", eye>(), kFlags, "eye(n, m=None, *, dtype=None): ones on the diagonal."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_creation(PyObject* module) {
    add_functions(module, functions);
    add_functions(module, creation_from_data_functions);
    add_functions(module, creation_like_functions);
    add_tensor_methods(creation_methods);
}

}  // namespace chainrule::bind
