"""How pictures write operators."""

from __future__ import annotations

from functools import cache

__all__ = ["operator_of", "symbol_of"]

_SYMBOLS = {
    "add": "+",
    "sub": "−",
    "rsub": "−",
    "mul": "×",
    "div": "÷",
    "neg": "−",
    "mm": "@",
    "bmm": "@",
    "mv": "@",
    "dot": "·",
    "matmul": "@",
    "addmm": "@+",
    "addmv": "@+",
    "baddbmm": "@+",
    "linear": "@+",
    "sum": "Σ",
    "prod": "Π",
    "sqrt": "√",
    "pow": "xⁿ",
    "square": "x²",
    "abs": "|x|",
    "t": "ᵀ",
    "transpose": "ᵀ",
    "sigmoid": "σ",
}


@cache
def operator_of(node_name: str) -> str:
    """``"LogSoftmaxBackward0"`` → ``"log_softmax"``; a custom Function keeps its name."""
    name, mark, number = node_name.rpartition("Backward")
    if not mark or (number and not number.isdigit()):
        return node_name
    if not number:  # of a class that the user wrote
        return name
    out = []
    for i, letter in enumerate(name):
        if letter.isupper() and i > 0 and (name[i - 1].islower() or name[i - 1].isdigit()):
            out.append("_")
        out.append(letter.lower())
    return "".join(out)


def symbol_of(operator: str) -> str:
    """What stands in the box: a sign where mathematics has one, else the operator's name."""
    return _SYMBOLS.get(operator, operator)
