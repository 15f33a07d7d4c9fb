"""The graph as a standalone SVG picture, light and dark, its details under the pointer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from chainrule.viewer import labels
from chainrule.viewer.details import details
from chainrule.viewer.layout import Layout, Rectangle, Size, Wire, layered
from chainrule.viewer.reader import OPERATOR
from chainrule.viewer.view import Box, View

_TANGLE = 1500  # links over more layers than this are routed quickly
_MARGIN = 20.0
_BODY = 34.0  # height of a node
_GAP = 7.0  # between a body and its caption
_TEXT = 12.5
_LINE = 16.0
_SUBSCRIPTED = re.compile(r"([^\W\d_])(\d{1,2})")
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# One word in front of every class: in a notebook the style holds for the whole page.
_STYLE = """
.chainrule-graph{--paper:#fff;--ink:#1c1e24;--muted:#666b77;--line:#a7acb8;--op:#fff;
--op-line:#6c7385;--leaf:#e4f3ea;--leaf-line:#4f9a70;--held:#2c7a50;--const:#f1f0eb;
--const-line:#b5b2a6;--group:#eef1fd;--group-line:#8d9be0;--value:#2563c9;--grad:#c24b12;
--frame:#6b7fe0;--root:#fdebe0;
font-family:"Inter","Segoe UI",system-ui,-apple-system,"Helvetica Neue",Arial,sans-serif}
@media (prefers-color-scheme:dark){.chainrule-graph{--paper:#15171c;--ink:#eceef2;--muted:#9aa0ad;
--line:#5d6473;--op:#262a33;--op-line:#858da0;--leaf:#1c3427;--leaf-line:#5aa97d;--held:#8bd3ab;
--const:#25272c;--const-line:#666a73;--group:#232a4a;--group-line:#6c7bd0;--value:#86b1ff;
--grad:#ff9a62;--frame:#7f90f0;--root:#45281a}}
.chainrule-graph text{fill:var(--ink);font-size:12.5px}
.chainrule-graph .cr-paper{fill:var(--paper)}
.chainrule-graph .cr-body{stroke-width:1.6;fill:var(--op);stroke:var(--op-line)}
.chainrule-graph .cr-leaf{fill:var(--leaf);stroke:var(--leaf-line)}
.chainrule-graph .cr-constant{fill:var(--const);stroke:var(--const-line);stroke-dasharray:4 3}
.chainrule-graph .cr-group{fill:var(--group);stroke:var(--group-line)}
.chainrule-graph .cr-root{fill:var(--root);stroke:var(--grad);stroke-width:2.2}
.chainrule-graph .cr-link{fill:none;stroke:var(--line);stroke-width:1.5}
.chainrule-graph .cr-tip{fill:var(--line)}
.chainrule-graph .cr-frame{fill:var(--frame);fill-opacity:.06;stroke:var(--frame);
stroke-opacity:.45}
.chainrule-graph text.cr-sign{font-size:19px}
.chainrule-graph text.cr-var{font-family:"STIX Two Text","Latin Modern Roman",Cambria,
"Times New Roman",serif;font-style:italic;font-size:16.5px}
.chainrule-graph .cr-bold{font-weight:600}
.chainrule-graph text.cr-small{font-size:11.5px}
.chainrule-graph text.cr-muted,.chainrule-graph tspan.cr-muted{fill:var(--muted)}
.chainrule-graph tspan.cr-held{fill:var(--held)}
.chainrule-graph text.cr-local,.chainrule-graph tspan.cr-local{font-weight:700;fill:var(--ink)}
.chainrule-graph tspan.cr-value{fill:var(--value)}
.chainrule-graph tspan.cr-grad{fill:var(--grad)}
.chainrule-graph text.cr-halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;
stroke-linejoin:round}
.chainrule-graph g:hover>.cr-body{stroke-width:2.8}
"""


@dataclass(slots=True)
class _Look:
    """How a box is drawn: what is written in the body, and in the lines of the caption."""

    box: Box
    shape: str  # classes of the body
    inside: list[tuple[str, str]]  # (text, class) of the lines in the body
    caption: list[list[tuple[str, str]]]  # lines of pieces (text, class)
    width: float
    height: float

    def caption_size(self) -> tuple[float, float]:
        if not self.caption:
            return 0, 0
        widest = max(
            sum(labels.text_width(text, _font_size(look)) for text, look in line)
            for line in self.caption
        )
        return widest + 2 * _GAP, len(self.caption) * _LINE + 4


def render(view: View, direction: str | None = None, label: str = "") -> str:
    """The picture of a view as the text of an SVG file.

    Args:
        direction: "down", "up" or "right": where the loss is, seen from the leaves. None: to the
            right for a small graph without modules, as in textbooks, else down.
        label: what a screen reader says of the picture; by default its size and its root.

    Raises:
        MissingLayout: Graphviz is not installed.
        ValueError: an unknown direction.
    """
    numeric = any(link.local is not None for link in view.links)
    if direction is None:
        small = len(view.boxes) <= (30 if numeric else 16)
        nested = view.frames or any(box.group >= 0 for box in view.boxes)
        direction = "right" if small and not nested else "down"
    if direction not in ("down", "up", "right"):
        raise ValueError(f"direction must be 'down', 'up' or 'right', not {direction!r}")
    looks = [_look(view, index, direction) for index in range(len(view.boxes))]
    frame_of = {frame.group: index for index, frame in enumerate(view.frames)}
    frame_of[-1] = -1
    sizes = [
        Size(look.width, look.height, *look.caption_size(), frame_of[look.box.frame])
        for look in looks
    ]
    wires = []
    for link in view.links:
        text = _link_text(link.local, link.count)
        width = labels.text_width(text, _TEXT) + 8 if text else 0
        # What follows in the order of computation is drawn in a straight line, if possible.
        follows = link.target == link.source + 1
        from_leaf = view.boxes[link.source].kind in ("leaf", "constant")
        weight = 1 if from_leaf or direction == "right" else 12 if follows else 2
        wires.append(Wire(link.source, link.target, width, 18, weight))
    titles = []
    for frame in view.frames:
        title = _frame_title(view.frame_label(frame.group))
        titles.append((frame_of[frame.parent], labels.text_width(title, 11.5) + 10, 18.0))
    laid_out = layered(sizes, wires, titles, direction, quick=view.span() > _TANGLE)
    return _document(view, looks, laid_out, direction, label, numeric)


def _document(
    view: View, looks: list[_Look], laid_out: Layout, direction: str, label: str, numeric: bool
) -> str:
    notes = _footer(view, numeric)
    room = max((sum(labels.text_width(t, 11.5) for t, _ in note) for note in notes), default=0)
    width = max(laid_out.width, room, 60) + 2 * _MARGIN
    height = laid_out.height + 2 * _MARGIN + (18 * len(notes) + 8 if notes else 0)
    spoken = label or _spoken(view)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chainrule-graph" role="img" '
        f'aria-label="{_attribute(spoken)}" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">',
        f"<title>{_text(spoken)}</title>",
        f"<style>{escape(_STYLE)}</style>",
        '<rect class="cr-paper" width="100%" height="100%" rx="10"/>',
    ]
    shift = (width - laid_out.width) / 2
    out.append(f'<g transform="translate({shift:.1f} {_MARGIN:.1f})">')
    out += [_draw_frame(rectangle) for rectangle in laid_out.frames if rectangle is not None]
    for index, link in enumerate(view.links):
        route = laid_out.routes[index]
        if route:
            ends = (laid_out.bodies[link.source], laid_out.bodies[link.target])
            square = (
                view.boxes[link.source].kind == "group",
                view.boxes[link.target].kind == "group",
            )
            out.append(_draw_link(route, ends, square))
    for frame, rectangle in zip(view.frames, laid_out.frames, strict=True):
        if rectangle is not None:
            title = _text(_frame_title(view.frame_label(frame.group)))
            where = f'x="{rectangle.x + 10:.1f}" y="{rectangle.y + 16:.1f}"'
            out.append(f'<text class="cr-muted cr-small cr-halo" {where}>{title}</text>')
    for index, link in enumerate(view.links):
        text, at = _link_text(link.local, link.count), laid_out.labels[index]
        if text and at is not None:
            out.append(_draw_label(text, at, "cr-local" if link.local is not None else "cr-muted"))
    for look, body in zip(looks, laid_out.bodies, strict=True):
        out.append(_draw_box(view, look, body, direction))
    out.append("</g>")
    for row, note in enumerate(notes):
        y = laid_out.height + 2 * _MARGIN + 18 * row + 8
        pieces = "".join(f'<tspan class="{look}">{_text(text)}</tspan>' for text, look in note)
        out.append(f'<text class="cr-muted cr-small" x="{_MARGIN:.0f}" y="{y:.1f}">{pieces}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _look(view: View, index: int, direction: str) -> _Look:
    box = view.boxes[index]
    if box.group >= 0:
        return _group_look(view, box)
    reader, node = view.reader, box.node
    variable = labels.printable(reader.variable(node))
    value, gradient = reader.value(node), reader.gradient(node)
    single = value is not None and value["count"] == 1
    known = labels.summary(value, "−") if single else ""
    caption: list[list[tuple[str, str]]] = []
    if box.kind == "operator":
        sign = labels.shortened(labels.printable(reader.symbol(node)), 20)
        inside = [(sign, "cr-sign" if len(sign) == 1 else "cr-bold")]
        first: list[tuple[str, str]] = []
        if box.alone_in >= 0:
            label = labels.shortened(labels.printable(view.frame_label(box.alone_in)), 30)
            caption.append([(label, "cr-bold")])
        if variable:
            first.append((labels.shortened(variable, 22), "cr-var"))
        elif reader.expression(node) and box.alone_in < 0:
            first.append(
                (labels.shortened(labels.printable(reader.expression(node)), 24), "cr-muted")
            )
    else:
        name = labels.shortened(variable, 24) or known or box.kind
        inside = [(name, "cr-var" if variable and len(variable) <= 3 else "")]
        first = []
    if single and inside[0][0] != known:
        first += [(" = " if first else "= ", ""), (known, "cr-value")]
    elif not single:
        first.append(((" · " if first else "") + reader.shape(node), "cr-muted"))
    if first:
        caption.append(first)
    if gradient is not None:
        caption.append(_gradient_text(view, variable, gradient))
    for held in box.attached[:3]:
        name = labels.printable(reader.variable(held)).rpartition(".")[2] or "leaf"
        pieces = [(labels.shortened(name, 20), "cr-held"), (f" {reader.shape(held)}", "cr-muted")]
        arriving = reader.gradient(held)
        if arriving is not None:
            pieces.append((f"  grad {labels.summary(arriving, '−')}", "cr-grad"))
        caption.append(pieces)
    widest = max(labels.text_width(text, _font_size(look)) for text, look in inside)
    width = max(_BODY, widest + (14 if len(inside[0][0]) <= 3 else 26))
    classes = {"operator": "", "leaf": " cr-leaf", "constant": " cr-constant"}[box.kind]
    if node in reader.roots:
        classes += " cr-root"
    return _Look(box, "cr-body" + classes, inside, caption, width, _BODY)


def _gradient_text(view: View, variable: str, gradient: dict[str, object]) -> list[tuple[str, str]]:
    root = view.reader.variable(view.reader.roots[0]) if len(view.reader.roots) == 1 else ""
    number = labels.summary(gradient, "−")
    if root and variable and len(root) <= 6 and len(variable) <= 8 and gradient["count"] == 1:
        return [("∂", "cr-grad"), (root, "cr-grad cr-it"), ("/∂", "cr-grad"),
                (variable, "cr-grad cr-it"), (f" = {number}", "cr-grad")]  # fmt: skip
    return [(f"grad {number}", "cr-grad")]


def _group_look(view: View, box: Box) -> _Look:
    label = labels.shortened(labels.printable(view.group_label(box)), 34)
    detail = labels.shortened(labels.printable(view.group_detail(box)), 34)
    content = labels.counted(box.operators, "operator") if box.operators else ""
    if box.leaves:
        leaves = labels.counted(box.leaves, "leaf")
        content = f"{content}, {leaves}" if content else leaves
    repeats = view.repeats(box)
    inside = [(label, "cr-bold")]
    if detail and detail != label:
        inside.append((detail, ""))
    inside.append((content, "cr-muted"))
    width = max(labels.text_width(text, _font_size(look)) for text, look in inside) + 26
    if repeats > 1:
        width += _badge_room(repeats)
    caption = (
        [[(view.reader.shape(box.node), "cr-muted")]]
        if view.reader.kinds[box.node] == OPERATOR
        else []
    )
    return _Look(box, "cr-body cr-group", inside, caption, width, 12 + _LINE * len(inside))


def _badge_room(repeats: int) -> float:
    """What the count of repetitions takes at the right of a group."""
    return labels.text_width(f"×{repeats:,}", _TEXT * 1.06) + 10


def _font_size(look: str) -> float:
    if "cr-sign" in look:
        return 19
    if "cr-var" in look:
        return 16.5
    return _TEXT * (1.06 if "cr-bold" in look else 1)


def _link_text(local: float | str | None, count: int) -> str:
    if local is not None:
        return labels.mathematical(local)
    return f"{count:,} values" if count > 3 else ""


def _frame_title(label: str) -> str:
    return labels.shortened(labels.printable(label), 40)


def _draw_frame(at: Rectangle) -> str:
    return (
        f'<rect class="cr-frame" x="{at.x:.1f}" y="{at.y:.1f}" width="{at.width:.1f}" '
        f'height="{at.height:.1f}" rx="8"/>'
    )


def _draw_link(
    route: list[tuple[float, float]],
    ends: tuple[Rectangle, Rectangle],
    square: tuple[bool, bool],
) -> str:
    """The spline from body to body, with the head of an arrow at its end."""
    points = list(route)
    points[0] = _border(ends[0], points[1], square[0])
    tip = _border(ends[1], points[-2], square[1])
    # The line stops short of the tip, so that the head is sharp.
    dx, dy = tip[0] - points[-2][0], tip[1] - points[-2][1]
    length = math.hypot(dx, dy) or 1.0
    dx, dy = dx / length, dy / length
    points[-1] = (tip[0] - 6 * dx, tip[1] - 6 * dy)
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}C" + " ".join(
        f"{x:.1f} {y:.1f}" for x, y in points[1:]
    )
    corners = [tip, (tip[0] - 8 * dx - 3.6 * dy, tip[1] - 8 * dy + 3.6 * dx)]
    corners.append((tip[0] - 8 * dx + 3.6 * dy, tip[1] - 8 * dy - 3.6 * dx))
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<path class="cr-link" d="{path}"/><polygon class="cr-tip" points="{head}"/>'


def _border(body: Rectangle, seen_from: tuple[float, float], square: bool) -> tuple[float, float]:
    """Where the line from a point to the middle of a body meets its border."""
    cx, cy = body.x + body.width / 2, body.y + body.height / 2
    dx, dy = seen_from[0] - cx, seen_from[1] - cy
    if not dx and not dy:
        return cx, cy
    half_width, half_height = body.width / 2 + 1, body.height / 2 + 1
    if square:
        scale = min(
            half_width / abs(dx) if dx else math.inf, half_height / abs(dy) if dy else math.inf
        )
        return cx + dx * scale, cy + dy * scale
    # A stadium: a bar with half circles at its ends. Aim at the nearest point of its axis.
    reach = half_width - half_height
    axis = min(max(dx, -reach), reach)
    dx -= axis
    length = math.hypot(dx, dy) or 1.0
    return cx + axis + dx / length * half_height, cy + dy / length * half_height


def _draw_label(text: str, at: tuple[float, float], look: str) -> str:
    return (
        f'<text class="{look} cr-halo" text-anchor="middle" x="{at[0]:.1f}" y="{at[1] + 4:.1f}">'
        f"{_text(text)}</text>"
    )


def _draw_box(view: View, look: _Look, body: Rectangle, direction: str) -> str:
    box = look.box
    out = [f"<g><title>{_text(details(view, box))}</title>"]
    radius = 7.0 if box.kind == "group" else body.height / 2
    rectangle = f'width="{body.width:.1f}" height="{body.height:.1f}" rx="{radius:.1f}"'
    repeats = view.repeats(box)
    for behind in (8, 4) if repeats > 1 else ():
        at = f'x="{body.x + behind:.1f}" y="{body.y + behind:.1f}"'
        out.append(f'<rect class="{look.shape}" {at} {rectangle}/>')
    out.append(f'<rect class="{look.shape}" x="{body.x:.1f}" y="{body.y:.1f}" {rectangle}/>')
    middle = body.x + body.width / 2
    if repeats > 1:
        middle -= _badge_room(repeats) / 2
        x, y = body.x + body.width - 10, body.y + body.height / 2 + 5
        out.append(
            f'<text class="cr-bold" text-anchor="end" x="{x:.1f}" y="{y:.1f}">×{repeats:,}</text>'
        )
    y = body.y + body.height / 2 - (len(look.inside) - 1) * _LINE / 2
    for text, style in look.inside:
        down = {"cr-sign": 6.5, "cr-var": 5.2}.get(style, 4.5)
        out.append(
            f'<text class="{style}" text-anchor="middle" x="{middle:.1f}" y="{y + down:.1f}">'
            f"{_variable(text) if style == 'cr-var' else _text(text)}</text>"
        )
        y += _LINE
    if direction == "right":
        x, y, anchor = body.x + body.width / 2, body.y + body.height + 15, "middle"
    else:
        x, anchor = body.x + body.width + _GAP + (8 if repeats > 1 else 0), "start"
        y = body.y + body.height / 2 - (len(look.caption) - 1) * _LINE / 2 + 4.5
    for line in look.caption:
        pieces = "".join(_piece(text, style) for text, style in line)
        out.append(f'<text text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{pieces}</text>')
        y += _LINE
    out.append("</g>")
    return "".join(out)


def _piece(text: str, style: str) -> str:
    if "cr-it" in style or style == "cr-var":
        look = f'class="{style}" font-style="italic" font-family="serif"'
        return f"<tspan {look}>{_variable(text)}</tspan>"
    return f'<tspan class="{style}">{_text(text)}</tspan>' if style else _text(text)


def _variable(name: str) -> str:
    """A name as mathematics sets it: ``w1`` with a subscript; longer names as they are."""
    match = _SUBSCRIPTED.fullmatch(name)
    if match is None:
        return _text(name)
    return f'{_text(match[1])}<tspan dy="3" font-size="70%">{match[2]}</tspan>' + (
        '<tspan dy="-3">\u200b</tspan>'
    )


def _footer(view: View, numeric: bool) -> list[list[tuple[str, str]]]:
    notes = [[(note, "cr-muted")] for note in view.notes]
    if numeric:
        with_gradients = any(view.reader.gradient(b.node) is not None for b in view.boxes)
        legend = [("on the edges: ", "cr-muted"), ("local gradients", "cr-local")]
        if with_gradients:
            root = view.reader.roots[0]
            name = labels.shortened(view.reader.variable(root) or "the result", 20)
            legend += [(" · at the nodes: ", "cr-muted"), ("value", "cr-value")]
            legend += [(" and ", "cr-muted")]
            legend += [(f"gradient of {name}", "cr-grad")]
        notes.insert(0, legend)
    return notes


def _spoken(view: View) -> str:
    reader = view.reader
    names = [reader.variable(root) or reader.operator(root) for root in reader.roots[:3]]
    operators = sum(kind == OPERATOR for kind in reader.kinds)
    return (
        f"Computation graph of {labels.printable(', '.join(names))}: "
        f"{labels.counted(operators, 'operator')}, {labels.counted(len(view.boxes), 'box')} shown"
    )


def _text(text: str) -> str:
    """Text for XML: escaped, without the characters that XML does not allow."""
    return escape(_NOT_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    return _text(text).replace('"', "&quot;").replace("\n", " ")
