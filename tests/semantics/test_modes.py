"""Grad modes: context managers, decorators, their threads, and inference tensors."""

import pytest
from checks import run_in_thread

import chainrule as torch
from chainrule import nn


def recorded():
    """Whether an operation on a leaf is recorded right now."""
    return (torch.ones(1, requires_grad=True) * 2).requires_grad


def test_modes_work_as_context_managers_and_nest():
    assert recorded()
    with torch.no_grad():
        assert not recorded()
        with torch.enable_grad():
            assert recorded()
            with torch.set_grad_enabled(False):
                assert not recorded()
            assert recorded()
        assert not recorded()
    assert recorded()


@pytest.mark.parametrize("mode", ["no_grad", "enable_grad"])
def test_modes_work_as_decorators(mode):
    @getattr(torch, mode)()
    def called():
        return recorded()

    @getattr(torch, mode)
    def bare():
        return recorded()

    for outer in (torch.no_grad, torch.enable_grad):
        with outer():
            assert called() is (mode == "enable_grad")
            assert bare() is (mode == "enable_grad")
            assert torch.is_grad_enabled() is (outer is torch.enable_grad)


def test_set_grad_enabled_works_as_decorator_and_function():
    @torch.set_grad_enabled(False)
    def off():
        return recorded()

    assert recorded()
    assert not off()
    assert recorded()
    try:
        torch.set_grad_enabled(False)
        assert not torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        assert torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


def test_mode_is_restored_after_an_exception():
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert torch.is_grad_enabled()


def test_decorated_generator_runs_in_its_mode_between_yields():
    @torch.no_grad()
    def numbers():
        for _ in range(2):
            yield recorded()

    for inside in numbers():
        assert not inside
        assert recorded()


def test_decorated_function_keeps_name_arguments_and_result():
    @torch.no_grad()
    def add(a, b=2):
        """Sum."""
        return a + b

    assert add(1, b=3) == 4
    assert add.__name__ == "add"
    assert add.__doc__ == "Sum."


def test_grad_mode_is_thread_local():
    with torch.no_grad():
        assert run_in_thread(torch.is_grad_enabled)
        assert not torch.is_grad_enabled()


def test_outputs_of_no_grad_are_usable_in_grad_mode():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.no_grad():
        factor = x * 3
    (factor * x).sum().backward()
    assert x.grad.tolist() == [3.0, 6.0]


def test_requires_grad_can_be_asked_for_inside_no_grad():
    with torch.no_grad():
        x = torch.ones(2, requires_grad=True)
        y = torch.ones(2).requires_grad_()
        w = nn.Parameter(torch.ones(2))
    assert x.requires_grad
    assert y.requires_grad
    assert w.requires_grad


def test_backward_works_inside_no_grad():
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).sum()
    with torch.no_grad():
        y.backward()
        assert not torch.is_grad_enabled()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.chainrule_only
def test_no_grad_without_the_call_works_as_a_context_manager():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad:
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_eval_is_independent_of_the_modes():
    net = nn.Linear(2, 1)
    net.eval()
    assert not net.training
    assert net(torch.ones(1, 2)).requires_grad
    with torch.no_grad():
        net.train()
        assert net.training
        assert not net(torch.ones(1, 2)).requires_grad


def test_inference_tensors_raise_when_saved_for_backward():
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        constant = torch.ones(2)
        assert not recorded()
        assert torch.is_inference_mode_enabled()
    assert constant.is_inference()
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        constant * x
    (constant + x).sum().backward()  # an addition saves nothing
    assert x.grad.tolist() == [1.0, 1.0]
    assert not constant.clone().is_inference()


def test_inference_tensors_cannot_change_outside_inference_mode():
    with torch.inference_mode():
        t = torch.ones(2)
    with pytest.raises(
        RuntimeError, match="Inplace update to inference tensor outside InferenceMode"
    ):
        t.add_(1)
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        _ = t._version
    with torch.inference_mode():
        t.fill_(5)
    assert t.tolist() == [5.0, 5.0]


def test_inference_mode_works_as_a_decorator():
    @torch.inference_mode()
    def work(t):
        return t * 2

    out = work(torch.ones(2, requires_grad=True))
    assert not out.requires_grad
    assert out.is_inference()
