"""What tensors print: literal strings that torch 2.13 prints, and live comparison where it is."""

import math
import random

import pytest

import chainrule as torch

CASES = [
    ("torch.tensor([])", "tensor([])"),
    ("torch.tensor(1.0)", "tensor(1.)"),
    ("torch.tensor(1)", "tensor(1)"),
    ("torch.tensor(True)", "tensor(True)"),
    ("torch.tensor(6.7)", "tensor(6.7000)"),
    ("torch.tensor(-0.0)", "tensor(-0.)"),
    ('torch.tensor(float("nan"))', "tensor(nan)"),
    ('torch.tensor(float("-inf"))', "tensor(-inf)"),
    ("torch.tensor(1e10)", "tensor(1.0000e+10)"),
    ("torch.tensor(1e-10)", "tensor(1.0000e-10)"),
    ("torch.tensor(123456.789)", "tensor(123456.7891)"),
    ("torch.tensor(99999999.0)", "tensor(100000000.)"),
    ("torch.tensor(100000000.0)", "tensor(100000000.)"),
    ("torch.tensor(0.0001)", "tensor(1.0000e-04)"),
    ("torch.tensor(0.00009)", "tensor(9.0000e-05)"),
    ("torch.tensor(2.5, dtype=torch.float64)", "tensor(2.5000, dtype=torch.float64)"),
    ("torch.tensor([1.0, 2.0])", "tensor([1., 2.])"),
    ("torch.tensor([1.0, 2.5])", "tensor([1.0000, 2.5000])"),
    ("torch.tensor([1.0, -2.5])", "tensor([ 1.0000, -2.5000])"),
    ("torch.tensor([0.1, 100.25])", "tensor([1.0000e-01, 1.0025e+02])"),
    ("torch.tensor([0.1, 1000.0])", "tensor([1.0000e-01, 1.0000e+03])"),
    ("torch.tensor([0.1, 1001.0])", "tensor([1.0000e-01, 1.0010e+03])"),
    ("torch.tensor([1.0, 1000.0])", "tensor([   1., 1000.])"),
    ("torch.tensor([1.0, 100000.0])", "tensor([1.0000e+00, 1.0000e+05])"),
    ("torch.tensor([1.0, 1e8])", "tensor([1.0000e+00, 1.0000e+08])"),
    ("torch.tensor([1.0, 2e8])", "tensor([1.0000e+00, 2.0000e+08])"),
    ("torch.tensor([1e-5, 1.0])", "tensor([1.0000e-05, 1.0000e+00])"),
    ("torch.tensor([1e-4, 0.05])", "tensor([1.0000e-04, 5.0000e-02])"),
    ("torch.tensor([1e-4, 0.2])", "tensor([1.0000e-04, 2.0000e-01])"),
    ("torch.tensor([1e20, 1e-20])", "tensor([1.0000e+20, 1.0000e-20])"),
    ("torch.tensor([0.0, 0.0])", "tensor([0., 0.])"),
    ("torch.tensor([0.0, 1e-7])", "tensor([0.0000e+00, 1.0000e-07])"),
    ('torch.tensor([1.0, float("nan"), 3.0])', "tensor([1., nan, 3.])"),
    ('torch.tensor([1.5, float("inf"), -float("inf")])', "tensor([1.5000,    inf,   -inf])"),
    ('torch.tensor([float("nan"), float("inf")])', "tensor([nan, inf])"),
    ('torch.tensor([1e9, float("inf")])', "tensor([1.0000e+09,        inf])"),
    ("torch.tensor([1, 2, 3])", "tensor([1, 2, 3])"),
    ("torch.tensor([-1, 22, 333])", "tensor([ -1,  22, 333])"),
    ("torch.tensor([10**18, -1])", "tensor([1000000000000000000,                  -1])"),
    ("torch.tensor([True, False])", "tensor([ True, False])"),
    (
        "torch.tensor([[True], [False]])",
        "tensor([[ True],\n        [False]])",
    ),
    ("torch.tensor([1.0, 2.0], dtype=torch.float64)", "tensor([1., 2.], dtype=torch.float64)"),
    (
        "torch.zeros(2, 3)",
        "tensor([[0., 0., 0.],\n        [0., 0., 0.]])",
    ),
    (
        "torch.arange(6).view(2, 3)",
        "tensor([[0, 1, 2],\n        [3, 4, 5]])",
    ),
    (
        "torch.arange(6.0).view(2, 3) - 2.5",
        "tensor([[-2.5000, -1.5000, -0.5000],\n        [ 0.5000,  1.5000,  2.5000]])",
    ),
    (
        "torch.arange(8.0).view(2, 2, 2)",
        "tensor([[[0., 1.],\n         [2., 3.]],\n\n        [[4., 5.],\n         [6., 7.]]])",
    ),
    (
        "torch.arange(8).view(2, 2, 2, 1)",
        "tensor([[[[0],\n"
        "          [1]],\n"
        "\n"
        "         [[2],\n"
        "          [3]]],\n"
        "\n"
        "\n"
        "        [[[4],\n"
        "          [5]],\n"
        "\n"
        "         [[6],\n"
        "          [7]]]])",
    ),
    ("torch.zeros(0, 3)", "tensor([], size=(0, 3))"),
    ("torch.zeros(2, 0)", "tensor([], size=(2, 0))"),
    ("torch.zeros(0, dtype=torch.int64)", "tensor([], dtype=torch.int64)"),
    ("torch.zeros(0, 2, dtype=torch.bool)", "tensor([], size=(0, 2), dtype=torch.bool)"),
    ("torch.zeros(0, requires_grad=True)", "tensor([], requires_grad=True)"),
    ("torch.zeros(2, 0, requires_grad=True)", "tensor([], size=(2, 0), requires_grad=True)"),
    ("torch.ones(1, 1, 1, 1)", "tensor([[[[1.]]]])"),
    (
        "torch.arange(30)",
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])",
    ),
    (
        "torch.arange(25.0)",
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
        "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24.])",
    ),
    (
        "torch.arange(30.0) / 7",
        "tensor([0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1.0000, 1.1429,\n"
        "        1.2857, 1.4286, 1.5714, 1.7143, 1.8571, 2.0000, 2.1429, 2.2857, 2.4286,\n"
        "        2.5714, 2.7143, 2.8571, 3.0000, 3.1429, 3.2857, 3.4286, 3.5714, 3.7143,\n"
        "        3.8571, 4.0000, 4.1429])",
    ),
    ("torch.arange(1001)", "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    ("torch.arange(1000).sum()", "tensor(499500)"),
    (
        "torch.arange(2000.0)",
        "tensor([0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 1.9970e+03, 1.9980e+03,\n"
        "        1.9990e+03])",
    ),
    (
        "torch.arange(10000).view(100, 100)",
        "tensor([[   0,    1,    2,  ...,   97,   98,   99],\n"
        "        [ 100,  101,  102,  ...,  197,  198,  199],\n"
        "        [ 200,  201,  202,  ...,  297,  298,  299],\n"
        "        ...,\n"
        "        [9700, 9701, 9702,  ..., 9797, 9798, 9799],\n"
        "        [9800, 9801, 9802,  ..., 9897, 9898, 9899],\n"
        "        [9900, 9901, 9902,  ..., 9997, 9998, 9999]])",
    ),
    (
        "torch.ones(40, 40)",
        "tensor([[1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        ...,\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.],\n"
        "        [1., 1., 1.,  ..., 1., 1., 1.]])",
    ),
    (
        "torch.arange(2000).view(2, 1000)",
        "tensor([[   0,    1,    2,  ...,  997,  998,  999],\n"
        "        [1000, 1001, 1002,  ..., 1997, 1998, 1999]])",
    ),
    (
        "torch.arange(1002.0).view(501, 2)",
        "tensor([[0.0000e+00, 1.0000e+00],\n"
        "        [2.0000e+00, 3.0000e+00],\n"
        "        [4.0000e+00, 5.0000e+00],\n"
        "        ...,\n"
        "        [9.9600e+02, 9.9700e+02],\n"
        "        [9.9800e+02, 9.9900e+02],\n"
        "        [1.0000e+03, 1.0010e+03]])",
    ),
    (
        "torch.arange(8008.0).view(8, 1001)",
        "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 9.9800e+02, 9.9900e+02,\n"
        "         1.0000e+03],\n"
        "        [1.0010e+03, 1.0020e+03, 1.0030e+03,  ..., 1.9990e+03, 2.0000e+03,\n"
        "         2.0010e+03],\n"
        "        [2.0020e+03, 2.0030e+03, 2.0040e+03,  ..., 3.0000e+03, 3.0010e+03,\n"
        "         3.0020e+03],\n"
        "        ...,\n"
        "        [5.0050e+03, 5.0060e+03, 5.0070e+03,  ..., 6.0030e+03, 6.0040e+03,\n"
        "         6.0050e+03],\n"
        "        [6.0060e+03, 6.0070e+03, 6.0080e+03,  ..., 7.0040e+03, 7.0050e+03,\n"
        "         7.0060e+03],\n"
        "        [7.0070e+03, 7.0080e+03, 7.0090e+03,  ..., 8.0050e+03, 8.0060e+03,\n"
        "         8.0070e+03]])",
    ),
    ("torch.ones(2, requires_grad=True)", "tensor([1., 1.], requires_grad=True)"),
    ("torch.ones((), requires_grad=True)", "tensor(1., requires_grad=True)"),
    (
        "torch.ones(2, dtype=torch.float64, requires_grad=True)",
        "tensor([1., 1.], dtype=torch.float64, requires_grad=True)",
    ),
    ("torch.ones(2, requires_grad=True) * 2", "tensor([2., 2.], grad_fn=<MulBackward0>)"),
    ("torch.ones(2, requires_grad=True).sum()", "tensor(2., grad_fn=<SumBackward0>)"),
    (
        "torch.ones(2, dtype=torch.float64, requires_grad=True) + 1",
        "tensor([2., 2.], dtype=torch.float64, grad_fn=<AddBackward0>)",
    ),
    ("torch.ones(2, requires_grad=True).view(1, 2)", "tensor([[1., 1.]], grad_fn=<ViewBackward0>)"),
    ("torch.ones(2, 2, requires_grad=True)[0]", "tensor([1., 1.], grad_fn=<SelectBackward0>)"),
    (
        "torch.ones(2, 2, requires_grad=True) @ torch.ones(2, 2)",
        "tensor([[2., 2.],\n        [2., 2.]], grad_fn=<MmBackward0>)",
    ),
    (
        "torch.linspace(0, 1, 12).requires_grad_()",
        "tensor([0.0000, 0.0909, 0.1818, 0.2727, 0.3636, 0.4545, 0.5455, 0.6364, 0.7273,\n"
        "        0.8182, 0.9091, 1.0000], requires_grad=True)",
    ),
    (
        "torch.linspace(0, 1, 8).requires_grad_()",
        "tensor([0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1.0000],\n"
        "       requires_grad=True)",
    ),
    (
        "(torch.linspace(0, 1, 8).requires_grad_() * 3).exp()",
        "tensor([ 1.0000,  1.5351,  2.3564,  3.6173,  5.5527,  8.5238, 13.0845, 20.0855],\n"
        "       grad_fn=<ExpBackward0>)",
    ),
    (
        "torch.arange(9.0, dtype=torch.float64)",
        "tensor([0., 1., 2., 3., 4., 5., 6., 7., 8.], dtype=torch.float64)",
    ),
    (
        "torch.arange(10.0, dtype=torch.float64) / 3",
        "tensor([0.0000, 0.3333, 0.6667, 1.0000, 1.3333, 1.6667, 2.0000, 2.3333, 2.6667,\n"
        "        3.0000], dtype=torch.float64)",
    ),
    (
        "torch.arange(12.0).view(3, 4).t()",
        "tensor([[ 0.,  4.,  8.],\n"
        "        [ 1.,  5.,  9.],\n"
        "        [ 2.,  6., 10.],\n"
        "        [ 3.,  7., 11.]])",
    ),
    ("torch.arange(12.0)[::3]", "tensor([0., 3., 6., 9.])"),
    (
        "torch.ones(1).expand(3, 2)",
        "tensor([[1., 1.],\n        [1., 1.],\n        [1., 1.]])",
    ),
    (
        "torch.tensor([[1.0, 1e5], [1e-5, 1.0]])",
        "tensor([[1.0000e+00, 1.0000e+05],\n        [1.0000e-05, 1.0000e+00]])",
    ),
    ("torch.tensor([[1e-10, -1e10]])", "tensor([[ 1.0000e-10, -1.0000e+10]])"),
    ("torch.tensor([-1e-3, 1e3])", "tensor([-1.0000e-03,  1.0000e+03])"),
    (
        "torch.tensor([0.5] * 9)",
        "tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000])",
    ),
    ("torch.tensor([123.456, 7.0])", "tensor([123.4560,   7.0000])"),
    ("torch.tensor([16777216.0, 1.0])", "tensor([1.6777e+07, 1.0000e+00])"),
    ("torch.tensor([1.0, 2.0, 1e-9])", "tensor([1.0000e+00, 2.0000e+00, 1.0000e-09])"),
    (
        "torch.arange(3).max(0)",
        "torch.return_types.max(\nvalues=tensor(2),\nindices=tensor(2))",
    ),
    (
        "torch.arange(3.0).view(1, 3).min(1)",
        "torch.return_types.min(\nvalues=tensor([0.]),\nindices=tensor([0]))",
    ),
    ("torch.ones(2, 3).shape", "torch.Size([2, 3])"),
    ("torch.Size([])", "torch.Size([])"),
    ("torch.float64", "torch.float64"),
    ('torch.device("cpu")', "device(type='cpu')"),
    ("torch.strided", "torch.strided"),
]


@pytest.mark.parametrize(("expression", "printed"), CASES, ids=[case[0] for case in CASES])
def test_repr_is_what_torch_prints(expression, printed):
    assert repr(eval(expression, {"torch": torch})) == printed


def test_large_tensor_prints_every_line_up_to_a_thousand_elements():
    lines = repr(torch.zeros(1000) + 0.5).splitlines()
    assert len(lines) == 112
    assert lines[0] == "tensor([" + "0.5000, " * 8 + "0.5000,"
    assert lines[-1] == "        0.5000])"
    assert "..." not in repr(torch.zeros(10, 100))


def test_summary_of_a_deep_tensor():
    text = repr(torch.arange(12000).view(20, 20, 30))
    assert text.startswith(
        "tensor([[[    0,     1,     2,  ...,    27,    28,    29],\n         [   30,"
    )
    assert text.count("...") == 43
    assert "\n\n        ...,\n\n" in text
    assert repr(torch.zeros(7, 7, 7, 7)).count("\n") == 306


def test_summary_reads_only_what_it_prints():
    assert repr(torch.zeros(1).expand(10**9)) == "tensor([0., 0., 0.,  ..., 0., 0., 0.])"


def test_print_and_str_are_repr(capsys):
    t = torch.tensor([1.0, 2.5])
    print(t)
    assert capsys.readouterr().out == "tensor([1.0000, 2.5000])\n"
    assert str(t) == repr(t)
    print([t], {"a": torch.tensor(1)})
    assert capsys.readouterr().out == "[tensor([1.0000, 2.5000])] {'a': tensor(1)}\n"


def test_printing_records_nothing_and_changes_nothing():
    x = torch.ones(2, requires_grad=True) * 2
    node, version = x.grad_fn, x._version
    repr(x)
    assert x.grad_fn is node
    assert x._version == version


PRINT_OPTIONS = [
    ({"precision": 2}, "torch.tensor([1.5, math.pi])", "tensor([1.50, 3.14])"),
    ({"precision": 8}, "torch.tensor([math.pi])", "tensor([3.14159274])"),
    ({"precision": 0}, "torch.tensor([1.5, 2.0])", None),
    ({"threshold": 3}, "torch.arange(7)", None),
    ({"threshold": 3, "edgeitems": 1}, "torch.arange(10)", None),
    ({"threshold": 3, "edgeitems": 2}, "torch.arange(100.0).view(10, 10)", None),
    ({"linewidth": 30}, "torch.arange(20)", None),
    ({"linewidth": 40}, "torch.arange(6.0).view(2, 3) / 7", None),
    ({"sci_mode": True}, "torch.tensor([1.0, 25.0])", "tensor([1.0000e+00, 2.5000e+01])"),
    ({"sci_mode": False}, "torch.tensor([1e-6, 2e5])", None),
    ({"profile": "full"}, "torch.arange(1500)[::2]", None),
    ({"profile": "short"}, "torch.arange(1500.0) / 7", None),
]


def printed_with(module, options, expression):
    """The repr under set_printoptions(**options), which are reset afterwards."""
    module.set_printoptions(**options)
    try:
        return repr(eval(expression, {"torch": module, "math": math}))
    finally:
        module.set_printoptions(profile="default")


@pytest.mark.parametrize(("options", "expression", "printed"), PRINT_OPTIONS)
def test_set_printoptions(real_torch, options, expression, printed):
    got = printed_with(torch, options, expression)
    assert got == printed_with(real_torch, options, expression)
    assert printed is None or got == printed


def test_set_printoptions_by_hand():
    by_hand = [(options, e, printed) for options, e, printed in PRINT_OPTIONS if printed]
    for options, expression, printed in by_hand:
        assert printed_with(torch, options, expression) == printed
    assert repr(torch.tensor([math.pi])) == "tensor([3.1416])"


def test_random_tensors_print_as_in_torch(real_torch):
    draw = random.Random(11)
    for _ in range(400):
        shape = [draw.choice([1, 2, 3, 5]) for _ in range(draw.randrange(4))]
        scale = 10.0 ** draw.randrange(-6, 9)
        values = [draw.uniform(-1, 1) * scale for _ in range(math.prod(shape))]
        kind = draw.randrange(5)
        if kind == 0:
            values = [float(round(v)) for v in values]
        elif kind == 1:
            values = [draw.choice([v, math.nan, math.inf, -math.inf, 0.0]) for v in values]
        elif kind == 2:
            values = [v * 10.0 ** draw.randrange(-4, 5) for v in values]
        name = draw.choice(["float32", "float64"])
        if kind == 3:
            values, name = [int(v) for v in values], "int64"
        texts = [
            repr(module.tensor(values, dtype=getattr(module, name)).view(shape))
            for module in (torch, real_torch)
        ]
        assert texts[0] == texts[1]


def test_long_tensors_print_as_in_torch(real_torch):
    draw = random.Random(12)
    for _ in range(60):
        shape = [draw.choice([2, 7, 30, 45]) for _ in range(draw.randrange(1, 4))]
        scale = draw.choice([1.0, 0.001, 500.0])
        texts = []
        for module in (torch, real_torch):
            t = (module.arange(float(math.prod(shape))) - 17).view(shape) * scale
            texts.append(repr(t.requires_grad_(shape[0] == 7)))
        assert texts[0] == texts[1]
