#pragma once

#include <cstdint>

// Layer and batch normalisation, compiled once per instruction set.
namespace chainrule::cpu {

template <class T>
struct NormLoop {
    // Rows of n elements: out = (x - mean) * rstd * weight + bias; weight and bias may be null.
    void (*rows)(const T* x, const T* weight, const T* bias, T* out, T* mean, T* rstd,
                 int64_t count, int64_t n, double eps);
    // The gradient g of the result becomes that of x.
    void (*rows_backward)(const T* g, const T* x, const T* weight, const T* mean, const T* rstd,
                          T* out, int64_t count, int64_t n);
    // out[j] += sum over rows of g * (x - mean) * rstd
    void (*rows_weight)(const T* g, const T* x, const T* mean, const T* rstd, T* out, int64_t count,
                        int64_t n);
    // x is (batch, channels, inner). out[c] is the sum of a, of a * (b - mean[c]) if b is there,
    // or of (a - mean[c])^2 if b is a.
    void (*channel_sums)(const T* a, const T* b, const double* mean, int64_t batch,
                         int64_t channels, int64_t inner, double* out);
    // out = a * p[c] + b * q[c] + r[c]; b may be null.
    void (*channel_affine)(const T* a, const T* b, const double* p, const double* q,
                           const double* r, T* out, int64_t batch, int64_t channels, int64_t inner);
};

struct NormLoops {
    NormLoop<float> f32;
    NormLoop<double> f64;
};

namespace norm_kernels {
namespace isa_base {
extern const NormLoops loops;
}
namespace isa_avx2 {
extern const NormLoops loops;
}
namespace isa_avx512 {
extern const NormLoops loops;
}
}  // namespace norm_kernels

// Those of the instruction set in use.
const NormLoops& norm_loops();

}  // namespace chainrule::cpu
