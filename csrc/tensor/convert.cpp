#include "tensor/convert.h"

#include <algorithm>

#include "tensor/pointwise_loop.h"

namespace chainrule {

namespace {

template <class To, class From>
To cast_value(From value) {
    if constexpr (std::is_same_v<To, bool>) {
        return value != From{};
    } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
        // Out of range is undefined in C++; x86 gives the smallest integer, as torch shows.
        if (!(value >= From(-9223372036854775808.0) && value < From(9223372036854775808.0))) {
            return INT64_MIN;
        }
        return static_cast<To>(value);
    } else {
        return static_cast<To>(value);
    }
}

template <class To, class From>
void copy_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
    char* to = data[0];
    const char* from = data[1];
    if constexpr (std::is_same_v<To, From>) {
        if (strides[0] == sizeof(To) && strides[1] == sizeof(From)) {
            std::memmove(to, from, static_cast<size_t>(n) * sizeof(To));
            return;
        }
    }
    if (strides[0] == sizeof(To) && strides[1] == sizeof(From)) {
        auto* t = reinterpret_cast<To*>(to);
        auto* f = reinterpret_cast<const From*>(from);
        for (int64_t i = 0; i < n; ++i) t[i] = cast_value<To>(f[i]);
        return;
    }
    for (int64_t i = 0; i < n; ++i) {
        *reinterpret_cast<To*>(to + i * strides[0]) =
            cast_value<To>(*reinterpret_cast<const From*>(from + i * strides[1]));
    }
}

}  // namespace

void copy_elements(TensorImpl& to, const TensorImpl& from) {
    Dims shape(to.sizes(), to.ndim);
    LoopOperand operands[2] = {{to.data, broadcast_strides(to, shape)},
                               {from.data, broadcast_strides(from, shape)}};
    StridedLoop loop = dispatch(to.dtype, [&](auto t) -> StridedLoop {
        return dispatch(from.dtype,
                        [&](auto f) -> StridedLoop { return copy_loop<decltype(t), decltype(f)>; });
    });
    run_strided(shape, operands, 2, loop, nullptr);
}

Tensor convert(const TensorImpl& t, DType dtype) {
    check(is_enabled(dtype), ErrorKind::NotImplemented, "Chainrule has no kernels for torch.",
          dtype_name(dtype), " yet; float32, float64, int64 and bool are there");
    Tensor out = Tensor::empty_like(t, dtype);
    copy_elements(*out, t);
    return out;
}

Tensor clone_dense(const TensorImpl& t) {
    Tensor out = Tensor::empty_like(t, t.dtype);
    if (!(t.flags & kContiguous)) {
        // Dense but permuted: dimensions sorted by stride tile the memory without gaps.
        Dims order = Dims::filled(t.ndim, 0);
        for (int i = 0; i < t.ndim; ++i) order[i] = i;
        std::stable_sort(order.begin(), order.end(),
                         [&](int64_t a, int64_t b) { return t.strides()[a] > t.strides()[b]; });
        int64_t step = 1;
        bool dense = true;
        for (int i = t.ndim; i-- > 0;) {
            int64_t d = order[i];
            if (t.sizes()[d] == 1) continue;
            dense &= t.strides()[d] == step;
            step *= t.sizes()[d];
        }
        if (dense) out->set_geometry(Dims(t.sizes(), t.ndim), Dims(t.strides(), t.ndim));
    }
    copy_elements(*out, t);
    return out;
}

Tensor make_contiguous(const Tensor& t) {
    if (t.contiguous()) return t;
    Tensor out = Tensor::empty_like(*t, t.dtype());
    copy_elements(*out, *t);
    return out;
}

bool partly_overlap(const TensorImpl& a, const TensorImpl& b) {
    if (a.numel == 0 || b.numel == 0) return false;
    bool same = a.data == b.data && a.dtype == b.dtype && a.same_shape(b) &&
                std::memcmp(a.strides(), b.strides(), 8u * a.ndim) == 0;
    if (same) return false;
    auto last = [](const TensorImpl& t) {
        int64_t span = 0;
        for (int i = 0; i < t.ndim; ++i) span += (t.sizes()[i] - 1) * t.strides()[i];
        return t.data + (span + 1) * static_cast<int64_t>(item_size(t.dtype));
    };
    return a.data < last(b) && b.data < last(a);
}

bool can_cast(DType from, DType to) {
    if (is_complex(from) && !is_complex(to)) return false;
    if (is_differentiable(from) && is_integral(to)) return false;
    return from == DType::Bool || to != DType::Bool;
}

const char* dtype_title(DType dtype) {
    static const char* const titles[kNumDTypes] = {
        "Bool", "Byte",     "Char",  "Short",  "Int",          "Long",
        "Half", "BFloat16", "Float", "Double", "ComplexFloat", "ComplexDouble"};
    return titles[static_cast<int>(dtype)];
}

}  // namespace chainrule
