"""Operators that copy elements: conversions, clones, reading through another geometry."""

from ops._dsl import LINEAR, cases, op

op(
    "clone(Tensor self, *, str? memory_format=None) -> Tensor",
    kind=LINEAR,
    kernel="clone",
    vjp={"self": "grad"},
    batch="keep_front",
    doc="A copy with its own memory; dense strides are kept.",
    ref="torch.clone",
    samples=cases(lambda random: [((random.uniform(-1, 1, (3, 4)).T,), {})]),
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
