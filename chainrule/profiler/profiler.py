"""The profiler over steps: it starts, stops and hands over as its schedule says."""

from __future__ import annotations

import os

from chainrule.autograd import profiler as single

from ._schedule import ProfilerAction, ProfilerActivity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self

    from chainrule.autograd._profile_lines import LineList
    from chainrule.autograd.profiler_util import EventList

    Activities = Iterable[ProfilerActivity | dict[ProfilerActivity, list[str]]]
    Schedule = Callable[[int], ProfilerAction]

__all__ = ["profile", "supported_activities", "tensorboard_trace_handler"]

_RECORDS = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
_told: set[str] = set()


def supported_activities() -> set[ProfilerActivity]:
    """What can be recorded: the processor."""
    return {ProfilerActivity.CPU}


def _always(step: int) -> ProfilerAction:
    """Without a schedule: record until the end."""
    return ProfilerAction.RECORD


def _activity_set(activities: Activities) -> set[ProfilerActivity]:
    found: set[ProfilerActivity] = set()
    for item in activities:
        if isinstance(item, dict):
            raise NotImplementedError(
                "activities: choosing among the kinds of one activity is not supported; "
                "name the activity itself"
            )
        if not isinstance(item, ProfilerActivity):
            raise TypeError(f"Expected ProfilerActivity or dict, got {type(item)}")
        if item in found:
            raise ValueError(f"Activity {item} specified more than once")
        found.add(item)
    return found


class profile:
    """Record what runs inside ``with profile() as prof:``, by steps if there is a schedule.

    Args:
        activities: what to record; CPU is what there is. Others warn, as in torch without the
            device.
        schedule: gives for the number of a step what to do during it; see ``schedule``. Without
            it all is recorded. With it each step is a range ``ProfilerStep#3``.
        on_trace_ready: called with the profile after each cycle, to print or write its results.
        record_shapes, profile_memory, with_stack, with_flops, with_modules, acc_events,
        custom_trace_id_callback, max_events: see ``chainrule.autograd.profiler.profile``.
        use_cuda: the old way to add CUDA to the activities.

    Call ``step()`` at the end of each step. Results are those of the last cycle, of all with
    ``acc_events``.
    """

    def __init__(
        self,
        *,
        activities: Activities | None = None,
        schedule: Schedule | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
        max_events: int = single.DEFAULT_MAX_EVENTS,
    ) -> None:
        chosen = supported_activities() if activities is None else _activity_set(activities)
        if use_cuda is not None:
            single.warn_user(
                "`use_cuda` is deprecated, use `activities` argument instead", FutureWarning
            )
            (chosen.add if use_cuda else chosen.discard)(ProfilerActivity.CUDA)
        if not chosen:
            raise AssertionError("No valid profiler activities found")
        if execution_trace_observer is not None:
            raise NotImplementedError(
                "profile(): execution_trace_observer is not supported: use export_chrome_trace()"
            )
        others = chosen - {ProfilerActivity.CPU}
        self.use_device = min(others, key=lambda a: a.value).name.lower() if others else None
        self.activities = chosen
        self.record_shapes = record_shapes
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.acc_events = acc_events
        self.on_trace_ready = on_trace_ready
        self.schedule = schedule or _always
        self.record_steps = schedule is not None
        self.preset_metadata: dict[str, str] = {}
        self.profiler: single.profile | None = None
        self._next: single.profile | None = None  # of the cycle that is being prepared
        self._metadata: dict[str, str] = {}
        self._options: dict[str, Any] = {
            "use_cpu": ProfilerActivity.CPU in chosen,
            "record_shapes": record_shapes,
            "with_flops": with_flops,
            "profile_memory": profile_memory,
            "with_stack": with_stack,
            "with_modules": with_modules,
            "acc_events": acc_events,
            "experimental_config": experimental_config,
            "post_processing_timeout_s": post_processing_timeout_s,
            "custom_trace_id_callback": custom_trace_id_callback,
            "max_events": max_events,
        }
        self._running = False
        self._step_range: single.record_function | None = None
        self.step_num = 0
        self.current_action = self.schedule(0)

    # ------------------------------------------------------------------ recording

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begin with the action of the current step."""
        if self._running:
            raise RuntimeError("the profile is recording already: call stop() first")
        self._change(ProfilerAction.NONE, self.current_action)
        self._begin_step()

    def stop(self) -> None:
        """End; what was recorded is handed over to ``on_trace_ready``."""
        self._end_step()
        self._change(self.current_action, None)

    def step(self) -> None:
        """The next step begins."""
        following = self.schedule(self.step_num + 1)
        self._end_step()
        previous, self.current_action = self.current_action, following
        self.step_num += 1
        self._change(previous, following)
        self._begin_step()

    def _begin_step(self) -> None:
        if self.record_steps:
            self._step_range = single.record_function(f"ProfilerStep#{self.step_num}")
            self._step_range.__enter__()

    def _end_step(self) -> None:
        if self._step_range is not None:
            self._step_range.__exit__(None, None, None)
            self._step_range = None

    def _change(self, before: ProfilerAction, after: ProfilerAction | None) -> None:
        """Do what it takes to go from one action to another; None is the end."""
        new_cycle = before is ProfilerAction.RECORD_AND_SAVE
        if self._running and (new_cycle or after not in _RECORDS):
            self.stop_trace()
            ends = new_cycle or after is None
            if not ends:
                assert after is not None
                single.warn_user(f"Incorrect schedule: {before.name} followed by {after.name}")
            elif self.on_trace_ready is not None:
                self.on_trace_ready(self)
        elif before is ProfilerAction.WARMUP and after is ProfilerAction.NONE:
            single.warn_user("Incorrect schedule: WARMUP followed by NONE")
        if after is ProfilerAction.WARMUP and before is not ProfilerAction.WARMUP:
            self.prepare_trace()
        if after in _RECORDS and not self._running:
            if before is not ProfilerAction.WARMUP:
                self.prepare_trace()
            self.start_trace()

    def prepare_trace(self) -> None:
        """Make ready to record."""
        if self.profiler is not None and not self.acc_events and "cycles" not in _told:
            _told.add("cycles")
            single.warn_user(
                "Profiler clears events at the end of each cycle. Only events from the current "
                "cycle will be reported. To keep events across cycles, set acc_events=True."
            )
        if self.profiler is not None and self.acc_events:
            self._next = self.profiler
        else:
            self._next = single.profile(use_device=self.use_device, **self._options)

    def start_trace(self) -> None:
        """Record from now on; until then the results are those of the cycle before."""
        if self._next is None:
            raise AssertionError("Profiler must be initialized before starting trace")
        self.profiler, self._next = self._next, None
        self.profiler._start_trace()
        self._running = True
        for key, value in self.preset_metadata.items():
            self.add_metadata_json(key, value)

    def stop_trace(self) -> None:
        """Record no longer."""
        self._ready("stopping trace").__exit__(None, None, None)
        self._running = False

    def this_thread(self) -> Any:
        """A context manager in which the calling thread is recorded as well."""
        return self._ready("recording another thread").this_thread()

    def toggle_collection_dynamic(self, enable: bool, activities: Iterable[Any]) -> None:
        """Pause or resume the recording of this thread."""
        if self.profiler is not None and ProfilerActivity.CPU in set(activities):
            self.profiler.toggle_collection_dynamic(enable, activities)

    # ------------------------------------------------------------------ results

    def _ready(self, purpose: str) -> single.profile:
        if self.profiler is None:
            raise AssertionError(f"Profiler must be initialized before {purpose}")
        return self.profiler

    def events(self) -> EventList:
        """The single events, in the order of their start."""
        return self._ready("accessing events").function_events

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
        *,
        group_by: str | None = None,
    ) -> Any:
        """Sums by name, and by input shapes or innermost stack frames too; or by source line.

        See ``EventList.key_averages``.
        """
        return self._ready("getting key averages").key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name, group_by=group_by
        )

    def by_line(self) -> LineList:
        """What each line of the program costs, forward and backward together; it prints itself."""
        return self._ready("getting sums by line").by_line()

    def export_chrome_trace(self, path: str, use_python_export: bool = False) -> None:
        """Write a trace for ``chrome://tracing`` or Perfetto; gzipped if `path` ends in ``.gz``."""
        self._ready("exporting chrome trace").export_chrome_trace(path, self._metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the Python stacks and their microseconds, for flame graph programs."""
        self._ready("exporting stacks").export_stacks(path, metric)

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """Not available: raises NotImplementedError that names the way out."""
        raise NotImplementedError(
            "export_memory_timeline() is not supported: key_averages() with profile_memory=True "
            "has the bytes by operator, by_line() those by source line, and chainrule.memory() "
            "what holds memory now"
        )

    def to_payload(self) -> dict[str, Any]:
        """The spans as plain data, as the viewer's pages hold them; times in microseconds."""
        return self._ready("making a page").to_payload()

    def save(self, path: str) -> None:
        """Write an interactive page with the flame view."""
        self._ready("making a page").save(path)

    def show(self) -> None:
        """Open the flame view in a browser."""
        self._ready("showing it").show()

    # ------------------------------------------------------------------ metadata

    def add_metadata(self, key: str, value: str) -> None:
        """Add a text to the traces that are written."""
        import json

        self._metadata[key] = json.dumps(value)

    def add_metadata_json(self, key: str, value: str) -> None:
        """Add a value, given as JSON, to the traces that are written."""
        self._metadata[key] = value

    def preset_metadata_json(self, key: str, value: str) -> None:
        """As ``add_metadata_json``, for each cycle that starts later."""
        self.preset_metadata[key] = value

    def set_custom_trace_id_callback(self, callback: Callable[[], str]) -> None:
        """Use `callback` for the "trace_id" of cycles that start later."""
        self._options["custom_trace_id_callback"] = callback

    def get_trace_id(self) -> str | None:
        """The "trace_id" of the current cycle."""
        return self.profiler.trace_id if self.profiler is not None else None


def tensorboard_trace_handler(
    dir_name: str,
    worker_name: str | None = None,
    use_gzip: bool = False,
    use_python_export: bool = False,
) -> Callable[[profile], None]:
    """For ``on_trace_ready``: writes each cycle's trace into a folder.

    Args:
        dir_name: the folder; made if it is not there.
        worker_name: how the files' names begin; host and process if None.
        use_gzip: write ``.pt.trace.json.gz`` instead of ``.pt.trace.json``.
        use_python_export: changes nothing: there is one way to write it.
    """
    import socket
    import time

    def handler(prof: profile) -> None:
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError(f"Can't create directory: {dir_name}") from error
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handler
