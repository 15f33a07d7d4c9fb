"""One recorded backward pass: its graph's structure, its values and gradients in summaries."""

from __future__ import annotations

import json
import zlib
from array import array
from itertools import accumulate, compress
from math import isfinite

from chainrule.graph._columns import CONSTANT, LEAF
from chainrule.graph._facts import Facts, facts_of
from chainrule.graph.export import folding_to_dict, graph_to_dict
from chainrule.graph.summary import summarize
from chainrule.graph.values import fit, known_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from chainrule import Tensor
    from chainrule.graph.model import Graph

__all__ = ["Pass", "Step", "Structure", "structure_key"]


class Pass:
    """What arrives at the nodes while a backward pass runs.

    Args:
        graph: read before the pass, while saved values are there.
        observed: summaries of operators' results, by the number of the node that made them.
    """

    def __init__(self, graph: Graph, observed: dict[int, dict[str, Any]]) -> None:
        self.graph = graph
        self.order: dict[int, int] = {}
        self.gradients: dict[int, dict[str, Any]] = {}
        self.values: dict[int, dict[str, Any]] = {}
        self.accumulated = False  # into the .grad of a leaf
        self._running = 0
        self._left: dict[int, Tensor] = {}
        raw = graph.columns
        self.sequences = [sequence for sequence in raw["sequence"] if sequence >= 0]
        self._position = {s: i for i, s in enumerate(raw["sequence"]) if s >= 0}
        for sequence, node in self._position.items():
            if sequence in observed:
                self.values[node] = observed[sequence]
        for node, tensor in known_values(graph).items():
            if node not in self.values:
                self.values[node] = summarize(tensor)

    @property
    def complete(self) -> bool:
        """Whether every node that began to run has ended."""
        return self._running == 0

    def before_node(self) -> None:
        """A node begins to run."""
        self._running += 1

    def on_node(self, node: Any, arrived: Any, left: Any) -> None:
        """A node has run with the gradients that arrived."""
        self._running -= 1
        if node.name() == "AccumulateGrad":
            self.accumulated = True
            found = self.graph.snapshot.find(node.variable)
            at = None if found is None else found[0]
        else:
            at = self._position.get(node._sequence_nr())
        if at is None:  # made during the pass, by a backward inside of it
            return
        self.order[at] = len(self.order)
        if arrived[0] is not None:
            self.gradients[at] = summarize(arrived[0])
        raw = self.graph.columns
        for edge in self.graph._columns.inputs[at]:
            leaf = raw["edge_source"][edge]
            if raw["role"][leaf] == LEAF and left[raw["edge_input"][edge]] is not None:
                gradient = fit(left[raw["edge_input"][edge]], *raw["metas"][raw["meta"][leaf]])
                before = self._left.get(leaf)
                self._left[leaf] = gradient if before is None else before + gradient

    def end(self) -> None:
        """The pass is over."""
        if not self.accumulated:  # of autograd.grad: no leaf ran
            for leaf, gradient in self._left.items():
                self.gradients[leaf] = summarize(gradient)
        self._left.clear()


def structure_key(graph: Graph, freed: bool = False) -> object:
    """Equal for graphs that look the same: operators, wiring, places in the source, modules.

    Args:
        graph: whose key.
        freed: leave out what a freed graph no longer has (constants, since no node keeps them),
            and shapes, which change with the size of the batch.
    """
    raw = graph.columns
    names = [kind[0] for kind in raw["kinds"]]
    names.append("")
    places = [(code.co_filename, instruction) for code, instruction, _ in raw["sites"]]
    places.append(("", -1))
    kept = [role != CONSTANT or not freed for role in raw["role"]]
    number = list(accumulate(kept, initial=0))
    columns = (raw["edge_source"], raw["edge_output"], raw["edge_target"], raw["edge_input"])
    key: tuple[object, ...] = (
        tuple(compress((names[kind] for kind in raw["kind"]), kept)),
        tuple(compress((places[site] for site in raw["site"]), kept)),
        tuple(compress(raw["scope"], kept)),
        tuple((outer, name) for outer, _, name, _ in raw["scopes"]),
        tuple(
            (number[source], output, number[target], position)
            for source, output, target, position in zip(*columns, strict=True)
            if kept[source]
        ),
        tuple(number[root] for root in raw["roots"]),
    )
    if not freed:
        key += (tuple(raw["role"]), tuple(raw["meta"]), tuple(raw["metas"]))
    return key


class Structure:
    """A graph without its tensors, shared by the steps that have it."""

    def __init__(self, graph: Graph, order: dict[int, int]) -> None:
        self.number = 0
        self._facts: Facts = facts_of(graph)
        self._data = graph_to_dict(graph, folds=(), values=False)
        for node in range(self._facts.size):
            self._data["nodes"]["order"][node] = order.get(node, -1)

    @property
    def roots(self) -> list[int]:
        """The nodes from which the pass started."""
        found: list[int] = self._data["roots"]
        return found

    def to_dict(self, folds: tuple[str, ...], step: Step) -> dict[str, Any]:
        """The graph in the exchange format, with the values and gradients of a step."""
        shown = step.to_dict()
        strings = list(self._data["strings"])
        return {
            **self._data,
            "nodes": {**self._data["nodes"], "value": shown["value"], "grad": shown["grad"]},
            "folds": {by: folding_to_dict(self._facts, by, strings) for by in folds},
            "summaries": shown["summaries"],
            "strings": strings,
        }


class Step:
    """A recorded backward pass.

    Attributes:
        label: such as "step 3".
        structure: its graph.
        loss: the value it started from, if that is one number, else None.
    """

    __slots__ = ("_grad", "_packed", "_value", "label", "loss", "structure")

    def __init__(self, label: str, structure: Structure, ended: Pass) -> None:
        self.label = label
        self.structure = structure
        size = len(ended.graph.nodes)
        table: list[dict[str, Any]] = []
        self._value = _column(ended.values, size, table)
        self._grad = _column(ended.gradients, size, table)
        # Thousands of small dicts for each step would take the memory that is to be saved.
        self._packed = zlib.compress(json.dumps(table, separators=(",", ":")).encode(), 1)
        self.loss: float | None = None
        if len(structure.roots) == 1:
            shown = ended.values.get(structure.roots[0])
            if shown is not None and shown["count"] == 1:
                self.loss = float(shown["values"][0])

    @property
    def graph(self) -> int:
        """Which of ``recording.graphs()``."""
        return self.structure.number

    def summaries(self) -> list[dict[str, Any]]:
        """What the columns of values and gradients point into."""
        found: list[dict[str, Any]] = json.loads(zlib.decompress(self._packed))
        return found

    def value(self, node: int) -> dict[str, Any] | None:
        """The summary of a node's value when it was computed; None where it is not known."""
        index = self._value[node]
        return self.summaries()[index] if index >= 0 else None

    def gradient(self, node: int) -> dict[str, Any] | None:
        """The summary of the gradient that arrived at a node; None where none did."""
        index = self._grad[node]
        return self.summaries()[index] if index >= 0 else None

    def to_dict(self) -> dict[str, Any]:
        """The step as plain data, for a page."""
        loss = self.loss
        return {
            "label": self.label,
            "graph": self.graph,
            "value": self._value.tolist(),
            "grad": self._grad.tolist(),
            "summaries": self.summaries(),
            "loss": loss if loss is None or isfinite(loss) else str(loss),
        }

    def __repr__(self) -> str:
        return f"<Step {self.label!r}, loss {self.loss}>"


def _column(found: dict[int, dict[str, Any]], size: int, table: list[dict[str, Any]]) -> array[int]:
    column = array("i", [-1]) * size
    for node, summary in found.items():
        column[node] = len(table)
        table.append(summary)
    return column
