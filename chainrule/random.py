"""The default generator of random numbers: seeds, states, a stream aside.

The numbers are those of torch's CPU generator for the same seed. States are torch's bytes, in an
int64 tensor of values from 0 to 255, because there is no uint8 yet.
"""

from __future__ import annotations

from contextlib import contextmanager

from chainrule._C import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


@contextmanager
def fork_rng(devices: Iterable[object] | None = None, enabled: bool = True) -> Iterator[None]:
    """Put the default generator back, on leaving the block, where it was on entering.

    Args:
        devices: further devices to put back; there is none beside the CPU, so it must be empty.
        enabled: False leaves the generator alone.
    """
    if devices is not None and list(devices):
        raise RuntimeError("fork_rng: this build of Chainrule has the device 'cpu' only")
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
