"""The public graph API tells what was recorded: nodes, edges, lines, names, modules."""

import gc
import inspect
import runpy
import weakref
from pathlib import Path

import pytest

import chainrule as torch
from chainrule.graph import Graph, Location, to_payload


def five_neurons():
    a = torch.tensor(2.0, requires_grad=True)
    w1, w2, w3, w4 = (torch.tensor(float(v), requires_grad=True) for v in (1, 2, 3, 4))
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = 10 - d
    return Graph(L)


def by_variable(graph):
    return {node.variable: node for node in graph.nodes if node.variable}


def test_the_five_neurons_have_the_users_names():
    graph = five_neurons()
    assert {n.variable for n in graph.leaves} == {"a", "w1", "w2", "w3", "w4"}
    named = by_variable(graph)
    assert [named[v].symbol for v in "bcdL"] == ["×", "×", "+", "−"]
    assert graph.roots == (named["L"],)
    assert len(graph.nodes) == 11 and len(graph.edges) == 11


def test_an_operator_knows_its_line_expression_and_formulas():
    b = by_variable(five_neurons())["b"]
    assert b.name == "MulBackward0" and b.operator == "mul" and b.kind == "operator"
    assert b.location.file == __file__
    assert b.location.text == "b = w1 * a"
    assert b.location.expression == "w1 * a"
    assert b.location.function == "five_neurons"
    assert b.location.describe() == f"{__file__}:{b.location.line}"
    assert b.formulas == ("g·other", "g·self")
    assert b.input_names == ("self", "other")
    assert b.shape == () and b.dtype == "float32" and b.shapes == ((),)
    assert b.saved_bytes == 8  # two floats


def test_inputs_stand_before_users_and_edges_join_them():
    x = torch.randn(3, requires_grad=True)
    y = x
    for i in range(20):
        y = (y * x + y.sin()) if i % 3 else torch.stack([y, x]).sum(0)
    graph = Graph(y.sum())
    for number, edge in enumerate(graph.edges):
        assert edge.id == number
        assert edge.source.id < edge.target.id
        assert edge.target.inputs[edge.input] == edge
        assert edge in edge.source.users
    numbers = [n.sequence for n in graph.nodes if n.kind == "operator"]
    assert numbers == sorted(numbers)


def test_a_result_keeps_the_name_it_was_assigned_to():
    def rebinds():
        h = torch.ones(2, requires_grad=True)
        for _ in range(3):
            h = h * 2
        loss = h.sum()
        return loss

    loss = rebinds()
    assert [n.variable for n in Graph(loss).nodes if n.operator == "mul"] == ["h"] * 3
    assert Graph(loss).roots[0].variable == "loss"


def test_inner_operators_of_one_call_do_not_take_its_name():
    x = torch.randn(4, 3, requires_grad=True)
    target = torch.tensor([0, 1, 2, 0])
    loss = torch.nn.functional.cross_entropy(x, target)
    graph = Graph(loss)
    assert [n.variable for n in graph.nodes if n.kind == "operator"] == [None, "loss"]
    assert [n.variable for n in graph.nodes if n.kind == "constant"] == ["target"]


def test_leaves_of_a_function_that_returned_go_by_the_source():
    def made():
        weight = torch.ones(2, requires_grad=True)
        bias = torch.ones(2, requires_grad=True)
        return (2 * weight + bias).sum()

    loss = made()
    assert [n.variable for n in Graph(loss).leaves] == ["weight", "bias"]


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 3)

    def forward(self, x):
        return torch.tanh(self.inner(x)) + x


class Stack(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Block(), Block()])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_nodes_know_the_module_that_recorded_them():
    net = Stack()
    x = torch.randn(2, 3)
    graph = Graph(net(x).sum())
    operators = [n for n in graph.nodes if n.kind == "operator"]
    assert [(n.operator, n.module) for n in operators] == [
        ("addmm", "net.layers.0.inner"), ("tanh", "net.layers.0"), ("add", "net.layers.0"),
        ("addmm", "net.layers.1.inner"), ("tanh", "net.layers.1"), ("add", "net.layers.1"),
        ("sum", ""),
    ]  # fmt: skip
    assert operators[0].module_type == "Linear" and operators[1].module_type == "Block"
    assert operators[0].module_call != operators[3].module_call != 0
    assert operators[-1].module_call == 0 and operators[-1].module_type == ""
    assert {n.variable for n in graph.leaves} == {
        f"net.layers.{i}.inner.{p}" for i in (0, 1) for p in ("weight", "bias")
    }


def test_a_graph_keeps_no_module_alive():
    def run():
        net = Stack()
        reference = weakref.ref(net)
        return net(torch.randn(2, 3)).sum(), reference

    loss, reference = run()
    gc.collect()
    assert reference() is None
    modules = {n.module for n in Graph(loss).nodes}
    assert "Stack.Block.Linear" in modules


def test_a_module_that_raises_leaves_no_scope_behind():
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise KeyError("no")

    x = torch.ones(2, requires_grad=True)
    with pytest.raises(KeyError):
        Broken()(x)
    assert Graph(x * 2).roots[0].module == ""


def test_shared_and_hooked_modules_are_told_apart_by_call():
    layer = torch.nn.Linear(2, 2)
    handle = layer.register_forward_hook(lambda module, args, out: out * 2)
    x = torch.ones(1, 2)
    graph = Graph(layer(layer(x)).sum())
    calls = [n.module_call for n in graph.nodes if n.module == "layer" and n.operator == "addmm"]
    assert len(set(calls)) == 2
    assert sum(n.operator == "mul" and n.module == "layer" for n in graph.nodes) == 2
    handle.remove()


def test_operators_with_several_outputs_and_lists_of_inputs():
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()
    first, *rest = x.unbind(0)
    joined = torch.cat([first, *rest])
    graph = Graph(joined.sum())
    unbind = next(n for n in graph.nodes if n.operator == "unbind")
    cat = next(n for n in graph.nodes if n.operator == "cat")
    assert unbind.shapes == ((2,),) * 3 and unbind.dtypes == ("float32",) * 3
    assert [e.output for e in unbind.users] == [0, 1, 2]
    assert [e.input for e in cat.inputs] == [0, 1, 2]
    assert graph.find(rest[1]) == unbind


def test_custom_functions_have_the_name_of_their_class():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    x = torch.ones(2, requires_grad=True)
    node = Graph(Cube.apply(x)).roots[0]
    assert (node.name, node.operator, node.symbol) == ("CubeBackward", "Cube", "Cube")
    assert node.saved_bytes == 8 and node.formulas == (None,)


def test_constants_are_the_saved_inputs_without_gradient():
    w = torch.ones(3, 2, requires_grad=True)
    x = torch.ones(4, 3)
    graph = Graph((x @ w).sum() + (x * 2).sum() * w.sum())
    constants = [n for n in graph.nodes if n.kind == "constant"]
    assert "x" in {n.variable for n in constants}
    assert graph.find("x").tensor is x and graph.find("w").tensor is w


def test_a_leaf_is_a_graph_of_its_own():
    x = torch.ones(2, requires_grad=True)
    graph = Graph(x)
    assert [n.kind for n in graph.nodes] == ["leaf"]
    assert graph.nodes[0].variable == "x" and graph.nodes[0].name == "AccumulateGrad"


def test_several_roots_share_one_graph():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    graph = Graph(y.sum(), y.grad_fn, (y * x).sum())
    assert len(graph.roots) == 3
    assert graph.roots[1].operator == "mul"
    assert sum(n.kind == "leaf" for n in graph.nodes) == 1


def test_tensors_without_a_graph_and_other_things_are_refused():
    with pytest.raises(RuntimeError, match="no graph"):
        Graph(torch.ones(2))
    with pytest.raises(TypeError, match="tensors or nodes"):
        Graph(3)
    with pytest.raises(TypeError, match="at least one"):
        Graph()
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(KeyError, match="not part of the graph"):
        Graph(x * 2).find(torch.ones(2))
    with pytest.raises(KeyError, match="no node"):
        Graph(x * 2).find("y")
    with pytest.raises(IndexError):
        Graph(x * 2).nodes[7]


def test_a_freed_graph_still_shows_its_structure():
    x = torch.ones(2, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    graph = Graph(loss)
    mul = next(n for n in graph.nodes if n.operator == "mul")
    assert mul.released and mul.saved_bytes == 0 and len(graph.edges) == 3


def test_reading_a_graph_changes_nothing():
    x = torch.ones(2, requires_grad=True)
    y = x * x
    loss = y.sum()
    version = y._version
    graph = Graph(loss)
    list(graph.nodes), list(graph.edges)
    loss.backward()
    assert x.grad.tolist() == [2.0, 2.0] and y._version == version
    assert graph.nodes[1].operator == "mul"


def test_deep_graphs_need_no_recursion():
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y + 1
    graph = Graph(y)
    assert len(graph) == 200_001
    assert graph.nodes[200_000].inputs[0].source.id == 199_999
    del y, graph


def test_code_without_source_has_lines_but_no_text():
    x = torch.ones(2, requires_grad=True)
    names = {"x": x}
    exec(compile("y = x * 2", "<made up>", "exec"), names)
    node = Graph(names["y"]).roots[0]
    assert node.location.describe() == "<made up>:1"
    assert node.location.text == "" and node.location.expression == ""
    assert node.variable == "y"


def test_expressions_with_other_letters_are_cut_at_the_right_place():
    α = torch.ones(2, requires_grad=True)
    ergebnis_ä = "äöü", (α * 3)
    node = Graph(ergebnis_ä[1]).roots[0]
    assert node.location.expression == "α * 3"
    assert Graph(ergebnis_ä[1]).leaves[0].variable == "α"


def test_locations_compare_by_place():
    x = torch.ones(2, requires_grad=True)
    same = [x * 2 for _ in range(2)]
    first, second = (Graph(t).roots[0].location for t in same)
    assert first == second and hash(first) == hash(second) and isinstance(first, Location)
    assert first != Graph(x * 2).roots[0].location


def test_a_node_can_be_called_with_gradients():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)
    node = (x * y).grad_fn
    gx, gy = node(torch.ones(2))
    assert gx.tolist() == [3.0, 4.0] and gy.tolist() == [1.0, 2.0]
    assert x.grad is None
    assert (x + 1).grad_fn(torch.ones(2))[1] is None
    with pytest.raises(TypeError, match="one gradient for each"):
        node()
    with pytest.raises(TypeError, match="Tensors or None"):
        node(1.0)
    with pytest.raises(RuntimeError, match="has shape"):
        node(torch.ones(3))
    with pytest.raises(TypeError, match="no keyword"):
        node(grad=torch.ones(2))
    with pytest.raises(TypeError, match="no inputs"):
        node.next_functions[0][0](torch.ones(2))
    (x * y).sum().backward()
    out = x * y
    out.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.grad_fn(torch.ones(2))


def test_the_example_tool_is_short_and_finds_the_fading_gradient(capsys):
    path = Path(__file__).parents[2] / "examples" / "gradient_flow.py"
    namespace = runpy.run_path(str(path), run_name="__main__")
    sizes = [float(line.split()[0]) for line in capsys.readouterr().out.splitlines()]
    assert len(sizes) == 8 and sizes[0] == 1.0 and sizes[-1] < 1e-6
    source = inspect.getsource(namespace["gradient_flow"])
    assert len(source.splitlines()) <= 20
    assert source in (path.parents[1] / "docs" / "graph.md").read_text()


def test_one_place_in_the_source_is_one_place_however_often_it_runs():
    def cube(x):
        y = x.pow(3)
        return y

    x = torch.ones(2, requires_grad=True)
    nodes = [Graph(cube(x)).roots[0] for _ in range(100)]
    assert {node.variable for node in nodes} == {"y"}
    assert {node.location.expression for node in nodes} == {"x.pow(3)"}
    assert len({node.location for node in nodes}) == 1


def test_reading_names_keeps_no_local_variable_alive():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    z = y.sum()
    assert Graph(z).find("y").operator == "mul"
    reference = weakref.ref(y)
    del y, z
    gc.collect()
    assert reference() is None


def test_saved_sizes_and_dimensions_can_be_read():
    x = torch.ones(2, 3, requires_grad=True)
    node = x.sum(1).grad_fn
    assert node._saved_dim == (1,) and node._saved_self_sizes == (2, 3)
    with pytest.raises(AttributeError, match="_saved_nothing"):
        _ = node._saved_nothing


def test_what_a_picture_computes_is_not_observed():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).exp().sum()
    seen = []
    with torch.autograd.observe(
        on_operator=lambda op: seen.append(op.name), on_node=lambda *a: seen.append(a[0].name())
    ):
        graph = Graph(loss)
        graph.gradients()
        graph.local_gradients()
        values = [node.value for node in graph.nodes]
        to_payload(graph)
        assert seen == []
        loss.exp()
    assert seen == ["exp"] and all(value is not None for value in values)


def test_a_new_graph_over_old_leaves_is_not_freed():
    x = torch.ones(2, requires_grad=True)
    old = (x * x).sum()
    old.backward()  # while `old` lives, its accumulator of x serves the new graph too
    graph = Graph((x * x).sum())
    assert not any(node.released for node in graph.nodes)
    graph.gradients()
    assert graph.find(x).gradient.tolist() == [2.0, 2.0]


def test_parameters_of_a_layer_that_is_gone_get_no_wrong_name():
    def run():
        layer = torch.nn.Linear(3, 3)
        x = torch.randn(2, 3)
        y = layer(x)
        return y.sum()

    graph = Graph(run())
    assert [n.variable for n in graph.leaves] == [None, None]


def test_a_graph_keeps_no_class_of_modules_alive():
    namespace = {"torch": torch}
    source = (
        "class Net(torch.nn.Linear):\n    def forward(self, x):\n        return x @ self.weight\n"
        "loss = Net(2, 2)(torch.ones(1, 2)).sum()\n"
    )
    exec(compile(source, "<program>", "exec"), namespace)
    reference = weakref.ref(namespace["Net"])
    namespace = None  # the class, its functions, their globals, the loss and its graph: a cycle
    gc.collect()
    assert reference() is None
