"""The CPU generator gives torch's numbers for the same seed, bit for bit.

Recorded numbers are checked everywhere; where torch is installed, whole streams are compared with
it live, and after every call the state of the generator too.
"""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from checks import assert_close

import chainrule as torch

Draw = Callable[[Any, int], Any]

SIZES = [0, 1, 2, 15, 16, 17, 31, 32, 100, 623, 624, 625, 1000, 1025, 10007]
SEEDS = [0, 1, 42, 2**31, 2**32 + 7, 2**63 - 1]

# Every sampler as a function of the module (torch or chainrule) and a size.
DRAWS: dict[str, Draw] = {
    "rand": lambda t, n: t.rand(n),
    "rand_float64": lambda t, n: t.rand(n, dtype=t.float64),
    "rand_like": lambda t, n: t.rand_like(t.zeros(n)),
    "rand_matrix": lambda t, n: t.rand(n, 3),
    "randn": lambda t, n: t.randn(n),
    "randn_float64": lambda t, n: t.randn(n, dtype=t.float64),
    "randn_like": lambda t, n: t.randn_like(t.zeros(n)),
    "randint": lambda t, n: t.randint(10, (n,)),
    "randint_low": lambda t, n: t.randint(-1000, 17, (n,)),
    "randint_below_2_to_28": lambda t, n: t.randint(0, 2**28 - 1, (n,)),
    "randint_from_2_to_28": lambda t, n: t.randint(0, 2**28, (n,)),
    "randint_wide": lambda t, n: t.randint(-(2**40), 2**41, (n,)),
    "randint_float32": lambda t, n: t.randint(0, 100, (n,), dtype=t.float32),
    "randint_float64": lambda t, n: t.randint(-5, 2**35, (n,), dtype=t.float64),
    "randint_bool": lambda t, n: t.randint(0, 2, (n,), dtype=t.bool),
    "randperm": lambda t, n: t.randperm(n),
    "uniform_": lambda t, n: t.empty(n).uniform_(-0.3, 1.7),
    "uniform_float64": lambda t, n: t.empty(n, dtype=t.float64).uniform_(5, 15),
    "normal_": lambda t, n: t.empty(n).normal_(2.0, 0.3),
    "normal_float64": lambda t, n: t.empty(n, dtype=t.float64).normal_(-1.0, 10.0),
    "bernoulli_": lambda t, n: t.empty(n).bernoulli_(0.3),
    "bernoulli_float64": lambda t, n: t.empty(n, dtype=t.float64).bernoulli_(0.9),
    "bernoulli_bool": lambda t, n: t.empty(n, dtype=t.bool).bernoulli_(),
    "bernoulli_each": lambda t, n: t.bernoulli(t.arange(n) / max(n, 1)),
    "exponential_": lambda t, n: t.empty(n).exponential_(),
    "exponential_float64": lambda t, n: t.empty(n, dtype=t.float64).exponential_(3.5),
    "random_int64": lambda t, n: t.empty(n, dtype=t.int64).random_(),
    "random_float32": lambda t, n: t.empty(n).random_(),
    "random_float64": lambda t, n: t.empty(n, dtype=t.float64).random_(),
    "random_below": lambda t, n: t.empty(n, dtype=t.int64).random_(6),
    "random_from_to": lambda t, n: t.empty(n, dtype=t.int64).random_(-3, 3),
    "dropout": lambda t, n: t.nn.functional.dropout(t.ones(n), 0.4),
    "dropout_float64": lambda t, n: t.nn.functional.dropout(t.ones(n, dtype=t.float64), 0.1),
    "multinomial": lambda t, n: t.multinomial(t.arange(1.0, n + 2), n // 2 + 1),
    "multinomial_one": lambda t, n: t.multinomial(t.ones(3, n + 1), 1),
    "multinomial_replacement": lambda t, n: t.multinomial(
        t.arange(1.0, n + 2), 7, replacement=True
    ),
}

# Recorded with torch 2.13 after manual_seed(2024).
RECORDED: list[tuple[str, Draw, Any]] = [
    ("rand", lambda t, n: t.rand(3), [0.5317158699035645, 0.8312679529190063, 0.9718379974365234]),
    (
        "rand_float64",
        lambda t, n: t.rand(2, dtype=t.float64),
        [0.25372732026738665, 0.7747043317543358],
    ),
    (
        "randn_few",
        lambda t, n: t.randn(4),
        [-0.040429167449474335, 1.7259920835494995, -0.8140387535095215, 1.372166633605957],
    ),
    (
        "randn_blocks",
        lambda t, n: t.randn(19)[::6],
        [-1.2262355089187622, -0.4321559965610504, 0.9961832761764526, -0.6481050848960876],
    ),
    (
        "randn_float64",
        lambda t, n: t.randn(17, dtype=t.float64)[::8],
        [-0.7040247420378066, -1.9158620045555208, 0.6893051953204657],
    ),
    (
        "uniform_",
        lambda t, n: t.empty(3).uniform_(-2.0, 5.0),
        [1.7220110893249512, 3.818875789642334, 4.802865982055664],
    ),
    (
        "normal_",
        lambda t, n: t.empty(33).normal_(3.0, 0.5)[::11],
        [2.3868823051452637, 2.903524398803711, 2.5515313148498535],
    ),
    ("bernoulli_", lambda t, n: t.empty(8).bernoulli_(0.3), [1, 0, 0, 0, 0, 1, 0, 0]),
    (
        "exponential_",
        lambda t, n: t.empty(3).exponential_(2.0),
        [0.14633211493492126, 0.7451708316802979, 0.20414823293685913],
    ),
    ("randint", lambda t, n: t.randint(-5, 100, (4,)), [57, 30, 89, 0]),
    (
        "randint_wide",
        lambda t, n: t.randint(0, 2**40, (3,)),
        [587367501306, 415489755776, 118520116772],
    ),
    (
        "random_",
        lambda t, n: t.empty((1,), dtype=t.int64).random_(),
        [1623581238383398394],
    ),
    ("randperm", lambda t, n: t.randperm(9), [8, 3, 5, 2, 7, 1, 4, 0, 6]),
]


@pytest.mark.parametrize(
    ("draw", "expected"), [row[1:] for row in RECORDED], ids=[row[0] for row in RECORDED]
)
def test_recorded_numbers(draw: Draw, expected: list[float]) -> None:
    torch.manual_seed(2024)
    drawn = draw(torch, 0)
    if all(isinstance(value, int) for value in expected):
        assert drawn.tolist() == expected
    else:  # another libm may round a logarithm or a sine differently
        assert_close(drawn, expected, rtol=3e-7, atol=0.0)


def stream(t: Any, seed: int, names: list[str], sizes: list[int]) -> list[Any]:
    """What a module draws after a seed, and the state of its generator after each call."""
    t.manual_seed(seed)
    steps: list[Any] = [t.initial_seed()]
    for size in sizes:
        for name in names:
            drawn = DRAWS[name](t, size)
            dtype = str(drawn.dtype).split(".")[-1]
            steps.append((name, size, dtype, tuple(drawn.shape), drawn.tolist()))
            steps.append(("state after", name, size, t.get_rng_state().tolist()))
    return steps


def assert_same_stream(real_torch: Any, seed: int, names: list[str], sizes: list[int]) -> None:
    """One module after the other: the two may be the same, with one generator."""
    ours = stream(torch, seed, names, sizes)
    theirs = stream(real_torch, seed, names, sizes)
    for ours_step, theirs_step in zip(ours, theirs, strict=True):
        if ours_step != theirs_step:  # not by assert: a diff of long lists takes minutes
            start = ours_step[:3] if isinstance(ours_step, tuple) else ours_step
            pytest.fail(f"seed {seed}: not torch's numbers at {start}")


@pytest.mark.parametrize("name", DRAWS)
def test_every_size_gives_torch_s_numbers(name: str, real_torch: Any) -> None:
    for seed in (3, 2**40 + 1):
        assert_same_stream(real_torch, seed, [name], SIZES)


@pytest.mark.parametrize("seed", [*SEEDS, -1, -(2**63)])
def test_interleaved_samplers_keep_torch_s_state(seed: int, real_torch: Any) -> None:
    """An odd number of single normals leaves one in the generator; blocks must not touch it."""
    names = ["randn", "rand", "randn_float64", "randint_wide", "randperm", "uniform_float64"]
    assert_same_stream(real_torch, seed, names, [3, 16, 5, 700])


@pytest.mark.parametrize("seed", SEEDS)
def test_large_tensors_give_torch_s_numbers(seed: int, real_torch: Any) -> None:
    names = ["rand", "randn", "randn_float64", "randperm"]
    assert_same_stream(real_torch, seed, names, [200003])


def test_tensors_with_gaps_are_drawn_number_by_number(real_torch: Any) -> None:
    """torch uses blocks only on contiguous memory."""
    results = []
    for t in (torch, real_torch):
        t.manual_seed(5)
        base = t.zeros(40, 2)
        base[:, 0].normal_()
        base[:, 1].uniform_()
        results.append(base.tolist())
    assert results[0] == results[1]


def test_transposed_tensors_are_filled_in_memory_order(real_torch: Any) -> None:
    results = []
    for t in (torch, real_torch):
        t.manual_seed(5)
        base = t.zeros(7, 5)
        base.t().uniform_()
        results.append(base.tolist())
        base.t().normal_()
        results.append(base.tolist())
    assert results[:2] == results[2:]


def test_a_new_generator_has_torch_s_seed() -> None:
    generator = torch.Generator()
    assert generator.initial_seed() == 67280421310721
    assert str(generator.device) == "cpu"
    assert_close(
        torch.rand(2, generator=generator), [0.267295241355896, 0.8725283145904541], rtol=1e-7
    )


def test_a_generator_has_its_own_stream() -> None:
    generator = torch.Generator()
    assert generator.manual_seed(2024) is generator
    torch.manual_seed(1)
    before = torch.get_rng_state().tolist()
    assert torch.randperm(9, generator=generator).tolist() == [8, 3, 5, 2, 7, 1, 4, 0, 6]
    assert torch.get_rng_state().tolist() == before


@pytest.mark.parametrize(
    "draw",
    [
        lambda t, g: t.rand(5, generator=g),
        lambda t, g: t.randn(20, generator=g),
        lambda t, g: t.randint(0, 9, (5,), generator=g),
        lambda t, g: t.randperm(5, generator=g),
        lambda t, g: t.empty(5).uniform_(generator=g),
        lambda t, g: t.empty(5).normal_(generator=g),
        lambda t, g: t.empty(5).bernoulli_(0.5, generator=g),
        lambda t, g: t.empty(5).exponential_(generator=g),
        lambda t, g: t.empty(5, dtype=t.int64).random_(generator=g),
        lambda t, g: t.multinomial(t.ones(5), 3, generator=g),
    ],
)
def test_every_sampler_takes_a_generator(draw: Callable[[Any, Any], Any], real_torch: Any) -> None:
    ours = torch.Generator().manual_seed(9)
    theirs = real_torch.Generator().manual_seed(9)
    assert draw(torch, ours).tolist() == draw(real_torch, theirs).tolist()
    assert ours.get_state().tolist() == theirs.get_state().tolist()


def test_the_default_generator_is_the_one_of_the_module() -> None:
    torch.manual_seed(11)
    first = torch.rand(3, generator=torch.default_generator).tolist()
    assert torch.manual_seed(11) is torch.default_generator
    assert torch.rand(3).tolist() == first


def test_a_saved_state_repeats_the_stream() -> None:
    torch.manual_seed(5)
    torch.randn(3)  # leaves one normal number behind, which is part of the state
    state = torch.get_rng_state()
    first = torch.randn(3).tolist() + torch.rand(700).tolist()
    torch.manual_seed(6)
    torch.set_rng_state(state)
    assert torch.initial_seed() == 5
    assert torch.randn(3).tolist() + torch.rand(700).tolist() == first


def test_a_state_moves_between_generators() -> None:
    one = torch.Generator().manual_seed(8)
    torch.rand(1000, generator=one)
    other = torch.Generator()
    other.set_state(one.get_state())
    assert torch.randn(50, generator=one).tolist() == torch.randn(50, generator=other).tolist()


def test_the_state_has_torch_s_layout() -> None:
    """Seed, words left, seeded flag, index and 624 words; then the number left over."""
    torch.manual_seed(77)
    torch.rand(10)
    torch.randn(1)
    state = bytes(torch.get_rng_state().tolist())
    assert len(state) == 5056
    seed, left, seeded, index = struct.unpack_from("<QiiQ", state)
    assert (seed, left, seeded, index) == (77, 624 - 13, 1, 14)
    _, normal, _, normal_is_valid = struct.unpack_from("<dddi", state, 24 + 624 * 8)
    assert normal_is_valid == 1
    assert torch.randn(1).item() == pytest.approx(normal, rel=1e-6)


def test_invalid_states_are_refused_and_change_nothing() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        torch.set_rng_state(state * 0)
    with pytest.raises(RuntimeError, match=r"size 5056 but found .* size to be 100"):
        torch.set_rng_state(state[:100])
    assert torch.get_rng_state().tolist() == state.tolist()


def test_seed_draws_a_new_seed() -> None:
    generator = torch.Generator()
    first, second = generator.seed(), generator.seed()
    assert first != second
    assert generator.initial_seed() == second
    assert torch.seed() == torch.initial_seed()


def test_fork_rng_restores_the_stream() -> None:
    torch.manual_seed(4)
    expected = torch.rand(3).tolist()
    torch.manual_seed(4)
    with torch.random.fork_rng():
        torch.rand(100)
    assert torch.rand(3).tolist() == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.empty(3).uniform_(1, 0), "uniform_ expects to return a"),
        (lambda t: t.empty(3).uniform_(0, float("inf")), "to is out of bounds for float"),
        (lambda t: t.empty(3).normal_(0, -1), "normal expects std >= 0.0, but found std -1"),
        (lambda t: t.empty(3).exponential_(0), "exponential_ expects lambda > 0.0"),
        (lambda t: t.empty(3).bernoulli_(1.5), r"bernoulli_ expects p to be in \[0, 1\]"),
        (lambda t: t.randint(3, 3, (2,)), "'from' to be less than 'to', but got from=3 >= to=3"),
        (lambda t: t.randint(0, 3, (2,), dtype=t.bool), "to - 1 is out of bounds for bool"),
        (lambda t: t.randperm(-1), "negative"),
        (lambda t: t.multinomial(t.ones(2), 3), "without replacement"),
        (lambda t: t.multinomial(t.zeros(2), 1), "invalid multinomial distribution"),
        (lambda t: t.multinomial(t.tensor([-1.0, 1.0]), 1), "probability tensor contains"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_parameters_are_named(call: Callable[[Any], Any], message: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state().tolist()
    with pytest.raises(RuntimeError, match=message):
        call(torch)
    assert torch.get_rng_state().tolist() == before


def test_numbers_stay_in_their_range() -> None:
    torch.manual_seed(0)
    uniform = torch.rand(100000).tolist()
    assert min(uniform) >= 0.0
    assert max(uniform) < 1.0
    assert set(torch.randint(-2, 3, (1000,)).tolist()) == {-2, -1, 0, 1, 2}
    assert sorted(torch.randperm(1000).tolist()) == list(range(1000))
    normal = torch.randn(100000).tolist()
    mean = sum(normal) / len(normal)
    assert abs(mean) < 0.02
    assert abs(sum((x - mean) ** 2 for x in normal) / len(normal) - 1) < 0.02
