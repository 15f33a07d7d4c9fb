"""Runs a PyTorch program unchanged: ``torch`` resolves to Chainrule, all else is as with Python."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, NoReturn

from chainrule._alias import install
from chainrule._inspection import BadOption, Inspection, take_options

__all__ = ["main", "run_command", "run_module", "run_script"]

USAGE = """\
usage: chainrule run [options] script.py [arguments]
       chainrule run [options] -m module [arguments]
       chainrule run [options] -c command [arguments]

Runs a PyTorch program unchanged, with Chainrule as its torch; "-" reads it from standard input.
Arguments, exit status and tracebacks are those of `python script.py`.

  --graph FILE     at the end, draw the graph of the last backward pass: .html .svg .txt .dot .json
                   (may also follow the script; arguments after "--" are the script's own)
  --profile FILE   at the end, write where the time went: .html, or .json for other trace viewers
  --anomaly        stop where the first NaN or infinity appears, forward or backward
  --watch-memory   at the end, name the lines whose memory grew from step to step
"""

_inspection: Inspection | None = None


def main(arguments: list[str]) -> None:
    """The command ``chainrule run``: runs the program that ``arguments`` name.

    Raises:
        SystemExit: what the program raises; status 2 where ``arguments`` name no program.
    """
    global _inspection
    try:
        options, arguments = take_options(arguments)
    except BadOption as error:
        _refuse(f"chainrule run: {error}\n{USAGE}")
    if not arguments:
        _refuse(USAGE)
    _inspection = Inspection(options) if options else None
    first, rest = arguments[0], arguments[1:]
    if first in ("-h", "--help"):
        sys.stdout.write(USAGE)
    elif first in ("-m", "-c"):
        if not rest:
            _refuse(f"chainrule run: {first} needs an argument\n{USAGE}")
        (run_module if first == "-m" else run_command)(rest[0], rest[1:])
    elif first.startswith("-") and first != "-":
        _refuse(f"chainrule run: unknown option {first}\n{USAGE}")
    else:
        run_script(first, rest)


def run_script(path: str, arguments: list[str]) -> None:
    """Run the program in the file ``path`` as ``python path *arguments`` does.

    ``path`` may also be a folder or a zip file with a ``__main__.py``, or ``-`` for standard input.
    """
    if path == "-":
        _run_source(sys.stdin.buffer.read(), "<stdin>", ["-", *arguments], "")
    elif os.path.isdir(path) or _is_zip(path):
        _prepare([path, *arguments], os.path.abspath(path))
        _execute(lambda: _runpy_main("__main__", alter_argv=False))
    else:
        absolute = os.path.abspath(path)
        try:
            with open(absolute, "rb") as file:
                source = file.read()
        except OSError as error:
            _refuse(
                f"chainrule run: can't open file {absolute!r}: "
                f"[Errno {error.errno}] {error.strerror}\n"
            )
        _run_source(source, absolute, [path, *arguments], os.path.dirname(os.path.realpath(path)))


def run_module(name: str, arguments: list[str]) -> None:
    """Run the module ``name`` as ``python -m name *arguments`` does."""
    _prepare(["-m", *arguments], os.getcwd())
    _execute(lambda: _runpy_main(name, alter_argv=True))


def run_command(source: str, arguments: list[str]) -> None:
    """Run ``source`` as ``python -c source *arguments`` does."""
    if sys.version_info >= (3, 13):  # from there on tracebacks show the lines of a command
        import linecache

        lines = source.splitlines(keepends=True)
        linecache.cache["<string>"] = (len(source), None, lines, "<string>")
    _run_source(source.encode(), "<string>", ["-c", *arguments], "")


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(message)
    raise SystemExit(2)


def _is_zip(path: str) -> bool:
    if not os.path.isfile(path) or path.endswith(".py"):
        return False
    import zipfile

    return zipfile.is_zipfile(path)


def _prepare(argv: list[str], folder: str) -> ModuleType:
    """Set what a program sees of how it was started; returns its fresh ``__main__``."""
    install()
    sys.argv = argv
    if not sys.flags.safe_path:
        sys.path[0] = folder  # until now the folder of the command `chainrule`
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __package__=None)
    sys.modules["__main__"] = main
    return main


def _run_source(source: bytes, file: str, argv: list[str], folder: str) -> None:
    namespace = _prepare(argv, folder).__dict__
    if not file.startswith("<"):
        from importlib.machinery import SourceFileLoader

        loader = SourceFileLoader("__main__", file)
        namespace.update(__file__=file, __cached__=None, __loader__=loader)
    _execute(lambda: exec(compile(source, file, "exec", dont_inherit=True), namespace))


def _runpy_main(name: str, alter_argv: bool) -> None:
    """What the interpreter itself calls for ``-m``, for folders and for zip files."""
    import runpy

    runpy._run_module_as_main(name, alter_argv=alter_argv)  # type: ignore[attr-defined]


def _execute(program: Callable[[], Any]) -> None:
    """Run ``program``; an exception that ends it is shown without the frames of this runner.

    The exception goes on to the interpreter, so that exit status, signals and exit handlers are
    its own business.
    """
    try:
        if _inspection is None:
            program()
        else:
            with _inspection:
                program()
    except SystemExit:
        raise
    except BaseException:
        hook = sys.excepthook

        def show(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            trace = _user_part(trace)
            hook(kind, error.with_traceback(trace), trace)

        sys.excepthook = show
        raise


def _user_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback below the runner, without the machinery that finds a name to be missing."""
    while trace is not None and trace.tb_frame.f_code is not _execute.__code__:
        trace = trace.tb_next
    for _ in range(2 if trace is not None else 0):  # _execute and the lambda it calls
        trace = trace.tb_next if trace is not None else None
    if trace is not None and trace.tb_frame.f_code is _runpy_main.__code__:
        trace = trace.tb_next
    last = trace
    while last is not None:
        rest = last.tb_next
        while rest is not None and _is_lookup(rest):
            rest = rest.tb_next
        if rest is None:
            last.tb_next = None
        last = rest
    return trace


def _is_lookup(trace: TracebackType) -> bool:
    code = trace.tb_frame.f_code
    within = code.co_filename.startswith(os.path.dirname(__file__) + os.sep)
    return within and code.co_name in ("__getattr__", "find_spec", "_alias_spec")
