"""What a profile gives: events, their sums by name, and lists of both."""

from __future__ import annotations

from collections import defaultdict
from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from chainrule.graph import Location

    from ._profile_lines import LineList

__all__ = ["DeviceType", "EventList", "FunctionEvent", "FunctionEventAvg", "Interval"]

_NONE: list[Any] = []  # shared: nobody changes it
STACK_METRICS = ["self_cpu_time_total"]
# What a sum takes from its first event.
_FIRST = (
    "key",
    "cpu_parent",
    "cpu_children",
    "overload_name",
    "input_shapes",
    "stack",
    "scope",
    "is_user_annotation",
    "location",
)


class DeviceType(Enum):
    """Where something ran: the processor is the only device."""

    CPU = 0


class Interval:
    """A span of time, in microseconds from the start of the profile."""

    __slots__ = ("end", "start")

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def elapsed_us(self) -> float:
        """Length in microseconds."""
        return self.end - self.start

    def __repr__(self) -> str:
        return f"Interval(start={self.start}, end={self.end})"


def format_time(time_us: float) -> str:
    """``"12.000us"``, ``"3.500ms"``, ``"1.200s"``."""
    if time_us >= 1e6:
        return f"{time_us / 1e6:.3f}s"
    if time_us >= 1e3:
        return f"{time_us / 1e3:.3f}ms"
    return f"{time_us:.3f}us"


def format_memory(nbytes: int) -> str:
    """``"12 B"``, ``"3.00 KB"``, ``"1.50 MB"``, ``"2.00 GB"`` (units of 1024)."""
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(nbytes) >= size:
            return f"{nbytes / size:.2f} {unit}"
    return f"{nbytes} B"


class _Times:
    """Averages, the same times as text, and the columns of devices that are not here: zero."""

    __slots__ = ()

    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    device_time_total = 0.0
    self_device_time_total = 0.0
    device_memory_usage = 0
    self_device_memory_usage = 0
    use_device: str | None = None
    device_type = DeviceType.CPU
    node_id = -1
    is_async = False
    is_remote = False
    is_legacy = False

    @property
    def cpu_time(self) -> float:
        """Average over the calls, in microseconds."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def device_time(self) -> float:
        """Always 0: there is no device besides the processor."""
        return 0.0

    @property
    def cpu_time_str(self) -> str:
        return format_time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        return format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        return format_time(self.self_cpu_time_total)

    @property
    def device_time_str(self) -> str:
        return format_time(0.0)

    @property
    def device_time_total_str(self) -> str:
        return format_time(0.0)

    @property
    def self_device_time_total_str(self) -> str:
        return format_time(0.0)


class FunctionEvent(_Times):
    """One call of an operator, one run of a backward node, or one range.

    Attributes:
        name, key: ``"aten::mul"``, ``"MulBackward0"``, or the name of a range; steps of a schedule
            are all ``"ProfilerStep*"``, with their number in ``trace_name``.
        id: number within the profile, from 1.
        time_range: start and end in microseconds.
        thread: number of the thread, from 1; ``fwd_thread``: where the forward operator ran.
        cpu_parent, cpu_children: the event around it, those directly in it.
        input_shapes: shape of each tensor argument (numbers have none); with ``record_shapes``.
        stack: ``"file(line): function"`` of each Python frame, the innermost first; of backward
            nodes those of the forward operator; with ``with_stack``.
        scope: 0 operator, 1 backward node, 7 range.
        sequence_nr: number that links a forward operator and its backward node, else -1.
        cpu_memory_usage: bytes allocated less bytes freed during it, with ``profile_memory``.
        flops: floating-point operations, where a formula is known; with ``with_flops``.
        location: where in the program the operator was called; of a backward node and all in it,
            where its forward operator was called.
        module: path of the ``nn.Module`` whose forward called it, ``""`` outside.
        failed: whether an exception left it.
    """

    # One object for each event, where possible: there may be a million of them.
    __slots__ = (
        "_children",
        "_end",
        "_start",
        "cpu_memory_usage",
        "cpu_parent",
        "failed",
        "flops",
        "fwd_thread",
        "id",
        "input_dtypes",
        "input_shapes",
        "is_python_function",
        "is_user_annotation",
        "kind",
        "location",
        "module",
        "name",
        "note",
        "scope",
        "sequence_nr",
        "stack",
        "thread",
        "trace_name",
    )

    count = 1
    overload_name = ""

    def __init__(self, id: int, name: str, thread: int, start_us: float, end_us: float) -> None:
        self.id = id
        self.name = self.trace_name = name
        self.thread = thread
        self._start, self._end = start_us, end_us
        self._children: list[FunctionEvent] | None = None
        self.fwd_thread: int | None = None
        self.cpu_parent: FunctionEvent | None = None
        self.input_shapes: list[list[int]] = _NONE
        self.input_dtypes: list[str] = _NONE
        self.stack: list[str] = _NONE
        self.scope = 0
        self.kind = ""
        self.cpu_memory_usage = 0
        self.sequence_nr = -1
        self.flops = 0
        self.location: Location | None = None
        self.module = ""
        self.note = ""
        self.failed = False
        self.is_user_annotation = False
        self.is_python_function = False

    def add_child(self, child: FunctionEvent) -> None:
        """Put an event directly into this one."""
        if self._children is None:
            self._children = []
        self._children.append(child)

    @property
    def cpu_children(self) -> list[FunctionEvent]:
        return self._children or []

    @property
    def kernels(self) -> list[Any]:
        """Of other devices: none."""
        return []

    @property
    def concrete_inputs(self) -> list[Any]:
        """Values of arguments: not recorded."""
        return []

    @property
    def time_range(self) -> Interval:
        return Interval(self._start, self._end)

    @property
    def key(self) -> str:
        return self.name

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """Microseconds from its start to its end."""
        return self._end - self._start

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """Microseconds in it and in no event inside it."""
        own = self._end - self._start
        for child in self._children or ():
            own -= child._end - child._start
        return own

    @property
    def self_cpu_memory_usage(self) -> int:
        """Bytes of it and of no event inside it."""
        return self.cpu_memory_usage - sum(c.cpu_memory_usage for c in self.cpu_children)

    def __repr__(self) -> str:
        where = f" at {self.location.describe()}" if self.location is not None else ""
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"start_us={self._start} end_us={self._end} "
            f"cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage} "
            f"seq_nr={self.sequence_nr}{where}>"
        )


class FunctionEventAvg(_Times):
    """Sums over events of one key; times in microseconds, memory in bytes.

    Attributes: ``key``, ``count``, ``cpu_time_total``, ``self_cpu_time_total``, ``cpu_time``
    (average), ``cpu_memory_usage``, ``self_cpu_memory_usage``, ``input_shapes``, ``stack``,
    ``flops``, ``scope``, and ``location`` of the first event.
    """

    def __init__(self) -> None:
        self.key: str | None = None
        self.count = 0
        self.cpu_time_total = 0.0
        self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = 0
        self.self_cpu_memory_usage = 0
        self.flops = 0
        self.input_shapes: Any = None
        self.overload_name: str | None = None
        self.stack: list[str] = []
        self.scope: int | None = None
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] | None = None
        self.is_user_annotation = False
        self.location: Location | None = None

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Add the figures of an event, or of another sum, with the same key."""
        if self.key is None:
            for name in _FIRST:
                setattr(self, name, getattr(other, name))
        if not isinstance(other, FunctionEvent | FunctionEventAvg):
            raise TypeError(f"expected an event of a profile, not {type(other).__name__}")
        if other.key != self.key:
            raise ValueError(f"cannot add an event {other.key!r} to the sum of {self.key!r}")
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        self.count += other.count
        self.flops += other.flops
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage}>"
        )


class EventList(list):  # type: ignore[type-arg]
    """Events, or sums of events, with ways to look at them."""

    def __init__(
        self,
        events: Iterable[Any] = (),
        *,
        profile_memory: bool = False,
        with_flops: bool = False,
        with_stack: bool = False,
    ) -> None:
        super().__init__(events)
        self._profile_memory = profile_memory
        self._with_flops = with_flops
        self._with_stack = with_stack
        # Calls of backward() and grad(): no events of the list; their children are.
        self.backward_calls: list[FunctionEvent] = []

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        """Sum of the self times, in microseconds."""
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int | None = 75,
        max_name_column_width: int | None = 55,
        max_shapes_column_width: int | None = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events as text.

        Args:
            sort_by: attribute to sort by, the largest first, such as ``"self_cpu_time_total"``,
                ``"cpu_time_total"``, ``"cpu_memory_usage"`` or ``"count"``; recorded order if None.
            row_limit: rows to show; -1 for all.
            max_src_column_width, max_name_column_width, max_shapes_column_width: longer texts are
                cut; None for no limit.
            header: a line above the table.
            top_level_events_only: leave out what ran inside other events.
            time_unit: ``"s"``, ``"ms"`` or ``"us"`` for all times; by size if None.
        """
        from ._profile_table import event_table

        return event_table(
            self,
            sort_by=sort_by,
            row_limit=row_limit,
            max_src_column_width=max_src_column_width,
            max_name_column_width=max_name_column_width,
            max_shapes_column_width=max_shapes_column_width,
            header=header,
            profile_memory=self._profile_memory,
            with_flops=self._with_flops,
            top_level_events_only=top_level_events_only,
            time_unit=time_unit,
        )

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
        *,
        group_by: str | None = None,
    ) -> EventList | LineList:
        """Sums by name, in the order in which the names were first met.

        Args:
            group_by_input_shapes: a row for each name and list of input shapes.
            group_by_stack_n: a row for each name and innermost n frames of the Python stack.
            group_by_overload_name: operators have one name each here, so this changes nothing.
            group_by: ``"line"`` for sums by source line instead: see ``profile.by_line``.
        """
        if group_by == "line":
            from ._profile_lines import by_line

            return by_line([*self, *self.backward_calls], profile_memory=self._profile_memory)
        if group_by not in (None, "name"):
            raise ValueError(f"group_by is 'line', 'name' or None, not {group_by!r}")
        sums: defaultdict[Any, FunctionEventAvg] = defaultdict(FunctionEventAvg)
        for event in self:
            key = [event.key, str(event.is_user_annotation)]
            if group_by_input_shapes:
                key.append(str(event.input_shapes))
            if group_by_stack_n > 0:
                key += event.stack[:group_by_stack_n]
            sums[tuple(key)].add(event)
        for row in sums.values():
            row.stack = row.stack[:group_by_stack_n]
            if not group_by_input_shapes:
                row.input_shapes = ""
        return EventList(
            sums.values(),
            profile_memory=self._profile_memory,
            with_flops=self._with_flops,
            with_stack=self._with_stack,
        )

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum, with the key ``"Total"``."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
            total.key = None
        total.key = "Total"
        return total

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write ``outermost;...;innermost microseconds`` lines, as flame graph programs read them.

        Raises:
            ValueError: `metric` is not ``"self_cpu_time_total"``: there is no other device.
        """
        if metric not in STACK_METRICS:
            raise ValueError(f"metric should be one of: {STACK_METRICS}")
        clean = str.maketrans(" ;\t\n", "____")
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                value = int(event.self_cpu_time_total)
                if event.stack and value > 0:
                    frames = (frame.translate(clean) for frame in reversed(event.stack))
                    file.write(f"{';'.join(frames)} {value}\n")

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for ``chrome://tracing`` and Perfetto; gzipped if `path` ends in .gz."""
        from ._profile_trace import write_trace

        write_trace(path, self, {})
