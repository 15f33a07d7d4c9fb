"""Derivatives of every row: reverse and forward mode, first and second order.

Three sources must agree for one random direction u and cotangent v of each sample: central
differences, <v, J u> from forward mode, <Jᵀ v, u> from reverse mode.
"""

import numpy as np
import pytest

import chainrule
from chainrule.autograd import forward_ad
from table.rows import (
    BY_NAME,
    ROWS,
    Problem,
    as_array,
    assert_equal,
    each_row,
    inner,
    is_differentiable,
    problems,
    size,
    tensor,
)

pytestmark = pytest.mark.chainrule_only
DIFFERENTIABLE = [r for r in ROWS if any(is_differentiable(r, p.name) for p in r.tensors)]
TOLERANCE = 1e-6


@each_row(DIFFERENTIABLE)
def test_reverse_mode_agrees_with_finite_differences_and_forward_mode(row):
    for problem in problems(row):
        gradients = problem.gradient_values()
        reverse = inner(gradients, problem.directions)
        scale = size(gradients, problem.directions)
        assert abs(reverse - inner(problem.cotangents, problem.slope())) <= TOLERANCE * scale
        forward = inner(problem.cotangents, problem.tangents())
        assert abs(reverse - forward) <= 1e-12 * scale


@each_row(DIFFERENTIABLE)
def test_forward_mode_agrees_with_finite_differences(row):
    for problem in problems(row):
        assert_equal(problem.tangents(), problem.slope(), rtol=TOLERANCE, atol=TOLERANCE)


@each_row(DIFFERENTIABLE)
def test_the_differentiable_form_of_a_gradient_equals_the_fused_one(row):
    for problem in problems(row):
        fused, recorded = problem.gradient_values(False), problem.gradient_values(True)
        assert_equal(fused, recorded, rtol=1e-12, atol=1e-13)


@each_row(DIFFERENTIABLE)
def test_second_derivatives_agree_with_finite_differences_of_the_gradient(row):
    for problem in problems(row):
        weights = [np.cos(1.0 + np.arange(u.size)).reshape(u.shape) for u in problem.directions]
        leaves = problem.leaves()
        cotangents = [tensor(v).requires_grad_() for v in problem.cotangents]
        found = problem.gradient(leaves, cotangents, create_graph=True)
        total = [
            (g * tensor(w)).sum() for g, w in zip(found, weights, strict=True) if g is not None
        ]
        total = [t for t in total if t.requires_grad]
        zero = [np.zeros(tuple(x.shape)) for x in [*leaves, *cotangents]]
        if total:
            second = chainrule.autograd.grad(total, [*leaves, *cotangents], allow_unused=True)
            zero = [z if g is None else as_array(g) for z, g in zip(zero, second, strict=True)]
        to_leaves, to_cotangents = zero[: len(leaves)], zero[len(leaves) :]
        step = 1e-5
        ahead, behind = (problem.gradient_values(step=s) for s in (step, -step))
        slope = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
        scale = size(to_leaves, problem.directions) + size(weights, slope)
        difference = inner(to_leaves, problem.directions) - inner(weights, slope)
        assert abs(difference) <= TOLERANCE * scale
        # The gradient is linear in the cotangent: its transpose is forward mode along `weights`.
        problem.directions = weights
        assert_equal(to_cotangents, problem.tangents(), rtol=1e-11, atol=1e-11)


@each_row(DIFFERENTIABLE)
def test_forward_over_reverse_agrees_with_reverse_over_reverse(row):
    for problem in problems(row):
        step = 1e-5
        ahead, behind = (problem.gradient_values(step=s) for s in (step, -step))
        slope = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
        with forward_ad.dual_level():
            duals = [
                forward_ad.make_dual(x, tensor(u))
                for x, u in zip(problem.leaves(), problem.directions, strict=True)
            ]
            found = problem.gradient(duals, [tensor(v) for v in problem.cotangents], True)
            for g, wanted in zip(found, slope, strict=True):
                tangent = None if g is None else forward_ad.unpack_dual(g).tangent
                got = np.zeros_like(wanted) if tangent is None else as_array(tangent)
                np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE)


@each_row(DIFFERENTIABLE)
def test_forward_over_forward_agrees_with_finite_differences_of_the_tangent(row):
    for problem in problems(row):
        step = 1e-5
        slopes = [problem.tangents(s) for s in (step, -step)]
        slope = [(a - b) / (2 * step) for a, b in zip(*slopes, strict=True)]
        with forward_ad.dual_level():
            outer = [
                forward_ad.make_dual(tensor(p), tensor(u))
                for p, u in zip(problem.primals(), problem.directions, strict=True)
            ]
            with forward_ad.dual_level():
                both = [
                    forward_ad.make_dual(x, tensor(u))
                    for x, u in zip(outer, problem.directions, strict=True)
                ]
                inner_tangents = [forward_ad.unpack_dual(r).tangent for r in problem.results(both)]
            found = [t if t is None else forward_ad.unpack_dual(t).tangent for t in inner_tangents]
            for t, wanted in zip(found, slope, strict=True):
                got = np.zeros_like(wanted) if t is None else as_array(t)
                np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE)


@each_row(DIFFERENTIABLE)
def test_gradients_keep_the_dtype_of_their_input(row):
    for problem in problems(row, np.float32):
        leaves = problem.leaves()
        found = problem.gradient(leaves, [tensor(v) for v in problem.cotangents], False)
        for x, g in zip(leaves, found, strict=True):
            assert x.dtype == chainrule.float32
            assert g is None or (g.dtype == chainrule.float32 and g.shape == x.shape)
        for t in problem.tangents():
            assert t.dtype == np.float32


# The tests above can fail ------------------------------------------------------------------------


def scaled(function, factor):
    """The method with everything that it returns a little too large."""

    def wrong(self, *args, **kwargs):
        return [g if g is None else g * factor for g in function(self, *args, **kwargs)]

    return wrong


def wrong_when_recorded(function):
    """A differentiable form that is not the derivative of the fused one."""

    def wrong(self, leaves, cotangents, create_graph):
        found = function(self, leaves, cotangents, create_graph)
        return [g * 1.0001 if create_graph and g is not None else g for g in found]

    return wrong


WRONG = {
    "gradient": (
        test_reverse_mode_agrees_with_finite_differences_and_forward_mode,
        "gradient_values",
        lambda f: scaled(f, 1.0001),
    ),
    "tangent": (
        test_forward_mode_agrees_with_finite_differences,
        "tangents",
        lambda f: scaled(f, 1.0001),
    ),
    "tangent beside the gradient": (
        test_reverse_mode_agrees_with_finite_differences_and_forward_mode,
        "tangents",
        lambda f: scaled(f, 1 + 1e-9),
    ),
    "fused form": (
        test_the_differentiable_form_of_a_gradient_equals_the_fused_one,
        "gradient",
        wrong_when_recorded,
    ),
    "second derivative": (
        test_second_derivatives_agree_with_finite_differences_of_the_gradient,
        "gradient",
        wrong_when_recorded,
    ),
    "forward over reverse": (
        test_forward_over_reverse_agrees_with_reverse_over_reverse,
        "gradient",
        wrong_when_recorded,
    ),
    "dtype": (
        test_gradients_keep_the_dtype_of_their_input,
        "gradient",
        lambda f: lambda self, *a: [g.double() for g in f(self, *a)],
    ),
}


@pytest.mark.parametrize("name", ["exp", "mul", "matmul", "logsumexp"])
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_derivative_is_noticed(what, name, monkeypatch):
    test, method, change = WRONG[what]
    test(BY_NAME[name])
    monkeypatch.setattr(Problem, method, change(getattr(Problem, method)))
    with pytest.raises(AssertionError):
        test(BY_NAME[name])


def test_forward_over_reverse_leaves_nothing_behind():
    """A saved result keeps its tangent, which uses that result: a cycle until the level ends."""
    died = []

    class Witness:
        def __del__(self):
            died.append(True)

    for _ in range(3):
        with forward_ad.dual_level():
            x = forward_ad.make_dual(chainrule.ones(3, requires_grad=True), chainrule.ones(3))
            y = x.exp().tanh()
            y.grad_fn.metadata["witness"] = Witness()
            (g,) = chainrule.autograd.grad(y.sum(), x, create_graph=True)
            assert forward_ad.unpack_dual(g).tangent is not None
        del x, y, g
    assert len(died) == 3
