"""The main process's side of a loader's worker processes."""

from __future__ import annotations

import os
import pickle
import warnings
import weakref
from multiprocessing.connection import wait
from time import monotonic

from chainrule.utils.data._utils.worker import work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["WorkerPool"]

_SECONDS_TO_STOP = 5.0

# Pools of this process: a forked worker inherits the pipes of all of them.
_pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


class WorkerPool:
    """Worker processes, each behind one pipe for its tasks and one for its results.

    A pipe of its own per worker shows the end of a worker at once, and a worker that dies cannot
    leave a lock behind that others wait for.
    """

    def __init__(self, context: Any, num_workers: int, *arguments: Any) -> None:
        self._tasks: list[Any] = []
        self._results: list[Any] = []
        self.processes: list[Any] = []
        self._owner = os.getpid()
        forked = context.get_start_method() == "fork"
        _pools.add(self)
        try:
            for number in range(num_workers):
                task_reader, task_writer = context.Pipe(duplex=False)
                result_reader, result_writer = context.Pipe(duplex=False)
                foreign = [task_writer, result_reader]
                for pool in _pools:
                    foreign += [*pool._tasks, *pool._results]
                if not forked:  # then it inherits nothing that was not handed to it
                    foreign = []
                process = context.Process(
                    target=work,
                    args=(task_reader, result_writer, foreign, number, num_workers, *arguments),
                    daemon=True,
                )
                with warnings.catch_warnings():
                    # Python warns of a fork beside other threads. Those of the core wait for work
                    # and hold no lock, and a worker never wakes its copies of them.
                    warnings.filterwarnings("ignore", "This process .* is multi-threaded")
                    process.start()
                task_reader.close()
                result_writer.close()
                self._tasks.append(task_writer)
                self._results.append(result_reader)
                self.processes.append(process)
        except BaseException:
            self.close(patience=0)
            raise

    def send(self, worker: int, task: Any) -> None:
        """Give a task to a worker; RuntimeError if it is gone."""
        try:
            self._tasks[worker].send(task)
        except OSError as problem:
            raise self._gone([worker]) from problem

    def receive(self, timeout: float | None) -> Any:
        """The next result of any worker; RuntimeError after ``timeout`` seconds or if one died."""
        ready = wait(self._results, timeout)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        reader: Any = ready[0]
        try:
            return pickle.loads(reader.recv_bytes())
        except (EOFError, OSError) as problem:
            raise self._gone([self._results.index(reader)]) from problem

    def _gone(self, workers: list[int]) -> RuntimeError:
        for number in workers:
            self.processes[number].join(1)
        pids = ", ".join(str(self.processes[number].pid) for number in workers)
        codes = ", ".join(str(self.processes[number].exitcode) for number in workers)
        return RuntimeError(
            f"DataLoader worker (pid(s) {pids}) exited unexpectedly (exit code {codes}; a negative "
            "code is the signal that killed it)"
        )

    def close(self, patience: float = _SECONDS_TO_STOP) -> None:
        """Stop all workers; those that do not stop within ``patience`` seconds are terminated."""
        if os.getpid() != self._owner:
            return  # a copy in a worker process
        for connection in (*self._tasks, *self._results):
            connection.close()  # a worker that waits for a task sees the end of its pipe
        deadline = monotonic() + patience
        for process in self.processes:
            process.join(max(0.0, deadline - monotonic()))
            if process.is_alive():
                process.terminate()
                process.join()
        self._tasks, self._results, self.processes = [], [], []
