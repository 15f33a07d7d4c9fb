"""Operators that fold dimensions, and cumulative ones."""

from ops._dsl import COMPOSITE, LINEAR, NONDIFFERENTIABLE, REDUCE, cases, op


def _input(random, *shape, low=-3.0, high=3.0):
    return random.uniform(low, high, shape)


def _dims(random):
    x = _input(random, 3, 4, 2)
    return [
        ((x,), {}),
        ((x,), {"dim": 1}),
        ((x,), {"dim": (0, 2), "keepdim": True}),
        ((x[:, ::2],), {"dim": -1}),
        ((x.T,), {"dim": (0,)}),
        ((_input(random),), {}),
        ((_input(random, 0, 3),), {"dim": 0}),
        ((_input(random, 70, 9),), {"dim": 0}),
    ]


def _filled_dims(random):
    return [case for case in _dims(random) if case[0][0].size]


def _one_dim(random):
    x = _input(random, 3, 4, 2)
    return [
        ((x,), {"dim": 1}),
        ((x,), {"dim": -1, "keepdim": True}),
        ((x[:, ::2],), {"dim": 0}),
        ((_input(random, 5),), {"dim": 0}),
        ((_input(random),), {"dim": 0}),
    ]


def _whole(random):
    return [((_input(random, 3, 4),), {}), ((_input(random),), {}), ((_input(random, 7).T,), {})]


def _with_zeros(random):
    one, two = _input(random, 3, 4), _input(random, 4, 3)
    one[1, 2] = 0
    two[0, 1] = two[2, 1] = 0
    return [
        ((_input(random, 3, 4),), {}),
        ((one,), {}),
        ((one,), {"dim": 1}),
        ((two,), {"dim": 0, "keepdim": True}),
        ((_input(random),), {}),
        ((_input(random, 0, 3),), {"dim": 0}),
    ]


def _scans(random):
    x = _input(random, 3, 4, 2)
    return [((x,), {"dim": 1}), ((x.T,), {"dim": -1}), ((_input(random, 6),), {"dim": 0})]


def _moments(random):
    x = _input(random, 3, 4, 2)
    return [
        ((x,), {}),
        ((x,), {"dim": 1}),
        ((x,), {"dim": (0, 2), "keepdim": True, "correction": 0}),
        ((x.T,), {"dim": 0, "correction": 0.5}),
        ((_input(random, 70, 9),), {"dim": 0}),
    ]


op(
    "sum(Tensor self, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    kind=REDUCE,
    kernel="sum",
    vjp={"self": "expand_back(grad, self.shape, dim, keepdim)"},
    jvp=LINEAR,
    batch="shift_dims(dim)",
    doc="Sum over `dim` (all dimensions by default); integers and bool give int64.",
    ref="numpy.sum",
    samples=cases(_dims),
)
op(
    "nansum(Tensor self, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    kind=REDUCE,
    kernel="nansum",
    vjp={"self": "expand_back(grad, self.shape, dim, keepdim) * eq(self, self)"},
    jvp={"self": "sum(where(eq(self, self), self_t, 0), dim, keepdim, dtype)"},
    batch="shift_dims(dim)",
    doc="Sum over `dim` (all dimensions by default) that counts NaN as zero.",
    ref="numpy.nansum",
    samples=cases(_dims),
)
op(
    "mean(Tensor self, int[]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    kind=REDUCE,
    kernel="mean",
    vjp={
        "self": "expand_back(grad / folded_count(self.shape, dim), self.shape, dim, keepdim)",
    },
    jvp=LINEAR,
    batch="shift_dims(dim)",
    doc="Mean over `dim` (all dimensions by default) of a floating-point tensor.",
    ref="numpy.mean",
    samples=cases(_filled_dims),
)
op(
    "prod(Tensor self, int? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
    kind=REDUCE,
    kernel="prod",
    vjp={"self": "weigh_back(grad, prod_slope(self, out, dim, keepdim), listed(dim), keepdim)"},
    jvp={"self": "weighted_sum(self_t, prod_slope(self, out, dim, keepdim), listed(dim), keepdim)"},
    batch="shift_dims(dim)",
    doc="Product of all elements, or over `dim`; integers and bool give int64.",
    ref="numpy.prod",
    samples=cases(_with_zeros),
)

for _name, _word in (("amax", "Largest"), ("amin", "Smallest")):
    op(
        f"{_name}(Tensor self, int[] dim=(), bool keepdim=False) -> Tensor",
        kind=REDUCE,
        kernel=_name,
        vjp={"self": "weigh_back(grad, tie_share(self, out, dim, keepdim), dim, keepdim)"},
        jvp={"self": "weighted_sum(self_t, tie_share(self, out, dim, keepdim), dim, keepdim)"},
        batch="shift_dims(dim)",
        doc=f"{_word} element over `dim` (all dimensions by default), or NaN if there is one; "
        "elements that tie share the gradient.",
        ref=f"numpy.{_name}",
        samples=cases(_filled_dims),
    )

for _name, _word in (("max", "Largest"), ("min", "Smallest")):
    op(
        f"{_name}(Tensor self) -> Tensor",
        kind=REDUCE,
        kernel=_name,
        vjp={"self": "weigh_back(grad, tie_share(self, out, None, False), None, False)"},
        jvp={"self": "weighted_sum(self_t, tie_share(self, out, None, False), None, False)"},
        batch="shift_dims(None)",
        doc=f"{_word} of all elements, or NaN if there is one; elements that tie share the "
        "gradient.",
        ref=f"numpy.{_name}",
        samples=cases(_whole),
    )
    op(
        f"{_name}.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
        kind=REDUCE,
        kernel=f"{_name}_along",
        vjp={"self": "place_along(grad_values, indices, self.shape, dim, keepdim)"},
        jvp={"self": "pick_along(self_t, indices, dim, keepdim)"},
        batch="shift_dims(dim)",
        doc=f"{_word} elements along `dim` and where each is first found.",
        ref=f"torch.{_name}",
        samples=cases(_one_dim),
    )
    op(
        f"{_name}.other(Tensor self, Tensor other) -> Tensor",
        kind=COMPOSITE,
        kernel=f"{_name}_other",
        doc=f"The same as {_name}imum(self, other).",
        ref=f"torch.{_name}imum",
        samples=cases(lambda random: [((_input(random, 3, 4), _input(random, 4)), {})]),
    )
    op(
        f"arg{_name}(Tensor self, int? dim=None, bool keepdim=False) -> Tensor",
        kind=NONDIFFERENTIABLE,
        kernel=f"arg{_name}",
        batch="shift_dims(dim)",
        doc=f"Index of the first {_word.lower()} element along `dim`, or in row-major order.",
        ref=f"torch.arg{_name}",
        samples=cases(lambda random: _whole(random) + _one_dim(random)),
    )

op(
    "median(Tensor self) -> Tensor",
    kind=REDUCE,
    kernel="median",
    vjp={"self": "weigh_back(grad, tie_share(self, out, None, False), None, False)"},
    jvp={"self": "weighted_sum(self_t, tie_share(self, out, None, False), None, False)"},
    batch="shift_dims(None)",
    doc="The lower median of all elements, or NaN if there is one.",
    ref="torch.median",
    samples=cases(_whole),
)
op(
    "median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    kind=REDUCE,
    kernel="median_along",
    vjp={"self": "place_along(grad_values, indices, self.shape, dim, keepdim)"},
    jvp={"self": "pick_along(self_t, indices, dim, keepdim)"},
    batch="shift_dims(dim)",
    doc="Lower medians along `dim` and an index of each.",
    ref="torch.median",
    samples=cases(_one_dim),
)

for _name, _word in (("all", "all elements are"), ("any", "an element is")):
    op(
        f"{_name}(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
        kind=NONDIFFERENTIABLE,
        kernel=_name,
        batch="shift_dims(dim)",
        doc=f"True where {_word} nonzero, over `dim` (all dimensions by default).",
        ref=f"torch.{_name}",
        samples=cases(_dims),
    )
op(
    "count_nonzero(Tensor self, int[]? dim=None) -> Tensor",
    kind=NONDIFFERENTIABLE,
    kernel="count_nonzero",
    batch="shift_dims(dim)",
    doc="Number of elements that are not zero, over `dim` (all dimensions by default).",
    ref="numpy.count_nonzero",
    samples=cases(_whole),
)

for _name, _kernel, _slope, _doc in (
    ("var", "variance", "variance_slope(self, dim, correction)", "Variance"),
    (
        "std",
        "standard_deviation",
        "deviation_slope(self, out, dim, correction, keepdim)",
        "Standard deviation",
    ),
):
    op(
        f"{_name}(Tensor self, int[]? dim=None, *, Scalar? correction=None, bool keepdim=False)"
        " -> Tensor",
        kind=REDUCE,
        kernel=_kernel,
        vjp={"self": f"weigh_back(grad, {_slope}, dim, keepdim)"},
        jvp={"self": f"weighted_sum(self_t, {_slope}, dim, keepdim)"},
        batch="shift_dims(dim)",
        doc=f"{_doc} over `dim` (all dimensions by default); the sum of squares is divided by "
        "the number of elements less `correction` (1 by default).",
        ref=f"torch.{_name}",
        samples=cases(_moments),
    )
    op(
        f"{_name}.unbiased_dim(Tensor self, int[]? dim, bool unbiased, bool keepdim=False)"
        " -> Tensor",
        kind=COMPOSITE,
        kernel=f"{_name}_unbiased_dim",
        doc=f"{_doc} over `dim`, with correction 1 (`unbiased`) or 0.",
        samples=cases(lambda random: [((_input(random, 3, 4), 1, False), {})]),
    )
    op(
        f"{_name}.unbiased(Tensor self, bool unbiased) -> Tensor",
        kind=COMPOSITE,
        kernel=f"{_name}_unbiased",
        doc=f"{_doc} of all elements, with correction 1 (`unbiased`) or 0.",
        samples=cases(lambda random: [((_input(random, 3, 4),), {"unbiased": False})]),
    )
    op(
        f"{_name}_mean(Tensor self, int[]? dim=None, *, Scalar? correction=None, "
        f"bool keepdim=False) -> (Tensor {_name}, Tensor mean)",
        kind=COMPOSITE,
        kernel=f"{_name}_mean",
        method=False,
        doc=f"{_doc} and mean over `dim` (all dimensions by default).",
        ref=f"torch.{_name}_mean",
        samples=cases(_moments),
    )

op(
    "logsumexp(Tensor self, int[] dim, bool keepdim=False) -> Tensor",
    kind=REDUCE,
    kernel="logsumexp",
    vjp={"self": "weigh_back(grad, softmax_of(self, out, dim, keepdim), dim, keepdim)"},
    jvp={"self": "weighted_sum(self_t, softmax_of(self, out, dim, keepdim), dim, keepdim)"},
    batch="shift_dims(dim)",
    doc="log(sum(exp(self))) over `dim`, without overflow.",
    ref="torch.logsumexp",
    samples=cases(lambda random: [c for c in _filled_dims(random) if "dim" in c[1]]),
)
op(
    "linalg_vector_norm(Tensor self, Scalar ord=2, int[]? dim=None, bool keepdim=False, *, "
    "dtype? dtype=None) -> Tensor",
    kind=REDUCE,
    kernel="vector_norm",
    vjp={"self": "weigh_back(grad, norm_slope(self, out, ord, dim, keepdim), dim, keepdim)"},
    jvp={"self": "weighted_sum(self_t, norm_slope(self, out, ord, dim, keepdim), dim, keepdim)"},
    batch="shift_dims(dim)",
    method=False,
    doc="(sum(|self|^ord))^(1/ord) over `dim` (all dimensions by default); ord may be 0, inf and "
    "-inf. The gradient is 0 where the norm is.",
    ref="torch.linalg.vector_norm",
    samples=cases(
        lambda random: [
            ((_input(random, 3, 4),), {}),
            ((_input(random, 3, 4), 1), {}),
            ((_input(random, 3, 4, 2), 3), {"dim": (0, 2), "keepdim": True}),
            ((_input(random, 3, 4), 2.5), {"dim": 0}),
            ((_input(random, 3, 4), float("inf")), {"dim": 1}),
        ]
    ),
)
op(
    "norm(Tensor self, Scalar? p=2, int[]? dim=None, bool keepdim=False, dtype? dtype=None)"
    " -> Tensor",
    kind=COMPOSITE,
    kernel="norm",
    doc="Vector norm over `dim` (all dimensions by default).",
    ref="torch.norm",
    samples=cases(
        lambda random: [((_input(random, 3, 4),), {}), ((_input(random, 3, 4), 1, 0), {})]
    ),
)
op(
    "norm.str(Tensor self, str p, int[]? dim=None, bool keepdim=False, dtype? dtype=None)"
    " -> Tensor",
    kind=COMPOSITE,
    kernel="norm_str",
    doc="The Frobenius norm (p='fro').",
    samples=cases(lambda random: [((_input(random, 3, 4), "fro"), {})]),
)

op(
    "cumsum(Tensor self, int dim, *, dtype? dtype=None) -> Tensor",
    kind=LINEAR,
    kernel="cumsum",
    inplace=True,
    vjp={"self": "_cumsum_reversed(grad, dim)"},
    jvp=LINEAR,
    batch="shift_dims(dim)",
    doc="Sums of all elements up to each along `dim`.",
    ref="torch.cumsum",
    samples=cases(_scans),
)
op(
    "_cumsum_reversed(Tensor self, int dim) -> Tensor",
    kind=LINEAR,
    kernel="cumsum_reversed",
    vjp={"self": "cumsum(grad, dim)"},
    batch="shift_dims(dim)",
    method=False,
    doc="Sums of all elements from each on along `dim`: the adjoint of `cumsum`.",
    samples=cases(_scans),
)
op(
    "cumprod(Tensor self, int dim, *, dtype? dtype=None) -> Tensor",
    kind=REDUCE,
    kernel="cumprod",
    inplace=True,
    vjp={"self": "cumprod_backward(grad, self, out, dim)"},
    jvp={"self": "cumprod_tangent(self_t, self, out, dim)"},
    batch="shift_dims(dim)",
    doc="Products of all elements up to each along `dim`.",
    ref="torch.cumprod",
    samples=cases(lambda random: [c for c in _with_zeros(random) if set(c[1]) == {"dim"}]),
)

op(
    "_shift(Tensor self, int dim, int by, Scalar fill) -> Tensor",
    kind=LINEAR,
    kernel="shift",
    vjp={"self": "shift_back(grad, dim, by)"},
    jvp={"self": "_shift(self_t, dim, by, 0)"},
    batch="shift_dims(dim)",
    method=False,
    doc="The elements moved by `by` places along `dim`; `fill` takes the places left.",
    samples=cases(lambda random: [((_input(random, 3, 4), 1, -2, 1), {})]),
)
