"""Tensors without elements go through every operator and its gradient."""

import pytest

import chainrule as torch
from chainrule.nn import functional

POINTWISE = [
    "neg", "abs", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "square", "sin",
    "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "relu", "erf", "sign",
    "floor", "ceil", "round", "trunc", "isnan", "isinf", "isfinite", "logical_not", "clone",
]  # fmt: skip
BINARY = [
    "add", "sub", "mul", "div", "pow", "maximum", "minimum", "atan2", "remainder", "floor_divide",
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor",
]  # fmt: skip


@pytest.mark.parametrize("name", [*POINTWISE, *BINARY, "gelu", "silu", "softplus", "leaky_relu"])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3, 0)])
def test_empty_tensors_go_through_every_pointwise_operator(name, shape):
    x = torch.ones(shape, requires_grad=True)
    function = getattr(torch, name, None) or getattr(functional, name)
    out = function(x, x) if name in BINARY else function(x)
    assert tuple(out.shape) == shape
    if out.requires_grad and name != "floor_divide":
        out.sum().backward()
        assert tuple(x.grad.shape) == shape


EMPTY = {
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "cumsum": lambda x: x.cumsum(0),
    "sum": lambda x: x.sum(0),
    "prod": lambda x: x.prod(1),
    "amax": lambda x: x.amax(1),
    "max": lambda x: x.max(1)[0],
    "logsumexp": lambda x: x.logsumexp(1),
    "norm": lambda x: x.norm(2),
    "matmul": lambda x: x @ torch.ones(3, 4),
    "linear": lambda x: functional.linear(x, torch.ones(4, 3), torch.ones(4)),
    "inner": lambda x: x.t() @ x,
    "cat": lambda x: torch.cat([x, x]),
    "stack": lambda x: torch.stack([x, x]),
    "index": lambda x: x[:, [0, 1]],
    "mask": lambda x: x[x > 0],
    "index_select": lambda x: x.index_select(1, torch.tensor([2])),
    "gather": lambda x: x.gather(1, torch.zeros(0, 2, dtype=torch.int64)),
    "where": lambda x: torch.where(x > 0, x, -x),
    "masked_fill": lambda x: x.masked_fill(x > 0, 1.0),
    "clamp": lambda x: x.clamp(0, 1),
    "triu": lambda x: x.triu(),
    "mse_loss": lambda x: functional.mse_loss(x, x, reduction="sum"),
    "dropout": lambda x: functional.dropout(x, 0.5),
    "embedding": lambda x: functional.embedding(torch.zeros(0, dtype=torch.int64), x.t()),
    "expand": lambda x: x.expand(2, 0, 3),
    "contiguous": lambda x: x.t().contiguous(),
    "double": lambda x: x.double(),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_tensors_go_through_every_structured_operator(name):
    x = torch.ones(0, 3, requires_grad=True)
    EMPTY[name](x).sum().backward()
    assert tuple(x.grad.shape) == (0, 3)
