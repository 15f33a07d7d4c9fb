#pragma once

#include <bit>
#include <cstdint>

// Whether memory holds a NaN or an infinity, compiled once per instruction set.
namespace chainrule::cpu {

struct FiniteLoops {
    bool (*f32)(const float* data, int64_t n);
    bool (*f64)(const double* data, int64_t n);
};

namespace finite_kernels {
namespace isa_base {
extern const FiniteLoops loops;
}
namespace isa_avx2 {
extern const FiniteLoops loops;
}
namespace isa_avx512 {
extern const FiniteLoops loops;
}
}  // namespace finite_kernels

// The sign bit of `carry` is set for a number whose exponent is all ones: NaN or infinite. Adding
// one to the exponent then carries into the sign; plain integer steps that every machine has wide.
template <class T>
struct FiniteBits;
template <>
struct FiniteBits<float> {
    using Word = uint32_t;
    static constexpr Word kExponent = 0x7f800000u, kOne = 0x00800000u;
};
template <>
struct FiniteBits<double> {
    using Word = uint64_t;
    static constexpr Word kExponent = 0x7ff0000000000000u, kOne = 0x0010000000000000u;
};
template <class T>
inline typename FiniteBits<T>::Word exponent_carry(T value) {
    using Bits = FiniteBits<T>;
    return (std::bit_cast<typename Bits::Word>(value) & Bits::kExponent) + Bits::kOne;
}

}  // namespace chainrule::cpu
