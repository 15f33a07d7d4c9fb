"""The package is light: what importing it costs, and what its metadata say."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import chainrule

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "importlib.metadata",
    "importlib.util",
    "inspect",
    "logging",
    "multiprocessing",
    "numpy",
    "re",
    "scipy_openblas32",
    "subprocess",
    "torch",
    "typing",
    "warnings",
}


def fresh(source: str) -> str:
    """What `source` prints in a new interpreter that finds the same package."""
    result = subprocess.run(
        [sys.executable, "-c", source],
        env=os.environ | {"PYTHONPATH": str(Path(chainrule.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_loads_no_numpy_and_no_heavy_module():
    loaded = fresh(
        "import sys\nbefore = set(sys.modules)\nimport chainrule\n"
        "print(*sys.modules.keys() - before)\n"
    )
    assert not HEAVY & set(loaded.split())


@pytest.mark.skipif("CHAINRULE_SANITIZED" in os.environ, reason="sanitizers are slow and large")
def test_import_takes_less_than_60_ms_and_30_mib():
    source = (
        "import resource, time\nstart = time.perf_counter()\nimport chainrule\n"
        "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    runs = [fresh(source).split() for _ in range(5)]
    assert min(float(seconds) for seconds, _ in runs) < 0.060
    assert min(int(kib) for _, kib in runs) < 30 * 1024


def test_the_version_is_that_of_the_package_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert chainrule.__version__.split("+")[0] == project["version"]
