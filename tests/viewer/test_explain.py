"""`explain`: the chain rule with the numbers."""

import io
import re

import pytest

import chainrule as torch
from chainrule.viewer import explain
from chainrule.viewer.formulas import local_derivative

pytestmark = pytest.mark.chainrule_only


@pytest.fixture
def figure():
    a, w1, w2, w3, w4 = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0, 2.0, 1.0, 2.0))
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = 10 - d
    return {"a": a, "w1": w1, "w2": w2, "w3": w3, "w4": w4, "b": b, "c": c, "d": d, "L": L}


def test_one_path_is_a_product_of_local_gradients(figure, capsys):
    found = explain(figure["L"], figure["w1"])
    out = capsys.readouterr().out
    assert out == f"{found}\n"
    assert "= −1 · 1 · 1 · 2" in out
    assert "autograd gives −2" in out
    assert found.count == 1 and found.total == -2.0
    assert [step.local for step in found.paths[0].steps] == [-1.0, 1.0, 1.0, 2.0]
    assert found.paths[0].product == -2.0


def test_names_stand_for_the_numbers():
    a = torch.tensor(2.0, requires_grad=True)
    w1 = torch.tensor(3.0, requires_grad=True)
    w3 = torch.tensor(5.0, requires_grad=True)
    b = w1 * a
    d = w3 * b
    L = 10 - d
    text = str(explain(L, w1, quiet=True))
    assert "∂L/∂w1 = ∂L/∂d · ∂d/∂b · ∂b/∂w1\n" in text
    assert "= −1 · w3 · a\n" in text
    assert "= −1 · 5 · 2\n" in text
    assert "= −10\n" in text


def test_a_terminal_without_mathematical_signs_gets_stand_ins(monkeypatch):
    x = torch.tensor(2.0, requires_grad=True)
    y = -x * 3.0
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        explain(y, x)
        stream.flush()
        text = raw.getvalue().decode()
    assert "dy/dx = -3, along one path" in text and "?" not in text


def test_several_paths_are_added_the_largest_first(figure):
    found = explain(figure["L"], figure["a"], quiet=True)
    assert [path.product for path in found.paths] == [-4.0, -3.0]
    assert found.total == -7.0
    assert "the sum over 2 paths" in str(found) and "sum: (−4) + (−3) = −7" in str(found)


def test_an_intermediate_result_can_be_explained(figure):
    found = explain(figure["L"], figure["b"], quiet=True)
    assert found.total == -1.0 and len(found.paths[0].steps) == 3


def test_the_root_itself(figure):
    assert "= 1" in str(explain(figure["L"], figure["L"], quiet=True))


def test_no_path_is_said_with_the_names_and_the_likely_reason(figure):
    stranger = torch.tensor(1.0, requires_grad=True)
    L = figure["L"]
    text = str(explain(L, stranger, quiet=True))
    assert "∂L/∂stranger = 0: no path leads from L to stranger." in text
    assert ".detach()" in text
    constant = torch.tensor(1.0)
    text = str(explain(L, constant, quiet=True))
    assert "requires_grad=True" in text


def test_a_detached_way_is_no_path():
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 3
    z = y.detach() * x
    found = explain(z, y, quiet=True)
    assert found.count == 0 and "no path" in str(found)


def test_exponentially_many_paths_are_counted_and_summed_exactly():
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(100):
        y = y + y
    found = explain(y, x, paths=3, quiet=True)
    assert found.count == 2**100
    assert found.total == 2.0**100
    assert len(found.paths) == 3 and all(path.product == 1.0 for path in found.paths)
    assert "the sum over about 1.27·10^30 paths" in str(found)
    assert "about 1.27·10^30 more paths are not shown" in str(found)
    assert "autograd gives" in str(found)


def test_a_number_of_paths_beyond_all_digits_is_no_problem():
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 0.5 + y * 0.5
    found = explain(y, x, paths=1, quiet=True)
    assert found.count == 2**20_000 and found.total == 1.0
    assert "·10^6,020 paths" in repr(found)


def test_the_largest_products_are_found_among_very_many():
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    weights = [torch.tensor(v, dtype=torch.float64) for v in (0.5, -3.0)]
    y = x
    for _ in range(30):
        y = y * weights[0] + y * weights[1]
    found = explain(y, x, paths=4, quiet=True)
    assert found.count == 2**30
    largest = 3.0**30
    sizes = [abs(path.product) for path in found.paths]
    assert sizes == pytest.approx([largest, largest / 6, largest / 6, largest / 6])
    assert found.total == pytest.approx((-2.5) ** 30)


def test_a_path_with_a_zero_comes_last_and_one_with_nan_first():
    x = torch.tensor(0.0, requires_grad=True)
    y = x * 0.0 + x * 2.0 + x.sqrt() * 1.0
    found = explain(y, x, quiet=True)
    assert [str(path.product) for path in found.paths] == ["inf", "2.0", "0.0"]


def test_the_same_input_twice_is_two_paths():
    x = torch.tensor(3.0, requires_grad=True)
    found = explain(x * x, x, quiet=True)
    assert found.count == 2 and found.total == 6.0


def test_a_long_product_is_shortened_in_the_middle():
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0
    text = str(explain(y, x, quiet=True))
    assert "… 2,988 more …" in text
    assert max(map(len, text.splitlines())) <= 100


def test_larger_tensors_have_shapes_and_norms_of_the_gradients():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    w = torch.ones(3, 2, requires_grad=True)
    h = x @ w
    loss = (h * h).sum()
    found = explain(loss, w, quiet=True)
    text = str(found)
    assert found.total is None and found.count == 2
    assert found.paths[0].product is None
    last = found.paths[0].steps[-1]
    assert last.shape == (3, 2)
    assert last.norm == pytest.approx(
        (w.new_tensor([[12.0], [24.0], [36.0]]).norm() * 2**0.5).item()
    )
    assert re.search(r"∂loss/∂h\s+1×2\s+norm 16\.97\s+through", text)
    assert "autograd gives: shape 3×2, norm" in text


def test_a_root_of_several_elements_is_summed_and_says_so():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    text = str(explain(y, x, quiet=True))
    assert "autograd gives of y.sum(): shape 2" in text


def test_an_output_of_an_operator_with_several_is_told_from_the_others():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    first, _, last = x.unbind(0)
    z = first * 2.0 + last * 5.0
    assert explain(z, first, quiet=True).total == 2.0
    found = explain(z, last, quiet=True)
    assert found.count == 1 and found.leaf == "last" and found.gradient.item() == 5.0


def test_a_hook_that_changes_a_gradient_is_noticed():
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 3.0
    y.register_hook(lambda gradient: gradient * 100.0)
    z = y * 2.0
    assert "hook" in str(explain(z, x, quiet=True))


def test_explaining_leaves_the_graph_and_the_gradients_alone(figure):
    explain(figure["L"], figure["a"], quiet=True)
    assert figure["a"].grad is None
    figure["L"].backward()
    assert figure["a"].grad.item() == -7.0


def test_a_freed_graph_is_an_error_that_names_the_way_out(figure):
    figure["L"].backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        explain(figure["L"], figure["a"], quiet=True)


def test_wrong_arguments(figure):
    with pytest.raises(ValueError, match="paths must be 1 or more"):
        explain(figure["L"], figure["a"], paths=0)
    with pytest.raises(TypeError, match="leaf must be a tensor, not str"):
        explain(figure["L"], "w1")
    with pytest.raises(RuntimeError, match="graph"):
        explain(torch.ones(2), figure["a"])


def test_html_is_escaped():
    x = torch.tensor(2.0, requires_grad=True)
    html = explain(torch.where(x < 3, x * 2, x), x, quiet=True)._repr_html_()
    assert html.startswith("<pre") and html.count("<") == 2


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("g", "1"),
        ("-g", "−1"),
        ("g·other", "w"),
        ("grad * other", "w"),
        ("other·g", "w"),
        ("-g·self", "−x"),
        ("g / other", "1/w"),
        ("-g * self / (other * other)", "−x/w²"),
        ("g·(1 − y²)", "1 − h²"),
        ("g * (1 - out * out)", "1 − h²"),
        ("g·cos(self)", "cos(x)"),
        ("g·y", "h"),
        ("g·2·self", "2·x"),
        ("g * self ** 3", "x³"),
        ("g·unknown", None),
        ("where(self > 0, g, 0)", None),
        ("g + g", None),
        ("reduce(g, dim)", None),
        ("g·(", None),
        ("", None),
        (None, None),
    ],
)
def test_a_formula_of_the_table_in_the_names_of_the_user(formula, expected):
    assert local_derivative(formula, {"self": "x", "other": "w", "y": "h"}.get) == expected


def test_an_expression_as_a_name_is_put_in_brackets():
    assert local_derivative("g·other", {"other": "a + b"}.get) == "(a + b)"
