"""Ranges of a point whose archive was not there when it was asked: "No Data" in place of events, an archive off-line (design 3.2). Pure.

That is no answer, so nothing is stated of them. They are asked for again once a day, and nothing waits for them meanwhile.
"""

from typing import NamedTuple


class Away(NamedTuple):
    """[begin, end) in ticks, and when to ask again (PI's clock)."""

    begin: int
    end: int
    retry_at: int


class Aways:
    """The ranges of one point, in order of time, without overlap."""

    __slots__ = ("ranges",)

    def __init__(self, ranges: tuple[Away, ...] = ()) -> None:
        self.ranges = ranges

    def add(self, begin: int, end: int, retry_at: int) -> None:
        """Sets a range aside; together with those beside it, so that they are few."""
        near = [away for away in self.ranges if away.begin <= end and begin <= away.end]
        whole = Away(min([begin, *(away.begin for away in near)]), max([end, *(away.end for away in near)]), retry_at)
        self.ranges = tuple(sorted([away for away in self.ranges if away not in near] + [whole]))

    def answered(self, begin: int, end: int) -> None:
        """[begin, end) was read after all."""
        left = [
            away._replace(begin=low, end=high)
            for away in self.ranges
            for low, high in ((away.begin, min(away.end, begin)), (max(away.begin, end), away.end))
            if low < high
        ]
        self.ranges = tuple(left)

    def beside(self, begin: int, end: int) -> bool:
        """True if a range that touches [begin, end) is set aside."""
        return any(away.begin <= end and begin <= away.end for away in self.ranges)

    def due(self, now: int) -> Away | None:
        """The newest range that may be asked for again."""
        return next((away for away in reversed(self.ranges) if now >= away.retry_at), None)
