#include "forward/fill.h"

#include <algorithm>
#include <cmath>

#include "base/interpreter_lock.h"

namespace chainrule::forward {

namespace {

// Integers count in double, as torch does.
template <class T>
using Step = std::conditional_t<std::is_floating_point_v<T>, T, double>;

// torch rounds once in linspace, twice in logspace.
struct Fused {
    template <class T>
    static T at(T start, T step, T i) {
        return std::fma(step, i, start);
    }
};
struct Rounded {
    template <class T>
    static T at(T start, T step, T i) {
        volatile T distance = step * i;  // keeps compilers from fusing
        return start + distance;
    }
};

template <class Arithmetic, class T, class F>
void fill_between(T* out, int64_t n, const Scalar& from, const Scalar& to, F&& value) {
    using S = Step<T>;
    S start = static_cast<S>(from.as<T>()), end = static_cast<S>(to.as<T>());
    S step = n > 1 ? (end - start) / static_cast<S>(n - 1) : 0;
    for (int64_t i = 0; i < n; ++i) {
        bool first_half = i < n / 2 || n == 1;
        S x = first_half ? Arithmetic::at(start, step, static_cast<S>(i))
                         : Arithmetic::at(end, -step, static_cast<S>(n - i - 1));
        out[i] = static_cast<T>(value(x));
    }
}

// torch counts in steps of a 32-byte vector: the first element of each is rounded, the others are
// counted from it; what is left over is counted from the start.
template <class T>
void fill_floating_range(T* out, int64_t n, double start, double step) {
    constexpr int64_t width = 32 / sizeof(T);
    int64_t in_vectors = n - n % (2 * width);
    for (int64_t i = 0; i < in_vectors; i += width) {
        T base = static_cast<T>(std::fma(step, static_cast<double>(i), start));
        for (int64_t k = 0; k < width; ++k) {
            out[i + k] = static_cast<T>(std::fma(step, static_cast<double>(k), base));
        }
    }
    for (int64_t i = in_vectors; i < n; ++i) {
        out[i] = static_cast<T>(std::fma(step, static_cast<double>(i), start));
    }
}

}  // namespace

void fill_value(const Tensor& out, const Scalar& value) {
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    dispatch(out.dtype(), [&](auto zero) {
        using T = decltype(zero);
        std::fill_n(out.data<T>(), out.numel(), value.as<T>());
    });
}

void fill_arange(const Tensor& out, const Scalar& start, const Scalar& step) {
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    if (out.dtype() == DType::Int64) {
        auto by = static_cast<uint64_t>(step.as_int());  // wraps around without a fault
        auto value = static_cast<uint64_t>(start.as_int());
        for (int64_t i = 0; i < out.numel(); ++i, value += by) {
            out.data<int64_t>()[i] = static_cast<int64_t>(value);
        }
    } else if (out.dtype() == DType::Float64) {
        fill_floating_range(out.data<double>(), out.numel(), start.as_double(), step.as_double());
    } else {
        fill_floating_range(out.data<float>(), out.numel(), start.as_double(), step.as_double());
    }
}

void fill_linspace(const Tensor& out, const Scalar& start, const Scalar& end) {
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    dispatch(out.dtype(), [&](auto zero) {
        using T = decltype(zero);
        fill_between<Fused>(out.data<T>(), out.numel(), start, end, [](auto x) { return x; });
    });
}

void fill_logspace(const Tensor& out, const Scalar& start, const Scalar& end, double base) {
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    dispatch(out.dtype(), [&](auto zero) {
        using T = decltype(zero);
        auto power = static_cast<Step<T>>(base);
        fill_between<Rounded>(out.data<T>(), out.numel(), start, end,
                              [&](auto x) { return std::pow(power, x); });
    });
}

void fill_eye(const Tensor& out) {
    fill_value(out, 0);
    int64_t columns = out.size(1), n = std::min(out.size(0), columns);
    dispatch(out.dtype(), [&](auto zero) {
        using T = decltype(zero);
        for (int64_t i = 0; i < n; ++i) out.data<T>()[i * columns + i] = T(1);
    });
}

Dims dimensions_by_stride(const TensorImpl& t) {
    Dims order = Dims::filled(t.ndim, 0);
    for (int i = 0; i < t.ndim; ++i) order[i] = t.ndim - 1 - i;
    auto compare = [&](int64_t a, int64_t b) {
        int64_t x = t.strides()[a], y = t.strides()[b];
        if (x == 0 || y == 0) return 0;
        if (x != y) return x < y ? -1 : 1;
        return t.sizes()[a] > t.sizes()[b] ? 1 : 0;
    };
    // Insertion that passes over what cannot be compared; a sort would need a total order.
    for (int i = 1; i < t.ndim; ++i) {
        int moving = i;
        for (int before = i - 1; before >= 0; --before) {
            int sign = compare(order[before], order[moving]);
            if (sign < 0) break;
            if (sign > 0) {
                std::swap(order[before], order[moving]);
                moving = before;
            }
        }
    }
    return order;
}

}  // namespace chainrule::forward
