"""Same environment and same seed give the same stream of numbers: torch's."""

import pytest
from checks import assert_close

import chainrule as torch


def draws():
    """A little of every sampler."""
    return [
        torch.rand(3).tolist(),
        torch.randn(20).tolist(),
        torch.randint(0, 100, (5,)).tolist(),
        torch.randperm(7).tolist(),
        torch.empty(4).uniform_(-1, 1).tolist(),
        torch.empty(4).normal_(2, 3).tolist(),
        torch.nn.functional.dropout(torch.ones(20), 0.5).tolist(),
    ]


def test_same_seed_gives_the_same_stream():
    torch.manual_seed(7)
    first = draws()
    assert draws() != first
    torch.manual_seed(7)
    assert draws() == first


def test_other_seeds_give_other_streams():
    torch.manual_seed(1)
    first = torch.rand(8).tolist()
    torch.manual_seed(2)
    assert torch.rand(8).tolist() != first


def test_seed_zero_gives_torch_s_numbers():
    torch.manual_seed(0)
    assert_close(torch.rand(3), [0.4962565899, 0.7682217956, 0.0884774327], rtol=1e-7)
    torch.manual_seed(0)
    assert_close(torch.randn(3), [1.5409960747, -0.2934289277, -2.1787893772], rtol=1e-6)
    torch.manual_seed(0)
    assert_close(torch.randn(20)[:3], [-1.1258398294, -1.1523602009, -0.2505785823], rtol=1e-6)
    torch.manual_seed(0)
    assert torch.randperm(5).tolist() == [4, 0, 1, 3, 2]
    torch.manual_seed(0)
    assert torch.randint(0, 100, (5,)).tolist() == [44, 39, 33, 60, 63]


@pytest.mark.parametrize("seed", [0, 42, -1, 2**40 + 3])
def test_streams_equal_those_of_torch(real_torch, seed):
    torch.manual_seed(seed)
    ours = draws()
    real_torch.manual_seed(seed)
    theirs = [
        real_torch.rand(3).tolist(),
        real_torch.randn(20).tolist(),
        real_torch.randint(0, 100, (5,)).tolist(),
        real_torch.randperm(7).tolist(),
        real_torch.empty(4).uniform_(-1, 1).tolist(),
        real_torch.empty(4).normal_(2, 3).tolist(),
        real_torch.nn.functional.dropout(real_torch.ones(20), 0.5).tolist(),
    ]
    for got, expected in zip(ours, theirs, strict=True):
        assert_close(torch.tensor(got), expected)


def test_sums_are_the_same_in_every_run():
    values = torch.linspace(-1, 1, 100_001)
    assert len({values.sum().item() for _ in range(5)}) == 1
    matrix = torch.linspace(-1, 1, 40_000).view(200, 200)
    assert len({(matrix @ matrix).sum().item() for _ in range(5)}) == 1
