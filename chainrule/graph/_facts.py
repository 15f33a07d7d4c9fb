"""What folding needs to know of a graph, as plain lists."""

from __future__ import annotations

import gc
import linecache
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chainrule.graph.model import Graph


@contextmanager
def collector_off() -> Iterator[None]:
    """No garbage collection meanwhile: it costs half the time where many lists are made."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Facts:
    """A graph as folding sees it.

    Args:
        operator: is the node an operator (and no leaf or constant)?
        names: name of each node's operator.
        what: a number for each node: equal ones do the same (operator and shapes).
        file, line: where each node was recorded; line 0 for unknown. Files are any hashable.
        site: a number for each place in the program's text that records; -1 for unknown.
        call: the innermost module call of each node, an index into `calls`, -1 for none.
        calls: (path, type, outer call) of each module call.
        edges: (source, target) of each edge, by target.
        file_names: the path of each file.
    """

    def __init__(
        self,
        operator: Sequence[bool],
        names: Sequence[str],
        what: Sequence[int],
        file: Sequence[int],
        line: Sequence[int],
        site: Sequence[int],
        call: Sequence[int],
        calls: Sequence[tuple[str, str, int]],
        edges: tuple[Sequence[int], Sequence[int]],
        file_names: Sequence[str],
    ) -> None:
        size = self.size = len(names)
        self.names, self.what, self.file, self.line = names, what, file, line
        self.site, self.call, self.calls, self.file_names = site, call, calls, file_names
        self.operators = [i for i in range(size) if operator[i]]
        self.leaves = [i for i in range(size) if not operator[i]]
        # Place in the order of recording, among operators.
        self.position = [-1] * size
        for place, node in enumerate(self.operators):
            self.position[node] = place
        self.inputs: list[list[int]] = [[] for _ in range(size)]
        self.users: list[list[int]] = [[] for _ in range(size)]
        inputs, users = self.inputs, self.users
        for source, target in zip(*edges, strict=True):
            inputs[target].append(source)
            users[source].append(target)
        # The room that an operator takes in a box: itself and the leaves that only it uses.
        self.weights = [1] * size
        for leaf in self.leaves:
            if len(users[leaf]) == 1:
                self.weights[users[leaf][0]] += 1
        self.crossing = self._crossing()
        self._chains: dict[int, tuple[int, ...]] = {-1: ()}
        self._statements: dict[tuple[int, int], tuple[str, str]] = {}

    def _crossing(self) -> list[int]:
        """For each operator: how many earlier operators have users from here on."""
        change = [0] * (len(self.operators) + 2)
        position, users = self.position, self.users
        for place, node in enumerate(self.operators):
            if users[node]:
                change[place + 1] += 1
                change[position[max(users[node])] + 1] -= 1
        out = [0] * self.size
        crossing = 0
        for place, node in enumerate(self.operators):
            crossing += change[place]
            out[node] = crossing
        return out

    def chain(self, call: int) -> tuple[int, ...]:
        """The calls around a call and itself, the outermost first."""
        above = []
        while call not in self._chains:
            above.append(call)
            call = self.calls[call][2]
        chain = self._chains[call]
        for inner in reversed(above):
            chain = self._chains[inner] = (*chain, inner)
        return chain

    def place(self, node: int, line: int | None = None) -> str:
        """ "train.py:12" """
        name = self.file_names[self.file[node]]
        return f"{name.replace(chr(92), '/').rpartition('/')[2]}:{line or self.line[node]}"

    def text(self, node: int) -> str:
        """The source line that recorded a node."""
        return linecache.getline(self.file_names[self.file[node]], self.line[node]).strip()

    def loop_statement(self, node: int, line: int) -> tuple[str, str]:
        """Keyword and text of the ``for`` or ``while`` around a line, empty where there is none."""
        key = (self.file[node], line)
        if key not in self._statements:
            lines = linecache.getlines(self.file_names[self.file[node]])
            self._statements[key] = _loop_around(lines, line)
        return self._statements[key]


def _loop_around(lines: list[str], line: int) -> tuple[str, str]:
    if not 0 < line <= len(lines):
        return "", ""
    indent = _indent(lines[line - 1])
    for number in range(line, 0, -1):
        text = lines[number - 1].strip()
        if not text or text.startswith("#"):
            continue
        inner = _indent(lines[number - 1])
        if inner < indent or number == line:
            indent = inner
            keyword = text.partition(" ")[0]
            if keyword in ("for", "while"):
                return keyword, text
            if keyword in ("def", "class", "async"):
                break
        if indent == 0:
            break
    return "", ""


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def facts_of(graph: Graph) -> Facts:
    """What folding needs of a graph."""
    columns = graph.columns
    sites = columns["sites"]
    files: dict[str, int] = {}
    file_of = [files.setdefault(code.co_filename, len(files)) for code, _, _ in sites]
    line_of = [line for _, _, line in sites]
    # Nodes without a place stand at the end of both tables, where index -1 finds them.
    file_of.append(files.setdefault("", len(files)))
    line_of.append(0)
    kinds, metas = columns["kind"], columns["meta"]
    names = [*graph._columns.operators, ""]
    width = len(columns["metas"]) + 1
    return Facts(
        operator=[role == 0 for role in columns["role"]],
        names=[names[kind] for kind in kinds],
        what=[kind * width + meta for kind, meta in zip(kinds, metas, strict=True)],
        file=[file_of[site] for site in columns["site"]],
        line=[line_of[site] for site in columns["site"]],
        site=columns["site"],
        call=columns["scope"],
        calls=[
            (path, type_name, outer)
            for path, (outer, _, type_name, _) in zip(
                graph._columns.paths, columns["scopes"], strict=True
            )
        ],
        edges=(columns["edge_source"], columns["edge_target"]),
        file_names=list(files),
    )
