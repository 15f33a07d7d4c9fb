"""The table that a person reads, and the JSON that a later run is compared with."""

from __future__ import annotations

import datetime
import os
import platform
from typing import Any

from benchmarks.harness import OURS, PEER, Result

HEADER = ("work", "ours", "torch", "ratio", "target", "reached", "spread")


def quantity(value: float | None, unit: str) -> str:
    """A figure with its unit; seconds are scaled to ns, us or ms."""
    if value is None:
        return "-"
    if unit != "s":
        return f"{value:.4g} {unit}"
    for scale, name in ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms")):
        if value < 1000 * scale:
            return f"{value / scale:.4g} {name}"
    return f"{value:.4g} s"


def row(result: Result) -> tuple[str, ...]:
    ratio = result.ratio
    spreads = [
        f"{result.samples[side].spread:.0%}" for side in (OURS, PEER) if side in result.samples
    ]
    verdict = {True: "yes", False: "NO", None: "-"}[result.reached]
    return (
        result.name,
        quantity(result.median(OURS), result.unit),
        quantity(result.median(PEER), result.unit),
        "-" if ratio is None else f"{ratio:.2f}",
        "-" if result.target is None else str(result.target),
        verdict,
        "/".join(spreads),
    )


def table(rows: list[tuple[str, ...]]) -> str:
    """A Markdown table, its columns aligned."""
    lines = [HEADER, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    text = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def first_line(path: str, prefix: str = "") -> str | None:
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(prefix):
                    return line.strip()
    except OSError:
        return None
    return None


def machine(modules: dict[str, Any]) -> dict[str, Any]:
    """Facts that explain the figures: processor, load, versions, threads, huge pages."""
    model = first_line("/proc/cpuinfo", "model name") or platform.processor()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processor": model.partition(":")[2].strip() or model,
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "huge_pages": first_line("/sys/kernel/mm/transparent_hugepage/enabled"),
        "python": platform.python_version(),
        "versions": {side: str(module.__version__) for side, module in modules.items()},
        "threads": {side: module.get_num_threads() for side, module in modules.items()},
    }


def as_json(results: list[Result], facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": facts,
        "results": [
            {
                "name": result.name,
                "unit": result.unit,
                "target": None if result.target is None else str(result.target),
                "ratio": result.ratio,
                "reached": result.reached,
                "problems": result.problems,
                "sides": {
                    side: {
                        "median": samples.median,
                        "spread": samples.spread,
                        "values": samples.values,
                    }
                    for side, samples in result.samples.items()
                },
            }
            for result in results
        ],
    }
