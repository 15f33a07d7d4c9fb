"""Views, joining and copying beside torch: values, strides, nodes, derivatives of two orders."""

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

VIEWS: dict[str, Function] = {
    "expand": lambda m, x: x.unsqueeze(0).expand(2, -1, 4),
    "expand_as": lambda m, x: x[:, :1].expand_as(x),
    "broadcast_to": lambda m, x: m.broadcast_to(x, (2, 3, 4)),
    "view": lambda m, x: x.view(2, 6),
    "view, inferred": lambda m, x: x.view(-1, 2),
    "view of a part": lambda m, x: x[:, 1:3].view(3, 2, 1),
    "view_as": lambda m, x: x.view_as(m.zeros(12)),
    "reshape": lambda m, x: x.reshape(6, 2),
    "flatten": lambda m, x: x[None].flatten(1),
    "ravel": lambda m, x: x.ravel(),
    "unflatten": lambda m, x: x.unflatten(1, (2, -1)),
    "permute": lambda m, x: x[None].permute(2, 0, 1),
    "permute, negative": lambda m, x: m.permute(x[None], (-1, 0, -2)),
    "transpose": lambda m, x: x.transpose(0, -1),
    "swapaxes": lambda m, x: x.swapaxes(0, 1),
    "t": lambda m, x: x.t(),
    "T": lambda m, x: x.T,
    "mT": lambda m, x: x.mT,
    "H": lambda m, x: x.H,
    "movedim": lambda m, x: x[None].movedim(0, 2),
    "movedim, several": lambda m, x: x[None].movedim((0, 1), (2, 0)),
    "squeeze": lambda m, x: x[None, :, None].squeeze(),
    "squeeze(dim)": lambda m, x: x[None].squeeze(0),
    "squeeze(dim), nothing": lambda m, x: x.squeeze(0),
    "squeeze(dims)": lambda m, x: x[None].squeeze((0, 1)),
    "unsqueeze": lambda m, x: x.unsqueeze(-1),
    "select": lambda m, x: x.select(1, -1),
    "narrow": lambda m, x: x.narrow(1, 1, 2),
    "diagonal": lambda m, x: x.diagonal(1),
    "diagonal of dims": lambda m, x: x[None].diagonal(-1, 2, 1),
    "unbind": lambda m, x: x.unbind(1)[2],
    "split": lambda m, x: x.split(3, 1)[1],
    "split, sizes": lambda m, x: m.split(x, [1, 3], 1)[1],
    "chunk": lambda m, x: x.chunk(3, 1)[1],
    "tensor_split": lambda m, x: x.tensor_split(3, 1)[0],
    "tensor_split, places": lambda m, x: x.tensor_split((1, 2), 1)[2],
    "unfold": lambda m, x: x.unfold(1, 2, 2),
    "unfold, overlapping": lambda m, x: x.unfold(1, 3, 1),
    "as_strided": lambda m, x: x.as_strided((2, 2), (3, 1), 1),
    "as_strided, overlapping": lambda m, x: x.as_strided((3, 3), (1, 1), 2),
    "slice": lambda m, x: x[1:, ::2],
    "alias": lambda m, x: x[...],
    "all": lambda m, x: x[:],
    "None": lambda m, x: x[:, None],
}
COPIES: dict[str, Function] = {
    "reshape, copying": lambda m, x: x.t().reshape(2, 6),
    "contiguous": lambda m, x: x.t().contiguous(),
    "clone": lambda m, x: x.t().clone(),
    "clone, format": lambda m, x: x.t().clone(memory_format=m.contiguous_format),
    "to": lambda m, x: x.to(m.float32).to(m.float64),
    "flip": lambda m, x: x.flip(0, 1),
    "flip of a view": lambda m, x: x.t().flip(1),
    "fliplr": lambda m, x: m.fliplr(x),
    "flipud": lambda m, x: m.flipud(x),
    "roll": lambda m, x: x.roll(2),
    "roll along one": lambda m, x: m.roll(x, 1, 1),
    "roll along two": lambda m, x: x.roll((5, -1), (0, 1)),
    "repeat": lambda m, x: x.repeat(2, 1, 3),
    "tile": lambda m, x: x.tile(2),
    "repeat_interleave": lambda m, x: x.repeat_interleave(2, 1),
    "repeat_interleave, flat": lambda m, x: x.repeat_interleave(3),
    "repeat_interleave, counts": lambda m, x: x.repeat_interleave(m.tensor([1, 0, 2]), 0),
    "triu": lambda m, x: x.triu(1),
    "triu, all": lambda m, x: x.triu(-100),
    "tril": lambda m, x: x.tril(-1),
    "tril, all": lambda m, x: x.tril(100),
    "tril of many": lambda m, x: x.view(2, 2, 3).tril(),
    "diag_embed": lambda m, x: m.diag_embed(x, 1),
    "diag_embed, dims": lambda m, x: m.diag_embed(x, -1, 0, 2),
    "diag of a vector": lambda m, x: m.diag(x[0], -1),
    "cat": lambda m, x: m.cat([x, x * 2, x[:1]]),
    "cat, last": lambda m, x: m.concat([x, x[:, :1]], -1),
    "cat of views": lambda m, x: m.cat([x.t(), x.t()], 1),
    "cat with nothing": lambda m, x: m.cat([m.zeros(0, dtype=x.dtype), x]),
    "cat of two dtypes": lambda m, x: m.cat([x, x.float().double()]),
    "stack": lambda m, x: m.stack([x, x * 3], 1),
    "stack, last": lambda m, x: m.stack([x, x * 3], -1),
    "stack of views": lambda m, x: m.stack([x.t(), x.t() * 3], 1),
    "hstack": lambda m, x: m.hstack([x, x]),
    "hstack of vectors": lambda m, x: m.hstack([x[0], x[1]]),
    "vstack": lambda m, x: m.vstack([x[0], x]),
    "dstack": lambda m, x: m.dstack([x, x]),
    "column_stack": lambda m, x: m.column_stack([x[:, 0], x]),
    "atleast_3d": lambda m, x: m.atleast_3d(x),
    "atleast_1d": lambda m, x: m.atleast_1d(x[0, 0]),
    "broadcast_tensors": lambda m, x: m.broadcast_tensors(x, x[0])[1],
    "meshgrid": lambda m, x: m.meshgrid(x[0], x[:, 0], indexing="ij")[1],
    "meshgrid, xy": lambda m, x: m.meshgrid(x[0], x[:, 0], indexing="xy")[0],
    "tril_indices": lambda m, x: x[tuple(m.tril_indices(3, 4, -1))],
    "triu_indices": lambda m, x: x[tuple(m.triu_indices(3, 4, 1))],
}


def layout(lib: Any, function: Function) -> tuple[Any, ...]:
    """Shape, strides that matter, offset of a view, node and whether the result is a view."""
    x = lib.tensor(X, requires_grad=True)
    out = function(lib, x)
    strides = [s for s, n in zip(out.stride(), out.shape, strict=True) if n > 1]
    offset = out.storage_offset() if out._is_view() else None
    return (*out.shape,), strides, offset, out._is_view(), out.grad_fn.name()


@pytest.mark.parametrize("name", VIEWS)
def test_view_beside_torch(real_torch: Any, name: str) -> None:
    compare(real_torch, VIEWS[name], X)
    assert layout(chainrule, VIEWS[name]) == layout(real_torch, VIEWS[name])


@pytest.mark.parametrize("name", VIEWS)
def test_view_looks_into_its_base(name: str) -> None:
    x = chainrule.tensor(X)
    view = VIEWS[name](chainrule, x)
    with chainrule.no_grad():
        x.mul_(2)
    assert_same(view, VIEWS[name](chainrule, chainrule.tensor(2 * X)))
    assert view._version == x._version == 1


@pytest.mark.parametrize("name", VIEWS)
def test_change_of_a_view_changes_the_gradient_of_its_base(real_torch: Any, name: str) -> None:
    def function(m: Any, x: Any, y: Any) -> Any:
        base = x * 2
        view = VIEWS[name](m, base)
        view.copy_(VIEWS[name](m, y * y))
        return base * x

    if name in ("expand", "expand_as", "broadcast_to", "unbind", "split", "split, sizes", "chunk"):
        with pytest.raises(RuntimeError, match=r"unsupported operation|modified inplace"):
            function(chainrule, chainrule.tensor(X, requires_grad=True), chainrule.tensor(Y))
    elif "overlapping" not in name:
        compare(real_torch, function, X, Y)


@pytest.mark.parametrize("name", COPIES)
def test_copy_beside_torch(real_torch: Any, name: str) -> None:
    compare(real_torch, COPIES[name], X)
    assert layout(chainrule, COPIES[name]) == layout(real_torch, COPIES[name])


def test_diag_of_a_matrix_is_a_copy(real_torch: Any) -> None:
    compare(real_torch, lambda m, x: m.diag(x, -1), X)
    assert not chainrule.diag(chainrule.tensor(X))._is_view()


def test_empty_inputs_beside_torch(real_torch: Any) -> None:
    empty = np.zeros((0, 3))
    cases: list[Function] = [
        lambda m, x: x.view(3, 0),
        lambda m, x: x.t().reshape(-1, 3),
        lambda m, x: x.flip(0),
        lambda m, x: x.roll(1, 0),
        lambda m, x: x.tril(),
        lambda m, x: x.repeat(2, 2),
        lambda m, x: m.cat([x, x]),
        lambda m, x: m.stack([x, x]),
        lambda m, x: x.chunk(2)[0],
        lambda m, x: x.split(2)[0],
        lambda m, x: x.diagonal(),
        lambda m, x: x[:, None],
    ]
    for case in cases:
        assert_same(
            case(chainrule, chainrule.tensor(empty)), case(real_torch, real_torch.tensor(empty))
        )


def test_large_copies_beside_torch(real_torch: Any) -> None:
    big = np.random.default_rng(2).uniform(-1, 1, (300, 401))
    cases: list[Function] = [
        lambda m, x: m.cat([x, x[:7], x]),
        lambda m, x: m.cat([x, x[:, :7]], 1),
        lambda m, x: m.cat([x.t(), x.t()], 1),
        lambda m, x: m.stack([x, x], 2),
        lambda m, x: x.tril(-3),
        lambda m, x: x.triu(17),
        lambda m, x: x.flip(1),
        lambda m, x: x.roll((31, -77), (0, 1)),
        lambda m, x: x.repeat(2, 3),
    ]
    for case in cases:
        assert_same(
            case(chainrule, chainrule.tensor(big)), case(real_torch, real_torch.tensor(big))
        )
