"""The console command ``chainrule``."""

from __future__ import annotations

import importlib
import sys

USAGE = """\
usage: chainrule <command> [arguments]

  run script.py   run a PyTorch program unchanged, with Chainrule as its torch

  --version       print the version
  --help          print this text; `chainrule <command> --help` tells more of a command
"""

# Each command is a module with a function main(arguments), imported only when it is called.
COMMANDS = {"run": "chainrule.run"}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line ``arguments`` (by default those of this process).

    Raises:
        SystemExit: with status 2 for a command line that is not understood, else as the command.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in COMMANDS:
        importlib.import_module(COMMANDS[given[0]]).main(given[1:])
    elif given and given[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
    elif given and given[0] in ("-V", "--version"):
        import chainrule

        sys.stdout.write(f"chainrule {chainrule.__version__}\n")
    else:
        problem = f"chainrule: unknown command {given[0]!r}\n" if given else ""
        sys.stderr.write(problem + USAGE)
        raise SystemExit(2)
