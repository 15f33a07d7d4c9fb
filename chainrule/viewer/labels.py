"""How pictures write numbers, shapes and sizes, and how wide a text will be."""

from __future__ import annotations

import math

_MINUS = "−"  # the mathematical minus sign, as wide as a plus

# Advance widths in 1/1000 em of a common sans-serif face, by groups of characters.
_NARROW = frozenset("iljtfI.,:;'|![](){}/\\ ·`")
_WIDE = frozenset("mwMW@%—…×∂")


def number(value: float | str | None, digits: int = 4) -> str:
    """``value`` in at most ``digits`` significant digits: ``-6``, ``0.25``, ``1.2e-07``, ``nan``.

    ``value`` is a number, or the text that stands for NaN and infinity in an exported graph.
    """
    if value is None:
        return "?"
    if isinstance(value, bool):
        return str(value)
    value = float(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        return f"{mantissa}e{int(exponent)}"
    return text


def mathematical(value: float | str | None, digits: int = 4) -> str:
    """As `number`, with the minus sign of mathematics."""
    return number(value, digits).replace("-", _MINUS)


def memory(size: int) -> str:
    """A number of bytes for people: ``512 B``, ``3.2 MB`` (powers of 1000)."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.3g} {unit}"


def counted(count: int, what: str) -> str:
    """``1 leaf``, ``3 operators``: the count with the plural."""
    if count == 1:
        return f"1 {what}"
    plural = {"leaf": "leaves", "box": "boxes", "pass": "passes"}.get(what, what + "s")
    return f"{count:,} {plural}"


def summary(data: dict[str, object] | None, sign: str = "-") -> str:
    """A tensor's numbers in one short line: its values if there are few, else their statistics.

    Args:
        data: a summary of an exported graph ("summaries"), or None for an unknown value.
        sign: what to write for a minus sign.
    """
    if data is None:
        return ""
    count = int(data["count"])  # type: ignore[call-overload]
    if count == 0:
        return "empty"
    values = data.get("values")
    if isinstance(values, list) and len(values) == count:
        if count == 1:
            return number(values[0]).replace("-", sign)
        if count <= 4:
            return ("[" + ", ".join(number(v, 3) for v in values) + "]").replace("-", sign)
    mean, spread = data["mean"], data["std"]
    if isinstance(mean, float) and isinstance(spread, float) and abs(mean) < 5e-4 * spread:
        mean = 0.0
    if spread == 0:
        text = f"all {number(mean, 3)}"  # type: ignore[arg-type]
    else:
        text = f"{number(mean, 3)} ± {number(spread, 2)}"  # type: ignore[arg-type]
    for name in ("nan", "inf"):
        bad = int(data.get(name, 0))  # type: ignore[call-overload]
        if bad:
            text = f"{bad:,} {name}; {text}" if bad < count else f"all {name}"
    return text.replace("-", sign)


def shortened(text: str, width: int, ellipsis: str = "…") -> str:
    """``text`` in at most ``width`` characters; the middle gives way."""
    if len(text) <= width:
        return text
    if width <= len(ellipsis):
        return text[:width]
    room = width - len(ellipsis)
    tail = room // 3
    return text[: room - tail] + ellipsis + (text[-tail:] if tail else "")


def file_name(path: str) -> str:
    """The last part of a path, with either separator."""
    return path.replace("\\", "/").rpartition("/")[2]


def place(file: str, line: int) -> str:
    """``train.py:12``; empty where the line is not known."""
    return f"{file_name(file)}:{line}" if file and line else ""


def printable(text: str) -> str:
    """``text`` on one line, its control characters visible: nothing in it can steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def text_width(text: str, size: float) -> float:
    """About how wide ``text`` is in a sans-serif face of ``size`` pixels, rather too wide."""
    total = 0.0
    for character in text:
        if character in _NARROW:
            total += 0.36
        elif character in _WIDE:
            total += 0.9
        elif ord(character) > 0x2E80:  # scripts with square characters
            total += 1.05
        elif character.isupper():
            total += 0.7
        else:
            total += 0.58
    return total * size
