"""The recorded graph as nodes and edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

from chainrule import _C, Tensor

from ._columns import CONSTANT, LEAF, Columns
from ._source import Location
from ._symbols import symbol_of

__all__ = ["Edge", "Graph", "Node"]

_KINDS = ("operator", "leaf", "constant")


class Edge:
    """An input of an operator.

    Attributes:
        id: position in ``graph.edges``.
        local: for tensors of one element, after ``graph.local_gradients()``: the derivative of the
            target's output with respect to this input; else None.
    """

    __slots__ = ("_graph", "id")

    def __init__(self, graph: Graph, number: int) -> None:
        self._graph = graph
        self.id = number

    @property
    def source(self) -> Node:
        """The node whose output is read."""
        return Node(self._graph, self._graph.columns["edge_source"][self.id])

    @property
    def output(self) -> int:
        """Which output of the source."""
        return int(self._graph.columns["edge_output"][self.id])

    @property
    def target(self) -> Node:
        """The operator that reads it."""
        return Node(self._graph, self._graph.columns["edge_target"][self.id])

    @property
    def input(self) -> int:
        """Which input of the target."""
        return int(self._graph.columns["edge_input"][self.id])

    @property
    def local(self) -> float | None:
        return self._graph._locals.get(self.id)

    @property
    def formula(self) -> str | None:
        """The gradient that flows back along the edge, as mathematics; None where not known."""
        formulas = self.target.formulas
        return formulas[self.input] if self.input < len(formulas) else None

    def __repr__(self) -> str:
        return f"<Edge {self.source!r} -> {self.target!r} input {self.input}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edge) and (self._graph, self.id) == (other._graph, other.id)

    def __hash__(self) -> int:
        return hash((id(self._graph), self.id))


class Node:
    """An operator of the graph, a leaf (a variable that gets a ``.grad``) or a constant (a tensor
    without gradient that an operator saved). ``id`` is its position in ``graph.nodes``."""

    __slots__ = ("_graph", "id")

    def __init__(self, graph: Graph, number: int) -> None:
        self._graph = graph
        self.id = number

    def _column(self, name: str) -> Any:
        return self._graph.columns[name][self.id]

    @property
    def graph(self) -> Graph:
        return self._graph

    @property
    def kind(self) -> str:
        """``"operator"``, ``"leaf"`` or ``"constant"``."""
        return _KINDS[self._column("role")]

    @property
    def name(self) -> str:
        """Name of the autograd node, such as ``"MulBackward0"``; empty for a constant."""
        kind = self._column("kind")
        return str(self._graph.columns["kinds"][kind][0]) if kind >= 0 else ""

    @property
    def operator(self) -> str:
        """The operator's name, such as ``"mul"``; empty for leaves and constants."""
        kind = self._column("kind")
        return self._graph._columns.operators[kind] if kind >= 0 else ""

    @property
    def symbol(self) -> str:
        """What a picture writes: ``"×"`` for mul, the name where there is no sign."""
        return symbol_of(self.operator)

    @property
    def variable(self) -> str | None:
        """The name that the user's program has for the result, such as ``"w1"``."""
        return self._graph._columns.variables[self.id]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each output."""
        if self._column("outputs") == 1:
            return (self.shape,)
        node = self.grad_fn
        return tuple(tuple(shape) for shape, _ in node._output_metadata)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Dtype of each output, such as ``"float32"``."""
        if self._column("outputs") == 1:
            return (self.dtype,)
        return tuple(
            str(dtype).removeprefix("torch.") for _, dtype in self.grad_fn._output_metadata
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first output."""
        meta = self._column("meta")
        return self._graph.columns["metas"][meta][0] if meta >= 0 else ()

    @property
    def dtype(self) -> str:
        """Dtype of the first output."""
        meta = self._column("meta")
        return self._graph.columns["metas"][meta][1] if meta >= 0 else ""

    @property
    def saved_bytes(self) -> int:
        """Bytes of the tensors that the node keeps for its backward."""
        return self._graph._columns.saved_bytes[self.id]

    @property
    def location(self) -> Location | None:
        """Where it was recorded; for a large constant, where its memory was filled."""
        site = self._column("site")
        return self._graph._columns.locations[site] if site >= 0 else None

    @property
    def module(self) -> str:
        """Path of the nn.Module whose forward recorded it; empty outside of modules."""
        scope = self._column("scope")
        return self._graph._columns.paths[scope] if scope >= 0 else ""

    @property
    def module_type(self) -> str:
        """Class name of that module."""
        scope = self._column("scope")
        return str(self._graph.columns["scopes"][scope][2]) if scope >= 0 else ""

    @property
    def module_call(self) -> int:
        """Number of the call of that module in this process; 0 outside of modules."""
        scope = self._column("scope")
        return int(self._graph.columns["scopes"][scope][3]) if scope >= 0 else 0

    @property
    def formulas(self) -> tuple[str | None, ...]:
        """For each input, the gradient that flows back to it: ``g`` is the gradient that arrives,
        ``y`` the result. None where the operator table has none."""
        kind = self._column("kind")
        return self._graph.columns["kinds"][kind][1] if kind >= 0 else ()

    @property
    def input_names(self) -> tuple[str | None, ...]:
        """Names of the inputs in the operator table, such as ``("self", "other")``."""
        kind = self._column("kind")
        return self._graph.columns["kinds"][kind][2] if kind >= 0 else ()

    @property
    def inputs(self) -> tuple[Edge | None, ...]:
        """Edges by input; None where an input needs no gradient and was not saved."""
        edges: list[Edge | None] = [None] * len(self.input_names)
        for number in self._graph._columns.inputs[self.id]:
            edge = Edge(self._graph, number)
            while len(edges) <= edge.input:
                edges.append(None)
            edges[edge.input] = edge
        return tuple(edges)

    @property
    def users(self) -> tuple[Edge, ...]:
        """Edges to the operators that read an output."""
        return tuple(Edge(self._graph, e) for e in self._graph._columns.users[self.id])

    @property
    def sequence(self) -> int:
        """Number in the order of recording; -1 for leaves and constants."""
        return int(self._column("sequence"))

    @property
    def released(self) -> bool:
        """Whether a backward pass freed the saved values."""
        return bool(self._column("released"))

    @property
    def grad_fn(self) -> Any:
        """The autograd node; None for a constant."""
        return self._graph.snapshot.node(self.id)

    @property
    def tensor(self) -> Tensor | None:
        """The leaf or the constant itself; None for an operator."""
        found: Tensor | None = self._graph.snapshot.tensor(self.id)
        return found

    @property
    def value(self) -> Tensor | None:
        """Value of the (first) output without history, where it can be known; else None."""
        return self._graph._known_values().get(self.id)

    @property
    def gradient(self) -> Tensor | None:
        """After ``graph.gradients()``: the gradient of the root with respect to the output."""
        return self._graph._gradients.get(self.id)

    @property
    def order(self) -> int:
        """After ``graph.gradients()``: position in the backward pass, from 0; -1: not reached."""
        return self._graph._order.get(self.id, -1)

    def __repr__(self) -> str:
        role = self._column("role")
        what = self.name if role != CONSTANT else "constant"
        if role == LEAF:
            what = "leaf"
        named = f" {self.variable}" if self.variable else ""
        return f"<{what}{named} {list(self.shape)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and (self._graph, self.id) == (other._graph, other.id)

    def __hash__(self) -> int:
        return hash((id(self._graph), self.id))


class _Nodes(Sequence[Node]):
    """The nodes of a graph, made on demand."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __len__(self) -> int:
        return len(self._graph.columns["role"])

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> list[Node]: ...
    def __getitem__(self, index: int | slice) -> Node | list[Node]:
        found = range(len(self))[index]
        if isinstance(found, range):
            return [Node(self._graph, i) for i in found]
        return Node(self._graph, found)


class _Edges(Sequence[Edge]):
    """The edges of a graph, made on demand."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __len__(self) -> int:
        return len(self._graph.columns["edge_source"])

    @overload
    def __getitem__(self, index: int) -> Edge: ...
    @overload
    def __getitem__(self, index: slice) -> list[Edge]: ...
    def __getitem__(self, index: int | slice) -> Edge | list[Edge]:
        found = range(len(self))[index]
        if isinstance(found, range):
            return [Edge(self._graph, i) for i in found]
        return Edge(self._graph, found)


class Graph:
    """The graph that was recorded while some tensors were computed.

    Args:
        roots: tensors with a graph (usually one loss), or autograd nodes such as ``y.grad_fn``.

    The graph is read when the object is made: its nodes stand in the order of recording, inputs
    before their users. It keeps the saved tensors of the graph alive while it lives.

    Attributes:
        nodes: all nodes; ``graph.nodes[i].id == i``.
        edges: all edges.

    Raises:
        RuntimeError: a tensor has no graph; the message says why.
        TypeError: a root is neither a tensor nor an autograd node.
    """

    def __init__(self, *roots: Any) -> None:
        if not roots:
            raise TypeError("Graph() needs at least one tensor: Graph(loss)")
        self.snapshot = _C._graph_snapshot(roots)
        self._columns = Columns(self.snapshot)
        self._root_tensors = roots
        self.nodes: Sequence[Node] = _Nodes(self)
        self.edges: Sequence[Edge] = _Edges(self)
        self._locals: dict[int, float] = {}
        self._gradients: dict[int, Tensor] = {}
        self._order: dict[int, int] = {}
        self._values: dict[int, Tensor] | None = None

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The graph as lists, for tools that read all of it (``chainrule/graph/_columns.py``)."""
        return self._columns.raw

    @property
    def roots(self) -> tuple[Node, ...]:
        """The nodes that made the tensors the graph was asked for."""
        return tuple(Node(self, i) for i in self.columns["roots"])

    @property
    def leaves(self) -> tuple[Node, ...]:
        """The variables that get a ``.grad``."""
        role = self.columns["role"]
        return tuple(Node(self, i) for i in range(len(role)) if role[i] == LEAF)

    def find(self, what: Tensor | str) -> Node:
        """The node that made a tensor, or the last one with that variable name.

        Raises:
            KeyError: there is none in this graph.
        """
        if isinstance(what, Tensor):
            at = self.snapshot.find(what)
            if at is None:
                raise KeyError("this tensor is not part of the graph")
            return Node(self, at[0])
        names = self._columns.variables
        for i in range(len(names) - 1, -1, -1):
            if names[i] == what:
                return Node(self, i)
        raise KeyError(f"no node of the graph is named {what!r}")

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} nodes and {len(self.edges)} edges>"

    def gradients(self) -> None:
        """Compute ``node.gradient`` and ``node.order`` of every node.

        The gradient is that of the root (of several roots, or of a root with several elements:
        of the sum). No ``.grad`` changes and nothing is freed.

        Raises:
            RuntimeError: a backward pass freed the graph before.
        """
        from .values import gradients

        if not self._gradients:
            self._gradients, self._order = gradients(self)

    def local_gradients(self) -> None:
        """Compute ``edge.local`` of every edge between tensors of one element."""
        from .values import local_gradients

        if not self._locals:
            self._locals = local_gradients(self)

    def _known_values(self) -> dict[int, Tensor]:
        if self._values is None:
            from .values import known_values

            self._values = known_values(self)
        return self._values
