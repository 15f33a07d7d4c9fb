"""Files and pages made of a profile: the trace format of Chrome and Perfetto, the flame view.

The trace is the format described in "Trace Event Format" (Google, 2016): complete events ``X`` with
times in microseconds, and flow events ``s`` and ``f`` from a forward operator to its backward node.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .profiler_util import EventList, FunctionEvent

_CATEGORY = {"range": "user_annotation", "module": "python_function", "backward": "user_annotation"}
# Flame view: 0 forward operator, 1 backward, 2 range of the user, 3 module.
_FLAME = {"operator": 0, "function": 0, "evaluate": 1, "range": 2, "backward": 2, "module": 3}

_SPAN_COLUMNS = ("name", "start", "duration", "depth", "thread", "kind", "file", "line")


def _arguments(event: FunctionEvent, with_memory: bool) -> dict[str, Any]:
    """What a viewer shows of one event."""
    out: dict[str, Any] = {"External id": event.id}
    if event.sequence_nr >= 0:
        out["Sequence number"] = event.sequence_nr
    if event.fwd_thread is not None:
        out["Fwd thread id"] = event.fwd_thread
    if event.input_shapes:
        out["Input Dims"] = event.input_shapes
        out["Input type"] = event.input_dtypes
    if event.stack:
        out["Call stack"] = ";".join(event.stack)
    if event.location is not None:
        out["Location"] = event.location.describe()
        if text := event.location.text:
            out["Source"] = text
    if event.module:
        out["Module Hierarchy"] = event.module
    if with_memory:
        out["Bytes"] = event.cpu_memory_usage
        out["Self Bytes"] = event.self_cpu_memory_usage
    if event.flops:
        out["Flops"] = event.flops
    if event.note:
        out["Arguments"] = event.note
    if event.failed:
        out["Left by an exception"] = True
    return out


def trace_events(events: EventList, threads: list[int]) -> Iterator[dict[str, Any]]:
    """The entries of "traceEvents". `threads`: the system's number of each thread."""
    process = os.getpid()

    def thread(event: FunctionEvent) -> int:
        return threads[event.thread - 1] if event.thread <= len(threads) else event.thread

    yield {
        "ph": "M",
        "name": "process_name",
        "pid": process,
        "tid": 0,
        "args": {"name": "python"},
    }
    for number in dict.fromkeys(threads):
        yield {
            "ph": "M",
            "name": "thread_name",
            "pid": process,
            "tid": number,
            "args": {"name": f"thread {number}"},
        }
    forward: dict[int, FunctionEvent] = {}
    flows = 0
    for event in [*events.backward_calls, *events]:
        where = {"pid": process, "tid": thread(event)}
        start = event._start
        if event.kind == "memory":
            yield {
                "ph": "i",
                "cat": "cpu_instant_event",
                "s": "t",
                "name": event.name,
                **where,
                "ts": start,
                "args": {"Bytes": event.cpu_memory_usage},
            }
            continue
        yield {
            "ph": "X",
            "cat": _CATEGORY.get(event.kind, "cpu_op"),
            "name": event.trace_name,
            **where,
            "ts": start,
            "dur": round(event.cpu_time_total, 3),
            "args": _arguments(event, events._profile_memory),
        }
        if event.sequence_nr < 0:
            continue
        if event.kind in ("operator", "function"):
            forward.setdefault(event.sequence_nr, event)
        elif event.kind == "evaluate" and event.sequence_nr in forward:
            source = forward[event.sequence_nr]
            flows += 1
            flow = {"cat": "fwdbwd", "name": "fwdbwd", "id": flows, "pid": process}
            yield {"ph": "s", **flow, "tid": thread(source), "ts": source._start}
            yield {"ph": "f", **flow, "tid": where["tid"], "ts": start, "bp": "e"}


def write_trace(
    path: str,
    events: EventList,
    metadata: dict[str, Any],
    *,
    threads: list[int] | None = None,
    base_ns: int = 0,
) -> None:
    """Write a trace; gzipped if `path` ends in ``.gz``.

    Args:
        path: of the file.
        events: what is written.
        metadata: entries beside the events; values that JSON knows.
        threads: the system's number of each thread.
        base_ns: nanoseconds from 1970 to time 0 of the events.
    """
    import gzip
    import json

    head = {
        "schemaVersion": 1,
        "deviceProperties": [],
        **metadata,
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": base_ns,
        "traceName": str(path),
    }
    zipped = str(path).endswith(".gz")
    opened: Any = gzip.open if zipped else open
    with opened(path, "wt", encoding="utf-8") as file:
        file.write(json.dumps(head, indent=2)[:-2] + ',\n  "traceEvents": [\n')
        separator = ""
        for entry in trace_events(events, threads or []):
            file.write(separator + json.dumps(entry))
            separator = ",\n"
        file.write("\n  ]\n}\n")


def flame_payload(events: EventList) -> dict[str, Any]:
    """The "profile" of a viewer page: spans as columns, names and files as numbers of strings.

    A backward node and what the engine did with its gradients is one span; sizes of memory are no
    spans.
    """
    numbers: dict[str, int] = {}

    def number(text: str) -> int:
        return numbers.setdefault(text, len(numbers))

    columns: dict[str, list[Any]] = {name: [] for name in _SPAN_COLUMNS}
    depths: dict[int, int] = {}
    inside = {id(child): call for call in events.backward_calls for child in call.cpu_children}
    ordered = sorted(
        [*events.backward_calls, *events],
        key=lambda e: (e._start, -e._end, e.id),
    )
    kinds: dict[int, int] = {}
    for event in ordered:
        around = inside.get(id(event), event.cpu_parent)
        depth = 0 if around is None else depths.get(id(around), -1) + 1
        outer_kind = -1 if around is None else kinds.get(id(around), -1)
        if event.kind == "node":  # its span "evaluate" stands for it
            depths[id(event)] = depth - 1
            kinds[id(event)] = outer_kind
            continue
        if event.kind == "memory":
            continue
        depths[id(event)] = depth
        kind = _FLAME[event.kind]
        if kind == 0 and outer_kind == 1:
            kind = 1
        kinds[id(event)] = kind
        name = event.trace_name.removeprefix("autograd::engine::evaluate_function: ")
        if event.kind == "module":  # "net.layers.0 (Linear)"
            type_name = name.removeprefix("nn.Module: ").rpartition("_")[0]
            named = event.module != type_name
            name = f"{event.module} ({type_name})" if named else type_name
        place = event.location
        columns["name"].append(number(name))
        columns["start"].append(round(event._start, 3))
        columns["duration"].append(round(event.cpu_time_total, 3))
        columns["depth"].append(depth)
        columns["thread"].append(event.thread)
        columns["kind"].append(kind)
        columns["file"].append(number(place.file) if place is not None else -1)
        columns["line"].append(place.line if place is not None else 0)
    return {"unit": "us", "strings": list(numbers), "spans": columns}
