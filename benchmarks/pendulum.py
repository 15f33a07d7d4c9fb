"""A damped pendulum, integrated by Euler's method and fitted to a track by gradient."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.harness import Run, Target, Timed

STEPS = 200
TIME_STEP = 0.02


def observed_track() -> list[float]:
    """Angles of the pendulum that the fit should find: g/l = 9.81, damping 0.1."""
    angle, velocity = 1.0, 0.0
    track = []
    for _ in range(STEPS):
        velocity += TIME_STEP * (-9.81 * math.sin(angle) - 0.1 * velocity)
        angle += TIME_STEP * velocity
        track.append(angle)
    return track


def make(torch: Any) -> Run:
    stiffness = torch.tensor(9.0, requires_grad=True)
    damping = torch.tensor(0.2, requires_grad=True)
    start_angle, start_velocity = torch.tensor(1.0), torch.tensor(0.0)
    observed = list(torch.tensor(observed_track()))

    def run() -> Any:
        angle, velocity = start_angle, start_velocity
        loss = torch.zeros(())
        for target in observed:
            velocity = velocity + TIME_STEP * (-stiffness * torch.sin(angle) - damping * velocity)
            angle = angle + TIME_STEP * velocity
            loss = loss + (angle - target) ** 2
        loss.backward()
        with torch.no_grad():
            for parameter in (stiffness, damping):
                parameter -= 1e-9 * parameter.grad
                parameter.grad = None
        return loss

    return run


WORK = [Timed("pendulum by Euler, 200 steps, fitted: a step", make, target=Target(8))]
