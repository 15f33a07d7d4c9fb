"""Text of a tensor, as ``repr(tensor)`` gives it; imported on the first print.

The layout follows torch: 4 digits, lines of 80 columns, one common width for all
elements, scientific notation when the magnitudes need it, and only the edges of a tensor
of more than 1,000 elements. Only the elements shown are read.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from math import ceil, inf, isfinite

import chainrule
from chainrule import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_PROFILES: dict[str, tuple[int, float, int, int]] = {
    # name: (precision, threshold, edgeitems, linewidth)
    "default": (4, 1000, 3, 80),
    "short": (2, 1000, 2, 80),
    "full": (4, inf, 3, 80),
}
_GAP = "..."


class _Options:
    """The current print options (see :func:`set_printoptions`)."""

    __slots__ = ("edgeitems", "linewidth", "precision", "sci_mode", "threshold")

    def __init__(self) -> None:
        self.precision, self.threshold, self.edgeitems, self.linewidth = _PROFILES["default"]
        self.sci_mode: bool | None = None


_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors are printed.

    Args:
        precision: digits after the point (4).
        threshold: a tensor of more elements than this is summarised (1000).
        edgeitems: elements shown at each end of each summarised dimension (3).
        linewidth: columns of a line (80); threshold and linewidth may be infinite.
        profile: "default", "short" or "full"; it is applied before the other arguments.
        sci_mode: force scientific notation on (True) or off (False); None, also when it
            is left out, lets the values decide.

    Raises:
        ValueError: the profile is unknown.
    """
    if profile is not None:
        values = _PROFILES.get(profile)
        if values is None:
            raise ValueError(
                f"set_printoptions: profile {profile!r} is unknown; "
                f"known profiles: {', '.join(_PROFILES)}"
            )
        _options.precision, _options.threshold, _options.edgeitems, _options.linewidth = values
    if precision is not None:
        _options.precision = precision
    if threshold is not None:
        _options.threshold = threshold
    if edgeitems is not None:
        _options.edgeitems = edgeitems
    if linewidth is not None:
        _options.linewidth = linewidth
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The current print options as a dictionary of :func:`set_printoptions` arguments."""
    return {name: getattr(_options, name) for name in _Options.__slots__}


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print options for the duration of a ``with`` block (see :func:`set_printoptions`)."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def _shown(tensor: Any, summarize: bool) -> Any:
    """The elements to print as nested lists; ``_GAP`` stands where elements are left out."""
    if not summarize:
        return tensor.tolist()
    edge, size = _options.edgeitems, tensor.shape[0]
    if tensor.dim() == 1:
        if edge == 0:
            return [_GAP]
        if size > 2 * edge:
            return [*tensor[:edge].tolist(), _GAP, *tensor[-edge:].tolist()]
        return tensor.tolist()
    if size > 2 * edge:
        first = [_shown(tensor[i], True) for i in range(edge)]
        last = [_shown(tensor[i], True) for i in range(size - edge, size)]
        return [*first, _GAP, *last]
    return [_shown(tensor[i], True) for i in range(size)]


def _flatten(data: Any, into: list[Any]) -> list[Any]:
    """All numbers of nested lists, without the gaps."""
    if isinstance(data, list):
        for item in data:
            _flatten(item, into)
    elif data is not _GAP:
        into.append(data)
    return into


def _real_format(values: list[Any]) -> tuple[Callable[[Any], str], int]:
    """The function that formats one real number, and the width that it fills."""
    if not values or not isinstance(values[0], float):
        width = max((len(str(value)) for value in values), default=1)
        return lambda value: f"{value!s:>{width}}", width

    precision = _options.precision
    finite = [value for value in values if value != 0.0 and isfinite(value)]
    if not finite:
        return lambda value: f"{value:.0f}." if isfinite(value) else str(value), 1
    whole = all(value == ceil(value) for value in finite)
    smallest = min(map(abs, finite))
    largest = max(map(abs, finite))
    scientific = _options.sci_mode
    if scientific is None:
        # Python raises where a quotient of extreme numbers overflows; torch gives inf.
        scientific = largest > 1000.0 * smallest or largest > 1e8 or smallest < 1e-4

    if scientific:
        width = max(len(f"{value:.{precision}e}") for value in finite)
        return lambda value: f"{value:{width}.{precision}e}", width
    if whole:
        # Whole floats keep a point ("2."), which takes one more column.
        width = max(len(f"{value:.0f}") for value in finite) + 1

        def format_whole(value: float) -> str:
            text = f"{value:.0f}." if isfinite(value) else f"{value:.0f}"
            return f"{text:>{width}}"

        return format_whole, width
    width = max(len(f"{value:.{precision}f}") for value in finite)
    return lambda value: f"{f'{value:.{precision}f}':>{width}}", width


def _complex_format(values: list[complex]) -> tuple[Callable[[complex], str], int]:
    """As `_real_format`, for complex numbers: two formats joined by the sign."""
    real, real_width = _real_format([value.real for value in values])
    imag, imag_width = _real_format([value.imag for value in values])

    def format_complex(value: complex) -> str:
        tail = imag(value.imag).lstrip() + "j"
        return real(value.real) + (tail if tail[0] in "+-" else "+" + tail)

    return format_complex, real_width + imag_width + 1


def _render(data: Any, dim: int, indent: int, text: Callable[[Any], str], width: int) -> str:
    """Nested lists as text; inner lines start below the first element."""
    if dim == 0:
        return text(data)
    if dim == 1:
        if data == [_GAP]:
            items = [_GAP]
        else:
            items = [" ..." if item is _GAP else text(item) for item in data]
        per_line = (
            max(1, int((_options.linewidth - indent) // (width + 2)))
            if _options.linewidth != inf
            else len(items)
        )
        lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = [_GAP if row is _GAP else _render(row, dim - 1, indent + 1, text, width) for row in data]
    return "[" + ("," + "\n" * (dim - 1) + " " * (indent + 1)).join(rows) + "]"


def _contents(tensor: Any, indent: int) -> str:
    """The bracketed elements of a tensor that has some."""
    data = _shown(tensor, tensor.numel() > _options.threshold)
    values = _flatten(data, [])
    if values and isinstance(values[0], complex):
        text, width = _complex_format(values)
    else:
        text, width = _real_format(values)
    return _render(data, tensor.dim(), indent, text, width)


def _tangent(tensor: Any) -> tuple[Any, Any]:
    """Primal and tangent of a dual tensor; the tensor itself and None of any other."""
    # Without forward_ad nobody has entered a level.
    forward_ad = sys.modules.get("chainrule.autograd.forward_ad")
    return (tensor, None) if forward_ad is None else forward_ad.unpack_dual(tensor)


def _history(tensor: Any) -> str | None:
    """The suffix that says how autograd sees the tensor."""
    try:
        node = tensor.grad_fn
    except RuntimeError:
        # A view whose history became invalid can still be printed.
        return "grad_fn=<Invalid>"
    if node is not None:
        return f"grad_fn=<{type(node).__name__}>"
    return "requires_grad=True" if tensor.requires_grad else None


def tensor_repr(tensor: Any) -> str:
    """The text of a tensor: elements, then size, dtype, history and tangent where they are
    not what the elements already say.

    Args:
        tensor: a tensor of any shape; a parameter is introduced by a line of its own.
    """
    plain = type(tensor) in (_C.Tensor, _C.Parameter)
    prefix = "tensor(" if plain else f"{type(tensor).__name__}("
    indent = len(prefix)
    suffixes = []
    primal, tangent = _tangent(tensor)
    values = primal.detach()
    default = chainrule.get_default_dtype()
    dtype = str(values.dtype)

    if values.numel() == 0:
        contents = "[]"
        if values.dim() != 1:
            suffixes.append(f"size={tuple(values.shape)}")
        # No element tells the type here.
        if values.dtype != default:
            suffixes.append(f"dtype={dtype}")
    else:
        contents = _contents(values, indent)
        if not _options.edgeitems:
            suffixes.append(f"size={tuple(values.shape)}")
        wide = str(default) == "torch.float64"
        default_complex = "torch.complex128" if wide else "torch.complex64"
        if dtype not in (str(default), default_complex, "torch.int64", "torch.bool"):
            suffixes.append(f"dtype={dtype}")

    history = _history(tensor)
    if history is not None:
        suffixes.append(history)
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")

    parts = [prefix + contents]
    column = len(parts[0]) - parts[0].rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            column = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            column += len(suffix) + 2
    text = "".join(parts) + ")"
    if isinstance(tensor, _C.Parameter):
        return "Parameter containing:\n" + (text if plain else f"Parameter({text})")
    return text
