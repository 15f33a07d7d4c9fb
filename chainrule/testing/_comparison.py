"""``assert_close``: equal within a tolerance, with a message that says where they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import chainrule
from chainrule._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Path = tuple[Any, ...]

# rtol and atol by name of the dtype; every other dtype is compared exactly.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex32": (1e-3, 1e-5),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


class _Mismatch(Exception):
    """Two values differ (or cannot be compared): the error to raise, its message and the place."""

    def __init__(self, message: str, path: Path, kind: type[Exception] = AssertionError) -> None:
        super().__init__(message)
        self.kind = kind
        self.path = path

    def message(self) -> str:
        """The message with the place inside of containers."""
        text = str(self)
        if self.path:
            text += "\n\nThe failure occurred for item " + "".join(f"[{k!r}]" for k in self.path)
        return text


class _Comparison:
    """The options of one call of `assert_close`."""

    def __init__(
        self,
        rtol: float | None,
        atol: float | None,
        equal_nan: bool,
        allow_subclasses: bool,
        check_device: bool,
        check_dtype: bool,
        check_stride: bool,
    ) -> None:
        self.rtol = rtol
        self.atol = atol
        self.equal_nan = equal_nan
        self.allow_subclasses = allow_subclasses
        self.check_device = check_device
        self.check_dtype = check_dtype
        self.check_stride = check_stride

    def pairs(self, actual: Any, expected: Any, path: Path = ()) -> list[Callable[[], None]]:
        """The comparisons of all pairs of leaves, after a check that the containers match."""
        if _is_sequence(actual) and _is_sequence(expected):
            if len(actual) != len(expected):
                raise _Mismatch(
                    f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", path
                )
            items = list(zip(range(len(actual)), actual, expected, strict=True))
        elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
            items = _items(actual, expected, path)
        else:
            return [self.leaf(actual, expected, path)]
        return [pair for key, a, b in items for pair in self.pairs(a, b, (*path, key))]

    def leaf(self, actual: Any, expected: Any, path: Path) -> Callable[[], None]:
        """The comparison of two values that are no containers."""
        if actual is None or expected is None:
            return lambda: self.none(actual, expected, path)
        if _is_bool(actual) and _is_bool(expected):
            return lambda: self.boolean(actual, expected, path)
        if _is_number(actual) and _is_number(expected):
            return lambda: self.number(actual, expected, path)
        a, b = type(actual), type(expected)
        related = issubclass(a, b) or issubclass(b, a) if self.allow_subclasses else a is b
        if related and _is_array(actual) and _is_array(expected):
            return lambda: self.tensor(actual, expected, path)
        raise _Mismatch(
            f"No comparison pair was able to handle inputs of type {a} and {b}.", path, TypeError
        )

    def none(self, actual: Any, expected: Any, path: Path) -> None:
        if actual is not expected:
            raise _Mismatch(f"None mismatch: {actual} is not {expected}", path)

    def boolean(self, actual: Any, expected: Any, path: Path) -> None:
        if bool(actual) is not bool(expected):
            raise _Mismatch(f"Booleans mismatch: {actual} is not {expected}", path)

    def number(self, actual: Any, expected: Any, path: Path) -> None:
        a, b = _python_number(actual), _python_number(expected)
        if self.check_dtype and type(a) is not type(b):
            raise _Mismatch(f"The (d)types do not match: {type(a)} != {type(b)}.", path)
        names = {int: "int64", float: "float64", complex: "complex128"}
        rtol, atol = self.tolerances(names[type(a)], names[type(b)])
        self.scalars(a, b, rtol, atol, path)

    def tolerances(self, *names: str) -> tuple[float, float]:
        """The given tolerances, or the larger defaults of the dtypes."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        defaults = [_TOLERANCES.get(name, (0.0, 0.0)) for name in names]
        return max(rtol for rtol, _ in defaults), max(atol for _, atol in defaults)

    def scalars(self, a: Any, b: Any, rtol: float, atol: float, path: Path) -> None:
        """Two Python numbers."""
        if a == b or (self.equal_nan and a != a and b != b):
            return
        difference = abs(a - b)
        if difference < math.inf and difference <= atol + rtol * abs(b):
            return
        relative = difference / abs(b) if b != 0 else math.inf
        exact = rtol == 0 and atol == 0
        raise _Mismatch(
            f"Scalars are not {'equal' if exact else 'close'}!\n\n"
            f"Expected {b} but got {a}.\n"
            f"Absolute difference: {difference}{_allowed(atol, exact)}\n"
            f"Relative difference: {relative}{_allowed(rtol, exact)}",
            path,
        )

    def tensor(self, actual: Any, expected: Any, path: Path) -> None:
        """Two tensors or arrays: attributes first, then values."""
        a = actual if isinstance(actual, Tensor) else chainrule.as_tensor(actual)
        b = expected if isinstance(expected, Tensor) else chainrule.as_tensor(expected)
        a, b = a.detach(), b.detach()
        checks = [("shape", a.shape, b.shape)]
        if self.check_device:
            checks.append(("device", a.device, b.device))
        if self.check_dtype:
            checks.append(("dtype", a.dtype, b.dtype))
        if self.check_stride:
            checks.append(("stride()", a.stride(), b.stride()))
        for name, one, other in checks:
            if one != other:
                raise _Mismatch(
                    f"The values for attribute '{name}' do not match: {one} != {other}.", path
                )
        rtol, atol = self.tolerances(*(str(t.dtype).rpartition(".")[2] for t in (a, b)))
        if a.dtype != b.dtype:
            common = chainrule.promote_types(a.dtype, b.dtype)
            a, b = a.to(common), b.to(common)
        if a.dtype == chainrule.bool:
            a, b = a.to(chainrule.int64), b.to(chainrule.int64)
        exact = rtol == 0 and atol == 0
        equal = a == b
        if self.equal_nan:
            equal = equal | ((a != a) & (b != b))
        if not exact:
            difference = (a - b).abs()
            near = (difference < math.inf) & (difference <= atol + rtol * b.abs())
            equal = equal | near
        if bool(equal.all().item()):
            return
        if a.numel() == 1 and a.dim() == 0:
            self.scalars(a.item(), b.item(), rtol, atol, path)
        _raise_differences(a, b, equal, rtol, atol, path)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _from_numpy(value: Any) -> bool:
    return type(value).__module__ == "numpy"


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or (
        _from_numpy(value) and type(value).__name__ in ("bool", "bool_")
    )


def _is_number(value: Any) -> bool:
    if _from_numpy(value):  # a numpy scalar, but no array
        return (
            hasattr(value, "item") and not hasattr(type(value), "__len__") and not _is_bool(value)
        )
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def _python_number(value: Any) -> Any:
    return value.item() if _from_numpy(value) else value


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or (hasattr(value, "__array__") and not _is_number(value))


def _items(actual: Any, expected: Any, path: Path) -> list[tuple[Any, Any, Any]]:
    """Key and both values for all keys of two mappings with the same keys."""
    missing = expected.keys() - actual.keys()
    additional = actual.keys() - expected.keys()
    if missing or additional:
        raise _Mismatch(
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {sorted(missing, key=str)}\n"
            f"Additional keys in the actual mapping: {sorted(additional, key=str)}",
            path,
        )
    return [(key, actual[key], expected[key]) for key in sorted(actual, key=str)]


def _allowed(tolerance: float, exact: bool) -> str:
    return "" if exact else f" (up to {tolerance} allowed)"


def _raise_differences(
    a: Tensor, b: Tensor, equal: Tensor, rtol: float, atol: float, path: Path
) -> None:
    """Count the mismatches and show the greatest ones."""
    matches = equal.reshape(-1).tolist()
    absolute = (a - b).abs()
    relative = absolute / b.abs()
    count, wrong = len(matches), matches.count(False)
    exact = rtol == 0 and atol == 0
    lines = [
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n",
        f"Mismatched elements: {wrong} / {count} ({wrong / count:.1%})",
    ]
    for name, difference, tolerance in (("absolute", absolute, atol), ("relative", relative, rtol)):
        values = difference.reshape(-1).tolist()
        # A NaN counts as greater than every number.
        flat = max(
            (i for i in range(count) if not matches[i]),
            key=lambda i: (values[i] != values[i], values[i]),
        )
        index = []
        for size in reversed(a.shape):
            flat, place = divmod(flat, size)
            index.append(place)
        where = tuple(reversed(index))
        value = difference[where].item()
        lines.append(
            f"Greatest {name} difference: {value} at index {where}{_allowed(tolerance, exact)}"
        )
    raise _Mismatch("\n".join(lines), path)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Assert that `actual` and `expected` are close: ``|a - e| <= atol + rtol * |e|``.

    Args:
        actual, expected: tensors, numbers, booleans, None or NumPy arrays, or sequences and
            mappings of such values.
        allow_subclasses: a tensor may be compared with one of a subclass.
        rtol, atol: relative and absolute tolerance, both or none of them. The defaults depend on
            the dtype: (1.3e-6, 1e-5) for float32, (1e-7, 1e-7) for float64, 0 for integers; of
            two dtypes the larger ones count.
        equal_nan: NaN equals NaN.
        check_device, check_dtype, check_stride: these must be the same too.
        check_layout: of no effect: there is one layout.
        msg: a message instead of the generated one, or a function that changes that one.

    Raises:
        AssertionError: they differ; the message says how many elements, how much and where.
        TypeError: values of these types cannot be compared.
        ValueError: only one tolerance is given, or one is negative.
    """
    __tracebackhide__ = True
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )
    if (rtol is not None and rtol < 0) or (atol is not None and atol < 0):
        raise ValueError(f"'rtol' and 'atol' must not be negative, but got {rtol} and {atol}.")
    comparison = _Comparison(
        rtol, atol, equal_nan, allow_subclasses, check_device, check_dtype, check_stride
    )
    try:
        for pair in comparison.pairs(actual, expected):
            pair()
    except _Mismatch as mismatch:
        text = mismatch.message()
        if msg is not None and mismatch.kind is AssertionError:
            text = msg(text) if callable(msg) else msg
        error = mismatch.kind(text)
    else:
        return
    raise error
