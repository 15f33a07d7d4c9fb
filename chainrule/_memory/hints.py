"""Advice from what a search for memory found: graphs that grow with every step, cycles, errors."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Any

from .report import MemoryHint, format_bytes
from .source import Line, statement_at, statement_text, statements

if TYPE_CHECKING:
    from .chain import Chain, Variable
    from .report import MemoryReport

__all__ = ["hints", "notes"]

_LONGEST = 40  # of an expression that is repeated in a hint
_HISTORY = ("_", "__", "___", "Out", "_oh")  # of an interactive session


def hints(report: MemoryReport) -> tuple[MemoryHint, ...]:
    """The lines of loops that keep the graphs of earlier steps alive; the surest first."""
    found = []
    growths = sorted(report._snapshot.growths(), key=lambda growth: (not growth[1], -growth[5]))
    for is_list, backwards, line, link, count, size in growths:
        chain = report._chain(link)
        make = _list_hint if is_list else _total_hint
        found.append(make(chain, Line(*line), count, size, backwards))
    return tuple(found)


def _amount(count: int, size: int) -> str:
    return f"({count:,} steps, {format_bytes(size)})"


def _advice(expression: str, backwards: bool) -> str:
    text = f"use {expression}.item() or {expression}.detach()"
    return text if backwards else f"{text}, unless one backward() is to go through all of them"


def _total_hint(chain: Chain, line: Line, count: int, size: int, backwards: bool) -> MemoryHint:
    statement = statement_at(line.file, line.line)
    source = line.text
    if statement is not None:
        line = Line(line.file, statement.lineno, line.function)
        source = statement_text(line.file, statement, _LONGEST)
    name, added = _accumulation(statement)
    keeps = f"{line}: {source} keeps the graph of every step alive {_amount(count, size)}"
    if added is None:
        added = name or "the result"
        keeps = (
            f"{line}: {source} keeps one graph of {count:,} repetitions alive, {format_bytes(size)}"
        )
    return MemoryHint(f"{keeps}: {_advice(added, backwards)}", line, size, count, line)


def _accumulation(statement: ast.stmt | None) -> tuple[str | None, str | None]:
    """Of ``total += loss`` and ``total = total + loss``: the name and what is added to it."""
    added: ast.expr | None = None
    name = None
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        name = ast.unparse(statement.target)
        added = statement.value
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        name = ast.unparse(statement.targets[0])
        value = statement.value
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            for own, other in ((value.left, value.right), (value.right, value.left)):
                if ast.unparse(own) == name:
                    added = other
    return name, _operand(added) if added is not None else None


def _operand(expression: ast.expr) -> str:
    text = ast.unparse(expression)
    if len(text) > _LONGEST:
        return "the result"
    return text if isinstance(expression, ast.Name | ast.Call | ast.Attribute) else f"({text})"


def _list_hint(chain: Chain, line: Line, count: int, size: int, backwards: bool) -> MemoryHint:
    variable = chain.variable
    place = _insertion(chain, variable, line)
    if place is not None:
        where, source, item = place
        text = f"{where}: {source} keeps the graph of every step alive {_amount(count, size)}"
        return MemoryHint(f"{text}: {_advice(item, backwards)}", where, size, count, line)
    holder = " → ".join(link.text for link in chain)
    text = (
        f"{holder} holds {count:,} results of {line} ({line.text}), each with its graph, "
        f"{format_bytes(size)}: {_advice('the result', backwards).replace('use ', 'put in ', 1)}"
    )
    return MemoryHint(text, line, size, count, line)


def _insertion(chain: Chain, variable: Variable | None, made: Line) -> tuple[Line, str, str] | None:
    """The statement that puts results into a container: its line, source and the item's text."""
    if variable is None:
        return None
    names = {variable.name}
    last = chain[-1].text if chain else ""
    if chain and chain[-1].kind == "container":
        names |= {part.split("[")[0] for part in last.split(".")[1:]}
        names |= {part.split("'")[0] for part in last.split("['")[1:]}
    places = [(variable.file, variable.first_line if variable.function else None)]
    places.append((made.file, None))
    for file, first_line in places:
        if file is None:
            continue
        for node in statements(file, first_line):
            item = _inserted(node, names)
            if item is not None:
                where = Line(file, node.lineno, made.function)
                return where, where.text, _operand(item)
    return None


def _inserted(node: Any, names: set[str]) -> ast.expr | None:
    """What a statement adds to a container of one of these names."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        if node.func.attr in ("append", "appendleft", "add") and _tail(node.func.value) in names:
            return node.args[0]
        if node.func.attr == "insert" and _tail(node.func.value) in names:
            return node.args[-1]
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        return node.value if _tail(node.targets[0].value) in names else None
    if (
        isinstance(node, ast.AugAssign)
        and _tail(node.target) in names
        and isinstance(node.value, ast.List | ast.Tuple)
        and len(node.value.elts) == 1
    ):
        return node.value.elts[0]
    return None


def _tail(expression: ast.expr) -> str | None:
    """``history`` of ``self.history``, ``losses`` of ``log["losses"]``."""
    if isinstance(expression, ast.Name):
        return expression.id
    if isinstance(expression, ast.Attribute):
        return expression.attr
    if isinstance(expression, ast.Subscript) and isinstance(expression.slice, ast.Constant):
        return str(expression.slice.value)
    return None


def notes(report: MemoryReport) -> tuple[str, ...]:
    """What else is worth knowing: cycles, errors that are remembered, worker processes."""
    found = []
    for number, size, tensors in report._snapshot.roots():
        if not tensors:
            continue
        amount = f"{format_bytes(size)} in {tensors:,} tensor{'s' if tensors > 1 else ''}"
        if number == -2:
            found.append(f"{amount} is held by reference cycles only: gc.collect() frees it")
        elif number == -1 and size >= 1 << 20:
            found.append(f"{amount} is held by native code or the interpreter itself")
        elif number >= 0 and report._roots[number][0] == "exception":
            _, place, name = report._roots[number]
            if place == "being handled":
                found.append(f"{amount} is held by the traceback of the {name} being handled")
            else:
                found.append(
                    f"{amount} is held by the traceback of the last error, a {name} in {place}"
                )
    history = [g for g in report.groups[:50] if _in_history(report, g)]
    if history:
        size = sum(group.bytes for group in history)
        found.append(
            f"{format_bytes(size)} is held by the session's history of outputs (_, Out): "
            "%reset out, or end lines with a semicolon"
        )
    processes = sys.modules.get("multiprocessing.process")
    # active_children() would wait for those that have ended.
    workers = len(getattr(processes, "_children", ()))
    if workers:
        plural = "es" if workers > 1 else ""
        found.append(f"the memory of {workers} worker process{plural} is not part of this report")
    return tuple(found)


def _in_history(report: MemoryReport, group: Any) -> bool:
    if group._example is None:
        return False
    variable = report._chain(group._example).variable
    if variable is None or variable.function is not None:
        return False
    name = variable.name
    return name in _HISTORY or (name.startswith("_") and name[1:].isdigit())
