"""NumPy without copying, both ways."""

import gc
import subprocess
import sys

import pytest

import chainrule as torch

np = pytest.importorskip("numpy")

PAIRS = [("float32", "float32"), ("float64", "float64"), ("int64", "int64"), ("bool", "bool")]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_dtypes_correspond(ours, theirs):
    t = torch.ones(2, dtype=getattr(torch, ours))
    assert t.numpy().dtype == np.dtype(theirs)
    assert torch.from_numpy(np.ones(2, dtype=theirs)).dtype is getattr(torch, ours)
    assert torch.tensor(np.ones(2, dtype=theirs)).dtype is getattr(torch, ours)


def test_numpy_shares_memory_with_the_tensor():
    t = torch.zeros(2, 3)
    a = t.numpy()
    a[0, 1] = 5.0
    t[1, 2] = 7.0
    assert t.tolist() == a.tolist() == [[0.0, 5.0, 0.0], [0.0, 0.0, 7.0]]
    assert a.ctypes.data == t.data_ptr()
    assert a.flags.writeable


def test_from_numpy_shares_memory_with_the_array():
    a = np.zeros(3)
    t = torch.from_numpy(a)
    a[0] = 1.0
    t[2] = 4.0
    assert a.tolist() == t.tolist() == [1.0, 0.0, 4.0]
    assert t.data_ptr() == a.ctypes.data


def test_as_tensor_shares_and_tensor_copies():
    a = np.zeros(2, dtype=np.float32)
    shared, copied = torch.as_tensor(a), torch.tensor(a)
    a[0] = 3.0
    assert shared.tolist() == [3.0, 0.0]
    assert copied.tolist() == [0.0, 0.0]
    assert torch.as_tensor(a, dtype=torch.float64).data_ptr() != a.ctypes.data


@pytest.mark.parametrize(
    "view",
    [lambda t: t.t(), lambda t: t[:, ::2], lambda t: t[1:], lambda t: t[0], lambda t: t[1, 2]],
    ids=["transposed", "every second", "offset", "row", "element"],
)
def test_strided_tensors_become_strided_arrays(view):
    t = view(torch.arange(12.0).view(3, 4))
    a = t.numpy()
    assert a.tolist() == t.tolist()
    assert a.strides == tuple(4 * s for s in t.stride())
    assert a.ctypes.data == t.data_ptr()


@pytest.mark.parametrize(
    "view",
    [lambda a: a.T, lambda a: a[:, ::2], lambda a: a[1:], lambda a: a[0], lambda a: a[1:2, None]],
    ids=["transposed", "every second", "offset", "row", "None"],
)
def test_strided_arrays_become_strided_tensors(view):
    a = view(np.arange(12.0).reshape(3, 4))
    t = torch.from_numpy(a)
    assert t.tolist() == a.tolist()
    assert t.stride() == tuple(s // 8 for s in a.strides)
    a[...] = -1.0
    assert set(t.flatten().tolist()) == {-1.0}


def test_arrays_without_dimensions_and_empty_arrays():
    t = torch.from_numpy(np.array(3.0))
    assert t.shape == ()
    assert t.item() == 3.0
    assert torch.tensor(2.5).numpy().shape == ()
    assert torch.from_numpy(np.zeros((0, 3))).shape == (0, 3)
    assert torch.ones(2, 0).numpy().shape == (2, 0)


def test_memory_lives_as_long_as_either_side():
    t = torch.full((1000,), 3.0)
    a = t.numpy()
    del t
    gc.collect()
    assert a.sum() == 3000.0
    b = np.full(1000, 2.0)
    u = torch.from_numpy(b)
    v = u[1:]
    del b, u
    gc.collect()
    assert v.sum().item() == 1998.0


def test_tensor_of_numpy_scalars():
    assert torch.tensor(np.float32(2)).dtype is torch.float32
    assert torch.tensor(np.int64(2)).dtype is torch.int64
    assert torch.tensor(np.bool_(True)).dtype is torch.bool
    assert torch.tensor([np.float64(1.0), 2]).dtype is torch.float64
    assert torch.as_tensor(np.float64(3.0)).dtype is torch.float64
    assert torch.full((2,), np.float64(2)).tolist() == [2.0, 2.0]


def test_numpy_scalars_are_numbers_in_arithmetic():
    t = torch.ones(2)
    for scalar in (np.float32(2), np.float64(2), np.int64(2)):
        assert (t * scalar).tolist() == [2.0, 2.0]
        assert (t * scalar).dtype is torch.float32
        assert type(scalar * t) is torch.Tensor
        assert (scalar - t).tolist() == [1.0, 1.0]


def test_asarray_of_a_tensor():
    t = torch.arange(3.0)
    a = np.asarray(t)
    assert a.dtype == np.float32
    assert a.tolist() == [0.0, 1.0, 2.0]
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert np.shares_memory(np.asarray(t), t.numpy())


def test_tensors_of_a_gradient_need_detach():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        x.numpy()
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        np.asarray(x)
    assert x.detach().numpy().tolist() == [1.0, 1.0]
    assert x.numpy(force=True).tolist() == [1.0, 1.0]
    with torch.no_grad():
        assert (x * 2).numpy().tolist() == [2.0, 2.0]


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_read_only_arrays_are_read():
    a = np.arange(3.0)
    a.setflags(write=False)
    assert torch.from_numpy(a).tolist() == [0.0, 1.0, 2.0]
    assert (torch.as_tensor(a) + 1).tolist() == [1.0, 2.0, 3.0]


def test_tensor_of_a_read_only_array_is_a_writable_copy():
    a = np.arange(3.0)
    a.setflags(write=False)
    copied = torch.tensor(a)
    copied[0] = 5.0
    assert a.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.array("a"), TypeError, "can't convert np.ndarray of type numpy.str_"),
        (np.array([object()]), TypeError, "can't convert np.ndarray of type numpy.object_"),
        (
            np.arange(6.0)[::-1],
            ValueError,
            "At least one stride in the given numpy array is negative",
        ),
        (np.zeros(3, dtype=">f8"), ValueError, "byte order different from the native byte order"),
        ([1.0], TypeError, "expected np.ndarray"),
    ],
    ids=["string", "object", "negative stride", "byte order", "list"],
)
def test_arrays_that_cannot_be_shared(array, error, message):
    with pytest.raises(error, match=message):
        torch.from_numpy(array)


def test_numpy_functions_read_tensors():
    t = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert np.linalg.det(t.numpy()) == pytest.approx(-2.0)
    assert np.asarray(t).sum() == 10.0
    assert list(map(float, t.flatten())) == [1.0, 2.0, 3.0, 4.0]


def test_values_round_trip_bit_by_bit():
    bits = np.array([0, 1, 0x7F800000, 0xFF800000, 0x7FC00001, 0x80000000, 3], dtype=np.uint32)
    a = bits.view(np.float32)
    t = torch.from_numpy(a.copy())
    assert t.numpy().view(np.uint32).tolist() == bits.tolist()
    assert torch.tensor(a).numpy().view(np.uint32).tolist() == bits.tolist()


@pytest.mark.chainrule_only
def test_import_does_not_import_numpy():
    code = "import sys, chainrule; x = chainrule.ones(2); repr(x); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
