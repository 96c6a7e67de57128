"""Re-reads by age: how far a point's archive has been read once more at each age (design 3.2). Pure: instants are PI's ticks.

One watermark a point and age says all: what lies below it was read at this age, or was older already when it was first stated.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bridge.sums import Cells
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND

_NEVER = 1 << 62
_SHARE_OF_AGE = 8
"""Data that reaches an age within an eighth of it is read together: 1 h at 2 h, 3 h at 1 d, 21 h at 7 d."""


class Age(NamedTuple):
    """An age at which data is read once more, in whole cells."""

    ticks: int
    cell: int
    """Length of a cell: some whole hours, counted from 1970."""


class Due(NamedTuple):
    """A range that is to be read again, and since when."""

    begin: int
    end: int
    since: int


def ages_of(seconds: Iterable[float]) -> tuple[Age, ...]:
    """The ages in order, each with its cell."""
    ages = sorted({int(age * TICKS_PER_SECOND) for age in seconds})
    return tuple(Age(age, max(age // _SHARE_OF_AGE // TICKS_PER_HOUR, 1) * TICKS_PER_HOUR) for age in ages)


def _hour(ticks: int) -> int:
    return ticks // TICKS_PER_HOUR * TICKS_PER_HOUR


class Watermarks:
    """The watermarks of one point, the youngest age first: they fall from age to age."""

    __slots__ = ("_not_before", "marks")

    def __init__(self, ages: Sequence[Age] = (), first_seen: int = 0) -> None:
        """Nothing below has to be read at an age that it had already when the point was first seen."""
        self.marks = array("q", [_hour(first_seen - age.ticks) for age in ages])
        self._moved(ages)

    def _moved(self, ages: Sequence[Age]) -> None:
        """Nothing is due before the next cell has reached its age: most points are asked often and have nothing."""
        firsts = [(mark // age.cell + 1) * age.cell + age.ticks for age, mark in zip(ages, self.marks, strict=False)]
        self._not_before = min(firsts, default=0)

    def restore(self, ages: Sequence[Age], until: dict[int, int], as_of: int) -> None:
        """Goes on from watermarks by age, in ticks; an age that nobody knew counts from `as_of` on."""
        self.marks = array("q", [until.get(age.ticks, _hour(as_of - age.ticks)) for age in ages])
        for older in range(len(self.marks) - 2, -1, -1):
            self.marks[older] = max(self.marks[older], self.marks[older + 1])
        self._moved(ages)

    def due(self, low: int, high: int, settled: int, longest: int, ages: Sequence[Age]) -> Due | None:
        """What of [low, high) had reached an age at `settled` and was not read at it, the longest overdue first; None if nothing has.

        At most `longest`, but a whole cell.
        """
        found: Due | None = None
        if settled < self._not_before:
            return None
        for age, mark in zip(ages, self.marks, strict=False):
            begin = max(mark, low)
            end = min((settled - age.ticks) // age.cell * age.cell, high)
            first = (begin // age.cell + 1) * age.cell
            if begin < end and (found is None or first + age.ticks < found.since):
                found = Due(begin, min(end, max(first, (begin + longest) // age.cell * age.cell)), first + age.ticks)
        return found

    def read(self, begin: int, end: int, low: int, settled: int, ages: Sequence[Age]) -> None:
        """Takes note that [begin, end) was read again, or for the first time, as it was at `settled`."""
        for at, age in enumerate(ages[: len(self.marks)]):
            if begin <= max(self.marks[at], low):  # below `low` nothing is stated: what will be, will be older than this
                self.marks[at] = max(self.marks[at], min(end, _hour(settled - age.ticks)))
        self._moved(ages)

    def cells(self, ages: Sequence[Age]) -> Cells:
        """What will be read together at the next age: see `cell`."""
        lowest = self.marks[-1] if self.marks and ages else _NEVER
        return Cells(lambda ticks: self.cell(ticks, ages), lowest)

    def cell(self, ticks: int, ages: Sequence[Age]) -> tuple[int, int] | None:
        """Begin and end of what will be read together with an instant, at the next age; None: it was read at all of them."""
        above = None
        for age, mark in zip(ages, self.marks, strict=False):
            if ticks >= mark:
                begin = ticks // age.cell * age.cell
                end = begin + age.cell
                return max(begin, mark), end if above is None else min(end, above)
            above = mark
        return None
