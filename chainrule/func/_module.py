"""``functional_call``: a module called with parameters that are arguments."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from chainrule._C import Tensor
    from chainrule.nn import Module

    Tensors = dict[str, Tensor]


def _merged(dictionaries: Any) -> Tensors:
    """One dictionary from a dictionary or a sequence of them."""
    if isinstance(dictionaries, dict):
        return dictionaries
    if not isinstance(dictionaries, list | tuple):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dictionaries)}"
        )
    merged: Tensors = {}
    for i, dictionary in enumerate(dictionaries):
        if not isinstance(dictionary, dict):
            raise ValueError(
                "Expected all elements of parameter_and_buffer_dicts to be dictionaries, but "
                f"element {i} is {type(dictionary)}"
            )
        repeated = sorted(merged.keys() & dictionary.keys())
        if repeated:
            raise ValueError(
                f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
                "ambiguous"
            )
        merged.update(dictionary)
    return merged


def _slots(module: Module) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every parameter and buffer: its full name, and the dictionary and key that hold it."""
    for prefix, owner in module.named_modules(remove_duplicate=False):
        start = prefix + "." if prefix else ""
        for holder in (owner._parameters, owner._buffers):
            for key, value in holder.items():
                if value is not None:
                    yield start + key, holder, key


def _check_names(module: Module, given: Tensors, present: set[str], strict: bool) -> None:
    if not strict or given.keys() == present:
        return
    unexpected = sorted(given.keys() - present)
    missing = sorted(present - given.keys())
    lines = [f"Error(s) in reparametrizing for {type(module).__name__}:"]
    if unexpected:
        lines.append(f"\tUnexpected key(s): {', '.join(map(repr, unexpected))}.")
    if missing:
        lines.append(f"\tMissing key(s): {', '.join(map(repr, missing))}.")
    raise RuntimeError("\n".join(lines))


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Tensors | Sequence[Tensors],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers than its own.

    Args:
        module: the module; it is unchanged afterwards, except that a buffer which the call
            changes in place is changed in the given tensor.
        parameter_and_buffer_dicts: tensors by name ("layer.weight"), or several such
            dictionaries with different names. Names that are left out keep the module's tensor,
            and names that the module does not have are of no effect, except with `strict`.
        args: the argument of the call, or a tuple of them.
        kwargs: keyword arguments of the call.
        tie_weights: a tensor that the module holds under several names is replaced under all of
            them when one is given.
        strict: raise if a name of the module is left out or a given name is not the module's.

    Raises:
        RuntimeError: `strict` found a name missing or unexpected.
        ValueError: the dictionaries share a name, tied names are given different tensors, or an
            argument has the wrong type.
    """
    given = _merged(parameter_and_buffer_dicts)
    slots = list(_slots(module))
    chosen = dict(given)
    if tie_weights:
        # By tensor of the module: what replaces it, and the name under which that was given.
        replacements: dict[int, tuple[Tensor, str]] = {}
        for name, holder, key in slots:
            if name in given:
                new, first = replacements.setdefault(id(holder[key]), (given[name], name))
                if new is not given[name]:
                    raise ValueError(
                        f"functional_call got multiple values for keys {sorted((first, name))}, "
                        "which are tied. Consider using tie_weights=False"
                    )
        for name, holder, key in slots:
            if id(holder[key]) in replacements:
                chosen.setdefault(name, replacements[id(holder[key])][0])
    _check_names(module, chosen, {name for name, _, _ in slots}, strict)

    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    replaced: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for name, holder, key in slots:
            if name in chosen:
                replaced.append((holder, key, holder[key]))
                holder[key] = chosen[name]
        return module(*arguments, **(kwargs or {}))
    finally:
        for holder, key, old in replaced:
            holder[key] = old
