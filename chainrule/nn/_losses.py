"""Loss functions; :mod:`chainrule.nn.functional` exports them.

Losses take ``reduction``: "none" keeps one loss per element, "mean" and "sum" give a scalar.
"""

from __future__ import annotations

import warnings

import chainrule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")


def _weighted(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    if weight.shape != loss.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = loss * weight
    if reduction == "mean":
        return loss.sum() / weight.sum()
    return _reduced(loss, reduction)


def _warn_about_shapes(input: Tensor, target: Tensor) -> None:
    warnings.warn(
        f"Using a target size ({target.size()}) that is different to the input size "
        f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
        "Please ensure they have the same size.",
        stacklevel=3,
    )


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
    difference = input - target
    squared = difference * difference
    return _reduced(squared, reduction) if weight is None else _weighted(squared, weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute difference of ``input`` and ``target`` (same shape)."""
    if target.shape != input.shape:
        _warn_about_shapes(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    absolute = (input - target).abs()
    return (
        _reduced(absolute, reduction) if weight is None else _weighted(absolute, weight, reduction)
    )


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
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    difference = input - target
    absolute = difference.abs()
    if beta == 0:
        return _reduced(absolute, reduction)
    loss = chainrule.where(
        absolute < beta, 0.5 * difference * difference / beta, absolute - 0.5 * beta
    )
    return _reduced(loss, reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``0.5 d²`` where the difference ``|d| < delta``, ``delta (|d| - 0.5 delta)`` elsewhere."""
    if target.shape != input.shape:
        _warn_about_shapes(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    difference = input - target
    absolute = difference.abs()
    loss = chainrule.where(
        absolute < delta, 0.5 * difference * difference, delta * (absolute - 0.5 * delta)
    )
    if weight is not None:
        if weight.shape != input.shape:
            raise ValueError("Weights and input must have the same size.")
        loss = loss * weight
    return _reduced(loss, reduction)


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
    if input.dim() == 0:
        raise RuntimeError("input tensor should be 1D or 2D")
    if target.dtype != chainrule.int64:
        raise RuntimeError(
            f"expected scalar type Long but found {str(target.dtype).rpartition('.')[2]}"
        )
    class_dim = 0 if input.dim() == 1 else 1
    if input.dim() - 1 != target.dim() or (target.dim() and input.shape[0] != target.shape[0]):
        raise ValueError(
            f"Expected input batch_size ({_rows(input)}) to match target batch_size "
            f"({_rows(target)})."
        )
    if tuple(input.shape[2:]) != tuple(target.shape[1:]):
        raise RuntimeError(
            f"size mismatch (got input: {list(input.shape)} , target: {list(target.shape)})"
        )
    classes = input.shape[class_dim]
    if weight is not None and (weight.dim() != 1 or weight.shape[0] != classes):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight.shape)}"
        )
    kept, used = _usable_targets(target, classes, ignore_index)
    picked = input.gather(class_dim, used.unsqueeze(class_dim)).squeeze(class_dim)
    loss = -picked
    if weight is None and kept is None:
        return _reduced(loss, reduction)
    factor = weight[used] if weight is not None else chainrule.ones_like(loss)
    if kept is not None:
        nothing = chainrule.zeros_like(loss)
        factor = chainrule.where(kept, factor, nothing)
        loss = chainrule.where(kept, loss, nothing)  # -inf * 0 would be NaN
    loss = loss * factor
    return loss.sum() / factor.sum() if reduction == "mean" else _reduced(loss, reduction)


def _rows(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.dim() else 1


def _usable_targets(target: Tensor, classes: int, ignore_index: int) -> tuple[Any, Tensor]:
    """Targets that may be used as indices, and which of them count (None: all)."""
    if target.numel() == 0:
        return None, target
    low, high = int(target.min()), int(target.max())
    kept = None
    if low <= ignore_index <= high:
        kept = target != ignore_index
        if bool(kept.all()):
            kept = None
        else:
            target = chainrule.where(kept, target, chainrule.zeros_like(target))
            low, high = int(target.min()), int(target.max())
    if low < 0 or high >= classes:
        raise IndexError(f"Target {low if low < 0 else high} is out of bounds.")
    return kept, target


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
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    class_dim = 0 if input.dim() == 1 else 1
    log_prob = input.log_softmax(class_dim)
    if target.shape == input.shape and target.is_floating_point():
        return _probability_loss(
            log_prob, target, weight, ignore_index, reduction, label_smoothing, class_dim
        )
    loss = nll_loss(log_prob, target, weight, None, ignore_index, None, reduction)
    if label_smoothing == 0.0:
        return loss
    classes = input.shape[class_dim]
    smooth = _smooth_loss(log_prob, target, weight, ignore_index, reduction, class_dim)
    return (1 - label_smoothing) * loss + (label_smoothing / classes) * smooth


def _class_weight(weight: Tensor, like: Tensor, class_dim: int) -> Tensor:
    shape = [1] * like.dim()
    shape[class_dim] = weight.shape[0]
    return weight.reshape(shape)


def _smooth_loss(
    log_prob: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    class_dim: int,
) -> Tensor:
    """Loss of every class summed, for targets that are not ignored."""
    kept, used = _usable_targets(target, log_prob.shape[class_dim], ignore_index)
    scaled = log_prob if weight is None else log_prob * _class_weight(weight, log_prob, class_dim)
    loss = -scaled.sum(class_dim)
    if kept is not None:
        loss = chainrule.where(kept, loss, chainrule.zeros_like(loss))
    if reduction != "mean":
        return _reduced(loss, reduction)
    if weight is not None:
        factor = weight[used]
        if kept is not None:
            factor = chainrule.where(kept, factor, chainrule.zeros_like(factor))
        return loss.sum() / factor.sum()
    return loss.mean() if kept is None else loss.sum() / kept.sum()


def _probability_loss(
    log_prob: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
    class_dim: int,
) -> Tensor:
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    if label_smoothing > 0.0:
        target = target * (1 - label_smoothing) + label_smoothing / log_prob.shape[class_dim]
    product = log_prob * target
    if weight is not None:
        product = product * _class_weight(weight, log_prob, class_dim)
    if reduction == "mean":
        return -product.sum() / (log_prob.numel() / log_prob.shape[class_dim])
    return -product.sum() if reduction == "sum" else _reduced(-product.sum(class_dim), reduction)


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

    Logarithms are clamped to at least -100, so that the loss stays finite.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size."
        )
    if bool(((input < 0) | (input > 1)).any()):
        raise RuntimeError("all elements of input should be between 0 and 1")
    hit = input.log().clamp(min=-100)
    miss = (-input).log1p().clamp(min=-100)
    loss = (target - 1) * miss - target * hit
    if weight is not None:
        loss = loss * weight
    return _reduced(loss, reduction)


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
        )
    from chainrule.nn.functional import logsigmoid

    log_sigmoid = logsigmoid(input)
    if pos_weight is not None:
        log_sigmoid = log_sigmoid * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - log_sigmoid
    if weight is not None:
        loss = loss * weight
    return _reduced(loss, reduction)


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
    if log_target:
        loss = target.exp() * (target - input)
    else:
        positive = target > 0
        one = chainrule.ones_like(target)
        entropy = target * chainrule.where(positive, target, one).log()
        loss = chainrule.where(positive, entropy, target * 0) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0] if input.dim() else loss.sum()
    return _reduced(loss, reduction)
