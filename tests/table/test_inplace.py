"""In-place forms: the values and gradients of the operator, and one step of the version."""

import numpy as np
import pytest

import chainrule
from table.rows import ROWS, Problem, assert_equal, bindings, cases, each_row, tensor

pytestmark = pytest.mark.chainrule_only
IN_PLACE = [r for r in ROWS if bindings.has_inplace(r)]
WRITING = [r for r in IN_PLACE if r.inplace != "geometry"]
GEOMETRY = [r for r in IN_PLACE if r.inplace == "geometry"]


def fitting(row):
    """The cases whose result has the shape and dtype of the first tensor, which it replaces."""
    for case in cases(row):
        first = case.args[0]
        if isinstance(first, np.ndarray) and case.run()[0].shape == first.shape:
            yield case


def apply(case, values):
    """The in-place form on the first of these tensors."""
    rest = iter(values)
    filled = case.map(lambda _: next(rest))
    first, *others = filled.args
    return getattr(first, f"{case.row.name}_")(*others, **filled.kwargs)


@each_row(WRITING)
def test_the_in_place_form_gives_the_values_and_bumps_the_version(row):
    seen = False
    for case in fitting(row):
        wanted = case.run()[0]
        values = [tensor(a) for a in case.arrays()]
        before, place = values[0]._version, values[0].data_ptr()
        result = apply(case, values)
        assert result is values[0] and result.data_ptr() == place
        assert result._version == before + 1
        assert_equal([result], [wanted.to(result.dtype)], rtol=1e-14)
        seen = True
    assert seen


@each_row(GEOMETRY)
def test_the_in_place_form_of_a_view_takes_its_sizes_and_strides(row):
    for case in cases(row):
        wanted = case.run()[0]
        values = [tensor(a) for a in case.arrays()]
        place = values[0].data_ptr()
        result = apply(case, values)
        assert result is values[0] and result.data_ptr() == place
        assert result._version == 1
        assert result.stride() == wanted.stride()
        assert_equal([result], [wanted], rtol=0, atol=0)


class InPlace(Problem):
    """The same function by the in-place form, on a copy: a leaf cannot be changed."""

    def call(self, moving):
        values = [tensor(a) for a in self.arrays]
        for i, value in zip(self.moving, moving, strict=True):
            values[i] = value
        return [apply(self.case, [values[0].clone(), *values[1:]])]


@each_row([r for r in IN_PLACE if r.result != "bool"])
def test_gradients_through_the_in_place_form_equal_those_of_the_operator(row):
    for case in cases(row) if row.inplace == "geometry" else fitting(row):
        if not case.moving() or not (problem := Problem(case)):
            continue
        changed = InPlace(case)
        assert_equal(changed.gradient_values(), problem.gradient_values())
        assert_equal(changed.gradient_values(create_graph=True), problem.gradient_values())
        assert_equal(changed.tangents(), problem.tangents())


@each_row(IN_PLACE)
def test_the_in_place_form_refuses_a_leaf_that_requires_grad(row):
    for case in fitting(row):
        values = [tensor(a) for a in case.arrays()]
        if not values[0].is_floating_point():
            continue
        values[0].requires_grad_()
        with pytest.raises(RuntimeError, match="leaf"):
            apply(case, values)
        assert values[0]._version == 0
        break


def test_a_saved_value_that_was_changed_in_place_is_noticed():
    x = chainrule.ones(3, requires_grad=True)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("name", ["exp", "mul", "clamp_min"])
def test_a_form_that_is_not_in_place_is_noticed(name, monkeypatch):
    row = next(r for r in IN_PLACE if r.cname == name)
    monkeypatch.setitem(globals(), "apply", lambda case, values: case.call(values)[0])
    with pytest.raises(AssertionError):
        test_the_in_place_form_gives_the_values_and_bumps_the_version(row)
    with pytest.raises(pytest.fail.Exception):
        test_the_in_place_form_refuses_a_leaf_that_requires_grad(row)
