"""Deep graphs: recorded, differentiated and freed without recursion, on a small stack."""

import gc
import time
import weakref

import pytest
from checks import AGAINST_TORCH, run_in_thread

import chainrule as torch
from chainrule.autograd import Function

SMALL_STACK = 256 * 1024  # one C frame per node would need a hundred times as much
LENGTH = 30_000 if AGAINST_TORCH else 1_000_000
MEDIUM = 5_000 if AGAINST_TORCH else 100_000


def on_a_small_stack(work):
    """Run `work` where deep recursion would overflow at once."""
    return run_in_thread(work, stack_bytes=SMALL_STACK)


def test_chain_of_a_million_operations_runs_backward_and_is_freed():
    def work():
        x = torch.ones(1, requires_grad=True)
        y = x
        for _ in range(LENGTH):
            y = y + 1
        y.backward()
        del y
        return x.grad.item()

    assert on_a_small_stack(work) == 1.0


def test_chain_is_freed_without_a_backward():
    def work():
        x = torch.ones(1, requires_grad=True)
        gone = weakref.ref(x)
        y = x
        for _ in range(LENGTH):
            y = y * 1.0
        del x
        assert gone() is not None
        del y
        return gone() is None

    assert on_a_small_stack(work)


def test_chain_that_saves_values_is_freed():
    def work():
        x = torch.ones(2, requires_grad=True)
        y = x
        for _ in range(MEDIUM):
            y = (y * x).tanh()
        y.sum().backward(retain_graph=True)
        del y
        return x.grad.tolist()

    got = on_a_small_stack(work)
    assert got[0] == got[1]
    assert got[0] > 0


def test_chain_of_two_operand_operations_is_freed_along_both_sides():
    def work():
        x = torch.ones(1, requires_grad=True)
        left = right = x
        for _ in range(MEDIUM):
            left, right = left + right * 0.5, right - left * 0.5
        del left
        return right.requires_grad

    assert on_a_small_stack(work)


def test_chain_of_in_place_operations():
    def work():
        x = torch.ones(2, requires_grad=True)
        y = x * 1
        for _ in range(MEDIUM):
            y.add_(1)
        y.sum().backward()
        return x.grad.tolist()

    assert on_a_small_stack(work) == [1.0, 1.0]


def test_chain_of_changed_views():
    def work():
        x = torch.ones(2, requires_grad=True)
        y = x * 1
        for _ in range(2_000):
            y[0].add_(1)
        y.sum().backward()
        return x.grad.tolist()

    assert on_a_small_stack(work) == [1.0, 1.0]


def test_chain_of_views():
    def work():
        x = torch.ones(2, 2, requires_grad=True)
        y = x
        for _ in range(MEDIUM):
            y = y.t()
        y.sum().backward()
        return x.grad.tolist()

    assert on_a_small_stack(work) == [[1.0, 1.0], [1.0, 1.0]]


def test_chain_of_custom_functions():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x + 1

        @staticmethod
        def backward(ctx, grad):
            return grad

    def work():
        x = torch.ones(1, requires_grad=True)
        y = x
        for _ in range(5_000):
            y = AddOne.apply(y)
        y.backward(retain_graph=True)
        del y
        gc.collect()
        return x.grad.item()

    assert on_a_small_stack(work) == 1.0


def test_second_derivative_of_a_deep_chain():
    def work():
        x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        y = x
        for _ in range(2_000):
            y = y * 1.0001 + x * x * 0.001
        (first,) = torch.autograd.grad(y, x, create_graph=True)
        (second,) = torch.autograd.grad(first, x)
        del first, y
        return second.item()

    growth = sum(1.0001**k for k in range(2_000))
    assert abs(on_a_small_stack(work) - 2 * 0.001 * growth) < 1e-6


def test_grad_with_respect_to_the_middle_of_a_deep_chain():
    def work():
        x = torch.ones(1, requires_grad=True)
        y, middle = x, None
        for step in range(MEDIUM):
            y = y + 1
            if step == MEDIUM // 2:
                middle = y
        return torch.autograd.grad(y, middle)[0].item()

    assert on_a_small_stack(work) == 1.0


def test_deep_chain_freed_by_an_exception():
    def work():
        def fail():
            x = torch.ones(1, requires_grad=True)
            y = x
            for _ in range(MEDIUM):
                y = y * 2
            raise ValueError("dropped")

        with pytest.raises(ValueError, match="dropped"):
            fail()

    on_a_small_stack(work)


def test_wide_node_runs_and_is_freed():
    x = torch.ones(1, requires_grad=True)
    parts = [x * float(k % 7) for k in range(3_000)]
    torch.cat(parts).sum().backward()
    assert x.grad.item() == sum(k % 7 for k in range(3_000))


def test_time_grows_linearly_with_depth():
    def seconds(length):
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            x = torch.ones(1, requires_grad=True)
            y = x
            for _ in range(length):
                y = y + 1
            y.backward()
            best = min(best, time.perf_counter() - start)
        return best

    short = seconds(2_000)
    assert seconds(20_000) < 60 * short  # linear is 10, quadratic 100
