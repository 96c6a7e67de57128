"""A shard's reads of the archive: which go out together, how pages follow one another, what their answers state (design 3.2, 4). Pure."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from bridge import batch, pitime
from bridge.allowance import Allowance
from bridge.coverage import PointCoverage
from bridge.errors import BridgeError, PIArchiveAway, PIRefused, PIUnavailable, PIUnreadable
from bridge.frame import InstantTooLarge, Stated
from bridge.normalise import Unreadable
from bridge.pitime import Moment
from bridge.points import Point
from bridge.ranges import Page, Range, between
from bridge.rules import Purpose, Read
from bridge.sizing import MOST_REQUESTS, Sizing
from bridge.witness import Witness, Witnesses

if TYPE_CHECKING:
    from bridge.incarnation import Incarnation

_MAX_PAGE_VALUES = 150_000
"""PI Web API's default limit for what one call returns (pi-web-api.md 2.5)."""
_MIN_PAGE_VALUES = 2
"""A page is halved down to this: with fewer values no page could lead to the next."""


class Sent(NamedTuple):
    """When a request went out: PI's clock, and a clock of the shard, taken for it alone: no two requests share a place in the order."""

    ticks: int
    clock: int


@dataclass
class Task:
    """A read on its way through its pages."""

    coverage: PointCoverage
    point: Point
    read: Read
    at: int
    """Begin of the next page."""
    max_count: int
    pages: list[tuple[int, int, Page]] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    """When each page was asked for."""
    asked_to: int = 0
    """Where the request of the page on its way ends."""

    witness: Witness | None = None
    """Who is asked for an event that is known to be there, beside a range that came back empty."""
    doubted: bool = False
    """The range came back empty, and so did all others of the server: it is asked for once more."""

    @property
    def requests(self) -> int:
        """Sub-requests of the next page, at most."""
        return self.read.purpose.requests + (self.witness is not None)

    def resources(self, base: str, name: str, now: int, settled: int) -> dict[str, str]:
        """The sub-requests of the next page, by key."""
        web_id = self.point.web_id
        if self.read.purpose is Purpose.FIRST:
            return {
                name + "s": batch.snapshot(base, web_id),
                name + "b": batch.at_or_before(base, web_id, self.read.begin),
                name + "e": batch.at_or_before(base, web_id, settled),
            }
        if self.read.purpose is Purpose.START:
            asked = {name + "b": batch.at_or_before(base, web_id, self.read.begin)}
            known = self.coverage.first_event
            # One above the start may be gone: a snapshot that compression discarded, or deleted. No other would be asked for.
            if known is None or known > self.coverage.start:
                return asked
            return asked | {name + "w": batch.at_or_before(base, web_id, known, up=True)}
        self.asked_to = now + batch.AHEAD if self.read.end is None else self.read.end
        asked = {name: batch.recorded(base, web_id, self.at, self.asked_to, self.max_count)}
        if self.witness is None:
            return asked
        return asked | {name + "w": batch.at_or_before(base, self.witness.point.web_id, self.witness.ticks, up=True)}


class Batch(NamedTuple):
    """Reads that go out in one request, its addresses by key, and when."""

    tasks: list[Task]
    named: list[dict[str, str]]
    """Each task's part."""
    sent: Sent

    @property
    def addresses(self) -> dict[str, str]:
        """All sub-requests."""
        return {key: address for resources in self.named for key, address in resources.items()}


class Reads:
    """Says what to read next, the most urgent first, a batch at a time; pages of a read follow one another until its range is whole."""

    def __init__(self, incarnation: "Incarnation") -> None:
        self._owner = incarnation
        self._load = incarnation.config.pi.load
        self._base = incarnation.config.pi.url
        shards, share = incarnation.config.delivery.shards, incarnation.config.coverage.reread_share
        self._unfinished = deque[Task]()
        self._rereads = Allowance(self._load.requests_per_second * share / shards)
        """Re-reads by age have this share of what may be asked of PI; each shard has its part of it, whoever owns the others."""
        self._values_read = Counter[Purpose]()
        self._sizing = Sizing(self._load.batch_points, self._load.page_values)
        self._full_page = False
        """A page of the answer at hand held as many values as it may."""
        self._witnesses = Witnesses(incarnation.points, incarnation.covering)
        self._refused_values: dict[str, int] = {}
        """By point, the smallest page that PI would not give."""

    # -- what to ask --------------------------------------------------------------------------------------------------------------

    def next(self, now: Moment) -> Batch | None:
        """The next request; None while nothing is due, or Kafka does not take what was read. It counts as sent at `now`."""
        tasks = [] if self._owner.overloaded() else self._due(now)
        if not tasks:
            return None
        sent = Sent(now.ticks, self._owner.state.take_clock())
        return Batch(
            tasks,
            [task.resources(self._base, str(at), sent.ticks, sent.ticks - self._owner.rules.settle) for at, task in enumerate(tasks)],
            sent,
        )

    def _due(self, now: Moment) -> list[Task]:
        owner, size, tasks = self._owner, self._sizing.batch.now, list[Task]()
        room, shares = size, {Purpose.AGED: int(size * self._rereads.left(now.seconds))}
        while self._unfinished and (not tasks or room >= self._unfinished[0].requests):
            tasks.append(self._unfinished.popleft())
            room -= tasks[-1].requests
        for coverage, read in owner.agenda.take(now.ticks, room if tasks else max(room, MOST_REQUESTS), shares):
            tasks.append(Task(coverage, owner.points[coverage.point_key], read, read.begin, self._page_values(coverage.point_key)))
        self._rereads.take(sum(task.read.purpose is Purpose.AGED for task in tasks) / size)
        return tasks

    def _page_values(self, point_key: str) -> int:
        """How many values a read of the point begins to ask for: no more than it was given before."""
        refused = self._refused_values.get(point_key)
        page_values = self._sizing.page.now
        return page_values if refused is None else max(min(refused // 2, page_values), _MIN_PAGE_VALUES)

    # -- what an answer means -----------------------------------------------------------------------------------------------------

    def failed(self, asked: Batch, reason: str, now: Moment) -> None:
        """The whole request got no answer."""
        self._sizing.troubled()
        self._owner.note("batch failed", reads=len(asked.tasks), reason=reason)
        for task in asked.tasks:
            self._failed(task, now)

    def too_large(self, asked: Batch, reason: str, now: Moment) -> None:
        """The answer was larger than we take: its reads are asked for in halves, one that stands alone with half the page (trap 27)."""
        if len(asked.tasks) > 1:
            self._sizing.too_large(len(asked.addresses))
            self._unfinished.extendleft(reversed(asked.tasks))
        elif not self._halved(asked.tasks[0]):
            self.failed(asked, reason, now)

    def answered(self, asked: Batch, answers: Mapping[str, Any | BridgeError], now: Moment, seconds: float = 0.0) -> None:
        """Takes the content, or the failure, of each sub-request; `seconds`: how long PI took for all of them."""
        values_before, self._full_page = self._values_read.total(), False
        contents = [[answers[key] for key in resources] for resources in asked.named]
        absent = self._servers_without_a_value(asked.tasks, contents)
        for task, content in zip(asked.tasks, contents, strict=True):
            ranged = not task.read.purpose.looks and not task.doubted
            if ranged and task.point.server in absent and batch.empty(content[0]):
                self._doubt(task)
            else:
                self._answered(task, content, asked.sent, now)
        self._owner.event_queues.judge(asked.sent.ticks, now)
        self._sizing.answered(len(answers), self._values_read.total() - values_before, seconds, self._full_page)

    def take_values_read(self) -> Counter[Purpose]:
        """How many values pages held since the last call, by what they were read for."""
        values, self._values_read = self._values_read, Counter[Purpose]()
        return values

    @staticmethod
    def _servers_without_a_value(tasks: list[Task], contents: list[list[Any]]) -> set[str]:
        """Data servers of whose ranges none came back with a value: their archive may be away without saying so (design 3.2)."""
        shown: dict[str, bool] = {}
        for task, content in zip(tasks, contents, strict=True):
            if not task.read.purpose.looks and not isinstance(content[0], BridgeError):
                server = task.point.server
                shown[server] = shown.get(server, False) or batch.shows_a_value(content[0])
        return {server for server, any_value in shown.items() if not any_value}

    def _doubt(self, task: Task) -> None:
        """Has the range asked for again together with an event that must be there: its own point's, or another's of the server."""
        task.doubted = True
        task.witness = self._witnesses.of(task.point, task.at)
        self._unfinished.append(task)

    def scope_changed(self) -> None:
        """A point came into scope, or went out of it."""
        self._witnesses.changed()

    def _answered(self, task: Task, contents: list[Any], sent: Sent, now: Moment) -> None:
        try:
            for content in contents:
                if isinstance(content, BridgeError):
                    raise content
            if task.read.purpose is Purpose.FIRST:
                self._first(task, contents, sent)
            elif task.read.purpose is Purpose.START:
                self._start(task, contents)
            else:
                if (
                    task.witness is not None
                    and batch.empty(contents[0])
                    and batch.single_time(contents[1], task.witness.point.point_type) is None
                ):
                    raise PIArchiveAway("no value, and an event that was there before is not shown either: the archive is away")
                self._page(task, contents[0], sent, now)
        except (PIUnavailable, PIRefused, PIUnreadable) as error:
            if batch.may_be_too_many(contents[0]) and self._halved(task):
                return
            if isinstance(error, PIUnreadable):
                self._set_aside(task, [Unreadable(str(error), batch.as_bytes(contents), error.ticks)], now)
            self._owner.note("read failed", point=task.coverage.point_key, purpose=task.read.purpose.name, reason=str(error))
            if isinstance(error, PIArchiveAway):
                self._archive_away(task, now)
            else:
                self._failed(task, now)
        self._owner.changed(task.coverage.point_key)

    def _halved(self, task: Task) -> bool:
        """Has a page asked for again with half as many values; False if it cannot be smaller."""
        key = task.coverage.point_key
        if task.read.purpose.looks or task.max_count <= _MIN_PAGE_VALUES:
            self._refused_values.pop(key, None)  # it was not the size
            return False
        self._refused_values[key] = task.max_count
        task.max_count = max(task.max_count // 2, _MIN_PAGE_VALUES)
        self._unfinished.append(task)
        return True

    def _first(self, task: Task, contents: list[Any], sent: Sent) -> None:
        snapshot, before, settled = (batch.single_time(content, task.point.point_type) for content in contents)
        for found, asked in ((before, task.read.begin), (settled, sent.ticks - self._owner.rules.settle)):
            if found is not None and found > asked:
                raise PIUnavailable("an event later than the instant at or before which it was asked for")
        if snapshot is not None and settled is None:
            raise PIUnavailable("there is a snapshot, and the archive shows no event: it is away, or the point is younger than settle")
        task.coverage.first_answered(snapshot, before, settled, sent.ticks, self._owner.rules)
        self._witnesses.changed()
        task.coverage.done()

    def _start(self, task: Task, contents: list[Any]) -> None:
        event, *known = (batch.single_time(content, task.point.point_type) for content in contents)
        if known == [None]:
            raise PIUnavailable("an event that was there before is not shown: the archive is away")
        if event is not None and event > task.read.begin:
            raise PIUnavailable("an event later than the instant at or before which it was asked for")
        task.coverage.start_answered(task.read, event)
        self._witnesses.changed()
        task.coverage.done()

    def _page(self, task: Task, content: Any, sent: Sent, now: Moment) -> None:
        page, unreadable = batch.page_of(content, task.at, task.read.end, task.asked_to, task.max_count, task.point.point_type)
        self._values_read[task.read.purpose] += len(page.samples)
        self._full_page |= page.cut
        self._set_aside(task, unreadable, now)
        last = page.newest(task.at)
        forward = task.read.end is None
        if page.cut and (last <= task.at or (forward and task.coverage.too_short(task.read, page, sent.ticks, self._owner.rules))):
            # One instant fills the page (trap 23), or one and the next, which may have come just now: a larger one is needed.
            if not self._again_with_a_larger_page(task):
                raise PIUnavailable(f"more than {task.max_count} values at one instant, and no larger page is to be had")
        elif forward:
            self._forward(task, page, sent, now)
        else:
            self._reread(task, page, last, sent, now)

    def _again_with_a_larger_page(self, task: Task) -> bool:
        """Has the page read again with twice as many values; False if PI does not give so many."""
        larger = min(task.max_count * 2, _MAX_PAGE_VALUES)
        if larger == task.max_count or larger >= self._refused_values.get(task.coverage.point_key, larger + 1):
            return False
        task.max_count = larger
        self._unfinished.append(task)
        return True

    def _forward(self, task: Task, page: Page, sent: Sent, now: Moment) -> None:
        owner, coverage = self._owner, task.coverage
        queue, heard, settle = owner.event_queues.of(task.point, now), coverage.heard, owner.rules.settle
        if queue.wants_more(page, heard) and self._again_with_a_larger_page(task):
            return  # what the archive shows up to here does not tell whether it is stuck still
        queue.page(page, heard, coverage.as_of - settle, sent.ticks - settle)
        ranges = coverage.forward_answered(task.read, page, sent.ticks, now.ticks, owner.rules)
        coverage.done()
        self._state(task, ranges, sent, now)
        assert coverage.high is not None
        newest = page.samples[-1] if page.samples and not page.cut else None
        if newest is not None and newest.ticks >= coverage.high and (coverage.snapshot is None or newest.ticks > coverage.snapshot):
            instant = between(page.samples, newest.ticks, None)
            owner.previews([(task.point, instant)], "READ", now)

    def _reread(self, task: Task, page: Page, last: int, sent: Sent, now: Moment) -> None:
        assert task.read.end is not None
        end = last if page.cut else task.read.end
        task.pages.append((task.at, end, page))
        task.sent.append(sent)
        if page.cut:
            task.at = last
            self._unfinished.append(task)
            return
        stated = task.coverage.reread_answered(task.read, task.pages, task.sent[0].ticks, self._owner.rules, self._load.page_values)
        task.coverage.done()
        for ranges, asked in zip(stated, task.sent, strict=True):
            self._state(task, ranges, asked, now)

    # -- what is published --------------------------------------------------------------------------------------------------------

    def _state(self, task: Task, ranges: list[Range], sent: Sent, now: Moment) -> None:
        for stated in ranges:
            while True:
                try:
                    self._publish(task, stated, sent, now)
                except InstantTooLarge as error:
                    self._too_large(task, error, now)
                    task.coverage.left_out(error.ticks)
                    lower = Range(stated.begin, error.ticks, between(stated.samples, stated.begin, error.ticks))
                    self._state(task, [lower], sent, now)
                    stated = Range(error.ticks + 1, stated.end, between(stated.samples, error.ticks + 1, None))
                else:
                    break

    def _publish(self, task: Task, stated: Range, sent: Sent, now: Moment) -> None:
        history = task.read.purpose in (Purpose.BACKFILL, Purpose.AWAY)
        statement = Stated(stated, sent.ticks, sent.clock)
        self._owner.frames.statement(task.point, statement, history, task.read.cause, now.micros, now.seconds)
        if stated.samples:
            self._witnesses.stated(task.point.server)

    def _too_large(self, task: Task, error: InstantTooLarge, now: Moment) -> None:
        key = task.coverage.point_key
        incident_id = f"{self._owner.config.source}-{key}-{error.ticks}-too-large"
        self._owner.incidents.event("VALUE_TOO_LARGE", incident_id, key, error.ticks // 10, now.micros, f"point {key}: {error}")

    def _set_aside(self, task: Task, unreadable: list[Unreadable], now: Moment) -> None:
        for item in unreadable:
            self._owner.dead_letters.add("READ", item.reason, item.content, now.micros, task.coverage.point_key, item.ticks)

    def _archive_away(self, task: Task, now: Moment) -> None:
        if task.coverage.archive_away(task.read, now.ticks, self._owner.rules):
            details = {"begin": pitime.text_of(task.read.begin), "end": pitime.text_of(task.read.end or task.read.begin)}
            self._owner.note("archive away, asked for again in a day", point=task.coverage.point_key, **details)
        task.coverage.done()

    def _failed(self, task: Task, now: Moment) -> None:
        task.coverage.failed(task.read, now.ticks, self._owner.rules)
        task.coverage.done()
        self._owner.agenda.changed(task.coverage.point_key)
