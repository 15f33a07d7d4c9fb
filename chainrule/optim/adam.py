"""Adam."""

from __future__ import annotations

import chainrule
from chainrule import _C
from chainrule.optim.optimizer import (
    Optimizer,
    check_implementation,
    check_tensor_option,
    evaluate,
    new_step,
    scalar,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Adam"]

_fused_adam_: Any = getattr(_C, "_fused_adam_", None)


class Adam(Optimizer):
    """Adaptive moment estimation (Kingma, Ba 2015).

    With the running averages ``m`` of gradients and ``v`` of their squares after ``t`` steps:
    ``p -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)``.

    Args:
        params: see :class:`Optimizer`.
        lr: learning rate, a number or a tensor of one element.
        betas: ``(beta1, beta2)``, the decay of both averages.
        eps: added to the denominator.
        weight_decay: added to the gradient as ``weight_decay * p``.
        amsgrad: use the maximum of all ``v`` so far (Reddi et al. 2018).
        maximize: ascend instead of descending.
        differentiable: record the step, so that gradients flow through it.
        decoupled_weight_decay: shrink the parameter instead of changing the gradient, as AdamW.
        foreach, fused: choose an implementation in torch; no effect here.
        capturable: belongs to CUDA graphs; True raises NotImplementedError.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, _C.Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        check_tensor_option("lr", lr)
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if {isinstance(beta, float) for beta in betas} != {True}:
            if not all(isinstance(beta, _C.Tensor) for beta in betas):
                raise ValueError("betas must be either both floats or both Tensors")
            for index, beta in enumerate(betas):
                check_tensor_option(f"betas[{index}]", beta)
        defaults = {
            "lr": lr,
            "betas": tuple(scalar(beta) for beta in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_implementation(foreach, fused, differentiable, capturable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
            for param in group["params"]:
                own = self.state.get(param)
                if own and not isinstance(own["step"], _C.Tensor):
                    own["step"] = chainrule.tensor(float(own["step"]), dtype=chainrule.float32)

    def _start(self, param: Any, amsgrad: bool) -> dict[str, Any]:
        """The state of a parameter before its first step."""
        state = self.state[param]
        state["step"] = new_step()
        state["exp_avg"] = chainrule.zeros_like(param)
        state["exp_avg_sq"] = chainrule.zeros_like(param)
        if amsgrad:
            state["max_exp_avg_sq"] = chainrule.zeros_like(param)
        return state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters that have a gradient; returns what ``closure`` returned."""
        loss = None if closure is None else evaluate(closure)
        for group in self.param_groups:
            amsgrad = group["amsgrad"]
            all_states = self.state
            params = []
            grads = []
            states = []
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    params.append(param)
                    grads.append(grad)
                    states.append(all_states[param] or self._start(param, amsgrad))
            if not params:
                continue
            if group["differentiable"] or _fused_adam_ is None:
                with chainrule.set_grad_enabled(group["differentiable"]):
                    for param, grad, state in zip(params, grads, states, strict=True):
                        _plain_update(group, param, grad, state)
            else:
                _fused_step(group, params, grads, states)
        return loss


def _fused_step(
    group: dict[str, Any], params: list[Any], grads: list[Any], states: list[dict[str, Any]]
) -> None:
    steps = [state["step"].add_(1).item() for state in states]
    averages = [state["exp_avg"] for state in states]
    squares = [state["exp_avg_sq"] for state in states]
    maxima = [state["max_exp_avg_sq"] for state in states] if group["amsgrad"] else None
    beta1, beta2 = group["betas"]
    options = (
        scalar(group["lr"]),
        scalar(beta1),
        scalar(beta2),
        group["eps"],
        scalar(group["weight_decay"]),
        group["amsgrad"],
        group["maximize"],
        group["decoupled_weight_decay"],
    )
    first = steps[0]
    if steps.count(first) == len(steps):
        _fused_adam_(params, grads, averages, squares, maxima, first, *options)
        return
    for step in set(steps):  # some parameters had no gradient in earlier steps
        chosen = [i for i, count in enumerate(steps) if count == step]
        lists = ([items[i] for i in chosen] for items in (params, grads, averages, squares))
        chosen_maxima = None if maxima is None else [maxima[i] for i in chosen]
        _fused_adam_(*lists, chosen_maxima, step, *options)


def _plain_update(group: dict[str, Any], param: Any, grad: Any, state: dict[str, Any]) -> None:
    """The step of one parameter by tensor operations, recorded where grad mode is on."""
    differentiable = group["differentiable"]
    beta1, beta2 = map(scalar, group["betas"])
    lr = group["lr"] if differentiable else scalar(group["lr"])
    weight_decay = scalar(group["weight_decay"])
    step = state["step"].add_(1).item()
    if group["maximize"]:
        grad = -grad
    if weight_decay != 0:
        if group["decoupled_weight_decay"]:
            param.mul_(1 - lr * weight_decay)
        else:
            grad = grad.add(param, alpha=weight_decay)
    average = state["exp_avg"].mul_(beta1).add_(grad, alpha=1 - beta1)
    square = state["exp_avg_sq"].mul_(beta2).add_(grad * grad, alpha=1 - beta2)
    if group["amsgrad"]:
        largest = state["max_exp_avg_sq"]
        square = largest.copy_(chainrule.maximum(largest.clone(), square))
    denominator = square.sqrt() / (1 - beta2**step) ** 0.5 + group["eps"]
    param.sub_(average / denominator * (lr / (1 - beta1**step)))
