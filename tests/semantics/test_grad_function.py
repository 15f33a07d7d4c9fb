"""`autograd.grad`: its arguments, and derivatives of any order."""

import math

import pytest
from checks import assert_close

import chainrule as torch
from chainrule.autograd import grad
from chainrule.nn import functional

pytestmark = pytest.mark.filterwarnings("ignore:Using backward")


def scalar(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def test_returns_a_tuple_and_leaves_grad_alone():
    x, w = scalar([1.0, 2.0]), scalar([3.0, 4.0])
    got = grad((x * w).sum(), [x, w])
    assert isinstance(got, tuple)
    assert [g.tolist() for g in got] == [[3.0, 4.0], [1.0, 2.0]]
    assert x.grad is None
    assert w.grad is None


def test_takes_a_single_tensor_or_a_sequence():
    x = scalar([1.0, 2.0])
    for outputs, inputs in (((x * 2).sum(), x), ([(x * 2).sum()], (x,)), (((x * 2).sum(),), [x])):
        assert grad(outputs, inputs)[0].tolist() == [2.0, 2.0]


def test_gradient_of_a_non_leaf():
    x = scalar([1.0, 2.0])
    y = x * 3
    (of_y, of_x) = grad((y * y).sum(), [y, x])
    assert of_y.tolist() == [6.0, 12.0]
    assert of_x.tolist() == [18.0, 36.0]


def test_gradient_with_respect_to_one_output_of_a_node():
    x = torch.arange(4.0).requires_grad_()
    a, b = x.split(2)
    (of_b,) = grad((a * 2 + b * 5).sum(), b)
    assert of_b.tolist() == [5.0, 5.0]


def test_same_input_twice():
    x = scalar([1.0])
    first, second = grad(x * 4, [x, x])
    assert first.tolist() == second.tolist() == [4.0]


def test_input_that_is_the_output():
    x = scalar(1.0)
    y = x * 2
    assert [g.item() for g in grad(y, [y, x])] == [1.0, 2.0]


def test_grad_outputs_weigh_the_outputs():
    x = scalar([1.0, 2.0])
    (got,) = grad(x * x, x, grad_outputs=torch.tensor([1.0, 10.0], dtype=torch.float64))
    assert got.tolist() == [2.0, 40.0]
    (got,) = grad([x * 2, x.sum()], x, grad_outputs=[torch.ones(2, dtype=torch.float64), None])
    assert got.tolist() == [3.0, 3.0]


def test_grad_outputs_of_a_wrong_shape_raise():
    x = scalar([1.0, 2.0])
    with pytest.raises(RuntimeError, match="Mismatch in shape: grad_output\\[0\\] has a shape of"):
        grad(x * 2, x, grad_outputs=torch.ones(3))


def test_output_without_a_graph_raises():
    x = scalar(1.0)
    with pytest.raises(
        RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"
    ):
        grad(torch.ones(1), x)
    with pytest.raises(
        RuntimeError, match="One of the differentiated Tensors does not require grad"
    ):
        grad(x * 2, torch.ones(1))


def test_only_the_needed_part_of_the_graph_runs():
    x, w = scalar([1.0]), scalar([2.0])
    branch = w * 2
    ran = []
    branch.grad_fn.register_hook(lambda i, o: ran.append(1))
    grad((x * branch).sum(), x)
    assert ran == []


def test_retain_graph():
    x = scalar(2.0)
    y = x**3
    assert grad(y, x, retain_graph=True)[0].item() == 12.0
    assert grad(y, x)[0].item() == 12.0
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        grad(y, x)


def test_derivatives_up_to_the_fourth_order():
    x = scalar(2.0)
    value = x**4
    expected = [4 * 8.0, 12 * 4.0, 24 * 2.0, 24.0]
    for number in expected:
        (value,) = grad(value, x, create_graph=True)
        assert value.item() == number


def test_without_create_graph_the_result_is_a_constant():
    x = scalar(2.0)
    (first,) = grad(x**3, x)
    assert not first.requires_grad
    with pytest.raises(RuntimeError, match="does not require grad"):
        grad(first, x)


THIRD_ORDER = {
    "sin": (lambda x: x.sin(), lambda v: -math.cos(v)),
    "exp": (lambda x: x.exp(), math.exp),
    "log": (lambda x: x.log(), lambda v: 2 / v**3),
    "tanh": (lambda x: x.tanh(), lambda v: (1 - math.tanh(v) ** 2) * (6 * math.tanh(v) ** 2 - 2)),
    "sqrt": (lambda x: x.sqrt(), lambda v: 3 / 8 * v**-2.5),
    "reciprocal": (lambda x: 1 / x, lambda v: -6 / v**4),
    "x * x * x": (lambda x: x * x * x, lambda v: 6.0),
    "pow": (lambda x: x**2.5, lambda v: 2.5 * 1.5 * 0.5 * v**-0.5),
    "sigmoid": (
        lambda x: x.sigmoid(),
        lambda v: (s := 1 / (1 + math.exp(-v))) * (1 - s) * (1 - 6 * s + 6 * s * s),
    ),
    "square of sum": (lambda x: (x * x).sum() ** 2, lambda v: 24 * v),
    "matmul": (lambda x: (x.view(1, 1) @ x.view(1, 1) @ x.view(1, 1)).sum(), lambda v: 6.0),
}


@pytest.mark.parametrize("name", THIRD_ORDER)
def test_third_derivative(name):
    function, expected = THIRD_ORDER[name]
    x = scalar(0.7)
    value = function(x)
    for _ in range(3):
        (value,) = grad(value, x, create_graph=True)
    assert math.isclose(value.item(), expected(0.7), rel_tol=1e-9)


def test_backward_with_create_graph_and_a_second_backward():
    x = scalar([1.0, 2.0])
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_gradient_penalty():
    w = scalar([1.0, 2.0])
    x = scalar([0.5, -1.0])
    (of_x,) = grad((w * w * x).sum(), x, create_graph=True)
    (of_x**2).sum().backward()  # Σ w⁴
    assert w.grad.tolist() == [4.0, 32.0]


def test_mixed_second_derivative_is_symmetric():
    x, y = scalar(0.3), scalar(0.8)
    value = (x * y).sin() * x.exp()
    (of_x, of_y) = grad(value, [x, y], create_graph=True)
    xy = grad(of_x, y, retain_graph=True)[0].item()
    yx = grad(of_y, x)[0].item()
    assert math.isclose(xy, yx, rel_tol=1e-12)


def test_hessian_vector_product():
    x = scalar([1.0, 2.0, 3.0])
    v = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
    (first,) = grad((x**3).sum() + x[0] * x[2], x, create_graph=True)
    (product,) = grad((first * v).sum(), x)
    assert_close(product, [6.0 - 1.0, 0.0, -18.0 + 1.0])


def test_double_backward_through_grad_outputs_gives_the_forward_product():
    x = scalar([1.0, 2.0])
    v = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (vjp,) = grad(x**2, x, grad_outputs=v, create_graph=True)
    (jvp,) = grad(vjp, v, grad_outputs=torch.tensor([1.0, 10.0], dtype=torch.float64))
    assert jvp.tolist() == [2.0, 40.0]


SECOND_ORDER = {
    "sum": lambda x: x.sum(1).exp(),
    "mean": lambda x: x.mean(0) ** 2,
    "prod": lambda x: x.prod(1),
    "logsumexp": lambda x: x.logsumexp(1),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(0),
    "norm": lambda x: x.norm(2),
    "cumsum": lambda x: x.cumsum(1) ** 2,
    "max": lambda x: x.max(1)[0] ** 3,
    "matmul": lambda x: x @ x.t(),
    "index": lambda x: x[[0, 0, 1]] ** 3,
    "slice": lambda x: x[:, 1:] ** 3,
    "gather": lambda x: x.gather(1, torch.tensor([[0, 2], [1, 1]])) ** 3,
    "cat": lambda x: torch.cat([x, x * x]) ** 2,
    "stack": lambda x: torch.stack([x, x.sin()]) ** 2,
    "where": lambda x: torch.where(x > 0.5, x**3, x.sin()),
    "clamp": lambda x: x.clamp(0.3, 0.9) ** 3,
    "div": lambda x: x / (x * x + 1),
    "atan2": lambda x: torch.atan2(x, x * x + 1),
    "view": lambda x: x.view(3, 2).t().reshape(-1) ** 3,
    "expand": lambda x: x[:, :1].expand(2, 3) ** 3,
    "triu": lambda x: x.triu() ** 3,
    "gelu": lambda x: functional.gelu(x),
    "silu": lambda x: functional.silu(x),
    "softplus": lambda x: functional.softplus(x),
    "erf": lambda x: torch.erf(x),
    "cross_entropy": lambda x: functional.cross_entropy(x, torch.tensor([0, 2])),
    "mse_loss": lambda x: functional.mse_loss(x, torch.full_like(x, 0.3)) ** 2,
    "masked_fill": lambda x: x.masked_fill(x > 0.8, 0.0) ** 3,
    "logical chain": lambda x: (x.exp() * x.tanh() / (1 + x.sqrt())).sum(),
}


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_second_derivative_agrees_with_differences(name):
    function = SECOND_ORDER[name]
    values = [[0.31, 0.72, 0.55], [0.93, 0.14, 0.68]]
    x = scalar(values)
    direction = torch.tensor([[0.3, -0.7, 0.2], [0.5, 0.1, -0.4]], dtype=torch.float64)

    def first(at):
        out = function(at)
        weight = torch.linspace(0.5, 1.5, out.numel(), dtype=torch.float64).reshape(out.shape)
        return grad((out * weight).sum(), at, create_graph=True)[0]

    (product,) = grad((first(x) * direction).sum(), x, allow_unused=True, materialize_grads=True)
    step = 1e-5
    up = first((x + step * direction).detach().requires_grad_()).detach()
    down = first((x - step * direction).detach().requires_grad_()).detach()
    assert_close(product, (up - down) / (2 * step), rtol=1e-5, atol=1e-6)
