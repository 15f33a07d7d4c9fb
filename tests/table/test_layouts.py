"""Strides, empty tensors, zero dimensions and shapes that broadcast change no value."""

import numpy as np
import pytest

import chainrule
from table.rows import (
    BROADCAST,
    POINTWISE,
    ROWS,
    Case,
    Problem,
    assert_equal,
    cases,
    each_row,
    floating,
    generator,
    tensor,
)

pytestmark = pytest.mark.chainrule_only

# Rows that read memory as it lies, or need it dense: torch refuses, or means something else.
BY_MEMORY = {"as_strided", "_restride", "view", "view_as", "view_dtype", "_unsafe_view"}


def transposed(array):
    """The same values with the dimensions of its memory in the opposite order."""
    base = tensor(array.T)
    return base.permute(tuple(reversed(range(array.ndim))))


def sliced(array):
    """The same values at every second place of a larger tensor, behind an offset."""
    big = np.full([2 * n + 1 for n in array.shape], 7).astype(array.dtype)
    big[tuple(slice(1, None, 2) for _ in array.shape)] = array
    view = tensor(big)
    for d in range(array.ndim):
        view = chainrule._C._slice(view, d, 1, None, 2)
    return view


LAYOUTS = {"transposed": transposed, "sliced": sliced}


@pytest.mark.parametrize("layout", LAYOUTS)
@each_row(ROWS, without=BY_MEMORY)
def test_strided_inputs_give_the_values_and_gradients_of_dense_ones(row, layout):
    for case in cases(row):
        arrays = case.arrays()
        dense = [tensor(a) for a in arrays]
        strided = [LAYOUTS[layout](a) for a in arrays]
        results = []
        for values in (dense, strided):
            leaves = [values[i].requires_grad_() for i in case.moving()]
            out = case.call(values)
            outputs = [r for r in floating(out) if r.requires_grad]
            if len(row.returns) > 1 and row.kind != "composite":
                outputs = outputs[:1]
            grads = []
            if outputs and leaves:
                cotangents = [
                    tensor(generator(row, i).uniform(-1, 1, tuple(o.shape)))
                    for i, o in enumerate(outputs)
                ]
                found = chainrule.autograd.grad(outputs, leaves, cotangents, allow_unused=True)
                grads = [g for g in found if g is not None]
            results.append((out, grads))
        (out, grads), (other_out, other_grads) = results
        assert_equal(other_out, out)
        assert_equal(other_grads, grads)


@each_row(POINTWISE)
def test_expanded_inputs_give_the_values_and_gradients_of_dense_ones(row):
    for case in cases(row):
        arrays = case.arrays()
        if not arrays or any(a.ndim == 0 or a.size == 0 for a in arrays):
            continue
        thin = case.map(lambda a: a[:1])
        small = [tensor(a) for a in thin.arrays()]
        wide = [s.expand(a.shape) for s, a in zip(small, arrays, strict=True)]
        assert_equal(thin.call(wide), thin.call([w.contiguous() for w in wide]))


def of_shape(row, *shapes):
    """The row's first case with tensors of these shapes, made of its elements."""
    case = cases(row)[0]
    full = max((c for c in cases(row)), key=lambda c: sum(a.size for a in c.arrays()))
    if any(not isinstance(v, np.ndarray) for v in case.args[: len(row.tensors)]):
        case = full
    pools = [a.ravel() for a in full.arrays()]
    shape = iter(shapes)
    pool = iter(pools)
    return replace_arrays(full, [np.resize(next(pool), next(shape)) for _ in pools])


def replace_arrays(case: Case, arrays):
    rest = iter(arrays)
    return case.map(lambda _: next(rest))


@each_row(POINTWISE)
@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), (), (1, 1)], ids=str)
def test_empty_and_zero_dimensional_inputs_keep_their_shape(row, shape):
    case = of_shape(row, *[shape] * 3)
    (out,) = case.run()
    assert out.shape == shape
    if case.moving():
        problem = Problem(case)
        for g, x in zip(problem.gradient_values(), problem.primals(), strict=True):
            assert g.shape == x.shape == shape
        for t in problem.tangents():
            assert t.shape == shape


@each_row([r for r in BROADCAST if any(r.vjp.values())])
def test_gradients_of_broadcast_inputs_are_sums(row):
    for small in ((4,), (3, 1), (1, 1), ()):
        for which in range(len(row.tensors)):
            shapes = [small if i == which else (3, 4) for i in range(3)]
            case = of_shape(row, *shapes)
            if len(case.arrays()) <= which or which not in case.moving():
                continue
            position = case.moving().index(which)
            problem = Problem(case)
            whole = Problem(case.map(lambda a: np.broadcast_to(a, (3, 4)).copy()))
            whole.cotangents = problem.cotangents
            if problem.cotangents[0].shape != (3, 4):
                continue
            got = problem.gradient_values()[position]
            wide = whole.gradient_values()[position]
            assert got.shape == small
            lead = wide.ndim - len(small)
            axes = tuple(range(lead)) + tuple(
                i + lead for i, n in enumerate(small) if n == 1 and wide.shape[i + lead] != 1
            )
            wanted = wide.sum(axes).reshape(small)
            np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["exp", "cumsum", "matmul"])
def test_a_layout_that_changes_values_is_noticed(name, monkeypatch):
    row = next(r for r in ROWS if r.cname == name)
    monkeypatch.setitem(LAYOUTS, "sliced", lambda array: tensor(array * (1 + 1e-9)))
    with pytest.raises(AssertionError):
        test_strided_inputs_give_the_values_and_gradients_of_dense_ones(row, "sliced")
