"""Tensors to differentiate with respect to, made from the caller's tensors."""

from __future__ import annotations

import chainrule
from chainrule._C import Tensor


def leaf_alias(tensor: Tensor) -> Tensor:
    """A new leaf on the memory of `tensor` that requires a gradient.

    Cut off from the caller's reverse mode only: tangents of forward mode stay (``detach``
    would drop them), so a derivative inside a forward-mode level has a tangent itself.
    """
    with chainrule.no_grad():
        alias = tensor.view_as(tensor)
    return alias.requires_grad_()
