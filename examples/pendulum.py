"""Find the length and the damping of a pendulum from its recorded swing.

The angle of a damped pendulum obeys  angle'' = -(g / length) sin(angle) - damping angle'.
The script integrates this with small steps of Euler's method (semi-implicit, so that the
swing does not gain energy), and fits both constants by following the gradient through all
200 steps of the simulation.

    python examples/pendulum.py                with PyTorch
    chainrule run examples/pendulum.py         the same script on Chainrule
"""

import argparse
import time

import torch

GRAVITY = 9.81  # m / s^2
STEP = 0.01  # s
START = 1.2  # rad, released at rest
TRUE_LENGTH, TRUE_DAMPING = 0.8, 0.35  # m, 1 / s


def simulate(length, damping, steps):
    """Angles after each of `steps` time steps, as one tensor."""
    angle = torch.tensor(START)
    velocity = torch.tensor(0.0)
    stiffness = GRAVITY / length
    angles = []
    for _ in range(steps):
        velocity = velocity - STEP * (stiffness * torch.sin(angle) + damping * velocity)
        angle = angle + STEP * velocity
        angles.append(angle)
    return torch.stack(angles)


def fit(recorded, iterations, rate):
    """Gradient descent with Adam from a poor guess; returns both constants and the losses."""
    length = torch.tensor(1.1, requires_grad=True)
    damping = torch.tensor(0.0, requires_grad=True)
    optimizer = torch.optim.Adam([length, damping], lr=rate)
    losses = []
    for _ in range(iterations):
        loss = ((simulate(length, damping, len(recorded)) - recorded) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return length.item(), damping.item(), losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="time steps of the simulation")
    parser.add_argument("--iterations", type=int, default=150, help="steps of gradient descent")
    parser.add_argument("--rate", type=float, default=0.03, help="learning rate")
    args = parser.parse_args()

    with torch.no_grad():
        recorded = simulate(torch.tensor(TRUE_LENGTH), torch.tensor(TRUE_DAMPING), args.steps)
    start = time.perf_counter()
    length, damping, losses = fit(recorded, args.iterations, args.rate)
    seconds = time.perf_counter() - start

    print(f"mean squared error: {losses[0]:.2e} -> {losses[-1]:.2e}")
    print(f"length:  {length:.4f} m   (true: {TRUE_LENGTH})")
    print(f"damping: {damping:.4f} 1/s (true: {TRUE_DAMPING})")
    print(f"{args.iterations} simulations and gradients in {seconds:.2f} s")


if __name__ == "__main__":
    main()
