"""`gradcheck` and `gradgradcheck` accept right derivatives and find wrong ones."""

import pytest

import chainrule as torch
from chainrule.autograd import Function, gradcheck, gradgradcheck
from chainrule.autograd.gradcheck import GradcheckError

FAST = pytest.mark.parametrize("fast_mode", [False, True])


def leaf(*shape, start=0.3):
    """Double precision numbers that are neither equal nor zero."""
    count = 1
    for size in shape:
        count *= size
    values = [start + 0.37 * i for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_()


def square_with(backward=None, jvp=None):
    """A Function x² whose derivative is the given one."""

    class Square(Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

    Square.backward = staticmethod(backward or (lambda ctx, g: 2 * ctx.saved_tensors[0] * g))
    Square.jvp = staticmethod(jvp or (lambda ctx, t: 2 * ctx.saved_tensors[0] * t))
    return Square.apply


CASES = {
    "one": (lambda x: x.sin(), lambda: leaf(2, 3)),
    "broadcast": (lambda x, y: x * y, lambda: (leaf(2, 3), leaf(3))),
    "several outputs": (lambda x, y: ((x * y).exp(), y.sum()), lambda: (leaf(2, 3), leaf(3))),
    "an output without a derivative": (lambda x: (x**2, x.argmax()), lambda: leaf(3)),
    "no dimensions": (lambda x: x**3, lambda: leaf()),
    "no elements": (lambda x: x.exp(), lambda: leaf(0, 3)),
    "linear": (lambda x: 3 * x, lambda: leaf(3)),
    "a view": (lambda x: x.t(), lambda: leaf(2, 3)),
    "strided": (lambda x: x.exp(), lambda: leaf(2, 3).detach().t().requires_grad_()),
    "a number": (lambda x, k: x**k, lambda: (leaf(3), 3)),
    "an unused input": (lambda x, y: x * 2, lambda: (leaf(3), leaf(2))),
}


@FAST
@pytest.mark.parametrize("name", CASES)
def test_right_derivatives_pass(name, fast_mode):
    function, inputs = CASES[name]
    options = {"fast_mode": fast_mode, "check_grad_dtypes": True}
    assert gradcheck(function, inputs(), check_forward_ad=True, **options)
    assert gradgradcheck(function, inputs(), check_fwd_over_rev=True, **options)


@FAST
def test_a_function_of_the_user_passes(fast_mode):
    options = {"fast_mode": fast_mode}
    assert gradcheck(square_with(), leaf(3), check_forward_ad=True, **options)
    assert gradgradcheck(square_with(), leaf(3), gen_non_contig_grad_outputs=True, **options)


@FAST
def test_a_wrong_backward_is_found(fast_mode):
    wrong = square_with(backward=lambda ctx, g: 3 * ctx.saved_tensors[0] * g)
    with pytest.raises(GradcheckError, match="for output 0 with respect to input 0"):
        gradcheck(wrong, leaf(3), fast_mode=fast_mode)
    assert gradcheck(wrong, leaf(3), fast_mode=fast_mode, raise_exception=False) is False


@FAST
def test_a_wrong_jvp_is_found(fast_mode):
    wrong = square_with(jvp=lambda ctx, t: t)
    assert gradcheck(wrong, leaf(3), fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="forward mode"):
        gradcheck(wrong, leaf(3), fast_mode=fast_mode, check_forward_ad=True)


@FAST
def test_a_wrong_second_derivative_is_found(fast_mode):
    cut = square_with(backward=lambda ctx, g: 2 * ctx.saved_tensors[0].detach() * g)
    assert gradcheck(cut, leaf(3), fast_mode=fast_mode)
    assert not gradgradcheck(cut, leaf(3), fast_mode=fast_mode, raise_exception=False)


@FAST
def test_a_cut_graph_is_found(fast_mode):
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, leaf(3), fast_mode=fast_mode)
    assert gradcheck(lambda x: torch.ones(2, dtype=torch.float64), leaf(3), fast_mode=fast_mode)


def test_a_backward_that_changes_from_call_to_call_is_found():
    calls = []

    def unsteady(ctx, g):
        calls.append(g)
        return 2 * ctx.saved_tensors[0] * g * (1 + 1e-8 * len(calls))

    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(square_with(backward=unsteady), leaf(3))
    assert gradcheck(square_with(backward=unsteady), leaf(3), nondet_tol=1e-5)


@pytest.mark.filterwarnings("ignore:Backwards compatibility")
def test_a_backward_that_ignores_a_missing_gradient_is_found():
    class Identity(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return torch.ones(3, dtype=torch.float64) if g is None else g

    assert gradcheck(Identity.apply, leaf(3), check_undefined_grad=False)
    # An engine may skip a node without incoming gradients; then nothing can go wrong.
    passed = gradcheck(Identity.apply, leaf(3), raise_exception=False)
    x = leaf(3)
    dropped = square_with(backward=lambda ctx, g: None)(Identity.apply(x))
    (grad,) = torch.autograd.grad(dropped.sum(), x, allow_unused=True)
    assert passed == (grad is None or not grad.any().item())


def test_a_gradient_of_the_wrong_size_or_dtype_is_found():
    single = square_with(backward=lambda ctx, g: (2 * ctx.saved_tensors[0] * g).float())
    assert gradcheck(single, leaf(3), atol=1e-4)
    with pytest.raises((GradcheckError, RuntimeError)):
        gradcheck(square_with(backward=lambda ctx, g: torch.ones(7)), leaf(3))


def test_inputs_are_checked():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda x: x, torch.ones(2))
    with pytest.raises(AssertionError, match="at least one of"):
        gradcheck(lambda x: x, leaf(2), check_backward_ad=False)
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(lambda x: x * 1, torch.ones(1, dtype=torch.float64).expand(3).requires_grad_())
    with pytest.warns(UserWarning, match="not a double precision"):
        gradcheck(lambda x: x * 2, torch.ones(2, requires_grad=True), atol=1e-1)


@pytest.mark.chainrule_only
def test_checks_that_are_not_available_say_so():
    with pytest.raises(NotImplementedError, match="batched"):
        gradcheck(lambda x: x, leaf(2), check_batched_grad=True)
    with pytest.raises(NotImplementedError, match="masked"):
        gradcheck(lambda x: x, leaf(2), masked=True)


def test_inputs_are_left_as_they_were():
    x = leaf(2, 3)
    before = x.tolist()
    for fast_mode in (False, True):
        gradcheck(lambda a: a.exp(), x, fast_mode=fast_mode)
    assert x.tolist() == before
    assert x.grad is None


@pytest.mark.chainrule_only
def test_random_numbers_of_the_user_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3).tolist()
    torch.manual_seed(5)
    gradgradcheck(lambda a: a.exp(), leaf(3), fast_mode=True)
    assert torch.rand(3).tolist() == expected
