"""Softmax, losses, normalisation and the like: operators of neural networks."""

from ops._dsl import BROADCAST, COMPOSITE, LINEAR, STRUCTURAL, cases, op

# Softmax --------------------------------------------------------------------------------------


def _along(low=-3, high=3):
    def make(random):
        x = random.uniform(low, high, (3, 4, 2))
        return [
            ((x,), {"dim": 1}),
            ((x,), {"dim": -1}),
            ((x[:, ::2],), {"dim": 0}),
            ((random.uniform(low, high, ()),), {"dim": 0}),
            ((random.uniform(low, high, (0, 3)),), {"dim": 1}),
            ((random.uniform(low, high, (2, 40)),), {"dim": 1}),
        ]

    return cases(make)


def _along2(random):
    return [
        ((random.uniform(-1, 1, (3, 4)), random.uniform(-2, 0, (3, 4))), {"dim": d}) for d in (0, 1)
    ]


op(
    "_softmax(Tensor self, int dim) -> Tensor",
    kind=STRUCTURAL,
    kernel="softmax",
    node="SoftmaxBackward0",
    vjp={"self": "_softmax_backward(grad, out, dim)"},
    jvp={"self": "_softmax_backward(self_t, out, dim)"},
    batch="shift_dims(dim)",
    method=False,
    doc="exp(x) / sum(exp(x)) along `dim`.",
    samples=_along(),
)
op(
    "_softmax_backward(Tensor g, Tensor y, int dim) -> Tensor",
    kind=STRUCTURAL,
    kernel="softmax_backward",
    node="SoftmaxBackwardDataBackward0",
    vjp={
        "g": "_softmax_backward(grad, y, dim)",
        "y": "_softmax_backward_grad_y(grad, g, y, dim)",
    },
    jvp={
        "g": "_softmax_backward(g_t, y, dim)",
        "y": "sub(mul(y_t, sub(g, sum(mul(g, y), [dim], True))), "
        "mul(y, sum(mul(g, y_t), [dim], True)))",
    },
    batch="shift_dims(dim)",
    method=False,
    doc="y·(g - sum(g·y)) along `dim`: the gradient of softmax.",
    samples=cases(_along2),
)
op(
    "_softmax_backward_grad_y(Tensor h, Tensor g, Tensor y, int dim) -> Tensor",
    kind=COMPOSITE,
    kernel="softmax_backward_grad_y",
    method=False,
    doc="h·(g - sum(g·y)) - g·sum(h·y) along `dim`.",
)
op(
    "softmax(Tensor self, int dim, dtype? dtype=None) -> Tensor",
    kind=COMPOSITE,
    kernel="softmax",
    aliases=("special_softmax",),
    doc="exp(x) / sum(exp(x)) along `dim`; the input is converted to `dtype` before.",
    ref="torch.softmax",
    samples=_along(),
)
op(
    "_log_softmax(Tensor self, int dim) -> Tensor",
    kind=STRUCTURAL,
    kernel="log_softmax",
    node="LogSoftmaxBackward0",
    vjp={"self": "_log_softmax_backward(grad, out, dim)"},
    jvp={"self": "_log_softmax_adjoint(self_t, out, dim)"},
    batch="shift_dims(dim)",
    method=False,
    doc="log(softmax(x)) along `dim`, without overflow.",
    samples=_along(),
)
op(
    "_log_softmax_backward(Tensor g, Tensor y, int dim) -> Tensor",
    kind=STRUCTURAL,
    kernel="log_softmax_backward",
    node="LogSoftmaxBackwardDataBackward0",
    vjp={
        "g": "_log_softmax_adjoint(grad, y, dim)",
        "y": "-grad * exp(y) * sum(g, [dim], True)",
    },
    jvp={
        "g": "_log_softmax_backward(g_t, y, dim)",
        "y": "-y_t * exp(y) * sum(g, [dim], True)",
    },
    batch="shift_dims(dim)",
    method=False,
    doc="g - exp(y)·sum(g) along `dim`: the gradient of log_softmax.",
    samples=cases(_along2),
)
op(
    "_log_softmax_adjoint(Tensor h, Tensor y, int dim) -> Tensor",
    kind=COMPOSITE,
    kernel="log_softmax_adjoint",
    method=False,
    doc="h - sum(h·exp(y)) along `dim`.",
)
op(
    "log_softmax(Tensor self, int dim, dtype? dtype=None) -> Tensor",
    kind=COMPOSITE,
    kernel="log_softmax",
    aliases=("special_log_softmax",),
    doc="log(softmax(x)) along `dim`, without overflow; the input is converted to `dtype` before.",
    ref="torch.log_softmax",
    samples=_along(),
)
op(
    "softmin(Tensor self, int dim, dtype? dtype=None) -> Tensor",
    kind=COMPOSITE,
    kernel="softmin",
    method=False,
    doc="softmax(-x) along `dim`.",
    ref="torch.nn.functional.softmin",
    samples=_along(),
)

# Losses of classes ----------------------------------------------------------------------------


def _classes(random):
    x, weight = random.uniform(-3, 0, (4, 3)), random.uniform(0.5, 2, (3,))
    target = random.integers(0, 3, (4,))
    out = [((x, target), {"reduction": r}) for r in ("mean", "sum", "none")]
    out += [((x, target, weight), {"reduction": r}) for r in ("mean", "sum", "none")]
    out += [((x, target), {"ignore_index": int(target[0])})]
    out += [((random.uniform(-3, 0, (2, 3, 4)), random.integers(0, 3, (2, 4))), {})]
    return [*out, ((random.uniform(-3, 0, (3,)), random.integers(0, 3, ())), {})]


op(
    "_nll_loss(Tensor self, Tensor target, Tensor? weight=None, str reduction='mean', "
    "int ignore_index=-100) -> (Tensor output, Tensor total_weight)",
    kind=STRUCTURAL,
    kernel="nll_loss",
    node="NllLossBackward0",
    vjp={
        "self": "_nll_scatter(grad_output, target, weight, total_weight, reduction, ignore_index, "
        "self.shape)",
        "target": None,
        "weight": None,
    },
    jvp={"self": "nll_loss(self_t, target, weight, reduction, ignore_index)"},
    batch="fold_front for reduction 'none', else loop",
    method=False,
    doc="Negative log likelihood and the sum of the weights it was divided by.",
)
op(
    "_nll_scatter(Tensor g, Tensor target, Tensor? weight, Tensor total_weight, str reduction, "
    "int ignore_index, int[] shape) -> Tensor",
    kind=LINEAR,
    kernel="nll_scatter",
    node="NllLossBackwardBackward0",
    vjp={
        "g": "nll_loss(grad, target, weight, reduction, ignore_index)",
        "target": None,
        "weight": None,
        "total_weight": None,
    },
    batch="loop",
    method=False,
    doc="The gradient of nll_loss: -weight·g at the target of each row, 0 elsewhere.",
)
op(
    "nll_loss(Tensor self, Tensor target, Tensor? weight=None, str reduction='mean', "
    "int ignore_index=-100) -> Tensor",
    kind=COMPOSITE,
    kernel="nll_loss",
    method=False,
    doc="Negative log likelihood of the classes `target` (N, ...) given the log-probabilities "
    "`self` (N, C, ...).",
    ref="torch.nn.functional.nll_loss",
    samples=cases(_classes),
)


def _scores(random):
    weight = random.uniform(0.5, 2, (3,))
    share = random.uniform(0, 1, (4, 3))
    share /= share.sum(1, keepdims=True)
    out = _classes(random)
    x, target = out[0][0]
    out += [((x, target), {"label_smoothing": 0.2, "reduction": r}) for r in ("mean", "none")]
    out += [((x, target, weight), {"label_smoothing": 0.2, "ignore_index": int(target[1])})]
    out += [((x, share), {"reduction": r}) for r in ("mean", "sum", "none")]
    return [*out, ((x, share, weight), {"label_smoothing": 0.1})]


op(
    "cross_entropy(Tensor self, Tensor target, Tensor? weight=None, str reduction='mean', "
    "int ignore_index=-100, float label_smoothing=0.0) -> Tensor",
    kind=COMPOSITE,
    kernel="cross_entropy",
    aliases=("cross_entropy_loss",),
    method=False,
    doc="Cross entropy of the scores `self` (N, C, ...) with class indices (N, ...) or class "
    "probabilities (N, C, ...).",
    ref="torch.nn.functional.cross_entropy",
    samples=cases(_scores),
)

# Losses of two tensors, element by element ----------------------------------------------------


def _elements(low, high, low2, high2, **options):
    def make(random):
        x, y = random.uniform(low, high, (3, 4)), random.uniform(low2, high2, (3, 4))
        out = [((x, y), {"reduction": r, **options}) for r in ("mean", "sum", "none")]
        return [*out, ((x.T[::2], y.T[::2]), options)]

    return cases(make)


# The gradient to `self` of each loss is a pointwise operator with derivatives of its own; `scale`
# is what the mean divides by. (name, numbers, formula, derivative to self, to target, doc)
_D = "(self - target)"
for _name, _numbers, _formula, _second, _second_target, _doc in (
    ("mse", "", f"g * scale * 2 * {_D}", "grad * g * scale * 2", "-grad * g * scale * 2",
     "Gradient of the squared difference."),
    ("smooth_l1", ", Scalar beta=1",
     f"g * scale * where(abs{_D} < beta, {_D} / beta, sign{_D})",
     f"where(abs{_D} < beta, grad * g * scale / beta, 0)",
     f"where(abs{_D} < beta, -grad * g * scale / beta, 0)",
     "Gradient of smooth_l1_loss."),
    ("huber", ", Scalar delta=1",
     f"g * scale * where(abs{_D} < delta, {_D}, delta * sign{_D})",
     f"where(abs{_D} < delta, grad * g * scale, 0)",
     f"where(abs{_D} < delta, -grad * g * scale, 0)",
     "Gradient of huber_loss."),
    ("binary_cross_entropy", "",
     f"g * scale * {_D} / maximum((1 - self) * self, 1e-12)",
     "grad * g * scale * (self * self - 2 * self * target + target) "
     "/ square(maximum((1 - self) * self, 1e-12))",
     "-grad * g * scale / maximum((1 - self) * self, 1e-12)",
     "Gradient of binary_cross_entropy."),
    ("binary_cross_entropy_with_logits", "", "g * scale * (sigmoid(self) - target)",
     "grad * g * scale * sigmoid(self) * (1 - sigmoid(self))", "-grad * g * scale",
     "Gradient of binary_cross_entropy_with_logits."),
):  # fmt: skip
    op(
        f"_{_name}_backward(Tensor g, Tensor self, Tensor target, *, Scalar scale=1{_numbers}) "
        "-> Tensor",
        kind=BROADCAST,
        forward=_formula,
        vjp={
            "g": _formula.replace("g * scale", "grad * scale", 1),
            "self": _second,
            "target": _second_target,
        },
        dtypes="f",
        inplace=False,
        method=False,
        doc=_doc,
        samples=cases(
            lambda random: [
                ((random.uniform(0.1, 1, g), *random.uniform(0.1, 0.9, (2, 3, 4))), {"scale": 0.5})
                for g in ((), (3, 4))
            ]
        ),
    )

_LOSSES = (
    # (name, number, name of the node, samples, doc)
    ("mse_loss", "", "MseLossBackward0", _elements(-2, 2, -2, 2), "Squared difference."),
    ("smooth_l1_loss", "beta", "SmoothL1LossBackward0", _elements(-2, 2, -2, 2, beta=0.7),
     "d²/(2·beta) where the difference |d| < beta, |d| - beta/2 elsewhere."),
    ("huber_loss", "delta", "HuberLossBackward0", _elements(-2, 2, -2, 2, delta=0.7),
     "d²/2 where the difference |d| < delta, delta·(|d| - delta/2) elsewhere."),
    ("_binary_cross_entropy", "", "BinaryCrossEntropyBackward0", _elements(0.1, 0.9, 0, 1),
     "Cross entropy of probabilities."),
    ("_binary_cross_entropy_with_logits", "", "BinaryCrossEntropyWithLogitsBackward0",
     _elements(-3, 3, 0, 1), "Cross entropy of sigmoid(self)."),
)  # fmt: skip
for _name, _number, _node, _samples, _doc in _LOSSES:
    _base = _name.strip("_").removesuffix("_loss")
    _arguments = "reduction" + (f", {_number}" if _number else "")
    _declared = "str reduction='mean'" + (f", Scalar {_number}=1" if _number else "")
    _self = f"_{_base}_grad_self(grad, self, target, {_arguments})"
    _target = f"_{_base}_grad_target(grad, self, target, {_arguments})"
    for _side, _input in (("self", "gradient to the input"), ("target", "gradient to the target")):
        op(
            f"_{_base}_grad_{_side}(Tensor g, Tensor self, Tensor target, "
            f"str reduction{', Scalar ' + _number if _number else ''}) -> Tensor",
            kind=COMPOSITE,
            kernel=f"{_base}_grad_{_side}",
            method=False,
            doc=f"Loss {_base}: {_input}.",
        )
    op(
        f"{_name}(Tensor self, Tensor target, {_declared}) -> Tensor",
        kind=STRUCTURAL,
        kernel=_name.strip("_"),
        node=_node,
        vjp={"self": _self, "target": _target},
        jvp={
            "self": f"_loss_tangent({_self.replace('(grad', '(self_t')}, reduction)",
            "target": f"_loss_tangent({_target.replace('(grad', '(target_t')}, reduction)",
        },
        batch="keep_front, reducing the other dimensions",
        method=False,
        doc=f"{_doc} `reduction` is 'none', 'mean' or 'sum'.",
        ref=None if _name.startswith("_") else f"torch.nn.functional.{_name}",
        samples=_samples,
    )
op(
    "_loss_tangent(Tensor self, str reduction) -> Tensor",
    kind=COMPOSITE,
    kernel="loss_tangent",
    method=False,
    doc="The tangents of the elements of a loss, added up unless they stay apart.",
)
op(
    "l1_loss(Tensor self, Tensor target, str reduction='mean') -> Tensor",
    kind=COMPOSITE,
    kernel="l1_loss",
    method=False,
    doc="Absolute difference.",
    ref="torch.nn.functional.l1_loss",
    samples=_elements(-2, 2, -2, 2),
)
op(
    "binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, str reduction='mean') "
    "-> Tensor",
    kind=COMPOSITE,
    kernel="binary_cross_entropy",
    method=False,
    doc="Cross entropy of probabilities with `target`; logarithms are at least -100.",
    ref="torch.nn.functional.binary_cross_entropy",
    samples=_elements(0.1, 0.9, 0, 1),
)
op(
    "binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, "
    "Tensor? pos_weight=None, str reduction='mean') -> Tensor",
    kind=COMPOSITE,
    kernel="binary_cross_entropy_with_logits",
    method=False,
    doc="Cross entropy of sigmoid(self) with `target`, without overflow; pos_weight multiplies "
    "the loss of positive targets.",
    ref="torch.nn.functional.binary_cross_entropy_with_logits",
    samples=_elements(-3, 3, 0, 1),
)
op(
    "kl_div(Tensor self, Tensor target, str reduction='mean', *, bool log_target=False) -> Tensor",
    kind=COMPOSITE,
    kernel="kl_div",
    method=False,
    doc="Kullback-Leibler divergence of log-probabilities from `target`.",
    ref="torch.nn.functional.kl_div",
    samples=_elements(-3, 0, 0.1, 1),
)
