"""Calls of modules that have hooks, and the hooks that hold for all modules."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from functools import partial

import chainrule
from chainrule import _C
from chainrule.utils.hooks import RemovableHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "call_with_hooks",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

Hooks = OrderedDict  # from the handle's id to the hook

buffer_registration: dict[int, Any] = Hooks()
module_registration: dict[int, Any] = Hooks()
parameter_registration: dict[int, Any] = Hooks()

_forward_pre: dict[int, Any] = Hooks()
_forward: dict[int, Any] = Hooks()
_forward_with_kwargs: dict[int, Any] = Hooks()
_forward_always: dict[int, Any] = Hooks()
_backward_pre: dict[int, Any] = Hooks()
_backward: dict[int, Any] = Hooks()

# The class Module, set when it is defined.
Module: Any = None


def run_registration_hooks(hooks: dict[int, Any], module: Any, name: str, value: Any) -> Any:
    """What is registered under ``name`` after the hooks saw, and perhaps replaced, ``value``."""
    for hook in hooks.values():
        result = hook(module, name, value)
        if result is not None:
            value = result
    return value


# ---------------------------------------------------------------------- one call


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a module's ``forward`` with all hooks around it, in torch's order."""
    ran: set[int] = set()
    output: Any = None
    try:
        args, kwargs = _run_pre_hooks(module, args, kwargs)

        full = module._is_full_backward_hook
        pre = [*_backward_pre.values(), *module._backward_pre_hooks.values()]
        post = [*_backward.values(), *(module._backward_hooks.values() if full else ())]
        around = _BackwardHooks(module, post, pre) if pre or post else None
        if around is not None:
            args = around.watch_inputs(args)

        output = module.forward(*args, **kwargs)

        for key, hook in (*_forward.items(), *module._forward_hooks.items()):
            if key in _forward_always or key in module._forward_hooks_always_called:
                ran.add(key)
            result = _run_forward_hook(module, key, hook, args, kwargs, output)
            if result is not None:
                output = result

        if around is not None:
            output = around.watch_outputs(output)
        if full is False and module._backward_hooks:
            _hook_last_node(module, output)
        return output
    except Exception:
        for key, hook in (*_forward.items(), *module._forward_hooks.items()):
            always = key in _forward_always or key in module._forward_hooks_always_called
            if always and key not in ran:
                try:
                    result = _run_forward_hook(module, key, hook, args, kwargs, output)
                    output = output if result is None else result
                except Exception as problem:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that "
                        f"was silenced as another error was raised in forward: {problem}",
                        stacklevel=3,
                    )
        raise


def _run_pre_hooks(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for key, hook in (*_forward_pre.items(), *module._forward_pre_hooks.items()):
        if key in module._forward_pre_hooks_with_kwargs:
            result = hook(module, args, kwargs)
            if result is None:
                continue
            if not (isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {result}."
                )
            args, kwargs = result
        else:
            result = hook(module, args)
            if result is not None:
                args = result if isinstance(result, tuple) else (result,)
    return args, kwargs


def _run_forward_hook(
    module: Any, key: int, hook: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Any:
    if key in module._forward_hooks_with_kwargs or key in _forward_with_kwargs:
        return hook(module, args, kwargs, output)
    return hook(module, args, output)


# ---------------------------------------------------------------------- backward hooks


class _BackwardHooks:
    """Full backward hooks of one call.

    Two identity nodes stand around the module: one behind its inputs, one before its outputs.
    Backward reaches the output node first, where the gradients of the outputs are kept, and the
    input node last, where the hooks see the gradients of the inputs (or, where no input requires
    grad, at the output node itself).
    """

    def __init__(self, module: Any, hooks: list[Any], pre_hooks: list[Any]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: tuple[Any, ...] | None = None
        self.input_positions: list[int] | None = None
        self.input_count = 0
        self.output_positions: list[int] = []
        self.output_count = 0

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, their tensors behind the input node."""
        if not self.hooks:
            return args
        args, positions, node = _behind_identity(args)
        self.input_count = len(args)
        if node is not None:
            self.input_positions = positions
            node.register_hook(self._at_inputs)
        return args

    def watch_outputs(self, output: Any) -> Any:
        """The output, its tensors behind the output node."""
        single = not isinstance(output, tuple)
        outputs = (output,) if single else output
        if not all(isinstance(value, _C.Tensor) for value in outputs):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(output)}",
                stacklevel=4,
            )
        outputs, positions, node = _behind_identity(outputs)
        if node is not None:
            self.output_positions, self.output_count = positions, len(outputs)
            node.register_prehook(self._at_outputs)
        return outputs[0] if single else outputs

    def _at_outputs(self, grads: tuple[Any, ...]) -> Any:
        replaced = False
        full = _scatter(self.output_positions, grads, self.output_count)
        for hook in self.pre_hooks:
            result = hook(self.module, full)
            if result is None:
                continue
            full = result if isinstance(result, tuple) else (result,)
            if len(full) != self.output_count:
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(full)}, but expected {self.output_count}"
                )
            replaced = True
        self.grad_outputs = full
        if self.hooks and self.input_positions is None:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module "
                "outputs since no inputs require gradients. See "
                "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.register_full_backward_hook for more details.",
                stacklevel=5,
            )
            nothing = (None,) * self.input_count
            for hook in self.hooks:
                result = hook(self.module, nothing, full)
                results = result if isinstance(result, tuple) else (result,)
                if any(value is not None for value in results):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always "
                        "return None or None for all gradients."
                    )
        return tuple(full[position] for position in self.output_positions) if replaced else None

    def _at_inputs(self, grads: tuple[Any, ...], _: tuple[Any, ...]) -> Any:
        if self.grad_outputs is None:
            raise RuntimeError(
                "Module backward hook for grad_input is called before the grad_output one. This "
                "happens because the gradient in your nn.Module flows to the Module's input "
                "without passing through the Module's output. Make sure that the output depends on "
                "the input and that the loss is computed based on the output."
            )
        assert self.input_positions is not None
        full = _scatter(self.input_positions, grads, self.input_count)
        for hook in self.hooks:
            result = hook(self.module, full, self.grad_outputs)
            if result is None:
                continue
            full = result if isinstance(result, tuple) else (result,)
            if len(full) != self.input_count:
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(full)}, but expected {self.input_count}"
                )
        self.grad_outputs = None
        return tuple(full[position] for position in self.input_positions)


_identity: Any = None


def _identity_function() -> Any:
    global _identity
    if _identity is None:

        class BackwardHookFunction(chainrule.autograd.Function):  # type: ignore[misc]
            @staticmethod
            def forward(ctx: Any, *tensors: Any) -> Any:
                ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
                return tensors

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                return grads

        _identity = BackwardHookFunction
    return _identity


def _behind_identity(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[int], Any]:
    """Pass the tensors among ``values`` through one identity node; its positions and the node."""
    positions = [i for i, value in enumerate(values) if isinstance(value, _C.Tensor)]
    tensors = [values[i] for i in positions]
    if not chainrule.is_grad_enabled() or not any(t.requires_grad for t in tensors):
        return values, positions, None
    passed = _identity_function().apply(*tensors)
    nodes = [t.grad_fn for t in passed if t.grad_fn is not None]
    replaced = list(values)
    for position, tensor in zip(positions, passed, strict=True):
        replaced[position] = tensor
    kind = type(values)
    if kind is tuple:
        return tuple(replaced), positions, nodes[0]
    return kind(*replaced), positions, nodes[0]  # a named tuple


def _scatter(positions: list[int], values: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """``values`` at ``positions`` of a tuple of ``count`` that is None elsewhere."""
    full = [None] * count
    for position, value in zip(positions, values, strict=False):
        full[position] = value
    return tuple(full)


def _hook_last_node(module: Any, output: Any) -> None:
    """Attach the deprecated backward hooks to the node that made the first output tensor."""
    value = output
    while not isinstance(value, _C.Tensor):
        if isinstance(value, dict):
            value = next(v for v in value.values() if isinstance(v, _C.Tensor))
        else:
            value = value[0]
    node = value.grad_fn
    if node is not None:
        for hook in module._backward_hooks.values():
            node.register_hook(partial(hook, module))


# ---------------------------------------------------------------------- hooks of all modules


def _register(hooks: dict[int, Any], hook: Any, *flags: dict[int, Any]) -> RemovableHandle:
    handle = RemovableHandle(hooks, extra_dict=flags)
    hooks[handle.id] = hook
    for flag in flags:
        flag[handle.id] = True
    return handle


def _register_call(hooks: dict[int, Any], hook: Any, *flags: dict[int, Any]) -> RemovableHandle:
    Module._hooked = True  # every call looks for hooks from now on
    return _register(hooks, hook, *flags)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of every module."""
    return _register_call(_forward_pre, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of every module."""
    flags = [_forward_with_kwargs] if with_kwargs else []
    if always_call:
        flags.append(_forward_always)
    return _register_call(_forward, hook, *flags)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` in the backward of every module."""
    return _register_call(_backward, hook)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the backward of every module."""
    return _register_call(_backward_pre, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, parameter)`` when a module registers one; a result replaces it."""
    return _register(parameter_registration, hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` when a module registers one; a result replaces it."""
    return _register(buffer_registration, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when a module registers one; a result replaces it."""
    return _register(module_registration, hook)
