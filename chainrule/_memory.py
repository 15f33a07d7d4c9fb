"""`chainrule.memory()`: what holds memory now, by the line that made it, and why it is alive."""

from __future__ import annotations

import gc
import time
from typing import Any

from chainrule import _C

from ._memory_hints import hints, notes
from ._memory_names import describe, key_label, reference_label
from ._memory_report import MemoryReport
from ._memory_roots import Roots, optimizer_state, optimizers

__all__ = ["memory"]


def memory(top: int | None = 10) -> MemoryReport:
    """What holds memory now: live tensors and what graphs keep, by the line that made it.

    Nothing is counted while a program runs: the call looks through all variables, containers and
    graphs. Memory that several tensors share counts once. A line is known for memory of 4 KiB or
    more, for results with a graph and for whatever was changed in place (then it is the line of
    the change); other small tensors are grouped by the variable that holds them.

    Args:
        top: how many groups the printed table shows, the largest first; None for all.

    Returns:
        A report. Print it for a table and for hints, such as the line ``total_loss += loss`` that
        keeps the graph of every step; ask ``report.why(...)`` for the chain of references that
        keeps a group or a tensor alive. The report itself keeps no tensor alive.

    Raises:
        TypeError: `top` is no integer.
    """
    if top is not None and (not isinstance(top, int) or isinstance(top, bool)):
        raise TypeError(f"memory(): top must be an integer or None, not {type(top).__name__}")
    begin = time.perf_counter()
    snapshot, about, descriptions = _search(chains=True)
    report = MemoryReport(snapshot, about, descriptions, _C._allocator_bytes(), top)
    report.hints = hints(report)
    report.notes = notes(report)
    report.seconds = time.perf_counter() - begin
    return report


def _search(chains: bool) -> tuple[Any, list[tuple[Any, ...]], dict[int, tuple[Any, ...]]]:
    """The native snapshot, what is known of its roots, and of objects on the way."""
    roots = Roots()
    alive = optimizers()
    snapshot = _C._memory_snapshot(
        roots.user,
        roots.library,
        roots.namespaces,
        alive,
        optimizer_state(alive),
        chains,
        gc.get_objects() if chains else None,
    )
    descriptions: dict[int, tuple[Any, ...]] = {}
    if chains:
        objects, references, keys = snapshot.unnamed()
        for link, thing in objects:
            words = describe(thing)
            if words is not None:
                descriptions[link] = words
        for link, parent, child in references:
            snapshot.name(link, reference_label(parent, child))
        for link, key in keys:
            snapshot.name(link, key_label(key))
    return snapshot, roots.about, descriptions
