"""The operator that CONTRIBUTING.md adds as an example works, made of its one row only."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
MODULE = "_C" + sysconfig.get_config_var("EXT_SUFFIX")

pytestmark = [
    pytest.mark.skipif(
        not (BUILD / "build.ninja").exists() or not (BUILD / MODULE).exists(),
        reason="needs the build folder of the checkout for this Python",
    ),
    pytest.mark.skipif("CHAINRULE_SANITIZED" in os.environ, reason="compiles by itself"),
]


def page_blocks() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(r"^```py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, built with the row of CONTRIBUTING.md added to the table.

    Only the generated sources that the row changes are compiled, with the commands of the build
    folder; the other objects are taken from there.
    """
    work = tmp_path_factory.mktemp("contributing")
    for name in ("ops", "opgen"):
        shutil.copytree(ROOT / name, work / name)
    with open(work / "ops" / "unary.py", "a", encoding="utf-8") as table:
        table.write("\n" + page_blocks()[0])
    generated = work / "generated"
    subprocess.run(
        [sys.executable, "-m", "opgen", "build", "--out", generated], cwd=work, check=True
    )
    changed = {
        path.name
        for path in generated.glob("*.cpp")
        if path.read_text() != (BUILD / "generated" / path.name).read_text()
    }
    assert {name for name in changed if "unary" in name} == {
        "kernels_unary.cpp",
        "ops_unary.cpp",
        "bind_unary.cpp",
    }

    shutil.copytree(
        ROOT / "chainrule",
        work / "package" / "chainrule",
        ignore=shutil.ignore_patterns("_C*", "__pycache__"),
    )
    cache = (BUILD / "CMakeCache.txt").read_text()
    ninja = re.search(r"^CMAKE_MAKE_PROGRAM:\w+=(.*)$", cache, re.MULTILINE)[1]
    listing = subprocess.run(
        [ninja, "-C", BUILD, "-t", "commands", MODULE], capture_output=True, text=True, check=True
    )
    new_objects = {}
    for line in listing.stdout.splitlines():
        command = shlex.split(line)
        if "-c" in command and Path(command[-1]).name in changed:
            place = command.index("-o") + 1
            new = str(work / f"{len(new_objects)}.o")
            new_objects[command[place]] = command[place] = new
            command[command.index("-MF") + 1] = new + ".d"
            command = [part.replace(str(BUILD / "generated"), str(generated)) for part in command]
            subprocess.run(command, cwd=BUILD, check=True)
        elif "-shared" in command:
            start = command.index("&&") + 1  # ninja writes ": && link && what comes after"
            command = command[start : command.index("&&", start)]
            command[command.index("-o") + 1] = str(work / "package" / "chainrule" / MODULE)
            command = [new_objects.get(part, part) for part in command]
            subprocess.run(command, cwd=BUILD, check=True)
    return work / "package"


def run(package: Path, source: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", source],
        cwd=package,
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_example_prints_the_gradient(package: Path):
    values = [float(text) for text in re.findall(r"-?\d+\.\d*", run(package, page_blocks()[1]))]
    assert values == pytest.approx([0.0, -0.7788, -0.7358], abs=1e-4)


def test_every_use_of_the_operator_follows_from_the_row(package: Path):
    run(
        package,
        """
import math
import chainrule as torch

points = [0.0, 0.5, -1.25]
x = torch.tensor(points, dtype=torch.float64, requires_grad=True)
y = x.gaussian()
assert y.grad_fn.name() == "GaussianBackward0", y.grad_fn.name()
close = lambda a, b: all(abs(p - q) < 1e-12 for p, q in zip(a.tolist(), b, strict=True))
e = [math.exp(-p * p) for p in points]
assert close(y, e)
(first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
assert close(first, [-2 * p * q for p, q in zip(points, e)])
(second,) = torch.autograd.grad(first.sum(), x)
assert close(second, [(4 * p * p - 2) * q for p, q in zip(points, e)])
assert torch.gaussian(torch.tensor([0, 1])).dtype == torch.float32
z = x.detach().clone()
assert z.gaussian_() is z and close(z, e)
assert "bell curve" in torch.gaussian.__doc__
""",
    )
