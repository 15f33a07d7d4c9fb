"""Profiles of programs made at random: whatever nests, fails or overlaps, events fit together."""

import json
import random
import warnings
from typing import Any

import pytest

import chainrule as torch
from chainrule.autograd.profiler import profile
from chainrule.profiler import record_function

pytestmark = pytest.mark.chainrule_only


class Program:
    """Does things at random: operators, ranges, modules, backward passes, failures."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.x = torch.ones(70, requires_grad=True)
        self.open: list[Any] = []
        program = self

        class Net(torch.nn.Module):
            def forward(self, x: Any, depth: int) -> Any:
                program.act(depth)
                return x * 2

        class Step(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any, depth: int) -> Any:
                program.act(depth)
                return x * 2

            @staticmethod
            def backward(ctx: Any, grad: Any) -> Any:
                program.act(2)
                return grad * 2, None

        self.net, self.step = Net(), Step

    def act(self, depth: int) -> None:
        for _ in range(self.random.randrange(1, 4)):
            choices = [self.operator, self.failure, self.overlap]
            if depth > 0:
                choices += [self.range, self.module, self.function, self.backward, self.inner]
            self.random.choice(choices)(depth - 1)

    def operator(self, depth: int) -> None:
        (self.x + 1).exp()

    def failure(self, depth: int) -> None:
        with pytest.raises(RuntimeError):
            self.x @ torch.ones(3)

    def overlap(self, depth: int) -> None:
        if self.open and self.random.random() < 0.6:
            place = self.random.randrange(len(self.open))
            self.open.pop(place).__exit__(None, None, None)
        else:
            self.open.append(record_function("overlapping"))
            self.open[-1].__enter__()

    def range(self, depth: int) -> None:
        try:
            with record_function("range"):
                self.act(depth)
                if self.random.random() < 0.3:
                    raise KeyError
        except KeyError:
            pass

    def module(self, depth: int) -> None:
        self.net(self.x, depth)

    def function(self, depth: int) -> None:
        self.step.apply(self.x, depth)

    def backward(self, depth: int) -> None:
        with torch.enable_grad():  # also inside a custom forward or backward
            y = self.step.apply(self.net(self.x, depth), depth) + torch.ones(3, 70)
            if self.random.random() < 0.3:
                y.register_hook(lambda grad: self.act(1))
            y.sum().backward()

    def inner(self, depth: int) -> None:
        with profile(with_modules=True, profile_memory=True) as prof:
            self.act(depth)
        fits_together(prof)


def fits_together(prof: Any) -> None:
    events = prof.function_events
    for event in [*events, *events.backward_calls]:
        assert 0 <= event.time_range.start <= event.time_range.end
    known = {id(event) for event in events}
    for event in events:
        parent = event.cpu_parent
        if parent is not None:
            assert id(parent) in known
            assert event in parent.cpu_children
            assert parent.time_range.start <= event.time_range.start
    overlap = any(event.name == "overlapping" for event in events)
    if not overlap:
        for event in events:
            assert event.self_cpu_time_total >= -1e-6
            if event.cpu_parent is not None:
                assert event.time_range.end <= event.cpu_parent.time_range.end
    whole = sum(event.cpu_time_total for event in events if event.cpu_parent is None)
    assert sum(event.self_cpu_time_total for event in events) == pytest.approx(whole)
    bytes_outside = sum(e.cpu_memory_usage for e in events if e.cpu_parent is None)
    assert sum(event.self_cpu_memory_usage for event in events) == bytes_outside
    prof.key_averages().table()
    prof.by_line().table()
    spans = json.loads(json.dumps(prof.to_payload()))["spans"]
    assert min([0, *spans["depth"], *spans["duration"]]) == 0


@pytest.mark.parametrize("seed", range(40))
def test_events_fit_together(seed: int, tmp_path: Any) -> None:
    program = Program(seed)
    limit = random.Random(seed).choice([1, 2, 7, 30, 1_000_000])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the profile is full")
        options = {"with_modules": seed % 2, "record_shapes": seed % 3, "with_stack": seed % 5}
        with profile(profile_memory=True, max_events=limit, **options) as prof:  # type: ignore[arg-type]
            program.act(4)
    fits_together(prof)
    assert len([*prof.function_events, *prof.function_events.backward_calls]) <= limit
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    json.loads((tmp_path / "trace.json").read_text())
    for left in program.open:
        left.__exit__(None, None, None)
    with profile() as prof:
        program.x.exp()
    assert [event.name for event in prof.function_events] == ["aten::exp"]
