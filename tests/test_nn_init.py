"""Initial values, limits on gradients, parameters as a vector."""

from types import ModuleType
from typing import Any

import pytest
from nn_parity import assert_same

import chainrule

INITIALISERS = {
    "uniform": "i.uniform_(w, -2, 3)",
    "normal": "i.normal_(w, 1, 0.1)",
    "constant": "i.constant_(w, 0.3)",
    "ones": "i.ones_(w)",
    "zeros": "i.zeros_(w)",
    "eye": "i.eye_(w)",
    "eye of a vector": "i.eye_(w[0])",
    "dirac": "i.dirac_(k)",
    "dirac in groups": "i.dirac_(k, 2)",
    "dirac of a matrix": "i.dirac_(w)",
    "dirac in bad groups": "i.dirac_(k, 3)",
    "xavier uniform": "i.xavier_uniform_(w, 1.5)",
    "xavier normal": "i.xavier_normal_(k)",
    "kaiming uniform": "i.kaiming_uniform_(w, nonlinearity='relu')",
    "kaiming normal": "i.kaiming_normal_(k, a=0.2, mode='fan_out')",
    "kaiming of a vector": "i.kaiming_normal_(w[0])",
    "kaiming with bad mode": "i.kaiming_normal_(w, mode='fan')",
    "kaiming of nothing": "i.kaiming_uniform_(w[:0])",
    "truncated normal": "i.trunc_normal_(w, 0.0, 1.0)",
    "truncated tail": "i.trunc_normal_(w, 0.0, 1.0, 1.5, 4.0)",
    "truncated far away": "i.trunc_normal_(w, 10.0, 1.0)",
    "sparse": "i.sparse_(w, 0.4)",
    "sparse of a kernel": "i.sparse_(k, 0.4)",
    "orthogonal of a vector": "i.orthogonal_(w[0])",
    "own generator": "i.xavier_uniform_(w, generator=t.Generator().manual_seed(7))",
    "gains": "[i.calculate_gain(n) for n in 'linear conv2d sigmoid tanh relu selu'.split()]",
    "slope": "[i.calculate_gain('leaky_relu'), i.calculate_gain('leaky_relu', 0.3)]",
    "bad slope": "i.calculate_gain('leaky_relu', 'steep')",
    "bad gain": "i.calculate_gain('cubic')",
}


@pytest.mark.parametrize("text", INITIALISERS.values(), ids=INITIALISERS.keys())
def test_initial_values_are_torchs(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        w = t.nn.Parameter(t.full((5, 7), 9.0))
        k = t.nn.Parameter(t.full((4, 2, 3), 9.0))
        result = eval(text, {"i": t.nn.init, "t": t, "w": w, "k": k})
        return [result, w, k, t.rand(1)]

    assert_same(scenario, real_torch)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (3, 2, 2)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    t = chainrule
    weight = t.nn.Parameter(t.zeros(*shape))
    try:
        t.nn.init.orthogonal_(weight, gain=2.0)
    except RuntimeError as problem:
        pytest.skip(str(problem))
    flat = weight.detach().reshape(shape[0], -1)
    product = flat @ flat.t() if flat.shape[0] <= flat.shape[1] else flat.t() @ flat
    assert (product - 4 * t.eye(product.shape[0])).abs().max().item() < 1e-5


def _params(t: Any) -> list[Any]:
    params = [t.nn.Parameter(t.ones(2, 3)), t.nn.Parameter(t.ones(4)), t.nn.Parameter(t.ones(1))]
    for param in params[:2]:
        param.grad = t.randn(*param.shape) * 5
    return params


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, 0.5, 0.0, float("inf"), float("-inf")])
@pytest.mark.parametrize("limit", [0.5, 1000.0])
def test_gradient_norms_are_clipped_as_in_torch(
    limit: float, order: float, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        params = _params(t)
        total = t.nn.utils.clip_grad_norm_(params, limit, norm_type=order)
        single = t.nn.utils.clip_grad_norm_(params[0], limit, order)
        return [total, single, [p.grad for p in params]]

    assert_same(scenario, real_torch)


def test_clipping_edge_cases_match_torch(real_torch: ModuleType) -> None:
    def scenario(t: Any, fill: float, **options: Any) -> Any:
        params = _params(t)
        params[0].grad.fill_(fill)
        t.nn.utils.clip_grad_norm_(iter(params), 1.0, **options)
        return [p.grad for p in params]

    assert_same(lambda t: scenario(t, float("inf")), real_torch)
    assert_same(lambda t: scenario(t, float("nan"), error_if_nonfinite=True), real_torch)
    assert_same(lambda t: t.nn.utils.clip_grad_norm_([], 1.0), real_torch)

    def by_value(t: Any) -> Any:
        params = _params(t)
        t.nn.utils.clip_grad_value_(params, 2)
        return [p.grad for p in params]

    assert_same(by_value, real_torch)


def test_parameters_to_a_vector_and_back(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        layer = t.nn.Linear(2, 3)
        vector = t.nn.utils.parameters_to_vector(layer.parameters())
        t.nn.utils.vector_to_parameters(t.arange(9.0), layer.parameters())
        return [vector, vector.requires_grad, layer.weight, layer.bias]

    assert_same(scenario, real_torch)
    assert_same(lambda t: t.nn.utils.vector_to_parameters([1], []), real_torch)
