"""A pass over a loader whose batches come from worker processes."""

from __future__ import annotations

import multiprocessing
import weakref
from itertools import cycle

from chainrule.utils.data._utils.pool import WorkerPool
from chainrule.utils.data._utils.worker import Failure
from chainrule.utils.data.dataloader import DataLoader, _BaseDataLoaderIter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__: list[str] = []


def _default_context() -> Any:
    methods = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("fork" if "fork" in methods else None)


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Hands index batches to the workers in turn and gives their results in order."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        assert loader.prefetch_factor is not None
        if loader.prefetch_factor == 0:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        self._persistent = loader.persistent_workers
        self._timeout = loader.timeout or None
        self._in_order = loader.in_order
        self._limit = loader.prefetch_factor * loader.num_workers
        self._pool = WorkerPool(
            loader.multiprocessing_context or _default_context(),
            loader.num_workers,
            self._base_seed,
            loader.worker_init_fn,
            loader.dataset,
            loader._iterable,
            loader._auto_collation,
            loader.collate_fn,
            loader.drop_last,
        )
        # Also runs at exit, before daemonic processes would be killed.
        self._finalizer = weakref.finalize(self, self._pool.close)
        self._epoch = 0
        self._begin()

    def _begin(self) -> None:
        """Start a pass; what an abandoned one left behind is ignored when it arrives."""
        self._epoch += 1
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._length_told = self._loader._length_told
        self._sent = 0  # number of the next task
        self._next = 0  # number of the next batch to give
        self._owner: dict[int, int] = {}  # from tasks under way to their workers
        self._arrived: dict[int, Any] = {}
        self._load = [0] * len(self._pool.processes)
        self._active = [True] * len(self._pool.processes)
        self._turns = cycle(range(len(self._pool.processes)))
        for _ in range(self._limit):
            self._send_task()

    def _send_task(self) -> None:
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        share = self._limit // max(1, sum(self._active))
        for _ in self._active:
            worker = next(self._turns)
            if self._active[worker] and (self._in_order or self._load[worker] < share):
                break
        else:
            return
        self._pool.send(worker, (self._epoch, self._sent, index))
        self._owner[self._sent] = worker
        self._load[worker] += 1
        self._sent += 1

    def _next_batch(self) -> Any:
        while True:
            number = self._next
            if number in self._arrived:
                self._next += 1
                return self._give(self._arrived.pop(number))
            if number not in self._owner:
                if number >= self._sent:
                    if not self._persistent:
                        self._finalizer()
                    raise StopIteration
                self._next += 1  # given out of order, or its stream had ended
                continue
            self._receive()
            if not self._in_order and self._arrived:
                return self._give(self._arrived.popitem()[1])

    def _receive(self) -> None:
        """Wait for one result and note it."""
        try:
            epoch, number, data, ended = self._pool.receive(self._timeout)
        except BaseException:
            self._finalizer.detach()
            self._pool.close(patience=0)
            raise
        if epoch != self._epoch:
            return
        worker = self._owner.pop(number)
        self._load[worker] -= 1
        if ended:
            self._active[worker] = False
            self._send_task()
        else:
            self._arrived[number] = data

    def _give(self, data: Any) -> Any:
        self._send_task()
        if isinstance(data, Failure):
            data.reraise()
        if self._iterable:
            self._count()
        return data
