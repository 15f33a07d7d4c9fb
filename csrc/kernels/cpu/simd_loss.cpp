// Compiled once per instruction set; CHAINRULE_ISA names the namespace.
#include "kernels/cpu/loss.h"
#include "kernels/cpu/math.h"

namespace chainrule::cpu::loss_kernels::CHAINRULE_ISA {

namespace {

namespace math = chainrule::cpu::CHAINRULE_ISA::math;

// One loss of input x and target t; `number` is beta or delta.
template <LossKind K, class T>
inline __attribute__((always_inline)) T loss(T x, T t, T number) {
    if constexpr (K == LossKind::Mse) {
        return (x - t) * (x - t);
    } else if constexpr (K == LossKind::SmoothL1) {
        const T d = math::abs(x - t);
        return d < number ? T(0.5) * d * d / number : d - T(0.5) * number;
    } else if constexpr (K == LossKind::Huber) {
        const T d = math::abs(x - t);
        return d < number ? T(0.5) * d * d : number * (d - T(0.5) * number);
    } else if constexpr (K == LossKind::BinaryCrossEntropy) {
        const T hit = math::maximum(math::log(x), T(-100));
        const T miss = math::maximum(math::log1p(-x), T(-100));
        return (t - T(1)) * miss - t * hit;
    } else {
        return (T(1) - t) * x - math::minimum(x, T(0)) + math::log1p(math::exp(-math::abs(x)));
    }
}

template <LossKind K, class T>
void map(const T* input, const T* target, T* out, int64_t n, T number) {
    for (int64_t i = 0; i < n; ++i) out[i] = loss<K, T>(input[i], target[i], number);
}

// Sums in lanes and in blocks, whose totals are added up: vectors, and little rounding.
template <LossKind K, class T>
T sum(const T* input, const T* target, int64_t n, T number) {
    constexpr int kLanes = 32;
    constexpr int64_t kBlock = 4096;
    T total = 0;
    for (int64_t start = 0; start < n; start += kBlock) {
        const int64_t end = n - start < kBlock ? n : start + kBlock;
        T block = 0;
        int64_t i = start;
        if (end - start >= kLanes) {
            T lanes[kLanes] = {};
            for (; i + kLanes <= end; i += kLanes) {
                for (int l = 0; l < kLanes; ++l) {
                    lanes[l] += loss<K, T>(input[i + l], target[i + l], number);
                }
            }
            for (int width = kLanes / 2; width; width /= 2) {
                for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
            }
            block = lanes[0];
        }
        for (; i < end; ++i) block += loss<K, T>(input[i], target[i], number);
        total += block;
    }
    return total;
}

template <class T>
bool probabilities(const T* x, int64_t n) {
    int bad = 0;
    for (int64_t i = 0; i < n; ++i) bad |= (x[i] >= T(0)) & (x[i] <= T(1)) ? 0 : 1;
    return !bad;
}

}  // namespace

#define CHAINRULE_ALL_LOSSES(T)                                                       \
    {                                                                                 \
        {map<LossKind::Mse, T>, sum<LossKind::Mse, T>},                               \
        {map<LossKind::SmoothL1, T>, sum<LossKind::SmoothL1, T>},                     \
        {map<LossKind::Huber, T>, sum<LossKind::Huber, T>},                           \
        {map<LossKind::BinaryCrossEntropy, T>, sum<LossKind::BinaryCrossEntropy, T>}, \
        {map<LossKind::BinaryCrossEntropyWithLogits, T>,                              \
         sum<LossKind::BinaryCrossEntropyWithLogits, T>},                             \
    }

extern constinit const LossLoops loops = {CHAINRULE_ALL_LOSSES(float), CHAINRULE_ALL_LOSSES(double),
                                          probabilities<float>, probabilities<double>};

}  // namespace chainrule::cpu::loss_kernels::CHAINRULE_ISA
