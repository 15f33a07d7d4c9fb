"""Views: shapes, strides, shared memory, and gradients through them."""

import pytest

import chainrule as torch


def grid():
    """0 … 5 in two rows."""
    return torch.arange(6.0).view(2, 3)


def cube():
    """0 … 23 as 2×3×4."""
    return torch.arange(24.0).view(2, 3, 4)


VIEWS = {
    "view": (lambda t: t.view(4, 6), (4, 6), (6, 1), 0),
    "view with -1": (lambda t: t.view(-1, 8), (3, 8), (8, 1), 0),
    "view as size": (lambda t: t.view(torch.Size([24])), (24,), (1,), 0),
    "view_as": (lambda t: t.view_as(torch.ones(12, 2)), (12, 2), (2, 1), 0),
    "reshape": (lambda t: t.reshape(6, 4), (6, 4), (4, 1), 0),
    "flatten": (lambda t: t.flatten(), (24,), (1,), 0),
    "flatten from 1": (lambda t: t.flatten(1), (2, 12), (12, 1), 0),
    "permute": (lambda t: t.permute(2, 0, 1), (4, 2, 3), (1, 12, 4), 0),
    "permute negative": (lambda t: t.permute(-1, 0, 1), (4, 2, 3), (1, 12, 4), 0),
    "transpose": (lambda t: t.transpose(0, -1), (4, 3, 2), (1, 4, 12), 0),
    "t": (lambda t: t[0].t(), (4, 3), (1, 4), 0),
    "T": (lambda t: t[0].T, (4, 3), (1, 4), 0),
    "mT": (lambda t: t.mT, (2, 4, 3), (12, 1, 4), 0),
    "expand": (lambda t: t[:, :1].expand(2, 5, 4), (2, 5, 4), (12, 0, 1), 0),
    "expand in front": (lambda t: t[0].expand(7, -1, -1), (7, 3, 4), (0, 4, 1), 0),
    "squeeze": (lambda t: t[:1].squeeze(), (3, 4), (4, 1), 0),
    "squeeze one": (lambda t: t[:, :1].squeeze(1), (2, 4), (12, 1), 0),
    "squeeze nothing": (lambda t: t.squeeze(0), (2, 3, 4), (12, 4, 1), 0),
    "unsqueeze": (lambda t: t.unsqueeze(1), (2, 1, 3, 4), (12, 12, 4, 1), 0),
    "unsqueeze last": (lambda t: t.unsqueeze(-1), (2, 3, 4, 1), (12, 4, 1, 1), 0),
    "select": (lambda t: t.select(1, 2), (2, 4), (12, 1), 8),
    "select negative": (lambda t: t.select(-1, -1), (2, 3), (12, 4), 3),
    "narrow": (lambda t: t.narrow(2, 1, 2), (2, 3, 2), (12, 4, 1), 1),
    "slice with step": (lambda t: t[:, ::2, 1::2], (2, 2, 2), (12, 8, 2), 1),
    "split": (lambda t: t.split(2, 1)[1], (2, 1, 4), (12, 4, 1), 8),
    "split by sizes": (lambda t: t.split([1, 3], 2)[1], (2, 3, 3), (12, 4, 1), 1),
    "chunk": (lambda t: t.chunk(2, 2)[1], (2, 3, 2), (12, 4, 1), 2),
    "unbind": (lambda t: t.unbind(1)[1], (2, 4), (12, 1), 4),
    "diagonal": (lambda t: t.diagonal(0, 1, 2), (2, 3), (12, 5), 0),
    "diagonal above": (lambda t: t.diagonal(1, 1, 2), (2, 3), (12, 5), 1),
    "diagonal below": (lambda t: t.diagonal(-1, 1, 2), (2, 2), (12, 5), 4),
    "as_strided": (lambda t: t.as_strided((2, 2), (3, 5), 4), (2, 2), (3, 5), 4),
    "detach": (lambda t: t.detach(), (2, 3, 4), (12, 4, 1), 0),
}


@pytest.mark.parametrize("name", VIEWS)
def test_view_has_its_shape_strides_and_offset(name):
    function, shape, stride, offset = VIEWS[name]
    view = function(cube())
    assert tuple(view.shape) == shape
    assert view.stride() == stride
    assert view.storage_offset() == offset


@pytest.mark.parametrize("name", VIEWS)
def test_view_shares_memory_with_its_base(name):
    function, *_ = VIEWS[name]
    base = cube()
    view = function(base)
    assert view.data_ptr() == base.data_ptr() + 4 * view.storage_offset()
    first = (0,) * view.dim()
    base[(0,) * 3 if view.storage_offset() == 0 else ...] = -7.0
    assert view[first].item() == -7.0


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "detach"])
def test_gradient_flows_back_through_a_view(name):
    function, shape, *_ = VIEWS[name]
    x = cube().requires_grad_()
    view = function(x)
    weight = torch.arange(1.0, view.numel() + 1).view(shape)
    (view * weight).sum().backward()
    expected = [0.0] * 24
    positions = function(torch.arange(24).view(2, 3, 4)).flatten().tolist()
    for position, w in zip(positions, weight.flatten().tolist(), strict=True):
        expected[position] += w
    assert x.grad.flatten().tolist() == expected


SEVERAL = ("split", "chunk", "unbind")  # one of several views may not change in place


@pytest.mark.parametrize(
    "name", [n for n in VIEWS if not n.startswith(("expand", "detach", *SEVERAL))]
)
def test_in_place_change_of_a_view_differentiates(name):
    function, *_ = VIEWS[name]
    x = cube().requires_grad_()
    base = x * 1
    function(base).mul_(3)
    base.sum().backward()
    touched = function(torch.arange(24).view(2, 3, 4)).flatten().tolist()
    assert x.grad.flatten().tolist() == [3.0 if k in touched else 1.0 for k in range(24)]


def test_values_of_views():
    t = grid()
    assert t.t().tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert t.diagonal().tolist() == [0.0, 4.0]
    assert t.diagonal(1).tolist() == [1.0, 5.0]
    assert t.diagonal(5).tolist() == []
    assert [p.tolist() for p in t.split(2, 1)] == [[[0.0, 1.0], [3.0, 4.0]], [[2.0], [5.0]]]
    assert [p.tolist() for p in t.unbind(1)] == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert [p.tolist() for p in torch.arange(6).chunk(4)] == [[0, 1], [2, 3], [4, 5]]
    assert t.narrow(1, -2, 2).tolist() == [[1.0, 2.0], [4.0, 5.0]]
    assert t.as_strided((2, 2), (1, 1)).tolist() == [[0.0, 1.0], [1.0, 2.0]]


def test_reshape_copies_only_when_it_must():
    t = grid()
    assert t.reshape(3, 2).data_ptr() == t.data_ptr()
    copy = t.t().reshape(6)
    assert copy.data_ptr() != t.data_ptr()
    assert copy.tolist() == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    assert t.t().unsqueeze(0).reshape(3, 2).data_ptr() == t.data_ptr()


def test_view_of_a_transposed_tensor_needs_compatible_strides():
    t = cube().transpose(1, 2)
    assert t.view(2, 4, 3, 1).stride()[:3] == (12, 1, 4)
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size"):
        t.view(24)


def test_contiguous_and_clone():
    t = grid()
    assert t.contiguous() is t
    assert not t.t().is_contiguous()
    c = t.t().contiguous()
    assert c.is_contiguous()
    assert c.tolist() == t.t().tolist()
    assert t.t().clone().stride() == (1, 3)
    assert t[:, ::2].clone().stride() == (2, 1)
    copy = t.clone()
    copy.zero_()
    assert t.sum().item() == 15.0


def test_views_of_empty_tensors():
    e = torch.ones(0, 3)
    assert e.view(3, 0).shape == (3, 0)
    assert e.view(-1).shape == (0,)
    assert e.t().shape == (3, 0)
    assert e.reshape(0).shape == (0,)
    assert e.expand(2, 0, 3).shape == (2, 0, 3)
    assert e.unsqueeze(0).shape == (1, 0, 3)
    assert [p.shape for p in e.split(2)] == [(0, 3)]
    assert e.unbind() == ()
    assert e.diagonal().shape == (0,)


def test_views_of_tensors_without_dimensions():
    s = torch.tensor(3.0)
    assert s.view(1).tolist() == [3.0]
    assert s.view(1, 1).tolist() == [[3.0]]
    assert s.flatten().tolist() == [3.0]
    assert s.squeeze().shape == ()
    assert s.unsqueeze(0).shape == (1,)
    assert s.expand(2, 2).tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert s.t().shape == ()
    assert s.permute(()).shape == ()
    assert s.is_contiguous()


def test_view_knows_its_base():
    base = torch.arange(6.0)
    assert base._base is None
    assert not base._is_view()
    assert base[1:]._base is base
    assert base[1:].view(5, 1)._base is base
    assert base[1:]._is_view()


def test_view_functions_exist_as_functions_too():
    t = cube()
    pairs = [
        (torch.reshape(t, (4, 6)), t.reshape(4, 6)),
        (torch.permute(t, (2, 0, 1)), t.permute(2, 0, 1)),
        (torch.transpose(t, 0, 1), t.transpose(0, 1)),
        (torch.t(t[0]), t[0].t()),
        (torch.squeeze(t[:1]), t[:1].squeeze()),
        (torch.unsqueeze(t, 0), t.unsqueeze(0)),
        (torch.select(t, 0, 1), t[1]),
        (torch.narrow(t, 1, 1, 1), t[:, 1:2]),
        (torch.flatten(t, 1), t.flatten(1)),
        (torch.diagonal(t[0]), t[0].diagonal()),
        (torch.split(t, 1)[1], t[1:]),
        (torch.chunk(t, 2)[1], t[1:]),
        (torch.unbind(t)[1], t[1]),
    ]
    for by_function, by_method in pairs:
        assert by_function.shape == by_method.shape
        assert by_function.tolist() == by_method.tolist()
        assert by_function.data_ptr() == by_method.data_ptr()


def test_permute_takes_dimensions_one_by_one_or_as_a_sequence():
    t = cube()
    assert t.permute(2, 0, 1).shape == t.permute((2, 0, 1)).shape == t.permute([2, 0, 1]).shape
    assert t.view(4, 6).shape == t.view((4, 6)).shape == t.view([4, 6]).shape
    assert t.expand(2, 2, 3, 4).shape == t.expand((2, 2, 3, 4)).shape


def test_split_gives_a_tuple():
    assert isinstance(grid().split(1), tuple)
    assert isinstance(grid().chunk(2), tuple)
    assert isinstance(grid().unbind(), tuple)


def test_size_objects():
    size = grid().shape
    assert repr(size) == "torch.Size([2, 3])"
    assert size == (2, 3)
    assert size.numel() == 6
    assert isinstance(size, tuple)
    assert hash(size) == hash((2, 3))
    assert isinstance(size[1:], torch.Size)
    assert grid().size() == size
    assert grid().size(-1) == 3
    assert grid().stride(0) == 3


def test_assignment_of_data():
    x = torch.ones(2, requires_grad=True)
    x.data = torch.tensor([5.0, 6.0, 7.0])
    assert x.tolist() == [5.0, 6.0, 7.0]
    assert x.requires_grad
    assert x.is_leaf


def test_joining_tensors():
    t = grid()
    assert torch.cat([t, t]).shape == (4, 3)
    assert torch.cat([t, t[:, :1]], 1).tolist() == [[0.0, 1.0, 2.0, 0.0], [3.0, 4.0, 5.0, 3.0]]
    assert torch.cat((t, t), dim=-1).shape == (2, 6)
    assert torch.cat([torch.ones(0), t]).shape == (2, 3)  # the old empty tensor is ignored
    assert torch.cat([t, torch.arange(3).view(1, 3)]).dtype is torch.float32
    assert torch.stack([t, t]).shape == (2, 2, 3)
    assert torch.stack([t, t], -1).shape == (2, 3, 2)
    assert torch.stack([torch.tensor(1.0), torch.tensor(2.0)]).tolist() == [1.0, 2.0]
    joined = torch.cat([t, t])
    joined.zero_()
    assert t.sum().item() == 15.0


def test_triangles():
    t = torch.ones(3, 3)
    assert t.triu().tolist() == [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]
    assert t.tril(-1).tolist() == [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    assert torch.triu(grid(), 1).tolist() == [[0.0, 1.0, 2.0], [0.0, 0.0, 5.0]]
