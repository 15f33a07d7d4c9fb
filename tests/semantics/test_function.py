"""Operations that users write: `autograd.Function`."""

import pytest
from checks import assert_close

import chainrule as torch
from chainrule.autograd import Function
from chainrule.autograd.function import once_differentiable


class Square(Function):
    """x², in the style where forward receives the context."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


class Scale(Function):
    """x · factor, in the style with a separate setup_context."""

    @staticmethod
    def forward(x, factor):
        return x * factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.factor = inputs

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


def scaled(backward):
    """A fresh Function x · n whose backward is the given one."""

    class Probe(Function):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

    Probe.backward = staticmethod(backward)
    return Probe


def leaf():
    return torch.tensor([1.0, 2.0], requires_grad=True)


def test_forward_with_context():
    x = leaf()
    y = Square.apply(x)
    assert y.tolist() == [1.0, 4.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_forward_with_setup_context():
    x = leaf()
    y = Scale.apply(x, 4)
    assert y.tolist() == [4.0, 8.0]
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_node_of_a_function_is_named_after_it_and_is_its_context():
    x = leaf()
    y = Square.apply(x)
    assert repr(y) == "tensor([1., 4.], grad_fn=<SquareBackward>)"
    assert y.grad_fn.name() == "SquareBackward"
    assert type(y.grad_fn).__name__ == "SquareBackward"
    assert y.grad_fn.saved_tensors[0] is x
    assert y.grad_fn.next_functions[0][0].variable is x
    assert Scale.apply(x, 7).grad_fn.factor == 7


def test_forward_runs_without_recording():
    x = leaf()
    modes = []

    class Probe(Function):
        @staticmethod
        def forward(ctx, x):
            modes.append((torch.is_grad_enabled(), (x * 2).requires_grad))
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            modes.append(torch.is_grad_enabled())
            return grad * 2

    Probe.apply(x).sum().backward()
    assert modes == [(False, False), False]


def test_function_is_not_recorded_without_an_input_that_requires_grad():
    assert Square.apply(torch.ones(2)).grad_fn is None
    with torch.no_grad():
        assert Square.apply(leaf()).grad_fn is None


def test_functions_compose_with_built_in_operations():
    x = leaf()
    (Scale.apply(Square.apply(x * 3) + 1, 2)).sum().backward()
    assert x.grad.tolist() == [36.0, 72.0]


def test_double_backward_through_a_differentiable_backward():
    x = leaf()
    (first,) = torch.autograd.grad(Square.apply(x).pow(2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert_close(first, [4.0, 32.0])
    assert_close(second, [12.0, 48.0])


def test_trailing_extra_nones_are_allowed():
    x = leaf()
    scaled(lambda ctx, g: (g, None, None, None)).apply(x, 3).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_gradient_is_summed_to_a_broadcast_input_s_shape():
    x = torch.ones(1, requires_grad=True)
    scaled(lambda ctx, g: (g.expand(3), None)).apply(x, 2).sum().backward()
    assert x.grad.tolist() == [3.0]


def test_needs_input_grad_tells_per_input():
    seen = []

    class Product(Function):
        @staticmethod
        def forward(ctx, a, b, n):
            seen.append(ctx.needs_input_grad)
            ctx.save_for_backward(a, b)
            return a * b * n

        @staticmethod
        def backward(ctx, grad):
            seen.append(ctx.needs_input_grad)
            a, b = ctx.saved_tensors
            return grad * b if ctx.needs_input_grad[0] else None, grad * a, None

    b = leaf()
    Product.apply(torch.ones(2), b, 1).sum().backward()
    assert seen == [(False, True, False), (False, True, False)]
    assert b.grad.tolist() == [1.0, 1.0]


def test_tensors_inside_containers_are_not_tracked():
    class Total(Function):
        @staticmethod
        def forward(ctx, tensors):
            return tensors[0] + tensors[1]

        @staticmethod
        def backward(ctx, grad):
            return None

    assert not Total.apply([leaf(), leaf()]).requires_grad


def test_mark_dirty_makes_an_in_place_function():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.add_(1)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    x = leaf()
    y = x * 1
    assert AddOne.apply(y) is y
    assert type(y.grad_fn).__name__ == "AddOneBackward"
    assert y._version > 0
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        AddOne.apply(leaf())


def test_mark_non_differentiable():
    class Parts(Function):
        @staticmethod
        def forward(ctx, x):
            mask = x > 1
            twice = x * 2
            ctx.mark_non_differentiable(mask, twice)
            return x * 3, mask, twice

        @staticmethod
        def backward(ctx, grad, grad_mask, grad_twice):
            assert grad_twice.tolist() == [0.0, 0.0]
            return grad * 3

    x = leaf()
    out, mask, twice = Parts.apply(x)
    assert out.requires_grad
    assert not mask.requires_grad
    assert not twice.requires_grad
    out.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("materialize", [None, True, False])
def test_set_materialize_grads(materialize):
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            if materialize is not None:
                ctx.set_materialize_grads(materialize)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, first, second):
            seen.append(second)
            return first

    Two.apply(leaf())[0].sum().backward()
    if materialize is False:
        assert seen == [None]
    else:
        assert seen[0].tolist() == [0.0, 0.0]


def test_once_differentiable_makes_double_backward_raise():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            assert not torch.is_grad_enabled()
            return 2 * ctx.saved_tensors[0] * grad

    x = leaf()
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    (first,) = torch.autograd.grad((Once.apply(x) * x).sum(), x, create_graph=True)
    with pytest.raises(
        RuntimeError, match="trying to differentiate twice a function that was marked with @once"
    ):
        first.sum().backward()


def test_none_can_be_saved():
    class Probe(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, None)
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            _x, nothing = ctx.saved_tensors
            assert nothing is None
            return grad

    Probe.apply(leaf()).sum().backward()


def test_function_that_returns_its_input_gives_a_view_with_its_own_node():
    class Reverse(Function):
        @staticmethod
        def forward(ctx, x):
            return x.view_as(x)

        @staticmethod
        def backward(ctx, grad):
            return -grad

    class Same(Reverse):
        @staticmethod
        def forward(ctx, x):
            return x

    for function in (Reverse, Same):
        x = leaf()
        y = function.apply(x)
        assert y is not x
        assert type(y.grad_fn).__name__ == function.__name__ + "Backward"
        (y * 2).sum().backward()
        assert x.grad.tolist() == [-2.0, -2.0]


def test_several_inputs_and_outputs():
    class SumAndDifference(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b, a - b

        @staticmethod
        def backward(ctx, of_sum, of_difference):
            return of_sum + of_difference, of_sum - of_difference

    a, b = leaf(), leaf()
    total, difference = SumAndDifference.apply(a, b)
    assert total.grad_fn is difference.grad_fn
    assert difference.output_nr == 1
    (total * 2 + difference * 5).sum().backward()
    assert a.grad.tolist() == [7.0, 7.0]
    assert b.grad.tolist() == [-3.0, -3.0]
