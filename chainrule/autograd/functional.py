"""Derivatives of functions of tensors: Jacobians, Hessians and their products with vectors.

Every function here calls the given one on tensors of its own, so the caller's tensors need not
require a gradient. Inputs, outputs and vectors are a tensor or a tuple of tensors, and the
results have the same form.
"""

from __future__ import annotations

import chainrule
from chainrule._C import Tensor

from . import forward_ad
from ._leaf import leaf_alias

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Tensors = Tensor | tuple[Tensor, ...]
    Tuple = tuple[Tensor, ...]

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_OUTPUTS = "outputs of the user-provided function"


def _as_tuple(values: Any, what: str, where: str) -> tuple[bool, Tuple]:
    """Whether `values` is a tuple, and its tensors."""
    is_tuple = isinstance(values, tuple)
    items = values if is_tuple else (values,)
    for i, item in enumerate(items):
        if isinstance(item, Tensor):
            continue
        place = f"the value at index {i}" if is_tuple else f"the given {what}"
        raise TypeError(
            f"The {what} given to {where} must be either a Tensor or a tuple of Tensors but "
            f"{place} has type {type(item)}."
        )
    return is_tuple, items


def _call(func: Callable[..., Any], inputs: Tuple, where: str) -> tuple[bool, Tuple]:
    """Whether the function returned a tuple, and its outputs."""
    result = func(*inputs)
    is_tuple = isinstance(result, tuple)
    items = result if is_tuple else (result,)
    for i, item in enumerate(items):
        if not isinstance(item, Tensor):
            place = f"the value at index {i}" if is_tuple else "the given " + _OUTPUTS
            raise TypeError(
                f"The {_OUTPUTS} given to {where} must be either a Tensor or a tuple of Tensors "
                f"but {place} has type {type(item)}."
            )
    return is_tuple, items


def _own(inputs: Tuple, keep_graph: bool) -> Tuple:
    """New tensors to differentiate with respect to; `keep_graph` connects them to the caller's."""
    return tuple(x.view_as(x) if keep_graph and x.requires_grad else leaf_alias(x) for x in inputs)


def _form(values: Tuple, is_tuple: bool) -> Tensors:
    return values if is_tuple else values[0]


def _finish(values: Tuple, create_graph: bool) -> Tuple:
    """Results without the history that the caller did not ask for."""
    return values if create_graph else tuple(value.detach() for value in values)


def _check_vector(v: Tuple, like: Tuple, is_tuple: bool) -> None:
    if len(v) != len(like):
        if is_tuple:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (one, other) in enumerate(zip(v, like, strict=True)):
        if one.shape != other.shape:
            entry = f"Entry {i} in v" if is_tuple else "v"
            raise RuntimeError(
                f"{entry} has invalid size: should be {other.shape} but got {one.shape}."
            )


def _vector(v: Any, like: Tuple, is_tuple: bool, what: str, where: str) -> Tuple:
    """The vector that multiplies a Jacobian; ones if there is a single element only."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {what} with a single element.")
        return (chainrule.ones_like(like[0]),)
    _, vector = _as_tuple(v, "v", where)
    _check_vector(vector, like, is_tuple)
    return vector


def _check_recorded(outputs: Tuple, what: str) -> None:
    """Strict mode: every output must depend on the inputs."""
    for i, output in enumerate(outputs):
        if not output.requires_grad:
            raise RuntimeError(
                f"Output {i} of {what} does not require gradients: in strict mode it must be "
                "computed in a differentiable manner from the input."
            )


def _gradients(
    outputs: Tuple,
    inputs: Tuple,
    cotangents: Tuple,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    strict: bool = False,
    what: str = _OUTPUTS,
) -> Tuple:
    """Vector-Jacobian products, with zeros where nothing depends on an input."""
    pairs = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
    grads: tuple[Tensor | None, ...] = (None,) * len(inputs)
    if pairs:
        grads = chainrule.autograd.grad(
            [o for o, _ in pairs],
            inputs,
            [c for _, c in pairs],
            create_graph=create_graph,
            retain_graph=retain_graph,
            allow_unused=True,
        )
    results = []
    for i, (grad, x) in enumerate(zip(grads, inputs, strict=True)):
        if grad is None:
            if strict:
                raise RuntimeError(
                    f"The {what} are independent of input {i}: this is not allowed in strict mode."
                )
            grad = chainrule.zeros_like(x)
        elif strict and create_graph and not grad.requires_grad:
            raise RuntimeError(
                f"The derivative of the {what} is independent of input {i}: this is not allowed "
                "in strict mode when create_graph=True."
            )
        results.append(grad)
    return tuple(results)


def _scalar(outputs: Tuple, is_tuple: bool, where: str) -> None:
    """Second derivatives exist here for one output of one element."""
    if is_tuple:
        raise RuntimeError(f"The function given to {where} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {where} should contain a single "
            f"element, but has the shape {tuple(outputs[0].shape)}"
        )


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """The product of a vector with the Jacobian of `func` at `inputs`.

    Args:
        func: takes the tensors of `inputs`, returns a tensor or a tuple of tensors.
        inputs: where to differentiate.
        v: the vector, of the form and shapes of the outputs; may be left out when there is one
            output of one element.
        create_graph: make the results differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.

    Returns:
        The outputs of `func`, and the product, of the form and shapes of `inputs`.

    Raises:
        TypeError: inputs, outputs or v are not tensors.
        RuntimeError: v does not fit the outputs, or strict mode found an independence.
    """
    is_tuple, given = _as_tuple(inputs, "inputs", "vjp")
    with chainrule.enable_grad():
        own = _own(given, create_graph)
        out_is_tuple, outputs = _call(func, own, "vjp")
        if strict:
            _check_recorded(outputs, _OUTPUTS)
        vector = _vector(
            v, outputs, out_is_tuple, "the user-provided function returns a single Tensor", "vjp"
        )
        products = _gradients(outputs, own, vector, create_graph=create_graph, strict=strict)
    outputs = _finish(outputs, create_graph)
    return _form(outputs, out_is_tuple), _form(_finish(products, create_graph), is_tuple)


def _pushed(
    outputs: Tuple, inputs: Tuple, vector: Tuple, create_graph: bool, strict: bool
) -> Tuple:
    """Jacobian-vector products of a recorded graph.

    The vector-Jacobian product is linear in its cotangent u, so its derivative with respect to u
    in the direction of the vector is the Jacobian-vector product.
    """
    u = tuple(chainrule.zeros_like(o).requires_grad_() for o in outputs)
    pulled = _gradients(outputs, inputs, u, create_graph=True, strict=strict)
    what = "gradients of the " + _OUTPUTS
    return _gradients(pulled, u, vector, create_graph=create_graph, strict=strict, what=what)


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """The product of the Jacobian of `func` at `inputs` with a vector.

    Arguments and errors are those of :func:`vjp`, except that `v` has the form and shapes of
    `inputs` and may be left out when there is one input of one element. Every operation of `func`
    must be twice differentiable; ``torch.func.jvp`` uses forward mode instead.

    Returns:
        The outputs of `func`, and the product, of the form and shapes of the outputs.
    """
    is_tuple, given = _as_tuple(inputs, "inputs", "jvp")
    with chainrule.enable_grad():
        own = _own(given, create_graph)
        vector = _vector(v, own, is_tuple, "the input to the function is a single Tensor", "jvp")
        out_is_tuple, outputs = _call(func, own, "jvp")
        if strict:
            _check_recorded(outputs, _OUTPUTS)
        products = _pushed(outputs, own, vector, create_graph, strict)
    outputs = _finish(outputs, create_graph)
    return _form(outputs, out_is_tuple), _form(_finish(products, create_graph), out_is_tuple)


def _basis(like: Tensor, index: int) -> Tensor:
    """The tensor that is 1 at a flat index and 0 elsewhere."""
    unit = chainrule.zeros(like.numel(), dtype=like.dtype, device=like.device)
    unit[index] = 1
    shaped: Tensor = unit.reshape(like.shape)
    return shaped


def _rows(outputs: Tuple, inputs: Tuple, create_graph: bool, strict: bool) -> list[Tuple]:
    """The Jacobian of each output with respect to each input, one backward pass per element."""
    blocks = []
    for i, output in enumerate(outputs):
        columns: list[list[Tensor]] = [[] for _ in inputs]
        for j in range(output.numel()):
            grads = _gradients(
                (output,),
                inputs,
                (_basis(output, j),),
                create_graph=create_graph,
                retain_graph=True,
                strict=strict,
                what=f"output {i} of the user-provided function",
            )
            for column, grad in zip(columns, grads, strict=True):
                column.append(grad)
        blocks.append(
            tuple(
                chainrule.stack(column).reshape(output.shape + x.shape)
                if column
                else x.new_zeros(output.shape + x.shape)
                for column, x in zip(columns, inputs, strict=True)
            )
        )
    return blocks


def _columns(
    func: Callable[..., Any], inputs: Tuple, where: str
) -> tuple[bool, Tuple, list[Tuple]]:
    """As `_rows`, by one forward-mode pass for each element of the inputs."""
    out_is_tuple, outputs = False, None
    columns: list[list[list[Tensor]]] = []  # by input and element, the tangent of each output
    for k, x in enumerate(inputs):
        columns.append([])
        for j in range(x.numel()):
            with forward_ad.dual_level():
                duals = list(inputs)
                duals[k] = forward_ad.make_dual(x, _basis(x, j))
                out_is_tuple, results = _call(func, tuple(duals), where)
                parts = [forward_ad.unpack_dual(result) for result in results]
            outputs = tuple(part.primal for part in parts)
            columns[k].append(
                [
                    chainrule.zeros_like(part.primal) if part.tangent is None else part.tangent
                    for part in parts
                ]
            )
    if outputs is None:  # every input is empty
        out_is_tuple, outputs = _call(func, inputs, where)
    blocks = []
    for i, output in enumerate(outputs):
        row = []
        for x, tangents in zip(inputs, columns, strict=True):
            shape = output.shape + x.shape
            if tangents:
                row.append(chainrule.stack([t[i] for t in tangents], dim=-1).reshape(shape))
            else:
                row.append(output.new_zeros(shape))
        blocks.append(tuple(row))
    return out_is_tuple, outputs, blocks


def _check_strategy(strategy: str, strict: bool, vectorize: bool, where: str) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            f'{where}: expected strategy to be either "forward-mode" or "reverse-mode", not '
            f"{strategy!r}. Forward mode takes a pass for each element of the inputs, reverse "
            "mode one for each element of the outputs."
        )
    if strict and vectorize:
        raise RuntimeError(
            f"{where}: `strict=True` and `vectorize=True` are not supported together"
        )
    if strict and strategy == "forward-mode":
        raise RuntimeError(
            f'{where}: `strict=True` and `strategy="forward-mode"` are not supported together'
        )


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func` at `inputs`.

    Args:
        func: takes the tensors of `inputs`, returns a tensor or a tuple of tensors.
        inputs: where to differentiate.
        create_graph: make the Jacobian differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.
        vectorize: accepted for torch's sake; the result is the same, one pass after the other.
        strategy: "reverse-mode" takes a pass for each element of the outputs, "forward-mode" one
            for each element of the inputs.

    Returns:
        For an output of shape o and an input of shape x a tensor of shape ``o + x`` whose
        entries are d out[i] / d in[j]. With a tuple of inputs or outputs: a tuple over those;
        with both, a tuple over outputs of tuples over inputs.

    Raises:
        TypeError: inputs or outputs are not tensors.
        RuntimeError: strict mode found an independence, or cannot be had with these arguments.
    """
    _check_strategy(strategy, strict, vectorize, "torch.autograd.functional.jacobian")
    is_tuple, given = _as_tuple(inputs, "inputs", "jacobian")
    with chainrule.enable_grad():
        own = _own(given, create_graph)
        if strategy == "forward-mode":
            if not create_graph:
                own = tuple(x.detach() for x in own)
            out_is_tuple, _, blocks = _columns(func, own, "jacobian")
        else:
            out_is_tuple, outputs = _call(func, own, "jacobian")
            if strict:
                _check_recorded(outputs, _OUTPUTS)
            blocks = _rows(outputs, own, create_graph, strict)
    rows = [_form(_finish(block, create_graph), is_tuple) for block in blocks]
    return tuple(rows) if out_is_tuple else rows[0]


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The matrix of second derivatives of a function with one output of one element.

    Arguments and errors are those of :func:`jacobian`; `outer_jacobian_strategy` is the strategy
    of the outer derivative, the inner one runs in reverse mode.

    Returns:
        For an input of shape x a tensor of shape ``x + x``; for a tuple of inputs a tuple of
        tuples of tensors.
    """
    is_tuple, _ = _as_tuple(inputs, "inputs", "hessian")
    where = "torch.autograd.functional.hessian"
    _check_strategy(outer_jacobian_strategy, strict, vectorize, where)

    def gradient(*own: Tensor) -> Tensors:
        # Forward mode hands over duals that nobody records yet.
        if outer_jacobian_strategy == "forward-mode":
            own = tuple(x if x.requires_grad else leaf_alias(x) for x in own)
        out_is_tuple, outputs = _call(func, own, "hessian")
        _scalar(outputs, out_is_tuple, "hessian")
        if strict:
            _check_recorded(outputs, _OUTPUTS)
        ones = (chainrule.ones_like(outputs[0]),)
        return _form(_gradients(outputs, own, ones, create_graph=True, strict=strict), is_tuple)

    return jacobian(
        gradient,
        inputs,
        create_graph=create_graph,
        strict=strict,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )


def _second_order(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None,
    create_graph: bool,
    strict: bool,
    where: str,
    push: bool,
) -> tuple[Tensors, Tensors]:
    """The output, and the product of the Hessian with v from the right (`push`) or the left."""
    is_tuple, given = _as_tuple(inputs, "inputs", where)
    with chainrule.enable_grad():
        own = _own(given, create_graph)
        vector = _vector(v, own, is_tuple, "the input to the function is a single Tensor", where)
        out_is_tuple, outputs = _call(func, own, where)
        _scalar(outputs, out_is_tuple, where)
        if strict:
            _check_recorded(outputs, _OUTPUTS)
        ones = (chainrule.ones_like(outputs[0]),)
        gradient = _gradients(outputs, own, ones, create_graph=True, strict=strict)
        if strict:
            _check_recorded(gradient, "the gradient")
        if push:
            products = _pushed(gradient, own, vector, create_graph, strict)
        else:
            what = "gradients of the " + _OUTPUTS
            products = _gradients(
                gradient, own, vector, create_graph=create_graph, strict=strict, what=what
            )
    (output,) = _finish(outputs, create_graph)
    return output, _form(_finish(products, create_graph), is_tuple)


def vhp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """The product of a vector with the Hessian of a function with one output of one element.

    Arguments and errors are those of :func:`vjp`, except that `v` has the form and shapes of
    `inputs`. Cheaper than :func:`hvp`, and equal to it where the Hessian is symmetric.

    Returns:
        The output of `func`, and the product, of the form and shapes of `inputs`.
    """
    return _second_order(func, inputs, v, create_graph, strict, "vhp", push=False)


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """The product of the Hessian of a function with one output of one element with a vector.

    Arguments and errors are those of :func:`vhp`.

    Returns:
        The output of `func`, and the product, of the form and shapes of `inputs`.
    """
    return _second_order(func, inputs, v, create_graph, strict, "hvp", push=True)
