"""torch's names for the anomaly trap: NaN in gradients."""

from __future__ import annotations

from chainrule import _C

from .anomaly import BACKWARD, ENABLED, NAN, UNCHECKED, anomaly

__all__ = ["detect_anomaly", "set_detect_anomaly"]


def _bits(mode: bool, check_nan: bool) -> int:
    # Forward values are only remembered, so that programs written for torch get no alarm there.
    if not check_nan:
        return UNCHECKED | (ENABLED if mode else 0)
    return ENABLED | NAN | BACKWARD if mode else 0


class detect_anomaly:
    """Raises an error at the node of a backward pass that computes a NaN.

    A context manager. An infinity or a NaN of the forward pass raises nothing, but the message
    names the operator where it appeared first. `chainrule.autograd.anomaly` traps those at once.

    Args:
        check_nan: look for NaN; errors name the lines of their operations in any case.

    Raises:
        RuntimeError: from ``backward``.
    """

    def __init__(self, check_nan: bool = True) -> None:
        import warnings

        self.check_nan = check_nan
        self.prev = is_anomaly_enabled()
        self.prev_check_nan = is_anomaly_check_nan_enabled()
        self._outer: list[int] = []
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._outer.append(_C._set_anomaly_mode(_bits(True, self.check_nan)))

    def __exit__(self, *error: object) -> None:
        _C._set_anomaly_mode(self._outer.pop())


class set_detect_anomaly:
    """Switches `detect_anomaly` on or off: as a function, or for a ``with`` block.

    It applies to the calling thread; one that starts later begins with the trap off.

    Args:
        mode: on or off.
        check_nan: look for NaN in gradients.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.prev = is_anomaly_enabled()
        self.prev_check_nan = is_anomaly_check_nan_enabled()
        self._outer: int = _C._set_anomaly_mode(_bits(mode, check_nan))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        _C._set_anomaly_mode(self._outer)


def is_anomaly_enabled() -> bool:
    """Whether the calling thread has an anomaly trap."""
    return anomaly.is_enabled()


def is_anomaly_check_nan_enabled() -> bool:
    """Whether `detect_anomaly` looks for NaN; True as well where it was never switched."""
    return not _C._anomaly_mode() & UNCHECKED


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch `detect_anomaly` on or off for the calling thread."""
    _C._set_anomaly_mode(_bits(enabled, check_nan))
