"""What runs in a worker process of a loader."""

from __future__ import annotations

import pickle
import queue
import random
import sys
import threading
import traceback
from multiprocessing.reduction import ForkingPickler

import chainrule
from chainrule.utils.data._utils.fetch import make_fetcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Failure", "WorkerInfo", "get_worker_info", "work"]


class WorkerInfo:
    """What :func:`get_worker_info` tells a dataset about the process it is read in.

    Attributes:
        id: number of the worker, from 0.
        num_workers: how many there are.
        seed: seed of the worker's random number generators.
        dataset: the worker's copy of the dataset.
    """

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self) -> str:
        items = ", ".join(f"{key}={value}" for key, value in self.__dict__.items())
        return f"WorkerInfo({items})"


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Facts about the current worker process, or None in the main process."""
    return _info


class Failure:
    """An exception on its way from a worker to the main process."""

    def __init__(self, problem: BaseException, where: str) -> None:
        self.kind = type(problem)
        self.where = where
        self.text = "".join(
            traceback.format_exception(type(problem), problem, problem.__traceback__)
        )

    def reraise(self) -> None:
        """Raise an exception of the same type that shows the worker's traceback."""
        text = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            raise KeyError(_Verbatim(text))
        try:
            problem = self.kind(text)
        except Exception:
            # Its constructor wants other arguments.
            raise RuntimeError(text) from None
        raise problem


class _Verbatim(str):
    """A text whose repr, which KeyError prints, keeps its line breaks."""

    def __repr__(self) -> str:
        return str(self)


def _seed_everything(base_seed: int, worker_id: int) -> int:
    seed = base_seed + worker_id
    random.seed(seed)
    chainrule.manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
        numpy.random.seed(numpy.random.SeedSequence(words).generate_state(4))
    return seed


def _packed(epoch: int, number: int, result: Any, ended: bool, where: str) -> bytes:
    """The message of a result; one that cannot be pickled becomes a failure that says so."""
    try:
        message = (epoch, number, result, ended)
        return bytes(ForkingPickler.dumps(message, pickle.HIGHEST_PROTOCOL))
    except Exception as problem:
        failure = Failure(problem, where)
        try:
            return pickle.dumps((epoch, number, failure, ended))
        except Exception:
            failure.kind = RuntimeError  # the type itself cannot be pickled
            return pickle.dumps((epoch, number, failure, ended))


def _send_all(outbox: queue.SimpleQueue[bytes], results: Any) -> None:
    """Send messages while the worker computes the next ones."""
    try:
        while True:
            results.send_bytes(outbox.get())
    except OSError:
        return  # nobody reads any more


def work(
    tasks: Any,
    results: Any,
    foreign: list[Any],
    worker_id: int,
    num_workers: int,
    base_seed: int,
    init_fn: Any,
    dataset: Any,
    iterable: bool,
    auto_collation: bool,
    collate_fn: Any,
    drop_last: bool,
) -> None:
    """Answer tasks ``(epoch, number, index)`` by ``(epoch, number, batch, ended)``.

    ``ended`` says that the stream had no more samples. The loop runs until the other end of
    ``tasks`` is closed.

    ``foreign`` are ends of pipes that belong to the main process and to other workers: they are
    closed, so that the end of one process is seen by its partner.
    """
    global _info
    for connection in foreign:
        connection.close()
    chainrule.set_num_threads(1)  # the workers are the parallelism
    where = f"in DataLoader worker process {worker_id}"
    outbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    sender = threading.Thread(target=_send_all, args=(outbox, results), daemon=True)
    sender.start()

    failure: Failure | None = None
    try:
        seed = _seed_everything(base_seed, worker_id)
        _info = WorkerInfo(worker_id, num_workers, seed, dataset)
        if init_fn is not None:
            init_fn(worker_id)
    except Exception as problem:
        failure = Failure(problem, where)

    current = -1
    fetch: Any = None
    ended = False
    try:
        while True:
            epoch, number, index = tasks.recv()
            result: Any = failure
            try:
                if failure is None:
                    if epoch != current:
                        current, ended = epoch, False
                        fetch = make_fetcher(
                            iterable, dataset, auto_collation, collate_fn, drop_last
                        )
                    if not ended:
                        result = fetch(index)
            except StopIteration as problem:
                ended = iterable
                result = None if iterable else Failure(problem, where)
            except Exception as problem:
                result = Failure(problem, where)
            failure = None
            outbox.put(_packed(epoch, number, result, ended, where))
    except (EOFError, OSError, KeyboardInterrupt):
        return  # the main process has closed its end, is gone, or is being interrupted
