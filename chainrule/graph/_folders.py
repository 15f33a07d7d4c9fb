"""The ways to fold a graph: by module, by source line, by repeated structure."""

from __future__ import annotations

from functools import partial
from itertools import groupby

from chainrule.graph._boxes import PART, Boxes
from chainrule.graph._facts import Facts
from chainrule.graph._repeats import Interner, Loop, filled, fold_loops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chainrule.graph._repeats import Item

__all__ = ["FOLDERS", "Folder"]

# An iteration of fewer nodes gets no box of its own.
_SMALL_BODY = 4
_SHORTENED = 4  # operators that a label names


class Folder:
    """What the ways to fold have in common: to make boxes of loops and of what is too long."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.boxes = Boxes(facts.size, facts.weights)

    def fold(self) -> list[int]:
        raise NotImplementedError

    def straight(self, items: list[Item]) -> list[int]:
        """Members for a sequence: a box for each loop, the others as they are."""
        return [self.loop(item) if isinstance(item, Loop) else item for item in _unrolled(items)]

    def label_of(self, loop: Loop) -> tuple[str, str]:
        """Label (without the count) and detail of a loop."""
        raise NotImplementedError

    def waist(self, members: list[int]) -> Callable[[int], int]:
        facts, boxes = self.facts, self.boxes
        return lambda i: facts.crossing[boxes.first_node(members[i])]

    def cut(self, members: list[int]) -> list[int]:
        """A sequence that is too long for one box, in parts."""
        if self.boxes.fits(members):
            return members

        def label(first: int, last: int) -> str:
            return self.part_label(members[first], members[last])

        return self.boxes.cut(members, label, self.waist(members))

    def part_label(self, first: int, last: int) -> str:
        facts = self.facts
        ends = [facts.names[self.boxes.first_node(m)] for m in (first, last)]
        return f"{ends[0]} … {ends[1]}"

    def loop(self, loop: Loop) -> int:
        """A "repeat" box whose members are the iterations."""
        count = len(loop.iterations)

        def numbered(first: int, last: int) -> str:
            return f"{first + 1} – {last + 1} of {count}"

        label, detail = self.label_of(loop)
        if all(map(_is_small, loop.iterations)):
            members = self._many_at_once(loop, numbered)
        else:
            members = []
            for i, items in enumerate(loop.iterations):
                body = self.straight(items)
                if len(body) > 1:
                    body = [self.boxes.add("part", f"{i + 1} of {count}", self.cut(body))]
                members += body
            members = self.boxes.cut(members, numbered)
        return self.boxes.add("repeat", f"{label} ×{count}", members, count, detail)

    def _many_at_once(self, loop: Loop, numbered: Callable[[int, int], str]) -> list[int]:
        """Members of a loop of small iterations: parts hold several of them."""
        weights = self.facts.weights
        bodies = [[item for item in body if isinstance(item, int)] for body in loop.iterations]
        count = len(bodies)
        each = max(1, PART // max(sum(weights[node] for node in body) for body in bodies))
        if count <= each:
            return [node for body in bodies for node in body]
        parts = []
        for i in range(0, count, each):
            some = [node for body in bodies[i : i + each] for node in body]
            name = numbered(i, min(i + each, count) - 1)
            parts.append(self.boxes.add("part", name, some) if len(some) > 1 else some[0])

        def label(first: int, last: int) -> str:
            return numbered(first * each, min(last * each + each, count) - 1)

        return self.boxes.cut(parts, label)


class ByStructure(Folder):
    """Repeated sequences of equal operators and shapes that are wired in the same way."""

    def fold(self) -> list[int]:
        facts = self.facts
        tokens = [facts.what[node] for node in facts.operators]
        items: list[Item] = list(facts.operators)
        return self.cut(self.straight(fold_loops(items, tokens, accept=self.accept)))

    def label_of(self, loop: Loop) -> tuple[str, str]:
        names = [self.facts.names[node] for node in _nodes(loop.iterations[0])]
        return _shortened(names), f"{len(names)} operators, repeated with the same shapes"

    def accept(
        self, items: list[Item], start: int, period: int, length: int
    ) -> list[tuple[int, int, int]]:
        """The whole periods that are wired alike, cut where few values cross the border."""
        facts = self.facts
        count = length // period
        spare = length - count * period
        crossing = facts.crossing

        def cost(phase: int) -> tuple[int, bool, int]:
            # At the second border: before the first, values come from outside the loop.
            node = _first(items[start + phase + period])
            return crossing[node], phase > spare, phase

        most = period if count > 3 else spare + 1
        phase = min(range(min(most, length - period)), key=cost)
        start += phase
        count = (length - phase) // period
        begin = facts.position[_first(items[start])]
        size = sum(_size(item) for item in items[start : start + period])
        out = []
        from_ = 0
        for to in [*self._breaks(begin, size, count), count]:
            if to - from_ >= 3:
                out.append((start + from_ * period, period, to - from_))
            from_ = to
        return out

    def _breaks(self, begin: int, size: int, count: int) -> list[int]:
        """The iterations that are not wired like the one before them.

        What an operator uses of its own iteration must stand at the same place in each; what it
        uses of earlier ones must move along with the iterations or stay the same. What comes from
        before the loop is free.
        """
        facts = self.facts
        operators, position, inputs = facts.operators, facts.position, facts.inputs
        out: list[int] = []
        for k in range(1, count):
            here = begin + k * size
            first = begin + (out[-1] if out else 0) * size
            for place in range(here, here + size):
                now, before = inputs[operators[place]], inputs[operators[place - size]]
                if len(now) != len(before):
                    break
                for a, b in zip(now, before, strict=True):
                    pa, pb = position[a], position[b]  # -1 for leaves
                    if pa - pb == size or (pa < here and (pb < first or pa == pb)):
                        continue
                    break
                else:
                    continue
                break
            else:
                continue
            out.append(k)
        return out


class ByLine(Folder):
    """A box for each line with several operations; repeated lines are a loop."""

    def fold(self) -> list[int]:
        facts = self.facts
        number = {name: i for i, name in enumerate(dict.fromkeys(facts.names))}
        sites, names = facts.site, facts.names
        tokens = [sites[node] * len(number) + number[names[node]] for node in facts.operators]
        items: list[Item] = list(facts.operators)
        folded = fold_loops(
            items, tokens, least=2, shortest=4, counts_matter=False, accept=self.accept
        )
        return self.cut(self.straight(folded))

    def accept(
        self, items: list[Item], start: int, period: int, length: int
    ) -> list[tuple[int, int, int]]:
        """The whole periods; where there is a choice they start at the first of the lines."""
        lines = self.facts.line
        spare = length % period
        phase = min(range(spare + 1), key=lambda i: (lines[_first(items[start + i])], i))
        return [(start + phase, period, length // period)]

    def straight(self, items: list[Item]) -> list[int]:
        facts, boxes = self.facts, self.boxes

        def place(item: Item) -> object:
            if isinstance(item, Loop):
                return item
            return (facts.file[item], facts.line[item]) if facts.line[item] else None

        stretches = [(at, list(run)) for at, run in groupby(_unrolled(items), place)]
        members: list[int] = []
        for at, run in stretches:
            if isinstance(at, Loop):
                members += [self.loop(item) for item in run if isinstance(item, Loop)]
                continue
            nodes = [item for item in run if not isinstance(item, Loop)]
            if at is None or len(nodes) < 2 or len(stretches) == 1:
                members += nodes
                continue
            label = facts.place(nodes[0])
            members.append(boxes.add("line", label, self.cut(nodes), 1, facts.text(nodes[0])))
        return members

    def label_of(self, loop: Loop) -> tuple[str, str]:
        return _loop_label(self.facts, list(_nodes(loop.iterations[0])))


class ByModule(Folder):
    """A box for each call of a module; equal ones in a row are one box with a count."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.intern = Interner()
        self._kinds = max(facts.what, default=0) + 1
        # Of each module's box: what makes it equal to another (a negative number), and its call.
        self.structure: dict[int, int] = {}
        self.call: dict[int, int] = {}
        self._ways: dict[tuple[int, ...], list[Item] | None] = {}
        # How often a call of the same module came before it in the same outer call.
        self._number: dict[int, int] = {}
        self._calls_of: dict[tuple[int, str], int] = {}

    def fold(self) -> list[int]:
        """One pass over the operators with a stack of the calls that are open."""
        facts = self.facts
        chain_of = facts.chain
        stack: list[tuple[int, list[int]]] = [(-1, [])]
        current = -1
        members = stack[0][1]
        for node in facts.operators:
            call = facts.call[node]
            if call != current:
                chain = chain_of(call)
                same = 0
                while same < len(chain) and same + 1 < len(stack):
                    if stack[same + 1][0] != chain[same]:
                        break
                    same += 1
                while len(stack) > same + 1:
                    self._close(stack)
                for opened in chain[same:]:
                    stack.append((opened, []))
                    self._count(opened)
                current = call
                members = stack[-1][1]
            members.append(node)
        while len(stack) > 1:
            self._close(stack)
        members = stack[0][1]
        if len(members) == 1 and members[0] < 0:
            # A box around everything says nothing.
            whole = ~members[0]
            inside = self.boxes.dissolve(whole)
            for box in inside:
                if box in self.call:
                    self._rename(box, -1)
            return inside
        return self._fold_members(members)

    def _close(self, stack: list[tuple[int, list[int]]]) -> None:
        """The innermost open call is over: it becomes a box in the one around it."""
        call, members = stack.pop()
        facts = self.facts
        outer, around = stack[-1]
        if len(members) == 1:
            (only,) = members
            if only < 0 or facts.weights[only] == 1:
                # A box around one thing hides nothing.
                if only < 0:
                    self._rename(only, outer)
                around.append(only)
                return
        type_name = facts.calls[call][1]
        structure = ~self.intern((type_name, tuple(map(self._structure_of, members))))
        box = self.boxes.add("module", "", self._fold_members(members), 1, type_name)
        self.structure[box] = structure
        self.call[box] = call
        self._rename(box, outer)
        around.append(box)

    def _count(self, call: int) -> None:
        if call not in self._number:
            path, _, outer = self.facts.calls[call]
            number = self._number[call] = self._calls_of.get((outer, path), 0) + 1
            self._calls_of[outer, path] = number

    def _rename(self, box: int, outer: int) -> None:
        """A module's label: its path as seen from the module around it, and which call it is."""
        call = self.call[box]
        path, type_name, _ = self.facts.calls[call]
        around = self.facts.calls[outer][0] if outer >= 0 else ""
        if around and path.startswith(around + "."):
            path = path[len(around) + 1 :]
        number = self._number[call]
        again = f" (call {number})" if number > 1 else ""
        self.boxes.label[~box] = (path or type_name) + again

    def _structure_of(self, member: int) -> int:
        return self.structure[member] if member < 0 else self.facts.what[member]

    def _fold_members(self, members: list[int]) -> list[int]:
        facts = self.facts
        sites, whats, structure = facts.site, facts.what, self.structure
        tokens = tuple(
            [(sites[m] + 1) * self._kinds + whats[m] if m >= 0 else structure[m] for m in members]
        )
        # Equal modules fold alike: the way is found once, with positions for members.
        if tokens not in self._ways:
            way: list[Item] | None = None
            if len(set(tokens)) < len(tokens):
                way = fold_loops(
                    list(range(len(members))),
                    tokens,
                    least=2,
                    shortest=3,
                    counts_matter=False,
                    accept=partial(self.accept, members),
                )
            self._ways[tokens] = way if way and len(way) < len(members) else None
        found = self._ways[tokens]
        return self.cut(members if found is None else self.straight(filled(found, members)))

    def accept(
        self, members: list[int], items: list[Item], start: int, period: int, length: int
    ) -> list[tuple[int, int, int]]:
        """Whole periods: of modules at least three, of operators alone at least two."""
        body = items[start : start + period]
        modules = any(isinstance(item, int) and members[item] < 0 for item in body)
        if length // period < 3 if modules else length < 4:
            return []
        return [(start, period, length // period)]

    def label_of(self, loop: Loop) -> tuple[str, str]:
        found = [
            next((member for member in _nodes(body) if member < 0), None)
            for body in loop.iterations
        ]
        boxes = [member for member in found if member is not None]
        if not boxes:
            return _loop_label(self.facts, list(_nodes(loop.iterations[0])))
        what = [
            self.boxes.detail[~m] if m < 0 else self.facts.names[m]
            for m in _nodes(loop.iterations[0])
        ]
        label, last = (self.boxes.label[~boxes[i]] for i in (0, -1))
        if len({self.facts.calls[self.call[box]][0] for box in boxes}) > 1:
            label = f"{label} … {last}"
        return label, _shortened(what, ", ")


FOLDERS: dict[str, type[Folder]] = {
    "module": ByModule,
    "line": ByLine,
    "structure": ByStructure,
}


def _loop_label(facts: Facts, nodes: list[int]) -> tuple[str, str]:
    """Label and detail of the lines of a loop's body: "for loop train.py:12-15"."""
    nodes = [node for node in nodes if node >= 0 and facts.line[node]]
    if not nodes:
        return "repeated", ""
    file = facts.file[nodes[0]]
    lines = [facts.line[node] for node in nodes if facts.file[node] == file]
    first, last = min(lines), max(lines)
    where = facts.place(nodes[0], first)
    if last > first:
        where += f"-{last}"
    keyword, statement = facts.loop_statement(nodes[0], first)
    return (f"{keyword} loop {where}" if keyword else where), statement


def _shortened(names: list[str], between: str = " → ") -> str:
    """The first few of many names."""
    if len(names) <= _SHORTENED:
        return between.join(names)
    return between.join([*names[: _SHORTENED - 1], "…", names[-1]])


def _is_small(body: list[Item]) -> bool:
    """A few nodes, and nothing that is a box or becomes one?"""
    return len(body) < _SMALL_BODY and all(isinstance(m, int) and m >= 0 for m in body)


def _unrolled(items: list[Item]) -> Iterable[Item]:
    """The items; of loops that run once, what is in them."""
    for item in items:
        if isinstance(item, Loop) and len(item.iterations) == 1:
            yield from _unrolled(item.iterations[0])
        else:
            yield item


def _first(item: Item) -> int:
    """The first node of an item of nodes and loops."""
    while isinstance(item, Loop):
        item = item.iterations[0][0]
    return item


def _size(item: Item) -> int:
    """The number of nodes in an item of nodes and loops."""
    if isinstance(item, Loop):
        return sum(_size(inner) for body in item.iterations for inner in body)
    return 1


def _nodes(items: Iterable[Item]) -> Iterable[int]:
    """The nodes of items, loops within them by their first iteration."""
    for item in items:
        if isinstance(item, Loop):
            yield from _nodes(item.iterations[0])
        else:
            yield item
