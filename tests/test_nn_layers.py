"""Layers, activations and losses: weights from a seed, outputs, gradients, reprs, states."""

from types import ModuleType
from typing import Any

import pytest
from nn_parity import assert_same

import chainrule

ACTIVATIONS = [
    "CELU()",
    "CELU(0.5)",
    "ELU()",
    "ELU(0.7, inplace=True)",
    "GELU()",
    "GELU('tanh')",
    "Hardsigmoid()",
    "Hardswish()",
    "Hardtanh()",
    "Hardtanh(-0.5, 2.0, True)",
    "LeakyReLU()",
    "LeakyReLU(0.2, True)",
    "LogSigmoid()",
    "LogSoftmax(-1)",
    "Mish()",
    "PReLU()",
    "PReLU(6)",
    "ReLU()",
    "ReLU(inplace=True)",
    "ReLU6()",
    "ReLU6(inplace=True)",
    "SELU()",
    "SELU(inplace=True)",
    "SiLU()",
    "SiLU(inplace=True)",
    "Sigmoid()",
    "Softmax(0)",
    "Softmax()",
    "Softmin(1)",
    "Softplus()",
    "Softplus(2.0, 1.5)",
    "Softsign()",
    "Tanh()",
    "Tanhshrink()",
    "Threshold(0.1, 20.0)",
]

LAYERS = [
    ("Linear(6, 3)", (5, 6)),
    ("Linear(6, 3, bias=False)", (6,)),
    ("Linear(6, 3, dtype=t.float64)", (2, 3, 6)),
    ("Identity(54, unused=1)", (5, 6)),
    ("Flatten()", (2, 3, 4)),
    ("Flatten(0, 1)", (2, 3, 4)),
    ("Unflatten(1, (2, 3))", (5, 6)),
    ("LayerNorm(6)", (5, 6)),
    ("LayerNorm((3, 4), bias=False)", (2, 3, 4)),
    ("LayerNorm(6, elementwise_affine=False, eps=0.1)", (5, 6)),
    ("BatchNorm1d(6)", (5, 6)),
    ("BatchNorm1d(3, momentum=None)", (4, 3, 2)),
    ("BatchNorm1d(6, affine=False, track_running_stats=False)", (5, 6)),
    ("BatchNorm1d(6, bias=False)", (5, 6)),
    ("Dropout(0.0)", (5, 6)),
    ("Dropout(1.0)", (5, 6)),
    ("Sequential(t.nn.Linear(6, 4), t.nn.Tanh(), t.nn.Linear(4, 2))", (5, 6)),
]


def run(t: Any, layer: Any, shape: tuple[int, ...], training: bool = True) -> Any:
    """A layer's text, state, output and gradients for random input."""
    layer.train(training)
    dtype = next((p.dtype for p in layer.parameters()), t.float32)
    source = t.randn(*shape, dtype=dtype, requires_grad=True)
    output = layer(source * 2)
    output.backward(t.randn(*output.shape, dtype=dtype))
    grads = [p.grad for p in layer.parameters()]
    return [repr(layer), layer.state_dict(), output, source.grad, grads]


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_activation_matches_torch(text: str, real_torch: ModuleType) -> None:
    assert_same(lambda t: run(t, eval(f"t.nn.{text}", {"t": t}), (5, 6)), real_torch)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("text", "shape"), LAYERS)
def test_layer_matches_torch(
    text: str, shape: tuple[int, ...], training: bool, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        return run(t, eval(f"t.nn.{text}", {"t": t}), shape, training)

    assert_same(scenario, real_torch, rtol=1e-4)


AT_THE_KINKS = (
    "ReLU() ReLU6() Hardtanh() LeakyReLU() ELU() SELU() Hardsigmoid() Hardswish() LogSigmoid() "
    "Softplus() GELU() SiLU() PReLU() Softsign() Threshold(0.0,1.0)"
)


@pytest.mark.parametrize("text", AT_THE_KINKS.split())
def test_subgradients_and_extremes_match_torch(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        points = [0.0, 6.0, -3.0, 3.0, 1.0, -1.0, 1e4, -1e4, 90.0, float("nan")]
        source = t.tensor(points, requires_grad=True)
        output = eval(f"t.nn.{text}", {"t": t})(source)
        output.sum().backward()
        return [output, source.grad]

    assert_same(scenario, real_torch)


def test_embedding_matches_torch(real_torch: ModuleType) -> None:
    def scenario(t: Any, **options: Any) -> Any:
        layer = t.nn.Embedding(7, 3, **options)
        index = t.tensor([[1, 2, 2], [6, 0, 1]])
        output = layer(index)
        (output * output).sum().backward()
        return [repr(layer), output, layer.weight, layer.weight.grad]

    assert_same(scenario, real_torch)
    assert_same(lambda t: scenario(t, padding_idx=2), real_torch)
    assert_same(lambda t: scenario(t, padding_idx=-1), real_torch)
    assert_same(lambda t: scenario(t, max_norm=1.0), real_torch)
    assert_same(lambda t: scenario(t, padding_idx=9), real_torch)
    assert_same(lambda t: scenario(t, scale_grad_by_freq=True), real_torch)
    with pytest.raises(NotImplementedError, match="sparse=True is not supported"):
        scenario(chainrule, sparse=True)


def test_pretrained_embedding_is_frozen(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer = t.nn.Embedding.from_pretrained(t.ones(3, 2))
        return [repr(layer), layer.weight.requires_grad, layer(t.tensor([1]))]

    assert_same(scenario, real_torch)


def test_bilinear_matches_torch(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer = t.nn.Bilinear(2, 3, 4)
        first = t.randn(5, 2, requires_grad=True)
        output = layer(first, t.randn(5, 3))
        output.sum().backward()
        return [repr(layer), output, first.grad, layer.weight.grad, layer.bias.grad]

    assert_same(scenario, real_torch)


def test_dropout_scales_what_it_keeps() -> None:
    t = chainrule
    layer = t.nn.Dropout(0.25)
    source = t.ones(4000, requires_grad=True)
    output = layer(source)
    output.sum().backward()
    values = set(output.tolist())
    assert len(values) == 2
    assert 0.0 in values
    assert max(values) == pytest.approx(4 / 3)
    assert source.grad.tolist() == output.tolist()
    assert 0.7 < sum(v > 0 for v in output.tolist()) / 4000 < 0.8
    assert layer.eval()(source) is source


def _uniform_mask(t: Any) -> Any:
    t.manual_seed(3)
    return (t.rand(3, 50, dtype=t.float64) < 0.7).tolist()


def _dropout_mask(t: Any) -> Any:
    t.manual_seed(3)
    return [t.nn.functional.dropout(t.ones(3, 50), 0.3).ne(0).tolist(), t.rand(2).tolist()]


def test_dropout_keeps_where_a_double_uniform_number_is_small() -> None:
    assert _dropout_mask(chainrule)[0] == _uniform_mask(chainrule)


def test_dropout_draws_torchs_numbers(real_torch: ModuleType) -> None:
    expected = _dropout_mask(real_torch)
    if expected[0] != _uniform_mask(real_torch):
        pytest.skip("this torch draws Bernoulli numbers with MKL (as it does on Intel processors)")
    assert _dropout_mask(chainrule) == expected


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_dropout_checks_its_probability(p: float, real_torch: ModuleType) -> None:
    assert_same(lambda t: t.nn.Dropout(p), real_torch)
    assert_same(lambda t: t.nn.functional.dropout(t.ones(2), p), real_torch)


def test_batch_norm_moves_its_statistics_only_in_training(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer = t.nn.BatchNorm1d(3)
        states = []
        for training in (True, True, False, True):
            layer.train(training)
            layer(t.randn(6, 3) * 3 + 1)
            states.append([v.clone() for v in layer.state_dict().values()])
        return states

    assert_same(scenario, real_torch)
    assert_same(lambda t: t.nn.BatchNorm1d(3)(t.randn(1, 3)), real_torch)
    assert_same(lambda t: t.nn.BatchNorm1d(3)(t.randn(1, 3, 2, 2)), real_torch)


REDUCTIONS = ["mean", "sum", "none"]

REGRESSION = [
    "MSELoss(reduction='{}')",
    "L1Loss(reduction='{}')",
    "SmoothL1Loss(reduction='{}', beta=0.6)",
    "SmoothL1Loss(reduction='{}', beta=0.0)",
    "HuberLoss(reduction='{}', delta=0.7)",
]


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "median"])
@pytest.mark.parametrize("text", REGRESSION)
def test_regression_loss_matches_torch(text: str, reduction: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        loss = eval(f"t.nn.{text.format(reduction)}", {"t": t})
        source = t.randn(4, 3, requires_grad=True)
        value = loss(source, t.randn(4, 3))
        value.sum().backward()
        return [repr(loss), value, source.grad]

    assert_same(scenario, real_torch)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_regression_loss_warns_of_broadcasting(name: str, real_torch: ModuleType) -> None:
    assert_same(lambda t: getattr(t.nn.functional, name)(t.ones(3, 1), t.zeros(3)), real_torch)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weighted_regression_loss_matches_torch(
    name: str, reduction: str, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        weight = t.tensor([[1.0, 2.0], [0.5, 0.0]])
        loss = getattr(t.nn.functional, name)
        return loss(t.ones(2, 2) * 2, t.eye(2), reduction=reduction, weight=weight)

    assert_same(scenario, real_torch)


CLASS_OPTIONS = [
    {},
    {"weight": True},
    {"ignore_index": 2},
    {"weight": True, "ignore_index": 0},
    {"label_smoothing": 0.2},
    {"label_smoothing": 0.2, "weight": True, "ignore_index": 1},
    {"label_smoothing": 0.2, "ignore_index": 1},
]


def _options(t: Any, options: dict[str, Any]) -> dict[str, Any]:
    weight = t.tensor([0.5, 1.0, 2.0, 0.1]) if options.get("weight") else None
    return {**options, "weight": weight}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", CLASS_OPTIONS)
@pytest.mark.parametrize("shape", [(6, 4), (4,), (3, 4, 2)])
def test_cross_entropy_of_indices_matches_torch(
    shape: tuple[int, ...], options: dict[str, Any], reduction: str, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        loss = t.nn.CrossEntropyLoss(reduction=reduction, **_options(t, options))
        source = t.randn(*shape, requires_grad=True)
        rest = (shape[0], *shape[2:]) if len(shape) > 1 else ()
        target = t.randint(0, 4, rest)
        value = loss(source, target)
        value.sum().backward()
        return [repr(loss), value, source.grad]

    assert_same(scenario, real_torch)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", [{}, {"weight": True}, {"label_smoothing": 0.3}])
def test_cross_entropy_of_probabilities_matches_torch(
    options: dict[str, Any], reduction: str, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        loss = t.nn.CrossEntropyLoss(reduction=reduction, **_options(t, options))
        source = t.randn(5, 4, requires_grad=True)
        target = t.rand(5, 4, requires_grad=True)
        value = loss(source, target)
        value.sum().backward()
        return [value, source.grad, target.grad]

    assert_same(scenario, real_torch)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", CLASS_OPTIONS[:4])
def test_nll_loss_matches_torch(
    options: dict[str, Any], reduction: str, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        loss = t.nn.NLLLoss(reduction=reduction, **_options(t, options))
        source = t.randn(6, 4, requires_grad=True)
        value = loss(t.nn.functional.log_softmax(source, 1), t.randint(0, 4, (6,)))
        value.sum().backward()
        return [repr(loss), value, source.grad]

    assert_same(scenario, real_torch)


def test_a_loss_of_ignored_targets_only_is_nan_as_in_torch(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        return t.nn.functional.cross_entropy(t.ones(2, 3), t.tensor([-100, -100]))

    assert_same(scenario, real_torch)


def test_class_losses_refuse_what_torch_refuses(real_torch: ModuleType) -> None:
    def loss(t: Any, target: Any, **options: Any) -> Any:
        return t.nn.functional.cross_entropy(t.ones(2, 3), target, **options)

    assert_same(lambda t: loss(t, t.tensor([0, 3])), real_torch)
    assert_same(lambda t: loss(t, t.tensor([0, -1])), real_torch)
    assert_same(lambda t: loss(t, t.tensor([0, 1, 1])), real_torch)
    assert_same(lambda t: loss(t, t.tensor([0, 1]), label_smoothing=1.5), real_torch)
    assert_same(lambda t: loss(t, t.tensor([0, 1]), reduction="none?"), real_torch)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy_matches_torch(
    weighted: bool, reduction: str, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        weight = t.tensor([1.0, 0.5, 2.0]) if weighted else None
        source = t.randn(4, 3, requires_grad=True)
        target = (t.rand(4, 3) > 0.4).to(t.float32)
        plain = t.nn.BCELoss(weight, reduction=reduction)(t.sigmoid(source), target)
        logits = t.nn.BCEWithLogitsLoss(weight, reduction=reduction, pos_weight=weight)
        value = logits(source * 30, target)
        (plain.sum() + value.sum()).backward()
        edge = t.nn.functional.binary_cross_entropy(t.tensor([0.0, 1.0]), t.tensor([1.0, 0.5]))
        return [repr(logits), plain, value, edge, source.grad]

    assert_same(scenario, real_torch)


def test_binary_losses_refuse_what_torch_refuses(real_torch: ModuleType) -> None:
    assert_same(lambda t: t.nn.BCELoss()(t.ones(2), t.ones(3)), real_torch)
    assert_same(lambda t: t.nn.BCELoss()(t.ones(2) * 1.5, t.ones(2)), real_torch)
    assert_same(lambda t: t.nn.BCEWithLogitsLoss()(t.ones(2), t.ones(3)), real_torch)


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div_matches_torch(log_target: bool, reduction: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        source = t.randn(4, 3, requires_grad=True)
        target = t.softmax(t.randn(4, 3), 1)
        target = t.where(target > 0.2, target, t.zeros(4, 3))
        loss = t.nn.KLDivLoss(reduction=reduction, log_target=log_target)
        value = loss(t.log_softmax(source, 1), target)
        value.sum().backward()
        return [value, source.grad]

    assert_same(scenario, real_torch)


def test_one_hot_matches_torch(real_torch: ModuleType) -> None:
    def one_hot(t: Any, values: Any, *size: int) -> Any:
        return t.nn.functional.one_hot(t.tensor(values), *size)

    for values in ([0, 2, 1], [[3], [0]], 1):
        assert_same(lambda t, v=values: one_hot(t, v), real_torch)
        assert_same(lambda t, v=values: one_hot(t, v, 5), real_torch)
    assert_same(lambda t: one_hot(t, [-1]), real_torch)
    assert_same(lambda t: one_hot(t, [4], 3), real_torch)


def test_normalize_and_cosine_match_torch(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        a, b = t.randn(4, 3, requires_grad=True), t.randn(4, 3)
        F = t.nn.functional
        values = [F.normalize(a), F.normalize(a, p=1, dim=0), F.cosine_similarity(a, b)]
        sum(v.sum() for v in values).backward()
        return [values, a.grad]

    assert_same(scenario, real_torch)
