"""The picture as text."""

import io
import re
import sys

import pytest

from chainrule.viewer import Picture
from chainrule.viewer.text import _ASCII

from . import payloads

BOX_DRAWING = re.compile("[─│└├]")


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


class Latin(io.StringIO):
    """A stream that cannot write box-drawing characters."""

    encoding = "latin-1"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_small_graph_is_a_tree_from_the_loss_to_the_leaves():
    text = str(Picture(payloads.textbook()))
    lines = text.splitlines()
    assert lines[0].startswith("graph of L: 6 operators, 5 leaves")
    assert lines[2].startswith("L = 10 - d")
    assert lines[3].startswith("└─ d = w3*b + w4*c")
    order = [text.index(name) for name in ("10 - d", "w3*b + w4*c", " w3 ", "w1 * a")]
    assert order == sorted(order)


def test_values_gradients_and_local_gradients_stand_beside_the_names():
    lines = str(Picture(payloads.textbook())).splitlines()
    line = next(line for line in lines if "─ w1 " in line)
    assert re.search(r"local 2\s+= 3\s+grad -2", line)
    assert re.fullmatch(r"L = 10 - d\s+= -4\s+grad 1\s+train.py:6", lines[2])


def test_what_is_used_twice_is_written_once_and_then_named():
    text = str(Picture(payloads.textbook()))
    assert text.count("a (above)") == 1
    assert len(re.findall(r"[├└]─ a\b", text)) == 2


def test_what_a_shared_result_was_computed_from_is_not_repeated():
    g = payloads.Builder()
    x = g.node("leaf", variable="x")
    y = g.node("sin", x, variable="y")
    g.node("mul", y, y, symbol="×", variable="z")
    lines = str(Picture(g.graph())).splitlines()[2:]
    assert [re.sub("[├│└─ ]*", "", line, count=1).split("  ")[0] for line in lines] == [
        "z = ×", "y = sin", "x", "y (above)",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
@pytest.mark.parametrize("make", [payloads.textbook, lambda: payloads.residual(152)])
def test_no_line_is_longer_than_the_width(make, width):
    for boxes in (None, 200):
        picture = Picture(make(), boxes=boxes)
        assert max(map(len, picture.text(width).splitlines())) <= width


def test_the_text_has_80_columns_where_there_is_no_terminal():
    assert 60 < max(map(len, str(Picture(payloads.residual(152))).splitlines())) <= 80


def test_a_repetition_shows_its_first_time_and_a_count_for_the_others():
    text = str(Picture(payloads.residual(152)))
    assert "layers.0 … layers.151 ×152" in text
    assert "layers.0: Residual" in text and "layers.1: Residual" not in text
    assert "[the others] ×151" in text and "755 operators, 604 leaves" in text
    assert "1,370 nodes in" in text and "folded by module" in text
    assert len(text.splitlines()) < 30


def test_more_boxes_open_more_of_the_graph():
    less = Picture(payloads.residual(12)).text()
    more = Picture(payloads.residual(12), boxes=300).text()
    assert "the others" in less
    assert "layers.11: Residual" in more and "the others" not in more


def test_operands_are_named_and_parameters_lose_the_path_of_their_module():
    g = payloads.Builder()
    for layer in range(20):
        weight = g.node(
            "leaf", variable=f"net.{layer}.weight", shape="4×4", module="net." + str(layer)
        )
        x = g.node("mm", weight, shape="4×4", module=f"net.{layer}", line=3)
    g.node("sum", x, variable="loss", symbol="Σ")
    text = Picture(g.graph(), boxes=100).text()
    assert "%1 = mm(weight)" in text
    assert "net.0.weight" in text  # in the list of leaves


def test_a_name_that_is_assigned_again_is_numbered():
    g = payloads.Builder()
    x = g.node("leaf", variable="x")
    for _ in range(40):
        x = g.node("sin", x, variable="x")
    text = Picture(g.graph()).text()
    assert "x#2 = sin(x)" in text or "x#2 = sin(x#1)" in text or "x = sin(x)" in text
    assert len(set(re.findall(r"^(\S+) = sin", text, re.M))) == 40


def test_no_colours_where_the_stream_is_no_terminal():
    stream = io.StringIO()
    Picture(payloads.textbook()).print(stream)
    assert "\x1b" not in stream.getvalue()
    assert BOX_DRAWING.search(stream.getvalue())


def test_colours_in_a_terminal_if_rich_is_installed():
    pytest.importorskip("rich")
    stream = Terminal()
    picture = Picture(payloads.textbook(), width=80)
    picture.print(stream)
    coloured = stream.getvalue()
    assert "\x1b[" in coloured
    assert _without_codes(coloured) == _stripped(picture.text())


def test_no_colours_in_a_terminal_without_rich(monkeypatch):
    for name in ("rich", "rich.console", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)
    stream = Terminal()
    Picture(payloads.textbook()).print(stream)
    assert "\x1b" not in stream.getvalue() and "w3*b" in stream.getvalue()
    with pytest.raises(ImportError, match=r"chainrule\[viewer\]"):
        Picture(payloads.textbook()).print(stream, color=True)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_the_environment_says_so(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    stream = Terminal()
    Picture(payloads.textbook()).print(stream)
    assert "\x1b" not in stream.getvalue()


def test_a_stream_without_box_characters_gets_ascii():
    stream = Latin()
    Picture(payloads.textbook()).print(stream)
    text = stream.getvalue()
    assert text.isascii()
    assert "`- d = w3*b + w4*c" in text
    assert len(text.splitlines()) == len(str(Picture(payloads.textbook())).splitlines())


def test_the_ascii_forms_are_ascii():
    assert all((new if isinstance(new, str) else chr(new)).isascii() for new in _ASCII.values())


def test_control_characters_in_names_reach_no_terminal():
    g = payloads.Builder("\x1b[2Jtitle")
    x = g.node("leaf", variable="x\x1b[31m\ny")
    g.node("sin", x, variable="z\r", line=1, expression="sin(\x07x)", file="a\x1bb.py")
    text = Picture(g.graph()).text()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert "\\x1b" in text


def test_bad_numbers_are_written_as_such():
    g = payloads.Builder()
    x = g.node("leaf", variable="x", value="nan", grad="-inf")
    g.node("log", x, variable="y", value="nan", grad=1.0, local=("inf",))
    text = Picture(g.graph()).text()
    assert "= nan" in text and "grad -inf" in text and "local inf" in text


def test_a_summary_counts_bad_numbers_first():
    many = {"count": 100, "min": 0.0, "max": 2.0, "mean": 1.0, "std": 0.5, "zeros": 0, "nan": 3}
    g = payloads.Builder()
    x = g.node("leaf", variable="x", shape="100", grad=many | {"inf": 0})
    y = g.node("log", x, shape="100", grad=many | {"nan": 100, "inf": 0, "mean": "nan"})
    g.node("sum", y)
    text = Picture(g.graph()).text()
    assert "grad 3 nan; 1 ± 0.5" in text and "grad all nan" in text


def test_an_empty_tensor_is_called_empty():
    nothing = {"count": 0, "min": "nan", "max": "nan", "mean": "nan", "std": "nan"}
    g = payloads.Builder()
    x = g.node("leaf", variable="x", shape="0×3", grad=nothing | {"zeros": 0, "nan": 0, "inf": 0})
    g.node("sum", x, value=0.0)
    assert re.search(r"0×3\s+grad empty", Picture(g.graph()).text())


def test_a_deep_graph_is_a_list_and_needs_no_recursion():
    g = payloads.Builder()
    x = g.node("leaf", variable="x")
    for _ in range(5000):
        x = g.node("sin", x)
    lines = Picture(g.graph()).text().splitlines()
    assert len(lines) < 100
    assert any("parts" in line for line in lines)


def test_the_width_is_at_least_20():
    with pytest.raises(ValueError, match="20 columns"):
        Picture(payloads.textbook(), width=5)


def _without_codes(text):
    return _stripped(re.sub(r"\x1b\[[0-9;]*m", "", text))


def _stripped(text):
    return [line.rstrip() for line in text.splitlines()]
