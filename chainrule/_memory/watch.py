"""`with chainrule.watch_memory():` names the lines whose memory grows from step to step."""

from __future__ import annotations

import builtins
import sys
import textwrap
import threading
import time
import weakref
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from .report import MemoryHint, MemoryReport, format_bytes
from .search import make_report, sizes_by_line
from .source import Line

__all__ = ["GrowingLine", "WatchReport", "watch_memory"]

_FEWEST = 4  # measurements that growth can be told from
_ALWAYS = 16  # first steps that are measured in any case
_SHARE = 19  # after them, measuring takes at most a twentieth of the time
_MOST = 256  # measurements that are kept

# What ends a step; a stronger mark takes the place of a weaker one.
_BACKWARD, _OPTIMIZER, _EXPLICIT = range(3)
_MARKS = ("backward passes", "optimizer steps", "calls of step()")

_Sizes = dict[tuple[str, int] | None, tuple[int, int]]


@dataclass(frozen=True)
class GrowingLine:
    """A line whose memory grew with every step.

    Attributes:
        location: the line; None for small tensors of which no line is known.
        bytes: what it holds at the end, headers included.
        bytes_per_step: how much more it held after each step.
    """

    location: Line | None
    bytes: int
    bytes_per_step: float

    def __str__(self) -> str:
        place = "small tensors of unknown lines" if self.location is None else str(self.location)
        source = f"  {self.location.text}" if self.location is not None else ""
        return f"{format_bytes(self.bytes_per_step):>10} per step  {place}{source}"


@dataclass(frozen=True)
class WatchReport:
    """What was seen while memory was watched.

    Attributes:
        steps: how many steps ended.
        mark: what ended them: "backward passes", "optimizer steps" or "calls of step()".
        measured: after how many of them memory was measured.
        growing: the lines that grew, the fastest first.
        hints: what to change, the most important first.
        notes: what the figures leave out.
        memory: the full report at the end.
    """

    steps: int
    mark: str
    measured: int
    growing: tuple[GrowingLine, ...]
    hints: tuple[MemoryHint, ...]
    notes: tuple[str, ...]
    memory: MemoryReport

    def __str__(self) -> str:
        head = f"memory over {self.steps:,} {self.mark}"
        if self.measured < self.steps:
            head += f" ({self.measured:,} measured)"
        head += ": "
        if self.growing:
            rate = sum(line.bytes_per_step for line in self.growing)
            lines = [f"{head}{format_bytes(rate)} more with every step"]
        elif self.measured < _FEWEST:
            lines = [f"{head}too few to tell, {_FEWEST} are needed"]
        else:
            lines = [f"{head}no line's memory grows"]
        for line in self.growing:
            text = str(line)
            lines.append(text if len(text) <= 80 else text[:79] + "…")
        for label, texts in (("hint", self.hints), ("note", self.notes)):
            for advice in texts:
                lines += textwrap.wrap(
                    f"{label}: {advice}", 80, subsequent_indent="  ", break_on_hyphens=False
                )
        return "\n".join(lines)

    __repr__ = __str__


class watch_memory:
    """Names the lines whose memory grows from step to step of what runs inside.

    .. code-block:: python

        with chainrule.watch_memory():
            train()

    A step ends with every ``backward()`` that is not part of another one; where an optimizer steps,
    with every step of the first one that does; where `step` is called, with every such call. After
    a step the memory of all lines is measured as `chainrule.memory` does. Nothing is slowed down
    between steps.

    Args:
        every: measure after every so many steps. By default after the first 16, and then as often
            as a twentieth of the running time allows.
        top: how many growing lines are named.
        print: tell the result on the standard error stream when the block ends; it is in
            `report` in any case.

    Attributes:
        report: a :class:`WatchReport` when the block has ended, also by an exception; else None.

    Backward passes of other threads than the one that enters the block count as no steps; an
    optimizer's steps do.

    Raises:
        ValueError: `every` or `top` is less than 1.
        RuntimeError: it is entered a second time before it was left.
    """

    def __init__(self, *, every: int | None = None, top: int = 5, print: bool = True) -> None:
        if every is not None and every < 1:
            raise ValueError(f"watch_memory(): every must be at least 1, not {every}")
        if top < 1:
            raise ValueError(f"watch_memory(): top must be at least 1, not {top}")
        self._every = every
        self._top = top
        self._print = print
        self._observer: Any = None
        self._handle: Any = None
        self.report: WatchReport | None = None

    def __enter__(self) -> Self:
        from chainrule.autograd.observe import observe
        from chainrule.optim.optimizer import register_optimizer_step_post_hook

        if self._observer is not None:
            raise RuntimeError("watch_memory(): this block is being watched already")
        self.report = None
        self._samples: list[tuple[int, _Sizes]] = []
        self._steps = 0
        self._mark = _BACKWARD
        self._optimizer: Any = None
        self._threads: set[int] = set()
        self._next = 0.0
        # What grows may be gone when the block ends, so hints are looked for on the way too.
        self._look = _FEWEST
        self._hints: tuple[MemoryHint, ...] = ()
        self._hints_step = 0
        self._observer = observe(on_backward=self._backward_ran).start()
        self._handle = register_optimizer_step_post_hook(self._optimizer_stepped)
        return self

    def __exit__(self, *error: object) -> None:
        self._observer.stop()
        self._handle.remove()
        self._observer = self._handle = None
        self.report = self._conclude()
        if self._print:
            sys.stdout.flush()
            builtins.print(self.report, file=sys.stderr)

    def step(self) -> None:
        """End a step here; only such steps count from now on."""
        if self._observer is None:
            raise RuntimeError("watch_memory(): step() was called outside of the with block")
        self._end_step(_EXPLICIT)

    def _backward_ran(self, stage: str, roots: Any, retain_graph: bool) -> None:
        if stage == "end":
            self._end_step(_BACKWARD)

    def _optimizer_stepped(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._optimizer is None or self._optimizer() is None:
            self._optimizer = weakref.ref(optimizer)
        if self._optimizer() is optimizer:
            self._end_step(_OPTIMIZER)

    def _end_step(self, mark: int) -> None:
        if mark < self._mark:
            return
        if mark > self._mark:
            self._mark = mark
            self._samples.clear()
            self._steps = 0
        self._steps += 1
        self._threads.add(threading.get_ident())
        if self._is_due():
            begin = time.perf_counter()
            self._samples.append((self._steps, sizes_by_line()))
            end = time.perf_counter()
            self._next = end + _SHARE * (end - begin)
            if len(self._samples) > _MOST:
                del self._samples[1::2]
            if len(self._samples) >= self._look and _growing(self._samples):
                self._look *= 2
                self._hints = make_report(None).hints
                self._hints_step = self._steps

    def _is_due(self) -> bool:
        if self._every is not None:
            return self._steps % self._every == 0
        return self._steps <= _ALWAYS or time.perf_counter() >= self._next

    # ------------------------------------------------------------------ at the end

    def _conclude(self) -> WatchReport:
        memory = make_report(10)
        growing = _growing(self._samples)
        notes = []
        if len(self._threads) > 1:
            notes.append(f"steps ended in {len(self._threads)} threads")
        elif self._mark == _BACKWARD and threading.active_count() > 1:
            notes.append("backward passes of other threads were not counted as steps")
        hints = _hints_of(growing, memory.hints)
        if not hints:
            hints = _hints_of(growing, self._hints)
            if hints:
                notes.append(f"the figures of the hint are of step {self._hints_step:,}")
        return WatchReport(
            self._steps,
            _MARKS[self._mark],
            len(self._samples),
            tuple(growing[: self._top]),
            hints,
            tuple(notes),
            memory,
        )


def _hints_of(growing: list[GrowingLine], hints: tuple[MemoryHint, ...]) -> tuple[MemoryHint, ...]:
    """The hints that concern lines which grow."""
    places = {(line.location.file, line.location.line) for line in growing if line.location}
    lines = ((hint, (hint.recorded, hint.location)) for hint in hints)
    return tuple(hint for hint, at in lines if any((x.file, x.line) in places for x in at))


def _growing(samples: list[tuple[int, _Sizes]]) -> list[GrowingLine]:
    """The lines that held more after each measurement, or as much, and more in most."""
    if len(samples) < _FEWEST:
        return []
    # What the first steps add, such as gradients and the state of an optimizer, is no growth.
    samples = samples[2 if len(samples) >= 2 * _FEWEST else 1 :]
    found = []
    steps = samples[-1][0] - samples[0][0]
    for key, (last, _) in samples[-1][1].items():
        sizes = [sample.get(key, (0, 0))[0] for _, sample in samples]
        changes = [b - a for a, b in pairwise(sizes)]
        if min(changes) < 0 or sum(change > 0 for change in changes) * 2 < len(changes):
            continue
        line = None if key is None else Line(*key)
        found.append(GrowingLine(line, last, (last - sizes[0]) / steps))
    return sorted(found, key=lambda line: -line.bytes_per_step)
