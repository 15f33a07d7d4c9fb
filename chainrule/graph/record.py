"""Records the backward passes of a program: ``with chainrule.record_graph() as recording:``."""

from __future__ import annotations

from time import perf_counter

from chainrule.autograd.observe import observe
from chainrule.graph._passes import Pass, Step, Structure, structure_key
from chainrule.graph.folding import KINDS
from chainrule.graph.model import Graph
from chainrule.graph.summary import summarize

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from types import TracebackType
    from typing import Any, Self

__all__ = ["LastBackward", "Recording", "Step", "record_graph"]

# Summaries of results that no pass has asked for yet.
_MOST_WAITING = 200_000


class Recording:
    """The backward passes of a program, one step for each.

    .. code-block:: python

        with chainrule.record_graph() as recording:
            for x, target in batches:
                loss = loss_of(model(x), target)
                loss.backward()
                optimizer.step()
        recording.save("training.html")  # with a slider over the steps

    A step holds the graph of the pass and, for each node, a summary of its value when it was
    computed and of the gradient that flowed there; no tensors. Steps of equal structure share one
    graph. Recording costs some tens of microseconds for each operator.

    ``with recording.step("epoch 3"):`` records the passes of this block alone.

    Args:
        every: record the first of so many passes.
        last: keep only so many steps, the latest ones.
        most: with no `last`, keep at most so many steps: when there are more, every second one is
            dropped and from then on half as many passes are recorded, so that the steps are spread
            over the whole run.
        values: whether to summarize the operators' results.
        grad: whether calls of `autograd.grad`, which change no ``.grad``, make steps as well.

    Attributes:
        steps: what was recorded, in order.

    Raises:
        ValueError: `every`, `last` or `most` is not a positive number.
    """

    def __init__(
        self,
        *,
        every: int = 1,
        last: int | None = None,
        most: int = 200,
        values: bool = True,
        grad: bool = False,
    ) -> None:
        for name, number in (("every", every), ("last", last), ("most", most)):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}")
        self.steps: list[Step] = []
        self._every, self._last, self._most = every, last, max(2, most)
        self._grad = grad
        self._label: str | None = None
        self._count = 0
        self._structures: dict[object, Structure] = {}
        self._pass: Pass | None = None
        # Summaries of operators' results by the number of the node that made them.
        self._values: dict[int, dict[str, Any]] = {}
        self._passes = observe(on_backward=self._on_backward)
        self._nodes = observe(before_node=self._before_node, on_node=self._on_node)
        self._operators = observe(on_operator=self._on_operator) if values else None

    def start(self) -> Self:
        """Begin to record the calling thread.

        Raises:
            RuntimeError: it runs already.
        """
        self._passes.start()
        self._listen()
        return self

    def stop(self) -> None:
        """End recording; it can be started again."""
        self._passes.stop()
        self._nodes.stop()
        if self._operators is not None:
            self._operators.stop()
        self._values.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def step(self, label: str | None = None) -> _Block:
        """A context manager that records the passes inside of it, under this label."""
        return _Block(self, label)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"<Recording of {len(self.steps)} steps, {len(self._used())} graphs>"

    def graphs(self, folds: tuple[str, ...] = KINDS) -> list[dict[str, Any]]:
        """The different graphs in the exchange format; ``step.graph`` is an index into them.

        Values and gradients at their nodes are those of the last step that has this graph.
        """
        latest = {step.structure: step for step in self.steps}
        return [structure.to_dict(folds, latest[structure]) for structure in self._used()]

    def show(self, path: str | os.PathLike[str] | None = None) -> None:
        """Open the steps as a page in the browser.

        Args:
            path: where to write the page; None: a temporary file.
        """
        import tempfile
        import webbrowser
        from pathlib import Path

        if path is None:
            path = Path(tempfile.mkdtemp(prefix="chainrule-")) / "graph.html"
        self.save(path)
        webbrowser.open(Path(path).resolve().as_uri())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the steps to a file.

        Args:
            path: ends in .html (a page with a slider over the steps) or .json.

        Raises:
            ValueError: another suffix, or no step was recorded.
        """
        save_payload(self, path)

    def _repr_html_(self) -> str:
        from html import escape

        from chainrule.graph.export import to_payload
        from chainrule.viewer.html import page

        source = escape(page(to_payload(self)), quote=True)
        return (
            f'<iframe srcdoc="{source}" style="width:100%;height:600px;border:0" '
            'sandbox="allow-scripts" title="recorded steps"></iframe>'
        )

    def _used(self) -> list[Structure]:
        """The graphs of the steps that are left; numbers them."""
        used = list(dict.fromkeys(step.structure for step in self.steps))
        for number, structure in enumerate(used):
            structure.number = number
        return used

    def _listen(self) -> None:
        """Operators are observed only if the next pass is to be recorded."""
        wanted = self._count % self._every == 0
        if self._operators is not None and self._operators.active != wanted:
            if wanted:
                self._operators.start()
            else:
                self._operators.stop()

    def _on_operator(self, op: Any) -> None:
        for tensor in op.outputs:
            node = tensor.grad_fn
            if node is None or tensor.output_nr != 0:
                continue
            sequence = node._sequence_nr()
            if sequence not in self._values:  # a change without history keeps the number
                self._values[sequence] = summarize(tensor)
        while len(self._values) > _MOST_WAITING:
            del self._values[next(iter(self._values))]

    def _on_backward(self, stage: str, roots: tuple[Any, ...], retain_graph: bool) -> None:
        if stage == "begin":
            if self._count % self._every == 0:
                self._pass = Pass(Graph(*roots), self._values)
                self._nodes.start()
            return
        self._nodes.stop()
        ended, self._pass = self._pass, None
        if ended is not None and (not ended.complete or not (ended.accumulated or self._grad)):
            return
        self._count += 1
        if ended is not None:
            ended.end()
            self._keep(ended)
            if not retain_graph:
                for sequence in ended.sequences:
                    self._values.pop(sequence, None)
        self._listen()

    def _before_node(self, node: Any, gradients: Any) -> None:
        if self._pass is not None:
            self._pass.before_node()

    def _on_node(self, node: Any, arrived: Any, left: Any) -> None:
        if self._pass is not None:
            self._pass.on_node(node, arrived, left)

    def _keep(self, ended: Pass) -> None:
        key = structure_key(ended.graph)
        structure = self._structures.get(key)
        if structure is None:
            structure = self._structures[key] = Structure(ended.graph, ended.order)
        label = self._label or f"step {self._count}"
        self.steps.append(Step(label, structure, ended))
        if self._last is not None:
            del self.steps[: -self._last]
        elif len(self.steps) > self._most:
            self.steps = self.steps[::2]
            self._every *= 2
        used = {step.structure for step in self.steps}
        self._structures = {k: s for k, s in self._structures.items() if s in used}


record_graph = Recording


class _Block:
    """Records while its block runs."""

    def __init__(self, recording: Recording, label: str | None) -> None:
        self._recording = recording
        self._label = label

    def __enter__(self) -> Recording:
        self._recording._label = self._label
        return self._recording.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._recording.stop()
        self._recording._label = None


class LastBackward:
    """Keeps the graph of the last backward pass of a program, at next to no cost.

    Between passes only the nodes of the last graph are held, whose saved values the pass has
    freed: its structure is exact. Values and gradients are read during every pass until that took
    `free` seconds, so that a short program shows its last pass; after that during some passes, as
    many as take about `share` of the running time. Those of the latest such pass are shown if its
    graph has the same operators, and the title says which pass that was. Otherwise leaves show
    their ``.grad`` as it is when the picture is made.

    Args:
        share: about the part of the running time that goes into reading values and gradients.
        free: seconds that this may take in any case.
    """

    def __init__(self, share: float = 0.1, free: float = 2.0) -> None:
        self.passes = 0
        self._share = share
        self._free = free
        self._roots: tuple[Any, ...] = ()
        self._next_time = 0.0
        self._began = 0.0
        self._pass: Pass | None = None
        self._latest: tuple[int, object, Structure, Step] | None = None
        self._observer = observe(on_backward=self._on_backward)
        self._nodes = observe(before_node=self._before_node, on_node=self._on_node)

    def start(self) -> Self:
        """Begin to watch the calling thread."""
        self._observer.start()
        return self

    def stop(self) -> None:
        """End watching; what was seen stays."""
        self._observer.stop()
        self._nodes.stop()

    def to_payload(self, title: str | None = None) -> dict[str, Any]:
        """The graph of the last backward pass, as the data of a page.

        Raises:
            RuntimeError: there was no backward pass.
        """
        if not self._roots:
            raise RuntimeError(
                "no graph to show: the program ran no backward pass. Call loss.backward() in it, "
                "or draw a tensor with chainrule.save_graph(tensor, path)"
            )
        from chainrule.graph.export import graph_to_dict

        graph = _seen_from_main(self._roots)
        if self._latest is None or self._latest[1] != structure_key(graph, freed=True):
            return {"graphs": [graph_to_dict(graph, title)], "steps": [], "profile": None}
        number, _, structure, step = self._latest
        exported = structure.to_dict(KINDS, step)
        if title is not None:
            exported["title"] = title
        if number != self.passes:
            exported["title"] += f", values of backward pass {number} of {self.passes}"
        return {"graphs": [exported], "steps": [], "profile": None}

    def save(self, path: str | os.PathLike[str], title: str | None = None) -> None:
        """Write the graph of the last backward pass to a file.

        Args:
            path: ends in .html, .json, .svg, .dot or .txt.
            title: of the page.

        Raises:
            RuntimeError: there was no backward pass.
            ValueError: another suffix.
        """
        from chainrule.viewer.picture import Picture

        Picture(self.to_payload(title)["graphs"][0]).save(path)

    def _on_backward(self, stage: str, roots: tuple[Any, ...], retain_graph: bool) -> None:
        if stage == "begin":
            self.passes += 1
            self._roots = roots
            now = perf_counter()
            if now >= self._next_time:
                self._began = now
                graph = Graph(*roots)
                self._pass = Pass(graph, {})
                self._nodes.start()
            return
        if self._pass is None:
            return
        self._nodes.stop()
        ended, self._pass = self._pass, None
        if ended.complete:
            ended.end()
            structure = Structure(ended.graph, ended.order)
            key = structure_key(ended.graph, freed=True)
            step = Step(f"backward pass {self.passes}", structure, ended)
            self._latest = (self.passes, key, structure, step)
        now = perf_counter()
        if self.passes > 1:  # the first one also loaded modules
            self._free -= now - self._began
            if self._free < 0:
                self._next_time = now + (now - self._began) / self._share

    def _before_node(self, node: Any, gradients: Any) -> None:
        if self._pass is not None:
            self._pass.before_node()

    def _on_node(self, node: Any, arrived: Any, left: Any) -> None:
        if self._pass is not None:
            self._pass.on_node(node, arrived, left)


def save_payload(recording: Recording, path: str | os.PathLike[str]) -> None:
    """Write a recording as a page or as JSON."""
    from pathlib import Path

    from chainrule.graph.export import to_json, to_payload

    if not recording.steps:
        raise ValueError(
            "nothing was recorded: no backward pass completed inside the recording's block"
        )
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix == ".json":
        text = to_json(recording)
    elif suffix in (".html", ".htm"):
        from chainrule.viewer.html import page

        text = page(to_payload(recording))
    else:
        raise ValueError(
            f"cannot tell from {target.name!r} what to write: the name must end in .html or .json"
        )
    target.write_text(text, encoding="utf-8")


def _seen_from_main(roots: tuple[Any, ...]) -> Graph:
    """The graph, with the names that the main program's variables have.

    When the picture is made the program has ended: no frame of it runs any more.
    """
    import sys

    main = sys.modules.get("__main__")
    names: dict[str, Any] = dict(vars(main)) if main is not None else {}
    names["_graph_of_roots"] = lambda: Graph(*roots)
    found: Graph = eval(compile("_graph_of_roots()", "<program>", "eval"), names)
    return found
