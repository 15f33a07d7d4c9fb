"""Matrix products.

The private rows `_mm_rows`, `_mm_cross` and `_bmm` are derivatives of one another, so that every
product has derivatives of any order without a transposed copy.
"""

from ops._dsl import BILINEAR, COMPOSITE, LINEAR, STRUCTURAL, cases, op


def _pairs(*shapes):
    """Samples of two tensors, the last pair once more with transposed memory."""

    def make(random):
        out = [(tuple(random.uniform(-1, 1, s) for s in pair), {}) for pair in shapes]
        turned = tuple(random.uniform(-1, 1, s[::-1]).T for s in shapes[-1])
        return [*out, (turned, {})]

    return cases(make)


op(
    "_mm_rows(Tensor self, Tensor mat2, bool transposed=False) -> Tensor",
    kind=BILINEAR,
    kernel="mm_rows",
    node="MmBackward0",
    vjp={
        "self": "_mm_rows(grad, mat2, not transposed)",
        "mat2": "_mm_rows_grad_mat2(grad, self, transposed)",
    },
    batch="fold_front(self) if mat2 has no batch, else _bmm",
    method=False,
    doc="The rows of `self` (..., k) times the matrix `mat2` (k, n), or (n, k) transposed.",
    samples=_pairs(((4,), (4, 3)), ((2, 3, 4), (4, 3)), ((3, 4), (4, 2))),
)
op(
    "_mm_cross(Tensor self, Tensor other) -> Tensor",
    kind=BILINEAR,
    kernel="mm_cross",
    node="MmBackward0",
    vjp={"self": "_mm_rows(other, grad, True)", "other": "_mm_rows(self, grad, False)"},
    batch="_bmm",
    method=False,
    doc="Sum of the outer products of the rows of `self` (..., m) and `other` (..., n): (m, n).",
    samples=_pairs(((4,), (3,)), ((2, 3, 4), (2, 3, 5)), ((3, 4), (3, 2))),
)
op(
    "_mm_rows_grad_mat2(Tensor grad, Tensor self, bool transposed) -> Tensor",
    kind=COMPOSITE,
    kernel="mm_rows_grad_mat2",
    method=False,
    doc="Gradient of `_mm_rows` to its matrix.",
)
op(
    "mm(Tensor self, Tensor mat2) -> Tensor",
    kind=BILINEAR,
    kernel="mm",
    vjp={"self": "_mm_rows(grad, mat2, True)", "mat2": "_mm_cross(self, grad)"},
    batch="matmul",
    doc="Product of the matrices `self` (m, k) and `mat2` (k, n).",
    ref="numpy.matmul",
    samples=_pairs(((0, 3), (3, 2)), ((2, 0), (0, 3)), ((1, 3), (3, 1)), ((3, 4), (4, 2))),
)
op(
    "mv(Tensor self, Tensor vec) -> Tensor",
    kind=BILINEAR,
    kernel="mv",
    vjp={"self": "_mm_cross(grad, vec)", "vec": "_mm_rows(grad, self, False)"},
    batch="matmul",
    doc="Product of the matrix `self` (m, k) and the vector `vec` (k).",
    ref="numpy.matmul",
    samples=_pairs(((2, 0), (0,)), ((3, 4), (4,))),
)
op(
    "dot(Tensor self, Tensor tensor) -> Tensor",
    kind=BILINEAR,
    kernel="dot",
    vjp={"self": "mul(grad, tensor)", "tensor": "mul(grad, self)"},
    batch="matmul",
    aliases=("vdot",),
    doc="Sum of the products of the elements of two vectors.",
    ref="numpy.dot",
    samples=_pairs(((0,), (0,)), ((4,), (4,))),
)
op(
    "_bmm(Tensor self, Tensor mat2, bool transposed=False, bool transposed2=False) -> Tensor",
    kind=BILINEAR,
    kernel="bmm_broadcast",
    node="BmmBackward0",
    vjp={
        "self": "_bmm_grad_self(grad, mat2, transposed, transposed2)",
        "mat2": "_bmm_grad_mat2(grad, self, transposed, transposed2)",
    },
    batch="keep_front after aligning",
    method=False,
    doc="Products of the matrices in the last two dimensions, each transposed if asked for; the "
    "dimensions before them broadcast.",
    samples=cases(
        lambda random: [
            ((random.uniform(-1, 1, (2, 3, 4)), random.uniform(-1, 1, (2, 4, 5))), {}),
            ((random.uniform(-1, 1, (2, 1, 4, 3)), random.uniform(-1, 1, (5, 2, 4))),
             {"transposed": True, "transposed2": True}),
        ]
    ),
)  # fmt: skip
op(
    "_bmm_grad_self(Tensor grad, Tensor mat2, bool transposed, bool transposed2) -> Tensor",
    kind=COMPOSITE,
    kernel="bmm_grad_self",
    method=False,
    doc="Gradient of `_bmm` to its first factor.",
)
op(
    "_bmm_grad_mat2(Tensor grad, Tensor self, bool transposed, bool transposed2) -> Tensor",
    kind=COMPOSITE,
    kernel="bmm_grad_mat2",
    method=False,
    doc="Gradient of `_bmm` to its second factor.",
)
op(
    "bmm(Tensor self, Tensor mat2) -> Tensor",
    kind=BILINEAR,
    kernel="bmm",
    vjp={"self": "_bmm(grad, mat2, False, True)", "mat2": "_bmm(self, grad, True, False)"},
    batch="matmul",
    doc="Products of the matrices of `self` (b, m, k) and `mat2` (b, k, n), one by one.",
    ref="numpy.matmul",
    samples=_pairs(((0, 3, 2), (0, 2, 3)), ((2, 3, 4), (2, 4, 5))),
)
op(
    "matmul(Tensor self, Tensor other) -> Tensor",
    kind=COMPOSITE,
    kernel="matmul",
    aliases=("linalg_matmul",),
    doc="Product of vectors, matrices, or batches of matrices, which broadcast.",
    ref="numpy.matmul",
    samples=_pairs(
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((3,), (4, 3, 2)),
        ((4, 2, 3), (3,)),
        ((4, 2, 3), (3, 2)),
        ((2, 3), (4, 3, 2)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((2, 3), (3, 5)),
    ),
)


def _added(*shapes):
    def make(random):
        args = tuple(random.uniform(-1, 1, s) for s in shapes)
        return [(args, {}), (args, {"beta": 0.5, "alpha": 2.0})]

    return cases(make)


op(
    "addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    kind=STRUCTURAL,
    kernel="addmm",
    inplace=True,
    vjp={
        "self": "grad * beta",
        "mat1": "_mm_rows(grad, mat2, True) * alpha",
        "mat2": "_mm_cross(mat1, grad) * alpha",
    },
    jvp={
        "self": "self_t * beta",
        "mat1": "mm(mat1_t, mat2) * alpha",
        "mat2": "mm(mat1, mat2_t) * alpha",
    },
    batch="baddbmm",
    doc="`beta * self + alpha * (mat1 @ mat2)`; `self` is not read where beta is 0.",
    ref="torch.addmm",
    samples=_added((5,), (3, 4), (4, 5)),
)
op(
    "addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    kind=STRUCTURAL,
    kernel="addmv",
    inplace=True,
    vjp={
        "self": "grad * beta",
        "mat": "_mm_cross(grad, vec) * alpha",
        "vec": "_mm_rows(grad, mat, False) * alpha",
    },
    jvp={
        "self": "self_t * beta",
        "mat": "mv(mat_t, vec) * alpha",
        "vec": "mv(mat, vec_t) * alpha",
    },
    batch="baddbmm",
    doc="`beta * self + alpha * (mat @ vec)`; `self` is not read where beta is 0.",
    ref="torch.addmv",
    samples=_added((3,), (3, 4), (4,)),
)
op(
    "baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) "
    "-> Tensor",
    kind=STRUCTURAL,
    kernel="baddbmm",
    inplace=True,
    vjp={
        "self": "grad * beta",
        "batch1": "_bmm(grad, batch2, False, True) * alpha",
        "batch2": "_bmm(batch1, grad, True, False) * alpha",
    },
    jvp={
        "self": "self_t * beta",
        "batch1": "bmm(batch1_t, batch2) * alpha",
        "batch2": "bmm(batch1, batch2_t) * alpha",
    },
    batch="loop",
    doc="`beta * self + alpha * bmm(batch1, batch2)`; `self` is not read where beta is 0.",
    ref="torch.baddbmm",
    samples=_added((3, 5), (2, 3, 4), (2, 4, 5)),
)
op(
    "addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    kind=COMPOSITE,
    kernel="addbmm",
    inplace=True,
    doc="`beta * self + alpha * bmm(batch1, batch2).sum(0)`.",
    ref="torch.addbmm",
    samples=_added((3, 5), (2, 3, 4), (2, 4, 5)),
)
op(
    "addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    kind=COMPOSITE,
    kernel="addr",
    inplace=True,
    doc="`beta * self + alpha * outer(vec1, vec2)`.",
    ref="torch.addr",
    samples=_added((3, 5), (3,), (5,)),
)
op(
    "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
    kind=COMPOSITE,
    kernel="linear",
    method=False,
    doc="`input @ weight.T + bias`: input (..., in), weight (out, in) or (in), bias (out).",
    ref="torch.nn.functional.linear",
    samples=_pairs(((5, 4), (4,)), ((5, 4), (3, 4))),
)
op(
    "_linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
    kind=STRUCTURAL,
    kernel="linear",
    node="AddmmBackward0",
    vjp={
        "input": "_mm_rows(grad, weight, False)",
        "weight": "_mm_cross(grad, input)",
        "bias": "grad",
    },
    jvp={
        "input": "_mm_rows(input_t, weight, True)",
        "weight": "_mm_rows(input, weight_t, True)",
        "bias": "bias_t",
    },
    batch="fold_front(input) if weight has no batch, else _bmm",
    method=False,
    doc="`input @ weight.T + bias`: input (..., in), weight (out, in), bias (out).",
    samples=cases(
        lambda random: [
            (tuple(random.uniform(-1, 1, s) for s in shapes), {})
            for shapes in (
                ((4,), (3, 4), (3,)),
                ((5, 4), (3, 4)),
                ((5, 4), (3, 4), (3,)),
                ((2, 5, 4), (3, 4), (3,)),
                ((0, 4), (3, 4), (3,)),
            )
        ]
    ),
)
op(
    "outer(Tensor self, Tensor vec2) -> Tensor",
    kind=COMPOSITE,
    kernel="outer",
    aliases=("ger",),
    doc="Products of every element of one vector with every element of the other.",
    ref="numpy.outer",
    samples=_pairs(((0,), (3,)), ((4,), (3,))),
)
op(
    "inner(Tensor self, Tensor other) -> Tensor",
    kind=COMPOSITE,
    kernel="inner",
    doc="Products summed over the last dimension of both tensors.",
    ref="numpy.inner",
    samples=_pairs(((3,), (3,)), ((2, 3), ()), ((2, 3), (4, 3))),
)
op(
    "_tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor",
    kind=COMPOSITE,
    kernel="tensordot",
    method=False,
    doc="Products summed over pairs of dimensions.",
    samples=cases(
        lambda random: [
            ((random.uniform(-1, 1, (3, 4, 5)), random.uniform(-1, 1, (4, 3, 2))),
             {"dims_self": (1, 0), "dims_other": (0, 1)}),
        ]
    ),
)  # fmt: skip
op(
    "_einsum(str equation, Tensor[] tensors) -> Tensor",
    kind=COMPOSITE,
    kernel="einsum",
    method=False,
    doc="Sums of products in Einstein's notation.",
    samples=cases(
        lambda random: [
            (("ij,jk->ik", [random.uniform(-1, 1, (2, 3)), random.uniform(-1, 1, (3, 4))]), {}),
            (("...ij->...ji", [random.uniform(-1, 1, (2, 3, 4))]), {}),
            (("ii", [random.uniform(-1, 1, (3, 3))]), {}),
        ]
    ),
)
op(
    "trace(Tensor self) -> Tensor",
    kind=LINEAR,
    kernel="trace",
    vjp={"self": "_trace_back(grad, self.shape)"},
    batch="loop",
    doc="Sum of the diagonal of a matrix.",
    ref="numpy.trace",
    samples=cases(
        lambda random: [((random.uniform(-1, 1, s),), {}) for s in ((3, 3), (2, 4), (4, 2), (0, 3))]
    ),
)
op(
    "_trace_back(Tensor self, int[] size) -> Tensor",
    kind=LINEAR,
    kernel="trace_back",
    vjp={"self": "trace(grad)"},
    batch="loop",
    method=False,
    doc="A matrix of zeros with the number `self` on its diagonal.",
    samples=cases(lambda random: [((random.uniform(-1, 1, ()),), {"size": (2, 3)})]),
)
op(
    "kron(Tensor self, Tensor other) -> Tensor",
    kind=COMPOSITE,
    kernel="kron",
    doc="Kronecker product.",
    ref="numpy.kron",
    samples=_pairs(((2, 3), (2,)), ((2, 3), (4, 2))),
)
op(
    "linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor",
    kind=COMPOSITE,
    kernel="linalg_cross",
    method=False,
    doc="Vector product in three dimensions.",
    ref="torch.linalg.cross",
    samples=cases(
        lambda random: [
            ((random.uniform(-1, 1, (4, 3)), random.uniform(-1, 1, (4, 3))), {}),
            ((random.uniform(-1, 1, (3, 2)), random.uniform(-1, 1, (3, 1))), {"dim": 0}),
        ]
    ),
)
op(
    "cross(Tensor self, Tensor other, int? dim=None) -> Tensor",
    kind=COMPOSITE,
    kernel="cross",
    doc="Vector product along `dim`: by default the first dimension of size 3.",
    ref="torch.cross",
    samples=cases(
        lambda random: [((random.uniform(-1, 1, (4, 3)), random.uniform(-1, 1, (4, 3))), {})]
    ),
)
op(
    "cdist(Tensor x1, Tensor x2, float p=2, str? compute_mode=None) -> Tensor",
    kind=COMPOSITE,
    kernel="cdist",
    method=False,
    doc="Distances (p-norm) between the rows of x1 (..., m, d) and x2 (..., n, d): (..., m, n).",
    ref="torch.cdist",
    samples=cases(
        lambda random: [
            ((random.uniform(-1, 1, (3, 4)), random.uniform(1, 2, (2, 4))), {"p": p})
            for p in (2.0, 1.0, 3.0)
        ]
    ),
)
