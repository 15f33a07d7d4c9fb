"""Functions that users write: misuse, nesting in each other, and the life of their contexts."""

import gc
import weakref

import pytest

import chainrule as torch
from chainrule.autograd import Function


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


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (
            lambda ctx, g: (g, None, g),
            "returned an incorrect number of gradients \\(expected 2, got 3\\)",
        ),
        (lambda ctx, g: g, "returned an incorrect number of gradients \\(expected 2, got 1\\)"),
        (
            lambda ctx, g: (torch.ones(5), None),
            "returned an invalid gradient at index 0 - got \\[5\\] but expected",
        ),
        (lambda ctx, g: (1, None), "expected Variable or None \\(got int\\)"),
        (lambda ctx, g: (g, g), "returned a gradient different than None at position 2"),
    ],
    ids=["too many", "too few", "wrong shape", "not a tensor", "for a number"],
)
def test_wrong_result_of_backward_raises(backward, message):
    with pytest.raises(RuntimeError, match=message):
        scaled(backward).apply(leaf(), 3).sum().backward()


def test_dirty_input_that_is_not_returned_raises():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return grad

    with pytest.raises(
        RuntimeError, match="Some elements marked as dirty during the forward method were not"
    ):
        Wrong.apply(leaf() * 1)


def test_saved_tensors_of_a_function_are_freed_and_checked_by_version():
    x = leaf()
    y = Square.apply(x)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.sum().backward()
    z = x * 1
    w = Square.apply(z)
    z.add_(1)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        w.sum().backward()


def test_function_without_backward_or_forward_raises():
    class NoBackward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    with pytest.raises(NotImplementedError, match="You must implement"):
        NoBackward.apply(leaf()).sum().backward()
    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        type("Empty", (Function,), {}).apply(leaf())


def test_exception_in_backward_reaches_the_caller():
    def fail(ctx, grad):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        scaled(fail).apply(leaf(), 2).sum().backward()


def test_save_for_backward_takes_tensors_only():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return grad

    with pytest.raises(TypeError, match="save_for_backward can only save"):
        Wrong.apply(leaf())


def test_reentrant_backward_inside_a_function():
    class Inner(Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                ctx.x = x.detach().requires_grad_()
                ctx.out = (ctx.x**3).sum()
            return ctx.out.detach()

        @staticmethod
        def backward(ctx, grad):
            with torch.enable_grad():
                ctx.out.backward()
            return ctx.x.grad * grad

    x = leaf()
    (Inner.apply(x * 2) * 3).backward()
    assert x.grad.tolist() == [72.0, 288.0]


def test_deeply_reentrant_backward():
    class Nest(Function):
        @staticmethod
        def forward(ctx, x, depth):
            ctx.depth = depth
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            if ctx.depth:
                with torch.enable_grad():
                    z = torch.ones(1, requires_grad=True)
                    Nest.apply(z, ctx.depth - 1).sum().backward()
                    return grad + z.grad, None
            return grad, None

    x = torch.ones(1, requires_grad=True)
    Nest.apply(x, 70).sum().backward()
    assert x.grad.tolist() == [71.0]


def test_context_is_freed_after_backward_and_with_the_graph():
    class Witness:
        pass

    class Keep(Function):
        @staticmethod
        def forward(ctx, x, witness):
            ctx.witness = witness
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return grad, None

    for run in (True, False):
        witness = Witness()
        gone = weakref.ref(witness)
        y = Keep.apply(leaf(), witness)
        del witness
        if run:
            y.sum().backward()
        del y
        gc.collect()
        assert gone() is None


def test_cycle_through_a_context_is_collected():
    class Cycle(Function):
        @staticmethod
        def forward(ctx, x):
            out = x * 2
            ctx.out = out
            return out

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    y = Cycle.apply(leaf())
    y.sum().backward()
    gone = weakref.ref(y)
    y.holder = y.grad_fn  # the tensor holds its node, whose context holds the tensor
    del y
    gc.collect()
    assert gone() is None
