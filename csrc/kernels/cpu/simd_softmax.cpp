// Compiled once per instruction set; CHAINRULE_ISA names the namespace.
#include <limits>

#include "kernels/cpu/math.h"
#include "kernels/cpu/softmax.h"

namespace chainrule::cpu::softmax_kernels::CHAINRULE_ISA {

namespace {

namespace math = chainrule::cpu::CHAINRULE_ISA::math;

template <class T>
inline T larger(T a, T b) {
    return a > b ? a : b;
}

// Folds are split over lanes, so that they become vectors without reordering flags.
template <int Lanes, class T, class F>
inline T largest_in_lanes(int64_t n, F&& value) {
    T lanes[Lanes];
    int64_t i = Lanes;
    for (int l = 0; l < Lanes; ++l) lanes[l] = value(l);
    for (; i + Lanes <= n; i += Lanes) {
        for (int l = 0; l < Lanes; ++l) lanes[l] = larger(value(i + l), lanes[l]);
    }
    for (int width = Lanes / 2; width; width /= 2) {
        for (int l = 0; l < width; ++l) lanes[l] = larger(lanes[l + width], lanes[l]);
    }
    T best = larger(lanes[0], -std::numeric_limits<T>::infinity());
    for (; i < n; ++i) best = larger(value(i), best);
    return best;
}

template <class T, class F>
inline T largest(int64_t n, F&& value) {
    if (n >= 32) return largest_in_lanes<32, T>(n, value);
    if (n >= 8) return largest_in_lanes<8, T>(n, value);
    T best = -std::numeric_limits<T>::infinity();
    for (int64_t i = 0; i < n; ++i) best = larger(value(i), best);
    return best;
}

template <int Lanes, class T, class F>
inline T total_in_lanes(int64_t n, F&& value) {
    T lanes[Lanes] = {};
    int64_t i = 0;
    for (; i + Lanes <= n; i += Lanes) {
        for (int l = 0; l < Lanes; ++l) lanes[l] += value(i + l);
    }
    for (int width = Lanes / 2; width; width /= 2) {
        for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
    }
    T sum = lanes[0];
    for (; i < n; ++i) sum += value(i);
    return sum;
}

template <class T, class F>
inline T total(int64_t n, F&& value) {
    if (n >= 32) return total_in_lanes<32, T>(n, value);
    if (n >= 8) return total_in_lanes<8, T>(n, value);
    T sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += value(i);
    return sum;
}

template <class T, SoftmaxKind K>
void rows(const T* in, const T* results, T* out, int64_t lines, int64_t n, int64_t) {
    for (int64_t r = 0; r < lines; ++r) {
        const T* x = in + r * n;
        const T* y = results + r * n;
        T* to = out + r * n;
        if constexpr (K == SoftmaxKind::Softmax) {
            const T top = largest<T>(n, [&](int64_t i) { return x[i]; });
            for (int64_t i = 0; i < n; ++i) to[i] = math::exp(x[i] - top);
            const T scale = T(1) / total<T>(n, [&](int64_t i) { return to[i]; });
            for (int64_t i = 0; i < n; ++i) to[i] *= scale;
        } else if constexpr (K == SoftmaxKind::LogSoftmax) {
            const T top = largest<T>(n, [&](int64_t i) { return x[i]; });
            // The exponentials pass through the result's memory: that loop becomes vectors.
            for (int64_t i = 0; i < n; ++i) to[i] = math::exp(x[i] - top);
            const T rest = math::log(total<T>(n, [&](int64_t i) { return to[i]; }));
            for (int64_t i = 0; i < n; ++i) to[i] = x[i] - top - rest;
        } else if constexpr (K == SoftmaxKind::SoftmaxBackward) {
            const T sum = total<T>(n, [&](int64_t i) { return x[i] * y[i]; });
            for (int64_t i = 0; i < n; ++i) to[i] = y[i] * (x[i] - sum);
        } else {
            const T sum = total<T>(n, [&](int64_t i) { return x[i]; });
            for (int64_t i = 0; i < n; ++i) to[i] = x[i] - math::exp(y[i]) * sum;
        }
    }
}

constexpr int64_t kBlock = 64;  // columns at a time

template <class T, SoftmaxKind K>
void columns(const T* in, const T* results, T* out, int64_t lines, int64_t n, int64_t inner) {
    for (int64_t start = 0; start < lines; start += kBlock) {
        const int64_t count = lines - start < kBlock ? lines - start : kBlock;
        const T* x = in + start;
        const T* y = results + start;
        T* to = out + start;
        T top[kBlock], sum[kBlock];
        for (int64_t j = 0; j < count; ++j) {
            top[j] = -std::numeric_limits<T>::infinity();
            sum[j] = 0;
        }
        if constexpr (K == SoftmaxKind::Softmax || K == SoftmaxKind::LogSoftmax) {
            for (int64_t i = 0; i < n; ++i) {
                for (int64_t j = 0; j < count; ++j) top[j] = larger(x[i * inner + j], top[j]);
            }
            for (int64_t i = 0; i < n; ++i) {
                for (int64_t j = 0; j < count; ++j) {
                    const T e = math::exp(x[i * inner + j] - top[j]);
                    if constexpr (K == SoftmaxKind::Softmax) to[i * inner + j] = e;
                    sum[j] += e;
                }
            }
            for (int64_t j = 0; j < count; ++j) {
                sum[j] = K == SoftmaxKind::Softmax ? T(1) / sum[j] : math::log(sum[j]);
            }
            for (int64_t i = 0; i < n; ++i) {
                for (int64_t j = 0; j < count; ++j) {
                    T& value = to[i * inner + j];
                    if constexpr (K == SoftmaxKind::Softmax) value *= sum[j];
                    else value = x[i * inner + j] - top[j] - sum[j];
                }
            }
        } else {
            for (int64_t i = 0; i < n; ++i) {
                for (int64_t j = 0; j < count; ++j) {
                    const T g = x[i * inner + j];
                    sum[j] += K == SoftmaxKind::SoftmaxBackward ? g * y[i * inner + j] : g;
                }
            }
            for (int64_t i = 0; i < n; ++i) {
                for (int64_t j = 0; j < count; ++j) {
                    const T g = x[i * inner + j], r = y[i * inner + j];
                    to[i * inner + j] = K == SoftmaxKind::SoftmaxBackward
                                            ? r * (g - sum[j])
                                            : g - math::exp(r) * sum[j];
                }
            }
        }
    }
}

}  // namespace

#define CHAINRULE_ALL_KINDS(loop, T)                                  \
    {loop<T, SoftmaxKind::Softmax>, loop<T, SoftmaxKind::LogSoftmax>, \
     loop<T, SoftmaxKind::SoftmaxBackward>, loop<T, SoftmaxKind::LogSoftmaxBackward>}

extern constinit const SoftmaxLoops loops = {
    CHAINRULE_ALL_KINDS(rows, float), CHAINRULE_ALL_KINDS(columns, float),
    CHAINRULE_ALL_KINDS(rows, double), CHAINRULE_ALL_KINDS(columns, double)};

}  // namespace chainrule::cpu::softmax_kernels::CHAINRULE_ISA
