"""``chainrule.show`` and ``chainrule.save_graph``: a picture of what was computed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import chainrule
from chainrule import Tensor
from chainrule.viewer.picture import FORMS, Picture, form_of

# Gradients are part of the picture of a graph with at most so many nodes and numbers.
_MOST_NODES = 2_000
_MOST_NUMBERS = 20_000_000


def show(
    obj: Any,
    *inputs: Any,
    fold: str | None = "module",
    boxes: int | None = None,
    gradients: bool | None = None,
    form: str | None = None,
    file: IO[str] | None = None,
    width: int | None = None,
    color: bool | None = None,
    direction: str | None = None,
    **keywords: Any,
) -> Picture:
    """Draw the graph of what was computed.

    ``show(loss)`` draws the graph behind a tensor (or several: ``show([first, second])``),
    ``show(model, x)`` calls the model and draws the graph of its output. In a terminal the picture
    is printed as text; in a notebook the returned picture is drawn.

    Args:
        obj: a tensor with a graph, a list or tuple of them, a `chainrule.graph.Graph`, an
            ``nn.Module``, what ``record_graph()`` recorded (the last step; the page has all), or a
            graph that was read from a JSON file.
        inputs: what to call the module with; ``keywords`` are its keyword arguments. Of a tuple,
            list or dict that it returns, the first tensor with a graph is drawn.
        fold: what becomes one box in a large graph: "module" (a call of an ``nn.Module``),
            "line" (a source line) or "structure" (repeated operators); None folds nothing as
            long as there are at most 400 nodes.
        boxes: open boxes up to this number, at most 400; None leaves it to the picture.
        gradients: whether to compute and show the gradients of ``obj`` at all nodes, and local
            gradients where the tensors have one element. A tensor with several elements is
            summed for that, that is, its gradient is taken to be ones. This runs the backward
            pass once without touching any ``.grad`` and keeps the graph. None: only if the
            graph is small (2,000 nodes, 20 million numbers) and still has its saved values.
        form: "text", "svg", "html", "dot" or "json": write this form to ``file``. None: text,
            and nothing in a notebook.
        file: the stream to write to; None is standard output.
        width: columns of the text; None: those of the terminal, or 80.
        color: colours in the text; None: where the stream is a terminal that has them, the
            package rich is installed and ``NO_COLOR`` is not set.
        direction: where the loss is, seen from the leaves, in SVG and dot: "down", "up" or
            "right". None: "right" for a small graph without modules, else "down".

    Returns:
        The picture: ``.text()``, ``.svg()``, ``.html()``, ``.dot()``, ``.json()``, ``.save(path)``.

    Raises:
        TypeError: ``obj`` is none of these, or a module without inputs.
        RuntimeError: a tensor without a graph, or ``gradients=True`` after the graph was freed.
        ValueError: an unknown ``fold``, ``form`` or ``direction``.
        ImportError: a form needs a package that is not installed.
    """
    if form is not None and form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(map(repr, FORMS))}, not {form!r}")
    graph, steps = _exported(obj, inputs, keywords, gradients)
    picture = Picture(graph, fold=fold, boxes=boxes, direction=direction, width=width, steps=steps)
    if form is not None or file is not None or not in_notebook():
        picture.print(file, form=form or "text", color=color)
    return picture


def save_graph(
    obj: Any,
    path: str | os.PathLike[str],
    *inputs: Any,
    fold: str | None = "module",
    boxes: int | None = None,
    gradients: bool | None = None,
    direction: str | None = None,
    width: int | None = None,
    **keywords: Any,
) -> None:
    """Write the graph of what was computed to a file.

    Args:
        obj: as in `show`: a tensor, several, a graph, or a module that is called with ``inputs``.
        path: its suffix says the form: .html (a page to unfold, search and step through), .svg,
            .dot, .json (the whole graph) or .txt.
        fold, boxes, gradients, direction, width: as in `show`.

    Raises:
        ValueError: another suffix; otherwise as `show`.
    """
    form_of(Path(path))
    graph, steps = _exported(obj, inputs, keywords, gradients)
    Picture(graph, fold=fold, boxes=boxes, direction=direction, width=width, steps=steps).save(path)


def in_notebook() -> bool:
    """Whether this program runs in a notebook, which draws what a cell returns."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    shell = ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _exported(
    obj: Any, inputs: tuple[Any, ...], keywords: dict[str, Any], gradients: bool | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The graph of ``obj`` in the exchange format, and the page of a recorded run."""
    from chainrule.graph import Graph
    from chainrule.graph.export import graph_to_dict, to_payload
    from chainrule.graph.record import Recording

    if isinstance(obj, chainrule.nn.Module):
        obj = _called(obj, inputs, keywords)
    elif inputs or keywords:
        given = "inputs" if inputs else f"argument {next(iter(keywords))!r}"
        raise TypeError(
            f"show({type(obj).__name__}, ...) got {given}, which only an nn.Module takes. "
            "Give several tensors as a list: show([first, second])"
        )
    if isinstance(obj, Mapping) and "format" in obj:
        return dict(obj), None
    if isinstance(obj, Recording):
        if not obj.steps:
            raise RuntimeError(
                "nothing was recorded: no backward() ran inside the with block of record_graph()"
            )
        page = to_payload(obj)
        return page["graphs"][page["steps"][-1]["graph"]], page
    if isinstance(obj, Tensor):
        graph = Graph(obj)
    elif isinstance(obj, list | tuple) and obj and all(isinstance(t, Tensor) for t in obj):
        graph = Graph(*obj)
    elif isinstance(obj, Graph):
        graph = obj
    else:
        raise TypeError(
            "show draws a tensor, a list of tensors, a Graph, a Recording or an nn.Module with "
            f"inputs, not {type(obj).__name__}"
        )
    _compute_gradients(graph, gradients)
    return graph_to_dict(graph), None


def _called(module: Any, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
    """The first tensor with a graph in what the module returns."""
    name = type(module).__name__
    if not inputs and not keywords:
        raise TypeError(
            f"show({name}) needs the inputs to call the module with: show(model, x). "
            "A graph exists only of what was computed."
        )
    with chainrule.enable_grad():
        result = module(*inputs, **keywords)
    found = list(_tensors(result))
    for tensor in found:
        if tensor.grad_fn is not None:
            return tensor
    if found:
        return found[0]  # the graph says why it has none
    raise TypeError(f"{name} returned no tensor but {type(result).__name__}: nothing to draw")


def _tensors(result: Any) -> Any:
    """The tensors in nested tuples, lists and dicts, in order."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for item in result.values():
            yield from _tensors(item)
    elif isinstance(result, list | tuple):
        for item in result:
            yield from _tensors(item)


def _compute_gradients(graph: Any, wanted: bool | None) -> None:
    """Fill in the gradients of a graph, if they are wanted or cost little."""
    if wanted is False:
        return
    if wanted is None and (len(graph.nodes) > _MOST_NODES or _numbers(graph) > _MOST_NUMBERS):
        return
    try:
        graph.gradients()
        graph.local_gradients()
    except RuntimeError:  # the graph was freed, or an operator has no derivative
        if wanted:
            raise


def _numbers(graph: Any) -> int:
    """How many numbers the outputs of all nodes have together."""
    total = 0
    for node in graph.nodes:
        for shape in node.shapes:
            size = 1
            for length in shape:
                size *= length
            total += size
    return total
