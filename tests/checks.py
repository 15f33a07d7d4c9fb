"""Assertions that rest on `tolist()` alone, so that a broken operator cannot hide itself."""

import math
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import chainrule

AGAINST_TORCH = chainrule.__name__ == "torch"


def leaves_of(nested: Any) -> Iterator[Any]:
    """The numbers of a nested list, row by row."""
    if isinstance(nested, (list, tuple)):
        for part in nested:
            yield from leaves_of(part)
    else:
        yield nested


def shape_of(nested: Any) -> tuple[int, ...]:
    """The shape of a rectangular nested list."""
    if not isinstance(nested, (list, tuple)):
        return ()
    return (len(nested), *shape_of(nested[0])) if nested else (0,)


def assert_close(tensor: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """The tensor has the nested list's shape and values; NaN equals NaN."""
    if hasattr(expected, "tolist"):
        expected = expected.tolist()
    got = tensor.tolist()
    if math.prod(tensor.shape):
        assert tuple(tensor.shape) == shape_of(expected), f"shape {tuple(tensor.shape)}"
    for a, b in zip(leaves_of(got), leaves_of(expected), strict=True):
        same = (a != a and b != b) or math.isclose(a, b, rel_tol=rtol, abs_tol=atol)
        assert same, f"{got} is not {expected}"


def run_in_thread(work: Callable[[], Any], stack_bytes: int = 0) -> Any:
    """Run `work` in a fresh thread (of this stack size); its result, or its exception here."""
    box: dict[str, Any] = {}

    def target() -> None:
        try:
            box["result"] = work()
        except BaseException as problem:
            box["problem"] = problem

    before = threading.stack_size(stack_bytes) if stack_bytes else None
    try:
        thread = threading.Thread(target=target)
        thread.start()
    finally:
        if before is not None:
            threading.stack_size(before)
    thread.join()
    if "problem" in box:
        raise box["problem"]
    return box.get("result")


def resident_bytes() -> int:
    """Resident memory of this process (Linux); 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
