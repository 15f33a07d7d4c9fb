"""Boxes that hold nodes and other boxes: what a folding is made of while it is built."""

from __future__ import annotations

from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A box shows at most so many things at once; fuller ones are cut into parts
# of about so many.
MOST_MEMBERS = 60
PART = 48


class Boxes:
    """Groups of a folding. A member is a node's id, or ``~g`` for group ``g``.

    Groups are made from the inside out. Each holds a stretch of the recording order, so that the
    picture of the folded graph has no cycle: operations only use what was recorded before them.
    Leaves and constants, which use nothing, are put in at the end, near their users.
    """

    def __init__(self, node_count: int, weights: Sequence[int]) -> None:
        self.group_of = [-1] * node_count
        self.parent: list[int] = []
        self.kind: list[str] = []
        self.label: list[str] = []
        self.repeats: list[int] = []
        self.detail: list[str] = []
        self._first: list[int] = []
        self._weights = weights  # what a node takes of the room of a box, with leaves of its own

    def add(
        self, kind: str, label: str, members: list[int], repeats: int = 1, detail: str = ""
    ) -> int:
        """A new group with these members; returns how to name it as a member."""
        group = len(self.parent)
        self.parent.append(-1)
        self.kind.append(kind)
        self.label.append(label)
        self.repeats.append(repeats)
        self.detail.append(detail)
        self._first.append(self.first_node(members[0]))
        parent, group_of = self.parent, self.group_of
        for member in members:
            if member >= 0:
                group_of[member] = group
            else:
                parent[~member] = group
        return ~group

    def first_node(self, member: int) -> int:
        """The first node in recording order that a member holds."""
        return member if member >= 0 else self._first[~member]

    def dissolve(self, group: int) -> list[int]:
        """Takes the last group away; its members, which stand outside all groups then."""
        inside = [node for node, g in enumerate(self.group_of) if g == group]
        for node in inside:
            self.group_of[node] = -1
        for other, parent in enumerate(self.parent):
            if parent == group:
                self.parent[other] = -1
                inside.append(~other)
        columns = (self.parent, self.kind, self.label, self.repeats, self.detail, self._first)
        for column in columns:
            del column[group]
        return inside

    def fits(self, members: list[int]) -> bool:
        """Whether there is room in a box for all of them."""
        if len(members) > MOST_MEMBERS:
            return False
        weights = self._weights
        return sum([weights[m] if m >= 0 else 1 for m in members]) <= MOST_MEMBERS

    def cut(
        self,
        members: list[int],
        label: Callable[[int, int], str],
        waist: Callable[[int], int] | None = None,
    ) -> list[int]:
        """At most `MOST_MEMBERS` members: longer lists go into parts, and parts into parts.

        `label(first, last)` names the part that holds these positions of `members`;
        `waist(i)` counts what crosses the place before position `i`: parts are cut where it is
        small.
        """
        if self.fits(members):
            return members
        weights = [self._weights[m] if m >= 0 else 1 for m in members]
        spans = [(i, i) for i in range(len(members))]
        while len(members) > 1 and sum(weights) > MOST_MEMBERS:
            shorter: list[int] = []
            new_spans: list[tuple[int, int]] = []
            for start, end in _stretches(weights, waist):
                if end - start == 1:
                    shorter.append(members[start])
                    new_spans.append(spans[start])
                    continue
                first, last = spans[start][0], spans[end - 1][1]
                new_spans.append((first, last))
                shorter.append(self.add("part", label(first, last), members[start:end]))
            if len(shorter) == len(members):
                break
            members, spans = shorter, new_spans
            weights = [1] * len(members)
            waist = None
        return members

    def finish(self, leaves: list[int], users: Sequence[list[int]]) -> list[int]:
        """Turns the groups so that parents come first and puts leaves near their users.

        Returns the number of nodes in each group, at all depths.
        """
        self._renumber()
        self._place(leaves, users)
        if self._tidy(leaves):
            self._renumber()
        counts = [0] * len(self.parent)
        for group in self.group_of:
            if group >= 0:
                counts[group] += 1
        for group in range(len(counts) - 1, -1, -1):
            if self.parent[group] >= 0:
                counts[self.parent[group]] += counts[group]
        return counts

    def _renumber(self) -> None:
        """Parents before children, and children in the order of their nodes."""
        size = len(self.parent)
        children: list[list[int]] = [[] for _ in range(size + 1)]  # the last one: of no group
        for group in sorted(range(size), key=self._first.__getitem__, reverse=True):
            children[self.parent[group]].append(group)
        order: list[int] = []
        stack = children[-1]
        while stack:
            group = stack.pop()
            order.append(group)
            stack += children[group]
        new = [-1] * (size + 1)  # -1 stays -1
        for number, group in enumerate(order):
            new[group] = number
        self.parent = [new[self.parent[g]] for g in order]
        self.kind = [self.kind[g] for g in order]
        self.label = [self.label[g] for g in order]
        self.repeats = [self.repeats[g] for g in order]
        self.detail = [self.detail[g] for g in order]
        self._first = [self._first[g] for g in order]
        self.group_of = [new[g] for g in self.group_of]

    def _place(self, leaves: list[int], users: Sequence[list[int]]) -> None:
        """Each leaf goes into the innermost group that holds all its users.

        Not into a loop, though, when several iterations use it: it comes from outside then.
        """
        parent, group_of, repeats = self.parent, self.group_of, self.repeats
        for leaf in leaves:
            groups = {group_of[user] for user in users[leaf]}
            if not groups:
                continue
            common = groups.pop()
            while groups:
                other = groups.pop()
                while common != other:  # parents have smaller numbers
                    if common > other:
                        common = parent[common]
                    else:
                        other = parent[other]
            while common >= 0 and repeats[common] > 1 and len(users[leaf]) > 1:
                common = parent[common]
            group_of[leaf] = common

    def _tidy(self, leaves: list[int]) -> bool:
        """Boxes that leaves have made too full get them into boxes of their own: any made?"""
        before = len(self.parent)
        room = [0] * (len(self.parent) + 1)  # the last one: outside all groups
        for group in self.parent:
            room[group] += 1
        for group in self.group_of:
            room[group] += 1
        loose: dict[int, list[int]] = {}
        for leaf in leaves:
            if room[self.group_of[leaf]] > MOST_MEMBERS:
                loose.setdefault(self.group_of[leaf], []).append(leaf)
        for group, held in loose.items():
            if len(held) < 2:
                continue
            members = held
            level = 0
            allowed = max(1, MOST_MEMBERS - room[group] + len(held))
            while level == 0 or len(members) > allowed:
                level += 1
                parts = []
                for start in range(0, len(members), PART):
                    some = members[start : start + PART]
                    what = "leaves" if level == 1 else "parts of leaves"
                    parts.append(self._later(f"{len(some)} {what}", some, group))
                members = parts
        return len(self.parent) > before

    def _later(self, label: str, members: list[int], parent: int) -> int:
        """A group that is made when parents come first already."""
        member = self.add("part", label, members)
        self.parent[~member] = parent
        return member


def _stretches(weights: list[int], waist: Callable[[int], int] | None) -> list[tuple[int, int]]:
    """Cuts a list into stretches of about equal weight, at most `MOST_MEMBERS` where possible."""
    total = list(accumulate(weights, initial=0))
    pieces = -(-total[-1] // PART)
    if pieces > PART:  # several levels follow: fill each part
        pieces = -(-total[-1] // MOST_MEMBERS)
    out: list[tuple[int, int]] = []
    start, size = 0, len(weights)
    aim = total[-1] / pieces
    while start < size:
        end = best = start + 1
        least = None  # the fewest values that cross a place where the part is long enough to end
        while end < size and total[end + 1] - total[start] <= MOST_MEMBERS:
            end += 1
            width = total[end] - total[start]
            crossing = waist(end) if waist and end < size and 2 * width >= aim else 0
            if least is None or 2 * width < aim or crossing <= least:
                best = end
                least = crossing if 2 * width >= aim else None
            if width >= (1.2 * aim if waist else aim):
                break
        out.append((start, best))
        start = best
    return out
