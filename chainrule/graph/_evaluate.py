"""Computes an operator's result again from its operands, where node and operands determine it."""

from __future__ import annotations

import ast

import chainrule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from chainrule import Tensor
    from chainrule.graph.model import Node

__all__ = ["evaluate"]

# Functions of one tensor and nothing else.
# fmt: off
_UNARY = frozenset((
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "erfc",
    "exp", "exp2", "expm1", "floor", "log", "log10", "log1p", "log2", "neg", "reciprocal", "relu",
    "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square", "t", "tan", "tanh",
    "trunc",
))
# Functions of two tensors (or a tensor and a number) and nothing else.
_BINARY = frozenset((
    "atan2", "div", "dot", "floor_divide", "maximum", "minimum", "mm", "mul", "mv", "pow",
    "remainder", "rsub",
))
# fmt: on
_MISSING = object()


def evaluate(node: Node, operands: dict[int, Tensor]) -> Tensor | None:
    """The result of a node's operator, or None where it does not follow.

    Only deterministic operators without side effects run, and only if all that they were called
    with is known: tensors as `operands` by position of the input, numbers from what the node
    saved or from the expression in the source, as in ``10 - d``.
    """
    name = node.operator
    try:
        if name in _UNARY:
            return _function(name)(operands[0])
        if name in _BINARY:
            return _binary(name, node, operands)
        if name in _OTHERS:
            return _OTHERS[name](node, operands)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError):
        # Called in a form that this table does not know.
        return None
    return None


def _function(name: str) -> Callable[..., Tensor]:
    found: Callable[..., Tensor] = getattr(chainrule, name)
    return found


def _saved(node: Node, name: str) -> Any:
    """A number that the node saved; an error if it has none of that name."""
    value = getattr(node.grad_fn, f"_saved_{name}", _MISSING)
    if not isinstance(value, int | float):
        raise KeyError(name)
    return value


def _operand(node: Node, operands: dict[int, Tensor], position: int) -> Any:
    """A tensor, or the number that stood in its place."""
    if position in operands:
        return operands[position]
    try:
        return _saved(node, str(node.input_names[position]))
    except KeyError:
        return _literal(node, position)


def _literal(node: Node, position: int) -> Any:
    """The number in an expression such as ``x + 2``, which no derivative needs."""
    place = node.location
    if place is None or not place.is_binary:
        raise KeyError(position)
    tree = ast.parse(place.expression, mode="eval").body
    if not isinstance(tree, ast.BinOp):
        raise KeyError(position)
    sides = [side for side in (tree.left, tree.right) if isinstance(side, ast.Constant)]
    if len(sides) != 1 or not isinstance(sides[0].value, int | float):
        raise KeyError(position)
    return sides[0].value


def _binary(name: str, node: Node, operands: dict[int, Tensor]) -> Tensor:
    first = _operand(node, operands, 0)
    if name == "rsub":
        other = _literal(node, 1) if 1 not in operands else operands[1]
        return other - first
    if name == "pow" and len(node.input_names) == 1:
        return first * first  # the node of x ** 2
    second = _operand(node, operands, 1)
    return _function(name)(first, second)


def _add(node: Node, operands: dict[int, Tensor]) -> Tensor:
    alpha = getattr(node.grad_fn, "_saved_alpha", 1)
    first, second = _operand(node, operands, 0), _operand(node, operands, 1)
    return first + second if alpha == 1 else first + alpha * second


def _sub(node: Node, operands: dict[int, Tensor]) -> Tensor:
    alpha = getattr(node.grad_fn, "_saved_alpha", 1)
    first, second = _operand(node, operands, 0), _operand(node, operands, 1)
    return first - second if alpha == 1 else first - alpha * second


def _addmm(node: Node, operands: dict[int, Tensor]) -> Tensor:
    if node.input_names == ("input", "weight", "bias"):
        return chainrule.nn.functional.linear(operands[0], operands[1], operands[2])
    if _saved(node, "alpha") != 1 or _saved(node, "beta") != 1:
        raise KeyError("alpha")
    return chainrule.addmm(operands[0], operands[1], operands[2])


def _bmm(node: Node, operands: dict[int, Tensor]) -> Tensor:
    # Any number of leading dimensions; the flags say what is read transposed.
    first, second = operands[0], operands[1]
    if _saved(node, "transposed"):
        first = first.transpose(-2, -1)
    if _saved(node, "transposed2"):
        second = second.transpose(-2, -1)
    return first @ second


def _total(node: Node, operands: dict[int, Tensor]) -> Tensor:
    """A sum or mean, over everything where the node has no dimensions to say."""
    function = _function(node.operator)
    dims = getattr(node.grad_fn, "_saved_dim", ())
    if isinstance(dims, tuple) and dims:
        return function(operands[0], dims, bool(_saved(node, "keepdim")))
    if node.shape:
        raise KeyError("dim")
    return function(operands[0])


def _reshaped(node: Node, operands: dict[int, Tensor]) -> Tensor:
    return operands[0].reshape(node.shape)


_OTHERS: dict[str, Callable[[Any, dict[int, Any]], Any]] = {
    "add": _add,
    "sub": _sub,
    "addmm": _addmm,
    "bmm": _bmm,
    "embedding": lambda node, operands: chainrule.nn.functional.embedding(operands[1], operands[0]),
    "sum": _total,
    "mean": _total,
    "view": _reshaped,
    "reshape": _reshaped,
    "squeeze": _reshaped,
    "unsqueeze": _reshaped,
    "expand": lambda node, operands: operands[0].expand(node.shape),
    "clone": lambda node, operands: operands[0],
    "gelu_erf": lambda node, operands: chainrule.nn.functional.gelu(operands[0]),
    "where": lambda node, operands: chainrule.where(operands[0], operands[1], operands[2]),
    "softmax": lambda node, operands: operands[0].softmax(_saved(node, "dim")),
    "log_softmax": lambda node, operands: operands[0].log_softmax(_saved(node, "dim")),
    "transpose": lambda node, operands: operands[0].transpose(
        _saved(node, "dim0"), _saved(node, "dim1")
    ),
    "select": lambda node, operands: operands[0].select(_saved(node, "dim"), _saved(node, "index")),
}
