"""The loader: batches of a dataset, in this process or from worker processes."""

from __future__ import annotations

import os
import warnings
from itertools import repeat

import chainrule
from chainrule import _C
from chainrule.utils.data._utils.collate import default_collate, default_convert
from chainrule.utils.data._utils.fetch import make_fetcher
from chainrule.utils.data.dataset import IterableDataset, Subset, TensorDataset
from chainrule.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    draw_seed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["DataLoader"]

_FIXED = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)


class _EndlessSampler(Sampler):
    """Stands for the indices of a stream, which has none."""

    def __iter__(self) -> Iterator[None]:
        return repeat(None)


class DataLoader:
    """Iterates over a dataset in batches.

    Args:
        dataset: a map-style or iterable dataset.
        batch_size: samples per batch; None gives the samples themselves.
        shuffle: random order, anew in each epoch.
        sampler: order of indices; excludes ``shuffle``.
        batch_sampler: order of lists of indices; excludes ``batch_size``, ``shuffle``, ``sampler``
            and ``drop_last``.
        num_workers: number of processes that load batches; 0 loads in this one.
        collate_fn: from a list of samples to a batch.
        pin_memory: has no effect without an accelerator; a warning says so.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a worker's batch; 0 waits for ever.
        worker_init_fn: called with the worker's number in each worker.
        multiprocessing_context: context or start method of the workers; "fork" without it where the
            system has it.
        generator: source of random numbers of the shuffle and of the workers' seeds.
        prefetch_factor: batches that each worker loads in advance; 2 without it.
        persistent_workers: keep the workers between epochs.
        in_order: give the batches in the order of the indices.

    The random numbers drawn, and so the order of a shuffle, are torch's.
    """

    _initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable "
                "multiprocessing."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to "
                "None."
            )
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = _checked_context(multiprocessing_context, num_workers)
        self.in_order = in_order
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            _check_stream_options(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None:
            if self._iterable:
                sampler = _EndlessSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._length_told: int | None = None
        self._iterator: Any = None
        self._initialized = True
        _warn_about_workers(num_workers)

    def __class_getitem__(cls, item: Any) -> Any:
        return cls  # `DataLoader[Sample]` in annotations

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> Any:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        from chainrule.utils.data._utils.parallel import _MultiProcessingDataLoaderIter

        if not self.persistent_workers:
            return _MultiProcessingDataLoaderIter(self)
        if self._iterator is None or not self._iterator._pool.processes:  # closed by an error
            self._iterator = _MultiProcessingDataLoaderIter(self)
        else:
            self._iterator._begin()
        return self._iterator

    def __len__(self) -> int:
        if not self._iterable:
            return len(self._index_sampler)
        length = self._length_told = len(self.dataset)
        if self.batch_size is None:
            return length
        whole, rest = divmod(length, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


def _checked_context(context: Any, num_workers: int) -> Any:
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading "
            f"(num_workers > 0), but got num_workers={num_workers}"
        )
    import multiprocessing

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    return context


def _check_stream_options(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = None
    if shuffle not in (False, None):
        given = f"shuffle option, but got shuffle={shuffle}"
    elif sampler is not None:
        given = f"sampler option, but got sampler={sampler}"
    elif batch_sampler is not None:
        given = f"batch_sampler option, but got batch_sampler={batch_sampler}"
    if given is not None:
        raise ValueError(f"DataLoader with IterableDataset: expected unspecified {given}")


def _warn_about_workers(num_workers: int) -> None:
    if num_workers == 0:
        return
    if hasattr(os, "sched_getaffinity"):
        cores: int | None = len(os.sched_getaffinity(0))
        note = ""
    else:
        cores = os.cpu_count()
        note = " (`cpuset` is not taken into account)"
    if cores is not None and num_workers <= cores:
        return
    suggestion = (
        "DataLoader is not able to compute a suggested max number of worker in current system."
        if cores is None
        else f"Our suggested max number of worker in current system is {cores}{note}, which is "
        "smaller than what this DataLoader is going to create."
    )
    warnings.warn(
        f"This DataLoader will create {num_workers} worker processes in total. {suggestion} Please "
        "be aware that excessive worker creation might get DataLoader running slow or even freeze, "
        "lower the worker number to avoid potential slowness/freeze if necessary.",
        stacklevel=3,
    )


class _BaseDataLoaderIter:
    """One pass over a loader: what both kinds of loading share."""

    def __init__(self, loader: DataLoader) -> None:
        if loader.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=3,
            )
        self._loader = loader
        self._dataset = loader.dataset
        self._iterable = loader._iterable
        self._index_sampler = loader._index_sampler
        self._sampler_iter = iter(self._index_sampler)
        # Drawn also where no worker uses it: the generator must end where torch's does.
        self._base_seed = draw_seed(loader.generator)
        self._num_yielded = 0
        self._length_told = loader._length_told

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __next__(self) -> Any:
        if _C._is_profiling():
            with _C._Range(f"enumerate(DataLoader)#{type(self).__name__}.__next__"):
                return self._next_batch()
        return self._next_batch()

    def _next_batch(self) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")

    def _count(self) -> None:
        """Count a batch of a stream; warn when there are more than its ``len`` told."""
        self._num_yielded += 1
        told = self._length_told
        if told is not None and self._num_yielded > told:
            text = (
                f"Length of IterableDataset {self._dataset} was reported to be {told}"
                f"(when accessing len(dataloader)), but {self._num_yielded} samples have been "
                "fetched. "
            )
            if self._loader.num_workers > 0:
                text += (
                    "For multiprocessing data-loading, this could be caused by not properly "
                    "configuring the IterableDataset replica at each worker. Please see "
                    "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset "
                    "for examples."
                )
            warnings.warn(text, stacklevel=3)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Loads batches when they are asked for."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        rows = _row_fetcher(loader)
        if rows is not None:
            self._sampler_iter, self._fetch = _index_tensors(loader.batch_sampler), rows
        else:
            self._fetch = make_fetcher(
                loader._iterable,
                loader.dataset,
                loader._auto_collation,
                loader.collate_fn,
                loader.drop_last,
            )

    def _next_batch(self) -> Any:
        data = self._fetch(next(self._sampler_iter))
        if self._iterable:
            self._count()
        return data


# ---------------------------------------------------------------------- batches of tensors at once


def _row_fetcher(loader: DataLoader) -> Callable[[Any], Any] | None:
    """A function from an index tensor to a batch by one selection per tensor, where that is right.

    It is for a :class:`TensorDataset`, or subsets of one, in sequential or shuffled order with the
    default collation: stacking the rows would give the same tensors.
    """
    batches = loader.batch_sampler
    if type(batches) is not BatchSampler or loader.collate_fn is not default_collate:
        return None
    sampler = batches.sampler
    plain_shuffle = type(sampler) is RandomSampler and not sampler.replacement
    if not plain_shuffle and type(sampler) is not SequentialSampler:
        return None
    dataset = loader.dataset
    chosen: Any = None  # positions in the innermost dataset
    while type(dataset) is Subset:
        positions = dataset.indices
        if not isinstance(positions, (list, range)) or len(positions) == 0 or min(positions) < 0:
            return None
        inner = chainrule.tensor(list(positions))
        if inner.dtype != chainrule.int64:
            return None
        if chosen is not None:
            inner = inner.index_select(0, chosen)
        chosen, dataset = inner, dataset.dataset
    if type(dataset) is not TensorDataset or any(t.requires_grad for t in dataset.tensors):
        return None
    tensors = dataset.tensors

    if chosen is None:
        return lambda index: [tensor.index_select(0, index) for tensor in tensors]

    def rows(index: Any) -> list[Any]:
        index = chosen.index_select(0, index)
        return [tensor.index_select(0, index) for tensor in tensors]

    return rows


def _index_tensors(batches: BatchSampler) -> Iterator[Any]:
    """The batches of a sequential or random sampler as int64 tensors, drawn as late as torch's."""
    sampler: Any = batches.sampler
    size = batches.batch_size
    if type(sampler) is RandomSampler:
        blocks = sampler.tensors()
    else:
        blocks = iter([chainrule.arange(len(sampler))])
    block: Any = None
    start = stop = 0
    while True:
        if stop - start < size:  # the batch begins in this block and ends in a later one
            parts = [block[start:stop]] if stop > start else []
            missing = size - (stop - start)
            start = stop = 0
            for block in blocks:
                stop = block.shape[0]
                start = min(missing, stop)
                if start:
                    parts.append(block[:start])
                missing -= start
                if missing == 0:
                    break
            if not parts or (missing and batches.drop_last):
                return
            yield parts[0] if len(parts) == 1 else chainrule.cat(parts)
            if missing:
                return
        else:
            yield block[start : start + size]
            start += size
