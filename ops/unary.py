"""Pointwise functions of one tensor."""

from ops._dsl import ELEMENTWISE, cases, op, unary

# (name, forward, vjp, range of the samples, aliases, doc) of functions that make integers floating
for _name, _forward, _vjp, _range, _aliases, _doc in (
    ("exp", "exp(self)", "grad * out", (-4, 4), (), "e to the power of each element."),
    ("exp2", "exp2(self)", "grad * out * LN2", (-4, 4), (), "2 to the power of each element."),
    ("expm1", "expm1(self)", "grad * (out + 1)", (-2, 2), (), "exp(x) - 1, exact near 0."),
    ("log", "log(self)", "grad / self", (0.2, 5), (), "Natural logarithm."),
    ("log2", "log2(self)", "grad / (self * LN2)", (0.2, 5), (), "Logarithm to base 2."),
    ("log10", "log10(self)", "grad / (self * LN10)", (0.2, 5), (), "Logarithm to base 10."),
    ("log1p", "log1p(self)", "grad / (self + 1)", (-0.8, 3), (), "log(1 + x), exact near 0."),
    ("sqrt", "sqrt(self)", "grad / (2 * out)", (0.2, 5), (), "Square root."),
    ("rsqrt", "rsqrt(self)", "-0.5 * grad * out * out * out", (0.2, 5), (), "1 / sqrt(x)."),
    ("reciprocal", "1 / self", "-grad * out * out", (0.5, 3), (), "1 / x."),
    ("sin", "sin(self)", "grad * cos(self)", (-4, 4), (), "Sine."),
    ("cos", "cos(self)", "-grad * sin(self)", (-4, 4), (), "Cosine."),
    ("tan", "tan(self)", "grad * (1 + out * out)", (-1.3, 1.3), (), "Tangent."),
    ("asin", "asin(self)", "grad * rsqrt(1 - self * self)", (-0.9, 0.9), ("arcsin",), "Arc sine."),
    ("acos", "acos(self)", "-grad * rsqrt(1 - self * self)", (-0.9, 0.9), ("arccos",),
     "Arc cosine."),
    ("atan", "atan(self)", "grad / (self * self + 1)", (-3, 3), ("arctan",), "Arc tangent."),
    ("sinh", "sinh(self)", "grad * cosh(self)", (-3, 3), (), "Hyperbolic sine."),
    ("cosh", "cosh(self)", "grad * sinh(self)", (-3, 3), (), "Hyperbolic cosine."),
    ("tanh", "tanh(self)", "grad * (1 - out * out)", (-4, 4), (), "Hyperbolic tangent."),
    ("asinh", "asinh(self)", "grad * rsqrt(self * self + 1)", (-3, 3), ("arcsinh",),
     "Inverse hyperbolic sine."),
    ("acosh", "acosh(self)", "grad * rsqrt(self * self - 1)", (1.2, 4), ("arccosh",),
     "Inverse hyperbolic cosine."),
    ("atanh", "atanh(self)", "grad / (1 - self * self)", (-0.8, 0.8), ("arctanh",),
     "Inverse hyperbolic tangent."),
    ("sigmoid", "sigmoid(self)", "grad * (1 - out) * out", (-4, 4), ("special_expit",),
     "1 / (1 + exp(-x))."),
    ("erf", "erf(self)", "grad * TWO_OVER_SQRT_PI * exp(-(self * self))", (-2, 2), (),
     "Error function."),
    ("erfc", "erfc(self)", "-grad * TWO_OVER_SQRT_PI * exp(-(self * self))", (-2, 2), (),
     "1 - erf(x)."),
):  # fmt: skip
    op(
        f"{_name}(Tensor self) -> Tensor",
        kind=ELEMENTWISE,
        forward=_forward,
        vjp={"self": _vjp},
        result="float",
        aliases=_aliases,
        doc=_doc,
        ref=f"torch.{_name}",
        samples=unary(*_range),
    )

# (name, forward, vjp, dtypes, aliases, doc) of functions that keep the dtype
for _name, _forward, _vjp, _dtypes, _aliases, _doc in (
    ("neg", "-self", "-grad", "fi", ("negative",), "Each element with its sign changed."),
    ("abs", "abs(self)", "grad * sign(self)", "fi", ("absolute",), "Absolute value."),
    ("sign", "sign(self)", "0", "fib", ("sgn",), "-1, 0 or 1; the derivative is 0."),
    ("floor", "floor(self)", "0", "fi", (), "The largest integer not above x."),
    ("ceil", "ceil(self)", "0", "fi", (), "The smallest integer not below x."),
    ("trunc", "trunc(self)", "0", "fi", ("fix",), "The integer part."),
    ("round", "round(self)", "0", "fi", (), "The nearest integer; halves go to the even one."),
    ("frac", "self - trunc(self)", "grad", "f", (), "The part behind the point."),
    ("square", "self * self", "grad * 2 * self", "fi", (), "x²."),
    ("relu", "where(self <= 0, 0, self)", "where(out <= 0, 0, grad)", "fi", (),
     "max(x, 0); the derivative at 0 is 0."),
    ("deg2rad", "self * (PI / 180)", "grad * (PI / 180)", "f", (), "Degrees to radians."),
    ("rad2deg", "self * (180 / PI)", "grad * (180 / PI)", "f", (), "Radians to degrees."),
):  # fmt: skip
    op(
        f"{_name}(Tensor self) -> Tensor",
        kind=ELEMENTWISE,
        forward=_forward,
        vjp={"self": _vjp},
        dtypes=_dtypes,
        aliases=_aliases,
        doc=_doc,
        ref=f"torch.{_name}",
        samples=unary(-3.7, 3.7),
    )

op(
    "round.decimals(Tensor self, *, Scalar decimals) -> Tensor",
    kind=ELEMENTWISE,
    forward="round(self * pow(10, decimals)) / pow(10, decimals)",
    vjp={"self": "0"},
    dtypes="f",
    doc="Rounds to a number of decimals.",
    ref="torch.round",
    samples=cases(
        lambda random: [((random.uniform(-3, 3, (3, 4)),), {"decimals": d}) for d in (0, 2)]
    ),
)
op(
    "_pow2(Tensor self) -> Tensor",
    kind=ELEMENTWISE,
    forward="self * self",
    vjp={"self": "grad * 2 * self"},
    dtypes="fi",
    node="PowBackward0",
    method=False,
    doc="x ** 2.",
    samples=unary(-3, 3),
)

for _name, _forward, _doc in (
    ("isnan", "self != self", "True where x is not a number."),
    ("isinf", "abs(self) == INF", "True where x is infinite."),
    ("isfinite", "abs(self) < INF", "True where x is neither infinite nor NaN."),
    ("isneginf", "self == -INF", "True where x is -infinity."),
    ("isposinf", "self == INF", "True where x is +infinity."),
    ("signbit", "self < 0", "True where x is negative."),
):
    op(
        f"{_name}(Tensor self) -> Tensor",
        kind=ELEMENTWISE,
        forward=_forward,
        vjp={"self": None},
        result="bool",
        dtypes="f",
        doc=_doc,
        ref=f"torch.{_name}",
        samples=unary(-3, 3),
    )
op(
    "logical_not(Tensor self) -> Tensor",
    kind=ELEMENTWISE,
    forward="self == 0",
    vjp={"self": None},
    result="bool",
    inplace=True,
    doc="True where x is 0 or False.",
    ref="torch.logical_not",
    samples=unary(-1, 1),
)
op(
    "bitwise_not(Tensor self) -> Tensor",
    kind=ELEMENTWISE,
    forward="~self",
    vjp={"self": None},
    dtypes="ib",
    doc="Bits inverted; on bool: logical not.",
    ref="torch.bitwise_not",
    samples=cases(lambda random: [((random.integers(-9, 9, s),), {}) for s in ((), (3, 4))]),
)
