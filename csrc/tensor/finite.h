#pragma once

#include "kernels/cpu/finite.h"
#include "tensor/tensor.h"

namespace chainrule {

// What a tensor holds besides finite numbers, as bits.
enum NotFinite : uint8_t { kNothing = 0, kNan = 1, kInfinite = 2 };

// For more than a few elements, and any layout; large ones in several threads.
bool is_finite_large(const TensorImpl& t);

// True for integers and bools. Small tensors are looked at in place.
inline bool is_finite(const TensorImpl& t) {
    constexpr int64_t kFew = 16;
    if (t.numel > kFew || !(t.flags & kContiguous)) return is_finite_large(t);
    auto few = [&](const auto* data) {
        decltype(cpu::exponent_carry(*data)) seen = 0;
        for (int64_t i = 0; i < t.numel; ++i) seen |= cpu::exponent_carry(data[i]);
        return !(seen >> (8 * sizeof(seen) - 1));
    };
    if (t.dtype == DType::Float32) return few(reinterpret_cast<const float*>(t.data));
    if (t.dtype == DType::Float64) return few(reinterpret_cast<const double*>(t.data));
    return true;
}

// Which of the two kinds there are.
uint8_t not_finite_kinds(const TensorImpl& t);

}  // namespace chainrule
