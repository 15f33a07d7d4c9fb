"""The words in which operators are declared: one call of `op` is one row of the table.

Everything else about an operator (kernels, graph node, derivatives, bindings, stubs, reference
pages, tests) is derived from its row by the package `opgen`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

# The closed list of kinds. A kind brings a forward-mode rule and a batching rule.
ELEMENTWISE = "elementwise"  # one tensor, element by element
BROADCAST = "broadcast"  # several tensors, element by element, shapes broadcast
REDUCE = "reduce"  # folds dimensions
VIEW = "view"  # same memory, other geometry; linear
LINEAR = "linear"  # the derivative is the operator itself
BILINEAR = "bilinear"  # linear in each of two tensors
COMPOSITE = "composite"  # made of other operators: every rule comes from them
STRUCTURAL = "structural"  # its rules are written in the row
NONDIFFERENTIABLE = "nondifferentiable"  # integer or boolean results, constants
KINDS = (
    ELEMENTWISE,
    BROADCAST,
    REDUCE,
    VIEW,
    LINEAR,
    BILINEAR,
    COMPOSITE,
    STRUCTURAL,
    NONDIFFERENTIABLE,
)


@dataclass(frozen=True)
class Samples:
    """Inputs for the tests of a row: argument lists made by a function of a random generator."""

    make: Any


@dataclass
class Row:
    """One operator as declared; `opgen.table` parses and checks it."""

    signature: str
    kind: str
    where: str  # "ops/unary.py:12"
    doc: str
    forward: str | None = None  # scalar formula of a pointwise operator
    kernel: str | None = None  # C++ function of the forward layer (or of a composite)
    vjp: dict[str, str] = field(default_factory=dict)
    jvp: str | dict[str, str] | None = None
    batch: str | None = None
    result: str = "same"  # dtype of a pointwise result: same, float, bool
    dtypes: str | None = None  # of the kernels: f floating, i int64, b bool
    ref: str | None = None  # reference implementation: "numpy.tanh", "torch.softmax"
    samples: Any = None
    inplace: bool | str | None = None  # offers name_(), pointwise operators do by default;
    # "geometry": name_() gives self the sizes and strides of the result, a view
    method: bool = True
    function: bool = True
    aliases: tuple[str, ...] = ()
    node: str | None = None  # name of the graph node where torch's differs from NameBackward0
    multi_view: bool = False  # a view with several results: in-place changes are refused
    number_self: bool = False  # the first operand may be a number too
    number_operands: tuple[str, ...] | None = None  # which may be numbers; None: all but the first
    mask: str | None = None  # the operand that has to be a bool tensor


ROWS: list[Row] = []


def op(signature: str, *, kind: str, doc: str, **columns: Any) -> None:
    """Declares an operator. `signature` is `name[.overload](type name=default, ...) -> type`."""
    frame = sys._getframe(1)
    file = frame.f_code.co_filename.replace("\\", "/").rsplit("/", 1)[-1]
    ROWS.append(Row(signature, kind, f"ops/{file}:{frame.f_lineno}", doc, **columns))


def unary(low: float, high: float) -> Samples:
    """Samples of one tensor with elements in [low, high]: several shapes, one strided."""
    shapes: list[tuple[int, ...]] = [(), (5,), (3, 4), (2, 0, 3)]

    def make(random: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        dense: list[Any] = [((random.uniform(low, high, shape),), {}) for shape in shapes]
        return [*dense, ((random.uniform(low, high, (4, 6)).T[::2],), {})]

    return Samples(make)


def binary(
    low: float, high: float, low2: float | None = None, high2: float | None = None
) -> Samples:
    """Samples of two tensors that broadcast; the second in [low2, high2] if given."""
    low2 = low if low2 is None else low2
    high2 = high if high2 is None else high2
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((), ()), ((5,), (5,)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3), ()), ((0, 3), (3,)),
    ]  # fmt: skip

    def make(random: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [
            ((random.uniform(low, high, a), random.uniform(low2, high2, b)), {}) for a, b in shapes
        ]

    return Samples(make)


def cases(make: Any) -> Samples:
    """Samples given by a function of the random generator: a list of (args, kwargs)."""
    return Samples(make)
