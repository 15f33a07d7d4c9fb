"""Reading pickles that hold data only: a machine for the opcodes of data, and nothing else.

A pickle is a program. This one runs no function but those that the caller lists, so a file from
anybody can be read. The opcodes are described in Python's module `pickletools`.
"""

from __future__ import annotations

import struct
from pickle import UnpicklingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MARK = object()


class Function:
    """A function that a pickle may call."""

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name = name
        self.call = call


class DataUnpickler:
    """Rebuilds the value of a pickle.

    Args:
        data: the pickle.
        find: gives the object for a module and a name: a `Function`, or a value to be used as it
            is. It raises UnpicklingError for names that are not allowed.
        load_persistent: gives the object for a persistent id.
        set_state: puts a state (BUILD) into an object, or raises UnpicklingError.
    """

    def __init__(
        self,
        data: bytes,
        find: Callable[[str, str], Any],
        load_persistent: Callable[[Any], Any],
        set_state: Callable[[Any, Any], None],
    ) -> None:
        self._data = data
        self._at = 0
        self._find = find
        self._load_persistent = load_persistent
        self._set_state = set_state
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The value; UnpicklingError when the pickle is broken or holds more than data."""
        try:
            while True:
                opcode = self._read(1)[0]
                if opcode == 0x2E:  # STOP
                    return self._stack.pop()
                step = _STEPS.get(opcode)
                if step is None:
                    raise UnpicklingError(f"the file is not plain data: pickle opcode {opcode:#x}")
                step(self)
        except (IndexError, KeyError, TypeError, ValueError, struct.error) as problem:
            raise UnpicklingError(f"the pickle is broken: {problem}") from problem

    def _read(self, count: int) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise UnpicklingError("the pickle ends too early")
        part = self._data[self._at : end]
        self._at = end
        return part

    def _number(self, form: str) -> Any:
        return struct.unpack("<" + form, self._read(struct.calcsize("<" + form)))[0]

    def _line(self) -> str:
        end = self._data.index(b"\n", self._at)
        line = self._data[self._at : end].decode("utf-8")
        self._at = end + 1
        return line

    def _marked(self) -> list[Any]:
        start = len(self._stack) - 1
        while self._stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise UnpicklingError("the pickle is broken: no mark")
        items = self._stack[start + 1 :]
        del self._stack[start:]
        return items

    def _push_text(self, form: str) -> None:
        self._stack.append(self._read(self._number(form)).decode("utf-8", "surrogatepass"))

    def _push_bytes(self, form: str) -> None:
        self._stack.append(self._read(self._number(form)))

    def _push_long(self, form: str) -> None:
        self._stack.append(int.from_bytes(self._read(self._number(form)), "little", signed=True))

    def _push_tuple(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) < count or _MARK in items:
            raise UnpicklingError("the pickle is broken: a tuple lacks items")
        self._stack[-count:] = [items]

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise UnpicklingError("the pickle is broken: items for something that is no list")
        target.extend(items)

    def _add(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not set:
            raise UnpicklingError("the pickle is broken: items for something that is no set")
        target.update(items)

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise UnpicklingError("the pickle is broken: items for something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def _pop(self, count: int) -> list[Any]:
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _global(self, module: str, name: str) -> None:
        self._stack.append(self._find(module, name))

    def _stack_global(self) -> None:
        module, name = self._pop(2)
        if type(module) is not str or type(name) is not str:
            raise UnpicklingError("the pickle is broken: a name that is no text")
        self._global(module, name)

    def _call(self) -> None:
        function, arguments = self._pop(2)
        if not isinstance(function, Function) or type(arguments) is not tuple:
            raise UnpicklingError("the file is not plain data: it calls something unknown")
        self._stack.append(function.call(*arguments))

    def _build(self) -> None:
        state = self._stack.pop()
        self._set_state(self._stack[-1], state)

    def _memoize(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    def _frozen(self) -> None:
        self._stack.append(frozenset(self._marked()))

    def _marked_tuple(self) -> None:
        self._stack.append(tuple(self._marked()))


def _steps() -> dict[int, Callable[[DataUnpickler], Any]]:
    def constant(value: Any) -> Callable[[DataUnpickler], Any]:
        return lambda u: u._stack.append(value)

    def number(form: str) -> Callable[[DataUnpickler], Any]:
        return lambda u: u._stack.append(u._number(form))

    return {
        0x80: lambda u: u._read(1),  # PROTO
        0x95: lambda u: u._read(8),  # FRAME
        ord("("): constant(_MARK),
        ord("N"): constant(None),
        0x88: constant(True),
        0x89: constant(False),
        ord("K"): number("B"),
        ord("M"): number("H"),
        ord("J"): number("i"),
        0x8A: lambda u: u._push_long("B"),
        0x8B: lambda u: u._push_long("I"),
        ord("G"): lambda u: u._stack.append(struct.unpack(">d", u._read(8))[0]),
        ord("X"): lambda u: u._push_text("I"),
        0x8C: lambda u: u._push_text("B"),
        0x8D: lambda u: u._push_text("Q"),
        ord("U"): lambda u: u._push_text("B"),
        ord("T"): lambda u: u._push_text("I"),
        ord("C"): lambda u: u._push_bytes("B"),
        ord("B"): lambda u: u._push_bytes("I"),
        0x8E: lambda u: u._push_bytes("Q"),
        ord(")"): constant(()),
        ord("t"): DataUnpickler._marked_tuple,
        0x85: lambda u: u._push_tuple(1),
        0x86: lambda u: u._push_tuple(2),
        0x87: lambda u: u._push_tuple(3),
        ord("]"): lambda u: u._stack.append([]),
        ord("a"): lambda u: u._extend(u._pop(1)),
        ord("e"): lambda u: u._extend(u._marked()),
        ord("}"): lambda u: u._stack.append({}),
        ord("s"): lambda u: u._update(u._pop(2)),
        ord("u"): lambda u: u._update(u._marked()),
        0x8F: lambda u: u._stack.append(set()),
        0x90: lambda u: u._add(u._marked()),
        0x91: DataUnpickler._frozen,
        ord("c"): lambda u: u._global(u._line(), u._line()),
        0x93: DataUnpickler._stack_global,
        ord("R"): DataUnpickler._call,
        0x81: DataUnpickler._call,  # NEWOBJ
        ord("b"): DataUnpickler._build,
        ord("Q"): lambda u: u._stack.append(u._load_persistent(u._stack.pop())),
        ord("q"): lambda u: u._memoize(u._number("B")),
        ord("r"): lambda u: u._memoize(u._number("I")),
        0x94: lambda u: u._memoize(len(u._memo)),
        ord("h"): lambda u: u._stack.append(u._memo[u._number("B")]),
        ord("j"): lambda u: u._stack.append(u._memo[u._number("I")]),
        ord("0"): lambda u: u._stack.pop(),
        ord("2"): lambda u: u._stack.append(u._stack[-1]),
    }


_STEPS = _steps()
