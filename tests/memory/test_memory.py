"""chainrule.memory(): bytes, kinds and lines of what is alive, counted by hand."""

import gc
import re
import subprocess
import sys
import weakref

import numpy as np
import pytest

import chainrule as torch

from .lines import group_at, here

KILO = 1024  # floats: 4 KiB, from which on the line of a plain tensor is known


# ---------------------------------------------------------------------- bytes and lines


def test_each_line_counts_its_tensors():
    a, line_a = torch.randn(KILO), here()
    b, line_b = [torch.ones(KILO, 2, dtype=torch.float64) for _ in range(3)], here()
    report = torch.memory()
    first, second = group_at(report, line_a), group_at(report, line_b)
    assert (first.bytes, first.count, first.kinds) == (4 * KILO, 1, {"plain": 4 * KILO})
    assert (second.bytes, second.count) == (3 * 2 * 8 * KILO, 3)
    assert second.shapes == (((KILO, 2), "float64", 3),)
    assert first.location.text == "a, line_a = torch.randn(KILO), here()"
    assert first.location.function == "test_each_line_counts_its_tensors"
    assert a.sum().isfinite() and len(b) == 3


def test_what_was_freed_is_not_there():
    a, line = torch.randn(KILO), here()
    assert group_at(torch.memory(), line).count == 1
    del a
    assert group_at(torch.memory(), line) is None


def test_the_largest_group_comes_first():
    keep = [torch.randn(4 * KILO), torch.randn(64 * KILO), torch.randn(16 * KILO)]
    sizes = [group.bytes + group.headers for group in torch.memory().groups]
    assert sizes == sorted(sizes, reverse=True) and keep


def test_memory_that_tensors_share_counts_once():
    a, line = torch.randn(KILO, 4), here()
    views = [a[0], a.t(), a.view(-1), a.detach()]
    group = group_at(torch.memory(), line)
    assert (group.bytes, group.count, group.views) == (16 * KILO, 1, 4)
    owner, *rest = group.tensors
    assert owner.bytes == 16 * KILO and not owner.view and owner.shape == (KILO, 4)
    assert len(rest) == 4 and all(t.view and t.bytes == 0 for t in rest) and views


def test_a_view_holds_all_of_its_memory():
    part, line = torch.randn(KILO)[10:12], here()
    group = group_at(torch.memory(), line)
    assert group.bytes == 4 * KILO and group.kinds == {"plain": 4 * KILO}
    assert group.shapes == (((KILO,), "float32", 1),) and part.shape == (2,)


def test_small_tensors_are_grouped_by_their_variable():
    small = [torch.tensor([1.0, 2.0]) for _ in range(5)]
    (group,) = [g for g in torch.memory().groups if g.variable and g.variable.name == "small"]
    assert (group.bytes, group.count, group.location) == (5 * 8, 5, None)
    assert group.variable.function == "test_small_tensors_are_grouped_by_their_variable"
    assert len(small) == 5


def test_small_results_have_the_line_of_their_operation():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    y, recorded = w * 2, here()
    z, cut = y.detach().clone(), here()
    report = torch.memory()
    assert group_at(report, recorded).kinds["plain"] == 8
    assert group_at(report, cut).bytes == 8
    assert z.shape == y.shape


def test_an_inplace_change_takes_the_line():
    a, made = torch.randn(KILO), here()
    a.add_(1)
    changed = here(-1)
    report = torch.memory()
    assert group_at(report, made) is None
    group = group_at(report, changed)
    assert group.bytes == 4 * KILO and group.changed
    assert "last changed there" in str(torch.memory(top=None)) and a is not None


def test_totals_add_up():
    keep = [torch.randn(KILO), torch.randn(3)]
    report = torch.memory()
    assert report.accounted + report.unaccounted == report.allocated
    assert report.accounted >= 4 * KILO and report.small >= 12
    assert report.peak >= report.allocated
    assert report.bytes == sum(group.bytes for group in report.groups)
    assert report.tensors >= 2 and keep


def test_what_native_code_alone_holds_is_not_found():
    before = torch.memory().unaccounted
    capsule = torch.randn(KILO).__dlpack__()
    report = torch.memory()
    assert report.unaccounted - before == 4 * KILO
    assert "not found" in str(report) and capsule


# ---------------------------------------------------------------------- kinds


def test_parameters_gradients_and_optimizer_state():
    layer = torch.nn.Linear(KILO, 2, bias=False)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(KILO)).sum().backward()
    backward = here(-1)
    optimizer.step()
    step = here(-1)
    report = torch.memory()
    assert group_at(report, backward).kinds == {"gradient": 8 * KILO}
    # The parameter was changed in that line too; the count of steps is a number.
    group = group_at(report, step)
    assert group.kinds == {"parameter": 8 * KILO, "optimizer state": 2 * 8 * KILO + 4}


def test_a_leaf_that_asks_for_a_gradient_is_a_parameter():
    w, line = torch.ones(KILO).requires_grad_(), here()
    assert group_at(torch.memory(), line).kinds == {"parameter": 4 * KILO}
    assert w.requires_grad


def test_buffers_of_modules():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.ones(KILO))

    line = Net.__init__.__code__.co_firstlineno + 2
    net = torch.nn.Sequential(torch.nn.ReLU(), Net())
    report = torch.memory()
    group = group_at(report, line)
    assert group.kinds == {"buffer": 4 * KILO}
    assert "Sequential.1.mask" in str(report.why(group)) and net


def test_what_only_the_graph_keeps_is_saved_for_backward():
    x = torch.ones(KILO, requires_grad=True)
    h, made = x.exp(), here()
    loss, used = (h * h).sum(), here()
    report = torch.memory()
    assert group_at(report, made).kinds["plain"] == 4 * KILO
    del h
    report = torch.memory()
    group = group_at(report, made)
    assert group.kinds["saved for backward"] == 4 * KILO
    # exp, and the node that collects the gradient of x.
    assert group.counts == {"saved for backward": 1, "graph nodes": 2}
    assert group_at(report, used).counts["graph nodes"] == 2  # mul and sum
    loss.backward()
    assert "saved for backward" not in group_at(torch.memory(), made).kinds


def test_graph_nodes_count_by_line():
    x = torch.ones(3, requires_grad=True)
    y = x
    for _ in range(10):
        y = y * 2
    line = here(-1)
    group = group_at(torch.memory(), line)
    assert group.counts["graph nodes"] == 10 + 1  # and where the gradient of x is collected
    assert 11 * 100 < group.kinds["graph nodes"] < 11 * 512


def test_a_retained_graph_keeps_what_it_saved():
    x = torch.ones(KILO, requires_grad=True)
    loss, line = (x.exp() * 2).sum(), here()
    loss.backward(retain_graph=True)
    assert group_at(torch.memory(), line).kinds["saved for backward"] == 4 * KILO
    loss.backward()
    assert "saved for backward" not in group_at(torch.memory(), line).kinds


def test_activations_in_a_list():
    net = torch.nn.Sequential(*(torch.nn.Linear(KILO, KILO) for _ in range(3)))
    activations = []
    x = torch.ones(1, KILO)
    for layer in net:
        x = layer(x)
        activations.append(x)
    line = here(-2)
    report = torch.memory()
    group = group_at(report, line)
    assert group.counts["plain"] == 3 and group.kinds["plain"] == 3 * 4 * KILO
    # They are those of one pass: nothing grows.
    assert not [hint for hint in report.hints if hint.location.file == __file__]
    assert len(activations) == 3


def test_saved_values_of_inplace_views_are_found():
    base = torch.ones(2, KILO, requires_grad=True).clone()
    factor, line = torch.full((KILO,), 2.0), here()
    base[0].mul_(factor)
    del factor
    assert group_at(torch.memory(), line).kinds == {"saved for backward": 4 * KILO}
    base.sum().backward()


# ---------------------------------------------------------------------- scale


def test_a_chain_of_a_million_nodes():
    x = w = torch.ones(2, requires_grad=True)
    for _ in range(500_000):
        x = x * w + 1.0
    line = here(-1)
    report = torch.memory()
    group = group_at(report, line)
    assert group.counts["graph nodes"] == 1_000_001
    assert group.counts["saved for backward"] == 499_999  # the first product saves w
    deepest = report.why(group.tensors[-1])
    assert any(link.nodes > 900_000 for link in deepest)


def test_many_objects_between():
    class Thing:
        def __init__(self, tensor):
            self.parts = {"inner": [tensor]}

    things = [Thing(torch.ones(KILO)) for _ in range(20)]
    line = here(-1)
    report = torch.memory()
    group = group_at(report, line)
    assert group.count == 20
    chain = report.why(group.tensors[-1])
    assert re.search(r"list\[\d+\]\.parts\['inner'\]\[0\]", str(chain)) and len(things) == 20


# ---------------------------------------------------------------------- it leaves no trace


def test_a_report_keeps_no_tensor_alive():
    t, line = torch.randn(KILO), here()
    gone = weakref.ref(t)
    report = torch.memory()
    chain = report.why(t)
    group = group_at(report, line)
    summaries = group.tensors
    del t
    assert gone() is None
    assert str(report) and str(chain) and summaries and group.shapes
    assert str(report.why(group)) == str(chain)


def test_variables_of_functions_die_as_ever():
    def work():
        t = torch.randn(KILO)
        torch.memory()
        return weakref.ref(t)

    gc.disable()
    try:
        assert work()() is None
    finally:
        gc.enable()


def test_nothing_changes():
    x = torch.ones(KILO, requires_grad=True)
    y = x.exp()
    loss = (y * y).sum()
    versions, counts = (x._version, y._version), (sys.getrefcount(x), sys.getrefcount(y))
    torch.memory()
    assert (x._version, y._version) == versions
    assert (sys.getrefcount(x), sys.getrefcount(y)) == counts
    loss.backward()
    assert torch.equal(x.grad, 2 * (y * y).detach())


def test_locals_stays_as_it_was():
    before = locals()
    t = torch.randn(KILO)
    torch.memory()
    assert "t" not in before and t is not None


def test_garbage_is_not_brought_back():
    class Finalized:
        def __init__(self):
            self.me = self
            self.tensor = torch.randn(KILO)

        def __del__(self):
            deaths.append(1)

    deaths = []
    gc.disable()
    try:
        Finalized()
        torch.memory()
        assert not deaths
        gc.collect()
        assert deaths == [1]
    finally:
        gc.enable()


def test_a_report_can_be_repeated():
    keep = torch.randn(KILO)
    first = torch.memory()
    second = torch.memory()
    assert second.tensors == first.tensors and second.allocated == first.allocated
    assert keep is not None


# ---------------------------------------------------------------------- questions


def test_why_takes_groups_tensors_summaries_and_lines():
    history = [torch.randn(KILO) for _ in range(3)]
    line = here(-1)
    report = torch.memory()
    group = group_at(report, line)
    place = f"{__file__}:{line}"
    chain = report.why(group)
    assert chain == report.why(place) == report.why(group.location.describe())
    assert report.chain(group) == chain
    assert "list[2]" in str(report.why(history[2]))
    assert "list[1]" in str(report.why(group.tensors[1]))
    assert [link.kind for link in chain] == ["variable", "container", "tensor"]


def test_why_of_what_the_report_does_not_know():
    report = torch.memory()
    later = torch.randn(3)
    with pytest.raises(ValueError, match="made after it"):
        report.why(later)
    with pytest.raises(KeyError, match="nowhere"):
        report.why("nowhere.py:1")
    with pytest.raises(TypeError):
        report.why(3)


def test_top_must_be_a_number():
    with pytest.raises(TypeError, match="top"):
        torch.memory(top="all")


# ---------------------------------------------------------------------- text


def test_the_table_is_80_columns_wide():
    keep = [torch.randn(KILO, i + 1) for i in range(12)]
    table = str(torch.memory(top=3))
    assert all(len(line) <= 80 for line in table.splitlines()), table
    assert "test_memory.py:" in table and "allocator:" in table
    assert re.search(r"\d+ more lines?: ", table) or len(torch.memory().groups) <= 3
    assert len(keep) == 12


def test_numbers_are_told_in_units():
    keep, line = torch.zeros(3 << 18), here()
    report = torch.memory()
    (row,) = [text for text in str(report).splitlines() if f":{line}" in text]
    assert row.split()[:3] == ["3.0", "MiB", "1"]
    assert keep.numel() == 3 << 18


def test_html_escapes_the_source():
    marks, line = torch.zeros(KILO) if 1 < 2 else "<b>&", here()
    text = torch.memory(top=None)._repr_html_()
    assert "&lt;b&gt;&amp;" in text and "<b>&" not in text
    assert f"test_memory.py:{line}" in text and marks is not None


def test_show_prints(capsys):
    torch.memory().show()
    assert "allocator:" in capsys.readouterr().out


# ---------------------------------------------------------------------- foreign memory


def test_memory_of_numpy_is_told_apart():
    array = np.ones(KILO, dtype=np.float32)
    t = torch.from_numpy(array)
    report = torch.memory()
    assert report.foreign >= 4 * KILO
    (group,) = [g for g in report.groups if g.variable and g.variable.name == "t"]
    assert group.foreign == group.bytes == 4 * KILO and t is not None


def test_an_array_over_a_tensor_is_no_memory_of_its_own():
    array = torch.randn(KILO).numpy()
    made = here(-1)
    again = torch.from_numpy(array[10:])
    report = torch.memory()
    group = group_at(report, made)
    assert (group.bytes, group.count, group.foreign) == (4 * KILO, 1, 0)
    chain = report.why(group)
    assert "ndarray" in str(chain) and again.numel() == KILO - 10


def test_a_storage_object_holds_memory():
    storage = torch.randn(KILO).untyped_storage()
    report = torch.memory()
    (group,) = [g for g in report.groups if g.variable and g.variable.name == "storage"]
    assert group.bytes == 4 * KILO and storage.nbytes() == 4 * KILO


def test_worker_processes_are_not_counted():
    loader = torch.utils.data.DataLoader(list(range(8)), num_workers=1)
    batches = iter(loader)
    next(batches)
    assert any("1 worker process is not part" in note for note in torch.memory().notes)
    list(batches)


# ---------------------------------------------------------------------- cost when unused


def test_nothing_is_loaded_before_it_is_used():
    code = (
        "import sys, chainrule\n"
        "x = chainrule.ones(3, requires_grad=True); x.sum().backward()\n"
        "assert not [name for name in sys.modules if name.startswith('chainrule._memory')]\n"
        "chainrule.memory()\n"
        "assert callable(chainrule.memory)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
