"""Reverse mode as transforms: ``grad``, ``grad_and_value``, ``vjp`` and ``jacrev``.

Note [Nesting of reverse mode]: a transform differentiates with respect to aliases that it makes
itself. An alias of a tensor that an outer derivative tracks is recorded, so the inner result is
a function of the outer tensor; any other alias is a new leaf that no outer derivative knows, and
confusion between levels cannot arise. Results keep a history only where an outer derivative needs
one: if an argument requires a gradient, or the function uses such a tensor from its closure.
Inside a level of forward mode it may be a tangent that an outer derivative tracks: the backward
pass is recorded there, and its history is dropped afterwards if it leads nowhere outside.
"""

from __future__ import annotations

from functools import wraps

import chainrule
from chainrule._C import Tensor
from chainrule.autograd._leaf import leaf_alias, tangents_of, without_history
from chainrule.autograd.forward_ad import active_levels

from ._tree import flatten, tree_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    ArgNums = int | tuple[int, ...]


def chosen_positions(argnums: Any, count: int) -> list[int]:
    """The positions that `argnums` means among `count` arguments."""
    if not isinstance(argnums, int | tuple) or isinstance(argnums, bool):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    if not numbers:
        raise RuntimeError("argnums must be a non-empty tuple")
    if len(set(numbers)) != len(numbers):
        raise RuntimeError(f"argnums elements must be unique, got {numbers}")
    positions = []
    for number in numbers:
        if not isinstance(number, int):
            raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {argnums}")
        if not -count <= number < count:
            raise RuntimeError(f"Got argnum={number}, but only {count} positional inputs")
        positions.append(number % count)
    return positions


def tensor_leaves(tree: Any) -> tuple[list[Tensor], Callable[[list[Any]], Any]]:
    """As `flatten`, for trees that hold nothing but tensors."""
    leaves, build = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")
    return leaves, build


def split_aux(result: Any, has_aux: bool, where: str) -> tuple[Any, Any]:
    """Output and auxiliary value of a function; the latter None without `has_aux`."""
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{where}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def output_leaves(tree: Any, where: str) -> tuple[list[Tensor], Callable[[list[Any]], Any]]:
    """The tensors of an output."""
    leaves, build = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(
                f"{where}: expected f(*primals) to return only tensors, got unsupported type "
                f"{type(leaf)}"
            )
    return leaves, build


def _with_tangents(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """Tensors and, level by level, their tangents."""
    for tensor in tensors:
        yield tensor
        yield from _with_tangents(tangent for _, tangent in tangents_of(tensor))


def _uses_others(outputs: list[Tensor], own: list[Tensor]) -> bool:
    """Whether outputs, or tangents of theirs, depend on a leaf that is not among `own`."""
    known = {id(leaf) for leaf in own}
    stack: list[Any] = []
    for output in _with_tangents(outputs):
        if output.grad_fn is not None:
            stack.append(output.grad_fn)
        elif output.requires_grad and id(output) not in known:
            return True
    seen = set(stack)
    while stack:
        node = stack.pop()
        if type(node).__name__ == "AccumulateGrad" and id(node.variable) not in known:
            return True
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                stack.append(following)
    return False


class Recording:
    """One recorded evaluation of a function at arguments of its own."""

    def __init__(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        positions: list[int],
        has_aux: bool,
        where: str,
    ) -> None:
        outside = chainrule.is_grad_enabled()
        own: list[Tensor] = []
        self.builders: list[Callable[[list[Any]], Any]] = []
        self.counts: list[int] = []
        arguments = list(args)
        tracked = False
        with chainrule.enable_grad():
            for position in positions:
                leaves, build = tensor_leaves(args[position])
                tracked = tracked or any(x.requires_grad for x in leaves)
                aliases = [
                    x.view_as(x) if outside and x.requires_grad else leaf_alias(x) for x in leaves
                ]
                own += aliases
                arguments[position] = build(aliases)
                self.builders.append(build)
                self.counts.append(len(leaves))
            result = func(*arguments, **kwargs)
        self.own = own
        self.output, self.aux = split_aux(result, has_aux, where)
        self.outputs = [leaf for leaf in flatten(self.output)[0] if isinstance(leaf, Tensor)]
        # See Note [Nesting of reverse mode].
        self.tracked = outside and (tracked or _uses_others(self.outputs, own))

    def public(self, tree: Any) -> Any:
        """What the caller may see of outputs: a history only where an outer derivative is."""
        if self.tracked:
            return tree
        return tree_map(lambda x: without_history(x) if isinstance(x, Tensor) else x, tree)

    def pull(
        self, outputs: list[Tensor], cotangents: list[Tensor | None], retain_graph: bool
    ) -> list[Tensor]:
        """Vector-Jacobian products with all leaves of the arguments."""
        pairs = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
        results: tuple[Tensor | None, ...] = (None,) * len(self.own)
        if pairs and self.own:
            tracked = self.tracked or any(c is not None and c.requires_grad for _, c in pairs)
            create_graph = chainrule.is_grad_enabled() and (tracked or bool(active_levels()))
            results = chainrule.autograd.grad(
                [o for o, _ in pairs],
                self.own,
                [c for _, c in pairs],
                retain_graph=retain_graph or create_graph,
                create_graph=create_graph,
                allow_unused=True,
            )
            if create_graph and not tracked:
                present = [g for g in results if g is not None]
                if not _uses_others(present, self.own):
                    results = tuple(g if g is None else without_history(g) for g in results)
        return [
            chainrule.zeros_like(x) if g is None else g
            for g, x in zip(results, self.own, strict=True)
        ]

    def by_argument(self, leaves: list[Any]) -> list[Any]:
        """Leaves regrouped: one tree for each differentiated argument."""
        trees, start = [], 0
        for build, count in zip(self.builders, self.counts, strict=True):
            trees.append(build(leaves[start : start + count]))
            start += count
        return trees


def grad_and_value(
    func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the gradient of `func` and its value.

    Arguments and errors are those of :func:`grad`. The result is ``(gradient, value)``, or
    ``(gradient, (value, aux))`` with `has_aux`.
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        where = "grad_and_value(f)(*args)"
        positions = chosen_positions(argnums, len(args))
        run = Recording(func, args, kwargs, positions, has_aux, where)
        value = run.output
        if not isinstance(value, Tensor):
            raise RuntimeError(f"{where}: Expected f(*args) to return a Tensor, got {type(value)}")
        if value.dim() != 0:
            raise RuntimeError(
                f"{where}: Expected f(*args) to return a scalar Tensor, got tensor with "
                f"{value.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        trees = run.by_argument(run.pull([value], [None], retain_graph=False))
        gradient = tuple(trees) if isinstance(argnums, tuple) else trees[0]
        if has_aux:
            return gradient, (run.public(value), run.public(run.aux))
        return gradient, run.public(value)

    return wrapper


def grad(
    func: Callable[..., Any], argnums: ArgNums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the gradient of `func`.

    Args:
        func: returns a tensor of no dimensions, or with `has_aux` a tuple of that and anything.
        argnums: the position of the argument to differentiate, or a tuple of positions. An
            argument is a tensor, or tensors in tuples, lists and dictionaries.
        has_aux: `func` returns ``(value, aux)``.

    Returns:
        A function of the same arguments. Its result has the form of the argument (a tuple for a
        tuple of positions), or is ``(gradient, aux)`` with `has_aux`.

    Raises:
        RuntimeError: (when called) the output is not a scalar, or `argnums` does not fit.
        ValueError: (when called) a differentiated argument holds something but tensors.
    """

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The output of `func` at `primals`, and a function that multiplies by its Jacobian.

    Args:
        func: returns tensors (in tuples, lists and dictionaries), with `has_aux` a tuple of that
            and anything.
        primals: the arguments, tensors in such containers.
        has_aux: `func` returns ``(output, aux)``.

    Returns:
        ``(output, vjp_fn)`` or ``(output, vjp_fn, aux)``. ``vjp_fn(cotangents)`` takes what has
        the form of the output, and returns a tuple with what has the form of each argument. It
        may be called any number of times.

    Raises:
        RuntimeError: the output holds something but tensors.
        ValueError: the primals hold something but tensors.
    """
    where = "vjp(f, *primals)"
    run = Recording(func, primals, {}, list(range(len(primals))), has_aux, where)
    outputs, _ = output_leaves(run.output, where)
    template = tree_map(lambda leaf: 0, run.output)

    def vjp_fn(
        cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None
    ) -> tuple[Any, ...]:
        leaves, _ = flatten(cotangents)
        if tree_map(lambda leaf: 0, cotangents) != template:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {len(leaves)} tensors in "
                f"{type(cotangents).__name__}, primal output: {len(outputs)} tensors in "
                f"{type(run.output).__name__}"
            )
        with chainrule.set_grad_enabled(
            chainrule.is_grad_enabled() if create_graph is None else create_graph
        ):
            return tuple(run.by_argument(run.pull(outputs, leaves, retain_graph)))

    output = run.public(run.output)
    return (output, vjp_fn, run.public(run.aux)) if has_aux else (output, vjp_fn)


def unit_vectors(like: Tensor) -> Any:
    """All tensors of a shape that are 1 at one element and 0 elsewhere."""
    for index in range(like.numel()):
        unit = chainrule.zeros(like.numel(), dtype=like.dtype, device=like.device)
        unit[index] = 1
        yield unit.reshape(like.shape)


def jacrev(
    func: Callable[..., Any],
    argnums: ArgNums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """A function that returns the Jacobian of `func`, by reverse mode.

    Args:
        func: returns tensors (in tuples, lists and dictionaries), with `has_aux` a tuple of that
            and anything.
        argnums: the position of the argument to differentiate, or a tuple of positions.
        has_aux: `func` returns ``(output, aux)``.
        chunk_size: how many rows torch computes at once; rows are computed one by one here.

    Returns:
        A function of the same arguments. Its result has the form of the output, and in place of
        an output of shape o it has the form of the argument with tensors of shape ``o + x`` in
        place of those of shape x. With `has_aux` it is ``(jacobian, aux)``.

    Raises:
        ValueError: `chunk_size` is not positive.
        RuntimeError: (when called) the output holds something but tensors.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        where = "vjp(f, *primals)"
        positions = chosen_positions(argnums, len(args))
        run = Recording(func, args, kwargs, positions, has_aux, where)
        outputs, build_output = output_leaves(run.output, where)
        jacobians = []
        for output in outputs:
            rows = [run.pull([output], [unit], retain_graph=True) for unit in unit_vectors(output)]
            blocks = [
                chainrule.stack([row[i] for row in rows]).reshape(output.shape + x.shape)
                if rows
                else output.new_zeros(output.shape + x.shape)
                for i, x in enumerate(run.own)
            ]
            trees = run.by_argument(blocks)
            jacobians.append(tuple(trees) if isinstance(argnums, tuple) else trees[0])
        result = build_output(jacobians)
        return (result, run.public(run.aux)) if has_aux else result

    return wrapper
