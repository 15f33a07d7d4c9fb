"""record_function: named ranges, as context managers and decorators."""

from typing import Any

import pytest

import chainrule as torch
from chainrule.autograd.profiler import emit_itt, emit_nvtx, load_nvprof
from chainrule.profiler import profile, record_function


def one(events: Any, name: str) -> Any:
    (found,) = [event for event in events if event.name == name]
    return found


def test_a_range_holds_what_runs_in_it() -> None:
    x = torch.ones(3)
    with profile() as prof:
        with record_function("outer"):
            x.exp()
            with record_function("inner"):
                x.cos()
        x.sin()
    events = prof.events()
    assert one(events, "aten::exp").cpu_parent.name == "outer"
    assert one(events, "aten::cos").cpu_parent.name == "inner"
    assert one(events, "inner").cpu_parent.name == "outer"
    assert one(events, "aten::sin").cpu_parent is None
    assert one(events, "outer").is_user_annotation
    assert one(events, "outer").scope == 7


@pytest.mark.chainrule_only
def test_it_decorates_functions() -> None:
    @record_function("work")
    def work(depth: int) -> Any:
        """Works."""
        return work(depth - 1) if depth else torch.ones(2).exp()

    assert work.__name__ == "work"
    assert work.__doc__ == "Works."
    work(1)
    with profile() as prof:
        work(2)
    ranges = [event for event in prof.events() if event.name == "work"]
    assert len(ranges) == 3
    assert ranges[2].cpu_parent is ranges[1]
    assert ranges[1].cpu_parent is ranges[0]


def test_it_is_used_again() -> None:
    mark = record_function("again")
    with profile() as prof:
        for _ in range(3):
            with mark:
                torch.ones(2).exp()
    assert len([e for e in prof.events() if e.name == "again"]) == 3


@pytest.mark.chainrule_only
def test_exceptions_end_ranges() -> None:
    with profile() as prof:
        with pytest.raises(KeyError), record_function("broken"):
            raise KeyError("x")
        torch.ones(2).exp()
    assert one(prof.events(), "aten::exp").cpu_parent is None


@pytest.mark.chainrule_only
def test_ranges_may_overlap() -> None:
    first, second = record_function("first"), record_function("second")
    with profile() as prof:
        first.__enter__()
        second.__enter__()
        torch.ones(2).exp()
        first.__exit__(None, None, None)
        torch.ones(2).cos()
        second.__exit__(None, None, None)
        torch.ones(2).sin()
    events = prof.events()
    assert one(events, "second").cpu_parent is None
    assert one(events, "aten::exp").cpu_parent.name == "second"
    assert one(events, "aten::cos").cpu_parent.name == "second"
    assert one(events, "aten::sin").cpu_parent is None
    assert one(events, "first").time_range.end < one(events, "second").time_range.end


@pytest.mark.chainrule_only
def test_ranges_that_began_or_end_outside_the_profile_do_no_harm() -> None:
    early, late = record_function("early"), record_function("late")
    early.__enter__()
    with profile() as prof:
        torch.ones(2).exp()
        early.__exit__(None, None, None)
        late.__enter__()
        torch.ones(2).cos()
    late.__exit__(None, None, None)
    events = prof.events()
    assert [event.name for event in events if event.name != "aten::ones"] == [
        "aten::exp",
        "late",
        "aten::cos",
    ]
    with profile() as prof:
        torch.ones(2).exp()
    assert one(prof.events(), "aten::exp").cpu_parent is None


@pytest.mark.chainrule_only
def test_ranges_inside_a_custom_backward() -> None:
    class Marked(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            with record_function("mine"):
                return grad * 2

    x = torch.ones(2, requires_grad=True)
    with profile() as prof:
        Marked.apply(x).sum().backward()
    mine = one(prof.events(), "mine")
    assert mine.cpu_parent.name == "MarkedBackward"
    assert mine.cpu_children[0].name == "aten::mul"


def test_loading_a_batch_is_a_range() -> None:
    data = torch.utils.data.TensorDataset(torch.ones(8, 3))
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    with profile() as prof:
        batches = list(loader)
    assert len(batches) == 2
    name = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"
    loads = [event for event in prof.events() if event.name == name]
    assert len(loads) == 3  # the last finds the end


def test_its_name_is_a_text() -> None:
    mark = record_function("named", "and more")
    assert (mark.name, mark.args) == ("named", "and more")


@pytest.mark.chainrule_only
def test_other_things_than_names_are_refused() -> None:
    with pytest.raises(TypeError):
        record_function(3)


@pytest.mark.chainrule_only
def test_tools_of_other_devices_say_so() -> None:
    for emitter in (emit_nvtx, emit_itt):
        with pytest.raises(RuntimeError, match=r"use profile\(\)"):
            emitter()
        with emitter(enabled=False):
            pass
    with pytest.raises(RuntimeError, match="nvprof"):
        load_nvprof("x")
