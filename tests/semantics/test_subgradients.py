"""Values of derivatives where there is no derivative: torch's numbers."""

import math

import pytest
from checks import assert_close

import chainrule as torch
from chainrule.nn import functional

INF, NAN = math.inf, math.nan


def gradient(function, *values):
    """Gradients of the sum of function(*values) with respect to each value."""
    xs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]
    got = torch.autograd.grad(function(*xs).sum(), xs)
    return got[0] if len(got) == 1 else got


@pytest.mark.parametrize(
    ("name", "function", "at", "expected"),
    [
        ("relu at 0", lambda x: x.relu(), 0.0, 0.0),
        ("abs at 0", lambda x: x.abs(), 0.0, 0.0),
        ("sqrt at 0", lambda x: x.sqrt(), 0.0, INF),
        ("log at 0", lambda x: x.log(), 0.0, INF),
        ("leaky_relu at 0", lambda x: functional.leaky_relu(x), 0.0, 0.01),
        ("x ** 0.5 at 0", lambda x: x**0.5, 0.0, INF),
        ("x ** 0 at 0", lambda x: x**0, 0.0, 0.0),
        ("x ** 1 at 0", lambda x: x**1, 0.0, 1.0),
        ("x ** 2 at 0", lambda x: x**2, 0.0, 0.0),
        ("acos at 1", lambda x: x.acos(), 1.0, -INF),
        ("asin at 1", lambda x: x.asin(), 1.0, INF),
        ("log at -1", lambda x: x.log(), -1.0, -1.0),
        ("sqrt at -1", lambda x: x.sqrt(), -1.0, NAN),
        ("sign", lambda x: x.sign(), 0.3, 0.0),
        ("round", lambda x: x.round(), 0.5, 0.0),
        ("floor", lambda x: x.floor(), 1.0, 0.0),
        ("ceil", lambda x: x.ceil(), 1.0, 0.0),
        ("trunc", lambda x: x.trunc(), 1.0, 0.0),
        ("clamp at its lower bound", lambda x: x.clamp(0, 1), 0.0, 1.0),
        ("clamp at its upper bound", lambda x: x.clamp(0, 1), 1.0, 1.0),
        ("clamp outside", lambda x: x.clamp(0, 1), -0.1, 0.0),
        ("reciprocal at 0", lambda x: x.reciprocal(), 0.0, -INF),
        ("rsqrt at 0", lambda x: x.rsqrt(), 0.0, -INF),
        ("relu of nan", lambda x: x.relu(), NAN, 1.0),
        ("abs of nan", lambda x: x.abs(), NAN, 0.0),
        ("softplus beyond its threshold", lambda x: functional.softplus(x), 25.0, 1.0),
    ],
)
def test_derivative_at_a_special_point(name, function, at, expected):
    assert_close(gradient(function, at), expected)


def test_derivative_of_norm_at_zero_is_zero():
    assert_close(gradient(lambda x: x.norm(2), [0.0, 0.0]), [0.0, 0.0])


def test_derivative_of_atan2_at_zero_is_zero():
    dy, dx = gradient(torch.atan2, 0.0, 0.0)
    assert_close(dy, 0.0)
    assert_close(dx, 0.0)


def test_derivative_of_pow_in_its_exponent_at_base_zero():
    base, exponent = gradient(torch.pow, 0.0, 2.0)
    assert_close(base, 0.0)
    assert_close(exponent, 0.0)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_ties_between_two_tensors_split_in_halves(name):
    a, b = gradient(getattr(torch, name), [1.0, 2.0, 0.0], [1.0, 1.0, 3.0])
    first = [0.5, 1.0, 0.0] if name == "maximum" else [0.5, 0.0, 1.0]
    assert_close(a, first)
    assert_close(b, [1.0 - v for v in first])


@pytest.mark.parametrize("name", ["max", "amax", "min", "amin"])
def test_ties_of_a_full_reduction_split_evenly(name):
    sign = 1.0 if "max" in name else -1.0
    values = [sign * v for v in (3.0, 1.0, 3.0)]
    assert_close(gradient(lambda x: getattr(x, name)(), values), [0.5, 0.0, 0.5])


def test_ties_of_amax_along_a_dimension_split_evenly():
    assert_close(
        gradient(lambda x: x.amax(1), [[2.0, 2.0, 1.0], [0.0, 1.0, 0.0]]),
        [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]],
    )


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_of_max_along_a_dimension_pick_one(name):
    values = [[2.0, 2.0, 2.0], [5.0, 5.0, 5.0]]
    got = gradient(lambda x: getattr(x, name)(1)[0], values).tolist()
    assert [sorted(row) for row in got] == [[0.0, 0.0, 1.0]] * 2


def test_max_along_a_dimension_sends_the_gradient_to_its_index():
    x = torch.tensor([[1.0, 4.0, 4.0], [3.0, 0.0, 3.0]], requires_grad=True)
    values, indices = x.max(1)
    values.sum().backward()
    for row, index in zip(x.grad.tolist(), indices.tolist(), strict=True):
        assert row == [1.0 if k == index else 0.0 for k in range(3)]


def test_nan_gradient_propagates_where_it_is_used():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * 3).backward(torch.tensor([NAN, 1.0]))
    assert_close(x.grad, [NAN, 3.0])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.relu(),
        lambda x: x.clamp(0, 5),
        lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    ],
    ids=["relu", "clamp", "where"],
)
def test_nan_gradient_does_not_contaminate_an_inactive_branch(function):
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    function(x).backward(torch.tensor([NAN, 1.0]))
    assert_close(x.grad, [0.0, 1.0])


def test_where_of_log_at_zero_gives_nan():
    assert_close(
        gradient(lambda x: torch.where(x > 0, x.log(), torch.zeros_like(x)), [0.0, 1.0]), [NAN, 1.0]
    )


def test_prod_with_zeros():
    assert_close(gradient(lambda x: x.prod(), [2.0, 0.0, 4.0]), [0.0, 8.0, 0.0])
    assert_close(gradient(lambda x: x.prod(), [0.0, 0.0, 4.0]), [0.0, 0.0, 0.0])


def test_std_of_equal_values_has_no_finite_gradient():
    got = gradient(lambda x: x.std(), [1.0, 1.0]).tolist()
    assert all(v != v or v == 0.0 for v in got)


def test_logsumexp_of_minus_infinity():
    assert_close(gradient(lambda x: x.logsumexp(0), [-INF, 0.0]), [0.0, 1.0])


@pytest.mark.parametrize("name", ["remainder", "floor_divide"])
def test_derivative_of_quotient_pieces(name):
    if name == "remainder":
        a, b = gradient(torch.remainder, [7.0, -7.0], [2.0, 2.0])
        assert_close(a, [1.0, 1.0])
        assert_close(b, [-3.0, 4.0])
    else:
        x = torch.tensor([7.0], requires_grad=True)
        y = torch.floor_divide(x, 2).sum()
        if "chainrule" not in getattr(torch, "__name__", ""):
            with pytest.raises((RuntimeError, NotImplementedError)):
                y.backward()
            return
        y.backward()  # torch raises here and gives zeros for div(rounding_mode="floor")
        assert x.grad.tolist() == [0.0]


@pytest.mark.parametrize("mode", ["floor", "trunc"])
def test_derivative_of_rounded_division_is_zero(mode):
    a, b = gradient(lambda p, q: torch.div(p, q, rounding_mode=mode), [7.0], [2.0])
    assert_close(a, [0.0])
    assert_close(b, [0.0])
