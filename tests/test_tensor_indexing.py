"""Indexing, basic and advanced, read and written, and its gradients."""

import random

import pytest

import chainrule as torch


def grid():
    """0 … 11 as 3×4."""
    return torch.arange(12.0).view(3, 4)


def model(key):
    """The positions that a key selects in a 3×4 grid, by NumPy's own rules."""
    numpy = pytest.importorskip("numpy")

    def plain(part):
        return numpy.array(part.tolist(), dtype=bool if part.dtype is torch.bool else int)

    if isinstance(key, tuple):
        key = tuple(plain(k) if isinstance(k, torch.Tensor) else k for k in key)
    elif isinstance(key, torch.Tensor):
        key = plain(key)
    return numpy.arange(12).reshape(3, 4)[key]


ROWS = torch.tensor([2, 0, -1])
KEYS = {
    "integer": 1,
    "negative": -1,
    "two integers": (1, 2),
    "slice": slice(1, 3),
    "open slice": slice(1, None),
    "slice with step": slice(None, None, 2),
    "negative bounds": slice(-2, -1),
    "beyond the end": slice(1, 99),
    "empty slice": slice(2, 1),
    "two slices": (slice(1, None), slice(None, None, 3)),
    "integer and slice": (0, slice(1, 3)),
    "slice and integer": (slice(None), -2),
    "ellipsis": ...,
    "ellipsis and integer": (..., 1),
    "integer and ellipsis": (1, ...),
    "None": None,
    "None between": (slice(None), None, 1),
    "None at both ends": (None, ..., None),
    "empty tuple": (),
    "list": [2, 0],
    "empty list": [],
    "index tensor": ROWS,
    "index matrix": torch.tensor([[0, 1], [2, 2]]),
    "empty index tensor": torch.tensor([], dtype=torch.int64),
    "index tensor without dimensions": torch.tensor(2),
    "two index tensors": (ROWS, torch.tensor([3, 1, 0])),
    "two broadcast index tensors": (torch.tensor([[0], [2]]), torch.tensor([1, 3])),
    "index tensor and integer": (ROWS, 1),
    "integer and index tensor": (1, torch.tensor([0, 0, 3])),
    "index tensor and slice": (ROWS, slice(1, 3)),
    "slice and index tensor": (slice(0, 2), torch.tensor([3, 0])),
    "index tensor, None": (ROWS, None),
    "index tensors around a slice": (None, ROWS, slice(None)),
    "separated index tensors": (torch.tensor([0, 1]), None, torch.tensor([2, 3])),
    "mask of rows": torch.tensor([True, False, True]),
    "mask of all": torch.arange(12).view(3, 4) % 5 == 0,
    "empty mask": torch.zeros(3, 4, dtype=torch.bool),
    "mask and integer": (torch.tensor([False, True, True]), 1),
    "slice and mask": (slice(None), torch.tensor([True, False, False, True])),
    "list of booleans": [True, False, True],
    "True": True,
    "False": False,
    "list and list": ([0, 2], [1, 1]),
}


@pytest.mark.parametrize("name", KEYS)
def test_reading(name):
    expected = model(KEYS[name])
    got = grid()[KEYS[name]]
    assert tuple(got.shape) == expected.shape
    assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("name", KEYS)
def test_writing_a_number(name):
    touched = set(model(KEYS[name]).reshape(-1).tolist())
    t = grid()
    t[KEYS[name]] = -1.0
    assert t.flatten().tolist() == [-1.0 if k in touched else float(k) for k in range(12)]
    assert t._version == (0 if name == "False" else 1)


@pytest.mark.parametrize("name", KEYS)
def test_writing_a_tensor(name):
    positions = model(KEYS[name])
    source = torch.arange(100.0, 100.0 + positions.size).view(positions.shape)
    t = grid()
    t[KEYS[name]] = source
    expected = [float(k) for k in range(12)]
    for position, value in zip(
        positions.reshape(-1).tolist(), source.flatten().tolist(), strict=True
    ):
        expected[position] = value  # where a position repeats the last one wins
    if name not in ("index matrix", "integer and index tensor", "index tensor and integer",
                    "index tensor", "index tensor and slice", "index tensor, None",
                    "index tensors around a slice"):  # fmt: skip
        assert t.flatten().tolist() == expected
    else:  # torch leaves open which of several writes to a place wins
        untouched = set(range(12)) - set(positions.reshape(-1).tolist())
        flat = t.flatten().tolist()
        assert all(flat[k] == k for k in untouched)
        assert all(v >= 100 or k in untouched for k, v in enumerate(flat))


@pytest.mark.parametrize("name", KEYS)
def test_gradient_of_reading(name):
    positions = model(KEYS[name]).reshape(-1).tolist()
    x = grid().requires_grad_()
    out = x[KEYS[name]]
    weight = torch.arange(1.0, len(positions) + 1).view(out.shape)
    (out * weight).sum().backward()
    expected = [0.0] * 12
    for k, position in enumerate(positions):
        expected[position] += k + 1.0
    assert x.grad.flatten().tolist() == expected


@pytest.mark.parametrize("name", ["integer", "two slices", "mask of all", "mask of rows", "list"])
def test_gradient_of_writing(name):
    positions = model(KEYS[name]).reshape(-1).tolist()
    x = grid().requires_grad_()
    source = torch.ones(grid()[KEYS[name]].shape, requires_grad=True)
    y = x * 1
    y[KEYS[name]] = source * 2
    (y * 3).sum().backward()
    assert x.grad.flatten().tolist() == [0.0 if k in positions else 3.0 for k in range(12)]
    assert source.grad.flatten().tolist() == [6.0] * len(positions)


def test_basic_indexing_gives_views_and_advanced_indexing_copies():
    t = grid()
    assert t[1].data_ptr() == t.data_ptr() + 16
    assert t[:, 1:].data_ptr() == t.data_ptr() + 4
    assert t[...].data_ptr() == t.data_ptr()
    assert t[None].data_ptr() == t.data_ptr()
    for key in ([0, 1], torch.tensor([0]), t > 3, (slice(None), [0])):
        copy = t[key]
        copy.zero_()
    assert t.sum().item() == 66.0


def test_writing_broadcasts_its_value():
    t = grid()
    t[:, 1:3] = torch.tensor([[7.0], [8.0], [9.0]])
    assert t.tolist() == [[0.0, 7.0, 7.0, 3.0], [4.0, 8.0, 8.0, 7.0], [8.0, 9.0, 9.0, 11.0]]
    t[[0, 2]] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert t[0].tolist() == t[2].tolist() == [1.0, 2.0, 3.0, 4.0]
    t[:] = 0
    assert t.sum().item() == 0.0


def test_writing_converts_the_dtype():
    t = torch.zeros(3, dtype=torch.int64)
    t[0] = 2.9
    t[1] = True
    t[2:] = torch.tensor([7.5])
    assert t.tolist() == [2, 1, 7]


def test_writing_to_itself_with_overlap():
    t = torch.arange(6.0)
    t[1:] = t[:-1].clone()
    assert t.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]


def test_augmented_assignment_through_an_index():
    t = grid()
    t[0] += 10
    t[:, 0] *= 2
    t[t > 15] -= 100
    assert t.tolist() == [[-80.0, 11.0, 12.0, 13.0], [8.0, 5.0, 6.0, 7.0], [-84.0, 9.0, 10.0, 11.0]]


def test_index_put_accumulates():
    t = torch.zeros(3)
    index = torch.tensor([0, 2, 0, 0])
    t.index_put_((index,), torch.tensor([1.0, 2.0, 3.0, 4.0]), accumulate=True)
    assert t.tolist() == [8.0, 0.0, 2.0]
    out = t.index_put((torch.tensor([1]),), torch.tensor(9.0))
    assert out.tolist() == [8.0, 9.0, 2.0]
    assert t.tolist() == [8.0, 0.0, 2.0]


def test_gather_and_scatter_add():
    t = grid()
    index = torch.tensor([[3, 0], [1, 1], [2, 0]])
    assert t.gather(1, index).tolist() == [[3.0, 0.0], [5.0, 5.0], [10.0, 8.0]]
    assert t.gather(0, torch.tensor([[2, 0, 1, 2]])).tolist() == [[8.0, 1.0, 6.0, 11.0]]
    out = torch.zeros(3, 4).scatter_add(1, index, torch.ones(3, 2))
    assert out.tolist() == [[1.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]]
    x = t.requires_grad_()
    (x.gather(1, index) * 2).sum().backward()
    assert x.grad.tolist() == [[2.0, 0.0, 0.0, 2.0], [0.0, 4.0, 0.0, 0.0], [2.0, 0.0, 2.0, 0.0]]


def test_index_select():
    t = grid()
    assert t.index_select(0, torch.tensor([2, 2])).tolist() == [[8.0, 9.0, 10.0, 11.0]] * 2
    assert t.index_select(-1, torch.tensor([3, 0])).tolist() == [
        [3.0, 0.0],
        [7.0, 4.0],
        [11.0, 8.0],
    ]
    x = t.requires_grad_()
    x.index_select(0, torch.tensor([1, 1, 0])).sum().backward()
    assert x.grad.tolist() == [[1.0] * 4, [2.0] * 4, [0.0] * 4]


def test_where_selects():
    t = grid()
    out = torch.where(t > 5, t, -t)
    assert out.flatten().tolist() == [-float(k) if k <= 5 else float(k) for k in range(12)]
    assert torch.where(t > 5, 1.0, 0.0).sum().item() == 6.0
    assert torch.where(t > 5, t, 0.0).sum().item() == 51.0
    assert torch.where(torch.tensor([True, False]), torch.ones(3, 1), torch.zeros(2)).shape == (
        3,
        2,
    )


def test_masked_fill():
    t = grid()
    assert t.masked_fill(t > 1, -1.0).sum().item() == -9.0
    assert t.masked_fill(torch.tensor([True, False, False, False]), 0.0)[:, 0].tolist() == [0.0] * 3
    assert t.masked_fill_(t < 6, 0.0) is t
    assert t.sum().item() == 51.0
    x = grid().requires_grad_()
    x.masked_fill(x > 3, 0.0).sum().backward()
    assert x.grad.flatten().tolist() == [1.0] * 4 + [0.0] * 8


def test_integers_that_index():
    t = grid()
    assert t[torch.tensor(1)].tolist() == t[1].tolist()
    assert t[torch.tensor(1) :].shape == (2, 4)
    assert [10, 20, 30][torch.tensor(2)] == 30
    numpy = pytest.importorskip("numpy")
    assert t[numpy.int64(2)].tolist() == t[2].tolist()
    assert t[numpy.array([0, 2])].shape == (2, 4)


def test_index_of_a_tensor_without_dimensions():
    s = torch.tensor(4.0)
    assert s[()].item() == 4.0
    assert s[...].item() == 4.0
    assert s[None].tolist() == [4.0]
    s[()] = 5.0
    s[...] += 1
    assert s.item() == 6.0


def test_second_derivative_through_an_index():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (x[[0, 0, 2]] ** 3).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    assert first.tolist() == [6.0, 0.0, 27.0]
    (second,) = torch.autograd.grad(first.sum(), x)
    assert second.tolist() == [12.0, 0.0, 18.0]


def test_random_keys_agree_with_numpy():
    numpy = pytest.importorskip("numpy")
    draw = random.Random(5)
    data = torch.arange(120).view(4, 5, 6)
    oracle = numpy.arange(120).reshape(4, 5, 6)

    def part(size):
        kind = draw.randrange(5)
        if kind == 0:
            return draw.randrange(-size, size)
        if kind == 1:
            bounds = [draw.choice([None, *range(-size - 1, size + 2)]) for _ in "ab"]
            return slice(*bounds, draw.choice([None, 1, 2, 3]))
        if kind == 2:
            return [draw.randrange(-size, size) for _ in range(2)]
        if kind == 3:
            return [draw.random() < 0.5 for _ in range(size - 2)] + [True, True]
        return slice(None)

    for _ in range(400):
        key = [part(size) for size in (4, 5, 6)[: draw.randrange(1, 4)]]
        if any(
            isinstance(k, list) for k in key
        ):  # NumPy counts integers among the lists, torch not
            key = [slice(None) if isinstance(k, int) else k for k in key]
        if draw.random() < 0.3:
            key.insert(draw.randrange(len(key) + 1), None)
        lists = [
            len(k) if not isinstance(k[0], bool) else sum(k) for k in key if isinstance(k, list)
        ]
        if len(set(lists)) > 1 and set(lists) != {1, max(lists)}:
            continue
        expected = oracle[tuple(key)]
        got = data[tuple(key)]
        assert tuple(got.shape) == expected.shape, key
        assert got.tolist() == expected.tolist(), key
