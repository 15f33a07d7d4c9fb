"""Grad modes as decorators: the mode holds around every call, and around every step of a
generator or a coroutine, but not in between."""

from __future__ import annotations

from functools import wraps

from chainrule._C import inference_mode, set_grad_enabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    Fresh = Callable[[], Any]

# Flags of a code object (CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR in the module inspect).
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


def decorate(mode: type, value: bool, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with a fresh ``mode`` around its calls.

    Args:
        mode: no_grad, enable_grad, set_grad_enabled or inference_mode.
        value: the argument of the latter two.
        function: a function, generator function, coroutine function, or (with a warning, as it
            concerns the making of instances alone) a class.

    Raises:
        TypeError: it is an asynchronous generator.
    """
    takes_value = issubclass(mode, set_grad_enabled | inference_mode)

    def fresh() -> Any:
        return mode(value) if takes_value else mode()

    if isinstance(function, type):
        return _decorated_class(fresh, function)
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & _ASYNC_GENERATOR:
        raise TypeError(
            f"{mode.__name__} cannot decorate the asynchronous generator {function.__qualname__}: "
            "use it in a with statement inside"
        )
    if flags & _GENERATOR:

        @wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from _steps(fresh, function(*args, **kwargs)))

        return generator
    if flags & _COROUTINE:

        @wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return await _Awaitable(fresh, function(*args, **kwargs))

        return coroutine

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with fresh():
            return function(*args, **kwargs)

    return call


def _decorated_class(fresh: Fresh, made: type) -> Callable[..., Any]:
    import warnings

    warnings.warn(
        "Decorating classes is deprecated and will be disabled in future versions. You should only "
        "decorate functions or methods. To preserve the current behavior of class decoration, you "
        "can directly decorate the `__init__` method and nothing else.",
        FutureWarning,
        stacklevel=3,
    )

    @wraps(made, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        with fresh():
            return made(*args, **kwargs)

    return make


def _steps(fresh: Fresh, iterator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """A generator that runs another one, each of its steps inside of the mode."""
    step, argument = iterator.send, None
    while True:
        try:
            with fresh():
                item = step(argument)
        except StopIteration as stop:
            return stop.value
        try:
            argument = yield item
            step = iterator.send
        except GeneratorExit:
            with fresh():
                iterator.close()
            raise
        except BaseException as error:
            step, argument = iterator.throw, error


class _Awaitable:
    """Awaits a coroutine step by step."""

    def __init__(self, fresh: Fresh, coroutine: Any) -> None:
        self.fresh = fresh
        self.coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        return _steps(self.fresh, self.coroutine.__await__())
