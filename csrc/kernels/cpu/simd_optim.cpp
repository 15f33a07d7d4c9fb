// Compiled once per instruction set; CHAINRULE_ISA names the namespace.
#include "kernels/cpu/math.h"
#include "kernels/cpu/optim.h"

namespace chainrule::cpu::optim_kernels::CHAINRULE_ISA {

namespace {

namespace math = chainrule::cpu::CHAINRULE_ISA::math;

enum class Momentum { None, Start, Plain, Nesterov };

template <class T, Momentum M>
void sgd_loop(T* __restrict param, const T* __restrict grad, T* __restrict buffer, int64_t n,
              T sign, T decay, T momentum, T fresh, T rate) {
    for (int64_t i = 0; i < n; ++i) {
        T d = sign * grad[i];
        if (decay != T(0)) d += decay * param[i];
        if constexpr (M == Momentum::Start) {
            buffer[i] = d;
            d = d + momentum * d;
        } else if constexpr (M == Momentum::Plain) {
            d = buffer[i] = momentum * buffer[i] + fresh * d;
        } else if constexpr (M == Momentum::Nesterov) {
            const T b = buffer[i] = momentum * buffer[i] + fresh * d;
            d = d + momentum * b;
        }
        param[i] += rate * d;
    }
}

template <class T>
void sgd(T* param, const T* grad, T* buffer, int64_t n, const SgdNumbers& x) {
    const T sign = x.maximize ? T(-1) : T(1), decay = static_cast<T>(x.weight_decay);
    const T rate = static_cast<T>(-x.lr), fresh = static_cast<T>(1 - x.dampening);
    const T momentum = static_cast<T>(x.momentum);
    if (!buffer) {
        if (x.weight_decay == 0) {
            const T scale = sign * rate;
            for (int64_t i = 0; i < n; ++i) param[i] += scale * grad[i];
            return;
        }
        sgd_loop<T, Momentum::None>(param, grad, nullptr, n, sign, decay, momentum, fresh, rate);
    } else if (x.first) {
        const T again = x.nesterov ? momentum : T(0);
        sgd_loop<T, Momentum::Start>(param, grad, buffer, n, sign, decay, again, fresh, rate);
    } else if (x.nesterov) {
        sgd_loop<T, Momentum::Nesterov>(param, grad, buffer, n, sign, decay, momentum, fresh, rate);
    } else {
        sgd_loop<T, Momentum::Plain>(param, grad, buffer, n, sign, decay, momentum, fresh, rate);
    }
}

template <class T, bool Amsgrad>
void adam_loop(T* __restrict param, const T* __restrict grad, T* __restrict average,
               T* __restrict square, T* __restrict largest, int64_t n, const AdamNumbers& x) {
    const T sign = x.maximize ? T(-1) : T(1);
    const T shrink = x.decoupled ? static_cast<T>(1 - x.lr * x.weight_decay) : T(1);
    const T decay = x.decoupled ? T(0) : static_cast<T>(x.weight_decay);
    const T weight = static_cast<T>(1 - x.beta1), rest = static_cast<T>(1 - x.beta2);
    const T beta2 = static_cast<T>(x.beta2), eps = static_cast<T>(x.eps);
    const T root = static_cast<T>(x.root_correction), rate = static_cast<T>(-x.step_size);
    // As lerp does, from the nearer end.
    const bool near_start = weight < T(0.5);
    for (int64_t i = 0; i < n; ++i) {
        const T p = shrink * param[i];
        T g = sign * grad[i];
        if (decay != T(0)) g += decay * param[i];
        const T m = average[i];
        const T moved = near_start ? m + weight * (g - m) : g - (g - m) * (T(1) - weight);
        T v = beta2 * square[i] + rest * g * g;
        average[i] = moved;
        square[i] = v;
        if constexpr (Amsgrad) v = largest[i] = math::maximum(largest[i], v);
        param[i] = p + rate * moved / (math::sqrt(v) / root + eps);
    }
}

template <class T>
void adam(T* param, const T* grad, T* average, T* square, T* largest, int64_t n,
          const AdamNumbers& x) {
    if (largest) adam_loop<T, true>(param, grad, average, square, largest, n, x);
    else adam_loop<T, false>(param, grad, average, square, nullptr, n, x);
}

}  // namespace

extern constinit const OptimLoops loops = {sgd<float>, sgd<double>, adam<float>, adam<double>};

}  // namespace chainrule::cpu::optim_kernels::CHAINRULE_ISA
