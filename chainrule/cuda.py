"""Answers of a machine without an accelerator, for programs that ask before they choose."""

from __future__ import annotations


def is_available() -> bool:
    """Whether a CUDA device can be used: not in this build."""
    return False


def device_count() -> int:
    """Number of CUDA devices."""
    return 0


def is_initialized() -> bool:
    """Whether CUDA was started."""
    return False


def manual_seed(seed: int) -> None:
    """Seeds the current device's generator, if there is a device."""


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all devices, if there are any."""


def empty_cache() -> None:
    """Frees cached device memory, if there is any."""


def synchronize(device: object = None) -> None:
    """Waits for the device; raises because there is none."""
    raise RuntimeError("there is no CUDA device: this build of Chainrule has the device 'cpu' only")
