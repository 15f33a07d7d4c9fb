"""Operators of networks beside torch: values, gradients of first and second order, tangents."""

import numpy as np
import pytest
from oracle import assert_same, compare

import chainrule

RNG = np.random.default_rng(5)
REDUCTIONS = ["mean", "sum", "none"]


def array(*shape: int, low: float = -2, high: float = 2) -> np.ndarray:
    return RNG.uniform(low, high, shape)


# Softmax --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((), 0), ((5,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 4), 1), ((3, 70), 1), ((70, 3), 0),
     ((2, 5, 100), 1), ((0, 3), 1), ((3, 0), 1), ((1, 1), -1)],
)  # fmt: skip
def test_softmax_like_torch(real_torch, name: str, shape, dim: int) -> None:
    compare(real_torch, lambda lib, x: getattr(lib.nn.functional, name)(x, dim=dim), array(*shape))


def test_softmax_of_extremes(real_torch) -> None:
    rows = [
        [1e4, -1e4, 0.0],
        [float("inf"), 0.0, 1.0],
        [-float("inf")] * 3,
        [-float("inf"), 0.0, 1.0],
        [float("nan"), 0.0, 1.0],
        [1e-40, 0.0, 1.0],
    ]
    for name in ("softmax", "log_softmax"):
        for dtype in ("float32", "float64"):
            ours = chainrule.tensor(rows, dtype=getattr(chainrule, dtype))
            theirs = real_torch.tensor(rows, dtype=getattr(real_torch, dtype))
            for dim, a, b in ((1, ours, theirs), (0, ours.t(), theirs.t())):
                assert_same(getattr(a, name)(dim), getattr(b, name)(dim), 2e-6, 1e-6)


def test_softmax_of_strides_and_dtypes(real_torch) -> None:
    x = array(6, 40)
    compare(real_torch, lambda lib, t: lib.softmax(t.t()[::3], 0), x)
    compare(real_torch, lambda lib, t: lib.log_softmax(t[:, ::2], -1), x)
    integers = RNG.integers(0, 5, (3, 4))
    for name in ("softmax", "log_softmax"):
        ours = getattr(chainrule.tensor(integers), name)(1, dtype=chainrule.float64)
        theirs = getattr(real_torch.tensor(integers), name)(1, dtype=real_torch.float64)
        assert_same(ours, theirs)


# Losses of classes ----------------------------------------------------------------------------

CLASS_SHAPES = [((3,), ()), ((4, 3), (4,)), ((2, 3, 5), (2, 5)), ((2, 3, 2, 2), (2, 2, 2))]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "classes"), CLASS_SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore", [False, True])
@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_class_losses_like_torch(
    real_torch, name: str, reduction: str, shape, classes, weighted: bool, ignore: bool
) -> None:
    target = RNG.integers(0, 3, classes)
    options = {"reduction": reduction}
    if ignore and classes:
        options["ignore_index"] = int(target.flat[0])
    weight = array(3, low=0.5, high=2)

    def function(lib, x):
        own = {"weight": lib.tensor(weight)} if weighted else {}
        return getattr(lib.nn.functional, name)(x, lib.tensor(target), **own, **options)

    compare(real_torch, function, array(*shape))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "classes"), CLASS_SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_label_smoothing_like_torch(real_torch, reduction: str, shape, classes, weighted) -> None:
    target = RNG.integers(0, 3, classes)
    if classes:
        target.flat[0] = 1
    weight = array(3, low=0.5, high=2)

    def function(lib, x):
        own = {"weight": lib.tensor(weight)} if weighted else {}
        ignored = {"ignore_index": 1} if classes else {}
        return lib.nn.functional.cross_entropy(
            x, lib.tensor(target), reduction=reduction, label_smoothing=0.3, **own, **ignored
        )

    compare(real_torch, function, array(*shape))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_class_probabilities_like_torch(real_torch, reduction, shape, smoothing, weighted) -> None:
    weight = array(3, low=0.5, high=2)

    def function(lib, x, target):
        own = {"weight": lib.tensor(weight)} if weighted else {}
        return lib.nn.functional.cross_entropy(
            x, target, reduction=reduction, label_smoothing=smoothing, **own
        )

    compare(real_torch, function, array(*shape), array(*shape, low=0, high=1))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "classes"), CLASS_SHAPES)
def test_class_weights_have_derivatives(reduction: str, shape, classes) -> None:
    target = RNG.integers(0, 3, classes)
    if classes:
        target.flat[0] = 1
    inputs = [chainrule.tensor(a).requires_grad_() for a in (array(*shape), array(3, low=0.5))]

    def loss(x, weight):
        return chainrule.nn.functional.cross_entropy(
            x, chainrule.tensor(target), weight, reduction=reduction, label_smoothing=0.1
        )

    assert chainrule.autograd.gradcheck(loss, tuple(inputs), check_forward_ad=True)
    assert chainrule.autograd.gradgradcheck(loss, tuple(inputs))


def test_all_targets_ignored(real_torch) -> None:
    for lib in (chainrule, real_torch):
        x = lib.tensor(array(2, 3), requires_grad=True)
        target = lib.tensor([-100, -100])
        assert bool(lib.nn.functional.cross_entropy(x, target).isnan())
        assert lib.nn.functional.cross_entropy(x, target, reduction="sum").item() == 0


# Losses of two tensors ------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (0, 3), (7, 11)])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mse_loss", {}),
        ("l1_loss", {}),
        ("smooth_l1_loss", {"beta": 0.7}),
        ("smooth_l1_loss", {"beta": 0.0}),
        ("huber_loss", {"delta": 0.7}),
    ],
)
def test_regression_losses_like_torch(real_torch, name, options, shape, reduction) -> None:
    compare(
        real_torch,
        lambda lib, x, y: getattr(lib.nn.functional, name)(x, y, reduction=reduction, **options),
        array(*shape),
        array(*shape),
        second=0 not in shape,  # 0 or NaN for the mean of nothing
        forward=0 not in shape,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy_like_torch(real_torch, reduction: str, weighted: bool) -> None:
    weight = array(3, 4, low=0.5, high=2)

    def function(lib, x, y):
        own = {"weight": lib.tensor(weight)} if weighted else {}
        return lib.nn.functional.binary_cross_entropy(x, y, reduction=reduction, **own)

    inputs = array(3, 4, low=0.05, high=0.95), array(3, 4, low=0, high=1)
    compare(real_torch, function, *inputs)


def test_binary_cross_entropy_at_the_ends(real_torch) -> None:
    values = []
    for lib in (chainrule, real_torch):
        x = lib.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
        y = lib.tensor([0.0, 1.0, 1.0, 0.0])
        loss = lib.nn.functional.binary_cross_entropy(x, y, reduction="none")
        loss.sum().backward()
        values.append((loss.tolist(), x.grad.tolist()))
    assert values[0] == values[1]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_logits_like_torch(real_torch, reduction: str, weighted: bool, positive: bool) -> None:
    weight, pos_weight = array(3, 4, low=0.5, high=2), array(4, low=0.5, high=2)

    def function(lib, x, y):
        own = {"weight": lib.tensor(weight)} if weighted else {}
        if positive:
            own["pos_weight"] = lib.tensor(pos_weight)
        return lib.nn.functional.binary_cross_entropy_with_logits(x, y, reduction=reduction, **own)

    compare(real_torch, function, array(3, 4), array(3, 4, low=0, high=1))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.filterwarnings("ignore:reduction")
def test_kl_div_like_torch(real_torch, reduction: str, log_target: bool) -> None:
    compare(
        real_torch,
        lambda lib, x, y: lib.nn.functional.kl_div(
            x, y, reduction=reduction, log_target=log_target
        ),
        array(3, 4),
        array(3, 4, low=0.1, high=1),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 31, 32, 33, 5000, 100_000])
def test_sums_of_many_losses(dtype: str, n: int) -> None:
    x, y = array(n).astype(dtype), array(n).astype(dtype)
    exact = float(np.mean((x.astype("float64") - y.astype("float64")) ** 2))
    got = chainrule.nn.functional.mse_loss(chainrule.tensor(x), chainrule.tensor(y)).item()
    # Of each term: the rounded difference counts twice, the square once; then the result. Four
    # roundings of 2**-24 each, whatever the order of summation.
    assert got == pytest.approx(exact, rel=4.1 * 2.0**-24 if dtype == "float32" else 1e-13)


# Activations ----------------------------------------------------------------------------------

ACTIVATIONS = {
    "relu6": lambda lib, x: lib.nn.functional.relu6(x),
    "logsigmoid": lambda lib, x: lib.nn.functional.logsigmoid(x),
    "softsign": lambda lib, x: lib.nn.functional.softsign(x),
    "tanhshrink": lambda lib, x: lib.nn.functional.tanhshrink(x),
    "softshrink": lambda lib, x: own(lib).softshrink(x, 0.4),
    "hardshrink": lambda lib, x: own(lib).hardshrink(x, 0.4),
    "threshold": lambda lib, x: lib.nn.functional.threshold(x, 0.3, 2.0),
    "celu": lambda lib, x: own(lib).celu(x, 0.7),
    "glu": lambda lib, x: own(lib).glu(x, 0),
}


def own(lib):
    """Where the operators are that `nn.functional` may not show yet."""
    return chainrule._C if lib is chainrule else lib.nn.functional


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_like_torch(real_torch, name: str) -> None:
    compare(real_torch, ACTIVATIONS[name], array(6, 5, low=-7, high=7))


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n not in ("glu", "softsign")])
def test_activations_at_their_kinks(real_torch, name: str) -> None:
    results = []
    for lib in (chainrule, real_torch):
        points = [0.0, 6.0, 0.4, -0.4, 0.3, float("inf"), -float("inf")]
        x = lib.tensor(points, requires_grad=True, dtype=lib.float64)
        y = ACTIVATIONS[name](lib, x)
        y.sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy()))
    np.testing.assert_allclose(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1])


@pytest.mark.parametrize(
    ("shape", "weights"), [((3, 4), 1), ((3, 4), 4), ((2, 3, 4), 3), ((5,), 1)]
)
def test_prelu_like_torch(real_torch, shape, weights: int) -> None:
    compare(real_torch, lambda lib, x, w: lib.prelu(x, w), array(*shape), array(weights))


# Dropout --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
def test_dropout_draws_as_torch(real_torch, name: str, dtype: str, p: float) -> None:
    x = array(3, 5, 7).astype(dtype)
    results = []
    for lib, function in ((chainrule, getattr(chainrule._C, name)),
                          (real_torch, getattr(real_torch, name))):  # fmt: skip
        lib.manual_seed(11)
        tensor = lib.tensor(x, requires_grad=True)
        y = function(tensor, p, True)
        y.sum().backward()
        turned = function(lib.tensor(x).transpose(0, 2), p, True)
        results.append((y, tensor.grad, turned))
        assert function(tensor, p, False) is tensor or p == 0
    for ours, theirs in zip(*results, strict=True):
        assert_same(ours, theirs, 1e-6, 1e-7)


# Normalisation --------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(("shape", "last"), [((3, 4), 1), ((2, 3, 4), 2), ((5, 70), 1), ((6,), 1)])
def test_layer_norm_like_torch(real_torch, shape, last: int, affine: bool) -> None:
    sizes = shape[-last:]

    def function(lib, x, w=None, b=None):
        return (
            lib.layer_norm(x, sizes, w, b)
            if lib is real_torch
            else (chainrule._C.layer_norm(x, sizes, w, b))
        )

    extra = (array(*sizes), array(*sizes)) if affine else ()
    compare(real_torch, function, array(*shape), *extra, rtol=1e-6)


def test_layer_norm_of_many_rows(real_torch) -> None:
    compare(
        real_torch,
        lambda lib, x, w, b: lib.layer_norm(x, (130,), w, b),
        array(1501, 130),
        array(130),
        array(130),
        second=False,
        rtol=1e-6,
    )


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 4, 2), (2, 3, 70)])
def test_batch_norm_like_torch(real_torch, shape, affine: bool) -> None:
    def function(lib, x, w=None, b=None):
        home = lib if lib is real_torch else chainrule._C
        return home.batch_norm(x, w, b, None, None, True, 0.1, 1e-5, False)

    extra = (array(3), array(3)) if affine else ()
    compare(real_torch, function, array(*shape), *extra, rtol=1e-6)


def test_batch_norm_moves_the_running_statistics(real_torch) -> None:
    x, results = array(6, 3, 4).astype("float32"), []
    for lib in (chainrule, real_torch):
        home = lib if lib is real_torch else chainrule._C
        mean, variance = lib.zeros(3), lib.ones(3)
        weight, bias = lib.ones(3), lib.zeros(3)
        for _ in range(2):
            home.batch_norm(lib.tensor(x), weight, bias, mean, variance, True, 0.2, 1e-5, False)
        out = home.batch_norm(lib.tensor(x), weight, bias, mean, variance, False, 0.2, 1e-5, False)
        results.append((mean, variance, out))
    for ours, theirs in zip(*results, strict=True):
        assert_same(ours, theirs, 1e-5, 1e-6)


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 3), (2, 4, 3, 2)])
def test_group_norm_like_torch(real_torch, shape) -> None:
    def function(lib, x, w, b):
        home = lib if lib is real_torch else chainrule._C
        return home.group_norm(x, 2, w, b)

    compare(real_torch, function, array(*shape), array(4), array(4), rtol=1e-6)


# Others ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pad", [(1, 2), (0, 0), (-1, 2), (1, 0, 2, 1), (-1, -1, 1, -1)])
def test_padding_like_torch(real_torch, pad) -> None:
    def function(lib, x):
        home = lib if lib is real_torch else chainrule._C
        return home.constant_pad_nd(x, pad, 2.5)

    compare(real_torch, function, array(3, 4))
    compare(real_torch, lambda lib, x: function(lib, x.t()), array(3, 4))


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_normalize_like_torch(real_torch, p: float) -> None:
    compare(real_torch, lambda lib, x: lib.nn.functional.normalize(x, p=p), array(3, 4))


def test_cosine_similarity_like_torch(real_torch) -> None:
    compare(
        real_torch,
        lambda lib, x, y: lib.nn.functional.cosine_similarity(x, y),
        array(3, 4),
        array(3, 4),
        second=False,
        forward=False,
    )


ERRORS = {
    "softmax int": lambda lib, z: lib.softmax(z(2, 3).long(), 1),
    "softmax dim": lambda lib, z: lib.softmax(z(2, 3), 2),
    "log_softmax int": lambda lib, z: lib.log_softmax(z(2, 3).long(), 1),
    "log_softmax bool": lambda lib, z: lib.log_softmax(z(2, 3).bool(), 1),
    "nll class": lambda lib, z: lib.nn.functional.nll_loss(z(2, 3), lib.tensor([0, 5])),
    "nll negative": lambda lib, z: lib.nn.functional.nll_loss(z(2, 3), lib.tensor([0, -5])),
    "nll batch": lambda lib, z: lib.nn.functional.nll_loss(z(2, 3), lib.tensor([0, 1, 2])),
    "nll 1-D": lambda lib, z: lib.nn.functional.nll_loss(z(3), lib.tensor([0, 1, 2])),
    "nll dtype": lambda lib, z: lib.nn.functional.nll_loss(z(2, 3), z(2)),
    "nll weight": lambda lib, z: lib.nn.functional.nll_loss(
        z(2, 3), lib.tensor([0, 1]), weight=z(4)
    ),
    "nll 0-D": lambda lib, z: lib.nn.functional.nll_loss(z(), lib.tensor(0)),
    "nll inner": lambda lib, z: lib.nn.functional.nll_loss(z(2, 3, 4), z(2, 5).long()),
    "nll reduction": lambda lib, z: lib.nn.functional.nll_loss(
        z(2, 3), lib.tensor([0, 1]), reduction="foo"
    ),
    "mse reduction": lambda lib, z: lib.nn.functional.mse_loss(z(2, 3), z(2, 3), reduction="foo"),
    "cross_entropy class": lambda lib, z: lib.nn.functional.cross_entropy(
        z(2, 3), lib.tensor([0, 5])
    ),
    "cross_entropy batch": lambda lib, z: lib.nn.functional.cross_entropy(
        z(2, 3), lib.tensor([0, 1, 2])
    ),
    "cross_entropy floats": lambda lib, z: lib.nn.functional.cross_entropy(z(2, 3), z(2)),
    "bce range": lambda lib, z: lib.nn.functional.binary_cross_entropy(z(2, 3) + 2, z(2, 3)),
    "logits shape": lambda lib, z: lib.nn.functional.binary_cross_entropy_with_logits(
        z(2, 3), z(2, 4)
    ),
    "layer_norm shape": lambda lib, z: lib.nn.functional.layer_norm(z(2, 3), (4,)),
    "layer_norm weight": lambda lib, z: lib.nn.functional.layer_norm(z(2, 3), (3,), weight=z(4)),
    "layer_norm empty": lambda lib, z: lib.nn.functional.layer_norm(z(2, 3), ()),
    "glu odd": lambda lib, z: own(lib).glu(z(2, 3)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_begin_as_torchs(real_torch, name: str) -> None:
    def message(lib) -> tuple[type, str]:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the kind is compared below
            ERRORS[name](lib, lambda *s: lib.zeros(s))
        return caught.type, str(caught.value)

    kind, text = message(real_torch)
    own_kind, own_text = message(chainrule)
    assert own_kind is kind
    assert own_text.startswith(text.splitlines()[0].rstrip(".")), (own_text, text)


def test_names_in_the_graph() -> None:
    x = chainrule.ones(2, 3, requires_grad=True)
    functional = chainrule.nn.functional
    target = chainrule.tensor([0, 1])
    loss = functional.cross_entropy(x, target)
    assert loss.grad_fn.name() == "NllLossBackward0"
    assert loss.grad_fn.next_functions[0][0].name() == "LogSoftmaxBackward0"
    assert x.softmax(1).grad_fn.name() == "SoftmaxBackward0"
    assert functional.mse_loss(x, x.detach()).grad_fn.name() == "MseLossBackward0"
    assert functional.smooth_l1_loss(x, x.detach()).grad_fn.name() == "SmoothL1LossBackward0"
    assert functional.huber_loss(x, x.detach()).grad_fn.name() == "HuberLossBackward0"
    normalised = chainrule._C.layer_norm(x, (3,))
    assert normalised.grad_fn.name() == "NativeLayerNormBackward0"
