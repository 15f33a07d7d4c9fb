"""Watch the operators and the backward passes of a program: the hook to write tools with."""

from __future__ import annotations

from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from chainrule._C import Node, Tensor

    Gradients = tuple[Tensor | None, ...]

__all__ = ["ObservedOperator", "observe"]

ObservedOperator: type[Any] = _C._ObservedOperator
"""What `on_operator` is called with: a named tuple.

Attributes:
    name (str): the operator, ``"mul"``; with a trailing underscore if it changes its first input in
        place, ``"add_"``.
    inputs (tuple[Tensor, ...]): the tensors among its arguments; those that it changes in place
        have their new values.
    outputs (tuple[Tensor, ...]): the tensors it gave; for an in-place operator, those it changed.
    location (str | None): the line of the program that called it, ``"train.py:12"``.
    row (str | None): where the operator table defines it, ``"ops/arithmetic.py:20"``; None for what
        stands in no table, such as a custom `Function`.
"""


class observe:
    """Calls functions of yours for every operator and every node of a backward pass.

    .. code-block:: python

        with observe(on_operator=lambda op: print(op.name, op.location)):
            loss = model(x).sum()

    It works as a context manager, or with `start` and `stop`, and can be used again after it was
    stopped. Several can run at once, one inside the other or overlapping; they are called in the
    order in which they were started.

    Args:
        on_operator: called as ``on_operator(op)`` after every operator, with an `ObservedOperator`.
            What an operator calls by itself is not shown, and neither are the operators that
            compute a gradient inside a node; those in a `Function` or a hook of yours are.
        on_node: called as ``on_node(node, grad_outputs, grad_inputs)`` after the backward of a node
            of the graph: the gradients that arrived, one for each output of the operation, and
            those it computed, one for each of its inputs; None where there is none.
        before_node: called as ``before_node(node, grad_outputs)`` before that.
        on_backward: called as ``on_backward(stage, roots, retain_graph)`` with the stage "begin" or
            "end" around every ``backward`` or ``grad`` that is not part of another one; also after
            an error. `roots` are the nodes it starts from.

    What a function keeps of the tensors it is given stays as it is: the engine does not compute in
    memory that somebody else holds. (Changes that your program makes in place do show.)

    Functions are not observed themselves, whatever they compute. An exception in one goes to the
    caller of the operator or of ``backward``, whose work is then lost; only in `on_backward` at the
    end of a backward that failed itself it is reported to ``sys.unraisablehook``.

    Only the thread that starts it is observed, until this thread stops it, in generators and
    coroutines too: what runs between `start` and `stop` is what is seen.

    Raises:
        TypeError: nothing to call was given, or something that cannot be called.
    """

    __slots__ = ("__weakref__", "_observer")

    def __init__(
        self,
        *,
        on_operator: Callable[[Any], object] | None = None,
        on_node: Callable[[Node, Gradients, Gradients], object] | None = None,
        before_node: Callable[[Node, Gradients], object] | None = None,
        on_backward: Callable[[str, tuple[Node, ...], bool], object] | None = None,
    ) -> None:
        self._observer = _C._Observer(
            on_operator=on_operator,
            on_node=on_node,
            before_node=before_node,
            on_backward=on_backward,
        )

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return bool(self._observer.active)

    def start(self) -> Self:
        """Begin to observe the calling thread.

        Raises:
            RuntimeError: it runs already.
        """
        self._observer.start()
        return self

    def stop(self) -> None:
        """End observing; nothing happens if it does not run.

        Raises:
            RuntimeError: another thread started it.
        """
        self._observer.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()
