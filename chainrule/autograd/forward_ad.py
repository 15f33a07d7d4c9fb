"""Forward mode: dual tensors carry a tangent through every operation.

::

    with dual_level():
        x = make_dual(primal, tangent)
        y = unpack_dual(f(x))  # y.tangent is J @ tangent
"""

from __future__ import annotations

from collections import namedtuple
from functools import wraps
from threading import local

from chainrule import _C
from chainrule._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])
UnpackedDualTensor.__doc__ = "The parts of a dual tensor; `tangent` is None without one."


class _Levels(local):
    """Of each thread: the levels that are entered and not left yet, outermost first."""

    def __init__(self) -> None:
        self.stack: list[int] = []


_levels = _Levels()


def active_levels() -> tuple[int, ...]:
    """The levels that this thread has entered and not left, outermost first."""
    return tuple(_levels.stack)


def enter_dual_level() -> int:
    """Enter a level: tangents made in it stay apart from those of the levels around it."""
    level: int = _C._enter_dual_level()
    _levels.stack.append(level)
    return level


def exit_dual_level(*, level: int | None = None) -> None:
    """Leave the innermost level; the tangents made in it are dropped.

    Raises:
        RuntimeError: no level is entered, or `level` is not the innermost one.
    """
    if not _levels.stack:
        raise RuntimeError("Trying to exit a forward AD level but none is entered.")
    if level is not None and level != _levels.stack[-1]:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was entered: "
            f"level {level}, while the last is {_levels.stack[-1]}."
        )
    _C._exit_dual_level(_levels.stack.pop())


def _check_primal(name: str, tensor: Tensor) -> None:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(
            f"Expected {name} to be floating point or complex, but got: {tensor.dtype}"
        )


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of `tensor` that carries `tangent` at the innermost (or the given) level.

    Args:
        tensor: floating point tensor.
        tangent: tensor of its shape and dtype.
        level: a level that is entered; the innermost by default.

    Raises:
        RuntimeError: no level is entered, or the shapes or dtypes differ.
        ValueError: the dtype has no derivative.
    """
    if level is None and not _levels.stack:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    _check_primal("primal", tensor)
    _check_primal("tangent", tangent)
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            "Tensor, this is not supported. Tensor is of size "
            f"{list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    if tensor.dtype != tangent.dtype:
        raise RuntimeError(
            "Expected tangent to have the dtype of its primal: the primal has "
            f"{tensor.dtype}, the tangent {tangent.dtype}"
        )
    dual: Tensor = _C._make_dual(tensor, tangent, _levels.stack[-1] if level is None else level)
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """Primal and tangent of a tensor at the innermost (or the given) level.

    Outside every level, and for a tensor that carries no tangent at the level, the tangent is
    None.
    """
    if level is None:
        if not _levels.stack:
            return UnpackedDualTensor(tensor, None)
        level = _levels.stack[-1]
    return UnpackedDualTensor(*_C._unpack_dual(tensor, level))


class dual_level:
    """A level for the time of a ``with`` block or, as a decorator, of each call."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def at_own_level(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return at_own_level
