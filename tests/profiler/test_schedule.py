"""Profiles over steps: schedules, cycles, what is handed over."""

import itertools
import warnings
from types import ModuleType
from typing import Any

import pytest

import chainrule as torch
from chainrule.autograd import profiler as single
from chainrule.profiler import (
    ProfilerAction,
    ProfilerActivity,
    kineto_available,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)


def names(prof: Any) -> list[str]:
    return [event.name for event in prof.events() if event.name != "aten::ones"]


def test_schedules_are_torchs(real_torch: ModuleType) -> None:
    import torch.profiler as real

    numbers = (0, 1, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for wait, warmup, active, repeat, skip, skip_wait in itertools.product(
            numbers, numbers, (1, 2, 4), (0, 1, 3), (0, 2), (0, 1)
        ):
            how = {
                "wait": wait,
                "warmup": warmup,
                "active": active,
                "repeat": repeat,
                "skip_first": skip,
                "skip_first_wait": skip_wait,
            }
            ours, theirs = schedule(**how), real.schedule(**how)
            for step in range(40):
                assert ours(step).name == theirs(step).name, (how, step)


@pytest.mark.parametrize("wrong", [{"active": 0}, {"wait": -1}, {"warmup": -1}, {"repeat": -1}])
def test_impossible_schedules_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(AssertionError, match="Invalid profiler schedule arguments"):
        schedule(**{"wait": 0, "warmup": 1, "active": 1, **wrong})
    with pytest.raises(AssertionError, match="Step must be non-negative"):
        schedule(wait=1, warmup=1, active=1)(-1)


def test_a_schedule_without_warmup_warns() -> None:
    with pytest.warns(UserWarning, match="won't be using warmup"):
        schedule(wait=1, warmup=0, active=1)


def test_each_cycle_is_handed_over() -> None:
    seen: list[tuple[int, list[str]]] = []

    def ready(prof: Any) -> None:
        steps = [e.trace_name for e in prof.events() if e.name == "ProfilerStep*"]
        seen.append((prof.step_num, steps))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that cycles clear the events
        with profile(
            schedule=schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=ready
        ) as prof:
            for _ in range(10):
                torch.ones(2).exp()
                prof.step()
    assert seen == [
        (4, ["ProfilerStep#2", "ProfilerStep#3"]),
        (8, ["ProfilerStep#6", "ProfilerStep#7"]),
    ]
    assert prof.step_num == 10


def test_steps_hold_what_runs_in_them() -> None:
    with profile(schedule=schedule(wait=0, warmup=1, active=1)) as prof:
        prof.step()
        with record_function("inside"):
            torch.ones(2).exp()
    (inside,) = [event for event in prof.events() if event.name == "inside"]
    assert inside.cpu_parent.name == "ProfilerStep*"
    assert inside.cpu_parent.trace_name == "ProfilerStep#1"


def test_an_unfinished_cycle_is_handed_over_at_the_end() -> None:
    seen: list[int] = []
    with profile(
        schedule=schedule(wait=0, warmup=1, active=5),
        on_trace_ready=lambda prof: seen.append(prof.step_num),
    ) as prof:
        for _ in range(3):
            prof.step()
    assert seen == [3]


@pytest.mark.chainrule_only
def test_events_of_cycles_are_kept_if_asked_for() -> None:
    with profile(schedule=schedule(wait=0, warmup=1, active=1), acc_events=True) as prof:
        for _ in range(6):
            torch.ones(2).exp()
            prof.step()
    assert sorted(names(prof)) == ["ProfilerStep*"] * 3 + ["aten::exp"] * 3
    steps = [event for event in prof.events() if event.name == "ProfilerStep*"]
    steps.sort(key=lambda event: event.time_range.start)
    assert [e.trace_name for e in steps] == [f"ProfilerStep#{number}" for number in (1, 3, 5)]
    (row,) = [row for row in prof.key_averages() if row.key == "ProfilerStep*"]
    assert row.count == 3


@pytest.mark.chainrule_only
def test_results_stay_until_the_next_cycle_records() -> None:
    with profile(schedule=schedule(wait=0, warmup=2, active=1)) as prof:
        for _ in range(4):
            torch.ones(2).exp()
            prof.step()
    assert [e.trace_name for e in prof.events() if e.is_user_annotation] == ["ProfilerStep#2"]


@pytest.mark.chainrule_only  # torch may crash on them
@pytest.mark.parametrize(
    ("actions", "warning"),
    [
        ("WARMUP NONE NONE", "WARMUP followed by NONE"),
        ("RECORD NONE NONE", "RECORD followed by NONE"),
        ("RECORD WARMUP NONE", "RECORD followed by WARMUP"),
    ],
)
def test_schedules_that_save_nothing_warn(actions: str, warning: str) -> None:
    plan = [ProfilerAction[name] for name in actions.split()]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with profile(schedule=lambda step: plan[step]) as prof:
            prof.step()
            prof.step()
    assert any(warning in str(w.message) for w in told)


def test_results_before_the_start_are_refused() -> None:
    prof = profile()
    for ask in (prof.events, prof.key_averages):
        with pytest.raises(AssertionError, match="Profiler must be initialized"):
            ask()
    with pytest.raises(AssertionError, match="Profiler must be initialized"):
        prof.export_chrome_trace("nowhere.json")


def test_start_and_stop_without_with() -> None:
    prof = profile()
    prof.start()
    torch.ones(2).exp()
    prof.stop()
    torch.ones(2).cos()
    assert "aten::exp" in names(prof)
    assert "aten::cos" not in names(prof)


def test_activities_of_devices_that_are_not_there_warn(real_torch: ModuleType) -> None:
    import torch.profiler as real

    texts = []
    for lib in (real, torch.profiler):
        activities = [lib.ProfilerActivity.CPU, lib.ProfilerActivity.CUDA]
        with pytest.warns(UserWarning, match="CUDA") as told, lib.profile(activities=activities):
            pass
        texts.append(str(told[0].message))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(AssertionError, match="No activities specified"):
                lib.profile(activities=[lib.ProfilerActivity.CUDA]).start()
        with pytest.raises(AssertionError, match="No valid profiler activities found"):
            lib.profile(activities=[])
        with pytest.raises(ValueError, match="specified more than once"):
            lib.profile(activities=[lib.ProfilerActivity.CPU] * 2)
    assert texts[0] == texts[1]
    values = [
        {name: member.value for name, member in activity.__members__.items()}
        for activity in (ProfilerActivity, real.ProfilerActivity)
    ]
    assert values[0] == values[1]


@pytest.mark.chainrule_only
def test_what_is_there() -> None:
    assert supported_activities() == {ProfilerActivity.CPU}
    assert not kineto_available()
    assert torch.profiler.profile is profile
    assert torch.autograd.profile is single.profile
    assert torch.autograd.profiler.record_function is record_function


@pytest.mark.chainrule_only
def test_what_is_not_there_says_so() -> None:
    with pytest.raises(NotImplementedError, match="experimental_config"):
        profile(experimental_config=object()).start()
    with pytest.raises(NotImplementedError, match="execution_trace_observer"):
        profile(execution_trace_observer=object())
    with pytest.raises(NotImplementedError, match="key_averages"):
        profile().export_memory_timeline("x.html")
    with pytest.raises(AttributeError, match="ExecutionTraceObserver is not in Chainrule"):
        torch.profiler.ExecutionTraceObserver  # noqa: B018
    with pytest.raises(TypeError, match="Expected ProfilerActivity or dict"):
        profile(activities=["CPU"])
    with pytest.raises(ValueError, match="max_events"):
        single.profile(max_events=0)


def test_the_plain_profile_is_used_once_at_a_time() -> None:
    prof = single.profile()
    assert "unfinished" in repr(prof)
    with prof:
        torch.ones(2).exp()
    with pytest.raises(RuntimeError, match="not reentrant"), prof:
        pass
    assert "aten::exp" in prof.table()
    assert prof.self_cpu_time_total > 0


def test_a_disabled_profile_does_nothing() -> None:
    with single.profile(enabled=False) as prof:
        torch.ones(2).exp()
    assert prof is None


def test_use_cuda_is_an_old_name() -> None:
    with pytest.warns(FutureWarning, match="use_cuda"), pytest.warns(UserWarning, match="CUDA"):
        single.profile(use_cuda=True)


def test_traces_go_into_a_folder(tmp_path: Any) -> None:
    folder = tmp_path / "runs" / "one"
    with profile(on_trace_ready=tensorboard_trace_handler(str(folder), "me", use_gzip=True)):
        torch.ones(2).exp()
    with profile(on_trace_ready=tensorboard_trace_handler(str(folder))):
        torch.ones(2).exp()
    files = sorted(path.name for path in folder.iterdir())
    assert len(files) == 2
    assert sum(name.endswith(".pt.trace.json") for name in files) == 1
    assert sum(name.startswith("me.") and name.endswith(".json.gz") for name in files) == 1
