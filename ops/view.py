"""Operators whose result looks into the memory of their input."""

from ops._dsl import VIEW, cases, op


def _expand(random):
    return [((random.uniform(-1, 1, (3, 1)),), {"size": (2, 3, 4)})]


op(
    "expand(Tensor self, int[] size, *, bool implicit=False) -> Tensor",
    kind=VIEW,
    kernel="expand",
    vjp={"self": "sum_to_shape(grad, self.shape)"},
    batch="keep_front",
    function=False,
    doc="Repeats dimensions of size 1, without copying; -1 keeps a size.",
    ref="torch.Tensor.expand",
    samples=cases(_expand),
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
    samples=cases(
        lambda random: [((random.uniform(-1, 1, (4, 5)),), {"size": (3, 2), "stride": (5, 2)})]
    ),
)
