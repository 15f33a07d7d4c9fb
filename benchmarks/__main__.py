"""``python -m benchmarks [names...]``: runs the comparisons and prints a table.

Names are subjects (``tiny_operations``, ``chain``, ...) or parts of a workload's name. A side that
is not installed is left out, so the peer's figures can be had alone.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import (
    OURS,
    PEER,
    Effort,
    Result,
    Timed,
    measure_interleaved,
    time_interleaved,
)
from benchmarks.report import as_json, machine, row, table
from benchmarks.subjects import SUBJECTS, select

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="subjects or parts of workload names; all if none")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: proves that all of it runs"
    )
    parser.add_argument("--side", choices=(OURS, PEER), help="measure one side only")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="on both sides")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: for a busy machine, with --threads 1"
    )
    parser.add_argument("--json", type=Path, help="write figures and machine facts to this file")
    parser.add_argument("--strict", action="store_true", help="fail if a target is missed")
    parser.add_argument("--list", action="store_true", help="list what there is and stop")
    return parser.parse_args(given)


def load_sides(wanted: str | None, threads: int) -> dict[str, Any]:
    """Imports the sides that are here, with the same number of threads.

    Raises:
        SystemExit: no side is here, one asked for by name is not, or their threads differ.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)  # before the import, for us and for child processes
    modules: dict[str, Any] = {}
    for side in (wanted,) if wanted else (OURS, PEER):
        try:
            module = importlib.import_module(side)
            module.set_num_threads(threads)
        except (ImportError, AttributeError) as error:
            print(f"{side} left out: {error}", file=sys.stderr)
            continue
        modules[side] = module
    counts = {side: module.get_num_threads() for side, module in modules.items()}
    if len(set(counts.values())) > 1:
        raise SystemExit(f"the sides use different numbers of threads: {counts}")
    if not modules:
        raise SystemExit("nothing to measure: neither side can be imported")
    return modules


def main(given: list[str] | None = None) -> int:
    options = arguments(given)
    if options.list:
        for subject, works in SUBJECTS.items():
            print(subject, *(f"    {work.name}" for work in works), sep="\n")
        return 0
    if options.clock == "cpu" and options.threads != 1:
        raise SystemExit("--clock cpu adds up the time of all threads: use it with --threads 1")
    try:
        chosen = select(options.names)
    except KeyError as error:
        raise SystemExit(error.args[0]) from error
    modules = load_sides(options.side, options.threads)
    facts = machine(modules) | {"clock": options.clock}
    if facts["load"][0] > 0.5:
        print(f"the machine is busy (load {facts['load'][0]:.1f}): figures blur", file=sys.stderr)
    clock = CLOCKS[options.clock]
    effort = Effort.quick(clock) if options.quick else Effort(clock=clock)
    results: list[Result] = []
    for work in chosen:
        if isinstance(work, Timed):
            result = time_interleaved(work, modules, effort, options.quick)
        else:
            result = measure_interleaved(work, list(modules), options.quick)
        results.append(result)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table([row(result) for result in results]))
    for result in results:
        for side, problem in result.problems.items():
            print(f"{result.name}: {side}: {problem}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(as_json(results, facts), indent=1) + "\n")
    if options.strict and any(result.reached is False or result.problems for result in results):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
