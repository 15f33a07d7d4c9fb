"""Derivative formulas for people: what error messages, pages and pictures show.

The gradient that arrives is `g`, the result `y`; other names are those of the operator's row.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

SIGNS = {
    ast.Add: (" + ", 1), ast.Sub: (" − ", 1), ast.Mult: ("·", 2), ast.Div: (" / ", 2),
    ast.BitOr: (" or ", 0), ast.BitAnd: (" and ", 0),
}  # fmt: skip
COMPARISONS = {
    ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥", ast.Eq: "=", ast.NotEq: "≠",
}  # fmt: skip
NAMES = {
    "grad": "g", "grads": "g", "grad_output": "g", "grad_values": "g", "out": "y",
    "PI": "π", "LN2": "ln 2", "LN10": "ln 10", "SQRT_HALF": "√½",
    "TWO_OVER_SQRT_PI": "(2/√π)", "ONE_OVER_SQRT_2PI": "(1/√(2π))",
}  # fmt: skip
SUPERSCRIPTS = {"2": "²", "3": "³"}
ATOM = 4  # binds tighter than every sign


def _transposed(matrix: str, flag: str) -> str:
    return {"True": f"{matrix}ᵀ", "False": matrix}.get(flag, f"{matrix}⁽ᵀ⁾")


def _product(a: str, b: str, a_flag: str, b_flag: str) -> str:
    return f"{_transposed(a, a_flag)} @ {_transposed(b, b_flag)}"


def _flipped(flag: str) -> str:
    return {"True": "False", "False": "True"}.get(flag, flag)


# Functions that only formulas use: how a mathematician would write what they compute. Precedence
# of the text, then the text from the arguments.
NOTATION: dict[str, tuple[int, Callable[..., str]]] = {
    "_mm_rows": (1, lambda a, b, flag: _product(a, b, "False", flag)),
    "_mm_cross": (1, lambda a, b: _product(a, b, "True", "False")),
    "_mm_rows_grad_mat2": (
        1, lambda g, a, flag: f"{g}ᵀ @ {a}" if flag == "True" else f"{a}ᵀ @ {g}"),
    "_bmm": (1, _product),
    "_bmm_grad_self": (1, lambda g, b, _, flag: _product(g, b, "False", _flipped(flag))),
    "_bmm_grad_mat2": (1, lambda g, a, flag, _: _product(a, g, _flipped(flag), "False")),
    "dot": (2, lambda a, b: f"{a}·{b}"),
    "mul": (2, lambda a, b: f"{a}·{b}"),
    "eq": (0, lambda a, b: f"[{a} = {b}]"),
    "square": (3, lambda a: f"{a}²"),
    "sqrt": (ATOM, lambda a: f"√{a}"),
    "rsqrt": (1, lambda a: f"1 / √{a}"),
    "abs": (ATOM, lambda a: f"|{a}|"),
    "sigmoid": (ATOM, lambda a: f"σ({a})"),
    "_pow": (3, lambda a, b: f"{a}^{b}"),
    "reciprocal": (2, lambda a: f"1 / {a}"),
    "expand_back": (ATOM, lambda g, *_: f"expand({g})"),
    "weigh_back": (2, lambda g, slope, *_: f"{g}·{slope}"),
    "folded_count": (ATOM, lambda *_: "n"),
    "prod_slope": (2, lambda x, y, *_: f"{y} / {x}"),
    "tie_share": (2, lambda x, y, *_: f"[{x} = {y}] / ties"),
    "place_along": (ATOM, lambda g, indices, *_: f"scatter({g}, {indices})"),
    "variance_slope": (2, lambda x, _, c: f"2·({x} − mean) / (n − {c})"),
    "deviation_slope": (2, lambda x, y, _, c, *__: f"({x} − mean) / ((n − {c})·{y})"),
    "softmax_of": (ATOM, lambda x, y, *_: f"exp({x} − {y})"),
    "norm_slope": (2, lambda x, y, p, *_: f"sign({x})·(|{x}| / {y})^({p} − 1)"),
    "cumprod_backward": (2, lambda g, x, y, *_: f"reverse_cumsum({g}·{y}) / {x}"),
    "sum_to_shape": (ATOM, lambda g, *_: f"sum({g})"),
    "reshape": (ATOM, lambda g, *_: f"reshape({g})"),
    "view": (ATOM, lambda g, *_: f"reshape({g})"),
    "_softmax_backward": (2, lambda g, y, *_: f"{y}·({g} − Σ {g}·{y})"),
    "_softmax_backward_grad_y": (2, lambda g, a, y, *_: f"{g}·({a} − Σ {a}·{y}) − {a}·Σ {g}·{y}"),
    "_log_softmax_backward": (1, lambda g, y, *_: f"{g} − exp({y})·Σ {g}"),
    "_log_softmax_adjoint": (1, lambda g, y, *_: f"{g} − Σ {g}·exp({y})"),
    "_nll_scatter": (2, lambda g, t, w, n, *_: f"−{g}·{w}[{t}] / {n} at {t}"),
    "_mse_grad_self": (2, lambda g, x, t, *_: f"2·({x} − {t})·{g} / n"),
    "_mse_grad_target": (2, lambda g, x, t, *_: f"2·({t} − {x})·{g} / n"),
    "_smooth_l1_grad_self": (2, lambda g, x, t, _, b: f"clip(({x} − {t}) / {b}, −1, 1)·{g} / n"),
    "_smooth_l1_grad_target": (2, lambda g, x, t, _, b: f"clip(({t} − {x}) / {b}, −1, 1)·{g} / n"),
    "_huber_grad_self": (2, lambda g, x, t, _, d: f"clip({x} − {t}, −{d}, {d})·{g} / n"),
    "_huber_grad_target": (2, lambda g, x, t, _, d: f"clip({t} − {x}, −{d}, {d})·{g} / n"),
    "_binary_cross_entropy_grad_self": (
        2, lambda g, x, t, *_: f"({x} − {t}) / ({x}·(1 − {x}))·{g} / n"),
    "_binary_cross_entropy_grad_target": (
        2, lambda g, x, t, *_: f"(log(1 − {x}) − log({x}))·{g} / n"),
    "_binary_cross_entropy_with_logits_grad_self": (
        2, lambda g, x, t, *_: f"(σ({x}) − {t})·{g} / n"),
    "_binary_cross_entropy_with_logits_grad_target": (2, lambda g, x, t, *_: f"−{x}·{g} / n"),
    "_layer_norm_grad_input": (
        2, lambda g, x, w, c, r, *_: f"{r}·(h − mean(h) − x̂·mean(h·x̂)), h = {g}·{w}"),
    "_layer_norm_grad_weight": (2, lambda g, x, c, r, *_: f"Σ {g}·({x} − {c})·{r}"),
    "_batch_norm_grad_input": (
        2, lambda g, x, w, c, r, *_: f"{r}·(h − mean(h) − x̂·mean(h·x̂)), h = {g}·{w}"),
    "_batch_norm_grad_weight": (2, lambda g, x, c, r, *_: f"Σ {g}·({x} − {c})·{r}"),
    "_channel_sums": (ATOM, lambda g: f"Σ {g}"),
    "_to_dtype": (ATOM, lambda g, *_: g),
    "_roll_back": (ATOM, lambda g, shifts, dims: f"roll({g}, −{shifts})"),
    "_permute_back": (ATOM, lambda g, *_: f"permute⁻¹({g})"),
    "_cumsum_reversed": (ATOM, lambda g, *_: f"reverse_cumsum({g})"),
    "_restride": (ATOM, lambda g, *_: f"as_stridedᵀ({g})"),
}  # fmt: skip


def mathematical(text: str) -> str:
    """A derivative formula as mathematics: ``grad * (1 - out ** 2)`` → ``g·(1 − y²)``."""
    tree = ast.parse(text, mode="eval").body
    for name in ast.walk(tree):  # of a derivative's own derivative, whose row has a `g` already
        if isinstance(name, ast.Name) and name.id == "g":
            text = re.sub(r"\bgrad\b", "v", text)
            tree = ast.parse(text, mode="eval").body
            break
    return _emit(tree)[1]


def literal(text: str) -> str:
    """The formula as mathematics, as a C++ string literal."""
    return '"' + mathematical(text).replace('"', '\\"') + '"'


def _emit(node: ast.expr) -> tuple[int, str]:
    """(precedence, text)"""
    if isinstance(node, ast.BinOp):
        return _binary(node)
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            return ATOM, f"not {_emit(node.operand)[1]}"
        return 2, f"−{_inside(node.operand, 2)}"
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sign = COMPARISONS[type(node.ops[0])]
        return 0, f"{_inside(node.left, 1)} {sign} {_inside(node.comparators[0], 1)}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node.func.id, node.args)
    if isinstance(node, ast.Name):
        return ATOM, NAMES.get(node.id, node.id)
    return ATOM, ast.unparse(node)


def _inside(node: ast.expr, least: int) -> str:
    precedence, text = _emit(node)
    return text if precedence >= least else f"({text})"


def _binary(node: ast.BinOp) -> tuple[int, str]:
    if isinstance(node.op, ast.Pow):
        base, exponent = _inside(node.left, ATOM), _emit(node.right)[1]
        if exponent in SUPERSCRIPTS:
            return 3, base + SUPERSCRIPTS[exponent]
        return 3, f"{base}^{_inside(node.right, ATOM)}"
    if isinstance(node.op, ast.Mult) and ast.dump(node.left) == ast.dump(node.right):
        return 3, f"{_inside(node.left, ATOM)}²"
    sign, precedence = SIGNS[type(node.op)]
    tighter = isinstance(node.op, ast.Sub | ast.Div)
    left = _inside(node.left, precedence)
    return precedence, left + sign + _inside(node.right, precedence + tighter)


def _call(name: str, args: list[ast.expr]) -> tuple[int, str]:
    if name == "where":
        condition, yes, no = (_emit(a)[1] for a in args)
        return 0, f"{yes} if {condition} else {no}"
    texts = [_emit(a)[1] for a in args]
    if name in NOTATION:
        precedence, write = NOTATION[name]
        if precedence not in (0, ATOM):  # signs bind the arguments: parentheses where needed
            texts = [_inside(a, ATOM) for a in args]
        return precedence, write(*texts)
    # The adjoint of a linear operation is written as its transpose.
    adjoint = re.fullmatch(r"_?(\w+?)_(adjoint|back)", name)
    title = f"{adjoint[1]}ᵀ" if adjoint else name.lstrip("_")
    kept = [t for t, a in zip(texts, args, strict=True) if not isinstance(a, ast.Attribute)]
    return ATOM, f"{title}({', '.join(kept)})"
