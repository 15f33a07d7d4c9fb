#pragma once

#include "kernels/cpu/math_exp.h"

// The error function and its complement.
namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {
namespace math {

template <class T>
struct ErfConstants;

template <>
struct ErfConstants<float> {
    // erf(x) / x - 1 for |x| <= 1, z = x^2.
    CHAINRULE_MATH float slope(float z) {
        return polynomial(z, 0.12837917f, -0.3761263f, 0.11283618f, -0.026855124f, 0.005190726f,
                          -0.0008030654f, 7.919902e-05f);
    }
    // exp(a^2) erfc(a) (a + shift) for t = (a - shift) / (a + shift), a >= 1 / 2.
    static constexpr float shift = 3.0f;
    CHAINRULE_MATH float scaled(float t) {
        return polynomial(t, 1.0740069f, -0.8833945f, 0.59022796f, -0.31046647f, 0.11953332f,
                          -0.02683409f, -0.0012459508f, 0.0030548428f, -0.0004539239f,
                          -0.00028725795f);
    }
    // erfc is 0 above.
    static constexpr float highest = 10.1f;
    // The upper half of the digits, whose square is exact.
    static constexpr uint32_t upper = 0xfffff000u;
};

template <>
struct ErfConstants<double> {
    CHAINRULE_MATH double slope(double z) {
        return polynomial(z, 0.12837916709551256, -0.3761263890318347, 0.11283791670943219,
                          -0.026866170643026575, 0.005223977605729029, -0.000854832591965114,
                          0.0001205529346521502, -1.4924712509522804e-05, 1.6447154868122808e-06,
                          -1.6206608356867929e-07, 1.3712628814674872e-08, -7.783072047256754e-10);
    }
    static constexpr double shift = 4.0;
    CHAINRULE_MATH double scaled(double t) {
        return polynomial(t, 1.095995661000491, -0.976548729080882, 0.7732087022652439,
                          -0.5408538313132377, 0.3308515878777818, -0.17401093723985173,
                          0.07638151491281353, -0.02637005334142712, 0.0061120556277986515,
                          -0.0002809588583270048, -0.0004550525639205546, 0.0001768127968342513,
                          -3.6354123144080945e-06, -1.8860877048072608e-05, 4.694351203628305e-06,
                          1.4243140639839841e-06, -8.447978012295874e-07, -7.586359297219436e-08,
                          1.2116902655362603e-07, 1.2226542473584916e-09, -1.2694638683583952e-08);
    }
    static constexpr double highest = 27.3;
    static constexpr uint64_t upper = 0xfffffffff8000000u;
};

// erfc(a) for a >= 1 / 2.
template <std::floating_point T>
CHAINRULE_MATH T erfc_far(T a) {
    using C = ErfConstants<T>;
    a = a > C::highest ? C::highest : a;
    // a^2 = square + rest: exp magnifies what a rounded square would lose.
    T head = from_bits<T>(to_bits(a) & C::upper);
    T square = head * head;
    T rest = (a - head) * (a + head);
    auto [r, low, k] = exp_reduce(-square);
    r = r - rest;
    T inverse = T(1) / (a + C::shift);
    T value = C::scaled((a - C::shift) * inverse) * (T(1) + expm1_reduced(r));
    return scale_by_power(value * inverse, k);
}

// erf(x) for |x| <= 1.
template <std::floating_point T>
CHAINRULE_MATH T erf_near(T x) {
    return x + x * ErfConstants<T>::slope(x * x);
}

template <std::floating_point T>
CHAINRULE_MATH T erf(T x) {
    T a = abs(x);
    // Beyond 6 the result is 1, and NaN fails the comparison.
    T far = T(1) - erfc_far(a);
    return a <= T(1) ? erf_near(x) : copysign(far, x);
}

template <std::floating_point T>
CHAINRULE_MATH T erfc(T x) {
    T a = abs(x);
    T far = erfc_far(a);
    far = x < T(0) ? T(2) - far : far;
    return a <= T(0.5) ? T(1) - erf_near(x) : far;
}

}  // namespace math
}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
