"""What flows through a graph: values of results, gradients at nodes, local gradients on edges.

Nothing here changes a ``.grad``, a version, the random generator or the graph, and no hook of the
program runs.
"""

from __future__ import annotations

from math import prod

import chainrule
from chainrule import Tensor
from chainrule.graph._columns import CONSTANT, LEAF, OPERATOR
from chainrule.graph._evaluate import evaluate
from chainrule.graph._names import variables
from chainrule.graph._unobserved import unobserved
from chainrule.graph.summary import summarize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from chainrule.graph.model import Graph

__all__ = ["fit", "gradients", "known_values", "local_gradients", "summarize"]

# Values are computed again as long as that takes about so many operations on numbers.
_MOST_WORK = 1_000_000


@unobserved
def known_values(graph: Graph) -> dict[int, Tensor]:
    """The value of each node's first output, where it can be known after the fact.

    Known are the roots, leaves and constants; what a node saved for its backward, of its inputs or
    its result; what a variable of the running program still holds; and results that follow from
    these by a small deterministic operator. A tensor that was changed in place after it was saved
    is not known; what nobody saved is taken to be as it was.

    Returns:
        By node, tensors without history. They share memory with the program's tensors.
    """
    raw, snapshot = graph.columns, graph.snapshot
    known: dict[int, Tensor] = {}
    with chainrule.no_grad():
        stale = _saved_values(graph, known)
        saved = set(known)
        for root, at in zip(graph._root_tensors, raw["roots"], strict=True):
            if isinstance(root, Tensor) and at not in stale and _is_first_output(graph, root):
                known.setdefault(at, root.detach())
        for _, tensor in variables()[0]:
            found = snapshot.find(tensor)
            if found is not None and found[1] == 0 and found[0] not in stale:
                known.setdefault(found[0], tensor.detach())
        for node, role in enumerate(raw["role"]):
            if role != OPERATOR and node not in stale and node not in known:
                known[node] = snapshot.tensor(node).detach()
        doubtful: set[int] = set()
        if stale or any(raw["released"]):
            # Some tensors were changed, or nothing tells: trust those that never were.
            doubtful = {i for i, t in known.items() if i not in saved and t._version != 0}
        _evaluate_more(graph, known, doubtful)
    return known


def _is_first_output(graph: Graph, tensor: Tensor) -> bool:
    found = graph.snapshot.find(tensor)
    return found is not None and found[1] == 0


def _saved_values(graph: Graph, known: dict[int, Tensor]) -> set[int]:
    """Fills in what nodes saved; returns the nodes whose value was changed in place since."""
    raw, snapshot = graph.columns, graph.snapshot
    source_of = {}
    for source, output, target, position in zip(
        raw["edge_source"], raw["edge_output"], raw["edge_target"], raw["edge_input"], strict=True
    ):
        if output == 0:
            source_of[target, position] = source
    stale: set[int] = set()
    columns = (raw["saved_node"], raw["saved_input"], raw["saved_is_output"])
    for value, (node, position, is_output) in enumerate(zip(*columns, strict=True)):
        if is_output:
            # Of several outputs the saved one may be any.
            at = node if raw["outputs"][node] == 1 else None
        else:
            at = source_of.get((node, position))
        if at is None or at in known:
            continue
        tensor = snapshot.saved(value)
        if tensor is None:
            stale.add(at)
        elif _fits(graph, at, tensor):
            known[at] = tensor
    return stale


def _fits(graph: Graph, node: int, tensor: Tensor) -> bool:
    """Whether a tensor has the shape and dtype of a node's first output."""
    meta = graph.columns["meta"][node]
    if meta < 0:
        return False
    shape, dtype = graph.columns["metas"][meta]
    return tuple(tensor.shape) == shape and _dtype_name(tensor) == dtype


def _dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).rpartition(".")[2]


def _evaluate_more(graph: Graph, known: dict[int, Tensor], doubtful: set[int]) -> None:
    """Computes results from known operands, in the order of recording."""
    raw = graph.columns
    left = _MOST_WORK
    inputs = graph._columns.inputs
    for node, role in enumerate(raw["role"]):
        if role != OPERATOR or node in known or raw["outputs"][node] != 1:
            continue
        operands: dict[int, Tensor] = {}
        for edge in inputs[node]:
            source = raw["edge_source"][edge]
            if source in known and source not in doubtful and raw["edge_output"][edge] == 0:
                operands[raw["edge_input"][edge]] = known[source]
        if len(operands) < len(inputs[node]):
            continue
        work = _work(graph, node, operands)
        if work > left:
            continue
        result = evaluate(graph.nodes[node], operands)
        if result is not None:
            left -= work
            if _fits(graph, node, result):
                known[node] = result


def _work(graph: Graph, node: int, operands: dict[int, Tensor]) -> int:
    """About how many operations on numbers a node's operator takes."""
    name = graph._columns.operators[graph.columns["kind"][node]]
    sizes = [tensor.numel() for tensor in operands.values()]
    work = max(0, *sizes, prod(graph.nodes[node].shape))
    if name in ("mm", "mv", "bmm", "addmm", "matmul", "linear"):
        work *= max((tensor.shape[-1] for tensor in operands.values() if tensor.dim()), default=1)
    return work


@unobserved
def gradients(graph: Graph) -> tuple[dict[int, Tensor], dict[int, int]]:
    """Runs the backward pass beside the engine: gradients at all nodes, and the order.

    The gradient at a node is that of the root with respect to the node's first output. For
    several roots, and for a root of several elements, it is the gradient of the sum. Nodes run in
    the engine's order: what was recorded last comes first, a leaf as soon as its gradient is
    complete.

    Returns:
        The gradient by node where one arrives, and by node its position in the pass, from 0.

    Raises:
        RuntimeError: a backward pass has freed the saved values; the message names its line.
    """
    raw = graph.columns
    size = len(raw["role"])
    inputs = graph._columns.inputs
    waiting = [len(users) for users in graph._columns.users]
    arrived: dict[int, list[Tensor | None]] = {}
    found: dict[int, Tensor] = {}
    order: dict[int, int] = {}
    with chainrule.no_grad():
        for root, at in zip(graph._root_tensors, raw["roots"], strict=True):
            output = 0
            if isinstance(root, Tensor):
                output = graph.snapshot.find(root)[1]
            shape, dtype = _output_meta(graph, at, output)
            one = chainrule.ones(shape, dtype=getattr(chainrule, dtype))
            _collect(graph, arrived, at, output, one)
        for at in raw["roots"]:  # a leaf that is a root, and nothing else
            if raw["role"][at] == LEAF and waiting[at] == 0:
                _finish(at, arrived, found, order)
        for node in range(size - 1, -1, -1):
            if raw["role"][node] != OPERATOR:
                continue
            _finish(node, arrived, found, order)
            incoming = arrived.pop(node, None) or [None] * raw["outputs"][node]
            outgoing = graph.snapshot.node(node)(*incoming)
            for edge in inputs[node]:
                source = raw["edge_source"][edge]
                waiting[source] -= 1
                if raw["role"][source] == CONSTANT:
                    continue
                gradient = outgoing[raw["edge_input"][edge]]
                if gradient is not None:
                    output = raw["edge_output"][edge]
                    gradient = fit(gradient, *_output_meta(graph, source, output))
                    _collect(graph, arrived, source, output, gradient)
                if waiting[source] == 0 and raw["role"][source] == LEAF:
                    _finish(source, arrived, found, order)
    return found, order


def _finish(
    node: int,
    arrived: dict[int, list[Tensor | None]],
    found: dict[int, Tensor],
    order: dict[int, int],
) -> None:
    """All gradients of a node are there."""
    order[node] = len(order)
    first = arrived[node][0] if node in arrived else None
    if first is not None:
        found[node] = first


def _collect(
    graph: Graph,
    arrived: dict[int, list[Tensor | None]],
    node: int,
    output: int,
    gradient: Tensor,
) -> None:
    slots = arrived.setdefault(node, [None] * graph.columns["outputs"][node])
    before = slots[output]
    slots[output] = gradient if before is None else before + gradient


def _output_meta(graph: Graph, node: int, output: int) -> tuple[Any, str]:
    """Shape and dtype of an output."""
    if output == 0:
        shape, dtype = graph.columns["metas"][graph.columns["meta"][node]]
        return shape, dtype
    entry = graph.nodes[node]
    return entry.shapes[output], entry.dtypes[output]


def fit(gradient: Tensor, shape: Any, dtype: str) -> Tensor:
    """A gradient in the shape and dtype of its value: broadcasting is undone by a sum."""
    shape = tuple(shape)
    if tuple(gradient.shape) != shape:
        extra = gradient.dim() - len(shape)
        if extra > 0:
            gradient = gradient.sum(tuple(range(extra)))
        wide = [i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1]
        if wide:
            gradient = gradient.sum(tuple(wide), keepdim=True)
        gradient = gradient.reshape(shape)
    if _dtype_name(gradient) != dtype:
        gradient = gradient.to(getattr(chainrule, dtype))
    return gradient


@unobserved
def local_gradients(graph: Graph) -> dict[int, float]:
    """The derivative of a node's output with respect to an input, where both have one element.

    Returns:
        By edge. Edges from constants have none.

    Raises:
        RuntimeError: a backward pass has freed the saved values; the message names its line.
    """
    raw = graph.columns
    single = [_has_one_element(shape) for shape, _ in raw["metas"]]
    single.append(False)  # index -1: no output
    meta, role = raw["meta"], raw["role"]
    found: dict[int, float] = {}
    with chainrule.no_grad():
        for node, edges in enumerate(graph._columns.inputs):
            if not single[meta[node]] or raw["outputs"][node] != 1:
                continue
            wanted = [
                edge
                for edge in edges
                if role[raw["edge_source"][edge]] != CONSTANT
                and raw["edge_output"][edge] == 0
                and single[meta[raw["edge_source"][edge]]]
            ]
            if not wanted:
                continue
            shape, dtype = raw["metas"][meta[node]]
            one = chainrule.ones(shape, dtype=getattr(chainrule, dtype))
            outgoing = graph.snapshot.node(node)(one)
            for edge in wanted:
                gradient = outgoing[raw["edge_input"][edge]]
                found[edge] = 0.0 if gradient is None else float(gradient.sum())
    return found


def _has_one_element(shape: tuple[int, ...]) -> bool:
    return all(n == 1 for n in shape)
