"""Operators whose result looks into the memory of their input, and their adjoints."""

from ops._dsl import COMPOSITE, LINEAR, VIEW, cases, op


def _array(random, *shape):
    return random.uniform(-1, 1, shape)


def _one(*shape, **arguments):
    """Samples of one tensor of the given shape, with the arguments by name."""
    return cases(lambda random: [((_array(random, *shape),), dict(arguments))])


def _several(shape, *arguments):
    """Samples of one tensor of the given shape, once for each set of arguments."""
    return cases(lambda random: [((_array(random, *shape),), dict(a)) for a in arguments])


# Sizes and strides -------------------------------------------------------------------------------

op(
    "expand(Tensor self, int[] size, *, bool implicit=False) -> Tensor",
    kind=VIEW,
    kernel="expand",
    vjp={"self": "sum_to_shape(grad, self.shape)"},
    batch="keep_front",
    function=False,
    doc="Repeats dimensions of size 1, without copying; -1 keeps a size.",
    ref="torch.Tensor.expand",
    samples=_several((3, 1), {"size": (2, 3, 4)}, {"size": (-1, 2)}),
)
op(
    "expand_as(Tensor self, Tensor other) -> Tensor",
    kind=COMPOSITE,
    kernel="expand_as",
    function=False,
    doc="Expands to the shape of `other`.",
    ref="torch.Tensor.expand_as",
    samples=cases(lambda random: [((_array(random, 3, 1), _array(random, 2, 3, 4)), {})]),
)
op(
    "broadcast_to(Tensor self, int[] size) -> Tensor",
    kind=COMPOSITE,
    kernel="broadcast_to",
    doc="Expands to the shape `size`.",
    ref="torch.broadcast_to",
    samples=_one(3, 1, size=(2, 3, 4)),
)
op(
    "as_strided(Tensor self, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    kind=VIEW,
    kernel="as_strided",
    vjp={
        "self": "_restride(grad, size, stride, storage_offset_or(storage_offset, self.offset), "
        "self.shape, self.strides, self.offset)"
    },
    jvp={
        "self": "_restride(self_t, self.shape, self.strides, self.offset, size, stride, "
        "storage_offset_or(storage_offset, self.offset))"
    },
    batch="loop",
    doc="A view with the given sizes, strides and offset (in elements) of the storage.",
    ref="torch.as_strided",
    samples=_one(4, 5, size=(3, 2), stride=(5, 2)),
)
op(
    "view.dtype(Tensor self, dtype? dtype) -> Tensor",
    kind=COMPOSITE,
    kernel="view_dtype",
    function=False,
    doc="The tensor itself as a view, if it has that dtype; bits are not reinterpreted.",
)
op(
    "view(Tensor self, int[] size) -> Tensor",
    kind=VIEW,
    kernel="view",
    vjp={"self": "reshape(grad, self.shape)"},
    batch="keep_front",
    function=False,
    doc="The same elements with another shape, without copying; one size may be -1.",
    ref="torch.Tensor.view",
    samples=_several((3, 4), {"size": (2, 6)}, {"size": (-1,)}, {"size": (3, 2, -1)}),
)
op(
    "_unsafe_view(Tensor self, int[] size) -> Tensor",
    kind=LINEAR,
    kernel="view",
    vjp={"self": "reshape(grad, self.shape)"},
    batch="keep_front",
    method=False,
    doc="Like `view`, of a fresh tensor that nobody else sees: in-place changes need no base.",
)
op(
    "reshape(Tensor self, int[] shape) -> Tensor",
    kind=COMPOSITE,
    kernel="reshape",
    doc="The same elements with another shape: a view where strides allow it, else a copy.",
    ref="torch.reshape",
    samples=cases(
        lambda random: [
            ((_array(random, 3, 4),), {"shape": (2, -1)}),
            ((_array(random, 4, 3).T,), {"shape": (12,)}),
        ]
    ),
)
op(
    "view_as(Tensor self, Tensor other) -> Tensor",
    kind=COMPOSITE,
    kernel="view_as",
    function=False,
    doc="A view with the shape of `other`.",
    ref="torch.Tensor.view_as",
    samples=cases(lambda random: [((_array(random, 3, 4), _array(random, 12)), {})]),
)
op(
    "reshape_as(Tensor self, Tensor other) -> Tensor",
    kind=COMPOSITE,
    kernel="reshape_as",
    function=False,
    doc="The same elements with the shape of `other`.",
    ref="torch.Tensor.reshape_as",
    samples=cases(lambda random: [((_array(random, 3, 4), _array(random, 12)), {})]),
)
op(
    "flatten(Tensor self, int start_dim=0, int end_dim=-1) -> Tensor",
    kind=COMPOSITE,
    kernel="flatten",
    doc="Merges the dimensions from `start_dim` to `end_dim` (both included) into one.",
    ref="torch.flatten",
    samples=_several((2, 3, 4), {}, {"start_dim": 1}, {"start_dim": 0, "end_dim": 1}),
)
op(
    "ravel(Tensor self) -> Tensor",
    kind=COMPOSITE,
    kernel="ravel",
    doc="All elements in one dimension: a view if the tensor is contiguous.",
    ref="torch.ravel",
    samples=_one(2, 3),
)
op(
    "unflatten(Tensor self, int dim, int[] sizes) -> Tensor",
    kind=COMPOSITE,
    kernel="unflatten",
    doc="Splits the dimension `dim` into several of the given sizes; one may be -1.",
    ref="torch.unflatten",
    samples=_several((2, 12), {"dim": 1, "sizes": (3, 4)}, {"dim": -1, "sizes": (-1, 2)}),
)

# Order of dimensions -----------------------------------------------------------------------------

op(
    "permute(Tensor self, int[] dims) -> Tensor",
    kind=VIEW,
    kernel="permute",
    vjp={"self": "_permute_back(grad, dims)"},
    batch="shift_dims(dims)",
    doc="The dimensions in the order `dims`.",
    ref="torch.permute",
    samples=_several((2, 3, 4), {"dims": (2, 0, 1)}, {"dims": (0, -1, 1)}),
)
op(
    "_permute_back(Tensor self, int[] dims) -> Tensor",
    kind=VIEW,
    kernel="permute_back",
    node="PermuteBackward0",
    vjp={"self": "permute(grad, dims)"},
    batch="shift_dims(dims)",
    method=False,
    doc="The inverse of `permute` with the same `dims`.",
)
op(
    "transpose(Tensor self, int dim0, int dim1) -> Tensor",
    kind=VIEW,
    kernel="transpose",
    inplace="geometry",
    vjp={"self": "transpose(grad, dim0, dim1)"},
    batch="shift_dims(dim0, dim1)",
    aliases=("swapaxes", "swapdims"),
    doc="Swaps two dimensions.",
    ref="torch.transpose",
    samples=_several((2, 3, 4), {"dim0": 0, "dim1": 2}, {"dim0": -1, "dim1": -2}),
)
op(
    "t(Tensor self) -> Tensor",
    kind=VIEW,
    kernel="t",
    inplace="geometry",
    node="TBackward0",
    vjp={"self": "t(grad)"},
    batch="loop",
    doc="The transpose of a matrix; tensors with fewer dimensions as they are.",
    ref="torch.t",
    samples=cases(lambda random: [((_array(random, 2, 3),), {}), ((_array(random, 3),), {})]),
)
op(
    "_numpy_T(Tensor self) -> Tensor",
    kind=COMPOSITE,
    kernel="numpy_T",
    method=False,
    doc="The dimensions in reverse order: the attribute `T`.",
)
op(
    "_mT(Tensor self) -> Tensor",
    kind=COMPOSITE,
    kernel="matrix_T",
    method=False,
    doc="The last two dimensions swapped: the attribute `mT`.",
)
op(
    "_H(Tensor self) -> Tensor",
    kind=COMPOSITE,
    kernel="matrix_H",
    method=False,
    doc="The conjugate transpose of a matrix: the attribute `H`.",
)
op(
    "adjoint(Tensor self) -> Tensor",
    kind=COMPOSITE,
    kernel="adjoint",
    doc="The last two dimensions swapped, and conjugated: the attribute `mH`.",
    ref="torch.adjoint",
    samples=_one(2, 3, 4),
)
op(
    "movedim.int(Tensor self, int source, int destination) -> Tensor",
    kind=COMPOSITE,
    kernel="movedim_int",
    aliases=("moveaxis",),
    doc="Moves a dimension to another place.",
    ref="torch.movedim",
    samples=_one(2, 3, 4, source=0, destination=-1),
)
op(
    "movedim(Tensor self, int[] source, int[] destination) -> Tensor",
    kind=COMPOSITE,
    kernel="movedim",
    aliases=("moveaxis",),
    doc="Moves dimensions to other places; the others keep their order.",
    ref="torch.movedim",
    samples=_one(2, 3, 4, source=(0, 1), destination=(1, 2)),
)

# Dimensions of size 1 ----------------------------------------------------------------------------

op(
    "squeeze(Tensor self) -> Tensor",
    kind=VIEW,
    kernel="squeeze",
    inplace="geometry",
    vjp={"self": "view(grad, self.shape)"},
    batch="loop",
    doc="Without the dimensions of size 1.",
    ref="torch.squeeze",
    samples=_one(1, 3, 1),
)
op(
    "squeeze.dim(Tensor self, int dim) -> Tensor",
    kind=VIEW,
    kernel="squeeze_dim",
    inplace="geometry",
    node="SqueezeBackward1",
    vjp={"self": "view(grad, self.shape)"},
    batch="shift_dims(dim)",
    doc="Without the dimension `dim` if its size is 1.",
    ref="torch.squeeze",
    samples=_several((1, 3, 1), {"dim": 0}, {"dim": 1}, {"dim": -1}),
)
op(
    "squeeze.dims(Tensor self, int[] dim) -> Tensor",
    kind=VIEW,
    kernel="squeeze_dims",
    inplace="geometry",
    node="SqueezeBackward2",
    vjp={"self": "view(grad, self.shape)"},
    batch="shift_dims(dim)",
    doc="Without those of the dimensions `dim` whose size is 1.",
    ref="torch.squeeze",
    samples=_one(1, 3, 1, dim=(0, 1)),
)
op(
    "unsqueeze(Tensor self, int dim) -> Tensor",
    kind=VIEW,
    kernel="unsqueeze",
    inplace="geometry",
    vjp={"self": "squeeze_dim(grad, dim)"},
    batch="shift_dims(dim)",
    doc="With a new dimension of size 1 at `dim`.",
    ref="torch.unsqueeze",
    samples=_several((2, 3), {"dim": 0}, {"dim": 1}, {"dim": -1}),
)

# Parts -------------------------------------------------------------------------------------------

op(
    "_alias(Tensor self) -> Tensor",
    kind=VIEW,
    kernel="alias",
    node="AliasBackward0",
    vjp={"self": "grad"},
    batch="keep_front",
    method=False,
    doc="A view of all: `x[...]`.",
)
op(
    "select(Tensor self, int dim, int index) -> Tensor",
    kind=VIEW,
    kernel="select",
    vjp={"self": "_select_adjoint(grad, self.shape, dim, index)"},
    batch="shift_dims(dim)",
    doc="The slice at `index` of the dimension `dim`, without that dimension.",
    ref="torch.select",
    samples=_several((3, 4), {"dim": 0, "index": 1}, {"dim": -1, "index": -2}),
)
op(
    "_select_adjoint(Tensor self, int[] shape, int dim, int index) -> Tensor",
    kind=LINEAR,
    kernel="select_adjoint",
    node="SelectBackwardBackward0",
    vjp={"self": "select(grad, dim, index)"},
    batch="loop",
    method=False,
    doc="Zeros of `shape` with `self` at `index` of `dim`.",
)
op(
    "_slice(Tensor self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    kind=VIEW,
    kernel="slice",
    node="SliceBackward0",
    vjp={"self": "_slice_adjoint(grad, self.shape, dim, start, end, step)"},
    batch="shift_dims(dim)",
    method=False,
    doc="Every `step`-th from `start` up to `end` along `dim`, as a Python slice.",
)
op(
    "_slice_adjoint(Tensor self, int[] shape, int dim, int? start, int? end, int step) -> Tensor",
    kind=LINEAR,
    kernel="slice_adjoint",
    node="SliceBackwardBackward0",
    vjp={"self": "_slice(grad, dim, start, end, step)"},
    batch="loop",
    method=False,
    doc="Zeros of `shape` with `self` in the place of a slice.",
)
op(
    "narrow(Tensor self, int dim, int start, int length) -> Tensor",
    kind=COMPOSITE,
    kernel="narrow",
    doc="`length` entries from `start` along `dim`.",
    ref="torch.narrow",
    samples=_several(
        (3, 4), {"dim": 1, "start": 1, "length": 2}, {"dim": 0, "start": -1, "length": 1}
    ),
)
op(
    "diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    kind=VIEW,
    kernel="diagonal",
    vjp={"self": "_diagonal_adjoint(grad, self.shape, offset, dim1, dim2)"},
    batch="shift_dims(dim1, dim2)",
    doc="The diagonal of two dimensions, as the last dimension.",
    ref="torch.diagonal",
    samples=_several((3, 4), {}, {"offset": 1}, {"offset": -1, "dim1": 1, "dim2": 0}),
)
op(
    "_diagonal_adjoint(Tensor self, int[] shape, int offset, int dim1, int dim2) -> Tensor",
    kind=LINEAR,
    kernel="diagonal_adjoint",
    node="DiagonalBackwardBackward0",
    vjp={"self": "diagonal(grad, offset, dim1, dim2)"},
    batch="loop",
    method=False,
    doc="Zeros of `shape` with `self` on a diagonal.",
)
op(
    "unfold(Tensor self, int dimension, int size, int step) -> Tensor",
    kind=VIEW,
    kernel="unfold",
    vjp={"self": "_unfold_adjoint(grad, self.shape, dimension, size, step)"},
    batch="shift_dims(dimension)",
    function=False,
    doc="All windows of `size` entries along `dimension`, `step` apart, as a new last dimension.",
    ref="torch.Tensor.unfold",
    samples=_several(
        (3, 7), {"dimension": 1, "size": 3, "step": 2}, {"dimension": 0, "size": 2, "step": 1}
    ),
)
op(
    "_unfold_adjoint(Tensor self, int[] shape, int dimension, int size, int step) -> Tensor",
    kind=LINEAR,
    kernel="unfold_adjoint",
    node="UnfoldBackwardBackward0",
    vjp={"self": "unfold(grad, dimension, size, step)"},
    batch="loop",
    method=False,
    doc="Adds windows up where `unfold` read them.",
)

# Several views -----------------------------------------------------------------------------------

op(
    "unbind(Tensor self, int dim=0) -> Tensor[]",
    kind=VIEW,
    kernel="unbind",
    multi_view=True,
    vjp={"self": "stack(grads, dim)"},
    batch="shift_dims(dim)",
    doc="The slices along `dim`, each without that dimension.",
    ref="torch.unbind",
    samples=_several((3, 4), {}, {"dim": 1}),
)
op(
    "split(Tensor self, int split_size, int dim=0) -> Tensor[]",
    kind=VIEW,
    kernel="split",
    multi_view=True,
    vjp={"self": "cat(grads, dim)"},
    batch="shift_dims(dim)",
    doc="Parts of `split_size` along `dim`; the last may be smaller.",
    ref="torch.split",
    samples=cases(
        lambda random: [((_array(random, 5, 4), 2), {}), ((_array(random, 5, 4), 3), {"dim": 1})]
    ),
)
op(
    "split.sizes(Tensor self, int[] split_size, int dim=0) -> Tensor[]",
    kind=VIEW,
    kernel="split_sizes",
    node="SplitWithSizesBackward0",
    multi_view=True,
    vjp={"self": "cat(grads, dim)"},
    batch="shift_dims(dim)",
    doc="Parts of the given sizes along `dim`.",
    ref="torch.split",
    samples=cases(lambda random: [((_array(random, 5, 4), (2, 0, 3)), {})]),
)
op(
    "split_with_sizes(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]",
    kind=COMPOSITE,
    kernel="split_with_sizes",
    doc="Parts of the given sizes along `dim`.",
    ref="torch.split_with_sizes",
    samples=_one(5, 4, split_sizes=(2, 3)),
)
op(
    "chunk(Tensor self, int chunks, int dim=0) -> Tensor[]",
    kind=COMPOSITE,
    kernel="chunk",
    doc="At most `chunks` parts of equal size along `dim`; the last may be smaller.",
    ref="torch.chunk",
    samples=_several((5, 4), {"chunks": 2}, {"chunks": 4}, {"chunks": 2, "dim": 1}),
)
op(
    "tensor_split(Tensor self, int indices_or_sections, int dim=0) -> Tensor[]",
    kind=COMPOSITE,
    kernel="tensor_split",
    doc="That many parts along `dim`, of sizes that differ by one at most.",
    ref="torch.tensor_split",
    samples=cases(lambda random: [((_array(random, 5, 4), 3), {})]),
)
op(
    "tensor_split.indices(Tensor self, int[] indices_or_sections, int dim=0) -> Tensor[]",
    kind=COMPOSITE,
    kernel="tensor_split_indices",
    doc="Parts along `dim` that begin at the given places.",
    ref="torch.tensor_split",
    samples=cases(lambda random: [((_array(random, 5, 4), (1, 3)), {})]),
)
