"""Names and arguments as they appear in the messages of this package."""

from __future__ import annotations

import chainrule
from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["parse_to", "typename"]

_TENSOR_NAMES = {
    "float32": "FloatTensor",
    "float64": "DoubleTensor",
    "float16": "HalfTensor",
    "bfloat16": "BFloat16Tensor",
    "int64": "LongTensor",
    "int32": "IntTensor",
    "int16": "ShortTensor",
    "int8": "CharTensor",
    "uint8": "ByteTensor",
    "bool": "BoolTensor",
    "complex64": "ComplexFloatTensor",
    "complex128": "ComplexDoubleTensor",
}


def typename(value: Any) -> str:
    """The name of a value's type in an error message (``torch.FloatTensor`` for a tensor)."""
    if isinstance(value, _C.Tensor):
        dtype = str(value.dtype).rsplit(".", 1)[-1]
        return "torch." + _TENSOR_NAMES.get(dtype, "Tensor")
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__
    return (
        kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"
    )


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Read the arguments of ``to(...)``: a device, a dtype or a tensor; give ``(device, dtype)``.

    Raises TypeError for anything else and for arguments that have no meaning on this machine.
    """
    device = kwargs.pop("device", None)
    dtype = kwargs.pop("dtype", None)
    kwargs.pop("non_blocking", None)  # copies on the CPU always block
    if kwargs.pop("memory_format", None) is not None:
        raise NotImplementedError("to(): memory_format is not supported; drop the argument")
    other = kwargs.pop("tensor", None)
    if kwargs:
        raise TypeError(f"to() received an unexpected keyword argument '{next(iter(kwargs))}'")
    for position, value in enumerate(args):
        if isinstance(value, _C.Tensor):
            other = value
        elif isinstance(value, chainrule.dtype):
            dtype = value
        elif value is None or isinstance(value, (str, chainrule.device)):
            device = value
        elif not (isinstance(value, bool) and position > 0):
            raise TypeError(
                "to() received an invalid combination of arguments - got "
                f"({', '.join(type(a).__name__ for a in args)}), but expected a device, "
                "a dtype or a tensor"
            )
    if other is not None:
        device, dtype = other.device, other.dtype
    return (None if device is None else chainrule.device(device)), dtype
