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


@pytest.mark.skipif("CHAINRULE_SANITIZED" in os.environ, reason="sanitizers are slow")
def test_import_takes_less_than_60_ms():
    source = (
        "import time\nstart = time.perf_counter()\nimport chainrule\n"
        "print(time.perf_counter() - start)\n"
    )
    assert min(float(fresh(source)) for _ in range(5)) < 0.060


@pytest.mark.skipif("CHAINRULE_SANITIZED" in os.environ, reason="sanitizers are large")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_after_import_less_than_30_mib_are_resident():
    status = fresh("import chainrule\nprint(open('/proc/self/status').read())\n")
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    assert int(kib) < 30 * 1024


def test_the_version_is_that_of_the_package_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert chainrule.__version__.split("+")[0] == project["version"]
