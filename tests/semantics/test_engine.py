"""The backward engine: shapes of graphs, order, roots and results."""

import pytest
from checks import assert_close

import chainrule as torch

pytestmark = pytest.mark.filterwarnings("ignore:Using backward")


def test_diamond_adds_over_its_paths():
    x = torch.tensor([2.0], requires_grad=True)
    left, right = x * 3, x * x
    (left * right).sum().backward()  # 3x³
    assert x.grad.tolist() == [36.0]


def test_chain_of_diamonds_runs_each_node_once():
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(60):  # 2**60 paths
        y = y + y
    y.backward()
    assert x.grad.tolist() == [2.0**60]


def test_each_node_runs_once_with_the_summed_gradient():
    x = torch.ones(2, requires_grad=True)
    shared = x * 2
    runs = []
    shared.grad_fn.register_hook(lambda i, o: runs.append(o[0].tolist()))
    (shared * 3 + shared * 4 + shared.sum()).sum().backward()
    assert runs == [[9.0, 9.0]]


def test_same_tensor_twice_in_one_operation():
    x = torch.tensor([3.0], requires_grad=True)
    (x * x).backward()
    assert x.grad.tolist() == [6.0]
    x.grad = None
    torch.cat([x, x, x]).sum().backward()
    assert x.grad.tolist() == [3.0]


def test_nodes_run_in_reverse_order_of_recording():
    x = torch.ones(1, requires_grad=True)
    order = []
    a = x * 2
    b = x * 3
    c = x * 4
    for name, tensor in (("a", a), ("b", b), ("c", c)):
        tensor.grad_fn.register_hook(lambda i, o, name=name: order.append(name))
    (b + (a + c)).sum().backward()
    assert order == ["c", "b", "a"]


def test_gradients_accumulate_in_torch_s_order():
    x = torch.tensor([1.0], requires_grad=True)
    big, small, negative = x * 1e8, x * 1.0, x * -1e8
    (big + small + negative).backward()
    # newest first: (-1e8 + 1) + 1e8 rounds differently from (1e8 + 1) - 1e8
    got = torch.tensor(-1e8) + torch.tensor(1.0) + torch.tensor(1e8)
    assert x.grad.item() == got.item()


def test_several_roots_add_their_gradients():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    first, second = (x * 2).sum(), x * 3
    torch.autograd.backward([first, second], [None, torch.tensor([1.0, 10.0])])
    assert x.grad.tolist() == [5.0, 32.0]


def test_one_root_may_be_an_ancestor_of_another():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = (y * 5).sum()
    torch.autograd.backward([z, y], [None, torch.ones(2)])
    assert x.grad.tolist() == [12.0, 12.0]


def test_the_same_root_twice_counts_twice():
    x = torch.tensor([1.0], requires_grad=True)
    y = x * 2
    torch.autograd.backward([y, y])
    assert x.grad.tolist() == [4.0]


def test_a_leaf_may_be_the_root():
    x = torch.tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1.0
    (got,) = torch.autograd.grad(x, x)
    assert got.item() == 1.0


def test_unused_outputs_of_a_node_get_zero_gradients():
    x = torch.arange(6.0).requires_grad_()
    _first, second, _third = x.split(2)
    (second * 3).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 3.0, 3.0, 0.0, 0.0]


def test_backward_with_a_gradient_for_a_vector():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).backward(torch.tensor([1.0, 0.5]))
    assert x.grad.tolist() == [2.0, 2.0]
    (x * x).backward(gradient=torch.ones(2))
    assert x.grad.tolist() == [4.0, 6.0]


def test_backward_inputs_accumulates_into_these_only():
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    y = x * w
    loss = (y * 3).sum()
    loss.backward(inputs=[x], retain_graph=True)
    assert x.grad.tolist() == [3.0, 3.0]
    assert w.grad is None
    loss.backward(inputs=w, retain_graph=True)
    assert w.grad.tolist() == [3.0, 3.0]
    assert x.grad.tolist() == [3.0, 3.0]


def test_backward_inputs_may_be_a_non_leaf():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    (y * 3).sum().backward(inputs=[y])
    assert y.grad.tolist() == [3.0, 3.0]
    assert x.grad is None


def test_gradient_of_a_broadcast_operand_is_summed_to_its_shape():
    row = torch.ones(3, requires_grad=True)
    column = torch.ones(2, 1, requires_grad=True)
    scalar = torch.tensor(1.0, requires_grad=True)
    (row * column * 2 + scalar).sum().backward()
    assert row.grad.tolist() == [4.0, 4.0, 4.0]
    assert column.grad.tolist() == [[6.0], [6.0]]
    assert scalar.grad.item() == 6.0


def test_gradient_crosses_a_change_of_dtype():
    x = torch.ones(2, requires_grad=True)
    (x.double() * 3).sum().backward()
    assert x.grad.dtype == torch.float32
    assert x.grad.tolist() == [3.0, 3.0]
    y = torch.ones(2, dtype=torch.float64, requires_grad=True)
    x.grad = None
    (x * y).sum().backward()  # promoted
    assert x.grad.dtype == torch.float32
    assert y.grad.dtype == torch.float64


def test_gradient_of_an_empty_tensor_is_empty():
    x = torch.ones(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    assert tuple(x.grad.shape) == (0, 3)


def test_backward_returns_nothing():
    x = torch.ones(1, requires_grad=True)
    assert (x * 2).backward() is None


def test_backward_after_a_failed_backward_works():
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    bad = y * y
    y.add_(1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            bad.sum().backward()
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_freezing_a_leaf_between_forward_and_backward_keeps_the_recorded_graph():
    x = torch.ones(2, requires_grad=True)
    y = (x * 3).sum()
    y.backward()
    x.requires_grad_(False)
    assert not (x * 2).requires_grad
    assert x.grad.tolist() == [3.0, 3.0]


def test_intermediate_tensors_may_be_dropped_before_backward():
    x = torch.tensor([0.5], requires_grad=True)

    def loss():
        hidden = (x * 2).exp()
        hidden = hidden * hidden
        return hidden.sum()

    loss().backward()  # e^{4x}
    assert_close(x.grad, [4 * 7.3890561], rtol=1e-5)


def test_training_step_by_hand():
    w = torch.tensor([1.0, -1.0], requires_grad=True)
    inputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    for _ in range(3):
        loss = ((inputs @ w) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.01 * w.grad
        w.grad.zero_()
    expected = [1.0, -1.0]
    rows = [(1.0, 2.0), (3.0, 4.0)]
    for _ in range(3):
        out = [r[0] * expected[0] + r[1] * expected[1] for r in rows]
        step = [sum(o * r[k] for o, r in zip(out, rows, strict=True)) for k in (0, 1)]
        expected = [e - 0.01 * s for e, s in zip(expected, step, strict=True)]
    assert_close(w, expected)
