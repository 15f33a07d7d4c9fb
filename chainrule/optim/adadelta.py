"""Adadelta."""

from __future__ import annotations

import chainrule
from chainrule.optim._stepped import SteppedOptimizer, check_range, learning_rate
from chainrule.optim.optimizer import check_implementation, check_tensor_option, new_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Adadelta"]


class Adadelta(SteppedOptimizer):
    """Steps in units of earlier steps (Zeiler 2012).

    ``v = rho * v + (1 - rho) * grad²``; ``d = sqrt(u + eps) / sqrt(v + eps) * grad``;
    ``u = rho * u + (1 - rho) * d²``; ``p -= lr * d``.

    Args:
        params: see :class:`Optimizer`.
        maximize: ascend instead of descending.
        differentiable: record the step, so that gradients flow through it.
        foreach: chooses an implementation in torch; no effect here.
        capturable: belongs to CUDA graphs; True raises NotImplementedError.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_tensor_option("lr", lr)
        check_range("learning rate", lr)
        check_range("rho value", rho, high=1.0)
        check_range("epsilon value", eps)
        check_range("weight_decay value", weight_decay)
        check_implementation(foreach, None, differentiable, capturable)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _start(self, group: dict[str, Any], param: Any) -> dict[str, Any]:
        state = self.state[param]
        state["step"] = new_step()
        state["square_avg"] = chainrule.zeros_like(param)
        state["acc_delta"] = chainrule.zeros_like(param)
        return state

    def _update(self, group: dict[str, Any], param: Any, grad: Any, state: dict[str, Any]) -> None:
        rho = group["rho"]
        eps = group["eps"]
        square = state["square_avg"].mul_(rho).add_(grad * grad, alpha=1 - rho)
        change = state["acc_delta"].add(eps).sqrt() / square.add(eps).sqrt() * grad
        state["acc_delta"].mul_(rho).add_(change * change, alpha=1 - rho)
        param.sub_(change * learning_rate(group))
