"""Making tensors beside torch: the same values, dtypes, strides and errors."""

import math
from array import array
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

import chainrule as torch
from chainrule import nn


def outcome(call: Callable[[Any], Any], module: Any) -> Any:
    """What a call gives, or the type of its error."""
    try:
        t = call(module)
    except Exception as problem:
        return type(problem).__name__
    dtype = str(t.dtype).split(".")[-1]
    return dtype, tuple(t.shape), tuple(t.stride()), t.requires_grad, repr(t.tolist())


SAME: dict[str, Callable[[Any], Any]] = {
    "floats": lambda t: t.tensor([[1.0, 2.0], [3.0, 4.5]]),
    "mixed": lambda t: t.tensor([1, 2.5, True]),
    "bools": lambda t: t.tensor([[True], [False]]),
    "tuple of lists": lambda t: t.tensor(([1], [2])),
    "range": lambda t: t.tensor([range(2), range(2)]),
    "0-d tensors": lambda t: t.tensor([t.tensor(1.0), t.tensor([2.0])]),
    "float64 tensors": lambda t: t.tensor([t.tensor(1.0, dtype=t.float64), 2]),
    "large tensors": lambda t: t.tensor([t.ones(2), t.ones(2)]),
    "array.array": lambda t: t.tensor(array("d", [1.0, 2.0])),
    "empty": lambda t: t.tensor([[], []]),
    "ragged": lambda t: t.tensor([[1, 2], [3]]),
    "ragged tail": lambda t: t.tensor([[1, 2], 3]),
    "ragged head": lambda t: t.tensor([1, [2, 3]]),
    "text": lambda t: t.tensor("ab"),
    "list of text": lambda t: t.tensor(["ab"]),
    "None": lambda t: t.tensor([None]),
    "dict": lambda t: t.tensor({1: 2}),
    "too large": lambda t: t.tensor(2**63),
    "too large as float": lambda t: t.tensor(2**63, dtype=t.float64),
    "infinity as int": lambda t: t.tensor(math.inf, dtype=t.int64),
    "truncation": lambda t: t.tensor([1.9, -1.9], dtype=t.int64),
    "fraction": lambda t: t.tensor(Fraction(1, 2)),
    "fraction with dtype": lambda t: t.tensor([Fraction(1, 2)], dtype=t.float32),
    "requires_grad": lambda t: t.tensor([1.0], requires_grad=True),
    "integers require no grad": lambda t: t.tensor([1], requires_grad=True),
    "full": lambda t: t.full((2, 2), 7),
    "full of infinity as int": lambda t: t.full((2,), math.inf, dtype=t.int64),
    "full too large": lambda t: t.full((2,), 1e300),
    "full truncates": lambda t: t.full((2,), 2.7, dtype=t.int64),
    "full of tensor": lambda t: t.full((2,), t.tensor(3)),
    "full needs a tuple": lambda t: t.full(2, 1.0),
    "scalar_tensor": lambda t: t.scalar_tensor(3),
    "zeros of one number": lambda t: t.zeros(3, dtype=t.int64),
    "zeros of text": lambda t: t.zeros("a"),
    "zeros of text inside": lambda t: t.zeros(2, "a"),
    "zeros of floats": lambda t: t.zeros(2.0),
    "zeros twice": lambda t: t.zeros((2,), 3),
    "zeros of a tensor": lambda t: t.zeros(t.tensor(2), 2),
    "zeros of nothing": lambda t: t.zeros(),
    "empty_strided": lambda t: t.empty_strided((2, 3), (1, 2)).zero_(),
    "empty_strided negative": lambda t: t.empty_strided((2, 3), (-1, 2)),
    "empty_strided lengths": lambda t: t.empty_strided((2, 3), (1,)),
    "eye": lambda t: t.eye(2, 3, dtype=t.int64),
    "eye of none": lambda t: t.eye(3, m=2),
    "eye negative": lambda t: t.eye(2, -1),
    "arange bool": lambda t: t.arange(3, dtype=t.bool),
    "arange of true": lambda t: t.arange(True),
    "arange rounds bounds": lambda t: t.arange(0.5, 4, dtype=t.int64),
    "arange down": lambda t: t.arange(5, 0, -2),
    "arange by name": lambda t: t.arange(end=3),
    "arange end first": lambda t: t.arange(3, step=2, end=9),
    "arange of a tensor": lambda t: t.arange(t.tensor(3)),
    "linspace int": lambda t: t.linspace(0, 10, 4, dtype=t.int64),
    "linspace negative": lambda t: t.linspace(0, 1, -1),
    "linspace without steps": lambda t: t.linspace(0, 1),
    "logspace": lambda t: t.logspace(0, 3, 4, dtype=t.float64),
    "logspace base 2": lambda t: t.logspace(0, 3, 4, base=2, dtype=t.float64),
    "like transposed": lambda t: t.zeros_like(t.ones(2, 3, 4).permute(2, 0, 1)),
    "like with gaps": lambda t: t.ones_like(t.ones(4, 6)[::2, ::3].t()),
    "like expanded": lambda t: t.zeros_like(t.ones(3, 1).expand(3, 4)),
    "like expanded front": lambda t: t.zeros_like(t.ones(3).expand(4, 3)),
    "like row-major": lambda t: t.ones_like(t.ones(2, 3).t(), memory_format=t.contiguous_format),
    "like a list": lambda t: t.zeros_like([1]),
    "full_like": lambda t: t.full_like(t.ones(2, dtype=t.int64), 2.5),
    "new_tensor": lambda t: t.ones(1, dtype=t.float64).new_tensor([1, 2]),
    "new_full": lambda t: t.ones(1, dtype=t.int64).new_full((2,), 2.5),
    "new": lambda t: t.ones(1, dtype=t.int64).new([1, 2]),
    "Tensor of data": lambda t: t.Tensor([[1, 2]]),
    "Tensor of a tensor": lambda t: t.Tensor(t.ones(2, dtype=t.float64)),
    "Tensor of None": lambda t: t.Tensor(None),
    "Tensor of text": lambda t: t.Tensor("ab"),
    "Tensor of a dtype": lambda t: t.Tensor([1], dtype=t.float32),
    "LongTensor truncates": lambda t: t.LongTensor([1.5]),
    "LongTensor of floats": lambda t: t.LongTensor(t.ones(2)),
    "asarray of a list": lambda t: t.asarray([1, 2]),
    "asarray without copy": lambda t: t.asarray([1, 2], copy=False),
    "asarray of a buffer": lambda t: t.asarray(array("f", [1.0, 2.0])),
    "asarray of a result": lambda t: t.asarray(t.ones(2, requires_grad=True) * 2).detach(),
    "frombuffer": lambda t: t.frombuffer(bytearray(16), dtype=t.int64),
    "frombuffer short": lambda t: t.frombuffer(bytearray(15), dtype=t.int64),
    "frombuffer count": lambda t: t.frombuffer(bytearray(16), dtype=t.float32, count=2, offset=8),
    "frombuffer too much": lambda t: t.frombuffer(bytearray(16), dtype=t.float32, count=5),
    "frombuffer offset": lambda t: t.frombuffer(bytearray(16), dtype=t.float32, offset=16),
    "frombuffer empty": lambda t: t.frombuffer(bytearray(), dtype=t.float32),
    "frombuffer of a list": lambda t: t.frombuffer([1.0], dtype=t.float32),
    "frombuffer without dtype": lambda t: t.frombuffer(bytearray(8)),
    "Parameter of nothing": lambda t: t.nn.Parameter(),
    "Parameter of integers": lambda t: t.nn.Parameter(t.ones(2, dtype=t.int64)),
    "Parameter without grad": lambda t: t.nn.Parameter(t.ones(2), requires_grad=False),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAME)
def test_outcome_is_torch_s(name: str, real_torch: Any) -> None:
    assert outcome(SAME[name], torch) == outcome(SAME[name], real_torch)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 25, 100, 1001])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_linspace_has_torch_s_numbers(steps: int, dtype: str, real_torch: Any) -> None:
    for start, end in ((0.0, 2 * math.pi), (-1.7, 0.3), (5.5, -9.1)):
        ours = torch.linspace(start, end, steps=steps, dtype=getattr(torch, dtype))
        theirs = real_torch.linspace(start, end, steps=steps, dtype=getattr(real_torch, dtype))
        assert ours.tolist() == theirs.tolist()


def test_linspace_of_the_tutorial_requires_grad() -> None:
    a = torch.linspace(0.0, 2.0 * math.pi, steps=25, requires_grad=True)
    assert a.requires_grad
    assert a.is_leaf
    assert a[0].item() == 0.0
    assert a[-1].item() == torch.tensor(2.0 * math.pi).item()


def test_arange_counts_from_the_start() -> None:
    t = torch.arange(0, 1, 0.1, dtype=torch.float64)
    assert len(t) == 10
    assert max(abs(v - 0.1 * k) for k, v in enumerate(t.tolist())) < 1e-15
    assert torch.arange(-(2**63), -(2**63) + 3).tolist() == [-(2**63) + k for k in range(3)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: torch.tensor([1, 2], dtype=torch.int32), NotImplementedError, "torch.float32"),
        (lambda: torch.zeros(2, dtype=torch.uint8), NotImplementedError, "no kernels for .*uint8"),
        (lambda: torch.tensor(1j), TypeError, "complex"),
        (lambda: torch.zeros(2, out=torch.ones(2)), NotImplementedError, "out="),
        (lambda: torch.zeros(2, pin_memory=True), RuntimeError, "pin_memory"),
        (lambda: torch.zeros(2, device="cuda"), RuntimeError, "cpu"),
        (
            lambda: torch.zeros_like(torch.ones(2), memory_format=torch.channels_last),
            NotImplementedError,
            "channels_last",
        ),
        (lambda: torch.poisson(torch.ones(2)), NotImplementedError, "poisson"),
        (lambda: torch.IntTensor([1]), NotImplementedError, "int32"),
        (lambda: nn.Parameter([1.0]), TypeError, "must be Tensor, not list"),
        (lambda: torch.tensor(1, 2), TypeError, "takes 1 positional argument but 2 were given"),
        (lambda: torch.rand(2, generator=3), TypeError, "must be torch.Generator, not int"),
        (lambda: torch.full((2,), fill_value=1, size=(3,)), TypeError, "multiple values"),
    ],
)  # fmt: skip
@pytest.mark.chainrule_only
def test_what_is_not_supported_is_said(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_old_types_are_recognised() -> None:
    x = torch.ones(2)
    assert isinstance(x, torch.FloatTensor)
    assert not isinstance(x, torch.DoubleTensor)
    assert isinstance(x.long(), torch.LongTensor)
    assert isinstance(x > 0, torch.BoolTensor)
    assert not isinstance(3.0, torch.FloatTensor)


def test_parameter_shares_memory_and_starts_no_graph() -> None:
    t = torch.ones(2)
    p = nn.Parameter(t)
    assert p.data_ptr() == t.data_ptr()
    assert p.is_leaf
    assert p.requires_grad
    assert isinstance(p, torch.Tensor)
    q = nn.Parameter(p * 2)
    assert q.is_leaf
    assert q.grad_fn is None


def test_subclasses_of_parameter_and_tensor() -> None:
    class Weight(nn.Parameter):
        """A parameter of the user's."""

    class Named(torch.Tensor):
        """A tensor of the user's."""

    w = Weight(torch.ones(2))
    assert type(w) is Weight
    assert w.requires_grad
    assert type(Named([1.0, 2.0])) is Named
    made = torch.Tensor._make_subclass(Named, torch.ones(2), True)
    assert type(made) is Named
    assert made.requires_grad
    x = torch.ones(2, requires_grad=True)
    x.as_subclass(Named).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]


IN_PLACE = {
    "normal_": lambda x: x.normal_(),
    "uniform_": lambda x: x.uniform_(),
    "bernoulli_": lambda x: x.bernoulli_(),
    "exponential_": lambda x: x.exponential_(),
    "log_normal_": lambda x: x.log_normal_(),
    "cauchy_": lambda x: x.cauchy_(),
    "geometric_": lambda x: x.geometric_(0.5),
    "random_": lambda x: x.random_(),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_random_overwriting_cuts_the_gradient(name: str) -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    version = y._version
    assert IN_PLACE[name](y) is y
    assert y._version == version + 1
    assert y.requires_grad
    title = name.rstrip("_").title().replace("_", "")
    assert type(y.grad_fn).__name__.startswith(title + "Backward")
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_random_overwriting_of_a_part() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y[:1].normal_()
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 2.0, 2.0]


@pytest.mark.parametrize("name", IN_PLACE)
def test_random_overwriting_of_a_leaf_raises(name: str) -> None:
    leaf = torch.ones(3, requires_grad=True)
    before = torch.get_rng_state().tolist()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        IN_PLACE[name](leaf)
    assert torch.get_rng_state().tolist() == before
    with torch.no_grad():
        IN_PLACE[name](leaf)
    assert leaf.grad_fn is None


def test_saved_values_notice_random_overwriting() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 1
    z = y * y
    y.normal_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_random_overloads_have_torch_s_numbers(real_torch: Any) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda t: t.normal(0.0, 1.0, (3,)),
        lambda t: t.normal(t.arange(20.0), 2.0),
        lambda t: t.normal(t.arange(3.0), t.ones(2, 3)),
        lambda t: t.normal(1.5, t.arange(4.0)),
        lambda t: t.bernoulli(t.full((2, 3), 0.5).t()),
        lambda t: t.bernoulli(t.ones(2, 3).t(), 0.25),
        lambda t: t.ones(3).bernoulli(p=0.5),
        lambda t: t.empty(2, 3).bernoulli_(t.tensor([0.1, 0.5, 0.9])),
        lambda t: t.randint_like(t.ones(3), 5),
        lambda t: t.randint_like(t.ones(3), 2, 5, dtype=t.int64),
        lambda t: t.randint(high=4, size=(3,)),
        lambda t: t.randint(low=1, high=4, size=(3,)),
        lambda t: t.rand_like(t.ones(3, 4).t()),
        lambda t: t.randn_like(t.ones(5, 4).t()),
        lambda t: t.randn(3, dtype=t.float64, requires_grad=True),
        lambda t: t.ones(3).multinomial(2),
        lambda t: t.empty(4).log_normal_(),
        lambda t: t.empty(4).cauchy_(),
        lambda t: t.empty(4).geometric_(0.3),
        lambda t: t.empty(3, dtype=t.int64).random_(2, None),
    ]
    for call in calls:
        torch.manual_seed(12)
        real_torch.manual_seed(12)
        assert outcome(call, torch) == outcome(call, real_torch)
        assert torch.get_rng_state().tolist() == real_torch.get_rng_state().tolist()


def test_generators_pickle_with_their_state() -> None:
    import pickle

    g = torch.Generator().manual_seed(5)
    torch.rand(3, generator=g)
    h = pickle.loads(pickle.dumps(g))
    clone = g.clone_state()
    first = torch.rand(4, generator=g).tolist()
    assert torch.rand(4, generator=h).tolist() == first
    assert torch.rand(4, generator=clone).tolist() == first


def test_new_tensors_under_inference_mode_are_inference_tensors() -> None:
    with torch.inference_mode():
        tensors = [torch.ones(1), torch.tensor([1.0]), torch.rand(1), torch.arange(1.0)]
    assert all(t.is_inference() for t in tensors)
    assert not torch.ones(1).is_inference()
