#pragma once

#include "kernels/cpu/math_base.h"

// Logarithms: log, log2, log10, log1p, and the inverse hyperbolic functions made of them.
namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {
namespace math {

template <class T>
struct LogConstants;

template <>
struct LogConstants<float> {
    static constexpr float ln2_high = 0.693359375f;
    static constexpr float ln2_low = -2.12194440e-4f;
    static constexpr float ln_2 = 0.693147181f;
    static constexpr float log2_e = 1.44269504f;
    static constexpr float log10_e = 0.434294482f;
    static constexpr float log10_2_high = 0.301025391f;
    static constexpr float log10_2_low = 4.605039e-6f;
    static constexpr float root_half = 0.707106781f;
    static constexpr float smallest_normal = 1.17549435e-38f;
    static constexpr int denormal_shift = 23;
    static constexpr float denormal_scale = 8388608.0f;
    // log1p(x) is x below.
    static constexpr float linear = 1e-10f;
    // x^2 + 1 is x^2 above.
    static constexpr float large = 1e8f;

    // log(1 + f) = f - tail for sqrt(1/2) <= 1 + f <= sqrt(2).
    CHAINRULE_MATH float log1p_tail(float f) {
        float p = polynomial(f, 0.3333331f, -0.25f, 0.20002227f, -0.16668527f, 0.14218122f,
                             -0.12396421f, 0.11888593f, -0.11725829f, 0.06804918f);
        float f2 = f * f;
        return f2 * (0.5f - f * p);
    }
};

template <>
struct LogConstants<double> {
    static constexpr double ln2_high = 6.93147180369123816490e-01;
    static constexpr double ln2_low = 1.90821492927058770002e-10;
    static constexpr double ln_2 = 0.69314718055994531;
    static constexpr double log2_e = 1.4426950408889634;
    static constexpr double log10_e = 0.43429448190325183;
    static constexpr double log10_2_high = 3.01029995663611771306e-01;
    static constexpr double log10_2_low = 3.69423907715893078616e-13;
    static constexpr double root_half = 0.70710678118654752;
    static constexpr double smallest_normal = 2.2250738585072014e-308;
    static constexpr int denormal_shift = 52;
    static constexpr double denormal_scale = 4503599627370496.0;
    static constexpr double linear = 1e-20;
    static constexpr double large = 1e17;

    CHAINRULE_MATH double log1p_tail(double f) {
        // With s = f / (2 + f): log(1 + f) = 2 s + s z p(z) and 2 s = f - s f.
        double s = f / (2.0 + f);
        double z = s * s;
        double p = z * polynomial(z, 0.6666666666666736, 0.3999999999940518, 0.2857142874417738,
                                  0.22222198410436503, 0.18183572043964202, 0.15313866662926248,
                                  0.14797688936103578);
        double half_square = 0.5 * f * f;
        return half_square - s * (half_square + p);
    }
};

// x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), for positive x.
template <class T>
struct LogReduced {
    T f;
    T k;
};

// k as a number, from k + offset in the low bits of a word (no conversion of 64-bit integers is
// needed, which AVX2 lacks).
template <std::floating_point T>
CHAINRULE_MATH T small_integer(WordOf<T> k) {
    constexpr T magic = Format<T>::magic;
    return from_bits<T>(k + __builtin_bit_cast(WordOf<T>, magic)) - magic;
}

template <std::floating_point T>
CHAINRULE_MATH LogReduced<T> log_reduce(T x) {
    using C = LogConstants<T>;
    using F = Format<T>;
    using Word = WordOf<T>;
    constexpr Word base = __builtin_bit_cast(Word, C::root_half);
    // Moved up by one exponent range, so that the shift below is of unsigned numbers.
    constexpr Word lift = F::bias << F::mantissa;
    bool denormal = x < C::smallest_normal;
    Word bits = to_bits(denormal ? x * C::denormal_scale : x) - base + lift;
    T k = small_integer<T>((bits >> F::mantissa) - F::bias -
                           (denormal ? Word(C::denormal_shift) : Word(0)));
    constexpr Word fraction = (Word(1) << F::mantissa) - 1;
    return {from_bits<T>((bits & fraction) + base) - T(1), k};
}

// The value y of a logarithm at x > 0, corrected where x is not a positive finite number.
template <std::floating_point T>
CHAINRULE_MATH T log_special(T x, T y) {
    y = x < Format<T>::infinity ? y : x;
    T at_zero = x == T(0) ? -Format<T>::infinity : Format<T>::nan;
    return x <= T(0) ? at_zero : y;
}

template <std::floating_point T>
CHAINRULE_MATH T log(T x) {
    using C = LogConstants<T>;
    auto [f, k] = log_reduce(x);
    return log_special(x, k * C::ln2_high + (f - (C::log1p_tail(f) - k * C::ln2_low)));
}

template <std::floating_point T>
CHAINRULE_MATH T log2(T x) {
    using C = LogConstants<T>;
    auto [f, k] = log_reduce(x);
    return log_special(x, k + (f - C::log1p_tail(f)) * C::log2_e);
}

template <std::floating_point T>
CHAINRULE_MATH T log10(T x) {
    using C = LogConstants<T>;
    auto [f, k] = log_reduce(x);
    T low = k * C::log10_2_low + (f - C::log1p_tail(f)) * C::log10_e;
    return log_special(x, k * C::log10_2_high + low);
}

template <std::floating_point T>
CHAINRULE_MATH T log1p(T x) {
    using C = LogConstants<T>;
    using F = Format<T>;
    using Word = WordOf<T>;
    constexpr Word base = __builtin_bit_cast(Word, C::root_half);
    constexpr Word lift = F::bias << F::mantissa;
    Word biased = (to_bits(T(1) + x) - base + lift) >> F::mantissa;
    T k = small_integer<T>(biased - F::bias);
    // 1 + f = (1 + x) 2^-k, with one rounding; 2^(2 - k), so that the scale is a normal number.
    T scale = from_bits<T>((2 * F::bias + 2 - biased) << F::mantissa);
    T f = (scale * T(0.25) - T(1)) + x * scale * T(0.25);
    T y = k * C::ln2_high + (f - (C::log1p_tail(f) - k * C::ln2_low));
    y = x < F::infinity ? y : x;
    T at_end = x == T(-1) ? -F::infinity : F::nan;
    y = x <= T(-1) ? at_end : y;
    return abs(x) < C::linear ? x : y;
}

template <std::floating_point T>
CHAINRULE_MATH T asinh(T x) {
    using C = LogConstants<T>;
    T a = abs(x);
    bool large = a > C::large;
    T argument = large ? a : a + a * (a / (T(1) + sqrt(a * a + T(1))));
    return copysign(log1p(argument) + (large ? C::ln_2 : T(0)), x);
}

template <std::floating_point T>
CHAINRULE_MATH T acosh(T x) {
    using C = LogConstants<T>;
    bool large = x > C::large;
    T t = x - T(1);
    T argument = large ? x : t + sqrt(t * (t + T(2)));
    // The root of a negative number below 1, but not below -1.
    return log1p(x < T(1) ? Format<T>::nan : argument) + (large ? C::ln_2 : T(0));
}

template <std::floating_point T>
CHAINRULE_MATH T atanh(T x) {
    T a = abs(x);
    return copysign(T(0.5) * log1p(T(2) * a / (T(1) - a)), x);
}

}  // namespace math
}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
