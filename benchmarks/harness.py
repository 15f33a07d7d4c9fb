"""Times the same workload in two modules, interleaved in one process, and compares medians.

A workload is written once, as a function of the module: ``make(torch)`` builds its data and returns
a callable that does the work. The harness calls it with each side, checks that both sides compute
the same number, and times them in turns so that both see the same state of the machine.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

OURS = "chainrule"
PEER = "torch"

Run = Callable[[], Any]
Make = Callable[[Any], Run]


class Unavailable(Exception):
    """A side cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Target:
    """What to reach: the peer's figure over ours at least ``value``, or ours at most ``value``."""

    value: float
    kind: str = "ratio"

    def reached(self, ours: float | None, peer: float | None) -> bool | None:
        """Whether the figures reach the target; None where a side that it needs is missing."""
        if ours is None or (self.kind == "ratio" and peer is None):
            return None
        if self.kind == "at most":
            return ours <= self.value
        assert peer is not None
        return peer / ours >= self.value

    def __str__(self) -> str:
        return f"{'>=' if self.kind == 'ratio' else '<='} {self.value:g}"


@dataclass(frozen=True)
class Timed:
    """A workload timed in this process.

    Args:
        name: what the row of the table says.
        make: builds the data from the module and returns the callable; what the callable returns,
            a tensor or a number, must agree between the sides.
        operations: how many operations one call performs; times are per operation.
        target: what to reach, if the project has set it.
        quick: a smaller workload for ``--quick``, where the full one is long.
        tolerance: relative difference allowed between the two sides' results.
    """

    name: str
    make: Make
    operations: int = 1
    target: Target | None = None
    quick: Make | None = None
    tolerance: float = 1e-3
    unit: str = "s"


@dataclass(frozen=True)
class Measured:
    """A figure obtained by ``measure(module_name, quick)``, which often starts a process.

    ``measure`` raises Unavailable where a side has no such figure here. ``ours_only`` leaves the
    peer out, where its figure is known to matter to nobody and takes long.
    """

    name: str
    measure: Callable[[str, bool], float]
    unit: str
    target: Target | None = None
    repeats: int = 1
    ours_only: bool = False


@dataclass
class Samples:
    """All samples of one side, and their median and spread (interquartile range over median)."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        if len(self.values) < 4 or self.median == 0:
            return 0.0
        lower, _, upper = statistics.quantiles(self.values, n=4)
        return (upper - lower) / abs(self.median)


@dataclass
class Result:
    """One row of the table: the samples of each side, or why a side has none."""

    name: str
    unit: str
    target: Target | None
    samples: dict[str, Samples] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def median(self, side: str) -> float | None:
        return self.samples[side].median if side in self.samples else None

    @property
    def ratio(self) -> float | None:
        """The peer's median over ours: above 1, ours is the better."""
        ours, peer = self.median(OURS), self.median(PEER)
        return peer / ours if ours and peer is not None else None

    @property
    def reached(self) -> bool | None:
        if self.problems or self.target is None:
            return None
        return self.target.reached(self.median(OURS), self.median(PEER))


@dataclass(frozen=True)
class Effort:
    """How long to measure: the least duration of a sample, bounds on rounds, seconds a row.

    Samples are short, about a millisecond: after a pause most of them fit into one slice of the
    scheduler, so on a busy machine the median is of undisturbed ones. ``clock`` is wall time, or
    processor time of the whole process, which other processes disturb less.
    """

    sample_s: float = 0.001
    least_rounds: int = 9
    most_rounds: int = 201
    row_s: float = 6.0
    pause_s: float = 0.01
    clock: Callable[[], float] = time.perf_counter

    @classmethod
    def quick(cls, clock: Callable[[], float] = time.perf_counter) -> Effort:
        return cls(
            sample_s=0.0002, least_rounds=3, most_rounds=3, row_s=0.2, pause_s=0.0, clock=clock
        )


def as_number(result: Any) -> float:
    """The sum of a tensor's elements, or the number itself: what the two sides are compared by."""
    if isinstance(result, (int, float)):
        return float(result)
    return float(result.detach().sum().item())


def seconds_of(run: Run, calls: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that so many calls take by the clock."""
    start = clock()
    for _ in range(calls):
        run()
    return clock() - start


def calls_per_sample(run: Run, least_s: float) -> tuple[int, float]:
    """How many calls make a sample long enough, and how long that took."""
    calls = 1
    while True:
        took = seconds_of(run, calls)
        if took >= least_s:
            return calls, took
        calls = max(calls + 1, min(calls * 10, math.ceil(calls * 1.2 * least_s / max(took, 1e-9))))


def prepare(work: Timed, module: Any, quick: bool) -> tuple[Run, float]:
    """Builds the workload on one side with the same seed as the other; gives it and its result."""
    module.manual_seed(0)
    make = work.quick if quick and work.quick else work.make
    run = make(module)
    return run, as_number(run())


def time_interleaved(work: Timed, modules: dict[str, Any], effort: Effort, quick: bool) -> Result:
    """Measures one workload on every side given.

    A side that fails to build or run the workload is reported in ``problems`` and the others are
    measured all the same. Garbage collection is off while the clock runs. The order of the sides
    alternates, with a pause and one call without the clock between them: one side's idle threads
    spin for milliseconds on the cores that the other needs.
    """
    result = Result(work.name, work.unit, work.target)
    runs: dict[str, Run] = {}
    numbers: dict[str, float] = {}
    for side, module in modules.items():
        try:
            runs[side], numbers[side] = prepare(work, module, quick)
        except Exception as error:  # any failure of a side is a line of the table
            result.problems[side] = f"{type(error).__name__}: {error}"
    if len(numbers) == 2 and not math.isclose(
        numbers[OURS], numbers[PEER], rel_tol=work.tolerance, abs_tol=1e-6
    ):
        result.problems[OURS] = f"computes {numbers[OURS]:.7g}, not {numbers[PEER]:.7g}"
    if not runs:
        return result

    calls: dict[str, int] = {}
    round_s = 0.0
    for side, run in runs.items():
        run()  # the second run: memory is warm from here on
        calls[side], took = calls_per_sample(run, effort.sample_s)
        round_s += took + effort.pause_s
    rounds = max(effort.least_rounds, min(effort.most_rounds, int(effort.row_s / round_s)))

    order = list(runs)
    result.samples = {side: Samples() for side in order}
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for side in order:
                time.sleep(effort.pause_s)
                runs[side]()  # not timed: wakes this side's threads, and shows its memory again
                took = seconds_of(runs[side], calls[side], effort.clock)
                result.samples[side].values.append(took / (calls[side] * work.operations))
            order.reverse()
    finally:
        if was_enabled:
            gc.enable()
    return result


def measure_interleaved(work: Measured, sides: Sequence[str], quick: bool) -> Result:
    """Takes a figure that is not a time in this process, in turns for every side given."""
    result = Result(work.name, work.unit, work.target)
    for _ in range(min(work.repeats, 2) if quick else work.repeats):
        for side in sides:
            if side in result.problems or (work.ours_only and side != OURS):
                continue
            try:
                value = work.measure(side, quick)
            except Unavailable as error:
                result.problems[side] = str(error)
                continue
            result.samples.setdefault(side, Samples()).values.append(value)
    return result
