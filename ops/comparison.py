"""Predicates, and choices by them."""

from ops._dsl import BROADCAST, binary, cases, op

for _name, _sign, _words in (
    ("eq", "==", "equals"),
    ("ne", "!=", "differs from"),
    ("lt", "<", "is less than"),
    ("le", "<=", "is at most"),
    ("gt", ">", "is greater than"),
    ("ge", ">=", "is at least"),
):
    _alias = {"ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater"}
    op(
        f"{_name}(Tensor self, Tensor other) -> Tensor",
        kind=BROADCAST,
        forward=f"self {_sign} other",
        vjp={"self": None, "other": None},
        result="bool",
        inplace=True,
        aliases=(_alias[_name],) if _name in _alias else (),
        doc=f"True where `self` {_words} `other`.",
        ref=f"torch.{_name}",
        samples=binary(-2, 2),
    )

for _name, _formula, _words in (
    ("logical_and", "(self != 0) & (other != 0)", "both are true"),
    ("logical_or", "(self != 0) | (other != 0)", "one of both is true"),
    ("logical_xor", "(self != 0) != (other != 0)", "exactly one is true"),
):
    op(
        f"{_name}(Tensor self, Tensor other) -> Tensor",
        kind=BROADCAST,
        forward=_formula,
        vjp={"self": None, "other": None},
        result="bool",
        number_operands=(),
        inplace=True,
        doc=f"True where {_words} (not 0).",
        ref=f"torch.{_name}",
        samples=binary(-2, 2),
    )

for _name, _sign in (("bitwise_and", "&"), ("bitwise_or", "|"), ("bitwise_xor", "^")):
    op(
        f"{_name}(Tensor self, Tensor other) -> Tensor",
        kind=BROADCAST,
        forward=f"self {_sign} other",
        vjp={"self": None, "other": None},
        dtypes="ib",
        number_self=True,
        doc=f"{_name} of integers, or the logical operation on bool.",
        ref=f"torch.{_name}",
        samples=cases(
            lambda random: [
                ((random.integers(-9, 9, a), random.integers(-9, 9, b)), {})
                for a, b in (((), ()), ((3, 4), (4,)), ((3, 1), (1, 4)), ((0, 3), (3,)))
            ]
        ),
    )

op(
    "where(Tensor condition, Tensor self, Tensor other) -> Tensor",
    kind=BROADCAST,
    forward="where(condition, self, other)",
    vjp={
        "condition": None,
        "self": "where(condition, grad, 0)",
        "other": "where(condition, 0, grad)",
    },
    method=False,
    inplace=False,
    number_operands=("self", "other"),
    mask="condition",
    doc="`self` where `condition` is True, else `other`.",
    ref="numpy.where",
    samples=cases(
        lambda random: [
            ((random.uniform(-1, 1, (3, 4)) > 0, *random.uniform(-1, 1, (2, 3, 4))), {}),
            ((random.uniform(-1, 1, (3, 1)) > 0, random.uniform(-1, 1, (4,)), 2.0), {}),
        ]
    ),
)
op(
    "masked_fill(Tensor self, Tensor mask, Tensor value) -> Tensor",
    kind=BROADCAST,
    forward="where(mask, value, self)",
    vjp={"self": "where(mask, 0, grad)", "mask": None, "value": "where(mask, grad, 0)"},
    number_operands=("value",),
    mask="mask",
    doc="`value` where `mask` is True, else `self`.",
    ref="torch.masked_fill",
    samples=cases(
        lambda random: [
            ((random.uniform(-1, 1, (3, 4)), random.uniform(-1, 1, (4,)) > 0, 0.5), {}),
        ]
    ),
)
