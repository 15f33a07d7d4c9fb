"""What ``chainrule run`` can watch while a program runs, and the options that ask for it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["OPTIONS", "Inspection", "take_options"]

# Options with what they need: the name of a file, or nothing.
OPTIONS = {"--graph": "FILE", "--profile": "FILE", "--anomaly": "", "--watch-memory": ""}


class BadOption(Exception):
    """The command line asks for something that is not there; the text says what."""


def take_options(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options of `arguments`, and what is left for the program.

    Options stand before the program. ``--graph FILE`` may also follow it, where it ends at ``--``:
    what comes after is the program's own.

    Raises:
        BadOption: a file name is missing or has another suffix, or an option comes twice.
    """
    options: dict[str, str] = {}
    rest = list(arguments)

    def take(at: int) -> None:
        name = rest.pop(at)
        if name in options:
            raise BadOption(f"{name} is given twice")
        if OPTIONS[name] and (at >= len(rest) or rest[at].startswith("-")):
            raise BadOption(f"{name} needs the name of a file")
        options[name] = rest.pop(at) if OPTIONS[name] else ""
        # Asked now, as the program may take a while.
        if name == "--graph":
            from chainrule.viewer.picture import form_of

            try:
                form_of(Path(options[name]))
            except ValueError as error:
                raise BadOption(f"{name}: {error}") from None
        elif name == "--profile" and not options[name].endswith((".html", ".json", ".json.gz")):
            raise BadOption(
                f"{name} {options[name]}: the name must end in .html, .json or .json.gz"
            )

    while rest and rest[0] in OPTIONS:
        take(0)
    program = 2 if rest and rest[0] in ("-m", "-c") else 1
    end = rest.index("--", program) if "--" in rest[program:] else len(rest)
    at = program
    while at < end:
        if rest[at] == "--graph":
            take(at)
            end -= 2
        else:
            at += 1
    if options.get("--graph") is not None and end < len(rest):
        del rest[end]  # it was there to end our options
    return options, rest


class Inspection:
    """Watches what the options ask for, from entering to leaving; then writes and tells it."""

    def __init__(self, options: dict[str, str]) -> None:
        self._options = options
        self._stack = ExitStack()

    def __enter__(self) -> None:
        with self._stack:
            if "--graph" in self._options:
                self._stack.enter_context(_GraphAtEnd(self._options["--graph"]))
            if "--profile" in self._options:
                self._stack.enter_context(_ProfileAtEnd(self._options["--profile"]))
            if "--watch-memory" in self._options:
                from chainrule import watch_memory

                self._stack.enter_context(watch_memory())
            if "--anomaly" in self._options:
                from chainrule.autograd import anomaly

                self._stack.enter_context(anomaly())
            self._stack = self._stack.pop_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _tell(text: str) -> None:
    sys.stdout.flush()
    print(f"chainrule: {text}", file=sys.stderr)


class _GraphAtEnd:
    """Writes the graph of the program's last backward pass."""

    def __init__(self, path: str) -> None:
        from chainrule.graph.record import LastBackward

        self._path = path
        self._last = LastBackward()

    def __enter__(self) -> None:
        self._last.start()

    def __exit__(self, *_: object) -> None:
        self._last.stop()
        try:
            self._last.save(self._path)
        except (RuntimeError, OSError, ImportError) as error:
            _tell(f"{self._path} was not written: {error}")
        else:
            _tell(f"the graph of backward pass {self._last.passes} is in {self._path}")


class _ProfileAtEnd:
    """Writes a profile of the program: a page, or a trace for other viewers if it ends in .json."""

    def __init__(self, path: str) -> None:
        from chainrule.autograd.profiler import profile

        self._path = path
        self._profile: Any = profile(with_stack=True, with_modules=True)

    def __enter__(self) -> None:
        self._profile.__enter__()

    def __exit__(self, *details: Any) -> None:
        self._profile.__exit__(*details)
        try:
            if self._path.endswith((".json", ".json.gz")):
                self._profile.export_chrome_trace(self._path)
            else:
                self._profile.save(self._path)
        except (RuntimeError, OSError, ValueError) as error:
            _tell(f"{self._path} was not written: {error}")
        else:
            _tell(f"the profile is in {self._path}")
