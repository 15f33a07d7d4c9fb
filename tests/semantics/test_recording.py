"""When an operation is recorded, what a leaf is, and what the graph looks like."""

import copy
import warnings

import pytest
from checks import assert_close

import chainrule as torch
from chainrule import nn


def test_operation_is_recorded_when_an_input_requires_grad():
    a = torch.ones(2)
    b = torch.ones(2, requires_grad=True)
    assert (a + a).grad_fn is None
    assert not (a + a).requires_grad
    assert (a + b).grad_fn is not None
    assert (a + b).requires_grad


def test_operation_is_not_recorded_with_grad_mode_off():
    b = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        c = b * 2
    assert c.grad_fn is None
    assert not c.requires_grad
    assert c.is_leaf


def test_graph_is_rebuilt_every_iteration():
    w = torch.ones(2, requires_grad=True)
    first = (w * 2).grad_fn
    second = (w * 2).grad_fn
    assert first is not second
    for factor in (2.0, 3.0):  # control flow may differ from run to run
        w.grad = None
        (w * factor).sum().backward()
        assert w.grad.tolist() == [factor, factor]


def test_integer_results_are_not_recorded():
    x = torch.tensor([1.0, 5.0], requires_grad=True)
    assert not (x > 2).requires_grad
    assert not x.argmax().requires_grad
    assert not x.long().requires_grad


def test_only_leaves_accumulate_grad():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    frozen = torch.ones(2)
    (y * frozen).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert frozen.grad is None
    assert x.is_leaf
    assert frozen.is_leaf
    assert not y.is_leaf


def test_further_backwards_add_into_the_same_object():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).sum().backward()
    kept = x.grad
    (x * 2).sum().backward()
    assert x.grad is kept
    (x * 2).sum().backward()
    assert x.grad is kept
    assert kept.tolist() == [6.0, 6.0]


def test_clearing_requires_grad_of_a_non_leaf_raises():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf"):
        y.requires_grad = False
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf"):
        y.requires_grad_(False)
    assert y.requires_grad_() is y  # already so


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_integer_tensors_cannot_require_grad(dtype):
    t = torch.zeros(2, dtype=getattr(torch, dtype))
    with pytest.raises(RuntimeError, match=r"[Oo]nly Tensors of floating point"):
        t.requires_grad_()
    with pytest.raises(RuntimeError, match=r"[Oo]nly Tensors of floating point"):
        t.requires_grad = True
    with pytest.raises(RuntimeError, match=r"[Oo]nly Tensors of floating point"):
        torch.zeros(2, dtype=getattr(torch, dtype), requires_grad=True)


def test_parameter_requires_grad_by_default():
    assert nn.Parameter(torch.zeros(2)).requires_grad
    assert not nn.Parameter(torch.zeros(2), requires_grad=False).requires_grad
    assert isinstance(nn.Parameter(torch.zeros(2)), torch.Tensor)
    assert nn.Parameter(torch.zeros(2)).is_leaf


def test_module_requires_grad_applies_to_all_parameters():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    assert net.requires_grad_(False) is net
    assert [p.requires_grad for p in net.parameters()] == [False] * 4
    net.requires_grad_()
    assert [p.requires_grad for p in net.parameters()] == [True] * 4


def test_reading_grad_of_a_non_leaf_warns_and_gives_none():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.sum().backward()
    with pytest.warns(UserWarning, match="The .grad attribute of a Tensor that is not a leaf"):
        assert y.grad is None


def test_retain_grad_keeps_the_grad_of_a_non_leaf():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()  # a second call changes nothing
    assert y.retains_grad
    (y * 5).sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert y.grad.tolist() == [5.0, 5.0]
    assert x.grad.tolist() == [10.0, 10.0]


def test_retain_grad_of_a_leaf_changes_nothing():
    x = torch.ones(2, requires_grad=True)
    x.retain_grad()
    assert not x.retains_grad
    with pytest.raises(
        RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"
    ):
        torch.ones(2).retain_grad()


def test_next_functions_end_in_accumulate_grad_or_none():
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    (to_x, to_constant) = y.grad_fn.next_functions
    assert type(to_x[0]).__name__ == "AccumulateGrad"
    assert to_x[1] == 0
    assert to_x[0].variable is x
    assert to_constant == (None, 0)
    assert to_x[0].next_functions == ()


def test_accumulate_grad_node_is_the_same_for_every_use_of_a_leaf():
    x = torch.ones(2, requires_grad=True)
    y = x * x
    (first, second) = y.grad_fn.next_functions
    assert first[0] is second[0]
    other = (x + 1).grad_fn.next_functions[0][0]
    assert other is first[0]


def test_second_output_of_a_node_is_numbered():
    x = torch.ones(4, requires_grad=True)
    a, b = x.split(2)
    node = (a * b).grad_fn
    assert [index for _, index in node.next_functions] == [0, 1]
    assert node.next_functions[0][0] is node.next_functions[1][0]
    assert a.output_nr == 0
    assert b.output_nr == 1


def test_saved_values_are_readable():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)
    node = (x * y).grad_fn
    assert node._saved_self.tolist() == [1.0, 2.0]
    assert node._saved_other.tolist() == [3.0, 4.0]
    assert_close(x.exp().grad_fn._saved_result, [2.7182817, 7.389056])


def test_nodes_carry_a_name_and_metadata():
    x = torch.ones(2, requires_grad=True)
    node = (x + 1).grad_fn
    assert node.name() == "AddBackward0"
    node.metadata["note"] = 1
    assert node.metadata == {"note": 1}


@pytest.mark.parametrize("shape", [(2,), (2, 3), (0,), (1, 2)])
def test_backward_of_a_non_scalar_raises(shape):
    x = torch.ones(shape, requires_grad=True)
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        (x * 2).backward()


def test_backward_of_one_element_of_any_rank_is_a_scalar():
    x = torch.ones(1, 1, requires_grad=True)
    (x * 2).backward()
    assert x.grad.tolist() == [[2.0]]


def test_unused_input_raises_unless_allowed():
    x = torch.ones(2, requires_grad=True)
    unused = torch.ones(3, requires_grad=True)
    y = (x * 2).sum()
    with pytest.raises(
        RuntimeError, match="The differentiated Tensor at index 1 appears to not have been used"
    ):
        torch.autograd.grad(y, [x, unused], retain_graph=True)
    got = torch.autograd.grad(y, [x, unused], allow_unused=True, retain_graph=True)
    assert got[0].tolist() == [2.0, 2.0]
    assert got[1] is None
    got = torch.autograd.grad(y, [x, unused], materialize_grads=True)
    assert got[1].tolist() == [0.0, 0.0, 0.0]


def test_materialize_grads_contradicts_allow_unused_false():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=r"[Ee]xpected allow_unused to be True"):
        torch.autograd.grad(x.sum(), [x], allow_unused=False, materialize_grads=True)


def test_deepcopy_of_a_non_leaf_raises():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)


def test_numpy_of_a_tensor_that_requires_grad_raises():
    pytest.importorskip("numpy")
    x = torch.ones(2, requires_grad=True)
    for tensor in (x, x * 2):
        with pytest.raises(
            RuntimeError, match="Can't call numpy\\(\\) on Tensor that requires grad"
        ):
            tensor.numpy()
    assert x.detach().numpy().tolist() == [1.0, 1.0]


def test_requires_grad_is_contagious_through_every_consumer():
    x = torch.ones(2, requires_grad=True)
    y = torch.stack([x, torch.ones(2)]).sum(0)
    z = torch.cat([y, torch.zeros(1)]) + 1
    assert z.requires_grad
    z.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
