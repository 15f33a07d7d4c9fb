"""Why a tensor has no graph: what is remembered, handed on, forgotten, and at what cost."""

import gc
import inspect
import os
import threading
import tracemalloc
import weakref

import pytest
from checks import resident_bytes

import chainrule as torch

pytestmark = pytest.mark.chainrule_only

DETACHED = "cut it off"
NOT_RECORDED = "was not recorded"
NO_DERIVATIVE = "has no derivative"
NOTHING = "No recorded operation on a tensor that requires a gradient led to it"


def why(tensor):
    """The error of a backward from `tensor`."""
    with pytest.raises(
        RuntimeError, match=r"^element 0 of tensors does not require grad"
    ) as caught:
        tensor.sum().backward() if tensor.numel() != 1 else tensor.backward()
    return str(caught.value)


def line(mark):
    """`file:line` of the line of the calling test that ends in `# mark`."""
    frame = inspect.currentframe().f_back
    lines, first = inspect.getsourcelines(frame.f_code)
    (offset,) = [k for k, text in enumerate(lines) if text.rstrip().endswith(f"# {mark}")]
    return f"{frame.f_code.co_filename}:{first + offset}:"


@pytest.fixture
def x():
    return torch.ones(4, requires_grad=True)


# what is remembered

CUTS = {
    "detach()": lambda x: x.detach(),
    "detach_()": lambda x: (x * 1).detach_(),
    ".data": lambda x: x.data,
    "copying the numbers": lambda x: torch.tensor([x[0], x[1]]),
}


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.filterwarnings("ignore")
def test_a_cut_is_named_with_its_line(x, name):
    cut = CUTS[name](x)
    message = why(cut)
    assert f"{name} {DETACHED} at {__file__}:" in message
    assert why(cut * 2 + 1) == message, "handed on to what is computed from it"


@pytest.mark.filterwarnings("ignore:To copy construct")
@pytest.mark.parametrize(
    "copy",
    [
        lambda x: torch.tensor(x),
        lambda x: x.detach().new_tensor(x),
        lambda x: torch.tensor([[x[0]], [x[1]]], dtype=torch.float64),
        lambda x: torch.tensor(x.detach()),
    ],
)
def test_a_copy_of_the_numbers_is_a_cut(x, copy):
    assert DETACHED in why(copy(x))


STEPS = {
    "argmax": lambda x: x.argmax().float(),
    "gt": lambda x: (x > 0).float(),
    "eq": lambda x: (x == 1).float(),
    "the conversion to integers": lambda x: x.long().float(),
    "multinomial": lambda x: x.multinomial(1).float(),
    "bernoulli": lambda x: x.bernoulli(),
    "isnan": lambda x: x.isnan().float(),
    "argsort": lambda x: x.argsort().float(),
    "nonzero": lambda x: x.nonzero().float(),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_without_derivative_is_named(x, name):
    message = why(STEPS[name](x))
    assert f"because {name} {NO_DERIVATIVE}: {__file__}:" in message


@pytest.mark.parametrize("name", ["max", "sort", "topk", "median"])
def test_indices_of_a_differentiable_operation_are_named(x, name):
    result = getattr(x, name)(*{"topk": (1,)}.get(name, (0,)))
    message = why(result.indices.float())
    assert f"the integers that {name} gives have no derivative: {__file__}:" in message
    result.values.sum().backward()


UNRECORDED = {
    "mul": lambda x: x * 2,
    "sum": lambda x: x.sum(),
    "matmul": lambda x: x @ x,
    "view": lambda x: x.view(2, 2),
    "index": lambda x: x[1:],
    "pick": lambda x: x[torch.tensor([0, 1])],
    "cat": lambda x: torch.cat([x, x]),
    "split": lambda x: x.split(2)[0],
    "clone": lambda x: x.clone(),
    "in place": lambda x: torch.zeros(4).add_(x),
    "in place, general": lambda x: torch.zeros(2, 4).add_(x),
    "copy": lambda x: torch.zeros(4).copy_(x),
    "index put": lambda x: torch.zeros(4).index_put_((torch.arange(4),), x),
    "index add": lambda x: torch.zeros(4).index_add_(0, torch.arange(4), x),
}


@pytest.mark.parametrize("name", UNRECORDED)
def test_an_operation_under_no_grad_is_named_with_the_switch(x, name):
    with torch.no_grad():  # off
        result = UNRECORDED[name](x)
    message = why(result)
    assert NOT_RECORDED in message
    assert f"switched off at {line('off')}" in message


def test_a_part_written_under_no_grad_explains_the_whole(x):
    out = torch.zeros(2, 4)
    with torch.no_grad():
        out[0] = x  # written
    assert f"copy_ {NOT_RECORDED} at {line('written')}" in why(out)


@pytest.mark.parametrize(
    ("mode", "arguments"),
    [(torch.no_grad, ()), (torch.inference_mode, ()), (torch.set_grad_enabled, (False,))],
)
def test_every_mode_is_named(x, mode, arguments):
    with mode(*arguments):  # off
        loss = (x * 2).sum()  # computed
    message = why(loss)
    assert f"at {line('computed')}" in message
    assert f"switched off at {line('off')}" in message


def test_a_decorated_function_is_named_by_its_call(x):
    @torch.no_grad()
    def loss_of(x):
        return (x * 2).sum()

    loss = loss_of(x)  # called
    message = why(loss)
    assert "return (x * 2).sum()" in message
    assert f"switched off at {line('called')}" in message


def test_inner_switches_do_not_stick(x):
    with torch.no_grad():  # outer
        with torch.enable_grad():
            pass
        loss = (x * 2).sum()
    assert f"switched off at {line('outer')}" in why(loss)
    with torch.no_grad(), torch.enable_grad():
        (x * 2).sum().backward()


def test_another_place_gives_another_reason(x):
    with torch.no_grad():
        first = x * 2  # first
    with torch.no_grad():
        second = x * 2  # second
    assert line("first") in why(first)
    assert line("second") in why(second)


def test_one_line_under_two_switches_names_each(x):
    def double():
        return x * 2

    with torch.no_grad():  # one
        first = double()
    with torch.no_grad():  # two
        second = double()
    assert f"switched off at {line('one')}" in why(first)
    assert f"switched off at {line('two')}" in why(second)


def test_the_cut_before_counts_not_the_mode_after(x):
    cut = x.detach()
    with torch.no_grad():
        assert DETACHED in why(cut * 2)


def test_frozen_parameters_name_the_line_that_froze_them():
    layer = torch.nn.Linear(2, 1)
    layer.requires_grad_(False)  # frozen
    message = why(layer(torch.ones(1, 2)))
    assert "frozen" in message
    assert f"switched off at {line('frozen')}" in message


def test_a_gradient_names_the_pass_that_computed_it(x):
    (x * x).sum().backward()  # pass
    assert f"computed at {line('pass')}" in why(x.grad)
    assert "create_graph=True" in why(x.grad * 2)
    (slope,) = torch.autograd.grad((x * x).sum(), x)  # grad
    assert f"computed at {line('grad')}" in why(slope)


def test_a_constant_gradient_says_so(x):
    (slope,) = torch.autograd.grad((x * 3).sum(), x, create_graph=True)
    assert "constant" in why(slope)


def test_a_gradient_that_was_handed_in_is_not_marked(x):
    given = torch.ones(4)
    (slope,) = torch.autograd.grad(x.view(4), x, given)
    assert slope is not None
    assert NOTHING in why(given)


def test_non_differentiable_output_of_a_function(x):
    class Sign(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x.sign()
            ctx.mark_non_differentiable(out)
            return out

        @staticmethod
        def backward(ctx, g):
            raise AssertionError

    out = Sign.apply(x)  # applied
    assert f"{NO_DERIVATIVE}: {line('applied')}" in why(out)


# where nothing is known


def test_unknown_reasons_say_what_is_usual(x):
    for tensor in (torch.ones(2), torch.ones(2) * 2, torch.tensor(x.sum().item())):
        assert NOTHING in why(tensor)
        assert "requires_grad=True" in why(tensor)


def test_integers_say_that_they_are_none(x):
    assert "torch.int64" in why(torch.arange(3))


# the same sentence elsewhere


def test_other_questions_give_the_reason_too(x):
    cut = x.detach()
    for question in (
        lambda: torch.autograd.grad((x * 2).sum(), cut),
        lambda: (x * 2).sum().backward(inputs=[cut]),
        lambda: cut.retain_grad(),
        lambda: cut.register_hook(print),
        lambda: cut.register_post_accumulate_grad_hook(print),
        lambda: torch.autograd.backward([(x * 2).sum(), cut.sum()]),
    ):
        with pytest.raises(RuntimeError, match=DETACHED):
            question()


# what is forgotten


def test_a_reason_goes_when_the_tensor_joins_a_graph(x):
    cut = x.detach()
    cut.requires_grad_()
    (cut * 2).sum().backward()
    assert cut.grad is not None

    total = x.detach() * 0
    total += x
    total.sum().backward()

    view = x.detach().clone()[:2]
    view.copy_(x[:2])
    view.sum().backward()


def test_a_leaf_can_be_frozen_and_trained_again(x):
    loss = (x * x).sum()
    x.requires_grad_(False)
    x.requires_grad_(True)
    loss.backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0] * 4


def test_a_leaf_frozen_while_a_graph_holds_it_still_gets_its_gradient(x):
    loss = (x * x).sum()
    x.requires_grad_(False)
    y = x * 2
    assert not y.requires_grad
    loss.backward()
    assert x.grad.tolist() == [2.0] * 4


# cost


def test_reasons_keep_no_tensor_alive():
    x = torch.ones(2, requires_grad=True)
    cut = x.detach()
    derived = cut * 2
    first, second = weakref.ref(x), weakref.ref(cut)
    del cut, x
    gc.collect()
    assert (first(), second()) == (None, None)
    assert DETACHED in why(derived)


@pytest.mark.skipif("CHAINRULE_SANITIZED" in os.environ, reason="sanitizers hold freed memory")
def test_many_cuts_do_not_grow_memory():
    x = torch.ones(2, requires_grad=True)

    def work(n):
        for _ in range(n):
            x.detach()
            x.data * 2
            with torch.no_grad():
                x * 2
                torch.zeros(2).add_(x)

    work(1000)
    resident = resident_bytes()
    tracemalloc.start()
    work(100_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 100_000
    assert resident_bytes() - resident < 8 << 20


def test_reasons_of_code_that_is_gone_do_not_pile_up():
    x = torch.ones(2, requires_grad=True)
    alive = []
    for k in range(500):
        space = {"x": x}
        exec(compile(f"def f():\n    return x.detach() * {k}\n", f"cell{k}", "exec"), space)
        space["f"]()
        alive.append(weakref.ref(space["f"].__code__))
    del space
    gc.collect()
    kept = sum(code() is not None for code in alive)
    assert kept < 400, "only the last places are kept"


def test_threads_have_reasons_of_their_own(x):
    messages = []

    def work():
        with torch.no_grad():
            messages.append(why(x * 2))

    with torch.enable_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert NOT_RECORDED in messages[0]
