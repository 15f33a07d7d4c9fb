"""``Variable``: the name that tensors with gradients once had."""

from __future__ import annotations

from chainrule._C import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """``Variable(data, requires_grad=False)`` is a tensor that shares the data of `data`.

    Every tensor is a Variable, and calling it gives a new leaf.
    """

    def __new__(  # type: ignore[misc]
        cls, data: Tensor, requires_grad: bool = False, volatile: bool | None = None
    ) -> Tensor:
        """A leaf without history on the memory of `data`.

        Raises:
            TypeError: `data` is not a tensor.
            RuntimeError: the removed argument `volatile` is used.
        """
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        if volatile:
            raise RuntimeError(
                "volatile was removed: compute under `with torch.no_grad():` instead"
            )
        leaf: Tensor = data.detach()
        if requires_grad:
            leaf.requires_grad_()
        return leaf
