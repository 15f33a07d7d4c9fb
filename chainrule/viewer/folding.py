"""Which groups of a fold a picture opens, so that it has about as many boxes as it has room for."""

from __future__ import annotations

import heapq
from typing import Any

_PARTS = 60  # into at most so many parts is cut what has no other structure


class Opened:
    """A fold with some of its groups open.

    Groups are opened outer before inner while there is room. Of a repetition that does not fit
    the first time is opened and all others become one box: one says what the others are like.

    Args:
        group_of: the innermost group of each node, -1 for none.
        groups: the groups, parents first.
        takes_room: for each node whether it is drawn as a box of its own, if its group is open.
        room: how many boxes there should be at most.
        most: how many boxes there can be at most; a fold that leaves more is cut into parts.
        repeat: whether repetitions of more than three times are opened where there is room.

    Attributes:
        group_of, groups: as given, with groups added where the picture needs others.
        drawn: for each group the closed group that is drawn in its place, -1 for an open one.
        parts: the number of parts that everything was cut into; 0 as a rule.
    """

    def __init__(
        self,
        group_of: list[int],
        groups: list[dict[str, Any]],
        takes_room: list[bool],
        room: int,
        most: int,
        repeat: bool,
    ) -> None:
        self.group_of = list(group_of)
        self.groups = [dict(group) for group in groups]
        self.parts = 0
        self._cut_into_parts(most)
        self._rest_of: dict[int, int] = {}  # group -> the box that holds it with its equals
        fits = sum(takes_room) <= room
        self._open = [fits] * len(self.groups)
        if not fits:
            self._open_groups(takes_room, room, 3 if not repeat else room)
        self.drawn = [-1] * len(self.groups)
        for index, group in enumerate(self.groups):
            parent = group["parent"]
            if index in self._rest_of:
                self.drawn[index] = self._rest_of[index]
            elif parent >= 0 and self.drawn[parent] >= 0:
                self.drawn[index] = self.drawn[parent]
            elif not self._open[index]:
                self.drawn[index] = index

    def _add(self, group: dict[str, Any]) -> int:
        self.groups.append(group)
        self._open.append(False)
        return len(self.groups) - 1

    def _open_groups(self, takes_room: list[bool], room: int, most_times: int) -> None:
        groups = self.groups
        members = [0] * len(groups)  # nodes and groups directly inside
        children: list[list[int]] = [[] for _ in groups]
        shown = 0
        for node, group in enumerate(self.group_of):
            if group < 0:
                shown += takes_room[node]
            else:
                members[group] += takes_room[node]
        queue = []
        for index, group_data in enumerate(groups):
            parent = group_data["parent"]
            if parent < 0:
                shown += 1
                queue.append(index)
            else:
                members[parent] += 1
                children[parent].append(index)

        # Outer before inner, modules before repetitions, small before large.
        def entry(depth: int, index: int) -> tuple[int, bool, int, int]:
            return depth, groups[index]["kind"] == "repeat", members[index], index

        heap = [entry(0, index) for index in queue]
        heapq.heapify(heap)
        while heap:
            depth, repeated, count, group = heapq.heappop(heap)
            inside = children[group]
            if shown - 1 + count > room or (repeated and groups[group]["repeats"] > most_times):
                if not repeated:
                    continue
                first = self._first_time(group, children)
                if first >= 0:
                    if shown + 1 + members[first] > room:
                        continue
                    shown += 1 + members[first]
                    inside = children[first]
                else:
                    first, size = self._cut_first(group, room - shown - 1)
                    if first < 0:
                        continue
                    shown += 1 + size
                    inside = []
                self._tell_apart(group, first, children)
                self._open[first] = True
            else:
                shown += count - 1
            self._open[group] = True
            for child in inside:
                heapq.heappush(heap, entry(depth + 1, child))

    def _first_time(self, group: int, children: list[list[int]]) -> int:
        """The group that holds the first of the repetitions; -1 if they have no groups."""
        times = self.groups[group]["repeats"]
        inside = children[group]
        while inside:
            # Long repetitions are cut into parts: "1 – 48 of 152".
            first = inside[0]
            if self.groups[first]["kind"] != "part" or len(inside) >= times:
                return first
            times = -(-times // len(inside))
            inside = children[first]
        return -1

    def _cut_first(self, group: int, room: int) -> tuple[int, int]:
        """A new group for the first of repetitions that have no groups, and its size; -1 if it
        does not fit."""
        under = {group}
        for index in range(group + 1, len(self.groups)):
            if self.groups[index]["parent"] in under:
                under.add(index)
        inside = [node for node, at in enumerate(self.group_of) if at in under]
        times = self.groups[group]["repeats"]
        size = len(inside) // times
        if not size or len(inside) % times or size > room:
            return -1, 0
        first = self._add({"parent": group, "label": f"1 of {times:,}", "kind": "part"})
        self.groups[first] |= {"repeats": 1, "detail": ""}
        rest = self._rest(group)
        self._rest_of[rest] = rest
        for node in inside:
            self.group_of[node] = rest
        for node in inside[:size]:
            self.group_of[node] = first
        return first, size

    def _tell_apart(self, group: int, first: int, children: list[list[int]]) -> None:
        """Draw the first repetition open and all others as one box."""
        self.groups[first]["parent"] = group
        others = [child for child in children[group] if child != first]
        if others and not any(child in self._rest_of for child in others):
            rest = self._rest(group)
            for child in others:
                self._rest_of[child] = rest
            self._rest_of[rest] = rest

    def _rest(self, group: int) -> int:
        """A new group for all repetitions but the first."""
        times = self.groups[group]["repeats"] - 1
        detail = self.groups[group]["detail"]
        rest = {"parent": group, "label": "the others", "kind": "repeat"}
        return self._add(rest | {"repeats": times, "detail": detail})

    def _cut_into_parts(self, most: int) -> None:
        """Cut a graph whose fold leaves too many boxes into parts of the order of recording."""
        first: dict[int, int] = {}  # outermost group -> its first node
        outermost = [-1] * len(self.groups)
        for index, group in enumerate(self.groups):
            parent = group["parent"]
            outermost[index] = index if parent < 0 else outermost[parent]
        loose = []
        for node, inner in enumerate(self.group_of):
            if inner < 0:
                loose.append(node)
            else:
                first.setdefault(outermost[inner], node)
        total = len(first) + len(loose)
        if total <= most:
            return
        items = sorted([(node, -1) for node in loose] + [(n, g) for g, n in first.items()])
        size = -(-total // min(_PARTS, most))
        shift = self.parts = -(-total // size)
        for group in self.groups:
            if group["parent"] >= 0:
                group["parent"] += shift
        parts: list[dict[str, Any]] = []
        part_of: dict[int, int] = {}
        for start in range(0, total, size):
            piece = items[start : start + size]
            for node, index in piece:
                if index < 0:
                    part_of[node] = len(parts)
                else:
                    self.groups[index]["parent"] = len(parts)
            label = f"nodes {piece[0][0]:,} to {piece[-1][0]:,}"
            parts.append({"parent": -1, "label": label, "kind": "part", "repeats": 1, "detail": ""})
        self.groups = parts + self.groups
        self.group_of = [
            inner + shift if inner >= 0 else part_of[node]
            for node, inner in enumerate(self.group_of)
        ]
