"""The events of a profile: names, order, links and figures."""

import threading
from types import ModuleType
from typing import Any

import pytest

import chainrule as torch
from chainrule.profiler import ProfilerActivity, profile, record_function


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return grad * 2


# Attributes of torch's events that ours lack: of other devices' queues, of external tools, or
# deprecated there.
NOT_HERE = """
activity_type append_cpu_child append_kernel device_index device_resource_id event_metadata
external_id flow_id flow_start flow_type kwinputs linked_correlation_id metadata_json python_id
python_module_id python_parent_id set_cpu_parent structured_input_shapes structured_input_strides
cuda_time cuda_time_total self_cuda_memory_usage self_cuda_time_total self_cpu_percent
total_cpu_percent total_device_percent
"""


def names(events: Any) -> list[str]:
    return [event.name for event in events]


def one(events: Any, name: str) -> Any:
    (found,) = [event for event in events if event.name == name]
    return found


def test_operators_are_named_as_in_torch() -> None:
    x, w = torch.ones(2, 3), torch.ones(3, 4)
    with profile() as prof:
        ((x @ w).exp() * 2 + 1).sum()
        x.add_(1)
        torch.addmm(torch.ones(4), x, w)
    found = names(prof.events())
    for name in ["mm", "exp", "mul", "add", "sum", "add_", "addmm"]:
        assert f"aten::{name}" in found


def test_a_backward_node_runs_inside_its_evaluation() -> None:
    x = torch.ones(3, requires_grad=True)
    y = (x * x).sum()
    with profile() as prof:
        y.backward()
    events = prof.events()
    node = one(events, "MulBackward0")
    assert node.cpu_parent.name == "autograd::engine::evaluate_function: MulBackward0"
    assert node.scope == 1
    assert "torch::autograd::AccumulateGrad" in names(events)
    assert "autograd::engine::evaluate_function: torch::autograd::AccumulateGrad" in names(events)


def test_operators_of_a_node_stand_inside_it() -> None:
    x = torch.ones(3, 4, requires_grad=True)
    y = (x @ torch.ones(4, 2)).sum()
    with profile() as prof:
        y.backward()
    inside = [e for e in prof.events() if e.cpu_parent and e.cpu_parent.name == "MmBackward0"]
    assert "aten::mm" in names(inside)


@pytest.mark.chainrule_only
def test_what_the_engine_adds_belongs_to_the_evaluation() -> None:
    x = torch.ones(40, 300, requires_grad=True)
    bias = torch.ones(300, requires_grad=True)
    y = (x * 2 + bias).sum()
    with profile(profile_memory=True) as prof:
        y.backward()
    evaluation = one(prof.events(), "autograd::engine::evaluate_function: AddBackward0")
    (node,) = evaluation.cpu_children
    assert node.time_range.start == evaluation.time_range.start
    assert node.time_range.end < evaluation.time_range.end
    assert evaluation.self_cpu_memory_usage == 4 * 300  # the sum over the rows


@pytest.mark.chainrule_only
def test_operators_of_a_hook_belong_to_no_evaluation() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.register_hook(lambda grad: grad.cos())
    z = y.sum()
    with profile() as prof:
        z.backward()
    assert one(prof.events(), "aten::cos").cpu_parent is None


def test_a_custom_function_goes_by_its_class() -> None:
    x = torch.ones(3, requires_grad=True)
    with profile() as prof:
        Doubled.apply(x).sum().backward()
    events = prof.events()
    forward, backward = one(events, "Doubled"), one(events, "DoubledBackward")
    assert "aten::mul" in names(forward.cpu_children)
    assert "aten::mul" in names(backward.cpu_children)
    assert forward.sequence_nr == backward.sequence_nr >= 0


def test_forward_and_backward_share_a_sequence_number() -> None:
    x = torch.ones(3, requires_grad=True)
    with profile() as prof:
        (x.exp() * 3).sum().backward()
    events = prof.events()
    for operator, node in [("exp", "ExpBackward0"), ("mul", "MulBackward0")]:
        forward = next(e for e in events if e.name == f"aten::{operator}")
        backward = one(events, node)
        assert forward.sequence_nr == backward.sequence_nr >= 0
        assert backward.fwd_thread == forward.thread


@pytest.mark.chainrule_only
def test_what_is_not_recorded_has_no_sequence_number() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    with profile() as prof:
        same = y.contiguous()  # gives back what it got
        with torch.no_grad():
            y * 3
    assert same is y or same.grad_fn is y.grad_fn
    assert {e.sequence_nr for e in prof.events() if e.kind == "operator"} == {-1}


def test_second_derivatives_are_recorded_too() -> None:
    x = torch.ones(3, requires_grad=True)
    with profile() as prof:
        y = (x**3).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        g.sum().backward()
    found = names(prof.events())
    assert found.count("PowBackward0") == 2
    assert "MulBackward0" in found


@pytest.mark.chainrule_only
def test_self_times_add_up_to_the_time_of_the_outermost_events() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with profile(with_modules=True) as prof:
        for _ in range(3):
            with record_function("outer"), record_function("inner"):
                loss = Doubled.apply(model(torch.ones(4, 5))).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    events = prof.events()
    outermost = sum(e.cpu_time_total for e in events if e.cpu_parent is None)
    assert sum(e.self_cpu_time_total for e in events) == pytest.approx(outermost, rel=1e-9)
    for event in events:
        assert event.self_cpu_time_total >= -1e-6
        assert event.time_range.start <= event.time_range.end
        for child in event.cpu_children:
            assert child.cpu_parent is event
            assert event.time_range.start <= child.time_range.start
            assert child.time_range.end <= event.time_range.end
    assert events.self_cpu_time_total == pytest.approx(prof.profiler.self_cpu_time_total)


def test_times_are_microseconds() -> None:
    import time

    with profile() as prof, record_function("wait"):
        time.sleep(0.02)
    assert 19_000 < one(prof.events(), "wait").cpu_time_total < 5_000_000


def test_shapes_are_kept_when_asked_for() -> None:
    x, w, b = torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)
    with profile(record_shapes=True) as prof:
        torch.addmm(b, x, w)
        torch.tensor(1.0).exp()
    events = prof.events()
    assert one(events, "aten::addmm").input_shapes[:3] == [[4], [2, 3], [3, 4]]
    assert one(events, "aten::exp").input_shapes == [[]]
    with profile() as prof:
        x.exp()
    assert one(prof.events(), "aten::exp").input_shapes == []


def test_gradients_have_shapes_too() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    with profile(record_shapes=True) as prof:
        x.exp().sum().backward()
    assert one(prof.events(), "ExpBackward0").input_shapes == [[2, 3]]


@pytest.mark.chainrule_only
def test_an_exception_in_an_operator_closes_its_event() -> None:
    with profile() as prof, record_function("outer"):
        with pytest.raises(RuntimeError):
            torch.ones(2, 3) @ torch.ones(2, 3)
        torch.ones(2).exp()
    failed = one(prof.events(), "aten::mm")
    assert failed.failed
    exp = one(prof.events(), "aten::exp")
    assert exp.cpu_parent.name == "outer"
    assert exp.time_range.start >= failed.time_range.end


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        with record_function("broken"):
            raise ValueError("no gradient today")


@pytest.mark.chainrule_only
def test_an_exception_in_a_node_closes_all_that_it_left() -> None:
    x = torch.ones(3, requires_grad=True)
    with profile() as prof:
        y = Broken.apply(x).sum()
        with pytest.raises(ValueError, match="no gradient today"):
            y.backward()
        x.exp()
    events = prof.events()
    node = one(events, "BrokenBackward")
    assert node.failed
    assert node.cpu_parent.failed
    assert one(events, "broken").cpu_parent is node
    exp = one(events, "aten::exp")
    assert exp.cpu_parent is None
    assert exp.time_range.start >= node.time_range.end
    assert all(event.time_range.end >= event.time_range.start for event in events)


def test_nothing_is_recorded_outside() -> None:
    x = torch.ones(3)
    x.exp()
    with profile() as prof:
        x.cos()
    x.sin()
    found = names(prof.events())
    assert "aten::cos" in found
    assert not {"aten::exp", "aten::sin"} & set(found)


@pytest.mark.chainrule_only
def test_profiles_may_be_nested() -> None:
    x = torch.ones(3)
    with profile() as outer:
        x.exp()
        with profile() as inner, record_function("both"):
            x.cos()
        x.sin()
    assert names(outer.events()) == ["aten::exp", "both", "aten::cos", "aten::sin"]
    assert names(inner.events()) == ["both", "aten::cos"]


@pytest.mark.chainrule_only
def test_other_threads_are_recorded_where_they_enter() -> None:
    x = torch.ones(3)

    def work(prof: Any) -> None:
        x.tan()
        with prof.this_thread(), record_function("there"):
            x.cos()
        x.tan()

    with profile() as prof:
        x.exp()
        thread = threading.Thread(target=work, args=(prof,))
        thread.start()
        thread.join()
        x.sin()
    events = prof.events()
    assert names(events) == ["aten::exp", "there", "aten::cos", "aten::sin"]
    assert [event.thread for event in events] == [1, 2, 2, 1]
    assert one(events, "aten::cos").cpu_parent.name == "there"


@pytest.mark.chainrule_only
def test_leaving_on_another_thread_is_refused() -> None:
    prof = profile()
    prof.start()
    refused: list[Exception] = []

    def leave() -> None:
        try:
            prof.stop_trace()
        except RuntimeError as error:
            refused.append(error)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    prof.stop()
    assert "leave it on the thread that entered it" in str(refused[0])


@pytest.mark.chainrule_only
def test_a_limit_bounds_the_memory_and_is_told() -> None:
    x = torch.ones(3, requires_grad=True)
    prof = profile(max_events=25)
    prof.start()
    for _ in range(20):
        (x * 2).sum().backward()
    with pytest.warns(UserWarning, match="max_events=25 were reached") as told:
        prof.stop()
    assert told[0].filename == __file__
    assert len([*prof.events(), *prof.events().backward_calls]) == 25
    prof.key_averages().table()
    assert prof.by_line()


@pytest.mark.chainrule_only
def test_recording_pauses_and_goes_on() -> None:
    x = torch.ones(3)
    cpu = [ProfilerActivity.CPU]
    with profile() as prof:
        x.exp()
        prof.toggle_collection_dynamic(False, cpu)
        x.cos()
        prof.toggle_collection_dynamic(True, cpu)
        x.sin()
    assert names(prof.events()) == ["aten::exp", "aten::sin"]


@pytest.mark.chainrule_only
def test_a_profile_keeps_no_module_alive() -> None:
    import gc
    import weakref

    model = torch.nn.Linear(2, 2)
    with profile(with_modules=True) as prof:
        model(torch.ones(1, 2))
    prof.events()
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


@pytest.mark.chainrule_only
def test_a_profile_gives_back_what_it_held() -> None:
    import gc
    import sys

    x = torch.ones(3, requires_grad=True)

    class Net(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return (x * 2).sum()

    code = Net.forward.__code__

    def run() -> None:
        with profile(with_stack=True, with_modules=True, record_shapes=True) as prof:
            Net()(x).backward()
            with record_function("range", "argument"):
                Net()(x)
        prof.key_averages().table()
        prof.by_line()

    run()
    gc.collect()
    before = sys.getrefcount(code), sys.getrefcount(Net), sys.getrefcount(None)
    for _ in range(20):
        run()
    gc.collect()
    after = sys.getrefcount(code), sys.getrefcount(Net), sys.getrefcount(None)
    assert after[:2] == before[:2]
    assert abs(after[2] - before[2]) < 20


@pytest.mark.chainrule_only
def test_programs_can_ask_whether_a_profile_records() -> None:
    from chainrule.autograd import profiler

    assert not profiler._is_profiler_enabled
    with profile():
        assert profiler._is_profiler_enabled
    assert not profiler._is_profiler_enabled


@pytest.mark.chainrule_only
def test_modules_are_ranges_from_their_first_operator_to_their_last() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = torch.nn.Linear(2, 3)
            self.two = torch.nn.Linear(3, 1)

        def forward(self, x: Any) -> Any:
            with record_function("first"):
                x = self.one(x)
            return self.two(x.tanh())

    net = Net()
    with profile(with_modules=True) as prof:
        net(torch.ones(1, 2)).sum().backward()
        net(torch.ones(1, 2))
    events = prof.events()
    ranges = [e for e in events if e.name.startswith("nn.Module: ")]
    calls = ["Net_0", "Linear_0", "Linear_1"]
    assert [e.name.removeprefix("nn.Module: ") for e in ranges] == calls * 2
    net_call, one_call, two_call = ranges[:3]
    assert one_call.cpu_parent.name == "first"
    assert one_call.cpu_parent.cpu_parent is net_call
    assert two_call.cpu_parent is net_call
    assert one(net_call.cpu_children, "aten::tanh").module == "Net"
    assert two_call.cpu_children[0].module == "Net.two"
    assert two_call.time_range.end == two_call.cpu_children[-1].time_range.end
    assert net_call.time_range.end == two_call.time_range.end
    node = [e for e in events if e.name == "AddmmBackward0"]
    assert [e.module for e in node] == ["Net.two", "Net.one"]
    assert {e.cpu_parent for e in events if e.name.endswith("SumBackward0")} <= {None, *events}


def test_steps_of_optimizers_are_ranges() -> None:
    x = torch.ones(3, requires_grad=True)
    before = torch.optim.SGD([x], lr=0.1)
    with profile() as prof:
        during = torch.optim.Adam([x], lr=0.1)
        x.sum().backward()
        before.step()
        before.zero_grad()
        during.step()
    before.step()
    found = names(prof.events())
    assert found.count("Optimizer.step#SGD.step") == 1
    assert found.count("Optimizer.zero_grad#SGD.zero_grad") == 1
    assert found.count("Optimizer.step#Adam.step") == 1


@pytest.mark.chainrule_only
def test_optimizers_are_left_as_they_were() -> None:
    x = torch.ones(3, requires_grad=True)
    plain = torch.optim.SGD([x], lr=0.1)
    scheduled = torch.optim.SGD([x], lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(scheduled, 1)
    own_step = scheduled.__dict__["step"]
    with profile() as prof:
        x.sum().backward()
        for _ in range(2):
            plain.step()
            scheduled.step()
            scheduler.step()
    assert "step" not in plain.__dict__
    assert "zero_grad" not in plain.__dict__
    assert scheduled.__dict__["step"] is own_step
    assert names(prof.events()).count("Optimizer.step#SGD.step") == 4


@pytest.mark.chainrule_only
def test_a_profile_that_ends_leaves_those_of_other_threads_their_steps() -> None:
    x = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.1)
    x.sum().backward()

    def short() -> None:
        with profile():
            pass

    with profile() as prof:
        thread = threading.Thread(target=short)
        thread.start()
        thread.join()
        optimizer.step()
    assert names(prof.events())[0] == "Optimizer.step#SGD.step"
    assert "step" not in optimizer.__dict__


@pytest.mark.chainrule_only
def test_hooks_and_schedulers_made_during_a_profile_keep_working() -> None:
    x = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.1)
    called: list[int] = []
    with profile():
        x.sum().backward()
        optimizer.register_step_post_hook(lambda *_: called.append(1))
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
        optimizer.step()
    optimizer.step()
    with profile() as prof:
        optimizer.step()
    assert len(called) == 3
    assert names(prof.events()).count("Optimizer.step#SGD.step") == 1


def test_names_and_links_are_those_of_torch(real_torch: ModuleType) -> None:
    import torch.profiler as real_profiler

    def run(lib: Any, profile: Any) -> list[tuple[str, str | None]]:
        x = lib.ones(3, 4, requires_grad=True)
        w = lib.ones(4, 2, requires_grad=True)
        y = lib.ones(4)
        with profile() as prof:
            z = ((x * y).exp() @ w).tanh().sum()
            z.backward()
        return [
            (e.name, e.cpu_parent.name if e.cpu_parent else None)
            for e in prof.events()
            if "Backward0" in e.name or "AccumulateGrad" in e.name
        ]

    assert run(torch, profile) == run(real_torch, real_profiler.profile)


def test_events_have_torchs_attributes(real_torch: ModuleType) -> None:
    import torch.profiler as real_profiler

    lost = set(NOT_HERE.split())
    with real_profiler.profile() as real:
        real_torch.ones(2).exp()
    with profile() as ours:
        torch.ones(2).exp()

    def public(thing: Any) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    assert public(real.events()[0]) - public(ours.events()[0]) - lost == set()
    assert public(real.key_averages()[0]) - public(ours.key_averages()[0]) - lost == set()
    assert public(real.events()) - public(ours.events()) - {"supported_export_stacks_metrics"} == (
        set()
    )
