"""Memory: what is freed, when, and that nothing grows."""

import gc
import os
import weakref

import pytest
from checks import resident_bytes

import chainrule as torch
from chainrule.autograd import Function

pytestmark = pytest.mark.filterwarnings("ignore:Using backward")
MEGABYTE = 1 << 20


def growth_of(step, warm_up=20, rounds=120):
    """Growth of resident memory, in bytes, over `rounds` steps after a warm-up."""
    if "CHAINRULE_SANITIZED" in os.environ:
        pytest.skip("the sanitizer holds freed memory back")
    for _ in range(warm_up):
        step()
    gc.collect()
    before = resident_bytes()
    for _ in range(rounds):
        step()
    gc.collect()
    return resident_bytes() - before


def test_tensor_dies_with_its_last_reference():
    gc.disable()
    try:
        x = torch.ones(3)
        gone = weakref.ref(x)
        del x
        assert gone() is None
    finally:
        gc.enable()


def test_graph_dies_with_its_last_tensor_without_the_collector():
    gc.disable()
    try:
        x = torch.ones(3, requires_grad=True)
        y = ((x * 2).exp() * x).sum()
        gone = weakref.ref(x)
        del x
        assert gone() is not None
        del y
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "sqrt", "reciprocal", "rsqrt", "tan"])
def test_saved_output_makes_no_reference_cycle(name):
    gc.disable()
    try:
        x = torch.ones(3, requires_grad=True)
        y = getattr(x, name)()
        gone, out_gone = weakref.ref(x), weakref.ref(y)
        del x, y
        assert out_gone() is None
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "name", ["softmax", "log_softmax", "logsumexp", "max", "prod", "norm", "std"]
)
def test_saved_output_of_a_reduction_makes_no_reference_cycle(name):
    gc.disable()
    try:
        x = torch.ones(3, requires_grad=True)
        y = x.norm(2) if name == "norm" else x.std() if name == "std" else getattr(x, name)(0)
        gone = weakref.ref(x)
        del x, y
        assert gone() is None
    finally:
        gc.enable()


def test_saved_output_changed_in_place_makes_no_reference_cycle():
    gc.disable()
    try:
        x = torch.ones(3, requires_grad=True)
        y = x * 1
        y.exp_()
        gone = weakref.ref(x)
        del x, y
        assert gone() is None
    finally:
        gc.enable()


def test_changed_view_and_its_base_are_freed():
    x = torch.ones(4, requires_grad=True)
    base = x * 1
    view = base[:2]
    view.mul_(2)
    gone = [weakref.ref(t) for t in (x, base, view)]
    del x, base, view
    gc.collect()
    assert [r() for r in gone] == [None, None, None]


def test_base_lives_as_long_as_a_view_needs_its_memory():
    base = torch.arange(4.0)
    view = base[1:]
    del base
    gc.collect()
    assert view.tolist() == [1.0, 2.0, 3.0]


def test_autograd_grad_with_create_graph_leaks_nothing():
    x = torch.ones(3, requires_grad=True)
    (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    gone = [weakref.ref(x), weakref.ref(first)]
    del x, first
    gc.collect()
    assert [r() for r in gone] == [None, None]


@pytest.mark.chainrule_only
def test_backward_with_create_graph_leaks_no_leaf():
    x = torch.ones(3, requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


@pytest.mark.chainrule_only
def test_many_backwards_with_create_graph_do_not_grow():
    def step():
        w = torch.ones(256, 256, requires_grad=True)
        ((w @ w).tanh() ** 2).sum().backward(create_graph=True)
        (w.grad**2).sum().backward(create_graph=True)

    assert growth_of(step) < 8 * MEGABYTE


@pytest.mark.chainrule_only
def test_repeated_create_graph_on_one_leaf_does_not_grow():
    w = torch.ones(256, 256, requires_grad=True)

    def step():
        w.grad = None
        ((w @ w).tanh() ** 2).sum().backward(create_graph=True)

    assert growth_of(step) < 8 * MEGABYTE


def test_training_steps_do_not_grow():
    w = torch.ones(256, 256, requires_grad=True)
    x = torch.ones(256, 256)

    def step():
        w.grad = None
        ((x @ w).tanh().exp() * 1e-3).mean().backward()
        with torch.no_grad():
            w.sub_(1e-3 * w.grad)

    assert growth_of(step) < 8 * MEGABYTE


def test_graphs_that_are_never_run_do_not_grow():
    w = torch.ones(256, 256, requires_grad=True)

    def step():
        ((w @ w).tanh().exp() * 1e-3).mean()

    assert growth_of(step) < 8 * MEGABYTE


def test_failing_operations_do_not_grow():
    w = torch.ones(256, 256, requires_grad=True)

    def step():
        y = w * 1
        z = y * y
        y.add_(1)
        with pytest.raises(RuntimeError):
            z.sum().backward()
        with pytest.raises(RuntimeError):
            w @ torch.ones(3, 3)

    assert growth_of(step) < 8 * MEGABYTE


def test_many_small_tensors_are_given_back():
    def step():
        keep = [torch.ones(4) for _ in range(500)]
        keep = [t + 1 for t in keep]
        del keep

    assert growth_of(step, rounds=200) < 8 * MEGABYTE


def test_tiny_graphs_are_given_back():
    x = torch.ones(2, requires_grad=True)

    def step():
        y = x
        for _ in range(150):
            y = (y * 0.5).tanh()
        y.sum().backward()

    assert growth_of(step, rounds=250) < 8 * MEGABYTE


def test_gradients_of_a_dropped_leaf_are_freed():
    x = torch.ones(3, requires_grad=True)
    (x * 2).sum().backward()
    gone = weakref.ref(x.grad)
    del x
    gc.collect()
    assert gone() is None


def test_attributes_on_tensors_may_form_cycles():
    class Witness:
        pass

    x = torch.ones(3)
    x.own = x
    x.witness = Witness()
    gone = weakref.ref(x.witness)
    del x
    gc.collect()
    assert gone() is None


def test_custom_function_frees_its_context_and_saved_tensors():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            y = x * x
            ctx.save_for_backward(x, y)
            ctx.extra = y
            return y * x

        @staticmethod
        def backward(ctx, grad):
            _, y = ctx.saved_tensors
            return 3 * y * grad

    x = torch.ones(256, 256, requires_grad=True)

    def step():
        x.grad = None
        Cube.apply(x).sum().backward()

    assert growth_of(step) < 8 * MEGABYTE
    out = Cube.apply(x)
    gone = weakref.ref(out.grad_fn.saved_tensors[0])
    assert gone() is x
    extra = weakref.ref(out.grad_fn.extra)
    del out
    gc.collect()
    assert extra() is None
