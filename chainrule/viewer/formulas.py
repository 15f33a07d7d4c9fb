"""The local derivative as a formula in the user's names, from the derivative of the operator table.

``g·other`` at ``b = w1 * a`` reads ``a``: what stands beside the gradient, with the names of the
operands. Formulas that are more than arithmetic are left to their number.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import lru_cache

_GRADIENT = ("g", "grad")
_RESULT = ("y", "out", "result")
_PLAIN = str.maketrans({"·": "*", "×": "*", "−": "-", "⁄": "/", "²": "**2", "³": "**3"})
_OPERATORS: dict[type, tuple[str, int]] = {
    ast.Add: (" + ", 1),
    ast.Sub: (" − ", 1),
    ast.Mult: ("·", 2),
    ast.Div: ("/", 2),
}


class _NotArithmetic(Exception):
    """The formula has no short form."""


def local_derivative(formula: str | None, name_of: Callable[[str], str | None]) -> str | None:
    """What ``formula`` multiplies the arriving gradient with, in the user's names.

    Args:
        formula: such as ``g·other``; ``g`` is the gradient, ``y`` the result.
        name_of: the user's name for an input of the formula (``"y"`` for the result), None if it
            has none.

    Returns None where there is no short formula.
    """
    if not formula:
        return None
    try:
        rest = _factor_of(formula)
        return "1" if rest is None else _written(rest, name_of)[0]
    except (SyntaxError, _NotArithmetic, RecursionError):
        return None


@lru_cache(maxsize=1024)
def _factor_of(formula: str) -> ast.expr | None:
    return _without_gradient(ast.parse(formula.translate(_PLAIN), mode="eval").body)


def _without_gradient(tree: ast.expr) -> ast.expr | None:
    """The factor beside the gradient; None where it stands alone."""
    if isinstance(tree, ast.Name) and tree.id in _GRADIENT:
        return None
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        inner = _without_gradient(tree.operand)
        return ast.UnaryOp(ast.USub(), ast.Constant(1) if inner is None else inner)
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mult):
        if _has_gradient(tree.left):
            inner = _without_gradient(tree.left)
            if isinstance(inner, ast.UnaryOp) and _is_one(inner.operand):
                return ast.UnaryOp(ast.USub(), tree.right)
            return tree.right if inner is None else ast.BinOp(inner, ast.Mult(), tree.right)
        inner = _without_gradient(tree.right)
        return tree.left if inner is None else ast.BinOp(tree.left, ast.Mult(), inner)
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div) and _has_gradient(tree.left):
        inner = _without_gradient(tree.left)
        return ast.BinOp(ast.Constant(1) if inner is None else inner, ast.Div(), tree.right)
    raise _NotArithmetic


def _has_gradient(tree: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and n.id in _GRADIENT for n in ast.walk(tree))


def _is_one(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant) and tree.value == 1


def _written(tree: ast.expr, name_of: Callable[[str], str | None]) -> tuple[str, int]:
    """The text of a formula and how tightly it binds: 1 sum, 2 product, 3 power, 4 name."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float):
        return f"{tree.value:g}", 4
    if isinstance(tree, ast.Name):
        if tree.id in _GRADIENT:
            raise _NotArithmetic
        name = name_of("y" if tree.id in _RESULT else tree.id)
        if name is None or len(name) > 24:
            raise _NotArithmetic
        simple = name.replace(".", "").replace("_", "").replace("#", "").isalnum()
        return (name, 4) if simple else (f"({name})", 4)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        text, binds = _written(tree.operand, name_of)
        return (f"−{text}" if binds >= 2 else f"−({text})"), 2
    if isinstance(tree, ast.BinOp):
        if isinstance(tree.op, ast.Pow):
            return _power(tree, name_of), 3
        if type(tree.op) in _OPERATORS:
            sign, strength = _OPERATORS[type(tree.op)]
            left, left_binds = _written(tree.left, name_of)
            right, right_binds = _written(tree.right, name_of)
            if left == right and isinstance(tree.op, ast.Mult) and right_binds == 4:
                return f"{left}²", 3
            if left_binds < strength:
                left = f"({left})"
            if right_binds < strength or (right_binds == strength and sign in (" − ", "/")):
                right = f"({right})"
            return left + sign + right, strength
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and len(tree.args) == 1:
        inside, _ = _written(tree.args[0], name_of)
        while inside.startswith("(") and inside.endswith(")") and _closes_last(inside):
            inside = inside[1:-1]
        return f"{tree.func.id}({inside})", 4
    raise _NotArithmetic


def _closes_last(text: str) -> bool:
    """Whether the bracket that opens ``text`` is closed by its last character."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return position == len(text) - 1
    return False


def _power(tree: ast.BinOp, name_of: Callable[[str], str | None]) -> str:
    base, binds = _written(tree.left, name_of)
    exponent, _ = _written(tree.right, name_of)
    base = base if binds == 4 else f"({base})"
    if exponent in ("2", "3"):
        return base + "²³"[int(exponent) - 2]
    return f"{base}^{exponent}" if exponent.isalnum() else f"{base}^({exponent})"
