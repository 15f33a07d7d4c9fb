"""Runs the Python examples of the README and of ``docs/``, with ``torch`` resolving to Chainrule.

Blocks fenced with ``python`` are run, those of one page one after another in one namespace;
a block with ``>>>`` prompts must also print what it shows. A fragment that is no program is fenced
with another word, such as ``text``. A warning is a failure.
"""

from __future__ import annotations

import doctest
import os
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGES = ("README.md", "CONTRIBUTING.md", "docs/**/*.md")
_BLOCK = re.compile(r"^```python[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """The Python blocks of a page, each with the number of its first line, counted from 1."""
    for match in _BLOCK.finditer(text):
        yield text.count("\n", 0, match.start(1)) + 1, match[1]


def failures(page: Path, shown: str) -> list[str]:
    """Run the examples of ``page``; a text for each that fails, with ``shown`` and the line."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    found = []
    for line, source in blocks(page.read_text(encoding="utf-8")):
        run = _run_session if ">>>" in source else _run_program
        complaint = run(source, namespace, shown, line)
        if complaint:
            found.append(f"{shown}:{line}: the example fails\n{complaint}")
    return found


def _run_program(source: str, namespace: dict[str, Any], shown: str, line: int) -> str:
    try:
        exec(compile("\n" * (line - 1) + source, shown, "exec"), namespace)
    except Exception:
        return traceback.format_exc()
    return ""


def _run_session(source: str, namespace: dict[str, Any], shown: str, line: int) -> str:
    parser = doctest.DocTestParser()
    test = parser.get_doctest(source, {}, shown, shown, line - 1)
    test.globs = namespace
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    written: list[str] = []
    runner.run(test, out=written.append, clear_globs=False)
    return "".join(written)


def main() -> int:
    from chainrule._alias import install

    install()
    warnings.simplefilter("error")
    root = Path(__file__).resolve().parents[1]
    pages = sorted(page for pattern in PAGES for page in root.glob(pattern))
    found = []
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # what an example writes is not left behind
        for page in pages:
            count += len(list(blocks(page.read_text(encoding="utf-8"))))
            found += failures(page, str(page.relative_to(root)))
        os.chdir(root)
    print("\n".join(found) or f"examples of the documentation: {count} run, all fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
