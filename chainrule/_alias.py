"""Makes ``import torch`` and all its submodules mean Chainrule, in this process and its children.

``torch`` and ``chainrule`` become two names of the same module objects. An installed torch is out
of reach: what Chainrule lacks is an error, never a fallback.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from chainrule._missing import missing_attribute, missing_module


def install() -> None:
    """Let ``torch`` resolve to Chainrule from now on. Calling it again changes nothing.

    Raises:
        RuntimeError: another torch is already imported, so that the program would see both.
    """
    loaded = sys.modules.get("torch")
    if loaded is not None and loaded is not sys.modules["chainrule"]:
        raise RuntimeError(
            f"torch is already imported from {getattr(loaded, '__file__', 'elsewhere')}: "
            "let torch resolve to Chainrule before the first import of torch"
        )
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name, module in list(sys.modules.items()):
        if _is_within(name, "chainrule"):
            _explain_missing_names(module)
    if "multiprocessing.spawn" in sys.modules:
        _pass_on_to_children(sys.modules["multiprocessing.spawn"])


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


class _Finder:
    """First in ``sys.meta_path``: sees every import before any other finder does."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if _is_within(name, "torch"):
            return _alias_spec(name)
        if _is_within(name, "chainrule"):
            return self._with_action(name, path, _explain_missing_names)
        if name == "multiprocessing.spawn":
            return self._with_action(name, path, _pass_on_to_children)
        return None

    def _with_action(
        self, name: str, path: Sequence[str] | None, action: Callable[[ModuleType], None]
    ) -> ModuleSpec | None:
        """What the other finders say, with ``action`` to follow the loading."""
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _LoaderWithAction(spec.loader, action)  # type: ignore[assignment]
                return spec
        return None


def _alias_spec(name: str) -> ModuleSpec | None:
    import importlib.util

    target = "chainrule" + name.removeprefix("torch")
    if target not in sys.modules and importlib.util.find_spec(target) is None:
        if _is_only_asked():
            return None
        raise missing_module(name) from None
    return ModuleSpec(name, _AliasLoader(target), origin=target)  # type: ignore[arg-type]


def _is_only_asked() -> bool:
    """True where a program asks for a module's spec, as importlib.util.find_spec does."""
    frame = sys._getframe(3)
    while frame.f_back is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        if frame.f_code.co_name == "_find_and_load_unlocked":
            return False
        frame = frame.f_back
    return True


class _AliasLoader:
    """Loads a module of torch by handing out the Chainrule module itself."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.target)
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own_spec  # the import system put the alias there


class _LoaderWithAction:
    """Loads with another loader, then does something with the module."""

    def __init__(self, loader: Any, action: Callable[[ModuleType], None]) -> None:
        self.loader = loader
        self.action = action

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self.loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.action(module)


def _explain_missing_names(module: ModuleType) -> None:
    """Give a module without ``__getattr__`` one that says what is missing and where."""
    name = module.__name__

    def __getattr__(attribute: str) -> Any:
        raise missing_attribute(name, attribute)

    module.__dict__.setdefault("__getattr__", __getattr__)


class _InstallOnArrival:
    """Unpickling this installs the alias: it travels to child processes that start afresh."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return install, ()


def _pass_on_to_children(spawn: ModuleType) -> None:
    """Put the alias into what a spawned process reads before it imports the main program."""
    original = spawn.__dict__["get_preparation_data"]

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = original(name)
        data["chainrule"] = _InstallOnArrival()
        return data

    spawn.__dict__["get_preparation_data"] = get_preparation_data
