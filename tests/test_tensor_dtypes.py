"""dtypes: attributes, conversion and type promotion."""

import math

import pytest

import chainrule as torch

NAMES = ["bool", "int64", "float32", "float64"]

# Result dtype by operand (row: left, column: right): two tensors with dimensions.
BOTH_TENSORS = {
    "bool": ["bool", "int64", "float32", "float64"],
    "int64": ["int64", "int64", "float32", "float64"],
    "float32": ["float32", "float32", "float32", "float64"],
    "float64": ["float64", "float64", "float64", "float64"],
}
# The right operand has no dimensions: it decides only by its category (bool, integer, float).
RIGHT_IS_0D = {**BOTH_TENSORS, "float32": ["float32"] * 4}
# The right operand is a Python number: True, 2, 2.5.
RIGHT_IS_NUMBER = {
    "bool": ["bool", "int64", "float32"],
    "int64": ["int64", "int64", "float32"],
    "float32": ["float32"] * 3,
    "float64": ["float64"] * 3,
}
TRUE_DIVISION = {"div", "atan2"}  # integers become float32
COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"}
NO_BOOL = {"pow", "floor_divide", "remainder"}


def dtype(name):
    return getattr(torch, name)


def tensor(name, shape=(2,)):
    return torch.ones(shape, dtype=dtype(name))


def expected(operator, name):
    """The dtype of the operator's result where the promoted operands have dtype `name`."""
    if operator in COMPARISONS:
        return torch.bool
    if operator in TRUE_DIVISION and "float" not in name:
        return torch.float32
    return dtype(name)


@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("operator", ["add", "mul", "maximum", "minimum", *sorted(TRUE_DIVISION)])
def test_promotion_of_two_tensors(operator, left):
    function = getattr(torch, operator)
    for right, result in zip(NAMES, BOTH_TENSORS[left], strict=True):
        assert function(tensor(left), tensor(right)).dtype is expected(operator, result)


@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("operator", ["add", "mul", "maximum", *sorted(TRUE_DIVISION)])
def test_promotion_with_a_tensor_without_dimensions(operator, left):
    function = getattr(torch, operator)
    for right, result in zip(NAMES, RIGHT_IS_0D[left], strict=True):
        assert function(tensor(left), tensor(right, ())).dtype is expected(operator, result)
        assert function(tensor(right, ()), tensor(left)).dtype is expected(operator, result)


@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("operator", ["add", "mul", "div"])
def test_promotion_with_a_number(operator, left):
    function = getattr(torch, operator)
    for number, result in zip((True, 2, 2.5), RIGHT_IS_NUMBER[left], strict=True):
        assert function(tensor(left), number).dtype is expected(operator, result)
        assert function(tensor(left, ()), number).dtype is expected(operator, result)


@pytest.mark.parametrize("operator", sorted(COMPARISONS))
def test_comparisons_give_bool(operator):
    function = getattr(torch, operator)
    for left in NAMES:
        for right in NAMES:
            assert function(tensor(left), tensor(right)).dtype is torch.bool


@pytest.mark.parametrize("operator", sorted(NO_BOOL))
def test_promotion_of_operators_without_bool(operator):
    function = getattr(torch, operator)
    for left in NAMES:
        for right, result in zip(NAMES, BOTH_TENSORS[left], strict=True):
            if left == right == "bool":
                with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
                    function(tensor(left), tensor(right))
            else:
                assert function(tensor(left), tensor(right)).dtype is dtype(result)


@pytest.mark.parametrize(
    "operator",
    [
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "maximum",
        "atan2",
        "remainder",
        "floor_divide",
        "eq",
        "lt",
    ],
)
def test_promotion_agrees_with_torch(real_torch, operator):
    def outcome(module, left, right, shape):
        a = module.ones(2, dtype=getattr(module, left))
        if isinstance(right, str):
            right = module.ones(shape, dtype=getattr(module, right))
        try:
            out = getattr(module, operator)(a, right)
        except (RuntimeError, TypeError) as problem:
            return type(problem).__name__
        return str(out.dtype), out.tolist()

    for left in NAMES:
        for right in [*NAMES, True, 3, 2.5]:
            for shape in ((2,), ()):
                theirs = outcome(real_torch, left, right, shape)
                assert outcome(torch, left, right, shape) == theirs, (left, right, shape)


def test_result_type_and_promote_types():
    assert torch.result_type(tensor("int64"), 1.5) is torch.float32
    assert torch.result_type(tensor("float32"), tensor("float64", ())) is torch.float32
    assert torch.promote_types(torch.int64, torch.float32) is torch.float32
    assert torch.promote_types(torch.bool, torch.int64) is torch.int64


UNARY_TO_FLOAT = [
    "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "tan", "asin",
    "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "erf",
]  # fmt: skip


@pytest.mark.parametrize("name", UNARY_TO_FLOAT)
def test_functions_of_integers_give_floats(name):
    for source in ("int64", "bool"):
        out = getattr(torch, name)(tensor(source))
        assert out.dtype is torch.float32
        assert out.tolist() == getattr(torch, name)(tensor("float32")).tolist()
    assert getattr(torch, name)(tensor("float64")).dtype is torch.float64


@pytest.mark.parametrize(
    "name", ["neg", "abs", "square", "sign", "relu", "floor", "ceil", "round", "trunc"]
)
def test_functions_that_keep_integers(name):
    out = getattr(torch, name)(torch.tensor([-2, 0, 3]))
    assert out.dtype is torch.int64
    table = {
        "neg": [2, 0, -3], "abs": [2, 0, 3], "square": [4, 0, 9], "sign": [-1, 0, 1],
        "relu": [0, 0, 3],
    }  # fmt: skip
    assert out.tolist() == table.get(name, [-2, 0, 3])


def test_reductions_of_integers():
    i, b = torch.tensor([1, 2, 3]), torch.tensor([True, True, False])
    for t in (i, b):
        assert t.sum().dtype is torch.int64
        assert t.prod().dtype is torch.int64
        assert t.cumsum(0).dtype is torch.int64
    assert b.sum().item() == 2
    assert i.max().dtype is torch.int64
    assert i.argmax().dtype is torch.int64
    assert i.all().dtype is torch.bool
    assert i.logsumexp(0).dtype is torch.float32
    assert i.sum(dtype=torch.float64).dtype is torch.float64
    assert i.mean(dtype=torch.float64).item() == 2.0


def test_comparison_of_integers_and_floats_is_exact_enough():
    assert (torch.tensor([1, 2]) == torch.tensor([1.0, 2.5])).tolist() == [True, False]
    assert (torch.tensor([2**62]) == 2**62).item()
    assert not (torch.tensor([2**62 + 1]) == 2**62).item()


def test_integer_arithmetic_wraps_around():
    big = torch.tensor([2**63 - 1])
    assert (big + 1).item() == -(2**63)
    assert (big * 2).item() == -2
    assert (-torch.tensor([-(2**63)])).item() == -(2**63)
    assert torch.tensor([-(2**63)]).abs().item() == -(2**63)


def test_integer_division_rules():
    a, b = torch.tensor([7, -7, 7, -7]), torch.tensor([2, 2, -2, -2])
    assert (a / b).tolist() == [3.5, -3.5, -3.5, 3.5]
    assert (a // b).tolist() == [3, -4, -4, 3]
    assert (a % b).tolist() == [1, 1, -1, -1]
    assert torch.div(a, b, rounding_mode="trunc").tolist() == [3, -3, -3, 3]
    assert torch.div(a, b, rounding_mode="floor").tolist() == [3, -4, -4, 3]


def test_float_division_by_zero():
    a = torch.tensor([1.0, -1.0, 0.0])
    out = (a / 0).tolist()
    assert out[:2] == [math.inf, -math.inf]
    assert math.isnan(out[2])
    assert all(math.isnan(v) for v in (a % 0).tolist())


def test_dtype_attributes():
    assert repr(torch.float32) == str(torch.float32) == "torch.float32"
    assert torch.float is torch.float32
    assert torch.double is torch.float64
    assert torch.long is torch.int64
    assert torch.float64.is_floating_point
    assert not torch.int64.is_floating_point
    assert not torch.float32.is_complex
    assert [dtype(n).itemsize for n in NAMES] == [1, 8, 4, 8]
    assert torch.get_default_dtype() is torch.float32
    assert isinstance(torch.float32, torch.dtype)
    assert len({dtype(n) for n in NAMES}) == 4


def test_limits_of_dtypes():
    assert torch.finfo(torch.float32).eps == 2.0**-23
    assert torch.finfo(torch.float64).max == 1.7976931348623157e308
    assert torch.finfo(torch.float32).tiny == 2.0**-126
    assert torch.iinfo(torch.int64).max == 2**63 - 1
    assert torch.iinfo(torch.int64).min == -(2**63)
    with pytest.raises(TypeError):
        torch.finfo(torch.int64)


def test_default_dtype_can_be_changed():
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.tensor(1.5).dtype is torch.float64
        assert torch.zeros(1).dtype is torch.float64
        assert (torch.tensor([1]) / 2).dtype is torch.float64
        assert repr(torch.tensor(1.5)) == "tensor(1.5000)"
    finally:
        torch.set_default_dtype(torch.float32)


def test_conversions():
    t = torch.tensor([1.7, -1.7, 0.0])
    assert t.long().tolist() == [1, -1, 0]
    assert t.bool().tolist() == [True, True, False]
    assert t.double().dtype is torch.float64
    assert torch.tensor([math.nan]).bool().item() is True
    assert t.type_as(torch.tensor(1)).dtype is torch.int64
    assert t.type(torch.float64).dtype is torch.float64
    assert t.type() == "torch.FloatTensor"


def test_conversion_to_the_same_dtype_is_the_tensor_itself():
    t = torch.ones(2)
    assert t.to(torch.float32) is t
    assert t.float() is t
    assert t.to("cpu") is t
    assert t.cpu() is t
    assert t.to(t) is t
    assert t.to(torch.float32, copy=True) is not t
    assert t.to(torch.float64).dtype is torch.float64
    assert t.to("cpu", torch.int64).dtype is torch.int64
    assert t.to(dtype=torch.int64).dtype is torch.int64
    assert t.to(torch.ones(1, dtype=torch.float64)).dtype is torch.float64


def test_conversion_keeps_the_layout():
    t = torch.ones(2, 3).t()
    assert t.double().stride() == (1, 3)
    assert torch.ones(2, 4)[:, ::2].double().stride() == (2, 1)


def test_device_objects():
    cpu = torch.device("cpu")
    assert repr(cpu) == "device(type='cpu')"
    assert cpu.type == "cpu"
    assert torch.ones(1).device == cpu
    assert torch.device("cpu") == cpu
    assert hash(torch.device("cpu")) == hash(cpu)
