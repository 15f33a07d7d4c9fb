"""What pictures compute is not part of the program that they show."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, TypeVarTuple

from chainrule import _C

__all__ = ["unobserved"]

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


def unobserved(function: Callable[[*Arguments], Result]) -> Callable[[*Arguments], Result]:
    """The function with its operators hidden from the program's own observers and profiles."""

    @wraps(function)
    def call(*arguments: *Arguments) -> Result:
        result: Result = _C._unobserved(function, *arguments)
        return result

    return call
