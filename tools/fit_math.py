"""Fits the polynomials of csrc/kernels/cpu/math*.h and prints their coefficients.

Each fit is a weighted least-squares fit in 60 digits on Chebyshev points; its coefficients are
rounded to the target format one at a time, lowest power first, refitting the others.

    python tools/fit_math.py            # every table
    python tools/fit_math.py exp log    # the named ones
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 60
Real = Any
Function = Callable[[Real], Real]


def least_squares(
    target: Function, weight: Function, low: Real, high: Real, powers: list[int]
) -> list[Real]:
    """Coefficients of the given powers of x, by least squares on Chebyshev points.

    The points crowd at the ends, so the largest error is within a factor of two of the best.
    """
    count = 5 * len(powers) + 10
    rows, right = mp.matrix(count, len(powers)), mp.matrix(count, 1)
    for i in range(count):
        x = (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (i + mp.mpf(0.5)) / count)
        scale = weight(x)
        for j, power in enumerate(powers):
            rows[i, j] = scale * x**power
        right[i] = scale * target(x)
    solution = mp.qr_solve(rows, right)[0]
    return [solution[j] for j in range(len(powers))]


def fit(
    target: Function, weight: Function, low: Real, high: Real, degree: int, single: bool
) -> tuple[list[Real], Real]:
    """Rounded coefficients (constant first) and the largest weighted error they leave."""
    low, high = mp.mpf(low), mp.mpf(high)
    done: list[Real] = []

    def rest(x: Real) -> Real:
        return target(x) - mp.fsum(c * x**i for i, c in enumerate(done))

    for power in range(degree + 1):
        free = list(range(power, degree + 1))
        coefficient = least_squares(rest, weight, low, high, free)[0]
        number = float(np.float32(float(coefficient))) if single else float(coefficient)
        done.append(mp.mpf(number))
    worst = max(
        abs(weight(x) * rest(x)) for x in (low + (high - low) * i / 1000 for i in range(1001))
    )
    return done, worst


def series(closed: Function, terms: Function, limit: float) -> Function:
    """A function given by a closed form, and by its limit form where that would cancel."""
    return lambda x: terms(x) if abs(x) < limit else closed(x)


def taylor(coefficient: Callable[[int], Real]) -> Function:
    """The power series with the given coefficients, for small arguments."""
    return lambda x: mp.fsum(coefficient(i) * x**i for i in range(12))


def erfc_scaled(k: int, high: str) -> tuple[Function, Function, Real, Real]:
    """Target, weight and range of exp(a^2) erfc(a) (a + k) as a function of (a - k) / (a + k)."""

    def target(t: Real) -> Real:
        a = k * (1 + t) / (1 - t)
        return mp.exp(a * a) * mp.erfc(a) * (a + k)

    low, last = mp.mpf("0.499"), mp.mpf(high)
    return target, lambda t: 1 / target(t), (low - k) / (low + k), (last - k) / (last + k)


HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.002")
ROOT = mp.sqrt(2)

# name: target, weight, low, high, degree for float, degree for double (None: not used)
TABLES: dict[str, tuple[Function, Function, Real, Real, int | None, int | None]] = {
    # e^r = 1 + r + r^2 p(r)
    "exp": (
        series(lambda r: (mp.expm1(r) - r) / r**2, taylor(lambda i: 1 / mp.factorial(i + 2)), 1e-4),
        lambda r: abs(r),
        -HALF_LN2,
        HALF_LN2,
        5,
        10,
    ),
    # 2^r = 1 + r p(r)
    "exp2": (
        series(
            lambda r: mp.expm1(r * mp.log(2)) / r,
            taylor(lambda i: mp.log(2) ** (i + 1) / mp.factorial(i + 1)),
            1e-4,
        ),
        lambda r: abs(r),
        mp.mpf("-0.5005"),
        mp.mpf("0.5005"),
        5,
        10,
    ),
    # log(1 + f) = f - f^2 / 2 + f^3 p(f)
    "log": (
        series(
            lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
            taylor(lambda i: mp.mpf((-1) ** i) / (i + 3)),
            1e-4,
        ),
        lambda f: f**2,
        1 / ROOT - 1,
        ROOT - 1,
        8,
        None,
    ),
    # log((1 + s) / (1 - s)) = 2 s + s z p(z), z = s^2
    "log_s": (
        series(
            lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z,
            taylor(lambda i: mp.mpf(2) / (2 * i + 3)),
            1e-5,
        ),
        lambda z: z,
        mp.mpf(0),
        mp.mpf("0.029446"),
        None,
        6,
    ),
    # 2^r = 1 + r p(r) for float powers computed in double
    "pow_exp2": (
        series(
            lambda r: mp.expm1(r * mp.log(2)) / r,
            taylor(lambda i: mp.log(2) ** (i + 1) / mp.factorial(i + 1)),
            1e-4,
        ),
        lambda r: abs(r),
        mp.mpf("-0.5005"),
        mp.mpf("0.5005"),
        None,
        6,
    ),
    # log2((1 + s) / (1 - s)) = s p(z), z = s^2, for float powers computed in double
    "pow_log2": (
        series(
            lambda z: 2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) / mp.log(2),
            taylor(lambda i: 2 / (mp.log(2) * (2 * i + 1))),
            1e-5,
        ),
        lambda z: mp.mpf(1),
        mp.mpf(0),
        mp.mpf("0.029446"),
        None,
        5,
    ),
    # log((1 + s) / (1 - s)) = 2 s + s z (2 / 3 + z p(z)), z = s^2
    "pow_log": (
        series(
            lambda z: ((2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z - mp.mpf(2) / 3) / z,
            taylor(lambda i: mp.mpf(2) / (2 * i + 5)),
            1e-5,
        ),
        lambda z: z**2,
        mp.mpf(0),
        mp.mpf("0.029446"),
        None,
        7,
    ),
    # sin(r) = r + r z p(z), z = r^2, |r| <= pi / 4
    "sin": (
        series(
            lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
            taylor(lambda i: mp.mpf((-1) ** (i + 1)) / mp.factorial(2 * i + 3)),
            1e-5,
        ),
        lambda z: z,
        mp.mpf(0),
        (mp.pi / 4) ** 2 * mp.mpf("1.001"),
        2,
        5,
    ),
    # cos(r) = 1 - z / 2 + z^2 p(z), z = r^2, |r| <= pi / 4
    "cos": (
        series(
            lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
            taylor(lambda i: mp.mpf((-1) ** i) / mp.factorial(2 * i + 4)),
            1e-5,
        ),
        lambda z: z**2,
        mp.mpf(0),
        (mp.pi / 4) ** 2 * mp.mpf("1.001"),
        2,
        5,
    ),
    # tanh(x) = x + x z p(z), |x| <= 0.55
    "tanh": (
        series(
            lambda z: (mp.tanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
            taylor(lambda i: mp.taylor(mp.tanh, 0, 27)[2 * i + 3]),
            1e-5,
        ),
        lambda z: z,
        mp.mpf(0),
        mp.mpf("0.3025"),
        4,
        10,
    ),
    # erf(x) = x + x p(z), z = x^2, |x| <= 1
    "erf": (
        series(
            lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
            taylor(
                lambda i: (
                    2 / mp.sqrt(mp.pi) * mp.mpf((-1) ** i) / (mp.factorial(i) * (2 * i + 1))
                    - (1 if i == 0 else 0)
                )
            ),
            1e-5,
        ),
        lambda z: mp.mpf(1),
        mp.mpf(0),
        mp.mpf(1),
        6,
        11,
    ),
    # erfc(a) = exp(-a^2) p((a - k) / (a + k)) / (a + k), a from 1/2 until it is 0
    "erfc_single": (*erfc_scaled(3, "10.1"), 9, None),
    "erfc_double": (*erfc_scaled(4, "27.3"), None, 20),
    # atan(t) = t + t z p(z), |t| <= tan(pi / 8)
    "atan": (
        series(
            lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
            taylor(lambda i: mp.mpf((-1) ** (i + 1)) / (2 * i + 3)),
            1e-5,
        ),
        lambda z: z,
        mp.mpf(0),
        mp.tan(mp.pi / 8) ** 2 * mp.mpf("1.001"),
        4,
        11,
    ),
    # asin(s) = s + s z p(z), s <= 1/2
    "asin": (
        series(
            lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
            taylor(
                lambda i: (
                    mp.factorial(2 * i + 2)
                    / (mp.mpf(4) ** (i + 1) * mp.factorial(i + 1) ** 2 * (2 * i + 3))
                )
            ),
            1e-5,
        ),
        lambda z: z,
        mp.mpf(0),
        mp.mpf("0.25"),
        4,
        11,
    ),
}


def literal(number: Real, single: bool) -> str:
    """The shortest C++ literal that reads back as the same number."""
    return f"{np.float32(float(number))!s}f" if single else repr(float(number))


def main(names: list[str]) -> None:
    """Print the tables of the given names, or all of them."""
    for name in names or TABLES:
        target, weight, low, high, single_degree, double_degree = TABLES[name]
        for degree, single in ((single_degree, True), (double_degree, False)):
            if degree is None:
                continue
            coefficients, worst = fit(target, weight, low, high, degree, single)
            kind = "float" if single else "double"
            bits = float(mp.log(worst, 2))
            print(f"// {name}, {kind}: degree {degree}, error 2^{bits:.1f}")
            print(",\n".join(literal(c, single) for c in coefficients), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
