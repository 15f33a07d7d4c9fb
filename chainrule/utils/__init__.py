"""Utilities: :mod:`chainrule.utils.data` (loading of data) and :mod:`chainrule.utils.hooks`."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["data", "hooks"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"chainrule.utils.{name}")
    raise AttributeError(f"module 'chainrule.utils' has no attribute '{name}'")
