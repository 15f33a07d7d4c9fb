"""Optimizers: every step equals torch's, and so do states, texts and errors."""

import copy
import importlib
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from nn_parity import assert_same

import chainrule

OPTIMIZERS = [
    "SGD(p)",
    "SGD(p, lr=0.1, momentum=0.9)",
    "SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)",
    "SGD(p, lr=0.1, momentum=0.8, dampening=0.3, maximize=True)",
    "SGD(p, lr=t.tensor(0.1), weight_decay=0.1)",
    "SGD(p, lr=0.1, momentum=0.9, foreach=True)",
    "Adam(p)",
    "Adam(p, lr=0.1, betas=(0.8, 0.9), amsgrad=True, weight_decay=0.1)",
    "Adam(p, lr=0.01, maximize=True, eps=1e-3)",
    "Adam(p, lr=0.1, decoupled_weight_decay=True, weight_decay=0.1)",
    "Adam(p, lr=t.tensor(0.1), foreach=False)",
    "AdamW(p)",
    "AdamW(p, lr=0.1, amsgrad=True, weight_decay=0.2)",
    "RMSprop(p)",
    "RMSprop(p, lr=0.01, momentum=0.9, weight_decay=0.1)",
    "RMSprop(p, lr=0.01, centered=True, maximize=True)",
    "Adagrad(p)",
    "Adagrad(p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.1, weight_decay=0.1)",
    "Adadelta(p)",
    "Adadelta(p, lr=0.5, rho=0.8, weight_decay=0.1, maximize=True)",
]


def make(t: Any, text: str, params: Any) -> Any:
    return eval(f"t.optim.{text}", {"t": t, "p": params})


def train(
    t: Any, build: Callable[[Any], Any], steps: int = 8, dtype: str = "float32", gaps: bool = False
) -> Any:
    """Losses of a small network over some steps, its weights and the optimizer."""
    model = t.nn.Sequential(t.nn.Linear(3, 8), t.nn.Tanh(), t.nn.Linear(8, 1))
    model.to(getattr(t, dtype))
    optimizer = build(model)
    x, y = (t.randn(16, n, dtype=getattr(t, dtype)) for n in (3, 1))
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(model(x), y)
        loss.backward()
        if gaps and step % 3 == 1:
            model[0].weight.grad = None
        optimizer.step()
        losses.append(loss.item())
    return losses, model, optimizer


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("text", OPTIMIZERS)
def test_steps_and_states_are_torchs(
    text: str, dtype: str, gaps: bool, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        losses, model, optimizer = train(
            t, lambda m: make(t, text, m.parameters()), dtype=dtype, gaps=gaps
        )
        return [losses, model.state_dict(), repr(optimizer), optimizer.state_dict()]

    assert_same(scenario, real_torch, rtol=1e-3 if "centered" in text else 1e-4, atol=1e-5)


@pytest.mark.parametrize("text", OPTIMIZERS)
def test_training_resumes_where_it_was_saved(text: str) -> None:
    t = chainrule
    t.manual_seed(0)
    _, model, optimizer = train(t, lambda m: make(t, text, m.parameters()), steps=3)
    twin = copy.deepcopy(model)
    resumed = make(t, text, twin.parameters())
    resumed.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    x = t.ones(2, 3)
    for _ in range(3):
        for m, o in ((model, optimizer), (twin, resumed)):
            o.zero_grad()
            m(x).sum().backward()
            o.step()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize("text", ["SGD(p, lr=0.1, momentum=0.9)", "Adam(p, lr=0.1)"])
def test_recorded_step_equals_the_plain_one(text: str) -> None:
    t = chainrule
    results = []
    for option in ("", ", differentiable=True"):
        t.manual_seed(0)
        weight = t.randn(3, requires_grad=True)
        param = weight.clone()
        optimizer = make(
            t,
            text[:-1] + (option or ")") + (")" if option else ""),
            [param if option else param.detach().requires_grad_()],
        )
        for step in range(3):
            for p in optimizer.param_groups[0]["params"]:
                p.grad = t.full((3,), 0.5 + step)
            optimizer.step()
        results.append([p.tolist() for p in optimizer.param_groups[0]["params"]])
        if option:
            optimizer.param_groups[0]["params"][0].sum().backward()
            assert weight.grad.tolist() == [1.0] * 3
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)


def test_groups_have_options_of_their_own(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        def build(model: Any) -> Any:
            groups = [
                {"params": model[0].parameters(), "lr": 0.5},
                {"params": [model[2].weight], "momentum": 0.1},
            ]
            optimizer = t.optim.SGD(groups, lr=0.1)
            optimizer.add_param_group({"params": model[2].bias, "weight_decay": 0.2})
            return optimizer

        losses, _, optimizer = train(t, build)
        return [losses, repr(optimizer), optimizer.state_dict()]

    assert_same(scenario, real_torch)


def test_named_parameters_keep_their_names(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        losses, _, optimizer = train(t, lambda m: t.optim.Adam(m.named_parameters()))
        return [losses, optimizer.state_dict()["param_groups"], repr(optimizer)]

    assert_same(scenario, real_torch)


def test_a_closure_gives_the_loss(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        weight = t.nn.Parameter(t.ones(2))
        optimizer = t.optim.SGD([weight], lr=0.1)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = (weight * weight).sum()
            loss.backward()
            return loss

        with t.no_grad():
            value = optimizer.step(closure)
        return [value, weight, optimizer.step()]

    assert_same(scenario, real_torch)


def test_zero_grad_drops_or_fills(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        weight = t.nn.Parameter(t.ones(2))
        optimizer = t.optim.SGD([weight, t.nn.Parameter(t.ones(1))])
        (weight * weight).sum().backward()
        grad = weight.grad
        optimizer.zero_grad(set_to_none=False)
        same = weight.grad is grad
        optimizer.zero_grad()
        return [grad, same, weight.grad]

    assert_same(scenario, real_torch)


def test_hooks_run_around_steps_and_states(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        log: list[Any] = []
        optimizer = t.optim.SGD([t.nn.Parameter(t.ones(1))], lr=0.1)
        optimizer.register_step_pre_hook(lambda o, a, k: log.append(["pre", o is optimizer, a, k]))
        handle = optimizer.register_step_post_hook(lambda o, a, k: log.append("post"))
        optimizer.register_state_dict_pre_hook(lambda o: log.append("save"))
        optimizer.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
        optimizer.register_load_state_dict_pre_hook(lambda o, s: log.append(sorted(s)))
        optimizer.register_load_state_dict_post_hook(lambda o: log.append("loaded"))
        optimizer.step()
        handle.remove()
        optimizer.step(None)
        optimizer.load_state_dict(optimizer.state_dict())
        return log

    assert_same(scenario, real_torch)


def test_hooks_of_all_optimizers(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        log: list[Any] = []
        module = importlib.import_module(f"{t.__name__}.optim.optimizer")
        before = t.optim.SGD([t.nn.Parameter(t.ones(1))])
        handles = [
            module.register_optimizer_step_pre_hook(lambda o, a, k: log.append("pre")),
            module.register_optimizer_step_post_hook(lambda o, a, k: log.append("post")),
        ]
        after = t.optim.Adam([t.nn.Parameter(t.ones(1))])
        before.step()
        after.step()
        for handle in handles:
            handle.remove()
        before.step()
        return log

    assert_same(scenario, real_torch)


REFUSED = {
    "tensor": "o.SGD(w)",
    "nothing": "o.SGD([])",
    "numbers": "o.SGD([1.0])",
    "non-leaf": "o.SGD([w * 2])",
    "set": "o.SGD([{'params': {w}}])",
    "no dict": "o.SGD([w]).add_param_group([w])",
    "twice": "o.SGD([{'params': [w]}, {'params': [w]}])",
    "duplicate": "o.SGD([w, w])",
    "half named": "o.SGD([('a', w), v])",
    "named and unnamed": "o.SGD([{'params': [('a', w)]}, {'params': [v]}])",
    "rate": "o.SGD([w], lr=-1.0)",
    "rate tensor": "o.SGD([w], lr=t.ones(2))",
    "momentum": "o.SGD([w], momentum=-1)",
    "decay": "o.SGD([w], weight_decay=-1)",
    "nesterov": "o.SGD([w], nesterov=True)",
    "fused and recorded": "o.SGD([w], fused=True, differentiable=True)",
    "fused and foreach": "o.SGD([w], fused=True, foreach=True)",
    "adam rate": "o.Adam([w], lr=-1.0)",
    "adam eps": "o.Adam([w], eps=-1.0)",
    "adam beta1": "o.Adam([w], betas=(1.0, 0.9))",
    "adam beta2": "o.Adam([w], betas=(0.5, -0.9))",
    "adam betas": "o.Adam([w], betas=(0, 0.9))",
    "adam decay": "o.AdamW([w], weight_decay=-1.0)",
    "adam foreach tensor rate": "o.Adam([w], lr=t.tensor(0.1), foreach=True)",
    "rmsprop alpha": "o.RMSprop([w], alpha=-1.0)",
    "rmsprop momentum": "o.RMSprop([w], momentum=-1.0)",
    "adagrad decay": "o.Adagrad([w], lr_decay=-1.0)",
    "adagrad start": "o.Adagrad([w], initial_accumulator_value=-1.0)",
    "adadelta rho": "o.Adadelta([w], rho=1.5)",
    "groups differ": "o.SGD([w]).load_state_dict({'state': {}, 'param_groups': []})",
    "sizes differ": "o.SGD([w]).load_state_dict(o.SGD([w, v]).state_dict())",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_errors_are_torchs(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        names = {"o": t.optim, "t": t, "w": t.nn.Parameter(t.ones(2))}
        eval(text, {**names, "v": t.nn.Parameter(t.ones(1))})

    assert_same(scenario, real_torch)


def test_cuda_graphs_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="capturable"):
        chainrule.optim.Adam([chainrule.nn.Parameter(chainrule.ones(1))], capturable=True)


def test_optimizers_survive_pickling() -> None:
    t = chainrule
    _, _, optimizer = train(t, lambda m: t.optim.Adam(m.parameters()))
    optimizer.register_step_pre_hook(lambda o, a, k: None)
    twin = pickle.loads(pickle.dumps(optimizer))
    assert repr(twin) == repr(optimizer)
    twin.zero_grad()
    twin.step()
