"""From indices to a batch."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["make_fetcher"]


def make_fetcher(
    iterable: bool, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool
) -> Callable[[Any], Any]:
    """A function from what the index sampler gives to a batch (StopIteration at a stream's end)."""
    if iterable:
        return _stream_fetcher(iter(dataset), auto_collation, collate_fn, drop_last)
    if not auto_collation:
        return lambda index: collate_fn(dataset[index])
    if getattr(dataset, "__getitems__", None):
        return lambda indices: collate_fn(dataset.__getitems__(indices))
    return lambda indices: collate_fn([dataset[index] for index in indices])


def _stream_fetcher(
    samples: Any, auto_collation: bool, collate_fn: Any, drop_last: bool
) -> Callable[[Any], Any]:
    if not auto_collation:
        return lambda _: collate_fn(next(samples))

    def fetch(slots: Any) -> Any:
        batch = []
        for _ in slots:
            try:
                batch.append(next(samples))
            except StopIteration:
                break
        if not batch or (drop_last and len(batch) < len(slots)):
            raise StopIteration
        return collate_fn(batch)

    return fetch
