"""The anomaly trap: stop where a NaN or an infinity first appears, forward or backward."""

from __future__ import annotations

from functools import wraps

from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["AnomalyError", "anomaly"]

NAN, INFINITE, FORWARD, BACKWARD, LEAVES, ENABLED, UNCHECKED = 1, 2, 4, 8, 16, 32, 64


class AnomalyError(RuntimeError):
    """A NaN or an infinity appeared.

    Attributes:
        operation (str): the operator, ``"log"``, or the node of the graph, ``"SqrtBackward0"``.
        location (str | None): the line where it was computed or, of a node, recorded:
            ``"train.py:12"``.
        stage (str): ``"forward"`` or ``"backward"``.
    """

    operation: str = ""
    location: str | None = None
    stage: str = "forward"


def mode_bits(nan: bool, inf: bool, forward: bool, backward: bool) -> int:
    """The trap's setting as the core takes it."""
    return (
        ENABLED
        | (NAN if nan else UNCHECKED)
        | (INFINITE if inf else 0)
        | (FORWARD if forward else 0)
        | (BACKWARD | LEAVES if backward else 0)
    )


class anomaly:
    """Raises `AnomalyError` at the operation where a bad number first appears.

    .. code-block:: python

        with torch.autograd.anomaly():
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()

    As a decorator, ``@anomaly()``, it covers each call of a function; ``anomaly.enable()`` and
    ``anomaly.disable()`` switch it for the rest of the program. It is cheap enough to leave on
    during training: each result is looked at once.

    A number is bad where it *appears*: where a result holds a NaN or an infinity and nothing that
    it was computed from did. NaN also appears in ``inf - inf`` and ``0 * inf``. An infinity that
    the program wrote itself is no finding: tensors made with one, ``masked_fill(mask, -inf)``,
    ``full``, ``where`` with a number, what ``empty`` happens to hold, and all that follows from
    them. ``log(0)`` is one, also in the branch that a ``where`` around it discards: its gradient is
    NaN there. Write ``torch.where(x > 0, x, 1).log()``, or let ``anomaly(inf=False)`` stand around
    an infinity that you want.

    In a backward pass a NaN always counts, even one that comes from the program's data; the message
    says where the first value that was not finite came up. The sums of gradients and what an
    optimizer's step computes count too. What happens inside a custom `Function` is found at the
    very line. The tangents of forward-mode derivatives are not looked at.

    The message names the operation, its line, the module in which it ran, the ranges of its inputs
    and its result, the first bad element, for a gradient its formula and the line of the
    ``backward`` call, and what usually helps.

    The setting belongs to the thread: one that starts later begins without. Inside another
    ``anomaly`` the innermost one counts, so that ``anomaly(nan=False, inf=False)`` allows what the
    outer one traps.

    Args:
        nan: trap NaN.
        inf: trap infinities.
        forward: trap in operators. If False, the first that appears in an operator is remembered,
            for the message of the backward.
        backward: trap in gradients.

    Raises:
        AnomalyError: from the operation, or from ``backward``. The graph and the tensors stay as
            they are then.
    """

    def __init__(
        self, nan: bool = True, inf: bool = True, forward: bool = True, backward: bool = True
    ) -> None:
        for name, value in (("nan", nan), ("inf", inf), ("forward", forward)):
            if not isinstance(value, bool):
                raise TypeError(f"anomaly(): {name} must be True or False, not {value!r}")
        if not isinstance(backward, bool):
            raise TypeError(f"anomaly(): backward must be True or False, not {backward!r}")
        self._bits = mode_bits(nan, inf, forward, backward)
        self._outer: list[int] = []

    def __enter__(self) -> anomaly:
        self._outer.append(_C._set_anomaly_mode(self._bits))
        return self

    def __exit__(self, *error: object) -> None:
        _C._set_anomaly_mode(self._outer.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            before = _C._set_anomaly_mode(self._bits)
            try:
                return function(*args, **kwargs)
            finally:
                _C._set_anomaly_mode(before)

        return watched

    @staticmethod
    def enable(
        nan: bool = True, inf: bool = True, forward: bool = True, backward: bool = True
    ) -> None:
        """Switch the trap on for the calling thread, until `disable`."""
        _C._set_anomaly_mode(anomaly(nan, inf, forward, backward)._bits)

    @staticmethod
    def disable() -> None:
        """Switch the trap off for the calling thread."""
        _C._set_anomaly_mode(0)

    @staticmethod
    def is_enabled() -> bool:
        """Whether the calling thread has a trap."""
        return bool(_C._anomaly_mode() & ENABLED)
