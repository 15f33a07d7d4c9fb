"""``make_tensor``: tensors of random numbers for tests."""

from __future__ import annotations

import math

import chainrule
from chainrule._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def _bounds(low: float | None, high: float | None, dtype: Any) -> tuple[float, float]:
    """Lower and upper bound, with torch's defaults, inside of what the dtype holds."""
    if dtype.is_floating_point:
        info = chainrule.finfo(dtype)
        defaults, least, most = (-9.0, 9.0), info.min, info.max
    elif dtype == chainrule.bool:
        defaults, least, most = (0, 2), 0, 2
    else:
        info = chainrule.iinfo(dtype)
        defaults, least, most = (max(-9, info.min), 10), info.min, info.max
    low = defaults[0] if low is None else low
    high = defaults[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low} and {high}")
    if low >= high and not (dtype.is_floating_point and low == high):
        raise ValueError(f"`low` must be less than `high`, but got {low} and {high}")
    low, high = max(low, least), min(high, most)
    if low > high:
        raise ValueError(f"{dtype} holds no number from {low} to {high}")
    return (low, high) if dtype.is_floating_point else (math.ceil(low), math.ceil(high))


def make_tensor(
    *shape: int | Sequence[int],
    dtype: Any,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of uniformly distributed random numbers.

    Args:
        shape: the sizes, one by one or as a sequence.
        dtype: floating point, integer or bool.
        device: where the tensor is made.
        low: the least value: -9 by default, 0 for bool.
        high: all values are below this: 9 for floating point, 10 for integers, 2 for bool.
        requires_grad: make it a leaf with a gradient.
        noncontiguous: leave gaps between the elements in memory (of tensors of two or more).
        exclude_zero: replace zeros by the smallest positive number (integers: 1).
        memory_format: only None.

    Raises:
        ValueError: the bounds are not in order, or an integer tensor shall require a gradient.
        NotImplementedError: a memory format is given.
    """
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = tuple(shape[0])
    if memory_format is not None:
        raise NotImplementedError("make_tensor: memory_format is not available in Chainrule")
    if requires_grad and not dtype.is_floating_point:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, but got "
            f"{dtype}"
        )
    low, high = _bounds(low, high, dtype)
    if dtype.is_floating_point:
        result: Tensor = chainrule.empty(shape, dtype=dtype, device=device)
        if high - low >= chainrule.finfo(dtype).max:
            # The width of the range overflows: draw from half of it.
            result.uniform_(low / 2, high / 2).mul_(2)
        else:
            result.uniform_(low, high)
        smallest = chainrule.finfo(dtype).tiny
    else:
        result = chainrule.randint(low, high, shape, dtype=dtype, device=device)
        smallest = 1
    if exclude_zero:
        zero = result == 0
        result = chainrule.where(zero, chainrule.full_like(result, smallest), result)
    if noncontiguous and result.numel() > 1:
        result = chainrule.stack([result, result], dim=-1)[..., 0]
    if requires_grad:
        result.requires_grad_()
    return result
