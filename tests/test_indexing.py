"""Indexing, sorting and in-place writes beside torch: values, derivatives, nodes, messages."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import assert_same, compare

import chainrule

X = np.random.default_rng(0).uniform(-1, 1, (3, 4))
Y = np.random.default_rng(1).uniform(-1, 1, (3, 4))
Function = Callable[..., Any]

# The forward mode of torch asks torch.jit, which is deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
MATRIX = [[0, 2], [1, 1]]

READS: dict[str, Function] = {
    "index_select": lambda m, x: x.index_select(1, m.tensor([3, 0, 0])),
    "index_select, first": lambda m, x: x.index_select(0, m.tensor([2, 0, 0, 1])),
    "gather": lambda m, x: x.gather(1, m.tensor([[0, 3, 3], [1, 1, 2]])),
    "gather, first": lambda m, x: x.gather(0, m.tensor([[0, 2, 1, 1]])),
    "take": lambda m, x: x.take(m.tensor([[0, -1], [5, 5]])),
    "take_along_dim": lambda m, x: x.take_along_dim(m.tensor([[0], [2], [1]]), 1),
    "masked_select": lambda m, x: x.masked_select(m.tensor(X > 0)),
    "masked_select, broadcast": lambda m, x: x.masked_select(m.tensor(X[0] > 0)),
    "embedding": lambda m, x: m.nn.functional.embedding(m.tensor(MATRIX), x),
    "sort": lambda m, x: x.sort()[0],
    "sort, descending": lambda m, x: x.sort(0, descending=True).values,
    "sort of a view": lambda m, x: x.t().sort(0).values,
    "topk": lambda m, x: x.topk(2).values,
    "topk, smallest": lambda m, x: x.topk(2, 0, largest=False)[0],
    "msort": lambda m, x: m.msort(x),
    "integer": lambda m, x: x[1],
    "integers": lambda m, x: x[-1, 2],
    "index matrix": lambda m, x: x[m.tensor(MATRIX)],
    "two indices": lambda m, x: x[m.tensor([0, 2]), m.tensor([[1], [3]])],
    "separated": lambda m, x: x[None].expand(2, 3, 4)[m.tensor([0, 1]), :, m.tensor([2, -2])],
    "separated by None": lambda m, x: x[m.tensor([0, 1]), None, m.tensor([2, 2])],
    "mask": lambda m, x: x[m.tensor(X > 0)],
    "mask of rows": lambda m, x: x[m.tensor([True, False, True])],
    "mask of columns": lambda m, x: x[:, m.tensor([True, False, True, True])],
    "True": lambda m, x: x[True],
    "False": lambda m, x: x[False],
    "mask without dimensions": lambda m, x: x[m.tensor(True)],
    "mixed": lambda m, x: x[1:, [0, 3, 3]],
    "list": lambda m, x: x[[0, 2, 0]],
    "range": lambda m, x: x[range(2)],
    "array": lambda m, x: x[np.array([0, 2])],
    "array of bool": lambda m, x: x[X > 0],
    "NumPy integer": lambda m, x: x[np.int64(1)],
    "of a view": lambda m, x: x.t()[m.tensor([1, 2])],
    "boolean and list": lambda m, x: x[True, :, [0, 1]],
}
WRITES: dict[str, Function] = {
    "scatter, value": lambda m, x, y: x.scatter(1, m.tensor([[0], [1]]), 5.0),
    "scatter": lambda m, x, y: x.scatter(0, m.tensor([[0, 2, 1, 1]]), y[:1]),
    "scatter_add": lambda m, x, y: x.scatter_add(1, m.tensor([[0, 0, 1], [2, 2, 2]]), y[:2, :3]),
    "scatter_add, first": lambda m, x, y: x.scatter_add(0, m.tensor([[0, 0, 1, 2]] * 2), y[:2]),
    "index_add": lambda m, x, y: x.index_add(0, m.tensor([1, 1]), y[:2], alpha=0.5),
    "index_copy": lambda m, x, y: x.index_copy(0, m.tensor([2, 0]), y[:2]),
    "index_fill": lambda m, x, y: x.index_fill(1, m.tensor([0, -1]), 3.0),
    "index_fill, tensor": lambda m, x, y: x.index_fill(1, m.tensor([0, 2]), y[1, 1]),
    "masked_scatter": lambda m, x, y: x.masked_scatter(m.tensor(X > 0), y),
    "index_put": lambda m, x, y: x.index_put((m.tensor([0, 1]), m.tensor([2, 2])), y[0, :2]),
    "index_put, broadcast": lambda m, x, y: x.index_put((m.tensor([0, 1]),), y[2]),
    "index_put, added": lambda m, x, y: x.index_put((m.tensor([0, 0]),), y[1], accumulate=True),
}


def assigned(key: Any, value: Function) -> Function:
    def change(m: Any, t: Any, y: Any) -> None:
        t[key(m, t) if callable(key) else key] = value(m, y)

    return change


CHANGES: dict[str, Function] = {
    "x[i] = number": assigned(1, lambda m, y: 5.0),
    "x[i] = tensor": assigned(1, lambda m, y: y[0]),
    "x[:, a:b] = 0-d": assigned((slice(None), slice(1, 3)), lambda m, y: y.sum()),
    "x[i, j] = tensor": assigned((0, 1), lambda m, y: y[1, 1]),
    "x[index] = tensor": assigned(lambda m, t: m.tensor([0, 1]), lambda m, y: y[:2]),
    "x[lists] = number": assigned(([0, 1], [1, 2]), lambda m, y: 7.0),
    "x[mask] = number": assigned(lambda m, t: t > 0, lambda m, y: 0.0),
    "x[mask of rows] = tensor": assigned(
        lambda m, t: m.tensor([True] + [False] * (len(t) - 1)), lambda m, y: y[0]
    ),
    "x[slice, list] = tensor": assigned((slice(0, 1), [0, 2]), lambda m, y: y[0, :2]),
    "x[True] = tensor": assigned(True, lambda m, y: y[0]),
    "x[None] = tensor": assigned(None, lambda m, y: y[0]),
    "x[...] = tensor": assigned(..., lambda m, y: y[0]),
    "x[i] = more dimensions": assigned(0, lambda m, y: y[None, :1]),
    "copy_": lambda m, t, y: t.copy_(y[0]),
    "fill_": lambda m, t, y: t.fill_(2.0),
    "fill_, tensor": lambda m, t, y: t.fill_(y[0, 0]),
    "zero_": lambda m, t, y: t.zero_(),
    "index_add_": lambda m, t, y: t.index_add_(0, m.tensor([1, 1]), y[:2]),
    "index_copy_": lambda m, t, y: t.index_copy_(0, m.tensor([1, 0]), y[:2]),
    "index_fill_": lambda m, t, y: t.index_fill_(1, m.tensor([1]), 3.0),
    "index_fill_, tensor": lambda m, t, y: t.index_fill_(1, m.tensor([1]), y[0, 0]),
    "scatter_, value": lambda m, t, y: t.scatter_(1, m.tensor([[1]]), 3.0),
    "scatter_": lambda m, t, y: t.scatter_(1, m.tensor([[1, 2]]), y[:1, :2]),
    "scatter_add_": lambda m, t, y: t.scatter_add_(1, m.tensor([[1, 1]]), y[:1, :2]),
    "index_put_": lambda m, t, y: t.index_put_((m.tensor([0]),), y[0]),
    "index_put_, added": lambda m, t, y: t.index_put_((m.tensor([0, 0]),), y[0], accumulate=True),
    "masked_scatter_": lambda m, t, y: t.masked_scatter_(t > 0, y),
    "tril_": lambda m, t, y: t.tril_(),
    "a view of it": lambda m, t, y: (
        t.view(-1)[2:5].copy_(y[0, :3]) if t.is_contiguous() else t[0].copy_(y[0, : t.shape[1]])
    ),
    "by itself": lambda m, t, y: t.__setitem__(1, t[1] + t[0]),
}


def node_of(lib: Any, function: Function, *arrays: np.ndarray) -> str:
    return function(lib, *(lib.tensor(a, requires_grad=True) for a in arrays)).grad_fn.name()


@pytest.mark.parametrize("name", READS)
def test_reading_beside_torch(real_torch: Any, name: str) -> None:
    compare(real_torch, READS[name], X)
    assert node_of(chainrule, READS[name], X) == node_of(real_torch, READS[name], X)


@pytest.mark.parametrize("name", WRITES)
def test_writing_beside_torch(real_torch: Any, name: str) -> None:
    compare(real_torch, WRITES[name], X, Y)
    assert node_of(chainrule, WRITES[name], X, Y) == node_of(real_torch, WRITES[name], X, Y)


@pytest.mark.parametrize("place", ["whole", "view", "transposed"])
@pytest.mark.parametrize("name", CHANGES)
def test_change_in_place_beside_torch(real_torch: Any, name: str, place: str) -> None:
    if place == "transposed" and name.startswith(("x[", "copy", "index", "scatter", "by")):
        pytest.skip("the values of these cases have the shape of rows")

    def function(m: Any, x: Any, y: Any) -> Any:
        base = x * 1
        target = {"whole": base, "view": base[1:], "transposed": base.t()}[place]
        CHANGES[name](m, target, y * 1)
        assert base._version == (1 if name != "by itself" else base._version)
        return base * base

    compare(real_torch, function, X, Y)


def test_padding_of_an_embedding_gets_no_gradient(real_torch: Any) -> None:
    def function(m: Any, x: Any) -> Any:
        return m.nn.functional.embedding(m.tensor(MATRIX), x, padding_idx=2)

    compare(real_torch, function, X, forward=False)


def test_results_without_gradients_beside_torch(real_torch: Any) -> None:
    values = np.array([3.0, 1.0, np.nan, 1.0, -np.inf, 3.0, 0.0])
    integers = np.array([[3, 0, 1], [1, 0, 3]])
    cases: list[Function] = [
        lambda m, v, i: v.sort(stable=True).indices,
        lambda m, v, i: v.argsort(descending=True, stable=True),
        lambda m, v, i: v[:2].sort().values,
        lambda m, v, i: i.sort(1).indices,
        lambda m, v, i: i.nonzero(),
        lambda m, v, i: m.nonzero(i, as_tuple=True)[1],
        lambda m, v, i: m.where(i > 0)[0],
        lambda m, v, i: m.argwhere(i),
        lambda m, v, i: i.unique(),
        lambda m, v, i: m.unique(i, return_inverse=True)[1],
        lambda m, v, i: i.unique(return_counts=True)[1],
        lambda m, v, i: m.searchsorted(m.tensor([0, 1, 3]), i),
        lambda m, v, i: m.searchsorted(m.tensor([0, 1, 3]), i, right=True),
        lambda m, v, i: m.searchsorted(m.tensor([[0, 1], [2, 3]]), i, side="right"),
        lambda m, v, i: m.searchsorted(m.tensor([3, 0, 1]), i, sorter=m.tensor([1, 2, 0])),
        lambda m, v, i: m.bucketize(v[:2], m.tensor([0.0, 1.0, 2.0])),
        lambda m, v, i: m.tril_indices(3, 4, 1),
        lambda m, v, i: m.triu_indices(4, 3, -1),
        lambda m, v, i: i[i > 0],
        lambda m, v, i: i.gather(1, m.tensor([[2, 0], [1, 1]])),
        lambda m, v, i: (i > 0).index_select(1, m.tensor([2, 0])),
        lambda m, v, i: (i > 0).scatter_add(1, m.tensor([[0], [1]]), m.tensor([[True], [True]])),
        lambda m, v, i: m.zeros(0, 3).index_select(0, m.tensor([], dtype=m.int64)),
        lambda m, v, i: m.zeros(3, 0)[m.tensor([0, 1])],
        lambda m, v, i: m.tensor(7)[None],
        lambda m, v, i: m.tensor(7).sort()[0],
        lambda m, v, i: m.tensor(7).gather(0, m.tensor([0, 0])),
    ]
    for case in cases:
        ours = case(chainrule, chainrule.tensor(values), chainrule.tensor(integers))
        theirs = case(real_torch, real_torch.tensor(values), real_torch.tensor(integers))
        assert_same(ours, theirs)


def test_large_indices_beside_torch(real_torch: Any) -> None:
    random = np.random.default_rng(3)
    rows, index = random.uniform(-1, 1, (500, 37)), random.integers(0, 500, 4001)
    places = random.integers(0, 500, (4001, 37))
    cases: list[Function] = [
        lambda m, x, i, p: x[i],
        lambda m, x, i, p: x[-1 - i],
        lambda m, x, i, p: x.t()[:, i],
        lambda m, x, i, p: x.gather(0, p),
        lambda m, x, i, p: x.t().gather(1, p.t()),
        lambda m, x, i, p: x.index_add(0, i, x.repeat(9, 1)[:4001]),
        lambda m, x, i, p: x.scatter_add(0, p, x.repeat(9, 1)[:4001]),
        lambda m, x, i, p: x.t().scatter_add(1, p.t(), x.repeat(9, 1)[:4001].t()),
        lambda m, x, i, p: x[x > 0],
        lambda m, x, i, p: x.sort(0).values,
        lambda m, x, i, p: x.sort(1).indices,
        lambda m, x, i, p: x.topk(5, 0).indices,
    ]
    arrays = rows, index, places
    for case in cases:
        ours = case(chainrule, *(chainrule.tensor(a) for a in arrays))
        theirs = case(real_torch, *(real_torch.tensor(a) for a in arrays))
        assert_same(ours, theirs, rtol=1e-6, atol=1e-8)


ERRORS: dict[str, Function] = {
    "x[3]": lambda m, x: x[3],
    "x[0, 4]": lambda m, x: x[0, 4],
    "x[0, 0, 0]": lambda m, x: x[0, 0, 0],
    "x[index]": lambda m, x: x[m.tensor([5])],
    "x[float]": lambda m, x: x[1.5],
    "x[{}]": lambda m, x: x[{}],
    "x[float tensor]": lambda m, x: x[m.tensor([0.5])],
    "x[mask]": lambda m, x: x[m.tensor([True, False])],
    "x[indices]": lambda m, x: x[m.tensor([0, 1]), m.tensor([0, 1, 2])],
    "0-d": lambda m, x: x[0, 0][0],
    "x[i] = shape": lambda m, x: x.__setitem__(0, m.zeros(5)),
    "x[index] = shape": lambda m, x: x.__setitem__([0, 1], m.zeros(3, 4, dtype=x.dtype)),
    "x[index] = dtype": lambda m, x: x.__setitem__([0, 1], m.tensor(1)),
    "gather": lambda m, x: x.gather(0, m.tensor([[0, 5]])),
    "gather, dtype": lambda m, x: x.gather(0, m.tensor([[0.0]])),
    "gather, ndim": lambda m, x: x.gather(0, m.tensor([0])),
    "scatter, dtype": lambda m, x: x.scatter(0, m.tensor([[0]]), m.ones(1, 1)),
    "index_select": lambda m, x: x.index_select(0, m.tensor([3])),
    "index_add": lambda m, x: x.index_add(0, m.tensor([0, 1]), x[:1]),
    "take": lambda m, x: x.take(m.tensor([12])),
    "masked_select": lambda m, x: x.masked_select(m.tensor([1])),
    "topk": lambda m, x: x.topk(5),
    "sort": lambda m, x: x.sort(2),
    "narrow": lambda m, x: x.narrow(0, 1, 3),
    "select": lambda m, x: x.select(0, 3),
    "view": lambda m, x: x.t().view(12),
    "view, size": lambda m, x: x.view(5, 3),
    "reshape": lambda m, x: x.reshape(-1, 5),
    "permute": lambda m, x: x.permute(0, 0),
    "cat": lambda m, x: m.cat([x, x.t()]),
    "stack": lambda m, x: m.stack([x, x[0]]),
    "split": lambda m, x: x.split([1, 1]),
    "unfold": lambda m, x: x.unfold(0, 5, 1),
    "diagonal": lambda m, x: x.diagonal(0, 0, 0),
    "repeat": lambda m, x: x.repeat(2),
    "flip": lambda m, x: x.flip(0, 0),
    "unflatten": lambda m, x: x.unflatten(1, (3, 2)),
    "expand": lambda m, x: x.expand(2, 3, 5),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error_begins_with_the_words_of_torch(real_torch: Any, name: str) -> None:
    with pytest.raises((IndexError, RuntimeError, TypeError, ValueError)) as theirs:
        ERRORS[name](real_torch, real_torch.tensor(X))
    with pytest.raises(type(theirs.value)) as ours:
        ERRORS[name](chainrule, chainrule.tensor(X))
    sentence = str(theirs.value).split("\n")[0].rstrip(".")
    assert str(ours.value).startswith(sentence)
