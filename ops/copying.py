"""Operators that copy elements: conversions, clones, other orders of elements."""

from ops._dsl import COMPOSITE, LINEAR, cases, op


def _array(random, *shape):
    return random.uniform(-1, 1, shape)


def _several(shape, *arguments):
    """Samples of one tensor of the given shape, once for each set of arguments."""
    return cases(lambda random: [((_array(random, *shape),), dict(a)) for a in arguments])


op(
    "clone(Tensor self, *, str? memory_format=None) -> Tensor",
    kind=LINEAR,
    kernel="clone",
    vjp={"self": "grad"},
    batch="keep_front",
    doc="A copy with its own memory; dense strides are kept unless `memory_format` says otherwise.",
    ref="torch.clone",
    samples=cases(lambda random: [((_array(random, 3, 4).T,), {})]),
)
op(
    "contiguous(Tensor self, *, str? memory_format=None) -> Tensor",
    kind=COMPOSITE,
    kernel="contiguous",
    function=False,
    doc="The tensor itself if its memory is row-major, else a copy that is.",
    ref="torch.Tensor.contiguous",
    samples=cases(lambda random: [((_array(random, 3, 4).T,), {}), ((_array(random, 3),), {})]),
)
op(
    "_to_dtype(Tensor self, dtype? dtype=None) -> Tensor",
    kind=LINEAR,
    kernel="to_dtype",
    node="ToCopyBackward0",
    vjp={"self": "_to_dtype(grad, self.dtype)"},
    jvp={"self": "_to_dtype(self_t, dtype)"},
    batch="keep_front",
    method=False,
    doc="A copy with another dtype.",
)
op(
    "_to(Tensor self, dtype? dtype=None, bool copy=False, str? memory_format=None) -> Tensor",
    kind=COMPOSITE,
    kernel="to",
    method=False,
    doc="With another dtype: the tensor itself if it has it already and `copy` is not asked for.",
)
op(
    "_restride(Tensor self, int[] size, int[] stride, int offset, "
    "int[] out_size, int[] out_stride, int out_offset) -> Tensor",
    kind=LINEAR,
    kernel="restride",
    node="RestrideBackward0",
    vjp={"self": "_restride(grad, out_size, out_stride, out_offset, size, stride, offset)"},
    batch="loop",
    method=False,
    doc="Adds the elements into a zero buffer at one geometry, reads them at another: the adjoint "
    "of reading through `as_strided`.",
)

# Other orders of elements ------------------------------------------------------------------------

op(
    "flip(Tensor self, int[] dims) -> Tensor",
    kind=LINEAR,
    kernel="flip",
    vjp={"self": "flip(grad, dims)"},
    batch="shift_dims(dims)",
    doc="The elements in reverse order along the dimensions `dims`.",
    ref="torch.flip",
    samples=_several((3, 4), {"dims": (0,)}, {"dims": (0, -1)}),
)
op(
    "fliplr(Tensor self) -> Tensor",
    kind=COMPOSITE,
    kernel="fliplr",
    doc="The columns in reverse order.",
    ref="torch.fliplr",
    samples=_several((3, 4), {}),
)
op(
    "flipud(Tensor self) -> Tensor",
    kind=COMPOSITE,
    kernel="flipud",
    doc="The rows in reverse order.",
    ref="torch.flipud",
    samples=_several((3, 4), {}),
)
op(
    "roll.int(Tensor self, int shifts, int dims) -> Tensor",
    kind=COMPOSITE,
    kernel="roll_int",
    doc="Moves the elements by `shifts` along `dims`; those that leave come in at the other end.",
    ref="torch.roll",
    samples=_several((3, 4), {"shifts": 1, "dims": 0}, {"shifts": -6, "dims": 1}),
)
op(
    "roll(Tensor self, int[] shifts, int[] dims=()) -> Tensor",
    kind=LINEAR,
    kernel="roll",
    vjp={"self": "_roll_back(grad, shifts, dims)"},
    batch="shift_dims(dims)",
    doc="The same along several dimensions; without `dims` over the flattened tensor.",
    ref="torch.roll",
    samples=_several((3, 4), {"shifts": (1, -1), "dims": (0, 1)}, {"shifts": 5}),
)
op(
    "_roll_back(Tensor self, int[] shifts, int[] dims=()) -> Tensor",
    kind=LINEAR,
    kernel="roll_back",
    node="RollBackward0",
    vjp={"self": "roll(grad, shifts, dims)"},
    batch="shift_dims(dims)",
    method=False,
    doc="The inverse of `roll` with the same arguments.",
)
op(
    "triu(Tensor self, int diagonal=0) -> Tensor",
    kind=LINEAR,
    kernel="triu",
    vjp={"self": "triu(grad, diagonal)"},
    batch="keep_front",
    doc="The matrices with zeros below the given diagonal.",
    ref="torch.triu",
    samples=_several((3, 4), {}, {"diagonal": 1}, {"diagonal": -1}),
)
op(
    "tril(Tensor self, int diagonal=0) -> Tensor",
    kind=LINEAR,
    kernel="tril",
    vjp={"self": "tril(grad, diagonal)"},
    batch="keep_front",
    doc="The matrices with zeros above the given diagonal.",
    ref="torch.tril",
    samples=_several((3, 4), {}, {"diagonal": 1}, {"diagonal": -1}),
)
op(
    "diag(Tensor self, int diagonal=0) -> Tensor",
    kind=COMPOSITE,
    kernel="diag",
    doc="A matrix with the vector on a diagonal; of a matrix, a copy of that diagonal.",
    ref="torch.diag",
    samples=cases(
        lambda random: [((_array(random, 3), 1), {}), ((_array(random, 3, 4),), {"diagonal": -1})]
    ),
)
op(
    "diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
    kind=LINEAR,
    kernel="diag_embed",
    vjp={"self": "diagonal(grad, offset, dim1, dim2)"},
    batch="loop",
    doc="Zeros with the last dimension spread over a diagonal of two new ones.",
    ref="torch.diag_embed",
    samples=_several((2, 3), {}, {"offset": -1, "dim1": 0, "dim2": 2}),
)
op(
    "repeat(Tensor self, int[] repeats) -> Tensor",
    kind=LINEAR,
    kernel="repeat",
    vjp={"self": "_repeat_adjoint(grad, self.shape, repeats)"},
    batch="loop",
    function=False,
    doc="Copies of the whole tensor side by side, that many along each dimension.",
    ref="torch.Tensor.repeat",
    samples=_several((2, 3), {"repeats": (2, 1)}, {"repeats": (2, 1, 3)}),
)
op(
    "_repeat_adjoint(Tensor self, int[] shape, int[] repeats) -> Tensor",
    kind=COMPOSITE,
    kernel="repeat_adjoint",
    method=False,
    doc="The sum of the copies that `repeat` made.",
)
op(
    "tile(Tensor self, int[] dims) -> Tensor",
    kind=COMPOSITE,
    kernel="tile",
    doc="Like `repeat`; leading dimensions that `dims` leaves out are kept.",
    ref="torch.tile",
    samples=_several((2, 3), {"dims": (2,)}, {"dims": (2, 1, 2)}),
)
op(
    "repeat_interleave(Tensor self, int repeats, int? dim=None) -> Tensor",
    kind=COMPOSITE,
    kernel="repeat_interleave",
    doc="Each entry along `dim` that many times in a row; without `dim` of the flattened tensor.",
    ref="torch.repeat_interleave",
    samples=_several((2, 3), {"repeats": 2}, {"repeats": 2, "dim": 0}),
)
op(
    "repeat_interleave.tensor(Tensor self, Tensor repeats, int? dim=None) -> Tensor",
    kind=COMPOSITE,
    kernel="repeat_interleave_tensor",
    doc="Entry i along `dim` repeats[i] times in a row.",
)
