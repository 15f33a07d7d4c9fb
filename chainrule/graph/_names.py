"""The names that the user's variables have: read off the frames that run now."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from inspect import CO_OPTIMIZED
from types import FrameType
from typing import Any

from chainrule import _C, Tensor

__all__ = ["variables"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MOST_ITEMS = 10_000  # of one container


def _is_module(value: Any) -> bool:
    # Without an import: a program that has no nn.Module does not pay for it.
    nn = sys.modules.get("chainrule.nn")
    return nn is not None and isinstance(value, nn.Module)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of the user's program, innermost first."""
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            yield frame
        frame = frame.f_back


def _namespaces() -> Iterator[list[tuple[str, Any]]]:
    """Local variables from the innermost frame outwards, then the globals of those frames."""
    frames = list(_frames(sys._getframe(1)))
    seen: set[int] = set()
    for frame in frames:
        if frame.f_code.co_flags & CO_OPTIMIZED:
            # Not `f_locals`: before Python 3.13 that leaves a dict on the frame of a function,
            # which keeps tensors alive that the function has long deleted.
            yield _C._frame_variables(frame)
        elif frame.f_locals is not frame.f_globals:  # a class body, or what exec() runs
            yield list(frame.f_locals.items())
    for frame in frames:
        if id(frame.f_globals) not in seen:
            seen.add(id(frame.f_globals))
            yield list(frame.f_globals.items())


def _members(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Tensors and modules inside a container or an object, with their names."""
    if isinstance(value, Tensor):
        yield name, value
    elif _is_module(value):
        yield from _parts(name, value)
    elif isinstance(value, list | tuple) and len(value) <= _MOST_ITEMS and depth:
        for i, item in enumerate(value):
            yield from _members(f"{name}[{i}]", item, depth - 1)
    elif isinstance(value, dict) and len(value) <= _MOST_ITEMS and depth:
        for key, item in value.items():
            if isinstance(key, str | int):
                yield from _members(f"{name}[{key!r}]", item, depth - 1)
    elif depth and type(getattr(value, "__dict__", None)) is dict and name == "self":
        for key, item in value.__dict__.items():
            yield from _members(f"self.{key}", item, 0)


def _parts(name: str, module: Any) -> Iterator[tuple[str, Any]]:
    for path, part in module.named_modules():
        yield (f"{name}.{path}" if path else name), part
    for path, parameter in module.named_parameters():
        yield f"{name}.{path}", parameter


def variables() -> tuple[list[tuple[str, Tensor]], list[tuple[str, Tensor]], dict[int, str]]:
    """Tensors that are variables, those inside of other variables, and names of modules by ``id``.

    Those of inner frames come before those of outer ones.
    """
    plain: list[tuple[str, Tensor]] = []
    inside: list[tuple[str, Tensor]] = []
    modules: dict[int, str] = {}
    nets = 0
    others: list[tuple[str, Any]] = []
    for namespace in _namespaces():
        for name, value in namespace:
            if name.startswith("_"):
                continue
            if isinstance(value, Tensor):
                plain.append((name, value))
            elif _is_module(value):  # before what containers hold, in whatever frame
                others.insert(nets, (name, value))
                nets += 1
            else:
                others.append((name, value))
    for name, value in others:
        for path, member in _members(name, value, 2):
            if isinstance(member, Tensor):
                inside.append((path, member))
            else:
                modules.setdefault(id(member), path)
    return plain, inside, modules
