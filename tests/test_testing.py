"""`chainrule.testing`: `assert_close` judges and explains as torch does; `make_tensor`."""

import math

import pytest

import chainrule as torch
from chainrule.testing import assert_close, make_tensor

NAN, INF = math.nan, math.inf

# Programs over `t.tensor`; both sides of each are compared.
PAIRS = {
    "equal": lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0])),
    "within the tolerance": lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0 + 1e-6])),
    "a difference": lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.1])),
    "a matrix": lambda t: (t.tensor([[1.0, 2.0], [3.0, 4.0]]), t.tensor([[1.0, 2.0], [3.0, 5.0]])),
    "integers": lambda t: (t.tensor([0, 2]), t.tensor([1, 0])),
    "booleans": lambda t: (t.tensor([True, False]), t.tensor([True, True])),
    "no dimensions": lambda t: (t.tensor(1.0), t.tensor(2.0)),
    "no dimensions, integers": lambda t: (t.tensor(1), t.tensor(2)),
    "no elements": lambda t: (t.tensor([]), t.tensor([])),
    "shapes": lambda t: (t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0, 3.0])),
    "dtypes": lambda t: (t.tensor([1.0]), t.tensor([1.0], dtype=t.float64)),
    "NaN": lambda t: (t.tensor([NAN, 2.0]), t.tensor([NAN, 2.0])),
    "infinities": lambda t: (t.tensor([INF, -INF]), t.tensor([INF, -INF])),
    "opposite infinities": lambda t: (t.tensor([INF, 2.0]), t.tensor([-INF, 2.0])),
    "numbers": lambda t: (1.0, 2.0),
    "close numbers": lambda t: (1.0, 1.0 + 1e-9),
    "number types": lambda t: (1, 1.0),
    "Python booleans": lambda t: (True, False),
    "None": lambda t: (None, 1),
    "lists": lambda t: ([1, 2], [1, 3]),
    "a list and a tuple": lambda t: ([1, 2], (1, 2)),
    "lengths": lambda t: ([1, 2], [1, 2, 3]),
    "keys": lambda t: ({"a": 1, "c": 1}, {"b": 1, "a": 1}),
    "nested": lambda t: ({"a": [1, t.tensor([1.0, 2.0])]}, {"a": [1, t.tensor([1.0, 3.0])]}),
    "a tensor and a list": lambda t: (t.tensor([1.0]), [1.0]),
    "strings": lambda t: ("a", "a"),
}
OPTIONS = {
    "": {},
    "exact": {"rtol": 0, "atol": 0},
    "loose": {"rtol": 0.5, "atol": 0.1},
    "NaN allowed": {"equal_nan": True},
    "any dtype": {"check_dtype": False},
}


def verdict(compare, pair, options):
    """None, or type and message of the error."""
    try:
        compare(*pair, **options)
    except Exception as error:
        return type(error), str(error)
    return None


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_verdict_and_message_are_torch_s(real_torch, name, options):
    ours = verdict(assert_close, PAIRS[name](torch), OPTIONS[options])
    theirs = verdict(real_torch.testing.assert_close, PAIRS[name](real_torch), OPTIONS[options])
    if theirs is not None:
        theirs = theirs[0], theirs[1].replace("<class 'torch.Tensor'>", str(torch.Tensor))
    assert ours == theirs


def test_tolerances_come_in_pairs():
    with pytest.raises(ValueError, match="got no atol"):
        assert_close(1.0, 1.0, rtol=0.1)


@pytest.mark.chainrule_only
def test_negative_tolerances_raise():
    with pytest.raises(ValueError, match="negative"):
        assert_close(1.0, 1.0, rtol=-1.0, atol=0.1)


def test_strides_are_compared_on_request():
    a, b = torch.ones(2, 3).t(), torch.ones(3, 2)
    assert_close(a, b)
    with pytest.raises(AssertionError, match="attribute 'stride"):
        assert_close(a, b, check_stride=True)


def test_message_can_be_replaced_or_extended():
    with pytest.raises(AssertionError, match=r"^mine$"):
        assert_close(1.0, 2.0, msg="mine")
    with pytest.raises(AssertionError, match=r"^mine: Scalars are not close"):
        assert_close(1.0, 2.0, msg=lambda text: "mine: " + text)


def test_arrays_and_subclasses():
    numpy = pytest.importorskip("numpy")
    assert_close(numpy.array([1.0]), numpy.array([1.0]))
    with pytest.raises(AssertionError, match="Tensor-likes are not close"):
        assert_close(numpy.array([1.0]), numpy.array([2.0]))
    with pytest.raises(TypeError):
        assert_close(numpy.array([1.0]), torch.tensor([1.0]))
    parameter = torch.nn.Parameter(torch.ones(2))
    assert_close(parameter, torch.ones(2))
    with pytest.raises(TypeError):
        assert_close(parameter, torch.ones(2), allow_subclasses=False)


@pytest.mark.parametrize("name", ["float32", "float64", "int64", "bool"])
def test_make_tensor_draws_torch_s_numbers(real_torch, name):
    results = []
    for t, make in ((torch, make_tensor), (real_torch, real_torch.testing.make_tensor)):
        dtype = getattr(t, name)
        t.manual_seed(3)
        made = [make((2, 3), dtype=dtype, device="cpu"), make(5, dtype=dtype, device="cpu")]
        if name != "bool":
            made.append(make((4,), dtype=dtype, device="cpu", low=2, high=7))
        assert all(m.dtype == dtype for m in made)
        results.append([m.tolist() for m in made])
    assert results[0] == results[1]


def test_make_tensor_options():
    options = {"device": "cpu"}
    gaps = make_tensor(
        (3, 4), dtype=torch.float32, noncontiguous=True, requires_grad=True, **options
    )
    assert gaps.shape == (3, 4)
    assert not gaps.is_contiguous()
    assert gaps.requires_grad
    assert gaps.is_leaf
    nonzero = make_tensor((200,), dtype=torch.int64, low=-1, high=2, exclude_zero=True, **options)
    assert set(nonzero.tolist()) == {-1, 1}
    with pytest.raises(ValueError, match="requires_grad"):
        make_tensor((2,), dtype=torch.int64, requires_grad=True, **options)
    with pytest.raises(ValueError, match="less than"):
        make_tensor((2,), dtype=torch.int64, low=3, high=3, **options)
