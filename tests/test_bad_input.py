"""Bad input: a clear Python exception of torch's type, never a crash."""

import subprocess
import sys
from pathlib import Path

import pytest

import chainrule as torch
from chainrule import nn
from chainrule.nn import functional

OVERFLOW = (ValueError, OverflowError, TypeError, IndexError, RuntimeError)  # of Python integers
NAN, INF = float("nan"), float("inf")


def namespace():
    """The names that the expressions below use."""
    return {
        "torch": torch,
        "nn": nn,
        "F": functional,
        "x": torch.arange(6.0).view(2, 3),
        "v": torch.arange(3.0),
        "i": torch.arange(6),
        "b": torch.tensor([True, False]),
        "s": torch.tensor(1.0),
        "e": torch.ones(0),
        "r": torch.ones(2, 3, requires_grad=True),
        "NAN": NAN,
        "INF": INF,
    }


CREATION = [
    ("torch.zeros(-1)", RuntimeError, "negative"),
    ("torch.zeros(2, -3)", RuntimeError, "negative"),
    ("torch.Tensor(-1)", RuntimeError, "negative dimension -1"),
    ("torch.rand(-1)", RuntimeError, "negative dimension -1"),
    ("torch.randperm(-1)", RuntimeError, "negative"),
    ("torch.eye(-1)", RuntimeError, "n must be greater or equal to 0"),
    ("x.new_zeros(-1)", RuntimeError, "negative dimension -1"),
    ("torch.randint(3, (2, -1))", RuntimeError, "negative dimension -1"),
    ("nn.Linear(-1, 2)", RuntimeError, "negative dimension -1"),
    ("torch.zeros(2**62)", RuntimeError, "Storage size calculation overflowed"),
    ("torch.zeros(2**40, 2**40)", RuntimeError, "overflowed"),
    ("torch.empty(2**62, 4)", RuntimeError, "overflowed"),
    ("torch.Tensor(2**62)", RuntimeError, "overflowed"),
    ("torch.randn(2**62)", RuntimeError, "overflowed"),
    ("torch.randperm(2**62)", RuntimeError, "overflowed"),
    ("torch.eye(2**33, 2**33)", RuntimeError, "overflow"),
    ("torch.linspace(0, 1, 2**62)", RuntimeError, "overflowed"),
    ("torch.arange(0, 2**62)", RuntimeError, "overflowed"),
    ("torch.arange(0, 1e300)", RuntimeError, "invalid size, possible overflow"),
    ("torch.ones(2**45)", (RuntimeError, MemoryError), "allocate"),
    ("torch.zeros(2**58, dtype=torch.bool)", (RuntimeError, MemoryError), "allocate"),
    ("torch.empty(2**50)", (RuntimeError, MemoryError), "allocate"),
    ("torch.zeros(2**63)", OVERFLOW, None),
    ("torch.zeros(2**70)", OVERFLOW, None),
    ("torch.zeros('a')", TypeError, "must be tuple of ints"),
    ("torch.zeros(1.5)", TypeError, "must be tuple of ints"),
    ("torch.zeros(None)", TypeError, None),
    ("torch.zeros()", TypeError, None),
    ("torch.zeros(2, dtype=5)", TypeError, "dtype"),
    ("torch.zeros(2, dtype='float32')", TypeError, "dtype"),
    ("torch.zeros(2, device='nope')", RuntimeError, "device"),
    ("torch.zeros(2, device='cuda')", (AssertionError, RuntimeError), None),
    ("torch.zeros(2, foo=1)", TypeError, "foo"),
    ("torch.device('foo')", RuntimeError, "foo"),
    ("torch.device('cpu:-1')", RuntimeError, "Invalid device string"),
    ("torch.full((2,))", TypeError, None),
    ("torch.full((2,), 'a')", TypeError, None),
    ("torch.full((2,), 2**70)", OVERFLOW, None),
    ("torch.tensor()", TypeError, None),
    ("torch.tensor('abc')", TypeError, "invalid data type 'str'"),
    ("torch.tensor([1, 'a'])", TypeError, "invalid data type 'str'"),
    ("torch.tensor(None)", RuntimeError, "Could not infer dtype of NoneType"),
    ("torch.tensor([object()])", RuntimeError, "Could not infer dtype of object"),
    ("torch.tensor({})", RuntimeError, "Could not infer dtype of dict"),
    ("torch.tensor([[1, 2], [3]])", ValueError, "expected sequence of length 2 at dim 1"),
    ("torch.tensor([[[1]], [[2, 3]]])", ValueError, "expected sequence of length 1 at dim 2"),
    ("torch.tensor([[1, 2], 3])", TypeError, None),
    ("torch.tensor([3, [1, 2]])", TypeError, None),
    ("torch.tensor(2**70)", (ValueError, OverflowError, RuntimeError), "[Oo]verflow"),
    ("torch.tensor([2**63])", (ValueError, OverflowError, RuntimeError), "[Oo]verflow"),
    (
        "torch.tensor(NAN, dtype=torch.int64)",
        RuntimeError,
        "value cannot be converted to type int64",
    ),
    ("torch.tensor([1], dtype='a')", TypeError, "dtype"),
    ("torch.arange()", TypeError, None),
    ("torch.arange('a')", TypeError, None),
    ("torch.arange(0, 5, -1)", RuntimeError, "upper bound and lower bound inconsistent"),
    ("torch.arange(0, 1, 0)", RuntimeError, "step must be nonzero"),
    ("torch.arange(INF)", RuntimeError, "unsupported range: 0 -> inf"),
    ("torch.arange(NAN)", RuntimeError, "unsupported range: 0 -> nan"),
    ("torch.arange(3, requires_grad=True)", RuntimeError, "nly Tensors of floating point"),
    ("torch.linspace(0, 1, -1)", RuntimeError, "number of steps must be non-negative"),
    ("torch.linspace(0, 1)", TypeError, None),
    ("torch.linspace(0, 1, 2.5)", TypeError, None),
    ("torch.ones_like(3)", TypeError, "must be Tensor"),
    ("torch.randint(5, 5, (2,))", RuntimeError, "expects 'from' to be less than 'to'"),
    ("torch.randint(0, 0, (1,))", RuntimeError, "expects 'from' to be less than 'to'"),
    ("torch.randint(5, 3)", TypeError, None),
    ("torch.randint(1.5, (2,))", TypeError, None),
    ("e.uniform_(2, 1)", RuntimeError, r"expects to return a \[from, to\) range"),
    ("e.uniform_(0, INF)", RuntimeError, "out of bounds"),
    ("e.normal_(0, -1)", RuntimeError, "expects std >= 0.0"),
    ("i.normal_()", NotImplementedError, "not implemented for 'Long'"),
    ("i.uniform_()", NotImplementedError, "not implemented for 'Long'"),
    ("torch.manual_seed('a')", ValueError, None),
    ("torch.manual_seed(None)", TypeError, None),
    ("torch.Size('ab')", TypeError, None),
    ("torch.Size([1.5])", TypeError, None),
    ("nn.Parameter(i)", RuntimeError, "nly Tensors of floating point"),
    ("torch.finfo(torch.int64)", TypeError, None),
]

SHAPES = [
    ("x.view(4)", RuntimeError, r"shape '\[4\]' is invalid for input of size 6"),
    ("x.view(-1, 4)", RuntimeError, "is invalid for input of size 6"),
    ("x.view(-1, -1)", RuntimeError, "only one dimension can be inferred"),
    ("x.view(-2)", RuntimeError, "invalid shape dimension -2"),
    ("x.view(2**62, 2**62)", RuntimeError, "is invalid for input of size 6"),
    ("x.t().view(6)", RuntimeError, "view size is not compatible with input tensor's size"),
    ("x.view('a')", TypeError, None),
    ("x.view()", TypeError, None),
    ("x.view(None)", TypeError, None),
    ("x.view(2**70)", OVERFLOW, None),
    ("x.reshape(7)", RuntimeError, r"shape '\[7\]' is invalid for input of size 6"),
    ("x.reshape(-1, 0)", RuntimeError, "invalid|ambiguous"),
    ("torch.ones(0, 3).view(-1, 0)", RuntimeError, "is ambiguous"),
    ("x.permute(0)", RuntimeError, "number of dimensions"),
    ("x.permute(0, 0)", RuntimeError, "duplicate dims"),
    ("x.permute(0, 2)", IndexError, "Dimension out of range"),
    ("x.transpose(0, 2)", IndexError, "Dimension out of range"),
    ("x.transpose(2**70, 0)", OVERFLOW, None),
    ("torch.ones(2, 2, 2).t()", RuntimeError, r"t\(\) expects a tensor with <= 2 dimensions"),
    ("x.expand(2, 4)", RuntimeError, r"The expanded size of the tensor \(4\) must match"),
    ("x.expand(3)", RuntimeError, "number of sizes provided"),
    ("x.expand(-1, 2, 3)", RuntimeError, "isn't allowed in a leading, non-existing dimension"),
    ("x.expand(-2, 3)", RuntimeError, "The expanded size of the tensor"),
    ("x.expand(2**62, 2**5, 2, 3)", RuntimeError, "overflow"),
    ("x.squeeze(5)", IndexError, "Dimension out of range"),
    ("x.unsqueeze(3)", IndexError, r"expected to be in range of \[-3, 2\], but got 3"),
    ("x.unsqueeze(2**62)", IndexError, "Dimension out of range"),
    ("x.select(0, 2)", IndexError, "index 2 out of range"),
    ("x.select(2, 0)", IndexError, "Dimension out of range"),
    ("s.select(0, 0)", IndexError, "cannot be applied to a 0-dim tensor"),
    (
        "x.narrow(1, 1, 3)",
        RuntimeError,
        r"start \(1\) \+ length \(3\) exceeds dimension size \(3\)",
    ),
    ("x.narrow(0, 0, -1)", RuntimeError, "length must be non-negative"),
    ("x.narrow(0, 5, 1)", IndexError, "start out of range"),
    ("x.narrow(0, 0, 2**62)", RuntimeError, "exceeds dimension size"),
    ("x.narrow(0, -2**63, 1)", IndexError, "start out of range"),
    ("x.split(0)", RuntimeError, "split_size can only be 0 if dimension size is 0"),
    ("x.split(-1)", RuntimeError, "split_size be non-negative"),
    ("x.split([1, 2])", RuntimeError, "split_sizes to sum exactly to 2"),
    ("x.split([-1, 3])", RuntimeError, "non-negative"),
    ("x.chunk(0)", RuntimeError, "to be greater than 0"),
    ("x.unbind(2)", IndexError, "Dimension out of range"),
    ("s.unbind()", IndexError, "no dimensions"),
    ("x.diagonal(0, 0, 0)", RuntimeError, "diagonal dimensions cannot be identical"),
    ("x.diagonal(0, 0, 5)", IndexError, "Dimension out of range"),
    ("x.as_strided((2,), (100,))", RuntimeError, "are out of bounds for storage of size 24"),
    ("x.as_strided((2,), (1,), 100)", RuntimeError, "out of bounds for storage"),
    ("x.as_strided((2**40,), (1,))", RuntimeError, "out of bounds for storage"),
    ("x.as_strided((2,), (-1,))", RuntimeError, "Negative strides are not supported"),
    ("x.as_strided((2, 2), (1,))", RuntimeError, "mismatch in length of strides and shape"),
    ("x.as_strided((2,), (1,), -1)", RuntimeError, "storage offset"),
    ("x.as_strided((-1,), (1,))", RuntimeError, None),
    ("x.as_strided((2,), (2**62,))", RuntimeError, "overflowed|out of bounds"),
    ("x.as_strided((2, 2), (2**62, 2**62))", RuntimeError, "overflowed"),
    ("x.as_strided((2,), (1,), 2**62)", RuntimeError, "overflowed|out of bounds"),
    ("x.flatten(1, 0)", RuntimeError, "start_dim cannot come after end_dim"),
    ("x.flatten(3)", IndexError, "Dimension out of range"),
    ("torch.cat([])", (ValueError, RuntimeError), "expected a non-empty list of Tensors"),
    ("torch.cat([x, torch.ones(2, 2)])", RuntimeError, "Sizes of tensors must match except in dim"),
    ("torch.cat([x, 3])", TypeError, "expected Tensor as element 1"),
    ("torch.cat([x, x], 2)", IndexError, "Dimension out of range"),
    ("torch.cat([s])", RuntimeError, "zero-dimensional tensor .* cannot be concatenated"),
    ("torch.cat(3)", TypeError, None),
    ("torch.stack([])", RuntimeError, "stack expects a non-empty TensorList"),
    ("torch.stack([x, v])", RuntimeError, "stack expects each tensor to be equal size"),
    ("torch.stack([x, 'a'])", TypeError, "expected Tensor as element 1"),
    ("torch.triu(v)", RuntimeError, "must have at least 2 dimensions"),
    ("x.size(2)", IndexError, "Dimension out of range"),
    ("len(s)", TypeError, r"len\(\) of a 0-d tensor"),
]

INDEXING = [
    ("x[2]", IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
    ("x[-3]", IndexError, "index -3 is out of bounds for dimension 0 with size 2"),
    ("x[0, 3]", IndexError, "index 3 is out of bounds for dimension 1 with size 3"),
    ("x[0, 0, 0]", IndexError, "too many indices for tensor of dimension 2"),
    ("s[0]", IndexError, "invalid index of a 0-dim tensor"),
    ("x[1.5]", IndexError, "only integers, slices"),
    ("x[NAN]", IndexError, "only integers, slices"),
    ("x[object()]", IndexError, "only integers, slices"),
    ("x[{}]", IndexError, "only integers, slices"),
    ("x['a']", (TypeError, IndexError), None),
    ("x[2**70]", OVERFLOW, None),
    ("x[::-1]", ValueError, "step must be greater than zero"),
    ("x[::0]", ValueError, "zero"),
    ("x['a':]", TypeError, None),
    ("x[torch.tensor([5])]", IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
    ("x[torch.tensor([-3])]", IndexError, "index -3 is out of bounds"),
    ("x[torch.tensor([1.0])]", IndexError, "tensors used as indices must be long"),
    ("x[[0, 1], [0, 1, 2]]", IndexError, "could not be broadcast together"),
    (
        "x[torch.tensor([True])]",
        IndexError,
        r"The shape of the mask \[1\] at index 0 does not match",
    ),
    ("x[i > 2]", IndexError, r"The shape of the mask \[6\] at index 0 does not match"),
    ("e[0]", IndexError, "index 0 is out of bounds for dimension 0 with size 0"),
    ("x.index_select(0, torch.tensor([5]))", (IndexError, RuntimeError), "out of"),
    ("x.index_select(0, torch.tensor([0.0]))", RuntimeError, "dtype"),
    ("x.index_select(0, torch.tensor([[0]]))", IndexError, "supposed to be a vector"),
    ("x.index_select(5, torch.tensor([0]))", IndexError, "Dimension out of range"),
    ("x.index_select(0, [0])", TypeError, "must be Tensor, not list"),
    ("x.gather(0, torch.tensor([[5]]))", (RuntimeError, IndexError), "index 5 is out of bounds"),
    ("x.gather(0, torch.tensor([[-1]]))", (RuntimeError, IndexError), "index -1 is out of bounds"),
    ("x.gather(0, torch.tensor([0]))", RuntimeError, "same number of dimensions"),
    ("x.gather(1, torch.tensor([[0.0]]))", RuntimeError, "dtype"),
    ("x.gather(2, torch.tensor([[0]]))", IndexError, "Dimension out of range"),
    (
        "x.scatter_add(0, torch.tensor([[9]]), torch.ones(1, 1))",
        (RuntimeError, IndexError),
        "index 9 is out of bounds",
    ),
    ("x.index_put((i,), x)", (RuntimeError, IndexError), "shape mismatch|out of bounds"),
    ("x.index_put_((torch.tensor([9]),), s)", IndexError, "index 9 is out of bounds"),
    ("x.index_put_(3, x)", TypeError, None),
    ("torch.where(x, x, x)", RuntimeError, "boolean tensor"),
    ("torch.where(x > 1, x, torch.ones(4))", RuntimeError, "must match the size of tensor b"),
    ("x.masked_fill(x, 0)", RuntimeError, "boolean masks"),
    ("x.masked_fill(x > 1, torch.ones(2))", RuntimeError, "0-dimensional value tensor"),
    ("x.masked_fill(b, 1)", RuntimeError, "must match the size of tensor b"),
    ("F.embedding(torch.tensor([5]), x)", IndexError, "index out of range in self"),
    ("F.embedding(torch.tensor([-1]), x)", IndexError, "index out of range in self"),
    ("F.embedding(torch.tensor([0.0]), x)", RuntimeError, None),
    ("F.cross_entropy(x, torch.tensor([0, 5]))", IndexError, "Target 5 is out of bounds"),
    ("F.cross_entropy(x, torch.tensor([0, -1]))", IndexError, "Target -1 is out of bounds"),
    ("F.nll_loss(x, torch.tensor([3, 0]))", IndexError, "Target 3 is out of bounds"),
    (
        "F.cross_entropy(x, torch.tensor([0]))",
        ValueError,
        r"Expected input batch_size \(2\) to match",
    ),
    ("F.cross_entropy(x, torch.tensor([0.0, 1.0]))", RuntimeError, "Long"),
]

ASSIGNMENTS = [
    ("x[5] = 1.0", IndexError, "index 5 is out of bounds"),
    ("x[0] = 'a'", TypeError, "can't assign a str"),
    ("x[0] = None", TypeError, "can't assign a NoneType"),
    ("x[0] = torch.ones(4)", RuntimeError, "must match the existing size"),
    ("x[0, 0, 0] = 1.0", IndexError, "too many indices"),
    ("x[::-1] = 1.0", ValueError, "step must be greater than zero"),
    ("x[torch.tensor([5])] = 1.0", IndexError, "out of bounds"),
    ("x[x > 1] = torch.ones(3)", RuntimeError, "shape mismatch"),
    ("x[[0, 1]] = torch.ones(3, 3)", RuntimeError, "shape mismatch"),
    ("x[1.5] = 1.0", IndexError, "only integers, slices"),
    ("x[0] = 2**70", OVERFLOW, None),
    ("del x[0]", TypeError, "does not support deleting items"),
    ("del x.shape", (AttributeError, TypeError, RuntimeError), None),
    ("del x.data", (AttributeError, TypeError, RuntimeError), None),
    ("del x.missing", AttributeError, "missing"),
    ("x.shape = 3", (AttributeError, TypeError, RuntimeError), None),
    ("x.data = 3", TypeError, None),
    ("x.requires_grad = 'a'", (TypeError, RuntimeError), None),
    ("x.grad_fn = 3", (AttributeError, TypeError, RuntimeError), None),
    ("x += torch.ones(4)", RuntimeError, "must match the size of tensor b"),
    ("i /= 2", RuntimeError, "can't be cast"),
    ("x += 'a'", TypeError, None),
    ("x.copy_(torch.ones(4))", RuntimeError, "must match"),
    ("x.fill_(torch.ones(2))", RuntimeError, "0-dimension"),
    ("x.fill_('a')", TypeError, None),
    ("i.fill_(NAN)", RuntimeError, "value cannot be converted to type int64"),
]

OPERATORS = [
    (
        "v + torch.ones(4)",
        RuntimeError,
        r"size of tensor a \(3\) must match the size of tensor b \(4\)",
    ),
    ("x + torch.ones(2)", RuntimeError, r"at non-singleton dimension 1"),
    ("x @ x", RuntimeError, r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)"),
    ("x @ torch.ones(4)", RuntimeError, "size mismatch"),
    ("s @ x", RuntimeError, "both arguments to matmul need to be at least 1D"),
    ("x @ i.view(3, 2)", RuntimeError, "same dtype"),
    ("x @ 3", TypeError, "unsupported operand type"),
    ("torch.matmul(x, 3)", TypeError, "must be Tensor, not int"),
    ("x.mm(v)", RuntimeError, "mat2 must be a matrix"),
    ("x.mv(torch.ones(2))", RuntimeError, "size mismatch"),
    ("x.mv(x)", RuntimeError, r"vector \+ matrix @ vector expected"),
    ("x.dot(x)", RuntimeError, "1D tensors expected"),
    ("v.dot(torch.ones(2))", RuntimeError, "inconsistent tensor size"),
    ("v.dot(i[:3])", RuntimeError, "same dtype"),
    ("x.bmm(x)", RuntimeError, "must be a 3D tensor"),
    (
        "torch.ones(2, 2, 3).bmm(torch.ones(3, 3, 2))",
        RuntimeError,
        "Expected size for first two dim",
    ),
    ("torch.addmm(torch.ones(5), x, x.t())", RuntimeError, "must match the existing size"),
    ("F.linear(x, torch.ones(2, 2))", RuntimeError, "cannot be multiplied"),
    ("torch.exp(3)", TypeError, "must be Tensor, not int"),
    ("torch.exp('a')", TypeError, "must be Tensor, not str"),
    ("torch.exp()", TypeError, "missing 1 required positional argument"),
    ("torch.exp(x, x)", TypeError, "takes 1 positional argument but 2 were given"),
    ("torch.exp(x, foo=1)", TypeError, "unexpected keyword argument 'foo'"),
    ("x.exp(1)", TypeError, None),
    ("x.foo", AttributeError, "no attribute 'foo'"),
    ("torch.foo", AttributeError, "no attribute 'foo'"),
    ("x.add()", TypeError, None),
    ("torch.mul(x)", TypeError, None),
    ("torch.add(x, x, alpha='a')", TypeError, None),
    (
        "torch.add(i, i, alpha=1.5)",
        RuntimeError,
        "argument alpha must not be a floating point number",
    ),
    ("torch.add(x, 'a')", TypeError, None),
    ("torch.maximum(x, 1)", TypeError, "must be Tensor, not int"),
    ("x.atan2(3)", TypeError, "must be Tensor, not int"),
    (
        "torch.div(x, 2, rounding_mode='up')",
        RuntimeError,
        "expected rounding_mode to be one of None",
    ),
    ("i // 0", RuntimeError, "ZeroDivisionError"),
    ("i % 0", RuntimeError, "ZeroDivisionError"),
    ("i // torch.zeros(6, dtype=torch.int64)", RuntimeError, "ZeroDivisionError"),
    ("torch.tensor([-2**63]) // torch.tensor([0])", RuntimeError, "ZeroDivisionError"),
    ("i ** -1", RuntimeError, "Integers to negative integer powers are not allowed"),
    (
        "b - b",
        RuntimeError,
        "Subtraction, the `-` operator, with two bool tensors is not supported",
    ),
    ("-b", RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported"),
    ("~x", TypeError, "only implemented on integer and Boolean-type"),
    ("x + 10**400", OVERFLOW, None),
    ("i + 2**70", OVERFLOW, None),
    ("x.clamp()", RuntimeError, "At least one of 'min' or 'max' must not be None"),
    ("x.clamp('a')", TypeError, None),
    ("x.clamp(torch.ones(2))", RuntimeError, "must match the size of tensor b"),
    (
        "F.gelu(x, approximate='a')",
        RuntimeError,
        "approximate argument must be either none or tanh",
    ),
    ("F.gelu(i)", NotImplementedError, "not implemented for 'Long'"),
    ("F.relu(3)", TypeError, "must be Tensor, not int"),
    ("F.dropout(x, 2.0)", ValueError, "dropout probability has to be between 0 and 1"),
    ("F.dropout(x, -1)", ValueError, "dropout probability has to be between 0 and 1"),
    ("F.mse_loss(x, x, reduction='a')", ValueError, "a is not a valid value for reduction"),
    ("x.to('a')", RuntimeError, "device"),
    ("x.to('cuda')", (AssertionError, RuntimeError), None),
    ("x.type('a')", (ValueError, TypeError), None),
]

REDUCTIONS = [
    (
        "x.sum(2)",
        IndexError,
        r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2",
    ),
    ("x.sum(-3)", IndexError, "Dimension out of range"),
    ("x.sum((0, 0))", RuntimeError, "dim 0 appears multiple times in the list of dims"),
    ("x.sum((0, -2))", RuntimeError, "dim 0 appears multiple times"),
    ("x.sum('a')", TypeError, None),
    ("x.sum(1.5)", TypeError, None),
    ("x.sum(2**70)", OVERFLOW, None),
    ("i.mean()", RuntimeError, r"mean\(\): could not infer output dtype"),
    ("x.mean(5)", IndexError, "Dimension out of range"),
    ("i.std()", RuntimeError, "only support floating point"),
    ("x.std(5)", IndexError, "Dimension out of range"),
    ("i.norm(2)", RuntimeError, "Expected a floating point"),
    ("e.max()", RuntimeError, r"Expected reduction dim to be specified for input.numel\(\) == 0"),
    ("e.min()", RuntimeError, "Expected reduction dim to be specified"),
    ("e.amax()", (RuntimeError, IndexError), "Expected reduction dim"),
    ("e.argmax()", (IndexError, RuntimeError), "Expected reduction dim to be specified"),
    ("torch.ones(0, 2).max(0)", IndexError, "Expected reduction dim 0 to have non-zero size"),
    ("torch.ones(3, 0).amax(1)", IndexError, "Expected reduction dim 1 to have non-zero size"),
    ("torch.ones(3, 0).argmin(1)", IndexError, "non-zero size"),
    ("x.max(5)", IndexError, "Dimension out of range"),
    ("x.max('a')", TypeError, None),
    ("x.argmax('a')", TypeError, None),
    ("x.cumsum()", TypeError, None),
    ("x.cumsum(2)", IndexError, "Dimension out of range"),
    ("x.logsumexp(5)", IndexError, "Dimension out of range"),
    ("x.softmax(2)", IndexError, "Dimension out of range"),
    ("x.log_softmax(-3)", IndexError, "Dimension out of range"),
    ("i.softmax(0)", NotImplementedError, "not implemented for 'Long'"),
    ("x.softmax()", TypeError, None),
]

AUTOGRAD = [
    ("x.backward('a')", TypeError, None),
    ("r.backward(1.0)", TypeError, None),
    ("r.backward(torch.ones(3))", RuntimeError, "Mismatch in shape"),
    ("r.sum().backward(inputs=[])", RuntimeError, "cannot be empty"),
    ("torch.autograd.grad('a', r)", (AssertionError, TypeError), None),
    ("torch.autograd.grad(r.sum(), 'a')", (RuntimeError, TypeError), None),
    ("torch.autograd.grad(r.sum(), [])", RuntimeError, "cannot be empty"),
    ("torch.autograd.grad(r.sum(), [None])", (RuntimeError, TypeError), None),
    ("torch.autograd.grad(r.sum(), r, grad_outputs='a')", TypeError, None),
    ("torch.autograd.grad(r.sum(), r, grad_outputs=[1.0])", TypeError, None),
    ("torch.autograd.backward(3)", TypeError, None),
    ("r.register_hook()", TypeError, None),
    ("torch.set_grad_enabled('a')", TypeError, None),
    ("torch.set_grad_enabled()", TypeError, None),
    ("i.requires_grad_()", RuntimeError, "nly Tensors of floating point"),
    (
        "r.register_post_accumulate_grad_hook(lambda t: 1 / 0) and r.sum().backward()",
        ZeroDivisionError,
        None,
    ),
    ("torch.autograd.Function.apply(x)", NotImplementedError, None),
]

CASES = [*CREATION, *SHAPES, *INDEXING, *ASSIGNMENTS, *OPERATORS, *REDUCTIONS, *AUTOGRAD]


@pytest.mark.parametrize(("code", "error", "phrase"), CASES, ids=[case[0] for case in CASES])
def test_bad_input_raises(code, error, phrase):
    with pytest.raises(error, match=phrase):
        exec(code, namespace())


def test_error_leaves_the_tensor_as_it_was():
    names = namespace()
    for code, error, _ in ASSIGNMENTS:
        with pytest.raises(error):
            exec(code, names)
    assert names["x"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert names["i"].tolist() == [0, 1, 2, 3, 4, 5]


def test_many_dimensions():
    t = torch.zeros((1,) * 60)
    assert t.sum().item() == 0.0
    assert (t + t).dim() == 60
    assert t.squeeze().dim() == 0
    nested = 1.0
    for _ in range(60):
        nested = [nested]
    assert torch.tensor(nested).dim() == 60


def test_lists_that_contain_themselves():
    endless: list = []
    endless.append(endless)
    with pytest.raises((ValueError, RecursionError, RuntimeError)):
        torch.tensor(endless)


def test_sequences_that_misbehave():
    class Broken:
        def __len__(self):
            return 3

        def __getitem__(self, key):
            raise KeyError("broken")

    with pytest.raises((ValueError, KeyError, TypeError, RuntimeError)):
        torch.tensor(Broken())

    shrinking = [None, 2.0, 3.0]

    class Shrink(float):
        def __float__(self):
            shrinking.clear()
            return 1.0

        def __index__(self):
            shrinking.clear()
            return 1

    shrinking[0] = Shrink()
    try:
        torch.tensor(shrinking)
    except (ValueError, TypeError, RuntimeError, IndexError):
        return


def test_hook_that_deletes_what_the_engine_uses():
    x = torch.ones(3, requires_grad=True)
    box = {"y": x * 2}
    box["z"] = (box["y"] * x).exp()
    loss = box["z"].sum()

    def drop(grad):
        box.clear()

    box["y"].register_hook(drop)
    loss.grad_fn.register_prehook(lambda grads: box.update(z=None))
    loss.backward()
    assert x.grad is not None


def test_failed_allocation_leaves_the_process_usable():
    for _ in range(3):
        with pytest.raises((RuntimeError, MemoryError)):
            torch.zeros(2**50)
        assert torch.ones(3).sum().item() == 3.0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits memory as Linux does")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_odd_calls_never_kill_the_process(seed):
    script = Path(__file__).with_name("fuzz.py")
    ran = subprocess.run(
        [sys.executable, str(script), str(seed), "3000"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
