"""Adagrad."""

from __future__ import annotations

import chainrule
from chainrule.optim._stepped import SteppedOptimizer, check_range, learning_rate
from chainrule.optim.optimizer import check_implementation, check_tensor_option, new_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Adagrad"]


class Adagrad(SteppedOptimizer):
    """Gradient over the root of the sum of all its squares (Duchi et al. 2011).

    ``s += grad²``; ``p -= lr / (1 + (t - 1) * lr_decay) * grad / (sqrt(s) + eps)`` in step ``t``.

    Args:
        params: see :class:`Optimizer`.
        initial_accumulator_value: ``s`` before the first step.
        maximize: ascend instead of descending.
        differentiable: record the step, so that gradients flow through it.
        foreach, fused: choose an implementation in torch; no effect here.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_tensor_option("lr", lr)
        check_range("learning rate", lr)
        check_range("lr_decay value", lr_decay)
        check_range("weight_decay value", weight_decay)
        check_range("initial_accumulator_value value", initial_accumulator_value)
        check_range("epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_implementation(foreach, fused, differentiable)
        for group in self.param_groups:  # torch fills the state at once, not in the first step
            for param in group["params"]:
                self._start(group, param)

    def _start(self, group: dict[str, Any], param: Any) -> dict[str, Any]:
        state = self.state[param]
        state["step"] = new_step()
        state["sum"] = chainrule.full_like(param, group["initial_accumulator_value"]).detach()
        return state

    def _update(self, group: dict[str, Any], param: Any, grad: Any, state: dict[str, Any]) -> None:
        total = state["sum"].add_(grad * grad)
        rate = learning_rate(group) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        param.sub_(grad / (total.sqrt() + group["eps"]) * rate)
