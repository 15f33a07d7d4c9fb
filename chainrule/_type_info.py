"""Limits of the number types: `finfo` and `iinfo`."""

from __future__ import annotations

import chainrule as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# name: (bits, digits after the point, mantissa bits, largest exponent) by IEEE 754
_FLOATS = {
    "float16": (16, 3, 10, 15),
    "bfloat16": (16, 2, 7, 127),
    "float32": (32, 6, 23, 127),
    "float64": (64, 15, 52, 1023),
}
_INTEGERS = {"uint8": 8, "int8": 8, "int16": 16, "int32": 32, "int64": 64}


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


class finfo:
    """Limits of a floating dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, type: Any = None) -> None:
        self.dtype = _name(torch.get_default_dtype() if type is None else type)
        if self.dtype not in _FLOATS:
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                f"'{type}'"
            )
        self.bits, digits, mantissa, exponent = _FLOATS[self.dtype]
        self.eps = 2.0**-mantissa
        self.max = (2.0 - self.eps) * 2.0**exponent
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = float(f"1e-{digits}")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: bits, min, max."""

    def __init__(self, type: Any) -> None:
        self.dtype = _name(type)
        if self.dtype not in _INTEGERS:
            raise TypeError(f"torch.iinfo() requires an integer input type, not '{type}'")
        self.bits = _INTEGERS[self.dtype]
        unsigned = self.dtype == "uint8"
        self.min = 0 if unsigned else -(2 ** (self.bits - 1))
        self.max = 2**self.bits - 1 if unsigned else 2 ** (self.bits - 1) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
