"""What RMSprop, Adagrad and Adadelta share: state per parameter and a step by tensor operations."""

from __future__ import annotations

import chainrule
from chainrule import _C
from chainrule.optim.optimizer import Optimizer, evaluate, scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["SteppedOptimizer", "check_range", "learning_rate"]


def check_range(text: str, value: Any, high: float | None = None) -> None:
    """Raise ValueError for an option below 0 (or above ``high``)."""
    if not value >= 0.0 or (high is not None and value > high):
        raise ValueError(f"Invalid {text}: {value}")


class SteppedOptimizer(Optimizer):
    """An optimizer that updates one parameter after the other and counts their steps."""

    def _start(self, group: dict[str, Any], param: Any) -> dict[str, Any]:
        """Fill and return the state of a parameter before its first step."""
        raise NotImplementedError(f"{type(self).__name__} does not define _start()")

    def _update(self, group: dict[str, Any], param: Any, grad: Any, state: dict[str, Any]) -> None:
        """Change one parameter and its state."""
        raise NotImplementedError(f"{type(self).__name__} does not define _update()")

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)
            for param in group["params"]:
                own = self.state.get(param)
                if own and not isinstance(own["step"], _C.Tensor):
                    own["step"] = chainrule.tensor(float(own["step"]), dtype=chainrule.float32)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters that have a gradient; returns what ``closure`` returned."""
        loss = None if closure is None else evaluate(closure)
        for group in self.param_groups:
            with chainrule.set_grad_enabled(group["differentiable"]):
                for param in group["params"]:
                    grad = param.grad
                    if grad is None:
                        continue
                    state = self.state[param] or self._start(group, param)
                    state["step"].add_(1)
                    if group["maximize"]:
                        grad = -grad
                    if group["weight_decay"] != 0:
                        grad = grad.add(param, alpha=scalar(group["weight_decay"]))
                    self._update(group, param, grad, state)
        return loss


def learning_rate(group: dict[str, Any]) -> Any:
    """The learning rate of a step: a tensor only where gradients flow through the step."""
    return group["lr"] if group["differentiable"] else scalar(group["lr"])
