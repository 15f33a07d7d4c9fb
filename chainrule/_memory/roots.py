"""Where a search for what holds memory begins: variables of modules and of running functions."""

from __future__ import annotations

import os
import sys
from types import FrameType, ModuleType
from typing import Any

__all__ = ["Roots", "is_user_file", "optimizer_state", "optimizers"]

_STANDARD = os.path.dirname(os.__file__) + os.sep
# Frames of this folder belong to the question, not to the program.
_OWN = os.path.dirname(__file__) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


def is_user_file(file: str | None) -> bool:
    """Whether a source file is the user's own, not of a library."""
    if file is None or file.startswith(("<frozen", _PACKAGE)):
        return False
    if any(part in file for part in _INSTALLED):
        return False
    return not file.startswith(_STANDARD)


class Roots:
    """The objects from which everything with a name can be reached.

    Attributes:
        user: modules' dicts and frames of the user's program; chains prefer them.
        library: those of everything else, and exceptions in flight.
        about: by position in ``user + library``: ("module", name, file), ("frame", function, file,
            line, first line of the function, thread or None) or ("exception", where, type's name).
        namespaces: the dicts of all modules.
    """

    def __init__(self) -> None:
        self.user: list[Any] = []
        self.library: list[Any] = []
        self.namespaces: list[dict[str, Any]] = []
        about_user: list[tuple[Any, ...]] = []
        about_library: list[tuple[Any, ...]] = []
        seen: set[int] = set()

        def add(user: bool, root: Any, about: tuple[Any, ...]) -> None:
            if id(root) not in seen:
                seen.add(id(root))
                (self.user if user else self.library).append(root)
                (about_user if user else about_library).append(about)

        modules = [m for m in list(sys.modules.items()) if isinstance(m[1], ModuleType)]
        modules.sort(key=lambda item: item[0] != "__main__")
        self.namespaces = [module.__dict__ for _, module in modules]
        frames = list(_frames())
        for name, module in modules[:1]:
            file = module.__dict__.get("__file__")
            add(True, module.__dict__, ("module", name, file))
        for frame, thread in frames:
            code = frame.f_code
            user = is_user_file(code.co_filename)
            qualified = getattr(code, "co_qualname", code.co_name)
            known = code.co_filename, frame.f_lineno, code.co_firstlineno, thread
            add(user, frame, ("frame", qualified, *known))
        for name, module in modules[1:]:
            file = module.__dict__.get("__file__")
            user = isinstance(file, str) and is_user_file(file)
            add(user, module.__dict__, ("module", name, file))
        for frame, _ in frames:  # what exec and the like run in a dict that no module has
            file = frame.f_code.co_filename
            add(is_user_file(file), frame.f_globals, ("module", None, file))
        for place, error in _exceptions():
            add(False, error, ("exception", place, type(error).__name__))
        self.about = [*about_user, *about_library]


def _frames() -> list[tuple[FrameType, str | None]]:
    """All Python frames, outermost first, with the name of their thread; None for the main one."""
    names: dict[int, str] = {}
    main = None
    threading = sys.modules.get("threading")
    if threading is not None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        main = threading.main_thread().ident
    result: list[tuple[FrameType, str | None]] = []
    threads = sys._current_frames()
    for ident in sorted(threads, key=lambda i: i != main):
        frame: FrameType | None = threads[ident]
        stack = []
        while frame is not None:
            if not frame.f_code.co_filename.startswith(_OWN):
                stack.append(frame)
            frame = frame.f_back
        name = None if ident == main or main is None else names.get(ident, str(ident))
        result += [(outer, name) for outer in reversed(stack)]
    # This function's own frame is among them, in its own variable: a cycle that would keep all
    # frames alive.
    threads.clear()
    return result


def _exceptions() -> list[tuple[str, BaseException]]:
    """Exceptions that are handled at present, and the one that an interactive session remembers."""
    found: list[tuple[str, BaseException]] = []
    current: Any = sys._current_exceptions()  # before 3.12 their triples
    for error in current.values():
        error = error[1] if isinstance(error, tuple) else error
        if isinstance(error, BaseException):
            found.append(("being handled", error))
    for name in ("last_exc", "last_value"):
        error = getattr(sys, name, None)
        if isinstance(error, BaseException):
            found.append((f"sys.{name}", error))
    return found


def optimizers() -> list[Any]:
    """All living optimizers."""
    module = sys.modules.get("chainrule.optim.optimizer")
    return list(module._alive) if module is not None else []


def optimizer_state(alive: list[Any]) -> list[Any]:
    """The tensors that optimizers keep for themselves."""
    found: list[Any] = []
    for optimizer in alive:
        waiting = [optimizer.__dict__.get("state")]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += value.values()
            elif isinstance(value, list | tuple):
                waiting += value
            else:
                found.append(value)
    return found
