"""Comparison of a computation in Chainrule with the same in torch, derivatives included."""

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule


def assert_same(tensor: Any, expected: Any, rtol: float = 1e-7, atol: float = 1e-9) -> None:
    """The tensor has the shape and values of an array or torch tensor; NaN equals NaN."""
    got = tensor.detach().numpy()
    want = expected.numpy(force=True) if hasattr(expected, "detach") else np.asarray(expected)
    assert got.shape == want.shape, f"shape {got.shape}, not {want.shape}"
    assert got.dtype == want.dtype, f"dtype {got.dtype}, not {want.dtype}"
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def leaf(lib: Any, array: np.ndarray) -> Any:
    """A tensor of the library; it asks for gradients if it is floating."""
    tensor = lib.tensor(array)
    return tensor.requires_grad_() if array.dtype.kind == "f" else tensor


def derivatives(lib: Any, function: Callable[..., Any], arrays: Any, second: bool) -> list[Any]:
    """The value, its gradients along a fixed direction, and the gradients of those."""
    tensors = [leaf(lib, a) for a in arrays]
    inputs = [t for t in tensors if t.requires_grad]
    value = function(lib, *tensors)
    direction = lib.tensor(np.cos(np.arange(value.numel(), dtype=float)).reshape(value.shape))
    direction.requires_grad_()
    options = {"create_graph": second, "allow_unused": True}
    first = lib.autograd.grad(value, inputs, direction, **options)
    results = [value, *first]
    if second:
        total = 0
        for i, g in enumerate(first):
            if g is not None and g.requires_grad:
                weights = np.sin(1.0 + i + np.arange(g.numel(), dtype=float)).reshape(g.shape)
                total = total + (g * lib.tensor(weights)).sum()
        inputs.append(direction)
        results += (
            lib.autograd.grad(total, inputs, allow_unused=True)
            if hasattr(total, "grad_fn")
            else [None] * len(inputs)
        )
    return results


def tangents(lib: Any, function: Callable[..., Any], arrays: Any) -> list[Any]:
    """The value's tangent for fixed tangents of the floating inputs."""
    tensors = [lib.tensor(a) for a in arrays]
    moving = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]

    def of_moving(*values: Any) -> Any:
        arguments = list(tensors)
        for i, value in zip(moving, values, strict=True):
            arguments[i] = value
        return function(lib, *arguments)

    directions = tuple(
        lib.tensor(
            np.sin(2.0 + i + np.arange(arrays[i].size, dtype=float)).reshape(arrays[i].shape)
        )
        for i in moving
    )
    _, tangent = lib.func.jvp(of_moving, tuple(tensors[i] for i in moving), directions)
    return [tangent]


def compare(
    torch: Any,
    function: Callable[..., Any],
    *arrays: np.ndarray,
    second: bool = True,
    forward: bool = True,
    rtol: float = 1e-7,
    atol: float = 1e-9,
) -> None:
    """``function(lib, *tensors)`` gives the same value and derivatives with both libraries."""
    own = derivatives(chainrule, function, arrays, second)
    other = derivatives(torch, function, arrays, second)
    if forward:
        own += tangents(chainrule, function, arrays)
        other += tangents(torch, function, arrays)
    for ours, theirs in zip(own, other, strict=True):
        # A gradient that is zero everywhere may be left out by one of them.
        if ours is None or theirs is None:
            rest = theirs if ours is None else ours
            assert rest is None or not bool((rest != 0).any())
        else:
            assert_same(ours, theirs, rtol, atol)
