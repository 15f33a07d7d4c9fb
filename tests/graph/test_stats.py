"""graph_stats: sizes of graphs that were counted by hand."""

import pytest

import chainrule as torch
from chainrule import nn
from chainrule.graph import Graph
from chainrule.graph.stats import graph_stats
from graph._nets import euler, neurons, residual_loss, transformer_loss

pytestmark = pytest.mark.chainrule_only


def rows(table):
    return {row.name: tuple(row)[1:] for row in table}


def test_the_five_neurons():
    L, _ = neurons()
    stats = graph_stats(L)
    assert (stats.nodes, stats.operators, stats.leaves, stats.constants) == (11, 6, 5, 0)
    assert (stats.edges, stats.depth) == (11, 4)
    # Each product saves both factors: w1, a, w3, b; w2, a again, w4, c.
    assert (stats.saved_values, stats.saved_bytes) == (8, 7 * 4)
    assert (stats.shared_values, stats.leaf_bytes) == (1, 5 * 4)
    assert rows(stats.by_operator) == {"mul": (4, 28, 1), "add": (1, 0, 0), "rsub": (1, 0, 0)}
    assert rows(stats.by_module) == {"": (6, 28, 1)}
    (line,) = stats.by_line
    assert "_nets.py:" in line.name and tuple(line)[1:] == (6, 28, 1)


def test_modules_and_lines():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    loss = model(x).sum()
    stats = graph_stats(loss)
    # The first map saves x (the weight only if a gradient of x is wanted), tanh its result, which
    # is the very memory that the second map saves as its input, next to its weight.
    found = rows(stats.by_module)
    assert found["model.1"] == (1, 5 * 4 * 4, 0)
    assert found["model.2"][0] == 1 and found["model.2"][2] == 1
    assert stats.depth == 4
    assert stats.saved_bytes == sum(row.bytes for row in stats.by_module)
    assert sum(row.nodes for row in stats.by_line) == stats.operators == 4


def test_a_saved_view_keeps_its_whole_memory_once():
    x = torch.ones(1000, requires_grad=True)
    y = x * 2
    first, second = y[:10], y[10:20]
    stats = graph_stats((first * second).sum())
    assert rows(stats.by_operator)["mul"] == (2, 4000, 1)
    assert stats.saved_bytes == 4000 and stats.leaf_bytes == 0


def test_tables_add_up():
    loss, model = transformer_loss(3)
    stats = graph_stats(loss)
    for table in (stats.by_operator, stats.by_module, stats.by_line):
        assert sum(row.nodes for row in table) == stats.operators
        assert sum(row.bytes for row in table) == stats.saved_bytes
        assert sum(row.shared for row in table) == stats.shared_values
        assert [row.bytes for row in table] == sorted((r.bytes for r in table), reverse=True)
    del model


def test_depth_of_a_long_chain():
    y, _ = euler(50_000)
    stats = graph_stats(y)
    assert (stats.depth, stats.operators, stats.leaves) == (100_000, 100_000, 3)


def test_a_leaf_alone():
    x = torch.ones(3, requires_grad=True)
    stats = graph_stats(x)
    assert (stats.nodes, stats.edges, stats.depth, stats.saved_bytes) == (1, 0, 0, 0)
    assert "1 node (0 operators, 1 leaf, 0 constants), 0 edges" in str(stats)


def test_several_roots_and_a_graph():
    x = torch.ones(3, requires_grad=True)
    y, z = (x * x).sum(), x.exp().sum()
    assert graph_stats(y, z).operators == 4
    assert graph_stats(Graph(y)).operators == 2


def test_a_freed_graph():
    x = torch.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    stats = graph_stats(y)
    assert stats.released and stats.saved_bytes == 0
    assert "has freed saved values" in str(stats)


def test_a_changed_value_still_counts():
    x = torch.ones(3, requires_grad=True)
    y = x.cumsum(0)
    z = (y * y).sum()
    with torch.no_grad():
        y.add_(1)
    assert graph_stats(z).saved_bytes == 12


def test_a_custom_function():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(10, requires_grad=True)
    assert rows(graph_stats(Twice.apply(x)).by_operator) == {"Twice": (1, 40, 0)}


def test_a_tensor_without_a_graph_says_why():
    with pytest.raises(RuntimeError, match="graph"):
        graph_stats(torch.ones(3))


def test_text_is_sorted_by_bytes_and_short():
    loss, model = residual_loss(40)
    stats = graph_stats(loss)
    text = str(stats)
    lines = text.splitlines()
    assert lines[0] == (
        f"{stats.nodes:,} nodes ({stats.operators:,} operators, {stats.leaves:,} leaves, "
        f"{stats.constants:,} constants), {stats.edges:,} edges, depth {stats.depth:,}"
    )
    assert len(lines) < 60 and "… " in text
    at = next(i for i, line in enumerate(lines) if line.startswith("operator "))
    assert lines[at + 1].split()[0] == stats.by_operator[0].name
    assert "shared value" in text and "in leaves, which are there anyway" in text
    del model


def test_html_is_escaped():
    x = torch.ones(3, requires_grad=True)
    code = compile("y = (x * x).sum()", "<b>evil</b>.py", "exec")
    space = {"x": x}
    exec(code, space)
    html = graph_stats(space["y"])._repr_html_()
    assert "<b>evil" not in html and "&lt;b&gt;evil" in html
