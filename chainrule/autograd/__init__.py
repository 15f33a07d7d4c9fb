"""Derivatives of recorded operations: ``backward``, ``grad``, and the tools around them."""

from __future__ import annotations

import chainrule
from chainrule import _C
from chainrule._C import Tensor

from . import anomaly_mode, forward_ad, functional, graph
from .anomaly import AnomalyError, anomaly
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .function import Function
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .gradcheck import gradcheck, gradgradcheck
from .observe import ObservedOperator, observe
from .variable import Variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from chainrule.graph.stats import graph_stats

    from . import profiler
    from .profiler import profile

    Tensors = Tensor | Sequence[Tensor]
    Cotangents = Tensor | Sequence[Tensor | None] | None

__all__ = [
    "AnomalyError",
    "Function",
    "ObservedOperator",
    "Variable",
    "anomaly",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "graph_stats",
    "inference_mode",
    "no_grad",
    "observe",
    "profile",
    "profiler",
    "set_detect_anomaly",
    "set_grad_enabled",
]

# Names whose module is not worth loading before they are used; "" for modules.
_LAZY = {
    "graph_stats": "chainrule.graph.stats",
    "profile": "chainrule.autograd.profiler",
    "profiler": "",
    "profiler_util": "",
}


def __getattr__(name: str) -> Any:
    home = _LAZY.get(name)
    if home is None:
        from chainrule._missing import missing_attribute

        raise missing_attribute(__name__, name)
    module = __import__(home or f"{__name__}.{name}", fromlist=("*",))
    found = getattr(module, name) if home else module
    globals()[name] = found
    return found


def _sequence(values: Tensors | None) -> tuple[Tensor, ...]:
    """A tensor or a sequence of tensors as a tuple."""
    if values is None:
        return ()
    items: tuple[Any, ...]
    items = (values,) if isinstance(values, Tensor | graph.GradientEdge) else tuple(values)
    if any(isinstance(item, graph.GradientEdge) for item in items):
        raise NotImplementedError(
            "a GradientEdge in place of a tensor is not available in Chainrule: give the tensor"
        )
    return items


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
        True,  # accumulate
        True,  # allow_unused
        False,  # materialize
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
        RuntimeError: an input is unused (and not allowed to be), no inputs are given, or as
            `backward` raises.
        ValueError: the arguments contradict each other.
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
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    unused = materialize_grads if allow_unused is None else allow_unused
    retain = create_graph if retain_graph is None else retain_graph
    cotangents = _cotangents(grad_outputs, len(roots))
    if is_grads_batched:
        return _batched_grad(
            roots, leaves, cotangents, retain, create_graph, unused, materialize_grads
        )
    results: tuple[Tensor, ...] = _C._run_backward(
        roots, cotangents, retain, create_graph, leaves, False, unused, materialize_grads
    )
    return results


def _batched_grad(
    roots: tuple[Tensor, ...],
    leaves: tuple[Tensor, ...],
    cotangents: tuple[Tensor | None, ...],
    retain: bool,
    create_graph: bool,
    unused: bool,
    materialize: bool,
) -> tuple[Tensor, ...]:
    """One backward pass for each index of the leading dimension of the cotangents."""
    batches = [c for c in cotangents if c is not None and c.dim() > 0]
    sizes = {batch.shape[0] for batch in batches}
    if len(batches) != len(cotangents) or len(sizes) != 1 or 0 in sizes:
        raise RuntimeError(
            "is_grads_batched=True needs a gradient for every output, all with the same leading "
            "dimension of at least 1"
        )
    (count,) = sizes
    rows: list[tuple[Any, ...]] = []
    for i in range(count):
        row = tuple(batch[i] for batch in batches)
        keep = retain or i + 1 < count
        rows.append(
            _C._run_backward(roots, row, keep, create_graph, leaves, False, unused, materialize)
        )
    columns: tuple[Any, ...] = tuple(zip(*rows, strict=True))
    return tuple(c[0] if c[0] is None else chainrule.stack(c) for c in columns)  # type: ignore[misc]
