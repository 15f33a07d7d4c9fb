"""Derivatives compared with finite differences: ``gradcheck`` and ``gradgradcheck``."""

from __future__ import annotations

from itertools import product

import chainrule
from chainrule._C import Tensor

from . import forward_ad
from .function import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative is wrong; the message says which one and how far off."""


class _Problem:
    """A function with its inputs and the tolerances of one check."""

    def __init__(
        self,
        func: Callable[..., Any],
        inputs: Tensor | Sequence[Any],
        eps: float,
        atol: float,
        rtol: float,
        nondet_tol: float,
        check_grad_dtypes: bool,
    ) -> None:
        self.func = func
        self.inputs: tuple[Any, ...] = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        self.eps = eps
        self.atol = atol
        self.rtol = rtol
        self.nondet_tol = nondet_tol
        self.check_grad_dtypes = check_grad_dtypes
        self.wanted = [
            (i, x) for i, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad
        ]

    def call(self, *inputs: Any) -> list[Tensor]:
        """The outputs that are tensors of real numbers; others have no derivative."""
        result = self.func(*(inputs or self.inputs))
        items = (result,) if isinstance(result, Tensor) else tuple(result)
        tensors = [item for item in items if isinstance(item, Tensor)]
        if any(tensor.is_complex() for tensor in tensors):
            raise NotImplementedError("gradcheck: an output is complex; only real ones work")
        return [tensor for tensor in tensors if tensor.is_floating_point()]

    def differentiable(self) -> list[tuple[int, Tensor]]:
        """The outputs that carry a gradient, with their positions."""
        return [(i, out) for i, out in enumerate(self.call()) if out.requires_grad]


def _check_inputs(problem: _Problem) -> None:
    if not problem.wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    for i, x in problem.wanted:
        if x.is_complex():
            raise NotImplementedError(f"gradcheck: input {i} is complex; only real inputs work")
        if x.dtype != chainrule.float64:
            import warnings

            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point. "
                "This check will likely fail if all the inputs are not of double precision.",
                stacklevel=4,
            )
        if any(n > 1 and stride == 0 for n, stride in zip(x.shape, x.stride(), strict=True)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs "
                "that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You should call .contiguous on the input before passing it to "
                "gradcheck."
            )


def _values(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Copies of the values in double precision, as vectors."""
    return [out.detach().clone().reshape(-1).to(chainrule.float64) for out in outputs]


def _difference(problem: _Problem, change: Callable[[float], None]) -> list[Tensor]:
    """Central difference of all outputs; `change(d)` moves the inputs to distance d."""
    change(problem.eps)
    above = _values(problem.call())
    change(-problem.eps)
    below = _values(problem.call())
    change(0.0)
    return [(a - b) / (2 * problem.eps) for a, b in zip(above, below, strict=True)]


def _numerical(problem: _Problem, x: Tensor) -> list[Tensor]:
    """For each output the Jacobian with respect to x by differences: (elements of x, of output)."""
    data = x.detach()
    columns = []
    for index in product(*map(range, x.shape)):
        old = data[index].item()

        def change(distance: float, index: Any = index, old: float = old) -> None:
            with chainrule.no_grad():
                data[index] = old + distance

        columns.append(_difference(problem, change))
    return _stacked(columns, problem.call(), x)


def _stacked(columns: list[list[Tensor]], outputs: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """Rows of all outputs, one for each element of x, as a matrix for each output."""
    if not columns:
        return [chainrule.zeros(0, out.numel(), dtype=chainrule.float64) for out in outputs]
    return [chainrule.stack([column[i] for column in columns]) for i in range(len(outputs))]


def _reverse(problem: _Problem, position: int, out: Tensor) -> list[Tensor]:
    """For each wanted input the Jacobian of one output, a backward pass for each element."""
    rows: list[list[Tensor]] = [[] for _ in problem.wanted]
    for j in range(out.numel()):
        unit = chainrule.zeros(out.numel(), dtype=out.dtype)
        unit[j] = 1
        for row, grad in zip(rows, _pull(problem, position, out, unit), strict=True):
            row.append(grad)
    return [
        chainrule.stack(row, dim=1)
        if row
        else chainrule.zeros(x.numel(), 0, dtype=chainrule.float64)
        for row, (_, x) in zip(rows, problem.wanted, strict=True)
    ]


def _pull(problem: _Problem, position: int, out: Tensor, cotangent: Tensor) -> list[Tensor]:
    """Vector-Jacobian product with each wanted input, as vectors; checks shapes and dtypes."""
    grads: tuple[Tensor | None, ...] = chainrule.autograd.grad(
        out,
        [x for _, x in problem.wanted],
        cotangent.reshape(out.shape),
        retain_graph=True,
        allow_unused=True,
    )
    vectors = []
    for grad, (i, x) in zip(grads, problem.wanted, strict=True):
        if grad is None:
            vectors.append(chainrule.zeros(x.numel(), dtype=chainrule.float64))
            continue
        where = f"Gradient of output {position} with respect to input {i}"
        if grad.shape != x.shape:
            raise GradcheckError(
                f"{where} has incorrect size: {tuple(grad.shape)}, while the input has "
                f"{tuple(x.shape)}"
            )
        if problem.check_grad_dtypes and grad.dtype != x.dtype:
            raise GradcheckError(f"{where} has dtype {grad.dtype}, while the input has {x.dtype}")
        vectors.append(*_values([grad]))
    return vectors


def _push(problem: _Problem, i: int, x: Tensor, direction: Tensor) -> list[Tensor]:
    """Jacobian-vector product of every output in forward mode, as vectors."""
    with forward_ad.dual_level():
        inputs = list(problem.inputs)
        inputs[i] = forward_ad.make_dual(x, direction.reshape(x.shape))
        products: list[Tensor] = []
        for position, out in enumerate(problem.call(*inputs)):
            tangent = forward_ad.unpack_dual(out).tangent
            if tangent is None:
                tangent = chainrule.zeros_like(out)
            elif tangent.shape != out.shape:
                raise GradcheckError(
                    f"Tangent of output {position} has incorrect size: {tuple(tangent.shape)}, "
                    f"while the output has {tuple(out.shape)}"
                )
            elif problem.check_grad_dtypes and tangent.dtype != out.dtype:
                raise GradcheckError(
                    f"Tangent of output {position} has dtype {tangent.dtype}, while the output "
                    f"has {out.dtype}"
                )
            products.append(*_values([tangent]))
    return products


def _forward(problem: _Problem, i: int, x: Tensor) -> list[Tensor]:
    """For each output the Jacobian with respect to x, a forward pass for each element."""
    columns = []
    for k in range(x.numel()):
        unit = chainrule.zeros(x.numel(), dtype=x.dtype)
        unit[k] = 1
        columns.append(_push(problem, i, x, unit))
    return _stacked(columns, problem.call(), x)


def _close(a: Tensor, b: Tensor, atol: float, rtol: float) -> bool:
    """All |a - b| <= atol + rtol |b|; equal infinities and pairs of NaN are close."""
    near = (a - b).abs() <= atol + rtol * b.abs()
    return bool((near | (a == b) | ((a != a) & (b != b))).all().item())


def _compare(
    problem: _Problem, mode: str, position: int, i: int, analytical: Tensor, numerical: Tensor
) -> None:
    if _close(analytical, numerical, problem.atol, problem.rtol):
        return
    raise GradcheckError(
        f"Jacobian{mode} mismatch for output {position} with respect to input {i},\n"
        f"numerical:{numerical}\nanalytical:{analytical}\n"
    )


def _slow_reverse(problem: _Problem, numerical: dict[int, list[Tensor]]) -> None:
    """Full Jacobians by backward passes against differences, twice."""
    for position, out in problem.differentiable():
        first = _reverse(problem, position, out)
        for (i, _), matrix in zip(problem.wanted, first, strict=True):
            _compare(problem, "", position, i, matrix, numerical[i][position])
        for matrix, again in zip(first, _reverse(problem, position, out), strict=True):
            if not _close(matrix, again, problem.nondet_tol, 0.0):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical "
                    "gradient matches numerical gradient. The tolerance for nondeterminism was "
                    f"{problem.nondet_tol}."
                )


def _check_constant(problem: _Problem, numerical: dict[int, list[Tensor]]) -> None:
    """Where nothing is recorded, nothing may change."""
    for i, matrices in numerical.items():
        for position, matrix in enumerate(matrices):
            if not _close(chainrule.zeros_like(matrix), matrix, problem.atol, 0.0):
                raise GradcheckError(
                    f"Numerical gradient for function expected to be zero: output {position} does "
                    f"not require a gradient, but changes with input {i}"
                )


def _direction(like: Tensor, generator: Any) -> Tensor:
    """A random vector of length 1 with an entry for each element of a tensor."""
    raw: Tensor = chainrule.randn(like.numel(), dtype=chainrule.float64, generator=generator)
    return raw / (raw * raw).sum().sqrt() if like.numel() else raw


def _fast(problem: _Problem, check_backward: bool, check_forward: bool) -> None:
    """One random direction: <v, J u> by differences against reverse and forward mode."""
    # A generator of its own: checking leaves the user's random numbers alone.
    generator = chainrule.Generator().manual_seed(0)
    outputs = problem.call()
    for i, x in problem.wanted:
        u = _direction(x, generator)
        data, old = x.detach(), x.detach().clone()
        step = u.reshape(x.shape).to(x.dtype)

        def change(
            distance: float, data: Tensor = data, old: Tensor = old, step: Tensor = step
        ) -> None:
            with chainrule.no_grad():
                data.copy_(old + distance * step)

        numerical = _difference(problem, change)
        pushed = _push(problem, i, x, u.to(x.dtype)) if check_forward else None
        recorded = dict(problem.differentiable()) if check_backward else {}
        if check_backward and not recorded:
            _check_constant(problem, {i: numerical})
        for position, out in enumerate(outputs):
            v = _direction(out, generator)
            # The elements of J may be off by atol each; <v, J u> adds them up.
            atol = problem.atol * (u.abs().sum() * v.abs().sum()).item()
            expected = (v * numerical[position]).sum()
            computed = {}
            if position in recorded:
                own = recorded[position]
                grads = _pull(problem, position, own, v.to(own.dtype))
                index = [j for j, _ in problem.wanted].index(i)
                computed["reverse"] = (u * grads[index]).sum()
            if pushed is not None:
                computed["forward"] = (v * pushed[position]).sum()
            for mode, value in computed.items():
                if not _close(value, expected, atol, problem.rtol):
                    raise GradcheckError(
                        f"Jacobian mismatch in {mode} mode for output {position} with respect to "
                        f"input {i}, along one random direction (fast mode): numerical "
                        f"{expected.item()}, analytical {value.item()}. Run with "
                        "fast_mode=False to see the entries."
                    )


def _check_zero_cotangent(problem: _Problem) -> None:
    """A zero gradient must come out as zero: backward multiplies by what arrives."""
    for position, out in problem.differentiable():
        zero = chainrule.zeros(out.numel(), dtype=out.dtype)
        for grad, (i, _) in zip(_pull(problem, position, out, zero), problem.wanted, strict=True):
            if not bool((grad == 0).all().item()):
                raise GradcheckError(
                    f"backward not multiplied by grad_output: a zero gradient at output {position} "
                    f"gives a gradient of input {i} that is not zero"
                )


class _DropGrad(Function):
    """The identity whose backward hands over no gradient at all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> None:
        return None


def _check_undefined(problem: _Problem) -> None:
    """An output without any gradient must count as one with a gradient of zeros."""
    leaves = [x for _, x in problem.wanted]
    count = len(problem.differentiable())
    for kept in [None, *range(count)] if count > 1 else [None]:

        def gradients(missing: Callable[[Tensor], Tensor], kept: int | None = kept) -> Any:
            outputs = [
                out if place == kept else missing(out)
                for place, (_, out) in enumerate(problem.differentiable())
            ]
            ones = [chainrule.ones_like(out) for out in outputs]
            return chainrule.autograd.grad(outputs, leaves, ones, allow_unused=True)

        undefined = gradients(_DropGrad.apply)
        zero = gradients(lambda out: out * 0)
        for (i, _), one, other in zip(problem.wanted, undefined, zero, strict=True):
            a = chainrule.zeros(1) if one is None else one
            b = chainrule.zeros(1) if other is None else other
            if not _close(a.detach(), b.detach(), problem.atol, problem.rtol):
                which = "all outputs" if kept is None else f"all outputs but output {kept}"
                raise GradcheckError(
                    f"Expected an undefined gradient of {which} to count as zero, but the "
                    f"gradient of input {i} differs. Check that the backward handles gradients "
                    "that are None."
                )


def _run(
    problem: _Problem, fast_mode: bool, backward: bool, forward: bool, check_undefined: bool
) -> None:
    if fast_mode:
        _fast(problem, backward, forward)
    else:
        numerical = {i: _numerical(problem, x) for i, x in problem.wanted}
        if backward:
            _slow_reverse(problem, numerical)
            if not problem.differentiable():
                _check_constant(problem, numerical)
        if forward:
            for i, x in problem.wanted:
                for position, matrix in enumerate(_forward(problem, i, x)):
                    mode = " (forward mode)"
                    _compare(problem, mode, position, i, matrix, numerical[i][position])
    if backward:
        _check_zero_cotangent(problem)
        if check_undefined:
            _check_undefined(problem)


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the derivatives of a function with central differences.

    Args:
        func: takes `inputs`, returns a tensor or a sequence of tensors.
        inputs: a tensor or a sequence; those tensors that require a gradient are checked. They
            should be of double precision, and no two of their elements may share memory.
        eps: distance of the differences.
        atol, rtol: an entry may be off by ``atol + rtol * |difference|``.
        raise_exception: raise GradcheckError instead of returning False.
        nondet_tol: how much two equal backward passes may differ.
        check_undefined_grad: check that a missing gradient counts as zero.
        check_grad_dtypes: check that gradients have the dtypes of what they belong to.
        check_batched_grad, check_batched_forward_grad: not available.
        check_forward_ad: check forward mode.
        check_backward_ad: check reverse mode.
        fast_mode: compare along one random direction instead of every entry.
        masked: not available (it concerns sparse tensors).

    Returns:
        True if all derivatives agree.

    Raises:
        GradcheckError: a derivative is wrong.
        ValueError: no input requires a gradient, or a tolerance is negative.
        AssertionError: nothing is to be checked.
        NotImplementedError: an argument asks for a check that is not available.
    """
    if check_batched_grad or check_batched_forward_grad:
        raise NotImplementedError("gradcheck: batched gradients are not available in Chainrule")
    if masked:
        raise NotImplementedError("gradcheck: masked=True concerns sparse tensors")
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if atol < 0 or rtol < 0 or eps <= 0 or nondet_tol < 0:
        raise ValueError("gradcheck: tolerances must not be negative, and eps must be positive")
    problem = _Problem(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes)
    _check_inputs(problem)
    try:
        with chainrule.enable_grad():
            _run(problem, fast_mode, check_backward_ad, check_forward_ad, check_undefined_grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _spread(tensor: Tensor) -> Tensor:
    """The same values with gaps between them in memory."""
    spread: Tensor = chainrule.stack([tensor, tensor], dim=-1)[..., 0].detach()
    return spread


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the derivatives of the gradient of a function with central differences.

    Args:
        grad_outputs: the incoming gradient of each output; random numbers by default.
        gen_non_contig_grad_outputs: make the random ones non-contiguous.
        check_fwd_over_rev: check forward mode over the backward pass.
        check_rev_over_rev: check reverse mode over the backward pass.

    The other arguments, the result and the errors are those of :func:`gradcheck`.
    """
    values: tuple[Any, ...] = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    problem = _Problem(func, values, eps, atol, rtol, nondet_tol, check_grad_dtypes)
    with chainrule.enable_grad():
        outputs = [out for _, out in problem.differentiable()]
    if grad_outputs is None:
        generator = chainrule.Generator().manual_seed(1)
        cotangents = tuple(
            chainrule.randn(out.shape, dtype=out.dtype, generator=generator) for out in outputs
        )
        if gen_non_contig_grad_outputs:
            cotangents = tuple(map(_spread, cotangents))
        for cotangent in cotangents:
            cotangent.requires_grad_()
    elif isinstance(grad_outputs, Tensor):
        cotangents = (grad_outputs,)
    else:
        cotangents = tuple(grad_outputs)
    if len(cotangents) != len(outputs):
        raise ValueError(
            f"gradgradcheck: {len(cotangents)} grad_outputs for {len(outputs)} differentiable "
            "outputs"
        )

    def gradient(*args: Any) -> tuple[Tensor, ...]:
        own = args[: len(values)]
        result = func(*own)
        items = (result,) if isinstance(result, Tensor) else tuple(result)
        recorded = [item for item in items if isinstance(item, Tensor) and item.requires_grad]
        wanted = [x for x in own if isinstance(x, Tensor) and x.requires_grad]
        grads = chainrule.autograd.grad(
            recorded, wanted, args[len(values) :], create_graph=True, allow_unused=True
        )
        return tuple(grad for grad in grads if grad is not None)

    return gradcheck(
        gradient,
        values + cotangents,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )
