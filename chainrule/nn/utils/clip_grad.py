"""Limits on gradients."""

from __future__ import annotations

import math

import chainrule
from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from chainrule import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _as_list(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, _C.Tensor) else list(tensors)


def _gradients(parameters: Any) -> list[Any]:
    return [p.grad for p in _as_list(parameters) if p.grad is not None]


def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The ``norm_type``-norm of all elements of the tensors together, a 0-d tensor.

    ``foreach`` chooses an implementation in torch and has no effect here. Raises RuntimeError for a
    norm that is not finite if ``error_if_nonfinite``.
    """
    tensors = _as_list(tensors)
    if not tensors:
        return chainrule.tensor(0.0)
    norm_type = float(norm_type)
    if len(tensors) == 1 and norm_type != 0:  # order 0 counts the norms that are not 0
        total = _norm(tensors[0], norm_type)
    else:
        total = _norm(chainrule.stack([_norm(t, norm_type) for t in tensors]), norm_type)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is "
            "non-finite, so it cannot be clipped. To disable this error and scale the gradients by "
            "the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def _norm(tensor: Any, order: float) -> Any:
    if order == 2:
        return (tensor * tensor).sum().sqrt()
    magnitude = tensor.abs()
    if order == math.inf:
        return magnitude.max()
    if order == -math.inf:
        return magnitude.min()
    if order == 1:
        return magnitude.sum()
    if order == 0:
        return (tensor != 0).sum().to(tensor.dtype)
    return magnitude.pow(order).sum().pow(1.0 / order)


def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients by ``max_norm / total_norm`` where that is below 1, in place."""
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    with chainrule.no_grad():
        for grad in _gradients(parameters):
            grad.mul_(factor)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale gradients in place so that their joint norm is at most ``max_norm``.

    Returns the norm before, a 0-d tensor. See :func:`get_total_norm` for the other arguments.
    """
    parameters = _as_list(parameters)
    with chainrule.no_grad():
        total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
        clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Cut every gradient to ``[-clip_value, clip_value]``, in place."""
    limit = float(clip_value)
    with chainrule.no_grad():
        for grad in _gradients(parameters):
            grad.clamp_(-limit, limit)
