"""RMSprop."""

from __future__ import annotations

import chainrule
from chainrule.optim._stepped import SteppedOptimizer, check_range, learning_rate
from chainrule.optim.optimizer import check_implementation, check_tensor_option, new_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["RMSprop"]


class RMSprop(SteppedOptimizer):
    """Gradient over the root of its running mean square (Hinton 2012).

    ``v = alpha * v + (1 - alpha) * grad²``; ``p -= lr * grad / (sqrt(v) + eps)``. ``centered``
    subtracts the square of the mean gradient from ``v`` (Graves 2013).

    Args:
        params: see :class:`Optimizer`.
        momentum: factor of a buffer of scaled gradients that is subtracted instead.
        maximize: ascend instead of descending.
        differentiable: record the step, so that gradients flow through it.
        foreach: chooses an implementation in torch; no effect here.
        capturable: belongs to CUDA graphs; True raises NotImplementedError.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_tensor_option("lr", lr)
        check_range("learning rate", lr)
        check_range("epsilon value", eps)
        check_range("momentum value", momentum)
        check_range("weight_decay value", weight_decay)
        check_range("alpha value", alpha)
        check_implementation(foreach, None, differentiable, capturable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _start(self, group: dict[str, Any], param: Any) -> dict[str, Any]:
        state = self.state[param]
        state["step"] = new_step()
        state["square_avg"] = chainrule.zeros_like(param)
        if group["momentum"] > 0:
            state["momentum_buffer"] = chainrule.zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = chainrule.zeros_like(param)
        return state

    def _update(self, group: dict[str, Any], param: Any, grad: Any, state: dict[str, Any]) -> None:
        alpha = group["alpha"]
        square = state["square_avg"].mul_(alpha).add_(grad * grad, alpha=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"].mul_(alpha).add_(grad, alpha=1 - alpha).clone()
            square = square - mean * mean
        scaled = grad / (square.sqrt() + group["eps"])
        if group["momentum"] > 0:
            scaled = state["momentum_buffer"].mul_(group["momentum"]).add_(scaled)
        param.sub_(scaled * learning_rate(group))
