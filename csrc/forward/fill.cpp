#include "forward/fill.h"

#include <algorithm>
#include <cmath>

#include "base/interpreter_lock.h"

namespace chainrule::forward {

namespace {

// Integers count in double, as torch does.
template <class T>
using Step = std::conditional_t<std::is_floating_point_v<T>, T, double>;

template <class T, class F>
void fill_between(T* out, int64_t n, const Scalar& from, const Scalar& to, F&& value) {
    T start = from.as<T>(), end = to.as<T>();
    Step<T> step = n > 1 ? (static_cast<Step<T>>(end) - static_cast<Step<T>>(start)) /
                               static_cast<Step<T>>(n - 1)
                         : 0;
    for (int64_t i = 0; i < n; ++i) {
        Step<T> x =
            i < n / 2 ? std::fma(step, static_cast<Step<T>>(i), static_cast<Step<T>>(start))
                      : std::fma(-step, static_cast<Step<T>>(n - i - 1), static_cast<Step<T>>(end));
        out[i] = static_cast<T>(value(x));
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
    dispatch(out.dtype(), [&](auto zero) {
        using T = decltype(zero);
        using Wide = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
        Wide first = start.as<Wide>(), by = step.as<Wide>();
        T* data = out.data<T>();
        for (int64_t i = 0; i < out.numel(); ++i) {
            data[i] = static_cast<T>(first + by * static_cast<Wide>(i));
        }
    });
}

void fill_linspace(const Tensor& out, const Scalar& start, const Scalar& end) {
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    dispatch(out.dtype(), [&](auto zero) {
        using T = decltype(zero);
        fill_between(out.data<T>(), out.numel(), start, end, [](auto x) { return x; });
    });
}

void fill_logspace(const Tensor& out, const Scalar& start, const Scalar& end, double base) {
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    dispatch(out.dtype(), [&](auto zero) {
        using T = decltype(zero);
        fill_between(out.data<T>(), out.numel(), start, end,
                     [&](auto x) { return std::pow(base, static_cast<double>(x)); });
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
