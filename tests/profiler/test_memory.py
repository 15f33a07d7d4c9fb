"""Bytes in profiles."""

from typing import Any

import pytest

import chainrule as torch
from chainrule.profiler import profile, record_function


def one(events: Any, name: str) -> Any:
    (found,) = [event for event in events if event.name == name]
    return found


def test_an_operator_has_the_bytes_of_its_result() -> None:
    x = torch.ones(100, 30)
    with profile(profile_memory=True) as prof:
        y = x.exp()
        z = x.double()
        w = x.t()
    assert one(prof.events(), "aten::exp").cpu_memory_usage == 4 * 3000
    assert one(prof.events(), "aten::_to_copy").cpu_memory_usage == 8 * 3000
    assert one(prof.events(), "aten::t").cpu_memory_usage == 0
    del y, z, w


def test_what_is_freed_inside_a_range_is_subtracted() -> None:
    x = torch.ones(1000)
    with profile(profile_memory=True) as prof, record_function("range"):
        y = x.exp()
        z = y.cos()
        del y
    event = one(prof.events(), "range")
    assert event.cpu_memory_usage == 4000
    assert event.self_cpu_memory_usage == -4000
    del z


@pytest.mark.chainrule_only
def test_what_is_freed_between_events_is_shown() -> None:
    x = torch.ones(1000)
    y = x.exp()
    with profile(profile_memory=True) as prof:
        x.cos()
        z = x.sin()
        del y
    rows = {row.key: row for row in prof.key_averages()}
    assert rows["[memory]"].cpu_memory_usage == -8000
    assert rows["[memory]"].cpu_time_total == 0
    assert sum(row.self_cpu_memory_usage for row in rows.values()) == 0
    del z


def test_without_the_option_there_are_no_bytes() -> None:
    with profile() as prof:
        torch.ones(1000).exp()
    assert {event.cpu_memory_usage for event in prof.events()} == {0}
    assert "[memory]" not in {event.name for event in prof.events()}
    assert "CPU Mem" not in prof.key_averages().table()


def test_the_table_has_columns_for_bytes() -> None:
    x = torch.ones(1 << 20)
    with profile(profile_memory=True) as prof:
        x.exp()
    assert "CPU Mem  Self CPU Mem" in prof.key_averages().table()
    assert "4.00 MB" in prof.key_averages().table()


@pytest.mark.chainrule_only
def test_bytes_of_the_backward_pass() -> None:
    x = torch.ones(1000, requires_grad=True)
    y = x.exp().sum()
    with profile(profile_memory=True) as prof:
        y.backward()
    (call,) = prof.events().backward_calls
    # The gradient came; the saved result of exp went, and so did what the engine held.
    assert call.cpu_memory_usage == 4000 - 4000
    assert x.grad is not None


@pytest.mark.chainrule_only
def test_small_contents_are_not_counted() -> None:
    with profile(profile_memory=True) as prof:
        kept = [torch.ones(48).exp(), torch.ones(49).exp()]
    sizes = [e.cpu_memory_usage for e in prof.events() if e.name == "aten::exp"]
    assert sizes == [0, 196]
    del kept
