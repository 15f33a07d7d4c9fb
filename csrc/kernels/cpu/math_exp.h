#pragma once

#include "kernels/cpu/math_base.h"

// Exponentials and what is made of them: exp, exp2, expm1, sigmoid, tanh, sinh, cosh.
namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {
namespace math {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
    static constexpr float log2_e = 1.44269504f;
    // log(2) in two parts: k times the first is exact.
    static constexpr float ln2_high = 0.693359375f;
    static constexpr float ln2_low = -2.12194440e-4f;
    // exp is 0 below and infinite above.
    static constexpr float lowest = -105.0f;
    static constexpr float highest = 89.0f;
    // expm1 is -1 below; sinh and cosh are infinite above.
    static constexpr float expm1_lowest = -20.0f;
    static constexpr float sinh_highest = 89.6f;
    // tanh is 1 above.
    static constexpr float tanh_one = 10.0f;
    // expm1(x) and tanh(x) are x below.
    static constexpr float linear = 1e-10f;
    static constexpr float exp2_lowest = -152.0f;
    static constexpr float exp2_highest = 129.0f;

    static constexpr float ln_2 = 0.693147181f;

    // (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2.
    CHAINRULE_MATH float tail(float r) {
        return polynomial(r, 0.5f, 0.16666667f, 0.041666478f, 0.008333192f, 0.001393373f,
                          0.00019958426f);
    }
    // (2^r - 1) / r for |r| <= 1/2.
    CHAINRULE_MATH float exp2_slope(float r) {
        return polynomial(r, 0.6931472f, 0.2402265f, 0.05550358f, 0.009618077f, 0.0013391669f,
                          0.00015456375f);
    }
    // tanh(x) / x - 1 over z for |x| <= tanh_near.
    static constexpr float tanh_near = 0.55f;
    CHAINRULE_MATH float tanh_tail(float z) {
        return polynomial(z, -0.33333316f, 0.13332558f, -0.05384987f, 0.021063065f, -0.0062634824f);
    }
};

template <>
struct ExpConstants<double> {
    static constexpr double log2_e = 1.4426950408889634;
    static constexpr double ln2_high = 6.93147180369123816490e-01;
    static constexpr double ln2_low = 1.90821492927058770002e-10;
    static constexpr double lowest = -746.0;
    static constexpr double highest = 710.0;
    static constexpr double expm1_lowest = -40.0;
    static constexpr double sinh_highest = 710.8;
    static constexpr double tanh_one = 20.0;
    static constexpr double linear = 1e-20;
    static constexpr double exp2_lowest = -1077.0;
    static constexpr double exp2_highest = 1025.0;

    CHAINRULE_MATH double tail(double r) {
        return polynomial(r, 0.5, 0.16666666666666677, 0.04166666666666668, 0.0083333333333214,
                          0.0013888888888877408, 0.0001984126988675412, 2.4801587340765872e-05,
                          2.755724353574257e-06, 2.7557259017491664e-07, 2.5109285330647435e-08,
                          2.091957695785799e-09);
    }
    CHAINRULE_MATH double exp2_slope(double r) {
        return polynomial(r, 0.6931471805599453, 0.24022650695910136, 0.055504108664822936,
                          0.009618129107592355, 0.0013333558146164477, 0.00015403530459210632,
                          1.5252734036707416e-05, 1.3215434285022418e-06, 1.017798569232921e-07,
                          7.073947874333449e-09, 4.465528973553503e-10);
    }
    static constexpr double tanh_near = 0.55;
    CHAINRULE_MATH double tanh_tail(double z) {
        return polynomial(z, -0.333333333333333, 0.1333333333332661, -0.05396825396376355,
                          0.0218694883860839, -0.008863232606640285, 0.0035920920925950122,
                          -0.001455543287971718, 0.0005884464250902402, -0.0002333867116736725,
                          8.332403889106473e-05, -1.9499467221367055e-05);
    }
};

// 2^k for a k in the range of normal numbers, given as k + bias.
template <std::floating_point T>
CHAINRULE_MATH T power_of_two(WordOf<T> biased) {
    return from_bits<T>(biased << Format<T>::mantissa);
}

// x = k log(2) + r + low with |r| <= log(2) / 2; low is what the rounding of r lost.
template <class T>
struct ExpReduced {
    T r;
    T low;
    WordOf<T> k;  // two's complement
};

template <std::floating_point T>
CHAINRULE_MATH ExpReduced<T> exp_reduce(T x) {
    using C = ExpConstants<T>;
    constexpr T magic = Format<T>::magic;
    T shifted = x * C::log2_e + magic;
    T k = shifted - magic;
    T high = x - k * C::ln2_high;
    T r = high - k * C::ln2_low;
    T low = (high - r) - k * C::ln2_low;
    return {r, low, to_bits(shifted) - __builtin_bit_cast(WordOf<T>, magic)};
}

// exp(r) - 1
template <std::floating_point T>
CHAINRULE_MATH T expm1_reduced(T r) {
    return r + r * r * ExpConstants<T>::tail(r);
}

// exp(r + low) - 1
template <std::floating_point T>
CHAINRULE_MATH T expm1_reduced(T r, T low) {
    return r + (r * r * ExpConstants<T>::tail(r) + low);
}

// m * 2^k in two steps, so that results may be denormal or infinite.
template <std::floating_point T>
CHAINRULE_MATH T scale_by_power(T m, WordOf<T> k) {
    WordOf<T> biased = k + 2 * Format<T>::bias;
    WordOf<T> half = biased >> 1;
    return m * power_of_two<T>(half) * power_of_two<T>(biased - half);
}

template <std::floating_point T>
CHAINRULE_MATH T exp(T x) {
    using C = ExpConstants<T>;
    auto [r, low, k] = exp_reduce(clamp_between(x, C::lowest, C::highest));
    return scale_by_power(T(1) + expm1_reduced(r), k);
}

template <std::floating_point T>
CHAINRULE_MATH T exp2(T x) {
    using C = ExpConstants<T>;
    constexpr T magic = Format<T>::magic;
    T clamped = clamp_between(x, C::exp2_lowest, C::exp2_highest);
    T shifted = clamped + magic;
    T r = clamped - (shifted - magic);
    WordOf<T> k = to_bits(shifted) - __builtin_bit_cast(WordOf<T>, magic);
    return scale_by_power(T(1) + r * C::exp2_slope(r), k);
}

// (exp(x) - 1) / 4 for x in range, without cancellation; a quarter, so that it cannot overflow.
template <std::floating_point T>
CHAINRULE_MATH T quarter_expm1(T x) {
    auto [r, low, k] = exp_reduce(x);
    T scale = power_of_two<T>(k + (Format<T>::bias - 2));
    return scale * expm1_reduced(r, low) + (scale - T(0.25));
}

template <std::floating_point T>
CHAINRULE_MATH T expm1(T x) {
    using C = ExpConstants<T>;
    T y = T(4) * quarter_expm1(clamp_between(x, C::expm1_lowest, C::highest));
    return abs(x) < C::linear ? x : y;
}

template <std::floating_point T>
CHAINRULE_MATH T tanh(T x) {
    using C = ExpConstants<T>;
    T magnitude = abs(x);
    T clamped = magnitude > C::tanh_one ? C::tanh_one : magnitude;
    // 1 - 2 w / (1 + w) with w = exp(-2 a), where that does not cancel.
    auto [r, low, k] = exp_reduce(T(-2) * clamped);
    T w = (T(1) + expm1_reduced(r)) * power_of_two<T>(k + Format<T>::bias);
    T far = T(1) - T(2) * w / (T(1) + w);
    T z = x * x;
    T near = x + x * z * C::tanh_tail(z);
    T y = magnitude < C::tanh_near ? near : copysign(far, x);
    return magnitude < C::linear ? x : y;
}

template <std::floating_point T>
CHAINRULE_MATH T sigmoid(T x) {
    using C = ExpConstants<T>;
    T negative = -abs(x);
    auto [r, low, k] = exp_reduce(negative < C::lowest ? C::lowest : negative);
    T e = scale_by_power(T(1) + expm1_reduced(r), k);
    // e / (1 + e) as e - e^2 / (1 + e): where e is small, the divisor's rounding no longer counts.
    T ratio = (x < T(0) ? e * e : T(1)) / (T(1) + e);
    return x < T(0) ? e - ratio : ratio;
}

template <std::floating_point T>
CHAINRULE_MATH T sinh(T x) {
    using C = ExpConstants<T>;
    T magnitude = abs(x);
    T h = T(2) * quarter_expm1(magnitude > C::sinh_highest ? C::sinh_highest : magnitude);
    // h / (2 h + 1) is 1/2 long before h overflows.
    T g = h > T(1e30) ? T(1e30) : h;
    T y = copysign(h + g / (T(2) * g + T(1)), x);
    return magnitude < C::linear ? x : y;
}

template <std::floating_point T>
CHAINRULE_MATH T cosh(T x) {
    using C = ExpConstants<T>;
    T magnitude = abs(x);
    auto [r, low, k] = exp_reduce(magnitude > C::sinh_highest ? C::sinh_highest : magnitude);
    T m = T(1) + expm1_reduced(r);
    T h = m * power_of_two<T>(k + (Format<T>::bias - 2)) * T(2);
    return h + T(0.25) / h;
}

}  // namespace math
}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
