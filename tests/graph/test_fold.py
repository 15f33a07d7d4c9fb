"""Folding: by module, by source line, by repeated structure."""

import random

import pytest

from chainrule.graph import Graph
from chainrule.graph._facts import facts_of
from chainrule.graph._repeats import Loop, find_runs, fold_loops
from chainrule.graph.folding import KINDS, fold, fold_facts
from graph._drawn import Drawn, check_folding, members_of
from graph._nets import euler, neurons, residual_loss, transformer_loss


def labels(folding, parent=-1):
    return [group.label for group in folding.groups if group.parent == parent]


def only(folding, text):
    """The one group whose label has this text."""
    (found,) = [i for i, group in enumerate(folding.groups) if text in group.label]
    return found


def checked(graph, by):
    folding = fold(graph, by)
    raw = graph.columns
    check_folding(folding, raw["edge_source"], raw["edge_target"])
    return folding


def drawn(picture, by):
    folding = fold_facts(picture.facts(), by)
    check_folding(folding, picture.source, picture.target)
    return folding


def test_residual_layers_are_one_repeat_of_152_modules():
    loss, model = residual_loss()
    folding = checked(Graph(loss), "module")
    net = only(folding, "model")
    assert labels(folding, net) == ["stem", "layers.0 … layers.151 ×152", "head"]
    layers = folding.groups[only(folding, "×152")]
    assert (layers.kind, layers.repeats, layers.detail) == ("repeat", 152, "Residual")
    assert layers.count == 152 * 8  # two linear maps of three nodes, relu, add
    layer = only(folding, "layers.77")
    assert (folding.groups[layer].kind, folding.groups[layer].count) == ("module", 8)
    assert labels(folding, layer) == ["first", "second"]
    del model


def test_transformer_blocks_are_one_repeat_of_12_modules():
    loss, model = transformer_loss()
    folding = checked(Graph(loss), "module")
    net = only(folding, "model")
    assert labels(folding, net) == ["embedding", "layers.0 … layers.11 ×12", "norm", "head"]
    block = folding.groups.index(next(g for g in folding.groups if g.label == "layers.5"))
    assert labels(folding, block) == ["norm1", "attention", "norm2", "mlp"]
    attention = next(
        i
        for i, g in enumerate(folding.groups)
        if g.parent == block and g.label == "attention" and g.detail == "Attention"
    )
    assert labels(folding, attention)[-1] == "out"
    del model


@pytest.mark.parametrize("by", KINDS)
def test_parameters_stand_in_the_box_of_their_only_user(by):
    loss, model = residual_loss(20)
    graph = Graph(loss)
    folding = checked(graph, by)
    for leaf in graph.leaves:
        users = {folding.group[edge.target.id] for edge in leaf.users}
        assert users == {folding.group[leaf.id]}
    del model


def test_two_calls_of_one_module_are_two_boxes():
    picture = Drawn()
    x, w = picture.leaf(), picture.leaf()
    for _ in range(2):
        with picture.module("cell", "Cell"), picture.module("cell.map", "Linear"):
            x = picture.op("mul", x, w)
            x = picture.op("add", x, w)
            x = picture.op("tanh", x)
        x = picture.op("exp", x)
    folding = drawn(picture, "module")
    assert labels(folding) == ["cell.map", "cell.map"]  # each in a call of its own of cell

    picture = Drawn()
    x, w = picture.leaf(), picture.leaf()
    with picture.module("net", "Net"):
        for name in ("cell", "other", "cell"):
            with picture.module(f"net.{name}", "Cell"):
                x = picture.op("tanh", picture.op("mul" if name == "cell" else "add", x, w))
    picture.op("sum", x)
    assert labels(drawn(picture, "module"), 0) == ["cell", "other", "cell (call 2)"]


def test_many_calls_of_one_module_are_a_repeat():
    picture = Drawn()
    x = h = picture.leaf()
    w = picture.leaf()
    for _ in range(40):
        with picture.module("cell", "Cell"):
            h = picture.op("mul", h, w, line=3)
            h = picture.op("add", h, x, line=4)
    picture.op("sum", h, line=9)
    folding = drawn(picture, "module")
    assert labels(folding) == ["cell ×40"]
    # The weight and the input come from outside of the loop.
    assert folding.group[w] == -1


def test_modules_of_different_structure_are_not_one():
    picture = Drawn()
    x = picture.leaf()
    for i in range(9):
        with picture.module(f"layers.{i}", "Block"):
            x = picture.op("exp", x)
            x = picture.op("tanh" if i == 4 else "sin", x)
    folding = drawn(picture, "module")
    assert labels(folding) == ["layers.0 … layers.3 ×4", "layers.4", "layers.5 … layers.8 ×4"]


def test_the_body_of_a_loop_is_one_box_with_a_count():
    y, _ = euler(1000)
    folding = checked(Graph(y), "line")
    (loop,) = [group for group in folding.groups if group.kind == "repeat"]
    assert loop.repeats == 1000
    assert loop.label.startswith("for loop _nets.py:")
    assert loop.label.endswith(" ×1000")
    assert loop.detail == "for _ in range(steps):"


def test_loops_in_loops_of_different_lengths():
    picture = Drawn()
    x = picture.leaf()
    lengths = random.Random(0).choices(range(1, 8), k=50)
    for length in lengths:
        x = picture.op("exp", x, line=5)
        for _ in range(length):
            x = picture.op("mul", x, picture.leaf(), line=7)
            x = picture.op("tanh", x, line=8)
        x = picture.op("log", x, line=9)
    folding = drawn(picture, "line")
    assert labels(folding) == ["train.py:5-9 ×50"]
    inner = [g.repeats for g in folding.groups if g.label.startswith("train.py:7-8")]
    assert inner == [length for length in lengths if length > 1]


def test_a_line_with_several_operators_is_a_box():
    picture = Drawn()
    x, w = picture.leaf(), picture.leaf()
    y = picture.op("add", picture.op("mul", x, w, line=3), w, line=3)
    picture.op("tanh", y, line=4)
    folding = drawn(picture, "line")
    assert labels(folding) == ["train.py:3"]
    assert folding.group == [0, 0, 0, 0, -1]


def test_three_operators_of_a_kind_on_one_line_are_no_loop():
    loss, _ = neurons()
    folding = checked(Graph(loss), "line")
    assert not [group for group in folding.groups if group.kind == "repeat"]


def test_repeated_structure_is_found_without_modules_or_lines():
    picture = Drawn()
    x = picture.op("addmm", picture.leaf(), picture.leaf())
    x = picture.op("relu", x)
    for _ in range(152):
        h = picture.op("relu", picture.op("addmm", x, picture.leaf()))
        x = picture.op("add", x, picture.op("addmm", h, picture.leaf()))
    picture.op("mean", x)
    folding = drawn(picture, "structure")
    assert labels(folding) == ["addmm → relu → addmm → add ×152"]
    # Each iteration starts where one value crosses over: at the first addmm.
    instance = next(i for i, g in enumerate(folding.groups) if g.label == "1 of 152")
    first = [m for m in members_of(folding)[instance] if picture.operator[m[1]]]
    assert [picture.names[node] for _, node in first] == ["addmm", "relu", "addmm", "add"]


def test_structure_needs_the_same_wiring():
    picture = Drawn()
    x = before = picture.leaf()
    for i in range(20):
        y = picture.op("sin", x)
        z = picture.op("mul", y, y if i < 10 else before)
        before, x = x, z
    folding = drawn(picture, "structure")
    assert [group.repeats for group in folding.groups if group.kind == "repeat"] == [10, 10]


def test_structure_needs_the_same_shapes():
    picture = Drawn()
    x = picture.leaf()
    for i in range(20):
        x = picture.op("exp", picture.op("sin", x, shape=(i // 10,)), shape=(i // 10,))
    folding = drawn(picture, "structure")
    assert [group.repeats for group in folding.groups if group.kind == "repeat"] == [10, 10]


@pytest.mark.parametrize("by", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_any_graph_folds_without_cycles_and_crowds(by, seed):
    rng = random.Random(seed)
    picture = Drawn()
    live = [picture.leaf() for _ in range(rng.choice([1, 5, 200]))]
    kinds = ["mul", "add", "sin", "exp"][: rng.choice([1, 2, 4])]
    lines = rng.choice([1, 3, 30])

    def grow(count, depth, path):
        for i in range(count):
            if depth and rng.random() < 0.1:
                with picture.module(f"{path}{i % 7}", rng.choice("AB")):
                    grow(rng.randint(1, 20), depth - 1, f"{path}{i % 7}.")
                continue
            if rng.random() < 0.2:
                live.append(picture.leaf())
            inputs = [rng.choice(live[-rng.choice([1, 2, 50, 10_000]) :]) for _ in range(2)]
            line = rng.randint(1, lines)
            live.append(picture.op(rng.choice(kinds), *inputs, line=line, shape=(1,)))

    grow(rng.choice([3, 70, 700]), 3, "m.")
    drawn(picture, by)


@pytest.mark.parametrize("by", KINDS)
def test_an_operator_with_a_thousand_leaves(by):
    picture = Drawn()
    leaves = [picture.leaf() for _ in range(1000)]
    picture.op("cat", *leaves, line=1)
    folding = drawn(picture, by)
    assert max(group.count for group in folding.groups) <= 1000


@pytest.mark.parametrize("by", KINDS)
@pytest.mark.parametrize("size", [0, 1, 2])
def test_tiny_graphs(by, size):
    picture = Drawn()
    x = picture.leaf()
    for _ in range(size):
        x = picture.op("sin", x, line=1)
    assert drawn(picture, by).groups == []


def test_a_loop_of_one_operator_is_cut_into_parts_of_parts():
    picture = Drawn()
    x = picture.leaf()
    for _ in range(30_000):
        x = picture.op("sin", x, line=1)
    folding = drawn(picture, "line")
    assert labels(folding) == ["train.py:1 ×30000"]
    assert labels(folding, 0)[0].startswith("1 – ")
    assert labels(folding, 0)[-1].endswith(" – 30000 of 30000")


@pytest.mark.parametrize(
    "steps", [50_000, pytest.param(500_000, marks=pytest.mark.slow)], ids=["100,000", "1,000,000"]
)
def test_a_long_chain_folds_without_recursion(steps):
    y, _ = euler(steps)
    graph = Graph(y)
    assert len(graph.nodes) == 2 * steps + 3
    for by in KINDS if steps < 100_000 else ["line"]:
        assert checked(graph, by).groups[0].repeats == steps


def test_a_module_around_one_thing_is_no_box():
    picture = Drawn()
    x = picture.op("exp", picture.leaf())
    with picture.module("net", "Net"):
        with picture.module("net.act", "ReLU"):
            x = picture.op("relu", x)
        with picture.module("net.map", "Linear"):
            x = picture.op("addmm", x, picture.leaf(), picture.leaf())
        with picture.module("net.body", "Sequential"), picture.module("net.body.0", "Linear"):
            x = picture.op("addmm", x, picture.leaf(), picture.leaf())
    picture.op("sum", x)
    folding = drawn(picture, "module")
    assert labels(folding) == ["net"]
    assert labels(folding, 0) == ["map", "body.0"]


def test_a_box_around_everything_is_not_drawn():
    picture = Drawn()
    x = picture.leaf()
    with picture.module("net", "Net"):
        for name in ("a", "b"):
            with picture.module(f"net.{name}", "Linear"):
                x = picture.op("mul", x, picture.leaf())
                x = picture.op("add", x, picture.leaf())
    assert labels(drawn(picture, "module")) == ["net.a", "net.b"]


def test_fold_says_what_there_is():
    loss, _ = neurons()
    with pytest.raises(ValueError, match="'module', 'line', 'structure', not by 'color'"):
        fold(Graph(loss), "color")


def test_folding_as_plain_data():
    y, _ = euler(100)
    folding = fold(Graph(y), "line")
    data = folding.to_dict()
    assert data["group"] == folding.group
    assert data["groups"][0] == {
        "parent": -1,
        "label": folding.groups[0].label,
        "kind": "repeat",
        "count": 201,
        "repeats": 100,
        "detail": "for _ in range(steps):",
    }
    nodes, groups = folding.members()
    assert len(nodes) == 2 and groups == [0]


def test_facts_of_a_recorded_graph():
    loss, leaves = neurons()
    facts = facts_of(Graph(loss))
    assert [facts.names[node] for node in facts.operators] == [
        "mul",
        "mul",
        "mul",
        "mul",
        "add",
        "rsub",
    ]
    assert len(facts.leaves) == len(leaves)
    assert len({facts.site[node] for node in facts.operators}) == 6  # one line, six places


def flat(items):
    return [len(item.iterations) if isinstance(item, Loop) else item for item in items]


def test_the_longest_run_with_its_smallest_period():
    assert find_runs([1, 2] * 10, 3, 6, True) == [(0, 2, 20)]
    tokens = [9, *([1, 1, 1, 2] * 5), 8]
    assert find_runs(tokens, 3, 6, True) == [(1, 4, 20)]


def test_loops_within_loops_are_found_once_and_shown_in_each():
    body = [1, 2, 1, 2, 1, 2, 3]
    folded = fold_loops(list(range(28)), body * 4)
    assert flat(folded) == [4]
    for start, iteration in zip(range(0, 28, 7), folded[0].iterations, strict=True):
        loop, last = iteration
        assert loop.iterations == [[start + i, start + i + 1] for i in (0, 2, 4)]
        assert last == start + 6


def test_a_period_in_which_every_token_stands_often():
    body = [1, 1, 2, 1, 2, 2]
    assert flat(fold_loops(list(range(60)), body * 10)) == [10]
