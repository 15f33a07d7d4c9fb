"""Fails if a source file is longer than a reader can keep in mind."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.sources import ROOT, files

LIMIT = 800
SUFFIXES = (".py", ".pyi", ".h", ".hpp", ".c", ".cpp", ".cu", ".ts", ".js", ".css")


def violations(root: Path) -> list[str]:
    """A line for each source file under ``root`` that has more than ``LIMIT`` lines."""
    found = []
    for path in files(root, *SUFFIXES):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LIMIT:
            found.append(
                f"{path.relative_to(root)}:{LIMIT + 1}: {lines} lines, at most {LIMIT}: "
                "split it by subject"
            )
    return found


def main() -> int:
    found = violations(ROOT)
    print("\n".join(found) or "file lengths: fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
