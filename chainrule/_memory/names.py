"""Words for the references between objects: which attribute, variable or item leads to a child."""

from __future__ import annotations

from collections import deque
from types import (
    AsyncGeneratorType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any

from chainrule import _C

__all__ = ["UNSAID", "describe", "key_label", "reference_label"]

# The label of a reference that a chain need not mention, such as that of a closure's cell.
UNSAID = "."

_COMPUTED: dict[type, tuple[str, ...]] = {
    TracebackType: ("tb_next", "tb_frame"),
    BaseException: ("__traceback__", "__cause__", "__context__", "args"),
    MethodType: ("__self__", "__func__"),
}
_SUSPENDED: dict[type, str] = {
    GeneratorType: "gi_frame",
    CoroutineType: "cr_frame",
    AsyncGeneratorType: "ag_frame",
}


def key_label(key: object) -> str:
    """A key of a dict as it would be written, for keys that are no plain strings.

    The mark in front tells them from strings.
    """
    if isinstance(key, str | int | float | bool | bytes) or key is None:
        return "\x01" + repr(key)
    if isinstance(key, tuple) and all(isinstance(part, str | int | float) for part in key):
        return "\x01" + repr(tuple(key))
    return f"\x01<{type(key).__name__}>"


def reference_label(parent: object, child: object) -> str:
    """How `parent` refers to `child`: ".name", "[3]", "" for its own dict, `UNSAID`; "?" where
    unknown."""
    if isinstance(parent, ModuleType):
        return ""
    if isinstance(parent, CellType | memoryview) or type(parent).__name__ == "managedbuffer":
        return UNSAID
    if isinstance(parent, FrameType):
        return ".locals"
    if isinstance(parent, FunctionType):
        return _function_label(parent, child)
    for kind, frame in _SUSPENDED.items():
        if isinstance(parent, kind):
            return _suspended_label(getattr(parent, frame), child)
    if isinstance(parent, type | _C.Node) and isinstance(child, dict):
        return ""
    if type(parent).__name__ == "ndarray":
        return ".base"
    for kind, names in _COMPUTED.items():
        if isinstance(parent, kind):
            for name in names:
                if getattr(parent, name, None) is child:
                    return "." + name
    if isinstance(parent, deque):
        for index, item in enumerate(parent):
            if item is child:
                return f"[{index}]"
    if isinstance(parent, set | frozenset):
        return "{…}"
    return _attribute_label(parent, child)


def _function_label(function: FunctionType, child: object) -> str:
    for name in ("__closure__", "__defaults__", "__kwdefaults__", "__globals__"):
        if getattr(function, name) is child:
            return "." + name
    return "" if function.__dict__ is child else "?"


def _suspended_label(frame: FrameType | None, child: object) -> str:
    if frame is not None:
        for name, value in _C._frame_variables(frame):
            if value is child:
                return "." + name
    return "?"


def _attribute_label(parent: object, child: object) -> str:
    try:
        attributes = object.__getattribute__(parent, "__dict__")
    except Exception:  # none, or a property of the class that fails
        attributes = None
    if attributes is child:
        return ""
    if isinstance(attributes, dict):
        for name, value in attributes.items():
            if value is child:
                return f".{name}"
    for kind in type(parent).__mro__:
        for name, member in list(vars(kind).items()):
            if isinstance(member, MemberDescriptorType):
                try:
                    value = member.__get__(parent)
                except AttributeError:  # an empty slot
                    continue
                if value is child:
                    return f".{name}"
    return "?"


def describe(thing: object) -> tuple[Any, ...] | None:
    """What a chain says of an object that it passes, as plain data; None: its type is enough."""
    if isinstance(thing, FrameType):
        code = thing.f_code
        name = getattr(code, "co_qualname", code.co_name)
        return ("frame", name, code.co_filename, thing.f_lineno, code.co_firstlineno, None)
    if isinstance(thing, FunctionType):
        code = thing.__code__
        place = code.co_filename, code.co_firstlineno
        return ("function", thing.__qualname__, *place, code.co_freevars)
    for kind, name in _SUSPENDED.items():
        if isinstance(thing, kind):
            code = getattr(thing, name.replace("frame", "code"))
            qualified = getattr(code, "co_qualname", code.co_name)
            place = code.co_filename, code.co_firstlineno
            return ("suspended", type(thing).__name__, qualified, *place)
    if isinstance(thing, ModuleType):
        return ("module", thing.__dict__.get("__name__"))
    if isinstance(thing, type):
        return ("class", thing.__qualname__)
    return None
