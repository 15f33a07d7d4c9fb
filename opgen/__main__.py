"""python -m opgen build --out DIR | outputs --out DIR | show NAME."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from opgen import emit, formula, show, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m opgen", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("build", "write the generated files"), ("outputs", "list them")):
        command = commands.add_parser(name, help=text)
        command.add_argument("--out", type=Path, required=True)
    shown = commands.add_parser("show", help="print all that is derived for one operator")
    shown.add_argument("name")
    arguments = parser.parse_args()
    try:
        operators = table.load()
        if arguments.command == "show":
            print(show.text(operators, arguments.name))
            return 0
        files = emit.files(operators, table.families())
    except (table.TableError, formula.FormulaError) as error:
        print(f"opgen: {error}", file=sys.stderr)
        return 1
    if arguments.command == "outputs":
        print("\n".join(str(arguments.out / name) for name in files))
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = arguments.out / name
        # An unchanged file keeps its time, so that only what changed is compiled again.
        if not path.exists() or path.read_text() != content:
            path.write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
