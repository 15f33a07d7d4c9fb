"""Arithmetic on tensors: broadcasting, in-place forms, reductions, products."""

import math

import pytest
from checks import assert_close

import chainrule as torch
from chainrule.nn import functional

SHAPES = [
    ((3,), (3,), (3,)),
    ((2, 3), (3,), (2, 3)),
    ((2, 1), (1, 3), (2, 3)),
    ((2, 3), (), (2, 3)),
    ((), (), ()),
    ((4, 1, 3), (2, 1), (4, 2, 3)),
    ((0,), (1,), (0,)),
    ((2, 0), (1, 1), (2, 0)),
    ((1, 1, 1), (2,), (1, 1, 2)),
    ((5, 2, 3, 1, 2), (3, 4, 1), (5, 2, 3, 4, 2)),
]


def ramp(shape, start=0.5):
    """Distinct positive values."""
    return (torch.arange(float(math.prod(shape))) * 0.25 + start).view(shape)


@pytest.mark.parametrize(("left", "right", "result"), SHAPES)
def test_broadcasting(left, right, result):
    a, b = ramp(left), ramp(right, 2.0)
    out = a * b - b
    assert tuple(out.shape) == result
    wide_a, wide_b = a.expand(result).flatten().tolist(), b.expand(result).flatten().tolist()
    expected = [x * y - y for x, y in zip(wide_a, wide_b, strict=True)]
    assert_close(out.flatten(), expected)


@pytest.mark.parametrize("shape", [(7,), (3, 5), (1, 33), (130,), (65, 67), (2, 3, 4, 5)])
def test_every_length_and_layout_gives_the_same_values(shape):
    """Kernels work in vectors: remainders and strides must not matter."""
    a = ramp(shape, 0.1)
    flat = a.flatten().tolist()
    assert_close((a * 2 + 1).sqrt().flatten(), [math.sqrt(v * 2 + 1) for v in flat], rtol=1e-6)
    if len(shape) > 1:
        across = a.transpose(0, -1)
        assert_close((across * 2).exp().transpose(0, -1), (a * 2).exp())
        assert_close((a + across.transpose(0, -1)), a * 2)
    gaps = torch.zeros(*shape, 2)
    gaps[..., 0] = a
    assert_close(gaps[..., 0].tanh(), a.tanh())
    assert_close(gaps[..., 0] * a, a * a)


IN_PLACE = {
    "add_": lambda t: t.add_(2),
    "add_ alpha": lambda t: t.add_(torch.ones(3), alpha=3),
    "sub_": lambda t: t.sub_(torch.ones(3)),
    "mul_": lambda t: t.mul_(0.5),
    "div_": lambda t: t.div_(2),
    "pow_": lambda t: t.pow_(2),
    "neg_": lambda t: t.neg_(),
    "abs_": lambda t: t.abs_(),
    "exp_": lambda t: t.exp_(),
    "log_": lambda t: t.log_(),
    "sqrt_": lambda t: t.sqrt_(),
    "rsqrt_": lambda t: t.rsqrt_(),
    "reciprocal_": lambda t: t.reciprocal_(),
    "sin_": lambda t: t.sin_(),
    "cos_": lambda t: t.cos_(),
    "tan_": lambda t: t.tan_(),
    "tanh_": lambda t: t.tanh_(),
    "sigmoid_": lambda t: t.sigmoid_(),
    "relu_": lambda t: t.relu_(),
    "clamp_": lambda t: t.clamp_(0.5, 1.5),
    "floor_": lambda t: t.floor_(),
    "round_": lambda t: t.round_(),
    "square_": lambda t: t.square_(),
    "remainder_": lambda t: t.remainder_(0.75),
    "masked_fill_": lambda t: t.masked_fill_(t > 1, 0.25),
    "atan2_": lambda t: t.atan2_(torch.ones(3)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_form_agrees_with_the_pure_form_and_its_gradient(name):
    values = [0.4, 1.1, 1.7]
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y = x * 1
    assert IN_PLACE[name](y) is y
    y.sum().backward()
    pure = name.split()[0].removesuffix("_")
    z = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    arguments = {
        "add_ alpha": ((torch.ones(3),), {"alpha": 3}),
        "add_": ((2,), {}),
        "sub_": ((torch.ones(3),), {}),
        "mul_": ((0.5,), {}),
        "div_": ((2,), {}),
        "pow_": ((2,), {}),
        "clamp_": ((0.5, 1.5), {}),
        "remainder_": ((0.75,), {}),
        "masked_fill_": ((z > 1, 0.25), {}),
        "atan2_": ((torch.ones(3),), {}),
    }.get(name, ((), {}))
    out = getattr(z, pure)(*arguments[0], **arguments[1])
    assert_close(y, out)
    out.sum().backward()
    assert_close(x.grad, z.grad)


def test_augmented_assignment():
    t = torch.tensor([4.0, 6.0])
    alias = t
    t += 1
    t -= 2
    t *= 3
    t /= 2
    t **= 2
    assert alias is t
    assert t.tolist() == [20.25, 56.25]
    t //= 4
    t %= 4
    assert t.tolist() == [1.0, 2.0]
    mask = torch.tensor([True, False])
    mask &= torch.tensor([True, True])
    mask |= torch.tensor([False, True])
    mask ^= torch.tensor([True, True])
    assert mask.tolist() == [False, False]


REDUCTIONS = {
    "sum": lambda t: t.sum(),
    "sum 0": lambda t: t.sum(0),
    "sum -1 keepdim": lambda t: t.sum(-1, keepdim=True),
    "sum of two": lambda t: t.sum((0, 2)),
    "sum of none": lambda t: t.sum(dim=()),
    "mean": lambda t: t.mean(),
    "mean 1": lambda t: t.mean(1),
    "mean of two keepdim": lambda t: t.mean((1, 2), keepdim=True),
    "prod": lambda t: t.prod(),
    "prod 1": lambda t: t.prod(1),
    "amax": lambda t: t.amax(),
    "amax of two": lambda t: t.amax((0, 1)),
    "amin 1 keepdim": lambda t: t.amin(1, keepdim=True),
    "max": lambda t: t.max(),
    "max 1": lambda t: t.max(1)[0],
    "max indices": lambda t: t.max(dim=2).indices,
    "min values": lambda t: t.min(0).values,
    "argmax": lambda t: t.argmax(),
    "argmax 1": lambda t: t.argmax(1),
    "argmin keepdim": lambda t: t.argmin(2, keepdim=True),
    "var": lambda t: t.var(),
    "var 1 population": lambda t: t.var(1, unbiased=False),
    "var correction": lambda t: t.var(2, correction=0, keepdim=True),
    "std": lambda t: t.std(),
    "std of two": lambda t: t.std((0, 1)),
    "logsumexp": lambda t: t.logsumexp(1),
    "logsumexp of two": lambda t: t.logsumexp((0, 2)),
    "cumsum": lambda t: t.cumsum(1),
    "cumsum last": lambda t: t.cumsum(-1),
    "norm": lambda t: t.norm(2),
    "norm of a row": lambda t: t.norm(2, dim=1),
    "all": lambda t: (t > 0).all(),
    "any 0": lambda t: (t > 2).any(0),
    "softmax": lambda t: t.softmax(1),
    "softmax last": lambda t: t.softmax(-1),
    "log_softmax": lambda t: t.log_softmax(0),
}


def sample(module, permuted=False):
    """The same 3×4×5 values for either module; permuted: with mixed strides."""
    values = [math.sin(7.3 * k) * 2 for k in range(60)]
    t = module.tensor(values, dtype=module.float64).view(3, 4, 5)
    return t.permute(2, 0, 1).contiguous().permute(1, 2, 0) if permuted else t


@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_agree_with_torch(real_torch, name, permuted):
    got, expected = REDUCTIONS[name](sample(torch, permuted)), REDUCTIONS[name](sample(real_torch))
    assert tuple(got.shape) == tuple(expected.shape)
    assert str(got.dtype) == str(expected.dtype)
    assert_close(got, expected.tolist(), rtol=1e-12)


@pytest.mark.parametrize(
    "name", [n for n in REDUCTIONS if not n.startswith(("arg", "any", "all", "max ind"))]
)
def test_gradients_of_reductions_agree_with_torch(real_torch, name):
    grads = []
    for module in (torch, real_torch):
        x = sample(module).clone().requires_grad_()
        out = REDUCTIONS[name](x)
        weight = module.arange(1.0, out.numel() + 1, dtype=module.float64).view(out.shape)
        (out * weight).sum().backward()
        grads.append(x.grad)
    assert_close(grads[0], grads[1].tolist(), rtol=1e-10)


def test_reductions_by_hand():
    t = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert t.sum().item() == 21.0
    assert t.sum(0).tolist() == [5.0, 7.0, 9.0]
    assert t.mean(1, keepdim=True).tolist() == [[2.0], [5.0]]
    assert t.prod(1).tolist() == [6.0, 120.0]
    assert t.max(1).indices.tolist() == [2, 2]
    assert t.cumsum(1).tolist() == [[1.0, 3.0, 6.0], [4.0, 9.0, 15.0]]
    assert_close(t.var(1), [1.0, 1.0])
    assert_close(t.norm(2), math.sqrt(91))
    assert t.argmax().item() == 5
    assert (t > 0).all().item() is True
    assert (t > 5).any(1).tolist() == [False, True]


def test_reductions_of_empty_tensors():
    e = torch.ones(0, 3)
    assert e.sum().item() == 0.0
    assert e.prod().item() == 1.0
    assert math.isnan(e.mean().item())
    assert e.sum(0).tolist() == [0.0, 0.0, 0.0]
    assert e.sum(1).shape == (0,)
    assert e.amax(1).shape == (0,)
    assert e.max(1)[1].shape == (0,)
    assert e.logsumexp(0).tolist() == [-math.inf] * 3
    assert e.cumsum(0).shape == (0, 3)
    assert e.all().item() is True
    assert e.any().item() is False


def test_reductions_propagate_nan():
    t = torch.tensor([1.0, math.nan, 3.0])
    for name in ("sum", "mean", "prod", "max", "min", "amax", "amin", "std", "var"):
        assert math.isnan(getattr(t, name)().item()), name
    assert t.argmax().item() == 1
    assert t.argmin().item() == 1
    assert math.isnan(t.max(0)[0].item())
    assert t.max(0)[1].item() == 1


def test_sum_of_many_floats_is_accurate():
    assert abs(torch.full((1_000_000,), 0.1).sum().item() - 100_000) < 1.0
    alternating = torch.tensor([1e8, 1.0, -1e8, 1.0]).double().sum().item()
    assert alternating == 2.0


PRODUCTS = [
    ((3,), (3,), ()),
    ((2, 3), (3,), (2,)),
    ((3,), (3, 4), (4,)),
    ((2, 3), (3, 4), (2, 4)),
    ((5, 2, 3), (3, 4), (5, 2, 4)),
    ((5, 2, 3), (5, 3, 4), (5, 2, 4)),
    ((5, 1, 2, 3), (6, 3, 4), (5, 6, 2, 4)),
    ((2, 3), (5, 3, 4), (5, 2, 4)),
    ((5, 2, 3), (3,), (5, 2)),
    ((0, 3), (3, 4), (0, 4)),
    ((2, 0), (0, 4), (2, 4)),
    ((70, 65), (65, 33), (70, 33)),
]


@pytest.mark.parametrize(("left", "right", "result"), PRODUCTS)
def test_matmul_and_its_gradients(left, right, result):
    a = ramp(left).double().requires_grad_()
    b = ramp(right, -1.0).double().requires_grad_()
    out = a @ b
    assert tuple(out.shape) == result
    rows = a.unsqueeze(0) if a.dim() == 1 else a
    columns = b.unsqueeze(1) if b.dim() == 1 else b
    by_sums = (rows.unsqueeze(-1) * columns.unsqueeze(-3)).sum(-2)
    expected_grads = torch.autograd.grad((by_sums * by_sums).sum(), [a, b])
    assert_close(out.flatten(), by_sums.flatten(), rtol=1e-10)
    grads = torch.autograd.grad((out * out).sum(), [a, b])
    for got, expected in zip(grads, expected_grads, strict=True):
        assert_close(got, expected, rtol=1e-9)


def test_matmul_of_transposed_and_strided_operands():
    a, b = ramp((4, 6)), ramp((4, 5), -2.0)
    expected = (a.t().contiguous() @ b).tolist()
    assert_close(a.t() @ b, expected)
    gaps = torch.zeros(4, 12)
    gaps[:, ::2] = a
    assert_close(gaps[:, ::2].t() @ b, expected)
    assert_close((b.t() @ a).t(), expected)
    row = ramp((6,))
    assert_close(a.expand(4, 6) @ row.expand(6, 6).t(), (a @ row.unsqueeze(1)).expand(4, 6))


def test_products_by_name():
    a, b, v = ramp((2, 3)), ramp((3, 4)), ramp((3,))
    expected = (a @ b).tolist()
    assert_close(torch.mm(a, b), expected)
    assert_close(torch.matmul(a, b), expected)
    assert_close(a.mm(b), expected)
    assert_close(torch.mv(a, v), (a @ v).tolist())
    assert_close(torch.dot(v, v), (v * v).sum().tolist())
    assert_close(torch.bmm(a.unsqueeze(0), b.unsqueeze(0))[0], expected)
    bias = ramp((4,))
    assert_close(torch.addmm(bias, a, b, beta=2, alpha=3), (bias * 2 + (a @ b) * 3).tolist())
    assert_close(functional.linear(a, b.t(), bias), (a @ b + bias).tolist())
    assert torch.tensor([[1, 2], [3, 4]]).mm(torch.tensor([[5], [6]])).tolist() == [[17], [39]]


UNARY = {
    "neg": (lambda v: -v, -3, 3), "abs": (abs, -3, 3), "exp": (math.exp, -20, 20),
    "expm1": (math.expm1, -3, 3), "log": (math.log, 1e-3, 50), "log1p": (math.log1p, -0.9, 9),
    "sqrt": (math.sqrt, 0, 9), "rsqrt": (lambda v: v**-0.5, 0.1, 9),
    "reciprocal": (lambda v: 1 / v, 0.1, 9), "square": (lambda v: v * v, -3, 3),
    "sin": (math.sin, -30, 30), "cos": (math.cos, -30, 30), "tan": (math.tan, -1.4, 1.4),
    "asin": (math.asin, -1, 1), "acos": (math.acos, -1, 1), "atan": (math.atan, -9, 9),
    "sinh": (math.sinh, -4, 4), "cosh": (math.cosh, -4, 4), "tanh": (math.tanh, -9, 9),
    "sigmoid": (lambda v: 1 / (1 + math.exp(-v)), -20, 20), "relu": (lambda v: max(v, 0.0), -3, 3),
    "erf": (math.erf, -3, 3), "floor": (math.floor, -3, 3), "ceil": (math.ceil, -3, 3),
    "round": (round, -3, 3), "trunc": (math.trunc, -3, 3),
    "sign": (lambda v: (v > 0) - (v < 0), -3, 3),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_are_accurate(name, dtype):
    function, low, high = UNARY[name]
    x = torch.linspace(low, high, 203, dtype=getattr(torch, dtype))
    rtol, atol = (2e-6, 1e-6) if dtype == "float32" else (1e-13, 1e-14)
    assert_close(getattr(torch, name)(x), [float(function(v)) for v in x.tolist()], rtol, atol)


@pytest.mark.parametrize("name", [*UNARY, "isnan", "isinf", "isfinite", "logical_not"])
def test_unary_functions_of_special_values_agree_with_torch(real_torch, name):
    values = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, -1e-45, 3.4e38, -3.4e38, 0.5, -1.0]
    for dtype in ("float32", "float64"):
        got = getattr(torch, name)(torch.tensor(values, dtype=getattr(torch, dtype)))
        theirs = getattr(real_torch, name)(
            real_torch.tensor(values, dtype=getattr(real_torch, dtype))
        )
        assert_close(got, theirs.tolist(), rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("name", ["pow", "atan2", "remainder", "floor_divide", "maximum", "div"])
def test_binary_functions_of_special_values_agree_with_torch(real_torch, name):
    values = [0.0, -0.0, math.inf, -math.inf, math.nan, 2.0, -3.0, 0.5]
    for dtype in ("float32", "float64"):
        outs = []
        for module in (torch, real_torch):
            v = module.tensor(values, dtype=getattr(module, dtype))
            outs.append(getattr(module, name)(v.unsqueeze(1), v.unsqueeze(0)))
        assert_close(outs[0], outs[1].tolist(), rtol=1e-6)


def test_rounding_is_to_even():
    t = torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997])
    assert t.round().tolist() == [-2.0, -0.0, 0.0, 2.0, 2.0, 0.0]


def test_losses_by_hand():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], requires_grad=True)
    target = torch.tensor([1, 2])
    loss = functional.cross_entropy(logits, target)
    rows = [[math.exp(v) for v in row] for row in logits.tolist()]
    expected = -sum(math.log(r[k] / sum(r)) for r, k in zip(rows, (1, 2), strict=True)) / 2
    assert_close(loss, expected)
    assert_close(functional.nll_loss(logits.log_softmax(1), target), expected)
    loss.backward()
    assert_close(
        logits.grad,
        [
            [(r[j] / sum(r) - (j == k)) / 2 for j in range(3)]
            for r, k in zip(rows, (1, 2), strict=True)
        ],
    )
    a, b = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 5.0])
    assert functional.mse_loss(a, b).item() == 2.5
    assert functional.mse_loss(a, b, reduction="sum").item() == 5.0
    assert functional.mse_loss(a, b, reduction="none").tolist() == [1.0, 4.0]


def test_softmax_is_stable():
    t = torch.tensor([1000.0, 1000.0, -1000.0])
    assert t.softmax(0).tolist() == [0.5, 0.5, 0.0]
    assert_close(t.log_softmax(0), [-math.log(2), -math.log(2), -2000.6931])
    assert torch.tensor([1000.0, 0.0]).logsumexp(0).item() == 1000.0
    assert torch.tensor([-1000.0, 1000.0]).sigmoid().tolist() == [0.0, 1.0]


def test_embedding():
    weight = torch.arange(6.0).view(3, 2).requires_grad_()
    out = functional.embedding(torch.tensor([[2, 0], [2, 2]]), weight)
    assert out.tolist() == [[[4.0, 5.0], [0.0, 1.0]], [[4.0, 5.0], [4.0, 5.0]]]
    out.sum().backward()
    assert weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [3.0, 3.0]]


def test_dropout_scales_what_it_keeps():
    torch.manual_seed(0)
    x = torch.ones(1000, requires_grad=True)
    out = functional.dropout(x, 0.25)
    assert {round(v, 4) for v in out.tolist()} == {0.0, 1.3333}
    assert 180 < sum(v == 0 for v in out.tolist()) < 320
    out.sum().backward()
    assert_close(x.grad, out.detach())
    assert functional.dropout(x, 0.25, training=False).tolist() == [1.0] * 1000
    assert functional.dropout(x, 1.0).sum().item() == 0.0
