"""Instructions per operation, counted by callgrind: a figure that a busy machine cannot blur.

``python -m benchmarks.instructions "a + b, 4 floats, recorded" --module chainrule``

The workload runs under valgrind twice, with few calls and with more; the difference belongs to the
extra calls alone, so that start-up and imports drop out. Valgrind has no AVX-512, so a side that
picks its kernels at load takes its AVX2 ones here.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import re
import shutil
import subprocess
import sys

from benchmarks.harness import OURS, Timed, prepare
from benchmarks.subjects import select

COLLECTED = re.compile(r"Collected\s*:\s*(\d+)")


def timed(name: str) -> Timed:
    """The one timed workload whose name contains the text.

    Raises:
        SystemExit: none or several fit.
    """
    try:
        found = [work for work in select([name]) if isinstance(work, Timed)]
    except KeyError as error:
        raise SystemExit(error.args[0]) from error
    exact = [work for work in found if work.name == name]
    if len(exact or found) != 1:
        raise SystemExit(f"{name!r} fits {len(found)}: " + "; ".join(work.name for work in found))
    return (exact or found)[0]


def child(work: Timed, module_name: str, calls: int) -> None:
    """Runs inside valgrind: the workload, a fixed number of times, with nothing random."""
    module = importlib.import_module(module_name)
    module.set_num_threads(1)
    run, _ = prepare(work, module, quick=True)
    gc.disable()
    for _ in range(calls):
        run()


def collected(work: Timed, module_name: str, calls: int) -> int:
    """Instructions of a whole process that makes so many calls."""
    command = [
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable,
        "-m", "benchmarks.instructions", work.name,
        "--module", module_name, "--child", str(calls),
    ]  # fmt: skip
    environment = os.environ | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    match = COLLECTED.search(done.stderr)
    if done.returncode != 0 or match is None:
        raise SystemExit(f"valgrind failed:\n{done.stderr[-2000:]}")
    return int(match.group(1))


def per_operation(work: Timed, module_name: str, calls: int = 3) -> float:
    """Instructions of one operation of the workload, by the difference of two runs."""
    more = 4 * calls
    extra = collected(work, module_name, more) - collected(work, module_name, calls)
    return extra / ((more - calls) * work.operations)


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="+", help="workloads; each a part of one's name")
    parser.add_argument("--module", default=OURS)
    parser.add_argument("--calls", type=int, default=3, help="calls in the shorter run")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    works = [timed(name) for name in options.names]
    if options.child is not None:
        child(works[0], options.module, options.child)
        return 0
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed")
    for work in works:
        print(
            f"{work.name}: {per_operation(work, options.module, options.calls):,.0f} instructions"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
