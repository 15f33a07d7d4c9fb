"""Reads the rows of `ops/*.py`, parses their signatures and refuses incomplete ones."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TYPES = (
    "Tensor", "Tensor?", "Tensor[]", "Scalar", "Scalar?", "int", "int?", "float", "float?",
    "bool", "int[]", "int[]?", "dtype?", "str", "str?",
)  # fmt: skip


class TableError(Exception):
    """A row that cannot be derived from; the message starts with the row's file and line."""


@dataclass
class Param:
    type: str
    name: str
    default: str | None = None
    keyword_only: bool = False

    @property
    def is_tensor(self) -> bool:
        return self.type.startswith("Tensor")


@dataclass
class Operator:
    """A row with its signature taken apart."""

    row: Any
    name: str  # as Python says it
    overload: str
    params: list[Param]
    returns: list[tuple[str, str]]  # (type, name)
    family: str
    extra: dict[str, object] = field(default_factory=dict)

    def __getattr__(self, key: str) -> Any:
        return getattr(self.row, key)

    @property
    def cname(self) -> str:
        """C++ name, unique among the rows."""
        base = f"{self.name}_{self.overload}" if self.overload else self.name
        return base + "_" if base in CPP_WORDS else base

    @property
    def tensors(self) -> list[Param]:
        return [p for p in self.params if p.is_tensor]

    @property
    def numbers(self) -> list[Param]:
        return [p for p in self.params if not p.is_tensor]

    @property
    def pointwise(self) -> bool:
        return self.row.forward is not None

    @property
    def node_name(self) -> str:
        if self.row.node:
            return self.row.node
        parts = self.name.strip("_").split("_")
        return "".join(p[:1].upper() + p[1:] for p in parts) + "Backward0"


CPP_WORDS = {"and", "or", "xor", "not", "where", "select_", "float", "double", "bool", "int"} - {
    "where"
}


def parse_signature(row: Any) -> tuple[str, str, list[Param], list[tuple[str, str]]]:
    match = re.fullmatch(r"\s*([\w.]+)\s*\((.*)\)\s*->\s*(.+?)\s*", row.signature, re.S)
    if not match:
        raise TableError(f"{row.where}: cannot read the signature {row.signature!r}")
    name, _, overload = match[1].partition(".")
    params: list[Param] = []
    keyword_only = False
    for part in re.split(r",\s*(?![^\[(]*[\])])", match[2]):
        part = part.strip()
        if not part:
            continue
        if part == "*":
            keyword_only = True
            continue
        words = re.fullmatch(r"([\w?\[\]]+)\s+(\w+)(?:\s*=\s*(.+))?", part)
        if not words or words[1] not in TYPES:
            raise TableError(f"{row.where}: cannot read the parameter {part!r}")
        params.append(Param(words[1], words[2], words[3], keyword_only))
    text = match[3].strip()
    if text.startswith("("):
        returns = []
        for item in text[1:-1].split(","):
            kind, _, label = item.strip().partition(" ")
            returns.append((kind, label))
    else:
        returns = [(text, "")]
    return name, overload, params, returns


def check_row(o: Operator, kinds: tuple[str, ...]) -> None:
    """A missing rule is an error here, never a surprise at run time."""

    def refuse(why: str) -> None:
        raise TableError(f"{o.where}: {o.name}: {why}")

    if o.kind not in kinds:
        refuse(f"unknown kind {o.kind!r}; the kinds are {', '.join(kinds)}")
    if not o.doc:
        refuse("a row needs a doc")
    if (o.forward is None) == (o.kernel is None):
        refuse("a row has either a scalar formula (forward=) or a C++ function (kernel=)")
    names = {p.name for p in o.tensors}
    for name in o.vjp:
        if name not in names:
            refuse(f"vjp names {name!r}, which is no tensor parameter")
    for name in (*(o.number_operands or ()), *([o.mask] if o.mask else [])):
        if name not in names:
            refuse(f"{name!r} in number_operands= or mask= is no tensor parameter")
    if o.kind in ("nondifferentiable", "composite"):
        if o.vjp or o.jvp:
            refuse(f"a {o.kind} operator has no derivative rules of its own")
        return
    if o.forward is not None:
        if o.kind not in ("elementwise", "broadcast"):
            refuse("scalar formulas belong to elementwise and broadcast operators")
        return_missing = [p.name for p in o.tensors if p.name not in o.vjp]
        if return_missing and o.result != "bool":
            refuse(f"no vjp for {', '.join(return_missing)}; write None for an input without one")
        return
    missing = [p.name for p in o.tensors if p.name not in o.vjp]
    if missing:
        refuse(f"no vjp for {', '.join(missing)}; write None for an input without one")
    if o.kind not in ("view", "linear", "bilinear") and o.jvp is None:
        refuse("no forward-mode rule: give jvp= (LINEAR if the operator is linear)")
    if o.batch is None:
        refuse("no batching rule: give batch=")


def load(root: Path = ROOT) -> list[Operator]:
    """All operators, family by family in the order of file names and lines."""
    sys.path.insert(0, str(root))
    try:
        for name in [m for m in sys.modules if m == "ops" or m.startswith("ops.")]:
            del sys.modules[name]
        dsl = importlib.import_module("ops._dsl")
        dsl.ROWS.clear()
        operators: list[Operator] = []
        for path in sorted((root / "ops").glob("*.py")):
            if path.name.startswith("_"):
                continue
            start = len(dsl.ROWS)
            importlib.import_module(f"ops.{path.stem}")
            for row in dsl.ROWS[start:]:
                name, overload, params, returns = parse_signature(row)
                o = Operator(row, name, overload, params, returns, path.stem)
                check_row(o, dsl.KINDS)
                operators.append(o)
    finally:
        sys.path.remove(str(root))
    seen: dict[str, str] = {}
    for o in operators:
        if o.cname in seen:
            raise TableError(f"{o.where}: {o.cname} is declared at {seen[o.cname]} too")
        seen[o.cname] = o.where
    return operators


def families(root: Path = ROOT) -> list[str]:
    return [p.stem for p in sorted((root / "ops").glob("*.py")) if not p.name.startswith("_")]
