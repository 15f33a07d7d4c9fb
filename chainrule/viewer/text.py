"""The graph as text for a terminal.

A small graph is a tree from the loss down to the leaves; a larger one is a list in the order of
computation, one box a line, modules as headings. What is used twice is written once and named
where it is used again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import IO

from chainrule.viewer import labels
from chainrule.viewer.reader import OPERATOR, Reader
from chainrule.viewer.view import Box, Link, View

_TREE_BOXES = 30  # larger graphs are listed
_ASCII = str.maketrans(
    {
        **dict(zip("×−·…→←↑∂±²³⁻", "*-.~><^d~23-", strict=True)),
        **dict(zip("│├└─┌", "||`-,", strict=True)),
        "ᵀ": "^T",
        "√": "sqrt",
        "Σ": "sum",
        "÷": "/",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
    }
)


_PYTHON = str.maketrans({"×": "*", "−": "-", "÷": "/"})


@dataclass(slots=True)
class Cell:
    """A piece of a line: its text and what it is, for colours."""

    text: str
    style: str = ""


@dataclass(slots=True)
class Line:
    """One line of the picture, before it is fitted into a width."""

    left: list[Cell] = field(default_factory=list)
    right: list[Cell] = field(default_factory=list)


def lines(view: View) -> list[Line]:
    """The text of a view, without colours or a width."""
    page = [_title(view)]
    page += [Line([Cell(note, "note")]) for note in view.notes]
    page.append(Line())
    small = len(view.boxes) <= _TREE_BOXES and not any(box.group >= 0 for box in view.boxes)
    tree = _Tree(view) if small else None
    if tree is not None and tree.depth <= 12:
        page += tree.lines
    else:
        page += _listing(view)
    return page


def plain(page: list[Line], width: int, ascii_only: bool = False) -> str:
    """The lines as plain text of at most ``width`` columns."""
    text = "\n".join("".join(c.text for c in fitted(line, width)).rstrip() for line in page)
    return (in_ascii(text) if ascii_only else text) + "\n"


def in_ascii(text: str) -> str:
    """The text for a stream that knows no other characters: signs have stand-ins."""
    return "".join(c if c.isascii() else "?" for c in text.translate(_ASCII))


def can_write(stream: IO[str], text: str) -> bool:
    """Whether the stream's encoding has all characters of the text."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def fitted(line: Line, width: int) -> list[Cell]:
    """The cells of a line that fit: the right ones are aligned right, the last of them go first."""
    left, right = list(line.left), list(line.right)
    used = sum(len(cell.text) for cell in left)
    while right and used + sum(len(cell.text) + 2 for cell in right) > width:
        if used + 2 + len(right[0].text) > width and len(right) == 1:
            break
        right.pop()
    room = width - (sum(len(cell.text) + 2 for cell in right) if right else 0)
    if used > room and left:
        over = used - room
        last = left[-1]
        if len(last.text) > over:
            left[-1] = Cell(labels.shortened(last.text, len(last.text) - over), last.style)
        else:
            whole = labels.shortened("".join(cell.text for cell in left), max(room, 1))
            left = [Cell(whole, left[0].style)]
        used = sum(len(cell.text) for cell in left)
    if right:
        gap = width - used - sum(len(cell.text) for cell in right) - 2 * (len(right) - 1)
        if gap < 1:
            return left
        left.append(Cell(" " * gap))
        for index, cell in enumerate(right):
            left.append(Cell("  ") if index else Cell(""))
            left.append(cell)
    return left


def _title(view: View) -> Line:
    reader = view.reader
    operators = sum(kind == OPERATOR for kind in reader.kinds)
    leaves = sum(kind == 1 for kind in reader.kinds)
    saved = sum(reader.saved_bytes(node) for node in range(reader.count))
    name = ", ".join(labels.printable(_name(reader, root)) for root in reader.roots[:3])
    if len(reader.roots) > 3:
        name += ", …"
    text = f": {labels.counted(operators, 'operator')}, {labels.counted(leaves, 'leaf')}"
    cells = [Cell("graph of "), Cell(name, "variable"), Cell(text)]
    if saved:
        cells.append(Cell(f", {labels.memory(saved)} saved for backward"))
    return Line(cells, [Cell(labels.printable(reader.title), "place")] if reader.title else [])


def _name(reader: Reader, node: int) -> str:
    return reader.variable(node) or reader.expression(node) or reader.operator(node) or f"#{node}"


def _facts(reader: Reader, node: int) -> list[Cell]:
    """Value or shape, gradient and source line of a node: the most important first."""
    cells = []
    value, gradient = reader.value(node), reader.gradient(node)
    if value is not None and value["count"] == 1:
        cells.append(Cell("= " + labels.summary(value), "value"))
    else:
        cells.append(Cell(reader.shape(node), "shape"))
    if gradient is not None:
        cells.append(Cell("grad " + labels.summary(gradient), "gradient"))
    if reader.kinds[node] == OPERATOR and reader.place(node):
        cells.append(Cell(labels.printable(reader.place(node)), "place"))
    return cells


def _aligned(page: list[Line]) -> list[Line]:
    """Give the cells on the right of all lines the same widths, column by column."""
    columns = max((len(line.right) for line in page), default=0)
    for column in range(columns):
        cells = [line.right[column] for line in page if len(line.right) > column]
        width = max(len(cell.text) for cell in cells)
        for cell in cells:
            cell.text = cell.text.ljust(width)
    for line in page:
        if line.right:
            missing = range(len(line.right), columns)
            if missing and page:
                widths = [
                    max(len(other.right[c].text) for other in page if len(other.right) > c)
                    for c in missing
                ]
                line.right += [Cell(" " * width) for width in widths]
    return page


class _Tree:
    """A tree from the roots to the leaves; a box that was written already is only named."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.inputs = view.inputs()
        self.lines: list[Line] = []
        self.depth = 0
        self.names = _short_names(view)
        shown: set[int] = set()
        roots = [view.box_of[root] for root in view.reader.roots]
        for root in dict.fromkeys(roots):
            # (box, the link that leads to it, what stands before its line and its inputs' lines)
            stack: list[tuple[int, Link | None, str, str, int]] = [(root, None, "", "", 0)]
            while stack:
                box, link, lead, rest, depth = stack.pop()
                self.depth = max(self.depth, depth)
                again = box in shown
                self.lines.append(self._line(box, link, lead, again))
                if again:
                    continue
                shown.add(box)
                below = self.inputs[box]
                for position in range(len(below) - 1, -1, -1):
                    last = position == len(below) - 1
                    mark, bar = ("└─ ", "   ") if last else ("├─ ", "│  ")
                    entry = (below[position].source, below[position], rest + mark, rest + bar)
                    stack.append((*entry, depth + 1))
        _aligned(self.lines)

    def _line(self, box: int, link: Link | None, lead: str, again: bool) -> Line:
        reader, node = self.view.reader, self.view.boxes[box].node
        left = [Cell(lead, "tree")]
        if again:
            left += [Cell(self.names[box], "variable"), Cell(" (above)", "note")]
            return Line(left, self._local(link))
        variable = labels.printable(reader.variable(node))
        if reader.kinds[node] == OPERATOR:
            expression = labels.printable(reader.expression(node))
            if variable:
                left += [Cell(variable, "variable"), Cell(" = ")]
            if expression and expression != variable:
                left.append(Cell(expression, "expression"))
            else:
                symbol = reader.symbol(node)
                word = symbol if symbol in "+−×÷@" else reader.operator(node)
                left.append(Cell(labels.printable(word), "operator"))
            if expression and not _says(expression, reader.operator(node), reader.symbol(node)):
                left.append(Cell(f"  {labels.printable(reader.operator(node))}", "operator"))
        else:
            left.append(Cell(self.names[box], "variable" if variable else "note"))
        return Line(left, self._local(link) + _facts(reader, node))

    def _local(self, link: Link | None) -> list[Cell]:
        known = any(one.local is not None for one in self.view.links)
        if not known:
            return []
        if link is None or link.local is None:
            return [Cell("")]
        return [Cell(f"local {labels.number(link.local)}", "local")]


def _says(expression: str, operator: str, symbol: str) -> bool:
    """Whether an expression already tells which operator it is."""
    return operator in expression or symbol.translate(_PYTHON) in expression


def _short_names(view: View) -> list[str]:
    """A name for each box by which other lines can mention it: the user's, or a number."""
    reader = view.reader
    names = []
    taken: dict[str, int] = {}
    numbers = {"operator": 0, "group": 0, "constant": 0, "leaf": 0}
    for box in view.boxes:
        numbers[box.kind] += 1
        if box.kind == "group":
            name = f"%{numbers['operator'] + numbers['group']}"
        else:
            name = labels.printable(reader.variable(box.node))
            if not name and box.kind == "operator":
                name = f"%{numbers['operator'] + numbers['group']}"
            elif not name:
                value = reader.value(box.node)
                if value is not None and value["count"] == 1:
                    name = labels.summary(value)
                else:
                    name = box.kind if box.kind == "constant" else f"leaf {numbers['leaf']}"
        if box.kind == "operator" and name in taken:  # a variable that was assigned again
            taken[name] += 1
            name = f"{name}#{taken[name]}"
        else:
            taken.setdefault(name, 1)
        names.append(name)
    return names


def _listing(view: View) -> list[Line]:
    """One line for each box, in the order of computation, under the headings of open modules."""
    reader = view.reader
    names = _short_names(view)
    inputs = view.inputs()
    used_in_line = {
        index
        for index, box in enumerate(view.boxes)
        if box.kind in ("leaf", "constant") and (reader.variable(box.node) or box.kind != "leaf")
    }
    parents = {frame.group: frame for frame in view.frames}
    page: list[Line] = []
    path: list[int] = []
    for index, box in enumerate(view.boxes):
        if index in used_in_line:
            continue
        around = []
        frame = box.frame
        while frame >= 0:
            around.append(frame)
            frame = parents[frame].parent if frame in parents else -1
        around.reverse()
        common = 0
        while common < min(len(path), len(around)) and path[common] == around[common]:
            common += 1
        for depth in range(common, len(around)):
            title = labels.printable(view.frame_label(around[depth]))
            page.append(Line([Cell("  " * depth), Cell(title, "heading")]))
        path = around
        left = [Cell("  " * len(path))]
        if box.alone_in >= 0:
            left.append(Cell(labels.printable(view.frame_label(box.alone_in)) + "  ", "heading"))
        if box.kind == "group":
            page.append(_group_line(view, box, left, inputs[index], names, names[index]))
        else:
            operands = [_operand(view, box, link.source, names) for link in inputs[index]]
            page.append(_node_line(reader, box, left, operands, names[index]))
    _aligned(page)
    leaves = [index for index in sorted(used_in_line) if view.boxes[index].kind == "leaf"]
    if leaves:
        page += [Line(), Line([Cell("leaves", "heading")])]
        rows = []
        for index in leaves:
            node = view.boxes[index].node
            left = [Cell("  "), Cell(names[index], "variable")]
            rows.append(Line(left, _facts(reader, node)))
        page += _aligned(rows)
    return page


def _operand(view: View, user: Box, source: int, names: list[str]) -> str:
    """The name of an operand; a parameter without the path of the module that uses it."""
    if view.boxes[source].kind == "leaf":
        path, _ = view.reader.module(user.node)
        return names[source].removeprefix(path + ".")
    return names[source]


def _node_line(reader: Reader, box: Box, left: list[Cell], operands: list[str], name: str) -> Line:
    node = box.node
    if box.kind != "operator":
        return Line([*left, Cell(name, "variable")], _facts(reader, node))
    left += [Cell(name, "variable"), Cell(" = ")]
    symbol = labels.printable(reader.symbol(node))
    sign = len(symbol) == 1 and not symbol.isalnum()
    expression = labels.printable(reader.expression(node))
    if len(operands) == 2 and sign:
        left.append(Cell(f"{operands[0]} {symbol} {operands[1]}", "expression"))
    elif len(operands) == 1 and symbol in ("+", "−", "×", "÷") and expression:
        # The other operand is a number, which only the source tells.
        left.append(Cell(expression, "expression"))
    else:
        operator = labels.printable(reader.operator(node)) or symbol
        left += [Cell(operator, "operator"), Cell(f"({', '.join(operands)})")]
    return Line(left, _facts(reader, node))


def _group_line(
    view: View, box: Box, left: list[Cell], inputs: list[Link], names: list[str], name: str
) -> Line:
    label = labels.printable(view.group_label(box))
    detail = labels.printable(view.group_detail(box))
    left += [Cell(name, "variable"), Cell(" = "), Cell(f"[{label}]", "group")]
    if view.repeats(box) > 1:
        left.append(Cell(f" ×{view.repeats(box)}", "group"))
    if detail and detail != label:
        left.append(Cell(f" {detail}"))
    sources = [names[link.source] for link in inputs]
    if len(sources) > 3:
        sources = [*sources[:2], f"{len(sources) - 2} more"]
    if sources:
        left.append(Cell(f" ← {', '.join(sources)}", "note"))
    right = [Cell(view.reader.shape(box.node), "shape")]
    content = labels.counted(box.operators, "operator")
    if box.leaves:
        content += f", {labels.counted(box.leaves, 'leaf')}"
    right.append(Cell(content, "note"))
    return Line(left, right)
