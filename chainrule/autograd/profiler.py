"""Profiles: what operators, backward nodes and named ranges cost in time and memory.

>>> import chainrule as torch
>>> x = torch.ones(3, requires_grad=True)
>>> with torch.autograd.profiler.profile() as prof:
...     (x * 2).sum().backward()
>>> [event.name for event in prof.function_events][:2]
['aten::mul', 'aten::sum']

``chainrule.profiler`` adds schedules over the steps of a training run.
"""

from __future__ import annotations

import sys
import time
import warnings
from contextlib import ContextDecorator

from chainrule import _C
from chainrule import __path__ as _package_path

from ._profile_record import Record, read_events
from .profiler_util import EventList, FunctionEvent, FunctionEventAvg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Self

    from ._profile_lines import LineList

__all__ = [
    "EventList",
    "FunctionEvent",
    "FunctionEventAvg",
    "emit_itt",
    "emit_nvtx",
    "load_nvprof",
    "profile",
    "record_function",
]

_PACKAGE = _package_path[0] + "/"
DEFAULT_MAX_EVENTS = 1_000_000  # about 100 MB while recording


class record_function(_C._Range, ContextDecorator):  # type: ignore[misc]
    """A named range of the running profiles: a context manager and a decorator.

    >>> import chainrule as torch
    >>> with torch.profiler.record_function("load"):
    ...     data = torch.ones(3)

    Args:
        name: what the range is called in tables and traces.
        args: a text kept with the range, shown in traces.

    Costs about a hundred nanoseconds while nothing records.
    """

    def __repr__(self) -> str:
        return f"record_function({self.name!r})"


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the program that led here, whatever of the package lies between."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, category, stacklevel=depth)


def _refuse_option(name: str, way_out: str) -> NoReturn:
    raise NotImplementedError(f"profile(): {name} is not supported: {way_out}")


class profile:
    """Record what runs inside ``with profile() as prof:``, on the thread that enters it.

    Args:
        enabled: False records nothing.
        use_cuda, use_device: other devices are not there: a warning, as torch gives without them.
        record_shapes: keep the shapes of tensor arguments.
        with_flops: count floating-point operations of products, sums of products, ``mul`` and
            ``add``; records shapes.
        profile_memory: keep bytes allocated less bytes freed of each event, and outside of all as
            events ``[memory]``. Contents of up to 192 bytes stand in the tensor itself and are not
            counted.
        with_stack: keep the whole Python stack of each operator (some hundred ns each); the
            line that called it is always kept.
        with_modules: show calls of ``nn.Module`` as ranges, from their first operator to their
            last.
        use_kineto, use_cpu: use_cpu=False has nothing left to record, an error.
        acc_events: keep the events of earlier uses of the same object.
        custom_trace_id_callback: gives the "trace_id" of written traces.
        max_events: what is over this number is counted but not kept, with a warning; the default
            of a million takes about 100 MB.

    Other threads are recorded when they enter ``prof.this_thread()``. Profiles may be nested: each
    sees all that runs inside it.
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        experimental_config: Any = None,
        acc_events: bool = False,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
        activity_filters: Any = None,
        max_events: int = DEFAULT_MAX_EVENTS,
    ) -> None:
        self.enabled = enabled
        self.use_cpu = use_cpu
        self.use_device: str | None = None
        self.record_shapes = record_shapes or with_flops
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.acc_events = acc_events
        self.custom_trace_id_callback = custom_trace_id_callback
        self.max_events = max_events
        self.entered = False
        self.trace_id = ""
        self._recorder: Any = None
        self._record: Record | None = None
        self._events: EventList | None = None
        self._earlier: EventList | None = None
        self._start_ns = self._base_ns = 0
        if not enabled:
            return
        if not 0 < max_events < 2**32 - 1:
            raise ValueError(f"max_events is a number from 1 to {2**32 - 2}, not {max_events}")
        if use_cuda:
            warn_user(
                "The attribute `use_cuda` will be deprecated soon, please use "
                "``use_device = 'cuda'`` instead.",
                FutureWarning,
            )
            use_device = "cuda"
        if use_device in ("cuda", "xpu", "hpu", "mtia"):
            warn_user(
                f"{use_device.upper()} is not available, disabling {use_device.upper()} profiling"
            )
        elif use_device is not None:
            warn_user(f"The {use_device} is not a valid device option.")
        if not use_cpu:
            raise AssertionError(
                "No activities specified for the profiler: the processor is the only device here, "
                "so use_cpu=False leaves nothing to record"
            )
        if experimental_config is not None:
            _refuse_option("experimental_config", "leave it out")
        if post_processing_timeout_s is not None:
            _refuse_option("post_processing_timeout_s", "use max_events= to bound the work")
        if activity_filters:
            _refuse_option("activity_filters", "there are only the activities of the processor")

    # ------------------------------------------------------------------ recording

    def __enter__(self) -> Self | None:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._start_trace()
        return self

    def _start_trace(self) -> None:
        """Begin a new recording; the old one's events stay with ``acc_events``."""
        self.entered = True
        if self.acc_events and self._record is not None:
            self._earlier = self.function_events
        self._record = self._events = None
        give_id = self.custom_trace_id_callback
        if give_id is not None:
            self.trace_id = give_id()
        else:
            self.trace_id = os_random_id()
        _show_optimizers(True)
        self._recorder = _C._Profiler(
            self.record_shapes,
            self.profile_memory,
            self.with_stack,
            self.with_modules,
            self.max_events,
        )
        if self._earlier is None:  # else the times go on
            self._base_ns = time.time_ns()
            self._start_ns = time.perf_counter_ns()
        self._recorder.start()

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if not self.enabled or self._recorder is None:
            return
        self._recorder.stop()
        _show_optimizers(_C._anyone_profiles())
        self._events = None
        dropped = self._recorder.dropped
        if dropped:
            seconds = (self._recorder.dropped_since - self._start_ns) / 1e9
            warn_user(
                f"the profile is full: max_events={self.max_events:,} were reached after "
                f"{seconds:.3g} s, and {dropped:,} later ones are missing. Profile fewer steps "
                "(chainrule.profiler.schedule), or give a larger max_events"
            )
        if self.acc_events:
            self.function_events  # noqa: B018

    def this_thread(self) -> _ThisThread:
        """A context manager in which the calling thread is recorded as well.

        The thread leaves it before the profile's own ``with`` ends.
        """
        if self._recorder is None:
            raise RuntimeError("the profile is not recording: enter it first")
        return _ThisThread(self._recorder)

    def toggle_collection_dynamic(self, enabled: bool, activities: Any) -> None:
        """Pause (False) or resume (True) the recording of this thread within the profile."""
        del activities  # there is one kind
        if self._recorder is None:
            return
        (self._recorder.start if enabled else self._recorder.stop)()

    # ------------------------------------------------------------------ results

    @property
    def function_events(self) -> EventList:
        """All events, in the order of their start."""
        if self._events is None:
            if self._recorder is None:
                raise AssertionError("Expected profiling results: the profile has not run yet")
            self._record = Record(self._recorder, self._start_ns, self.with_stack)
            self._events = read_events(
                self._record,
                profile_memory=self.profile_memory,
                with_flops=self.with_flops,
                with_stack=self.with_stack,
            )
            if self._earlier is not None:
                self._events.extend(self._earlier)
                self._events.backward_calls.extend(self._earlier.backward_calls)
                self._earlier = None
        return self._events

    def __repr__(self) -> str:
        if self._recorder is None:
            return "<unfinished profile>"
        return repr(self.function_events)

    def __str__(self) -> str:
        if self._recorder is None:
            return "<unfinished profile>"
        return str(self.function_events)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int | None = 75,
        max_name_column_width: int | None = 55,
        max_shapes_column_width: int | None = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The single events as text; ``key_averages().table()`` sums them up by name."""
        return self.function_events.table(
            sort_by=sort_by,
            row_limit=row_limit,
            max_src_column_width=max_src_column_width,
            max_name_column_width=max_name_column_width,
            max_shapes_column_width=max_shapes_column_width,
            header=header,
            top_level_events_only=top_level_events_only,
        )

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
        *,
        group_by: str | None = None,
    ) -> Any:
        """Sums by name, or by source line: see ``EventList.key_averages``."""
        return self.function_events.key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name, group_by=group_by
        )

    def by_line(self) -> LineList:
        """What each line of the program costs, forward and backward together; it prints itself."""
        return self.key_averages(group_by="line")

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        return self.function_events.total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds in events, each counted once."""
        return self.function_events.self_cpu_time_total

    def export_chrome_trace(
        self, path: str, metadata: dict[str, Any] | None = None, use_python_export: bool = False
    ) -> None:
        """Write a trace for ``chrome://tracing`` or Perfetto; gzipped if `path` ends in ``.gz``.

        Args:
            path: of the file.
            metadata: more entries for the file, as texts of JSON.
            use_python_export: changes nothing: there is one way to write it.
        """
        import json

        from ._profile_trace import write_trace

        events = self.function_events
        assert self._record is not None
        head: dict[str, Any] = {"trace_id": self.trace_id}
        for name in ("record_shapes", "profile_memory", "with_stack", "with_modules", "with_flops"):
            if getattr(self, name):
                head[name] = 1
        for name, text in (metadata or {}).items():
            head[name] = json.loads(text)
        write_trace(path, events, head, threads=self._record.raw["threads"], base_ns=self._base_ns)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the Python stacks and their microseconds, for flame graph programs.

        Raises:
            AssertionError: stacks were not recorded.
        """
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        self.function_events.export_stacks(path, metric)

    def to_payload(self) -> dict[str, Any]:
        """The spans as plain data, as the viewer's pages hold them; times in microseconds."""
        from ._profile_trace import flame_payload

        return flame_payload(self.function_events)

    def save(self, path: str) -> None:
        """Write an interactive page with the flame view."""
        from chainrule.viewer.html import page

        text = page({"graphs": [], "steps": [], "profile": self.to_payload()})
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def show(self) -> None:
        """Open the flame view in a browser."""
        import tempfile
        import webbrowser
        from pathlib import Path

        path = Path(tempfile.mkdtemp(prefix="chainrule-")) / "profile.html"
        self.save(str(path))
        if not webbrowser.open(path.as_uri()):
            print(f"no browser was found: open {path}")


def _show_optimizers(shown: bool) -> None:
    """Ranges around the steps of optimizers; one made during the profile sees to it itself."""
    loaded = sys.modules.get("chainrule.optim.optimizer")
    if loaded is not None:
        loaded.show_in_profiles(shown)


class _ThisThread:
    """Records the calling thread for a profile that another thread entered."""

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        self._recorder.start()

    def __exit__(self, *_: object) -> None:
        self._recorder.stop()


def os_random_id() -> str:
    """32 hexadecimal digits."""
    import os

    return os.urandom(16).hex().upper()


def _no_emitter(name: str, what: str) -> NoReturn:
    raise RuntimeError(
        f"{name} needs {what}, which this build does not have: use profile() and "
        "export_chrome_trace()"
    )


class emit_nvtx:
    """Not available: NVTX ranges belong to CUDA. Raises RuntimeError that says so."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        if enabled:
            _no_emitter("emit_nvtx", "NVTX (CUDA)")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class emit_itt:
    """Not available: ITT belongs to VTune. Raises RuntimeError that says so."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        if enabled:
            _no_emitter("emit_itt", "Intel's ITT")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def load_nvprof(path: str) -> NoReturn:
    """Not available: raises RuntimeError that says so."""
    _no_emitter("load_nvprof", "nvprof (CUDA)")


def __getattr__(name: str) -> Any:
    if name == "_is_profiler_enabled":  # what programs written for torch ask
        return _C._is_profiling()
    from chainrule._missing import missing_attribute

    raise missing_attribute(__name__, name)
