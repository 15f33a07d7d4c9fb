"""What holds memory now, by the line that made it, and which lines' memory grows."""

from __future__ import annotations

from .report import MemoryReport
from .search import make_report
from .watch import watch_memory

__all__ = ["memory", "watch_memory"]


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
    return make_report(top)
