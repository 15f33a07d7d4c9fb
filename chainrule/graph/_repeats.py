"""Repetition in a sequence: which stretches are loops, and loops within loops.

A stretch is a loop when a sequence of tokens stands several times in a row. Periods are guessed
from the distances between equal tokens (and equal windows of tokens), each guess is then tried on
the whole sequence at the speed of ``map``: about linear time, with no suffix structures.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from operator import eq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    Item: TypeAlias = "int | Loop"
    Accept: TypeAlias = Callable[[list[Item], int, int, int], list[tuple[int, int, int]]]

# Windows of tokens whose distances suggest periods. In a period where each token stands several
# times, some window of a few tokens stands once: where one inner loop ends and the next begins.
_WINDOWS = (1, 4)
_MOST_PASSES = 6


class Loop:
    """A stretch of a sequence that repeats: one list of items for each time."""

    __slots__ = ("iterations",)

    def __init__(self, iterations: list[list[Item]]) -> None:
        self.iterations = iterations


class Interner:
    """Equal numbers for equal things, from `start` on."""

    def __init__(self, start: int = 0) -> None:
        self._start = start
        self._numbers: dict[object, int] = {}

    def __call__(self, thing: object) -> int:
        return self._numbers.setdefault(thing, self._start + len(self._numbers))


def _keep(items: list[Item], start: int, period: int, length: int) -> list[tuple[int, int, int]]:
    return [(start, period, length // period)]


def fold_loops(
    items: list[Item],
    tokens: Sequence[int],
    *,
    least: int = 3,
    shortest: int = 6,
    counts_matter: bool = True,
    accept: Accept | None = None,
) -> list[Item]:
    """`items` with repeated stretches folded into loops, also loops within loops.

    Args:
        items: what the sequence holds.
        tokens: a number for each item; equal numbers mean exchangeable items.
        least: a loop repeats at least so many times.
        shortest: and covers at least so many items.
        counts_matter: whether loops of equal bodies that run differently often are told apart.
        accept: given (items, start, period, length) of a stretch with that period, the loops
            (start, period, count) to make of it; by default the whole periods from its start.
    """
    intern = Interner(max(tokens, default=0) + 1)
    return _fold(items, list(tokens), intern, least, shortest, counts_matter, accept or _keep)[0]


def _fold(
    items: list[Item],
    tokens: list[int],
    intern: Interner,
    least: int,
    shortest: int,
    counts_matter: bool,
    accept: Accept,
) -> tuple[list[Item], list[int]]:
    bodies_of: dict[tuple[int, ...], int] = {}
    for _ in range(_MOST_PASSES):
        loops: list[tuple[int, int, int]] = []
        for start, period, length in find_runs(tokens, least, shortest, counts_matter):
            loops += accept(items, start, period, length)
        if not loops:
            break
        loops.sort()
        folded: list[Item] = []
        new_tokens: list[int] = []
        at = 0
        for start, period, count in loops:
            folded += items[at:start]
            new_tokens += tokens[at:start]
            at = start + period * count
            bodies = [items[i : i + period] for i in range(start, at, period)]
            body_tokens = tokens[start : start + period]
            if period >= shortest:  # loops within: found once, the same in each iteration
                inner, body_tokens = _fold(
                    bodies[0], body_tokens, intern, least, shortest, counts_matter, accept
                )
                if len(inner) != period:
                    shape = _positions(inner, bodies[0])
                    bodies = [filled(shape, body) for body in bodies]
            folded.append(Loop(bodies))
            token = intern(("loop", count if counts_matter else 0, tuple(body_tokens)))
            new_tokens.append(token)
            bodies_of[tuple(tokens[start : start + period])] = token
        folded += items[at:]
        new_tokens += tokens[at:]
        items, tokens = folded, new_tokens
        if not counts_matter:
            items, tokens = _single(items, tokens, bodies_of)
    return items, tokens


def _single(
    items: list[Item], tokens: list[int], bodies: dict[tuple[int, ...], int]
) -> tuple[list[Item], list[int]]:
    """Where the body of a known loop stands only once, that is this loop too, run once."""
    starts: dict[int, list[tuple[int, ...]]] = {}
    for body in bodies:
        starts.setdefault(body[0], []).append(body)
    folded: list[Item] = []
    new_tokens: list[int] = []
    at = 0
    while at < len(tokens):
        for body in starts.get(tokens[at], ()):
            end = at + len(body)
            if tuple(tokens[at:end]) == body:
                folded.append(Loop([items[at:end]]))
                new_tokens.append(bodies[body])
                at = end
                break
        else:
            folded.append(items[at])
            new_tokens.append(tokens[at])
            at += 1
    return folded, new_tokens


def _positions(folded: list[Item], flat: list[Item]) -> list[Item]:
    """The folded body with each item of `flat` replaced by its position there."""
    position = {id(item) if isinstance(item, Loop) else item: i for i, item in enumerate(flat)}

    def replaced(items: list[Item]) -> list[Item]:
        out: list[Item] = []
        for item in items:
            found = position.get(id(item) if isinstance(item, Loop) else item)
            if found is not None:
                out.append(found)
            else:
                assert isinstance(item, Loop)
                out.append(Loop([replaced(body) for body in item.iterations]))
        return out

    return replaced(folded)


def filled(shape: list[Item], flat: Sequence[Item]) -> list[Item]:
    """Items and loops with positions in them, filled with what stands at these positions."""
    return [
        Loop([filled(body, flat) for body in item.iterations])
        if isinstance(item, Loop)
        else flat[item]
        for item in shape
    ]


def find_runs(
    tokens: list[int], least: int, shortest: int, outer_first: bool
) -> list[tuple[int, int, int]]:
    """Stretches (start, period, length) that repeat at least `least` times, without overlap.

    Where they overlap, a longer stretch goes before a shorter one and, of equal lengths, the
    smaller period before the larger; without `outer_first` always the smaller period, since loops
    that run differently often hide that the loop around them repeats.
    """
    size = len(tokens)
    if size < max(least, shortest):
        return []
    found: list[tuple[int, int, int]] = []  # (-length, period, start)
    tried: set[int] = set()
    seen = bytearray(size)
    for window in _WINDOWS:
        if size < least * window:
            break
        for period in _likely_periods(tokens, window, size // least):
            if period in tried:
                continue
            tried.add(period)
            needed = max(shortest, least * period) - period
            same = bytes(map(eq, islice(tokens, period, None), tokens))
            # Short stretches are passed over in C; the bound keeps that linear.
            for match in re.finditer(b"\x01{%d,}" % min(needed, 32), same):
                equal = match.end() - match.start()
                if equal >= needed:
                    found.append((-equal - period, period, match.start()))
                    seen[match.start() : match.end()] = b"\x01" * equal
        if 10 * seen.count(1) >= 9 * size:
            break
    found.sort(key=None if outer_first else lambda run: (run[1], run[0], run[2]))
    runs: list[tuple[int, int, int]] = []
    taken = bytearray(size)
    for minus_length, period, start in found:
        end = start - minus_length
        start = taken.find(0, start, end)
        if start < 0:
            continue
        stop = taken.find(1, start, end)
        length = (stop if stop >= 0 else end) - start
        if length >= max(shortest, least * period):
            taken[start : start + length] = b"\x01" * length
            runs.append((start, period, length))
    return runs


def _likely_periods(tokens: list[int], window: int, longest: int) -> list[int]:
    """Distances at which equal windows of tokens follow each other, the telling ones first."""
    ids: list[int] = tokens
    if window > 1:
        numbers: dict[tuple[int, ...], int] = {}
        shifted = (islice(tokens, i, None) for i in range(window))
        ids = [numbers.setdefault(w, len(numbers)) for w in zip(*shifted, strict=False)]
    last: dict[int, int] = {}
    distances: list[int] = []
    for i, token in enumerate(ids):
        before = last.get(token)
        if before is not None:
            distances.append(i - before)
        last[token] = i
    counted = [(d, n) for d, n in Counter(distances).items() if d <= longest]
    # What a distance explains at most, and how often it was seen.
    by_cover = sorted(counted, key=lambda pair: (-pair[0] * pair[1], pair[0]))[:10]
    by_count = sorted(counted, key=lambda pair: (-pair[1], pair[0]))[:6]
    return [d for d, _ in by_cover + by_count]
