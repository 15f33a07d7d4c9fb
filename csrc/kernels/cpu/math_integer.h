#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/math_base.h"

// Integers, with Python's rules for quotients. Overflow wraps; the caller reports divisions by
// zero, which give zero here (and no trap).
namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {
namespace math {

template <std::integral T>
CHAINRULE_MATH T wrapping_negate(T x) {
    return static_cast<T>(std::make_unsigned_t<T>(0) - static_cast<std::make_unsigned_t<T>>(x));
}

template <std::integral T>
CHAINRULE_MATH T abs(T x) {
    return x < T(0) ? wrapping_negate(x) : x;
}

template <std::integral T>
CHAINRULE_MATH T sign(T x) {
    return static_cast<T>((x > T(0)) - (x < T(0)));
}

template <std::integral T>
CHAINRULE_MATH T maximum(T a, T b) {
    return a > b ? a : b;
}

template <std::integral T>
CHAINRULE_MATH T minimum(T a, T b) {
    return a < b ? a : b;
}

template <std::integral T>
CHAINRULE_MATH T square(T x) {
    using Unsigned = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<Unsigned>(x) * static_cast<Unsigned>(x));
}

template <std::integral T>
CHAINRULE_MATH T floor(T x) {
    return x;
}

template <std::integral T>
CHAINRULE_MATH T ceil(T x) {
    return x;
}

template <std::integral T>
CHAINRULE_MATH T trunc(T x) {
    return x;
}

template <std::integral T>
CHAINRULE_MATH T round(T x) {
    return x;
}

template <std::integral T>
CHAINRULE_MATH bool isnan(T) {
    return false;
}

template <std::integral T>
CHAINRULE_MATH bool isinf(T) {
    return false;
}

template <std::integral T>
CHAINRULE_MATH bool isfinite(T) {
    return true;
}

template <std::integral T>
CHAINRULE_MATH bool signbit(T x) {
    return x < T(0);
}

// Rounds toward zero. The most negative number divided by -1 wraps instead of trapping.
template <std::integral T>
CHAINRULE_MATH T truncated_divide(T x, T y) {
    if (y == T(-1)) return wrapping_negate(x);
    return y == T(0) ? T(0) : static_cast<T>(x / y);
}

// C's remainder, with the sign of the dividend.
template <std::integral T>
CHAINRULE_MATH T fmod(T x, T y) {
    return y == T(0) || y == T(-1) ? T(0) : static_cast<T>(x % y);
}

template <std::integral T>
CHAINRULE_MATH T remainder(T x, T y) {
    T r = fmod(x, y);
    return r != T(0) && (y < T(0)) != (r < T(0)) ? static_cast<T>(r + y) : r;
}

template <std::integral T>
CHAINRULE_MATH T floor_divide(T x, T y) {
    T quotient = truncated_divide(x, y);
    T r = fmod(x, y);
    return r != T(0) && (y < T(0)) != (r < T(0)) ? static_cast<T>(quotient - 1) : quotient;
}

// By squaring; negative exponents give 0 except for bases 1 and -1.
template <std::integral T>
CHAINRULE_MATH T pow(T x, T y) {
    using Unsigned = std::make_unsigned_t<T>;
    if (y < T(0)) {
        if (x == T(1)) return T(1);
        if (x == T(-1)) return y % T(2) == T(0) ? T(1) : T(-1);
        return T(0);
    }
    Unsigned result = 1, base = static_cast<Unsigned>(x);
    for (Unsigned exponent = static_cast<Unsigned>(y); exponent != 0; exponent >>= 1) {
        result = (exponent & 1) != 0 ? static_cast<Unsigned>(result * base) : result;
        base = static_cast<Unsigned>(base * base);
    }
    return static_cast<T>(result);
}

}  // namespace math
}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
