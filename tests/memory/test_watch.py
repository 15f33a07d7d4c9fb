"""chainrule.watch_memory(): the lines whose memory grows from step to step."""

import subprocess
import sys
import threading

import pytest

import chainrule as torch

from .lines import here

KILO = 1024


def lines(report):
    return [line.location.line for line in report.growing if line.location is not None]


def step_of(w):
    (w * w).sum().backward()
    w.grad = None


def test_a_line_that_grows_is_named_with_bytes_per_step():
    w = torch.ones(KILO, requires_grad=True)
    kept = []
    with torch.watch_memory(print=False) as watch:
        for _ in range(10):
            kept.append(torch.ones(KILO))
            step_of(w)
    line = here(-2)
    report = watch.report
    assert (report.steps, report.measured, report.mark) == (10, 10, "backward passes")
    (growing,) = report.growing
    assert growing.location.line == line and growing.location.file == __file__
    # Headers are counted too.
    assert 4 * KILO < growing.bytes_per_step < 4 * KILO + 512
    assert 10 * 4 * KILO < growing.bytes < 10 * (4 * KILO + 512)


def test_what_the_first_steps_need_is_not_counted_per_step():
    kept = []
    with torch.watch_memory(print=False) as watch:
        for i in range(12):
            kept.append(torch.ones(100 * KILO if i == 1 else KILO))
            watch.step()
    assert 4 * KILO < watch.report.growing[0].bytes_per_step < 4 * KILO + 512


def test_a_buffer_that_is_emptied_now_and_then_does_not_grow():
    kept = []
    with torch.watch_memory(print=False) as watch:
        for i in range(20):
            kept.append(torch.ones(KILO))
            if i % 5 == 4:
                kept.clear()
            watch.step()
    assert watch.report.growing == ()


def test_what_is_made_once_does_not_grow():
    cache = []
    with torch.watch_memory(print=False) as watch:
        for i in range(5):
            if i == 1:
                cache.append(torch.ones(KILO))
            watch.step()
    assert watch.report.growing == () and cache


def test_nothing_grows():
    w = torch.ones(KILO, requires_grad=True)
    with torch.watch_memory(print=False) as watch:
        for _ in range(10):
            x = torch.ones(KILO) * 2
            step_of(w)
    assert watch.report.growing == () and watch.report.hints == ()
    assert "no line's memory grows" in str(watch.report) and x is not None


def test_a_leak_that_is_gone_at_the_end_is_told_with_its_hint():
    def train():
        total = 0
        w = torch.ones(KILO, requires_grad=True)
        for _ in range(12):
            loss = (w * w).exp().sum()
            loss.backward()
            w.grad = None
            total += loss
        return total.item()

    with torch.watch_memory(print=False) as watch:
        train()
    first = train.__code__.co_firstlineno
    assert set(lines(watch.report)) == {first + 4, first + 7}
    assert any("total += loss keeps the graph of every step" in h.text for h in watch.report.hints)


def test_gradients_and_optimizer_state_are_no_growth():
    layer = torch.nn.Linear(KILO, 4)
    optimizer = torch.optim.Adam(layer.parameters())
    with torch.watch_memory(print=False) as watch:
        for _ in range(8):
            optimizer.zero_grad()
            layer(torch.ones(KILO)).sum().backward()
            optimizer.step()
    assert watch.report.growing == ()
    assert (watch.report.steps, watch.report.mark) == (8, "optimizer steps")


def test_a_step_of_the_optimizer_ends_one_step_for_several_backward_passes():
    layer = torch.nn.Linear(4, 4)
    first = torch.optim.SGD(layer.parameters(), lr=0.1)
    second = torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.1)
    with torch.watch_memory(print=False) as watch:
        for _ in range(5):
            for _ in range(3):
                layer(torch.ones(4)).sum().backward()
            first.step()
            second.step()
    assert (watch.report.steps, watch.report.mark) == (5, "optimizer steps")


def test_steps_can_be_marked_by_hand():
    kept = []
    w = torch.ones(KILO, requires_grad=True)
    with torch.watch_memory(print=False) as watch:
        for _ in range(6):
            for _ in range(2):
                kept.append(torch.ones(KILO))
                step_of(w)
            watch.step()
    report = watch.report
    assert (report.steps, report.mark) == (6, "calls of step()")
    assert report.growing[0].bytes_per_step > 2 * 4 * KILO
    with pytest.raises(RuntimeError, match="outside"):
        watch.step()


def test_measuring_every_so_many_steps():
    kept = []
    w = torch.ones(KILO, requires_grad=True)
    with torch.watch_memory(every=5, print=False) as watch:
        for _ in range(30):
            kept.append(torch.ones(KILO))
            step_of(w)
    report = watch.report
    assert (report.steps, report.measured) == (30, 6)
    assert 4 * KILO < report.growing[0].bytes_per_step < 4 * KILO + 512
    assert str(report).startswith("memory over 30 backward passes (6 measured): 4.")


def test_a_nested_backward_is_no_step():
    w = torch.ones(3, requires_grad=True)

    def hook(grad):
        v = torch.ones(2, requires_grad=True)
        with torch.enable_grad():
            (v * 2).sum().backward()

    with torch.watch_memory(print=False) as watch:
        for _ in range(4):
            y = w * 2
            y.register_hook(hook)
            y.sum().backward()
    assert watch.report.steps == 4


def test_too_few_steps():
    with torch.watch_memory(print=False) as watch:
        pass
    assert watch.report.steps == 0 and "too few" in str(watch.report)


def test_top_limits_what_is_named():
    a, b, c = [], [], []
    with torch.watch_memory(top=2, print=False) as watch:
        for _ in range(6):
            a.append(torch.ones(KILO))
            b.append(torch.ones(4 * KILO))
            c.append(torch.ones(2 * KILO))
            watch.step()
    line = here(-3)
    assert lines(watch.report) == [line, line + 1]


def test_small_tensors_without_a_line_grow_too():
    kept = []
    with torch.watch_memory(print=False) as watch:
        for i in range(6):
            kept.append(torch.tensor([i, i]))
            watch.step()
    (growing,) = watch.report.growing
    assert growing.location is None and "unknown" in str(growing)


def test_the_result_is_told_on_stderr(capsys):
    kept = []
    with torch.watch_memory() as watch:
        for _ in range(6):
            kept.append(torch.ones(KILO))
            watch.step()
    out, err = capsys.readouterr()
    assert out == "" and f"test_watch.py:{here(-3)}" in err and "per step" in err
    assert all(len(line) <= 80 for line in err.splitlines())


def test_an_error_passes_and_the_report_is_there():
    kept = []
    watch = torch.watch_memory(print=False)
    with pytest.raises(KeyError), watch:  # noqa: PT012
        for _ in range(6):
            kept.append(torch.ones(KILO))
            watch.step()
        raise KeyError("x")
    assert len(watch.report.growing) == 1


def test_a_watch_can_be_used_again_but_not_twice_at_once():
    watch = torch.watch_memory(print=False)
    for _ in range(2):
        with watch:
            step_of(torch.ones(3, requires_grad=True))
            with pytest.raises(RuntimeError, match="already"):
                watch.__enter__()
        assert watch.report.steps == 1


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="every"):
        torch.watch_memory(every=0)
    with pytest.raises(ValueError, match="top"):
        torch.watch_memory(top=0)


def test_after_the_block_nothing_is_watched():
    w = torch.ones(3, requires_grad=True)
    with torch.watch_memory(print=False) as watch:
        step_of(w)
    step_of(w)
    assert watch.report.steps == 1 and watch._observer is None


def test_other_threads_are_noted():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with torch.watch_memory(print=False) as watch:
            step_of(torch.ones(3, requires_grad=True))
    finally:
        stop.set()
        thread.join()
    assert any("other threads" in note for note in watch.report.notes)


def test_scripts_under_chainrule_run(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\n"
        "w = torch.ones(2000, requires_grad=True)\n"
        "total_loss = 0\n"
        "for step in range(10):\n"
        "    loss = (w * w).exp().mean()\n"
        "    loss.backward()\n"
        "    total_loss += loss\n"
        "print(torch.memory())\n"
        "print(torch.memory().why('train.py:7'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "chainrule", "run", "--watch-memory", str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "train.py:7: total_loss += loss keeps the graph of every step" in done.stdout
    assert "variable 'total_loss' at train.py:3" in done.stdout
    assert "per step  train.py:7  total_loss += loss" in done.stderr
