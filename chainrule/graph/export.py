"""A graph as plain data: the exchange format "chainrule.graph" that pictures and tools read.

The format is columnar: one list per property. A text is an index into ``strings``, -1 for none;
``NaN`` and infinities are the strings "nan", "inf" and "-inf", which JSON can write.

=============  ===================================================================================
``nodes``      in the order of recording, inputs before their users: ``kind`` (0 operator, 1 leaf,
               2 constant), ``op``, ``symbol``, ``name``, ``variable``, ``shape`` ("3×4"; "" of a
               number), ``dtype``, ``bytes`` (saved), ``file``, ``line`` (0: not known),
               ``function``, ``expression``, ``module`` (index into ``modules``), ``formula`` (a
               list with the derivative for each input), ``operand`` (what these call the inputs;
               the result is ``y``, the gradient that arrives ``g``), ``order`` (position in the
               backward pass, -1), ``value`` and ``grad`` (indices into ``summaries``, -1)
``edges``      ``source``, ``target``, ``input`` (its position) and ``local`` (the local gradient of
               tensors with one element, or null)
``modules``    the ``path`` and ``type`` of each ``nn.Module``
``sources``    by file (its index, as a text) and line: the text of the line
``folds``      by "module", "line" and "structure": the innermost ``group`` of each node, -1 for
               none, and the ``groups``, a parent before its children, as in `Folding`
``summaries``  what `summarize` gives
``roots``      the nodes from which the backward pass starts
=============  ===================================================================================
"""

from __future__ import annotations

import json
import linecache
from math import isfinite

from chainrule.graph._columns import LEAF
from chainrule.graph._facts import collector_off, facts_of
from chainrule.graph._symbols import symbol_of
from chainrule.graph.folding import KINDS, fold_facts
from chainrule.graph.summary import summarize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from chainrule.graph._facts import Facts
    from chainrule.graph.model import Graph
    from chainrule.graph.record import Recording

__all__ = ["FORMAT", "VERSION", "folding_to_dict", "graph_to_dict", "to_json", "to_payload"]

FORMAT = "chainrule.graph"
VERSION = 1
# Values are found out by themselves for graphs up to this size.
_MOST_VALUES = 5_000


class _Strings:
    """A table of texts; ``table(text)`` is the index, -1 for None."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}

    def __call__(self, text: str | None) -> int:
        return -1 if text is None else self._index.setdefault(text, len(self._index))

    def many(self, texts: Iterable[str | None]) -> list[int]:
        return [self(text) for text in texts]

    def list(self) -> list[str]:
        return list(self._index)


def to_payload(
    graph: Graph | Recording,
    title: str | None = None,
    folds: Sequence[str] = KINDS,
    profile: dict[str, Any] | None = None,
    values: bool | None = None,
) -> dict[str, Any]:
    """All that a page shows: ``{"graphs": [...], "steps": [...], "profile": ...}``.

    Args:
        graph: a graph, or the steps of a `chainrule.record_graph`.
        title: of the page; by default the file that recorded the root.
        folds: the ways to fold: "module", "line", "structure".
        profile: spans of time for the flame view.
        values: whether to find out the values of operators' results; None: for small graphs.

    Raises:
        ValueError: an unknown fold.
    """
    from chainrule.graph.record import Recording

    if isinstance(graph, Recording):
        graphs = [
            {**exported, "title": exported["title"] if title is None else title}
            for exported in graph.graphs(tuple(folds))
        ]
        steps = [step.to_dict() for step in graph.steps]
        return {"graphs": graphs, "steps": steps, "profile": profile}
    exported = graph_to_dict(graph, title, folds, values)
    return {"graphs": [exported], "steps": [], "profile": profile}


def to_json(
    graph: Graph | Recording, title: str | None = None, folds: Sequence[str] = KINDS
) -> str:
    """JSON of a graph (format "chainrule.graph"), or of a recording with its steps."""
    from chainrule.graph.record import Recording

    if isinstance(graph, Recording):
        data = to_payload(graph, title, folds)
    else:
        data = graph_to_dict(graph, title, folds)
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def graph_to_dict(
    graph: Graph,
    title: str | None = None,
    folds: Sequence[str] = KINDS,
    values: bool | None = None,
) -> dict[str, Any]:
    """One graph in the exchange format.

    Gradients and local gradients are part of it when ``graph.gradients()`` and
    ``graph.local_gradients()`` have run. Where a backward pass has freed the graph, leaves show
    their ``.grad``.

    Args:
        graph: the graph.
        title: by default the file that recorded the root.
        folds: the ways to fold: "module", "line", "structure".
        values: whether to find out the values of operators' results, as in ``node.value``; None:
            for graphs of at most 5,000 nodes.

    Raises:
        ValueError: an unknown fold.
    """
    for by in folds:
        if by not in KINDS:
            raise ValueError(f"a graph folds by {', '.join(map(repr, KINDS))}, not by {by!r}")
    with collector_off():
        strings = _Strings()
        raw = graph.columns
        facts = facts_of(graph)
        summaries = _Summaries()
        if values is None:
            values = facts.size <= _MOST_VALUES or graph._values is not None
        data: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "title": _title(graph, facts) if title is None else title,
            "strings": [],
            "nodes": _nodes(graph, strings),
        }
        data["nodes"]["value"] = summaries.column(
            facts.size, graph._known_values() if values else {}
        )
        data["nodes"]["grad"] = summaries.column(facts.size, _gradients(graph))
        local = graph._locals
        data["edges"] = {
            "source": list(raw["edge_source"]),
            "target": list(raw["edge_target"]),
            "input": list(raw["edge_input"]),
            "local": [_number(local[i]) if i in local else None for i in range(len(graph.edges))]
            if local
            else [None] * len(graph.edges),
        }
        data["modules"], data["nodes"]["module"] = _modules(graph, strings)
        data["sources"] = _sources(data["nodes"], strings)
        data["strings"] = strings.list()
        data["folds"] = {by: folding_to_dict(facts, by, data["strings"]) for by in folds}
        data["summaries"] = summaries.list
        data["roots"] = list(raw["roots"])
    return data


def folding_to_dict(facts: Facts, by: str, strings: list[str]) -> dict[str, Any]:
    """A folding in the exchange format; its texts are added to `strings`."""
    index = {text: i for i, text in enumerate(strings)}

    def number(text: str) -> int:
        if text not in index:
            index[text] = len(strings)
            strings.append(text)
        return index[text]

    folding = fold_facts(facts, by)
    groups = [
        {
            "parent": parent,
            "label": number(label),
            "kind": kind,
            "count": count,
            "repeats": repeats,
            "detail": number(detail) if detail else -1,
        }
        for parent, label, kind, count, repeats, detail in folding.groups
    ]
    return {"group": folding.group, "groups": groups}


def _nodes(graph: Graph, strings: _Strings) -> dict[str, list[Any]]:
    raw, columns = graph.columns, graph._columns
    kinds = [_operator_texts(name, strings) for name in columns.operators]
    kinds.append((-1, -1))  # of a constant: index -1 finds it
    names = [*strings.many(name for name, _, _ in raw["kinds"]), -1]
    formulas = [strings.many(texts) for _, texts, _ in raw["kinds"]]
    formulas.append([])
    operands = [*(strings.many(inputs) for _, _, inputs in raw["kinds"]), []]
    shapes = [*strings.many("×".join(map(str, shape)) for shape, _ in raw["metas"]), -1]
    dtypes = [*strings.many(dtype for _, dtype in raw["metas"]), -1]
    files = [*strings.many(place.file for place in columns.locations), -1]
    lines = [*(place.line for place in columns.locations), 0]
    functions = [*strings.many(place.function for place in columns.locations), -1]
    expressions = [*strings.many(place.expression or None for place in columns.locations), -1]
    order = [-1] * len(raw["role"])
    for node, position in graph._order.items():
        order[node] = position
    kind, meta, site = raw["kind"], raw["meta"], raw["site"]
    return {
        "kind": list(raw["role"]),
        "op": [kinds[k][0] for k in kind],
        "symbol": [kinds[k][1] for k in kind],
        "name": [names[k] for k in kind],
        "variable": strings.many(columns.variables),
        "shape": [shapes[m] for m in meta],
        "dtype": [dtypes[m] for m in meta],
        "bytes": list(columns.saved_bytes),
        "file": [files[s] for s in site],
        "line": [lines[s] for s in site],
        "function": [functions[s] for s in site],
        "expression": [expressions[s] for s in site],
        "formula": [formulas[k] for k in kind],
        "operand": [operands[k] for k in kind],
        "order": order,
    }


def _operator_texts(operator: str, strings: _Strings) -> tuple[int, int]:
    return strings(operator or None), strings(symbol_of(operator) or None)


def _modules(graph: Graph, strings: _Strings) -> tuple[list[dict[str, int]], list[int]]:
    """The table of modules, and each node's index into it."""
    found: dict[tuple[str, str], int] = {}
    index = [
        found.setdefault((path, scope[2]), len(found))
        for path, scope in zip(graph._columns.paths, graph.columns["scopes"], strict=True)
    ]
    index.append(-1)
    table = [{"path": strings(path), "type": strings(kind)} for path, kind in found]
    return table, [index[scope] for scope in graph.columns["scope"]]


def _sources(nodes: dict[str, list[int]], strings: _Strings) -> dict[str, dict[str, str]]:
    """The text of each line that recorded something."""
    names = strings.list()
    found: dict[str, dict[str, str]] = {}
    for file, line in sorted(set(zip(nodes["file"], nodes["line"], strict=True))):
        if file >= 0 and line > 0:
            text = linecache.getline(names[file], line).strip()
            if text:
                found.setdefault(str(file), {})[str(line)] = text
    return found


def _gradients(graph: Graph) -> dict[int, Any]:
    if graph._gradients or not any(graph.columns["released"]):
        return graph._gradients
    found = {}
    for leaf, role in enumerate(graph.columns["role"]):
        if role == LEAF:
            gradient = graph.snapshot.tensor(leaf).grad
            if gradient is not None:
                found[leaf] = gradient
    return found


def _title(graph: Graph, facts: Facts) -> str:
    root = graph.columns["roots"][0]
    return facts.place(root).partition(":")[0] if facts.line[root] else "graph"


def _number(number: float) -> float | str:
    return number if isfinite(number) else str(number)


class _Summaries:
    """The table of summaries; equal tensors share an entry."""

    def __init__(self) -> None:
        self.list: list[dict[str, Any]] = []
        self._known: dict[int, int] = {}
        self._alive: list[Any] = []  # a freed tensor's id could come again

    def column(self, size: int, tensors: dict[int, Any]) -> list[int]:
        """For each node the index of its tensor's summary, -1 where there is none."""
        out = [-1] * size
        for node, tensor in tensors.items():
            key = id(tensor)
            if key not in self._known:
                self._known[key] = len(self.list)
                self._alive.append(tensor)
                self.list.append(summarize(tensor))
            out[node] = self._known[key]
        return out
