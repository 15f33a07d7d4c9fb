"""Normalisation, dropout, padding and the activations that are no functions of one number."""

from ops._dsl import BROADCAST, COMPOSITE, ELEMENTWISE, STRUCTURAL, cases, op, unary

# Activations ----------------------------------------------------------------------------------

for _signature, _forward, _vjp, _doc in (
    (
        "softshrink(Tensor self, Scalar lambd=0.5)",
        "where(self > lambd, self - lambd, where(self < -lambd, self + lambd, self * 0))",
        "where((self > lambd) | (self < -lambd), grad, 0)",
        "x moved towards 0 by lambd, 0 where |x| <= lambd.",
    ),
    (
        "hardshrink(Tensor self, Scalar lambd=0.5)",
        "where((self >= -lambd) & (self <= lambd), 0, self)",
        "where((self > lambd) | (self < -lambd), grad, 0)",
        "x, or 0 where |x| <= lambd.",
    ),
    (
        "threshold(Tensor self, Scalar threshold, Scalar value)",
        "where(self <= threshold, value, self)",
        "where(self <= threshold, 0, grad)",
        "x where it exceeds `threshold`, `value` elsewhere.",
    ),
    (
        "celu(Tensor self, Scalar alpha=1)",
        "where(self <= 0, alpha * expm1(self / alpha), self)",
        "where(self <= 0, grad * exp(self / alpha), grad)",
        "x where positive, alpha·(exp(x / alpha) - 1) elsewhere.",
    ),
):
    op(
        f"{_signature} -> Tensor",
        kind=ELEMENTWISE,
        forward=_forward,
        vjp={"self": _vjp},
        dtypes="f",
        method=_signature.startswith("hardshrink"),
        doc=_doc,
        ref=f"torch.nn.functional.{_signature.split('(')[0]}",
        samples=cases(lambda random: [((random.uniform(-4.2, 4.2, (5,)), 0.6, 2.0), {})])
        if _signature.startswith("threshold")
        else unary(-4.2, 4.2),
    )
op(
    "_prelu_kernel(Tensor self, Tensor weight) -> Tensor",
    kind=BROADCAST,
    forward="where(self > 0, self, weight * self)",
    vjp={
        "self": "where(self > 0, grad, grad * weight)",
        "weight": "where(self > 0, 0, grad * self)",
    },
    dtypes="f",
    inplace=False,
    method=False,
    doc="x where positive, weight·x elsewhere.",
    samples=cases(
        lambda random: [((random.uniform(-2, 2, (3, 4)), random.uniform(0.1, 1, (4,))), {})]
    ),
)
op(
    "prelu(Tensor self, Tensor weight) -> Tensor",
    kind=COMPOSITE,
    kernel="prelu",
    doc="x where positive, weight·x elsewhere: one weight, or one per channel (dimension 1).",
    ref="torch.prelu",
    samples=cases(
        lambda random: [
            ((random.uniform(-2, 2, (2, 3, 4)), random.uniform(0.1, 1, s)), {})
            for s in ((1,), (3,))
        ]
    ),
)
for _name, _doc in (
    ("relu6", "x bounded to [0, 6]."),
    ("logsigmoid", "log(sigmoid(x)) without overflow."),
    ("softsign", "x / (1 + |x|)."),
    ("tanhshrink", "x - tanh(x)."),
):
    op(
        f"{_name}(Tensor self) -> Tensor",
        kind=COMPOSITE,
        kernel=_name,
        method=False,
        doc=_doc,
        ref=f"torch.nn.functional.{_name}",
        samples=unary(-4.2, 7.2),
    )
op(
    "glu(Tensor self, int dim=-1) -> Tensor",
    kind=COMPOSITE,
    kernel="glu",
    method=False,
    doc="The first half along `dim` times the sigmoid of the second.",
    ref="torch.nn.functional.glu",
    samples=cases(lambda random: [((random.uniform(-2, 2, (4, 6)),), {"dim": d}) for d in (0, -1)]),
)

# Dropout --------------------------------------------------------------------------------------

for _name, _doc in (
    ("dropout", "Elements are 0 with probability p, the others scaled by 1 / (1 - p)."),
    ("feature_dropout", "Whole channels (dimension 1) are 0 with probability p."),
    ("alpha_dropout", "Elements take the lower bound of selu with probability p."),
    ("feature_alpha_dropout", "Whole channels take the lower bound of selu with probability p."),
):
    op(
        f"{_name}(Tensor input, float p, bool train) -> Tensor",
        kind=COMPOSITE,
        kernel=_name,
        method=False,
        doc=f"{_doc} The identity unless `train`.",
    )

# Normalisation --------------------------------------------------------------------------------

op(
    "_layer_norm(Tensor input, int dims, Tensor? weight, Tensor? bias, float eps) "
    "-> (Tensor output, Tensor center, Tensor rstd)",
    kind=STRUCTURAL,
    kernel="layer_norm",
    node="NativeLayerNormBackward0",
    vjp={
        "input": "_layer_norm_grad_input(grad_output, input, weight, center, rstd, dims, eps)",
        "weight": "_layer_norm_grad_weight(grad_output, input, center, rstd, dims, eps)",
        "bias": "grad_output",
    },
    jvp={
        "input": "_layer_norm_tangent(input_t, input, weight, dims, eps)",
        "weight": "_layer_norm_scaled(weight_t, input, dims, eps)",
        "bias": "bias_t",
    },
    batch="keep_front unless weight or bias has a batch, else loop",
    method=False,
    doc="Layer normalisation over the last `dims` dimensions; its mean and 1 / deviation.",
)
op(
    "_layer_norm_grad_input(Tensor g, Tensor input, Tensor? weight, Tensor center, Tensor rstd, "
    "int dims, float eps) -> Tensor",
    kind=COMPOSITE,
    kernel="layer_norm_grad_input",
    method=False,
    doc="Gradient of layer_norm to its input: one fused pass, or operators that have derivatives.",
)
op(
    "_layer_norm_grad_weight(Tensor g, Tensor input, Tensor center, Tensor rstd, int dims, "
    "float eps) -> Tensor",
    kind=COMPOSITE,
    kernel="layer_norm_grad_weight",
    method=False,
    doc="Gradient of layer_norm to its weight.",
)
op(
    "_layer_norm_tangent(Tensor t, Tensor input, Tensor? weight, int dims, float eps) -> Tensor",
    kind=COMPOSITE,
    kernel="layer_norm_tangent",
    method=False,
    doc="Tangent of layer_norm from that of its input.",
)
op(
    "_layer_norm_scaled(Tensor weight, Tensor input, int dims, float eps) -> Tensor",
    kind=COMPOSITE,
    kernel="layer_norm_scaled",
    method=False,
    doc="The normalised input times `weight`.",
)
op(
    "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, "
    "float eps=1e-05, bool cudnn_enable=True) -> Tensor",
    kind=COMPOSITE,
    kernel="layer_norm",
    method=False,
    doc="Mean subtracted, divided by the deviation over the last dimensions, whose sizes "
    "`normalized_shape` names; then times weight, plus bias.",
    ref="torch.nn.functional.layer_norm",
    samples=cases(
        lambda random: [
            ((random.uniform(-2, 2, (3, 4)), (4,)), {}),
            ((random.uniform(-2, 2, (2, 3, 4)), (3, 4)),
             {"weight": random.uniform(0.5, 2, (3, 4)), "bias": random.uniform(-1, 1, (3, 4))}),
        ]
    ),
)  # fmt: skip
op(
    "_batch_norm(Tensor input, Tensor? weight, Tensor? bias, float eps) "
    "-> (Tensor output, Tensor center, Tensor rstd)",
    kind=STRUCTURAL,
    kernel="batch_norm",
    node="NativeBatchNormBackward0",
    vjp={
        "input": "_batch_norm_grad_input(grad_output, input, weight, center, rstd, eps)",
        "weight": "_batch_norm_grad_weight(grad_output, input, center, rstd, eps)",
        "bias": "_channel_sums(grad_output)",
    },
    jvp={
        "input": "_batch_norm_tangent(input_t, input, weight, eps)",
        "weight": "_batch_norm_scaled(weight_t, input, eps)",
        "bias": "_per_channel(bias_t, input)",
    },
    batch="loop",
    method=False,
    doc="Batch normalisation by the statistics of the batch; its means and 1 / deviations.",
)
for _signature, _doc in (
    ("_batch_norm_grad_input(Tensor g, Tensor input, Tensor? weight, Tensor center, Tensor rstd, "
     "float eps)", "Gradient of batch_norm to its input."),
    ("_batch_norm_grad_weight(Tensor g, Tensor input, Tensor center, Tensor rstd, float eps)",
     "Gradient of batch_norm to its weight."),
    ("_batch_norm_tangent(Tensor t, Tensor input, Tensor? weight, float eps)",
     "Tangent of batch_norm from that of its input."),
    ("_batch_norm_scaled(Tensor weight, Tensor input, float eps)",
     "The normalised input times `weight`."),
    ("_channel_sums(Tensor self)", "Sums over all dimensions but the second."),
    ("_per_channel(Tensor self, Tensor input)",
     "One number per channel, in a shape that broadcasts with `input`."),
):  # fmt: skip
    op(
        f"{_signature} -> Tensor",
        kind=COMPOSITE,
        kernel=_signature.split("(")[0].removeprefix("_"),
        method=False,
        doc=_doc,
    )
op(
    "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
    "Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled=False) "
    "-> Tensor",
    kind=COMPOSITE,
    kernel="batch_norm",
    method=False,
    doc="Batch normalisation per channel (dimension 1): in training by the statistics of the "
    "batch, which move the running ones; otherwise by the running ones.",
    ref="torch.batch_norm",
    samples=cases(
        lambda random: [
            ((random.uniform(-2, 2, s), random.uniform(0.5, 2, (3,)), random.uniform(-1, 1, (3,)),
              None, None, True, 0.1, 1e-5), {})
            for s in ((4, 3), (2, 3, 5))
        ]
    ),
)  # fmt: skip
op(
    "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, "
    "float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
    kind=COMPOSITE,
    kernel="group_norm",
    method=False,
    doc="Normalisation over groups of channels (dimension 1), sample by sample.",
    ref="torch.nn.functional.group_norm",
    samples=cases(
        lambda random: [
            ((random.uniform(-2, 2, (2, 4, 3)), 2),
             {"weight": random.uniform(0.5, 2, (4,)), "bias": random.uniform(-1, 1, (4,))}),
            ((random.uniform(-2, 2, (2, 4)), 2), {}),
        ]
    ),
)  # fmt: skip

# Padding, distances ---------------------------------------------------------------------------

op(
    "constant_pad_nd(Tensor self, int[] pad, Scalar value=0) -> Tensor",
    kind=STRUCTURAL,
    kernel="constant_pad_nd",
    vjp={"self": "_unpad(grad, pad)"},
    jvp={"self": "constant_pad_nd(self_t, pad)"},
    batch="keep_front",
    method=False,
    doc="Pads the last dimensions, two numbers each beginning with the last; negative ones crop.",
    ref="torch.constant_pad_nd",
    samples=cases(
        lambda random: [
            ((random.uniform(-1, 1, (2, 3)), (1, 2)), {}),
            ((random.uniform(-1, 1, (2, 3)), (-1, 2, 1, 0)), {"value": 2.5}),
        ]
    ),
)
op(
    "_unpad(Tensor self, int[] pad) -> Tensor",
    kind=COMPOSITE,
    kernel="unpad",
    method=False,
    doc="The gradient of constant_pad_nd: the padding with its sign changed.",
)
op(
    "bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
    kind=COMPOSITE,
    kernel="bilinear",
    method=False,
    doc="x1ᵀ·W_k·x2 + b_k for every output k: input1 (..., in1), input2 (..., in2), weight "
    "(out, in1, in2), bias (out).",
    ref="torch.nn.functional.bilinear",
    samples=cases(
        lambda random: [
            (tuple(random.uniform(-1, 1, s) for s in ((5, 2), (5, 3), (4, 2, 3), (4,))), {}),
        ]
    ),
)
op(
    "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor",
    kind=COMPOSITE,
    kernel="cosine_similarity",
    method=False,
    doc="Cosine of the angle between vectors along `dim`; each norm counts as at least eps.",
    ref="torch.cosine_similarity",
    samples=cases(
        lambda random: [((random.uniform(-1, 1, (3, 4)), random.uniform(-1, 1, (3, 4))), {})]
    ),
)
op(
    "normalize(Tensor self, float p=2.0, int dim=1, float eps=1e-12) -> Tensor",
    kind=COMPOSITE,
    kernel="normalize",
    method=False,
    doc="Divided by the p-norm along `dim`, which counts as at least eps.",
    ref="torch.nn.functional.normalize",
    samples=cases(
        lambda random: [((random.uniform(-1, 1, (3, 4)),), {"p": p}) for p in (1.0, 2.0)]
    ),
)
