"""Learning-rate schedules: every rate, and every momentum, is torch's to the last bit."""

import warnings
from types import ModuleType
from typing import Any

import pytest
from nn_parity import assert_same

SCHEDULES = [
    "StepLR(o, 3)",
    "MultiStepLR(o, [2, 5, 5], gamma=0.5)",
    "ConstantLR(o)",
    "LinearLR(o)",
    "LinearLR(o, 0.5, 0.1, 4)",
    "ExponentialLR(o, 0.9)",
    "PolynomialLR(o, 7, 2.0)",
    "CosineAnnealingLR(o, 4, eta_min=0.01)",
    "CosineAnnealingWarmRestarts(o, 2, 2)",
    "CosineAnnealingWarmRestarts(o, 3, eta_min=0.01)",
    "LambdaLR(o, lambda e: 0.9**e)",
    "LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (e + 1)])",
    "MultiplicativeLR(o, lambda e: 0.95)",
    "ReduceLROnPlateau(o, patience=1)",
    "ReduceLROnPlateau(o, 'max', 0.5, 0, threshold_mode='abs', cooldown=2, min_lr=[0.01, 0.02])",
    "OneCycleLR(o, 0.1, total_steps=14)",
    "OneCycleLR(o, [0.1, 0.2], epochs=3, steps_per_epoch=5, three_phase=True)",
    "OneCycleLR(o, 0.1, total_steps=14, anneal_strategy='linear', cycle_momentum=False)",
    "CyclicLR(o, 0.01, 0.1, step_size_up=3)",
    "CyclicLR(o, 0.01, 0.1, step_size_up=3, step_size_down=2, mode='triangular2')",
    "CyclicLR(o, 0.01, 0.1, 3, mode='exp_range', gamma=0.9)",
    "CyclicLR(o, 0.01, 0.1, 3, scale_fn=lambda x: 0.5**x, scale_mode='iterations')",
    "SequentialLR(o, [l.LinearLR(o, 0.1, total_iters=3), l.CosineAnnealingLR(o, 5)], [3])",
    "SequentialLR(o, [l.ConstantLR(o, 0.1), l.ExponentialLR(o, 0.5), l.StepLR(o, 2)], [2, 6])",
    "ChainedScheduler([l.ConstantLR(o, 0.1), l.ExponentialLR(o, 0.5)])",
]


def optimizer_of(t: Any, name: str) -> Any:
    groups = [{"params": [t.nn.Parameter(t.ones(1))], "lr": lr} for lr in (0.1, 0.3)]
    return getattr(t.optim, name)(groups, **({"momentum": 0.9} if name == "SGD" else {}))


def build(t: Any, text: str, optimizer: Any) -> Any:
    return eval(f"l.{text}", {"l": t.optim.lr_scheduler, "o": optimizer})


def steps(t: Any, text: str, optimizer: Any, scheduler: Any, count: int) -> list[Any]:
    seen = []
    for step in range(count):
        optimizer.step()
        scheduler.step(*([1.0 / (1 + step // 4)] if "Plateau" in text else []))
        momenta = [g.get("momentum", g.get("betas")) for g in optimizer.param_groups]
        seen.append([scheduler.get_last_lr(), [g["lr"] for g in optimizer.param_groups], momenta])
    return seen


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("text", SCHEDULES)
def test_rates_are_torchs(text: str, name: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        optimizer = optimizer_of(t, name)
        scheduler = build(t, text, optimizer)
        first = [g["lr"] for g in optimizer.param_groups]
        return [first, steps(t, text, optimizer, scheduler, 12)]

    assert_same(scenario, real_torch, rtol=0, atol=0)


@pytest.mark.parametrize("text", [text for text in SCHEDULES if "lambda" not in text])
def test_schedules_resume_from_their_state(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        optimizer = optimizer_of(t, "SGD")
        scheduler = build(t, text, optimizer)
        steps(t, text, optimizer, scheduler, 3)
        other = optimizer_of(t, "SGD")
        resumed = build(t, text, other)
        other.load_state_dict(optimizer.state_dict())
        resumed.load_state_dict(scheduler.state_dict())
        return steps(t, text, other, resumed, 6)

    assert_same(scenario, real_torch, rtol=0, atol=0)


def test_a_tensor_rate_is_filled(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        rate = t.tensor(0.5)
        optimizer = t.optim.SGD([t.nn.Parameter(t.ones(1))], lr=rate)
        scheduler = t.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        optimizer.step()
        scheduler.step()
        return [rate, optimizer.param_groups[0]["lr"] is rate]

    assert_same(scenario, real_torch)


def test_the_wrong_order_of_steps_warns(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        optimizer = optimizer_of(t, "SGD")
        scheduler = t.optim.lr_scheduler.StepLR(optimizer, 1)
        scheduler.step()
        optimizer.step()
        scheduler.step()
        scheduler.get_lr()
        scheduler.step(5)
        return scheduler.get_last_lr()

    assert_same(scenario, real_torch)


def test_the_right_order_of_steps_does_not_warn(real_torch: ModuleType) -> None:
    import chainrule as t

    optimizer = optimizer_of(t, "SGD")
    optimizer.register_step_pre_hook(lambda o, a, k: None)
    scheduler = t.optim.lr_scheduler.StepLR(optimizer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        scheduler.step()


REFUSED = [
    "StepLR(3, 1)",
    "StepLR(o, 1, last_epoch=3)",
    "LambdaLR(o, [abs])",
    "MultiplicativeLR(o, 0.5)",
    "ConstantLR(o, 2.0)",
    "LinearLR(o, 0.0)",
    "LinearLR(o, 1.0, 2.0)",
    "ReduceLROnPlateau(o, factor=1.0)",
    "ReduceLROnPlateau(o, 'least')",
    "ReduceLROnPlateau(o, threshold_mode='part')",
    "ReduceLROnPlateau(o, min_lr=[0.1])",
    "OneCycleLR(o, 0.1)",
    "OneCycleLR(o, 0.1, total_steps=0)",
    "OneCycleLR(o, 0.1, epochs=1, steps_per_epoch=0)",
    "OneCycleLR(o, 0.1, 10, pct_start=2.0)",
    "OneCycleLR(o, 0.1, 10, anneal_strategy='exp')",
    "OneCycleLR(o, [0.1], 10)",
    "CyclicLR(o, 0.1, 0.2, mode='square')",
    "CosineAnnealingWarmRestarts(o, 0)",
    "CosineAnnealingWarmRestarts(o, 1, 0)",
    "SequentialLR(o, [], [])",
    "SequentialLR(o, [l.StepLR(o, 1)], [1])",
    "SequentialLR(o, [l.ReduceLROnPlateau(o)], [])",
    "ChainedScheduler([])",
]


@pytest.mark.parametrize("text", REFUSED)
def test_errors_are_torchs(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        build(t, text, optimizer_of(t, "Adam"))

    result = assert_same(scenario, real_torch)
    assert result[0] == "raised"
