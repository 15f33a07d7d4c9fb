"""Linear algebra under the names of ``torch.linalg``, as far as the operators are there."""

from __future__ import annotations

from chainrule import _C
from chainrule._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

vector_norm = _C.linalg_vector_norm
cross = _C.linalg_cross
matmul = _C.matmul


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of matrices, in the order of the sequence, cheapest pair first.

    Args:
        tensors: at least two; the first and the last may be vectors.

    Raises:
        RuntimeError: fewer than two tensors, or shapes that do not fit.
    """
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    chain = list(tensors)
    while len(chain) > 1:
        # The pair whose product is the smallest to make; exact order matters little for few.
        costs = [a.numel() * (b.shape[-1] if b.dim() > 1 else 1) for a, b in _pairs(chain)]
        i = costs.index(min(costs))
        chain[i : i + 2] = [chain[i] @ chain[i + 1]]
    return chain[0]


def _pairs(chain: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return [(chain[i], chain[i + 1]) for i in range(len(chain) - 1)]


def __getattr__(name: str) -> Any:
    from chainrule._missing import missing_attribute

    raise missing_attribute(__name__, name)
