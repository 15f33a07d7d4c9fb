"""The rows of the operator table and their samples, as the tests of this folder use them."""

import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule import _C
from chainrule.autograd import forward_ad
from table import more_samples

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "opgen").is_dir():
    pytest.skip("the operator table is not beside these tests", allow_module_level=True)
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last: an installed chainrule is the one under test

from opgen import bindings, show, table  # noqa: E402

ROWS = table.load()
BY_NAME = {row.cname: row for row in ROWS}
POINTWISE = [row for row in ROWS if row.pointwise]
BROADCAST = [row for row in POINTWISE if len(row.tensors) > 1]


@dataclass(frozen=True)
class Case:
    """One call of a row: arguments in which numpy arrays stand for tensors."""

    row: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def items(self) -> list[tuple[str, Any]]:
        """Name and value of each argument."""
        names = [p.name for p in self.row.params]
        return [*zip(names, self.args, strict=False), *self.kwargs.items()]

    def arrays(self) -> list[np.ndarray]:
        """The arrays in the order of the arguments, those in lists included."""
        found: list[np.ndarray] = []
        self.map(lambda array: found.append(array) or array)
        return found

    def map(self, function: Callable[[Any], Any]) -> "Case":
        """The case with `function` applied to each array, in order."""

        def walk(value: Any) -> Any:
            if isinstance(value, np.ndarray):
                made = function(value)
                return np.asarray(made) if isinstance(made, np.generic) else made
            if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
                return type(value)(walk(v) for v in value)
            return value

        args = tuple(walk(a) for a in self.args)
        return replace(self, args=args, kwargs={n: walk(v) for n, v in self.kwargs.items()})

    def moving(self) -> list[int]:
        """Positions (in `arrays`) of the tensors that the row is differentiable in."""
        positions: list[int] = []
        count = 0
        for name, value in self.items():
            many = value if isinstance(value, (list, tuple)) else [value]
            for array in many:
                if not isinstance(array, np.ndarray):
                    continue
                if array.dtype.kind == "f" and is_differentiable(self.row, name):
                    positions.append(count)
                count += 1
        return positions

    def call(self, values: list[Any], lib: Any = None) -> list[Any]:
        """The results for these tensors in the place of the arrays, as a flat list."""
        rest = iter(values)
        filled = self.map(lambda array: next(rest))
        out = callable_of(self.row, lib)(*filled.args, **filled.kwargs)
        return list(out) if isinstance(out, (tuple, list)) else [out]

    def run(self, dtype: Any = None) -> list[Any]:
        """The results for plain tensors of the arrays; floating ones in `dtype` if given."""
        return self.call([tensor(a, dtype) for a in self.arrays()])


def is_differentiable(row: Any, name: str) -> bool:
    """Whether the row has a derivative in this parameter."""
    if row.kind == "nondifferentiable":
        return False
    if row.kind == "composite":
        return name not in more_samples.CONSTANT_IN.get(row.cname, ())
    return row.vjp.get(name) is not None


def callable_of(row: Any, lib: Any = None) -> Callable[..., Any]:
    """The row's Python function; its method where it has no function."""
    lib = lib or _C
    if row.function:
        return getattr(lib, row.name)
    return lambda self, *args, **kwargs: getattr(self, row.name)(*args, **kwargs)


def tensor(array: np.ndarray, dtype: Any = None) -> Any:
    """A tensor with the array's elements; a floating one in `dtype` if given."""
    if dtype is not None and array.dtype.kind == "f":
        array = array.astype(dtype)
    return chainrule.tensor(np.ascontiguousarray(array).reshape(array.shape))


def cases(row: Any) -> list[Case]:
    """The row's samples: its own, or those of `more_samples`; the same in every run."""
    samples = row.samples.make if row.samples else more_samples.SAMPLES.get(row.cname)
    if samples is None:
        return []
    random = generator(row)
    made = samples(random)
    extra = more_samples.ADDED.get(row.cname)
    made = made + extra(random) if extra else made
    return [Case(row, args, kwargs).map(lambda a: a) for args, kwargs in (as_call(m) for m in made)]


def as_call(made: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments and keywords with numpy's scalars as 0-d arrays."""
    args, kwargs = made

    def wrap(value: Any) -> Any:
        if isinstance(value, np.generic):
            return np.asarray(value)
        return value

    return tuple(wrap(a) for a in args), {name: wrap(v) for name, v in kwargs.items()}


def generator(row: Any, salt: int = 0) -> np.random.Generator:
    """A generator of its own for each row, so that a new row changes no other's samples."""
    return np.random.default_rng([zlib.crc32(row.cname.encode()), salt])


def each_row(rows: list[Any], without: Any = ()) -> Any:
    """Parametrises a test over rows; ids are the rows' names."""
    chosen = [row for row in rows if cases(row) and row.cname not in without]
    return pytest.mark.parametrize("row", chosen, ids=[row.cname for row in chosen])


# Derivatives ---------------------------------------------------------------------------------


def floating(results: list[Any]) -> list[Any]:
    """The results that are floating tensors."""
    return [r for r in results if isinstance(r, chainrule.Tensor) and r.is_floating_point()]


class Problem:
    """A case as a function of its differentiable tensors, with directions to probe it along."""

    def __init__(self, case: Case, dtype: Any = np.float64, salt: int = 0) -> None:
        self.case = case
        self.arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in case.arrays()]
        self.moving = case.moving()
        random = generator(case.row, 1 + salt)
        self.directions = [
            random.uniform(-1, 1, self.arrays[i].shape).astype(dtype) for i in self.moving
        ]
        self.dtype = dtype
        leaves = self.leaves()
        results = floating(self.call(leaves))
        # Which results carry derivatives: an index or a count does not.
        named = [name for _, name in case.row.returns]
        if case.row.kind != "composite" and len(named) > 1:
            formulas = " ".join(t for t in case.row.vjp.values() if t)
            results = [r for r, n in zip(results, named, strict=False) if f"grad_{n}" in formulas]
        self.outputs = [i for i, r in enumerate(results) if r.requires_grad]
        self.cotangents = [
            random.uniform(-1, 1, tuple(results[i].shape)).astype(dtype) for i in self.outputs
        ]

    def __bool__(self) -> bool:
        return bool(self.outputs)

    def primals(self, step: float = 0.0) -> list[np.ndarray]:
        """The moving arrays, `step` along the direction."""
        return [
            self.arrays[i] + step * u for i, u in zip(self.moving, self.directions, strict=True)
        ]

    def leaves(self, step: float = 0.0) -> list[Any]:
        return [tensor(p).requires_grad_() for p in self.primals(step)]

    def call(self, moving: list[Any]) -> list[Any]:
        values = [tensor(a) for a in self.arrays]
        for i, value in zip(self.moving, moving, strict=True):
            values[i] = value
        return self.case.call(values)

    def results(self, moving: list[Any]) -> list[Any]:
        """The differentiable results."""
        found = floating(self.call(moving))
        return [found[i] for i in self.outputs]

    def values(self, step: float) -> list[np.ndarray]:
        """The differentiable results, `step` along the direction."""
        return [r.numpy() for r in self.results([tensor(p) for p in self.primals(step)])]

    def slope(self, step: float = 1e-5) -> list[np.ndarray]:
        """Central differences of the results along the direction."""
        ahead, behind = self.values(step), self.values(-step)
        return [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]

    def tangents(self, step: float = 0.0) -> list[np.ndarray]:
        """Forward mode along the direction; zeros where a result has no tangent."""
        with forward_ad.dual_level():
            duals = [
                forward_ad.make_dual(tensor(p), tensor(u))
                for p, u in zip(self.primals(step), self.directions, strict=True)
            ]
            parts = [forward_ad.unpack_dual(r) for r in self.results(duals)]
        return [
            np.zeros(tuple(p.primal.shape), self.dtype) if p.tangent is None else p.tangent.numpy()
            for p in parts
        ]

    def gradient(self, leaves: list[Any], cotangents: list[Any], create_graph: bool) -> list[Any]:
        """Reverse mode; None where a result does not depend on a leaf."""
        return list(
            chainrule.autograd.grad(
                self.results(leaves),
                leaves,
                cotangents,
                create_graph=create_graph,
                allow_unused=True,
            )
        )

    def gradient_values(self, create_graph: bool = False, step: float = 0.0) -> list[np.ndarray]:
        """Gradients of <cotangents, results>; zeros where there is none."""
        leaves = self.leaves(step)
        found = self.gradient(leaves, [tensor(v) for v in self.cotangents], create_graph)
        return [
            np.zeros(tuple(x.shape), self.dtype) if g is None else g.detach().numpy()
            for x, g in zip(leaves, found, strict=True)
        ]


def problems(row: Any, dtype: Any = np.float64) -> Iterator[Problem]:
    """The row's differentiable cases."""
    for case in cases(row):
        if case.moving():
            problem = Problem(case, dtype)
            if problem:
                yield problem


def inner(left: list[Any], right: list[Any]) -> float:
    """The sum of the products of two lists of arrays."""
    return float(sum((np.asarray(a) * b).sum() for a, b in zip(left, right, strict=True)))


def size(left: list[Any], right: list[Any]) -> float:
    """The sum of the magnitudes of those products: what an inner product is exact relative to."""
    return 1 + float(sum(np.abs(np.asarray(a) * b).sum() for a, b in zip(left, right, strict=True)))


def assert_equal(got: Any, wanted: Any, rtol: float = 1e-12, atol: float = 1e-13) -> None:
    """Two lists of tensors or arrays have the same shapes, dtypes and values; NaN equals NaN."""
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        x, y = as_array(a), as_array(b)
        assert x.shape == y.shape, f"shape {x.shape}, not {y.shape}"
        assert x.dtype == y.dtype, f"dtype {x.dtype}, not {y.dtype}"
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


def as_array(value: Any) -> np.ndarray:
    return value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)


__all__ = [
    "BROADCAST", "BY_NAME", "POINTWISE", "ROOT", "ROWS", "Case", "Problem", "as_array",
    "assert_equal", "bindings", "callable_of", "cases", "each_row", "floating", "generator",
    "inner", "is_differentiable", "problems", "replace", "show", "size", "tensor",
]  # fmt: skip
