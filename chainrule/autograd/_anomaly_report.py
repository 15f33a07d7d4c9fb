"""What an anomaly's error says. The trap in the core calls `operator` and `node`, and raises."""

from __future__ import annotations

import chainrule
from chainrule._C import Node, Tensor
from chainrule.graph import Graph, Location
from chainrule.graph._names import variables
from chainrule.graph._paths import scope_paths
from chainrule.graph._symbols import operator_of

from ._anomaly_hints import backward_hint, forward_hint
from ._anomaly_values import Values, number_text
from .anomaly import INFINITE, NAN, AnomalyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Site = tuple[Any, int, int] | None
    Scopes = list[tuple[int, Any, str, int]]
    Origin = tuple[str, int, Site, Scopes] | None

__all__ = ["node", "operator"]

# Families of the operator table whose operators work element by element.
_ELEMENTWISE = ("ops/arithmetic.py", "ops/unary.py", "ops/activation.py")


def _kind(kinds: int) -> str:
    return "nan" if kinds & NAN else "inf"


_ADDED = "Gradients from several uses of it were added up; the bad numbers appeared in the sum."
_STEPS = {"sgd_step_": "SGD.step", "adam_step_": "Adam.step"}


def _shown(name: str) -> str:
    """An operator's name as the user calls it: the table's own ones begin with an underscore."""
    if name.startswith("__"):
        return name
    return _STEPS.get(name) or name.lstrip("_")


def _line(label: str, place: Location | None) -> str:
    """``train.py:12:  y = x.log()`` after a label."""
    if place is None:
        return f"{label} at a line that is not known"
    return f"{label} at {place.describe()}:  {place.text}".rstrip().removesuffix(":")


def _place(site: Site) -> Location | None:
    return None if site is None else Location(*site)


class _Names:
    """The user's names of tensors and modules, from the frames that run."""

    def __init__(self) -> None:
        plain, inside, self.modules = variables()
        self._tensors: dict[int, str] = {}
        for name, tensor in [*plain, *inside]:
            self._tensors.setdefault(id(tensor), name)

    def of(self, tensor: Tensor) -> str | None:
        return self._tensors.get(id(tensor))

    def path(self, scopes: Scopes) -> str:
        return scope_paths(scopes, self.modules)[-1] if scopes else ""


def _labels(inputs: tuple[Tensor, ...], place: Location | None, names: _Names) -> list[str]:
    """What to call each input: its name, or its position."""
    operands = place.operands if place is not None else ()
    if len(operands) != len(inputs):
        operands = (None,) * len(inputs)
    found = [names.of(t) or name for t, name in zip(inputs, operands, strict=True)]
    return [f"input {i} ({name})" if name else f"input {i}" for i, name in enumerate(found)]


def _elements(index: tuple[int, ...] | None, values: list[tuple[str, Values]]) -> list[str]:
    """``at [2]: x = 0, g = 1``."""
    if not index:
        return []
    found = [(label, v.at(index)) for label, v in values]
    texts = [f"{label} = {number_text(x)}" for label, x in found if x is not None]
    return [f"at {list(index)}: {', '.join(texts)}"] if texts else []


def _place_text(label: str, place: Location | None) -> list[str]:
    text = [_line(label, place)]
    if place is not None and place.expression and place.expression != place.text:
        text.append(f"in the expression:  {place.expression}")
    return text


def _error(
    describe: Callable[[], list[str]],
    short: str,
    operation: str,
    location: str | None,
    stage: str,
) -> AnomalyError:
    try:
        with chainrule.no_grad():
            lines = describe()
    except Exception as problem:  # whatever goes wrong here, the finding itself must come through
        lines = [short, f"More could not be said: {type(problem).__name__}: {problem}"]
    error = AnomalyError("\n  ".join(lines))
    error.operation = operation
    error.location = location
    error.stage = stage
    return error


def operator(
    name: str,
    row: str | None,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    index: int,
    kinds: int,
    given: int,
    changes: int,
    site: Site,
    scopes: Scopes,
) -> AnomalyError:
    """The error for an operator's result.

    Args:
        name: of the operator, as in the operator table.
        row: where the table has it; None for a custom Function.
        inputs: what it was called with; the first `changes` hold their new values.
        outputs: what it gave.
        index: of the output that is bad.
        kinds: what appeared: NAN, INFINITE or both.
        given: what the inputs held.
        changes: number of inputs changed in place.
        site: the line, as (code object, offset of the instruction, line).
        scopes: the calls of modules it ran in, outermost first.
    """
    place = _place(site)
    return _error(
        lambda: _operator_text(
            name, row, inputs, outputs, index, kinds, given, changes, place, scopes
        ),
        f"'{_shown(name)}' gave {_kind(kinds)} in its result.",
        _shown(name),
        None if place is None else place.describe(),
        "forward",
    )


def _operator_text(
    name: str,
    row: str | None,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    index: int,
    kinds: int,
    given: int,
    changes: int,
    place: Location | None,
    scopes: Scopes,
) -> list[str]:
    names = _Names()
    result = Values(outputs[index], kinds)
    facts = [Values(t) for t in inputs]
    labels = _labels(inputs, place, names)
    known = "hold inf but no nan" if given & INFINITE else "are finite"
    where = _result_label(index, outputs, changes, names)
    text = [
        f"'{_shown(name)}' gave {_amount(result, kinds)} in {where}, though its inputs {known}.",
        *_place_text("It ran", place),
    ]
    if scopes:
        text.append(f"in the module {names.path(scopes)} ({scopes[-1][2]})")
    changed = [any(t is c for c in inputs[:changes]) for t in inputs]
    for i, (label, values) in enumerate(zip(labels, facts, strict=True)):
        if not changed[i]:
            text.append(f"{label}, {values.describe()}")
        elif i < changes and i != index:
            text.append(f"{label}, after the change, {values.describe()}")
    text.append(f"result, {result.describe()}")
    if row is not None and row.split(":")[0] in _ELEMENTWISE and result.count > 1:
        pairs = [
            (names.of(t) or f"input {i}", facts[i]) for i, t in enumerate(inputs) if not changed[i]
        ]
        text += _elements(result.first_bad, [*pairs, ("result", result)])
    if changes:
        text.append("It works in place: the numbers before are lost; they were finite.")
    trained = {
        names.of(t) or f"input {i}": facts[i]
        for i, t in enumerate(inputs)
        if t.requires_grad and t.is_leaf and not changed[i]
    }
    hint = forward_hint(name.lstrip("_"), facts, result, changes, trained)
    return [*text, hint] if hint else text


def _result_label(index: int, outputs: tuple[Tensor, ...], changes: int, names: _Names) -> str:
    if changes:
        name = names.of(outputs[index])
        return f"{name}, which it changes" if name else "what it changes"
    return f"its result {index}" if len(outputs) > 1 else "its result"


def _amount(result: Values, kinds: int) -> str:
    """``nan``, ``inf`` or ``-inf``, and for how many elements."""
    if kinds & NAN:
        kind, count = "nan", result.nan
    elif result.plus:
        kind, count = "inf", result.plus
    else:
        kind, count = "-inf", result.minus
    if result.count == 1:
        return kind
    return f"{kind} for {count} of {result.count} elements"


class _Saved:
    """The values that a node keeps, by name."""

    def __init__(self, node: Node) -> None:
        self.tensors: dict[str, Values] = {}
        self.numbers: dict[str, float] = {}
        for attribute in dir(node):
            if not attribute.startswith("_saved_"):
                continue
            try:
                value = getattr(node, attribute)
            except (AttributeError, RuntimeError):  # changed in place since, or not to be had
                continue
            name = attribute.removeprefix("_saved_")
            if isinstance(value, Tensor):
                self.tensors[name] = Values(value)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                self.numbers[name] = float(value)


def _origin(label: str, origin: Origin, names: _Names) -> list[str]:
    if origin is None:
        return []
    name, _, site, scopes = origin
    path = names.path(scopes)
    inside = f" in the module {path}" if path else ""
    text = f"In the forward pass {label} '{_shown(name)}'{inside},"
    return [_line(text, _place(site))]


def node(
    node: Node,
    arrived: tuple[Tensor | None, ...],
    left: tuple[Tensor | None, ...],
    index: int,
    kinds: int,
    cause: str,
    site: Site,
    infinite: Origin,
    nan: Origin,
    given: Origin,
) -> AnomalyError:
    """The error for a gradient.

    Args:
        node: the node of the graph that computed it.
        arrived: the gradients that came, by output of the operation.
        left: those it computed, by input.
        index: of the input whose gradient is bad.
        kinds: what it holds: NAN, INFINITE or both.
        cause: "appeared", "value", "sum", "arrived", "stored" or "captured"; see the trap in
            the core.
        site: the line of the ``backward`` call.
        infinite, nan: the first operators of the forward pass that made such a number.
        given: the first one that got one from outside.
    """
    return _error(
        lambda: _backward_text(
            node, arrived, left, index, kinds, cause, _place(site), (infinite, nan, given)
        ),
        f"Function '{node.name()}' returned {_kind(kinds)} values in its {index}th output.",
        node.name(),
        node._location,
        "backward",
    )


def _backward_text(
    node: Node,
    arrived: tuple[Tensor | None, ...],
    left: tuple[Tensor | None, ...],
    index: int,
    kinds: int,
    cause: str,
    called: Location | None,
    origins: tuple[Origin, Origin, Origin],
) -> list[str]:
    names = _Names()
    graph = Graph(node)
    (here,) = graph.roots
    if cause == "stored":
        text = _leaf_text(node, arrived, kinds, here.variable or names.of(node.variable))
    elif cause == "captured":
        text = _captured_text(arrived, index, kinds, here.variable)
    else:
        text = _node_text(node, here, arrived, left, index, kinds)
    text.append(_line("The backward was called", called))
    text += _cause_text(cause)
    infinite, nan, given = origins
    text += _origin("inf first appeared in", infinite, names)
    text += _origin("nan first appeared in", nan, names)
    if infinite is None and nan is None:
        text += _origin("the program's own nan or inf was first seen by", given, names)
    if cause == "appeared":
        saved = _Saved(node)
        gradients = [Values(g) for g in arrived if g is not None]
        trained = {
            edge.source.variable or f"input {edge.input}": Values(leaf)
            for edge in here.inputs
            if edge is not None
            and edge.source.kind == "leaf"
            and (leaf := edge.source.tensor) is not None
        }
        hint = backward_hint(
            operator_of(node.name()), saved.tensors, saved.numbers, gradients, trained
        )
        if hint:
            text.append(hint)
    return text


def _node_text(
    node: Node,
    here: Any,
    arrived: tuple[Tensor | None, ...],
    left: tuple[Tensor | None, ...],
    index: int,
    kinds: int,
) -> list[str]:
    text = [f"Function '{node.name()}' returned {_kind(kinds)} values in its {index}th output."]
    text += _place_text("It was recorded", here.location)
    if here.module:
        text.append(f"in the module {here.module} ({here.module_type})")
    edges, roles, formulas = here.inputs, here.input_names, here.formulas
    edge = edges[index] if index < len(edges) else None
    name = edge.source.variable if edge is not None else None
    role = roles[index] if index < len(roles) else None
    target = f"'{role}'" if role else f"input {index}"
    bad = left[index]
    assert bad is not None
    values = Values(bad, kinds)
    text.append(f"gradient of {target}{f' ({name})' if name else ''}: {values.describe()}")
    pairs: list[tuple[str, Values]] = []
    for i, gradient in enumerate(arrived):
        if gradient is not None:
            label = "g" if len(arrived) == 1 else f"g{i}"
            pairs.append((label, Values(gradient)))
            text.append(f"gradient that arrived, {label}: {pairs[-1][1].describe()}")
    for key, value in _Saved(node).tensors.items():
        label = "y" if key == "result" else key
        pairs.append((label, value))
        text.append(f"saved value {label}: {value.describe()}")
    formula = formulas[index] if index < len(formulas) else None
    if formula:
        text.append(f"derivative: {formula}")
    if values.count > 1:
        text += _elements(values.first_bad, pairs)
    return text


def _leaf_text(
    node: Node, arrived: tuple[Tensor | None, ...], kinds: int, name: str | None
) -> list[str]:
    leaf = node.variable
    what = f"the leaf '{name}'" if name else "a leaf"
    text = [f"The gradient of {what} has {_kind(kinds)} values."]
    text.append(f".grad: {Values(leaf.grad).describe()}")
    if arrived[0] is not None:
        text.append(f"gradient that arrived: {Values(arrived[0]).describe()}")
        text.append("It was added to a .grad from an earlier backward; .grad is zeroed between")
        text.append("steps with optimizer.zero_grad().")
    else:
        text.append(_ADDED)
    text.append(f"the leaf: {Values(leaf).describe()}")
    return text


def _captured_text(
    arrived: tuple[Tensor | None, ...], index: int, kinds: int, name: str | None
) -> list[str]:
    what = f"input {index} ({name})" if name else f"input {index}"
    (gradient,) = (g for g in arrived if g is not None)
    return [
        f"The gradient with respect to {what} has {_kind(kinds)} values.",
        f"gradient: {Values(gradient, kinds).describe()}",
        _ADDED,
    ]


def _cause_text(cause: str) -> list[str]:
    if cause == "sum":
        return [
            "The gradient that arrived was bad already, though those of which it is the sum",
            "(one for each use of the result), or those a hook replaced, were not.",
        ]
    if cause == "arrived":
        return ["The gradient that was given to backward() has them already."]
    if cause == "value":
        return ["A value of the forward pass was not finite already."]
    return []
