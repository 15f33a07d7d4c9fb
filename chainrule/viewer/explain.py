"""``chainrule.explain``: the chain rule with the numbers, path by path."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple

import chainrule
from chainrule import Tensor
from chainrule.viewer import labels
from chainrule.viewer.formulas import local_derivative
from chainrule.viewer.paths import Paths
from chainrule.viewer.show import in_notebook
from chainrule.viewer.text import can_write, in_ascii

_MOST_FACTORS = 12  # of one path; longer products are shortened in the middle
_WIDTH = 88  # columns of the text
_HUGE = 1e9  # stands for an infinite weight, so that sums of weights stay numbers


class Step(NamedTuple):
    """One factor of a product along a path: the derivative of ``of`` with respect to ``by``."""

    of: str
    by: str
    place: str  # "train.py:12"
    formula: str | None  # the local derivative in the user's names
    local: float | None  # its number, for tensors of one element
    shape: tuple[int, ...]  # of ``by``
    norm: float | None  # of the root's gradient at ``by``, along all paths


class Path(NamedTuple):
    """A way of the gradient from the root to the leaf."""

    steps: tuple[Step, ...]
    product: float | None  # for tensors of one element


class Explanation:
    """What `explain` returns; ``print`` writes it.

    Attributes:
        count: how many paths there are from the root to the leaf.
        paths: those that are shown, the largest products first.
        total: the sum of the products along all paths, also those not shown; None for tensors
            of several elements.
        gradient: what autograd gives; None if there is no path.
    """

    def __init__(
        self,
        root: str,
        leaf: str,
        count: int,
        paths: list[Path],
        total: float | None,
        gradient: Tensor | None,
        summed: bool,
        reason: str,
    ) -> None:
        self.root, self.leaf = root, leaf
        self.count = count
        self.paths = paths
        self.total = total
        self.gradient = gradient
        self._summed = summed
        self._reason = reason

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return f"<Explanation of {_d(self.root)}/{_d(self.leaf)}: {_paths(self.count)}>"

    def _repr_html_(self) -> str:
        return (
            f'<pre style="white-space:pre;overflow:auto;line-height:1.45">{escape(str(self))}</pre>'
        )

    def _lines(self) -> list[str]:
        name = f"{_d(self.root)}/{_d(self.leaf)}"
        if not self.count:
            return [f"{name} = 0: no path leads from {self.root} to {self.leaf}.", self._reason]
        if self.gradient is None:
            return [f"{name} = 1: {self.leaf} is {self.root} itself."]
        lines = self._numeric(name) if self.total is not None else self._tensors(name)
        hidden = self.count - len(self.paths)
        if hidden:
            verb = "is" if hidden == 1 else "are"
            more = _paths(hidden).replace(" path", " more path")
            lines.append(f"{more} {verb} not shown; explain(..., paths=n) shows more.")
            lines.append("")
        return lines + self._check(name)

    def _numeric(self, name: str) -> list[str]:
        assert self.total is not None
        total = labels.mathematical(self.total)
        if self.count == 1:
            lines = [f"{name} = {total}, along one path", ""]
        else:
            lines = [f"{name} = {total}, the sum over {_paths(self.count)}", ""]
        for number, path in enumerate(self.paths, 1):
            if self.count > 1:
                start = f"path {number}: {self.root}"
                lines += _wrapped(start, _shortened(list(_along(path))), " → ", "  ")
            factors = [f"{_d(step.of)}/{_d(step.by)}" for step in path.steps]
            formulas = [step.formula or labels.mathematical(step.local) for step in path.steps]
            numbers = [labels.mathematical(step.local) for step in path.steps]
            head = f"  {name} = " if self.count == 1 else "    "
            equals = " " * (len(head) - 2) + "= "
            products = [(head, factors), (equals, list(map(_factor, numbers)))]
            if formulas != numbers:
                products.insert(1, (equals, list(map(_factor, formulas))))
            for start, parts in products:
                first, *others = _shortened(parts)
                if first.startswith("(−") and " " not in first:
                    first = first[1:-1]
                lines += _wrapped(start + first, others, " · ", " " * len(equals))
            if len(path.steps) > 1:
                lines.append(equals + labels.mathematical(path.product))
            lines.append("")
        if 1 < self.count == len(self.paths) <= _MOST_FACTORS:
            terms = " + ".join(_factor(labels.mathematical(path.product)) for path in self.paths)
            lines += [f"sum: {terms} = {total}", ""]
        return lines

    def _tensors(self, name: str) -> list[str]:
        shape = _shape(self.paths[0].steps[-1].shape)
        way = "one path" if self.count == 1 else _paths(self.count)
        lines = [f"{name} is a tensor of shape {shape}; the gradient reaches it along {way}."]
        lines.append(
            "Each step multiplies the gradient with a Jacobian; its norm at each result, over "
            "all paths:"
        )
        lines.append("")
        for number, path in enumerate(self.paths, 1):
            if self.count > 1:
                lines.append(f"path {number}")
            rows = [[f"  {_d(self.root)}/{_d(step.by)}", _shape(step.shape)] for step in path.steps]
            for row, step in zip(rows, path.steps, strict=True):
                row.append(f"norm {labels.number(step.norm)}" if step.norm is not None else "")
                row.append(f"through {_d(step.of)}/{_d(step.by)}")
                row.append(step.place)
            if len(rows) > 2 * _MOST_FACTORS:
                left_out = len(rows) - 2 * _MOST_FACTORS
                middle = [f"  … {left_out:,} more steps …", "", "", "", ""]
                rows = [*rows[:_MOST_FACTORS], middle, *rows[-_MOST_FACTORS:]]
            widths = [max(len(row[column]) for row in rows) for column in range(5)]
            for row in rows:
                cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
                lines.append("  ".join(cells).rstrip())
            lines.append("")
        return lines

    def _check(self, name: str) -> list[str]:
        assert self.gradient is not None
        note = f" of {self.root}.sum()" if self._summed else ""
        if self.total is None:
            norm = labels.number(_norm(self.gradient))
            return [
                f"autograd gives{note}: shape {_shape(tuple(self.gradient.shape))}, norm {norm}"
            ]
        value = self.gradient.item()
        given = f"autograd gives {labels.mathematical(value)}"
        if _close(value, self.total):
            return [given]
        return [
            f"{given}: not the same to the precision of {self.gradient.dtype}. Terms that "
            "cancel, or a hook that changes a gradient, can be the reason."
        ]


def explain(root: Tensor, leaf: Tensor, *, paths: int = 10, quiet: bool = False) -> Explanation:
    """Show how the gradient of ``root`` with respect to ``leaf`` comes about by the chain rule.

    Along each path from ``root`` to ``leaf`` the local gradients are multiplied, and the products
    are added. With tensors of one element all of it is shown as names and as numbers, and
    compared with what autograd gives. With larger tensors the factors are Jacobians: then each
    path is shown with the shapes and the norms of the gradients that arrive along it, which are
    those of all paths together, since a gradient along one path alone is never computed.

    Args:
        root: a tensor with a graph; with several elements its sum is differentiated.
        leaf: a tensor that ``root`` was computed from: a leaf or an intermediate result.
        paths: list so many paths, those with the largest products first (for larger tensors the
            shortest). There can be exponentially many; they are counted and summed exactly.
        quiet: only return the explanation. Otherwise it is printed, except in a notebook, which
            draws what is returned.

    Returns:
        The explanation: ``str()`` is its text.

    Raises:
        RuntimeError: ``root`` has no graph, or it was freed by a backward pass.
        ValueError: ``paths`` is not positive.
    """
    from chainrule.graph import Graph

    if paths < 1:
        raise ValueError(f"paths must be 1 or more, not {paths}")
    for name, tensor in (("root", root), ("leaf", leaf)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, not {type(tensor).__name__}")
    found = _Explainer(Graph(root), root, leaf).explanation(paths, _name_in_caller(leaf))
    if not quiet and not in_notebook():
        text = f"{found}\n"
        sys.stdout.write(text if can_write(sys.stdout, text) else in_ascii(text))
    return found


class _Explainer:
    """Builds an explanation from a graph."""

    def __init__(self, graph: Any, root: Tensor, leaf: Tensor) -> None:
        self.graph = graph
        self.root, self.leaf = root, leaf
        self.names = _Names(graph)
        self._steps: dict[int, Step] = {}  # by edge: paths have most of them in common

    def explanation(self, most: int, leaf_name: str) -> Explanation:
        graph = self.graph
        root_id = graph.roots[0].id
        root_name = self.names(root_id)
        place = graph.snapshot.find(self.leaf)
        if place is None:
            reason = self._why_apart()
            return Explanation(root_name, leaf_name, 0, [], None, None, False, reason)
        if len(graph.nodes[place[0]].shapes) == 1:  # else its name is that of the first output
            leaf_name = self.names(place[0])
        if place[0] == root_id:
            return Explanation(root_name, leaf_name, 1, [], None, None, False, "")
        gradient = chainrule.autograd.grad(
            self.root,
            self.leaf,
            chainrule.ones_like(self.root),
            retain_graph=True,
            allow_unused=True,
        )[0]
        graph.gradients()
        graph.local_gradients()
        local = [edge.local for edge in graph.edges]
        reached = Paths(graph, root_id, place, [0.0] * len(local), 1)
        numeric = all(local[edge] is not None for edge in reached.edges)
        weights = [_weight(one) if numeric else -1.0 for one in local]
        ways = Paths(graph, root_id, place, weights, most)
        if not ways.count or gradient is None:
            reason = "The gradient does not flow between them."
            return Explanation(root_name, leaf_name, 0, [], None, None, False, reason)
        total = self._total(ways, root_id, place[0], local) if numeric else None
        shown = [self._path(edges, numeric) for edges in ways.best]
        summed = self.root.numel() != 1
        return Explanation(root_name, leaf_name, ways.count, shown, total, gradient, summed, "")

    def _why_apart(self) -> str:
        if not self.leaf.requires_grad:
            return "The tensor does not require a gradient: set requires_grad=True before its use."
        return (
            "It was not used to compute the other, or the way is cut by .detach(), no_grad(), "
            "or an operator without a derivative."
        )

    def _total(self, ways: Paths, root: int, leaf: int, local: list[float | None]) -> float:
        """The sum over all paths of the products: the chain rule, node by node."""
        sources, targets = self.graph.columns["edge_source"], self.graph.columns["edge_target"]
        total = {root: 1.0}
        for edge in ways.edges:  # users first
            factor = local[edge]
            assert factor is not None
            total[sources[edge]] = total.get(sources[edge], 0.0) + total[targets[edge]] * factor
        return total[leaf]

    def _path(self, edges: list[int], numeric: bool) -> Path:
        steps = []
        product = 1.0
        for number in edges:
            step = self._steps.get(number)
            if step is None:
                step = self._steps[number] = self._step(number, numeric)
            steps.append(step)
            if step.local is not None:
                product *= step.local
        return Path(tuple(steps), product if numeric else None)

    def _step(self, number: int, numeric: bool) -> Step:
        edge = self.graph.edges[number]
        target, source = edge.target, edge.source
        location, gradient = target.location, source.gradient
        place = labels.place(location.file, location.line) if location is not None else ""
        norm = None if numeric or gradient is None else _norm(gradient)
        formula = local_derivative(edge.formula, self._operand_names(target)) if numeric else None
        of, by = self.names(target.id), self.names(source.id)
        return Step(of, by, place, formula, edge.local, source.shape, norm)

    def _operand_names(self, node: Any) -> Callable[[str], str | None]:
        names: dict[str, str] = {"y": self.names(node.id)}
        for name, edge in zip(node.input_names, node.inputs, strict=False):
            if name is not None and edge is not None:
                source = edge.source
                if source.variable or source.kind == "operator":
                    names[name] = self.names(source.id)
        return names.get


def _name_in_caller(tensor: Tensor) -> str:
    """The name of a tensor among the variables of whoever called `explain`."""
    for name, value in sys._getframe(2).f_locals.items():
        if value is tensor:
            return name
    return "the tensor"


class _Names:
    """A name for each node: the user's, or its expression; numbered where a name is used again."""

    def __init__(self, graph: Any) -> None:
        self._names: list[str] = []
        times: dict[str, int] = {}
        for node in graph.nodes:
            name = node.variable
            if not name:
                location = node.location if node.kind == "operator" else None
                expression = location.expression if location is not None else ""
                name = labels.printable(expression or node.operator or node.kind)
                name = labels.shortened(" ".join(name.split()), 24)
            times[name] = times.get(name, 0) + 1
            self._names.append(name if times[name] == 1 else f"{name}#{times[name]}")

    def __call__(self, node: int) -> str:
        return self._names[node]


def _paths(count: int) -> str:
    """``3 paths``; a number that nobody reads in digits is rounded."""
    if count < 10**15:
        return labels.counted(count, "path")
    exponent = math.log10(count)
    digits = 10 ** (exponent % 1)
    return f"about {digits:.2f}·10^{int(exponent):,} paths"


def _d(name: str) -> str:
    """``∂x``, with brackets around an expression."""
    simple = name.replace("#", "").replace(".", "").replace("_", "").isalnum()
    return f"∂{name}" if simple else f"∂({name})"


def _along(path: Path) -> list[str]:
    return [step.by for step in path.steps]


def _factor(text: str) -> str:
    """A factor or term of a sum: sums and numbers with a sign in brackets."""
    if text.startswith("−") or " " in text:
        return f"({text})"
    return text


def _shortened(parts: list[str]) -> list[str]:
    """The first and last of many parts."""
    if len(parts) <= _MOST_FACTORS:
        return parts
    half = _MOST_FACTORS // 2
    return [*parts[:half], f"… {len(parts) - 2 * half:,} more …", *parts[-half:]]


def _wrapped(start: str, parts: list[str], between: str, indent: str) -> list[str]:
    """``start`` and the parts in lines of at most about `_WIDTH` columns."""
    lines = [start]
    for part in parts:
        if len(lines[-1]) + len(between) + len(part) > _WIDTH:
            lines.append(indent + between.lstrip() + part)
        else:
            lines[-1] += between + part
    return lines


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _norm(tensor: Tensor) -> float:
    """The Euclidean norm; with float64 sums, so that large tensors keep their precision."""
    flat = tensor.detach().double()
    return math.sqrt((flat * flat).sum().item())


def _weight(local: float | None) -> float:
    """The logarithm of the size of a local gradient; a NaN or an infinity comes first."""
    if local is None or math.isnan(local) or math.isinf(local):
        return _HUGE
    return math.log(abs(local)) if local else -_HUGE


def _close(first: float, second: float) -> bool:
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return math.isclose(first, second, rel_tol=1e-4, abs_tol=1e-6)
