"""What `chainrule.memory()` returns: a table of the lines that made what is held, and chains."""

from __future__ import annotations

import html
import textwrap
from typing import Any

from chainrule._C import Tensor

from .chain import Chain, Variable, format_shape, make_chain
from .source import Line

__all__ = ["KINDS", "MemoryGroup", "MemoryHint", "MemoryReport", "TensorSummary", "format_bytes"]

# In the order of the native enum Kind.
KINDS = (
    "parameter",
    "gradient",
    "optimizer state",
    "buffer",
    "plain",
    "saved for backward",
    "kept by a view",
    "graph nodes",
)
_WIDTH = 80


def format_bytes(count: float) -> str:
    """A number of bytes for people: "12.4 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


class TensorSummary:
    """What a report says of one tensor; it does not keep the tensor alive.

    Attributes:
        shape, dtype: as in ``(3, 4)``, ``"float32"``.
        bytes: of the memory that counts with this tensor: all of a storage, also where the tensor
            itself is a part of it; 0 for a view of memory that counts elsewhere.
        kind: one of "parameter", "gradient", "optimizer state", "buffer", "plain", "saved for
            backward", "kept by a view".
        view: whether it looks into memory that another tensor has too.
        operation: name of the node that made it, such as "MulBackward0"; None without a graph.
    """

    __slots__ = ("_link", "bytes", "dtype", "kind", "operation", "shape", "view")

    def __init__(self, row: tuple[Any, ...]) -> None:
        self._link, self.shape, self.dtype, _, kind, self.view, node, self.bytes = row
        self.kind: str = KINDS[kind]
        self.operation: str | None = node[0] if node is not None else None

    def __repr__(self) -> str:
        view = ", view" if self.view else ""
        return f"<{format_shape(self.shape)} {self.dtype}, {self.kind}{view}>"


class MemoryGroup:
    """The memory that one line of the program made.

    Attributes:
        location: the line; None for small tensors of which no line is known, which are grouped
            by the variable that holds them.
        variable: that variable, or None.
        bytes: of tensors' memory and of graph nodes.
        count: pieces of tensors' memory; tensors that share memory count once.
        views: further tensors over the same memory.
        kinds: bytes by kind, see :class:`TensorSummary`; "graph nodes" are the recorded operations
            themselves (estimated).
        counts: the same in pieces, or nodes.
        headers: bytes of tensors' and storages' headers, which `bytes` leaves out.
        changed: whether the line is that of the last in-place change, which takes the place of
            the line that made the memory.
        foreign: bytes that belong to NumPy or another library.
    """

    def __init__(self, report: MemoryReport, number: int, row: tuple[Any, ...]) -> None:
        self._report = report
        self._number = number
        line, variable, sizes, counts, self.views, self.headers, changed, foreign, example = row
        self.location = Line(*line) if line is not None else None
        self.kinds = {k: n for k, n, c in zip(KINDS, sizes, counts, strict=True) if n or c}
        self.counts = {kind: n for kind, n in zip(KINDS, counts, strict=True) if n}
        self.bytes: int = sum(sizes)
        self.count: int = sum(counts[:-1])
        self.foreign: int = foreign
        self.changed: bool = changed > sum(sizes[:-1]) // 2
        self._variable_link = variable
        self._example = example

    @property
    def variable(self) -> Variable | None:
        """The variable that holds a group without a line."""
        if self._variable_link is None:
            return None
        return self._report._chain(self._variable_link).variable

    @property
    def text(self) -> str:
        """The line's source, or what holds a group without a line."""
        return self.location.text if self.location is not None else ""

    @property
    def tensors(self) -> tuple[TensorSummary, ...]:
        """All tensors of the group, the largest first."""
        rows = self._report._snapshot.tensors(self._number, -1)
        return tuple(TensorSummary(row) for row in rows)

    @property
    def shapes(self) -> tuple[tuple[tuple[int, ...], str, int], ...]:
        """(shape, dtype, how many), the most frequent first."""
        rows = self._report._snapshot.shapes(self._number)
        return tuple(sorted(rows, key=lambda row: -row[2]))

    def describe(self) -> str:
        """``"train.py:12"``, or the variable that holds a group without a line."""
        if self.location is not None:
            return self.location.describe()
        variable = self.variable
        if variable is not None:
            return variable.describe()
        if self._variable_link is not None:
            return " → ".join(map(str, self._report._chain(self._variable_link)))
        return "unknown"

    def __repr__(self) -> str:
        return f"<{self.describe()}: {format_bytes(self.bytes)}>"


class MemoryHint:
    """Advice about memory that grows or that could be freed.

    Attributes:
        text: the advice.
        location: the line to change.
        bytes: what is at stake.
        steps: how many steps of a loop were found.
        recorded: the line that recorded the results in question.
    """

    def __init__(
        self, text: str, location: Line, size: int, steps: int, recorded: Line
    ) -> None:  # fmt: skip
        self.text = text
        self.location = location
        self.bytes = size
        self.steps = steps
        self.recorded = recorded

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{self.text}>"


class MemoryReport:
    """What held memory when :func:`chainrule.memory` was called; keeps none of it alive.

    Attributes:
        groups: one for each line that made memory, the largest first.
        hints: advice about loops that keep the graphs of earlier steps, the surest first.
        notes: what else is worth knowing: cycles, errors that are remembered, other processes.
        tensors: number of tensors.
        nodes: number of graph nodes.
        allocated, peak, cached: what the allocator says, in bytes: tensors' memory in use, its
            highest value since the program began, and freed blocks kept for reuse.
        accounted: how much of `allocated` belongs to tensors that were found.
        unaccounted: the rest: held by native code, other libraries or temporaries of a running
            operation.
        small: bytes of tensors of up to 192 bytes, which stand in their headers' blocks and are not
            part of `allocated`.
        headers: bytes of headers of tensors.
        slabs: bytes that headers, graph nodes and small tensors take from the system, in use or
            free.
        foreign: bytes of memory that belongs to NumPy or another library.
        seconds: how long the search took.
    """

    def __init__(
        self,
        snapshot: Any,
        roots: list[tuple[Any, ...]],
        descriptions: dict[int, tuple[Any, ...]],
        allocator: tuple[int, int, int, int],
        top: int | None,
    ) -> None:
        self._snapshot = snapshot
        self._roots = roots
        self._descriptions = descriptions
        self._top = top
        rows = enumerate(snapshot.groups())
        groups = [MemoryGroup(self, number, row) for number, row in rows]
        groups = [group for group in groups if group.count or group.views or group.bytes]
        self.groups = tuple(sorted(groups, key=lambda g: -(g.bytes + g.headers)))
        self.tensors, self.nodes, own, self.small, self.foreign, self.headers = snapshot.totals()
        self.allocated, self.peak, self.cached, self.slabs = allocator
        self.accounted = min(own, self.allocated)
        self.unaccounted = self.allocated - self.accounted
        self.hints: tuple[MemoryHint, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.seconds = 0.0

    @property
    def bytes(self) -> int:
        """Bytes of all groups: tensors' memory, also of other libraries, and graph nodes."""
        return sum(group.bytes for group in self.groups)

    def _chain(self, link: int) -> Chain:
        return make_chain(self._snapshot.chain(link), self._roots, self._descriptions)

    def why(self, thing: MemoryGroup | TensorSummary | Tensor | str) -> Chain:
        """The shortest chain of references that keeps something alive.

        Args:
            thing: a group (the largest tensor of the variable that holds most of it is meant), one
                of its tensors, a live tensor, or a
                line as in ``"train.py:12"``.

        Returns:
            A tuple of references whose text tells the chain, from a variable to the tensor.

        Raises:
            KeyError: the report has no such line.
            ValueError: the tensor is not in the report: it was made after it.
        """
        if isinstance(thing, str):
            thing = self.at(thing)
        if isinstance(thing, MemoryGroup):
            return self._chain(thing._example)
        if isinstance(thing, TensorSummary):
            return self._chain(thing._link)
        link = self._snapshot.find(thing)
        if link is None:
            raise ValueError(
                "this tensor is not in the report: it was made after it, or nothing but native "
                "code held it; call chainrule.memory() again"
            )
        return self._chain(link)

    chain = why

    def at(self, line: str) -> MemoryGroup:
        """The group of a line, as in ``"train.py:12"``; KeyError if that line holds nothing."""
        for group in self.groups:
            place = group.location
            if place is not None and line in (place.describe(), f"{place.file}:{place.line}"):
                return group
        raise KeyError(f"no memory in this report was made at {line}")

    # ------------------------------------------------------------------ as text

    def _totals(self) -> list[str]:
        plural = "s" if self.tensors != 1 else ""
        nodes = f" and {self.nodes:,} graph nodes" if self.nodes else ""
        first = f"{format_bytes(self.bytes)} in {self.tensors:,} tensor{plural}{nodes}"
        allocator = (
            f"allocator: {format_bytes(self.allocated)} in use (peak {format_bytes(self.peak)}), "
            f"{format_bytes(self.cached)} cached"
        )
        if self.unaccounted:
            allocator += f"; {format_bytes(self.unaccounted)} not found"
        lines = [first, allocator]
        if self.headers > max(1 << 20, self.bytes // 4):
            lines.append(f"headers of tensors and storages: {format_bytes(self.headers)} more")
        if self.foreign:
            lines.append(f"of it in memory of NumPy and others: {format_bytes(self.foreign)}")
        return lines

    def _details(self, group: MemoryGroup) -> str:
        parts = []
        kinds = sorted(group.kinds, key=lambda kind: -group.kinds[kind])
        if kinds != ["plain"]:
            sizes = (f"{kind} {format_bytes(group.kinds[kind])}" for kind in kinds)
            parts.append(kinds[0] if len(kinds) == 1 else ", ".join(sizes))
        shapes = group.shapes
        told = [
            (f"{count:,} of " if count > 1 else "") + f"{format_shape(shape)} {dtype}"
            for shape, dtype, count in shapes[:2]
        ]
        if len(shapes) > 2:
            more = len(shapes) - 2
            told.append(f"{more} more shape{'s' if more > 1 else ''}")
        if told:
            parts.append(", ".join(told))
        if group.views:
            parts.append(f"{group.views:,} view{'s' if group.views > 1 else ''}")
        if group.changed:
            parts.append("last changed there")
        return "; ".join(parts)

    def _rows(self) -> list[tuple[MemoryGroup, str, str, str]]:
        """(group, place, source, details) of the groups to show."""
        shown = self.groups if self._top is None else self.groups[: self._top]
        return [(g, g.describe(), g.text, self._details(g)) for g in shown]

    def _rest(self) -> str:
        rest = self.groups[len(self._rows()) :]
        if not rest:
            return ""
        size = format_bytes(sum(group.bytes for group in rest))
        return f"{len(rest)} more line{'s' if len(rest) > 1 else ''}: {size}"

    def __str__(self) -> str:
        lines = [
            part
            for line in self._totals()
            for part in textwrap.wrap(line, _WIDTH, subsequent_indent="  ")
        ]
        rows = self._rows()
        if rows:
            lines += ["", f"{'memory':>10}  {'tensors':>8}  made at"]
        indent = " " * 22
        for group, place, source, details in rows:
            text = f"{format_bytes(group.bytes):>10}  {group.count:>8,}  {place}  {source}"
            lines.append(_cut(text))
            lines += textwrap.wrap(
                details, _WIDTH, initial_indent=indent, subsequent_indent=indent
            )  # fmt: skip
        if self._rest():
            lines.append(f"{'':22}{self._rest()}")
        for label, texts in (("hint", self.hints), ("note", self.notes)):
            for advice in texts:
                lines.append("")
                lines += textwrap.wrap(
                    f"{label}: {advice}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False
                )
        return "\n".join(lines)

    __repr__ = __str__

    def show(self) -> None:
        """Print the report."""
        print(self)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td style='text-align:right'>{format_bytes(group.bytes)}</td>"
            f"<td style='text-align:right'>{group.count:,}</td>"
            f"<td style='text-align:left'>{html.escape(place)}</td>"
            f"<td style='text-align:left'><code>{html.escape(source)}</code><br>"
            f"<small>{html.escape(details)}</small></td></tr>"
            for group, place, source, details in self._rows()
        )
        head = "<br>".join(html.escape(line) for line in self._totals())
        advice = "".join(f"<p><b>{html.escape(str(hint))}</b></p>" for hint in self.hints)
        advice += "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return (
            f"<p>{head}</p>{advice}<table><thead><tr><th>memory</th><th>tensors</th>"
            f"<th>made at</th><th>line</th></tr></thead><tbody>{cells}</tbody></table>"
            f"<p>{html.escape(self._rest())}</p>"
        )


def _cut(line: str) -> str:
    line = line.rstrip()
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
