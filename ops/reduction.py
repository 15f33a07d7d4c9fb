"""Operators that fold dimensions."""

from ops._dsl import LINEAR, REDUCE, cases, op


def _dims(random):
    x = random.uniform(-3, 3, (3, 4, 2))
    return [
        ((x,), {}),
        ((x,), {"dim": 1}),
        ((x,), {"dim": (0, 2), "keepdim": True}),
        ((x[:, ::2],), {"dim": -1}),
        ((random.uniform(-1, 1, ()),), {}),
        ((random.uniform(-1, 1, (0, 3)),), {"dim": 0}),
    ]


op(
    "sum(Tensor self, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    kind=REDUCE,
    kernel="sum",
    vjp={"self": "expand_back(grad, self.shape, dim, keepdim)"},
    jvp=LINEAR,
    batch="shift_dims(dim)",
    doc="Sum over `dim` (all dimensions by default).",
    ref="numpy.sum",
    samples=cases(_dims),
)
