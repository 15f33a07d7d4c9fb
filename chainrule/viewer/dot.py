"""The graph in Graphviz's language, for other tools: modules are clusters."""

from __future__ import annotations

from chainrule.viewer import labels
from chainrule.viewer.details import details
from chainrule.viewer.reader import OPERATOR
from chainrule.viewer.view import Box, View

_LOOKS = {
    "operator": 'shape=box, style="rounded"',
    "leaf": 'shape=ellipse, style="filled", fillcolor="#e3f5ea", color="#2a9d63"',
    "constant": 'shape=ellipse, style="dashed"',
    "group": 'shape=box3d, style="filled", fillcolor="#eaf1fd", color="#4a7fd6"',
}


def render(view: View, direction: str = "down") -> str:
    """A view as a ``digraph``: boxes with their names, values and gradients, local gradients as
    the labels of edges, open modules as clusters, everything else known as tooltips.

    Args:
        direction: "down", "up" or "right": where the loss is, seen from the leaves.

    Raises:
        ValueError: an unknown direction.
    """
    ranks = {"down": "TB", "up": "BT", "right": "LR"}
    if direction not in ranks:
        raise ValueError(f"direction must be 'down', 'up' or 'right', not {direction!r}")
    out = [f"digraph {quoted(view.reader.title or 'graph')} {{", f"  rankdir={ranks[direction]};"]
    out.append('  node [fontname="Helvetica", fontsize=12];')
    out.append('  edge [fontname="Helvetica", fontsize=11, color="#667085"];')
    for note in view.notes:
        out.append("  // " + labels.printable(note))
    inside: dict[int, list[int]] = {}
    for index, box in enumerate(view.boxes):
        inside.setdefault(box.frame, []).append(index)
    children: dict[int, list[int]] = {}
    titles = {}
    for frame in view.frames:
        children.setdefault(frame.parent, []).append(frame.group)
        titles[frame.group] = view.frame_label(frame.group)

    def write(group: int, indent: str) -> None:  # as deep as modules are nested
        for index in inside.get(group, ()):
            out.append(indent + _node(view, index))
        for child in children.get(group, ()):
            out.append(f"{indent}subgraph cluster_{child} {{")
            out.append(f"{indent}  label={quoted(titles[child])}; labeljust=l;")
            out.append(f'{indent}  style="rounded,filled"; color="#c6cfdd"; fillcolor="#8094b018";')
            write(child, indent + "  ")
            out.append(indent + "}")

    write(-1, "  ")
    for link in view.links:
        options = ""
        if link.local is not None:
            options = f" [label={quoted(labels.number(link.local))}]"
        elif link.count > 1:
            options = f" [label={quoted(f'{link.count:,}')}]"
        out.append(f"  b{link.source} -> b{link.target}{options};")
    out.append("}")
    return "\n".join(out) + "\n"


def quoted(text: str) -> str:
    r"""A text of any kind as a quoted string of the language: ``"``, ``\`` and line ends escaped,
    so that no part of it is read as an escape, and no control characters."""
    lines = [labels.printable(line) for line in text.split("\n")]
    # Graphviz replaces HTML entities in labels, also those that a name merely looks like.
    safe = [line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines]
    return '"' + "\\n".join(safe) + '"'


def _node(view: View, index: int) -> str:
    box = view.boxes[index]
    text = "\n".join(_group_lines(view, box) if box.group >= 0 else _node_lines(view, box))
    return (
        f"b{index} [label={quoted(text)}, {_LOOKS[box.kind]}, "
        f"tooltip={quoted(details(view, box))}];"
    )


def _node_lines(view: View, box: Box) -> list[str]:
    reader, node = view.reader, box.node
    variable, value = reader.variable(node), reader.value(node)
    single = value is not None and value["count"] == 1
    lines = []
    if reader.kinds[node] == OPERATOR:
        lines.append(reader.symbol(node))
        if variable:
            lines.append(variable)
    else:
        lines.append(variable or box.kind)
    if single:
        lines[-1] += f" = {labels.summary(value)}"
    else:
        lines.append(reader.shape(node))
    gradient = reader.gradient(node)
    if gradient is not None:
        lines.append(f"grad {labels.summary(gradient)}")
    if box.alone_in >= 0:
        lines.insert(0, view.frame_label(box.alone_in))
    for held in box.attached:
        lines.append(f"{reader.variable(held) or 'leaf'} {reader.shape(held)}")
    return lines


def _group_lines(view: View, box: Box) -> list[str]:
    label, detail = view.group_label(box), view.group_detail(box)
    if view.repeats(box) > 1:
        label += f" ×{view.repeats(box):,}"
    lines = [label] + ([detail] if detail and detail != label else [])
    content = labels.counted(box.operators, "operator")
    if box.leaves:
        content += f", {labels.counted(box.leaves, 'leaf')}"
    return [*lines, content]
