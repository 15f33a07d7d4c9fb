"""In-place operations: versions, views, and the histories they rewrite. Correct, or an error."""

import pytest
from checks import assert_close

import chainrule as torch

MODIFIED = (
    "one of the variables needed for gradient computation has been modified by an inplace operation"
)


def name_of(node):
    """The class name that torch prints for a graph node."""
    return type(node).__name__


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.add_(1),
        lambda t: t.mul_(2),
        lambda t: t.zero_(),
        lambda t: t.fill_(3),
        lambda t: t.copy_(torch.ones(4)),
        lambda t: t.exp_(),
        lambda t: t.__setitem__(0, 5.0),
        lambda t: t.__iadd__(1),
        lambda t: t.masked_fill_(t > 0, 0.0),
        lambda t: t[1:].relu_(),
    ],
    ids=[
        "add_",
        "mul_",
        "zero_",
        "fill_",
        "copy_",
        "exp_",
        "setitem",
        "iadd",
        "masked_fill_",
        "view",
    ],
)
def test_each_in_place_operation_bumps_the_version(change):
    t = torch.ones(4)
    assert t._version == 0
    change(t)
    assert t._version == 1
    change(t)
    assert t._version == 2


def test_out_of_place_operations_leave_the_version():
    t = torch.ones(4)
    _ = t + 1, t * 2, t.exp(), t[1:], t.view(2, 2), t.sum(), t.clone()
    assert t._version == 0


def test_views_share_the_counter_with_their_base():
    base = torch.ones(2, 3)
    row, column, flat = base[0], base.t()[1], base.view(6)
    row.add_(1)
    assert base._version == row._version == column._version == flat._version == 1
    base.add_(1)
    assert row._version == column._version == flat._version == 2


def test_detach_shares_the_counter_and_data_does_not():
    t = torch.ones(2)
    d = t.detach()
    d.add_(1)
    assert t._version == d._version == 1
    assert t.tolist() == [2.0, 2.0]
    raw = t.data
    assert raw._version == 0
    raw.add_(1)
    assert t._version == 1
    assert t.tolist() == [3.0, 3.0]


def test_changing_a_saved_input_raises_at_backward():
    x = torch.ones(3, requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match=MODIFIED):
        z.sum().backward()


def test_changing_a_saved_output_raises_at_backward():
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match=MODIFIED):
        y.sum().backward()


def test_changing_a_view_of_a_saved_tensor_raises_at_backward():
    x = torch.ones(4, requires_grad=True)
    y = x * 1
    z = y * y
    y[1:2].add_(1)
    with pytest.raises(RuntimeError, match=MODIFIED):
        z.sum().backward()


def test_changing_a_constant_that_was_saved_raises_at_backward():
    x = torch.ones(3, requires_grad=True)
    factor = torch.ones(3)
    z = (x * factor).sum()
    factor.add_(1)
    with pytest.raises(RuntimeError, match=MODIFIED):
        z.backward()


def test_change_through_data_is_not_seen_and_gives_wrong_gradients():
    x = torch.ones(3, requires_grad=True)
    y = x * 1
    z = y * y
    y.data.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 4.0]


def test_changing_what_no_node_needs_is_harmless():
    x = torch.ones(3, requires_grad=True)
    y = x + 1  # saves nothing
    y.mul_(3)
    y.add_(x)
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 4.0]


def test_a_saved_factor_that_needs_no_gradient_partner_may_change():
    x = torch.ones(3, requires_grad=True)
    y = x * 2  # only `other`, the number, is needed
    z = y * 3
    y.zero_()
    z.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0, 6.0]


def test_in_place_on_a_leaf_that_requires_grad_raises():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad is being used in an in-place"
    ):
        x.add_(1)
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad is being used in an in-place"
    ):
        x += 1
    assert x._version == 0
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_in_place_on_a_view_of_a_leaf_raises():
    x = torch.ones(4, requires_grad=True)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x[:2].mul_(2)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x.view(2, 2).zero_()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x[0] = 5.0
    assert x.tolist() == [1.0] * 4


def test_in_place_on_a_leaf_is_allowed_without_grad_mode():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        x -= 0.5
        x[0] = 7.0
    assert x.is_leaf
    assert x.requires_grad
    assert x.tolist() == [7.0, 0.5]


@pytest.mark.parametrize(
    "part",
    [
        lambda t: t.unbind()[0],
        lambda t: t.split(2)[0],
        lambda t: t.chunk(2)[1],
        lambda t: next(iter(t)),
    ],
    ids=["unbind", "split", "chunk", "iteration"],
)
def test_in_place_on_one_of_several_views_raises(part):
    x = torch.ones(4, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="output of a function that returns multiple views"):
        part(x).mul_(2)


def test_in_place_on_one_of_several_views_of_a_constant_is_allowed():
    t = torch.ones(4)
    t.split(2)[1].mul_(3)
    assert t.tolist() == [1.0, 1.0, 3.0, 3.0]


def test_view_made_in_no_grad_cannot_be_changed_in_grad_mode():
    x = torch.ones(4, requires_grad=True) * 1
    with torch.no_grad():
        v = x[:2]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode"):
        v.mul_(2)


def test_in_place_on_a_view_rebases_the_history_of_its_base():
    x = torch.ones(4, requires_grad=True)
    base = x * 1
    view = base[1:3]
    assert name_of(view.grad_fn) == "SliceBackward0"
    view.mul_(5)
    assert name_of(base.grad_fn) == "CopySlices"
    assert name_of(view.grad_fn) == "AsStridedBackward0"
    base.sum().backward()
    assert x.grad.tolist() == [1.0, 5.0, 5.0, 1.0]


def test_gradient_through_a_changed_view_itself():
    x = torch.ones(4, requires_grad=True)
    base = x * 1
    view = base[1:3]
    view.mul_(5)
    (view * 2).sum().backward()
    assert x.grad.tolist() == [0.0, 10.0, 10.0, 0.0]


def test_change_of_the_base_regenerates_the_view_s_history():
    x = torch.ones(4, requires_grad=True)
    base = x * 1
    view = base.view(2, 2)
    base.mul_(3)
    view.sum().backward()
    assert x.grad.tolist() == [3.0] * 4


def test_change_of_a_transposed_view():
    x = torch.ones(2, 3, requires_grad=True)
    base = x * 1
    base.t()[1].mul_(7)
    base.sum().backward()
    assert x.grad.tolist() == [[1.0, 7.0, 1.0]] * 2


def test_assignment_into_a_constant_makes_it_part_of_the_graph():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    out = torch.zeros(4)
    out[1:3] = x * 3
    assert out.requires_grad
    assert name_of(out.grad_fn) == "CopySlices"
    (out * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert x.grad.tolist() == [30.0, 300.0]


def test_assignment_cuts_the_gradient_of_what_was_overwritten():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y[1] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 2.0]


def test_chain_of_in_place_operations_differentiates_like_its_pure_form():
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    y = x.clone()
    y.mul_(2).add_(1).sin_()
    y.sum().backward()
    assert_close(x.grad, [2 * v for v in (x.detach() * 2 + 1).cos().tolist()])


def test_in_place_returns_the_tensor_itself():
    t = torch.ones(2)
    assert t.add_(1) is t
    alias = t
    t += 1
    assert t is alias
    t *= 2
    assert t is alias


def test_in_place_recorded_on_a_leaf_without_grad_gives_it_a_history():
    t = torch.zeros(2)
    x = torch.ones(2, requires_grad=True)
    t.add_(x)
    assert t.requires_grad
    assert not t.is_leaf
    t.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_leaf_moved_into_the_graph_keeps_its_accumulator():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    with torch.no_grad():
        x.add_(1)
    y.sum().backward()  # multiplication by a number saved nothing of x
    assert x.grad.tolist() == [2.0, 2.0]


def test_in_place_cannot_widen_a_dtype():
    t = torch.ones(2, dtype=torch.int64)
    with pytest.raises(
        RuntimeError, match="result type Float can't be cast to the desired output type Long"
    ):
        t.add_(1.5)
    with pytest.raises(RuntimeError, match="can't be cast"):
        t.div_(2)


def test_in_place_cannot_grow_by_broadcasting():
    t = torch.ones(2)
    with pytest.raises(
        RuntimeError, match="output with shape \\[2\\] doesn't match the broadcast shape \\[3, 2\\]"
    ):
        t.add_(torch.ones(3, 2))


def test_in_place_on_an_expanded_tensor_raises():
    t = torch.ones(1).expand(3)
    with pytest.raises(
        RuntimeError, match="unsupported operation: more than one element of the written-to tensor"
    ):
        t.add_(1)


def test_detach_in_place():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    assert y.detach_() is y
    assert y.grad_fn is None
    assert not y.requires_grad
    assert y.is_leaf
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (x * 2)[:1].detach_()


def test_in_place_with_itself_as_argument():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = x * 1
    y.mul_(y.clone())
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]
