"""What a node saves, and when that is freed."""

import weakref

import pytest

import chainrule as torch

FREED = "Trying to backward through the graph a second time"


def test_saved_input_reads_back_as_the_same_object():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x**2
    assert y.grad_fn._saved_self is x
    z = y * x
    assert z.grad_fn._saved_self is y
    assert z.grad_fn._saved_other is x


def test_saved_output_is_another_object_on_the_same_storage():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    saved = y.grad_fn._saved_result
    assert saved is not y
    assert saved.data_ptr() == y.data_ptr()
    assert saved.grad_fn is y.grad_fn


def test_graph_is_freed_after_backward():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x**2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=FREED):
        y.backward()


def test_reading_a_saved_value_after_it_was_freed_raises():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.sum().backward()
    with pytest.raises(RuntimeError, match=FREED):
        _ = y.grad_fn._saved_self


def test_retain_graph_allows_another_backward():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x**2).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [6.0, 12.0]
    with pytest.raises(RuntimeError, match=FREED):
        y.backward()


def test_autograd_grad_frees_the_graph_too():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x**2).sum()
    torch.autograd.grad(y, x)
    with pytest.raises(RuntimeError, match=FREED):
        torch.autograd.grad(y, x)


def test_create_graph_retains_the_graph():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x**3).sum()
    torch.autograd.grad(y, x, create_graph=True)
    assert torch.autograd.grad(y, x)[0].tolist() == [3.0, 12.0]


def test_nodes_that_save_nothing_can_run_again():
    x = torch.ones(2, requires_grad=True)
    y = x + 1
    y.backward(torch.ones(2))
    y.backward(torch.ones(2))
    assert x.grad.tolist() == [2.0, 2.0]


def test_one_part_freed_makes_the_other_user_of_it_fail():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    shared = x * x
    first, second = shared.sum(), (shared * 2).sum()
    first.backward()
    with pytest.raises(RuntimeError, match=FREED):
        second.backward()


def test_saved_tensors_are_released_by_backward():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    factor = torch.tensor([3.0, 4.0])
    gone = weakref.ref(factor)
    y = (x * factor).sum()
    del factor
    assert gone() is not None
    y.backward()
    assert gone() is None
