"""``python -m benchmarks.capture``: what is always on for the graph that can be looked at.

A recorded operation remembers its source line and the nn.Module call it ran in. The same work is
timed with and without this, in turn in one process; the ratio of medians is the cost. Then what it
takes to read and fold a graph of 100,000 nodes, and to draw a network of 152 residual layers.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable

import chainrule as torch
from chainrule import _C
from chainrule.graph import Graph, fold

ROUNDS = 61


def tiny_operation() -> Callable[[], object]:
    a = torch.ones(4, requires_grad=True)
    b = torch.ones(4)

    def run() -> None:
        for _ in range(1000):
            a + b

    return run


def chain() -> Callable[[], object]:
    a = torch.full((4,), 0.9, requires_grad=True)
    b = torch.full((4,), 0.1, requires_grad=True)

    def run() -> None:
        x = a
        for _ in range(500):
            x = x * a + b
        x.sum().backward()

    return run


def mlp_step() -> Callable[[], object]:
    nn = torch.nn
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    x, y = torch.randn(4, 2), torch.randn(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def run() -> None:
        for _ in range(30):
            optimizer.zero_grad()
            ((net(x) - y) ** 2).mean().backward()
            optimizer.step()

    return run


def cost(run: Callable[[], object]) -> tuple[float, float]:
    """Median seconds with the capture, and the ratio to those without."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(3):
        run()
    for i in range(2 * ROUNDS):
        on = i % 2 == 0
        _C._set_location_capture(on)
        begin = time.perf_counter()
        run()
        times[on].append(time.perf_counter() - begin)
    _C._set_location_capture(True)
    return statistics.median(times[True]), (
        statistics.median(times[True]) / statistics.median(times[False])
    )


def seconds(run: Callable[[], object], rounds: int = 5) -> float:
    """Median time of a call, after one that loads modules."""
    run()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def long_loop() -> torch.Tensor:
    h = w = torch.ones(4, requires_grad=True)
    for _ in range(50_000):
        h = h * w + 1.0
    return h.sum()


class Residual(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(width, width)
        self.second = torch.nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.second(self.first(x).relu())).relu()


def report_graphs() -> None:
    """What it takes to read and fold a large graph, and to draw a deep network."""
    loss = long_loop()
    print(f"\na loop of {len(Graph(loss)):,} nodes")
    tell("read, with the names of variables", lambda: Graph(loss).nodes[0].variable)
    for by in ("module", "line", "structure"):
        tell(f"read and fold by {by}", lambda by=by: fold(Graph(loss), by))
    print("a network of 152 residual layers, folded, with gradients")
    model = torch.nn.Sequential(*(Residual(64) for _ in range(152)))
    out = model(torch.randn(32, 64)).pow(2).mean()
    with tempfile.TemporaryDirectory() as folder:
        for form in ("txt", "svg", "html"):
            tell(f"{form} file", lambda form=form: torch.save_graph(out, f"{folder}/graph.{form}"))


def tell(name: str, run: Callable[[], object]) -> None:
    print(f"  {name:<48}{seconds(run):8.3f} s")


def main() -> None:
    for name, make in (
        ("a + b recorded, 1000 times", tiny_operation),
        ("x * a + b chain with backward, 1000 operations", chain),
        ("2-16-16-1 MLP training step, 30 times", mlp_step),
    ):
        seconds, ratio = cost(make())
        print(f"{name:<50}{seconds * 1e6:10.0f} µs   x {ratio:.3f} of the time without")
    report_graphs()


if __name__ == "__main__":
    main()
