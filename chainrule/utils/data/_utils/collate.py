"""Samples to batches."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

import chainrule
from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

_UNKNOWN = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def _numpy_kind(value: Any) -> str | None:
    """For a NumPy value "array", "text" (an array of strings or objects) or "scalar", else None."""
    kind = type(value)
    if kind.__module__ != "numpy" or kind.__name__ in ("str_", "string_", "bytes_"):
        return None
    if kind.__name__ in ("ndarray", "memmap"):
        return "text" if value.dtype.kind in "SUOa" else "array"
    return "scalar"


def default_convert(data: Any) -> Any:
    """NumPy values in ``data`` as tensors; containers keep their types, tuples become lists."""
    if isinstance(data, _C.Tensor):
        return data
    numpy_kind = _numpy_kind(data)
    if numpy_kind is not None:
        return data if numpy_kind == "text" else chainrule.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        converted = [default_convert(item) for item in data]
        return type(data)(*converted) if hasattr(data, "_fields") else converted
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(item) for item in data])
    return data


def _like_mapping(original: Any, items: dict[Any, Any]) -> Any:
    """``items`` in a mapping of the original's type, or as a dict where that cannot be made."""
    try:
        if isinstance(original, MutableMapping):
            clone = copy.copy(original)  # keeps attributes of the mapping's own
            clone.update(items)
            return clone
        return type(original)(items)
    except TypeError:
        return items


def _like_sequence(original: Any, items: list[Any]) -> Any:
    """``items`` in a sequence of the original's type, or as a list where that cannot be made."""
    try:
        if isinstance(original, MutableSequence):
            clone = copy.copy(original)
            for position, item in enumerate(items):
                clone[position] = item
            return clone
        return type(original)(items)
    except TypeError:
        return items


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None) -> Any:
    """Combine samples of one structure into that structure of batches.

    Args:
        batch: a list of samples.
        collate_fn_map: from a type, or a tuple of types, of an element to
            ``function(batch, collate_fn_map=...)``.

    Raises TypeError for elements without a function, RuntimeError for samples of unequal size.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        function = collate_fn_map.get(kind)
        if function is None and _numpy_kind(first) is not None:
            function = _collate_numpy
        if function is None:
            for types, candidate in collate_fn_map.items():
                if isinstance(first, types):
                    function = candidate
                    break
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        columns = {
            key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map)
            for key in first
        }
        return _like_mapping(first, columns)
    if isinstance(first, Sequence):
        named = isinstance(first, tuple) and hasattr(first, "_fields")
        if not named and any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        parts = [
            collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=False)
        ]
        if named:
            return kind(*parts)
        return parts if isinstance(first, tuple) else _like_sequence(first, parts)
    raise TypeError(_UNKNOWN.format(kind))


def _collate_tensors(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return chainrule.stack(tuple(batch), 0)


def _collate_numpy(batch: Any, *, collate_fn_map: Any = None) -> Any:
    kind = _numpy_kind(batch[0])
    if kind == "text":
        raise TypeError(_UNKNOWN.format(batch[0].dtype))
    if kind == "scalar":
        return chainrule.stack([chainrule.as_tensor(item) for item in batch])
    return _collate_tensors([chainrule.as_tensor(item) for item in batch])


def _collate_floats(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return chainrule.tensor(batch, dtype=chainrule.float64)


def _collate_ints(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return chainrule.tensor(batch)


def _collate_text(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return batch


default_collate_fn_map: dict[Any, Callable[..., Any]] = {
    _C.Tensor: _collate_tensors,
    float: _collate_floats,
    int: _collate_ints,
    str: _collate_text,
    bytes: _collate_text,
}


def default_collate(batch: Any) -> Any:
    """Stack tensors, arrays and numbers of the samples along a new first dimension.

    Dicts, named tuples and lists are collated member by member and keep their types; tuples become
    lists; strings stay as they are. Floats become float64, ints int64.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
