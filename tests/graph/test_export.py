"""The exchange format: complete, exact, deterministic, safe."""

import json
import math

import pytest

import chainrule as torch
from chainrule.graph import Graph
from chainrule.graph.export import graph_to_dict, to_json, to_payload
from chainrule.graph.folding import KINDS, Folding, Group
from chainrule.graph.summary import summarize
from graph._drawn import check_folding
from graph._nets import euler, neurons, residual_loss, transformer_loss

pytestmark = pytest.mark.chainrule_only
COLUMNS = {
    "kind", "op", "symbol", "name", "variable", "shape", "dtype", "bytes", "file", "line",
    "function", "expression", "module", "formula", "operand", "order", "value", "grad",
}  # fmt: skip


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def text(data, column, node):
    index = data["nodes"][column][node]
    return data["strings"][index] if index >= 0 else None


def check_format(data):
    """What readers rely on."""
    assert (data["format"], data["version"]) == ("chainrule.graph", 1)
    strings = data["strings"]
    assert len(set(strings)) == len(strings)
    assert set(data["nodes"]) == COLUMNS
    (size,) = {len(column) for column in data["nodes"].values()}
    (edges,) = {len(column) for column in data["edges"].values()}
    assert set(data["edges"]) == {"source", "target", "input", "local"}
    for column in ("op", "symbol", "name", "variable", "shape", "dtype", "file", "function"):
        assert all(-1 <= index < len(strings) for index in data["nodes"][column])
    assert all(-1 <= i < len(strings) for texts in data["nodes"]["formula"] for i in texts)
    assert all(-1 <= i < len(data["modules"]) for i in data["nodes"]["module"])
    for column in ("value", "grad"):
        assert all(-1 <= i < len(data["summaries"]) for i in data["nodes"][column])
    source, target = data["edges"]["source"], data["edges"]["target"]
    assert all(a < b < size for a, b in zip(source, target, strict=True)) and edges == len(source)
    assert all(0 <= root < size for root in data["roots"])
    for by, folding in data["folds"].items():
        groups = [
            Group(**{**group, "label": strings[group["label"]], "detail": ""})
            for group in folding["groups"]
        ]
        assert all(-1 <= group["detail"] < len(strings) for group in folding["groups"])
        check_folding(Folding(by, folding["group"], groups), source, target)
    for file, lines in data["sources"].items():
        assert strings[int(file)] and all(int(line) > 0 for line in lines)


def test_the_five_neurons():
    L, _ = neurons()
    graph = Graph(L)
    graph.gradients()
    graph.local_gradients()
    data = strict(to_json(graph))
    check_format(data)
    assert list(data["folds"]) == list(KINDS)
    variables = [text(data, "variable", i) for i in range(len(data["nodes"]["kind"]))]
    at = variables.index("w4")
    nodes = data["nodes"]
    assert nodes["kind"][at] == 1 and text(data, "op", at) is None
    assert data["summaries"][nodes["value"][at]]["values"] == [6.0]
    assert data["summaries"][nodes["grad"][at]]["values"] == [-8.0]
    (root,) = data["roots"]
    assert text(data, "symbol", root) == "−"
    assert text(data, "expression", root) == "10 - (w3 * (w1 * a) + w4 * (w2 * a))"
    assert nodes["order"][root] == 0
    line = data["sources"][str(nodes["file"][root])][str(nodes["line"][root])]
    assert line == "L = 10 - (w3 * (w1 * a) + w4 * (w2 * a))"
    assert sorted(data["edges"]["local"]) == [-1, 1, 1, 2, 2, 3, 4, 5, 6, 6, 8]
    assert data["title"] == "_nets.py"


@pytest.mark.parametrize("make", [residual_loss, transformer_loss])
def test_networks(make):
    loss, model = make(5)
    graph = Graph(loss)
    data = strict(to_json(graph, "a title"))
    check_format(data)
    assert data["title"] == "a title"
    paths = {data["strings"][module["path"]] for module in data["modules"]}
    assert "model.layers.3" in paths
    for node in graph.nodes:
        i = node.id
        assert text(data, "name", i) == (node.name or None)
        assert text(data, "shape", i) == "×".join(map(str, node.shape))
        assert text(data, "dtype", i) == node.dtype
        assert data["nodes"]["bytes"][i] == node.saved_bytes
        formulas = [data["strings"][k] if k >= 0 else None for k in data["nodes"]["formula"][i]]
        assert formulas == list(node.formulas)
        names = [data["strings"][k] if k >= 0 else None for k in data["nodes"]["operand"][i]]
        assert names == list(node.input_names)
        if node.module:
            module = data["modules"][data["nodes"]["module"][i]]
            assert data["strings"][module["path"]] == node.module
            assert data["strings"][module["type"]] == node.module_type
    del model


def test_the_same_graph_gives_the_same_text():
    def one():
        torch.manual_seed(0)
        loss, model = transformer_loss(2)
        graph = Graph(loss)
        graph.gradients()
        return to_json(graph), model

    assert one()[0] == one()[0]


def test_bad_numbers_are_strings():
    x = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    y = torch.tensor(0.0, requires_grad=True)
    graph = Graph((x.log() * x).sum() + 1 / y)
    graph.gradients()
    graph.local_gradients()
    data = strict(to_json(graph))
    check_format(data)
    assert "nan" in json.dumps(data["summaries"])
    assert "-inf" in data["edges"]["local"]


def test_without_folds_and_values():
    L, _ = neurons()
    data = graph_to_dict(Graph(L), folds=(), values=False)
    check_format(data)
    assert data["folds"] == {} and data["summaries"] == []
    with pytest.raises(ValueError, match="not by 'color'"):
        graph_to_dict(Graph(L), folds=("module", "color"))


def test_a_freed_graph_shows_the_grad_of_its_leaves():
    L, leaves = neurons()
    L.backward()
    graph = Graph(L)
    data = graph_to_dict(graph)
    check_format(data)
    at = graph.find(leaves["a"]).id
    assert data["summaries"][data["nodes"]["grad"][at]]["values"] == [-39.0]
    assert data["nodes"]["grad"][data["roots"][0]] == -1


def test_a_page_holds_one_graph_and_no_steps():
    L, _ = neurons()
    profile = {"unit": "us", "strings": [], "spans": {}}
    page = to_payload(Graph(L), title="t", profile=profile)
    assert page["steps"] == [] and page["profile"] is profile
    (graph,) = page["graphs"]
    check_format(graph)
    assert graph["title"] == "t"


def test_a_hundred_thousand_nodes():
    y, _ = euler(50_000)
    data = graph_to_dict(Graph(y))
    check_format(data)
    assert len(data["nodes"]["kind"]) == 100_003
    assert data["summaries"] == []


def test_summary_of_few_numbers():
    assert summarize(torch.tensor([3.0, 1.0, 0.0, 0.0])) == {
        "count": 4, "min": 0.0, "max": 3.0, "mean": 1.0, "std": math.sqrt(1.5), "zeros": 2,
        "nan": 0, "inf": 0, "values": [3.0, 1.0, 0.0, 0.0], "range": [0.0, 3.0],
        "histogram": [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    }  # fmt: skip


@pytest.mark.parametrize("size", [17, 256, 257, 70_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_summary_counts_every_element(size, dtype):
    torch.manual_seed(0)
    x = torch.randn(size, dtype=getattr(torch, dtype))
    x[0], x[5] = 0.0, 0.0
    found = summarize(x)
    listed = x.tolist()
    assert found["count"] == size and "values" not in found
    assert (found["min"], found["max"]) == (min(listed), max(listed))
    mean = math.fsum(listed) / size
    assert math.isclose(found["mean"], mean, rel_tol=1e-9, abs_tol=1e-9)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in listed) / size)
    assert math.isclose(found["std"], std, rel_tol=1e-9)
    assert (found["zeros"], found["nan"], found["inf"]) == (2, 0, 0)
    assert sum(found["histogram"]) == found.get("sampled", size)
    assert ("sampled" in found) == (size > 65_536)
    if "sampled" not in found:
        width = (max(listed) - min(listed)) / 16
        expected = [0] * 16
        for v in listed:
            expected[min(15, int((v - min(listed)) / width))] += 1
        assert sum(abs(a - b) for a, b in zip(expected, found["histogram"], strict=True)) <= 2


@pytest.mark.parametrize("size", [6, 600])
def test_summary_of_bad_numbers(size):
    x = torch.ones(size)
    x[0], x[1], x[2] = math.nan, math.inf, -math.inf
    x[3] = 3.0
    found = summarize(x)
    assert (found["nan"], found["inf"], found["min"], found["max"]) == (1, 2, 1.0, 3.0)
    assert sum(found["histogram"]) == size - 3
    nothing = summarize(x[:3]) if size == 6 else summarize(torch.full((size,), math.nan))
    assert nothing["min"] == nothing["mean"] == "nan" and "histogram" not in nothing
    json.dumps([found, nothing], allow_nan=False)


@pytest.mark.parametrize("size", [5, 500])
def test_summary_of_huge_tiny_and_equal_numbers(size):
    huge = torch.tensor([3e38, -3e38, 0.0, 1e38, 1.0] * (size // 5))
    found = summarize(huge)
    assert math.isfinite(found["std"]) and sum(found["histogram"]) == size
    tiny = summarize(huge.double() * 1e-330)
    assert sum(tiny["histogram"]) == size
    equal = summarize(torch.full((size,), 2.5))
    assert (equal["std"], equal["histogram"][0]) == (0.0, size)
    assert summarize(torch.zeros(size))["zeros"] == size


def test_summary_of_other_tensors():
    assert summarize(torch.zeros(0, 3))["count"] == 0
    assert summarize(torch.zeros(0, 3))["values"] == []
    assert summarize(torch.tensor(5))["values"] == [5.0]
    assert summarize(torch.arange(300))["max"] == 299.0
    assert summarize(torch.tensor([True, False] * 200))["zeros"] == 200
    view = torch.arange(24.0).reshape(4, 6).t()[::2]
    assert summarize(view)["values"] == view.reshape(-1).tolist()


def test_summary_changes_nothing():
    x = torch.randn(1000, requires_grad=True)
    state, version = torch.get_rng_state(), x._version
    summarize(x)
    assert x._version == version and torch.equal(torch.get_rng_state(), state)
