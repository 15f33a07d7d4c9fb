"""The `.grad` attribute: its layout, when it is replaced, what may be assigned."""

import pytest

import chainrule as torch

pytestmark = pytest.mark.filterwarnings("ignore:Using backward")


def test_first_grad_has_the_strides_of_a_dense_parameter():
    w = torch.ones(2, 3).t().requires_grad_()
    assert w.stride() == (1, 3)
    (w * 2).sum().backward()
    assert w.grad.stride() == (1, 3)
    assert w.grad.tolist() == [[2.0, 2.0]] * 3


def test_first_grad_of_a_parameter_with_gaps_is_row_major():
    w = torch.ones(4, 6)[:, ::2].detach().requires_grad_()
    assert w.stride() == (6, 2)
    (w * 2).sum().backward()
    assert w.grad.stride() == (3, 1)
    e = torch.ones(2, 1).expand(2, 3).detach().requires_grad_()
    (e * 2).sum().backward()
    assert e.grad.is_contiguous()


def test_without_create_graph_grad_accumulates_in_place():
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    kept = x.grad
    version = kept._version
    (x * 2).sum().backward()
    assert x.grad is kept
    assert kept._version > version


def test_with_create_graph_grad_is_a_new_tensor_that_carries_a_graph():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    kept = x.grad
    assert kept.requires_grad
    (x**3).sum().backward(create_graph=True)
    assert x.grad is not kept
    assert kept.tolist() == [3.0, 12.0]
    assert x.grad.tolist() == [6.0, 24.0]
    assert x.grad.grad_fn is not None
    x.grad = None


def test_grad_is_not_shared_between_two_leaves():
    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    (x + y).sum().backward()
    x.grad.mul_(5)
    assert y.grad.tolist() == [1.0, 1.0]


def test_grad_is_not_the_caller_s_gradient():
    x = torch.ones(2, requires_grad=True)
    seed = torch.ones(2)
    x.backward(seed)
    x.grad.mul_(5)
    assert seed.tolist() == [1.0, 1.0]


def test_grad_of_an_expanded_gradient_can_be_changed_in_place():
    x = torch.ones(3, requires_grad=True)
    x.sum().backward()
    x.grad[0] = 7.0
    assert x.grad.tolist() == [7.0, 1.0, 1.0]


def test_assigning_a_grad_of_the_wrong_size_raises():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="attempting to assign a gradient of size '\\[3\\]'"):
        x.grad = torch.ones(3)


def test_assigning_a_grad_of_the_wrong_dtype_raises():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="attempting to assign a gradient with dtype"):
        x.grad = torch.ones(2, dtype=torch.float64)


def test_assigning_what_is_no_tensor_raises():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None"):
        x.grad = 1.0
    with pytest.raises(RuntimeError, match="can't assign Variable as its own grad"):
        x.grad = x


def test_assigned_grad_is_that_object_and_none_clears():
    x = torch.ones(2, requires_grad=True)
    g = torch.zeros(2)
    x.grad = g
    assert x.grad is g
    (x * 3).sum().backward()
    assert g.tolist() == [3.0, 3.0]
    x.grad = None
    assert x.grad is None
    x.grad = g
    del x.grad
    assert x.grad is None


def test_grad_of_a_fresh_tensor_is_none():
    assert torch.ones(2).grad is None
    assert torch.ones(2, requires_grad=True).grad is None
