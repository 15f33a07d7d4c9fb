"""Tensors that a module registers when they are assigned to it."""

from __future__ import annotations

import chainrule
from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Buffer", "Parameter"]

Parameter = _C.Parameter
"""A tensor that is a module's parameter: it requires grad by default (a type of the C++ core)."""


class _BufferType(type):
    """Makes ``isinstance(tensor, Buffer)`` true for the tensors that :class:`Buffer` marked."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _C.Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(metaclass=_BufferType):
    """A tensor that a module keeps as a buffer: part of its state, but not a parameter.

    Args:
        data: the tensor; without it, an empty one.
        persistent: whether the buffer is part of the module's ``state_dict``.

    Returns a tensor, detached from the graph of ``data``.
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        tensor = chainrule.empty(0) if data is None else data
        marked = tensor.detach().requires_grad_(tensor.requires_grad)
        marked.persistent = persistent
        marked._is_buffer = True
        return marked
