"""Operations that the user defines: ``Function`` with its own forward and backward."""

from __future__ import annotations

from functools import wraps

import chainrule
from chainrule._C import Tensor, _FunctionBase
from chainrule._C import _FunctionContext as FunctionCtx

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]


class Function(_FunctionBase):  # its type is only known at run time
    """An operation with its own derivative.

    Subclass it, write the static methods, and call ``YourFunction.apply(...)``::

        class Cube(Function):
            @staticmethod
            def forward(x):
                return x**3

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx, grad):
                (x,) = ctx.saved_tensors
                return 3 * x**2 * grad

    `forward` may instead take the context itself, ``forward(ctx, x)``, and then no
    `setup_context` is written; the transforms of ``torch.func`` need the form above.

    The context has `save_for_backward`, `save_for_forward`, `saved_tensors`, `mark_dirty`,
    `mark_non_differentiable`, `set_materialize_grads` and `needs_input_grad`, and takes any
    attribute.
    """

    # Ask for a batching rule made from forward and backward, instead of writing `vmap`.
    generate_vmap_rule = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # `vjp` is another name for `backward`; the engine calls `backward`.
        if "vjp" in cls.__dict__:
            if "backward" in cls.__dict__:
                rule: Any = staticmethod(_both_backward_and_vjp)
            else:
                rule = cls.__dict__["vjp"]
            setattr(cls, "backward", rule)  # noqa: B010 (mypy sees a method in the name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: a Function is applied by its class, with ``apply``."""
        name = type(self).__name__
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method.\n"
            f"  Write forward and backward as static methods with ctx as their first argument, and "
            f"call {name}.apply(...)."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; runs without recording.

        Called with the arguments of `apply`, after the context if `setup_context` is not
        overridden. Returns a tensor or a tuple; tensors in nested containers have no gradient.
        """
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The vector-Jacobian product: from one gradient for each output of `forward` to one
        gradient, or None, for each of its inputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The Jacobian-vector product: from one tangent, or None, for each input of `forward` to
        one tangent for each output."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        """The rule for a batch: returns the batched output and the dimension of its batch."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod "
            "or set generate_vmap_rule=True."
        )


def _both_backward_and_vjp(ctx: Any, *grad_outputs: Any) -> Any:
    raise RuntimeError(
        "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should "
        "only implement one of them."
    )


class InplaceFunction(Function):
    """A Function whose instances remember whether they work in place."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class _NotTwiceDifferentiable(Function):
    """Passes gradients on; differentiating them raises."""

    @staticmethod
    def forward(ctx: Any, name: str, count: int, *tensors: Any) -> Any:
        ctx.name = name
        # New tensor objects: the inputs themselves must not become outputs.
        return tuple(t.detach() if isinstance(t, Tensor) else t for t in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable: "
            f"{ctx.name}. Write its backward with differentiable operations and remove the mark."
        )


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a `backward` that is not differentiable itself.

    It runs without recording; a second derivative through it raises RuntimeError instead of
    silently missing a part.
    """

    @wraps(backward)
    def wrapped(ctx: Any, *grad_outputs: Any) -> Any:
        with chainrule.no_grad():
            result = backward(ctx, *grad_outputs)
        if not chainrule.is_grad_enabled():
            return result
        recorded = [g for g in grad_outputs if isinstance(g, Tensor) and g.requires_grad]
        if not recorded:
            return result
        grads = result if isinstance(result, tuple) else (result,)
        # The incoming gradients are inputs too, so that the error stands on every path to them.
        marked = _NotTwiceDifferentiable.apply(backward.__qualname__, len(grads), *grads, *recorded)
        return marked if isinstance(result, tuple) else marked[0]

    return wrapped
