"""Making tensors: values, shapes, dtypes, layouts and flags of every constructor."""

import math

import pytest
from checks import assert_close

import chainrule as torch

FLOAT, DOUBLE, LONG, BOOL = torch.float32, torch.float64, torch.int64, torch.bool


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (3, LONG, ()),
        (2.5, FLOAT, ()),
        (True, BOOL, ()),
        ([], FLOAT, (0,)),
        ([[], []], FLOAT, (2, 0)),
        ([1, 2], LONG, (2,)),
        ([1, 2.5], FLOAT, (2,)),
        ([1, True], LONG, (2,)),
        ([True, 2.0], FLOAT, (2,)),
        ((1, (2, 3)[0]), LONG, (2,)),
        ([[1.0, 2.0], [3.0, 4.0]], FLOAT, (2, 2)),
        (range(3), LONG, (3,)),
        ([(1, 2), [3, 4]], LONG, (2, 2)),
    ],
)
def test_tensor_infers_dtype_and_shape(data, dtype, shape):
    t = torch.tensor(data)
    assert t.dtype is dtype
    assert tuple(t.shape) == shape


def test_tensor_with_a_dtype_converts():
    assert torch.tensor([1, 2], dtype=DOUBLE).tolist() == [1.0, 2.0]
    assert torch.tensor([1.9, -1.9], dtype=LONG).tolist() == [1, -1]
    assert torch.tensor([0, 3, -1], dtype=BOOL).tolist() == [False, True, True]
    assert torch.tensor([True, False], dtype=FLOAT).tolist() == [1.0, 0.0]


def test_tensor_of_tensors_takes_their_values():
    t = torch.tensor([torch.tensor(1.0), 2])
    assert t.tolist() == [1.0, 2.0]
    assert torch.tensor([torch.tensor(1), torch.tensor(2)]).dtype is LONG


def test_tensor_copies_its_data():
    data = [1.0, 2.0]
    t = torch.tensor(data)
    data[0] = 9.0
    assert t.tolist() == [1.0, 2.0]


def test_tensor_of_a_tensor_copies_and_warns():
    source = torch.ones(2)
    with pytest.warns(UserWarning, match="To copy construct from a tensor, it is recommended"):
        copy = torch.tensor(source)
    copy[0] = 5.0
    assert source.tolist() == [1.0, 1.0]


def test_tensor_keeps_extreme_values():
    big = 2**63 - 1
    assert torch.tensor([big, -big - 1]).tolist() == [big, -big - 1]
    assert torch.tensor(1e300, dtype=DOUBLE).item() == 1e300
    assert torch.tensor(1e300).item() == math.inf
    assert math.isnan(torch.tensor(math.nan).item())
    assert math.copysign(1.0, torch.tensor(-0.0).item()) == -1.0


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "rand", "randn"])
@pytest.mark.parametrize("sizes", [(2, 3), ((2, 3),), ([2, 3],), (torch.Size([2, 3]),)])
def test_sizes_are_given_one_by_one_or_as_a_sequence(name, sizes):
    t = getattr(torch, name)(*sizes)
    assert tuple(t.shape) == (2, 3)
    assert t.stride() == (3, 1)
    assert t.dtype is FLOAT
    assert not t.requires_grad


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
def test_constructors_take_size_by_name_dtype_device_and_requires_grad(name):
    make = getattr(torch, name)
    assert make(size=(2,)).shape == (2,)
    assert make(2, dtype=BOOL).dtype is BOOL
    assert make(2, dtype=None).dtype is FLOAT
    assert make(2, device="cpu").device == torch.device("cpu")
    assert make(2, dtype=DOUBLE, requires_grad=True).requires_grad
    assert make(()).shape == ()
    assert make(0, 4).numel() == 0


def test_zeros_and_ones_have_their_values():
    for dtype in (FLOAT, DOUBLE, LONG, BOOL):
        assert torch.zeros(3, dtype=dtype).tolist() == [0, 0, 0]
        assert torch.ones(3, dtype=dtype).tolist() == [1, 1, 1]


def test_full_infers_its_dtype():
    assert torch.full((2,), 1).dtype is LONG
    assert torch.full((2,), 1.5).tolist() == [1.5, 1.5]
    assert torch.full((2,), True).dtype is BOOL
    assert torch.full((), 3, dtype=DOUBLE).item() == 3.0
    assert torch.full((2, 0), 1.0).shape == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((5,), [0, 1, 2, 3, 4]),
        ((0,), []),
        ((2, 5), [2, 3, 4]),
        ((5, 0, -2), [5, 3, 1]),
        ((1, 2, 0.25), [1.0, 1.25, 1.5, 1.75]),
        ((3.0,), [0.0, 1.0, 2.0]),
        ((-1, 1.5), [-1.0, 0.0, 1.0]),
        ((5, 5), []),
        ((0, 1, 0.1), [0.1 * k for k in range(10)]),
    ],
)
def test_arange(arguments, expected):
    t = torch.arange(*arguments)
    assert t.dtype is (FLOAT if any(isinstance(a, float) for a in arguments) else LONG)
    assert_close(t, expected)


def test_arange_with_dtype_and_names():
    assert torch.arange(1, 4, dtype=DOUBLE).tolist() == [1.0, 2.0, 3.0]
    assert torch.arange(start=1, end=4, step=2).tolist() == [1, 3]
    assert torch.arange(end=2).tolist() == [0, 1]
    assert torch.arange(3.0, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0, 1, 5), [0.0, 0.25, 0.5, 0.75, 1.0]),
        ((0, 1, 1), [0.0]),
        ((0, 1, 0), []),
        ((3, -3, 4), [3.0, 1.0, -1.0, -3.0]),
        ((2.0, 2.0, 3), [2.0, 2.0, 2.0]),
    ],
)
def test_linspace(arguments, expected):
    t = torch.linspace(*arguments)
    assert t.dtype is FLOAT
    assert_close(t, expected)


def test_linspace_ends_exactly_and_is_symmetric():
    t = torch.linspace(-1, 1, 1001)
    assert t[0].item() == -1.0
    assert t[-1].item() == 1.0
    assert torch.linspace(3, 10, 4, dtype=LONG).tolist() == [3, 5, 7, 10]


def test_eye():
    assert torch.eye(2).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert torch.eye(2, 3).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert torch.eye(0).shape == (0, 0)
    assert torch.eye(2, dtype=LONG).dtype is LONG


@pytest.mark.parametrize(
    "name", ["zeros_like", "ones_like", "empty_like", "rand_like", "randn_like"]
)
def test_like_constructors_take_shape_dtype_and_layout(name):
    like = getattr(torch, name)
    source = torch.ones(2, 3, dtype=DOUBLE).t()
    t = like(source)
    assert t.shape == (3, 2)
    assert t.dtype is DOUBLE
    assert t.stride() == (1, 3)
    assert like(torch.ones(2, 4)[:, ::2]).stride() == (2, 1)
    assert like(source, dtype=FLOAT).dtype is FLOAT
    assert not like(torch.ones(2, requires_grad=True)).requires_grad
    assert like(torch.ones(2), requires_grad=True).requires_grad


def test_full_like():
    t = torch.full_like(torch.ones(2, dtype=LONG), 7)
    assert t.tolist() == [7, 7]
    assert t.dtype is LONG
    assert torch.full_like(torch.ones(2), 7).dtype is FLOAT


def test_new_constructors_take_the_dtype_of_self():
    source = torch.ones(2, dtype=DOUBLE, requires_grad=True)
    assert source.new_zeros(3, 2).tolist() == [[0.0, 0.0]] * 3
    assert source.new_ones((2,)).tolist() == [1.0, 1.0]
    assert source.new_full((2,), 3).tolist() == [3.0, 3.0]
    assert source.new_empty(2, 3).shape == (2, 3)
    assert source.new_tensor([1, 2]).tolist() == [1.0, 2.0]
    for t in (source.new_zeros(1), source.new_tensor([1]), source.new_full((1,), 1)):
        assert t.dtype is DOUBLE
        assert not t.requires_grad
    assert source.new_zeros(1, dtype=LONG).dtype is LONG


def test_legacy_constructors():
    assert torch.Tensor(3, 5).shape == (3, 5)
    assert torch.Tensor([1, 2]).tolist() == [1.0, 2.0]
    assert torch.Tensor((2, 3)).tolist() == [2.0, 3.0]
    assert torch.Tensor(torch.Size([2, 3])).shape == (2, 3)
    assert torch.Tensor().shape == (0,)
    assert torch.FloatTensor(3, 3).shape == (3, 3)
    assert torch.FloatTensor([1, 2]).dtype is FLOAT
    assert torch.LongTensor([1, 2]).tolist() == [1, 2]
    assert torch.LongTensor(2, 3).dtype is LONG
    assert torch.DoubleTensor([1.5]).dtype is DOUBLE
    assert torch.BoolTensor([True, False]).tolist() == [True, False]


@pytest.mark.chainrule_only
def test_legacy_constructor_of_a_float_is_zero_dimensional():
    t = torch.Tensor(6.7)
    assert t.shape == ()
    assert_close(t, 6.7)


def test_as_tensor_and_asarray():
    t = torch.ones(2)
    assert torch.as_tensor(t) is t
    assert torch.as_tensor(t, dtype=DOUBLE).dtype is DOUBLE
    assert torch.as_tensor([1, 2]).tolist() == [1, 2]
    assert torch.as_tensor(2.5).item() == 2.5


def test_random_constructors_have_their_ranges():
    torch.manual_seed(3)
    u = torch.rand(2000)
    assert all(0.0 <= v < 1.0 for v in u.tolist())
    assert abs(u.mean().item() - 0.5) < 0.05
    n = torch.randn(2000)
    assert abs(n.mean().item()) < 0.1
    assert abs(n.std().item() - 1.0) < 0.1
    k = torch.randint(-3, 4, (500,))
    assert k.dtype is LONG
    assert set(k.tolist()) == set(range(-3, 4))
    assert sorted(torch.randperm(50).tolist()) == list(range(50))
    assert torch.randperm(0).tolist() == []


def test_random_samplers_in_place():
    torch.manual_seed(3)
    t = torch.empty(500).uniform_(-2, -1)
    assert all(-2 <= v < -1 for v in t.tolist())
    t.normal_(10, 0.5)
    assert abs(t.mean().item() - 10) < 0.2
    assert torch.empty(3).zero_().tolist() == [0.0, 0.0, 0.0]
    assert torch.empty(3).fill_(2).tolist() == [2.0, 2.0, 2.0]


def test_large_and_small_blocks_are_separate_memory():
    tensors = [torch.full((n,), float(k)) for k, n in enumerate([1, 3, 16, 1000, 100_000] * 4)]
    assert [t[-1].item() for t in tensors] == [float(k) for k in range(20)]
    assert len({t.data_ptr() for t in tensors}) == 20
    assert all(t.data_ptr() % 64 == 0 for t in tensors if t.numel() >= 1000)
