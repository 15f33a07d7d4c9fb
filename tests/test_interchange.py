"""Tensors beside NumPy, buffers and DLPack, and their copies and pickles."""

import copy
import gc
import pickle
import sys
import weakref
from typing import Any

import pytest

import chainrule as torch
from chainrule import nn

np: Any = pytest.importorskip("numpy")


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float16", "uint32"])
def test_arrays_of_other_dtypes_convert_when_a_dtype_is_given(dtype: str) -> None:
    a = np.arange(6, dtype=dtype).reshape(2, 3).T
    t = torch.tensor(a, dtype=torch.float32)
    assert t.tolist() == a.tolist()
    assert torch.as_tensor(a, dtype=torch.int64).tolist() == a.tolist()
    assert torch.tensor([a[0], a[1]], dtype=torch.float64).tolist() == a[:2].tolist()


@pytest.mark.chainrule_only
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "complex64", "longdouble"])
def test_arrays_of_other_dtypes_are_refused_with_the_way_out(dtype: str) -> None:
    a = np.ones(3, dtype=dtype)
    for function in (torch.from_numpy, torch.tensor, torch.as_tensor):
        with pytest.raises(TypeError, match=r"can't convert np.ndarray of type numpy.*astype"):
            function(a)


def test_half_precision_is_read_exactly() -> None:
    a = np.array([0.0, -0.0, 1.5, 65504.0, 6e-8, -6.1e-5, np.inf, -np.inf, np.nan], np.float16)
    t = torch.tensor(a, dtype=torch.float64)
    assert repr(t.tolist()) == repr(a.astype(np.float64).tolist())


@pytest.mark.chainrule_only
def test_copies_are_made_of_arrays_that_cannot_be_shared() -> None:
    assert torch.tensor(np.arange(4.0)[::-1]).tolist() == [3.0, 2.0, 1.0, 0.0]


def test_lists_of_arrays() -> None:
    rows = [np.arange(3.0), np.ones(3)]
    assert torch.tensor(rows).tolist() == [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]
    assert torch.tensor([[rows[0]], [rows[1]]]).shape == (2, 1, 3)
    with pytest.raises(ValueError, match="expected"):
        torch.tensor([np.ones(2), np.ones(3)], dtype=torch.float32)


def test_array_protocol_copies_when_asked() -> None:
    t = torch.zeros(3)
    assert np.array(t, copy=True).ctypes.data != t.data_ptr()
    assert t.__array__().ctypes.data == t.data_ptr()
    assert t.__array__(np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        t.__array__(np.float64, copy=False)
    assert type(np.sin(t)) is torch.Tensor


def test_from_numpy_does_not_leak() -> None:
    a = np.ones(10)
    before = sys.getrefcount(a)
    t = torch.from_numpy(a)
    del t
    assert sys.getrefcount(a) == before
    u = torch.ones(10)
    alive = weakref.ref(u)
    b = u.numpy()
    del u
    gc.collect()
    assert b.sum() == 10.0
    del b
    gc.collect()
    assert alive() is None


@pytest.mark.chainrule_only
def test_buffers_of_tensors() -> None:
    t = torch.arange(6.0).view(2, 3)
    view = memoryview(t)
    assert (view.format, view.shape, view.strides) == ("f", (2, 3), (12, 4))
    assert view.tolist() == t.tolist()
    view[0, 1] = 9.0
    assert t[0, 1].item() == 9.0
    assert memoryview(t.t()).tolist() == t.t().tolist()
    assert bytes(t) == t.numpy().tobytes()
    assert memoryview(torch.tensor(2.5)).shape == ()
    assert memoryview(torch.ones(0, 2)).nbytes == 0
    with pytest.raises(BufferError, match="requires grad"):
        memoryview(torch.ones(2, requires_grad=True))
    assert memoryview(t.untyped_storage()).nbytes == 24


def test_frombuffer_shares_memory() -> None:
    data = bytearray(16)
    t = torch.frombuffer(data, dtype=torch.float64)
    t[1] = 2.5
    assert memoryview(data).cast("d")[1] == 2.5
    with pytest.raises(BufferError):
        data.append(0)
    del t
    data.append(0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_dlpack_with_numpy(dtype: str) -> None:
    t = torch.ones(2, 3, dtype=getattr(torch, dtype)).t()
    a = np.from_dlpack(t)
    assert a.tolist() == t.tolist()
    assert a.ctypes.data == t.data_ptr()
    b = np.zeros((3, 4), dtype=dtype)[:, ::2]
    u = torch.from_dlpack(b)
    assert u.data_ptr() == b.ctypes.data
    assert u.dtype is t.dtype
    assert u.tolist() == b.tolist()
    del b
    gc.collect()
    assert not u.any()


def test_dlpack_with_torch(real_torch: Any) -> None:
    t = torch.arange(6.0).view(2, 3).t()
    theirs = real_torch.from_dlpack(t)
    assert theirs.tolist() == t.tolist()
    theirs[0, 0] = 7.0
    assert t[0, 0].item() == 7.0
    ours = torch.from_dlpack(real_torch.ones(3))
    assert ours.tolist() == [1.0, 1.0, 1.0]
    assert torch.tensor(real_torch.ones(2)).tolist() == [1.0, 1.0]


def test_dlpack_capsules() -> None:
    t = torch.ones(3)
    assert t.__dlpack_device__() == (1, 0)
    capsule = t.__dlpack__()
    assert torch.from_dlpack(capsule).data_ptr() == t.data_ptr()
    with pytest.raises(RuntimeError, match="consumed only once"):
        torch.from_dlpack(capsule)
    assert t.__dlpack__(copy=True) is not None  # never consumed: freed with its copy
    with pytest.raises(BufferError, match="require gradient"):
        torch.ones(2, requires_grad=True).__dlpack__()


def test_dlpack_keeps_the_memory_alive() -> None:
    capsule = torch.full((1000,), 3.0).__dlpack__(max_version=(1, 0))
    gc.collect()
    assert torch.from_dlpack(capsule).sum().item() == 3000.0


def test_storages() -> None:
    t = torch.arange(6.0).view(2, 3)[1]
    assert t.storage_offset() == 3
    assert t.element_size() == 4
    assert t.untyped_storage().data_ptr() == t.data_ptr() - 12
    assert len(t.untyped_storage()) == t.untyped_storage().size() == 24
    assert len(t.storage()) == 6
    assert t.storage().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert t.storage()[2] == 2.0
    assert torch.ones(0).data_ptr() == 0


def test_deepcopy_keeps_what_shares_memory_together() -> None:
    base = torch.arange(4.0)
    pair = {"all": base, "tail": base[2:], "detached": base.detach()}
    copied = copy.deepcopy(pair)
    copied["all"][3] = 9.0
    assert copied["tail"].tolist() == [2.0, 9.0]
    assert copied["detached"].tolist() == [0.0, 1.0, 2.0, 9.0]
    assert base[3].item() == 3.0


def test_deepcopy_of_a_result_says_which() -> None:
    y = torch.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(y)


def test_deepcopy_of_a_parameter_has_no_gradient() -> None:
    p = nn.Parameter(torch.ones(2))
    p.grad = torch.ones(2)
    q = copy.deepcopy(p)
    assert q.grad is None
    a, b = copy.deepcopy([p, p])
    assert a is b


def test_deepcopy_of_attributes_that_refer_back() -> None:
    t = torch.ones(2)
    t.me = t
    u = copy.deepcopy(t)
    assert u.me is u
    alive = weakref.ref(u)
    del u
    gc.collect()
    assert alive() is None


class Named(torch.Tensor):
    """A tensor of a class of its own."""


def test_pickles_keep_the_class() -> None:
    t = torch.ones(2, 3).t().as_subclass(Named)
    t.note = "kept"
    u = pickle.loads(pickle.dumps(t))
    assert type(u) is Named
    assert u.note == "kept"
    assert u.stride() == (1, 3)
    assert type(copy.deepcopy(t)) is Named
    assert type(copy.copy(t)) is Named


@pytest.mark.chainrule_only
@pytest.mark.parametrize(
    "change",
    [
        {1: b"abc"},
        {3: (2, 2)},
        {4: (-1,)},
        {0: int},
        {2: torch.float16},
        {3: "a"},
    ],
)
def test_broken_pickles_are_refused(change: dict[int, Any]) -> None:
    function, arguments, _ = torch.ones(3).__reduce_ex__(2)
    broken = list(arguments)
    for place, value in change.items():
        broken[place] = value
    with pytest.raises((TypeError, RuntimeError, NotImplementedError)):
        function(*broken)
