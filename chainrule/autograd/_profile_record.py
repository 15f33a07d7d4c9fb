"""Reads what the core recorded during a profile: columns of numbers, made into events."""

from __future__ import annotations

from chainrule import __path__ as _package_path

from ._profile_names import event_name, flops
from .profiler_util import EventList, FunctionEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from chainrule.graph import Location

# Kinds of events, by the core's numbers.
KINDS = ("operator", "function", "node", "evaluate", "range", "module", "memory", "backward")
OPERATOR, FUNCTION, NODE, EVALUATE, RANGE, MODULE, MEMORY, BACKWARD = range(len(KINDS))

_SCOPES = {NODE: 1, RANGE: 7}  # torch's numbers; 0 for the others


class Record:
    """The columns of one profile.

    Attributes:
        raw: lists by column, as the core gives them; times in ns.
        start: what counts as time 0, in ns.
        locations, modules, stacks: what the numbers in the columns stand for.
    """

    def __init__(self, profiler: Any, start: int, with_stack: bool) -> None:
        from chainrule.graph import Location
        from chainrule.graph._paths import scope_paths

        self.raw: dict[str, Any] = profiler.columns()
        self.start = start
        self.locations: list[Location] = [Location(*place) for place in self.raw["places"]]
        self.modules: list[str] = scope_paths(self.raw["scopes"], {})
        self.module_names = _module_names(self.raw.pop("scopes"))  # keeps no module alive
        self._frames = profiler.stacks() if with_stack else []
        self._stacks: dict[int, list[str]] = {0: []}
        self.names = self.raw["names"]

    def __len__(self) -> int:
        return len(self.raw["kind"])

    def microseconds(self, time: int) -> float:
        """A time in microseconds since the start of the profile."""
        return (time - self.start) / 1000

    def name(self, i: int) -> str:
        """The name of event `i` as torch writes it."""
        number, kind = self.raw["name"][i], self.raw["kind"][i]
        if number < 0:
            return self.module_names[self.raw["scope"][i]]
        return event_name(self.names[number], KINDS[kind])

    def location(self, i: int) -> Location | None:
        """Where event `i` was called, of a node where its forward operator was."""
        place = self.raw["place"][i]
        return self.locations[place] if place >= 0 else None

    def stack(self, number: int) -> list[str]:
        """The frames of a stack as text, the innermost first, the package's own left out."""
        known = self._stacks.get(number)
        if known is None:
            caller, (code, _, line) = self._frames[number - 1]
            known = self.stack(caller)
            if not code.co_filename.startswith(_package_path[0] + "/"):
                known = [f"{code.co_filename}({line}): {code.co_name}", *known]
            self._stacks[number] = known
        return known


def _module_names(scopes: list[Any]) -> list[str]:
    """``"nn.Module: Linear_0"``: class and a number for each module of the class."""
    numbers: dict[str, dict[Any, int]] = {}
    names = []
    for _, module, type_name, call in scopes:
        of_type = numbers.setdefault(type_name, {})
        key = id(module) if module is not None else ("call", call)
        names.append(f"nn.Module: {type_name}_{of_type.setdefault(key, len(of_type))}")
    return names


def read_events(
    record: Record, *, profile_memory: bool, with_flops: bool, with_stack: bool
) -> EventList:
    """The events of a record in the order of their start, linked to each other."""
    import gc

    # Thousands of new objects and no garbage: the collector would look at all of them repeatedly.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _read(record, profile_memory, with_flops, with_stack)
    finally:
        if was_enabled:
            gc.enable()


def _read(record: Record, profile_memory: bool, with_flops: bool, with_stack: bool) -> EventList:
    raw = record.raw
    made: list[FunctionEvent | None] = []
    forward: dict[int, FunctionEvent] = {}  # by sequence number
    around: list[FunctionEvent | None] = []  # the innermost backward node around each
    calls: list[FunctionEvent | None] = []  # the call of backward() around each
    shown = EventList(profile_memory=profile_memory, with_flops=with_flops, with_stack=with_stack)
    shape_lists = [
        ([sizes for _, sizes in item], [dtype for dtype, _ in item]) for item in raw["shape_lists"]
    ]
    names: dict[tuple[int, int, int], str] = {}
    for i, kind in enumerate(raw["kind"]):
        parent_number = raw["parent"][i]
        parent = made[parent_number] if parent_number >= 0 else None
        call = calls[parent_number] if parent_number >= 0 else None
        name_key = (kind, raw["name"][i], raw["scope"][i] if kind == MODULE else 0)
        name = names.get(name_key)
        if name is None:
            name = names[name_key] = record.name(i)
        event = FunctionEvent(
            0 if kind == BACKWARD else len(shown) + 1,
            name,
            raw["thread"][i] + 1,
            record.microseconds(raw["start"][i]),
            record.microseconds(raw["end"][i]),
        )
        event.kind = KINDS[kind]
        if kind == RANGE and name.startswith("ProfilerStep#"):  # one row for all steps
            event.name = "ProfilerStep*"
        if call is not None and raw["kind"][parent_number] == BACKWARD:
            call.add_child(event)
        if kind == BACKWARD:  # torch has no such event: the nodes stand for it
            event.location = record.location(i)
            event.cpu_memory_usage = raw["bytes"][i]
            shown.backward_calls.append(event)
            made.append(parent)
            around.append(None)
            calls.append(event)
            continue
        made.append(event)
        calls.append(call)
        shown.append(event)
        event.scope = _SCOPES.get(kind, 0)
        event.sequence_nr = sequence = raw["sequence"][i]
        event.failed = bool(raw["failed"][i])
        event.is_user_annotation = kind == RANGE
        event.is_python_function = kind == MODULE
        if profile_memory:
            event.cpu_memory_usage = raw["bytes"][i]
        if raw["shapes"][i] >= 0:
            event.input_shapes, event.input_dtypes = shape_lists[raw["shapes"][i]]
            if with_flops and kind == OPERATOR:
                event.flops = flops(name, event.input_shapes)
        if parent is not None:
            event.cpu_parent = parent
            parent.add_child(event)
        node = event if kind in (NODE, EVALUATE) else None
        if node is None and parent_number >= 0:
            node = around[parent_number]
        around.append(node)
        if node is None:
            event.location = record.location(i)
            event.module = record.modules[raw["scope"][i]] if raw["scope"][i] >= 0 else ""
            event.stack = record.stack(raw["stack"][i])
        elif node is event:
            first = forward.get(sequence)
            event.location = record.location(i)
            if event.location is None and call is not None:  # gradients of leaves
                event.location = call.location
            event.module = record.modules[raw["scope"][i]] if raw["scope"][i] >= 0 else ""
            event.fwd_thread = first.thread if first is not None else event.thread
            event.stack = first.stack if first is not None else []
        else:
            event.location, event.module, event.stack = node.location, node.module, node.stack
        if kind in (OPERATOR, FUNCTION) and sequence >= 0:
            forward.setdefault(sequence, event)
    for number, text in raw["notes"].items():
        noted = made[number]
        if noted is not None:
            noted.note = text
    return shown
