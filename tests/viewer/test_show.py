"""`show` and `save_graph`: pictures of what a program computed."""

import functools
import io
import json
import pathlib
import sys
import types
import xml.etree.ElementTree as ET

import pytest

import chainrule as torch
from chainrule import nn
from chainrule.graph import Graph
from chainrule.viewer import Picture, save_graph, show

pytestmark = pytest.mark.chainrule_only


def figure():
    a, w1, w2, w3, w4 = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0, 2.0, 1.0, 2.0))
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = 10 - d
    return L, a


class Residual(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = nn.Linear(size, size)

    def forward(self, x):
        return x + torch.tanh(self.linear(x))


def network(layers):
    return nn.Sequential(*(Residual(4) for _ in range(layers)))


# Without a frame of its own: its variables would name the tensors.
quiet = functools.partial(show, file=io.StringIO())


def test_show_prints_the_graph_with_the_names_of_the_program(capsys):
    a = torch.tensor(2.0, requires_grad=True)
    w1 = torch.tensor(3.0, requires_grad=True)
    b = w1 * a
    L = 10 - b
    picture = show(L)
    text = capsys.readouterr().out
    assert text == picture.text()
    assert "graph of L: 2 operators, 2 leaves" in text
    line = next(line for line in text.splitlines() if "b = w1 * a" in line)
    assert "local -1" in line and "= 6" in line and "grad -1" in line and "test_show.py:" in line
    assert repr(picture) == "<Picture of L: 2 operators>"
    assert "\n" not in repr(picture)  # the prompt that called show does not print it twice


def test_showing_leaves_the_graph_and_the_gradients_alone():
    L, a = figure()
    quiet(L)
    assert a.grad is None
    L.backward()
    assert a.grad.item() == -7.0


def test_the_textbook_figure_from_the_program_itself():
    pytest.importorskip("pygraphviz", exc_type=ImportError)
    a, w1, w2, w3, w4 = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0, 2.0, 1.0, 2.0))
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = 10 - d
    svg = quiet(L).svg()
    found = ["".join(t.itertext()).replace("\u200b", "") for t in _texts(svg)]
    for name in ("a", "w1", "w2", "w3", "w4", "b = 6", "c = 4", "d = 14", "L = −4", "w3 * b = 6"):
        assert name in found
    for gradient in ("∂L/∂w1 = −2", "∂L/∂w2 = −4", "∂L/∂w3 = −6", "∂L/∂w4 = −4", "∂L/∂a = −7"):
        assert gradient in found
    edges = ["".join(t.itertext()) for t in _texts(svg) if "cr-local" in t.get("class", "")]
    assert sorted(edges) == sorted(["2", "3", "2", "2", "6", "1", "4", "2", "1", "1", "−1"])


def test_a_model_is_called_and_its_output_drawn():
    model = network(2)
    picture = quiet(model, torch.ones(3, 4))
    assert "model.0.linear.weight" in picture.text()
    assert "6 operators, 4 leaves" in picture.text()
    with torch.no_grad():
        assert "model.0.linear.weight" in quiet(model, torch.ones(3, 4)).text()


def test_a_deep_network_is_folded():
    model = network(152)
    picture = quiet(model(torch.ones(2, 4)).sum())
    text = picture.text()
    assert "×152" in text and len(text.splitlines()) < 30
    assert max(map(len, text.splitlines())) <= 80


class Answers(nn.Module):
    """Returns what it is given for its input."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, twice=False):
        return self.answer(x * 2 if twice else x)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: (None, x * 2),
        lambda x: {"first": [torch.ones(2), x * 2], "second": x * 3},
        lambda x: [x.detach(), (x * 2,)],
    ],
)
def test_the_first_tensor_with_a_graph_is_drawn(answer):
    x = torch.ones(2, requires_grad=True)
    assert [node.operator for node in _nodes(quiet(Answers(answer), x))] == ["mul"]


def test_keywords_reach_the_model():
    x = torch.ones(2, requires_grad=True)
    operators = [node.operator for node in _nodes(quiet(Answers(torch.exp), x, twice=True))]
    assert operators == ["mul", "exp"]


def test_several_tensors_and_a_graph_are_drawn():
    x = torch.ones(2, requires_grad=True)
    first, second = x * 2, x * 3
    text = quiet([first, second]).text()
    assert "first = x * 2" in text and "second = x * 3" in text
    assert quiet(Graph(first)).text().count("x * 2") == 1


def test_gradients_of_a_tensor_with_several_elements_are_those_of_its_sum():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    assert "grad [2, 4]" in quiet(x * x).text()


def test_gradients_can_be_left_out_and_are_where_the_graph_is_large():
    x = torch.ones(2, requires_grad=True)
    assert "grad" not in quiet((x * x).sum(), gradients=False).text()
    y = x
    for _ in range(2100):
        y = y * 1.0
    assert "grad" not in quiet(y.sum()).text()
    assert "grad" in quiet(y.sum(), gradients=True).text()


def test_a_freed_graph_is_drawn_without_its_gradients():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    assert "x * x" in quiet(y).text()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        quiet(y, gradients=True)


def test_a_tensor_without_a_graph_is_an_error():
    with pytest.raises(RuntimeError, match="graph"):
        quiet(torch.ones(2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((nn.Linear(2, 2),), r"show\(model, x\)"),
        ((3,), "not int"),
        (([],), "not list"),
        ((Answers(lambda x: "text"), 1), "returned no tensor but str"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_says_what_can(arguments, words):
    with pytest.raises(TypeError, match=words):
        quiet(*arguments)


def test_inputs_without_a_module_are_an_error():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match=r"show\(\[first, second\]\)"):
        quiet(x * 2, x * 3)
    with pytest.raises(TypeError, match="'widht'"):
        quiet(x * 2, widht=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fold": "modules"}, "fold must be"),
        ({"form": "png"}, "form must be"),
        ({"direction": "left"}, "direction must be"),
        ({"boxes": 0}, "boxes must be 1 or more"),
        ({"width": 3}, "20 columns"),
    ],
)
def test_a_wrong_option_is_an_error_with_the_right_ones(options, words):
    with pytest.raises(ValueError, match=words):
        quiet(torch.ones(2, requires_grad=True) * 2, **options)


def test_each_suffix_is_a_form(tmp_path):
    L, _ = figure()
    for suffix, start in {
        ".svg": "<svg",
        ".dot": "digraph",
        ".gv": "digraph",
        ".txt": "graph of",
        ".json": '{"format":"chainrule.graph"',
        ".html": "<!",
    }.items():
        if suffix == ".svg":
            pytest.importorskip("pygraphviz", exc_type=ImportError)
        save_graph(L, tmp_path / f"graph{suffix}")
        assert (tmp_path / f"graph{suffix}").read_text(encoding="utf-8").startswith(start)
    quiet(L).save(str(tmp_path / "GRAPH.TXT"))
    with pytest.raises(ValueError, match=r"'graph\.png'.*\.svg, \.html, \.dot, \.json or \.txt"):
        save_graph(L, tmp_path / "graph.png")


def test_a_wrong_suffix_is_told_before_the_model_runs(tmp_path):
    def answer(x):
        raise AssertionError("was called")

    with pytest.raises(ValueError, match="must end in"):
        save_graph(Answers(answer), tmp_path / "graph", torch.ones(2))


def test_a_saved_graph_is_drawn_like_the_live_one(tmp_path):
    L, _ = figure()
    picture = quiet(L)
    picture.save(tmp_path / "graph.json")
    again = quiet(json.loads((tmp_path / "graph.json").read_text(encoding="utf-8")))
    assert again.text() == picture.text() and again.dot() == picture.dot()
    assert json.loads(again.json()) == json.loads(picture.json())


def test_json_has_nan_and_infinity_as_words():
    x = torch.tensor([float("nan"), float("inf")], requires_grad=True)
    data = json.loads(quiet(x * 2).json(), parse_constant=lambda name: pytest.fail(name))
    assert any(summary["values"] == ["nan", "inf"] for summary in data["summaries"])


def test_json_that_is_no_json_is_never_written():
    graph = quiet(torch.ones(1, requires_grad=True) * 2).graph
    graph["edges"]["local"][0] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        Picture(graph).json()


def test_a_json_of_another_format_is_an_error():
    with pytest.raises(ValueError, match=r"chainrule\.graph"):
        quiet({"format": "chainrule.graph", "version": 99})


def test_each_form_can_be_written_to_a_stream():
    L, _ = figure()
    for form, start in {"dot": "digraph", "json": "{", "text": "graph of"}.items():
        stream = io.StringIO()
        show(L, form=form, file=stream)
        assert stream.getvalue().startswith(start)


class Shell:
    kernel = object()


@pytest.fixture
def notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=Shell))


@pytest.mark.usefixtures("notebook")
def test_a_notebook_draws_what_show_returns_and_nothing_is_printed(capsys):
    pytest.importorskip("pygraphviz", exc_type=ImportError)
    L, _ = figure()
    picture = show(L)
    assert capsys.readouterr().out == ""
    bundle = picture._repr_mimebundle_()
    assert bundle["text/plain"] == str(picture)
    assert picture.svg() in bundle["text/html"] == picture._repr_html_()
    ET.fromstring(picture._repr_svg_())


@pytest.mark.usefixtures("notebook")
def test_a_notebook_without_graphviz_gets_the_page_in_a_frame(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setenv("PATH", "/nonexistent")
    L, _ = figure()
    html = show(L)._repr_html_()
    assert html.startswith("<iframe srcdoc=") and html.count("<") == 2
    assert "sandbox=" in html and "allow-same-origin" not in html


def test_the_page_holds_the_graph_and_loads_nothing():
    L, _ = figure()
    page = quiet(L).html()
    assert page.lstrip().lower().startswith("<!doctype html")
    assert "w3 * b + w4 * c" in page


def test_the_last_step_of_a_recording_is_drawn():
    from chainrule.graph.record import Recording

    x = torch.tensor(2.0, requires_grad=True)
    with Recording() as recording:
        for _ in range(3):
            (x * x).backward()
    assert "x * x" in quiet(recording).text()
    with Recording() as empty:
        pass
    with pytest.raises(RuntimeError, match="nothing was recorded"):
        quiet(empty)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0, 1e-45, 1e38])
def test_any_number_is_drawn(value):
    x = torch.tensor(value, requires_grad=True)
    text = quiet(x * x).text()
    assert "x * x" in text


def test_empty_and_large_tensors_are_drawn():
    empty = torch.zeros(0, 3, requires_grad=True)
    assert "grad empty" in quiet((empty * 2).sum()).text()
    large = torch.ones(1_000_000, requires_grad=True)
    assert "grad all 2e-6" in quiet((large * large).mean()).text()


def test_import_chainrule_loads_no_pictures():
    program = (
        "import sys, chainrule; print([m for m in sys.modules if m.startswith('chainrule.viewer')])"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=pathlib.Path(torch.__path__[0]).parent,
    )
    assert done.stdout.strip() == "[]"


def test_the_names_of_the_package():
    assert torch.show is show and torch.save_graph is save_graph
    assert isinstance(quiet(torch.ones(1, requires_grad=True) * 2), Picture)


def _texts(svg):
    return list(ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))


def _nodes(picture):
    graph = picture.graph
    names = [graph["strings"][i] if i >= 0 else "" for i in graph["nodes"]["op"]]
    return [types.SimpleNamespace(operator=name) for name in names if name]


def test_the_figure_of_the_readme_is_what_is_drawn_today(tmp_path):
    pytest.importorskip("pygraphviz", exc_type=ImportError)
    drawn = pathlib.Path(torch.__path__[0]).parent / "docs" / "images" / "chain-rule.svg"
    if not drawn.is_file():
        pytest.skip("an installed package has no documentation")
    from tools.readme_figure import main

    main(tmp_path / "figure.svg")
    # Places depend on the version of Graphviz, words do not.
    today, shown = (
        ["".join(t.itertext()) for t in _texts(path.read_text(encoding="utf-8"))]
        for path in (tmp_path / "figure.svg", drawn)
    )
    assert today == shown
