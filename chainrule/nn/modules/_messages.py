"""The ways out that errors of modules name."""

from __future__ import annotations

from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def before_init(what: str, module: Any) -> AttributeError:
    """The error for assigning to a module whose ``Module.__init__`` did not run.

    Args:
        what: the kind of value that was assigned, such as ``"module"``.
        module: the module.
    """
    return AttributeError(
        f"cannot assign {what} before Module.__init__() call\n"
        f"  Begin {type(module).__name__}.__init__ with super().__init__()."
    )


def similar_method(kind: type) -> str:
    """A further line that names the method of ``kind`` that may be a misspelt ``forward``."""
    import difflib

    own = [name for base in kind.__mro__ for name in vars(base) if name in kind.__dict__]
    close = difflib.get_close_matches("forward", own, n=1, cutoff=0.7)
    return f'\n  It has a method "{close[0]}": did you mean "forward"?' if close else ""


def module_call(calls: list[Any], kind: str) -> str:
    """What messages call the module whose call recorded an operation.

    Args:
        calls: the modules whose calls were running, outermost first; None for one that is gone.
        kind: the class of the innermost.
    """
    names: list[str] = []
    for outer, inner in pairwise(calls):
        found = outer.named_modules() if outer is not None and inner is not None else ()
        name = next((name for name, module in found if module is inner), None)
        if not name:
            return f"a module {kind}"
        names.append(name)
    return f'module "{".".join(names)}" ({kind})' if names else f"module {kind}"


def parameter(calls: list[Any], leaf: Any) -> str:
    """What the outermost module calls one of its parameters; "" if it is none of them.

    Args:
        calls: the modules whose calls were running, outermost first; None for one that is gone.
        leaf: the tensor.
    """
    known = (name for name, own in calls[0].named_parameters() if own is leaf) if calls[0] else ()
    name = next(iter(known), "")
    return f'parameter "{name}"' if name else ""


def state_advice(missing: list[str], unexpected: list[str], problems: list[str]) -> list[str]:
    """What may have been meant: keys that differ by a prefix only, sizes of another model.

    Args:
        missing: keys of the model that the state dict lacks.
        unexpected: keys of the state dict that the model lacks.
        problems: what is wrong, a line each.
    """
    for model, state, text in (
        (missing, unexpected, '{{k.removeprefix("{0}"): v for k, v in state_dict.items()}}'),
        (unexpected, missing, '{{"{0}" + k: v for k, v in state_dict.items()}}'),
    ):
        prefix = _common_prefix(model, state)
        if prefix:
            whose = "state_dict" if state is unexpected else "model"
            return [f'The keys of the {whose} begin with "{prefix}": load {text.format(prefix)}.']
    if any(problem.startswith("size mismatch") for problem in problems):
        return [
            "Build the model with the sizes of the state_dict, or delete these keys from it and "
            "pass strict=False."
        ]
    return []


def _common_prefix(short: list[str], long: list[str]) -> str:
    """What stands before every key of ``short`` in ``long``; "" if there is no such text."""
    if not short:
        return ""
    for key in long:  # such as "module.weight" of a model that was wrapped
        prefix = key.removesuffix(short[0])
        if prefix not in ("", key) and {prefix + name for name in short} <= set(long):
            return prefix
    return ""
