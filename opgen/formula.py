"""Turns a row's formulas (Python expressions) into C++.

Two targets: `scalar` for the loops of pointwise operators (values of type T) and `value` for the
differentiable form (tensors and numbers).
"""

from __future__ import annotations

import ast

BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARE = {
    ast.Lt: ("<", "lt"),
    ast.LtE: ("<=", "le"),
    ast.Gt: (">", "gt"),
    ast.GtE: (">=", "ge"),
    ast.Eq: ("==", "eq"),
    ast.NotEq: ("!=", "ne"),
}
CONSTANTS = {
    "PI": "3.14159265358979323846",
    "INF": "std::numeric_limits<double>::infinity()",
    "NAN": "std::numeric_limits<double>::quiet_NaN()",
    "SQRT_HALF": "0.70710678118654752440",
    "TWO_OVER_SQRT_PI": "1.12837916709551257390",
    "ONE_OVER_SQRT_2PI": "0.39894228040143267794",
    "LOG2E": "1.44269504088896340736",
    "LOG10E": "0.43429448190325182765",
    "LN2": "0.69314718055994530942",
    "LN10": "2.30258509299404568402",
}


class FormulaError(Exception):
    pass


def names(text: str | None) -> set[str]:
    """Variables that a formula reads; `x.shape` counts as the name `x.shape`, not `x`."""
    if text is None:
        return set()
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_Attribute(self, node: ast.Attribute) -> None:
            if isinstance(node.value, ast.Name):
                found.add(f"{node.value.id}.{node.attr}")
            else:
                self.generic_visit(node)

        def visit_Call(self, node: ast.Call) -> None:
            for a in node.args:
                self.visit(a)

        def visit_Name(self, node: ast.Name) -> None:
            found.add(node.id)

    Visitor().visit(ast.parse(text, mode="eval"))
    return found


def _number(node: ast.Constant) -> str:
    return f'"{node.value}"' if isinstance(node.value, str) else repr(node.value)


def scalar(text: str, params: set[str]) -> str:
    """C++ expression over values of type T; `params` are members of the functor."""

    def emit(node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            if isinstance(node.value, bool):
                return "true" if node.value else "false"
            return f"T({_number(node)})"
        if isinstance(node, ast.Name):
            if node.id in CONSTANTS:
                return f"T({CONSTANTS[node.id]})"
            return node.id
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return f"(!{emit(node.operand)})"
            if isinstance(node.op, ast.Invert):
                return f"inverted_bits({emit(node.operand)})"
            return f"(-{emit(node.operand)})"
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Pow):
                if isinstance(node.right, ast.Constant) and node.right.value == 2:
                    x = emit(node.left)
                    return f"({x} * {x})"
                return f"pow({emit(node.left)}, {emit(node.right)})"
            if isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
                sign = {ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^"}[type(node.op)]
                return f"({emit(node.left)} {sign} {emit(node.right)})"
            return f"({emit(node.left)} {BINARY[type(node.op)]} {emit(node.right)})"
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sign = COMPARE[type(node.ops[0])][0]
            return f"({emit(node.left)} {sign} {emit(node.comparators[0])})"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            args = [emit(a) for a in node.args]
            if node.func.id == "where":
                return f"(({args[0]}) ? ({args[1]}) : ({args[2]}))"
            return f"{node.func.id}({', '.join(args)})"
        raise FormulaError(f"a scalar formula cannot contain {ast.unparse(node)!r}")

    return emit(ast.parse(text, mode="eval").body)


def value(text: str, rename: dict[str, str]) -> str:
    """C++ expression over `Value` (tensors and numbers), recorded operator by operator."""

    def emit(node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            if node.value is None:
                return "std::nullopt"
            if isinstance(node.value, bool):
                return "true" if node.value else "false"
            return _number(node)
        if isinstance(node, ast.Name):
            if node.id in CONSTANTS:
                return CONSTANTS[node.id]
            return rename.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return rename.get(f"{node.value.id}.{node.attr}", f"{node.value.id}_{node.attr}")
        if isinstance(node, ast.Subscript):
            return f"{emit(node.value)}[{emit(node.slice)}]"
        if isinstance(node, ast.List):
            return "Dims{" + ", ".join(emit(e) for e in node.elts) + "}"
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return f"(!{emit(node.operand)})"
            if isinstance(node.operand, ast.Constant):
                return f"(-{emit(node.operand)})"
            return f"(-Value({emit(node.operand)}))"
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Pow):
                if isinstance(node.right, ast.Constant) and node.right.value == 2:
                    return f"value_ops::square({emit(node.left)})"
                return f"value_ops::_pow({emit(node.left)}, {emit(node.right)})"
            if isinstance(node.op, ast.BitAnd):
                return f"value_ops::logical_and({emit(node.left)}, {emit(node.right)})"
            if isinstance(node.op, ast.BitOr):
                return f"value_ops::logical_or({emit(node.left)}, {emit(node.right)})"
            sign = BINARY[type(node.op)]
            return f"(Value({emit(node.left)}) {sign} Value({emit(node.right)}))"
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            name = COMPARE[type(node.ops[0])][1]
            return f"value_ops::{name}({emit(node.left)}, {emit(node.comparators[0])})"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            args = ", ".join(emit(a) for a in node.args)
            return f"{rename.get(node.func.id + '()', node.func.id)}({args})"
        raise FormulaError(f"a formula cannot contain {ast.unparse(node)!r}")

    return emit(ast.parse(text, mode="eval").body)


def calls(text: str) -> set[str]:
    """Names of the functions that a formula calls."""
    return {
        n.func.id
        for n in ast.walk(ast.parse(text, mode="eval"))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
