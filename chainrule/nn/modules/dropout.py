"""Dropout."""

from __future__ import annotations

from chainrule.nn import functional as F
from chainrule.nn.modules.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from chainrule import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, zero elements with probability ``p`` and scale the others by ``1 / (1 - p)``."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements of ``input``; in evaluation mode the input itself."""
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Both arguments."""
        return f"p={self.p}, inplace={self.inplace}"
