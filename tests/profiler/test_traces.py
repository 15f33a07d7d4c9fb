"""Traces for Chrome and Perfetto, and the flame view."""

import gzip
import importlib
import json
import os
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import chainrule as torch
from chainrule.profiler import profile, record_function


def run(lib: Any, **options: Any) -> Any:
    x = lib.ones(2, 3, requires_grad=True)
    with lib.profiler.profile(record_shapes=True, **options) as prof:
        with lib.profiler.record_function("forward"):
            y = (x * x).exp().sum()
        y.backward()
    return prof


def load(prof: Any, path: Any) -> dict[str, Any]:
    prof.export_chrome_trace(str(path))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_complete_events_have_what_the_format_asks_for(tmp_path: Any) -> None:
    trace = load(run(torch), tmp_path / "trace.json")
    events = trace["traceEvents"]
    spans = [e for e in events if e["ph"] == "X" and e["cat"] != "Trace"]
    for span in spans:
        assert isinstance(span["name"], str)
        assert span["ts"] >= 0
        assert span["dur"] >= 0
        assert span["pid"] == os.getpid()
        assert isinstance(span["tid"], int)
    found = [span["name"] for span in spans]
    for name in ["forward", "aten::mul", "MulBackward0", "torch::autograd::AccumulateGrad"]:
        assert name in found
    category = {span["name"]: span["cat"] for span in spans}
    assert category["forward"] == "user_annotation"
    assert category["aten::mul"] == category["MulBackward0"] == "cpu_op"
    (mul,) = [s for s in spans if s["name"] == "aten::mul" and "Input Dims" in s["args"]][:1]
    assert mul["args"]["Input Dims"][:2] == [[2, 3], [2, 3]]


@pytest.mark.chainrule_only
def test_spans_of_a_thread_are_properly_nested(tmp_path: Any) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    with profile(with_modules=True) as prof:
        model(torch.ones(2, 3)).sum().backward()
    spans = [e for e in load(prof, tmp_path / "trace.json")["traceEvents"] if e["ph"] == "X"]
    spans.sort(key=lambda e: (e["ts"], -e["dur"]))
    ends: list[float] = []
    for span in spans:
        end = span["ts"] + span["dur"]
        while ends and ends[-1] <= span["ts"] + 1e-6:
            ends.pop()
        assert not ends or end <= ends[-1] + 0.0021  # rounded to nanoseconds, thrice
        ends.append(end)


def test_arrows_lead_from_forward_to_backward(tmp_path: Any) -> None:
    events = load(run(torch), tmp_path / "trace.json")["traceEvents"]
    spans = [e for e in events if e["ph"] == "X"]
    starts = {e["id"]: e for e in events if e["ph"] == "s"}
    ends = {e["id"]: e for e in events if e["ph"] == "f"}
    assert set(starts) == set(ends)
    assert len(starts) == 3
    for number, start in starts.items():
        end = ends[number]
        assert start["cat"] == end["cat"] == "fwdbwd"
        assert start["name"] == end["name"]
        assert end["bp"] == "e"
        source = [s["name"] for s in spans if s["ts"] == start["ts"] and s["cat"] == "cpu_op"]
        target = [s["name"] for s in spans if s["ts"] == end["ts"] and s["cat"] == "cpu_op"]
        operator = source[0].removeprefix("aten::")
        assert any(operator.capitalize() + "Backward0" in name for name in target)


@pytest.mark.chainrule_only
def test_arguments_name_the_line_and_the_sequence(tmp_path: Any) -> None:
    prof = run(torch, with_stack=True, profile_memory=True)
    spans = [e for e in load(prof, tmp_path / "trace.json")["traceEvents"] if e["ph"] == "X"]
    (mul,) = [s for s in spans if s["name"] == "aten::mul" and "Sequence number" in s["args"]]
    (node,) = [s for s in spans if s["name"] == "MulBackward0"]
    assert mul["args"]["Location"] == node["args"]["Location"]
    assert mul["args"]["Source"] == "y = (x * x).exp().sum()"
    assert mul["args"]["Sequence number"] == node["args"]["Sequence number"]
    assert mul["args"]["Input type"] == ["float32", "float32"]
    assert mul["args"]["Bytes"] == 0  # in the tensor itself
    assert mul["args"]["Call stack"].partition(";")[0].endswith(": run")
    (backward,) = [s for s in spans if s["name"] == "backward"]
    assert backward["args"]["Source"] == "y.backward()"


def test_keys_are_those_of_torch(real_torch: ModuleType, tmp_path: Any) -> None:
    importlib.import_module("torch.profiler")
    ours = load(run(torch, with_flops=True), tmp_path / "ours.json")
    theirs = load(run(real_torch, with_flops=True), tmp_path / "theirs.json")
    assert set(theirs) - set(ours) <= {"host_name"}
    for phase, category in [("X", "cpu_op"), ("X", "user_annotation"), ("s", "fwdbwd")]:
        mine, real = (
            next(e for e in t["traceEvents"] if e["ph"] == phase and e.get("cat") == category)
            for t in (ours, theirs)
        )
        assert set(mine) == set(real)
    assert {e["name"] for e in ours["traceEvents"] if e["ph"] == "M"} <= {
        e["name"] for e in theirs["traceEvents"] if e["ph"] == "M"
    }


@pytest.mark.chainrule_only
def test_zipped_traces(tmp_path: Any) -> None:
    prof = run(torch)
    path = tmp_path / "trace.json.gz"
    prof.export_chrome_trace(str(path))
    with gzip.open(path, "rt") as file:
        zipped = json.load(file)
    plain = load(prof, tmp_path / "trace.json")
    assert len(zipped["traceEvents"]) == len(plain["traceEvents"])


@pytest.mark.chainrule_only
def test_metadata_is_written(tmp_path: Any) -> None:
    with profile(profile_memory=True) as prof:
        torch.ones(2).exp()
        prof.add_metadata("run", 'the "first"')
        prof.add_metadata_json("numbers", "[1, 2]")
    trace = load(prof, tmp_path / "trace.json")
    assert trace["run"] == 'the "first"'
    assert trace["numbers"] == [1, 2]
    assert trace["profile_memory"] == 1
    assert len(trace["trace_id"]) == 32


@pytest.mark.chainrule_only
def test_names_are_escaped(tmp_path: Any) -> None:
    name = 'a "quoted"\n</script> \\ ü range'
    with profile() as prof, record_function(name, "argument"):
        pass
    trace = load(prof, tmp_path / "trace.json")
    (span,) = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert span["name"] == name
    assert span["args"]["Arguments"] == "argument"


@pytest.mark.chainrule_only
def test_threads_have_rows_of_their_own(tmp_path: Any) -> None:
    def work(prof: Any) -> None:
        with prof.this_thread():
            torch.ones(2).cos()

    with profile() as prof:
        torch.ones(2).exp()
        thread = threading.Thread(target=work, args=(prof,))
        thread.start()
        thread.join()
    events = load(prof, tmp_path / "trace.json")["traceEvents"]
    rows = {e["name"]: e["tid"] for e in events if e["ph"] == "X"}
    assert rows["aten::exp"] == threading.get_native_id()
    assert rows["aten::cos"] != rows["aten::exp"]
    assert len([e for e in events if e["name"] == "thread_name"]) == 2


@pytest.mark.chainrule_only
def test_spans_of_the_flame_view() -> None:
    model = torch.nn.Linear(3, 1)
    with profile(with_modules=True) as prof:
        with record_function("forward"):
            loss = model(torch.ones(2, 3)).exp().sum()
        loss.backward()
    payload = json.loads(json.dumps(prof.to_payload()))
    assert payload["unit"] == "us"
    spans, strings = payload["spans"], payload["strings"]
    assert {len(column) for column in spans.values()} == {len(spans["name"])}
    rows = [
        (strings[name], depth, kind)
        for name, depth, kind in zip(spans["name"], spans["depth"], spans["kind"], strict=True)
        if strings[name] != "aten::ones"
    ]
    assert rows[:5] == [
        ("forward", 0, 2),
        ("Linear", 1, 3),
        ("aten::linear", 2, 0),
        ("aten::exp", 1, 0),
        ("aten::sum", 1, 0),
    ]
    assert rows[5:8] == [("backward", 0, 2), ("SumBackward0", 1, 1), ("aten::expand", 2, 1)]
    at = [strings[name] for name in spans["name"]].index("SumBackward0")
    assert strings[spans["file"][at]] == __file__
    line = Path(__file__).read_text().splitlines()[spans["line"][at] - 1]
    assert line.strip() == "loss = model(torch.ones(2, 3)).exp().sum()"
    # A child lies within its parent, row by row.
    open_spans: list[tuple[float, float]] = []
    for start, duration, depth in zip(
        spans["start"], spans["duration"], spans["depth"], strict=True
    ):
        del open_spans[depth:]
        assert len(open_spans) == depth
        if depth:
            assert open_spans[-1][0] <= start
            assert start + duration <= open_spans[-1][1] + 0.0021
        open_spans.append((start, start + duration))


@pytest.mark.chainrule_only
def test_a_page_holds_the_flame_view(tmp_path: Any) -> None:
    pytest.importorskip("chainrule.viewer.html")
    path = tmp_path / "profile.html"
    run(torch).save(str(path))
    text = path.read_text()
    assert text.startswith("<!doctype html>") or text.startswith("<!DOCTYPE html>")
    assert "aten::mul" in text
