"""What a side weighs: time and memory to import it, its wheel, and its files once installed."""

from __future__ import annotations

import importlib.metadata
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness import Measured, Target, Unavailable

MEBIBYTE = 2**20
MEGABYTE = 10**6
# /proc on Linux gives the memory now; elsewhere only the peak is to be had.
RESIDENT = """
import {module}
try:
    with open("/proc/self/statm") as file:
        print(int(file.read().split()[1]) * {page})
except OSError:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def wall_time(code: str) -> float:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode != 0:
        raise Unavailable((done.stderr.strip().splitlines() or ["no output"])[-1])
    return took


def import_time(module: str, quick: bool) -> float:
    """Seconds of ``python -c 'import module'``, the interpreter's own start included."""
    return wall_time(f"import {module}")


def import_time_alone(module: str, quick: bool) -> float:
    """Seconds that the import adds to an interpreter that does nothing."""
    bare = statistics.median(wall_time("pass") for _ in range(3))
    return max(wall_time(f"import {module}") - bare, 1e-4)


def resident_memory(module: str, quick: bool) -> float:
    """MiB resident in a process that has imported the module and nothing else."""
    page = 4096
    if sys.platform == "linux":
        import resource

        page = resource.getpagesize()
    code = RESIDENT.format(module=module, page=page)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable((done.stderr.strip().splitlines() or ["no output"])[-1])
    return int(done.stdout) / MEBIBYTE


def requirements(name: str, seen: set[str]) -> set[str]:
    """The distribution and all that it needs, NumPy excepted; extras are not followed."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    key = canonicalize_name(name)
    if key in seen or key == "numpy":
        return seen
    seen.add(key)
    for line in importlib.metadata.requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            requirements(requirement.name, seen)
    return seen


def installed_size(module: str, quick: bool) -> float:
    """Megabytes of all files of the distribution and its dependencies, without NumPy."""
    try:
        distribution = importlib.metadata.distribution(module)
    except importlib.metadata.PackageNotFoundError as error:
        raise Unavailable(f"{module} is not installed") from error
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        raise Unavailable(f"{module} is installed editable; install its wheel to measure")
    total = 0
    for name in requirements(module, set()):
        for file in importlib.metadata.files(name) or []:
            path = Path(str(file.locate()))
            total += path.stat().st_size if path.is_file() else 0
    return total / MEGABYTE


def wheel_size(module: str, quick: bool) -> float:
    """Megabytes of the newest wheel in ``dist/``."""
    wheels = sorted(Path("dist").glob(f"{module}-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        raise Unavailable("no wheel in dist/; build one first")
    return wheels[-1].stat().st_size / MEGABYTE


WORK = [
    Measured("python -c 'import X'", import_time, "s", Target(30), repeats=7),
    Measured("import X, without the interpreter", import_time_alone, "s", Target(30), repeats=7),
    Measured(
        "import X, without the interpreter: seconds",
        import_time_alone,
        "s",
        Target(0.06, "at most"),
        repeats=7,
        ours_only=True,
    ),
    Measured("resident after import", resident_memory, "MiB", Target(30, "at most"), repeats=3),
    Measured("wheel", wheel_size, "MB", Target(15, "at most"), ours_only=True),
    Measured("installed without NumPy", installed_size, "MB", Target(60, "at most")),
]
