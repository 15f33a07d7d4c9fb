"""What is told about the elements of a tensor: range, mean, zeros, bad numbers, a histogram."""

from __future__ import annotations

import itertools
import math

import chainrule
from chainrule.graph._unobserved import unobserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from chainrule import Tensor

__all__ = ["summarize"]

BINS = 16
_MOST_SHOWN = 16  # elements that are told one by one
_FEW = 256  # elements for which lists are faster than operators
_SAMPLE = 65_536  # elements that a histogram counts


@unobserved
def summarize(tensor: Tensor) -> dict[str, Any]:
    """The elements of a tensor in a few numbers.

    Returns:
        A dict of plain values: ``count``; ``min``, ``max``, ``mean`` and ``std`` (divided by n)
        of the finite elements; how many are ``zeros``, ``nan`` and ``inf`` (of either sign);
        ``values``, all elements in order, if there are at most 16; ``range`` and ``histogram``,
        the finite elements in 16 equal bins between these bounds. Above 65,536 elements the
        histogram counts evenly spaced ones, and ``sampled`` says how many. Numbers that are not
        finite are the strings "nan", "inf" and "-inf"; "nan" also stands for the mean of nothing.
    """
    with chainrule.no_grad():
        flat = tensor.detach().reshape(-1)
        if flat.numel() <= _FEW:
            return _of_list([float(x) for x in flat.tolist()])
        return _of_many(flat)


def _of_list(values: list[float]) -> dict[str, Any]:
    finite, nan = values, 0
    if not math.isfinite(sum(values)):
        finite = [x for x in values if math.isfinite(x)]
        nan = sum(x != x for x in values)
    out: dict[str, Any] = {"count": len(values)}
    if finite:
        low, high = min(finite), max(finite)
        mean, std = _moments(finite, max(-low, high))
        out |= {"min": low, "max": high, "mean": mean, "std": std}
    else:
        out |= dict.fromkeys(("min", "max", "mean", "std"), "nan")
    out |= {"zeros": values.count(0.0), "nan": nan, "inf": len(values) - len(finite) - nan}
    if len(values) <= _MOST_SHOWN:
        shown = values is finite
        out["values"] = values if shown else [x if math.isfinite(x) else str(x) for x in values]
    if finite:
        out["range"] = [low, high]
        out["histogram"] = _histogram_of_list(finite, low, high)
    return out


def _moments(values: list[float], largest: float) -> tuple[float, float]:
    """Mean and standard deviation."""
    if 1e-100 < largest < 1e100:
        mean = math.fsum(values) / len(values)
        return mean, math.sqrt(math.fsum([(x - mean) ** 2 for x in values]) / len(values))
    if largest == 0.0:
        return 0.0, 0.0
    # The squares would not be numbers.
    mean, std = _moments([x / largest for x in values], 1.0)
    return mean * largest, std * largest


def _histogram_of_list(values: list[float], low: float, high: float) -> list[int]:
    counts = [0] * (BINS + 1)
    half = high / 2 - low / 2  # the width itself may be more than the largest number
    if half <= 0:
        counts[0] = len(values)
    elif half < 1e-300:
        for x in values:
            counts[int((x - low) / (high - low) * BINS)] += 1
    else:
        scale = BINS / half
        start = low / 2
        for x in values:
            counts[int((x / 2 - start) * scale)] += 1
    last = counts.pop()  # the largest number itself
    counts[-1] += last
    return counts


def _of_many(flat: Tensor) -> dict[str, Any]:
    count = flat.numel()
    out: dict[str, Any] = {"count": count}
    if not flat.is_floating_point():
        flat = flat.to(chainrule.float64)
    zeros = count - int(chainrule.count_nonzero(flat))
    finite = flat[chainrule.isfinite(flat)] if not _all_finite(flat) else flat
    nan = int(chainrule.isnan(flat).sum()) if finite is not flat else 0
    if finite.numel() == 0:
        out |= dict.fromkeys(("min", "max", "mean", "std"), "nan")
        return out | {"zeros": zeros, "nan": nan, "inf": count - nan}
    low, high = float(finite.min()), float(finite.max())
    scale = max(abs(low), abs(high)) or 1.0
    scaled = finite.to(chainrule.float64) / scale
    out |= {
        "min": low,
        "max": high,
        "mean": float(scaled.mean()) * scale,
        "std": float(scaled.std(correction=0)) * scale,
        "zeros": zeros,
        "nan": nan,
        "inf": count - finite.numel() - nan,
        "range": [low, high],
    }
    if finite.numel() > _SAMPLE:
        scaled = scaled[:: -(-finite.numel() // _SAMPLE)]
        out["sampled"] = scaled.numel()
    out["histogram"] = _histogram(scaled, low / scale, high / scale)
    return out


def _all_finite(flat: Tensor) -> bool:
    # One pass: a sum of zeros stays zero, of anything else it becomes nan.
    return float((flat * 0).sum()) == 0.0


def _histogram(values: Tensor, low: float, high: float) -> list[int]:
    if high <= low:
        return [values.numel()] + [0] * (BINS - 1)
    bins = ((values - low) * (BINS / (high - low))).floor().clamp(0, BINS - 1)
    edges = chainrule.arange(BINS + 1, dtype=values.dtype)
    places = chainrule.searchsorted(bins.sort()[0], edges).tolist()
    return [after - before for before, after in itertools.pairwise(places)]
