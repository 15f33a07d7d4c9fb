"""Time, calls and memory by source line, forward and backward together."""

from pathlib import Path
from typing import Any

import pytest

import chainrule as torch
from chainrule.profiler import profile, record_function

pytestmark = pytest.mark.chainrule_only

SOURCE = Path(__file__).read_text().splitlines()


def line_of(mark: str) -> int:
    """The line that ends with a mark in a comment."""
    (found,) = [i for i, text in enumerate(SOURCE, 1) if text.endswith("# " + mark)]
    return found


def at(lines: Any, mark: str) -> Any:
    (found,) = [line for line in lines if (line.file, line.line) == (__file__, line_of(mark))]
    return found


def test_forward_and_backward_count_for_the_line_of_the_forward() -> None:
    w = torch.ones(50, 40, requires_grad=True)
    with profile(profile_memory=True) as prof:
        x = torch.ones(30, 50)
        h = (x @ w).tanh()  # product
        loss = (h * h).sum()  # square
        loss.backward()  # back
    lines = prof.by_line()
    product, square, back = (at(lines, mark) for mark in ("product", "square", "back"))
    assert product.operators == ["aten::mm", "aten::tanh"]
    assert product.count == 2
    assert square.operators == ["aten::mul", "aten::sum"]
    assert product.text == "h = (x @ w).tanh()  # product"
    assert product.key == f"{__file__}:{line_of('product')}"

    def spent(*names: str) -> float:
        return sum(e.cpu_time_total for e in prof.events() if e.name in names)

    evaluate = "autograd::engine::evaluate_function: "
    assert product.forward_time == pytest.approx(spent("aten::tanh") + product_time(prof))
    assert product.backward_time == pytest.approx(
        spent(evaluate + "MmBackward0", evaluate + "TanhBackward0")
    )
    assert square.backward_time == pytest.approx(
        spent(evaluate + "MulBackward0", evaluate + "SumBackward0")
    )
    assert product.time == product.forward_time + product.backward_time
    assert product.forward_memory == 2 * 30 * 40 * 4
    assert back.forward_time == 0
    assert back.backward_time > 0


def product_time(prof: Any) -> float:
    """Of the product of the forward, not of those in the backward."""
    return next(e.cpu_time_total for e in prof.events() if e.name == "aten::mm")


def test_every_microsecond_counts_once() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with profile(with_modules=True) as prof:
        for _ in range(3):
            optimizer.zero_grad()
            with record_function("forward"):
                loss = model(torch.ones(4, 5)).square().mean()
            loss.backward()
            optimizer.step()
    events = prof.events()
    operators = [e for e in events if e.kind == "operator" and not inside(e, ("node", "evaluate"))]
    steps = [e for e in events if e.name.startswith("Optimizer.")]
    whole = (
        sum(e.cpu_time_total for e in operators)
        + sum(e.self_cpu_time_total for e in steps)
        + sum(call.cpu_time_total for call in events.backward_calls)
    )
    assert sum(line.time for line in prof.by_line()) == pytest.approx(whole)


def inside(event: Any, kinds: tuple[str, ...]) -> bool:
    while event.cpu_parent is not None:
        event = event.cpu_parent
        if event.kind in kinds:
            return True
    return False


def test_lines_inside_functions_and_modules_are_the_users_innermost() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            x = self.layer(x)  # layer
            return torch.nn.functional.relu(x)  # relu

    net = Net()
    with profile() as prof:
        for _ in range(2):
            net(torch.ones(4, 3)).sum().backward()  # loop
    lines = prof.by_line()
    assert at(lines, "layer").operators == ["aten::linear"]
    assert at(lines, "layer").count == 2
    assert at(lines, "layer").backward_time > 0
    assert "aten::relu" in at(lines, "relu").operators
    assert "aten::sum" in at(lines, "loop").operators


def test_a_custom_function_counts_where_it_is_applied() -> None:
    class Cubed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grad * 3 * x * x

    x = torch.ones(3, requires_grad=True)
    with profile() as prof:
        y = Cubed.apply(x)  # applied
        y.sum().backward()
    line = at(prof.by_line(), "applied")
    assert line.operators == ["Cubed"]
    assert line.count == 1
    assert line.backward_time > 0


def test_steps_of_optimizers_have_a_line() -> None:
    x = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.1)
    x.sum().backward()
    with profile() as prof:
        optimizer.step()  # step
    line = at(prof.by_line(), "step")
    assert line.operators[0] == "Optimizer.step#SGD.step"
    assert line.forward_time == pytest.approx(prof.events()[0].cpu_time_total)


def test_loading_a_batch_has_a_line() -> None:
    data = torch.utils.data.TensorDataset(torch.ones(8, 3))
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    with profile() as prof:
        for (batch,) in loader:  # load
            batch.exp()
    line = at(prof.by_line(), "load")
    assert "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__" in line.operators


def test_second_derivatives_count_for_the_line_that_asked_for_the_first() -> None:
    x = torch.ones(3, requires_grad=True)
    with profile() as prof:
        y = (x**3).sum()  # cube
        (g,) = torch.autograd.grad(y, x, create_graph=True)  # first derivative
        g.sum().backward()
    lines = prof.by_line()
    assert at(lines, "cube").backward_time > 0
    assert at(lines, "first derivative").backward_time > 0


def test_the_table_of_lines() -> None:
    x = torch.ones(300, requires_grad=True)
    with profile(profile_memory=True) as prof:
        y = (x * 2).exp()  # made
        y.sum().backward()
    lines = prof.by_line()
    table = lines.table(max_name_column_width=20, row_limit=1)
    rows = table.splitlines()
    widths = {len(row) for row in rows[:-1]}
    assert len(widths) == 1
    assert " ".join(rows[1].split()) == (
        "Line Source Time % Time Forward Backward # of Calls Forward Mem Backward Mem"
    )
    assert len(rows) == 6
    assert rows[-1].startswith("Time total: ")
    assert rows[3].startswith("...")
    assert str(lines) == lines.table()
    assert "y = (x * 2).exp()  # made" in str(lines)
    assert [line.time for line in lines] == sorted((line.time for line in lines), reverse=True)
    by_number = lines.table(sort_by="line", max_name_column_width=None)
    assert by_number.index("# made") < by_number.index("y.sum()")
    assert lines.table(header="Lines").splitlines()[0] == "Lines"
    assert "ms" in lines.table(time_unit="ms")
    assert prof.key_averages(group_by="line")[0].key == lines[0].key


def test_places_below_the_current_folder_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    with profile() as prof:
        torch.ones(3).exp()
    monkeypatch.chdir(Path(__file__).parent)
    assert prof.by_line().table().splitlines()[3].startswith("test_lines.py:")


def test_no_lines_no_table() -> None:
    with profile() as prof:
        pass
    assert str(prof.by_line()) == ""


def test_lines_without_source_are_named_all_the_same() -> None:
    x = torch.ones(3)
    code = compile("x.exp()", "<made up>", "exec")
    with profile() as prof:
        exec(code, {"x": x})
    (line,) = prof.by_line()
    assert (line.key, line.text) == ("<made up>:1", "")
