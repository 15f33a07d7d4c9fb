"""A training step of a 2-16-16-1 network on a batch of 8, as people write it."""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Run, Target, Timed


def make(torch: Any, batch: int = 8) -> Run:
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)
    )
    loss_function = nn.MSELoss()
    # So small a rate keeps the weights, and with them the result, the same over many steps.
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-7)
    inputs = torch.randn(batch, 2)
    targets = inputs[:, :1] * inputs[:, 1:]

    def run() -> Any:
        optimizer.zero_grad()
        loss = loss_function(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    return run


WORK = [Timed("2-16-16-1 MLP, batch 8, nn.Sequential + optim.SGD, step", make, target=Target(8))]
