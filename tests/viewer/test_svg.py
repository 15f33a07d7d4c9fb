"""The picture as SVG."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from chainrule.viewer import Picture, layout
from chainrule.viewer.reader import Reader
from chainrule.viewer.view import View

from . import payloads

NS = "{http://www.w3.org/2000/svg}"


def needs_layout():
    try:
        import pygraphviz  # noqa: F401
    except ImportError:
        import shutil

        return shutil.which("dot") is None
    return False


pytestmark = pytest.mark.skipif(needs_layout(), reason="Graphviz is not installed")


def drawn(graph, **options):
    return ET.fromstring(Picture(graph, **options).svg())


def texts(picture):
    return ["".join(text.itertext()).replace("\u200b", "") for text in picture.iter(NS + "text")]


def test_the_textbook_figure_has_names_symbols_values_and_gradients():
    found = texts(drawn(payloads.textbook()))
    for name in ("a", "w1", "w2", "w3", "w4"):
        assert name in found
    assert found.count("×") == 4 and found.count("+") == 1 and found.count("−") == 1
    for caption in ("b = 6", "c = 4", "d = 14", "L = −4", "= 2", "w4*c = 8"):
        assert caption in found
    for gradient in ("∂L/∂w1 = −2", "∂L/∂a = −7", "∂L/∂d = −1", "∂L/∂L = 1", "grad −1"):
        assert gradient in found


def test_local_gradients_are_numbers_on_the_edges():
    picture = drawn(payloads.textbook())
    on_edges = [
        "".join(text.itertext())
        for text in picture.iter(NS + "text")
        if "cr-local" in text.get("class", "").split()
    ]
    assert sorted(on_edges) == sorted(["2", "3", "2", "2", "6", "1", "4", "2", "1", "1", "−1"])
    assert len(list(picture.iter(NS + "path"))) == len(on_edges)


def test_every_box_tells_its_details_under_the_pointer():
    titles = [
        t.text for g in drawn(payloads.textbook()).iter(NS + "g") for t in g.iterfind(NS + "title")
    ]
    assert len(titles) == 11
    of_b = next(title for title in titles if title.startswith("b = w1 * a"))
    assert "mul (MulBackward0), scalar, float32" in of_b
    assert "value: 6" in of_b and "gradient: -1" in of_b
    assert "train.py:3: b = w1 * a" in of_b


def test_it_is_a_named_image_for_a_screen_reader():
    picture = drawn(payloads.textbook())
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == "Computation graph of L: 6 operators, 11 boxes shown"
    assert picture.find(NS + "title").text == picture.get("aria-label")


def test_light_and_dark_without_anything_from_outside():
    text = Picture(payloads.textbook()).svg()
    assert "prefers-color-scheme:dark" in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    for forbidden in ("<script", "href", "url(", "@import", "onload"):
        assert forbidden not in text


def test_the_style_holds_for_this_picture_only():
    """In a notebook a style element holds for the whole page."""
    style = drawn(payloads.textbook()).find(NS + "style").text
    rules = re.sub(r"@media[^{]*\{", "", style)
    for selectors in re.findall(r"([^{}]+)\{", rules):
        for selector in selectors.split(","):
            assert selector.strip().startswith(".chainrule-graph")


HOSTILE = [
    "</title><script>alert(1)</script>",
    "a&b<c>\"d'e",
    "]]><svg onload=x>",
    "\x00\x08\x1b\ud800\uffff",
    "\u202eright to left",
    "long" * 500,
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_gives_valid_xml(name):
    g = payloads.Builder(name)
    module = g.open_group(name, detail=name)
    x = g.node("leaf", variable=name, group=module)
    y = g.node("sin", x, variable=name, line=1, expression=name, text=name, file=name, group=module)
    z = g.node("exp", y, symbol=name, formula=(name,), value=1.0, local=(1.0,))
    g.node("cos", z, variable=name, shape=name)
    text = Picture(g.graph()).svg()
    picture = ET.fromstring(text)
    assert "<script" not in text
    assert {element.tag for element in picture.iter()} <= {
        NS + tag
        for tag in ("svg", "g", "title", "style", "rect", "text", "tspan", "path", "polygon")
    }
    for element in picture.iter():
        assert not any(attribute.startswith("on") for attribute in element.attrib)


def test_bad_numbers_are_drawn_as_such():
    g = payloads.Builder()
    x = g.node("leaf", variable="x", value="nan", grad="-inf")
    g.node("log", x, variable="y", value="inf", grad=1.0, local=("nan",))
    found = texts(drawn(g.graph()))
    assert "= nan" in found and "y = inf" in found and "nan" in found
    assert "∂y/∂x = −inf" in found


def test_an_operand_that_is_used_twice_has_two_links():
    g = payloads.Builder()
    x = g.node("leaf", variable="x", value=3.0)
    g.node("mul", x, x, symbol="×", value=9.0, local=(3.0, 3.0))
    assert len(list(drawn(g.graph()).iter(NS + "path"))) == 2


def test_modules_are_frames_around_their_operators():
    picture = drawn(payloads.residual(3), boxes=100)
    frames = [r for r in picture.iter(NS + "rect") if r.get("class") == "cr-frame"]
    assert len(frames) == 5  # model, the three layers, and all layers
    for label in ("model: Network", "layers.0: Residual", "layers.2: Residual"):
        assert label in texts(picture)
    inner, outer = frames[2], frames[0]
    for axis, size in (("x", "width"), ("y", "height")):
        low, high = float(inner.get(axis)), float(inner.get(axis)) + float(inner.get(size))
        assert float(outer.get(axis)) <= low
        assert high <= float(outer.get(axis)) + float(outer.get(size))


def test_parameters_of_modules_are_drawn_with_their_operator():
    picture = drawn(payloads.residual(3), boxes=100)
    assert "weight 64×64" in texts(picture)
    assert "layers.0.first.weight" not in texts(picture)
    details = " ".join(t.text for t in picture.iter(NS + "title"))
    assert "layers.0.first.weight" in details


def test_a_network_of_152_layers_is_a_picture_of_a_dozen_boxes():
    picture = drawn(payloads.residual(152))
    assert len(list(picture.iter(NS + "path"))) < 20
    found = texts(picture)
    assert "×151" in found and "the others" in found
    assert any(line.startswith("1,370 nodes in") for line in found)


def test_asked_for_more_boxes_a_repetition_is_opened_where_there_is_room():
    found = texts(drawn(payloads.residual(152), boxes=300))
    assert "the others" not in found
    assert "layers.0: Residual" in found and "layers.151" in found


def test_it_is_never_a_hairball():
    g = payloads.Builder()
    nodes = [g.node("leaf", variable=f"x{i}") for i in range(3)]
    for i in range(20_000):
        nodes.append(g.node("add", nodes[-1], nodes[(i * 7919) % len(nodes)], symbol="+"))
    for fold in ("module", "structure", None):
        for boxes in (None, 400, 100_000):
            view = View(Reader(g.graph()), fold, boxes, attach=True)
            assert len(view.boxes) <= 400
            assert any("Cut into 60 parts" in note for note in view.notes)
    assert len(Picture(g.graph()).svg()) < 400_000


def test_a_tangle_of_long_links_becomes_fewer_boxes():
    g = payloads.Builder()
    nodes = [g.node("leaf", variable=f"x{i}") for i in range(3)]
    for i in range(390):
        nodes.append(g.node("add", nodes[-1], nodes[(i * 7919) % len(nodes)], symbol="+"))
    assert View(Reader(g.graph()), None, 400, attach=True).span() > 20_000
    picture = drawn(g.graph(), fold=None, boxes=400)
    assert "Fewer boxes than there is room for: too many long links." in texts(picture)


def test_a_variable_that_many_use_is_drawn_with_each_of_its_users():
    g = payloads.Builder()
    weight = g.node("leaf", variable="W", shape="4×4")
    x = g.node("constant", variable="x", shape="4")
    for _ in range(30):
        x = g.node("mv", weight, x, symbol="@", shape="4")
    picture = drawn(g.graph())
    assert texts(picture).count("W 4×4") == 30
    assert len(list(picture.iter(NS + "path"))) == 30  # the chain alone


def test_boxes_do_not_lie_on_each_other():
    picture = drawn(payloads.residual(8), boxes=100)
    bodies = [
        tuple(float(r.get(name)) for name in ("x", "y", "width", "height"))
        for r in picture.iter(NS + "rect")
        if "cr-body" in r.get("class")
    ]
    assert len(bodies) > 40
    for index, (x, y, width, height) in enumerate(bodies):
        for x2, y2, width2, height2 in bodies[index + 1 :]:
            apart = x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y
            assert apart


@pytest.mark.parametrize(
    ("direction", "axis", "sign"), [("down", 1, 1), ("up", 1, -1), ("right", 0, 1)]
)
def test_the_loss_lies_in_the_direction_asked_for(direction, axis, sign):
    sizes = [layout.Size(40, 30, 60, 20), layout.Size(40, 30)]
    found = layout.layered(sizes, [layout.Wire(0, 1, 20, 10)], [], direction)
    first, last = ((body.x, body.y)[axis] for body in found.bodies)
    assert (last - first) * sign > 0
    assert len(found.routes[0]) % 3 == 1
    assert found.labels[0] is not None


def test_the_program_dot_is_used_where_pygraphviz_is_missing(monkeypatch):
    import shutil

    if shutil.which("dot") is None:
        pytest.skip("the program dot is not installed")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert "w1" in texts(drawn(payloads.textbook()))


def test_without_graphviz_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setenv("PATH", "/nonexistent")
    picture = Picture(payloads.textbook())
    with pytest.raises(ImportError, match=r'pip install "chainrule\[viewer\]"'):
        picture.svg()
    assert picture._repr_svg_() is None
    assert "w3*b" in picture.text() and "digraph" in picture.dot() and picture.json()


def test_a_pygraphviz_that_does_not_load_is_told_with_its_reason(monkeypatch, tmp_path):
    (tmp_path / "pygraphviz.py").write_text("raise ImportError('libX11.so.6: cannot open')")
    monkeypatch.delitem(sys.modules, "pygraphviz", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ImportError, match=r"does not load \(libX11"):
        Picture(payloads.textbook()).svg()


def test_a_failing_dot_program_is_an_error_with_its_words(monkeypatch, tmp_path):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho no memory left >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(RuntimeError, match="no memory left"):
        Picture(payloads.textbook()).svg()


def test_the_layout_gets_no_text_of_the_user(monkeypatch):
    asked = []
    original = layout._graphviz
    monkeypatch.setattr(layout, "_graphviz", lambda text: asked.append(text) or original(text))
    g = payloads.Builder("secret")
    x = g.node("leaf", variable="secret")
    g.node("sin", x, variable="secret", expression="secret", group=g.open_group("secret"))
    Picture(g.graph()).svg()
    assert len(asked) == 1 and "secret" not in asked[0]


def test_pictures_are_the_same_each_time():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from viewer import payloads; from chainrule.viewer import Picture;"
        "sys.stdout.write(Picture(payloads.residual(5), boxes=100).svg())"
    )
    tests = str(__import__("pathlib").Path(__file__).parents[1])
    runs = [
        subprocess.run(
            [sys.executable, "-c", program, tests], capture_output=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1] and len(runs[0]) > 1000
