"""Reads an exported graph: what is known of a node, from the columns of the exchange format.

Every picture is drawn from the exported form (a ``dict`` of plain lists, as in the JSON file), so
that a saved graph looks the same as a live one.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from chainrule.viewer.labels import place

OPERATOR, LEAF, CONSTANT = 0, 1, 2


class Reader:
    """The nodes of one exported graph by number: inputs come before their users.

    Args:
        graph: format "chainrule.graph", version 1.

    Raises:
        ValueError: ``graph`` is not in this format.
    """

    def __init__(self, graph: dict[str, Any]) -> None:
        if graph.get("format") != "chainrule.graph" or graph.get("version") != 1:
            raise ValueError(
                "not a graph of format 'chainrule.graph', version 1: format "
                f"{graph.get('format')!r}, version {graph.get('version')!r}. "
                "Export it again with this version of Chainrule."
            )
        self.graph = graph
        self._strings: list[str] = graph["strings"]
        self._nodes: dict[str, list[Any]] = graph["nodes"]
        self.kinds: list[int] = self._nodes["kind"]
        edges = graph["edges"]
        self.sources: list[int] = edges["source"]
        self.targets: list[int] = edges["target"]
        self.inputs: list[int] = edges["input"]
        self.locals: list[float | str | None] = edges["local"]
        self.roots: list[int] = graph["roots"]

    @property
    def count(self) -> int:
        return len(self.kinds)

    @property
    def title(self) -> str:
        return str(self.graph.get("title", ""))

    def _text(self, column: str, node: int) -> str:
        index = self._nodes[column][node]
        return self._strings[index] if index >= 0 else ""

    def operator(self, node: int) -> str:
        """The operator's name, "mul"; empty for leaves and constants."""
        return self._text("op", node)

    def symbol(self, node: int) -> str:
        """What stands in the node's box: "×", "tanh"."""
        return self._text("symbol", node) or self.operator(node) or self.name(node)

    def name(self, node: int) -> str:
        """The name of the autograd node, "MulBackward0"."""
        return self._text("name", node)

    def variable(self, node: int) -> str:
        """The user's name for the result; empty if it has none."""
        return self._text("variable", node)

    def shape(self, node: int) -> str:
        """The shape of the first output, "3×4"; "scalar" for a tensor without dimensions."""
        return self._text("shape", node) or "scalar"

    def dtype(self, node: int) -> str:
        return self._text("dtype", node)

    def saved_bytes(self, node: int) -> int:
        return int(self._nodes["bytes"][node])

    def place(self, node: int) -> str:
        """The source line in short, "train.py:12"; empty if it is not known."""
        return place(self._text("file", node), self._nodes["line"][node])

    def file(self, node: int) -> str:
        """The path of the source file; empty if it is not known."""
        return self._text("file", node)

    def line(self, node: int) -> int:
        """The number of the source line, 0 if it is not known."""
        return int(self._nodes["line"][node])

    def source(self, node: int) -> str:
        """The text of the source line, without its indentation."""
        file = str(self._nodes["file"][node])
        lines = self.graph.get("sources", {}).get(file, {})
        return str(lines.get(str(self._nodes["line"][node]), "")).strip()

    def expression(self, node: int) -> str:
        """The part of the source that this node computes, "w1 * a"; empty for what happens inside
        of a call, since the call's text stands for its result."""
        return "" if node in self._inner else self._text("expression", node)

    @cached_property
    def _inner(self) -> frozenset[int]:
        """The nodes that were recorded by the same call as one of their users."""
        nodes = self._nodes
        places = list(zip(nodes["file"], nodes["line"], nodes["expression"], strict=True))
        operators = nodes["op"]
        return frozenset(
            source
            for source, target in zip(self.sources, self.targets, strict=True)
            if places[source] == places[target] and operators[source] != operators[target]
        )

    def module(self, node: int) -> tuple[str, str]:
        """Path and type of the ``nn.Module`` that recorded the node; ("", "") outside of one."""
        index = self._nodes["module"][node]
        if index < 0:
            return "", ""
        module = self.graph["modules"][index]
        return self._string(module["path"]), self._string(module["type"])

    def formulas(self, node: int) -> list[str]:
        """The derivative per input as mathematics; empty text where an input has none."""
        return [self._strings[i] if i >= 0 else "" for i in self._nodes["formula"][node]]

    def value(self, node: int) -> dict[str, Any] | None:
        """The summary of the node's value, where it is known."""
        return self._summary("value", node)

    def gradient(self, node: int) -> dict[str, Any] | None:
        """The summary of the root's gradient at the node, where it is known."""
        return self._summary("grad", node)

    def fold(self, by: str) -> tuple[list[int], list[dict[str, Any]]]:
        """The innermost group of each node (-1: none), and the groups, parents first.

        Raises:
            ValueError: the graph is not folded ``by`` this.
        """
        folds = self.graph.get("folds", {})
        if by not in folds:
            known = ", ".join(repr(name) for name in folds) or "none"
            raise ValueError(f"no fold {by!r} in this graph; there is {known}, or fold=None")
        return folds[by]["group"], folds[by]["groups"]

    def group_text(self, group: dict[str, Any], field: str) -> str:
        """A text of a group: "label" or "detail"."""
        return self._string(group.get(field, -1))

    def _string(self, value: int | str) -> str:
        if isinstance(value, str):
            return value
        return self._strings[value] if value >= 0 else ""

    def _summary(self, column: str, node: int) -> dict[str, Any] | None:
        index = self._nodes[column][node]
        if index < 0:
            return None
        found: dict[str, Any] = self.graph["summaries"][index]
        return found
