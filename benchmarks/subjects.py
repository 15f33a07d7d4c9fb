"""All subjects, and how a name given on the command line picks some of them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import (
    anomaly,
    chain,
    footprint,
    graph_memory,
    large_expression,
    matmul,
    mlp,
    pendulum,
    profiler,
    tiny_operations,
)
from benchmarks.harness import Measured, Timed

SUBJECTS: dict[str, list[Timed | Measured]] = {
    module.__name__.rpartition(".")[2]: list(module.WORK)
    for module in (
        tiny_operations,
        chain,
        mlp,
        pendulum,
        large_expression,
        matmul,
        footprint,
        graph_memory,
        anomaly,
        profiler,
    )
}


def select(names: Sequence[str]) -> list[Timed | Measured]:
    """The workloads of the subjects named, or whose own name contains a given text.

    Raises:
        KeyError: a name fits nothing; the message lists the subjects.
    """
    if not names:
        return [work for subject in SUBJECTS.values() for work in subject]
    chosen: list[Timed | Measured] = []
    for name in names:
        found = SUBJECTS.get(name) or [
            work for subject in SUBJECTS.values() for work in subject if name in work.name
        ]
        if not found:
            raise KeyError(f"no benchmark fits {name!r}; subjects: {', '.join(SUBJECTS)}")
        chosen += [work for work in found if work not in chosen]
    return chosen
