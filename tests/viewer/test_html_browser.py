"""The page in a real browser: what it shows, what it does, and that it loads nothing.

Needs Chromium, Node and the packages of ``viewer/`` (``npm ci && npm run build`` there).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.viewer import html

from .browser import payloads

VIEWER = Path(__file__).parents[2] / "viewer"
NODE = shutil.which("node")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

MISSING = [
    words
    for found, words in (
        (NODE, "node is not installed"),
        (CHROMIUM, "no Chromium is installed"),
        (html.has_bundle(), "the page's script was not built"),
        ((VIEWER / "node_modules" / "playwright-core").is_dir(), "npm ci was not run in viewer/"),
    )
    if not found
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def driver() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            str(NODE),
            str(Path(__file__).parent / "browser" / "drive.mjs"),
            str(VIEWER),
            str(CHROMIUM),
        ],
        # Sanitizers are preloaded into the interpreter; a browser cannot run under them.
        env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    yield process
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.wait(timeout=30)
    process.stdout.close()


@pytest.fixture
def run(driver: subprocess.Popen[str], tmp_path: Path) -> Run:
    """``run(payload, scenario, **options)``: what a scenario saw on the page of a payload.

    ``words`` goes to the scenario, other options to the browser.

    Every run also checks that the page asked for nothing and reported no error.
    """

    def run(payload: dict[str, Any], scenario: str, words: str = "", **options: Any) -> Any:
        path = tmp_path / "page.html"
        path.write_text(html.page(payload), encoding="utf-8")
        command = {"page": str(path), "scenario": scenario, "words": words, "options": options}
        assert driver.stdin is not None and driver.stdout is not None
        driver.stdin.write(json.dumps(command) + "\n")
        driver.stdin.flush()
        answer = json.loads(driver.stdout.readline())
        assert "failure" not in answer, answer["failure"]
        assert answer["requests"] == []
        assert answer["errors"] == []
        return answer["result"]

    return run


def test_a_small_graph_looks_like_the_figure_of_a_textbook(run: Run) -> None:
    seen = run(
        payloads.figure(),
        "figure",
    )
    assert seen["names"] == ["a", "w1", "w2", "w3", "w4"]
    assert sorted(seen["signs"]) == sorted(["×", "×", "×", "×", "+", "−"])
    assert seen["captions"] == ["L", "b", "c", "d"]
    assert seen["local"] == sorted(["3", "2", "3", "−1", "6", "0.5", "−3", "4", "1", "1", "−1"])
    assert seen["facts"] == ["2", "∂ −1.5"]
    assert seen["crossings"] == 0
    x = seen["places"]
    assert x["a"] < x["b"] < x["d"] < x["L"]


def test_a_click_tells_about_a_node_and_lights_its_path_to_the_loss(run: Run) -> None:
    seen = run(
        payloads.figure(),
        "selectNode",
    )
    assert seen["selected"].startswith("b,")
    assert seen["marked"] == ["w1 * a"]
    assert seen["fractions"] == 3
    for words in ("mul", "MulBackward0", "float32", "8 B", "train.py:6", "−0.5"):
        assert words in seen["panel"]
    assert seen["lit"] == 3
    assert seen["dimmed"] == 11 - 4


def test_groups_unfold_and_fold_in_place(run: Run) -> None:
    seen = run(
        payloads.residual(),
        "unfoldAndFold",
    )
    assert seen["sizes"] == [5, 5 - 1 + 4, 5 - 1 + 4 - 1 + 50, 5]
    assert seen["open"] == "true"
    assert seen["badge"] == ["×151"]


def test_boxes_inside_a_group_do_not_overlap(run: Run) -> None:
    overlaps = run(
        payloads.transformer(),
        "overlaps",
    )
    assert overlaps == 0


@pytest.mark.parametrize("make", [payloads.chain, payloads.wide, payloads.random_dag])
def test_a_large_graph_never_draws_more_than_a_few_hundred_boxes(run: Run, make: Any) -> None:
    seen = run(
        make(30_000),
        "unfoldMuch",
        reducedMotion="reduce",
    )
    assert 100 < seen["most"] <= 320
    assert seen["lines"] <= 900


def test_search_finds_and_unfolds_what_is_hidden(run: Run) -> None:
    seen = run(
        payloads.residual(),
        "searchHidden",
    )
    assert seen["found"] == "1"
    assert seen["title"] == "blocks.77.conv2.weight"
    assert seen["crumbs"][:4] == ["blocks", "blocks 50–99", "77", "conv2"]
    assert seen["visible"]
    assert seen["none"] == "none"


@pytest.mark.parametrize(
    ("words", "count"),
    [("mul", 4), ("w3", 1 + 2), ("train.py:8", 3), ("10 - d", 1)],
)
def test_search_looks_at_operators_names_lines_and_source(run: Run, words: str, count: int) -> None:
    found = run(payloads.figure(), "searchCount", words)
    assert int(found) >= count


def test_the_backward_pass_is_stepped_through_in_the_engines_order(run: Run) -> None:
    seen = run(
        payloads.figure(),
        "stepBackward",
    )
    assert seen["steps"] == [0, 1, 2, 3, 2]
    assert seen["arrived"] == [1, 2, 3]
    assert seen["pulses"] == 1
    assert seen["words"].startswith("∂L/∂")
    assert seen["all"] == 11


def test_space_plays_the_backward_pass_to_its_end(run: Run) -> None:
    seen = run(
        payloads.figure(),
        "playBackward",
    )
    assert seen == {"pressed": "true", "ended": "false"}


def test_folded_groups_show_how_much_of_them_is_done(run: Run) -> None:
    part = run(
        payloads.residual(10),
        "groupProgress",
    )
    assert 0.3 < part < 0.7


def test_the_training_slider_changes_values_and_shows_the_loss(run: Run) -> None:
    seen = run(
        payloads.training(),
        "trainingSlider",
    )
    assert seen["last"] != seen["before"]
    assert seen["words"] == "step 38 loss nan"
    assert seen["bad"] == 1
    assert seen["curve"] == 2
    assert seen["first"].startswith("step 1 ")


def test_a_step_of_another_structure_brings_its_own_graph(run: Run) -> None:
    payload = payloads.training(2)
    payload["graphs"].append(payloads.residual(12)["graphs"][0])
    nodes = len(payload["graphs"][1]["nodes"]["kind"])
    payload["steps"][0] |= {"graph": 1, "value": [-1] * nodes, "grad": [-1] * nodes}
    assert run(payload, "otherStep") == [11, 5, 11]


def test_the_keyboard_alone_is_enough(run: Run) -> None:
    seen = run(
        payloads.residual(12),
        "keyboardAlone",
    )
    assert seen["walk"] == ["stem", "blocks"]
    assert seen["focus"].startswith("blocks")
    assert seen["after"] > seen["before"] == seen["again"]
    assert seen["help"] >= 10
    assert seen["closed"] == 0
    assert seen["scales"][1] > seen["scales"][0]
    assert (seen["left"], seen["dimmed"]) == (0, 0)


def test_arrows_walk_along_the_edges_to_the_loss(run: Run) -> None:
    walk = run(
        payloads.figure(),
        "walkToLoss",
    )
    assert walk == ["b", "mul", "d", "L"]


def test_light_and_dark_follow_the_system_and_the_button(run: Run) -> None:
    light = run(payloads.figure(), "themes", colorScheme="light")
    dark = run(payloads.figure(), "themes", colorScheme="dark")
    assert light == dark[::-1]
    assert sum(map(int, light[0][4:-1].split(","))) > 600
    assert sum(map(int, dark[0][4:-1].split(","))) < 150


def test_hostile_texts_stay_texts(run: Run) -> None:
    seen = run(
        payloads.hostile(),
        "hostile",
    )
    assert seen["hacked"] is None
    assert seen["images"] == 0
    assert seen["scripts"] == 1
    assert seen["heading"].startswith("</script><img src=x onerror=")


def test_statistics_add_up_and_their_rows_light_nodes(run: Run) -> None:
    seen = run(
        payloads.figure(),
        "statistics",
    )
    assert seen["tiles"] == [
        "11nodes",
        "11edges",
        "4depth",
        "6operators",
        "5variables",
        "32 Bsaved",
    ]
    assert seen["lit"] == 4
    assert seen["dimmed"] == 0


def test_the_flame_view_shows_searches_and_zooms(run: Run) -> None:
    seen = run(
        payloads.figure() | {"profile": payloads.profile()},
        "flame",
    )
    assert seen["painted"] > 5
    assert seen["panel"].split("\n\n")[0] == "RANGE"
    assert "step 0" in seen["panel"]
    assert "OWN TIME BY SOURCE LINE" in seen["panel"]
    assert seen["below"] == "layers.0"
    assert seen["found"] == "240 found"


def test_a_page_of_a_profile_alone_shows_it(run: Run) -> None:
    payload = {"graphs": [], "steps": [], "profile": payloads.profile(2)}
    assert run(payload, "flameVisible")


def test_the_picture_is_saved_as_an_svg_file(run: Run, tmp_path: Path) -> None:
    run(
        payloads.figure(),
        "saveSvg",
    )
    picture = ElementTree.parse(tmp_path / "saved.svg").getroot()
    words = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"w1", "×", "−", "−1.5".replace("−1.5", "∂ −1.5"), "0.5"} <= set(words)
    text = (tmp_path / "saved.svg").read_text(encoding="utf-8")
    assert "var(" not in text
    assert "class=" not in text


def test_the_way_to_fold_can_be_chosen(run: Run) -> None:
    payload = payloads.residual(8)
    graph = payload["graphs"][0]
    graph["folds"]["line"] = {
        "group": [0 if line == 32 else -1 for line in graph["nodes"]["line"]],
        "groups": [
            {"parent": -1, "label": graph["nodes"]["op"][0], "kind": "line", "count": 16}
            | {"repeats": 8, "detail": -1}
        ],
    }
    seen = run(
        payload,
        "chooseFold",
    )
    assert seen["choices"] == ["module", "source line", "nothing"]
    nodes = len(graph["nodes"]["kind"])
    assert seen["sizes"] == [5, nodes - 16 + 1, nodes]


def test_the_drawing_can_be_turned(run: Run) -> None:
    before, after = run(
        payloads.figure(),
        "turn",
    )
    assert before[1]["x"] - before[0]["x"] > 300
    assert after[1]["y"] - after[0]["y"] > 200


def test_screen_readers_are_told_names_states_and_changes(run: Run) -> None:
    seen = run(
        payloads.residual(12),
        "accessibility",
    )
    assert seen["role"] == "tree"
    assert seen["unnamed"] == 0
    assert seen["items"] == 5
    assert seen["tabbable"] == 1
    assert "stem" in seen["spoken"]


@pytest.mark.parametrize(
    ("make", "boxes"), [(payloads.single, 1), (payloads.bare, 3), (payloads.constants, 3)]
)
def test_odd_graphs_are_shown_too(run: Run, make: Any, boxes: int) -> None:
    assert run(make(), "useEverything") == boxes


FORMULAS = [
    "−g·self / other²",
    "0 if self < other else g / 2 if self = other else g",
    "g·(0.5·(1 + erf(self·√½)) + self·(1/√(2π))·exp(−0.5·self·self))",
    "rstd·(h − mean(h) − x̂·mean(h·x̂)), h = g·weight",
    "−g·weight[target] / total_weight at target",
    "gᵀ @ input",
    "g − exp(y)·Σ g",
    "g·scale·(self − target if |self − target| < delta else delta·sign(self − target))",
    "g / (self·ln 10)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas_are_mathematics(run: Run, formula: str) -> None:
    payload = payloads.figure()
    graph = payload["graphs"][0]
    graph["strings"].append(formula)
    loss = graph["roots"][0]
    graph["nodes"]["formula"][loss] = [len(graph["strings"]) - 1]
    words = run(
        payload,
        "formulaWords",
    )
    assert formula not in words
