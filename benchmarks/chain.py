"""Forward and backward through 1,000 steps of ``x = x * a + b``: the engine on tiny nodes."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.harness import Run, Target, Timed

STEPS = 1000
FOUR = [0.1, 0.2, 0.3, 0.4]


def make(torch: Any, start: Any) -> Run:
    x0 = torch.tensor(start)
    a = torch.full_like(x0, 0.99).requires_grad_()
    b = torch.full_like(x0, 0.01).requires_grad_()

    def run() -> Any:
        x = x0
        for _ in range(STEPS):
            x = x * a + b
        x.sum().backward()
        gradient = a.grad
        a.grad = None
        b.grad = None
        return gradient

    return run


WORK = [
    Timed(
        "1,000 x = x * a + b, fwd + bwd, 4 floats, per op",
        partial(make, start=FOUR),
        2 * STEPS,
        Target(10),
    ),
    Timed(
        "1,000 x = x * a + b, fwd + bwd, 0-d, per op",
        partial(make, start=0.1),
        2 * STEPS,
        Target(10),
    ),
]
