"""Operators that join tensors or bring them to common shapes."""

from ops._dsl import COMPOSITE, LINEAR, cases, op


def _array(random, *shape):
    return random.uniform(-1, 1, shape)


def _pair(**arguments):
    return cases(
        lambda random: [(([_array(random, 2, 3), _array(random, 2, 3)],), dict(arguments))]
    )


op(
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    kind=COMPOSITE,
    kernel="cat",
    method=False,
    aliases=("concat", "concatenate"),
    doc="The tensors one after the other along `dim`; the other sizes must agree.",
    ref="torch.cat",
    samples=cases(
        lambda random: [
            (([_array(random, 2, 3), _array(random, 1, 3)],), {}),
            (([_array(random, 2, 3), _array(random, 2, 0), _array(random, 2, 1)],), {"dim": -1}),
        ]
    ),
)
op(
    "_cat(Tensor[] tensors, int dim, int[] sizes) -> Tensor",
    kind=LINEAR,
    kernel="cat",
    node="CatBackward0",
    vjp={"tensors": "split_sizes(grad, sizes, dim)"},
    batch="shift_dims(dim)",
    method=False,
    doc="`cat` of tensors whose sizes along `dim` are `sizes`.",
)
op(
    "stack(Tensor[] tensors, int dim=0) -> Tensor",
    kind=LINEAR,
    kernel="stack",
    vjp={"tensors": "unbind(grad, dim)"},
    batch="shift_dims(dim)",
    method=False,
    doc="The tensors along a new dimension; all shapes must be equal.",
    ref="torch.stack",
    samples=cases(
        lambda random: [
            (([_array(random, 2, 3), _array(random, 2, 3)],), {}),
            (([_array(random, 2, 3), _array(random, 2, 3)],), {"dim": -1}),
        ]
    ),
)
for _name, _doc in (
    ("hstack", "Side by side: along dimension 1, or 0 of tensors with one dimension."),
    ("vstack", "On top of each other, after `atleast_2d`."),
    ("dstack", "Along the third dimension, after `atleast_3d`."),
    ("column_stack", "As columns: tensors with one dimension first become columns."),
):
    op(
        f"{_name}(Tensor[] tensors) -> Tensor",
        kind=COMPOSITE,
        kernel=_name,
        method=False,
        aliases=("row_stack",) if _name == "vstack" else (),
        doc=_doc,
        ref=f"torch.{_name}",
        samples=_pair(),
    )
for _name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    op(
        f"_{_name}(Tensor self) -> Tensor",
        kind=COMPOSITE,
        kernel=_name,
        method=False,
        doc=f"A view with {_name[8]} dimensions or more: `{_name}` of one tensor.",
    )
op(
    "_broadcast_tensors(Tensor[] tensors) -> Tensor[]",
    kind=COMPOSITE,
    kernel="broadcast_tensors",
    method=False,
    doc="All expanded to the shape that they broadcast to.",
)
op(
    "_meshgrid(Tensor[] tensors, str indexing='ij') -> Tensor[]",
    kind=COMPOSITE,
    kernel="meshgrid",
    method=False,
    doc="The coordinates of a grid: each vector expanded along the dimensions of the others.",
)
