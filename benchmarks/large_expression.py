"""``((a*b + c).tanh().exp() * d).sum()`` on 10 million floats: memory traffic and page faults."""

from __future__ import annotations

import importlib
import os
import statistics
import subprocess
import sys
from functools import partial
from typing import Any

from benchmarks.harness import Measured, Run, Target, Timed, Unavailable, seconds_of

ELEMENTS = 10_000_000
QUICK_ELEMENTS = 50_000
# glibc and torch's allocator ask for huge pages; Linux must offer them at least on request.
HUGE_PAGES = {"THP_MEM_ALLOC_ENABLE": "1", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
HUGE_PAGES_FILE = "/sys/kernel/mm/transparent_hugepage/enabled"


def forward(torch: Any, elements: int) -> Run:
    a, b, c, d = (torch.rand(elements) for _ in range(4))
    return lambda: ((a * b + c).tanh().exp() * d).sum()


def forward_backward(torch: Any, elements: int) -> Run:
    inputs = [torch.rand(elements).requires_grad_() for _ in range(4)]
    a, b, c, d = inputs

    def run() -> Any:
        total = ((a * b + c).tanh().exp() * d).sum()
        total.backward()
        for tensor in inputs:
            tensor.grad = None
        return total

    return run


KINDS = {"forward": forward, "forward + backward": forward_backward}


def with_huge_pages(module: str, quick: bool, kind: str) -> float:
    """Seconds of a run, in a process whose allocators ask for huge pages (both sides alike)."""
    try:
        with open(HUGE_PAGES_FILE) as file:
            offered = "[never]" not in file.read()
    except OSError:
        offered = False
    if not offered:
        raise Unavailable("this machine offers no transparent huge pages")
    elements = QUICK_ELEMENTS if quick else ELEMENTS
    command = [sys.executable, "-m", "benchmarks.large_expression", module, kind, str(elements)]
    done = subprocess.run(command, env=os.environ | HUGE_PAGES, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable((done.stderr.strip().splitlines() or ["no output"])[-1])
    return float(done.stdout)


def main() -> None:
    module_name, kind, elements = sys.argv[1:]
    torch = importlib.import_module(module_name)
    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))
    run = KINDS[kind](torch, int(elements))
    seconds_of(run, 2)
    print(statistics.median(seconds_of(run, 1) for _ in range(7)))


TARGETS = {"forward": Target(4), "forward + backward": Target(3)}
NAME = "((a*b + c).tanh().exp() * d).sum(), 10M"

WORK = [
    *(
        Timed(
            f"{NAME}, {kind}",
            partial(make, elements=ELEMENTS),
            target=TARGETS[kind],
            quick=partial(make, elements=QUICK_ELEMENTS),
        )
        for kind, make in KINDS.items()
    ),
    *(
        Measured(
            f"{NAME}, {kind}, huge pages both", partial(with_huge_pages, kind=kind), "s", repeats=2
        )
        for kind in KINDS
    ),
]

if __name__ == "__main__":
    main()
