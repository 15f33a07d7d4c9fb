"""The anomaly trap: where a NaN or an infinity first appears, and what the error says of it."""

import threading
from pathlib import Path

import pytest

import chainrule as torch
from autograd.trap import caught, here
from chainrule.autograd import AnomalyError, anomaly

pytestmark = pytest.mark.chainrule_only

HERE = Path(__file__).name
INF = float("inf")
F = torch.nn.functional


@pytest.fixture(autouse=True)
def _no_trap_is_left():
    yield
    left = anomaly.is_enabled()
    anomaly.disable()
    assert not left


# Forward ---------------------------------------------------------------------------------------


def test_the_error_names_the_operator_its_line_and_the_numbers():
    x = torch.tensor([[2.0, 1.0], [0.0, 5.0]])
    lines = []

    def program():
        lines.append(here() + 1)
        y = torch.log(x)
        return y

    error = caught(program)
    (line,) = lines
    assert isinstance(error, RuntimeError)
    text = str(error).splitlines()
    assert text[0] == (
        "'log' gave -inf for 1 of 4 elements in its result, though its inputs are finite."
    )
    assert text[1].endswith(f"{HERE}:{line}:  y = torch.log(x)")
    assert "  in the expression:  torch.log(x)" in text
    assert "  input 0 (x), float32 [2, 2]: from 0 to 5" in text
    assert "  result, float32 [2, 2]: 1 -inf, first at [1, 0], else from 0 to 1.609" in text
    assert "  at [1, 0]: x = 0, result = -inf" in text
    assert "log(0) is -inf" in text[-1]
    assert error.operation == "log" and error.stage == "forward"
    assert error.location.endswith(f"{HERE}:{line}")


def test_the_traceback_ends_at_the_program():
    error = caught(lambda: torch.zeros(1).log())
    frame = error.__traceback__
    while frame.tb_next:
        frame = frame.tb_next
    assert frame.tb_frame.f_code.co_filename == __file__


def test_the_first_appearance_counts_not_what_follows():
    x = torch.tensor([1.0, -1.0])

    def program():
        a = x.sqrt()
        b = a + 1
        return (b * 2).sum()

    error = caught(program)
    assert error.operation == "sqrt"
    assert "'sqrt' gave nan for 1 of 2 elements" in str(error)


@pytest.mark.parametrize(
    ("program", "operation", "hint"),
    [
        (lambda x: x.log(), "log", "log(0) is -inf"),
        (lambda x: (x - 1).log(), "log", "logarithm of a negative number is NaN"),
        (lambda x: (x - 1).sqrt(), "sqrt", "square root of a negative number is NaN"),
        (lambda x: x.rsqrt(), "rsqrt", "rsqrt takes numbers above 0"),
        (lambda x: 1 / x, "div", "division by 0 is infinite: the divisor has a zero"),
        (lambda x: x / x, "div", "0 / 0 is NaN"),
        (lambda x: x.reciprocal(), "reciprocal", "division by 0"),
        (lambda x: (x + 1) / 0, "div", "The divisor is 0"),
        (lambda x: (x * 100).exp(), "exp", "exp(200) is too large for float32"),
        (lambda x: (x.double() * 500).exp(), "exp", "too large for float64"),
        (lambda x: x**-1.5, "pow", "0 to a negative exponent is infinite"),
        (lambda x: (x - 1) ** 0.5, "pow", "negative number has no power with a fractional"),
        (lambda x: x.acos(), "acos", "acos takes numbers from -1 to 1"),
        (lambda x: x.atanh(), "atanh", "finite between -1 and 1 only"),
        (lambda x: torch.full((0,), 1.0).mean(), "mean", "mean of no elements"),
        (lambda x: x[:1].std(), "std", "std of one element divides by 0"),
        (lambda x: (x.double() * 1e300).float(), "to_dtype", "2e+300 is too large for float32"),
        (lambda x: (x * 1e30) * 1e30, "mul", "training diverges"),
        (lambda x: (x[None] * 1e30) @ (x[:, None] * 1e30), "mm", "as large as 2e+30"),
        (
            lambda x: F.cross_entropy(x[None], torch.tensor([-100])),
            "nll_loss",
            "The mean over no targets is 0 / 0",
        ),
        (
            lambda x: x.masked_fill(x > -1, -INF).softmax(0),
            "softmax",
            "A row in which everything is -inf has no softmax",
        ),
    ],
)
def test_the_hint_fits_the_classics(program, operation, hint):
    x = torch.tensor([0.0, 1.0, 2.0])
    error = caught(lambda: program(x))
    assert error.operation == operation
    assert hint in str(error).splitlines()[-1]


def test_infinities_make_a_nan_that_was_not_there():
    x = torch.tensor([INF, 1.0])
    error = caught(lambda: x - x)
    assert "'sub' gave nan for 1 of 2 elements" in str(error)
    assert "though its inputs hold inf but no nan" in str(error)
    assert "inf - inf is NaN" in str(error)
    assert caught(lambda: x * torch.tensor([0.0, 1.0])).operation == "mul"


def test_the_module_is_named():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    with torch.no_grad():
        net[2].weight.fill_(3e38)
        net[2].bias.fill_(3e38)
        net[0].bias.fill_(50.0)
    error = caught(lambda: net(torch.zeros(1, 2)))
    text = str(error)
    assert "in the module net.2 (Linear)" in text
    assert "(net.2.weight), float32 [1, 2]: all 3e+38" in text
    assert "The parameter net.2.weight has grown to 3e+38: training diverges" in text


def test_two_results_of_an_operator_are_both_looked_at():
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone(), torch.from_numpy((x / 2).numpy() * INF)

        @staticmethod
        def backward(ctx, a, b):
            return a

    error = caught(lambda: Two.apply(torch.ones(2)))
    assert error.operation == "Two"
    assert "in its result 1" in str(error)


def test_only_what_is_asked_for_is_trapped():
    zero = torch.zeros(2)
    with anomaly(nan=False):
        assert (zero / zero).isnan().all()
    with anomaly(inf=False):
        assert (1 / zero).isinf().all()
    with anomaly(forward=False):
        assert zero.log().isinf().all()
    assert caught(lambda: zero / zero, inf=False).operation == "div"
    assert caught(lambda: 1 / zero, nan=False).operation == "div"


def test_in_place_operators_are_trapped():
    x = torch.tensor([1e38, 1.0])
    error = caught(lambda: x.mul_(10))
    text = str(error)
    assert error.operation == "mul_"
    assert "'mul_' gave inf for 1 of 2 elements in x, which it changes" in text
    assert "the numbers before are lost; they were finite" in text
    assert x.tolist() == [INF, 10.0]

    def again():
        nonlocal x
        x -= x

    assert caught(again).operation == "sub_"


def test_in_place_changes_of_what_was_infinite_are_no_finding():
    x = torch.tensor([INF, 1.0])
    with anomaly():
        x.mul_(2)
        x.add_(1)
        x.clamp_(max=3.0)
    assert x.tolist() == [3.0, 3.0]


def test_a_view_that_is_changed_in_place_is_trapped():
    base = torch.full((3, 3), 1e38, requires_grad=True) * 1
    error = caught(lambda: base[:, 1].mul_(10))
    assert error.operation == "mul_"
    assert "float32 [3]: all inf" in str(error)


def test_it_works_under_no_grad_and_inference_mode():
    x = torch.zeros(2, requires_grad=True)
    for mode in (torch.no_grad, torch.inference_mode):

        def program(mode=mode):
            with mode():
                return x.log()

        assert caught(program).operation == "log"


def test_what_a_custom_function_computes_is_found_at_its_line():
    lines = {}

    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            lines["forward"] = here() + 1
            return x / (x - x)

        @staticmethod
        def backward(ctx, grad):
            return grad

    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            lines["backward"] = here() + 1
            return grad / (grad - grad)

    x = torch.ones(2, requires_grad=True)
    error = caught(lambda: Half.apply(x))
    assert error.location.endswith(f":{lines['forward']}") and error.operation == "div"
    error = caught(lambda: Bad.apply(x).sum().backward())
    assert error.location.endswith(f":{lines['backward']}") and error.operation == "div"


def test_a_custom_function_that_leaves_the_library_is_an_operator():
    class Outside(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.from_numpy(x.detach().numpy() * INF)

        @staticmethod
        def backward(ctx, grad):
            return torch.from_numpy(grad.numpy() * INF)

    x = torch.ones(2)
    error = caught(lambda: Outside.apply(x))
    assert error.operation == "Outside" and error.stage == "forward"
    y = torch.ones(2, requires_grad=True)

    def program():
        with anomaly(nan=False, inf=False):
            out = Outside.apply(y * 1)
        out.sum().backward()

    error = caught(program)
    assert error.operation == "OutsideBackward" and error.stage == "backward"


# No false alarm --------------------------------------------------------------------------------


def attention(mask_with):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 8, requires_grad=True) for _ in range(3))
    mask = torch.ones(4, 4).triu(1).bool()
    scores = mask_with(q @ k.transpose(1, 2) / 8**0.5, mask)
    (scores.softmax(-1) @ v).square().mean().backward()
    return q.grad


@pytest.mark.parametrize(
    "mask_with",
    [
        lambda s, mask: s.masked_fill(mask, -INF),
        lambda s, mask: s.masked_fill_(mask, -INF),
        lambda s, mask: torch.where(mask, -INF, s),
        lambda s, mask: torch.where(mask, torch.tensor(-INF), s),
        lambda s, mask: s + torch.full((4, 4), -INF).triu(1),
        lambda s, mask: s + torch.zeros(4, 4).masked_fill(mask, -INF),
        lambda s, mask: s + torch.zeros(4, 4).index_put((mask,), torch.tensor(-INF)),
    ],
)
def test_masks_of_infinity_are_no_finding(mask_with):
    with anomaly():
        gradient = attention(mask_with)
    assert gradient.isfinite().all()


def assigned(values, key, value):
    values[key] = value
    return values


@pytest.mark.parametrize(
    "program",
    [
        lambda: torch.full((3,), INF) + 1,
        lambda: torch.tensor([INF, -INF, 1.0]).abs().exp(),
        lambda: torch.minimum(torch.tensor(INF), torch.ones(3)),
        lambda: torch.zeros(3).fill_(-INF) * 2,
        lambda: assigned(torch.zeros(3), 1, INF) + 1,
        lambda: assigned(torch.zeros(3), torch.tensor([True, False, True]), -INF).amax(),
        lambda: torch.zeros(3).masked_fill_(torch.tensor([True, False, True]), INF).sum(),
        lambda: torch.zeros(3).index_fill_(0, torch.tensor([1]), INF).sum(),
        lambda: torch.zeros(3).scatter_(0, torch.tensor([1]), INF).sum(),
        lambda: torch.ones(3).clamp(min=-INF, max=INF),
        lambda: torch.logsumexp(torch.tensor([[-INF, -INF], [0.0, 1.0]]), 1),
        lambda: torch.tensor([INF, 1.0]).reciprocal(),
        lambda: torch.log_softmax(torch.tensor([[-INF, 0.0, 1.0]]), 1),
        lambda: F.cross_entropy(torch.tensor([[-INF, 0.0, 1.0]]), torch.tensor([1])),
        lambda: torch.tensor([float("nan"), 1.0]).mean(),
        lambda: torch.where(torch.tensor([True, False]), float("nan"), torch.ones(2)),
        lambda: torch.empty(1000).mul(0.5),
        lambda: torch.empty(1000).mul_(0.5),
        lambda: torch.empty(100).copy_(torch.ones(100)).sum(),
        lambda: torch.empty(100).uniform_().log1p(),
        lambda: torch.randn(100).cauchy_() if hasattr(torch.Tensor, "cauchy_") else None,
        lambda: torch.arange(10) // 3 % 2 == 1,
        lambda: torch.tensor([1e38]) > INF,
        lambda: torch.isinf(torch.tensor([INF])),
        lambda: torch.zeros(0).sum() + torch.zeros(0, 3).sum(),
        lambda: torch.zeros(0, 3).log(),
        lambda: F.dropout(torch.ones(10), 0.5),
        lambda: F.dropout(torch.ones(10), 1.0),
        lambda: F.binary_cross_entropy(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])),
        lambda: F.softplus(torch.tensor([1e30, -1e30])) + F.logsigmoid(torch.tensor([-1e30, 1e30])),
        lambda: torch.sigmoid(torch.tensor([1e30, -1e30])).add(
            torch.tanh(torch.tensor([1e30, 0.0]))
        ),
        lambda: torch.softmax(torch.tensor([1e38, -1e38]), 0),
        lambda: torch.tensor([[INF, 1.0], [2.0, 3.0]]).t().contiguous()[1:].sum(),
        lambda: torch.tensor([1.0, INF]).expand(3, 2).clone(),
    ],
)
def test_no_false_alarm(program):
    with anomaly():
        program()


def test_infinities_of_the_programs_own_pass_through_a_backward():
    x = torch.tensor([INF, 2.0])
    w = torch.ones(2, requires_grad=True)
    with anomaly():
        for _ in range(2):  # also where .grad is added to
            (x * w).sum().backward()
    assert w.grad.tolist() == [INF, 4.0]


def test_training_steps_with_every_optimizer_give_no_alarm():
    for make in (
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
        lambda p: torch.optim.AdamW(p, lr=0.1),
        lambda p: torch.optim.RMSprop(p, lr=0.1),
        lambda p: torch.optim.Adagrad(p, lr=0.1),
        lambda p: torch.optim.Adadelta(p, lr=0.1),
    ):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        optimizer = make(net.parameters())
        x = torch.randn(8, 2)
        with anomaly():
            for _ in range(3):
                optimizer.zero_grad()
                F.mse_loss(net(x), x[:, :1]).backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()


def test_numbers_and_gradients_are_the_same_with_the_trap():
    def run():
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        x = torch.randn(16, 3)
        for _ in range(5):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
        return [p.detach().clone() for p in net.parameters()]

    plain = run()
    with anomaly():
        watched = run()
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))


def test_gradcheck_works_under_the_trap():
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    with anomaly():
        assert torch.autograd.gradcheck(lambda x: (x.exp() * x).sum(), (x,))
        assert torch.autograd.gradgradcheck(lambda x: (x.exp() * x).sum(), (x,))


# Switching ---------------------------------------------------------------------------------------


def test_it_is_a_decorator():
    @anomaly(inf=False)
    def log(x):
        """The logarithm."""
        return x.log()

    assert log.__name__ == "log" and log.__doc__ == "The logarithm."
    assert log(torch.zeros(1)).item() == -INF
    with pytest.raises(AnomalyError):
        log(-torch.ones(1))
    assert not anomaly.is_enabled()


def test_enable_and_disable():
    assert not anomaly.is_enabled()
    anomaly.enable(inf=False)
    try:
        assert anomaly.is_enabled()
        torch.zeros(1).log()
        with pytest.raises(AnomalyError):
            (-torch.ones(1)).log()
    finally:
        anomaly.disable()
    assert (-torch.ones(1)).log().isnan()


def test_the_innermost_one_counts():
    zero = torch.zeros(1)
    with anomaly():
        with anomaly(nan=False, inf=False):
            zero.log()
            with anomaly(), pytest.raises(AnomalyError):
                zero.log()
            zero.log()
        with pytest.raises(AnomalyError):
            zero.log()
    zero.log()


def test_one_object_can_be_entered_again():
    trap = anomaly()
    zero = torch.zeros(1)
    with trap, trap:
        pass
    with trap, pytest.raises(AnomalyError):
        zero.log()
    assert not anomaly.is_enabled()


def test_it_belongs_to_the_thread():
    results = []

    def work():
        results.append(torch.zeros(1).log().item())
        with pytest.raises(AnomalyError), anomaly():
            torch.zeros(1).log()
        results.append(anomaly.is_enabled())

    with anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert anomaly.is_enabled()
    assert results == [-INF, False]


def test_after_an_error_everything_works_as_before():
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    for _ in range(3):
        assert caught(lambda: x.log().sum()).operation == "log"
        assert caught(lambda: x.sqrt().sum().backward()).operation == "SqrtBackward0"
        assert x.grad is None
    with anomaly():
        loss = (x * x).sum()
        loss.backward(retain_graph=True)
        loss.backward()
    assert x.grad.tolist() == [0.0, 16.0]
    (x.sqrt()).sum().backward()
    assert x.grad.tolist() == [INF, 16.25]


def test_the_settings_are_checked():
    with pytest.raises(TypeError, match="nan must be True or False"):
        anomaly(nan=1)
    with pytest.raises(TypeError, match="backward must be True or False"):
        anomaly(backward="yes")


# Every element is looked at ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 65, 4095, 4096, 4097])
def test_no_element_is_missed(dtype, n):
    large = 1e38 if dtype == torch.float32 else 1e307
    places = range(n) if n < 70 else (0, 1, n // 2, n - 2, n - 1)
    for i in places:
        x = torch.ones(n, dtype=dtype)
        x[i] = -large
        error = caught(lambda x=x: x * 100)
        assert f"-inf for 1 of {n}" in str(error) or n == 1
    with anomaly():
        torch.full((n,), large, dtype=dtype) * 1.5


def test_no_element_of_a_strided_tensor_is_missed():
    for i in range(5):
        for j in range(6):
            base = torch.ones(10, 12)
            part = base[::2, ::2].t()
            part[j, i] = 1e38
            error = caught(lambda part=part: part.mul_(100))
            assert f"1 inf, first at [{j}, {i}]" in str(error)
            assert base.isinf().sum().item() == 1


def test_large_tensors():
    n = 10_000_000
    x = torch.ones(n)
    with anomaly():
        y = x * 2
    for i in (0, 1, n // 2 + 1, n - 1):
        y[i] = 3e38
        error = caught(lambda: y + y)
        assert f"1 inf, first at [{i}], else 4" in str(error)
        y[i] = 2.0
