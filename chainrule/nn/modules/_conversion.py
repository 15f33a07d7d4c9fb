"""Changes of a module's dtype and device."""

from __future__ import annotations

import chainrule
from chainrule.nn.modules._names import parse_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

__all__ = ["Conversions"]


class Conversions:
    """The part of :class:`Module` that converts parameters and buffers, in place."""

    __slots__ = ()

    if TYPE_CHECKING:
        _parameters: dict[str, Any]
        _buffers: dict[str, Any]

        def children(self) -> Iterator[Any]: ...

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Replace the data of parameters, gradients and buffers by ``fn`` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with chainrule.no_grad():
                converted = fn(parameter)
            parameter.data = converted
            grad = parameter.grad
            if grad is not None:
                with chainrule.no_grad():
                    grad.data = fn(grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert to a dtype and device: ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)``.

        Floating-point parameters and buffers change dtype, integer ones keep it; in place,
        returns the module. Raises TypeError for an integer dtype.
        """
        device, dtype = parse_to(args, dict(kwargs))
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, "
                f"but got desired dtype={dtype}"
            )

        def convert(tensor: Any) -> Any:
            if dtype is not None and tensor.is_floating_point():
                return tensor.to(dtype) if device is None else tensor.to(device, dtype)
            return tensor if device is None else tensor.to(device)

        return self._apply(convert)

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to ``dst_type``."""
        return self._apply(lambda tensor: tensor.to(dst_type))

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32."""
        return self.to(chainrule.float32)

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64."""
        return self.to(chainrule.float64)

    def half(self) -> Self:
        """Convert floating-point parameters and buffers to float16."""
        return self.to(chainrule.float16)

    def bfloat16(self) -> Self:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self.to(chainrule.bfloat16)

    def cpu(self) -> Self:
        """Move to the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None) -> Self:
        """Move to a CUDA device; raises where there is none."""
        return self.to(device="cuda" if device is None else device)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Replace every parameter and buffer by uninitialised memory on ``device``."""
        return self._apply(lambda tensor: chainrule.empty_like(tensor, device=device), recurse)

    def share_memory(self) -> Self:
        """Not supported: raises NotImplementedError."""
        raise NotImplementedError(
            "Module.share_memory: tensors in shared memory are not supported; send a state_dict "
            "to the other process instead"
        )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: raises NotImplementedError."""
        raise NotImplementedError("Module.compile is not supported; call the module without it")
