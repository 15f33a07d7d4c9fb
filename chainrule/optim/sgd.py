"""Stochastic gradient descent."""

from __future__ import annotations

import chainrule
from chainrule import _C
from chainrule.optim.optimizer import (
    Optimizer,
    check_implementation,
    check_tensor_option,
    evaluate,
    scalar,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["SGD"]

_fused_sgd_: Any = getattr(_C, "_fused_sgd_", None)


class SGD(Optimizer):
    """Gradient descent, with momentum (Sutskever et al. 2013) if asked for.

    ``d = grad + weight_decay * p``; with momentum ``buf = momentum * buf + (1 - dampening) * d``
    (``buf = d`` at first) and ``d = buf``, or ``d + momentum * buf`` with ``nesterov``; then
    ``p -= lr * d``.

    Args:
        params: see :class:`Optimizer`.
        lr: learning rate, a number or a tensor of one element.
        maximize: ascend instead of descending.
        differentiable: record the step, so that gradients flow through it.
        foreach, fused: choose an implementation in torch; no effect here.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_tensor_option("lr", lr)
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_implementation(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", False)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters that have a gradient; returns what ``closure`` returned."""
        loss = None if closure is None else evaluate(closure)
        for group in self.param_groups:
            params = []
            grads = []
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    params.append(param)
                    grads.append(grad)
            if not params:
                continue
            if group["differentiable"] or _fused_sgd_ is None:
                self._plain_step(group, params, grads)
            elif group["momentum"] == 0:
                _fused_sgd_(
                    params,
                    grads,
                    None,
                    scalar(group["lr"]),
                    0.0,
                    0.0,
                    scalar(group["weight_decay"]),
                    False,
                    group["maximize"],
                    False,
                )
            else:
                self._fused_momentum_step(group, params, grads)
        return loss

    def _fused_momentum_step(
        self, group: dict[str, Any], params: list[Any], grads: list[Any]
    ) -> None:
        options = (
            scalar(group["lr"]),
            group["momentum"],
            group["dampening"],
            scalar(group["weight_decay"]),
            group["nesterov"],
            group["maximize"],
        )
        state = self.state
        buffers = [state[param].get("momentum_buffer") for param in params]
        started = [i for i, buffer in enumerate(buffers) if buffer is not None]
        if len(started) == len(params):
            _fused_sgd_(params, grads, buffers, *options, False)
            return
        new = [i for i, buffer in enumerate(buffers) if buffer is None]
        for i in new:  # the first step fills them with the gradient
            buffers[i] = state[params[i]]["momentum_buffer"] = chainrule.empty_like(grads[i])
        for chosen, first in ((started, False), (new, True)):
            if chosen:
                lists = ([items[i] for i in chosen] for items in (params, grads, buffers))
                _fused_sgd_(*lists, *options, first)

    def _plain_step(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        differentiable = group["differentiable"]
        momentum = group["momentum"]
        weight_decay = group["weight_decay"]
        lr = group["lr"] if differentiable else scalar(group["lr"])
        with chainrule.set_grad_enabled(differentiable):
            for param, grad in zip(params, grads, strict=True):
                if group["maximize"]:
                    grad = -grad
                if differentiable or weight_decay != 0:
                    grad = grad + param * weight_decay
                if momentum != 0:
                    state = self.state[param]
                    buffer = state.get("momentum_buffer")
                    if buffer is None:
                        buffer = state["momentum_buffer"] = grad.detach().clone()
                    else:
                        buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
                    grad = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer
                param.sub_(grad * lr)
