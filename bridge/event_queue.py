"""Whether a data server's event queue brings into its archive what channels show: else `to` must not pass what it holds (design 3.2). Pure.

What enters the queue leaves it in order. A snapshot enters it when the next value comes. So an archived event proves that all is archived
that came before the value after it, if it is known which that is: both were heard, and all between them. Of several events at one instant
it is not known which is the last.
"""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from bridge.coverage import PointCoverage
from bridge.pitime import Moment
from bridge.points import Point
from bridge.ranges import Page

if TYPE_CHECKING:
    from bridge.incarnation import Incarnation

_FEW = 4
"""A queue is well again when only this part of the previews waits that make it stuck."""


class EventQueue:
    """The event queue of one data server, as the points of one shard show it. Instants are PI's ticks."""

    def __init__(self, quiet: int, stuck_previews: int, now: int, archived_until: int | None = None, stuck: bool = False) -> None:
        """It is stuck when so many previews came after all that is archived, although the archive of their points was read settle later.

        When no preview came for `quiet` it is believed to be empty: compression may have discarded all that was to be archived.
        `archived_until` and `stuck` are what the last owner knew; nobody having known anything, all that came before `now` is archived.
        """
        self._quiet, self._stuck_previews = quiet, stuck_previews
        self.archived_until = now if archived_until is None else archived_until
        """What came before this is in the archive."""
        self.stuck = stuck
        self.since = self.archived_until
        """What came later was missing when it got stuck,"""
        self.incident: str | None = None
        """and this was opened."""
        self._last = now
        self._without_trace: list[int] = [self.archived_until + 1] * stuck_previews if stuck else []
        """When previews came, the greatest last, whose points were read since, and after which nothing was seen in the archive."""

    def preview(self, came: int) -> None:
        """A channel told of a value."""
        self._last = max(self._last, came)

    def page(self, page: Page, heard: Sequence[tuple[int, int]], looked: int, settled: int) -> None:
        """Takes the evidence in a forward page; `heard`: time and arrival of values that came one after the other (PointCoverage.heard).

        The last instant of the page may be the snapshot, which is not in the archive. What each value displaced until `settled` should be
        there, or be discarded; what came until `looked` was counted at an earlier page of the point.
        """
        self.archived_until = max(self.archived_until, _proof(page, heard) or 0)
        if page.cut:  # it may end before what came
            return
        new = [came for _, came in heard[1:] if max(looked, self.archived_until) < came <= settled]
        self._without_trace = sorted([*self._without_trace, *new])[-self._stuck_previews :]

    def wants_more(self, page: Page, heard: Sequence[tuple[int, int]]) -> bool:
        """True if it is stuck, and a page ends before it comes to values that were heard one after the other, which would tell of it."""
        return self.stuck and page.cut and bool(heard) and _proof(page, heard) is None

    def judge(self, sent: int) -> bool:
        """Looks whether it is stuck, after the answers to a request sent at `sent`; True if that has changed."""
        self._without_trace = [came for came in self._without_trace if came > self.archived_until]
        waiting, before = len(self._without_trace), self.stuck
        if sent - self._last > self._quiet:
            self.stuck = False
            self._without_trace = []
        elif waiting >= self._stuck_previews:
            self.since = self.since if self.stuck else self.archived_until
            self.stuck = True
        elif waiting * _FEW <= self._stuck_previews:
            self.stuck = False
        return self.stuck is not before


def _proof(page: Page, heard: Sequence[tuple[int, int]]) -> int | None:
    """What came before this is archived, as far as a page proves it; None if it proves nothing."""
    if not page.samples:
        return None
    last = page.samples[-1].ticks
    archived = list(islice((sample.ticks for sample in reversed(page.samples) if sample.ticks < last), 2))
    # Of several at one instant the newest may be on its way, which is the value after those that are there.
    if not archived or archived[0] in archived[1:] or all(ticks != archived[0] for ticks, _ in heard):
        return None
    return min((came for ticks, came in heard if ticks > archived[0]), default=None)


class EventQueues:
    """The event queues of the data servers that a shard's points live on; holds the points' reads back while one is stuck."""

    def __init__(self, incarnation: "Incarnation", now: Moment) -> None:
        self._owner = incarnation
        self._held: dict[str, int] = {}
        """Data servers whose points know up to when what came is archived."""
        stuck = incarnation.state.stuck_queues
        known = incarnation.state.archived_until | stuck
        self._queues = {server: self._queue(now, until, server in stuck) for server, until in known.items()}
        for server in stuck:
            self._hold(server)

    def _queue(self, now: Moment, archived_until: int | None = None, stuck: bool = False) -> EventQueue:
        rules = self._owner.rules
        return EventQueue(rules.quiet, self._owner.config.coverage.stuck_previews, now.ticks, archived_until, stuck)

    def of(self, point: Point, now: Moment) -> EventQueue:
        """The event queue of the point's data server."""
        return self._queues.get(point.server) or self._queues.setdefault(point.server, self._queue(now))

    def judge(self, sent: int, now: Moment) -> None:
        """After the answers to a request that was sent at `sent`: opens an incident where a queue is stuck, ends it where one moves again.

        What was read meanwhile may have passed what the queue held: the points count as blind since it got stuck.
        """
        for server, queue in self._queues.items():
            if queue.judge(sent):
                (self._opened if queue.stuck else self._moves_again)(server, queue, now)
            if queue.stuck and self._held.get(server) != queue.archived_until:
                self._hold(server)
        self._owner.state.archived_until = {server: queue.archived_until for server, queue in self._queues.items()}
        self._owner.state.stuck_queues = {server: queue.archived_until for server, queue in self._queues.items() if queue.stuck}

    def _points(self, server: str) -> list[Point]:
        return [point for point in self._owner.points.values() if point.server == server]

    def _covered(self, server: str) -> list[PointCoverage]:
        return [self._owner.covering(point) for point in self._points(server)]

    def scope_changed(self) -> None:
        """A point came into scope, perhaps one whose queue is stuck."""
        self._held.clear()

    def _hold(self, server: str) -> None:
        self._held[server] = self._queues[server].archived_until
        self._tell(server, self._held[server])

    def _tell(self, server: str, archived_until: int | None) -> None:
        for coverage in self._covered(server):
            coverage.archived_until = archived_until
            self._owner.agenda.changed(coverage.point_key)

    def _opened(self, server: str, queue: EventQueue, now: Moment) -> None:
        owner = self._owner
        queue.incident = f"{owner.config.source}-{owner.number}-{owner.state.epoch}-queue-{server}-{queue.archived_until}"
        keys = [point.point_key for point in self._points(server)]
        detail = f"data server {server}: live values flow, the archive shows nothing newer for {len(keys)} points: a stuck event queue?"
        owner.incidents.open("EVENT_QUEUE_STUCK", queue.incident, keys, queue.archived_until // 10, now.micros, detail)
        owner.error("event queue stuck", server=server, archived_until=queue.archived_until, points=len(keys))

    def _moves_again(self, server: str, queue: EventQueue, now: Moment) -> None:
        self._held.pop(server, None)
        self._tell(server, None)
        self._owner.blinded(self._points(server), queue.since, queue.incident, now)
        self._owner.note("event queue moves again", server=server)
        queue.incident = None
