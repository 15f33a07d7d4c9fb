"""Values, gradients and local gradients of a recorded graph."""

import gc

import pytest
from checks import assert_close
from table.rows import ROWS, cases, each_row, tensor

import chainrule as torch
from chainrule.graph import Graph
from chainrule.graph.values import gradients, known_values, local_gradients
from graph._nets import euler, neurons, residual_loss, transformer_loss

pytestmark = pytest.mark.chainrule_only


def named(graph):
    return {node.variable: node for node in graph.nodes if node.variable}


def recorded(case):
    """(root, number and value of the first result) of a case whose other results are forgotten."""
    values = [tensor(array, "float64") for array in case.arrays()]
    for position in case.moving():
        values[position].requires_grad_()
    results = [r for r in case.call(values) if isinstance(r, torch.Tensor) and r.grad_fn]
    if not results:
        return None
    first = results[0]
    root = sum(result.neg().sum() for result in results)
    if first.output_nr != 0:
        return root, None, None, values
    return root, first.grad_fn._sequence_nr(), first.detach().clone(), values


def position_of(graph, sequence):
    return graph.columns["sequence"].index(sequence)


@each_row([row for row in ROWS if row.kind != "nondifferentiable"])
def test_what_is_known_of_an_operator_is_its_value(row):
    for case in cases(row):
        made = recorded(case)
        if made is None or made[1] is None:
            continue
        root, sequence, expected, leaves = made
        state = torch.get_rng_state()
        graph = Graph(root)
        versions = [leaf._version for leaf in leaves]
        known = known_values(graph)
        assert [leaf._version for leaf in leaves] == versions
        assert torch.equal(torch.get_rng_state(), state)
        found = known.get(position_of(graph, sequence))
        if found is not None:
            assert found.dtype == expected.dtype and found.shape == expected.shape
            assert_close(found, expected, rtol=1e-12, atol=1e-12)


@each_row([row for row in ROWS if row.kind != "nondifferentiable"])
def test_gradients_of_every_operator_are_the_engines(row):
    for case in cases(row):
        made = recorded(case)
        if made is None:
            continue
        root, _, _, values = made
        leaves = [leaf for leaf in values if leaf.requires_grad]
        graph = Graph(root)
        found, order = gradients(graph)
        assert all(leaf.grad is None for leaf in leaves)
        expected = torch.autograd.grad(root, leaves, allow_unused=True)  # the graph is still there
        for leaf, gradient in zip(leaves, expected, strict=True):
            at = graph.snapshot.find(leaf)
            if at is None:
                continue
            own = found.get(at[0])
            if gradient is None or own is None:
                assert own is None or not own.any()
                assert gradient is None or not gradient.any()
            else:
                assert_close(own, gradient, rtol=0, atol=0)
        assert sorted(order.values()) == list(range(len(order)))


def test_the_numbers_of_the_five_neurons():
    L, leaves = neurons()
    graph = Graph(L)
    graph.gradients()
    graph.local_gradients()
    a, w1, w2, w3, w4 = (graph.find(leaf) for leaf in leaves.values())
    assert [x.gradient.item() for x in (a, w1, w2, w3, w4)] == [-39, -10, -12, -6, -8]
    b, c, *_ = (node for node in graph.nodes if node.symbol == "×" and a in inputs(node))
    assert [edge.local for edge in b.inputs] == [2.0, 3.0]
    assert [edge.local for edge in c.inputs] == [2.0, 4.0]
    assert (b.value.item(), c.value.item()) == (6.0, 8.0)
    (minus,) = graph.roots
    assert [edge.local for edge in minus.inputs] == [-1.0]
    assert minus.inputs[0].source.value.item() == 78.0
    assert all(leaf.grad is None for leaf in leaves.values())


def inputs(node):
    return [edge.source for edge in node.inputs if edge is not None]


def test_local_gradients_are_exact():
    x = torch.tensor(0.1, requires_grad=True)
    y = x * 3.0
    z = y * 0.1
    w = z * z
    graph = Graph(w)
    graph.local_gradients()
    assert [edge.local for edge in graph.find(y).inputs if edge] == [3.0]
    assert [edge.local for edge in graph.find(z).inputs if edge] == [torch.tensor(0.1).item()]
    assert [edge.local for edge in graph.roots[0].inputs] == [z.item(), z.item()]


def test_local_gradients_of_tensors_with_one_element_only():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    s = x.sum()
    t = s.reshape(1, 1) * 2
    graph = Graph(t)
    graph.local_gradients()
    assert graph.find(s).inputs[0].local is None
    assert graph.find(t).inputs[0].local == 2.0


@pytest.mark.parametrize("make", [residual_loss, transformer_loss])
def test_gradients_of_networks_are_those_of_backward(make):
    loss, model = make()
    graph = Graph(loss)
    graph.gradients()
    retained = graph.find(loss).gradient
    loss.backward()
    assert retained.item() == 1.0
    for parameter in model.parameters():
        if parameter.grad is not None:
            assert_close(graph.find(parameter).gradient, parameter.grad, rtol=0, atol=0)


def test_gradients_come_in_the_engines_order():
    loss, _ = transformer_loss(2)
    graph = Graph(loss)
    _, order = gradients(graph)
    ran = []
    with torch.autograd.observe(on_node=lambda node, arrived, left: ran.append(node)):
        loss.backward()
    number = {n: i for i, n in enumerate(graph.columns["sequence"]) if n >= 0}

    def position(node):
        if node.name() == "AccumulateGrad":
            return graph.snapshot.find(node.variable)[0]
        return number[node._sequence_nr()]

    engine = [position(node) for node in ran]
    own = sorted(order, key=order.get)
    role = graph.columns["role"]
    assert [n for n in own if role[n] == 0] == [n for n in engine if role[n] == 0]
    # Leaves that one node completes may come in any order.
    assert sorted(own) == sorted(engine)
    behind = {n: [m for m in engine[:i] if role[m] == 0][-1:] for i, n in enumerate(engine)}
    assert all([m for m in own[: own.index(n)] if role[m] == 0][-1:] == behind[n] for n in own)


def test_gradients_run_no_hooks_and_keep_the_graph():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    seen = []
    y.register_hook(seen.append)
    y.grad_fn.register_hook(lambda i, o: seen.append(o))
    x.register_hook(seen.append)
    x.register_post_accumulate_grad_hook(seen.append)
    z = y.sum()
    for _ in range(2):
        graph = Graph(z)
        graph.gradients()
        assert graph.find(x).gradient.tolist() == [2.0, 4.0]
    assert seen == [] and x.grad is None
    z.backward()
    assert len(seen) == 4


def test_a_root_of_several_elements_is_summed():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    graph = Graph(x * x)
    graph.gradients()
    assert graph.roots[0].gradient.tolist() == [1.0, 1.0, 1.0]
    assert graph.find(x).gradient.tolist() == [2.0, 4.0, 6.0]


def test_several_roots_are_summed():
    x = torch.tensor(3.0, requires_grad=True)
    y = x * x
    graph = Graph(y, x * 5, y)
    graph.gradients()
    assert graph.find(x).gradient.item() == 17.0


def test_a_leaf_as_its_own_root():
    x = torch.tensor([3.0], requires_grad=True)
    graph = Graph(x)
    graph.gradients()
    assert graph.find(x).gradient.tolist() == [1.0]
    assert graph.find(x).order == 0
    assert graph.find(x).value.tolist() == [3.0]


def test_one_tensor_used_twice():
    x = torch.tensor([3.0], requires_grad=True)
    graph = Graph(x * x)
    graph.gradients()
    graph.local_gradients()
    assert graph.find(x).gradient.tolist() == [6.0]
    assert [edge.local for edge in graph.roots[0].inputs] == [3.0, 3.0]


def test_several_outputs():
    x = torch.tensor([3.0, 1.0, 2.0, 5.0], requires_grad=True)
    first, second = x.split(2)
    graph = Graph((first * 2 + second * 7).sum())
    graph.gradients()
    assert graph.find(x).gradient.tolist() == [2.0, 2.0, 7.0, 7.0]
    assert graph.find(first).gradient.tolist() == [2.0, 2.0]
    assert graph.find(first).value.tolist() == [3.0, 1.0]
    values, _ = x.sort()
    graph = Graph(values[:1] * 3)
    graph.gradients()
    assert graph.find(x).gradient.tolist() == [0.0, 3.0, 0.0, 0.0]


def test_a_second_output_as_root():
    x = torch.tensor([3.0, 1.0, 2.0, 5.0], requires_grad=True)
    _, second = x.split(2)
    graph = Graph(second)
    graph.gradients()
    assert graph.find(x).gradient.tolist() == [0.0, 0.0, 1.0, 1.0]
    # The value of the node is that of its first output, which nobody kept.
    assert graph.roots[0].value is None


class Cube(torch.autograd.Function):
    """x³ with a derivative in Python."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x * x


def test_a_custom_function():
    x = torch.tensor(2.0, requires_grad=True)
    y = Cube.apply(x)
    graph = Graph(y * 2)
    graph.gradients()
    graph.local_gradients()
    assert graph.find(x).gradient.item() == 24.0
    assert graph.find(y).inputs[0].local == 12.0
    assert graph.find(y).value.item() == 8.0


def test_a_graph_of_derivatives():
    x = torch.tensor(2.0, requires_grad=True)
    (slope,) = torch.autograd.grad(x**3, x, create_graph=True)
    graph = Graph(slope)
    graph.gradients()
    assert graph.find(x).gradient.item() == 12.0
    assert graph.roots[0].value.item() == 12.0


def test_views_and_changes_in_place():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[1:].mul_(5)
    graph = Graph(y.sum())
    graph.gradients()
    assert graph.find(x).gradient.tolist() == [2.0, 10.0, 10.0]
    assert graph.find(y).value.tolist() == [2.0, 20.0, 30.0]


def test_empty_tensors():
    x = torch.zeros(0, 3, requires_grad=True)
    graph = Graph((x * 2).sum())
    graph.gradients()
    assert graph.find(x).gradient.shape == (0, 3)
    assert graph.find(x).value.shape == (0, 3)


def test_broadcast_gradients_have_the_shape_of_their_value():
    w = torch.tensor([[2.0]], requires_grad=True)
    b = torch.tensor(1.0, requires_grad=True)
    x = torch.ones(4, 3)
    graph = Graph((x * w + b).sum())
    graph.gradients()
    assert graph.find(w).gradient.tolist() == [[12.0]]
    assert graph.find(b).gradient.item() == 12.0


def test_a_freed_graph_says_which_line_freed_it():
    x = torch.tensor(2.0, requires_grad=True)
    y = (x * x).exp()
    y.backward()  # frees it
    graph = Graph(y)
    with pytest.raises(RuntimeError, match=r"freed by the backward at .*test_values.py") as error:
        graph.gradients()
    assert "y.backward()  # frees it" in str(error.value)
    with pytest.raises(RuntimeError, match="freed"):
        graph.local_gradients()
    assert graph.find(y).gradient is None
    assert graph.find(x).value.item() == 2.0
    assert graph.find(y).value.item() == y.item()


def test_a_saved_value_that_was_changed_is_not_shown():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y, u = x.cumsum(0), x + 0.5
    z = (y * y + u * u).sum()
    with torch.no_grad():
        y.add_(100)
        u.add_(100)
    graph = Graph(z)
    assert graph.find(y).value is None
    assert graph.find(u).value.tolist() == [1.5, 2.5]  # computed again
    assert graph.find(z).value.item() == 18.5
    assert graph.find(x).value.tolist() == [1.0, 2.0]


def test_nothing_follows_from_a_leaf_that_was_changed():
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    root = (w * x + w).sum()
    with torch.no_grad():
        w -= 1
    graph = Graph(root)
    product = root.grad_fn.next_functions[0][0].next_functions[0][0]
    assert graph.nodes[position_of(graph, product._sequence_nr())].value is None
    assert graph.find(w).value is None
    assert graph.find(root).value.item() == 18.0


def test_values_that_no_node_saved_follow_from_the_operands():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    root = ((x + 2) * 3 - (4 - x)).sum()
    values = [n.value.tolist() for n in Graph(root).nodes if n.kind == "operator"]
    assert values == [[3.0, 4.0], [9.0, 12.0], [3.0, 2.0], [6.0, 10.0], 16.0]


def test_values_of_a_transformer_are_known_and_those_that_were_computed():
    seen = {}

    def keep(op):
        for result in op.outputs:
            if result.grad_fn is not None and result.output_nr == 0:
                seen[result.grad_fn._sequence_nr()] = result.detach().clone()

    with torch.autograd.observe(on_operator=keep):
        loss, _ = transformer_loss(3)
    graph = Graph(loss)
    known = known_values(graph)
    assert len(known) == len(graph.nodes)
    compared = 0
    for node in graph.nodes:
        if node.sequence in seen:
            assert_close(known[node.id], seen[node.sequence], rtol=1e-5, atol=1e-5)
            compared += 1
    assert compared > 60


def test_random_operators_are_never_run_again():
    torch.manual_seed(0)
    x = torch.ones(100, requires_grad=True)
    root = torch.dropout(x + 0, 0.5, True).sum()
    state = torch.get_rng_state()
    expected = root.item()
    graph = Graph(root)
    known_values(graph)
    assert torch.equal(torch.get_rng_state(), state)
    assert graph.roots[0].value.item() == expected


def test_large_results_are_not_computed_again():
    x = torch.ones(2_000_000, requires_grad=True)
    graph = Graph((x + 1).sum())
    assert graph.roots[0].inputs[0].source.value is None
    assert graph.roots[0].value.item() == 4_000_000


def test_nan_and_infinity_are_values():
    x = torch.tensor([-1.0, 0.0], requires_grad=True)
    graph = Graph(x.log().sum())
    graph.gradients()
    log = graph.roots[0].inputs[0].source
    assert log.value is None or log.value[1].item() == float("-inf")
    assert graph.find(x).gradient[1].item() == float("inf")


def test_asking_keeps_nothing_alive():
    loss, model = residual_loss(3)
    graph = Graph(loss)
    graph.gradients()
    known_values(graph)
    local_gradients(graph)
    (node,) = [n for n in (loss.grad_fn,) if n is not None]
    del graph, loss, model
    gc.collect()
    assert node.next_functions


@pytest.mark.parametrize(
    "steps", [50_000, pytest.param(500_000, marks=pytest.mark.slow)], ids=["100,000", "1,000,000"]
)
def test_a_long_chain_needs_no_recursion(steps):
    y, (x, a, _) = euler(steps)
    graph = Graph(y)
    found, order = gradients(graph)
    local = local_gradients(graph)
    assert len(order) == len(graph.nodes) and len(local) == len(graph.edges)
    y.backward()
    assert_close(found[graph.find(a).id], a.grad, rtol=0, atol=0)
    assert_close(found[graph.find(x).id], x.grad, rtol=0, atol=0)
