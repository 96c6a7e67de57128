"""Points that vouch for their server: an archive that does not show their known event is away without saying so (design 3.2). Pure."""

from collections.abc import Callable, Mapping

from bridge.coverage import PointCoverage
from schemas.records import Point


class Witnesses:
    """Finds a point that is known to have an event at or before an instant, without a walk over all points each time."""

    def __init__(self, points: Mapping[str, Point], covering: Callable[[Point], PointCoverage]) -> None:
        self._points, self._covering = points, covering
        self._eldest: dict[str, str | None] = {}
        """By data server, the point whose known event lies furthest back."""

    def changed(self) -> None:
        """A known event was found, or a point went out of scope."""
        self._eldest.clear()

    def of(self, point: Point, ticks: int) -> Point | None:
        """The point itself, or another of its data server; None if no event so early is known."""
        if self._event_of(point, ticks) is not None:
            return point
        server = point["server"]
        if server not in self._eldest:
            known = {key: self._event_of(other) for key, other in self._points.items() if other["server"] == server}
            self._eldest[server] = min(((event, key) for key, event in known.items() if event is not None), default=(0, None))[1]
        eldest = self._points.get(self._eldest[server] or "")
        return eldest if eldest is not None and self._event_of(eldest, ticks) is not None else None

    def _event_of(self, point: Point, ticks: int | None = None) -> int | None:
        event = self._covering(point).first_event
        return None if event is None or (ticks is not None and event > ticks) else event
