"""Functions on tensors that networks are made of.

Most are operators of the core, or thin functions around them that take torch's arguments.
"""

from __future__ import annotations

import warnings

import chainrule
from chainrule import _C
from chainrule.nn._losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from chainrule import Tensor

__all__ = [
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def _in_place(input: Tensor, function: Any) -> Tensor:
    """Write ``function`` of the input into it; the copy is what the derivative needs."""
    return input.copy_(function(input.clone()))


# ---------------------------------------------------------------------- linear maps


linear = _C.linear


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x1ᵀ W_k x2 + b_k`` for every output k.

    Shapes: input1 ``(*, in1)``, input2 ``(*, in2)``, weight ``(out, in1, in2)``, bias ``(out)``.
    """
    outputs, in1, in2 = weight.shape
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape)} "
            f"and {list(input2.shape)}"
        )
    if input1.shape[-1] != in1 or input2.shape[-1] != in2:
        raise RuntimeError(
            f"bilinear(): input sizes {input1.shape[-1]} and {input2.shape[-1]} do not match the "
            f"weight's {in1} and {in2}"
        )
    rows1 = input1.reshape(-1, in1)
    rows2 = input2.reshape(-1, in2, 1)
    partial = rows1.matmul(weight.permute(1, 0, 2).reshape(in1, outputs * in2))
    output = partial.reshape(-1, outputs, in2).matmul(rows2).squeeze(-1)
    output = output.reshape(*input1.shape[:-1], outputs)
    return output if bias is None else output + bias


# ---------------------------------------------------------------------- activations


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(x, 0)``; the derivative at 0 is 0."""
    return _C.relu_(input) if inplace else _C.relu(input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return _C.tanh(input)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return _C.sigmoid(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``negative_slope * x`` elsewhere."""
    if inplace:
        return _in_place(input, lambda x: _C.leaky_relu(x, negative_slope))
    return _C.leaky_relu(input, negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``x`` where positive, ``weight * x`` elsewhere; one weight, or one per channel (dim 1)."""
    if weight.numel() != 1:
        channels = input.shape[1] if input.dim() > 1 else 1
        if weight.numel() != channels:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
        weight = weight.reshape(-1, *[1] * (input.dim() - 2))
    return chainrule.where(input > 0, input, weight * input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``."""
    return _in_place(input, _C.silu) if inplace else _C.silu(input)


gelu = _C.gelu
softplus = _C.softplus
logsigmoid = _C._logsigmoid
softsign = _C._softsign


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))``."""
    return _in_place(input, _C.mish) if inplace else _C.mish(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha (exp(x) - 1)`` elsewhere."""
    return _in_place(input, lambda x: _C.elu(x, alpha)) if inplace else _C.elu(input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Scaled :func:`elu` with the constants of self-normalising networks."""
    return _in_place(input, _C.selu) if inplace else _C.selu(input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha (exp(x / alpha) - 1)`` elsewhere."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    if inplace:
        return _in_place(input, lambda x: celu(x, alpha))
    return _C.elu(input * (1.0 / alpha)) * alpha


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """The input cut to ``[min_val, max_val]``; the derivative at both ends is 0."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if inplace:
        return _in_place(input, lambda x: _C.hardtanh(x, min_val, max_val))
    return _C.hardtanh(input, min_val, max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """The input cut to ``[0, 6]``; the derivative at both ends is 0."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``x / 6 + 1/2`` cut to ``[0, 1]``."""
    return _in_place(input, _C.hardsigmoid) if inplace else _C.hardsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * hardsigmoid(x)``."""
    return _in_place(input, _C.hardswish) if inplace else _C.hardswish(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where it exceeds ``threshold``, ``value`` elsewhere."""
    if inplace:
        limit = threshold
        return _in_place(input, lambda x: _threshold(x, limit, value))
    return _threshold(input, threshold, value)


def _threshold(input: Tensor, limit: float, value: float) -> Tensor:
    # `not <=` lets NaN through.
    return chainrule.where(input <= limit, chainrule.full_like(input, value), input)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return input - input.tanh()


def _implicit_dim(name: str, dims: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if dims in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """``exp(x) / sum(exp(x))`` along ``dim``; ``dtype`` converts the input first."""
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return input.softmax(dim) if dtype is None else input.softmax(dim, dtype=dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """:func:`softmax` of ``-input``."""
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return _C.softmin(input, dim) if dtype is None else _C.softmin(input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """``log(softmax(x))`` along ``dim``, computed without overflow."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return input.log_softmax(dim) if dtype is None else input.log_softmax(dim, dtype=dtype)


# ---------------------------------------------------------------------- dropout, embedding


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero elements with probability ``p`` and scale the others by ``1 / (1 - p)``.

    Draws one Bernoulli number per element, as torch does; nothing is drawn outside of training.
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p == 0.0 or not training or input.numel() == 0:
        return input
    if p == 1.0:
        mask = chainrule.zeros_like(input)
    else:
        with chainrule.no_grad():
            mask = chainrule.empty_like(input).bernoulli_(1 - p).div_(1 - p)
    return input.mul_(mask) if inplace else input * mask


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of ``weight`` ``(V, D)`` at the indices ``input`` ``(*)``: ``(*, D)``.

    Args:
        padding_idx: this row gets no gradient.
        max_norm: rows used that have a larger ``norm_type``-norm are scaled to it, in place.
        scale_grad_by_freq: divide the gradient of a row by how often its index occurs.
        sparse: not supported, NotImplementedError.
    """
    if sparse:
        raise NotImplementedError("embedding: sparse=True is not supported; leave it False")
    if padding_idx is None:
        padding_idx = -1
    elif not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise AssertionError("Padding_idx must be within num_embeddings")
    else:
        padding_idx %= weight.shape[0]
    if max_norm is not None:
        _limit_norms(weight, input, max_norm, norm_type)
    return _C.embedding(weight, input, padding_idx, scale_grad_by_freq)


def _limit_norms(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    with chainrule.no_grad():
        for index in sorted(set(input.reshape(-1).tolist())):
            row = weight[index]
            norm = float(row.norm(norm_type))
            if norm > max_norm:
                row.mul_(max_norm / (norm + 1e-7))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 indices ``(*)`` as rows of zeros with a single one, ``(*, num_classes)``."""
    if tensor.dtype != chainrule.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return chainrule.zeros(*tensor.shape, num_classes, dtype=chainrule.int64)
    if int(tensor.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    highest = int(tensor.max())
    if num_classes == -1:
        num_classes = highest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif highest >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return (tensor.unsqueeze(-1) == chainrule.arange(num_classes)).to(chainrule.int64)


# ---------------------------------------------------------------------- normalisation


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Subtract the mean and divide by the deviation over the last dimensions.

    ``normalized_shape`` names their sizes; weight and bias have that shape.
    """
    sizes = tuple(normalized_shape)
    if not sizes or tuple(input.shape[-len(sizes) :]) != sizes:
        raise RuntimeError(
            f"Given normalized_shape={list(sizes)}, expected input with shape "
            f"[*, {', '.join(map(str, sizes))}], but got input of size{list(input.shape)}"
        )
    dims = tuple(range(-len(sizes), 0))
    centred = input - input.mean(dims, keepdim=True)
    variance = (centred * centred).mean(dims, keepdim=True)
    output = centred * (variance + eps).rsqrt()
    if weight is not None:
        output = output * weight
    return output if bias is None else output + bias


layer_norm = getattr(_C, "layer_norm", _layer_norm)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise every channel (dim 1) of ``(N, C, *)``.

    In training with the batch's mean and variance, which move the running ones by ``momentum`` (the
    variance unbiased there); otherwise with the running ones.
    """
    shape = [1] * input.dim()
    shape[1] = channels = input.shape[1]
    for name, vector in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if vector is not None and vector.numel() != channels:
            raise RuntimeError(
                f"{name} should contain {channels} elements not {vector.numel()}\n"
                f"  The input, of shape {list(input.shape)}, has {channels} channels in "
                f"dimension 1; the layer was made for {vector.numel()}."
            )
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when training=False"
            )
        if eps < 0.0:
            raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
        centred = input - running_mean.reshape(shape)
        variance = running_var.reshape(shape)
    else:
        count = input.numel() // input.shape[1] if input.shape[1] else 0
        if count == 1:
            raise ValueError(
                "Expected more than 1 value per channel when training, got input size "
                f"{input.size()}"
            )
        if eps <= 0.0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
        dims = [dim for dim in range(input.dim()) if dim != 1]
        mean = input.mean(dims, keepdim=True)
        centred = input - mean
        variance = (centred * centred).mean(dims, keepdim=True)
        with chainrule.no_grad():
            if running_mean is not None:
                moved = mean.detach().reshape(-1).to(running_mean.dtype)
                running_mean.mul_(1 - momentum).add_(moved, alpha=momentum)
            if running_var is not None:
                unbiased = variance.detach().reshape(-1) * (count / (count - 1))
                unbiased = unbiased.to(running_var.dtype)
                running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)
    output = centred * (variance + eps).rsqrt()
    if weight is not None:
        output = output * weight.reshape(shape)
    return output if bias is None else output + bias.reshape(shape)


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Divide by the ``p``-norm along ``dim``, which counts as at least ``eps``."""
    if out is not None:
        raise NotImplementedError("normalize: out= is not supported; assign the result instead")
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps).expand_as(input)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors along ``dim``; each norm counts as at least ``eps``."""
    norms = (x.norm(2, dim, keepdim=True).clamp(min=eps) for x in (x1, x2))
    norm1, norm2 = norms
    return ((x1 / norm1) * (x2 / norm2)).sum(dim)


def __getattr__(name: str) -> None:
    from chainrule._missing import missing_attribute

    raise missing_attribute(__name__, name)
