"""A stand-in for Chainrule that resolves to real torch: the suite's own check.

`PYTHONPATH=tests/against_torch pytest tests/semantics` runs the tests of the semantics on torch,
from whose behaviour they were written (the `pytest` command, not `python -m pytest`, which would
find the real package in the current directory first).
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType

import torch


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `chainrule.nn` and the like as torch's modules."""

    def find_spec(self, name, path=None, target=None):
        """A specification for every submodule of chainrule."""
        if name.startswith("chainrule."):
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec) -> ModuleType:
        """Torch's module of the same name."""
        return importlib.import_module("torch" + spec.name.removeprefix("chainrule"))

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run: torch has loaded the module."""


sys.meta_path.insert(0, _Alias())
sys.modules["chainrule"] = torch
