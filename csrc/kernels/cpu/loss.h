#pragma once

#include <cstdint>

// Losses of two tensors, element by element or summed, compiled once per instruction set.
namespace chainrule::cpu {

enum class LossKind : uint8_t {
    Mse,
    SmoothL1,
    Huber,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
};
inline constexpr int kNumLosses = 5;

template <class T>
struct LossLoop {
    void (*map)(const T* input, const T* target, T* out, int64_t n, T number);
    T (*sum)(const T* input, const T* target, int64_t n, T number);
};

struct LossLoops {
    LossLoop<float> f32[kNumLosses];
    LossLoop<double> f64[kNumLosses];
    // True if every element is in [0, 1].
    bool (*probabilities_f32)(const float* x, int64_t n);
    bool (*probabilities_f64)(const double* x, int64_t n);
};

namespace loss_kernels {
namespace isa_base {
extern const LossLoops loops;
}
namespace isa_avx2 {
extern const LossLoops loops;
}
namespace isa_avx512 {
extern const LossLoops loops;
}
}  // namespace loss_kernels

// Those of the instruction set in use.
const LossLoops& loss_loops();

}  // namespace chainrule::cpu
