"""Counts over the points of a shard, for the figures. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from bridge.coverage import PointCoverage
from bridge.rules import Rules
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND

PointState = Literal["uncovered", "filling", "covered"]


class Census(NamedTuple):
    """How the points of some shards are."""

    states: Counter[PointState]
    dirty_hours: int
    lag_seconds: float
    """How far the newest value of a point is ahead of its covered end, at most."""
    oldest_read_seconds: float
    """How long ago the point was read forward that has waited longest."""
    reread_overdue_seconds: float = 0.0
    """How long the data has waited that is to be read once more at an age, at most."""
    away_hours: float = 0.0
    """How much data could not be read, because its archive was away."""

    def plus(self, other: "Census") -> "Census":
        """Both together."""
        return Census(
            self.states + other.states,
            self.dirty_hours + other.dirty_hours,
            max(self.lag_seconds, other.lag_seconds),
            max(self.oldest_read_seconds, other.oldest_read_seconds),
            max(self.reread_overdue_seconds, other.reread_overdue_seconds),
            self.away_hours + other.away_hours,
        )


NOBODY = Census(Counter(), 0, 0.0, 0.0)


def census(points: Iterable[PointCoverage | None], now: int, rules: Rules) -> Census:
    """The census of points in scope at PI's time `now`, in ticks; None: a point that was never looked at."""
    states, dirty, lag, oldest, overdue, away = Counter[PointState](), 0, 0, 0, 0, 0
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
        overdue = max(overdue, point.reread_overdue(now, rules))
        away += sum(away.end - away.begin for away in point.aways.ranges)
    lag_seconds, oldest_seconds, overdue_seconds = (ticks / TICKS_PER_SECOND for ticks in (lag, oldest, overdue))
    return Census(states, dirty, lag_seconds, oldest_seconds, overdue_seconds, away / TICKS_PER_HOUR)
