"""Which files belong to the project: what is built, fetched or cached does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LEFT_OUT = ("build", "dist", "node_modules", "__pycache__")


def files(root: Path, *suffixes: str) -> Iterator[Path]:
    """The files under ``root`` with one of ``suffixes``, without hidden and built folders."""
    for path in sorted(root.iterdir()):
        if path.is_dir():
            left_out = path.name.startswith((".", "build-")) or path.name in _LEFT_OUT
            if not left_out:
                yield from files(path, *suffixes)
        elif path.suffix in suffixes and not path.name.startswith("_C."):
            yield path
