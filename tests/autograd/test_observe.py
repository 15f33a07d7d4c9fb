"""`observe`: what the functions are called with, and that watching changes nothing."""

import gc
import sys
import threading
import weakref
from pathlib import Path

import pytest

import chainrule as torch
from chainrule.autograd import ObservedOperator, observe

pytestmark = pytest.mark.chainrule_only

HERE = Path(__file__).name
ONES = torch.ones(2, 3)
EVERYWHERE = ONES > 0
FIRST = torch.tensor([0])


def line_below() -> int:
    return sys._getframe(1).f_lineno + 1


def names(program):
    """The operators that `program` calls, in order."""
    seen = []
    with observe(on_operator=lambda op: seen.append(op.name)):
        program()
    return seen


# Operators -------------------------------------------------------------------------------------


def test_an_operator_is_shown_with_its_tensors_line_and_row():
    seen = []
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    with observe(on_operator=seen.append):
        line = line_below()
        c = a * b
    (op,) = seen
    assert isinstance(op, ObservedOperator)
    assert op.name == "mul"
    assert op.inputs[0] is a and op.inputs[1] is b
    assert op.outputs == (c,) and op.outputs[0] is c
    assert op.location.endswith(f"{HERE}:{line}")
    assert op.row.startswith("ops/arithmetic.py:")


def test_numbers_are_no_tensors():
    seen = []
    a = torch.ones(2)
    with observe(on_operator=seen.append):
        (a * 2).clamp(min=0.5)
    assert [len(op.inputs) for op in seen] == [1, 1]


def test_in_place_operators_show_the_changed_tensor():
    seen = []
    a = torch.ones(2)
    with observe(on_operator=seen.append):
        a += 1
    (op,) = seen
    assert op.name == "add_"
    assert op.inputs[0] is a and op.outputs[0] is a
    assert op.outputs[0].tolist() == [2.0, 2.0]


def test_an_operator_with_several_results_and_a_list_of_tensors():
    seen = []
    a = torch.tensor([[1.0, 3.0], [4.0, 2.0]])
    with observe(on_operator=seen.append):
        values, indices = a.max(dim=1)
        joined = torch.cat([a, a])
    first, second = seen
    assert first.outputs[0] is values and first.outputs[1] is indices
    assert [t is a for t in second.inputs] == [True, True]
    assert second.outputs[0] is joined


def test_creation_functions_are_shown():
    x = torch.ones(2, 3)
    program = [
        lambda: torch.zeros(2),
        lambda: torch.randn(2, 3),
        lambda: torch.tensor([1.0]),
        lambda: torch.full_like(x, 2.0),
        lambda: x.new_ones(4),
        lambda: torch.arange(3),
    ]
    assert [names(f) for f in program] == [
        ["zeros"],
        ["randn"],
        ["tensor"],
        ["full_like"],
        ["new_ones"],
        ["arange"],
    ]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("add_", lambda x: x.add_(1)),
        ("fill_", lambda x: x.zero_()),
        ("copy_", lambda x: x.copy_(ONES)),
        ("normal_", lambda x: x.normal_()),
        ("__setitem__", lambda x: x.__setitem__(0, 5.0)),
        ("__setitem__", lambda x: x.__setitem__((slice(None), 1), 5.0)),
        ("index_fill_", lambda x: x.index_fill_(0, FIRST, 5.0)),
        ("masked_fill_", lambda x: x.masked_fill_(EVERYWHERE, 5.0)),
    ],
)
@pytest.mark.parametrize("recorded", [False, True])
def test_every_change_in_place_is_shown_once(name, change, recorded):
    x = torch.full((2, 3), 2.0, requires_grad=recorded)
    x = x * 1 if recorded else x
    seen = []
    with observe(on_operator=seen.append):
        change(x)
    (op,) = seen
    assert op.name == name
    assert op.inputs[0] is x and op.outputs[0] is x
    assert (x != 2.0).any()


def test_indexing_is_shown_whether_recorded_or_not():
    for recorded in (False, True):
        x = torch.ones(2, 3, requires_grad=recorded)
        assert names(lambda x=x: x[0]) == ["select"]
        assert names(lambda x=x: x[:, 1:]) == ["_slice"]


def test_a_fused_optimizer_step_is_one_operator_for_each_parameter():
    parameters = [torch.ones(2, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD(parameters, lr=0.5, momentum=0.9)
    for p in parameters:
        p.grad = torch.ones(2)
    optimizer.step()
    seen = []
    with observe(on_operator=seen.append):
        optimizer.step()
    assert [op.name for op in seen] == ["sgd_step_", "sgd_step_"]
    for op, p in zip(seen, parameters, strict=True):
        assert op.inputs[0] is p and op.outputs[0] is p
        assert op.inputs[-1] is p.grad


def test_what_an_operator_calls_itself_is_not_shown():
    x = torch.ones(3)
    assert names(lambda: x.softmax(0)) == ["_softmax"]


def test_recording_is_the_same_while_watched():
    x = torch.tensor([0.5], requires_grad=True)
    with observe(on_operator=lambda op: None):
        y = (x * 3).tanh()
    assert type(y.grad_fn).__name__ == "TanhBackward0"
    assert type(y.grad_fn.next_functions[0][0]).__name__ == "MulBackward0"
    assert x._version == 0 and y._version == 0


def test_operands_are_not_written_over_while_somebody_watches():
    a = torch.ones(1 << 15)
    sums = []
    with observe(on_operator=lambda op: sums.append(op.inputs[0].sum().item())):
        (a + 1) * 3  # the sum is a temporary whose memory the product could take
    assert sums == [1 << 15, 2 << 15]


# Nodes -----------------------------------------------------------------------------------------


def test_nodes_are_shown_before_and_after_with_their_gradients():
    events = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * torch.tensor([3.0, 4.0])
    with observe(
        before_node=lambda node, arrived: events.append(("before", node.name(), arrived)),
        on_node=lambda node, arrived, left: events.append(("after", node.name(), arrived, left)),
    ):
        y.backward(torch.tensor([1.0, 10.0]))
    assert [e[:2] for e in events] == [
        ("before", "MulBackward0"),
        ("after", "MulBackward0"),
        ("before", "AccumulateGrad"),
        ("after", "AccumulateGrad"),
    ]
    assert events[0][2][0].tolist() == [1.0, 10.0]
    _, _, arrived, left = events[1]
    assert arrived[0].tolist() == [1.0, 10.0]
    assert left[0].tolist() == [3.0, 40.0] and left[1] is None
    assert events[3][2][0].tolist() == [3.0, 40.0] and events[3][3] == ()


def test_gradients_that_are_kept_do_not_change_later():
    kept = []

    def keep(node, arrived, left):
        for gradient in (*arrived, *left):
            if gradient is not None:
                kept.append((gradient, gradient.tolist(), gradient._version))

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with observe(on_node=keep):
        for _ in range(2):  # the second time .grad is added to in place
            h = x * 2
            (h + h.tanh() + h.exp() + x).sum().backward()
    assert len(kept) > 20
    for gradient, values, version in kept:
        assert gradient.tolist() == values and gradient._version == version


def test_gradients_are_the_same_bits_with_and_without_an_observer():
    def gradient(watched):
        torch.manual_seed(0)
        x = torch.randn(50, 3, requires_grad=True)
        w = torch.randn(3, 4, requires_grad=True)
        kept = []
        watcher = observe(on_operator=kept.append, on_node=lambda *all: kept.append(all))
        if watched:
            watcher.start()
        for _ in range(2):
            h = (x @ w).tanh()
            (h * h + h).sum().backward()
        watcher.stop()
        return x.grad, w.grad

    for plain, seen in zip(gradient(False), gradient(True), strict=True):
        assert torch.equal(plain, seen)
        assert plain._version == seen._version


def test_operators_inside_a_node_and_the_engines_own_sums_are_not_shown():
    x = torch.ones(2, 2, requires_grad=True)
    y = torch.logsumexp(x, 0)
    loss = (y + y * 2 + x.sum()).sum()
    assert names(loss.backward) == []


def test_a_hook_of_the_user_is_shown():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    assert names(y.sum().backward) == ["mul"]


def test_hooks_of_a_leaf_are_shown():
    x = torch.ones(2, requires_grad=True)

    def triple(leaf):
        leaf.grad.mul_(3)

    x.register_post_accumulate_grad_hook(triple)
    loss = (x * 2).sum()
    assert names(loss.backward) == ["mul_"]
    assert x.grad.tolist() == [6.0, 6.0]


def test_a_double_backward_is_shown_as_two_passes():
    stages = []
    x = torch.tensor([0.5], requires_grad=True)
    y = x.tanh()
    with observe(on_backward=lambda stage, roots, retain: stages.append((stage, retain))):
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        slope.backward()
    assert stages == [("begin", True), ("end", True), ("begin", False), ("end", False)]


def test_on_backward_names_the_roots():
    seen = []
    x = torch.ones(2, requires_grad=True)
    a, b = (x * 2).sum(), (x * 3).sum()
    with observe(on_backward=lambda stage, roots, retain: seen.append((stage, roots, retain))):
        torch.autograd.backward([a, b], retain_graph=True)
    assert seen == [
        ("begin", (a.grad_fn, b.grad_fn), True),
        ("end", (a.grad_fn, b.grad_fn), True),
    ]


def test_a_backward_inside_a_backward_belongs_to_the_outer_one():
    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                (leaf * 2).sum().backward()
            return grad * leaf.grad

    stages = []
    x = torch.ones(2, requires_grad=True)
    with observe(on_backward=lambda stage, roots, retain: stages.append(stage)):
        Inner.apply(x).sum().backward()
    assert stages == ["begin", "end"]
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_custom_function_is_an_operator_and_so_is_what_it_calls():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, grad):
            return grad * 3 * ctx.saved_tensors[0] ** 2

    seen = []
    x = torch.tensor([2.0], requires_grad=True)
    with observe(on_operator=seen.append):
        y = Cube.apply(x)
    assert [op.name for op in seen] == ["mul", "mul", "Cube"]
    assert seen[-1].outputs[0] is y and seen[-1].inputs[0] is x and seen[-1].row is None
    assert names(y.backward) == ["mul", "_pow2", "mul"]


# Callbacks -------------------------------------------------------------------------------------


def test_what_a_callback_computes_is_not_observed():
    seen = []

    def look(op):
        seen.append(op.name)
        (op.outputs[0] * 2).sum()

    x = torch.ones(2, requires_grad=True)
    with observe(on_operator=look, on_node=lambda *a: (x.detach() * 3).sum()):
        (x + 1).sum().backward()
    assert seen == ["add", "sum"]


def test_an_exception_of_on_operator_reaches_the_caller():
    def refuse(op):
        raise ValueError("not " + op.name)

    x = torch.ones(2)
    with observe(on_operator=refuse), pytest.raises(ValueError, match="not add"):
        x + 1
    assert (x + 1).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("when", ["before_node", "on_node"])
def test_an_exception_of_a_node_callback_reaches_the_caller_of_backward(when):
    def refuse(*args):
        raise KeyError("stop here")

    x = torch.ones(2, requires_grad=True)
    loss = (x * 2).sum()
    with observe(**{when: refuse}), pytest.raises(KeyError, match="stop here"):
        loss.backward(retain_graph=True)
    assert x.grad is None
    loss.backward()  # the graph is whole
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("which", ["begin", "end"])
def test_an_exception_of_on_backward_reaches_the_caller(which):
    def refuse(stage, roots, retain):
        if stage == which:
            raise KeyError(stage)

    x = torch.ones(2, requires_grad=True)
    with observe(on_backward=refuse), pytest.raises(KeyError, match=which):
        (x * 2).sum().backward()
    assert (x.grad is None) == (which == "begin")


def test_at_the_end_of_a_failed_backward_the_error_of_the_backward_counts(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: reported.append(info.exc_value))
    stages = []

    def refuse(stage, roots, retain):
        stages.append(stage)
        if stage == "end":
            raise KeyError("late")

    def fail(gradient):
        raise ValueError("first")

    x = torch.ones(2, requires_grad=True)
    x.register_hook(fail)
    with observe(on_backward=refuse), pytest.raises(ValueError, match="first"):
        (x * 2).sum().backward()
    assert stages == ["begin", "end"]
    assert [repr(e) for e in reported] == ["KeyError('late')"]


def test_the_others_hear_of_the_end_when_one_fails():
    seen = []

    def refuse(stage, roots, retain):
        raise KeyError(stage)

    x = torch.ones(2, requires_grad=True)
    first = observe(on_backward=lambda stage, roots, retain: seen.append(stage))
    with first, observe(on_backward=refuse), pytest.raises(KeyError):
        (x * 2).sum().backward()
    assert seen == ["begin", "end"]


# Starting and stopping -------------------------------------------------------------------------


def test_observers_nest_and_are_called_in_order():
    seen = []
    x = torch.ones(2)
    with observe(on_operator=lambda op: seen.append(("outer", op.name))):
        x + 1
        with observe(on_operator=lambda op: seen.append(("inner", op.name))):
            x * 2
        x - 1
    x / 2
    assert seen == [("outer", "add"), ("outer", "mul"), ("inner", "mul"), ("outer", "sub")]


def test_observers_may_overlap():
    seen = []
    x = torch.ones(2)
    first = observe(on_operator=lambda op: seen.append(1))
    second = observe(on_operator=lambda op: seen.append(2))
    first.start()
    second.start()
    x + 1
    first.stop()
    x + 1
    second.stop()
    x + 1
    assert seen == [1, 2, 2]


def test_start_and_stop_may_be_repeated():
    seen = []
    x = torch.ones(2)
    watcher = observe(on_operator=lambda op: seen.append(op.name))
    assert not watcher.active
    watcher.stop()
    assert watcher.start() is watcher and watcher.active
    with pytest.raises(RuntimeError, match="runs already"):
        watcher.start()
    x + 1
    watcher.stop()
    x + 1
    with watcher:
        x + 1
    assert seen == ["add", "add"] and not watcher.active


def test_an_error_inside_the_with_block_ends_the_watching():
    seen = []
    x = torch.ones(2)
    with pytest.raises(ZeroDivisionError), observe(on_operator=seen.append):
        raise ZeroDivisionError
    x + 1
    assert seen == []


def test_a_failing_operator_is_not_shown_and_leaves_the_watching_on():
    seen = []
    x, longer = torch.ones(2), torch.ones(3)
    with observe(on_operator=lambda op: seen.append(op.name)):
        with pytest.raises(RuntimeError):
            x + longer
        x * 2
    assert seen == ["mul"]


def test_a_callback_may_stop_itself_and_others_and_start_new_ones():
    seen = []
    x = torch.ones(2)

    def once(op):
        seen.append("first")
        first.stop()
        second.stop()
        third.start()

    first = observe(on_operator=once)
    second = observe(on_operator=lambda op: seen.append("second"))
    third = observe(on_operator=lambda op: seen.append("third"))
    first.start()
    second.start()
    x + 1
    assert seen == ["first"]
    x + 1
    third.stop()
    x + 1
    assert seen == ["first", "third"]


def test_an_observer_dropped_by_its_own_callback_is_freed():
    holder = []
    x = torch.ones(2)

    class Callback:
        def __call__(self, op):
            holder.pop().stop()

    callback = Callback()
    gone = weakref.ref(callback)
    holder.append(observe(on_operator=callback).start())
    del callback
    x + 1
    gc.collect()
    assert gone() is None


def test_starting_inside_a_callback_does_not_show_the_callbacks_own_work():
    seen = []
    x = torch.ones(2)
    late = observe(on_operator=lambda op: seen.append(op.name))

    def begin(op):
        if not late.active:
            late.start()
            x.exp()

    with observe(on_operator=begin):
        x + 1
        x * 2
    late.stop()
    assert seen == ["mul"]


def test_other_threads_are_not_observed():
    seen = []
    x = torch.ones(2)
    with observe(on_operator=lambda op: seen.append(op.name)):
        thread = threading.Thread(target=lambda: x + 1)
        thread.start()
        thread.join()
        x * 2
    assert seen == ["mul"]


def test_each_thread_has_its_own_observers():
    seen = {0: [], 1: []}
    x = torch.ones(2)

    def work(i):
        with observe(on_operator=lambda op: seen[i].append(op.name)):
            for _ in range(50):
                x + 1 if i else x * 2

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == {0: ["mul"] * 50, 1: ["add"] * 50}


def test_an_observer_cannot_be_stopped_by_another_thread():
    errors = []
    watcher = observe(on_operator=lambda op: None).start()

    def stop():
        try:
            watcher.stop()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=stop)
    thread.start()
    thread.join()
    watcher.stop()
    assert "another thread" in errors[0]


def test_in_a_generator_it_lasts_from_start_to_stop():
    seen = []
    x = torch.ones(2)

    def steps():
        with observe(on_operator=lambda op: seen.append(op.name)):
            yield x + 1
            yield x * 2

    generator = steps()
    next(generator)
    x - 1
    next(generator)
    generator.close()
    x / 2
    assert seen == ["add", "sub", "mul"]


def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="on_node must be callable, not int"):
        observe(on_node=3)
    with pytest.raises(TypeError, match="needs something to call"):
        observe()


def test_an_observer_in_a_reference_cycle_is_collected():
    class Tool:
        def __init__(self):
            self.watcher = observe(on_operator=self.look)

        def look(self, op):
            pass

    tool = Tool()
    with tool.watcher:
        torch.ones(2) + 1
    gone = weakref.ref(tool)
    del tool
    gc.collect()
    assert gone() is None
