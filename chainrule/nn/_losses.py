"""Loss functions with torch's arguments; :mod:`chainrule.nn.functional` exports them.

The losses are operators of the core. ``reduction`` is "none" for one loss per element, "mean" or
"sum"; ``size_average`` and ``reduce`` are its deprecated form.
"""

from __future__ import annotations

import warnings

from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from chainrule import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "legacy_reduction",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def legacy_reduction(size_average: bool | None, reduce: bool | None) -> str:
    """The ``reduction`` that the deprecated pair of flags stood for."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    reduction = ("mean" if size_average else "sum") if reduce else "none"
    warnings.warn(
        "size_average and reduce args will be deprecated, please use "
        f"reduction='{reduction}' instead.",
        stacklevel=3,
    )
    return reduction


def _warn_about_shapes(input: Tensor, target: Tensor) -> None:
    warnings.warn(
        f"Using a target size ({target.size()}) that is different to the input size "
        f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
        "Please ensure they have the same size." + _C._hint_same_shape(input, target),
        stacklevel=3,
    )


def _weighted(loss: Tensor, input: Tensor, weight: Tensor) -> Tensor:
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    return loss * weight


def _check_reduction(reduction: str) -> None:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'."
        )


def _weighted_mean(loss: Tensor, input: Tensor, weight: Tensor, reduction: str) -> Tensor:
    loss = _weighted(loss, input, weight)
    _check_reduction(reduction)
    if reduction == "none":
        return loss
    return loss.sum() / weight.sum() if reduction == "mean" else loss.sum()


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared difference of ``input`` and ``target`` (same shape).

    With ``weight`` of that shape, "mean" divides by the sum of the weights.
    """
    if target.shape != input.shape:
        _warn_about_shapes(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if weight is not None:
        return _weighted_mean(_C.mse_loss(input, target, "none"), input, weight, reduction)
    return _C.mse_loss(input, target, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute difference of ``input`` and ``target`` (same shape); see :func:`mse_loss`."""
    if target.shape != input.shape:
        _warn_about_shapes(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if weight is not None:
        return _weighted_mean(_C.l1_loss(input, target, "none"), input, weight, reduction)
    return _C.l1_loss(input, target, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """``0.5 d²/beta`` where the difference ``|d| < beta``, ``|d| - 0.5 beta`` elsewhere."""
    if target.shape != input.shape:
        _warn_about_shapes(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if beta == 0.0:
        return _C.l1_loss(input, target, reduction)
    return _C.smooth_l1_loss(input, target, reduction, beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``0.5 d²`` where the difference ``|d| < delta``, ``delta (|d| - 0.5 delta)`` elsewhere.

    With ``weight`` of the input's shape, "mean" divides by the number of elements.
    """
    if target.shape != input.shape:
        _warn_about_shapes(input, target)
    if weight is None:
        return _C.huber_loss(input, target, reduction, delta)
    loss = _weighted(_C.huber_loss(input, target, "none", delta), input, weight)
    _check_reduction(reduction)
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


# ---------------------------------------------------------------------- classes


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log likelihood of the classes ``target``.

    Args:
        input: log-probabilities, ``(C)``, ``(N, C)`` or ``(N, C, d1, ...)``.
        target: class indices, int64, ``()``, ``(N)`` or ``(N, d1, ...)``.
        weight: one factor per class, ``(C)``; "mean" divides by the sum of the factors used.
        ignore_index: targets of this value add nothing to the loss.

    Raises IndexError for a target outside ``0 .. C-1``.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return _C.nll_loss(input, target, weight, reduction, ignore_index)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of unnormalised scores.

    Args:
        input: scores, ``(C)``, ``(N, C)`` or ``(N, C, d1, ...)``.
        target: class indices (int64, without the class dimension) or class probabilities (floating
            point, the shape of ``input``).
        weight: one factor per class, ``(C)``.
        ignore_index: class indices of this value add nothing; not for probabilities.
        label_smoothing: share of the target that is spread over all classes, in [0, 1].
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return _C.cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing)


# ---------------------------------------------------------------------- probabilities


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy of probabilities ``input`` in [0, 1] with ``target`` of the same shape.

    Logarithms count as at least -100, so that the loss stays finite.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size."
            + _C._hint_same_shape(input, target)
        )
    return _C.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy of ``sigmoid(input)`` with ``target``, computed without overflow.

    ``pos_weight`` multiplies the loss of positive targets (one factor per class).
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.size()}) must be the same as input size ({input.size()})"
            + _C._hint_same_shape(input, target)
        )
    return _C.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities ``input`` from ``target``.

    ``log_target`` says that the target holds log-probabilities too; "batchmean" divides the sum by
    the first dimension, as the mathematical definition does.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    if reduction != "batchmean":
        return _C.kl_div(input, target, reduction, log_target=log_target)
    total = _C.kl_div(input, target, "sum", log_target=log_target)
    return total / input.shape[0] if input.dim() else total
