"""Names of events as torch's profiler writes them, and what operators compute."""

from __future__ import annotations

from math import prod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Shapes = list[list[int]]

# Operators that no program calls by name, under the name of what they are part of.
_SHOWN = {
    "_mm_rows": "mm",
    "_mm_cross": "mm",
    "_to_dtype": "_to_copy",
    "_permute_back": "permute",
    "_roll_back": "roll",
    "_trace_back": "trace_backward",
    "_restride": "as_strided",
    "_dual_view": "alias",
    "_cumsum_reversed": "cumsum",
    "_embedding_rows": "embedding",
    "_embedding_adjoint": "embedding_dense_backward",
    "_nll_scatter": "nll_loss_backward",
    "_nonzero_tuple": "nonzero_numpy",
    "_repeat_positions": "repeat_interleave",
    "_softmax_backward": "_softmax_backward_data",
    "_log_softmax_backward": "_log_softmax_backward_data",
    "sgd_step_": "_fused_sgd_",
    "adam_step_": "_fused_adam_",
}
_CLASSES = ("AccumulateGrad", "CopySlices")  # nodes that torch writes with their namespace


def operator_name(name: str) -> str:
    """``"aten::mul"`` for ``"mul"``."""
    shown = _SHOWN.get(name)
    if shown is None:
        shown = name
        if name.endswith("_adjoint"):
            shown = name.removesuffix("_adjoint") + "_backward"
        if shown.startswith("_") and not shown.startswith("__"):
            shown = shown[1:]
    return "aten::" + shown


def event_name(name: str, kind: str) -> str:
    """The name of an event: `name` as the core has it."""
    if kind == "operator":
        return operator_name(name)
    if kind in ("node", "evaluate"):
        shown = f"torch::autograd::{name}" if name in _CLASSES else name
        return shown if kind == "node" else f"autograd::engine::evaluate_function: {shown}"
    return name


def _product(shapes: Shapes) -> int:
    """Of two matrices, or two batches of them: a multiplication and an addition per term."""
    return 2 * prod(shapes[0]) * shapes[1][-1]


def _elements(shapes: Shapes) -> int:
    """One operation per element of the result, the inputs broadcast to each other."""
    rank = max(map(len, shapes))
    padded = [[1] * (rank - len(shape)) + shape for shape in shapes]
    return prod(0 if 0 in sizes else max(sizes) for sizes in zip(*padded, strict=True))


_FLOPS: dict[str, Callable[[Shapes], int]] = {
    "aten::mm": _product,
    "aten::bmm": _product,
    "aten::addmm": lambda shapes: _product(shapes[1:]),
    "aten::baddbmm": lambda shapes: _product(shapes[1:]),
    "aten::linear": lambda shapes: 2 * prod(shapes[0]) * shapes[1][0],
    "aten::mul": _elements,
    "aten::add": _elements,
}


def flops(name: str, shapes: Shapes) -> int:
    """Floating-point operations of a call by its name and input shapes; 0 where no formula is."""
    formula = _FLOPS.get(name)
    if formula is None or not shapes:
        return 0
    try:
        return formula(shapes)
    except IndexError:  # an argument was a number
        return 0
