"""All canonical mistakes, by chapter of ``docs/errors.md``."""

from __future__ import annotations

from errors import cases_changes, cases_graph, cases_modules, cases_shapes
from errors.case import Case

CHAPTERS: dict[str, tuple[Case, ...]] = {
    "No graph, or no longer": cases_graph.CASES,
    "Changed values, flags and gradients": cases_changes.CASES,
    "Shapes, dtypes and indices": cases_shapes.CASES,
    "Modules": cases_modules.CASES,
}
CASES: tuple[Case, ...] = tuple(case for cases in CHAPTERS.values() for case in cases)
