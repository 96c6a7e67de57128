"""Points that vouch for their server: an archive that does not show their known event is away without saying so (design 3.2). Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bridge.coverage import PointCoverage
from bridge.points import Point
from schemas.digest import EMPTY


class Witness(NamedTuple):
    """A point, and an instant at or before which it is known to have an event."""

    point: Point
    ticks: int


class Witnesses:
    """Finds points that are known to have an event, without a walk over all points each time."""

    def __init__(self, points: Mapping[str, Point], covering: Callable[[Point], PointCoverage]) -> None:
        self._points, self._covering = points, covering
        self._eldest: dict[str, str | None] = {}
        """By data server, the point whose known event lies furthest back."""

    def changed(self) -> None:
        """A known event was found, or a point went out of scope."""
        self._eldest.clear()

    def stated(self, server: str) -> None:
        """An event of one of a data server's points was read."""
        if self._eldest.get(server, "") is None:
            del self._eldest[server]

    def of(self, point: Point, ticks: int) -> Witness | None:
        """The point itself, or another of its data server, that has an event at or before an instant; None if no event is known at all.

        Where none is known so early, one that has an event later: it vouches less, for older archives may be away alone.
        """
        eldest = self._eldest_of(point.server)
        for witness in (point, eldest):
            if witness is not None and (event := _event_of(self._covering(witness))) is not None and event <= ticks:
                return Witness(witness, ticks)
        if eldest is None or (high := self._covering(eldest).high) is None:
            return None
        event = _event_of(self._covering(eldest))
        return Witness(eldest, high if event is None else max(event, high))

    def _eldest_of(self, server: str) -> Point | None:
        if server not in self._eldest:
            known = {key: _event_of(self._covering(point)) for key, point in self._points.items() if point.server == server}
            self._eldest[server] = min(((event, key) for key, event in known.items() if event is not None), default=(0, None))[1]
        return self._points.get(self._eldest[server] or "")


def _event_of(coverage: PointCoverage) -> int | None:
    """An instant at or before which the archive showed an event of the point; None if it never did.

    That is what its first look found; a point that had no event then has what was stated of it.
    """
    if coverage.first_event is not None:
        return coverage.first_event
    return next((span.end for span in reversed(coverage.sums.spans) if span.digest != EMPTY), None)
