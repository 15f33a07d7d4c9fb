"""Graphs that were drawn by hand, for the folding, and what must hold of every folding."""

from contextlib import contextmanager

from chainrule.graph._facts import Facts


class Drawn:
    """Builds a graph node by node, without tensors."""

    def __init__(self, file="/somewhere/train.py"):
        self.file = file
        self.operator, self.names, self.lines, self.sites = [], [], [], []
        self.calls, self.call = [], []
        self.source, self.target = [], []
        self._sites, self._what, self._current = {}, {}, -1
        self.whats = []

    def __len__(self):
        return len(self.names)

    def leaf(self):
        return self._add("", 0, False)

    def op(self, name, *inputs, line=0, shape=()):
        node = self._add(name, line, True, shape)
        for source in inputs:
            self.source.append(source)
            self.target.append(node)
        return node

    def _add(self, name, line, operator, shape=()):
        self.operator.append(operator)
        self.names.append(name)
        self.lines.append(line)
        site = self._sites.setdefault((line, name), len(self._sites)) if line else -1
        self.sites.append(site)
        self.whats.append(self._what.setdefault((name, shape), len(self._what)))
        self.call.append(self._current)
        return len(self.names) - 1

    @contextmanager
    def module(self, path, type_name):
        outer = self._current
        self.calls.append((path, type_name, outer))
        self._current = len(self.calls) - 1
        yield
        self._current = outer

    def facts(self):
        return Facts(
            self.operator,
            self.names,
            self.whats,
            [0] * len(self),
            self.lines,
            self.sites,
            self.call,
            self.calls,
            (self.source, self.target),
            [self.file],
        )


def members_of(folding):
    """For each group, and -1 for the top: its direct nodes and groups, as ("node", i) or
    ("group", g)."""
    out = {-1: []} | {g: [] for g in range(len(folding.groups))}
    for node, group in enumerate(folding.group):
        out[group].append(("node", node))
    for number, group in enumerate(folding.groups):
        out[group.parent].append(("group", number))
    return out


def check_folding(folding, source, target, most=60):
    """What every folding promises."""
    groups = folding.groups
    members = members_of(folding)
    for number, group in enumerate(groups):
        assert -1 <= group.parent < number, "a parent comes before its children"
        inside = members[number]
        holds_loop = inside[0][0] == "group" and groups[inside[0][1]].repeats > 1
        assert len(inside) >= 2 or holds_loop, f"{group} holds nothing to hide"
        assert group.kind in ("module", "line", "repeat", "part")
        assert group.label and isinstance(group.detail, str)
        assert group.repeats >= 1
    for number, inside in members.items():
        assert len(inside) <= most, f"group {number} has {len(inside)} members"
    counts = [0] * len(groups)
    for group in folding.group:
        while group >= 0:
            counts[group] += 1
            group = groups[group].parent
    assert counts == [group.count for group in groups]
    check_no_cycle(folding, source, target)


def check_no_cycle(folding, source, target):
    """Between the members of each group, edges have no cycle."""
    chains = {-1: ()}
    for number, group in enumerate(folding.groups):
        chains[number] = (*chains[group.parent], ("group", number))
    after = {}
    for a, b in zip(source, target, strict=True):
        up = (*chains[folding.group[a]], ("node", a))
        down = (*chains[folding.group[b]], ("node", b))
        at = 0
        while up[at] == down[at]:
            at += 1
        after.setdefault(up[at], set()).add(down[at])
    state = {}
    for start in after:
        stack = [(start, iter(after.get(start, ())))] if start not in state else []
        state.setdefault(start, "open")
        while stack:
            member, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[member] = "done"
                stack.pop()
            elif following not in state:
                state[following] = "open"
                stack.append((following, iter(after.get(following, ()))))
            else:
                assert state[following] == "done", f"a cycle through {following}"
