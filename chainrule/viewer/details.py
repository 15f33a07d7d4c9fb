"""All that is known of a box, in a few lines: what a picture tells when it is asked."""

from __future__ import annotations

from chainrule.viewer import labels
from chainrule.viewer.view import Box, View


def details(view: View, box: Box) -> str:
    """The lines about a node or a closed group."""
    lines = _of_group(view, box) if box.group >= 0 else _of_node(view, box.node)
    for held in box.attached if box.group < 0 else ():
        lines.append("")
        lines += _of_node(view, held)
    return "\n".join(labels.printable(line) for line in lines)


def _of_node(view: View, node: int) -> list[str]:
    reader = view.reader
    variable, operator = reader.variable(node), reader.operator(node)
    expression = reader.expression(node)
    kind = ("operator", "leaf", "constant")[reader.kinds[node]]
    head = f"{variable} = {expression}" if variable and expression else variable or expression
    lines = [head or operator or kind]
    what = f"{operator} ({reader.name(node)})" if operator else kind
    lines.append(f"{what}, {reader.shape(node)}, {reader.dtype(node)}")
    value, gradient = reader.value(node), reader.gradient(node)
    if value is not None:
        lines.append(f"value: {_numbers(value)}")
    if gradient is not None:
        lines.append(f"gradient: {_numbers(gradient)}")
    for position, formula in enumerate(reader.formulas(node)):
        if formula:
            lines.append(f"derivative to input {position + 1}: {formula}")
    if reader.saved_bytes(node):
        lines.append(f"saved for backward: {labels.memory(reader.saved_bytes(node))}")
    if reader.place(node):
        lines.append(f"{reader.place(node)}: {reader.source(node)}".rstrip(": "))
    path, kind_of_module = reader.module(node)
    if kind_of_module or path:
        lines.append(f"module: {path or 'the outermost'} ({kind_of_module})")
    return lines


def _of_group(view: View, box: Box) -> list[str]:
    label, detail = view.group_label(box), view.group_detail(box)
    lines = [label]
    if detail and detail != label:
        lines.append(detail)
    if view.repeats(box) > 1:
        lines.append(f"repeated {view.repeats(box):,} times")
    lines.append(
        f"{labels.counted(box.operators, 'operator')}, {labels.counted(box.leaves, 'leaf')}"
    )
    if box.saved_bytes:
        lines.append(f"saved for backward: {labels.memory(box.saved_bytes)}")
    lines.append(f"result: {view.reader.shape(box.node)}")
    if view.reader.place(box.node):
        lines.append(f"{view.reader.place(box.node)}: {view.reader.source(box.node)}".rstrip(": "))
    return lines


def _numbers(summary: dict[str, object]) -> str:
    short = labels.summary(summary)
    count = int(summary["count"])  # type: ignore[call-overload]
    if count <= 4:
        return short
    low, high = labels.number(summary["min"]), labels.number(summary["max"])  # type: ignore[arg-type]
    return f"{short}, from {low} to {high}, {int(summary['zeros']):,} of {count:,} zero"  # type: ignore[call-overload]
