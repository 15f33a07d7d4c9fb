"""Paths between two nodes of a graph: how many there are, and those that weigh most.

There can be exponentially many. They are counted exactly and the largest are found by dynamic
programming over the nodes in the order of recording, without listing the others.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.graph import Graph


class Paths:
    """The paths along which the gradient flows from ``root`` to ``leaf``.

    Args:
        graph: the graph.
        root: the id of a node.
        leaf: the id of a node, which may be the root, and which of its outputs.
        weights: for each edge by ``edge.id`` what it adds to the weight of a path; larger weights
            of paths come first.
        most: find at most so many paths.

    Attributes:
        count: how many paths there are, exactly.
        edges: ids of all edges that lie on a path, those near the root first.
        best: the heaviest paths, each a list of edge ids from the root to the leaf.
    """

    def __init__(
        self,
        graph: Graph,
        root: int,
        leaf: tuple[int, int],
        weights: Sequence[float],
        most: int,
    ) -> None:
        sources = graph.columns["edge_source"]
        targets = graph.columns["edge_target"]
        outputs = graph.columns["edge_output"]
        end, end_output = leaf
        users: dict[int, list[int]] = {}  # node -> edges to its users
        for edge, source in enumerate(sources):
            if source != end or outputs[edge] == end_output:
                users.setdefault(source, []).append(edge)
        # Which nodes the leaf has an influence on: all others are left out.
        reached = {end}
        frontier = [end]
        while frontier:
            for edge in users.get(frontier.pop(), ()):
                target = targets[edge]
                if target <= root and target not in reached:
                    reached.add(target)
                    frontier.append(target)
        self.edges: list[int] = []
        self.count = 0
        self.best: list[list[int]] = []
        if root not in reached:
            return
        inward: dict[int, list[int]] = {}
        for source in reached:
            for edge in users.get(source, ()):
                if targets[edge] in reached:
                    inward.setdefault(targets[edge], []).append(edge)
        counts = {root: 1}
        # For each node its heaviest ways from the root: (weight, order, edge, way of the user).
        ways: dict[int, list[tuple[float, int, int, int]]] = {root: [(0.0, 0, -1, -1)]}
        order = 0
        for node in sorted(reached, reverse=True):
            if node not in counts:
                continue
            kept = ways[node] = heapq.nlargest(most, ways[node])
            for edge in inward.get(node, ()):
                self.edges.append(edge)
                source = sources[edge]
                counts[source] = counts.get(source, 0) + counts[node]
                known = ways.setdefault(source, [])
                for position, (weight, _, _, _) in enumerate(kept):
                    order -= 1
                    known.append((weight + weights[edge], order, edge, position))
        self.count = counts.get(end, 0)
        for way in ways.get(end, ()):
            path = []
            _, _, edge, position = way
            while edge >= 0:
                path.append(edge)
                _, _, edge, position = ways[targets[edge]][position]
            path.reverse()
            self.best.append(path)
