"""Operators that pick elements by index and put them back; sorting.

Advanced indexing comes here with its keys normalised: `indices[i]` (int64) indexes the dimension
`dims[i]` of `self`; masks have become indices, and dimensions without an index are not named.
"""

from ops._dsl import COMPOSITE, LINEAR, NONDIFFERENTIABLE, STRUCTURAL, cases, op


def _array(random, *shape):
    return random.uniform(-1, 1, shape)


def _with_index(*arguments):
    """Samples of a 4×5 tensor with an index (a function of the generator) among the arguments."""
    return cases(
        lambda random: [
            (
                (_array(random, 4, 5),),
                {k: v(random) if callable(v) else v for k, v in case.items()},
            )
            for case in arguments
        ]
    )


def _distinct(size, count):
    return lambda random: random.permutation(size)[:count]


def _integers(size, *shape):
    return lambda random: random.integers(0, size, shape)


# By index along one dimension --------------------------------------------------------------------

op(
    "index_select(Tensor self, int dim, Tensor index) -> Tensor",
    kind=LINEAR,
    kernel="index_select",
    vjp={"self": "_index_select_adjoint(grad, self.shape, dim, index)", "index": None},
    batch="shift_dims(dim)",
    doc="The entries `index` (a vector) along `dim`.",
    ref="torch.index_select",
    samples=_with_index(
        {"dim": 0, "index": _integers(4, 6)}, {"dim": -1, "index": _integers(5, 3)}
    ),
)
op(
    "_index_select_adjoint(Tensor self, int[] shape, int dim, Tensor index) -> Tensor",
    kind=LINEAR,
    kernel="index_select_adjoint",
    vjp={"self": "index_select(grad, dim, index)", "index": None},
    batch="loop",
    method=False,
    doc="Zeros of `shape` to which `self` is added at the entries `index` along `dim`.",
)
op(
    "index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    kind=STRUCTURAL,
    kernel="index_add",
    vjp={
        "self": "grad",
        "index": None,
        "source": "index_select(grad, dim, index) * alpha",
    },
    jvp={
        "self": "clone(self_t)",
        "source": "index_add(_zeros(self.shape, self.dtype), dim, index, source_t, alpha)",
    },
    batch="shift_dims(dim)",
    doc="`alpha`·`source` added at the entries `index` along `dim`; repeated entries add up.",
    ref="torch.index_add",
    samples=_with_index(
        {
            "dim": 1,
            "index": _integers(5, 3),
            "source": lambda random: _array(random, 4, 3),
            "alpha": 0.5,
        }
    ),
)
op(
    "index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
    kind=STRUCTURAL,
    kernel="index_copy",
    vjp={
        "self": "index_fill(grad, dim, index, 0)",
        "index": None,
        "source": "index_select(grad, dim, index)",
    },
    jvp={
        "self": "index_fill(self_t, dim, index, 0)",
        "source": "index_copy(_zeros(self.shape, self.dtype), dim, index, source_t)",
    },
    batch="shift_dims(dim)",
    doc="`source` written at the entries `index` along `dim`.",
    ref="torch.index_copy",
    samples=_with_index(
        {"dim": 0, "index": _distinct(4, 2), "source": lambda random: _array(random, 2, 5)}
    ),
)
op(
    "index_fill.tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
    kind=STRUCTURAL,
    kernel="index_fill_tensor",
    node="IndexFillBackward1",
    vjp={
        "self": "index_fill(grad, dim, index, 0)",
        "index": None,
        "value": "sum(index_select(grad, dim, _distinct_entries(index, self.shape, dim)))",
    },
    jvp={
        "self": "index_fill(self_t, dim, index, 0)",
        "value": "index_fill_tensor(_zeros(self.shape, self.dtype), dim, index, value_t)",
    },
    batch="shift_dims(dim) unless value has a batch, else loop",
    doc="`value` (0-d) written at the entries `index` along `dim`.",
    ref="torch.index_fill",
    samples=_with_index(
        {"dim": 1, "index": _integers(5, 2), "value": lambda random: _array(random)}
    ),
)
op(
    "index_fill(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
    kind=STRUCTURAL,
    kernel="index_fill",
    vjp={"self": "index_fill(grad, dim, index, 0)", "index": None},
    jvp={"self": "index_fill(self_t, dim, index, 0)"},
    batch="shift_dims(dim)",
    doc="The same with a number.",
    ref="torch.index_fill",
    samples=_with_index({"dim": 1, "index": _integers(5, 2), "value": 2.5}),
)
op(
    "_distinct_entries(Tensor self, int[] shape, int dim) -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="distinct_entries",
    method=False,
    doc="The different entries of an index vector of dimension `dim`, from 0 upwards.",
)

# By index along one dimension, with a place for every element ------------------------------------

op(
    "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
    kind=LINEAR,
    kernel="gather",
    vjp={"self": "_gather_adjoint(grad, self.shape, dim, index)", "index": None},
    batch="shift_dims(dim)",
    doc="out[i][j] = self[index[i][j]][j] for `dim` 0, and so on.",
    ref="torch.gather",
    samples=_with_index(
        {"dim": 0, "index": _integers(4, 3, 5)}, {"dim": 1, "index": _integers(5, 4, 2)}
    ),
)
op(
    "_gather_adjoint(Tensor self, int[] shape, int dim, Tensor index) -> Tensor",
    kind=LINEAR,
    kernel="gather_adjoint",
    vjp={"self": "gather(grad, dim, index)", "index": None},
    batch="loop",
    method=False,
    doc="Zeros of `shape` to which `self` is added where `gather` reads.",
)
op(
    "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
    kind=STRUCTURAL,
    kernel="scatter_value",
    node="ScatterBackward1",
    vjp={"self": "scatter_value(grad, dim, index, 0)", "index": None},
    jvp={"self": "scatter_value(self_t, dim, index, 0)"},
    batch="shift_dims(dim)",
    doc="`value` written where `gather` with the same index would read.",
    ref="torch.scatter",
    samples=_with_index({"dim": 1, "index": _integers(5, 4, 2), "value": 2.5}),
)
op(
    "scatter(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    kind=STRUCTURAL,
    kernel="scatter",
    vjp={
        "self": "scatter_value(grad, dim, index, 0)",
        "index": None,
        "src": "_gather_for(grad, dim, index, src.shape)",
    },
    jvp={
        "self": "scatter_value(self_t, dim, index, 0)",
        "src": "scatter(_zeros(self.shape, self.dtype), dim, index, src_t)",
    },
    batch="shift_dims(dim)",
    doc="Elements of `src` written where `gather` with the same index would read.",
    ref="torch.scatter",
    samples=cases(
        lambda random: [
            (
                (_array(random, 4, 5),),
                {
                    "dim": 0,
                    "index": random.permuted([[0, 1, 2, 3]] * 3, axis=1)[:, :2].T,
                    "src": _array(random, 3, 4),
                },
            )
        ]
    ),
)
op(
    "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
    kind=STRUCTURAL,
    kernel="scatter_add",
    vjp={
        "self": "grad",
        "index": None,
        "src": "_gather_for(grad, dim, index, src.shape)",
    },
    jvp={
        "self": "clone(self_t)",
        "src": "scatter_add(_zeros(self.shape, self.dtype), dim, index, src_t)",
    },
    batch="shift_dims(dim)",
    doc="Elements of `src` added where `gather` with the same index would read.",
    ref="torch.scatter_add",
    samples=_with_index(
        {
            "dim": 1,
            "index": _integers(5, 4, 3),
            "src": lambda random: _array(random, 4, 3),
        }
    ),
)
op(
    "_gather_for(Tensor self, int dim, Tensor index, int[] shape) -> Tensor",
    kind=COMPOSITE,
    kernel="gather_for",
    method=False,
    doc="`gather`, with zeros around it up to `shape`: `scatter` reads the start of `src` only.",
)
op(
    "take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor",
    kind=COMPOSITE,
    kernel="take_along_dim",
    doc="`gather` with broadcasting; without `dim` over the flattened tensor.",
    ref="torch.take_along_dim",
    samples=_with_index({"indices": _integers(5, 4, 1), "dim": 1}, {"indices": _integers(20, 7)}),
)
op(
    "take(Tensor self, Tensor index) -> Tensor",
    kind=LINEAR,
    kernel="take",
    vjp={"self": "_take_adjoint(grad, self.shape, index)", "index": None},
    batch="loop",
    doc="The elements at `index` of the flattened tensor.",
    ref="torch.take",
    samples=_with_index({"index": _integers(20, 2, 3)}),
)
op(
    "_take_adjoint(Tensor self, int[] shape, Tensor index) -> Tensor",
    kind=LINEAR,
    kernel="take_adjoint",
    vjp={"self": "take(grad, index)", "index": None},
    batch="loop",
    method=False,
    doc="Zeros of `shape` to which `self` is added where `take` reads.",
)

# Advanced indexing -------------------------------------------------------------------------------

op(
    "_index(Tensor self, Tensor[] indices, int[] dims) -> Tensor",
    kind=STRUCTURAL,
    kernel="index",
    node="IndexBackward0",
    vjp={"self": "_index_adjoint(grad, indices, dims, self.shape)", "indices": None},
    jvp={"self": "_index(self_t, indices, dims)"},
    batch="loop",
    method=False,
    doc="x[indices]: the indices broadcast; their dimensions come where the indexed ones stood, or "
    "first if those are not next to each other.",
)
op(
    "_index_adjoint(Tensor self, Tensor[] indices, int[] dims, int[] shape) -> Tensor",
    kind=STRUCTURAL,
    kernel="index_adjoint",
    node="IndexPutBackward0",
    vjp={"self": "_index(grad, indices, dims)", "indices": None},
    jvp={"self": "_index_adjoint(self_t, indices, dims, shape)"},
    batch="loop",
    method=False,
    doc="Zeros of `shape` to which `self` is added where `_index` reads.",
)
op(
    "_index_put(Tensor self, Tensor values, Tensor[] indices, int[] dims, bool accumulate=False)"
    " -> Tensor",
    kind=STRUCTURAL,
    kernel="index_put",
    node="IndexPutBackward0",
    vjp={
        "self": "_index_clear(grad, indices, dims, accumulate)",
        "values": "_index(grad, indices, dims)",
        "indices": None,
    },
    jvp={
        "self": "clone(_index_clear(self_t, indices, dims, accumulate))",
        "values": "_index_put(_zeros(self.shape, self.dtype), values_t, indices, dims, accumulate)",
    },
    batch="loop",
    method=False,
    doc="`values` (broadcast) written, or added, where `_index` reads.",
)
op(
    "_index_clear(Tensor self, Tensor[] indices, int[] dims, bool keep) -> Tensor",
    kind=COMPOSITE,
    kernel="index_clear",
    method=False,
    doc="Zeros written where `_index` reads, unless `keep`.",
)
op(
    "index_put(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor",
    kind=COMPOSITE,
    kernel="index_put",
    doc="`values` written, or added, at self[indices].",
)
op(
    "_nonzero(Tensor self) -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="nonzero",
    method=False,
    doc="The places of the elements that are not zero: one row each, in row-major order.",
)
op(
    "_nonzero_tuple(Tensor self) -> Tensor[]",
    kind=NONDIFFERENTIABLE,
    kernel="nonzero_tuple",
    method=False,
    doc="The same as one tensor for each dimension.",
)
op(
    "where.condition(Tensor condition) -> Tensor[]",
    kind=NONDIFFERENTIABLE,
    kernel="nonzero_tuple",
    method=False,
    doc="Where the condition holds: a tensor of indices for each dimension.",
)
op(
    "argwhere(Tensor self) -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="nonzero",
    doc="The places of the elements that are not zero: one row each, in row-major order.",
    ref="numpy.argwhere",
    samples=cases(lambda random: [((random.integers(0, 2, (3, 4)),), {})]),
)
op(
    "masked_select(Tensor self, Tensor mask) -> Tensor",
    kind=COMPOSITE,
    kernel="masked_select",
    doc="The elements where the mask is True (both broadcast), in one dimension.",
    ref="torch.masked_select",
    samples=cases(
        lambda random: [
            ((_array(random, 3, 4), random.uniform(-1, 1, (3, 4)) > 0), {}),
            ((_array(random, 3, 4), random.uniform(-1, 1, (4,)) > 0), {}),
        ]
    ),
)
op(
    "_masked_select(Tensor self, Tensor mask) -> Tensor",
    kind=LINEAR,
    kernel="masked_select",
    node="MaskedSelectBackward0",
    vjp={"self": "_masked_select_adjoint(grad, self.shape, mask)", "mask": None},
    batch="loop",
    method=False,
    doc="`masked_select` of tensors of the same shape.",
)
op(
    "_masked_select_adjoint(Tensor self, int[] shape, Tensor mask) -> Tensor",
    kind=LINEAR,
    kernel="masked_select_adjoint",
    vjp={"self": "_masked_select(grad, mask)", "mask": None},
    batch="loop",
    method=False,
    doc="Zeros of `shape` with `self` where the mask is True.",
)
op(
    "masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
    kind=COMPOSITE,
    kernel="masked_scatter",
    doc="Elements of `source`, in order, where the mask is True.",
    ref="torch.masked_scatter",
    samples=cases(
        lambda random: [
            (
                (_array(random, 3, 4), random.uniform(-1, 1, (3, 4)) > 0, _array(random, 20)),
                {},
            )
        ]
    ),
)
op(
    "_masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
    kind=STRUCTURAL,
    kernel="masked_scatter",
    node="MaskedScatterBackward0",
    vjp={
        "self": "_mask_clear(grad, mask)",
        "mask": None,
        "source": "_mask_source(grad, mask, source.shape)",
    },
    jvp={
        "self": "_mask_clear(self_t, mask)",
        "source": "_masked_scatter(_zeros(self.shape, self.dtype), mask, source_t)",
    },
    batch="loop",
    method=False,
    doc="`masked_scatter` of a tensor and a mask of the same shape.",
)
op(
    "_mask_clear(Tensor self, Tensor mask) -> Tensor",
    kind=COMPOSITE,
    kernel="mask_clear",
    method=False,
    doc="Zeros where the mask is True.",
)
op(
    "_mask_source(Tensor self, Tensor mask, int[] shape) -> Tensor",
    kind=COMPOSITE,
    kernel="mask_source",
    method=False,
    doc="The masked elements, then zeros, in the shape of the source of `masked_scatter`.",
)

# Embedding ---------------------------------------------------------------------------------------

op(
    "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, "
    "bool sparse=False) -> Tensor",
    kind=STRUCTURAL,
    kernel="embedding",
    vjp={
        "weight": "_embedding_adjoint(grad, indices, weight.shape, padding_idx, "
        "scale_grad_by_freq)",
        "indices": None,
    },
    jvp={
        "weight": "embedding(weight_t, indices, padding_idx, scale_grad_by_freq, sparse)",
    },
    batch="loop",
    method=False,
    doc="Rows of `weight` at `indices`; the row `padding_idx` gets no gradient.",
    ref="torch.embedding",
    samples=cases(lambda random: [((_array(random, 6, 3), random.integers(0, 6, (2, 4))), {})]),
)
op(
    "_embedding_adjoint(Tensor self, Tensor indices, int[] shape, int padding_idx, bool scale) "
    "-> Tensor",
    kind=LINEAR,
    kernel="embedding_adjoint",
    vjp={
        "self": "_embedding_rows(grad, indices, padding_idx, scale)",
        "indices": None,
    },
    batch="loop",
    method=False,
    doc="The sum for each row of the gradients of its uses, or their mean with `scale`.",
)
op(
    "_embedding_rows(Tensor self, Tensor indices, int padding_idx, bool scale) -> Tensor",
    kind=LINEAR,
    kernel="embedding_rows",
    vjp={
        "self": "_embedding_adjoint(grad, indices, self.shape, padding_idx, scale)",
        "indices": None,
    },
    batch="loop",
    method=False,
    doc="The adjoint of `_embedding_adjoint`: rows, zero for the padding, weighed with `scale`.",
)

# Sorting -----------------------------------------------------------------------------------------

op(
    "sort(Tensor self, int dim=-1, bool descending=False, *, bool stable=False)"
    " -> (Tensor values, Tensor indices)",
    kind=STRUCTURAL,
    kernel="sort",
    vjp={"self": "_gather_adjoint(grad_values, self.shape, dim, indices)"},
    jvp={"self": "gather(self_t, dim, indices)"},
    batch="shift_dims(dim)",
    doc="The elements sorted along `dim` and where they stood; equal ones keep their order.",
    ref="torch.sort",
    samples=_with_index({}, {"dim": 0, "descending": True}),
)
op(
    "argsort(Tensor self, int dim=-1, bool descending=False, *, bool stable=False) -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="argsort",
    doc="The indices that sort along `dim`.",
    ref="torch.argsort",
    samples=_with_index({}, {"dim": 0, "descending": True}),
)
op(
    "msort(Tensor self) -> Tensor",
    kind=COMPOSITE,
    kernel="msort",
    doc="Sorted along the first dimension.",
    ref="torch.msort",
    samples=_with_index({}),
)
op(
    "topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True)"
    " -> (Tensor values, Tensor indices)",
    kind=STRUCTURAL,
    kernel="topk",
    vjp={"self": "_gather_adjoint(grad_values, self.shape, dim, indices)"},
    jvp={"self": "gather(self_t, dim, indices)"},
    batch="shift_dims(dim)",
    doc="The `k` largest (or smallest) elements along `dim`, sorted, and where they stand.",
    ref="torch.topk",
    samples=_with_index({"k": 2}, {"k": 3, "dim": 0, "largest": False}),
)
op(
    "_unique(Tensor self, bool sorted, bool return_inverse, bool return_counts)"
    " -> (Tensor output, Tensor inverse, Tensor counts)",
    kind=NONDIFFERENTIABLE,
    kernel="unique",
    method=False,
    doc="The different elements in increasing order, where each element is among them, how often.",
)
op(
    "searchsorted(Tensor self, Tensor input, *, bool out_int32=False, bool right=False, "
    "str? side=None, Tensor? sorter=None) -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="searchsorted",
    method=False,
    doc="Where each value would be inserted into the sorted rows of `self`.",
)
op(
    "bucketize(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False)"
    " -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="bucketize",
    doc="The interval between the sorted `boundaries` in which each element lies.",
    ref="torch.bucketize",
    samples=_with_index({"boundaries": lambda random: random.uniform(0.1, 0.3, 5).cumsum()}),
)

# Helpers -----------------------------------------------------------------------------------------

op(
    "_zeros(int[] size, dtype? dtype) -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="zeros_of",
    method=False,
    doc="Zeros, for derivative formulas.",
)
op(
    "_repeat_positions(Tensor self) -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="repeat_positions",
    method=False,
    doc="i, self[i] times in a row, for each i.",
)
