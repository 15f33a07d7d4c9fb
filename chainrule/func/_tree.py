"""Nested tuples, lists and dictionaries of tensors: taken apart and put together again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of a tree, and a function that builds a tree of this form from new leaves."""
    leaves: list[Any] = []
    build = _walk(tree, leaves)
    return leaves, lambda new: build(iter(new))


def _walk(tree: Any, leaves: list[Any]) -> Callable[[Any], Any]:
    """Collect leaves depth first; returns a builder that consumes leaves in that order."""
    kind = type(tree)
    if isinstance(tree, tuple) and hasattr(kind, "_fields"):  # a namedtuple
        parts = [_walk(item, leaves) for item in tree]
        return lambda new: kind(*[part(new) for part in parts])
    if kind is tuple or kind is list:
        parts = [_walk(item, leaves) for item in tree]
        return lambda new: kind([part(new) for part in parts])
    if isinstance(tree, dict):
        keys = list(tree)
        parts = [_walk(tree[key], leaves) for key in keys]
        return lambda new: kind(zip(keys, [part(new) for part in parts], strict=True))
    if tree is None:  # torch counts None as an empty container
        return lambda new: None
    leaves.append(tree)
    return lambda new: next(new)


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with a function applied to each leaf."""
    leaves, build = flatten(tree)
    return build([function(leaf) for leaf in leaves])
