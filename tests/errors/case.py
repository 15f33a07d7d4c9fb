"""A canonical mistake: a short program, and what its error must say."""

from __future__ import annotations

import contextlib
import io
import linecache
import sys
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Any

FILE = "train.py"


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        name: a short identifier, also the anchor in ``docs/errors.md``.
        title: the mistake in words.
        program: its source; ``torch``, ``nn`` and ``F`` are imported before.
        says: texts that Chainrule's message must contain, in this order.
        error: the exception or warning.
        keeps: what Chainrule's message begins with; by default torch's first sentence.
    """

    name: str
    title: str
    program: str
    says: tuple[str, ...]
    error: str = "RuntimeError"
    keeps: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a program raised, or the last warning that it gave: its type and its text."""

    error: str
    message: str


def run(case: Case, torch: ModuleType) -> Outcome:
    """Run the program of ``case`` with ``torch`` as its torch; what it raised or warned of."""
    source = case.program
    lines = source.splitlines(keepends=True)
    linecache.cache[FILE] = (len(source), None, lines, FILE)
    namespace: dict[str, Any] = {
        "__name__": "train",
        "torch": torch,
        "nn": torch.nn,
        "F": torch.nn.functional,
    }
    grad_enabled = torch.is_grad_enabled()
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            exec(compile(source, FILE, "exec"), namespace)
        except Exception as error:
            return Outcome(type(error).__name__, _shown(error))
        finally:
            torch.set_grad_enabled(grad_enabled)
            linecache.cache.pop(FILE, None)
    if given:
        return Outcome(given[-1].category.__name__, str(given[-1].message))
    return Outcome("", "no error")


def _shown(error: Exception) -> str:
    """The message as a traceback ends with it: Python adds "Did you mean" to some."""
    shown = io.StringIO()
    with contextlib.redirect_stderr(shown):
        sys.__excepthook__(type(error), error.with_traceback(None), None)
    return shown.getvalue().rstrip("\n").removeprefix(f"{type(error).__name__}: ")


def first_sentence(message: str) -> str:
    """The message up to the end of its first sentence or line."""
    line = message.strip().split("\n", 1)[0]
    return line.split(". ", 1)[0].removesuffix(".")
