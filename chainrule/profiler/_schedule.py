"""What a profiler does at each step of a training run."""

from __future__ import annotations

import warnings
from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ProfilerAction", "ProfilerActivity", "schedule"]


class ProfilerAction(Enum):
    """What happens during a step."""

    NONE = 0
    WARMUP = 1  # the profiler is ready but records nothing
    RECORD = 2
    RECORD_AND_SAVE = 3  # the last recorded step of a cycle: the results are handed over after it


class ProfilerActivity(Enum):
    """What can be recorded. Only CPU is there; the others warn, as in torch without the device."""

    CPU = 0
    XPU = 1
    CUDA = 2
    HPU = 3
    MTIA = 4
    PrivateUse1 = 5


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """A schedule in cycles: so many steps of waiting, of warming up, of recording.

    Args:
        wait, warmup, active: steps of each kind in a cycle; `active` is at least 1.
        repeat: number of cycles; 0 for no end.
        skip_first: steps before the first cycle.
        skip_first_wait: other than 0, the first cycle does not wait.

    Returns:
        A function from the number of a step to the action during it.

    Raises:
        AssertionError: a number is out of range; also of the function for a negative step.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} "
            f"(need >= 0), active={active} (need > 0), repeat={repeat} (need >= 0), "
            f"skip_first={skip_first} (need >= 0)."
        )
    if warmup == 0:
        warnings.warn(
            "Profiler won't be using warmup, this can skew profiler results", stacklevel=2
        )
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        within = step - skip_first + (wait if skip_first_wait else 0)
        cycle, place = divmod(within, length)
        if (repeat and cycle >= repeat) or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if place == length - 1 else ProfilerAction.RECORD

    return action
