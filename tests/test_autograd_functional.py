"""`autograd.functional`, `func`, forward mode and `autograd.grad` give torch's results."""

import math
import warnings

import pytest
from checks import assert_close

import chainrule as torch
from chainrule.autograd import forward_ad, functional

X = [[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]]
Y = [0.9, -0.5, 1.3]


def leaves(value):
    """All tensors of nested containers, as lists."""
    if hasattr(value, "tolist"):
        return [value.tolist()]
    items = value.values() if isinstance(value, dict) else value
    return [leaf for item in items for leaf in leaves(item)]


def same_as_torch(real_torch, program):
    """`program(torch, x, y)` gives the same numbers here and in torch."""
    results = []
    for library in (torch, real_torch):
        x = library.tensor(X, dtype=library.float64)
        y = library.tensor(Y, dtype=library.float64)
        with warnings.catch_warnings():
            if library is real_torch:  # which uses what it deprecates itself
                warnings.simplefilter("ignore")
            results.append(leaves(program(library, x, y)))
    ours, theirs = results
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert_close(torch.tensor(one, dtype=torch.float64), other)


def elementwise(a):
    return a.sin() * a


def product(a, b):
    return (a * b).exp()


def several(a, b):
    return (a * b).sum(), b * 3, a.cos()


def scalar(a, b):
    return ((a * b) ** 3).sum()


# autograd.functional ------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
@pytest.mark.parametrize("function", [product, several, scalar])
def test_jacobian_of_several_inputs(real_torch, function, strategy):
    same_as_torch(
        real_torch,
        lambda t, x, y: t.autograd.functional.jacobian(
            function, (x, y), vectorize=True, strategy=strategy
        ),
    )


def test_jacobian_has_the_form_of_output_and_input():
    x = torch.tensor(X, dtype=torch.float64)
    y = torch.tensor(Y, dtype=torch.float64)
    assert functional.jacobian(elementwise, x).shape == (2, 3, 2, 3)
    one_output = functional.jacobian(product, (x, y))
    assert [block.shape for block in one_output] == [(2, 3, 2, 3), (2, 3, 3)]
    blocks = functional.jacobian(several, (x, y))
    assert [[block.shape for block in row] for row in blocks] == [
        [(2, 3), (3,)],
        [(3, 2, 3), (3, 3)],
        [(2, 3, 2, 3), (2, 3, 3)],
    ]
    assert functional.jacobian(lambda a: a.sum(), torch.ones(0)).shape == (0,)


@pytest.mark.parametrize("strategy", ["reverse-mode", "forward-mode"])
def test_hessian(real_torch, strategy):
    same_as_torch(
        real_torch,
        lambda t, x, y: t.autograd.functional.hessian(
            scalar, (x, y), vectorize=True, outer_jacobian_strategy=strategy
        ),
    )


@pytest.mark.parametrize("name", ["vjp", "jvp"])
def test_products_with_a_jacobian(real_torch, name):
    same_as_torch(
        real_torch,
        lambda t, x, y: getattr(t.autograd.functional, name)(
            product, (x, y), x.cos() if name == "vjp" else (x.cos(), y.sin())
        ),
    )


@pytest.mark.parametrize("name", ["hvp", "vhp"])
def test_products_with_a_hessian(real_torch, name):
    same_as_torch(
        real_torch,
        lambda t, x, y: getattr(t.autograd.functional, name)(scalar, (x, y), (x.cos(), y.sin())),
    )


def test_results_are_constants_unless_a_graph_is_asked_for():
    x = torch.tensor(Y, requires_grad=True)
    assert not functional.jacobian(elementwise, x).requires_grad
    assert not functional.vjp(elementwise, x, torch.ones(3))[1].requires_grad
    jacobian = functional.jacobian(lambda a: a**3, x, create_graph=True)
    (second,) = torch.autograd.grad(jacobian.sum(), x)
    assert_close(second, [6 * v for v in Y])
    assert x.grad is None


def test_unrelated_inputs_get_zeros_or_an_error_in_strict_mode():
    x, y = torch.tensor(X), torch.tensor(Y)
    _, to_y = functional.jacobian(lambda a, b: a * 2, (x, y))
    assert to_y.shape == (2, 3, 3)
    assert not to_y.any().item()
    with pytest.raises(RuntimeError, match="independent of input 1"):
        functional.jacobian(lambda a, b: a * 2, (x, y), strict=True)
    with pytest.raises(RuntimeError, match="does not require gradients"):
        functional.jacobian(lambda a: torch.ones(2), x, strict=True)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: functional.jacobian(elementwise, 3.0), TypeError),
        (lambda x: functional.jacobian(elementwise, (x, 3.0)), TypeError),
        (lambda x: functional.jacobian(lambda a: 3.0, x), TypeError),
        (lambda x: functional.jacobian(elementwise, x, strategy="up"), AssertionError),
        (lambda x: functional.jacobian(elementwise, x, strict=True, vectorize=True), RuntimeError),
        (lambda x: functional.hessian(elementwise, x), RuntimeError),
        (lambda x: functional.hessian(lambda a: (a.sum(),), x), RuntimeError),
        (lambda x: functional.vjp(elementwise, x), RuntimeError),
        (lambda x: functional.vjp(elementwise, x, torch.ones(2)), RuntimeError),
        (lambda x: functional.jvp(elementwise, x, (x, x)), RuntimeError),
        (lambda x: functional.hvp(elementwise, x, x), RuntimeError),
    ],
)
def test_bad_calls_raise(call, error):
    with pytest.raises(error):
        call(torch.tensor(Y))


# func ---------------------------------------------------------------------------------------------

PROGRAMS = {
    "grad": lambda t, x, y: t.func.grad(scalar)(x, y),
    "grad of two arguments": lambda t, x, y: t.func.grad(scalar, argnums=(0, 1))(x, y),
    "grad of the last argument": lambda t, x, y: t.func.grad(scalar, argnums=-1)(x, y),
    "grad of a dictionary": lambda t, x, y: t.func.grad(
        lambda p: scalar(p["a"], p["b"][0]) + p["b"][1].sum()
    )({"a": x, "b": [y, y]}),
    "grad with aux": lambda t, x, y: t.func.grad(lambda a: (a.sum(), (a, 2 * a)), has_aux=True)(x),
    "grad_and_value": lambda t, x, y: t.func.grad_and_value(scalar)(x, y),
    "grad_and_value with aux": lambda t, x, y: t.func.grad_and_value(
        lambda a: ((a**2).sum(), a), has_aux=True
    )(x),
    "grad of a constant": lambda t, x, y: t.func.grad(lambda a: t.ones(()))(x),
    "vjp": lambda t, x, y: t.func.vjp(product, x, y)[1](x.cos()),
    "vjp of several outputs": lambda t, x, y: t.func.vjp(several, x, y)[1]((y[0], y, x)),
    "jvp": lambda t, x, y: t.func.jvp(product, (x, y), (x.cos(), y.sin())),
    "jvp with aux": lambda t, x, y: t.func.jvp(lambda a: (a * a, a + 1), (x,), (x,), has_aux=True),
    "jvp of a constant": lambda t, x, y: t.func.jvp(lambda a: t.ones(2), (x,), (x,)),
    "jacrev": lambda t, x, y: t.func.jacrev(product, argnums=(0, 1))(x, y),
    "jacrev of a dictionary": lambda t, x, y: t.func.jacrev(
        lambda a: {"s": a.sin(), "t": a.sum()}, has_aux=False
    )(y),
    "jacfwd": lambda t, x, y: t.func.jacfwd(product, argnums=(0, 1))(x, y),
    "jacfwd of several outputs": lambda t, x, y: t.func.jacfwd(several, argnums=1)(x, y),
    "hessian": lambda t, x, y: t.func.hessian(scalar, argnums=(0, 1))(x, y),
    "grad of grad": lambda t, x, y: t.func.grad(t.func.grad(lambda a: (a**4).sum()))(y[0]),
    "grad of a sum of gradients": lambda t, x, y: t.func.grad(
        lambda a: (t.func.grad(lambda b: (b**3 * a).sum())(a) ** 2).sum()
    )(y),
    "jacrev of jacrev": lambda t, x, y: t.func.jacrev(t.func.jacrev(elementwise))(y),
    "jacrev of jacfwd": lambda t, x, y: t.func.jacrev(t.func.jacfwd(elementwise))(y),
    "jvp of grad": lambda t, x, y: t.func.jvp(
        t.func.grad(lambda a: (a**3).sum()), (y,), (y.cos(),)
    ),
    "grad of jvp": lambda t, x, y: t.func.grad(
        lambda a: t.func.jvp(lambda b: b**3 * a, (a,), (a.cos(),))[1].sum()
    )(y),
    "linearize": lambda t, x, y: t.func.linearize(product, x, y)[1](x.cos(), y.sin()),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_transforms_agree_with_torch(real_torch, name):
    same_as_torch(real_torch, PROGRAMS[name])


@pytest.mark.chainrule_only
def test_forward_mode_nests():
    y = torch.tensor(Y, dtype=torch.float64)
    cube = torch.func.jacfwd(torch.func.jacfwd(lambda a: a**3))(y)
    assert_close(cube.sum(1).sum(1), [6 * v for v in Y])
    third = torch.func.jacfwd(torch.func.hessian(lambda a: a**4))(y[0])
    assert_close(third, 24 * Y[0])


def test_levels_are_not_confused():
    x = torch.tensor(1.7)
    # d/dx (x · d/dy (x + y)) is 1; a confusion of x and y gives 2.
    inner_reverse = torch.func.grad(lambda a: a * torch.func.grad(lambda b: a + b)(a))
    assert inner_reverse(x).item() == 1.0
    inner_forward = torch.func.grad(
        lambda a: a * torch.func.jvp(lambda b: a + b, (a,), (torch.ones(()),))[1]
    )
    assert inner_forward(x).item() == 1.0


def test_results_have_a_history_only_where_something_outside_needs_it():
    x, w = torch.tensor(Y), torch.tensor(Y, requires_grad=True)
    grad = torch.func.grad(lambda a: (a * a * a).sum())
    assert not grad(x).requires_grad
    assert not torch.func.vjp(elementwise, x)[0].requires_grad
    assert not torch.func.hessian(lambda a: (a**3).sum())(x).requires_grad
    (second,) = torch.autograd.grad(grad(w).sum(), w)
    assert_close(second, [6 * v for v in Y])
    captured = torch.func.grad(lambda a: (a * a * w).sum())(x)
    (cross,) = torch.autograd.grad(captured.sum(), w)
    assert_close(cross, [2 * v for v in Y])
    with torch.no_grad():
        assert not grad(w).requires_grad
    assert x.grad is None
    assert w.grad is None


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: torch.func.grad(elementwise)(x), RuntimeError),
        (lambda x: torch.func.grad(lambda a: 3.0)(x), RuntimeError),
        (lambda x: torch.func.grad(lambda a: a.sum(), has_aux=True)(x), RuntimeError),
        (lambda x: torch.func.grad(lambda a: a.sum(), argnums=1)(x), RuntimeError),
        (lambda x: torch.func.grad(lambda a: a.sum(), argnums=(0, 0))(x), RuntimeError),
        (lambda x: torch.func.grad(lambda a: a.sum())(3.0), ValueError),
        (lambda x: torch.func.vjp(lambda a: 3.0, x), RuntimeError),
        (lambda x: torch.func.vjp(lambda a: (a, a), x)[1](x), RuntimeError),
        (lambda x: torch.func.jvp(elementwise, x, x), RuntimeError),
        (lambda x: torch.func.jvp(elementwise, (x,), (x, x)), RuntimeError),
        (lambda x: torch.func.jvp(elementwise, (x,), (x[:2],)), RuntimeError),
        (
            lambda x: torch.func.jvp(lambda a: torch.ones(2), (x,), (x,), strict=True),
            RuntimeError,
        ),
        (lambda x: torch.func.jacrev(elementwise, chunk_size=0), ValueError),
    ],
)
def test_bad_transforms_raise(call, error):
    with pytest.raises(error):
        call(torch.tensor(Y))


@pytest.mark.chainrule_only
def test_vmap_says_that_it_is_missing():
    with pytest.raises(NotImplementedError, match="vmap is not available"):
        torch.func.vmap(elementwise)


def test_functional_call_replaces_parameters_for_one_call():
    layer = torch.nn.Linear(3, 2)
    x = torch.tensor(Y)
    weight, bias = torch.tensor(X), torch.tensor([1.0, 2.0])
    expected = [sum(a * b for a, b in zip(row, Y, strict=True)) for row in X]
    own = layer.weight
    result = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, x)
    assert_close(result, [expected[0] + 1, expected[1] + 2])
    assert layer.weight is own
    split = torch.func.functional_call(layer, ({"weight": weight}, {"bias": bias}), (x,))
    assert split.tolist() == result.tolist()
    gradient = torch.func.grad(lambda p: torch.func.functional_call(layer, p, (x,)).sum())(
        {"weight": weight, "bias": bias}
    )
    assert_close(gradient["weight"], [Y, Y])
    assert_close(gradient["bias"], [1.0, 1.0])


def test_functional_call_checks_names():
    layer = torch.nn.Linear(3, 2)
    x, weight = torch.tensor(Y), torch.tensor(X)
    with pytest.raises(RuntimeError, match="Missing key"):
        torch.func.functional_call(layer, {"weight": weight}, (x,), strict=True)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        torch.func.functional_call(layer, {"other": weight}, (x,), strict=True)
    with pytest.raises(ValueError, match="multiple dictionaries"):
        torch.func.functional_call(layer, ({"weight": weight}, {"weight": weight}), (x,))
    with pytest.raises(ValueError, match="to be a dict"):
        torch.func.functional_call(layer, 3, (x,))


def test_functional_call_replaces_tied_weights_together():
    first, second = torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    chain = torch.nn.Sequential(first, second)
    twice = {"0.weight": torch.tensor([[2.0, 0.0], [0.0, 2.0]])}
    x = torch.tensor([1.0, 3.0])
    assert torch.func.functional_call(chain, twice, (x,)).tolist() == [4.0, 12.0]


# Forward mode -------------------------------------------------------------------------------------


def test_duals_carry_tangents():
    x, v = torch.tensor(Y), torch.tensor([1.0, 0.0, 2.0])
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, v)
        primal, tangent = forward_ad.unpack_dual(dual.sin() * 2)
    assert_close(primal, [2 * math.sin(a) for a in Y])
    assert_close(tangent, [2 * math.cos(Y[0]), 0.0, 4 * math.cos(Y[2])])
    assert forward_ad.unpack_dual(dual).tangent is None
    assert forward_ad.unpack_dual(x) == (x, None)


def test_a_gradient_inside_a_level_has_a_tangent():
    x, v = torch.tensor(Y, requires_grad=True), torch.tensor([1.0, 0.0, 2.0])
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, v)
        (grad,) = torch.autograd.grad((dual**3).sum(), dual)
        assert_close(forward_ad.unpack_dual(grad).tangent, [6 * Y[0], 0.0, 12 * Y[2]])


def test_dual_level_decorates():
    @forward_ad.dual_level()
    def slope(x):
        return forward_ad.unpack_dual(forward_ad.make_dual(x, torch.ones(())) ** 2).tangent

    assert slope(torch.tensor(3.0)).item() == 6.0
    with pytest.raises(RuntimeError, match="no level exists"):
        forward_ad.make_dual(torch.ones(1), torch.ones(1))


def test_duals_are_checked():
    x = torch.tensor(Y)
    with forward_ad.dual_level():
        with pytest.raises(RuntimeError, match="different size"):
            forward_ad.make_dual(x, torch.ones(2))
        with pytest.raises(ValueError, match="floating point"):
            forward_ad.make_dual(torch.tensor([1]), torch.ones(1))


# autograd.grad, Variable, graph -------------------------------------------------------------------


def test_grad_options():
    x, y = torch.tensor(Y, requires_grad=True), torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(x.sum(), (x, y))
    assert torch.autograd.grad(x.sum(), (x, y), allow_unused=True)[1] is None
    zeros = torch.autograd.grad(x.sum(), (x, y), materialize_grads=True)[1]
    assert zeros.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="allow_unused"):
        torch.autograd.grad(x.sum(), x, allow_unused=False, materialize_grads=True)
    with pytest.raises(RuntimeError, match="cannot be empty"):
        torch.autograd.grad(x.sum(), ())


@pytest.mark.chainrule_only
def test_a_gradient_too_many_raises():
    x = torch.tensor(Y, requires_grad=True)
    with pytest.raises(RuntimeError, match="got 1 tensors and 2 gradients"):
        torch.autograd.grad([x.sum()], x, [torch.ones(()), torch.ones(())])


def test_batched_gradients_are_one_pass_per_row():
    x = torch.tensor(Y, requires_grad=True)
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
    (grads,) = torch.autograd.grad(x**2, x, rows, is_grads_batched=True)
    assert_close(grads, [[2 * Y[0], 0.0, 0.0], [0.0, 4 * Y[1], 2 * Y[2]]])


def test_backward_of_several_tensors_and_to_chosen_inputs():
    x, y = torch.tensor(Y, requires_grad=True), torch.ones(3, requires_grad=True)
    torch.autograd.backward([(x * y).sum(), x * 2], [None, torch.ones(3)], inputs=[x])
    assert x.grad.tolist() == [3.0, 3.0, 3.0]
    assert y.grad is None
    with pytest.raises(RuntimeError, match="cannot be empty"):
        torch.autograd.backward(x.sum(), inputs=[])


def test_variable_is_a_tensor():
    data = torch.tensor(Y)
    variable = torch.autograd.Variable(data, requires_grad=True)
    assert isinstance(variable, torch.autograd.Variable)
    assert isinstance(data, torch.autograd.Variable)
    assert type(variable) is torch.Tensor
    assert variable.requires_grad
    assert not data.requires_grad
    data.zero_()
    assert variable.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(TypeError):
        torch.autograd.Variable(3.0)


def test_gradient_edges_and_nodes():
    x = torch.tensor(Y, requires_grad=True)
    y = x * 2
    edge = torch.autograd.graph.get_gradient_edge(y)
    assert edge.node is y.grad_fn
    assert edge.output_nr == 0
    assert isinstance(y.grad_fn, torch.autograd.graph.Node)
    assert not isinstance(y, torch.autograd.graph.Node)
    assert torch.autograd.graph.get_gradient_edge(x).node.variable is x
    with pytest.raises(RuntimeError):
        torch.autograd.graph.get_gradient_edge(torch.ones(1))


def test_increment_version_makes_backward_raise():
    x = torch.tensor(Y, requires_grad=True)
    y = x * 1
    z = (y * y).sum()
    torch.autograd.graph.increment_version(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


@pytest.mark.parametrize("mode", ["all", "any"])
def test_multi_grad_hooks_run_once_in_a_pass(mode):
    x, y = torch.tensor(Y, requires_grad=True), torch.ones(3, requires_grad=True)
    calls = []
    handle = torch.autograd.graph.register_multi_grad_hook((x, y), calls.append, mode=mode)
    (x * y).sum().backward()
    (x * 2).sum().backward()
    if mode == "all":
        assert [[g is not None for g in grads] for grads in calls] == [[True, True], [True, False]]
    else:
        assert len(calls) == 2
    handle.remove()
    (x * y).sum().backward()
    assert len(calls) == 2
    with pytest.raises(ValueError, match="mode"):
        torch.autograd.graph.register_multi_grad_hook((x, y), calls.append, mode="some")
