"""Errors for names of torch that Chainrule does not have.

They say which name is missing and on which line of the user's program it is asked for.
"""

from __future__ import annotations

import sys
from types import FrameType

_PACKAGE = __file__.rpartition("_missing")[0]


def missing_attribute(module: str, name: str) -> AttributeError | ImportError:
    """The error for ``name`` missing in ``module``, to be raised by the module's ``__getattr__``.

    Args:
        module: the ``__name__`` of the Chainrule module that was asked.
        name: the attribute it does not have.

    Returns an ``ImportError`` where the program says ``from module import name`` (Python would
    replace an ``AttributeError`` and its text there), else an ``AttributeError``, so that
    ``hasattr`` and ``getattr`` with a default work as ever.
    """
    shown = _as_written(module)
    if name.startswith("__") and name.endswith("__"):  # Python itself probes for these
        return AttributeError(f"module {shown!r} has no attribute {name!r}", name=name)
    frame, direct = _user_frame()
    reason = f"{_torch_name(module)}.{name} is not in Chainrule yet{_at(frame)}"
    if direct and frame is not None and _runs_import_from(frame):
        return ImportError(f"cannot import name {name!r} from {shown!r}: {reason}", name=shown)
    # With the module at hand Python adds "Did you mean: ...?" to a misspelt name.
    text = f"module {shown!r} has no attribute {name!r}: {reason}"
    return AttributeError(text, name=name, obj=sys.modules.get(module))


def missing_module(name: str) -> ModuleNotFoundError:
    """The error for ``import name`` where ``name`` is a module of torch that Chainrule lacks."""
    frame, _ = _user_frame()
    reason = f"it is not in Chainrule yet{_at(frame)}"
    return ModuleNotFoundError(f"No module named {name!r}: {reason}", name=name)


def _torch_name(module: str) -> str:
    """``chainrule.nn`` as torch calls it: the feature has torch's name in every message."""
    return "torch" + module.removeprefix("chainrule")


def _as_written(module: str) -> str:
    """The module under the name by which the program knows it."""
    aliased = sys.modules.get("torch") is sys.modules.get("chainrule")
    return _torch_name(module) if aliased else module


def _user_frame() -> tuple[FrameType | None, bool]:
    """The innermost frame outside Chainrule and the import system; whether it asked directly."""
    direct = True
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            direct = False
        elif not file.startswith(_PACKAGE):
            break
        frame = frame.f_back
    return frame, direct


def _at(frame: FrameType | None) -> str:
    return "" if frame is None else f" (used at {frame.f_code.co_filename}:{frame.f_lineno})"


def _runs_import_from(frame: FrameType) -> bool:
    import opcode

    return frame.f_code.co_code[frame.f_lasti] == opcode.opmap["IMPORT_FROM"]
