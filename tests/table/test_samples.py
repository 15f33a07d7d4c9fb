"""Every row of the operator table is tested: it has samples, or says where it is exercised."""

from pathlib import Path

import pytest

import chainrule
from chainrule import _C
from table import more_samples
from table.rows import BY_NAME, ROWS, cases, show

pytestmark = pytest.mark.chainrule_only


def test_every_row_has_samples_or_says_where_it_is_exercised():
    without = {row.cname for row in ROWS if not cases(row)}
    assert without == set(more_samples.EXERCISED)


def test_no_samples_are_kept_for_rows_that_do_not_need_them():
    for name in (*more_samples.SAMPLES, *more_samples.ADDED, *more_samples.CONSTANT_IN):
        assert name in BY_NAME, f"{name} is no row"
    doubled = [n for n in more_samples.SAMPLES if BY_NAME[n].samples]
    assert not doubled, f"{doubled} have samples of their own"


def test_samples_are_the_same_in_every_run():
    first, second = cases(BY_NAME["add"]), cases(BY_NAME["add"])
    for a, b in zip(first, second, strict=True):
        for x, y in zip(a.arrays(), b.arrays(), strict=True):
            assert (x == y).all()


@pytest.mark.parametrize("row", ROWS, ids=[row.cname for row in ROWS])
def test_a_row_is_offered_where_it_says(row):
    for name in (row.name, *row.aliases):
        assert hasattr(_C, name) or not row.function
        assert hasattr(chainrule.Tensor, name) or not row.method
        if row.function and not name.startswith("_"):
            assert (getattr(_C, name).__doc__ or "").strip()
    assert row.doc and show.batching(row)
    assert (Path(__file__).parents[2] / row.where.split(":")[0]).is_file()
