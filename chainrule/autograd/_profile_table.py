"""Tables of events as text."""

from __future__ import annotations

import math

from .profiler_util import format_memory, format_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

COLUMN = 12
SPACE = "  "


def render(
    titles: Sequence[str],
    widths: Sequence[int],
    rows: Iterable[Sequence[str]],
    *,
    left: Iterable[int] = (),
    above: Sequence[str] = (),
    below: Sequence[str] = (),
) -> str:
    """A table with a rule above and below its titles and at its end.

    Args:
        titles, widths: of the columns.
        rows: cells as text; longer ones push the rest of their row aside.
        left: the columns that are aligned left; the others are aligned right.
        above: lines before the table, each under a double rule where it starts with "=".
        below: lines after it.
    """
    to_left = set(left)

    def line(cells: Sequence[str]) -> str:
        return "".join(
            (cell.ljust(width) if i in to_left else cell.rjust(width)) + SPACE
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )

    rule = "".join("-" * width + SPACE for width in widths)
    lines = [*above, rule, line(titles), rule, *(line(row) for row in rows), rule, *below]
    return "\n".join(lines) + "\n"


def shorten(text: str, width: int | None) -> str:
    """The text, its end cut where it does not leave three columns free."""
    if width is None or len(text) < width - 3:
        return text
    return text[: width - 3] + "..."


def shorten_path(text: str, width: int) -> str:
    """The end of a text, at most so wide."""
    if len(text) <= width:
        return text
    return "..." + text[len(text) - width + 3 :] if width > 3 else text[-width:]


def percentage(part: float, whole: float) -> str:
    """``"12.50%"``; ``"NaN"`` of nothing."""
    return "NaN" if whole == 0 else f"{part * 100 / whole:.2f}%"


def in_unit(time_us: float, unit: str | None) -> str:
    """A time in ``"s"``, ``"ms"`` or ``"us"``; in what suits its size for None."""
    if unit is None:
        return format_time(time_us)
    scales = {"s": 1e6, "ms": 1e3, "us": 1.0}
    if unit not in scales:
        raise ValueError(f"time_unit is 's', 'ms', 'us' or None, not {unit!r}")
    return f"{time_us / scales[unit]:.3f}{unit}"


def _fitting(texts: Iterable[str], limit: int | None) -> int:
    width = max(map(len, texts)) + 4
    return width if limit is None else min(width, limit)


def _flops_scale(figures: list[int]) -> tuple[float, str]:
    """The factor and title of the column: by the least figure."""
    step = max(0, min(5, math.floor(math.log10(min(figures)) / 3)))
    return 1000.0**-step, "Total " + ("", "K", "M", "G", "T", "P")[step] + "FLOPs"


def sorted_by(events: Sequence[Any], sort_by: str | None) -> list[Any]:
    """The events, the largest in an attribute first; torch's names of devices are one device's."""
    if sort_by is None:
        return list(events)
    name = sort_by.replace("cuda", "device").replace("xpu", "device")
    if events and not hasattr(events[0], name):
        raise AttributeError(
            f"sort_by={sort_by!r}: there is no such column; take one such as 'cpu_time_total', "
            "'self_cpu_time_total', 'cpu_time', 'cpu_memory_usage', 'self_cpu_memory_usage' "
            "or 'count'"
        )
    return sorted(events, key=lambda event: getattr(event, name), reverse=True)


def event_table(
    events: Sequence[Any],
    *,
    sort_by: str | None,
    row_limit: int,
    max_src_column_width: int | None,
    max_name_column_width: int | None,
    max_shapes_column_width: int | None,
    header: str | None,
    profile_memory: bool,
    with_flops: bool,
    top_level_events_only: bool,
    time_unit: str | None,
) -> str:
    """Events or sums of events, as ``EventList.table`` describes; empty for none."""
    if not events:
        return ""
    events = sorted_by(events, sort_by)
    whole = sum(event.self_cpu_time_total for event in events)
    in_unit(whole, time_unit)
    shown = [e for e in events if not (top_level_events_only and e.cpu_parent is not None)]
    if row_limit >= 0:
        shown = shown[:row_limit]

    titles = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
    if profile_memory:
        titles += ["CPU Mem", "Self CPU Mem"]
    titles.append("# of Calls")
    widths = [_fitting((e.key for e in events), max_name_column_width)]
    widths += [COLUMN] * (len(titles) - 1)
    shapes_width = _fitting((str(e.input_shapes) for e in events), max_shapes_column_width)
    has_shapes = any(e.input_shapes for e in events)
    if has_shapes:
        titles.append("Input Shapes")
        widths.append(shapes_width)
    entries = [entry for e in events for entry in e.stack]
    left = []
    if entries:
        left.append(len(titles))
        titles.append("Source Location")
        widths.append(_fitting(entries, max_src_column_width))
    figures = [e.flops for e in events if e.flops > 0] if with_flops else []
    scale = 1.0
    if figures:
        scale, title = _flops_scale(figures)
        # The cells stand before those of the source location.
        titles.insert(len(titles) - len(left), title)
        widths.insert(len(widths) - len(left), COLUMN)
        left = [len(titles) - 1] if left else []

    rows: list[list[str]] = []
    for event in shown:
        row = [
            shorten(event.key, max_name_column_width),
            percentage(event.self_cpu_time_total, whole),
            in_unit(event.self_cpu_time_total, time_unit),
            percentage(event.cpu_time_total, whole),
            in_unit(event.cpu_time_total, time_unit),
            in_unit(event.cpu_time, time_unit),
        ]
        if profile_memory:
            row += [
                format_memory(event.cpu_memory_usage),
                format_memory(event.self_cpu_memory_usage),
            ]
        row.append(str(event.count))
        if has_shapes:
            row.append(str(event.input_shapes)[:shapes_width])
        if figures:
            row.append(f"{event.flops * scale:8.3f}" if event.flops > 0 else "--")
        if not entries:
            rows.append(row)
            continue
        stack = [shorten_path(entry, widths[-1]) for entry in event.stack]
        rows.append([*row, stack[0] if stack else ""])
        rows += [[*[""] * len(row), entry] for entry in [*stack[1:], ""]]

    double = "=" * (sum(widths) + len(SPACE) * (len(widths) - 1))
    above = [double, header] if header is not None else []
    if top_level_events_only:
        above += [double, "Top-level events only"]
    total = f"Self CPU time total: {in_unit(whole, time_unit)}"
    return render(titles, widths, rows, left=left, above=above, below=[total])
