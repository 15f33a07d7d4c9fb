"""Sums of events and their tables, compared with torch's."""

import random
from types import ModuleType
from typing import Any

import pytest

import chainrule as torch
from chainrule.autograd.profiler_util import EventList, FunctionEvent, FunctionEventAvg
from chainrule.profiler import profile, record_function


def made(cls: Any, avg: Any, seed: int = 0, **flags: Any) -> list[Any]:
    """Sums of events with figures that are the same for every class."""
    rng = random.Random(seed)
    names = ["aten::mul", "aten::addmm", "a" * 70, "autograd::engine::evaluate_function: X", "r"]
    rows = []
    for name in names:
        row = avg()
        row.key = name
        row.count = rng.randrange(1, 50)
        row.cpu_time_total = rng.random() * 10 ** rng.randrange(1, 8)
        row.self_cpu_time_total = row.cpu_time_total * rng.random()
        row.cpu_memory_usage = rng.randrange(-(10 ** rng.randrange(2, 11)), 10**9)
        row.self_cpu_memory_usage = row.cpu_memory_usage // 3
        row.input_shapes = [[2, 3], [], [rng.randrange(9)] * 5] if flags.get("shapes") else []
        row.stack = flags["stack"][: rng.randrange(3)] if flags.get("stack") else []
        row.flops = rng.randrange(0, 10**7) if flags.get("flops") else 0
        row.node_id = -1
        row.scope = 0
        row.overload_name = ""
        rows.append(row)
    return rows


STACK = ["train.py(12): step", "/a/very/long/path/" + "x" * 90 + "/train.py(40): main", "c"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sort_by": "cpu_time_total"},
        {"sort_by": "count", "row_limit": 2},
        {"row_limit": -1, "header": "The header"},
        {"max_name_column_width": 20, "time_unit": "ms"},
        {"max_name_column_width": None, "time_unit": "us"},
        {"time_unit": "s"},
        {"flags": {"shapes": True}},
        {"flags": {"shapes": True}, "max_shapes_column_width": 15},
        {"flags": {"stack": STACK}},
        {"flags": {"stack": STACK}, "max_src_column_width": 30},
        {"flags": {"flops": True}, "with_flops": True},
        {"profile_memory": True, "sort_by": "self_cpu_memory_usage"},
        {"profile_memory": True, "flags": {"shapes": True}},
    ],
)
def test_tables_are_torchs_to_the_letter(real_torch: ModuleType, options: dict[str, Any]) -> None:
    from torch.autograd import profiler_util as real

    options = dict(options)
    flags = options.pop("flags", {})
    lists = {k: options.pop(k, False) for k in ("with_flops", "profile_memory")}
    ours = EventList(made(FunctionEvent, FunctionEventAvg, **flags), **lists)
    theirs = real.EventList(made(real.FunctionEvent, real.FunctionEventAvg, **flags), **lists)
    assert ours.table(**options) == theirs.table(**options)


def test_top_level_tables_leave_out_what_is_inside() -> None:
    with profile() as prof, record_function("outer"):
        torch.ones(2).exp()
    table = prof.events().table(top_level_events_only=True)
    assert "outer" in table
    assert "aten::exp" not in table


def test_an_empty_table_is_no_text() -> None:
    with profile() as prof:
        pass
    assert prof.key_averages().table() == ""


@pytest.mark.chainrule_only
def test_unknown_columns_and_units_are_refused() -> None:
    with profile() as prof:
        torch.ones(2).exp()
    with pytest.raises(AttributeError, match="there is no such column; take one such as"):
        prof.key_averages().table(sort_by="speed")
    with pytest.raises(ValueError, match="time_unit is 's', 'ms', 'us' or None, not 'h'"):
        prof.key_averages().table(time_unit="h")
    with pytest.raises(ValueError, match="group_by is 'line'"):
        prof.key_averages(group_by="module")


def test_averages_are_sums_over_events_of_a_name() -> None:
    x = torch.ones(300)
    with profile(profile_memory=True) as prof:
        for _ in range(4):
            x.exp()
        x.cos()
    rows = {row.key: row for row in prof.key_averages()}
    exp = rows["aten::exp"]
    events = [e for e in prof.events() if e.name == "aten::exp"]
    assert exp.count == 4
    assert exp.cpu_time_total == pytest.approx(sum(e.cpu_time_total for e in events))
    assert exp.cpu_time == pytest.approx(exp.cpu_time_total / 4)
    assert exp.self_cpu_time_total == pytest.approx(sum(e.self_cpu_time_total for e in events))
    assert exp.cpu_memory_usage == exp.self_cpu_memory_usage == 4 * 1200
    total = prof.key_averages().total_average()
    assert (total.key, total.count) == ("Total", len(prof.events()))
    assert prof.profiler.total_average().count == total.count


def test_averages_by_shape() -> None:
    with profile(record_shapes=True) as prof:
        for size in (2, 3, 2):
            torch.ones(size, 4).exp()
    rows = [r for r in prof.key_averages(group_by_input_shape=True) if r.key == "aten::exp"]
    assert [(row.input_shapes, row.count) for row in rows] == [([[2, 4]], 2), ([[3, 4]], 1)]
    (row,) = [r for r in prof.key_averages() if r.key == "aten::exp"]
    assert (row.input_shapes, row.count) == ("", 3)
    assert "Input Shapes" in prof.key_averages(group_by_input_shape=True).table()
    assert "Input Shapes" not in prof.key_averages().table()


def first(x: Any) -> Any:
    return x.exp()


def second(x: Any) -> Any:
    return first(x)


@pytest.mark.chainrule_only
def test_averages_by_stack() -> None:
    x = torch.ones(3, requires_grad=True)
    with profile(with_stack=True) as prof:
        loss = (first(x) + second(x)).sum()
        loss.backward()
    rows = [r for r in prof.key_averages(group_by_stack_n=2) if r.key == "aten::exp"]
    assert len(rows) == 2
    assert [frame.rpartition(": ")[2] for frame in rows[1].stack] == ["first", "second"]
    assert "test_tables.py(" in rows[0].stack[0]
    nodes = [r for r in prof.key_averages(group_by_stack_n=2) if r.key == "ExpBackward0"]
    assert sorted(row.stack for row in nodes) == sorted(row.stack for row in rows)
    assert "Source Location" in prof.key_averages(group_by_stack_n=1).table()


@pytest.mark.chainrule_only
def test_stacks_hold_no_frames_of_the_package() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    with profile(with_stack=True) as prof:
        model(torch.ones(1, 2))
    stack = next(e for e in prof.events() if e.name == "aten::relu").stack
    assert stack[0].endswith(": test_stacks_hold_no_frames_of_the_package")
    assert not any("/chainrule/" in frame for frame in stack if "/tests/" not in frame)


@pytest.mark.chainrule_only
def test_stacks_are_written_for_flame_graphs(tmp_path: Any) -> None:
    import time

    class Slow(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            time.sleep(0.001)
            return x * 1

    with profile(with_stack=True) as prof:
        Slow.apply(torch.ones(2))
    path = tmp_path / "stacks.txt"
    prof.export_stacks(str(path), "self_cpu_time_total")
    lines = [line.rpartition(" ") for line in path.read_text().splitlines()]
    frames, _, microseconds = max(lines, key=lambda line: int(line[2]))
    assert int(microseconds) >= 1000
    assert " " not in frames
    assert "test_stacks_are_written_for_flame_graphs" in frames.rpartition(";")[2]


def test_stacks_that_were_not_recorded_are_not_written(tmp_path: Any) -> None:
    with profile() as prof:
        torch.ones(2).exp()
    with pytest.raises(AssertionError, match="requires with_stack=True"):
        prof.export_stacks(str(tmp_path / "stacks.txt"))
    with profile(with_stack=True) as prof:
        torch.ones(2).exp()
    with pytest.raises(ValueError, match="metric should be one of"):
        prof.export_stacks(str(tmp_path / "stacks.txt"), "calories")


def test_flops_of_products() -> None:
    a, b = torch.ones(4, 5), torch.ones(5, 6)
    c, d = torch.ones(3, 4, 5), torch.ones(3, 5, 7)
    with profile(with_flops=True) as prof:
        a @ b
        torch.addmm(torch.ones(4, 6), a, b)
        torch.bmm(c, d)
        torch.baddbmm(torch.ones(3, 4, 7), c, d)
        a * a
        a + a
        a.exp()
    counted = {event.name: event.flops for event in prof.events() if event.flops}
    assert counted == {
        "aten::mm": 240,
        "aten::addmm": 240,
        "aten::bmm": 840,
        "aten::baddbmm": 840,
        "aten::mul": 20,
        "aten::add": 20,
    }
    assert "Total FLOPs" in prof.key_averages().table()


@pytest.mark.chainrule_only
def test_flops_of_layers_and_of_broadcasting() -> None:
    with profile(with_flops=True) as prof:
        torch.nn.Linear(5, 7)(torch.ones(4, 5))
        torch.ones(4, 1) * torch.ones(5)
    counted = {event.name: event.flops for event in prof.events() if event.flops}
    assert counted == {"aten::linear": 2 * 4 * 5 * 7, "aten::mul": 20}
