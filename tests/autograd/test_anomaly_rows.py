"""Every operator under the anomaly trap: it raises when a bad number appears, and only then."""

import numpy as np
import pytest
from table.rows import ROWS, cases, each_row, tensor

import chainrule as torch
from chainrule.autograd import AnomalyError, anomaly

pytestmark = pytest.mark.chainrule_only


def variants(array):
    """The sample, and versions of it at the edges of the operator's domain."""
    yield array
    if array.dtype.kind != "f" or array.size == 0:
        return
    with_zero, with_infinity = array.copy(), array.copy()
    with_zero.reshape(-1)[0] = 0
    with_infinity.reshape(-1)[0] = -np.inf
    yield from (with_zero, with_infinity, array * 0, array * 1e-40, array * 0 + 1)


def tensors_of(case, variant):
    """The case's tensors in that variant."""
    return [
        tensor(list(variants(a))[min(variant, len(list(variants(a))) - 1)], np.float32)
        for a in case.arrays()
    ]


def run(case, tensors):
    """Results and gradients of a call, with a seed of its own."""
    torch.manual_seed(0)
    leaves = [tensors[i].requires_grad_() for i in case.moving()]
    outputs = [o for o in case.call(tensors) if isinstance(o, torch.Tensor)]
    roots = [o for o in outputs if o.requires_grad]
    gradients = ()
    if roots:
        ones = [torch.ones_like(o) for o in roots]
        gradients = torch.autograd.grad(roots, leaves, ones, allow_unused=True)
    return [t for t in (*outputs, *gradients) if t is not None and t.is_floating_point()]


def holds(tensors):
    """Whether any has NaN, and whether any has an infinity."""
    return (
        any(bool(t.isnan().any()) for t in tensors),
        any(bool(t.isinf().any()) for t in tensors),
    )


@each_row(ROWS)
def test_an_operator_is_trapped_exactly_when_a_bad_number_appears(row):
    for case in cases(row):
        for variant in range(6):
            given = tensors_of(case, variant)
            try:
                results = run(case, given)
            except (RuntimeError, ValueError, IndexError, TypeError):
                continue  # what the operator refuses, such as probabilities below 0
            nan, infinite = holds(results)
            nan_given, infinite_given = holds([t for t in given if t.is_floating_point()])
            try:
                with anomaly():
                    run(case, tensors_of(case, variant))
                raised = False
            except AnomalyError:
                raised = True
            if nan and not nan_given:
                assert raised, f"variant {variant}: a NaN appeared"
            elif infinite and not infinite_given and not nan_given:
                assert raised, f"variant {variant}: an infinity appeared"
            elif not nan and not infinite:
                assert not raised, f"variant {variant}: all is finite"
