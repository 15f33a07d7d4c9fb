"""Derivatives of recorded operations: ``backward``, ``grad``, and the tools around them."""

from __future__ import annotations

import chainrule
from chainrule import _C
from chainrule._C import Tensor

from . import forward_ad, functional, graph
from .function import Function
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .gradcheck import gradcheck, gradgradcheck
from .variable import Variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Tensors = Tensor | graph.GradientEdge | Sequence[Tensor | graph.GradientEdge]
    Cotangents = Tensor | Sequence[Tensor | None] | None

__all__ = [
    "Function",
    "Variable",
    "backward",
    "enable_grad",
    "forward_ad",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]


def _sequence(values: Tensors | None) -> tuple[Tensor | graph.GradientEdge, ...]:
    """A tensor, a gradient edge or a sequence of them as a tuple."""
    if values is None:
        return ()
    if isinstance(values, Tensor | graph.GradientEdge):
        return (values,)
    return tuple(values)


def _cotangents(grads: Cotangents, count: int) -> tuple[Tensor | None, ...]:
    """One incoming gradient, or None, for each of `count` outputs."""
    if grads is None:
        return (None,) * count
    items = (grads,) if isinstance(grads, Tensor) else tuple(grads)
    if len(items) != count:
        raise RuntimeError(
            f"got {count} tensors and {len(items)} gradients: give one gradient, or None, "
            "for each tensor"
        )
    return items


def backward(
    tensors: Tensors,
    grad_tensors: Cotangents = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Cotangents = None,
    inputs: Tensors | None = None,
) -> None:
    """Add the gradients of `tensors` to the ``.grad`` of the leaves they were computed from.

    Args:
        tensors: what is differentiated: a tensor or a sequence of tensors.
        grad_tensors: the incoming gradient of each, of its shape; None for a tensor of one
            element means 1.
        retain_graph: keep the graph for a further pass; defaults to `create_graph`.
        create_graph: record the pass itself, for derivatives of higher order.
        grad_variables: the old name of `grad_tensors`.
        inputs: add gradients to these tensors only.

    Raises:
        RuntimeError: a tensor of several elements comes without a gradient, requires no
            gradient, or its graph was already freed.
    """
    if grad_variables is not None:
        import warnings

        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "backward(). Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    wanted = _sequence(inputs)
    if inputs is not None and not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    roots = _sequence(tensors)
    _C._run_backward(
        roots,
        _cotangents(grad_tensors, len(roots)),
        create_graph if retain_graph is None else retain_graph,
        create_graph,
        wanted,
        True,
        True,
    )


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Cotangents = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of `outputs` with respect to `inputs`, without touching any ``.grad``.

    Args:
        outputs: what is differentiated: a tensor or a sequence of tensors.
        inputs: the tensors to differentiate with respect to.
        grad_outputs: the incoming gradient of each output, of its shape; None for an output
            of one element means 1. The result is the sum of all vector-Jacobian products.
        retain_graph: keep the graph for a further pass; defaults to `create_graph`.
        create_graph: record the pass itself, for derivatives of higher order.
        only_inputs: obsolete and always True.
        allow_unused: None instead of an error for an input on which no output depends.
        is_grads_batched: each of `grad_outputs` has one more leading dimension, and so have
            the results: one pass for each index of that dimension.
        materialize_grads: zeros instead of None for an input on which no output depends.

    Returns:
        A tuple with one tensor of the shape of each input.

    Raises:
        RuntimeError: an input is unused (and not allowed to be), or as `backward` raises.
        ValueError: no inputs are given, or the arguments contradict each other.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False."
        )
    if not only_inputs:
        import warnings

        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use "
            "torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    roots, leaves = _sequence(outputs), _sequence(inputs)
    if not leaves:
        raise ValueError("grad requires non-empty inputs.")
    unused = materialize_grads if allow_unused is None else allow_unused
    retain = create_graph if retain_graph is None else retain_graph
    cotangents = _cotangents(grad_outputs, len(roots))
    if is_grads_batched:
        results = _batched_grad(roots, leaves, cotangents, retain, create_graph, unused)
    else:
        results = _C._run_backward(roots, cotangents, retain, create_graph, leaves, unused, False)
    if materialize_grads:
        results = tuple(
            chainrule.zeros_like(leaf) if result is None else result
            for leaf, result in zip(leaves, results, strict=True)
        )
    return results


def _batched_grad(
    roots: tuple[Tensor, ...],
    leaves: tuple[Tensor, ...],
    cotangents: tuple[Tensor | None, ...],
    retain: bool,
    create_graph: bool,
    unused: bool,
) -> tuple[Tensor | None, ...]:
    """One backward pass for each index of the leading dimension of the cotangents."""
    sizes = {None if c is None else c.shape[0] if c.dim() else None for c in cotangents}
    if len(sizes) != 1 or None in sizes:
        raise RuntimeError(
            "is_grads_batched=True needs a gradient for every output, all with the same "
            "leading dimension"
        )
    (count,) = sizes
    if count == 0:
        raise RuntimeError("is_grads_batched=True needs at least one gradient in the batch")
    rows = []
    for i in range(count):
        row = tuple(c[i] for c in cotangents)
        keep = retain or i + 1 < count
        rows.append(_C._run_backward(roots, row, keep, create_graph, leaves, unused, False))
    return tuple(
        None if column[0] is None else chainrule.stack(column) for column in zip(*rows, strict=True)
    )
