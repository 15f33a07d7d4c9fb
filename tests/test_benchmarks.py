"""The benchmark harness: fair turns, honest verdicts, and that every workload runs."""

import gc
import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:  # last, so that an installed package is preferred to the checkout's
    sys.path.append(str(ROOT))

# ruff: noqa: E402, the path comes first
from benchmarks.__main__ import main
from benchmarks.harness import (
    OURS,
    PEER,
    Effort,
    Measured,
    Result,
    Samples,
    Target,
    Timed,
    Unavailable,
    measure_interleaved,
    time_interleaved,
)
from benchmarks.report import as_json, quantity, row, table
from benchmarks.subjects import SUBJECTS, select

EFFORT = Effort.quick()


def side(work, result=1.0):
    """A stand-in for a module: its workload loops ``work`` times and gives ``result``."""
    return types.SimpleNamespace(manual_seed=lambda seed: None, work=work, result=result)


def looped(module):
    def run():
        for _ in range(module.work):
            pass
        return module.result

    return run


def test_the_faster_side_wins_and_reaches_its_target():
    sides = {OURS: side(100), PEER: side(100_000)}
    result = time_interleaved(Timed("loop", looped, target=Target(5)), sides, EFFORT, quick=True)
    assert not result.problems
    assert result.ratio > 5
    assert result.reached is True
    assert len(result.samples[OURS].values) == len(result.samples[PEER].values)


def test_times_are_per_operation():
    work = Timed("loop", looped, operations=1000)
    result = time_interleaved(work, {OURS: side(100_000)}, EFFORT, quick=True)
    assert result.median(OURS) < 1e-4  # a whole call takes longer than this only per thousand


def test_sides_that_compute_different_numbers_reach_nothing():
    sides = {OURS: side(1, result=1.0), PEER: side(100_000, result=2.0)}
    result = time_interleaved(Timed("loop", looped, target=Target(1)), sides, EFFORT, quick=True)
    assert "computes 1, not 2" in result.problems[OURS]
    assert result.reached is None


def test_a_side_that_fails_is_reported_and_the_other_is_measured():
    broken = types.SimpleNamespace(manual_seed=lambda seed: None)
    result = time_interleaved(
        Timed("loop", looped, target=Target(1)), {OURS: broken, PEER: side(10)}, EFFORT, quick=True
    )
    assert "AttributeError" in result.problems[OURS]
    assert result.median(PEER) > 0
    assert result.ratio is None


def test_garbage_collection_is_off_while_timing_and_back_on_after():
    seen = []

    def make(module):
        return lambda: seen.append(gc.isenabled()) or 0.0

    time_interleaved(Timed("gc", make), {OURS: side(1)}, EFFORT, quick=True)
    assert seen[-1] is False
    assert gc.isenabled()


def test_measured_figures_take_turns_and_say_what_is_missing():
    order = []

    def measure(module, quick):
        order.append(module)
        if module == PEER and len(order) > 2:
            raise Unavailable("gone")
        return 2.0

    result = measure_interleaved(Measured("m", measure, "MB", repeats=3), [OURS, PEER], quick=False)
    assert order == [OURS, PEER, OURS, PEER, OURS]
    assert result.problems == {PEER: "gone"}
    assert result.median(OURS) == 2.0


@pytest.mark.parametrize(
    ("target", "ours", "peer", "reached"),
    [
        (Target(10), 1.0, 10.0, True),
        (Target(10), 1.0, 9.9, False),
        (Target(10), 1.0, None, None),
        (Target(10), None, 1.0, None),
        (Target(15, "at most"), 14.0, None, True),
        (Target(15, "at most"), 16.0, None, False),
    ],
)
def test_targets(target, ours, peer, reached):
    assert target.reached(ours, peer) is reached


def test_table_and_json_hold_the_same_figures():
    result = Result("add", "s", Target(10))
    result.samples = {OURS: Samples([2e-7] * 5), PEER: Samples([4e-6] * 5)}
    text = table([row(result)])
    assert "200 ns" in text
    assert "4 us" in text
    assert "20.00" in text
    assert "yes" in text
    stored = json.loads(json.dumps(as_json([result], {})))
    assert stored["results"][0]["ratio"] == pytest.approx(20)
    assert stored["results"][0]["sides"][OURS]["median"] == 2e-7


def test_quantities_are_scaled():
    assert [quantity(x, "s") for x in (3e-9, 3e-6, 0.03, 3.0)] == ["3 ns", "3 us", "30 ms", "3 s"]
    assert quantity(None, "s") == "-"
    assert quantity(12.5, "MB") == "12.5 MB"


def test_names_select_subjects_and_workloads():
    assert select(["chain"]) == SUBJECTS["chain"]
    assert [work.name for work in select(["1024"])] == ["1024 x 1024 matmul"]
    assert len(select([])) == sum(len(works) for works in SUBJECTS.values())
    with pytest.raises(KeyError, match="no benchmark fits"):
        select(["nonesuch"])


def test_list_names_every_workload(capsys):
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert all(work.name in printed for works in SUBJECTS.values() for work in works)


@pytest.mark.chainrule_only
def test_timed_workloads_run_from_the_command_line(tmp_path):
    if importlib.util.find_spec("chainrule._C") is None:
        pytest.skip("the extension module is not built")
    out = tmp_path / "figures.json"
    names = ["tiny_operations", "chain", "mlp", "pendulum", "matmul", "graph_memory"]
    command = [sys.executable, "-m", "benchmarks", "--quick", "--threads", "1"]
    path = [*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)]
    done = subprocess.run(
        [*command, "--side", OURS, "--json", str(out), *names],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures["machine"]["threads"] == {OURS: 1}
    for result in figures["results"]:
        assert not result["problems"], result
        assert result["sides"][OURS]["median"] > 0
