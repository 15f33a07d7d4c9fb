"""Datasets, samplers and the loader: torch's batches in torch's order, with and without workers."""

import os
import time
import warnings
from collections import OrderedDict, namedtuple
from types import ModuleType
from typing import Any

import pytest
from nn_parity import assert_same

import chainrule

Point = namedtuple("Point", ["x", "y"])


def pairs(t: Any) -> Any:
    return t.utils.data.TensorDataset(t.arange(40.0).view(20, 2), t.arange(20))


def batches(loader: Any, epochs: int = 2) -> Any:
    length = len(loader) if hasattr(loader.dataset, "__len__") else None
    return [length, [list(loader) for _ in range(epochs)]]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"batch_size": 6},
    {"batch_size": 6, "shuffle": True},
    {"batch_size": 5, "shuffle": True},
    {"batch_size": 6, "shuffle": True, "drop_last": True},
    {"batch_size": 7, "drop_last": True},
    {"batch_size": 30},
    {"batch_size": 30, "shuffle": True, "drop_last": True},
    {"batch_size": None},
    {"batch_size": None, "shuffle": True},
]

DATASETS = [
    "pairs",
    "d.random_split(pairs, [0.7, 0.3])[0]",
    "d.random_split(pairs, [5, 15], generator=t.Generator().manual_seed(4))[1]",
    "d.Subset(d.Subset(pairs, range(2, 15)), [1, 3, 5, 7, 2, -1])",
    "d.ConcatDataset([pairs, pairs])",
    "pairs + pairs",
    "d.StackDataset(pairs, [[i, 'text'] for i in range(20)])",
    "d.StackDataset(a=pairs, b=list(range(20)))",
    "[{'a': i, 'b': (float(i), [i, i + 1])} for i in range(20)]",
    "d.TensorDataset(t.arange(20.0, requires_grad=True))",
]


def loader_of(t: Any, dataset: str, **options: Any) -> Any:
    d = t.utils.data
    return d.DataLoader(eval(dataset, {"t": t, "d": d, "pairs": pairs(t)}), **options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dataset", DATASETS)
def test_batches_are_torchs(dataset: str, options: dict[str, Any], real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        return [batches(loader_of(t, dataset, **options)), t.rand(1)]

    assert_same(scenario, real_torch)


@pytest.mark.parametrize("options", [o for o in OPTIONS if o.get("shuffle")], ids=str)
def test_a_generator_of_ones_own_is_consumed_as_in_torch(
    options: dict[str, Any], real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        generator = t.Generator().manual_seed(3)
        seen = []
        for batch in loader_of(t, "pairs", generator=generator, **options):
            seen.append([batch, t.rand(1, generator=generator)])
        return [seen, t.rand(1), t.rand(1, generator=generator)]

    assert_same(scenario, real_torch)


SAMPLERS = [
    "d.RandomSampler(pairs)",
    "d.RandomSampler(pairs, replacement=True, num_samples=50)",
    "d.RandomSampler(pairs, num_samples=45)",
    "d.RandomSampler(pairs, num_samples=7)",
    "d.SequentialSampler(pairs)",
    "d.SubsetRandomSampler([3, 4, 5, 9])",
    "d.WeightedRandomSampler([1.0, 2.0, 3.0, 4.0], 9)",
    "d.WeightedRandomSampler([1.0, 2.0, 3.0, 4.0], 3, replacement=False)",
    "[3, 1, 2]",
]


@pytest.mark.parametrize("text", SAMPLERS)
def test_sampler_orders_are_torchs(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        d = t.utils.data
        sampler = eval(text, {"d": d, "pairs": pairs(t)})
        grouped = d.BatchSampler(sampler, 4, True)
        return [
            list(sampler),
            len(sampler),
            list(d.BatchSampler(sampler, 4, False)),
            [list(grouped), len(grouped)],
            list(d.DataLoader(pairs(t), batch_size=4, sampler=sampler)),
            list(d.DataLoader(pairs(t), batch_sampler=grouped)),
            t.rand(1),
        ]

    assert_same(scenario, real_torch)


REFUSED = [
    "d.DataLoader(pairs, num_workers=-1)",
    "d.DataLoader(pairs, timeout=-1)",
    "d.DataLoader(pairs, prefetch_factor=2)",
    "d.DataLoader(pairs, num_workers=1, prefetch_factor=-2)",
    "d.DataLoader(pairs, persistent_workers=True)",
    "d.DataLoader(pairs, sampler=[1], shuffle=True)",
    "d.DataLoader(pairs, batch_sampler=[[1]], shuffle=True)",
    "d.DataLoader(pairs, batch_size=None, drop_last=True)",
    "d.DataLoader(pairs, batch_size=0)",
    "d.DataLoader(pairs, drop_last=1)",
    "d.DataLoader(pairs, multiprocessing_context='fork')",
    "d.DataLoader(pairs, num_workers=1, multiprocessing_context=3)",
    "d.DataLoader(d.IterableDataset(), shuffle=True)",
    "setattr(d.DataLoader(pairs), 'batch_size', 3)",
    "list(d.DataLoader(d.Dataset(), sampler=[1]))",
    "list(d.DataLoader([[1], [1, 2]], batch_size=2))",
    "list(d.DataLoader([object()]).__class__([None], batch_size=2))",
    "d.TensorDataset(t.ones(2), t.ones(3))",
    "d.StackDataset()",
    "d.StackDataset([1], [1, 2])",
    "d.StackDataset([1], a=[2])",
    "d.ConcatDataset([])",
    "d.ConcatDataset([pairs])[-30]",
    "d.ConcatDataset([d.IterableDataset()])",
    "d.random_split(pairs, [1, 2])",
    "d.random_split(pairs, [-0.5, 1.5])",
    "d.random_split([1, 2], [0.1, 0.9])",
    "d.RandomSampler([])",
    "d.RandomSampler([1], replacement=1)",
    "d.RandomSampler([1], num_samples=0)",
    "d.WeightedRandomSampler([1.0], 0)",
    "d.WeightedRandomSampler([1.0], 1, 1)",
    "d.WeightedRandomSampler([[1.0]], 1)",
    "d.BatchSampler([1], 0, False)",
    "d.BatchSampler([1], 1, 1)",
    "d.get_worker_info()",
]


@pytest.mark.parametrize("text", REFUSED)
def test_errors_are_torchs(text: str, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        result = eval(text, {"t": t, "d": t.utils.data, "pairs": pairs(t)})
        return None if result is None else "fine"

    assert_same(scenario, real_torch)


def test_pinning_without_an_accelerator_warns(real_torch: ModuleType) -> None:
    assert_same(lambda t: list(loader_of(t, "pairs", pin_memory=True, batch_size=9)), real_torch)


def test_a_batch_does_not_share_memory_with_the_dataset() -> None:
    t = chainrule
    data = pairs(t)
    for shuffle in (False, True):
        for x, y in t.utils.data.DataLoader(data, batch_size=20, shuffle=shuffle):
            x.zero_()
            y.zero_()
    assert data.tensors[0].sum().item() == 780
    assert data.tensors[1].sum().item() == 190


def test_subset_must_override_both_getters(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        class Half(t.utils.data.Subset):
            def __getitem__(self, index: int) -> Any:
                return 3

        Half([1, 2], [0])

    with pytest.raises(
        NotImplementedError, match="Half overrides __getitem__ but not __getitems__"
    ):
        scenario(chainrule)
    with pytest.raises(
        NotImplementedError, match="Half overrides __getitem__ but not __getitems__"
    ):
        scenario(real_torch)


# ---------------------------------------------------------------------- collation

SAMPLES: list[Any] = [
    [1, 2],
    [1.0, 2],
    [True, False],
    ["a", "b"],
    [b"a"],
    [{"a": 1, "b": [1, 2]}] * 2,
    [OrderedDict(a=1, b=2.0)] * 2,
    [Point(1, 2.0)] * 3,
    [(1, (2, "x"))] * 2,
    [[1, [2.0]]] * 2,
    [{1, 2}],
    [None],
    [[1], [1, 2]],
    [()],
]


@pytest.mark.parametrize("samples", SAMPLES, ids=str)
def test_collation_is_torchs(samples: Any, real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        result = t.utils.data.default_collate(samples)
        return [type(result).__name__, result, t.utils.data.default_convert(samples)]

    assert_same(scenario, real_torch)


def test_numpy_values_are_collated(real_torch: ModuleType) -> None:
    np = pytest.importorskip("numpy")
    values = [np.ones(2), np.float32(1), np.float64(2), np.int64(3), np.bool_(True)]

    def scenario(t: Any) -> Any:
        d = t.utils.data
        collated = [d.default_collate([value] * 2) for value in values]
        return [collated, [d.default_convert({"a": value, "b": [value]}) for value in values]]

    assert_same(scenario, real_torch)
    assert_same(lambda t: t.utils.data.default_collate([np.array(["a"])]), real_torch)


# ---------------------------------------------------------------------- worker processes


def stream(t: Any) -> Any:
    """Random numbers of all kinds, then this worker's share of 23 numbers."""

    class Stream(t.utils.data.IterableDataset):
        def __iter__(self) -> Any:
            import random

            info = t.utils.data.get_worker_info()
            first, count = (0, 1) if info is None else (info.id, info.num_workers)
            yield t.tensor(random.random())
            yield t.rand(())
            yield from (t.tensor(float(n)) for n in range(first, 23, count))

    return Stream()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("options", [OPTIONS[1], OPTIONS[4], OPTIONS[9]], ids=str)
def test_workers_give_the_same_batches(
    options: dict[str, Any], workers: int, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        return [batches(loader_of(t, "pairs", num_workers=workers, **options)), t.rand(1)]

    assert_same(scenario, real_torch)


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [4, None])
def test_streams_are_shared_as_in_torch(
    batch_size: int | None, drop_last: bool, workers: int, real_torch: ModuleType
) -> None:
    def scenario(t: Any) -> Any:
        random_first = stream(t) if workers else range_stream(t)
        loader = t.utils.data.DataLoader(
            random_first, batch_size=batch_size, drop_last=drop_last, num_workers=workers
        )
        return [list(loader), t.rand(1)]

    assert_same(scenario, real_torch)


def range_stream(t: Any) -> Any:
    class Range(t.utils.data.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(10))

        def __len__(self) -> int:
            return 7

    return t.utils.data.ChainDataset([Range()])


def test_a_wrong_length_of_a_stream_warns(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        loader = t.utils.data.DataLoader(range_stream(t))
        return [len(loader), list(loader)]

    assert_same(scenario, real_torch)


def test_workers_that_persist_serve_several_epochs(real_torch: ModuleType) -> None:
    def scenario(t: Any) -> Any:
        loader = loader_of(
            t, "pairs", batch_size=3, num_workers=2, shuffle=True, persistent_workers=True
        )
        next(iter(loader))  # an abandoned pass
        return [batches(loader), t.rand(1)]

    assert_same(scenario, real_torch)


def test_workers_know_themselves() -> None:
    class Infos(chainrule.utils.data.Dataset):
        def __getitem__(self, index: int) -> Any:
            info = chainrule.utils.data.get_worker_info()
            return [index, info.id, info.num_workers, info.seed, int(info.dataset is self), tag[0]]

        def __len__(self) -> int:
            return 4

    tag = [0]

    def start(worker: int) -> None:
        tag[0] = 10 + worker

    chainrule.manual_seed(1)
    rows = list(
        chainrule.utils.data.DataLoader(
            Infos(), batch_size=None, num_workers=2, worker_init_fn=start
        )
    )
    assert [row[:3] for row in rows] == [[0, 0, 2], [1, 1, 2], [2, 0, 2], [3, 1, 2]]
    assert rows[1][3] == rows[0][3] + 1
    assert all(row[4] == 1 for row in rows)
    assert [row[5] for row in rows] == [10, 11, 10, 11]
    assert chainrule.utils.data.get_worker_info() is None


class Troubled:
    """Ten numbers, one of which makes trouble."""

    def __init__(self, trouble: Any) -> None:
        self.trouble = trouble

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> int:
        if index == 5:
            self.trouble()
        return index


class Odd(Exception):
    """Its constructor wants two arguments."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)


def _raise(problem: BaseException) -> None:
    raise problem


@pytest.mark.parametrize(
    ("problem", "kind"),
    [(ValueError("five"), ValueError), (KeyError("five"), KeyError), (Odd(1, 2), RuntimeError)],
    ids=["value", "key", "odd"],
)
def test_errors_of_workers_show_their_traceback(problem: BaseException, kind: Any) -> None:
    loader = chainrule.utils.data.DataLoader(
        Troubled(lambda: _raise(problem)), batch_size=2, num_workers=2
    )
    iterator = iter(loader)
    assert [next(iterator).tolist(), next(iterator).tolist()] == [[0, 1], [2, 3]]
    with pytest.raises(kind) as caught:
        next(iterator)
    assert next(iterator).tolist() == [6, 7]
    text = str(caught.value)
    assert f"Caught {type(problem).__name__} in DataLoader worker process 0." in text
    assert "self.trouble()" in text


def test_a_failing_init_function_is_reported() -> None:
    loader = chainrule.utils.data.DataLoader(
        [1, 2], num_workers=1, worker_init_fn=lambda i: _raise(ValueError("init"))
    )
    with pytest.raises(ValueError, match="init"):
        list(loader)


def test_a_batch_that_cannot_be_sent_is_reported() -> None:
    loader = chainrule.utils.data.DataLoader([lambda: 1], batch_size=None, num_workers=1)
    with pytest.raises(Exception, match="in DataLoader worker process 0"):
        list(loader)


def test_a_worker_that_dies_is_reported() -> None:
    loader = chainrule.utils.data.DataLoader(
        Troubled(lambda: os._exit(3)), batch_size=2, num_workers=2, persistent_workers=True
    )
    with pytest.raises(RuntimeError, match=r"worker \(pid\(s\) \d+\) exited unexpectedly"):
        list(loader)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)  # with fresh workers, which die as well


def test_a_slow_worker_runs_into_the_timeout() -> None:
    loader = chainrule.utils.data.DataLoader(
        Troubled(lambda: time.sleep(30)), batch_size=2, num_workers=1, timeout=0.5
    )
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.5 seconds"):
        list(loader)
    assert time.monotonic() - start < 10


def test_an_abandoned_pass_ends_its_workers() -> None:
    loader = chainrule.utils.data.DataLoader(pairs(chainrule), num_workers=2)
    iterator = iter(loader)
    next(iterator)
    workers = iterator._pool.processes
    del iterator
    assert not any(worker.is_alive() for worker in workers)


def test_batches_may_come_out_of_order() -> None:
    loader = loader_of(chainrule, "pairs", batch_size=2, num_workers=2, in_order=False)
    assert sorted(y.tolist()[0] for _, y in loader) == list(range(0, 20, 2))


def test_too_many_workers_warn() -> None:
    with pytest.warns(UserWarning, match="will create 1000 worker processes"):
        chainrule.utils.data.DataLoader([1], num_workers=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chainrule.utils.data.DataLoader([1], num_workers=1)
