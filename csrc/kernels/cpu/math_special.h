#pragma once

#include <cmath>

#include "kernels/cpu/math_exp.h"
#include "kernels/cpu/math_log.h"
#include "kernels/cpu/math_trig.h"

// Functions left to the C library, or written with branches: not vectorised.
namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {
namespace math {

template <std::floating_point T>
CHAINRULE_MATH T fmod(T x, T y) {
    return std::fmod(x, y);
}

// log |gamma(x)|. The reentrant form, where there is one: the other writes a global.
template <std::floating_point T>
CHAINRULE_MATH T lgamma(T x) {
#if defined(__GLIBC__) || defined(__APPLE__)
    int sign = 0;
    if constexpr (sizeof(T) == sizeof(float)) {
        return ::lgammaf_r(x, &sign);
    } else {
        return ::lgamma_r(x, &sign);
    }
#else
    return std::lgamma(x);
#endif
}

// The derivative of lgamma: reflection for x < 0, recurrence up to 10, then the asymptotic series
// (Abramowitz and Stegun 6.3.7, 6.3.5, 6.3.18). A signed infinity at zeros, NaN at other poles.
CHAINRULE_MATH double digamma(double x) {
    constexpr double pi = 3.14159265358979324;
    if (x == 0.0) return std::copysign(Format<double>::infinity, -x);
    double result = 0.0;
    if (x < 0.0) {
        double fraction = x - std::trunc(x);
        if (fraction == 0.0) return Format<double>::nan;
        result = -pi / std::tan(pi * fraction);
        x = 1.0 - x;
    }
    while (x < 10.0) {
        result -= 1.0 / x;
        x += 1.0;
    }
    if (x == 10.0) return result + 2.25175258906672110764;
    double z = x < 1e17 ? 1.0 / (x * x) : 0.0;
    // B(2n) / 2n
    double series = z * polynomial(z, 1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132,
                                   -691.0 / 32760, 1.0 / 12);
    return result + std::log(x) - 0.5 / x - series;
}

CHAINRULE_MATH float digamma(float x) {
    return static_cast<float>(digamma(static_cast<double>(x)));
}

// The remainder with the sign of the divisor, as Python's %.
template <std::floating_point T>
CHAINRULE_MATH T remainder(T x, T y) {
    T r = fmod(x, y);
    // By bits: the signs are as good as random, and a branch on them is mispredicted.
    bool differ = (r != T(0)) & ((y < T(0)) != (r < T(0)));
    WordOf<T> mask = WordOf<T>(0) - WordOf<T>(differ);
    return from_bits<T>((to_bits(r + y) & mask) | (to_bits(r) & ~mask));
}

// Python's //: the exact quotient rounded down.
template <std::floating_point T>
CHAINRULE_MATH T floor_divide(T x, T y) {
    T r = fmod(x, y);
    T quotient = (x - r) / y;
    quotient = r != T(0) && (y < T(0)) != (r < T(0)) ? quotient - T(1) : quotient;
    // The division may round to just below an integer.
    T down = floor(quotient);
    down = quotient - down > T(0.5) ? down + T(1) : down;
    down = quotient == T(0) ? copysign(T(0), x / y) : down;
    return y == T(0) ? x / y : down;
}

}  // namespace math
}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
