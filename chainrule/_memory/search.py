"""Runs the native search for what holds memory and puts names to what it found."""

from __future__ import annotations

import gc
import time
from typing import Any

from chainrule import _C

from .hints import hints, notes
from .names import describe, key_label, reference_label
from .report import MemoryReport
from .roots import Roots, optimizer_state, optimizers

__all__ = ["make_report", "sizes_by_line"]


def make_report(top: int | None) -> MemoryReport:
    """All that is known of the memory held now."""
    begin = time.perf_counter()
    roots = Roots()
    snapshot = _snapshot(roots, gc.get_objects())
    report = MemoryReport(
        snapshot, roots.about, _name(snapshot), _C._allocator_bytes(), top
    )  # fmt: skip
    report.hints = hints(report)
    report.notes = notes(report)
    report.seconds = time.perf_counter() - begin
    return report


def sizes_by_line() -> dict[tuple[str, int] | None, tuple[int, int]]:
    """Bytes, headers included, and pieces by (file, line): without chains, hence cheaper.

    What belongs to no line has the key None.
    """
    sizes: dict[tuple[str, int] | None, tuple[int, int]] = {}
    for line, _, kinds, counts, _, headers, _, _, _ in _snapshot(Roots(), None).groups():
        key = None if line is None else (line[0], line[1])
        size, count = sizes.get(key, (0, 0))
        sizes[key] = size + sum(kinds) + headers, count + sum(counts)
    return sizes


def _snapshot(roots: Roots, objects: list[Any] | None) -> Any:
    alive = optimizers()
    return _C._memory_snapshot(
        roots.user,
        roots.library,
        roots.namespaces,
        alive,
        optimizer_state(alive),
        objects is not None,
        objects,
    )


def _name(snapshot: Any) -> dict[int, tuple[Any, ...]]:
    """Names the references that only Python can name; what is known of objects on the way."""
    objects, references, keys = snapshot.unnamed()
    descriptions: dict[int, tuple[Any, ...]] = {}
    for link, thing in objects:
        words = describe(thing)
        if words is not None:
            descriptions[link] = words
    for link, parent, child in references:
        snapshot.name(link, reference_label(parent, child))
    for link, key in keys:
        snapshot.name(link, key_label(key))
    return descriptions
