"""Every row beside torch itself: values, gradients, second and forward derivatives."""

import warnings

import numpy as np
import oracle
import pytest

from table import references
from table.rows import ROWS, callable_of, cases, each_row, is_differentiable
from table.test_forward import resolve

pytestmark = pytest.mark.chainrule_only


def torch_name(row):
    """Where torch has the row's function, or None."""
    if row.ref and row.ref.startswith("torch."):
        return row.ref
    if row.name.startswith("_"):
        return None
    return f"torch.{row.name}"


# What torch has no derivative for; finite differences check these rows in test_derivatives.py.
HOLES_IN_TORCH = {
    "cdist": "no second derivative",
    "hardsigmoid": "no second derivative",
    "floor_divide": "no derivative; here it is 0, as that of floor",
    "scatter": "no second derivative where src is larger than index",
    "index_fill_tensor": "no forward mode with a tensor as value",
}


@each_row([r for r in ROWS if torch_name(r)], without=HOLES_IN_TORCH)
def test_values_and_derivatives_equal_torch(row, real_torch):
    try:
        function = resolve(torch_name(row))
    except (AttributeError, ModuleNotFoundError):
        pytest.skip(f"torch has no {torch_name(row)}")
    smooth = any(is_differentiable(row, p.name) for p in row.tensors)
    compared = 0
    for case in cases(row):
        moving = set(case.moving())

        def call(lib, *tensors, case=case):
            rest = iter(tensors)
            filled = case.map(lambda _: next(rest))
            if lib is real_torch:
                args, kwargs = references.torch_words(row, filled.args, filled.kwargs)
                out = function(*args, **kwargs)
            else:
                out = callable_of(row)(*filled.args, **filled.kwargs)
            outs = out if isinstance(out, (tuple, list)) else [out]
            if not smooth:
                return outs[0]
            # One number of all floating results, weighed so that none cancels.
            total = 0
            for i, o in enumerate(o for o in outs if o.dtype in (lib.float64, lib.float32)):
                weights = np.cos(0.3 + i + np.arange(o.numel(), dtype=float)).reshape(o.shape)
                total = total + (o * lib.tensor(weights)).sum()
            return total

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if smooth and moving:
                oracle.compare(
                    real_torch,
                    constant(call, moving),
                    *case.arrays(),
                    rtol=1e-6,
                    atol=1e-9,
                )
            else:
                got = call(oracle.chainrule, *map(oracle.chainrule.tensor, case.arrays()))
                wanted = call(real_torch, *map(real_torch.tensor, case.arrays()))
                if isinstance(got, oracle.chainrule.Tensor):
                    oracle.assert_same(got, wanted)
                else:
                    assert got == wanted
        compared += 1
    assert compared


def constant(call, moving):
    """The function with the inputs it is no function of kept out of the graph."""

    def wrapped(lib, *tensors):
        kept = [
            t if i in moving or not t.is_floating_point() else t.detach()
            for i, t in enumerate(tensors)
        ]
        return call(lib, *kept)

    return wrapped
