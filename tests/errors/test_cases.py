"""Each canonical mistake: torch's first sentence, the lines involved, the way out."""

import sys
import warnings
from pathlib import Path

import pytest

import chainrule
from errors.case import Case, first_sentence, run
from errors.cases import CASES

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "tools").is_dir():
    pytest.skip("the page's tool is not beside these tests", allow_module_level=True)
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last: an installed chainrule is the one under test

from tools import errors_page  # noqa: E402

TORCH_VERSION, THEIRS = errors_page.recorded()

pytestmark = pytest.mark.chainrule_only
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
def test_message_names_the_lines_and_the_way_out(case: Case) -> None:
    ours = run(case, chainrule)
    position = 0
    for text in case.says:
        found = ours.message.find(text, position)
        assert found >= 0, f"{text!r} is missing, or in the wrong order, in:\n{ours.message}"
        position = found + len(text)


@each_case
def test_message_begins_with_the_first_sentence_of_torch(case: Case) -> None:
    ours, theirs = run(case, chainrule), THEIRS[case.name]
    assert (ours.error, theirs.error) == (case.error, case.error)
    keeps = first_sentence(theirs.message) if case.keeps is None else case.keeps
    assert theirs.message.startswith(keeps)
    assert ours.message.startswith(keeps)


@each_case
def test_further_lines_are_indented_and_short(case: Case) -> None:
    message = run(case, chainrule).message
    for line in message.splitlines()[1:]:
        assert line.startswith(("  ", "\t")), line
        assert len(line) <= 200, line


@each_case
def test_recorded_message_is_that_of_torch(case: Case) -> None:
    torch = _torch()
    theirs = run(case, torch)
    assert theirs.error == THEIRS[case.name].error
    assert errors_page.plain(theirs.message) == THEIRS[case.name].message


def test_page_is_fresh() -> None:
    assert errors_page.PAGE.read_text(encoding="utf-8") == errors_page.page(), (
        "docs/errors.md is stale: run python tools/errors_page.py"
    )


def test_names_and_titles_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 30
    assert len({case.title for case in CASES}) == len(CASES)


def _torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch", reason="torch, the oracle, is not installed")
    if getattr(torch, "__version__", "").split("+")[0] != TORCH_VERSION:
        pytest.skip(f"the messages were recorded with torch {TORCH_VERSION}")
    return torch
