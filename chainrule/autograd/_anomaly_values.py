"""The numbers of a tensor in one line: what a report on an anomaly says of inputs and results."""

from __future__ import annotations

import chainrule
from chainrule._C import Tensor

from .anomaly import NAN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Values", "number_text"]


def number_text(number: float) -> str:
    """A number with four digits that count: ``3``, ``0.001234``, ``-1.2e+20``."""
    return f"{number:.4g}"


class Values:
    """What a tensor holds.

    Attributes:
        count: number of elements.
        least, largest: of the finite elements; None if there are none.
        zeros, nan, plus, minus: how many zeros, NaN, inf and -inf.
        first_bad: index of the first NaN, or else of the first infinity, in row-major order.
    """

    def __init__(self, tensor: Tensor, kinds: int = NAN) -> None:
        t = tensor.detach()
        self.tensor = t
        self.shape: tuple[int, ...] = tuple(t.shape)
        self.dtype = str(t.dtype).removeprefix("torch.")
        self.count: int = t.numel()
        self.least: float | None = None
        self.largest: float | None = None
        self.zeros = self.nan = self.plus = self.minus = 0
        self.first_bad: tuple[int, ...] | None = None
        if self.count:
            self._look(t, kinds)

    def _look(self, t: Tensor, kinds: int) -> None:
        self.zeros = int((t == 0).sum().item())
        finite = t
        if t.is_floating_point():
            good = chainrule.isfinite(t)
            if not good.all().item():
                self.nan = int(t.isnan().sum().item())
                self.plus = int((t == chainrule.inf).sum().item())
                self.minus = int((t == -chainrule.inf).sum().item())
                sought = t.isnan() if self.nan and kinds & NAN else ~good
                at = int(sought.reshape(-1).long().argmax().item())
                self.first_bad = self.index_of(at)
                finite = t[good]
        if finite.numel() and finite.dtype != chainrule.bool:
            self.least, self.largest = finite.min().item(), finite.max().item()

    def index_of(self, position: int) -> tuple[int, ...]:
        """Index of an element from its position in row-major order."""
        index: list[int] = []
        for size in reversed(self.shape):
            index.insert(0, position % size)
            position //= size
        return tuple(index)

    @property
    def bad(self) -> int:
        """How many elements are not finite."""
        return self.nan + self.plus + self.minus

    @property
    def magnitude(self) -> float:
        """The largest absolute value among the finite elements, 0 if there are none."""
        if self.least is None or self.largest is None:
            return 0.0
        return float(max(abs(self.least), abs(self.largest)))

    def at(self, index: tuple[int, ...]) -> float | None:
        """The element that broadcasting puts at `index` of a result; None for another shape."""
        if len(self.shape) > len(index):
            return None
        own = index[len(index) - len(self.shape) :]
        for size, i in zip(self.shape, own, strict=True):
            if size != 1 and i >= size:
                return None
        place: Any = tuple(0 if n == 1 else i for n, i in zip(self.shape, own, strict=True))
        return float(self.tensor[place].item())

    def describe(self) -> str:
        """``float32 [3, 4]: 1 nan, first at [0, 2], else from -1 to 2``."""
        what = f"{self.dtype} {list(self.shape)}"
        if self.count == 0:
            return f"{what} without elements"
        if self.count == 1:
            return f"{what} = {number_text(float(self.tensor.item()))}"
        parts = []
        for name, count in (("nan", self.nan), ("inf", self.plus), ("-inf", self.minus)):
            if count:
                parts.append(f"{'all' if count == self.count else count} {name}")
        if self.first_bad is not None and self.bad < self.count:
            parts.append(f"first at {list(self.first_bad)}")
        if self.least is not None and self.largest is not None:
            low, high = number_text(self.least), number_text(self.largest)
            extent = f"all {low}" if low == high else f"from {low} to {high}"
            parts.append(f"else {extent.removeprefix('all ')}" if self.bad else extent)
        return f"{what}: {', '.join(parts)}" if parts else what
