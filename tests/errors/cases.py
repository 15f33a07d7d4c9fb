"""All canonical mistakes, by chapter of ``docs/errors.md``."""

from __future__ import annotations

from errors import (
    cases_changes,
    cases_gradients,
    cases_graph,
    cases_modules,
    cases_shapes,
    cases_values,
)
from errors.case import Case

CHAPTERS: dict[str, tuple[Case, ...]] = {
    "No graph, or no longer": cases_graph.CASES,
    "Changed in place": cases_changes.CASES,
    "Gradients, flags and custom Functions": cases_gradients.CASES,
    "Shapes": cases_shapes.CASES,
    "Dtypes, indices and values": cases_values.CASES,
    "Modules": cases_modules.CASES,
}
CASES: tuple[Case, ...] = tuple(case for cases in CHAPTERS.values() for case in cases)
