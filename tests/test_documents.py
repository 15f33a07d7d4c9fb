"""The statements of the three documents that Chainrule implements, as programs and what they print.

Rows are numbered as in the table of the documents: 1, 2 (the graph), 3 to 10, 13, 14.
"""

import math
import re

import pytest
from checks import assert_close

import chainrule as torch
from chainrule.autograd import Function, Variable

NODE = r"<{}(Backward0)? object at 0x[0-9a-f]+>"


def tensors_of_the_network(requires_grad=True):
    """The input and the four weights of the five-neuron network, as single numbers."""
    values = {"a": 2.0, "w1": 3.0, "w2": -1.0, "w3": 0.5, "w4": 4.0}
    return {k: torch.tensor(v, requires_grad=requires_grad) for k, v in values.items()}


def five_neurons(a, w1, w2, w3, w4):
    """The network of the first document: returns b, c, d and the loss."""
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    return b, c, d, 10 - d


# 1: the chain rule


def test_row_1_gradients_of_the_five_neuron_network():
    t = tensors_of_the_network()
    b, c, _, loss = five_neurons(**t)
    loss.backward()
    assert t["w4"].grad.item() == -c.item()
    assert t["w3"].grad.item() == -b.item()
    assert t["w2"].grad.item() == -(t["w4"] * t["a"]).item()
    assert t["w1"].grad.item() == -(t["w3"] * t["a"]).item()


def test_row_1_the_gradient_adds_over_both_paths():
    t = tensors_of_the_network()
    _, _, _, loss = five_neurons(**t)
    loss.backward()
    by_paths = -(t["w3"] * t["w1"] + t["w4"] * t["w2"]).item()
    assert t["a"].grad.item() == by_paths == 2.5


def test_row_1_local_gradients_multiply_along_a_path():
    t = tensors_of_the_network()
    b, _, d, loss = five_neurons(**t)
    (loss_by_d,) = torch.autograd.grad(loss, d, retain_graph=True)
    (d_by_b,) = torch.autograd.grad(d, b, retain_graph=True)
    (b_by_w1,) = torch.autograd.grad(b, t["w1"], retain_graph=True)
    (whole,) = torch.autograd.grad(loss, t["w1"])
    assert loss_by_d.item() == -1.0
    assert whole.item() == (loss_by_d * d_by_b * b_by_w1).item()


# 2: the graph


def structure(node):
    """A node as (name, inputs), leaves by name of their class."""
    return (
        type(node).__name__,
        [None if child is None else structure(child) for child, _ in node.next_functions],
    )


def test_row_2_nodes_are_operators_and_leaves_are_variables():
    t = tensors_of_the_network()
    *_, loss = five_neurons(**t)
    leaf = ("AccumulateGrad", [])
    product = ("MulBackward0", [leaf, leaf])
    weighted = ("MulBackward0", [leaf, product])
    assert structure(loss.grad_fn) == ("RsubBackward1", [("AddBackward0", [weighted, weighted])])


def test_row_2_the_leaf_a_is_one_node_with_two_uses():
    t = tensors_of_the_network()
    b, c, *_ = five_neurons(**t)
    of_b = b.grad_fn.next_functions[1][0]
    of_c = c.grad_fn.next_functions[1][0]
    assert of_b is of_c
    assert of_b.variable is t["a"]


# 3: tensors


def test_row_3_tensor_of_sizes_is_uninitialised_memory_of_that_shape():
    t = torch.Tensor(3, 5)
    assert tuple(t.shape) == (3, 5)
    assert t.dtype == torch.float32
    assert repr(t).startswith("tensor([[")


def test_row_3_float_tensor_then_requires_grad():
    t1 = torch.randn((3, 3), requires_grad=True)
    t2 = torch.FloatTensor(3, 3)
    assert t1.requires_grad
    assert not t2.requires_grad
    t2.requires_grad = True
    assert (t2 * 1).requires_grad


@pytest.mark.chainrule_only
def test_row_3_tensor_of_a_number_is_zero_dimensional():
    t = torch.Tensor(6.7)
    assert repr(t) == "tensor(6.7000)"
    assert t.dim() == 0


def test_row_3_ones_and_linspace_require_grad_from_the_constructor():
    a = torch.ones(2, 3, requires_grad=True)
    assert repr(a) == ("tensor([[1., 1., 1.],\n        [1., 1., 1.]], requires_grad=True)")
    assert torch.linspace(0.0, 1.0, steps=3, requires_grad=True).requires_grad


# 4: requires_grad


def test_row_4_requires_grad_is_contagious():
    a, b = torch.ones(2), torch.ones(2, requires_grad=True)
    assert not (a + a).requires_grad
    assert (a + b).requires_grad
    assert ((a + b) * a).requires_grad


def test_row_4_freezing_a_leaf_stops_its_gradient():
    t = tensors_of_the_network()
    t["w1"].requires_grad = False
    five_neurons(**t)[-1].backward()
    assert t["w1"].grad is None
    assert t["w3"].grad is not None


def test_row_4_only_what_requires_grad_takes_part_in_the_graph():
    t = tensors_of_the_network(requires_grad=False)
    b, _, _, loss = five_neurons(**t)
    assert loss.grad_fn is None
    t["w4"].requires_grad = True
    b, c, _, loss = five_neurons(**t)
    assert b.grad_fn is None
    assert c.grad_fn is None
    assert loss.grad_fn is not None


# 5: grad_fn and what is printed


def test_row_5_grad_fn_of_a_leaf_and_of_a_result(capsys):
    a, w1, w2, w3, w4 = (torch.randn((3, 3), requires_grad=True) for _ in range(5))
    d = five_neurons(a, w1, w2, w3, w4)[2]
    print("The grad fn for a is", a.grad_fn)
    print("The grad fn for d is", d.grad_fn)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "The grad fn for a is None"
    assert re.fullmatch("The grad fn for d is " + NODE.format("Add"), second)
    assert a.is_leaf
    assert not d.is_leaf


def sine_program():
    """The tensors of the second document: x, sin(x), twice that, plus one, and its sum."""
    x = torch.linspace(0.0, 2.0 * math.pi, steps=25, requires_grad=True)
    b = torch.sin(x)
    c = 2 * b
    d = c + 1
    return x, b, c, d, d.sum()


def test_row_5_the_sine_program_prints_as_the_document_shows():
    x, b, c, d, out = sine_program()
    assert repr(x) == (
        "tensor([0.0000, 0.2618, 0.5236, 0.7854, 1.0472, 1.3090, 1.5708, 1.8326, 2.0944,\n"
        "        2.3562, 2.6180, 2.8798, 3.1416, 3.4034, 3.6652, 3.9270, 4.1888, 4.4506,\n"
        "        4.7124, 4.9742, 5.2360, 5.4978, 5.7596, 6.0214, 6.2832],\n"
        "       requires_grad=True)"
    )
    lines = repr(b).splitlines()
    assert lines[0] == "tensor([ 0.0000e+00,  2.5882e-01,  5.0000e-01,  7.0711e-01,  8.6603e-01,"
    assert lines[2].startswith("         5.0000e-01,  2.5882e-01, -8.7423e-08, -2.5882e-01")
    assert lines[-1] == "       grad_fn=<SinBackward0>)"
    assert repr(c).endswith("grad_fn=<MulBackward0>)")
    assert repr(d).endswith("grad_fn=<AddBackward0>)")
    assert re.fullmatch(r"tensor\(25\.(0000)?, grad_fn=<SumBackward0>\)", repr(out))
    assert_close(d, (2 * b + 1).tolist())


def test_row_5_next_functions_of_the_sine_program(capsys):
    d = sine_program()[3]
    print(d.grad_fn)
    print(d.grad_fn.next_functions)
    print(d.grad_fn.next_functions[0][0].next_functions)
    print(d.grad_fn.next_functions[0][0].next_functions[0][0].next_functions)
    lines = capsys.readouterr().out.splitlines()
    for line, pattern in zip(
        lines,
        [
            NODE.format("Add"),
            rf"\(\({NODE.format('Mul')}, 0\), \(None, 0\)\)",
            rf"\(\({NODE.format('Sin')}, 0\), \(None, 0\)\)",
            rf"\(\({NODE.format('AccumulateGrad')}, 0\),\)",
        ],
        strict=True,
    ):
        assert re.fullmatch(pattern, line), line


def test_row_5_a_non_leaf_s_grad_is_none():
    x, b, c, d, out = sine_program()
    out.backward()
    assert x.grad is not None
    for tensor in (b, c, d, out):
        with pytest.warns(UserWarning, match="not a leaf"):
            assert tensor.grad is None


# 6: functions


def test_row_6_users_write_their_own_forward_and_backward():
    class AddWeighted(Function):
        """d = f(p, q) = p + q, the operator that produces d in the first document."""

        @staticmethod
        def forward(ctx, p, q):
            return p + q

        @staticmethod
        def backward(ctx, incoming):
            return incoming * 1, incoming * 1

    t = tensors_of_the_network()
    b, c = t["w1"] * t["a"], t["w2"] * t["a"]
    d = AddWeighted.apply(t["w3"] * b, t["w4"] * c)
    assert type(d.grad_fn).__name__ == "AddWeightedBackward"
    (10 - d).backward()
    assert t["a"].grad.item() == 2.5


# 7: backward


def vector_network():
    """The network with 3×3 tensors; returns the leaves and the loss."""
    torch.manual_seed(0)
    leaves = [torch.randn((3, 3), requires_grad=True) for _ in range(5)]
    return leaves, five_neurons(*leaves)[-1]


def test_row_7_backward_of_a_vector_raises():
    _, loss = vector_network()
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        loss.backward()


def test_row_7_sum_and_ones_are_the_two_ways_out():
    leaves, loss = vector_network()
    loss.sum().backward()
    by_sum = [leaf.grad.tolist() for leaf in leaves]
    leaves, loss = vector_network()
    loss.backward(torch.ones(loss.shape))
    assert [leaf.grad.tolist() for leaf in leaves] == by_sum
    _a, w1, w2, w3, w4 = (leaf.detach() for leaf in leaves)
    assert_close(leaves[0].grad, -(w3 * w1 + w4 * w2))


def test_row_7_gradient_of_the_sine_program():
    x, *_, out = sine_program()
    out.backward()
    assert_close(x.grad, [2 * math.cos(v) for v in x.tolist()], atol=1e-6)
    lines = repr(x.grad).splitlines()
    assert lines[0] == "tensor([ 2.0000e+00,  1.9319e+00,  1.7321e+00,  1.4142e+00,  1.0000e+00,"
    assert lines[1].startswith("         5.1764e-01, -8.7423e-08, -5.1764e-01")
    assert "2.3850e-08" in lines[3]


def test_row_7_update_of_a_weight():
    w1 = torch.tensor([1.0, 2.0], requires_grad=True)
    (w1 * torch.tensor([3.0, 4.0])).sum().backward()
    learning_rate = 0.5
    w1 = w1 - learning_rate * w1.grad
    assert w1.tolist() == [-0.5, 0.0]
    assert type(w1.grad_fn).__name__ == "SubBackward0"


# 8: the dynamic graph


def test_row_8_no_node_exists_before_the_operation_runs():
    a = torch.randn((3, 3), requires_grad=True)
    w1 = torch.randn((3, 3), requires_grad=True)
    assert a.grad_fn is None
    assert w1.grad_fn is None
    b = w1 * a
    assert type(b.grad_fn).__name__ == "MulBackward0"


def test_row_8_second_backward_raises_because_buffers_were_freed():
    _, loss = vector_network()
    total = loss.sum()
    total.backward()
    with pytest.raises(
        RuntimeError,
        match=r"Trying to backward through the graph a second time.*[Ss]pecify retain_graph=True",
    ):
        total.backward()


def test_row_8_retain_graph_allows_it_and_gradients_accumulate():
    leaves, loss = vector_network()
    total = loss.sum()
    total.backward(retain_graph=True)
    once = [[2 * v for v in row] for row in leaves[0].grad.tolist()]
    total.backward()
    assert_close(leaves[0].grad, once)


def test_row_8_the_graph_may_change_from_run_to_run():
    x = torch.tensor(1.0, requires_grad=True)
    for depth in (1, 3, 2):
        x.grad = None
        y = x
        for _ in range(depth):
            y = y * 2
        y.backward()
        assert x.grad.item() == 2.0**depth


# 9: modes


def test_row_9_requires_grad_false_and_no_grad():
    a = torch.ones(2, 3, requires_grad=True)
    a.requires_grad = False
    b = 2 * a
    assert not b.requires_grad
    a.requires_grad = True
    with torch.no_grad():
        c = a + b
    assert not c.requires_grad
    assert c.grad_fn is None


def test_row_9_enable_grad_inside_no_grad():
    a = torch.ones(2, 3, requires_grad=True)
    with torch.no_grad(), torch.enable_grad():
        assert (a * 2).requires_grad


def test_row_9_detach_takes_part_in_no_graph_and_shares_memory():
    x, b, *_ = sine_program()
    plotted = x.detach(), b.detach()
    assert all(not t.requires_grad and t.grad_fn is None for t in plotted)
    assert plotted[1].data_ptr() == b.data_ptr()


@pytest.mark.chainrule_only
def test_row_9_no_grad_as_the_document_writes_it_without_the_call():
    a = torch.ones(2, 3, requires_grad=True)
    with torch.no_grad:
        assert not (a * 2).requires_grad
    assert (a * 2).requires_grad


# 10: Jacobians


def test_row_10_backward_with_a_vector_is_the_product_with_the_transposed_jacobian():
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)

    def f(x):
        return torch.stack([x[0] * x[1], x[1].sin() + x[2] ** 2])

    a, b, c = x.tolist()
    jacobian = [[b, a, 0.0], [0.0, math.cos(b), 2 * c]]
    rows = [torch.autograd.grad(f(x)[k], x)[0] for k in range(2)]
    for row, expected in zip(rows, jacobian, strict=True):
        assert_close(row, expected)
    v = torch.tensor([3.0, -2.0], dtype=torch.float64)
    f(x).backward(v)
    assert_close(x.grad, [3 * p - 2 * q for p, q in zip(*jacobian, strict=True)])


# 13: in-place


def test_row_13_an_in_place_operation_is_correct_or_an_error():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    harmless = x * 2
    harmless += 1
    harmless.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    saved = x * 2
    square = saved * saved
    saved += 1
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        square.sum().backward()


# 14: the third document's program


def test_row_14_recurrent_step_with_variables():
    torch.manual_seed(0)
    x, prev_h = Variable(torch.randn(1, 10)), Variable(torch.randn(1, 20))
    w_h = Variable(torch.randn(20, 20), requires_grad=True)
    w_x = Variable(torch.randn(20, 10), requires_grad=True)
    assert isinstance(x, torch.Tensor)
    i2h = torch.matmul(w_x, x.t())
    h2h = torch.matmul(w_h, prev_h.t())
    next_h = (i2h + h2h).tanh()
    next_h.sum().backward()
    assert tuple(next_h.shape) == (20, 1)
    local = 1 - next_h.detach() ** 2
    assert_close(w_x.grad, local.matmul(x), rtol=1e-4)
    assert_close(w_h.grad, local.matmul(prev_h), rtol=1e-4)


def test_row_14_the_last_program():
    torch.manual_seed(0)
    a, x1, x2, x3, x4 = (torch.randn((5, 5), requires_grad=True) for _ in range(5))
    loss = (10 - (x3 * (x1 * a) + x4 * (x2 * a))).sum()
    loss.backward()
    assert_close(a.grad, -(x3 * x1 + x4 * x2).detach())
    assert_close(x4.grad, -(x2 * a).detach())
