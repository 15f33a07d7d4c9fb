// Compiled once per instruction set; CHAINRULE_ISA names the namespace.
#include "kernels/cpu/math.h"
#include "kernels/cpu/norm.h"

namespace chainrule::cpu::norm_kernels::CHAINRULE_ISA {

namespace {

// A sum in lanes, so that it becomes vectors without reordering flags.
template <class T, class F>
inline T total(int64_t n, F&& value) {
    constexpr int kLanes = 32;
    T sum = 0;
    int64_t i = 0;
    if (n >= kLanes) {
        T lanes[kLanes] = {};
        for (; i + kLanes <= n; i += kLanes) {
            for (int l = 0; l < kLanes; ++l) lanes[l] += value(i + l);
        }
        for (int width = kLanes / 2; width; width /= 2) {
            for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
        }
        sum = lanes[0];
    }
    for (; i < n; ++i) sum += value(i);
    return sum;
}

template <class T>
void rows(const T* x, const T* weight, const T* bias, T* out, T* mean, T* rstd, int64_t count,
          int64_t n, double eps) {
    for (int64_t r = 0; r < count; ++r, x += n, out += n) {
        const T m = total<T>(n, [&](int64_t i) { return x[i]; }) / static_cast<T>(n);
        const T squares = total<T>(n, [&](int64_t i) { return (x[i] - m) * (x[i] - m); });
        const T scale = T(1) / chainrule::cpu::CHAINRULE_ISA::math::sqrt(
                                   squares / static_cast<T>(n) + static_cast<T>(eps));
        mean[r] = m;
        rstd[r] = scale;
        if (weight && bias) {
            for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - m) * scale * weight[i] + bias[i];
        } else if (weight) {
            for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - m) * scale * weight[i];
        } else if (bias) {
            for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - m) * scale + bias[i];
        } else {
            for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - m) * scale;
        }
    }
}

template <class T, bool Weighted>
void rows_backward_loop(const T* g, const T* x, const T* weight, const T* mean, const T* rstd,
                        T* out, int64_t count, int64_t n) {
    auto factor = [&](int64_t i) { return Weighted ? weight[i] : T(1); };
    for (int64_t r = 0; r < count; ++r, g += n, x += n, out += n) {
        const T m = mean[r], scale = rstd[r];
        const T a = total<T>(n, [&](int64_t i) { return g[i] * factor(i); }) / static_cast<T>(n);
        const T b = total<T>(n, [&](int64_t i) { return g[i] * factor(i) * (x[i] - m); }) * scale *
                    scale / static_cast<T>(n);
        for (int64_t i = 0; i < n; ++i) out[i] = scale * (g[i] * factor(i) - a - (x[i] - m) * b);
    }
}

template <class T>
void rows_backward(const T* g, const T* x, const T* weight, const T* mean, const T* rstd, T* out,
                   int64_t count, int64_t n) {
    if (weight) rows_backward_loop<T, true>(g, x, weight, mean, rstd, out, count, n);
    else rows_backward_loop<T, false>(g, x, weight, mean, rstd, out, count, n);
}

template <class T>
void rows_weight(const T* g, const T* x, const T* mean, const T* rstd, T* out, int64_t count,
                 int64_t n) {
    for (int64_t r = 0; r < count; ++r, g += n, x += n) {
        const T m = mean[r], scale = rstd[r];
        for (int64_t i = 0; i < n; ++i) out[i] += g[i] * (x[i] - m) * scale;
    }
}

template <class T>
void channel_sums(const T* a, const T* b, const double* mean, int64_t batch, int64_t channels,
                  int64_t inner, double* out) {
    for (int64_t c = 0; c < channels; ++c) out[c] = 0;
    for (int64_t i = 0; i < batch; ++i) {
        if (inner == 1) {
            const T *x = a + i * channels, *y = b ? b + i * channels : nullptr;
            if (!b) {
                for (int64_t c = 0; c < channels; ++c) out[c] += static_cast<double>(x[c]);
            } else if (b == a) {
                for (int64_t c = 0; c < channels; ++c) {
                    const double d = static_cast<double>(x[c]) - mean[c];
                    out[c] += d * d;
                }
            } else {
                for (int64_t c = 0; c < channels; ++c) {
                    out[c] += static_cast<double>(x[c]) * (static_cast<double>(y[c]) - mean[c]);
                }
            }
            continue;
        }
        for (int64_t c = 0; c < channels; ++c) {
            const int64_t at = (i * channels + c) * inner;
            const T *x = a + at, *y = b ? b + at : nullptr;
            const T m = b ? static_cast<T>(mean[c]) : T(0);
            T sum;
            if (!b) {
                sum = total<T>(inner, [&](int64_t j) { return x[j]; });
            } else if (b == a) {
                sum = total<T>(inner, [&](int64_t j) { return (x[j] - m) * (x[j] - m); });
            } else {
                sum = total<T>(inner, [&](int64_t j) { return x[j] * (y[j] - m); });
            }
            out[c] += static_cast<double>(sum);
        }
    }
}

template <class T>
void channel_affine(const T* a, const T* b, const double* p, const double* q, const double* r,
                    T* out, int64_t batch, int64_t channels, int64_t inner) {
    for (int64_t i = 0; i < batch; ++i) {
        if (inner == 1) {
            const int64_t at = i * channels;
            for (int64_t c = 0; c < channels; ++c) {
                double value = static_cast<double>(a[at + c]) * p[c] + r[c];
                if (b) value += static_cast<double>(b[at + c]) * q[c];
                out[at + c] = static_cast<T>(value);
            }
            continue;
        }
        for (int64_t c = 0; c < channels; ++c) {
            const int64_t at = (i * channels + c) * inner;
            const T *x = a + at, *y = b ? b + at : nullptr;
            T* to = out + at;
            const T k = static_cast<T>(p[c]), l = b ? static_cast<T>(q[c]) : T(0);
            const T shift = static_cast<T>(r[c]);
            if (b) {
                for (int64_t j = 0; j < inner; ++j) to[j] = x[j] * k + (y[j] * l + shift);
            } else {
                for (int64_t j = 0; j < inner; ++j) to[j] = x[j] * k + shift;
            }
        }
    }
}

}  // namespace

extern constinit const NormLoops loops = {{rows<float>, rows_backward<float>, rows_weight<float>,
                                           channel_sums<float>, channel_affine<float>},
                                          {rows<double>, rows_backward<double>, rows_weight<double>,
                                           channel_sums<double>, channel_affine<double>}};

}  // namespace chainrule::cpu::norm_kernels::CHAINRULE_ISA
