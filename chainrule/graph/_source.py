"""From a code object and an instruction to the line of text and the expression that ran there."""

from __future__ import annotations

import ast
import dis
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

__all__ = ["Location"]

_STORES = {"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"}


class Location:
    """A place in the user's program.

    Attributes:
        file: path of the file as the interpreter knows it, ``"<stdin>"`` and the like included.
        line: number of the line, from 1.
        function: qualified name of the function, ``"<module>"`` outside.
    """

    __slots__ = ("_code", "_instruction", "file", "function", "line")

    def __init__(self, code: CodeType, instruction: int, line: int) -> None:
        self._code = code
        self._instruction = instruction
        self.file: str = code.co_filename
        self.line: int = line
        self.function: str = getattr(code, "co_qualname", code.co_name)

    @property
    def text(self) -> str:
        """The line's text without indentation; empty where the source is not at hand."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def expression(self) -> str:
        """The part of the source that ran, such as ``w1 * a``; empty where it is not known."""
        return _expression(self._code, self._instruction)

    @property
    def assigned(self) -> str | None:
        """The variable to which the result of the expression goes at once, as in ``b = w1 * a``."""
        return _assigned(self._code, self._instruction)

    @property
    def operands(self) -> tuple[str | None, ...]:
        """What the operands of the expression are called, where they are variables."""
        return _operands(self.expression)

    @property
    def is_binary(self) -> bool:
        """Whether the instruction is one operator such as ``+``, not a call."""
        return _instructions(self._code).get(self._instruction, ("", None))[0] == "BINARY_OP"

    def describe(self) -> str:
        """``"train.py:12"`` with the path as the interpreter knows it."""
        return f"{self.file}:{self.line}"

    def __repr__(self) -> str:
        return f"<{self.describe()} in {self.function}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Location):
            return NotImplemented
        return self._code is other._code and self._instruction == other._instruction

    def __hash__(self) -> int:
        return hash((self._code, self._instruction))


@lru_cache(maxsize=4096)
def _instructions(code: CodeType) -> dict[int, tuple[str, str | None]]:
    """By offset: the instruction, and the name of a store that follows it at once."""
    found: dict[int, tuple[str, str | None]] = {}
    previous: tuple[int, str] | None = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("CACHE", "EXTENDED_ARG"):
            continue
        if previous is not None:
            stores = instruction.opname in _STORES
            found[previous[0]] = (previous[1], instruction.argval if stores else None)
        previous = (instruction.offset, instruction.opname)
    if previous is not None:
        found[previous[0]] = (previous[1], None)
    return found


def _assigned(code: CodeType, instruction: int) -> str | None:
    return _instructions(code).get(instruction, ("", None))[1]


@lru_cache(maxsize=4096)
def _positions(code: CodeType) -> tuple[tuple[int | None, int | None, int | None, int | None], ...]:
    return tuple(code.co_positions())


@lru_cache(maxsize=65536)
def _expression(code: CodeType, instruction: int) -> str:
    positions = _positions(code)
    index = instruction // 2
    if not 0 <= index < len(positions):
        return ""
    line, end_line, column, end_column = positions[index]
    if line is None or end_line is None or column is None or end_column is None:
        return ""
    lines = [linecache.getline(code.co_filename, i) for i in range(line, end_line + 1)]
    if not all(lines):
        return ""
    # The columns count bytes of UTF-8.
    encoded = [text.encode() for text in lines]
    encoded[-1] = encoded[-1][:end_column]
    encoded[0] = encoded[0][column:]
    return " ".join(part.decode(errors="replace").strip() for part in encoded)


@lru_cache(maxsize=4096)
def _operands(expression: str) -> tuple[str | None, ...]:
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(_name(part) for part in _parts(tree))


def _parts(tree: ast.expr) -> Iterator[ast.expr]:
    if isinstance(tree, ast.BinOp):
        # `2 * x` is recorded as `x * 2`.
        swap = isinstance(tree.left, ast.Constant) and isinstance(tree.op, ast.Add | ast.Mult)
        yield from (tree.right, tree.left) if swap else (tree.left, tree.right)
    elif isinstance(tree, ast.UnaryOp):
        yield tree.operand
    elif isinstance(tree, ast.Call) and not _draws(tree):
        if isinstance(tree.func, ast.Attribute) and not _is_module_name(tree.func.value):
            yield tree.func.value
        yield from tree.args


def _draws(tree: ast.Call) -> bool:
    """`show(model, x)` itself: what runs there are the operators of the model."""
    return (_name(tree.func) or "").rpartition(".")[2] in ("show", "save_graph")


def _is_module_name(tree: ast.expr) -> bool:
    name = _name(tree) or ""
    return name.split(".")[0] in ("torch", "chainrule", "F", "nn", "np")


def _name(tree: ast.expr) -> str | None:
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Attribute):
        owner = _name(tree.value)
        return None if owner is None else f"{owner}.{tree.attr}"
    return None
