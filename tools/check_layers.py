"""Fails if an include or an import points up: lower layers know nothing of those above them.

C++ (folders of ``csrc/``)::

    base <- kernels <- tensor <- forward <- autograd <- rules <- transform <- bind

Only ``bind`` includes Python's headers. What opgen writes counts with the layer that its file name
says: ``kernels_*``, ``forward*`` and ``bind_*`` with theirs, the rest with the rules.

Python: ``ops`` imports nothing of the project, ``opgen`` only ``ops``, the package ``chainrule``
neither of them and NumPy only inside functions, and ``chainrule.viewer`` only public names.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.sources import ROOT, files

CPP_LAYERS = ("base", "kernels", "tensor", "forward", "autograd", "rules", "transform", "bind")
PROJECT = ("ops", "opgen", "chainrule", "tests", "tools", "benchmarks", "examples")
MAY_IMPORT = {"ops": ("ops",), "opgen": ("opgen", "ops"), "chainrule": ("chainrule",)}
ONLY_WHEN_USED = ("numpy", "scipy", "matplotlib", "torch")

_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
_PYTHON_HEADERS = re.compile(r"^(Python|structmember|pyconfig|(cpython|internal|numpy)/.*)\.h$")


def violations(root: Path, generated: Path | None = None) -> list[str]:
    """A line for each include or import below ``root`` that points up.

    ``generated``: the folder that opgen wrote, to be checked too.
    """
    found: list[str] = []
    for path in files(root / "csrc", ".h", ".cpp", ".c") if (root / "csrc").is_dir() else ():
        if path.relative_to(root).parts[1] not in CPP_LAYERS:
            found.append(f"{path.relative_to(root)}:1: its folder is no layer: give it a place")
    for layer in CPP_LAYERS:
        folder = root / "csrc" / layer
        if folder.is_dir():
            for path in files(folder, ".h", ".cpp", ".c"):
                found += _check_includes(path, layer, root)
    if generated is not None:
        for path in files(generated, ".h", ".cpp"):
            found += _check_includes(path, _generated_layer(path.name), generated)
    for package in MAY_IMPORT:
        folder = root / package
        if folder.is_dir():
            for path in files(folder, ".py"):
                found += _check_imports(path, root)
    return found


def _generated_layer(name: str) -> str:
    first = name.partition("_")[0].partition(".")[0]
    return first if first in ("kernels", "forward", "bind") else "rules"


def _check_includes(path: Path, layer: str, root: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = _INCLUDE.match(line)
        if match is None:
            continue
        header = match[2]
        where = f"{path.relative_to(root)}:{number}"
        if _PYTHON_HEADERS.match(header):
            if layer != "bind":
                yield f"{where}: {header} is for csrc/bind only, this is layer {layer}"
            continue
        if match[1] == "<":
            continue
        folder = header.partition("/")[0] if "/" in header else _generated_layer(header)
        if folder not in CPP_LAYERS:
            yield f'{where}: "{header}" is not relative to csrc/'
        elif CPP_LAYERS.index(folder) > CPP_LAYERS.index(layer):
            yield f'{where}: layer {layer} includes "{header}" of the higher layer {folder}'


def _check_imports(path: Path, root: Path) -> Iterator[str]:
    relative = path.relative_to(root)
    package = relative.parts[0]
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    } | {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        for name in _imported(node, relative):
            where = f"{relative}:{node.lineno}"  # type: ignore[attr-defined]
            top = name.partition(".")[0]
            if top in PROJECT and top not in MAY_IMPORT[package]:
                yield f"{where}: {package} may not import {name}"
            if package == "chainrule" and top in ONLY_WHEN_USED and id(node) not in inside:
                yield f"{where}: {name} is optional, import it inside the function that uses it"
            if relative.parts[:2] == ("chainrule", "viewer") and _is_private(name):
                yield f"{where}: the viewer uses public names only, not {name}"


def _imported(node: ast.AST, relative: Path) -> Iterator[str]:
    """Full names of the modules and members that an import statement reaches."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parents = relative.with_suffix("").parts[: -node.level]
            base = ".".join([*parents, *([base] if base else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("chainrule."):
        yield ast.unparse(node)


def _is_private(name: str) -> bool:
    """Whether a name of the package reaches into something that starts with an underscore."""
    parts = name.split(".")
    if parts[0] != "chainrule" or parts[:2] == ["chainrule", "viewer"]:
        return False
    return any(part.startswith("_") and not part.startswith("__") for part in parts)


def main() -> int:
    generated = ROOT / "build" / "generated"
    found = violations(ROOT, generated if generated.is_dir() else None)
    print("\n".join(found) or "layers: fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
