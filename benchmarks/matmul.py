"""A square matrix product: what the BLAS library underneath gives."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.harness import Run, Target, Timed


def make(torch: Any, size: int) -> Run:
    a, b = torch.rand(size, size), torch.rand(size, size)
    return lambda: a @ b


WORK = [
    Timed(
        "1024 x 1024 matmul",
        partial(make, size=1024),
        target=Target(0.95),
        quick=partial(make, size=64),
    )
]
