#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

// Scalar mathematics that compilers vectorise: no branches, no calls, no tables. Every function is
// forced inline, so that copies compiled for one instruction set never serve another.
//
// Multiplications and additions are written so that they are accurate with or without contraction
// to FMA. Polynomials come from tools/fit_math.py.
#ifndef CHAINRULE_ISA
#define CHAINRULE_ISA isa_base
#endif

#define CHAINRULE_MATH static inline __attribute__((always_inline))

#if defined(__SSE4_1__) || defined(__aarch64__)
#define CHAINRULE_ROUNDS_IN_HARDWARE 1
#else
#define CHAINRULE_ROUNDS_IN_HARDWARE 0
#endif

namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {
namespace math {

// The layout of IEEE 754 formats.
template <class T>
struct Format;

template <>
struct Format<float> {
    using Word = uint32_t;
    using Int = int32_t;
    static constexpr int mantissa = 23;
    static constexpr Word bias = 127;
    static constexpr Word sign = 0x80000000u;
    // 1.5 * 2^mantissa: adding it rounds to an integer, kept in the low bits.
    static constexpr float magic = 12582912.0f;
    // 2^mantissa: from here on every number is an integer.
    static constexpr float whole = 8388608.0f;
    static constexpr float max = std::numeric_limits<float>::max();
    static constexpr float infinity = std::numeric_limits<float>::infinity();
    static constexpr float nan = std::numeric_limits<float>::quiet_NaN();
};

template <>
struct Format<double> {
    using Word = uint64_t;
    using Int = int64_t;
    static constexpr int mantissa = 52;
    static constexpr Word bias = 1023;
    static constexpr Word sign = 0x8000000000000000u;
    static constexpr double magic = 6755399441055744.0;
    static constexpr double whole = 4503599627370496.0;
    static constexpr double max = std::numeric_limits<double>::max();
    static constexpr double infinity = std::numeric_limits<double>::infinity();
    static constexpr double nan = std::numeric_limits<double>::quiet_NaN();
};

template <std::floating_point T>
using WordOf = typename Format<T>::Word;

template <std::floating_point T>
CHAINRULE_MATH WordOf<T> to_bits(T x) {
    return __builtin_bit_cast(WordOf<T>, x);
}

template <std::floating_point T>
CHAINRULE_MATH T from_bits(WordOf<T> bits) {
    return __builtin_bit_cast(T, bits);
}

// c0 + c1 x + c2 x^2 + ...
template <class T>
CHAINRULE_MATH T polynomial(T, T constant) {
    return constant;
}

template <class T, class... Rest>
CHAINRULE_MATH T polynomial(T x, T constant, Rest... rest) {
    return constant + x * polynomial(x, rest...);
}

// Signs and classes ---------------------------------------------------------------------------

template <std::floating_point T>
CHAINRULE_MATH T abs(T x) {
    return from_bits<T>(to_bits(x) & ~Format<T>::sign);
}

template <std::floating_point T>
CHAINRULE_MATH T copysign(T magnitude, T sign) {
    return from_bits<T>((to_bits(magnitude) & ~Format<T>::sign) |
                        (to_bits(sign) & Format<T>::sign));
}

// x with its sign changed where `sign` is negative.
template <std::floating_point T>
CHAINRULE_MATH T flip_sign(T x, T sign) {
    return from_bits<T>(to_bits(x) ^ (to_bits(sign) & Format<T>::sign));
}

template <std::floating_point T>
CHAINRULE_MATH bool isnan(T x) {
    return x != x;
}

template <std::floating_point T>
CHAINRULE_MATH bool isinf(T x) {
    return abs(x) == Format<T>::infinity;
}

template <std::floating_point T>
CHAINRULE_MATH bool isfinite(T x) {
    return abs(x) <= Format<T>::max;
}

template <std::floating_point T>
CHAINRULE_MATH bool signbit(T x) {
    return (to_bits(x) & Format<T>::sign) != 0;
}

// -1, 0 or 1; 0 for NaN, as torch.sign.
template <std::floating_point T>
CHAINRULE_MATH T sign(T x) {
    return static_cast<T>((x > T(0) ? T(1) : T(0)) - (x < T(0) ? T(1) : T(0)));
}

template <class T>
CHAINRULE_MATH T where(bool condition, T a, T b) {
    return condition ? a : b;
}

// The larger number; NaN if either is.
template <std::floating_point T>
CHAINRULE_MATH T maximum(T a, T b) {
    T larger = a > b ? a : b;
    return a != a ? a : larger;
}

template <std::floating_point T>
CHAINRULE_MATH T minimum(T a, T b) {
    T smaller = a < b ? a : b;
    return a != a ? a : smaller;
}

// NaN stays NaN: a comparison with it is false.
template <std::floating_point T>
CHAINRULE_MATH T clamp_between(T x, T low, T high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

// Roots and reciprocals -----------------------------------------------------------------------

CHAINRULE_MATH float sqrt(float x) { return __builtin_sqrtf(x); }
CHAINRULE_MATH double sqrt(double x) { return __builtin_sqrt(x); }

template <std::floating_point T>
CHAINRULE_MATH T rsqrt(T x) {
    return T(1) / sqrt(x);
}

template <std::floating_point T>
CHAINRULE_MATH T reciprocal(T x) {
    return T(1) / x;
}

template <std::floating_point T>
CHAINRULE_MATH T square(T x) {
    return x * x;
}

// Rounding ------------------------------------------------------------------------------------

#if CHAINRULE_ROUNDS_IN_HARDWARE

CHAINRULE_MATH float floor(float x) { return __builtin_floorf(x); }
CHAINRULE_MATH double floor(double x) { return __builtin_floor(x); }
CHAINRULE_MATH float ceil(float x) { return __builtin_ceilf(x); }
CHAINRULE_MATH double ceil(double x) { return __builtin_ceil(x); }
CHAINRULE_MATH float trunc(float x) { return __builtin_truncf(x); }
CHAINRULE_MATH double trunc(double x) { return __builtin_trunc(x); }
// To nearest, ties to even.
CHAINRULE_MATH float round(float x) { return __builtin_rintf(x); }
CHAINRULE_MATH double round(double x) { return __builtin_rint(x); }

#else

// Without rounding instructions: adding 2^mantissa pushes the fraction out.
template <std::floating_point T>
CHAINRULE_MATH T round(T x) {
    T magnitude = abs(x);
    T rounded = (magnitude + Format<T>::whole) - Format<T>::whole;
    return copysign(magnitude < Format<T>::whole ? rounded : magnitude, x);
}

template <std::floating_point T>
CHAINRULE_MATH T trunc(T x) {
    T magnitude = abs(x);
    T rounded = (magnitude + Format<T>::whole) - Format<T>::whole;
    T below = rounded - (rounded > magnitude ? T(1) : T(0));
    return copysign(magnitude < Format<T>::whole ? below : magnitude, x);
}

template <std::floating_point T>
CHAINRULE_MATH T floor(T x) {
    T toward_zero = trunc(x);
    return toward_zero > x ? toward_zero - T(1) : toward_zero;
}

template <std::floating_point T>
CHAINRULE_MATH T ceil(T x) {
    T toward_zero = trunc(x);
    // The sign of x survives in -0.
    return toward_zero < x ? copysign(toward_zero + T(1), x) : toward_zero;
}

#endif

template <std::floating_point T>
CHAINRULE_MATH T frac(T x) {
    return x - trunc(x);
}

}  // namespace math
}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
