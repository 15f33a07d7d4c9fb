"""Reductions: values, dtypes, errors, and derivatives of every order, beside torch's."""

import math
from typing import Any

import pytest
from checks import AGAINST_TORCH, assert_close

import chainrule as torch

INF = float("inf")
NAN = float("nan")


def _numbers(*shape: int, seed: int = 0, step: int = 7919) -> list[Any]:
    """A nested list of different numbers in [-2, 2], the same in every run."""
    count = math.prod(shape)
    flat = [((i + seed + 1) * step % 997) / 249.25 - 2 for i in range(count)]
    for size in reversed(shape[1:]):
        flat = [flat[i : i + size] for i in range(0, len(flat), size)]
    return flat


# Each entry: the call as text, the nested list it is applied to.
_CUBE = _numbers(3, 4, 2)
_TIES = [[1.0, 3.0, 3.0], [3.0, -1.0, 2.0]]
_ZEROS = [[1.5, 0.0, -2.0, 0.5], [2.0, 3.0, -1.0, 0.5], [0.0, 2.0, 0.0, 1.0]]
_CALLS: list[tuple[str, Any]] = [
    *[(f"m.{name}(x)", _CUBE) for name in ("sum", "mean", "prod", "amax", "amin", "max", "min")],
    *[(f"m.{name}(x)", _CUBE) for name in ("var", "std", "norm", "median", "nansum")],
    *[(f"x.{name}(1)", _CUBE) for name in ("sum", "mean", "prod", "amax", "var", "std")],
    *[(f"x.{name}(-1, keepdim=True)", _CUBE) for name in ("sum", "mean", "prod", "amin", "std")],
    *[(f"x.{name}((0, 2))", _CUBE) for name in ("sum", "mean", "amax", "var", "logsumexp")],
    *[(f"x.permute(2, 0, 1)[:, ::2].{n}(0)", _CUBE) for n in ("sum", "amax", "var", "cumsum")],
    *[(f"x.{name}(1)[0]", _CUBE) for name in ("max", "min", "median")],
    ("x.max(2, keepdim=True)[0]", _CUBE),
    ("x.sum(dim=[])", _CUBE),
    ("x.expand(5, 3, 4, 2).mean((0, 2))", _CUBE),
    ("m.max(x, x * x)", _CUBE),
    ("x.var(0, correction=0)", _CUBE),
    ("x.std((0, 1), correction=0.5, keepdim=True)", _CUBE),
    ("x.var(0, False)", _CUBE),
    ("x.std(unbiased=False)", _CUBE),
    ("m.var_mean(x, 1)[0] + m.var_mean(x, 1)[1] ** 2", _CUBE),
    ("m.std_mean(x)[0] * m.std_mean(x)[1]", _CUBE),
    ("x.logsumexp(1)", _CUBE),
    ("x.logsumexp((0, 1, 2), keepdim=True)", _CUBE),
    ("x.cumsum(1)", _CUBE),
    ("x.cumprod(1)", _CUBE),
    *[(f"x.norm({p})", _CUBE) for p in ("1", "3", "2.5", "0.5", "float('inf')", "-1")],
    *[(f"x.norm({p}, 1)", _CUBE) for p in ("'fro'", "1", "3", "float('inf')", "float('-inf')")],
    ("x.norm(dim=(0, 1), keepdim=True)", _CUBE),
    *[(f"x.{name}()", _TIES) for name in ("max", "min", "amax", "amin", "median")],
    *[(f"x.{name}(1)", _TIES) for name in ("amax", "amin")],
    *[(f"x.{name}(1)[0]", _TIES) for name in ("max", "min")],
    ("x.norm(float('inf'))", _TIES),
    ("x.prod(1)", _ZEROS),
    ("x.prod(0)", _ZEROS),
    ("x.prod()", [2.0, 0.0, 3.0, -1.0]),
    ("x.prod()", [2.0, 0.0, 3.0, 0.0]),
    ("x.prod()", 3.0),
    ("x.cumprod(1)", _ZEROS),
    ("x.cumprod(0)", _ZEROS),
    ("x.norm(3, 1)", _ZEROS),
    ("x.norm(1)", _ZEROS),
    ("x.sum(0).max(0)[0]", 2.5),
    *[(f"x.{name}()", 2.5) for name in ("sum", "mean", "max", "norm", "median")],
    *[(f"x.{name}(0)", 2.5) for name in ("sum", "cumsum", "cumprod", "logsumexp", "prod")],
]


def _ramp(m: Any, like: Any, start: float) -> Any:
    """Numbers from `start` upwards in steps of 1/8, in the shape of `like`."""
    numbers = [start + i / 8 for i in range(like.numel())]
    return m.tensor(numbers, dtype=m.float64).reshape(like.shape)


def _derivatives(m: Any, text: str, data: Any) -> list[Any]:
    """Value, gradient, gradient of the gradient, and directional derivative."""
    x = m.tensor(data, dtype=m.float64, requires_grad=True)
    out = eval(text, {"m": m, "x": x})
    weights = _ramp(m, out, 0.5)
    (first,) = m.autograd.grad((out * weights).sum(), x, create_graph=True)
    found = [out.tolist(), first.tolist()]
    direction = _ramp(m, x, -1.0)
    if first.requires_grad:
        (second,) = m.autograd.grad((first * direction).sum(), x, allow_unused=True)
        found.append(None if second is None else (second + 0).tolist())
    else:
        found.append(None)
    with m.autograd.forward_ad.dual_level():
        dual = m.autograd.forward_ad.make_dual(x.detach(), direction)
        result = eval(text, {"m": m, "x": dual})
        found.append((m.autograd.forward_ad.unpack_dual(result).tangent + 0).tolist())
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch: its forward mode asks torch.jit
@pytest.mark.parametrize(("text", "data"), _CALLS)
def test_values_and_derivatives_are_those_of_torch(text: str, data: Any, real_torch: Any) -> None:
    expected, got = (_derivatives(m, text, data) for m in (real_torch, torch))
    for mine, theirs in zip(got, expected, strict=True):
        zero = 0.0 if theirs is None else None  # torch may have no graph where the result is 0
        if theirs is None or mine is None:
            known = theirs if mine is None else mine
            if known is not None:
                flat = torch.tensor(known, dtype=torch.float64).reshape(-1).tolist()
                assert all(v == 0 or v != v for v in flat), (mine, theirs, zero)
            continue
        assert_close(torch.tensor(mine, dtype=torch.float64), theirs, 1e-9, 1e-9)


def test_layouts_give_the_same_as_a_dense_copy() -> None:
    base = torch.tensor(_numbers(6, 5, 40), dtype=torch.float64)
    views = [
        base.permute(2, 0, 1), base.permute(1, 2, 0)[::2], base[:, 1:4, ::3], base.transpose(0, 2),
        base[:, :1].expand(6, 9, 40), base[1], base[:, 2, 3],
    ]  # fmt: skip
    for view in views:
        dense = view.clone().contiguous()
        for dim in [None, *range(view.dim()), tuple(range(0, view.dim(), 2))]:
            for name in ("sum", "mean", "amax", "var", "norm", "any", "count_nonzero"):
                how = {} if dim is None else {"dim": dim}
                got, expected = getattr(view, name)(**how), getattr(dense, name)(**how)
                assert_close(got, expected, 1e-12, 1e-12)


def test_long_folds_are_accurate() -> None:
    ones = torch.full((3_000_001,), 0.1, dtype=torch.float32)
    exact = 0.1 * 3_000_001
    assert ones.sum().item() == pytest.approx(exact, rel=2e-7)
    assert ones.mean().item() == pytest.approx(0.1, rel=2e-7)
    tall = ones[:3_000_000].reshape(1_000_000, 3)
    assert_close(tall.sum(0), [exact / 3] * 3, 2e-7, 0)
    far = torch.tensor([1e6 + i % 7 for i in range(20_000)], dtype=torch.float64)
    assert far.var().item() == pytest.approx(4.0002, rel=1e-4)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    x = torch.tensor(_numbers(400, 500), dtype=torch.float32)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append([x.sum().item(), x.var().item(), x.sum(0).tolist(), x.norm(1).item()])
        if not AGAINST_TORCH:
            assert found[0] == found[1] == found[2]
    finally:
        torch.set_num_threads(before)


def test_integers_and_bool() -> None:
    x = torch.tensor([[1, -2, 3], [0, 5, 5]])
    assert x.sum().dtype == x.prod().dtype == x.cumsum(0).dtype == torch.int64
    assert x.sum(1).tolist() == [2, 10] and x.prod(1).tolist() == [-6, 0]
    assert x.max().item() == 5 and x.amin(0).tolist() == [0, -2, 3]
    assert x.max(1).indices.tolist() == [2, 1] and x.argmin().item() == 1
    assert x.median().item() == 1 and x.cumprod(1).tolist() == [[1, -2, -6], [0, 0, 0]]
    mask = x > 0
    assert mask.sum().item() == 4 and mask.sum().dtype == torch.int64
    assert mask.any().item() is True and mask.all(1).tolist() == [False, False]
    assert mask.max(0).values.tolist() == [True, True, True]
    assert x.sum(dtype=torch.float32).dtype == x.mean(dtype=torch.float32).dtype == torch.float32
    assert mask.count_nonzero(0).tolist() == [1, 1, 2]
    assert (x == 7).any(dim=(0, 1)).item() is False


def test_nan_and_infinities() -> None:
    x = torch.tensor([[1.0, NAN, 3.0], [INF, 2.0, -INF], [-INF, -INF, -INF]])
    assert_close(x.amax(1), [NAN, INF, -INF])
    assert_close(x.min(1).values, [NAN, -INF, -INF])
    assert x.argmax(1).tolist() == [1, 0, 0] and x.argmin(1).tolist() == [1, 2, 0]
    assert x.max().isnan().item() and x.argmax().item() == 1
    assert_close(x.logsumexp(1), [NAN, INF, -INF])
    assert_close(x[:2, :2].nansum(0), [INF, 2.0])
    assert_close(x.median(1).values, [NAN, 2.0, -INF])
    assert x.median(1).indices[0].item() == 1
    assert x.isnan().any(1).tolist() == [True, False, False]
    assert torch.tensor([NAN, 1.0]).all().item() is True


def test_gradient_is_zero_where_norm_and_deviation_are() -> None:
    for name in ("norm", "std"):
        x = torch.zeros(2, 3, requires_grad=True)
        getattr(x, name)(dim=1).sum().backward()
        assert x.grad is not None and x.grad.tolist() == [[0.0] * 3] * 2


def test_gradient_of_a_sum_takes_no_memory() -> None:
    x = torch.ones(4, 5, requires_grad=True)
    seen: list[Any] = []
    y = x * 1
    y.register_hook(lambda grad: seen.append(grad.stride()))
    y.sum().backward()
    assert seen == [(0, 0)]


def test_reductions_of_nothing() -> None:
    e = torch.zeros(0, 3)
    assert e.sum().item() == 0 and e.prod(0).tolist() == [1, 1, 1] and e.sum(1).shape == (0,)
    assert (
        math.isnan(e.mean().item()) and e.all().item() is True and e.any(0).tolist() == [False] * 3
    )
    assert_close(e.mean(0), [NAN] * 3)
    assert e.logsumexp(0).tolist() == [-INF] * 3
    assert e.amax(1).shape == e.argmax(1).shape == e.max(1).values.shape == (0,)
    assert e.norm().item() == 0 and math.isnan(e.median().item())
    assert e.cumsum(0).shape == (0, 3)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("e.amax()", RuntimeError, "amax(): Expected reduction dim to be specified"),
        ("e.amax(0)", IndexError, "amax(): Expected reduction dim 0 to have non-zero size."),
        ("e.max()", RuntimeError, "max(): Expected reduction dim to be specified"),
        ("e.max(0)", IndexError, "max(): Expected reduction dim 0 to have non-zero size."),
        ("e.argmax()", IndexError, "argmax(): Expected reduction dim to be specified"),
        ("e.median(0)", IndexError, "median(): Expected reduction dim 0 to have non-zero size."),
        ("e.norm(float('inf'))", RuntimeError, "linalg.vector_norm cannot compute the inf norm"),
        ("x.sum((0, -2))", RuntimeError, "dim 0 appears multiple times in the list of dims"),
        ("x.sum(2)", IndexError, "Dimension out of range (expected to be in range of [-2, 1]"),
        ("x.argmax(-3)", IndexError, "Dimension out of range"),
        ("x.cumsum(2)", IndexError, "Dimension out of range"),
        ("x.long().mean()", RuntimeError, "mean(): could not infer output dtype. Input dtype must"),
        ("x.mean(dtype=torch.int64)", RuntimeError, "mean(): could not infer output dtype. Opt"),
        ("x.long().std()", RuntimeError, "std and var only support floating point and complex"),
        ("x.long().norm()", RuntimeError, "linalg.vector_norm: Expected a floating point or"),
        ("x.bool().argmax()", RuntimeError, "argmax(): does not support bool input"),
        ("x.norm('bad')", RuntimeError, "linalg.matrix_norm: Order bad not supported."),
        ("x.sum(1.5)", TypeError, "sum()"),
    ],
)
def test_errors_begin_as_those_of_torch(text: str, kind: type, message: str) -> None:
    names = {"torch": torch, "e": torch.zeros(0, 3), "x": torch.ones(2, 3)}
    with pytest.raises(kind) as caught:
        eval(text, names)
    assert str(caught.value).startswith(message)
