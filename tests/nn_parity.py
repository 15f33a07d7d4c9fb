"""Runs one scenario with Chainrule and with real torch and compares what comes out.

A scenario is a function of the package (`chainrule` or `torch`) that returns anything made of
tensors, modules, numbers, texts and containers; an exception it raises is an outcome too.
"""

import math
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import chainrule


def plain(value: Any) -> Any:
    """The value without tensors and modules: what both packages must agree on."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.tolist()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return repr(value)


def outcome(scenario: Callable[[Any], Any], package: Any, seed: int = 0) -> Any:
    """What the scenario gives, or the type and text of what it raises; and all its warnings."""
    package.manual_seed(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = plain(scenario(package))
        except Exception as problem:
            text = str(problem).replace("chainrule.", "torch.")
            result = ["raised", type(problem).__name__, text]
    return {"result": result, "warnings": [w.category.__name__ for w in caught]}


def differences(a: Any, b: Any, rtol: float, atol: float, path: str = "") -> list[str]:
    """Where two plain values differ; numbers may differ by rounding, NaN equals NaN."""
    if isinstance(a, dict) and isinstance(b, dict):
        if list(a) != list(b):
            return [f"{path}: keys {list(a)} and {list(b)}"]
        return [d for key in a for d in differences(a[key], b[key], rtol, atol, f"{path}.{key}")]
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return [f"{path}: {a} and {b}"]
        pairs = enumerate(zip(a, b, strict=True))
        return [d for i, (x, y) in pairs for d in differences(x, y, rtol, atol, f"{path}[{i}]")]
    if isinstance(a, float) and isinstance(b, float):
        if (a != a and b != b) or math.isclose(a, b, rel_tol=rtol, abs_tol=atol):
            return []
    elif type(a) is type(b) and a == b:
        return []
    return [f"{path}: {a!r} and {b!r}"]


def assert_same(
    scenario: Callable[[Any], Any], torch: ModuleType, rtol: float = 1e-5, atol: float = 1e-6
) -> Any:
    """The scenario has the same outcome with both packages; gives Chainrule's result.

    An error has torch's type, and its text begins with torch's first line: more may follow.
    """
    ours, theirs = outcome(scenario, chainrule), outcome(scenario, torch)
    result = ours["result"]
    if _raised(ours) and _raised(theirs):
        first_line = theirs["result"][2].split("\n")[0].rstrip(". ")
        if ours["result"][2].startswith(first_line):
            theirs["result"][2] = ours["result"][2]
    found = differences(ours, theirs, rtol, atol)
    assert not found, "Chainrule and torch differ:\n" + "\n".join(found[:20])
    return result


def _raised(side: Any) -> bool:
    return isinstance(side["result"], list) and side["result"][:1] == ["raised"]
