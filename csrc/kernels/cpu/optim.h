#pragma once

#include <cstdint>

// One step of an optimizer over the elements of a parameter, compiled once per instruction set.
// The arithmetic follows the order of torch's single-tensor steps.
namespace chainrule::cpu {

struct SgdNumbers {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize, first;  // first: the momentum buffer holds nothing yet
};

struct AdamNumbers {
    double beta1, beta2, eps, weight_decay;
    double lr, step_size;    // step_size = lr / (1 - beta1^t)
    double root_correction;  // sqrt(1 - beta2^t)
    bool maximize, decoupled;
};

// `buffer` and `largest` may be null: without momentum, without amsgrad.
template <class T>
using SgdLoop = void (*)(T* param, const T* grad, T* buffer, int64_t n, const SgdNumbers& numbers);
template <class T>
using AdamLoop = void (*)(T* param, const T* grad, T* average, T* square, T* largest, int64_t n,
                          const AdamNumbers& numbers);

struct OptimLoops {
    SgdLoop<float> sgd_f32;
    SgdLoop<double> sgd_f64;
    AdamLoop<float> adam_f32;
    AdamLoop<double> adam_f64;
};

namespace optim_kernels {
namespace isa_base {
extern const OptimLoops loops;
}
namespace isa_avx2 {
extern const OptimLoops loops;
}
namespace isa_avx512 {
extern const OptimLoops loops;
}
}  // namespace optim_kernels

}  // namespace chainrule::cpu
