"""The recorded graph: its nodes and edges, and hooks that look at several gradients."""

from __future__ import annotations

from collections import namedtuple
from functools import wraps

import chainrule
from chainrule import _C
from chainrule._C import Node, Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

__all__ = [
    "GradientEdge",
    "Node",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


GradientEdge = namedtuple("GradientEdge", ["node", "output_nr", "ownership_token"], defaults=[None])
GradientEdge.__doc__ = "Where the gradient of a tensor flows: output `output_nr` of `node`."


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge along which the gradient of `tensor` arrives.

    Raises:
        RuntimeError: the tensor does not require a gradient.
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not "
            "require gradients"
        )
    if tensor.grad_fn is not None:
        return GradientEdge(tensor.grad_fn, tensor.output_nr)
    # The node that accumulates into a leaf is the input of any operation on it.
    with chainrule.enable_grad():
        return GradientEdge(*tensor.view_as(tensor).grad_fn.next_functions[0])


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count a change of the tensor's memory that autograd did not see, so that a backward that
    needs the old values raises."""
    tensors = (tensor,) if isinstance(tensor, Tensor) else tuple(tensor)
    for item in tensors:
        _C._increment_version(item)


class _Handle:
    """Removes hooks that belong together."""

    def __init__(self, handles: Iterable[Any]) -> None:
        self._handles = tuple(handles)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        for handle in self._handles:
            handle.remove()
        self._handles = ()

    def __enter__(self) -> _Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor],
    fn: Callable[[Sequence[Tensor | None]], None] | Callable[[Tensor], None],
    *,
    mode: str = "all",
) -> _Handle:
    """Call `fn` once in each backward pass that computes gradients of `tensors`.

    Args:
        tensors: tensors that require a gradient.
        fn: in mode "all" it receives a sequence with the gradient of each tensor, None where the
            pass computes none; in mode "any" the first gradient alone.
        mode: "all" calls when the last of the gradients has arrived, "any" when the first has.

    Returns:
        A handle whose `remove()` takes the hook away.

    Raises:
        ValueError: the mode is unknown.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = tuple(tensors)
    if mode == "any":
        return _Handle(_any_hooks(tensors, fn))
    nodes = [get_gradient_edge(tensor).node for tensor in tensors]
    # By backward pass: the gradients that arrived, and how many this pass will compute.
    passes: dict[int, tuple[list[Tensor | None], list[int]]] = {}

    def hook_of(index: int) -> Callable[[Tensor], None]:
        def hook(grad: Tensor) -> None:
            task = _C._current_graph_task_id()
            if task == -1:
                raise RuntimeError("expected this hook to be called inside a backward call")
            if task not in passes:
                expected = sum(map(_C._will_engine_execute_node, nodes))
                passes[task] = ([None] * len(tensors), [expected])
            arrived, remaining = passes[task]
            arrived[index] = grad
            remaining[0] -= 1
            if remaining[0] == 0:
                del passes[task]
                fn(arrived)  # type: ignore[arg-type]

        return hook

    return _Handle(tensor.register_hook(hook_of(i)) for i, tensor in enumerate(tensors))


def _any_hooks(tensors: Sequence[Tensor], fn: Callable[..., None]) -> list[Any]:
    """A hook on each tensor; the first that runs in a pass calls `fn`."""
    last_task = [-1]

    @wraps(fn)
    def hook(grad: Tensor) -> None:
        task = _C._current_graph_task_id()
        if task == -1:
            raise RuntimeError("expected this hook to be called inside a backward call")
        if task != last_task[0]:
            last_task[0] = task
            fn(grad)

    return [tensor.register_hook(hook) for tensor in tensors]


class saved_tensors_hooks:
    """Pack and unpack the tensors that operations save for their backward."""

    def __init__(self, pack_hook: Callable[..., Any], unpack_hook: Callable[..., Any]) -> None:
        raise NotImplementedError(
            "torch.autograd.graph.saved_tensors_hooks is not available in Chainrule: operations "
            "keep the tensors that they save as they are"
        )


class save_on_cpu:
    """Keep saved tensors in the memory of the CPU until they are needed."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        raise NotImplementedError(
            "torch.autograd.graph.save_on_cpu is not available in Chainrule: every tensor is on "
            "the CPU already"
        )
