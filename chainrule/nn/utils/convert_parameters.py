"""Parameters as one vector."""

from __future__ import annotations

import chainrule
from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from chainrule import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, flattened one after the other; recorded."""
    return chainrule.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let the parameters' data be consecutive slices of ``vec`` (shared memory)."""
    if not isinstance(vec, _C.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.data = vec[start:stop].view_as(parameter).data
        start = stop
