"""Counts over the points of a shard, for the figures. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from bridge.coverage import PointCoverage
from schemas.times import TICKS_PER_SECOND

PointState = Literal["uncovered", "filling", "covered"]


class Census(NamedTuple):
    """How the points of some shards are."""

    states: Counter[PointState]
    dirty_hours: int
    lag_seconds: float
    """How far the newest value of a point is ahead of its covered end, at most."""
    oldest_read_seconds: float
    """How long ago the point was read forward that has waited longest."""

    def plus(self, other: "Census") -> "Census":
        """Both together."""
        return Census(
            self.states + other.states,
            self.dirty_hours + other.dirty_hours,
            max(self.lag_seconds, other.lag_seconds),
            max(self.oldest_read_seconds, other.oldest_read_seconds),
        )


NOBODY = Census(Counter(), 0, 0.0, 0.0)


def census(points: Iterable[PointCoverage | None], now: int) -> Census:
    """The census of points in scope at PI's time `now`, in ticks; None: a point that was never looked at."""
    states, dirty, lag, oldest = Counter[PointState](), 0, 0, 0
    for point in points:
        if point is None or point.high is None or point.low is None:
            states["uncovered"] += 1
            continue
        states["filling" if point.low > point.start else "covered"] += 1
        dirty += len(point.dirty)
        if point.snapshot is not None:
            lag = max(lag, point.snapshot - point.high)
        if point.as_of:
            oldest = max(oldest, now - point.as_of)
    return Census(states, dirty, lag / TICKS_PER_SECOND, oldest / TICKS_PER_SECOND)
