"""Global switches that programs set; what does not apply on this device is checked and kept."""

from __future__ import annotations

import chainrule as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_deterministic = False
_precision = "highest"
_interop_threads = 1


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for deterministic kernels: all kernels on the CPU are."""
    global _deterministic
    _deterministic = mode


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms` was switched on."""
    return _deterministic


def set_float32_matmul_precision(precision: str) -> None:
    """Set the least precision of float32 products; the CPU always uses the highest."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"precision must be 'highest', 'high' or 'medium', not {precision!r}")
    _precision = precision


def get_float32_matmul_precision() -> str:
    """The precision that was set."""
    return _precision


def get_num_interop_threads() -> int:
    """Threads between operators: operators run one after the other."""
    return _interop_threads


def set_num_interop_threads(count: int) -> None:
    """Accepts 1; more raises, because operators run one after the other."""
    if count != 1:
        raise RuntimeError("operators run one after the other: the number can only be 1")


def set_default_device(device: Any) -> None:
    """Set where new tensors are made: 'cpu' is what there is."""
    if device is not None:
        torch.device(device)


def get_default_device() -> Any:
    """Where new tensors are made."""
    return torch.device("cpu")


def set_default_tensor_type(kind: Any) -> None:
    """Set the default floating dtype by the name of a tensor type."""
    name = kind if isinstance(kind, str) else f"torch.{kind.__name__}"
    types = {"torch.FloatTensor": torch.float32, "torch.DoubleTensor": torch.float64}
    if name not in types:
        raise TypeError(f"only {' and '.join(types)} can be the default tensor type, not {name}")
    torch.set_default_dtype(types[name])


def is_storage(obj: object) -> bool:
    """Whether the object is a storage of a tensor."""
    return type(obj).__name__ in ("UntypedStorage", "TypedStorage")


def typename(obj: object) -> str:
    """The name of an object's type; a tensor's with its dtype."""
    if isinstance(obj, torch.Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    return f"{kind.__module__}.{kind.__qualname__}"
