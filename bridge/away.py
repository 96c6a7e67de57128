"""Ranges of a point whose archive was not there when it was asked: "No Data" in place of events, an archive off-line (design 3.2). Pure.

That is no answer, so nothing is stated of them. They are asked for again once a day, and nothing waits for them meanwhile.
"""

from typing import NamedTuple


class Away(NamedTuple):
    """[begin, end) in ticks, and when to ask again (PI's clock)."""

    begin: int
    end: int
    retry_at: int


class Aways(NamedTuple):
    """The ranges of one point, in order of time, without overlap. Most points have none."""

    ranges: tuple[Away, ...] = ()

    def add(self, begin: int, end: int, retry_at: int) -> "Aways":
        """With one more range set aside; together with those beside it, so that they are few."""
        near = [away for away in self.ranges if away.begin <= end and begin <= away.end]
        whole = Away(min([begin, *(away.begin for away in near)]), max([end, *(away.end for away in near)]), retry_at)
        return Aways(tuple(sorted([away for away in self.ranges if away not in near] + [whole])))

    def answered(self, begin: int, end: int) -> "Aways":
        """Without [begin, end), which was read after all."""
        if not self.ranges:
            return self
        left = [
            away._replace(begin=low, end=high)
            for away in self.ranges
            for low, high in ((away.begin, min(away.end, begin)), (max(away.begin, end), away.end))
            if low < high
        ]
        return Aways(tuple(left))

    def beside(self, begin: int, end: int) -> bool:
        """True if a range that touches [begin, end) is set aside."""
        return any(away.begin <= end and begin <= away.end for away in self.ranges)

    def due(self, now: int) -> Away | None:
        """The newest range that may be asked for again."""
        return next((away for away in reversed(self.ranges) if now >= away.retry_at), None)


NEVER_AWAY = Aways()
"""Of a point whose archive was always there."""
