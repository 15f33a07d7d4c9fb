"""Recorded backward passes: steps, what they hold, how many are kept; the last pass of a script."""

import gc
import json
import math
import runpy
import weakref
from itertools import pairwise

import pytest

import chainrule as torch
from chainrule import nn
from chainrule.graph.export import to_json, to_payload
from chainrule.graph.record import LastBackward, Recording, record_graph
from chainrule.nn import functional as F
from graph._nets import neurons
from graph.test_export import check_format, strict

pytestmark = pytest.mark.chainrule_only


class Training:
    """A small network, one step at a time."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.x = torch.randn(4, 2)

    def step(self):
        self.optimizer.zero_grad()
        hidden = self.model(self.x)
        loss = (hidden * hidden).mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def test_each_backward_is_a_step_with_its_loss():
    training = Training()
    with torch.record_graph() as recording:
        losses = [training.step() for _ in range(5)]
    training.step()  # not recorded
    assert [step.loss for step in recording.steps] == losses
    assert [step.label for step in recording.steps] == [f"step {i}" for i in range(1, 6)]
    assert len(recording) == 5 and len(recording.graphs()) == 1
    assert repr(recording) == "<Recording of 5 steps, 1 graphs>"


def nodes_named(graph, name):
    strings = graph["strings"]
    return [i for i, s in enumerate(graph["nodes"]["name"]) if s >= 0 and strings[s] == name]


def test_values_and_gradients_are_those_that_flowed():
    training = Training()
    model = training.model
    values, gradients, weights = [], [], []
    with record_graph() as recording:
        for _ in range(3):
            training.optimizer.zero_grad()
            weights.append(model[0].weight.detach().clone())
            hidden = model(training.x)
            loss = (hidden * hidden).mean()
            hidden.retain_grad()
            loss.backward()
            values.append(hidden.detach().clone())
            gradients.append((hidden.grad.clone(), model[0].weight.grad.clone()))
            training.optimizer.step()
    (graph,) = recording.graphs()
    (mul,) = nodes_named(graph, "MulBackward0")
    hidden_node = graph["edges"]["source"][graph["edges"]["target"].index(mul)]
    weight_node = graph["nodes"]["variable"].index(graph["strings"].index("model.0.weight"))
    for step, value, (gradient, slope), weight in zip(
        recording.steps, values, gradients, weights, strict=True
    ):
        assert step.value(hidden_node)["values"] == value.reshape(-1).tolist()
        assert step.gradient(hidden_node)["values"] == gradient.reshape(-1).tolist()
        assert step.value(weight_node)["values"] == weight.reshape(-1).tolist()
        assert step.gradient(weight_node)["values"] == slope.reshape(-1).tolist()


def test_a_value_is_that_of_the_time_it_was_computed():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with record_graph() as recording:
        y = x.cumsum(0)
        z = y.sum()
        with torch.no_grad():
            y.add_(100)
        z.backward()
    (graph,) = recording.graphs()
    (node,) = nodes_named(graph, "CumsumBackward0")
    assert recording.steps[0].value(node)["values"] == [1.0, 3.0]


def test_hooks_change_what_flows():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with record_graph() as recording:
        y = x * 2
        y.register_hook(lambda g: g * 10)
        y.sum().backward()
    (node,) = nodes_named(recording.graphs()[0], "MulBackward0")
    assert recording.steps[0].gradient(node)["values"] == [10.0, 10.0]
    assert x.grad.tolist() == [20.0, 20.0]


def test_recording_changes_no_number():
    def run(recorded):
        training = Training()
        if not recorded:
            return [training.step() for _ in range(5)]
        with record_graph():
            return [training.step() for _ in range(5)]

    assert run(True) == run(False)


def test_the_page_has_a_graph_and_steps():
    training = Training()
    with record_graph() as recording:
        for _ in range(3):
            training.step()
    page = strict(to_json(recording, "a run"))
    (graph,) = page["graphs"]
    check_format(graph)
    assert graph["title"] == "a run"
    assert sorted(o for o in graph["nodes"]["order"] if o >= 0)[:3] == [0, 1, 2]
    for step in page["steps"]:
        assert set(step) == {"label", "graph", "value", "grad", "summaries", "loss"}
        assert step["graph"] == 0
        assert len(step["value"]) == len(step["grad"]) == len(graph["nodes"]["kind"])
        assert max(step["value"] + step["grad"]) < len(step["summaries"])
    assert graph["nodes"]["value"] == page["steps"][-1]["value"]


def test_different_graphs_are_told_apart():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with record_graph() as recording:
        for size in (1, 2, 1, 2):
            y = x[:size]
            for _ in range(size):
                y = y * y
            y.sum().backward()
    assert [step.to_dict()["graph"] for step in recording.steps if recording.graphs()] == [
        0,
        1,
        0,
        1,
    ]
    for graph in to_payload(recording)["graphs"]:
        check_format(graph)


def test_every_and_last():
    training = Training()
    with record_graph(every=3) as recording:
        for _ in range(8):
            training.step()
    assert [step.label for step in recording.steps] == ["step 1", "step 4", "step 7"]
    with record_graph(last=2) as recording:
        for _ in range(8):
            training.step()
    assert [step.label for step in recording.steps] == ["step 7", "step 8"]
    for wrong in ({"every": 0}, {"last": -1}, {"most": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            record_graph(**wrong)


def test_a_long_run_is_thinned_out():
    x = torch.tensor(1.0, requires_grad=True)
    with record_graph(most=10) as recording:
        for _ in range(100):
            (x * 2).backward()
    numbers = [int(step.label.split()[1]) for step in recording.steps]
    assert 5 <= len(numbers) <= 10
    (stride,) = {b - a for a, b in pairwise(numbers)}
    assert numbers[0] == 1 and numbers[-1] + stride > 100


def test_a_recording_holds_no_tensors():
    x = torch.ones(100_000, requires_grad=True)

    def step():
        y = x * 2
        z = y.sum()
        z.backward()
        return weakref.ref(z.grad_fn), weakref.ref(y)

    with record_graph() as recording:
        node, tensor = step()
        gc.collect()
        assert node() is None and tensor() is None
        assert recording._values == {}
    assert recording.steps[0].loss == 200_000


def test_values_of_what_needs_no_gradient_do_not_pile_up():
    x = torch.ones(3)
    with record_graph() as recording:
        for _ in range(100):
            x = x * 1
        assert recording._values == {}


def test_blocks_with_labels():
    training = Training()
    recording = Recording()
    for epoch in range(4):
        if epoch % 2:
            with recording.step(f"epoch {epoch}"):
                training.step()
        else:
            training.step()
    assert [step.label for step in recording.steps] == ["epoch 1", "epoch 3"]


def test_a_backward_that_fails_is_no_step():
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise ArithmeticError("no derivative today")

    x = torch.tensor(1.0, requires_grad=True)
    with record_graph() as recording:
        with pytest.raises(ArithmeticError):
            Fails.apply(x * 2).backward()
        (x * 3).backward()
    assert [step.loss for step in recording.steps] == [3.0]


def test_grad_makes_steps_only_if_asked():
    x = torch.tensor(3.0, requires_grad=True)
    with record_graph() as recording:
        torch.autograd.grad(x * x, x)
    assert recording.steps == []
    with record_graph(grad=True) as recording:
        torch.autograd.grad(x * x, x)
    leaf = recording.graphs()[0]["nodes"]["kind"].index(1)
    assert recording.steps[0].gradient(leaf)["values"] == [6.0]


def test_derivatives_of_derivatives():
    x = torch.tensor(2.0, requires_grad=True)
    with record_graph() as recording:
        (slope,) = torch.autograd.grad(x**3, x, create_graph=True)
        slope.backward()
    (step,) = recording.steps
    assert step.loss == 12.0
    check_format(recording.graphs()[0])


def test_a_backward_inside_a_backward():
    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                again = x.detach().requires_grad_()
                (again * again).backward()
            return again.grad * g

    x = torch.tensor(3.0, requires_grad=True)
    with record_graph() as recording:
        Inner.apply(x).backward()
    (step,) = recording.steps
    assert step.loss == 9.0 and x.grad.item() == 6.0


def test_composite_operators_show_what_their_nodes_saved():
    torch.manual_seed(0)
    logits = torch.randn(3, 4, requires_grad=True)
    with record_graph() as recording:
        F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    (graph,) = recording.graphs()
    (node,) = nodes_named(graph, "LogSoftmaxBackward0")
    found = recording.steps[0].value(node)["values"]
    assert found == torch.log_softmax(logits.detach(), 1).reshape(-1).tolist()


def test_nan_is_recorded():
    x = torch.tensor(-1.0, requires_grad=True)
    with record_graph() as recording:
        x.log().backward()
    assert math.isnan(recording.steps[0].loss)
    assert strict(to_json(recording))["steps"][0]["loss"] == "nan"


def test_saving(tmp_path):
    training = Training()
    with record_graph() as recording:
        training.step()
    recording.save(tmp_path / "run.json")
    page = strict((tmp_path / "run.json").read_text("utf-8"))
    assert len(page["steps"]) == 1
    recording.save(tmp_path / "run.html")
    assert "chainrule" in (tmp_path / "run.html").read_text("utf-8")
    with pytest.raises(ValueError, match=r"must end in \.html or \.json"):
        recording.save(tmp_path / "run.svg")
    with pytest.raises(ValueError, match="nothing was recorded"):
        Recording().save(tmp_path / "empty.html")


def test_two_recordings_at_once():
    training = Training()
    with record_graph() as outer:
        training.step()
        with record_graph() as inner:
            training.step()
        training.step()
    assert (len(outer), len(inner)) == (3, 1)
    with pytest.raises(RuntimeError), outer, outer:
        pass
    outer.stop()


def last_of(source, tmp_path):
    """The last backward of a script, as ``chainrule run`` sees it."""
    path = tmp_path / "script.py"
    path.write_text("import chainrule as torch\n" + source, encoding="utf-8")
    last = LastBackward().start()
    error = None
    try:
        runpy.run_path(str(path), run_name="__main__")
    except ArithmeticError as raised:
        error = raised
    last.stop()
    return last, error


def variables(graph):
    return [graph["strings"][i] if i >= 0 else None for i in graph["nodes"]["variable"]]


def test_the_last_backward_of_a_script(tmp_path):
    last, _ = last_of(
        """
w = torch.tensor(2.0, requires_grad=True)
for step in range(3):
    loss = w * w * step
    w.grad = None
    loss.backward()
""",
        tmp_path,
    )
    assert last.passes == 3
    page = last.to_payload()
    (graph,) = page["graphs"]
    check_format(graph)
    assert "w" in variables(graph)
    leaf = graph["nodes"]["kind"].index(1)
    assert graph["nodes"]["grad"][leaf] >= 0


def test_the_last_backward_of_a_script_that_raises(tmp_path):
    last, error = last_of(
        """
w = torch.tensor(2.0, requires_grad=True)
(w * w).backward()
w.exp().sin() + 1
raise ArithmeticError
""",
        tmp_path,
    )
    assert isinstance(error, ArithmeticError)
    (graph,) = last.to_payload("a title")["graphs"]
    check_format(graph)
    assert graph["title"] == "a title"
    assert [graph["strings"][i] for i in graph["nodes"]["op"] if i >= 0] == ["mul"]
    root = graph["roots"][0]
    assert graph["summaries"][graph["nodes"]["value"][root]]["values"] == [4.0]
    leaf = graph["nodes"]["kind"].index(1)
    assert graph["summaries"][graph["nodes"]["grad"][leaf]]["values"] == [4.0]


def test_the_last_backward_may_differ_from_the_others(tmp_path):
    last, _ = last_of(
        """
w = torch.tensor([1.0, 2.0], requires_grad=True)
for step in range(50):
    (w * w).sum().backward()
w.grad = None
(w * 3 + 1).sum().backward()
""",
        tmp_path,
    )
    last._latest = None  # as if the last pass was not one that was read
    (graph,) = last.to_payload()["graphs"]
    check_format(graph)
    assert [graph["strings"][i] for i in graph["nodes"]["op"] if i >= 0] == ["mul", "add", "sum"]
    leaf = graph["nodes"]["kind"].index(1)
    assert graph["summaries"][graph["nodes"]["grad"][leaf]]["values"] == [3.0, 3.0]


def test_values_of_an_earlier_pass_are_said_to_be():
    x = torch.tensor(2.0, requires_grad=True)
    last = LastBackward(share=1e-9, free=0).start()  # reads the first two passes, then none
    for factor in range(5):
        (x * factor).backward()
    last.stop()
    (graph,) = last.to_payload("t")["graphs"]
    assert graph["title"] == "t, values of backward pass 2 of 5"
    assert graph["summaries"][graph["nodes"]["value"][graph["roots"][0]]]["values"] == [2.0]


def test_between_passes_only_nodes_are_held():
    x = torch.ones(1000, requires_grad=True)
    last = LastBackward(share=1e-9, free=0).start()
    for _ in range(3):
        y = x * 2
        (y * y).sum().backward()
    held = weakref.ref(y)
    del y
    gc.collect()
    assert held() is None
    last.stop()
    assert last.passes == 3


def test_a_script_without_a_backward(tmp_path):
    last, _ = last_of("x = torch.ones(3)", tmp_path)
    with pytest.raises(RuntimeError, match="the program ran no backward pass"):
        last.to_payload()


def test_saving_the_last_backward(tmp_path):
    L, _ = neurons()
    last = LastBackward().start()
    L.backward()
    last.stop()
    last.save(tmp_path / "graph.json", "neurons")
    data = json.loads((tmp_path / "graph.json").read_text("utf-8"))
    check_format(data)
    assert data["title"] == "neurons"
