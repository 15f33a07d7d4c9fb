"""The columns of a graph, and what is derived from them at once.

``Columns.raw`` is what the core gives (``csrc/bind/graph_snapshot.cpp``). One entry per node, in
the order of recording, inputs before their users:

==============  =====================================================================
``role``        0 operator, 1 leaf, 2 constant
``kind``        index into ``kinds``: (name, formulas by input, names of inputs); -1
``meta``        index into ``metas``: (shape, dtype) of the first output; -1
``outputs``     number of outputs
``sequence``    number in the order of recording; -1 for leaves and constants
``site``        index into ``sites``: (code object, instruction, line); -1
``scope``       index into ``scopes``: (enclosing call, module, class name, call); -1
``released``    1 once a backward pass freed the saved values
==============  =====================================================================

one per edge: ``edge_source``, ``edge_output``, ``edge_target``, ``edge_input``; one per saved
value: ``saved_node``, ``saved_input`` (-1: a result), ``saved_name``, ``saved_bytes``,
``saved_storage``, ``saved_storage_bytes``, ``saved_is_output``; and ``roots``.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any

from chainrule import Tensor

from ._names import variables
from ._paths import scope_paths
from ._source import Location
from ._symbols import operator_of

__all__ = ["Columns"]

OPERATOR, LEAF, CONSTANT = 0, 1, 2


class Columns:
    """Lists with one entry per node, edge or saved value, shared by all views of a graph."""

    def __init__(self, snapshot: Any) -> None:
        self.snapshot = snapshot
        self.raw: dict[str, list[Any]] = snapshot.columns
        self.size = len(self.raw["role"])
        # Names must be read while the caller's frames run.
        plain, inside, self._module_names = variables()
        self._live = self._found(plain)
        self._members = self._found(inside)

    def _found(self, tensors: list[tuple[str, Tensor]]) -> dict[int, str]:
        """Names by node, of tensors that are the first output of one."""
        names: dict[int, str] = {}
        for name, tensor in tensors:
            at = self.snapshot.find(tensor)
            if at is not None and at[1] == 0:
                names.setdefault(at[0], name)
        return names

    @cached_property
    def paths(self) -> list[str]:
        """Module path of each entry of ``scopes``."""
        return scope_paths(self.raw["scopes"], self._module_names)

    @cached_property
    def locations(self) -> list[Location]:
        """Place in the source of each entry of ``sites``."""
        return [Location(*site) for site in self.raw["sites"]]

    @cached_property
    def operators(self) -> list[str]:
        """Operator of each entry of ``kinds``."""
        return [
            "" if name == "AccumulateGrad" else operator_of(name)
            for name, _, _ in self.raw["kinds"]
        ]

    @cached_property
    def inputs(self) -> list[list[int]]:
        """Edges into each node, by position of the input."""
        found: list[list[int]] = [[] for _ in range(self.size)]
        for edge, target in enumerate(self.raw["edge_target"]):
            found[target].append(edge)
        return found

    @cached_property
    def users(self) -> list[list[int]]:
        """Edges out of each node."""
        found: list[list[int]] = [[] for _ in range(self.size)]
        for edge, source in enumerate(self.raw["edge_source"]):
            found[source].append(edge)
        return found

    @cached_property
    def saved(self) -> list[list[int]]:
        """Saved values of each node."""
        found: list[list[int]] = [[] for _ in range(self.size)]
        for value, node in enumerate(self.raw["saved_node"]):
            found[node].append(value)
        return found

    @cached_property
    def saved_bytes(self) -> list[int]:
        """Bytes that each node keeps for its backward, shared memory counted at every node."""
        total = [0] * self.size
        for node, nbytes in zip(self.raw["saved_node"], self.raw["saved_bytes"], strict=True):
            total[node] += nbytes
        return total

    @cached_property
    def variables(self) -> list[str | None]:
        """The user's name for the result of each node, or for a leaf or a constant.

        A live variable decides; then, for an operator, the assignment that its expression stands
        in; then a container or module that holds it; for a leaf, the module that owns it or what
        the expression of a user calls it.
        """
        names: list[str | None] = [None] * self.size
        for node, name in self._live.items():
            names[node] = name
        self._name_results(names)
        for node, name in self._members.items():
            names[node] = names[node] or name
        self._name_parameters(names)
        self._name_operands(names)
        return names

    def _name_results(self, names: list[str | None]) -> None:
        site, role, sequence = self.raw["site"], self.raw["role"], self.raw["sequence"]
        assigned = [place.assigned for place in self.locations]
        binary = [place.is_binary for place in self.locations]
        # A call such as F.cross_entropy records several nodes at one place; only the last of
        # them is what the assignment names.
        inner = [False] * self.size
        source, target = self.raw["edge_source"], self.raw["edge_target"]
        for a, b in zip(source, target, strict=True):
            if site[a] == site[b] and not binary[site[a]] and sequence[b] <= sequence[a] + 2:
                inner[a] = True
        for node in range(self.size):
            at = site[node]
            if names[node] is None and role[node] == OPERATOR and at >= 0 and not inner[node]:
                names[node] = assigned[at]

    def _name_parameters(self, names: list[str | None]) -> None:
        """Leaves that are parameters of a module in whose call they were used."""
        role, scope, scopes = self.raw["role"], self.raw["scope"], self.raw["scopes"]
        owned: dict[int, dict[int, str]] = {}
        source, target = self.raw["edge_source"], self.raw["edge_target"]
        for a, b in zip(source, target, strict=True):
            if names[a] is not None or role[a] == OPERATOR or scope[b] < 0:
                continue
            at = scope[b]
            if at not in owned:
                module = scopes[at][1]
                members = [] if module is None else module._parameters.items()
                owned[at] = {id(p): name for name, p in members if p is not None}
            if owned[at]:
                name = owned[at].get(id(self.snapshot.tensor(a)))
                if name is not None:
                    names[a] = f"{self.paths[at]}.{name}"

    def _name_operands(self, names: list[str | None]) -> None:
        role, site, scope = self.raw["role"], self.raw["site"], self.raw["scope"]
        # Where a module of the package runs, the expression is the call of that module, and its
        # operands are not those of the operators inside.
        inside = [_is_layer(name) for _, _, name, _ in self.raw["scopes"]]
        columns = (self.raw["edge_source"], self.raw["edge_target"], self.raw["edge_input"])
        for a, b, position in zip(*columns, strict=True):
            if scope[b] >= 0 and inside[scope[b]]:
                continue
            if names[a] is None and role[a] != OPERATOR and site[b] >= 0:
                operands = self.locations[site[b]].operands
                if position < len(operands):
                    names[a] = operands[position]


def _is_layer(type_name: str) -> bool:
    nn = sys.modules.get("chainrule.nn")
    return nn is not None and hasattr(nn, type_name)
