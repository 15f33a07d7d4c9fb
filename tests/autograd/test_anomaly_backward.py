"""The anomaly trap in backward passes and optimizer steps, and torch's names for it."""

from pathlib import Path

import pytest

import chainrule as torch
from autograd.trap import caught, here
from chainrule.autograd import anomaly

pytestmark = pytest.mark.chainrule_only

HERE = Path(__file__).name
INF = float("inf")


@pytest.fixture(autouse=True)
def _no_trap_is_left():
    yield
    left = anomaly.is_enabled()
    anomaly.disable()
    assert not left


# Backward --------------------------------------------------------------------------------------


def test_a_gradients_error_names_node_lines_formula_and_numbers():
    x = torch.tensor([4.0, 0.0], requires_grad=True)
    lines = []

    def program():
        lines.append(here() + 1)
        y = x.sqrt()
        loss = y.sum()
        lines.append(here() + 1)
        loss.backward()

    error = caught(program)
    recorded, called = lines
    text = str(error).splitlines()
    assert text[0] == "Function 'SqrtBackward0' returned inf values in its 0th output."
    assert text[1].endswith(f"{HERE}:{recorded}:  y = x.sqrt()")
    assert "  gradient of 'self' (x): float32 [2]: 1 inf, first at [1], else 0.25" in text
    assert "  gradient that arrived, g: float32 [2]: all 1" in text
    assert "  saved value y: float32 [2]: from 0 to 2" in text
    assert "  derivative: g / (2·y)" in text
    assert "  at [1]: g = 1, y = 0" in text
    assert any(
        line.startswith("  The backward was called")
        and line.endswith(f"{HERE}:{called}:  loss.backward()")
        for line in text
    )
    assert "The slope of sqrt at 0 is infinite" in text[-1]
    assert error.operation == "SqrtBackward0" and error.stage == "backward"
    assert error.location.endswith(f"{HERE}:{recorded}")


@pytest.mark.parametrize(
    ("program", "node", "hint"),
    [
        (lambda x: x.sqrt(), "SqrtBackward0", "slope of sqrt at 0 is infinite"),
        (lambda x: torch.where(x > 0, x**0.5, 0.0), "PowBackward0", "slope of x ** 0.5 at 0"),
        (lambda x: (1 - x).acos(), "AcosBackward0", "slope of acos at 1 and -1 is infinite"),
        (lambda x: (1 - x).asin(), "AsinBackward0", "slope of asin at 1 and -1 is infinite"),
        (lambda x: (x * 0).square().sum().sqrt(), "SqrtBackward0", "torch.linalg.vector_norm(v)"),
    ],
)
def test_the_hint_of_a_gradient_fits_the_classics(program, node, hint):
    x = torch.tensor([0.0, 0.5], requires_grad=True)
    error = caught(lambda: program(x).sum().backward())
    assert error.operation == node
    assert hint in str(error).splitlines()[-1]


def test_the_branch_that_where_discards_is_explained():
    x = torch.tensor([0.0, 1.0], requires_grad=True)

    def program():
        torch.where(x > 0, x.log(), 0.0).sum().backward()

    assert caught(program).stage == "forward"
    error = caught(program, forward=False)
    assert error.operation == "LogBackward0"
    assert "In the forward pass inf first appeared in 'log', at" in str(error)
    assert "torch.where(x > 0, x, 1).log()" in str(error)
    with anomaly():
        torch.where(x > 0, torch.where(x > 0, x, 1).log(), 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]


def test_the_module_of_a_gradient_is_named():
    class Length(torch.nn.Module):
        def forward(self, x):
            return x.square().sum().sqrt()

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.length = Length()

        def forward(self, x):
            return self.length(x) + 1

    net = Net()
    x = torch.zeros(2, requires_grad=True)
    error = caught(lambda: net(x).backward())
    assert "in the module net.length (Length)" in str(error)


def test_an_overflow_of_the_sum_of_gradients_is_found_before_it_spreads():
    x = torch.tensor([2.0, 3.0], requires_grad=True)

    def program():
        y = x * 1
        (y * 2e38).sum().add((y * 3e38).sum().mul(1.0)).backward()

    with anomaly(nan=False, inf=False):
        pass
    error = caught(lambda: program(), forward=False)
    assert error.operation == "MulBackward0"
    assert "The gradient that arrived was bad already" in str(error)


def test_an_overflow_in_a_leaf_is_found():
    w = torch.tensor([1e-3, 1e-3], requires_grad=True)
    error = caught(lambda: ((w * 2e38).sum() + (w * 3e38).sum()).backward())
    assert "The gradient of the leaf 'w' has inf values." in str(error)
    assert "Gradients from several uses of it were added up;" in str(error)
    v = torch.tensor([1e-3, 1e-3], requires_grad=True)

    def twice():
        for _ in range(2):
            (v * 3e38).sum().backward()

    error = caught(twice)
    assert "The gradient of the leaf 'v' has inf values." in str(error)
    assert "zero_grad()" in str(error)


def test_an_overflow_in_what_grad_gives_back_is_found():
    w = torch.tensor([1e-3, 1e-3], requires_grad=True)
    error = caught(
        lambda: torch.autograd.grad((w * 2e38).sum() + (w * 3e38).sum(), w), forward=False
    )
    assert "The gradient with respect to input 0 (w) has inf values." in str(error)
    v = torch.tensor([1e-3, INF], requires_grad=True)
    with anomaly():
        torch.autograd.grad((v * v).sum(), v)


def test_a_report_that_fails_does_not_hide_the_finding(monkeypatch):
    from chainrule.autograd import _anomaly_report

    def fail(*args):
        raise ValueError("no names")

    monkeypatch.setattr(_anomaly_report, "_Names", fail)
    x = torch.zeros(2, requires_grad=True)
    error = caught(lambda: x.log())
    assert str(error).splitlines() == [
        "'log' gave inf in its result.",
        "  More could not be said: ValueError: no names",
    ]
    error = caught(lambda: x.sqrt().sum().backward())
    assert str(error).splitlines()[0] == (
        "Function 'SqrtBackward0' returned inf values in its 0th output."
    )
    assert HERE in error.location


def test_a_gradient_given_with_nan_is_named_as_such():
    x = torch.ones(2, requires_grad=True)
    error = caught(lambda: (x * 2).backward(torch.tensor([float("nan"), 1.0])))
    assert "The gradient that was given to backward() has them already." in str(error)
    with anomaly():
        (x * 2).backward(torch.tensor([INF, 1.0]))
    assert x.grad.tolist() == [INF, 2.0]


def test_nan_of_the_programs_data_is_traced_to_where_it_came_in():
    x = torch.tensor([float("nan"), 1.0])
    w = torch.ones(2, requires_grad=True)
    lines = []

    def program():
        lines.append(here() + 1)
        y = x * w
        y.sum().backward()

    text = str(caught(program))
    (line,) = lines
    assert "Function 'MulBackward0' returned nan values in its 1th output." in text
    assert "the program's own nan or inf was first seen by 'mul', at" in text
    assert f"{HERE}:{line}:  y = x * w" in text


def test_a_hook_that_makes_a_nan_is_found():
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g / (g - g))
    error = caught(lambda: y.sum().backward())
    assert error.operation == "div" and error.stage == "forward"


def test_a_step_in_a_hook_of_the_leaf_is_trapped():
    p = torch.ones(2, requires_grad=True)

    def step(leaf):
        with torch.no_grad():
            leaf.sub_(leaf.grad * 3e38)
        leaf.grad = None

    p.register_post_accumulate_grad_hook(step)
    error = caught(lambda: (p * 2).sum().backward())
    assert error.operation == "mul" and error.stage == "forward"


def test_a_second_derivative_is_trapped():
    x = torch.tensor([0.0, 1.0], requires_grad=True)

    def program():
        (slope,) = torch.autograd.grad((x**1.5).sum(), x, create_graph=True)
        slope.sum().backward()

    error = caught(program)
    assert error.operation == "PowBackward0" and error.stage == "backward"


def test_grad_is_trapped_like_backward():
    x = torch.zeros(2, requires_grad=True)
    assert caught(lambda: torch.autograd.grad(x.sqrt().sum(), x)).operation == "SqrtBackward0"


def test_float64_and_strided_gradients():
    x = torch.tensor([[0.0, 1.0], [4.0, 9.0]], dtype=torch.float64, requires_grad=True)
    error = caught(lambda: x.t().sqrt()[1:].t().sum().add(x.t().sqrt()[:, 0].sum()).backward())
    assert error.operation == "SqrtBackward0"
    assert "float64 [2, 2]" in str(error)


# The step ----------------------------------------------------------------------------------------


def test_a_step_that_overflows_is_trapped():
    p = torch.nn.Parameter(torch.ones(3))
    for make, name in (
        (lambda: torch.optim.SGD([p], lr=100.0), "SGD.step"),
        (lambda: torch.optim.Adam([p], lr=100.0), "Adam.step"),
    ):
        with torch.no_grad():
            p.fill_(1.0)
        p.grad = torch.full((3,), 3e38)
        error = caught(make().step)
        assert error.operation == name
        assert "the gradient or the learning rate is too large" in str(error)


# torch's names -----------------------------------------------------------------------------------


def test_detect_anomaly_raises_for_nan_in_gradients_only():
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        trap = torch.autograd.detect_anomaly()
    with trap:
        assert torch.is_anomaly_enabled()
        x.log()  # -inf
        x / 0  # NaN and inf
        x.sqrt().sum().backward()  # an infinite gradient
        with pytest.raises(
            RuntimeError, match="Function 'PowBackward0' returned nan values in its 0th output"
        ):
            torch.where(x > 0, x**0.5, 0.0).sum().backward()
    assert not torch.is_anomaly_enabled()


def test_set_detect_anomaly_is_a_function_and_a_context_manager():
    torch.autograd.set_detect_anomaly(True)
    try:
        assert torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
        with torch.autograd.set_detect_anomaly(False):
            assert not torch.is_anomaly_enabled()
        assert torch.is_anomaly_enabled()
        with torch.autograd.set_detect_anomaly(True, check_nan=False):
            assert torch.is_anomaly_enabled() and not torch.is_anomaly_check_nan_enabled()
            x = torch.zeros(1, requires_grad=True)
            (x / x).backward()
        assert torch.is_anomaly_check_nan_enabled()
    finally:
        torch.autograd.set_detect_anomaly(False)
    assert not torch.is_anomaly_enabled()
    assert torch.autograd.anomaly_mode.set_detect_anomaly is torch.autograd.set_detect_anomaly


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize(
    "program",
    [
        lambda torch, x: torch.where(x > 0, x.sqrt(), 0.0 * x).sum().backward(),
        lambda torch, x: (x / x).sum().backward(),
        lambda torch, x: (x.sqrt() * 0).sum().backward(),
        lambda torch, x: x.sqrt().sum().backward(),
        lambda torch, x: x.log().sum().backward(),
        lambda torch, x: (x * float("nan")).sum().backward(),
        lambda torch, x: (torch.tensor([0.0, float("nan")]) * x).sum().backward(),
        lambda torch, x: (x.log() - x.log()).sum().backward(),
        lambda torch, x: x.square().sum().sqrt().backward(),
    ],
)
def test_detect_anomaly_raises_when_torch_does(program, real_torch):
    outcomes = []
    for module in (real_torch, torch):
        x = module.tensor([0.0, 1.0], requires_grad=True)
        try:
            with module.autograd.detect_anomaly():
                program(module, x)
            outcomes.append(None)
        except RuntimeError as error:
            outcomes.append(str(error).splitlines()[0])
    assert outcomes[0] == outcomes[1]
