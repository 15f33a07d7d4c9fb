#pragma once

#include <cmath>

#include "kernels/cpu/math_base.h"

// sin, cos, tan and their inverses.
//
// The angle is reduced by a subtraction of n pi/2 with pi/2 in several parts, which is right up to
// `trig_limit`. A loop whose formula calls these functions asks `any_beyond_trig` about each chunk
// of each input, and evaluates the formula with ExactTrig in place of FastTrig where it says yes.
namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {
namespace math {

#if defined(__FMA__) || defined(__aarch64__)
#define CHAINRULE_HAS_FMA 1
#else
#define CHAINRULE_HAS_FMA 0
#endif

template <class T>
struct TrigConstants;

template <>
struct TrigConstants<float> {
    // (sin(r) / r - 1) / z and (cos(r) - 1 + z / 2) / z^2 for z = r^2, |r| <= pi / 4.
    CHAINRULE_MATH float sin_tail(float z) {
        return polynomial(z, -0.16666655f, 0.008332191f, -0.00019518599f);
    }
    CHAINRULE_MATH float cos_tail(float z) {
        return polynomial(z, 0.041666646f, -0.0013887313f, 2.4432959e-05f);
    }
    // (atan(t) / t - 1) / z for |t| <= tan(pi / 8).
    CHAINRULE_MATH float atan_tail(float z) {
        return polynomial(z, -0.33333313f, 0.19998388f, -0.14242193f, 0.105850525f, -0.060580865f);
    }
    // (asin(s) / s - 1) / z for |s| <= 1 / 2.
    CHAINRULE_MATH float asin_tail(float z) {
        return polynomial(z, 0.16666754f, 0.07495277f, 0.045471452f, 0.024178796f, 0.0421625f);
    }
    static constexpr float half_pi = 1.57079637f;
    static constexpr float half_pi_low = -4.37113883e-8f;
    // Numbers above are scaled down, and below up, before they are added or divided.
    static constexpr float large = 1e37f;
};

template <>
struct TrigConstants<double> {
    CHAINRULE_MATH double sin_tail(double z) {
        return polynomial(z, -0.1666666666666663, 0.00833333333332196, -0.0001984126982950486,
                          2.755731360004322e-06, -2.5050745165624864e-08, 1.5896106131534069e-10);
    }
    CHAINRULE_MATH double cos_tail(double z) {
        return polynomial(z, 0.041666666666666595, -0.0013888888888873448, 2.480158728910544e-05,
                          -2.755731425306134e-07, 2.0875710774542552e-09, -1.1359041439039709e-11);
    }
    CHAINRULE_MATH double atan_tail(double z) {
        return polynomial(z, -0.33333333333333326, 0.19999999999997248, -0.1428571428534593,
                          0.11111111085986529, -0.09090908076361313, 0.07692281400148648,
                          -0.06666208785559587, 0.058768621463498434, -0.05217462679392563,
                          0.04500011832970659, -0.03339784948645756, 0.01512236417602945);
    }
    CHAINRULE_MATH double asin_tail(double z) {
        return polynomial(z, 0.16666666666665406, 0.07500000000335101, 0.04464285683105815,
                          0.03038195899692208, 0.0223717618113127, 0.01735964424884176,
                          0.013885856581683516, 0.01216504090053214, 0.006546235643823274,
                          0.019478022070293, -0.016145358394133603, 0.03185833708891584);
    }
    static constexpr double half_pi = 1.5707963267948966;
    static constexpr double half_pi_low = 6.123233995736766e-17;
    static constexpr double large = 1e307;
};

template <class T>
struct TrigReduced {
    T r;          // |r| <= pi / 4
    WordOf<T> n;  // x = n pi / 2 + r; modulo 4 is enough
};

// Up to here the functions below are right.
template <std::floating_point T>
inline constexpr T trig_limit = CHAINRULE_HAS_FMA ? T(1e14) : T(8e8);

CHAINRULE_MATH TrigReduced<double> trig_reduce(double x) {
    constexpr double magic = Format<double>::magic;
    double shifted = x * 0.6366197723675814 + magic;
    double n = shifted - magic;
#if CHAINRULE_HAS_FMA
    double r = __builtin_fma(-n, 1.5707963267948966, x);
    r = __builtin_fma(-n, 6.123233995736766e-17, r);
    r = __builtin_fma(-n, -1.4973849048591698e-33, r);
#else
    // n times each of the first three parts (23 bits) is exact.
    double r = ((x - n * 1.570796251296997) - n * 7.549789415861596e-08) -
               n * 5.390302529957765e-15 - n * 3.2820035428735005e-22;
#endif
    return {r, to_bits(shifted)};
}

CHAINRULE_MATH TrigReduced<float> trig_reduce(float x) {
    constexpr double magic = Format<double>::magic;
    double wide = x;
    double shifted = wide * 0.6366197723675814 + magic;
    double n = shifted - magic;
#if CHAINRULE_HAS_FMA
    double r =
        __builtin_fma(-n, 6.123233995736766e-17, __builtin_fma(-n, 1.5707963267948966, wide));
#else
    // n times each of the first two parts (24 bits) is exact.
    double r = ((wide - n * 1.5707963705062866) - n * -4.371138828673793e-08) -
               n * -1.7151244994428829e-15;
#endif
    return {static_cast<float>(r), static_cast<uint32_t>(to_bits(shifted))};
}

template <std::floating_point T>
CHAINRULE_MATH T sin_core(T r) {
    T z = r * r;
    return r + r * z * TrigConstants<T>::sin_tail(z);
}

template <std::floating_point T>
CHAINRULE_MATH T cos_core(T r) {
    T z = r * r;
    return T(1) - (T(0.5) * z - z * z * TrigConstants<T>::cos_tail(z));
}

// SSE2 has no comparison of 64-bit integers: this mask needs none.
template <std::floating_point T>
CHAINRULE_MATH T select_odd(WordOf<T> n, T odd, T even) {
#if CHAINRULE_ROUNDS_IN_HARDWARE
    return (n & 1) != 0 ? odd : even;
#else
    WordOf<T> mask = WordOf<T>(0) - (n & 1);
    return from_bits<T>((to_bits(odd) & mask) | (to_bits(even) & ~mask));
#endif
}

// sin(r + n pi / 2)
template <std::floating_point T>
CHAINRULE_MATH T sin_of_quadrant(T r, WordOf<T> n) {
    T y = select_odd(n, cos_core(r), sin_core(r));
    return from_bits<T>(to_bits(y) ^ ((n & 2) << (Format<T>::mantissa == 23 ? 30 : 62)));
}

template <std::floating_point T>
CHAINRULE_MATH T sin(T x) {
    auto [r, n] = trig_reduce(x);
    T y = sin_of_quadrant(r, n);
    // Keeps the sign of -0.
    return x == T(0) ? x : y;
}

template <std::floating_point T>
CHAINRULE_MATH T cos(T x) {
    auto [r, n] = trig_reduce(x);
    return sin_of_quadrant(r, n + 1);
}

template <std::floating_point T>
CHAINRULE_MATH T tan(T x) {
    auto [r, n] = trig_reduce(x);
    T s = sin_core(r), c = cos_core(r);
    T y = select_odd(n, -c, s) / select_odd(n, s, c);
    return x == T(0) ? x : y;
}

// Large angles --------------------------------------------------------------------------------

struct FastTrig {
    template <std::floating_point T>
    CHAINRULE_MATH T sin(T x) {
        return math::sin(x);
    }
    template <std::floating_point T>
    CHAINRULE_MATH T cos(T x) {
        return math::cos(x);
    }
    template <std::floating_point T>
    CHAINRULE_MATH T tan(T x) {
        return math::tan(x);
    }
};

// Right for every angle, and slow.
struct ExactTrig {
    template <std::floating_point T>
    CHAINRULE_MATH T sin(T x) {
        return std::sin(x);
    }
    template <std::floating_point T>
    CHAINRULE_MATH T cos(T x) {
        return std::cos(x);
    }
    template <std::floating_point T>
    CHAINRULE_MATH T tan(T x) {
        return std::tan(x);
    }
};

// Whether a finite number among n is too large for FastTrig.
template <std::floating_point T>
CHAINRULE_MATH bool any_beyond_trig(const T* x, int64_t n) {
    WordOf<T> found = 0;
    for (int64_t i = 0; i < n; ++i) {
        T a = abs(x[i]);
        T bounded = a <= Format<T>::max ? a : T(0);
        found |= bounded > trig_limit<T> ? WordOf<T>(1) : WordOf<T>(0);
    }
    return found != 0;
}

// Inverses ------------------------------------------------------------------------------------

// atan(small / big) for 0 <= small <= big, without overflow of big + small.
template <std::floating_point T>
CHAINRULE_MATH T atan_of_ratio(T small, T big) {
    using C = TrigConstants<T>;
    // Above tan(pi / 8): atan(q) = pi / 4 + atan((q - 1) / (q + 1)).
    bool upper = small > big * T(0.41421356237309503);
    T t = (upper ? small - big : small) / (upper ? small + big : big);
    T z = t * t;
    T low = t * z * C::atan_tail(z) + (upper ? T(0.5) * C::half_pi_low : T(0));
    return (upper ? T(0.5) * C::half_pi : T(0)) + (t + low);
}

template <std::floating_point T>
CHAINRULE_MATH T atan(T x) {
    using C = TrigConstants<T>;
    T a = abs(x);
    bool beyond = a > T(1);
    // 1 / a by (1 / a) / 1 would round twice; an infinite `big` gives 0.
    T y = atan_of_ratio(beyond ? T(1) : a, beyond ? (a > C::large ? C::large : a) : T(1));
    return copysign(beyond ? C::half_pi - (y - C::half_pi_low) : y, x);
}

template <std::floating_point T>
CHAINRULE_MATH T atan2(T y, T x) {
    using C = TrigConstants<T>;
    T a = abs(y), b = abs(x);
    bool steep = a > b;
    T small = steep ? b : a, big = steep ? a : b;
    // Of two infinities the angle is pi / 4, of two zeros 0.
    bool both_infinite = small == Format<T>::infinity;
    small = both_infinite ? T(1) : small;
    big = both_infinite ? T(1) : big;
    T scale = big > C::large ? T(0.0625) : T(1);
    T angle = atan_of_ratio(small * scale, big == T(0) ? T(1) : big * scale);
    angle = steep ? C::half_pi - (angle - C::half_pi_low) : angle;
    T flipped = T(2) * C::half_pi - (angle - T(2) * C::half_pi_low);
    angle = copysign(T(1), x) < T(0) ? flipped : angle;
    // A NaN may have been lost in the comparisons.
    return x != x || y != y ? x + y : copysign(angle, y);
}

// asin(a) for 0 <= a <= 1 as s + low, or pi / 2 - 2 (s + low) above 1 / 2.
template <class T>
struct AsinParts {
    T s;
    T low;
    bool upper;
};

template <std::floating_point T>
CHAINRULE_MATH AsinParts<T> asin_parts(T a) {
    bool upper = a > T(0.5);
    T z = upper ? T(0.5) * (T(1) - a) : a * a;
    T s = upper ? sqrt(z) : a;
    return {s, s * z * TrigConstants<T>::asin_tail(z), upper};
}

template <std::floating_point T>
CHAINRULE_MATH T asin(T x) {
    using C = TrigConstants<T>;
    auto [s, low, upper] = asin_parts(abs(x));
    T above = (C::half_pi - T(2) * s) - (T(2) * low - C::half_pi_low);
    return copysign(upper ? above : s + low, x);
}

template <std::floating_point T>
CHAINRULE_MATH T acos(T x) {
    using C = TrigConstants<T>;
    auto [s, low, upper] = asin_parts(abs(x));
    bool negative = x < T(0);
    T sum = s + low;
    T middle = C::half_pi - (negative ? -sum - C::half_pi_low : sum - C::half_pi_low);
    T end = negative ? T(2) * C::half_pi - (T(2) * sum - T(2) * C::half_pi_low) : T(2) * sum;
    return upper ? end : middle;
}

}  // namespace math
}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
