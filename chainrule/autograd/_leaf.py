"""Tensors cut off from reverse mode, for derivatives inside other derivatives.

``detach`` drops the tangents of forward mode as well. The functions here keep them, so that a
gradient taken inside a forward-mode level has a tangent itself.
"""

from __future__ import annotations

from chainrule import _C
from chainrule._C import Tensor

from . import forward_ad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def tangents_of(tensor: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The levels, outermost first, at which a tensor has a tangent, and the tangents."""
    for level in forward_ad.active_levels():
        tangent = _C._unpack_dual(tensor, level)[1]
        if tangent is not None:
            yield level, tangent


def leaf_alias(tensor: Tensor) -> Tensor:
    """A new leaf on the memory of `tensor` that requires a gradient; its tangents are the same."""
    alias: Tensor = tensor.detach()
    for level, tangent in tangents_of(tensor):
        alias = _C._make_dual(alias, tangent, level)
    alias.requires_grad_()
    return alias


def without_history(tensor: Tensor) -> Tensor:
    """The values of a tensor and of its tangents, as constants of reverse mode."""
    alias: Tensor = tensor.detach()
    for level, tangent in tangents_of(tensor):
        alias = _C._make_dual(alias, without_history(tangent), level)
    return alias
