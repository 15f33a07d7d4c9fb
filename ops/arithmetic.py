"""Pointwise arithmetic of two or three tensors; a number may stand for most but the first."""

from ops._dsl import BROADCAST, COMPOSITE, ELEMENTWISE, binary, cases, op

op(
    "add(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    kind=BROADCAST,
    forward="self + alpha * other",
    vjp={"self": "grad", "other": "grad * alpha"},
    number_self=True,
    doc="`self + alpha * other`.",
    ref="numpy.add",
    samples=binary(-4, 4),
)
op(
    "sub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    kind=BROADCAST,
    forward="self - alpha * other",
    vjp={"self": "grad", "other": "-grad * alpha"},
    dtypes="fi",
    number_self=True,
    aliases=("subtract",),
    doc="`self - alpha * other`.",
    ref="numpy.subtract",
    samples=binary(-4, 4),
)
op(
    "rsub(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    kind=BROADCAST,
    forward="other - alpha * self",
    vjp={"self": "-grad * alpha", "other": "grad"},
    dtypes="fi",
    inplace=False,
    doc="`other - alpha * self`.",
    ref="torch.rsub",
    samples=binary(-4, 4),
)
op(
    "_number_minus(Tensor self, Scalar other) -> Tensor",
    kind=ELEMENTWISE,
    forward="other - self",
    vjp={"self": "-grad"},
    dtypes="fi",
    inplace=False,
    method=False,
    node="RsubBackward1",
    doc="`other - self` for a number.",
    samples=cases(lambda random: [((random.uniform(-4, 4, (3, 4)), 2.5), {})]),
)
op(
    "mul(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="self * other",
    vjp={"self": "grad * other", "other": "grad * self"},
    number_self=True,
    aliases=("multiply",),
    doc="Product, element by element.",
    ref="numpy.multiply",
    samples=binary(-4, 4),
)
op(
    "div(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="self / other",
    vjp={"self": "grad / other", "other": "-grad * self / (other * other)"},
    result="float",
    number_self=True,
    aliases=("divide", "true_divide"),
    doc="Quotient, element by element.",
    ref="numpy.divide",
    samples=binary(-4, 4, 0.5, 3),
)
op(
    "div.mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
    kind=COMPOSITE,
    kernel="div_mode",
    inplace=True,
    doc="Quotient rounded towards minus infinity ('floor') or zero ('trunc').",
    ref="torch.div",
    samples=cases(
        lambda random: [
            ((random.uniform(-9, 9, (4,)), random.uniform(1, 3, (4,))), {"rounding_mode": mode})
            for mode in ("floor", "trunc")
        ]
    ),
)
op(
    "div.mode_number(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor",
    kind=COMPOSITE,
    kernel="div_mode_number",
    inplace=True,
    doc="The same for a number.",
    ref="torch.div",
    samples=cases(
        lambda random: [((random.uniform(-9, 9, (4,)), 2.5), {"rounding_mode": "floor"})]
    ),
)
op(
    "floor_divide(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="floor_divide(self, other)",
    vjp={"self": "0", "other": "0"},
    dtypes="fi",
    number_self=True,
    doc="Quotient rounded towards minus infinity; the derivative is 0.",
    ref="numpy.floor_divide",
    samples=binary(-9, 9, 0.5, 3),
)
op(
    "_div_trunc(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="divide_towards_zero(self, other)",
    vjp={"self": "0", "other": "0"},
    dtypes="fi",
    method=False,
    doc="Quotient rounded towards zero; the derivative is 0.",
    samples=binary(-9, 9, 0.5, 3),
)
op(
    "remainder(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="remainder(self, other)",
    vjp={"self": "grad", "other": "-grad * floor(self / other)"},
    dtypes="fi",
    number_self=True,
    doc="Remainder with the sign of the divisor, as Python's %.",
    ref="numpy.remainder",
    samples=binary(-9, 9, 0.5, 3),
)
op(
    "fmod(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="fmod(self, other)",
    vjp={"self": "grad", "other": "-grad * trunc(self / other)"},
    dtypes="fi",
    doc="Remainder with the sign of the dividend, as C's fmod.",
    ref="numpy.fmod",
    samples=binary(-9, 9, 0.5, 3),
)
op(
    "_pow(Tensor self, Tensor exponent) -> Tensor",
    kind=BROADCAST,
    forward="pow(self, exponent)",
    vjp={
        "self": "where(exponent == 0, 0, grad * exponent * self ** (exponent - 1))",
        "exponent": "where((self == 0) & (exponent >= 0), 0, grad * out * log(self))",
    },
    dtypes="fi",
    number_self=True,
    node="PowBackward0",
    method=False,
    doc="Power, element by element.",
    samples=binary(0.3, 3, -2, 3),
)
op(
    "pow(Tensor self, Tensor exponent) -> Tensor",
    kind=COMPOSITE,
    kernel="pow_tensor",
    inplace=True,
    doc="Power, element by element.",
    ref="numpy.power",
    samples=binary(0.3, 3, -2, 3),
)
op(
    "pow.scalar(Tensor self, Scalar exponent) -> Tensor",
    kind=COMPOSITE,
    kernel="pow_scalar",
    inplace=True,
    doc="Each element to the power of a number.",
    ref="numpy.power",
    samples=cases(
        lambda random: [((random.uniform(0.3, 3, (2, 3)), e), {}) for e in (2, 3, -1.5, 0.5, 0)]
    ),
)
op(
    "pow.base(Scalar self, Tensor exponent) -> Tensor",
    kind=COMPOSITE,
    kernel="pow_base",
    method=False,
    doc="A number to the power of each element.",
    samples=cases(lambda random: [((2.5, random.uniform(-2, 2, (2, 3))), {})]),
)
op(
    "maximum(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="maximum(self, other)",
    vjp={
        "self": "where(self < other, 0, where(self == other, grad / 2, grad))",
        "other": "where(other < self, 0, where(self == other, grad / 2, grad))",
    },
    inplace=False,
    number_operands=(),
    doc="The larger of two; NaN wins; equal elements share the gradient.",
    ref="numpy.maximum",
    samples=binary(-4, 4),
)
op(
    "minimum(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="minimum(self, other)",
    vjp={
        "self": "where(self > other, 0, where(self == other, grad / 2, grad))",
        "other": "where(other > self, 0, where(self == other, grad / 2, grad))",
    },
    inplace=False,
    number_operands=(),
    doc="The smaller of two; NaN wins; equal elements share the gradient.",
    ref="numpy.minimum",
    samples=binary(-4, 4),
)
op(
    "atan2(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="atan2(self, other)",
    vjp={
        "self": "where((self == 0) & (other == 0), 0, "
        "grad * other / (self * self + other * other))",
        "other": "where((self == 0) & (other == 0), 0, "
        "-grad * self / (self * self + other * other))",
    },
    result="float",
    aliases=("arctan2",),
    number_operands=(),
    doc="Angle of the point (other, self).",
    ref="numpy.arctan2",
    samples=binary(0.5, 3),
)
op(
    "logaddexp(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="where(self == other, self + LN2, "
    "maximum(self, other) + log1p(exp(-abs(self - other))))",
    vjp={
        "self": "grad / (1 + exp(other - self))",
        "other": "grad / (1 + exp(self - other))",
    },
    result="float",
    inplace=False,
    number_operands=(),
    doc="log(exp(x) + exp(y)) without overflow.",
    ref="numpy.logaddexp",
    samples=binary(-4, 4),
)
op(
    "xlogy(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="where(other != other, other, where(self == 0, 0, self * log(other)))",
    vjp={
        "self": "where((self == 0) & (other <= 0), 0, grad * log(other))",
        "other": "where(self == 0, 0, grad * self / other)",
    },
    result="float",
    doc="x·log(y), and 0 where x is 0.",
    ref="torch.xlogy",
    samples=binary(0.2, 3),
)
op(
    "lerp(Tensor self, Tensor end, Tensor weight) -> Tensor",
    kind=BROADCAST,
    forward="self + weight * (end - self)",
    vjp={
        "self": "grad * (1 - weight)",
        "end": "grad * weight",
        "weight": "grad * (end - self)",
    },
    dtypes="f",
    number_operands=("weight",),
    doc="Linear interpolation from `self` to `end`.",
    ref="torch.lerp",
    samples=cases(
        lambda random: [
            (tuple(random.uniform(0, 1, s) for s in ((3, 4), (3, 4), (4,))), {}),
        ]
    ),
)
op(
    "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    kind=BROADCAST,
    forward="self + value * tensor1 * tensor2",
    vjp={
        "self": "grad",
        "tensor1": "grad * value * tensor2",
        "tensor2": "grad * value * tensor1",
    },
    dtypes="fi",
    number_operands=(),
    doc="`self + value * tensor1 * tensor2`.",
    ref="torch.addcmul",
    samples=cases(
        lambda random: [
            (tuple(random.uniform(0, 1, s) for s in ((3, 4), (3, 1), (4,))), {"value": 0.5})
        ]
    ),
)
op(
    "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    kind=BROADCAST,
    forward="self + value * tensor1 / tensor2",
    vjp={
        "self": "grad",
        "tensor1": "grad * value / tensor2",
        "tensor2": "-grad * value * tensor1 / (tensor2 * tensor2)",
    },
    dtypes="f",
    number_operands=(),
    doc="`self + value * tensor1 / tensor2`.",
    ref="torch.addcdiv",
    samples=cases(
        lambda random: [
            (tuple(random.uniform(0.5, 1, s) for s in ((3, 4), (3, 1), (4,))), {"value": 0.5})
        ]
    ),
)
op(
    "_squared_difference(Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="(self - other) * (self - other)",
    vjp={"self": "grad * 2 * (self - other)", "other": "grad * 2 * (other - self)"},
    dtypes="fi",
    node="MseLossBackward0",
    method=False,
    doc="(x - y)².",
    samples=binary(-4, 4),
)
op(
    "_clamp(Tensor self, Tensor min, Tensor max) -> Tensor",
    kind=BROADCAST,
    forward="minimum(maximum(self, min), max)",
    vjp={
        "self": "where((self >= min) & (self <= max), grad, 0)",
        "min": "where((self < min) & (min < max), grad, 0)",
        "max": "where((self > max) | (max < min), grad, 0)",
    },
    node="ClampBackward0",
    method=False,
    doc="Bounded from both sides; at a bound the derivative is 1.",
    samples=cases(
        lambda random: [
            (tuple(random.uniform(lo, hi, (3, 4)) for lo, hi in ((-3, 3), (-2, -1), (1, 2))), {})
        ]
    ),
)
op(
    "_clamp_min(Tensor self, Tensor min) -> Tensor",
    kind=BROADCAST,
    forward="maximum(self, min)",
    vjp={
        "self": "where(self >= min, grad, 0)",
        "min": "where(self < min, grad, 0)",
    },
    node="ClampBackward0",
    method=False,
    doc="Bounded from below.",
    samples=binary(-3, 3),
)
op(
    "_clamp_max(Tensor self, Tensor max) -> Tensor",
    kind=BROADCAST,
    forward="minimum(self, max)",
    vjp={
        "self": "where(self <= max, grad, 0)",
        "max": "where(self > max, grad, 0)",
    },
    node="ClampBackward0",
    method=False,
    doc="Bounded from above.",
    samples=binary(-3, 3),
)
