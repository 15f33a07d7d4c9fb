"""``chainrule.autograd.graph_stats``: how large a graph is, and what its memory is kept for."""

from __future__ import annotations

from collections import namedtuple

from chainrule.graph._columns import LEAF, OPERATOR
from chainrule.graph.model import Graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from chainrule import Tensor

__all__ = ["GraphStats", "StatsRow", "graph_stats"]

_MOST_ROWS = 12  # of each table, when it is written

StatsRow = namedtuple("StatsRow", ["name", "nodes", "bytes", "shared"])
StatsRow.__doc__ = """One operator, module or source line in `GraphStats`.

``nodes`` counts its operators, ``bytes`` the memory that they were the first to save, and
``shared`` the saved values that lie in memory counted elsewhere.
"""


class GraphStats:
    """The size of a graph, and the memory that it keeps for the backward pass.

    A saved value keeps the whole memory it lies in. Memory that several nodes save is counted once,
    at the first of them in the order of recording; at the others it is counted as ``shared``.

    Attributes:
        nodes: operators, leaves and constants.
        operators, leaves, constants: how many of each.
        edges: inputs that nodes read from nodes.
        depth: operators on the longest path from a root.
        saved_bytes: memory that the saved values keep, in bytes.
        leaf_bytes: the part of it that belongs to leaves, such as parameters, and would be there
            without the graph.
        saved_values: how many tensors are saved.
        shared_values: how many of them lie in memory that an earlier one keeps already.
        by_operator, by_module, by_line: lists of `StatsRow`, the most bytes first. Outside of
            modules the name is ``""``, without a known line as well.
        released: whether a backward pass has freed saved values.
    """

    def __init__(self, graph: Graph) -> None:
        raw, columns = graph.columns, graph._columns
        role = raw["role"]
        self.nodes = len(role)
        self.operators = role.count(OPERATOR)
        self.leaves = role.count(LEAF)
        self.constants = self.nodes - self.operators - self.leaves
        self.edges = len(raw["edge_source"])
        self.depth = _depth(raw)
        self.released = any(raw["released"])
        first, shared = _first_savers(raw)
        self.saved_bytes = sum(first.values())
        self.leaf_bytes = _leaf_bytes(graph)
        self.saved_values = len(raw["saved_node"])
        self.shared_values = sum(shared.values())
        chosen = [node for node in range(self.nodes) if role[node] == OPERATOR]
        kinds, scopes, sites = raw["kind"], raw["scope"], raw["site"]
        paths = [*columns.paths, ""]
        places = [*(place.describe() for place in columns.locations), ""]
        tables = (
            [columns.operators[kinds[node]] for node in chosen],
            [paths[scopes[node]] for node in chosen],
            [places[sites[node]] for node in chosen],
        )
        self.by_operator, self.by_module, self.by_line = (
            _rows(zip(chosen, names, strict=True), first, shared) for names in tables
        )

    def __str__(self) -> str:
        out = [*self._head()]
        for title, rows in self._tables():
            out.append("")
            body = [
                (row.name or "(none)", f"{row.nodes:,}", _size(row.bytes), _note(row))
                for row in rows[:_MOST_ROWS]
            ]
            width = max(len(title), *(len(line[0]) for line in body)) if body else len(title)
            out.append(f"{title:<{width}}  operators       saved")
            out += [
                f"{name:<{width}}  {nodes:>9}  {size:>10}{note}".rstrip()
                for name, nodes, size, note in body
            ]
            if len(rows) > _MOST_ROWS:
                rest = rows[_MOST_ROWS:]
                kept = _size(sum(row.bytes for row in rest))
                nodes = f"{sum(row.nodes for row in rest):,}"
                out.append(f"{f'… {len(rest):,} more':<{width}}  {nodes:>9}  {kept:>10}")
        return "\n".join(out)

    def __repr__(self) -> str:
        return f"<GraphStats: {self.nodes} nodes, {_size(self.saved_bytes)} saved>"

    def _repr_html_(self) -> str:
        from html import escape

        out = [f"<p>{'<br>'.join(map(escape, self._head()))}</p>"]
        for title, rows in self._tables():
            out.append(
                f"<table><thead><tr><th style='text-align:left'>{escape(title)}</th>"
                "<th>operators</th><th>saved</th><th>shared values</th></tr></thead><tbody>"
            )
            out += [
                f"<tr><td style='text-align:left'>{escape(row.name or '(none)')}</td>"
                f"<td>{row.nodes:,}</td><td>{_size(row.bytes)}</td><td>{row.shared or ''}</td></tr>"
                for row in rows[:_MOST_ROWS]
            ]
            if len(rows) > _MOST_ROWS:
                out.append(f"<tr><td colspan=4>… {len(rows) - _MOST_ROWS:,} more</td></tr>")
            out.append("</tbody></table>")
        return "".join(out)

    def _head(self) -> list[str]:
        lines = [
            f"{_counted(self.nodes, 'node')} ({_counted(self.operators, 'operator')}, "
            f"{_counted(self.leaves, 'leaf', 'leaves')}, {_counted(self.constants, 'constant')}), "
            f"{_counted(self.edges, 'edge')}, depth {self.depth:,}",
            f"{_size(self.saved_bytes)} saved for the backward pass in "
            f"{_counted(self.saved_values, 'value')}",
        ]
        if self.leaf_bytes:
            lines[1] += f", of it {_size(self.leaf_bytes)} in leaves, which are there anyway"
        if self.shared_values:
            lines.append(
                f"{self.shared_values:,} of these values share memory with others; it is counted "
                "once, where it was saved first"
            )
        if self.released:
            lines.append("A backward pass has freed saved values of this graph.")
        return lines

    def _tables(self) -> list[tuple[str, list[StatsRow]]]:
        tables = [
            ("operator", self.by_operator),
            ("module", self.by_module),
            ("line", self.by_line),
        ]
        return [(title, rows) for title, rows in tables if any(row.name for row in rows)]


def graph_stats(*roots: Tensor | Graph) -> GraphStats:
    """Count the nodes of a graph and the memory that it keeps, by operator, module and line.

    .. code-block:: python

        print(chainrule.autograd.graph_stats(loss))

    Args:
        roots: the loss, or several tensors, or a `chainrule.graph.Graph`.

    Raises:
        RuntimeError: a tensor has no graph; the message says why.
    """
    if len(roots) == 1 and isinstance(roots[0], Graph):
        return GraphStats(roots[0])
    return GraphStats(Graph(*roots))


def _depth(raw: dict[str, list[Any]]) -> int:
    # Inputs stand before their users, so one pass over the edges by target is enough.
    depth = [int(role == OPERATOR) for role in raw["role"]]
    for source, target in zip(raw["edge_source"], raw["edge_target"], strict=True):
        if depth[source] >= depth[target]:
            depth[target] = depth[source] + 1
    return max(depth, default=0)


def _first_savers(raw: dict[str, list[Any]]) -> tuple[dict[int, int], dict[int, int]]:
    """By node: the bytes that it was the first to save, and its values in other memory."""
    first: dict[int, int] = {}
    shared: dict[int, int] = {}
    known: set[int] = set()
    columns = (raw["saved_node"], raw["saved_storage"], raw["saved_storage_bytes"])
    for node, storage, nbytes in zip(*columns, strict=True):
        if storage in known:
            shared[node] = shared.get(node, 0) + 1
        else:
            known.add(storage)
            first[node] = first.get(node, 0) + nbytes
    return first, shared


def _leaf_bytes(graph: Graph) -> int:
    """Bytes of the saved memory that belongs to leaves."""
    raw, snapshot = graph.columns, graph.snapshot
    leaves = {
        snapshot.tensor(node).untyped_storage().data_ptr()
        for node, role in enumerate(raw["role"])
        if role == LEAF
    }
    known: set[int] = set()
    total = 0
    columns = (raw["saved_storage"], raw["saved_storage_bytes"])
    for value, (storage, nbytes) in enumerate(zip(*columns, strict=True)):
        if storage in known or not nbytes:
            continue
        tensor = snapshot.saved(value)
        if tensor is None:  # changed in place since
            continue
        known.add(storage)
        if tensor.untyped_storage().data_ptr() in leaves:
            total += nbytes
    return total


def _rows(
    named: Iterable[tuple[int, str]], first: dict[int, int], shared: dict[int, int]
) -> list[StatsRow]:
    found: dict[str, list[int]] = {}
    for node, name in named:
        row = found.setdefault(name, [0, 0, 0])
        row[0] += 1
        row[1] += first.get(node, 0)
        row[2] += shared.get(node, 0)
    rows = [StatsRow(name, *numbers) for name, numbers in found.items()]
    return sorted(rows, key=lambda row: (-row.bytes, -row.nodes))


def _size(nbytes: int) -> str:
    """Bytes for people: "1.5 MiB"."""
    size = float(nbytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{nbytes} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _note(row: StatsRow) -> str:
    return f"  + {_counted(row.shared, 'shared value')}" if row.shared else ""


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
