"""Functions of tensors that are written in Python."""

from __future__ import annotations

import chainrule as torch
from chainrule import _C
from chainrule._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def _tensors(arguments: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Tensors given one by one or as one sequence."""
    if len(arguments) == 1 and not isinstance(arguments[0], Tensor):
        return tuple(arguments[0])
    return arguments


def broadcast_shapes(*shapes: int | Sequence[int]) -> torch.Size:
    """The shape to which tensors of the given shapes broadcast.

    Raises:
        RuntimeError: the shapes do not fit together.
    """
    lists: list[tuple[int, ...]] = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    result: list[int] = []
    for shape in lists:
        padded = [1] * (len(result) - len(shape)) + list(shape)
        result = [1] * (len(padded) - len(result)) + result
        for i, size in enumerate(padded):
            if size < 0:
                raise RuntimeError(
                    f"Trying to create tensor with negative dimension ({size}): ({shape})"
                )
            if size == 1 or size == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(
                    "Shape mismatch: objects cannot be broadcast to a single shape: "
                    f"{', '.join(str(list(s)) for s in lists)}"
                )
            result[i] = size
    return torch.Size(result)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    return _C._broadcast_tensors(_tensors(tensors))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinate grids of 0- or 1-dimensional tensors; `indexing` is "ij" or "xy"."""
    return _C._meshgrid(_tensors(tensors), indexing)


def _each(function: Any, tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return function(tensors[0])
    return tuple(function(t) for t in _tensors(tensors))


def atleast_1d(*tensors: Any) -> Any:
    """The tensors with at least one dimension."""
    return _each(_C._atleast_1d, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """The tensors with at least two dimensions."""
    return _each(_C._atleast_2d, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """The tensors with at least three dimensions."""
    return _each(_C._atleast_3d, tensors)


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products by Einstein's convention, as ``einsum("ij,jk->ik", a, b)``."""
    return _C._einsum(equation, _tensors(operands))


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.is_complex()


def is_nonzero(input: Tensor) -> bool:
    """Whether the single element is not zero. Raises RuntimeError for more elements."""
    return input.__bool__()


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    if input.shape != other.shape:
        return False
    return bool((input == other).all().item())


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Where ``|input - other| <= atol + rtol * |other|``.

    Raises:
        RuntimeError: the dtypes differ, or a tolerance is negative.
    """
    if input.dtype != other.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError("rtol and atol must be greater than or equal to zero")
    with torch.no_grad():
        close = input == other
        if equal_nan and input.is_floating_point():
            close = close | ((input != input) & (other != other))
        a, b = (input, other) if input.is_floating_point() else (input.double(), other.double())
        difference = (a - b).abs()
        return close | ((difference <= atol + rtol * b.abs()) & torch.isfinite(difference))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; see `isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


for _function in (equal, isclose, allclose, is_nonzero):
    setattr(Tensor, _function.__name__, _function)
