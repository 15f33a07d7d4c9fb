"""Where boxes and links of a picture lie: layered, by Graphviz.

Graphviz runs in this process (pygraphviz brings it in its wheel) or, if that is not installed, as
the program ``dot``. It is given sizes and numbers only, never a text of the user, so that neither
fonts nor hostile names have a say in the layout.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

_lock = threading.Lock()  # Graphviz keeps its state in global variables


class MissingLayout(ImportError):
    """Graphviz is not there in any form.

    Args:
        broken: why pygraphviz, which is installed, does not load; None if it is not installed.
    """

    def __init__(self, broken: ImportError | None = None) -> None:
        if broken is None:
            reason = 'is not installed: pip install "chainrule[viewer]", or'
        else:
            reason = f"does not load ({broken}): install the libraries that it misses, or"
        super().__init__(
            f"an SVG picture needs Graphviz for its layout. The package pygraphviz {reason} "
            'your system\'s package "graphviz". '
            "Text, dot, JSON and HTML need nothing more: show(...).save('graph.html')."
        )


@dataclass(slots=True)
class Size:
    """What a box takes: its body, where links end, and a caption beside or below the body."""

    width: float
    height: float
    caption_width: float = 0
    caption_height: float = 0
    frame: int = -1  # index of the innermost frame around it


@dataclass(slots=True)
class Wire:
    """A link to be routed, with the size of the label on it (0: none)."""

    source: int
    target: int
    label_width: float = 0
    label_height: float = 0
    weight: int = 1


@dataclass(slots=True)
class Rectangle:
    """Pixels; x to the right, y down; the corner at the upper left."""

    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Layout:
    """Bodies of boxes, frames (None for an empty one), control points of links, their labels."""

    width: float
    height: float
    bodies: list[Rectangle]
    frames: list[Rectangle | None]
    routes: list[list[tuple[float, float]]]  # cubic Bézier splines: 1 + 3n points, [] for none
    labels: list[tuple[float, float] | None]  # the centres


def layered(
    sizes: list[Size],
    wires: list[Wire],
    frames: list[tuple[int, float, float]],
    direction: str = "down",
    quick: bool = False,
) -> Layout:
    """Lay out boxes in layers, along the links.

    Args:
        sizes: of the boxes, in pixels.
        wires: the links.
        frames: for each its parent frame (-1: none), width and height of its title; parents first.
        direction: where results are seen from their inputs: "down", "up" or "right". Captions are
            below the body for "right", else on the right of it.
        quick: less care and straight lines, for a tangle that would take minutes.

    Raises:
        MissingLayout: neither pygraphviz nor the program ``dot`` is there.
    """
    text = _question(sizes, wires, frames, direction)
    if quick:
        text = text.replace("digraph {", f"digraph {{ {_QUICK}", 1)
    return _answer(json.loads(_graphviz(text)), sizes, wires, frames, direction)


_QUICK = "nslimit=0.5; nslimit1=0.5; mclimit=0.2; splines=line;"
_RANKS = {"down": "TB", "up": "BT", "right": "LR"}


def _question(
    sizes: list[Size], wires: list[Wire], frames: list[tuple[int, float, float]], direction: str
) -> str:
    below = direction == "right"
    out = [
        f"digraph {{ rankdir={_RANKS[direction]}; nodesep=0.3; ranksep={0.5 if below else 0.42};",
        "node [shape=plain]; edge [arrowhead=none];",
    ]
    inside: dict[int, list[int]] = {}
    for index, size in enumerate(sizes):
        inside.setdefault(size.frame, []).append(index)
    children: dict[int, list[int]] = {}
    for index, (parent, _, _) in enumerate(frames):
        children.setdefault(parent, []).append(index)

    def write(frame: int) -> None:  # as deep as modules are nested
        if frame >= 0:
            _, width, height = frames[frame]
            out.append(f"subgraph cluster_{frame} {{ margin=12; labeljust=l;")
            out.append(f"label=<{_table(_cell(width, height))}>;")
        for index in inside.get(frame, ()):
            size = sizes[index]
            cells = _cell(size.width, size.height, ' PORT="p"')
            if size.caption_width and size.caption_height:
                caption = _cell(size.caption_width, size.caption_height)
                cells += "</TR><TR>" + caption if below else caption
            out.append(f"b{index} [label=<{_table(cells)}>];")
        for child in children.get(frame, ()):
            write(child)
        if frame >= 0:
            out.append("}")

    write(-1)
    for number, wire in enumerate(wires):
        label = ""
        if wire.label_width:
            label = f" label=<{_table(_cell(wire.label_width, wire.label_height))}>"
        options = f"id={number} weight={wire.weight}{label}"
        out.append(f"b{wire.source}:p -> b{wire.target}:p [{options}];")
    out.append("}")
    return "\n".join(out)


def _table(cells: str) -> str:
    border = 'BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"'
    return f"<TABLE {border}><TR>{cells}</TR></TABLE>"


def _cell(width: float, height: float, more: str = "") -> str:
    size = f'WIDTH="{round(width)}" HEIGHT="{round(height)}"'
    return f'<TD FIXEDSIZE="TRUE" {size}{more}></TD>'


def _graphviz(text: str) -> bytes:
    """The layout of a graph in dot's language, as Graphviz's JSON."""
    try:
        import pygraphviz
    except ImportError as error:
        return _dot_program(text, None if isinstance(error, ModuleNotFoundError) else error)
    with _lock:
        graph = pygraphviz.AGraph(string=text)
        try:
            laid_out: bytes = graph.draw(format="json0", prog="dot")
        finally:
            graph.close()
    return laid_out


def _dot_program(text: str, broken: ImportError | None) -> bytes:
    import shutil
    import subprocess

    program = shutil.which("dot")
    if program is None:
        raise MissingLayout(broken)
    done = subprocess.run([program, "-Tjson0"], input=text.encode(), capture_output=True)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"Graphviz ({program}) could not lay the picture out: {reason}")
    return done.stdout


def _answer(
    found: dict[str, Any],
    sizes: list[Size],
    wires: list[Wire],
    frames: list[tuple[int, float, float]],
    direction: str,
) -> Layout:
    left, bottom, right, top = (float(v) for v in found.get("bb", "0,0,0,0").split(","))

    def point(text: str) -> tuple[float, float]:
        x, y = text.split(",")
        return float(x) - left, top - float(y)

    bodies = [Rectangle(0, 0, size.width, size.height) for size in sizes]
    rectangles: list[Rectangle | None] = [None] * len(frames)
    for thing in found.get("objects", ()):
        name = thing["name"]
        if name.startswith("cluster_"):
            x0, y0, x1, y1 = (float(v) for v in thing["bb"].split(","))
            rectangles[int(name[8:])] = Rectangle(x0 - left, top - y1, x1 - x0, y1 - y0)
        else:
            index = int(name[1:])
            size, body = sizes[index], bodies[index]
            x, y = point(thing["pos"])
            if direction == "right":
                body.x = x - size.width / 2
                body.y = y - (size.height + size.caption_height) / 2
            else:
                body.x = x - (size.width + size.caption_width) / 2
                body.y = y - size.height / 2
    routes: list[list[tuple[float, float]]] = [[] for _ in wires]
    labels: list[tuple[float, float] | None] = [None] * len(wires)
    for edge in found.get("edges", ()):
        number = int(edge["id"])
        # "e,x,y" and "s,x,y" would be ends of arrows; there are none.
        routes[number] = [
            point(p) for p in edge["pos"].split(";")[0].split(" ") if p[0] not in "es"
        ]
        if "lp" in edge:
            labels[number] = point(edge["lp"])
    return Layout(right - left, top - bottom, bodies, rectangles, routes, labels)
