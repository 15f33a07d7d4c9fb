"""Places in the user's program, and what its source text says there."""

from __future__ import annotations

import ast
import linecache
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = [
    "Line",
    "first_assignment",
    "short_file",
    "statement_at",
    "statement_text",
    "statements",
]


def short_file(file: str) -> str:
    """A path as somebody would say it: relative to the current folder, else the name alone."""
    if file.startswith("<"):
        cell = file.removeprefix("<ipython-input-").split("-")[0]
        return f"In [{cell}]" if cell.isdigit() else file
    folder = os.getcwd() + os.sep
    if file.startswith(folder):
        return file[len(folder) :]
    return os.path.basename(file) if os.path.isabs(file) else file


@dataclass(frozen=True)
class Line:
    """A line of the user's program.

    Attributes:
        file: path as the interpreter knows it.
        line: number, from 1.
        function: qualified name of the function, "<module>" outside.
    """

    file: str
    line: int
    function: str = ""

    @property
    def text(self) -> str:
        """The source without indentation; empty where it is not at hand."""
        return linecache.getline(self.file, self.line).strip()

    def describe(self) -> str:
        """``"train.py:12"``."""
        return f"{short_file(self.file)}:{self.line}"

    def __str__(self) -> str:
        return self.describe()


@lru_cache(maxsize=256)
def _tree(file: str) -> ast.Module | None:
    source = "".join(linecache.getlines(file))
    try:
        return ast.parse(source) if source else None
    except (SyntaxError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=1024)
def first_assignment(file: str, first_line: int | None, name: str) -> int | None:
    """The first line that gives `name` a value in the function that starts at a line."""
    tree = _tree(file)
    if tree is None:
        return None
    scope: ast.AST = tree
    if first_line is not None:
        scope = _function_at(file, first_line) or tree
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = scope.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            if name in {a.arg for a in (*every, arguments.vararg, arguments.kwarg) if a}:
                return scope.lineno
    lines = [
        node.lineno
        for node in _own_nodes(scope)
        if (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.ExceptHandler) and node.name == name)
        or (node is not scope and isinstance(node, ast.ClassDef | ast.FunctionDef)
            and node.name == name)
    ]  # fmt: skip
    return min(lines, default=None)


def _function_at(file: str, first_line: int) -> ast.AST | None:
    """The function whose code starts at a line (its first decorator's, if it has one)."""
    tree = _tree(file)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if start == first_line:
                return node
        elif isinstance(node, ast.Lambda) and node.lineno == first_line:
            return node
    return None


def statement_at(file: str, line: int) -> ast.stmt | None:
    """The innermost statement that covers a line."""
    found: ast.stmt | None = None
    for node in statements(file, None):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            found = node if found is None or node.lineno >= found.lineno else found
    return found


def statement_text(file: str, statement: ast.stmt, longest: int) -> str:
    """A statement as it stands in its line, without what else stands there, such as a comment; of
    one that takes several lines, the beginning."""
    if statement.end_lineno == statement.lineno:
        # The columns count bytes of UTF-8.
        line = linecache.getline(file, statement.lineno).encode()
        return line[statement.col_offset : statement.end_col_offset].decode(errors="replace")
    text = ast.unparse(statement).splitlines()[0]
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _own_nodes(scope: ast.AST) -> list[Any]:
    """The nodes of a scope without those of functions and classes inside."""
    found: list[Any] = []
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


def statements(file: str, first_line: int | None) -> list[Any]:
    """The nodes of a function of a file, or of the whole file: where to look for a statement."""
    scope = _function_at(file, first_line) if first_line is not None else None
    if scope is None:
        scope = _tree(file)
    return list(ast.walk(scope)) if scope is not None else []
