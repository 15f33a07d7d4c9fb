"""Sums of a profile by source line: forward and backward count for the line of the forward."""

from __future__ import annotations

import os

from ._profile_table import COLUMN, in_unit, percentage, render, shorten, shorten_path, sorted_by
from .profiler_util import format_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from chainrule.graph import Location

    from .profiler_util import FunctionEvent

# Ranges of the package: time at the line that called, beside that of the operators inside.
_OWN_RANGES = ("Optimizer.", "enumerate(DataLoader)#")

__all__ = ["LineList", "LineStats", "by_line"]


class LineStats:
    """What one line of the program costs.

    Attributes:
        location: the line; None for what belongs to none.
        forward_time: microseconds of the operators that the line called.
        backward_time: microseconds of their backward nodes, and of what the engine did with the
            gradients they gave. Of a line that calls ``backward()``, also the engine's own time.
        count: how many operators the line called.
        forward_memory, backward_memory: bytes allocated less freed in the two; with
            ``profile_memory``.
        operators: names of the operators, each once.
    """

    __slots__ = (
        "backward_memory",
        "backward_time",
        "count",
        "forward_memory",
        "forward_time",
        "location",
        "operators",
    )

    def __init__(self, location: Location | None) -> None:
        self.location = location
        self.forward_time = self.backward_time = 0.0
        self.forward_memory = self.backward_memory = 0
        self.count = 0
        self.operators: list[str] = []

    @property
    def key(self) -> str:
        """``"train.py:12"`` with the path as the interpreter knows it."""
        return self.location.describe() if self.location is not None else "(no line)"

    @property
    def file(self) -> str:
        return self.location.file if self.location is not None else ""

    @property
    def line(self) -> int:
        return self.location.line if self.location is not None else 0

    @property
    def text(self) -> str:
        """The source line; empty where the source is not at hand."""
        return self.location.text if self.location is not None else ""

    @property
    def time(self) -> float:
        """Forward and backward together, in microseconds."""
        return self.forward_time + self.backward_time

    @property
    def memory(self) -> int:
        """Forward and backward together, in bytes."""
        return self.forward_memory + self.backward_memory

    def __repr__(self) -> str:
        return (
            f"<LineStats {self.key} forward={in_unit(self.forward_time, None)} "
            f"backward={in_unit(self.backward_time, None)} count={self.count}>"
        )


class LineList(list[LineStats]):
    """Lines of the program, the most expensive first."""

    def __init__(self, lines: Iterable[LineStats] = (), *, profile_memory: bool = False) -> None:
        super().__init__(lines)
        self._profile_memory = profile_memory

    def __str__(self) -> str:
        return self.table()

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int | None = 55,
        max_name_column_width: int | None = 30,
        header: str | None = None,
        time_unit: str | None = None,
    ) -> str:
        """The lines as text.

        Args:
            sort_by: ``"time"`` (the order of the list), ``"forward_time"``, ``"backward_time"``,
                ``"count"``, ``"memory"``, ``"forward_memory"``, ``"backward_memory"`` or
                ``"line"``.
            row_limit: lines to show; -1 for all.
            max_src_column_width: of the lines' text; None for no limit.
            max_name_column_width: of the places, below the current folder without its path; their
                beginning is cut. None for no limit.
            header: a line above the table.
            time_unit: ``"s"``, ``"ms"`` or ``"us"`` for all times; by size if None.
        """
        if not self:
            return ""
        if sort_by in ("file", "line"):
            rows = sorted(self, key=lambda line: (line.file, line.line))
        else:
            rows = sorted_by(self, sort_by)
        whole = sum(line.time for line in rows)
        in_unit(whole, time_unit)
        if row_limit >= 0:
            rows = rows[:row_limit]
        folder = os.getcwd() + os.sep
        places = [line.key.removeprefix(folder) for line in rows]
        texts = [shorten(line.text, max_src_column_width) for line in rows]
        place_width = max([5, *map(len, places)])
        if max_name_column_width is not None:
            place_width = min(place_width, max_name_column_width)
        titles = ["Line", "Source", "Time %", "Time", "Forward", "Backward", "# of Calls"]
        widths = [place_width, max([6, *map(len, texts)]), *[COLUMN] * 5]
        if self._profile_memory:
            titles += ["Forward Mem", "Backward Mem"]
            widths += [COLUMN] * 2
        cells = []
        for line, place, text in zip(rows, places, texts, strict=True):
            row = [
                shorten_path(place, place_width),
                text,
                percentage(line.time, whole),
                in_unit(line.time, time_unit),
                in_unit(line.forward_time, time_unit),
                in_unit(line.backward_time, time_unit),
                str(line.count),
            ]
            if self._profile_memory:
                row += [format_memory(line.forward_memory), format_memory(line.backward_memory)]
            cells.append(row)
        return render(
            titles,
            widths,
            cells,
            left=(0, 1),
            above=[] if header is None else [header],
            below=[f"Time total: {in_unit(whole, time_unit)}"],
        )


def by_line(events: Iterable[FunctionEvent], *, profile_memory: bool = False) -> LineList:
    """Sums by line over events of ``profile.events()``, the most expensive line first.

    Each microsecond counts once: of an operator, a custom Function or a backward node the whole
    span with all inside it; of a step of an optimizer, and of loading a batch, what is in none of
    these.
    """
    lines: dict[tuple[str, int], LineStats] = {}
    taken: set[int] = set()  # events inside one that counted as a whole
    for event in events:
        parent = event.cpu_parent
        if parent is not None and id(parent) in taken:
            taken.add(id(event))
            continue
        is_range = event.kind == "range"
        if is_range and not event.name.startswith(_OWN_RANGES):
            continue
        if event.kind not in ("operator", "function", "evaluate", "backward", "range"):
            continue
        place = event.location
        stats = lines.setdefault(
            (place.file, place.line) if place is not None else ("", 0), LineStats(place)
        )
        if event.kind == "evaluate":
            taken.add(id(event))
            stats.backward_time += event.cpu_time_total
            stats.backward_memory += event.cpu_memory_usage
            continue
        if event.kind == "backward":
            stats.backward_time += event.self_cpu_time_total
            stats.backward_memory += event.self_cpu_memory_usage
            continue
        if is_range:
            stats.forward_time += event.self_cpu_time_total
            stats.forward_memory += event.self_cpu_memory_usage
        else:
            taken.add(id(event))
            stats.forward_time += event.cpu_time_total
            stats.forward_memory += event.cpu_memory_usage
        stats.count += 1
        if event.name not in stats.operators:
            stats.operators.append(event.name)
    ordered = sorted(lines.values(), key=lambda line: line.time, reverse=True)
    return LineList(ordered, profile_memory=profile_memory)
