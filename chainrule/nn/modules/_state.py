"""Saving and loading the state of modules."""

from __future__ import annotations

import weakref
from collections import OrderedDict, namedtuple

import chainrule
from chainrule import _C
from chainrule.nn.modules import _messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["LoadPreHook", "load", "load_own", "save", "save_own"]

EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ("missing_keys", "unexpected_keys"))):
    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class LoadPreHook:
    """A hook before loading, together with the module it wants as its first argument.

    The module is held weakly: it owns the hook.
    """

    def __init__(self, hook: Callable[..., Any], module: Any = None) -> None:
        self.hook = hook
        self.module = None if module is None else weakref.ref(module)

    def __call__(self, *args: Any) -> Any:
        if self.module is None:
            return self.hook(*args)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args)

    def __getstate__(self) -> dict[str, Any]:
        return {"hook": self.hook, "module": None if self.module is None else self.module()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        module = state["module"]
        self.hook = state["hook"]
        self.module = None if module is None else weakref.ref(module)


def save(module: Any, destination: Any, prefix: str, keep_vars: bool) -> Any:
    """The state of a module and all below it; see ``Module.state_dict``."""
    if destination is None:
        destination = OrderedDict()
        destination._metadata = OrderedDict()
    metadata = {"version": module._version}
    if hasattr(destination, "_metadata"):
        destination._metadata[prefix[:-1]] = metadata
    for hook in module._state_dict_pre_hooks.values():
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(
                destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
            )
    for hook in module._state_dict_hooks.values():
        result = hook(module, destination, prefix, metadata)
        if result is not None:
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = result
    return destination


def save_own(module: Any, destination: Any, prefix: str, keep_vars: bool) -> None:
    """Put a module's own parameters, persistent buffers and extra state into ``destination``."""
    for name, tensor in _own_state(module).items():
        destination[prefix + name] = tensor if keep_vars else tensor.detach()
    if _overrides(module, "get_extra_state"):
        destination[prefix + EXTRA_STATE] = module.get_extra_state()


def _own_state(module: Any) -> dict[str, Any]:
    transient = module._non_persistent_buffers_set
    state = {name: value for name, value in module._parameters.items() if value is not None}
    for name, value in module._buffers.items():
        if value is not None and name not in transient:
            state[name] = value
    return state


def _overrides(module: Any, method: str) -> bool:
    from chainrule.nn.modules.module import Module

    return getattr(type(module), method) is not getattr(Module, method)


def load(module: Any, state_dict: Any, strict: bool, assign: bool) -> _IncompatibleKeys:
    """Load the state of a module and all below it; see ``Module.load_state_dict``."""
    if not (hasattr(state_dict, "keys") and hasattr(state_dict, "__getitem__")):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    missing: list[str] = []
    unexpected: list[str] = []
    problems: list[str] = []
    metadata = getattr(state_dict, "_metadata", None)
    state_dict = OrderedDict(state_dict)  # hooks may change it
    if metadata is not None:
        state_dict._metadata = metadata

    def visit(target: Any, state: Any, prefix: str) -> None:
        local = {} if metadata is None else metadata.get(prefix[:-1], {})
        if assign:
            local["assign_to_params_buffers"] = assign
        target._load_from_state_dict(state, prefix, local, True, missing, unexpected, problems)
        for name, child in target._modules.items():
            if child is not None:
                path = f"{prefix}{name}."
                visit(child, {k: v for k, v in state.items() if k.startswith(path)}, path)
        keys = _IncompatibleKeys(missing, unexpected)
        for hook in target._load_state_dict_post_hooks.values():
            if hook(target, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected "
                    "to return new values, if incompatible_keys need to be modified, it should be "
                    "done inplace."
                )

    visit(module, state_dict, "")
    if strict:
        if unexpected:
            names = ", ".join(f'"{key}"' for key in unexpected)
            problems.insert(0, f"Unexpected key(s) in state_dict: {names}. ")
        if missing:
            names = ", ".join(f'"{key}"' for key in missing)
            problems.insert(0, f"Missing key(s) in state_dict: {names}. ")
    if problems:
        problems += _messages.state_advice(missing, unexpected, problems)
        listed = "\n\t".join(problems)
        raise RuntimeError(
            f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{listed}"
        )
    return _IncompatibleKeys(missing, unexpected)


def load_own(
    module: Any,
    state_dict: Any,
    prefix: str,
    local_metadata: dict[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    problems: list[str],
) -> None:
    """Load a module's own state; what does not fit is added to the three lists."""
    for hook in module._load_state_dict_pre_hooks.values():
        hook(state_dict, prefix, local_metadata, strict, missing, unexpected, problems)
    own = _own_state(module)
    assign = local_metadata.get("assign_to_params_buffers", False)
    for name, current in own.items():
        key = prefix + name
        if key not in state_dict:
            if strict:
                missing.append(key)
            continue
        problem = _load_tensor(module, name, key, current, state_dict[key], assign)
        if problem is not None:
            problems.append(problem)

    extra = prefix + EXTRA_STATE
    if _overrides(module, "set_extra_state"):
        if extra in state_dict:
            module.set_extra_state(state_dict[extra])
        elif strict:
            missing.append(extra)
    elif strict and extra in state_dict:
        unexpected.append(extra)

    if strict:
        for key in state_dict:
            if key == extra or not key.startswith(prefix):
                continue
            name, dot, _ = key[len(prefix) :].partition(".")
            if name not in (module._modules if dot else own):
                unexpected.append(key)


def _load_tensor(
    module: Any, name: str, key: str, current: Any, value: Any, assign: bool
) -> str | None:
    """Load one tensor; returns what is wrong with it, or None."""
    if not isinstance(value, _C.Tensor):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(value)}"
        )
    if current.dim() == 0 and tuple(value.shape) == (1,):  # scalars of very old checkpoints
        value = value[0]
    if value.shape != current.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {current.shape}."
        )
    try:
        with chainrule.no_grad():
            if not assign:
                current.copy_(value)
                return None
            if isinstance(current, _C.Parameter):
                if isinstance(value, _C.Parameter):
                    value.requires_grad_(current.requires_grad)
                else:
                    value = _C.Parameter(value, requires_grad=current.requires_grad)
            setattr(module, name, value)
    except Exception as problem:
        return (
            f'While copying the parameter named "{key}", whose dimensions in the model are '
            f"{current.size()} and whose dimensions in the checkpoint are {value.size()}, "
            f"an exception occurred : {problem.args}."
        )
    return None
