"""Bytes that one recorded tiny operation keeps: result, node, edges and saved values."""

from __future__ import annotations

import importlib
import subprocess
import sys

from benchmarks.harness import Measured, Target, Unavailable

OPERATIONS = 1_000_000
QUICK_OPERATIONS = 20_000


def resident_bytes() -> int:
    import resource

    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def bytes_per_operation(module: str, quick: bool) -> float:
    """Resident growth per operation of a recorded chain ``x = x * a + b`` on four floats."""
    if sys.platform != "linux":
        raise Unavailable("resident memory is read from /proc, which only Linux has")
    operations = QUICK_OPERATIONS if quick else OPERATIONS
    command = [sys.executable, "-m", "benchmarks.graph_memory", module, str(operations)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable((done.stderr.strip().splitlines() or ["no output"])[-1])
    return float(done.stdout)


def main() -> None:
    torch = importlib.import_module(sys.argv[1])
    operations = int(sys.argv[2])
    a = torch.tensor([0.9, 0.9, 0.9, 0.9], requires_grad=True)
    b = torch.tensor([0.1, 0.1, 0.1, 0.1], requires_grad=True)
    x = a
    for _ in range(100):  # free lists and code paths settle before the count starts
        x = x * a + b
    before = resident_bytes()
    for _ in range(operations // 2):
        x = x * a + b
    print((resident_bytes() - before) / operations)


WORK = [Measured("bytes per recorded tiny operation", bytes_per_operation, "B", Target(2))]

if __name__ == "__main__":
    main()
