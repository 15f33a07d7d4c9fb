"""Pointwise functions are accurate to a few units in the last place (ulp), everywhere.

The reference is numpy in a wider format: double for float32, the 80-bit format for float64
(where the platform has it), and the module `math` on fewer points where numpy has no such
function. Special values (zeros, infinities, NaN, denormals, thresholds) are part of every sample.
"""

import math

import numpy as np
import pytest

import chainrule as torch

pytestmark = pytest.mark.chainrule_only

WIDE = np.longdouble
POINTS = 4000
FORMATS = [np.float32, np.float64]


def pointwise(function):
    """A function of Python floats as one of arrays."""
    return lambda x: np.array([function(float(v)) for v in x], dtype=WIDE)


def log_gamma(x):
    """`math.lgamma`, with infinity where that raises."""
    try:
        return math.lgamma(x)
    except (OverflowError, ValueError):
        return math.inf


def logistic(x):
    """1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


# name: reference, bound in ulp for float32, for float64
FUNCTIONS = {
    "exp": (np.exp, 1.1, 1.1),
    "exp2": (np.exp2, 1.1, 1.1),
    "expm1": (np.expm1, 1.6, 1.6),
    "log": (np.log, 1.0, 1.0),
    "log2": (np.log2, 1.8, 1.8),
    "log10": (np.log10, 1.9, 1.9),
    "log1p": (np.log1p, 1.6, 1.0),
    "sin": (np.sin, 1.6, 2.2),
    "cos": (np.cos, 1.6, 2.2),
    "tan": (np.tan, 3.3, 3.7),
    "sinh": (np.sinh, 2.2, 2.2),
    "cosh": (np.cosh, 1.6, 1.6),
    "tanh": (np.tanh, 1.6, 1.6),
    "sigmoid": (logistic, 1.9, 1.9),
    "asin": (np.arcsin, 2.2, 2.2),
    "acos": (np.arccos, 1.3, 1.4),
    "atan": (np.arctan, 2.0, 1.7),
    "asinh": (np.arcsinh, 2.0, 2.0),
    "acosh": (np.arccosh, 2.4, 2.3),
    "atanh": (np.arctanh, 2.1, 2.1),
    "erf": (pointwise(math.erf), 1.3, 2.0),
    "erfc": (pointwise(math.erfc), 4.5, 5.0),
    "lgamma": (pointwise(log_gamma), None, None),
    "sqrt": (np.sqrt, 0.5, 0.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1.5, 1.5),
    "reciprocal": (lambda x: 1 / x, 0.5, 0.5),
    "square": (np.square, 0.5, 0.5),
    "abs": (np.abs, 0, 0),
    "floor": (np.floor, 0, 0),
    "ceil": (np.ceil, 0, 0),
    "trunc": (np.trunc, 0, 0),
    "round": (np.rint, 0, 0),
    "frac": (lambda x: x - np.trunc(x), 0, 0),
    "sign": (lambda x: np.where(np.isnan(x), 0, np.sign(x)), 0, 0),
}
PYTHON_ONLY = ("erf", "erfc", "lgamma")
KEEP_SIGN_OF_ZERO = (
    *("sin", "tan", "sinh", "tanh", "asin", "atan", "asinh", "atanh", "expm1", "log1p", "erf"),
    *("sqrt", "floor", "trunc", "round"),
)


def offered(name):
    """The operator, or a skip while the table has no such row."""
    if not hasattr(torch, name):
        pytest.skip(f"{name} is not an operator")
    return getattr(torch, name)


def special_values(dtype):
    """Values where formulas change or fail."""
    info = np.finfo(dtype)
    values = [0.0, 0.5, 1.0, 1.5, 2.5, math.inf, info.tiny, info.smallest_subnormal]
    values += [info.max, info.eps, 1 - info.epsneg, 1 + info.eps]
    if dtype == np.float32:
        values += [88.72283, 88.72284, 103.97, 104, 87.4, 128, 127.99999, 149, 150, 89.4159, 89.416]
    else:
        values += [709.782712893384, 709.782712893385, 745.13, 745.2, 708.5, 1023.9999, 1024]
        values += [1074, 1075, 710.4758]
    return np.array([*values, *(-v for v in values), math.nan], dtype=dtype)


def samples(dtype, points, largest):
    """Numbers of every size up to `largest`, dense where functions bend, and special values."""
    random = np.random.default_rng(7)
    word = np.uint32 if dtype == np.float32 else np.uint64
    any_bits = random.integers(0, np.iinfo(word).max, points, dtype=word, endpoint=True)
    parts = [any_bits.view(dtype)]
    for reach in (1e-3, 0.1, 0.5, 1, 2, 5, 10, 30, 110, 760, 1e5):
        parts.append(random.uniform(-reach, reach, points).astype(dtype))
    parts.append((1 + random.uniform(-0.1, 0.1, points)).astype(dtype))
    parts.append((np.arange(-points // 2, points // 2) * (np.pi / 2)).astype(dtype))
    x = np.concatenate(parts)
    with np.errstate(invalid="ignore"):
        x = x[~(np.abs(x) > largest)]
    return np.concatenate([x, special_values(dtype)])


def ulp_errors(got, want, dtype):
    """|got - want| in ulp of want; infinity where one is NaN or infinite and the other is not."""
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        rounded = want.astype(dtype)
        exponent = np.floor(np.log2(np.abs(np.where(want == 0, 1, want))))
        ulp = np.exp2(np.maximum(exponent, info.minexp) - info.nmant)
        error = np.abs(got.astype(WIDE) - want) / ulp
    finite = np.isfinite(rounded) & np.isfinite(got)
    same = (np.isnan(rounded) & np.isnan(got)) | (rounded == got)
    return np.where(finite, error, np.where(same, 0, np.inf))


def check(name, x, dtype, bound):
    """Compares an operator with its reference."""
    reference = FUNCTIONS[name][0]
    got = offered(name)(torch.from_numpy(x)).numpy()
    assert got.dtype == dtype
    with np.errstate(all="ignore"):
        want = reference(x.astype(WIDE))
    errors = ulp_errors(got, want, dtype)
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, (
        f"{name}({x[worst]!r}) is {got[worst]!r}, should be {want[worst]!r}: "
        f"{float(errors[worst]):.3f} ulp"
    )


def needs_wide_format(dtype):
    """Skips where the reference would be no wider than the result."""
    if dtype == np.float64 and np.finfo(WIDE).nmant < 60:
        pytest.skip("no format wider than double here")


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in PYTHON_ONLY])
def test_error_in_ulp(name, dtype):
    needs_wide_format(dtype)
    largest = math.inf
    if name in ("sin", "cos", "tan"):
        largest = 1e5 if dtype == np.float32 else 8e8
    bound = FUNCTIONS[name][1 if dtype == np.float32 else 2]
    x = samples(dtype, POINTS, largest)
    if math.isfinite(largest):
        x = x[~(np.isfinite(x) & (np.abs(np.nan_to_num(x)) > largest))]
    check(name, x, dtype, bound)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_error_in_ulp_beside_python(name, dtype):
    x = samples(dtype, 500, math.inf)
    check(name, x, dtype, FUNCTIONS[name][1 if dtype == np.float32 else 2])


def test_lgamma_beside_python():
    x = np.concatenate([np.linspace(0.01, 40, 500), np.linspace(-7.99, -0.01, 300)])
    got = offered("lgamma")(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, [math.lgamma(v) for v in x], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", FORMATS)
def test_digamma_values_and_recurrence(dtype):
    digamma = offered("digamma")
    euler = 0.57721566490153286
    x = np.array([1.0, 0.5, 2.0, 0.0, -0.0, -1.0, 10.0, math.inf], dtype=dtype)
    tolerance = 4 * np.finfo(dtype).eps
    got = digamma(torch.from_numpy(x)).numpy()
    want = [-euler, -euler - 2 * math.log(2), 1 - euler, -math.inf, math.inf, math.nan]
    want += [2.2517525890667211, math.inf]
    np.testing.assert_allclose(got, np.array(want, dtype=dtype), rtol=tolerance)
    grid = np.linspace(0.25, 30, 200).astype(dtype)
    step = digamma(torch.from_numpy(grid + 1)).numpy() - digamma(torch.from_numpy(grid)).numpy()
    np.testing.assert_allclose(step, 1 / grid, rtol=0, atol=16 * tolerance)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", KEEP_SIGN_OF_ZERO)
def test_negative_zero_stays_negative(name, dtype):
    zeros = np.full(17, -0.0, dtype=dtype)
    got = offered(name)(torch.from_numpy(zeros)).numpy()
    assert (got == 0).all()
    assert np.signbit(got).all()


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_large_angles(name, dtype):
    sizes = [1e9, 1e15, 1e22, 1e30] if dtype == np.float32 else [1e10, 1e15, 1e22, 1e300]
    x = np.array([1.0, *sizes, *(-s for s in sizes), 0.5], dtype=dtype)
    got = offered(name)(torch.from_numpy(x)).numpy()
    want = [getattr(math, name)(float(v)) for v in x]
    np.testing.assert_allclose(got, want, rtol=8 * np.finfo(dtype).eps, atol=0)


def test_one_exactly():
    zeros = torch.zeros(9)
    for name in ("cos", "exp", "cosh", "exp2", "erfc"):
        if hasattr(torch, name):
            assert getattr(torch, name)(zeros).tolist() == [1.0] * 9


def pairs(dtype):
    """Operands of two-operand functions: random ones of several ranges, and all special pairs."""
    random = np.random.default_rng(11)
    n = 4000
    x = [random.uniform(0, 10, n), np.exp(random.uniform(-60, 60, n)), random.uniform(-10, 10, n)]
    y = [random.uniform(-10, 10, n), random.uniform(-2, 2, n), random.integers(-10, 10, n)]
    edge = [0.0, 1, 0.5, 2, 3, 1.5, math.inf, 2.0**24 + 1, 2.0**53 - 1, 1e30, 100]
    grid = np.array([*edge, *(-e for e in edge), math.nan])
    a, b = np.meshgrid(grid, grid)
    left, right = np.concatenate([*x, a.ravel()]), np.concatenate([*y, b.ravel()])
    return left.astype(dtype), right.astype(dtype)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    ("name", "reference", "bound"),
    [
        ("pow", np.power, 1.0),
        ("atan2", np.arctan2, 2.0),
        ("fmod", np.fmod, 0),
        ("remainder", lambda x, y: np.where(np.isinf(x), np.nan, np.remainder(x, y)), 0.5),
        ("maximum", np.maximum, 0),
        ("minimum", np.minimum, 0),
    ],
)
def test_two_operands(name, reference, bound, dtype):
    needs_wide_format(dtype)
    x, y = pairs(dtype)
    got = offered(name)(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    with np.errstate(all="ignore"):
        if name == "remainder":  # the sum fmod + y is rounded to the format
            r = np.fmod(x, y)
            want = np.where((r != 0) & ((y < 0) != (r < 0)), r + y, r).astype(WIDE)
        else:
            want = reference(x.astype(WIDE), y.astype(WIDE))
    errors = ulp_errors(got, want, dtype)
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, (x[worst], y[worst], got[worst], want[worst])
