"""Values of every row: against its reference, in each dtype, by function and by method."""

import importlib
import warnings

import numpy as np
import pytest

import chainrule
from table import references
from table.rows import (
    BY_NAME,
    POINTWISE,
    ROWS,
    Case,
    as_array,
    assert_equal,
    cases,
    each_row,
    generator,
    tensor,
)

pytestmark = pytest.mark.chainrule_only
DTYPES = {"f": [np.float32, np.float64], "i": [np.int64], "b": [np.bool_]}


def resolve(path):
    """The object that a dotted name means; skips where its package is not installed."""
    first, *rest = path.split(".")
    found = pytest.importorskip(first)
    for name in rest:
        if not hasattr(found, name):
            found = importlib.import_module(f"{found.__name__}.{name}")
        else:
            found = getattr(found, name)
    return found


def reference(row):
    """A function of a case that gives the expected arrays, or None where the row has none."""
    own = references.REFERENCES.get(row.cname)
    if own is not None:
        return lambda case: flat(own(*case.args, **case.kwargs))
    if row.ref is None:
        return None
    function = resolve(row.ref)
    if row.ref.startswith("torch."):
        torch = pytest.importorskip("torch")

        def call(case):
            made = case.map(lambda a: torch.from_numpy(np.array(a)))
            args, kwargs = references.torch_words(row, made.args, made.kwargs)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return flat(function(*args, **kwargs))

        return call
    return lambda case: flat(function(*case.args, **references.numpy_words(row, case.kwargs)))


def flat(results):
    return list(results) if isinstance(results, (tuple, list)) else [results]


def compare(got, wanted, rtol):
    """Values agree; kinds of dtype (floating, integer, bool) too."""
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        x, y = as_array(a), as_array(b)
        assert x.shape == y.shape, f"shape {x.shape}, not {y.shape}"
        assert x.dtype.kind == y.dtype.kind, f"{x.dtype}, not {y.dtype}"
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * 1e-2)


@each_row(ROWS, without=references.WITHOUT)
def test_values_equal_the_reference(row):
    expected = reference(row)
    for case in cases(row):
        with np.errstate(all="ignore"):
            wanted = expected(case)
        compare(case.run(), wanted, 1e-12)


def test_every_row_has_a_reference_or_says_why_not():
    without = {r.cname for r in ROWS if r.ref is None and r.cname not in references.REFERENCES}
    assert without == set(references.WITHOUT)


@each_row(ROWS)
def test_float32_gives_the_values_of_float64(row):
    for case in cases(row):
        rounded = case.map(lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a)
        single, double = rounded.run(), rounded.run(np.float64)
        assert len(single) == len(double)
        for a, b in zip(single, double, strict=True):
            x, y = as_array(a), as_array(b)
            if y.dtype == np.float64 and isinstance(b, chainrule.Tensor):
                if case.arrays() and any(a.dtype.kind == "f" for a in case.arrays()):
                    assert x.dtype == np.float32
                np.testing.assert_allclose(x, y, rtol=3e-5, atol=3e-6)
            else:
                np.testing.assert_array_equal(x, y)


def whole_numbers(case, dtype):
    """The case with its arrays rounded to small whole numbers (never 0) of a dtype."""
    random = generator(case.row, 7)

    def convert(array):
        if array.dtype.kind == "i" and dtype is np.bool_ and case.row.pointwise:
            return array > 0
        if array.dtype.kind != "f":
            return array
        if case.row.name == "_pow":  # integers have no negative powers
            return random.integers(0, 4, array.shape)
        if dtype is np.bool_:
            return random.uniform(0, 1, array.shape) > 0.5
        return random.integers(1, 6, array.shape) * random.choice([-1, 1], array.shape)

    return case.map(convert)


def declared(row, letter):
    """Whether a pointwise row has loops for the dtype."""
    return letter in (row.dtypes or ("f" if row.result == "float" else "fib"))


@each_row([r for r in POINTWISE if declared(r, "i") or declared(r, "b")], references.FLOATING_ONLY)
def test_integers_and_bools_give_the_values_of_the_reference(row):
    expected = reference(row) or pytest.skip("no reference")
    for letter in "ib":
        if not declared(row, letter):
            continue
        for case in cases(row):
            case = whole_numbers(case, DTYPES[letter][0])
            if any(isinstance(v, float) for _, v in case.items()):
                continue
            if references.refused(row, letter):
                with pytest.raises((RuntimeError, TypeError)):
                    case.run()
                continue
            with np.errstate(all="ignore"):
                wanted = expected(case)
            got = case.run()
            compare(got, wanted, 0)
            if row.result == "same":
                assert as_array(got[0]).dtype == DTYPES[letter][0]


@each_row([r for r in POINTWISE if r.result == "float"])
def test_integers_become_floating_where_the_function_does(row):
    for case in cases(row):
        whole = whole_numbers(case, np.int64)
        got = whole.run()
        assert got[0].dtype == chainrule.float32
        floats = whole.map(lambda a: a.astype(np.float32))
        assert_equal(got, floats.run(), rtol=0, atol=0)


@each_row([r for r in ROWS if r.function and r.method and r.params and r.params[0].is_tensor])
def test_the_method_and_the_aliases_equal_the_function(row):
    if row.params[0].type != "Tensor":
        return
    for case in cases(row):
        values = [tensor(a) for a in case.arrays()]
        wanted = case.call(values)
        rest = iter(values)
        first, *args = (filled := case.map(lambda _, rest=rest: next(rest))).args
        for name in (row.name, *row.aliases):
            got = flat(getattr(first, name)(*args, **filled.kwargs))
            assert_equal(got, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["exp", "add", "tanh"])
def test_a_wrong_value_is_noticed(name, monkeypatch):
    """The comparison itself can fail."""
    row = BY_NAME[name]
    expected = reference(row)
    monkeypatch.setattr(Case, "run", lambda self: [as_array(expected(self)[0]) * (1 + 1e-9)])
    case = cases(row)[1]
    with pytest.raises(AssertionError):
        compare(case.run(), expected(case), 1e-12)


def test_view_of_the_same_dtype_is_the_tensor_and_of_another_is_refused():
    x = chainrule.tensor([1.0, -2.0], dtype=chainrule.float64)
    same = x.view(chainrule.float64)
    assert same.data_ptr() == x.data_ptr() and same.tolist() == x.tolist()
    with pytest.raises(NotImplementedError, match=r"use|convert"):
        x.view(chainrule.int64)
