"""Forward mode as transforms: ``jvp``, ``jacfwd``, ``hessian`` and ``linearize``."""

from __future__ import annotations

from functools import wraps

import chainrule
from chainrule._C import Tensor
from chainrule.autograd import forward_ad

from ._reverse import (
    Recording,
    chosen_positions,
    jacrev,
    output_leaves,
    split_aux,
    tensor_leaves,
    unit_vectors,
)
from ._tree import flatten, tree_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    ArgNums = int | tuple[int, ...]

_JVP = "jvp(f, primals, tangents)"


def _push(
    call: Callable[[list[Tensor]], Any],
    primals: list[Tensor],
    tangents: list[Tensor | None],
    has_aux: bool = False,
    strict: bool = False,
) -> tuple[list[Tensor], list[Tensor], Callable[[list[Any]], Any], Any]:
    """Primal outputs and their tangents as leaves, the builder of the output, and aux."""
    with forward_ad.dual_level():
        duals = [
            p if t is None else forward_ad.make_dual(p, t)
            for p, t in zip(primals, tangents, strict=True)
        ]
        output, aux = split_aux(call(duals), has_aux, _JVP)
        leaves, build = output_leaves(output, _JVP)
        parts = [forward_ad.unpack_dual(leaf) for leaf in leaves]
        if has_aux:
            aux = tree_map(
                lambda x: forward_ad.unpack_dual(x).primal if isinstance(x, Tensor) else x, aux
            )
    if strict and any(part.tangent is None for part in parts):
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
            "inputs. This is not allowed with strict=True."
        )
    pushed = [
        chainrule.zeros_like(part.primal) if part.tangent is None else part.tangent
        for part in parts
    ]
    return [part.primal for part in parts], pushed, build, aux


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """The output of `func` at `primals`, and the product of its Jacobian with `tangents`.

    Args:
        func: returns tensors (in tuples, lists and dictionaries), with `has_aux` a tuple of that
            and anything.
        primals: a tuple of the arguments, tensors in such containers.
        tangents: what has the form and shapes of `primals`.
        strict: raise where an output does not depend on the primals, instead of giving zeros.
        has_aux: `func` returns ``(output, aux)``.

    Returns:
        ``(output, product)`` or ``(output, product, aux)``.

    Raises:
        RuntimeError: primals and tangents differ in form, shape or dtype, or the output holds
            something but tensors.
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{_JVP}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    leaves, build_primals = tensor_leaves(primals)
    directions, _ = flatten(tangents)
    if tree_map(lambda leaf: 0, primals) != tree_map(lambda leaf: 0, tangents):
        raise RuntimeError(
            f"{_JVP}: Expected primals and tangents to have the same python structure. For "
            "example, if primals is a tuple of 3 tensors, tangents also must be. Got primals "
            f"with {len(leaves)} tensors and tangents with {len(directions)}"
        )
    if not leaves:
        raise RuntimeError(f"{_JVP}: Expected at least one Tensor in primals")
    outputs, pushed, build, aux = _push(
        lambda duals: func(*build_primals(duals)), leaves, directions, has_aux, strict
    )
    result = build(outputs), build(pushed)
    return (*result, aux) if has_aux else result


def jacfwd(
    func: Callable[..., Any],
    argnums: ArgNums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """A function that returns the Jacobian of `func`, by forward mode.

    Takes a pass for each element of the inputs, where :func:`jacrev` takes one for each element
    of the outputs.

    Args:
        func: returns tensors (in tuples, lists and dictionaries), with `has_aux` a tuple of that
            and anything.
        argnums: the position of the argument to differentiate, or a tuple of positions.
        has_aux: `func` returns ``(output, aux)``.
        randomness: "same" and "different" say how random operations behave over torch's batch of
            passes; every pass draws its own numbers here, so "same" is refused.

    Returns:
        A function of the same arguments, whose result has the form that :func:`jacrev` gives.

    Raises:
        ValueError: `randomness` is unknown.
        NotImplementedError: `randomness` is "same".
        RuntimeError: (when called) the output holds something but tensors.
    """
    if randomness not in ("error", "different", "same"):
        raise ValueError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if randomness == "same":
        raise NotImplementedError(
            "jacfwd: randomness='same' is not available in Chainrule: each pass draws its own "
            "random numbers"
        )

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        positions = chosen_positions(argnums, len(args))
        trees = [tensor_leaves(args[position]) for position in positions]
        primals = [leaf for leaves, _ in trees for leaf in leaves]

        def grouped(leaves: list[Any]) -> list[Any]:
            groups, start = [], 0
            for own, build in trees:
                groups.append(build(leaves[start : start + len(own)]))
                start += len(own)
            return groups

        def call(duals: list[Tensor]) -> Any:
            arguments = list(args)
            for position, value in zip(positions, grouped(duals), strict=True):
                arguments[position] = value
            return func(*arguments, **kwargs)

        columns: list[list[list[Tensor]]] = []  # by input leaf and element, one per output leaf
        for k, primal in enumerate(primals):
            columns.append([])
            for unit in unit_vectors(primal):
                tangents: list[Tensor | None] = [None] * len(primals)
                tangents[k] = unit
                outputs, pushed, build_output, aux = _push(call, primals, tangents, has_aux)
                columns[k].append(pushed)
        if not any(columns):  # nothing to vary: only the form is needed
            outputs, _, build_output, aux = _push(call, primals, [None] * len(primals), has_aux)

        jacobians = []
        for i, output in enumerate(outputs):
            blocks = [
                chainrule.stack([pushed[i] for pushed in column], dim=-1).reshape(
                    output.shape + primal.shape
                )
                if column
                else output.new_zeros(output.shape + primal.shape)
                for primal, column in zip(primals, columns, strict=True)
            ]
            groups = grouped(blocks)
            jacobians.append(tuple(groups) if isinstance(argnums, tuple) else groups[0])
        result = build_output(jacobians)
        return (result, aux) if has_aux else result

    return wrapper


def hessian(func: Callable[..., Any], argnums: ArgNums = 0) -> Callable[..., Any]:
    """A function that returns the second derivatives of `func`: forward over reverse mode.

    For an output of shape o and an argument of shape x the result has shape ``o + x + x``; tuples
    and containers nest as in :func:`jacrev`, applied twice.
    """
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The output of `func` at `primals`, and the linear function that is its derivative there.

    `func` runs once; each call of the linear function costs a backward pass. Every operation of
    `func` must be twice differentiable.

    Args:
        func: returns tensors (in tuples, lists and dictionaries).
        primals: the arguments, tensors in such containers.

    Returns:
        ``(output, jvp_fn)``; ``jvp_fn(*tangents)`` takes what has the form of `primals`, and
        returns what has the form of the output.

    Raises:
        RuntimeError: the output holds something but tensors, or (in `jvp_fn`) the tangents do
            not fit.
    """
    where = "linearize(f, *primals)"
    template = tree_map(lambda leaf: 0, primals)
    run = Recording(func, primals, {}, list(range(len(primals))), False, where)
    outputs, build = output_leaves(run.output, where)
    # J^T u is linear in u, so its derivative along a tangent is J times the tangent.
    with chainrule.enable_grad():
        u = [chainrule.zeros_like(output).requires_grad_() for output in outputs]
        pulled = run.pull(outputs, u, retain_graph=True)

    def jvp_fn(*tangents: Any) -> Any:
        directions, _ = flatten(tangents)
        if tree_map(lambda leaf: 0, tangents) != template:
            raise RuntimeError("linearize: the tangents differ from the primals in structure")
        for i, (tangent, primal) in enumerate(zip(directions, run.own, strict=True)):
            if tangent.shape != primal.shape or tangent.dtype != primal.dtype:
                raise RuntimeError(
                    f"linearize: tangent {i} has shape {tuple(tangent.shape)} and dtype "
                    f"{tangent.dtype}, its primal {tuple(primal.shape)} and {primal.dtype}"
                )
        pairs = [(p, t) for p, t in zip(pulled, directions, strict=True) if p.requires_grad]
        products: tuple[Tensor | None, ...] = (None,) * len(u)
        if pairs:
            products = chainrule.autograd.grad(
                [p for p, _ in pairs],
                u,
                [t for _, t in pairs],
                retain_graph=True,
                create_graph=chainrule.is_grad_enabled()
                and (run.tracked or any(t.requires_grad for _, t in pairs)),
                allow_unused=True,
            )
        return build(
            [
                chainrule.zeros_like(output) if product is None else product
                for product, output in zip(products, u, strict=True)
            ]
        )

    return run.public(run.output), jvp_fn
