"""What profiling adds: time of an operation or a step in a profile, less that without, in turns.

Processor time of the thread: differences of wall times would mostly show the rest of the machine.
"""

from __future__ import annotations

import gc
import importlib
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from benchmarks.anomaly import small_step
from benchmarks.harness import Measured, Run, Target, calls_per_sample, seconds_of
from benchmarks.tiny_operations import OPERATIONS, add, add_recorded

ROUNDS = 51
SAMPLE_S = 0.001
EVENTS = 100_000
QUICK_EVENTS = 2_000


def plain_profile(module: str, **options: Any) -> AbstractContextManager[Any]:
    """A profile of the processor."""
    profiler = importlib.import_module(module + ".profiler")
    return profiler.profile(activities=[profiler.ProfilerActivity.CPU], **options)


def medians(run: Run, profile: Callable[[], Any], quick: bool) -> tuple[float, float]:
    """Median seconds of a call without and with a profile around it; entering is not timed."""
    calls, _ = calls_per_sample(run, 0.0002 if quick else SAMPLE_S)
    times: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(3 if quick else ROUNDS):
            for on in (0, 1):
                with profile() if on else nullcontext():
                    run()  # not timed: warms caches in this mode
                    times[on].append(seconds_of(run, calls, time.thread_time) / calls)
    finally:
        if was_enabled:
            gc.enable()
    return statistics.median(times[0]), statistics.median(times[1])


def added(make: Callable[[Any], Run], operations: int, **options: Any) -> Callable[..., float]:
    """The figure of a side: seconds that a profile adds to each operation."""

    def measure(module: str, quick: bool) -> float:
        run = make(importlib.import_module(module))
        without, inside = medians(run, lambda: plain_profile(module, **options), quick)
        return (inside - without) / operations

    return measure


def ratio(make: Callable[[Any], Run], **options: Any) -> Callable[..., float]:
    """The figure of a side: time inside a profile over time without."""

    def measure(module: str, quick: bool) -> float:
        run = make(importlib.import_module(module))
        without, inside = medians(run, lambda: plain_profile(module, **options), quick)
        return inside / without

    return measure


def unused_range(module: str, quick: bool) -> float:
    """Seconds of a `record_function` while nothing records."""
    record_function = importlib.import_module(module + ".profiler").record_function

    def run() -> None:
        for _ in range(OPERATIONS):
            with record_function("range"):
                pass

    rounds = 3 if quick else ROUNDS
    samples = [seconds_of(run, 1, time.thread_time) for _ in range(rounds)]
    return statistics.median(samples) / OPERATIONS


def reading(module: str, quick: bool) -> float:
    """Seconds from a profile of 100,000 operators to the table of sums."""
    torch = importlib.import_module(module)
    a, b = torch.ones(3), torch.ones(3)
    with plain_profile(module) as prof:
        for _ in range(QUICK_EVENTS if quick else EVENTS):
            a * b
    start = time.thread_time()
    prof.key_averages().table()
    return time.thread_time() - start


WORK = [
    Measured(
        "profile, added to a + b, unrecorded",
        added(add, OPERATIONS),
        "s",
        Target(150e-9, "at most"),
    ),
    Measured(
        "profile, added to a + b, recorded",
        added(add_recorded, OPERATIONS),
        "s",
        Target(150e-9, "at most"),
    ),
    Measured(
        "profile, added to a + b, with shapes", added(add, OPERATIONS, record_shapes=True), "s"
    ),
    Measured("profile, added to a + b, with stacks", added(add, OPERATIONS, with_stack=True), "s"),
    Measured("profile on, 2-16-16-1 MLP step, batch 4", ratio(small_step), "x"),
    Measured("record_function, nothing records", unused_range, "s"),
    Measured("table of sums of 100,000 profiled operators", reading, "s"),
]
