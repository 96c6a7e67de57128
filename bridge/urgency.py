"""Which reads go next: blind intervals, forward reads, dirty hours, back-fill (design 4). Pure."""

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush

from bridge.coverage import PointCoverage
from bridge.rules import Purpose, Read, Rules

_SPARE = 1000
"""So many entries that hold no longer are left in a queue before it is looked through."""
_NOTHING: tuple[int | None, ...] = (None,) * len(Purpose)


class Agenda:
    """The reads that points owe, by urgency and by when each falls due.

    To ask costs what is due and what has changed, not what all points have: who changes a point tells of it.
    """

    def __init__(self, rules: Rules, coverage_of: Callable[[str], PointCoverage | None], point_keys: Iterable[str]) -> None:
        """`coverage_of` gives a point's coverage; None: it is out of scope, and nothing of it is read."""
        self._rules, self._coverage_of = rules, coverage_of
        self._changed = dict.fromkeys(point_keys)
        self._owed: dict[str, tuple[int | None, ...]] = {}
        """When each purpose of a point falls due, as far as was told: entries of the queues that say otherwise do not hold."""
        self._queues: list[list[tuple[int, int, str]]] = [[] for _ in Purpose]
        self._entered = 0

    def changed(self, point_key: str) -> None:
        """Something happened to a point that may have it owe other reads, or others sooner or later."""
        self._changed[point_key] = None

    def take(self, now: int, requests: int, shares: Mapping[Purpose, int] | None = None) -> list[tuple[PointCoverage, Read]]:
        """Reads that are due, which count as sent: the most urgent first, and within one urgency what fell due first.

        As many as fit into so many sub-requests: what does not fit is not overtaken by what is less urgent. `shares`: for some purposes
        fewer reads than that.
        """
        self._enter_changed()
        taken: list[tuple[PointCoverage, Read]] = []
        for purpose, queue in zip(Purpose, self._queues, strict=True):
            most = len(taken) + (shares or {}).get(purpose, requests)
            while queue and queue[0][0] <= now and len(taken) < most:
                due, _, key = queue[0]
                if self._due(key, purpose.value) != due:
                    heappop(queue)
                    continue
                if requests < purpose.requests:
                    return taken
                heappop(queue)
                del self._owed[key]
                point = self._coverage_of(key)
                if point is not None and (read := point.next_read(now, self._rules)) is not None:
                    point.sent(read)
                    taken.append((point, read))
                    requests -= purpose.requests
        return taken

    def _due(self, key: str, purpose: int) -> int | None:
        return self._owed.get(key, _NOTHING)[purpose]

    def _enter_changed(self) -> None:
        changed, self._changed = self._changed, {}
        for key in changed:
            point = self._coverage_of(key)
            owed, known = _NOTHING if point is None else _by_purpose(point.owed(self._rules)), self._owed.get(key, _NOTHING)
            if owed == known:
                continue
            self._owed[key] = owed
            for queue, due, before in zip(self._queues, owed, known, strict=True):
                if due is not None and due != before:
                    self._entered += 1
                    heappush(queue, (due, self._entered, key))
        for purpose, queue in enumerate(self._queues):
            if len(queue) > 2 * len(self._owed) + _SPARE:
                queue[:] = {key: (due, at, key) for due, at, key in queue if self._due(key, purpose) == due}.values()
                heapify(queue)


def _by_purpose(owed: Iterable[tuple[Purpose, int]]) -> tuple[int | None, ...]:
    dues: list[int | None] = [None] * len(Purpose)
    for purpose, due in owed:
        dues[purpose.value] = due
    return tuple(dues)
