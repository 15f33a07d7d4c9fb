"""What a picture shows of a graph: boxes, the links between them, frames around open groups.

A graph of a hundred thousand nodes is shown as a few dozen boxes: groups of the fold (modules,
source lines, repeated structure) are one box each until there is room to open them.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from chainrule.viewer.folding import Opened
from chainrule.viewer.labels import counted
from chainrule.viewer.reader import CONSTANT, LEAF, OPERATOR, Reader

USUAL_BOXES = 40  # groups are opened up to this many boxes
SMALL_GRAPH = 20  # up to so many nodes a picture has room for each leaf
_MANY_USERS = 3  # what more boxes use is drawn with each of them
FLAT_BOXES = 100  # without groups: up to this many nodes are all drawn
MOST_BOXES = 400  # beyond this a picture is no longer read


@dataclass(slots=True)
class Box:
    """A node, or a closed group of nodes."""

    node: int  # the node; of a group: the last node whose result leaves it
    group: int  # the closed group, or -1
    frame: int  # the open group around it, or -1
    kind: str  # "operator", "leaf", "constant" or "group"
    operators: int = 0  # a group: how many of each kind are inside
    leaves: int = 0
    saved_bytes: int = 0
    attached: list[int] = field(default_factory=list)  # leaves and constants drawn with the box
    alone_in: int = -1  # the open group that holds nothing else: it gets no frame


@dataclass(slots=True)
class Link:
    """The edges that go from one box to another."""

    source: int
    target: int
    count: int = 1
    input: int = 0  # the position among the inputs of the target, if it is one edge
    local: float | str | None = None  # the local gradient, if it is one edge and known


@dataclass(slots=True)
class Frame:
    """An open group: the boxes and frames in it are drawn inside."""

    group: int
    parent: int  # the open group around it, or -1


class View:
    """A reading of a graph with at most about ``boxes`` boxes.

    Args:
        reader: the graph.
        fold: "module", "line" or "structure"; None folds nothing.
        boxes: open groups up to this many boxes. None: ``USUAL_BOXES`` of a graph that is
            folded, and never more than ``most``.
        attach: draw the leaves that only one operator uses with it: parameters of modules, and in
            a graph that is not small also others, and with each of its users what many use.
        most: never more boxes than this; what no fold makes small enough is cut into parts.

    Attributes:
        boxes: in an order in which inputs come before users, as far as there is one.
        links: between indices of ``boxes``.
        frames: the open groups, outer before inner.
        notes: what was left out, in sentences for the reader of the picture.
    """

    def __init__(
        self,
        reader: Reader,
        fold: str | None,
        boxes: int | None = None,
        attach: bool = False,
        most: int = MOST_BOXES,
    ) -> None:
        if boxes is not None and boxes < 1:
            raise ValueError(f"boxes must be 1 or more, not {boxes}")
        self.reader = reader
        self.notes: list[str] = []
        if boxes is not None and boxes > most:
            if reader.count > most == MOST_BOXES:
                self.notes.append(f"A picture has at most {most} boxes.")
            boxes = most
        self.fold = self._choose_fold(fold, boxes)
        unfolded: tuple[list[int], list[dict[str, Any]]] = ([-1] * reader.count, [])
        group_of, groups = reader.fold(self.fold) if self.fold is not None else unfolded
        room = boxes if boxes is not None else USUAL_BOXES
        if not groups and boxes is None and reader.count <= most:
            room = most
        small = reader.count <= SMALL_GRAPH  # else leaves are drawn with their users
        takes_room = [small or kind == OPERATOR for kind in reader.kinds]
        opened = Opened(
            group_of, groups, takes_room, min(room, most), most, repeat=boxes is not None
        )
        if opened.parts:
            self.notes.append(f"Cut into {opened.parts} parts: the fold leaves too many boxes.")
        self.groups = opened.groups
        self._make_boxes(opened.group_of, opened.drawn, attach)
        self._make_links()
        self._sort()
        self._make_frames()
        self._explain_folding(boxes)

    def _choose_fold(self, fold: str | None, boxes: int | None) -> str | None:
        """The fold asked for, or the next that makes the picture small enough."""
        reader = self.reader
        limit = boxes if boxes is not None else FLAT_BOXES
        if fold is None:
            if reader.count <= MOST_BOXES:
                return None
        elif reader.count <= limit or reader.fold(fold)[1]:
            return fold
        for other in ("module", "structure", "line"):
            if other != fold and other in reader.graph.get("folds", {}) and reader.fold(other)[1]:
                self.notes.append(
                    f"{counted(reader.count, 'node')} are too many for one picture: folded by "
                    f"{_FOLD_WORDS[other]}."
                )
                return other
        return fold

    def _make_boxes(self, group_of: list[int], shown: list[int], attach: bool) -> None:
        reader = self.reader
        self.boxes: list[Box] = []
        self._everywhere: set[int] = set()  # nodes that are drawn with each of their users
        self.box_of: list[int] = [-1] * reader.count
        of_group: dict[int, int] = {}
        kinds = {OPERATOR: "operator", LEAF: "leaf", CONSTANT: "constant"}
        for node, group in enumerate(group_of):
            closed = shown[group] if group >= 0 else -1
            if closed < 0:
                self.box_of[node] = len(self.boxes)
                self.boxes.append(Box(node, -1, group, kinds[reader.kinds[node]]))
                continue
            box = of_group.get(closed)
            if box is None:
                box = of_group[closed] = len(self.boxes)
                self.boxes.append(Box(node, closed, self.groups[closed]["parent"], "group"))
            self._put(node, box)
        self._attach(attach)

    def _put(self, node: int, box: int) -> None:
        """Count ``node`` into a closed group."""
        self.box_of[node] = box
        into = self.boxes[box]
        if self.reader.kinds[node] == OPERATOR:
            into.operators += 1
        elif self.reader.kinds[node] == LEAF:
            into.leaves += 1
        into.saved_bytes += self.reader.saved_bytes(node)

    def _attach(self, parameters: bool) -> None:
        """Leaves and constants that only one closed group uses are drawn as part of it; with
        ``parameters`` also leaves that only one operator uses."""
        reader = self.reader
        users: dict[int, set[int]] = {}  # node -> the boxes that use it
        for source, target in zip(reader.sources, reader.targets, strict=True):
            if reader.kinds[source] != OPERATOR:
                users.setdefault(source, set()).add(self.box_of[target])
        gone = set()
        for node, boxes in users.items():
            own = self.box_of[node]
            if own in boxes or self.boxes[own].group >= 0:
                continue
            if len(boxes) > 1:
                if parameters and len(boxes) > _MANY_USERS and not self._apart(node):
                    gone.add(own)
                    self._everywhere.add(node)
                    for box in sorted(boxes):
                        self.box_of[node] = box
                        self.boxes[box].attached.append(node)
                continue
            (box,) = boxes
            if self.boxes[box].group >= 0:
                self._put(node, box)
            elif not parameters or reader.kinds[node] != LEAF or self._apart(node):
                continue
            gone.add(own)
            self.box_of[node] = box
            self.boxes[box].attached.append(node)
        if gone:
            self._keep([index for index in range(len(self.boxes)) if index not in gone])

    def _apart(self, leaf: int) -> bool:
        """Whether a leaf has a box of its own: a variable of a small graph, but no parameter."""
        reader = self.reader
        return reader.count <= SMALL_GRAPH and "." not in reader.variable(leaf)

    def _keep(self, order: list[int]) -> None:
        """Keep these boxes, in this order."""
        new = {old: index for index, old in enumerate(order)}
        self.boxes = [self.boxes[old] for old in order]
        self.box_of = [new[box] for box in self.box_of]

    def _make_links(self) -> None:
        reader = self.reader
        found: dict[tuple[int, int, int], Link] = {}
        box_of = self.box_of
        for edge, (first, second) in enumerate(zip(reader.sources, reader.targets, strict=True)):
            source, target = box_of[first], box_of[second]
            if source == target or first in self._everywhere:
                continue
            if self.boxes[source].group >= 0 and first > self.boxes[source].node:
                self.boxes[source].node = first
            # Two edges between the same two nodes stay two: x * x has two local gradients.
            apart = self.boxes[source].group < 0 and self.boxes[target].group < 0
            position = reader.inputs[edge]
            key = (source, target, position if apart else -1)
            link = found.get(key)
            if link is None:
                found[key] = Link(source, target, 1, position, reader.locals[edge])
            else:
                link.count += 1
                link.local = None
        for root in reader.roots:
            box = self.boxes[box_of[root]]
            if box.group >= 0:
                box.node = root
        self.links = list(found.values())

    def _sort(self) -> None:
        """Inputs before users; within that, the order of recording. A cycle is cut anywhere."""
        waiting = [0] * len(self.boxes)
        users: list[list[int]] = [[] for _ in self.boxes]
        for link in self.links:
            users[link.source].append(link.target)
            waiting[link.target] += 1
        last = [0] * len(self.boxes)
        for node, box in enumerate(self.box_of):
            last[box] = node
        ready = [(last[box], box) for box, count in enumerate(waiting) if not count]
        heapq.heapify(ready)
        rest = sorted((last[box], box) for box in range(len(self.boxes)))[::-1]
        order: list[int] = []
        done = [False] * len(self.boxes)
        while len(order) < len(self.boxes):
            if not ready:  # folded boxes can depend on each other
                while done[rest[-1][1]]:
                    rest.pop()
                heapq.heappush(ready, rest.pop())
            _, box = heapq.heappop(ready)
            if done[box]:
                continue
            done[box] = True
            order.append(box)
            for user in users[box]:
                waiting[user] -= 1
                if not waiting[user] and not done[user]:
                    heapq.heappush(ready, (last[user], user))
        new = {old: index for index, old in enumerate(order)}
        self._keep(order)
        for link in self.links:
            link.source, link.target = new[link.source], new[link.target]
        self.links.sort(key=lambda link: (link.target, link.input, link.source))

    def _make_frames(self) -> None:
        parents = {index: group["parent"] for index, group in enumerate(self.groups)}
        inside: dict[int, int] = {}  # frame -> operators, groups and frames in it
        wanted = set()
        for box in self.boxes:
            inside[box.frame] = inside.get(box.frame, 0) + (box.kind in ("operator", "group"))
            frame = box.frame
            while frame >= 0 and frame not in wanted:
                wanted.add(frame)
                frame = parents[frame]
        for frame in wanted:
            inside[parents[frame]] = inside.get(parents[frame], 0) + 1
        # A frame around one operator says no more than its label beside the operator.
        lonely = {
            f for f in wanted if inside[f] == 1 and not wanted & _children(parents, f, wanted)
        }
        for box in self.boxes:
            if box.frame in lonely:
                if box.kind == "operator":
                    box.alone_in = box.frame
                box.frame = parents[box.frame]
        self.frames = [Frame(g, parents[g]) for g in sorted(wanted - lonely)]

    def _explain_folding(self, boxes: int | None) -> None:
        closed = sum(box.group >= 0 for box in self.boxes)
        if closed:
            how = _FOLD_WORDS[self.fold] if self.fold is not None else "order of recording"
            drawn = sum(box.kind in ("operator", "group") for box in self.boxes)
            more = min(MOST_BOXES, 2 * (boxes or USUAL_BOXES))
            self.notes.append(
                f"{counted(self.reader.count, 'node')} in {counted(drawn, 'box')}, "
                f"folded by {how}; boxes={more} makes room for more."
            )

    def group_name(self, group: int) -> str:
        """The label of a group without its count."""
        label = self.reader.group_text(self.groups[group], "label")
        return label.removesuffix(f" ×{self.groups[group]['repeats']}")

    def group_label(self, box: Box) -> str:
        """The label of a closed group, "layers.0 … layers.151"."""
        return self.group_name(box.group)

    def group_detail(self, box: Box) -> str:
        """What else is known of a closed group, such as its module's type."""
        return self.reader.group_text(self.groups[box.group], "detail")

    def repeats(self, box: Box) -> int:
        """How often the structure of a closed group is repeated in it; 1 for none."""
        return int(self.groups[box.group]["repeats"]) if box.group >= 0 else 1

    def frame_label(self, index: int) -> str:
        """The label of an open group: with a module's type, with the count of repetitions."""
        group = self.groups[index]
        label, detail = self.group_name(index), self.reader.group_text(group, "detail")
        if group["repeats"] > 1:
            return f"{label} ×{group['repeats']}"
        return f"{label}: {detail}" if detail and group["kind"] == "module" else label or detail

    def span(self) -> int:
        """Over how many layers all links reach together: what it takes to route them."""
        layer = [0] * len(self.boxes)
        for link in self.links:  # by target, and sources come first
            layer[link.target] = max(layer[link.target], layer[link.source] + 1)
        return sum(abs(layer[link.target] - layer[link.source]) for link in self.links)

    def inputs(self) -> list[list[Link]]:
        """The links into each box, by position."""
        found: list[list[Link]] = [[] for _ in self.boxes]
        for link in self.links:
            found[link.target].append(link)
        return found


def _children(parents: dict[int, int], frame: int, frames: set[int]) -> set[int]:
    return {other for other in frames if parents[other] == frame}


_FOLD_WORDS = {"module": "module", "line": "source line", "structure": "repeated structure"}
