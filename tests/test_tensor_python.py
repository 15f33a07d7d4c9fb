"""Tensors as Python objects: numbers, sequences, copies, pickles, identity, attributes."""

import copy
import gc
import pickle
import weakref

import pytest

import chainrule as torch
from chainrule import nn


def test_item_gives_a_python_number():
    assert type(torch.tensor(2).item()) is int
    assert type(torch.tensor(2.5).item()) is float
    assert type(torch.tensor(True).item()) is bool
    assert torch.tensor([[7]]).item() == 7
    assert torch.ones(1, requires_grad=True).item() == 1.0
    assert torch.tensor(0.1, dtype=torch.float64).item() == 0.1
    assert torch.tensor(0.1).item() == 0.10000000149011612


def test_tolist_gives_nested_lists_of_python_numbers():
    assert torch.arange(4).view(2, 2).tolist() == [[0, 1], [2, 3]]
    assert torch.tensor(2.5).tolist() == 2.5
    assert torch.ones(2, 0).tolist() == [[], []]
    assert torch.ones(0, 2).tolist() == []
    assert torch.tensor([True]).tolist() == [True]
    assert torch.arange(6).view(2, 3).t().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert torch.ones(1).expand(2).tolist() == [1.0, 1.0]
    assert torch.ones(2, requires_grad=True).tolist() == [1.0, 1.0]
    assert all(type(v) is int for v in torch.arange(3).tolist())


def test_conversion_to_numbers():
    assert float(torch.tensor(2)) == 2.0
    assert int(torch.tensor(2.7)) == 2
    assert int(torch.tensor(-2.7)) == -2
    assert complex(torch.tensor(2.0)) == 2 + 0j
    assert bool(torch.tensor(0.0)) is False
    assert bool(torch.tensor([[3]])) is True
    assert float(torch.tensor([1.5])) == 1.5
    assert range(torch.tensor(3)) == range(3)
    assert "abc"[torch.tensor(1)] == "b"
    assert torch.tensor(True).__index__() == 1


def test_conversion_to_numbers_that_fails():
    with pytest.raises(
        ValueError, match="only one element tensors can be converted to Python scalars"
    ):
        float(torch.ones(2))
    with pytest.raises(
        RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"
    ):
        torch.ones(2).item()
    with pytest.raises(
        RuntimeError, match="a Tensor with 0 elements cannot be converted to Scalar"
    ):
        torch.ones(0).item()
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with no values is ambiguous"):
        bool(torch.ones(0))
    with pytest.raises(
        TypeError, match="only integer tensors of a single element can be converted"
    ):
        torch.tensor(3.0).__index__()
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        int(torch.tensor(float("nan")))
    with pytest.raises(OverflowError, match="cannot convert float infinity to integer"):
        int(torch.tensor(float("inf")))


def test_length_and_iteration():
    t = torch.arange(6).view(3, 2)
    assert len(t) == 3
    assert [row.tolist() for row in t] == [[0, 1], [2, 3], [4, 5]]
    a, b, c = torch.tensor([1.0, 2.0, 3.0])
    assert (a + b + c).item() == 6.0
    assert list(torch.ones(0, 2)) == []
    assert [v.item() for v in reversed(torch.arange(3))] == [2, 1, 0]
    assert max(torch.tensor([1.0, 5.0, 2.0])).item() == 5.0
    assert sum(torch.tensor([1.0, 5.0])).item() == 6.0
    for function in (len, iter):
        with pytest.raises(TypeError, match="0-d tensor"):
            function(torch.tensor(1.0))


def test_iteration_is_differentiable():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    total = torch.tensor(0.0)
    for value in x:
        total = total + value * value
    total.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_contains():
    t = torch.tensor([1, 2, 3])
    assert 2 in t
    assert 7 not in t
    assert torch.tensor(3) in t
    assert 2.5 not in t
    for wrong in ("a", None):
        with pytest.raises(RuntimeError, match="__contains__ only supports Tensor or scalar"):
            _ = wrong in t


def test_equality_is_element_wise_and_identity_hashes():
    a, b = torch.ones(2), torch.ones(2)
    assert (a == b).tolist() == [True, True]
    assert hash(a) == hash(a)
    assert hash(a) != hash(b)
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1
    assert a in [b, a][1:]


def test_comparison_with_other_things():
    t = torch.ones(2)
    for other in (None, "a", [1], object()):
        assert (t == other) is False
        assert (t != other) is True
    with pytest.raises(
        TypeError, match="not supported between instances of 'Tensor' and 'NoneType'"
    ):
        _ = t < None


@pytest.mark.parametrize("other", ["a", None, [1], {}, object()])
def test_arithmetic_with_other_things_is_a_type_error(other):
    t = torch.ones(2)
    for operation in (
        lambda: t + other,
        lambda: other - t,
        lambda: t * other,
        lambda: t / other,
        lambda: t**other,
        lambda: t @ other,
        lambda: t // other,
        lambda: t % other,
    ):
        with pytest.raises(TypeError):
            operation()


def test_unknown_operand_may_answer_itself():
    class Other:
        def __radd__(self, left):
            return "from the right"

        def __rmatmul__(self, left):
            return "matmul"

        def __eq__(self, other):
            return "equal"

    assert torch.ones(2) + Other() == "from the right"
    assert torch.ones(2) @ Other() == "matmul"


def test_operators_with_numbers_on_either_side():
    t = torch.tensor([1.0, 2.0, 4.0])
    assert (1 + t).tolist() == (t + 1).tolist() == [2.0, 3.0, 5.0]
    assert (1 - t).tolist() == [0.0, -1.0, -3.0]
    assert (2 * t).tolist() == [2.0, 4.0, 8.0]
    assert (8 / t).tolist() == [8.0, 4.0, 2.0]
    assert (2**t).tolist() == [2.0, 4.0, 16.0]
    assert (9 // t).tolist() == [9.0, 4.0, 2.0]
    assert (9 % t).tolist() == [0.0, 1.0, 1.0]
    assert (t < 3).tolist() == [True, True, False]
    assert (t == 2).tolist() == [False, True, False]
    assert (-t).tolist() == [-1.0, -2.0, -4.0]
    assert (+t).tolist() == t.tolist()
    assert abs(-t).tolist() == t.tolist()
    assert pow(t, 2).tolist() == [1.0, 4.0, 16.0]


def test_bitwise_operators_of_bool_and_integers():
    a, b = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]
    with pytest.raises(TypeError, match="only implemented on integer and Boolean-type tensors"):
        ~torch.ones(2)


def test_formatting():
    assert f"{torch.tensor(2.5):.2f}" == "2.50"
    assert f"{torch.tensor(3):d}" == "3"
    assert f"{torch.ones(2)}" == "tensor([1., 1.])"
    assert str(torch.ones(2)) == repr(torch.ones(2))
    assert "%.1f" % torch.tensor(3.0) == "3.0"  # noqa: UP031
    with pytest.raises(TypeError, match=r"unsupported format string passed to Tensor"):
        f"{torch.ones(2):.2f}"


def test_deepcopy_of_a_leaf():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.full((2,), 3.0)
    x.note = ["kept"]
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert y.is_leaf
    assert y.data_ptr() != x.data_ptr()
    assert y.grad.tolist() == [3.0, 3.0]
    assert y.grad is not x.grad
    assert y.note == ["kept"]
    assert y.note is not x.note


def test_deepcopy_keeps_sharing_and_layout():
    t = torch.arange(6.0).view(2, 3).t()
    assert copy.deepcopy(t).stride() == (1, 3)
    base = torch.ones(4)
    a, b, c = copy.deepcopy([base, base, base[1:]])
    assert a is b
    c[0] = 9.0
    assert a.tolist() == [1.0, 9.0, 1.0, 1.0]


def test_deepcopy_of_a_parameter_is_a_parameter():
    p = nn.Parameter(torch.ones(2))
    q = copy.deepcopy(p)
    assert type(q) is nn.Parameter
    assert q.requires_grad
    assert q.data_ptr() != p.data_ptr()


def test_shallow_copy_shares_memory():
    t = torch.ones(2)
    t.note = 3
    s = copy.copy(t)
    assert s is not t
    assert s.data_ptr() == t.data_ptr()
    assert s.note == 3


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(6.0).view(2, 3),
        lambda: torch.arange(6).view(2, 3).t(),
        lambda: torch.tensor([True, False]),
        lambda: torch.tensor(2.5, dtype=torch.float64),
        lambda: torch.ones(0, 3),
        lambda: torch.ones(1).expand(4),
        lambda: torch.arange(10.0)[3:8:2],
    ],
    ids=["matrix", "transposed", "bool", "scalar", "empty", "expanded", "slice"],
)
def test_pickle_keeps_values_dtype_and_layout(make, protocol):
    t = make()
    u = pickle.loads(pickle.dumps(t, protocol))
    assert type(u) is torch.Tensor
    assert u.tolist() == t.tolist()
    assert u.dtype is t.dtype
    assert u.shape == t.shape
    assert u.stride() == t.stride()
    assert not u.requires_grad


def test_pickle_keeps_requires_grad_attributes_and_parameters():
    x = torch.ones(2, requires_grad=True)
    x.note = "kept"
    y = pickle.loads(pickle.dumps(x))
    assert y.requires_grad
    assert y.is_leaf
    assert y.note == "kept"
    p = pickle.loads(pickle.dumps(nn.Parameter(torch.ones(2))))
    assert type(p) is nn.Parameter
    assert p.requires_grad


def test_dtypes_sizes_and_devices_pickle_to_themselves():
    for dtype in (torch.float32, torch.int64, torch.bool):
        assert pickle.loads(pickle.dumps(dtype)) is dtype
        assert copy.deepcopy(dtype) is dtype
    size = torch.Size([2, 3])
    assert pickle.loads(pickle.dumps(size)) == size
    assert isinstance(pickle.loads(pickle.dumps(size)), torch.Size)
    assert pickle.loads(pickle.dumps(torch.device("cpu"))) == torch.device("cpu")


def test_attributes_may_be_set_on_tensors():
    t = torch.ones(2)
    t.note = 1
    t.note += 1
    assert t.note == 2
    assert "note" in t.__dict__
    del t.note
    with pytest.raises(AttributeError):
        _ = t.note
    assert not hasattr(t[:1], "note")


def test_attributes_do_not_move_to_results():
    t = torch.ones(2)
    t.note = 1
    assert not hasattr(t + 1, "note")
    assert not hasattr(t.view(2), "note")


def test_read_only_attributes():
    t = torch.ones(2)
    for name in ("shape", "dtype", "grad_fn", "is_leaf", "device"):
        with pytest.raises((AttributeError, TypeError, RuntimeError)):
            setattr(t, name, None if name != "grad_fn" else 3)


def test_weak_references():
    t = torch.ones(2)
    calls = []
    ref = weakref.ref(t, lambda r: calls.append(1))
    assert ref() is t
    del t
    gc.collect()
    assert ref() is None
    assert calls == [1]
    keys = weakref.WeakKeyDictionary()
    u = torch.ones(1)
    keys[u] = "value"
    assert keys[u] == "value"
    del u
    gc.collect()
    assert len(keys) == 0


def test_python_attributes_survive_while_only_the_graph_holds_the_tensor():
    x = torch.ones(2, requires_grad=True)
    x.note = "kept"
    ident = id(x)
    y = x * x
    del x
    gc.collect()
    x = y.grad_fn._saved_self
    assert x.note == "kept"
    assert id(x) == ident


def test_subclass_of_tensor():
    class Named(torch.Tensor):
        """A tensor of a class of the user's."""

        def doubled(self):
            return self * 2

    t = torch.ones(2).as_subclass(Named)
    assert isinstance(t, Named)
    assert isinstance(t, torch.Tensor)
    assert t.doubled().tolist() == [2.0, 2.0]


def test_parameter_prints_and_behaves_as_a_tensor():
    p = nn.Parameter(torch.ones(2))
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert type(p * 2) is torch.Tensor
    assert type(p.data) is torch.Tensor
    assert type(p.detach()) is torch.Tensor
    assert isinstance(p, torch.Tensor)


def test_sizes_in_memory():
    t = torch.ones(2, 3, dtype=torch.float64)
    assert t.element_size() == t.itemsize == 8
    assert t.nbytes == 48
    assert t.numel() == t.nelement() == torch.numel(t) == 6
    assert t.dim() == t.ndim == 2
    assert t.untyped_storage().nbytes() == 48
    assert t[0].untyped_storage().nbytes() == 48


def test_flags():
    t = torch.ones(2)
    assert torch.is_tensor(t)
    assert not torch.is_tensor([1])
    assert t.is_floating_point()
    assert torch.is_floating_point(t)
    assert not t.long().is_floating_point()
    assert not t.is_cuda
    assert not t.requires_grad
    assert t.output_nr == 0
