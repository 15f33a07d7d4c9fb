"""What leaving the anomaly trap on costs: time of a step with it over time without, in turns.

Ours traps NaN and infinity in every operator and gradient; the peer's looks for NaN in gradients.
"""

from __future__ import annotations

import gc
import importlib
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from benchmarks import mlp
from benchmarks.harness import OURS, Measured, Run, Target, calls_per_sample, seconds_of

ROUNDS = 101
SAMPLE_S = 0.001


def small_step(torch: Any) -> Run:
    """A training step of a 2-16-16-1 network on a batch of 4."""
    return mlp.make(torch, batch=4)


def chain(torch: Any) -> Run:
    """1,000 operations on 4 floats, forward and backward."""
    a = torch.full((4,), 0.9, requires_grad=True)
    b = torch.full((4,), 0.1, requires_grad=True)

    def run() -> Any:
        x = a
        for _ in range(500):
            x = x * a + b
        x.sum().backward()
        return x

    return run


def large_step(torch: Any) -> Run:
    """An expression on a million floats, forward and backward."""
    a, b = (torch.randn(1_000_000, requires_grad=True) for _ in range(2))

    def run() -> Any:
        loss = (a * b + a).tanh().sum()
        loss.backward()
        a.grad = b.grad = None
        return loss

    return run


def ratio_of(make: Callable[[Any], Run]) -> Callable[[str, bool], float]:
    """The figure of a side: the median time of a step with the trap, over that without."""

    def measure(side: str, quick: bool) -> float:
        torch = importlib.import_module(side)
        torch.manual_seed(0)
        run = make(torch)
        if side == OURS:
            trap = torch.autograd.anomaly
        else:
            trap = lambda: torch.autograd.set_detect_anomaly(True)  # noqa: E731
        calls, _ = calls_per_sample(run, 0.0002 if quick else SAMPLE_S)
        times: tuple[list[float], list[float]] = ([], [])
        gc.collect()
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            for _ in range(3 if quick else ROUNDS):
                for on in (0, 1):
                    with trap() if on else nullcontext():
                        run()  # not timed: warms caches in this mode
                        times[on].append(seconds_of(run, calls, time.perf_counter))
        finally:
            if was_enabled:
                gc.enable()
        return statistics.median(times[1]) / statistics.median(times[0])

    return measure


WORK = [
    Measured(
        "anomaly trap on, 2-16-16-1 MLP step, batch 4",
        ratio_of(small_step),
        "x",
        Target(1.3, "at most"),
    ),
    Measured("anomaly trap on, chain of 1,000 operations, 4 floats", ratio_of(chain), "x"),
    Measured("anomaly trap on, a million floats, fwd + bwd", ratio_of(large_step), "x"),
]
