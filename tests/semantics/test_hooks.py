"""Hooks on tensors and on graph nodes: what fires, in which order, and what it may change."""

import gc
import weakref

import pytest

import chainrule as torch
from chainrule.autograd import graph

GRADIENT_CHANGED_SIZE = "has changed the size of value"


def test_order_of_hooks_around_a_node():
    order = []
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    node = y.grad_fn
    node.register_hook(lambda inputs, outputs: order.append("node hook"))
    node.register_prehook(lambda outputs: order.append("node pre-hook"))
    y.register_hook(lambda g: order.append("tensor hook"))
    x.register_hook(lambda g: order.append("leaf tensor hook"))
    x.register_post_accumulate_grad_hook(lambda t: order.append("post-accumulate hook"))
    accumulate = node.next_functions[0][0]
    accumulate.register_hook(lambda inputs, outputs: order.append("accumulate node hook"))
    accumulate.register_prehook(lambda outputs: order.append("accumulate node pre-hook"))
    (y * 3).sum().backward()
    assert order == [
        "tensor hook",
        "node pre-hook",
        "node hook",
        "leaf tensor hook",
        "accumulate node pre-hook",
        "post-accumulate hook",
        "accumulate node hook",
    ]


def test_retained_grad_is_what_the_tensor_hooks_made_of_it():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert y.grad.tolist() == [10.0, 10.0]
    assert x.grad.tolist() == [20.0, 20.0]


def test_retained_grad_is_set_before_the_node_runs():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    seen = []
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append(y.grad.tolist()))
    y.sum().backward()
    assert seen == [[1.0, 1.0]]


def test_tensor_hooks_run_in_order_and_see_earlier_changes():
    x = torch.ones(2, requires_grad=True)
    seen = []
    x.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 3).sum().backward()
    assert seen == [[6.0, 6.0], [7.0, 7.0]]
    assert x.grad.tolist() == [7.0, 7.0]


def test_node_hook_may_replace_the_gradients_of_its_inputs():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 5, None))
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]


def test_node_pre_hook_may_replace_the_incoming_gradients():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 100,))
    y.sum().backward()
    assert x.grad.tolist() == [200.0, 200.0]


def test_node_hook_sees_gradients_of_inputs_and_outputs():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    seen = []
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs, outputs)))
    (y * 3).sum().backward()
    ((to_x, to_constant), (incoming,)) = seen[0]
    assert to_x.tolist() == [6.0, 6.0]
    assert to_constant is None
    assert incoming.tolist() == [3.0, 3.0]


def test_leaf_hook_sees_the_sum_over_all_paths_once():
    x = torch.ones(2, requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5.0, 5.0]]


def test_tensor_hook_fires_even_when_its_node_does_not_run():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    fired = []
    y.register_hook(lambda g: fired.append("tensor"))
    y.grad_fn.register_prehook(lambda g: fired.append("node"))
    torch.autograd.grad((y * 3).sum(), y)
    assert fired == ["tensor"]


def test_grad_skips_the_nodes_of_inputs_and_backward_inputs_runs_them():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    fired = []
    y.grad_fn.register_hook(lambda i, o: fired.append("ran"))
    torch.autograd.grad((y * 3).sum(), y)
    assert fired == []
    (y * 3).sum().backward(inputs=[y])
    assert fired == ["ran"]
    assert x.grad is None


def test_hook_result_of_autograd_grad_is_what_is_returned():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 7)
    (got,) = torch.autograd.grad(y.sum(), y)
    assert got.tolist() == [7.0, 7.0]


def test_post_accumulate_hook_sees_the_accumulated_grad():
    x = torch.ones(2, requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append((t is x, t.grad.tolist())))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert seen == [(True, [2.0, 2.0]), (True, [4.0, 4.0])]


def test_post_accumulate_hook_may_clear_the_grad():
    x = torch.ones(2, requires_grad=True)

    def step(t):
        with torch.no_grad():
            t -= 0.1 * t.grad
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 2).sum().backward()
    assert x.grad is None
    assert [round(v, 5) for v in x.tolist()] == [0.8, 0.8]


def test_post_accumulate_hooks_are_for_leaves_only():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError, match="post accumulate grad hooks cannot be registered on non-leaf"
    ):
        (x * 2).register_post_accumulate_grad_hook(lambda t: None)
    with pytest.raises(
        RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"
    ):
        torch.ones(2).register_post_accumulate_grad_hook(lambda t: None)


def test_hook_on_a_constant_raises():
    with pytest.raises(
        RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"
    ):
        torch.ones(2).register_hook(lambda g: None)


def test_multi_grad_hook_fires_when_the_last_gradient_arrives():
    a = torch.ones(2, requires_grad=True)
    b = torch.ones(2, requires_grad=True)
    seen = []
    handle = graph.register_multi_grad_hook(
        (a, b), lambda grads: seen.append([None if g is None else g.tolist() for g in grads])
    )
    (a * b * 2).sum().backward()
    (a * 3).sum().backward()
    handle.remove()
    (a * b).sum().backward()
    assert seen == [[[2.0, 2.0], [2.0, 2.0]], [[3.0, 3.0], None]]


def test_hooks_set_before_an_in_place_operation_stay_with_the_old_value():
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(("old", g.tolist())))
    y.mul_(3)
    y.register_hook(lambda g: seen.append(("new", g.tolist())))
    (y * 2).sum().backward()
    assert seen == [("new", [2.0, 2.0]), ("old", [6.0, 6.0])]


def test_retained_grad_follows_the_tensor_through_an_in_place_operation():
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    y.retain_grad()
    y.mul_(3)
    (y * 2).sum().backward()
    assert y.grad.tolist() == [2.0, 2.0]


def test_handle_removes_its_hook_and_works_as_context_manager():
    x = torch.ones(2, requires_grad=True)
    seen = []
    handle = x.register_hook(lambda g: seen.append(1))
    handle.remove()
    handle.remove()
    with x.register_hook(lambda g: seen.append(2)):
        x.sum().backward()
    x.sum().backward()
    assert seen == [2]


def test_hook_may_remove_itself_while_it_runs():
    x = torch.ones(2, requires_grad=True)
    seen, handles = [], []

    def once(g):
        seen.append("once")
        handles[0].remove()

    handles.append(x.register_hook(once))
    x.register_hook(lambda g: seen.append("always"))
    x.sum().backward()
    x.sum().backward()
    assert seen == ["once", "always", "always"]


def test_hook_may_register_another_hook_while_it_runs():
    x = torch.ones(2, requires_grad=True)
    seen = []

    def grow(g):
        seen.append("first")
        if len(seen) == 1:
            x.register_hook(lambda g: seen.append("second"))

    x.register_hook(grow)
    x.sum().backward()
    x.sum().backward()
    assert seen[-2:] == ["first", "second"]


def test_exception_of_a_hook_reaches_the_caller():
    x = torch.ones(2, requires_grad=True)

    class Mine(Exception):
        pass

    def fail(g):
        raise Mine("of the hook")

    y = x * 2
    handle = y.register_hook(fail)
    with pytest.raises(Mine, match="of the hook"):
        y.sum().backward()
    handle.remove()
    assert x.grad is None
    (x * 2).sum().backward()  # the engine works on after it
    assert x.grad.tolist() == [2.0, 2.0]


def test_hook_that_returns_the_wrong_thing_raises():
    x = torch.ones(2, requires_grad=True)
    with (
        x.register_hook(lambda g: 1),
        pytest.raises(TypeError, match="expected Variable, but hook returned 'int'"),
    ):
        x.sum().backward()
    with (
        x.register_hook(lambda g: torch.ones(7)),
        pytest.raises(RuntimeError, match=GRADIENT_CHANGED_SIZE),
    ):
        x.sum().backward()


def test_hook_that_replaces_a_gradient_leaves_the_other_leaf_alone():
    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: g * 10)
    (x + y).sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
    assert y.grad.tolist() == [1.0, 1.0]


def test_hook_under_create_graph_is_differentiated():
    x = torch.tensor([2.0], requires_grad=True)
    y = x * x
    y.register_hook(lambda g: g * x)
    (first,) = torch.autograd.grad(y, x, create_graph=True)  # x * 2x
    assert first.tolist() == [8.0]
    (second,) = torch.autograd.grad(first, x)
    assert second.tolist() == [8.0]


def test_hook_runs_without_grad_mode_unless_create_graph():
    x = torch.ones(2, requires_grad=True)
    modes = []
    x.register_hook(lambda g: modes.append(torch.is_grad_enabled()))
    (x * x).sum().backward()
    torch.autograd.grad((x * x).sum(), x, create_graph=True)
    assert modes == [False, True]


def test_reentrant_backward_inside_a_hook():
    x = torch.ones(2, requires_grad=True)
    inner = torch.ones(2, requires_grad=True)

    def again(g):
        with torch.enable_grad():
            (inner * 5).sum().backward()
        return g * inner.grad

    y = x * 2
    y.register_hook(again)
    y.sum().backward()
    assert inner.grad.tolist() == [5.0, 5.0]
    assert x.grad.tolist() == [10.0, 10.0]


class Witness:
    """Something that a hook's closure holds."""


def test_hook_closures_are_freed_with_their_graph():
    witness = Witness()
    gone = weakref.ref(witness)
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g, keep=witness: None)
    y.grad_fn.register_hook(lambda i, o, keep=witness: None)
    x.register_hook(lambda g, keep=witness: None)
    y.sum().backward()
    del x, y, witness
    gc.collect()  # y and its graph,
    gc.collect()  # then x, which that graph held
    assert gone() is None


@pytest.mark.chainrule_only
def test_cycle_through_a_hook_closure_is_collected():
    witness = Witness()
    gone = weakref.ref(witness)
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g, keep=witness, own=y: None)  # y holds the hook, the hook holds y
    y.grad_fn.register_hook(lambda i, o, keep=witness, own=y: None)
    x.register_hook(lambda g, keep=witness, own=x: None)
    y.sum().backward()
    del x, y, witness
    gc.collect()  # y and its graph,
    gc.collect()  # then x, which that graph held
    assert gone() is None


def test_hook_on_the_output_of_a_view_and_its_base():
    x = torch.ones(4, requires_grad=True)
    base = x * 1
    part = base[:2]
    seen = []
    base.register_hook(lambda g: seen.append(("base", g.tolist())))
    part.register_hook(lambda g: seen.append(("part", g.tolist())))
    (part * 2).sum().backward()
    assert seen == [("part", [2.0, 2.0]), ("base", [2.0, 2.0, 0.0, 0.0])]
