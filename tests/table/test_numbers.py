"""Numbers as operands: the values, dtypes and gradients of tensors filled with the number."""

import operator

import numpy as np
import pytest

import chainrule
from chainrule import _C
from table.rows import BROADCAST, assert_equal, bindings, cases, each_row, tensor

pytestmark = pytest.mark.chainrule_only

OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
COMPARISONS = ["lt", "le", "gt", "ge", "eq", "ne"]


def bare(row):
    return getattr(_C, row.name)


def takes_numbers(row):
    """Positions of the operands that may be numbers."""
    return [i for i, p in enumerate(row.params) if p.is_tensor and bindings.takes_number(row, i)]


@each_row(BROADCAST)
def test_a_number_as_operand_equals_a_tensor_of_it(row):
    whole = row.dtypes is not None and "f" not in row.dtypes
    for position in takes_numbers(row):
        for case in cases(row):
            arrays = case.arrays()
            if len(arrays) < len(row.tensors) or any(a.size == 0 for a in arrays):
                continue
            number = arrays[position].flat[0].item()
            if row.tensors[position].name == row.mask:
                continue
            if not isinstance(number, (bool, int if whole else float)):
                continue
            args = [tensor(a) for a in arrays]
            mixed = [*args[:position], number, *args[position + 1 :]]
            filled = [*args]
            filled[position] = tensor(np.full((), number))
            first, second = ([*case.args] for _ in range(2))
            first[: len(args)], second[: len(args)] = mixed, filled
            got, wanted = bare(row)(*first, **case.kwargs), bare(row)(*second, **case.kwargs)
            assert_equal([got], [wanted], rtol=1e-14)
            other = next((i for i in case.moving() if i != position), None)
            if other is None:
                continue
            gradients = []
            for values in (first, second):
                values[other] = tensor(arrays[other]).requires_grad_()
                out = bare(row)(*values, **case.kwargs)
                if out.requires_grad:
                    gradients.append(chainrule.autograd.grad(out.sum(), values[other])[0])
            if gradients:
                assert_equal(gradients[:1], gradients[1:], rtol=1e-13)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("number", [2.0, 3, 0.5], ids=str)
def test_operators_with_numbers_on_either_side(name, number):
    x = np.array([[0.35, 1.7], [2.2, 0.9]])
    function = getattr(operator, name)
    for flip in (False, True):

        def apply(v, flip=flip):
            return function(number, v) if flip else function(v, number)

        leaf = tensor(x).requires_grad_()
        out = apply(leaf)
        np.testing.assert_allclose(out.detach().numpy(), apply(x), rtol=1e-14)
        (grad,) = chainrule.autograd.grad(out.sum(), leaf)
        slope = (apply(x + 1e-6) - apply(x - 1e-6)) / 2e-6
        np.testing.assert_allclose(grad.numpy(), slope, rtol=1e-6, atol=1e-8)
        assert apply(tensor(x.astype(np.float32))).dtype == chainrule.float32


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_with_numbers_on_either_side(name):
    x = np.array([1.0, 2.0, 3.0])
    function = getattr(operator, name)
    assert_equal([function(tensor(x), 2), function(2, tensor(x))], [function(x, 2), function(2, x)])


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"])
def test_operators_of_integer_tensors_and_numbers(name):
    x = np.array([1, 2, 5])
    function = getattr(operator, name)
    for number in (2, 2.5):
        for flip in (False, True):
            got = function(number, tensor(x)) if flip else function(tensor(x), number)
            wanted = function(number, x) if flip else function(x, number)
            kind = "f" if name == "truediv" or isinstance(number, float) else "i"
            assert got.numpy().dtype == (np.float32 if kind == "f" else np.int64)
            np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-6)
