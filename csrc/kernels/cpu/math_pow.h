#pragma once

#include <cmath>

#include "kernels/cpu/math_exp.h"
#include "kernels/cpu/math_log.h"
#include "kernels/cpu/math_trig.h"

// Powers of floating-point numbers, with the special cases of C99 (annex F.9.4.4).
namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {
namespace math {

// Compilers vectorise chains of selections more readily than logic of conditions: hence the form.

// Gives |x|^y the sign of x^y: NaN for a negative number to a fractional power.
template <std::floating_point T>
CHAINRULE_MATH T power_sign(T x, T y, T magnitude) {
    T half = T(0.5) * y;
    T of_integer = floor(half) != half ? copysign(magnitude, x) : magnitude;
    T of_fraction = x < T(0) ? Format<T>::nan : magnitude;
    of_fraction = x == -Format<T>::infinity ? magnitude : of_fraction;
    return floor(y) == y ? of_integer : of_fraction;
}

#if CHAINRULE_HAS_FMA

// 2^(y log2 a) in double, for a positive finite float: 40 bits of the logarithm suffice.
CHAINRULE_MATH float power_of_positive(float a, float y) {
    constexpr uint64_t base = __builtin_bit_cast(uint64_t, LogConstants<double>::root_half);
    constexpr uint64_t lift = Format<double>::bias << 52;
    uint64_t bits = to_bits(static_cast<double>(a)) - base + lift;
    double k = small_integer<double>((bits >> 52) - Format<double>::bias);
    double f = from_bits<double>((bits & 0x000fffffffffffffu) + base) - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    double logarithm =
        k + s * polynomial(z, 2.88539008177785, 0.9617966941134208, 0.5770779423352846,
                           0.4122092561240584, 0.3199055130823332, 0.28290319378039996);
    // Within the normal numbers of double; the conversion to float makes zeros and infinities.
    double product = clamp_between(logarithm * y, -200.0, 200.0);
    constexpr double magic = Format<double>::magic;
    double shifted = product + magic;
    double r = product - (shifted - magic);
    double power =
        1.0 + r * polynomial(r, 0.6931471805458179, 0.24022651086487087, 0.05550410941665286,
                             0.009618035584987729, 0.0013333450128958273, 0.00015467492940815316,
                             1.5310196077797046e-05);
    uint64_t exponent = to_bits(shifted) - __builtin_bit_cast(uint64_t, magic);
    return static_cast<float>(power * power_of_two<double>(exponent + Format<double>::bias));
}

CHAINRULE_MATH float pow(float x, float y) {
    constexpr float infinity = Format<float>::infinity;
    float a = abs(x);
    float magnitude = power_of_positive(a, y);
    // Zeros, infinities and NaN have no logarithm here.
    float of_zero = y < 0.0f ? infinity : (y > 0.0f ? 0.0f : y);
    float of_infinity = y < 0.0f ? 0.0f : y + infinity;
    magnitude = a == 0.0f ? of_zero : magnitude;
    magnitude = a == infinity ? of_infinity : magnitude;
    magnitude = x == x ? magnitude : x;
    // 1 whatever the other operand is.
    magnitude = y == 0.0f ? 1.0f : magnitude;
    magnitude = x == 1.0f ? 1.0f : magnitude;
    float of_minus_one = x == -1.0f ? 1.0f : magnitude;
    magnitude = abs(y) == infinity ? of_minus_one : magnitude;
    return power_sign(x, y, magnitude);
}

// log(a) = high + low to about 66 bits, for finite a > 0.
struct LongLog {
    double high;
    double low;
};

CHAINRULE_MATH LongLog long_log(double a) {
    using C = LogConstants<double>;
    auto [f, k] = log_reduce(a);
    // s = f / (2 + f) in two parts.
    double divisor = 2.0 + f;
    double divisor_low = f - (divisor - 2.0);
    double inverse = 1.0 / divisor;
    double s = f * inverse;
    double s_low = __builtin_fma(-s, divisor_low, __builtin_fma(-s, divisor, f)) * inverse;
    // log(1 + f) = 2 s + s^3 (2 / 3 + z q(z)), of which the first two terms need both parts.
    double z = s * s;
    double z_low = __builtin_fma(s, s, -z) + 2.0 * s * s_low;
    double q = z * polynomial(z, 0.39999999999999974, 0.2857142857144668, 0.2222222221721778,
                              0.1818181890396379, 0.15384554854686955, 0.13336386632222483,
                              0.11673549243998486, 0.11998659642771353);
    constexpr double two_thirds = 0.66666666666666663, two_thirds_low = 3.7007434154171886e-17;
    double c = two_thirds + q;
    double c_low = (two_thirds - c) + q + two_thirds_low;
    // s z
    double cube = s * z;
    double cube_low = __builtin_fma(s, z, -cube) + (s * z_low + s_low * z);
    double tail = cube * c;
    double tail_low = __builtin_fma(cube, c, -tail) + (cube * c_low + cube_low * c);
    // Sums from the largest term down; each is exact up to the part carried along.
    double sum = 2.0 * s + tail;
    double sum_low = (2.0 * s - sum) + tail + (tail_low + 2.0 * s_low);
    double base = k * C::ln2_high;
    double high = base + sum;
    // The larger operand first: base is 0 or larger than sum.
    double low = k == 0.0 ? 0.0 : (base - high) + sum;
    low += sum_low + k * C::ln2_low;
    double total = high + low;
    return {total, (high - total) + low};
}

CHAINRULE_MATH double pow(double x, double y) {
    using C = ExpConstants<double>;
    constexpr double infinity = Format<double>::infinity;
    double a = abs(x);
    auto [high, low] = long_log(a);
    high = a < infinity ? high : a;
    high = a == 0.0 ? -infinity : high;
    double product = high * y;
    // 1 whatever the other operand is, or would be 0 times infinity.
    product = y == 0.0 ? 0.0 : product;
    product = x == 1.0 ? 0.0 : product;
    double of_minus_one = x == -1.0 ? 0.0 : product;
    product = abs(y) == infinity ? of_minus_one : product;
    double clamped = clamp_between(product, C::lowest, C::highest);
    double rest = __builtin_fma(high, y, -product) + low * y;
    // Where the product was clamped or is exactly 0 there is nothing to add.
    rest = clamped == product ? rest : 0.0;
    rest = product == 0.0 ? 0.0 : rest;
    auto [r, r_low, k] = exp_reduce(clamped);
    double sum = r + rest;
    double sum_low = (r - sum) + rest + r_low;
    double power = scale_by_power(1.0 + expm1_reduced(sum, sum_low), k);
    return power_sign(x, y, power);
}

#else

// Without FMA the C library is faster.
CHAINRULE_MATH float pow(float x, float y) { return std::pow(x, y); }
CHAINRULE_MATH double pow(double x, double y) { return std::pow(x, y); }

#endif

}  // namespace math
}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
