"""``vmap``: announced here, so that its absence has a clear message."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function over a batch from a function of one example; not available.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        "torch.func.vmap is not available in Chainrule: call the function for each example and "
        "torch.stack the results, or write it with a batch dimension"
    )
