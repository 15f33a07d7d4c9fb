"""Batching rules: applied by hand to stacked inputs, they equal a loop over the batch.

The declared rules are words of a small vocabulary; those that need a program of their own
("loop" means the loop itself) are listed, so that a new word is noticed.
"""

import numpy as np
import pytest

from table.rows import ROWS, Case, assert_equal, cases, each_row, generator, show

pytestmark = pytest.mark.chainrule_only
SIZE = 3

KEEPS = "keeps the batch dimension"
ALIGNS = "aligns the batch dimension, then broadcasts"
NOT_BY_HAND = {
    "from the operators it is made of",
    "loop",
    "matmul",
    "baddbmm",
    "_bmm",
    "keep_front after aligning",
    "fold_front(self) if mat2 has no batch, else _bmm",
    "fold_front(input) if weight has no batch, else _bmm",
    "fold_front for reduction 'none', else loop",
    "keep_front unless weight or bias has a batch, else loop",
    "keep_front, reducing the other dimensions",
    "shift_dims(dim) unless value has a batch, else loop",
}


def rule(row):
    return show.batching(row)


def is_batched(case, name, value):
    """Floating tensors carry the batch; indices of the rank of `self` and masks do too."""
    if not isinstance(value, np.ndarray):
        return False
    if case.row.pointwise or value.dtype.kind == "f":
        return True
    return value.ndim == np.ndim(case.args[0])


def batch(case):
    """The cases of a batch, and the case in which each batched array has a new dimension 0."""
    random = generator(case.row, 3)
    batched = [
        is_batched(case, name, array)
        for name, value in case.items()
        for array in (value if isinstance(value, (list, tuple)) else [value])
        if isinstance(array, np.ndarray)
    ]
    members = []
    for _ in range(SIZE):
        flags = iter(batched)

        def vary(array, flags=flags):
            if not next(flags) or array.dtype.kind != "f":
                return array
            return array * random.uniform(0.8, 1.0, array.shape)

        members.append(case.map(vary))
    flags = iter(batched)
    stacks = iter(
        np.stack(arrays) if b else arrays[0]
        for b, arrays in zip(batched, zip(*(m.arrays() for m in members), strict=True), strict=True)
    )
    return members, case.map(lambda _: next(stacks))


def shifted(value, ndim):
    """Dimensions of one example as dimensions of a batch."""
    if isinstance(value, (tuple, list)):
        return tuple(shifted(v, ndim) for v in value)
    return value + 1 if value >= 0 else value


def with_shifted_dims(case, stacked, names):
    """The stacked case with the named parameters moved behind the batch dimension."""
    ndim = np.ndim(case.args[0]) if isinstance(case.args[0], np.ndarray) else 1
    args, kwargs = list(stacked.args), dict(stacked.kwargs)
    for position, p in enumerate(case.row.params):
        if p.name not in names:
            continue
        if position < len(args):
            args[position] = shift(args[position], ndim)
        else:
            default = None if p.default in (None, "None") else eval(p.default)
            kwargs[p.name] = shift(kwargs.get(p.name, default), ndim)
    return Case(case.row, tuple(args), kwargs)


def shift(value, ndim):
    """Dimensions, or all of them where none are named."""
    if value is None or value == ():
        return tuple(range(1, ndim + 1))
    return shifted(value, ndim)


def apply_rule(case, stacked):
    """The batched results that the declared rule gives, or None where it needs another row."""
    text = rule(case.row)
    if text == KEEPS:
        return stacked.run()
    if text == ALIGNS:
        ranks = [a.ndim - 1 for a in stacked.arrays()]
        top = max(ranks)
        aligned = stacked.map(
            lambda a: a.reshape(a.shape[0], *[1] * (top - a.ndim + 1), *a.shape[1:])
        )
        return aligned.run()
    if text == "keep_front":
        if case.row.name == "expand":  # new dimensions come behind that of the batch
            size = dict(case.items())["size"]
            shape = case.args[0].shape
            lead = [1] * (len(size) - len(shape))
            stacked = stacked.map(lambda a: a.reshape(SIZE, *lead, *shape))
        kwargs, args = dict(stacked.kwargs), list(stacked.args)
        for position, p in enumerate(case.row.params):
            if p.name == "size" and position < len(args):
                args[position] = (SIZE, *args[position])
            elif p.name == "size":
                kwargs["size"] = (SIZE, *kwargs["size"])
        return Case(case.row, tuple(args), kwargs).run()
    assert text.startswith("shift_dims("), f"{case.row.where}: unknown rule {text!r}"
    names = [n.strip() for n in text[len("shift_dims(") : -1].split(",")]
    if names == ["None"]:
        return None  # written with the row that takes `dim`
    types = {p.name: p.type for p in case.row.params}
    values = dict(case.items())
    for n in names:
        # Without `dim` some rows flatten: a batch of them flattens first.
        if types[n] == "int?" and values.get(n) is None:
            return None
        if case.row.name == "roll" and not values.get(n):
            return None
        if case.row.name == "_roll_back" and len(case.args) < 3:
            return None
    made = with_shifted_dims(case, stacked, names)
    if case.row.name.strip("_").startswith("permute"):  # the batch keeps its place
        dims = dict(made.items())["dims"]
        dims = tuple(d % np.ndim(stacked.args[0]) for d in dims)
        return Case(case.row, (made.args[0], (0, *dims)), {}).run()
    return made.run()


@each_row([r for r in ROWS if rule(r) not in NOT_BY_HAND])
def test_the_declared_batching_rule_equals_a_loop_over_the_batch(row):
    for case in cases(row):
        arrays = case.arrays()
        if not arrays or (arrays[0].ndim == 0 and not row.pointwise):
            continue
        members, stacked = batch(case)
        got = apply_rule(case, stacked)
        if got is None:
            continue
        looped = [m.run() for m in members]
        wanted = [np.stack([r[i].numpy() for r in looped]) for i in range(len(looped[0]))]
        assert_equal(got, wanted, rtol=1e-12)


def test_every_declared_rule_is_a_known_one():
    for row in ROWS:
        text = rule(row)
        known = text in NOT_BY_HAND or text in (KEEPS, ALIGNS, "keep_front")
        assert known or text.startswith("shift_dims("), f"{row.where}: {text!r}"
        for name in text.removeprefix("shift_dims(").rstrip(")").split(", "):
            if text.startswith("shift_dims(") and not known and name != "None":
                assert name in {p.name for p in row.params}, f"{row.where}: {text!r}"


def test_a_wrong_rule_is_noticed(monkeypatch):
    row = next(r for r in ROWS if r.cname == "cumsum")
    monkeypatch.setattr(row.row, "batch", "keep_front")
    with pytest.raises(AssertionError):
        test_the_declared_batching_rule_equals_a_loop_over_the_batch(row)
