"""The hints of chainrule.memory(): growing loops are found in one call, sound ones pass."""

import collections

import pytest

import chainrule as torch

from .lines import here


def hints():
    return [hint for hint in torch.memory().hints if hint.location.file == __file__]


def setting(steps=12):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(32, 16), torch.randn(32, 1)
    return model, optimizer, [(x, y)] * steps


def trained(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


def test_a_sum_of_losses():
    model, optimizer, data = setting()
    total_loss = 0
    for x, y in data:
        loss = trained(model, optimizer, x, y)
        total_loss += loss
    line = here(-1)
    (hint,) = hints()
    assert (hint.location.line, hint.steps) == (line, 12)
    assert hint.text == (
        f"{hint.location}: total_loss += loss keeps the graph of every step alive "
        f"(12 steps, {hint.bytes / 1024:.1f} KiB): use loss.item() or loss.detach()"
    )
    assert hint.bytes > 12 * 500 and total_loss.requires_grad


@pytest.mark.parametrize("start", [0, 0.0, "zeros"])
def test_a_sum_written_out(start):
    model, optimizer, data = setting()
    total = torch.zeros(()) if start == "zeros" else start
    for x, y in data:
        total = total + trained(model, optimizer, x, y).mean()
    (hint,) = hints()
    assert hint.location.line == here(-2) and hint.steps == 12
    assert "use trained(model, optimizer, x, y).mean().item()" in hint.text


def test_a_running_mean():
    model, optimizer, data = setting()
    mean = torch.zeros(())
    for x, y in data:
        loss = trained(model, optimizer, x, y)
        mean = 0.9 * mean + 0.1 * loss
    (hint,) = hints()
    assert hint.location.line == here(-2) and hint.steps >= 12 and mean.requires_grad


def test_a_sum_in_an_attribute():
    class Meter:
        total = 0.0

        def update(self, loss):
            self.total += loss

    model, optimizer, data = setting()
    meter = Meter()
    for x, y in data:
        meter.update(trained(model, optimizer, x, y))
    (hint,) = hints()
    assert "self.total += loss keeps the graph of every step alive" in hint.text
    assert "loss.item()" in hint.text


def test_sums_of_several_epochs_are_added_up():
    history = []
    for _ in range(3):
        model, optimizer, data = setting(steps=6)
        total = 0
        for x, y in data:
            total += trained(model, optimizer, x, y)
        history.append(total)
    (hint,) = hints()
    assert hint.location.line == here(-3) and hint.steps == 18 and len(history) == 3


def test_the_surest_hint_comes_first():
    model, optimizer, data = setting()
    total = sums = 0
    for x, y in data:
        total += trained(model, optimizer, x, y)
        sums = sums + model(x.expand(64, 32, 16)).sum()
    sure, unsure = hints()
    assert sure.location.line == here(-3) and "unless" not in sure.text
    assert unsure.location.line == here(-3) and "unless" in unsure.text
    assert unsure.bytes > sure.bytes and total.requires_grad and sums.requires_grad


def test_statements_of_several_lines():
    model, _, data = setting()
    total = sum(
        model(x).mean()
        for x, _ in data  # every one with a graph
    )
    (hint,) = hints()
    assert hint.location.line == here(-5) and hint.steps == 12
    assert "total = sum(" in hint.text and "use total.item()" in hint.text
    assert total.requires_grad


def test_a_list_of_losses():
    model, optimizer, data = setting()
    history = []
    for x, y in data:
        loss = trained(model, optimizer, x, y)
        history.append(loss)
    line = here(-1)
    (hint,) = hints()
    assert (hint.location.line, hint.steps) == (line, 12)
    assert "history.append(loss) keeps the graph of every step alive (12 steps" in hint.text
    assert "use loss.item() or loss.detach()" in hint.text and len(history) == 12


def test_losses_in_an_attribute():
    class Trainer:
        def __init__(self):
            self.losses = []

        def fit(self):
            model, optimizer, data = setting()
            for x, y in data:
                result = trained(model, optimizer, x, y)
                self.losses.append(result)

    trainer = Trainer()
    trainer.fit()
    (hint,) = hints()
    assert "self.losses.append(result) keeps" in hint.text and "result.item()" in hint.text


def test_losses_in_a_dict_of_lists():
    model, optimizer, data = setting()
    log = collections.defaultdict(list)
    for x, y in data:
        log["loss"].append(trained(model, optimizer, x, y))
    (hint,) = hints()
    assert hint.location.line == here(-2) and 'log["loss"].append(' in hint.text


def test_losses_by_step_in_a_dict():
    model, optimizer, data = setting()
    by_step = {}
    for step, (x, y) in enumerate(data):
        loss = trained(model, optimizer, x, y)
        by_step[step] = loss
    (hint,) = hints()
    assert "by_step[step] = loss keeps" in hint.text


def test_evaluation_without_no_grad():
    model, _, data = setting()
    total = 0.0
    for x, y in data:
        total += ((model(x) - y) ** 2).mean()
    (hint,) = hints()
    assert hint.location.line == here(-2) and hint.steps == 12
    # The saved values of all steps are still there.
    assert hint.bytes > 12 * 32 * 8 * 4
    assert "unless one backward()" in hint.text and total.requires_grad


def test_a_history_of_values_is_no_leak():
    model, optimizer, data = setting()
    total, history, kept = 0.0, [], []
    for x, y in data:
        loss = trained(model, optimizer, x, y)
        total += loss.item()
        history.append(loss.detach())
        kept.append(float(loss))
    assert not hints() and len(history) == len(kept) == 12


def test_a_training_loop_without_leak():
    model, optimizer, data = setting()
    for x, y in data:
        loss = trained(model, optimizer, x, y)
    assert not hints() and loss.requires_grad


def test_layers_in_a_loop_are_no_steps():
    class Deep(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(20))

        def forward(self, x):
            outputs = []
            for layer in self.layers:
                x = x + torch.tanh(layer(x))
                outputs.append(x)
            return x, outputs

    x, outputs = Deep()(torch.ones(4, 8))
    assert not hints() and x.requires_grad and len(outputs) == 20


def test_a_recurrence_within_one_step_is_no_leak():
    w = torch.randn(8, 8, requires_grad=True)
    h = torch.ones(8)
    for _ in range(50):
        h = torch.tanh(w @ h)
    assert not hints() and h.requires_grad


def test_a_few_losses_are_no_leak():
    model, optimizer, data = setting(steps=2)
    parts = [trained(model, optimizer, x, y) for x, y in data]
    assert not hints() and len(parts) == 2


def test_a_hint_shows_the_statement_without_its_comment(tmp_path):
    path = tmp_path / "loop.py"
    path.write_text(
        "import chainrule as torch\n"
        "w = torch.ones(100, requires_grad=True)\n"
        "total = 0\n"
        "for _ in range(20):\n"
        "    total += (w * w).sum()  # über alles\n"
    )
    namespace: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    (hint,) = torch.memory().hints
    assert "total += (w * w).sum() keeps" in hint.text and "alles" not in hint.text
