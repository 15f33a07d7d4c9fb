"""The old tensor types: `torch.FloatTensor(3, 5)`, `isinstance(t, torch.LongTensor)`."""

from __future__ import annotations

from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _LegacyType(type):
    """A type whose instances are the tensors of one dtype."""

    dtype: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _C.Tensor) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any, device: Any = None) -> Any:
        if device is not None:
            _C.device(device)
        return _C._legacy_tensor(cls.dtype, *args)


def _make(name: str, dtype: str) -> Any:
    doc = (
        f"Tensors of torch.{dtype}. Called with sizes: uninitialised; with a sequence: its values."
    )
    members = {"__doc__": doc, "__module__": "chainrule", "dtype": getattr(_C, dtype)}
    return _LegacyType(name, (), members)


FloatTensor = _make("FloatTensor", "float32")
DoubleTensor = _make("DoubleTensor", "float64")
LongTensor = _make("LongTensor", "int64")
BoolTensor = _make("BoolTensor", "bool")
# Known by name; making one raises an error that says which dtypes have kernels.
IntTensor = _make("IntTensor", "int32")
ShortTensor = _make("ShortTensor", "int16")
CharTensor = _make("CharTensor", "int8")
ByteTensor = _make("ByteTensor", "uint8")
HalfTensor = _make("HalfTensor", "float16")
BFloat16Tensor = _make("BFloat16Tensor", "bfloat16")
