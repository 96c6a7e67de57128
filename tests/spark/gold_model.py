"""What gold must hold, in plain Python, out of what the model says of silver. It shares nothing with the jobs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.spark.silver_model import HOUR, Content, Scene, expected


@dataclass
class Hour:
    """Figures of an hour."""

    events: int
    good: int
    null: int
    value_seconds: float
    average: float | None
    minimum: float | None
    maximum: float | None
    deviation: float | None
    gap_seconds: float | None
    covered: bool


def hours(scene: Scene, step: bool) -> dict[int, Hour]:
    """Figures by hour since 1970, of all hours that a statement reaches into."""
    stated = [s for s in scene.statements if s.begin < s.end and not s.confirms]
    if not stated:
        return {}
    low, high = min(s.begin for s in stated), max(s.end for s in stated)
    touched = sorted({hour for s in stated for hour in range(s.begin // HOUR, (s.end - 1) // HOUR + 1)})
    events = sorted((identity, content) for identity, (content, _, _) in expected(scene).cleaned.items())
    found = {}
    for run in _runs(touched):
        own = [(at, content) for (at, _), content in events if run[0] <= at // HOUR <= run[-1]]
        pieces = _pieces(own, high, step)
        for hour in run:
            found[hour] = _hour(hour, own, pieces, low, high)
    return found


def _runs(touched: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for hour in touched:
        if runs and runs[-1][-1] == hour - 1:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    return runs


def number(content: Content) -> float | None:
    """A number to weigh."""
    return content.value if content.good and content.value is not None and math.isfinite(content.value) else None


def _pieces(events: Sequence[tuple[int, Content]], high: int, step: bool) -> list[tuple[int, int, float, float]]:
    """From, to, and the values there."""
    pieces = []
    for place, (at, content) in enumerate(events):
        following = events[place + 1] if place + 1 < len(events) else None
        value = number(content)
        until, other = (max(at, high), None) if following is None else (following[0], number(following[1]))
        if value is not None and at < until:
            pieces.append((at, until, value, value if step or other is None else other))
    return pieces


def _hour(hour: int, events: Sequence[tuple[int, Content]], pieces: Sequence[tuple[int, int, float, float]], low: int, high: int) -> Hour:
    begin, end = hour * HOUR, (hour + 1) * HOUR
    inside = [content for at, content in events if begin <= at < end]
    cut = []
    for since, until, one, other in pieces:
        left, right = max(since, begin), min(until, end)
        if left < right:
            share = (other - one) / (until - since)
            cut.append(((right - left) / 1e7, one + share * (left - since), one + share * (right - since)))
    seconds = sum(length for length, _, _ in cut)
    average = sum(length * (one + other) / 2 for length, one, other in cut) / seconds if cut else None
    deviation = None
    if average is not None:
        squares = ((length, one - average, other - average) for length, one, other in cut)
        deviation = math.sqrt(sum(length * (a * a + a * b + b * b) / 3 for length, a, b in squares) / seconds)
    covered = low <= begin and end <= high
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(events) if begin <= later < end]
    known = [at for at, _ in events if at < end]
    if covered and known:
        gaps.append(end - known[-1])
    values = [value for _, one, other in cut for value in (one, other)]
    return Hour(
        len(inside), sum(c.good for c in inside), sum(c.value is None for c in inside), seconds, average, min(values, default=None),
        max(values, default=None), deviation, max(gaps) / 1e7 if gaps else None, covered,
    )  # fmt: skip


def alike(one: Hour, other: Hour) -> bool:
    """Whether two hours say the same, up to rounding."""
    for left, right in zip(vars(one).values(), vars(other).values(), strict=True):
        if (left is None) != (right is None) or (left is not None and not math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-6)):
            return False
    return True
