"""Several threads: concurrent backwards, and graphs that die elsewhere."""

import queue
import threading

import pytest
from checks import run_in_thread

import chainrule as torch

THREADS = 4


def run_all(work):
    """Run work(k) in THREADS threads that start together; raise the first problem."""
    barrier = threading.Barrier(THREADS)
    problems: queue.Queue = queue.Queue()

    def target(k):
        try:
            barrier.wait()
            work(k)
        except BaseException as problem:
            problems.put(problem)

    threads = [threading.Thread(target=target, args=(k,)) for k in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not problems.empty():
        raise problems.get()


def test_backwards_of_separate_graphs_run_concurrently():
    results = {}

    def work(k):
        x = torch.ones(100, requires_grad=True)
        for _ in range(50):
            x.grad = None
            y = x
            for _ in range(10):
                y = y * 1.5 + k
            y.sum().backward()
        results[k] = x.grad.tolist()

    run_all(work)
    assert all(grad == [1.5**10] * 100 for grad in results.values())


def test_large_kernels_in_several_threads():
    totals = {}

    def work(k):
        a = torch.full((300, 300), float(k + 1), requires_grad=True)
        for _ in range(3):
            a.grad = None
            (a @ a).sum().backward()
        totals[k] = a.grad[0, 0].item()

    run_all(work)
    assert totals == {k: 600.0 * (k + 1) for k in range(THREADS)}


def test_grad_of_a_shared_graph_is_safe_to_call_concurrently():
    x = torch.ones(50, requires_grad=True)
    y = x
    for _ in range(20):
        y = y * 1.1
    loss = (y * y).sum()
    expected = torch.autograd.grad(loss, x, retain_graph=True)[0].tolist()

    def work(k):
        for _ in range(20):
            assert torch.autograd.grad(loss, x, retain_graph=True)[0].tolist() == expected

    run_all(work)


def test_backward_into_a_shared_leaf_adds_every_gradient():
    w = torch.zeros(10, requires_grad=True)

    def work(k):
        for _ in range(25):
            (w * 2).sum().backward()

    run_all(work)
    assert w.grad.tolist() == [2.0 * 25 * THREADS] * 10


def test_graph_freed_by_another_thread_gives_the_retain_graph_error():
    x = torch.ones(3, requires_grad=True)
    loss = (x * x).sum()
    run_in_thread(loss.backward)
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()


def test_racing_backwards_of_one_graph_give_an_error_and_never_crash():
    for _ in range(30):
        x = torch.ones(3, requires_grad=True)
        y = x
        for _ in range(30):
            y = y * y
        loss = y.sum()

        def work(k, loss=loss):
            try:
                loss.backward()
            except RuntimeError as problem:
                assert "Trying to backward through the graph a second time" in str(problem)  # noqa: PT017

        run_all(work)


def test_graph_recorded_in_one_thread_runs_backward_in_another():
    x = torch.ones(3, requires_grad=True)
    loss = run_in_thread(lambda: (x * 5).sum())
    loss.backward()
    assert x.grad.tolist() == [5.0, 5.0, 5.0]


def test_tensors_may_die_in_another_thread():
    box: queue.Queue = queue.Queue()

    def consume():
        while (item := box.get()) is not None:
            del item

    consumer = threading.Thread(target=consume)
    consumer.start()
    for _ in range(300):
        x = torch.ones(5, requires_grad=True)
        y = x
        for _ in range(10):
            y = (y * x).tanh()
        box.put(y)
        del x, y
    box.put(None)
    consumer.join()


def test_hooks_run_in_the_thread_that_called_backward():
    x = torch.ones(3, requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(threading.current_thread().name))

    def work():
        (x * 2).sum().backward()
        return threading.current_thread().name

    name = run_in_thread(work)
    assert seen == [name]


def test_other_python_threads_run_during_a_long_kernel():
    ticks = 0
    stop = threading.Event()

    def count():
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            stop.wait(0.0005)

    counter = threading.Thread(target=count)
    a = torch.ones(700, 700)
    counter.start()
    try:
        before = ticks
        for _ in range(12):
            _ = a @ a
        during = ticks - before
    finally:
        stop.set()
        counter.join()
    assert during > 0
