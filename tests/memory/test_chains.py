"""Chains of references: every place that a tensor can hide in, and what keeps it there."""

import asyncio
import collections
import functools
import gc
import sys
import threading

import numpy as np
import pytest

import chainrule as torch
from chainrule.autograd import Function, forward_ad

from .lines import variables

KILO = 1024


def fresh():
    return torch.randn(KILO)


LINE = f"{__file__}:{fresh.__code__.co_firstlineno + 1}"


def found(**expected):
    """The report and the chain of the one tensor of `fresh` that is alive."""
    report = torch.memory(top=None)
    group = report.at(LINE)
    assert group.count == expected.get("count", 1)
    return report, report.why(group)


@pytest.fixture(autouse=True)
def nothing_left():
    gc.collect()
    yield
    gc.collect()


def test_local_variables_name_function_and_line():
    held = fresh()
    line = sys._getframe().f_lineno - 1
    _, chain = found()
    link = chain[0]
    assert (link.variable.name, link.variable.function) == (
        "held",
        "test_local_variables_name_function_and_line",
    )
    assert link.location.line == line and held is not None
    assert link.text.startswith(
        "variable 'held' in test_local_variables_name_function_and_line() at "
    )


def test_arguments_stand_at_the_function():
    def function(held):
        return found()[1]

    chain = function(fresh())
    assert variables(chain) == ["held"]
    assert chain[0].location.line == function.__code__.co_firstlineno


GLOBAL = None


def test_global_variables():
    global GLOBAL
    GLOBAL = fresh()
    try:
        _, chain = found()
        assert variables(chain) == ["GLOBAL"] and chain[0].variable.function is None
        assert "module" in chain[0].text
    finally:
        GLOBAL = None


def test_containers():
    tree = {"a": [0, (1, {2: fresh()})]}
    _, chain = found()
    assert chain[1].text == "dict['a'][1][1][2]" and tree


def test_attributes_slots_and_classes():
    class Slotted:
        __slots__ = ("value",)

    class Holder:
        shared = None

    holder = Holder()
    holder.slotted = Slotted()
    holder.slotted.value = fresh()
    assert found()[1][1].text == "Holder.slotted.value"
    holder.slotted.value = None
    Holder.shared = fresh()
    assert found()[1][1].text.startswith("class ") and found()[1][1].text.endswith("Holder.shared")


def test_other_containers():
    queue = collections.deque([0, fresh()])
    assert found()[1][1].text == "deque[1]"
    queue.clear()
    part = functools.partial(print, fresh())
    assert found()[1][1].text == "partial.args[0]"
    del part
    some = {fresh()}
    assert variables(found()[1]) == ["some"]
    some.clear()
    array = np.array([None, fresh()], dtype=object)
    assert found()[1][1].text == "ndarray[1]" and array is not None


def test_keys_of_dicts():
    weights = {fresh(): 1}
    _, chain = found()
    assert "as a key" in chain[1].text and weights


def test_iterators_between_steps_of_a_loop():
    def loop():
        for item in [fresh(), 0]:
            if isinstance(item, int):
                continue
            del item
            return found()[1]

    chain = loop()
    assert "tuple[0]" in str(chain) and "a temporary of " in chain[0].text


def test_closures():
    def outer():
        held = fresh()

        def inner():
            return held

        return inner

    function = outer()
    _, chain = found()
    assert variables(chain) == ["function"]
    assert "closure variable 'held'" in chain[1].text and function


def test_defaults():
    def function(value=fresh()):  # noqa: B008
        return value

    assert "__defaults__[0]" in str(found()[1]) and function


def test_generators_and_coroutines():
    def produce():
        inside = fresh()
        yield 1
        yield inside

    generator = produce()
    next(generator)
    _, chain = found()
    assert variables(chain) == ["generator", "inside"]
    generator.close()

    async def wait():
        inside = fresh()
        await asyncio.sleep(0)
        return inside

    coroutine = wait()
    coroutine.send(None)
    assert variables(found()[1]) == ["coroutine", "inside"]
    coroutine.close()


def test_variables_of_other_threads():
    ready, done = threading.Event(), threading.Event()

    def work():
        private = fresh()
        ready.set()
        done.wait()
        del private

    thread = threading.Thread(target=work, name="loader")
    thread.start()
    try:
        ready.wait()
        _, chain = found()
    finally:
        done.set()
        thread.join()
    assert variables(chain) == ["private"] and chain[0].variable.thread == "loader"
    assert "thread loader" in chain[0].text


def test_locals_of_threads():
    local = threading.local()
    local.value = fresh()
    assert variables(found()[1]) == ["local"]


def test_modules_are_paths():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
            self.blocks[1].weight = torch.nn.Parameter(fresh())

    net = Net()
    _, chain = found()
    assert chain[1].text == "Net.blocks.1.weight" and net


def test_a_model_is_named_rather_than_its_optimizer():
    def build():
        model = torch.nn.Linear(KILO, 2)
        for _ in range(4):
            model = torch.nn.Sequential(model)
        return torch.optim.Adam(model.parameters()), model

    optimizer, model = build()
    model(torch.ones(KILO)).sum().backward()
    optimizer.step()
    chain = torch.memory().why(model[0][0][0][0].weight)
    assert variables(chain) == ["model"] and chain[1].text == "Sequential.0.0.0.0.weight"
    chain = torch.memory().why(optimizer.state[model[0][0][0][0].weight]["exp_avg"])
    assert variables(chain) == ["optimizer"]
    assert chain[1].text == "Adam.state[<Parameter>]['exp_avg']"


def test_saved_values_are_reached_through_the_graph():
    x = torch.ones(KILO, requires_grad=True)
    y = x * fresh()
    for _ in range(5):
        y = y + 1
    _, chain = found()
    assert [link.kind for link in chain] == ["variable", "tensor", "graph", "saved", "tensor"]
    assert chain[2].nodes == 5 and chain[2].text == "graph: 5 nodes back"
    assert chain[3].text.startswith("saved 'other' of MulBackward0 recorded at ")


def test_a_group_is_told_by_the_variable_that_holds_most_of_it():
    most = []
    for _ in range(5):
        last = fresh()
        most.append(last)
    _, chain = found(count=5)
    assert variables(chain) == ["most"]
    assert variables(torch.memory().why(last)) == ["last"]


def test_a_graph_without_values_ends_at_a_node():
    x = torch.ones(KILO, requires_grad=True)
    line = sys._getframe().f_lineno + 2
    for _ in range(3):
        x = x * 2
    y = x.sum()
    y.backward()
    del x
    group = torch.memory(top=None).at(f"{__file__}:{line}")
    chain = torch.memory().why(group)
    assert chain[-1].text == f"node MulBackward0 recorded at {group.location.describe()}"
    assert variables(chain) == ["y"]


def test_a_node_in_a_variable_holds_its_graph():
    x = torch.ones(KILO, requires_grad=True)
    node = (x * fresh()).grad_fn
    _, chain = found()
    assert variables(chain) == ["node"] and "node MulBackward0" in chain[1].text
    assert node is not None


def test_gradients_and_tangents():
    x = torch.ones(KILO, requires_grad=True)
    x.grad = fresh()
    assert found()[1][-1].text.startswith("its .grad")
    x.grad = None
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.ones(KILO), fresh())
        assert found()[1][-1].text.startswith("its tangent")
        del dual


def test_bases_of_views():
    view = fresh()[3:5]
    report, chain = found()
    assert chain[-1].text.startswith("tensor 2") and variables(chain) == ["view"]
    assert report.at(LINE).views == 0 and view is not None


def test_attributes_of_tensors():
    tensor = torch.ones(3)
    tensor.note = fresh()
    _, chain = found()
    assert variables(chain) == ["tensor"] and ".note" in str(chain)


def test_custom_functions_keep_tensors_on_ctx():
    class Masked(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mask = fresh()
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.mask

    y = Masked.apply(torch.ones(KILO, requires_grad=True))
    _, chain = found()
    assert [link.kind for link in chain][-3:] == ["context", "container", "tensor"]
    assert chain[-2].text == "ctx.mask" and "MaskedBackward" in chain[-3].text
    assert y.requires_grad


def test_custom_functions_save_tensors():
    class Scaled(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(fresh())
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad

    y = Scaled.apply(torch.ones(KILO, requires_grad=True))
    _, chain = found()
    assert chain[-2].kind == "saved" and y.requires_grad


@pytest.mark.parametrize("leaf", [True, False])
def test_closures_of_hooks(leaf):
    def register(tensor):
        held = fresh()
        tensor.register_hook(lambda grad: grad * held)

    x = torch.ones(KILO, requires_grad=True)
    if not leaf:
        x = x * 2
    register(x)
    _, chain = found()
    assert variables(chain) == ["x"] and "closure variable 'held'" in str(chain)


def test_a_handle_of_a_hook_holds_the_graph():
    x = torch.ones(KILO, requires_grad=True)
    handles = [(x * fresh()).register_hook(print)]
    _, chain = found()
    assert variables(chain) == ["handles"] and "node MulBackward0" in str(chain)
    handles.clear()


def test_hooks_of_nodes_and_of_accumulated_gradients():
    def register(add):
        held = fresh()
        add(lambda *_: held and None)

    x = torch.ones(KILO, requires_grad=True)
    y = x * 2
    register(y.grad_fn.register_hook)
    assert "closure variable 'held'" in str(found()[1])
    del y
    register(x.register_post_accumulate_grad_hook)
    assert "closure variable 'held'" in str(found()[1])


def test_exceptions_being_handled():
    def fail():
        inside = fresh()
        raise ValueError(inside.shape)

    try:
        fail()
    except ValueError:
        report, chain = found()
    assert chain[0].text == "the ValueError being handled" and chain[1].text == "its traceback"
    assert variables(chain) == ["inside"]
    assert any("traceback of the ValueError being handled" in note for note in report.notes)


def test_the_last_error_of_a_session(monkeypatch):
    def fail():
        inside = fresh()
        raise ValueError(inside.shape)

    try:
        fail()
    except ValueError as error:
        monkeypatch.setattr(sys, "last_value", error, raising=False)
    report, chain = found()
    assert "sys.last_value" in chain[0].text and variables(chain) == ["inside"]
    assert any("traceback of the last error" in note for note in report.notes)


def test_cycles_that_nothing_holds():
    gc.disable()
    try:
        loop = [fresh()]
        loop.append(loop)
        del loop
        report, chain = found()
        assert chain[0].kind == "cycle" and "gc.collect()" in chain[0].text
        assert any("gc.collect() frees it" in note for note in report.notes)
        gc.collect()
        with pytest.raises(KeyError):
            torch.memory().at(LINE)
    finally:
        gc.enable()


def test_what_is_alive_in_a_cycle_is_no_garbage():
    loop = [fresh()]
    loop.append(loop)
    report, chain = found()
    assert variables(chain) == ["loop"]
    assert not any("gc.collect()" in note for note in report.notes)
    loop.clear()


def test_history_of_a_session(monkeypatch):
    main = sys.modules["__main__"]
    value = fresh()
    monkeypatch.setattr(main, "Out", {7: value}, raising=False)
    monkeypatch.setattr(main, "_7", value, raising=False)
    del value
    report, chain = found()
    assert variables(chain) == ["_7"]
    assert any("history of outputs" in note for note in report.notes)
    monkeypatch.setattr(main, "chosen", main._7, raising=False)
    assert variables(found()[1]) == ["chosen"]


def test_what_exec_runs_in_a_dict():
    namespace = {"make": fresh}
    exec("held = make()\ndef function(): return held\n", namespace)
    function = namespace["function"]
    namespace = None
    assert "['held']" in str(found()[1])
    function.__globals__.clear()


def test_objects_that_refuse_to_be_looked_at():
    class Hostile:
        def __getattr__(self, name):
            raise RuntimeError(name)

        @property
        def __dict__(self):
            raise RuntimeError("no")

        def __eq__(self, other):
            raise RuntimeError("no")

        __hash__ = None

    hostile = Hostile()
    object.__setattr__(hostile, "value", fresh())
    _, chain = found()
    assert variables(chain) == ["hostile"]


def test_short_chains_stand_on_one_line():
    x = fresh()
    chain = found()[1]
    text = str(chain)
    if len(" → ".join(link.text for link in chain)) <= 80:
        assert "\n" not in text
    else:
        assert text.splitlines()[1].startswith("  → ")
    assert x is not None
