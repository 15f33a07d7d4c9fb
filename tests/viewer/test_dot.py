"""The picture in Graphviz's language."""

import json
import shutil
import subprocess

import pytest

from chainrule.viewer import Picture
from chainrule.viewer.dot import quoted

from . import payloads

NAMES = [
    'a"b',
    "a\\nb",
    "a\\",
    "{x|y}",
    "<b>bold</b>",
    "&lt;",
    "-> c;",
    "é∂",
    "\x00",
    "",
    "\\N",
    "%",
]


@pytest.fixture
def parsed():
    """Has the program dot read a text, and returns what it understood."""
    program = shutil.which("dot")
    if program is None:
        pytest.skip("the program dot is not installed")

    def run(text):
        done = subprocess.run(
            [program, "-Tdot_json"], input=text.encode(), capture_output=True, check=True
        )
        assert b"syntax error" not in done.stderr
        return json.loads(done.stdout)

    return run


def test_boxes_links_and_local_gradients(parsed):
    found = parsed(Picture(payloads.textbook()).dot())
    labels = {thing["label"] for thing in found["objects"]}
    assert "w1 = 3\\ngrad -2" in labels
    assert "×\\nb = 6\\ngrad -1" in labels
    assert len(found["objects"]) == 11 and len(found["edges"]) == 11
    numbers = sorted(edge["label"] for edge in found["edges"])
    assert numbers == sorted(["2", "3", "2", "2", "6", "1", "4", "2", "1", "1", "-1"])


def test_open_modules_are_clusters(parsed):
    found = parsed(Picture(payloads.residual(3), boxes=100).dot())
    clusters = {o["label"] for o in found["objects"] if o["name"].startswith("cluster")}
    assert {"model: Network", "layers.0: Residual", "layers.2: Residual"} <= clusters


def test_closed_groups_are_boxes_with_a_count(parsed):
    found = parsed(Picture(payloads.residual(152)).dot())
    assert any("the others ×151" in thing["label"] for thing in found["objects"])


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read_back_as_it_is(parsed, name):
    g = payloads.Builder(name)
    module = g.open_group(name or "module", detail=name)
    x = g.node("leaf", variable=name, group=module)
    y = g.node("sin", x, variable=name, expression=name, group=module)
    g.node("exp", y, symbol=name or "exp", group=module)
    found = parsed(Picture(g.graph(), boxes=50).dot())
    assert len([o for o in found["objects"] if o["name"].startswith("b")]) == 3
    assert len(found["edges"]) == 2


def test_quotes_and_escapes_of_the_language():
    assert quoted('say "x"') == '"say \\"x\\""'
    assert quoted("back\\slash") == '"back\\\\slash"'
    assert quoted("two\nlines") == '"two\\nlines"'
    assert quoted("a&lt;b") == '"a&amp;lt;b"'
    assert quoted("bell\x07") == '"bell\\\\x07"'


def test_the_direction_of_the_picture():
    assert "rankdir=TB" in Picture(payloads.textbook()).dot()
    assert "rankdir=LR" in Picture(payloads.textbook(), direction="right").dot()
    with pytest.raises(ValueError, match="direction"):
        Picture(payloads.textbook(), direction="left")
