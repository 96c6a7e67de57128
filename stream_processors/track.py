"""The least delay of a clock group over time: level, drift, and steps. Pure; seconds, and periods counted from 1970.

A line lies along the periods' floors, by medians of slopes (Theil and Sen), so that periods whose queue never emptied do not count. A
floor off the line waits: if the next ones agree with it, the clock, or the way, has moved at once and a new line begins; if they agree
neither with the line nor with one another, the way is slow, and the line stands.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_processors.consensus import floor_of

Array = NDArray[Any]

_MIN_TOLERANCE = 0.3
_TOLERANCE_SCALES = 6.0
_AGREE_SECONDS = 0.5
_AGREE_SHARE = 0.02
_AGREE_EARLIER, _AGREE_LATER = 2, 4
"""So many periods in a row make a step; a way can grow by itself, and never shrink below what it takes."""
_FEWEST_BEFORE = 20
"""A step off a shorter line is none: that line was perhaps itself a mistake."""
_MOST_WAITING = 10
MIN_PERIODS, MIN_STEPPED = 5, 3
"""A line is believed from so many floors on; sooner if it begins with a step, which is agreement by itself."""
_PPM = 1e6
MOST_PPM = 2000.0
"""No clock gains or loses more and still goes."""
_SLOPE_ERRORS = 2.0


@dataclass
class Track:
    """The floors of the present line, and those off it."""

    window_periods: int
    period_seconds: int
    periods: list[int] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    waiting: list[tuple[int, float]] = field(default_factory=list)
    step: float = 0.0
    """By how much the line lies off the one before; 0 if that did not rest on enough periods, or was left too long ago."""
    level: float = 0.0
    slope: float = 0.0
    """Seconds a period."""
    moves: int = 0
    """How many lines there were before this one."""
    scale: float = 0.0
    """How much floors scatter around the line."""

    @property
    def known(self) -> bool:
        """True if the line rests on enough periods."""
        return len(self.floors) >= (MIN_STEPPED if self.step else MIN_PERIODS)

    @property
    def restless(self) -> bool:
        """True if floors have been off the line for long without agreeing on another."""
        return len(self.waiting) >= _MOST_WAITING

    def at(self, period: int) -> float:
        """Where the line lies in a period; there must be floors. What was heard so long ago tells nothing of how steep it is now."""
        return self.level + self.slope * min(period - self.periods[-1], self.window_periods)

    def add(self, period: int, floor: float) -> None:
        """Takes the floor of a period later than all before."""
        if len(self.floors) < 3:
            self._take(period, floor)
            return
        off = floor - self.at(period)
        if abs(off) <= self.tolerance():
            self.waiting.clear()
            self._take(period, floor)
            return
        if self.waiting and (self.waiting[-1][1] > self.at(self.waiting[-1][0])) != (off > 0):
            self.waiting.clear()
        self.waiting = [*self.waiting[1 - _MOST_WAITING :], (period, floor)]
        needed = _AGREE_LATER if off > 0 else _AGREE_EARLIER
        recent = [value for _, value in self.waiting[-needed:]]
        if len(recent) == needed and max(recent) - min(recent) <= max(_AGREE_SECONDS, _AGREE_SHARE * abs(off), self.tolerance()):
            self._move(self.waiting[-needed:])

    def rebase(self, by: float) -> None:
        """Moves the line, and all that it rests on."""
        self.floors = [floor + by for floor in self.floors]
        self.level += by
        self.waiting = []

    def tolerance(self) -> float:
        """How far a floor may lie off the line."""
        return max(_MIN_TOLERANCE, _TOLERANCE_SCALES * self.scale)

    def drift(self) -> tuple[float, float] | None:
        """Drift and its standard error, ppm; None until it fills half of the window."""
        if len(self.periods) < self.window_periods // 2:
            return None
        return self.slope / self.period_seconds * _PPM, self._slope_error() / self.period_seconds * _PPM

    def _slope_error(self) -> float:
        times = np.array(self.periods, float)
        return 1.25 * max(self.scale, 1e-6) / float(np.sqrt(((times - times.mean()) ** 2).sum()))

    def half_width(self) -> float:
        """Half of the confidence interval (95 %) of the level, from the scatter of the floors."""
        return 2.5 * self.scale / float(np.sqrt(max(len(self.floors), 1))) + 0.01

    def _take(self, period: int, floor: float) -> None:
        self.periods.append(period)
        self.floors.append(floor)
        first = period - self.window_periods
        while self.periods[0] <= first:
            del self.periods[0], self.floors[0]
        self._fit()

    def _move(self, beginning: list[tuple[int, float]]) -> None:
        lately = beginning[0][0] - self.periods[-1] <= self.window_periods
        before = self.at(beginning[-1][0]) if lately and len(self.floors) >= _FEWEST_BEFORE else None
        self.periods = [period for period, _ in beginning]
        self.floors = [floor for _, floor in beginning]
        self.waiting, self.moves = [], self.moves + 1
        self._fit()
        self.step = 0.0 if before is None else self.level - before

    def _fit(self) -> None:
        times, floors = np.array(self.periods, float), np.array(self.floors)
        self._lay(times, floors, 0.0)
        if len(floors) >= 2 * MIN_PERIODS:
            level, slope = (self.level, self.scale), _median_slope(times, floors)
            self._lay(times, floors, slope)
            steep = abs(slope) / self.period_seconds * _PPM > MOST_PPM
            if steep or abs(slope) < _SLOPE_ERRORS * self._slope_error():
                (self.level, self.scale), self.slope = level, 0.0

    def _lay(self, times: Array, floors: Array, slope: float) -> None:
        rest = np.sort(floors - slope * (times - times[-1]))
        self.slope, self.scale = slope, 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
        self.level = floor_of(rest.tolist())


@lru_cache(maxsize=256)
def _pairs(count: int) -> tuple[Array, Array]:
    return np.triu_indices(count, 1)


def _median_slope(times: Array, values: Array) -> float:
    one, other = _pairs(len(times))
    return float(np.median((values[other] - values[one]) / (times[other] - times[one])))
