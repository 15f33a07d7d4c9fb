"""The base class of optimizers."""

from __future__ import annotations

import copy
import warnings
import weakref
from collections import OrderedDict, defaultdict

import chainrule
from chainrule import _C
from chainrule.nn.modules._names import typename
from chainrule.utils.hooks import RemovableHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]


class _Required:
    """Marks a default that every parameter group must give itself."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_global_pre_hooks: OrderedDict[int, Any] = OrderedDict()
_global_post_hooks: OrderedDict[int, Any] = OrderedDict()
_alive: weakref.WeakSet[Optimizer] = weakref.WeakSet()

_HOOK_DICTS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


class Optimizer:
    """Base class of all optimizers.

    Args:
        params: tensors, pairs ``(name, tensor)``, or dictionaries (parameter groups) with the key
            "params" and options of their own.
        defaults: options of groups that do not give them.

    A subclass defines :meth:`step`. Calls of ``step`` cost nothing extra until a hook is
    registered: only then the instance gets a ``step`` that runs hooks.
    """

    state: defaultdict[Any, dict[str, Any]]
    param_groups: list[dict[str, Any]]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._prepare()
        if isinstance(params, _C.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {typename(params)}"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list\n"
                "  A module's parameters() gives its own and those of the modules assigned to it; "
                "modules in a\n"
                "  plain list are not found (use nn.ModuleList), and a generator can be read only "
                "once."
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _prepare(self) -> None:
        """What pickles do not carry: dictionaries of hooks, and the hooks of all optimizers."""
        for name in _HOOK_DICTS:
            if name not in self.__dict__:
                self.__dict__[name] = OrderedDict()
        _alive.add(self)
        if _global_pre_hooks or _global_post_hooks:
            self._run_hooks_in_step()
        if _C._anyone_profiles():
            self._show_in_profiles()

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for number, group in enumerate(self.param_groups):
            text += f"\nParameter Group {number}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"

    # ------------------------------------------------------------------ parameter groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters; its options default to those of the optimizer.

        Raises TypeError for something else than tensors, ValueError for non-leaves, for missing
        options and for parameters that another group has.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, _C.Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        names = []
        tensors = []
        for param in params:
            if isinstance(param, tuple):
                names.append(param[0])
                param = param[1]
            tensors.append(param)
        if names and len(names) != len(tensors):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        param_group["params"] = tensors
        if names:
            param_group["param_names"] = names
        for param in tensors:
            self._check_param(param)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        self._check_overlap(param_group)
        self.param_groups.append(param_group)

    def _check_param(self, param: Any) -> None:
        if not isinstance(param, _C.Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {typename(param)}"
            )
        differentiable = self.defaults.get("differentiable", None)
        if not differentiable and not (param.is_leaf or param.retains_grad):
            raise ValueError(
                "can't optimize a non-leaf Tensor\n"
                f"  This one is the {_C._describe_origin(param)}\n"
                "  Give the optimizer the tensors it was computed from, or make a leaf of it: "
                "w = w.detach().requires_grad_()."
            )

    def _check_overlap(self, param_group: dict[str, Any]) -> None:
        ids = {id(param) for param in param_group["params"]}
        if len(ids) != len(param_group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
                stacklevel=4,
            )
        named = "param_names" in param_group
        for group in self.param_groups:
            if ("param_names" in group) != named:
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with names' if named else 'without names'} to the optimizer"
                )
        if any(id(param) in ids for group in self.param_groups for param in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    # ------------------------------------------------------------------ steps

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters once; ``closure`` computes the loss, which is returned."""
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros in place."""
        if set_to_none:
            for group in self.param_groups:
                for param in group["params"]:
                    param.grad = None
            return
        for group in self.param_groups:
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    if grad.grad_fn is not None:
                        grad.detach_()
                    else:
                        grad.requires_grad_(False)
                    grad.zero_()

    def _run_hooks_in_step(self) -> None:
        """Give this instance a ``step`` that runs hooks before and after its class's."""
        if getattr(self.__dict__.get("step"), "hooked", False):
            return
        reference = weakref.ref(self)
        inner = self.__dict__.get("step") or type(self).step

        def step(*args: Any, **kwargs: Any) -> Any:
            optimizer = reference()
            assert optimizer is not None
            args = (optimizer, *args)  # as the hooks see them
            pre = optimizer.__dict__["_optimizer_step_pre_hooks"]
            for hook in (*_global_pre_hooks.values(), *pre.values()):
                result = hook(optimizer, args, kwargs)
                if result is not None:
                    if not (isinstance(result, tuple) and len(result) == 2):
                        raise RuntimeError(
                            f"{type(optimizer).__name__}.step must return None or a tuple of "
                            f"(new_args, new_kwargs), but got {result}."
                        )
                    args, kwargs = result
            own = hasattr(inner, "calls_optimizer")
            out = inner(*args[own:], **kwargs)
            post = optimizer.__dict__["_optimizer_step_post_hooks"]
            for hook in (*post.values(), *_global_post_hooks.values()):
                hook(optimizer, args, kwargs)
            return out

        step.hooked = True  # type: ignore[attr-defined]
        step.profiled = getattr(inner, "profiled", False)  # type: ignore[attr-defined]
        step.calls_optimizer = True  # type: ignore[attr-defined]
        self.__dict__["step"] = step

    def _track_step_calls(self) -> None:
        """Let ``step`` note that it was called, for the schedulers' order check."""
        if getattr(self.__dict__.get("step"), "tracked", False):
            return
        reference = weakref.ref(self)
        inner = self.__dict__.get("step") or type(self).step
        own = hasattr(inner, "calls_optimizer")

        def step(*args: Any, **kwargs: Any) -> Any:
            optimizer = reference()
            assert optimizer is not None
            optimizer.__dict__["_opt_called"] = True
            return inner(*args, **kwargs) if own else inner(optimizer, *args, **kwargs)

        step.hooked = getattr(inner, "hooked", False)  # type: ignore[attr-defined]
        step.tracked = True  # type: ignore[attr-defined]
        step.profiled = getattr(inner, "profiled", False)  # type: ignore[attr-defined]
        step.calls_optimizer = True  # type: ignore[attr-defined]
        self.__dict__["step"] = step

    def _show_in_profiles(self) -> None:
        """Let calls of ``step`` and ``zero_grad`` appear as ranges, until they are hidden again."""
        for name in ("step", "zero_grad"):
            inner = self.__dict__.get(name)
            if not getattr(inner, "profiled", False):
                self.__dict__[name] = _in_range(self, name, inner)

    def _hide_from_profiles(self) -> None:
        for name in ("step", "zero_grad"):
            shown = self.__dict__.get(name)
            if shown is None or not hasattr(shown, "replaces"):
                continue  # also where a later wrapper stands around it
            if shown.replaces is None:
                del self.__dict__[name]
            else:
                self.__dict__[name] = shown.replaces

    # ------------------------------------------------------------------ hooks

    def _add_hook(self, name: str, hook: Any, prepend: bool = False) -> RemovableHandle:
        registry = self.__dict__[name]
        handle = RemovableHandle(registry)
        registry[handle.id] = hook
        if prepend:
            registry.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before ``step``; it may return new ones."""
        self._run_hooks_in_step()
        return self._add_hook("_optimizer_step_pre_hooks", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after ``step``."""
        self._run_hooks_in_step()
        return self._add_hook("_optimizer_step_post_hooks", hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` before the ``state_dict`` is made."""
        return self._add_hook("_optimizer_state_dict_pre_hooks", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after it is made; a result replaces it."""
        return self._add_hook("_optimizer_state_dict_post_hooks", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before loading; a result is loaded instead."""
        return self._add_hook("_optimizer_load_state_dict_pre_hooks", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` after loading."""
        return self._add_hook("_optimizer_load_state_dict_post_hooks", hook, prepend)

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        """State and options as plain data: ``{"state": ..., "param_groups": ...}``.

        Parameters appear as numbers, in the order of the groups.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():  # type: ignore[attr-defined]
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, _C.Tensor) else key: value
            for key, value in self.state.items()
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():  # type: ignore[attr-defined]
            replaced = hook(self, result)
            if replaced is not None:
                result = replaced
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over state and options that :meth:`state_dict` gave.

        Tensors are converted to the dtype of their parameter, except the step count. Raises
        ValueError if the groups differ in number or size.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():  # type: ignore[attr-defined]
            replaced = hook(self, state_dict)
            if replaced is not None:
                state_dict = replaced
        groups = self.param_groups
        saved_groups = copy.deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        sizes = [len(group["params"]) for group in groups]
        if sizes != [len(group["params"]) for group in saved_groups]:
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        params: dict[int, Any] = {}
        for group, saved in zip(groups, saved_groups, strict=True):
            params.update(zip(saved["params"], group["params"], strict=True))
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                state[params[key]] = _converted(params[key], value)
            else:
                state[key] = value
        for group, saved in zip(groups, saved_groups, strict=True):
            saved["params"] = group["params"]
            if "param_names" in group:
                saved["param_names"] = group["param_names"]
            else:
                saved.pop("param_names", None)
        self.__setstate__({"state": state, "param_groups": saved_groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():  # type: ignore[attr-defined]
            hook(self)


def _in_range(optimizer: Optimizer, name: str, inner: Any) -> Callable[..., Any]:
    """A method of this instance that runs `inner`, or the class's method, in a named range."""
    reference = weakref.ref(optimizer)
    method = inner or getattr(type(optimizer), name)
    own = hasattr(method, "calls_optimizer")
    label = f"Optimizer.{name}#{type(optimizer).__name__}.{name}"

    def run(*args: Any, **kwargs: Any) -> Any:
        optimizer = reference()
        assert optimizer is not None
        with _C._Range(label):
            return method(*args, **kwargs) if own else method(optimizer, *args, **kwargs)

    for flag in ("hooked", "tracked"):
        setattr(run, flag, getattr(inner, flag, False))
    run.profiled = True  # type: ignore[attr-defined]
    run.calls_optimizer = True  # type: ignore[attr-defined]
    run.replaces = inner  # type: ignore[attr-defined]
    return run


def show_in_profiles(shown: bool) -> None:
    """Let the steps of all optimizers appear as ranges of profiles, or no more."""
    for optimizer in list(_alive):
        if shown:
            optimizer._show_in_profiles()
        else:
            optimizer._hide_from_profiles()


def _converted(param: Any, value: Any, key: str | None = None) -> Any:
    """A copy of a loaded state, its tensors in the parameter's dtype."""
    if isinstance(value, _C.Tensor):
        if key == "step":
            return value.clone()
        return value.to(param.dtype, copy=True) if param.is_floating_point() else value.clone()
    if isinstance(value, dict):
        return {name: _converted(param, item, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_converted(param, item) for item in value)
    return value


# ---------------------------------------------------------------------- for the subclasses


def evaluate(closure: Callable[[], Any] | None) -> Any:
    """What the closure of a step returns; it runs with recording on."""
    if closure is None:
        return None
    with chainrule.enable_grad():
        return closure()


def scalar(value: Any) -> Any:
    """A number: that of a tensor of one element, or the value itself."""
    return value.item() if isinstance(value, _C.Tensor) else value


def check_tensor_option(name: str, value: Any) -> None:
    """Raise ValueError for a tensor option of more than one element."""
    if isinstance(value, _C.Tensor) and value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element")


def check_implementation(
    foreach: bool | None, fused: bool | None, differentiable: bool, capturable: bool = False
) -> None:
    """Check the options that choose an implementation in torch.

    ``foreach`` and ``fused`` have no effect on results and none here; ``capturable`` belongs to
    CUDA graphs. Raises RuntimeError for combinations torch refuses.
    """
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if capturable:
        raise NotImplementedError(
            "capturable=True belongs to CUDA graphs, which are not supported; leave it False"
        )


def new_step() -> Any:
    """A step count as torch's state holds it: a 0-d float32 tensor."""
    return chainrule.tensor(0.0, dtype=chainrule.float32)


def _register_global(hooks: OrderedDict[int, Any], hook: Any) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    for optimizer in list(_alive):
        optimizer._run_hooks_in_step()
    return handle


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before the ``step`` of every optimizer."""
    return _register_global(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after the ``step`` of every optimizer."""
    return _register_global(_global_post_hooks, hook)
