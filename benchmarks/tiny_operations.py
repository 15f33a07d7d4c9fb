"""One operation on four floats: the cost of the way from Python into an operator and back."""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Run, Target, Timed

OPERATIONS = 200


def four_floats(torch: Any, requires_grad: bool = False) -> Any:
    return torch.tensor([0.1, 0.2, 0.3, 0.4], requires_grad=requires_grad)


def add(torch: Any) -> Run:
    a, b = four_floats(torch), four_floats(torch)

    def run() -> Any:
        for _ in range(OPERATIONS):
            c = a + b
        return c

    return run


def add_recorded(torch: Any) -> Run:
    a, b = four_floats(torch, requires_grad=True), four_floats(torch)

    def run() -> Any:
        for _ in range(OPERATIONS):
            c = a + b
        return c

    return run


def times_number_recorded(torch: Any) -> Run:
    a = four_floats(torch, requires_grad=True)

    def run() -> Any:
        for _ in range(OPERATIONS):
            c = a * 2.0
        return c

    return run


def tanh_recorded(torch: Any) -> Run:
    a = four_floats(torch, requires_grad=True)

    def run() -> Any:
        for _ in range(OPERATIONS):
            c = a.tanh()
        return c

    return run


def sum_backward(torch: Any) -> Run:
    x = four_floats(torch, requires_grad=True)

    def run() -> Any:
        x.grad = None
        for _ in range(OPERATIONS):
            x.sum().backward()
        return x.grad

    return run


WORK = [
    Timed("a + b, 4 floats, unrecorded", add, OPERATIONS, Target(10)),
    Timed("a + b, 4 floats, recorded", add_recorded, OPERATIONS, Target(10)),
    Timed("a * 2.0, 4 floats, recorded", times_number_recorded, OPERATIONS, Target(10)),
    Timed("a.tanh(), 4 floats, recorded", tanh_recorded, OPERATIONS),
    Timed("x.sum().backward(), 4 floats", sum_backward, OPERATIONS, Target(15)),
]
