"""Pointwise activation functions of neural networks."""

from ops._dsl import COMPOSITE, ELEMENTWISE, cases, op, unary

for _signature, _forward, _vjp, _doc in (
    (
        "leaky_relu(Tensor self, Scalar negative_slope=0.01)",
        "where(self > 0, self, self * negative_slope)",
        "where(self > 0, grad, grad * negative_slope)",
        "x, or negative_slope·x where x is not positive.",
    ),
    (
        "elu(Tensor self, Scalar alpha=1)",
        "where(self <= 0, alpha * expm1(self), self)",
        "where(self <= 0, grad * alpha * exp(self), grad)",
        "x, or alpha·(exp(x) - 1) where x is not positive.",
    ),
    (
        "selu(Tensor self)",
        "1.0507009873554805 * where(self <= 0, 1.6732632423543772 * expm1(self), self)",
        "1.0507009873554805 * where(self <= 0, grad * 1.6732632423543772 * exp(self), grad)",
        "Self-normalising ELU.",
    ),
    (
        "softplus(Tensor self, Scalar beta=1, Scalar threshold=20)",
        "where(self * beta > threshold, self, log1p(exp(self * beta)) / beta)",
        "where(self * beta > threshold, grad, grad * sigmoid(self * beta))",
        "log(1 + exp(beta·x)) / beta; x itself where beta·x exceeds the threshold.",
    ),
    (
        "silu(Tensor self)",
        "self * sigmoid(self)",
        "grad * sigmoid(self) * (1 + self * (1 - sigmoid(self)))",
        "x·sigmoid(x).",
    ),
    (
        "mish(Tensor self)",
        "self * tanh(log1p(exp(self)))",
        "grad * (tanh(log1p(exp(self))) "
        "+ self * sigmoid(self) * (1 - tanh(log1p(exp(self))) ** 2))",
        "x·tanh(softplus(x)).",
    ),
    (
        "_gelu_erf(Tensor self)",
        "0.5 * self * (1 + erf(self * SQRT_HALF))",
        "grad * (0.5 * (1 + erf(self * SQRT_HALF)) "
        "+ self * ONE_OVER_SQRT_2PI * exp(-0.5 * self * self))",
        "x·Φ(x) with the normal distribution function Φ.",
    ),
    (
        "_gelu_tanh(Tensor self)",
        "0.5 * self * (1 + tanh(0.7978845608028654 * (self + 0.044715 * self * self * self)))",
        "grad * (0.5 * (1 + tanh(0.7978845608028654 * (self + 0.044715 * self * self * self))) "
        "+ 0.5 * self * (1 - tanh(0.7978845608028654 * "
        "(self + 0.044715 * self * self * self)) ** 2) "
        "* 0.7978845608028654 * (1 + 0.134145 * self * self))",
        "GELU with the tanh approximation.",
    ),
    (
        "_logsigmoid(Tensor self)",
        "minimum(self, 0) - log1p(exp(-abs(self)))",
        "grad * sigmoid(-self)",
        "log(sigmoid(x)) without overflow.",
    ),
    (
        "hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1)",
        "where(self <= min_val, min_val, where(self >= max_val, max_val, self))",
        "where((self <= min_val) | (self >= max_val), 0, grad)",
        "x bounded to [min_val, max_val]; the derivative at the bounds is 0.",
    ),
    (
        "hardsigmoid(Tensor self)",
        "minimum(maximum(self + 3, 0), 6) / 6",
        "where((self > -3) & (self < 3), grad / 6, 0)",
        "relu6(x + 3) / 6.",
    ),
    (
        "hardswish(Tensor self)",
        "self * minimum(maximum(self + 3, 0), 6) / 6",
        "where(self <= -3, 0, where(self < 3, grad * (self / 3 + 0.5), grad))",
        "x·relu6(x + 3) / 6.",
    ),
    (
        "_softsign(Tensor self)",
        "self / (1 + abs(self))",
        "grad / ((1 + abs(self)) * (1 + abs(self)))",
        "x / (1 + |x|).",
    ),
):
    op(
        f"{_signature} -> Tensor",
        kind=ELEMENTWISE,
        forward=_forward,
        vjp={"self": _vjp},
        dtypes="f",
        doc=_doc,
        ref=None if _signature[0] == "_" else f"torch.nn.functional.{_signature.split('(')[0]}",
        samples=unary(-4.2, 4.2),
        method=False,
    )

op(
    "gelu(Tensor self, *, str approximate='none') -> Tensor",
    kind=COMPOSITE,
    kernel="gelu",
    method=False,
    doc="Gaussian error linear unit; approximate is 'none' or 'tanh'.",
    ref="torch.nn.functional.gelu",
    samples=cases(
        lambda random: [
            ((random.uniform(-3, 3, (5,)),), {}),
            ((random.uniform(-3, 3, (5,)),), {"approximate": "tanh"}),
        ]
    ),
)
op(
    "clamp(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
    kind=COMPOSITE,
    kernel="clamp_tensor",
    inplace=True,
    aliases=("clip",),
    doc="Bounded by tensors.",
    ref="torch.clamp",
    samples=cases(
        lambda random: [
            ((random.uniform(-3, 3, (3, 4)), random.uniform(-2, -1, (4,))), {}),
            ((random.uniform(-3, 3, (3, 4)), None, random.uniform(0, 2, (3, 1))), {}),
            (tuple(random.uniform(low, low + 2, (3, 4)) for low in (-1, -2, 0)), {}),
        ]
    ),
)
op(
    "clamp.scalar(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
    kind=COMPOSITE,
    kernel="clamp_scalar",
    inplace=True,
    doc="Bounded by numbers; at a bound the derivative is 1.",
    ref="torch.clamp",
    samples=cases(
        lambda random: [
            ((random.uniform(-3, 3, (4, 3)),), {"min": -1.0, "max": 1.0}),
            ((random.uniform(-3, 3, (4, 3)),), {"min": -1.0}),
            ((random.uniform(-3, 3, (4, 3)),), {"max": 1.0}),
        ]
    ),
)
op(
    "clamp_min(Tensor self, Scalar min) -> Tensor",
    kind=COMPOSITE,
    kernel="clamp_min",
    inplace=True,
    doc="Bounded from below.",
    ref="torch.clamp_min",
    samples=cases(lambda random: [((random.uniform(-3, 3, (4, 3)), 0.5), {})]),
)
op(
    "clamp_max(Tensor self, Scalar max) -> Tensor",
    kind=COMPOSITE,
    kernel="clamp_max",
    inplace=True,
    doc="Bounded from above.",
    ref="torch.clamp_max",
    samples=cases(lambda random: [((random.uniform(-3, 3, (4, 3)), 0.5), {})]),
)
