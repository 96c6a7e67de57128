"""A shard's reads of the archive: which go out together, how pages follow one another, what their answers state (design 3.2, 4)."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from bridge import batch
from bridge.coverage import Page, PointCoverage, Purpose, Range, Read, ticks_of
from bridge.errors import BridgeError, PIRefused, PIUnavailable, PIUnreadable
from bridge.frame import InstantTooLarge, Stated
from bridge.normalise import Unreadable
from bridge.urgency import most_urgent
from schemas.records import Point

if TYPE_CHECKING:
    from bridge.shard import Shard

log = structlog.get_logger("bridge.reading")
_IDLE_SECONDS = 0.25
_MAX_PAGE_VALUES = 150_000
"""PI Web API's default limit for what one call returns (pi-web-api.md 2.5)."""


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

    def resources(self, base: str, name: str, now: int) -> dict[str, str]:
        """The sub-requests of the next page, by key."""
        web_id = self.point["web_id"]
        if self.read.purpose is Purpose.FIRST:
            return {name + "s": batch.snapshot(base, web_id), name + "b": batch.at_or_before(base, web_id, self.read.begin)}
        self.asked_to = now + batch.AHEAD if self.read.end is None else self.read.end
        return {name: batch.recorded(base, web_id, self.at, self.asked_to, self.max_count)}


class Reading:
    """Reads what is due, the most urgent first, a batch at a time; pages of one read follow one another until its range is whole."""

    def __init__(self, shard: "Shard") -> None:
        self._shard = shard
        self._unfinished: list[Task] = []

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            tasks = [] if self._shard.overloaded() else self._due()
            if tasks:
                await self._round(tasks)
            else:
                await asyncio.sleep(_IDLE_SECONDS)

    def _due(self) -> list[Task]:
        shard, limit = self._shard, self._shard.world.config.pi.load.batch_points
        tasks, self._unfinished = self._unfinished[:limit], self._unfinished[limit:]
        points = (shard.covering(point) for point in shard.points.values())
        for coverage, read in most_urgent(points, shard.world.pi.now(), shard.rules, limit - len(tasks)):
            coverage.sent(read)
            tasks.append(Task(coverage, shard.points[coverage.point_key], read, read.begin, shard.world.config.pi.load.page_values))
        return tasks

    async def _round(self, tasks: list[Task]) -> None:
        """Sends one batch and takes its answers."""
        pi = self._shard.world.pi
        sent = Sent(pi.now(), self._shard.state.take_clock())
        named = {str(at): task.resources(pi.base, str(at), sent.ticks) for at, task in enumerate(tasks)}
        try:
            answers = await pi.batch({key: address for resources in named.values() for key, address in resources.items()})
        except (PIUnavailable, PIRefused, PIUnreadable) as error:
            log.warning("batch failed", shard=self._shard.number, reads=len(tasks), reason=str(error))
            for task in tasks:
                self._failed(task)
            return
        except asyncio.CancelledError:
            for task in tasks:
                task.coverage.done()
            raise
        for at, task in enumerate(tasks):
            self._answered(task, [answers[key] for key in named[str(at)]], sent)

    def _answered(self, task: Task, contents: list[Any], sent: Sent) -> None:
        shard = self._shard
        try:
            for content in contents:
                if isinstance(content, BridgeError):
                    raise content
            if task.read.purpose is Purpose.FIRST:
                self._first(task, contents, sent)
            else:
                self._page(task, contents[0], sent)
        except (PIUnavailable, PIRefused, PIUnreadable) as error:
            if isinstance(error, PIUnreadable):
                self._set_aside(task, [Unreadable(str(error), json.dumps(contents).encode(), error.ticks)])
            log.warning("read failed", shard=shard.number, point=task.coverage.point_key, purpose=task.read.purpose.name, reason=str(error))
            self._failed(task)
        shard.changed(task.coverage.point_key)

    def _first(self, task: Task, contents: list[Any], sent: Sent) -> None:
        snapshot, before = (batch.single_time(content, task.point["point_type"]) for content in contents)
        task.coverage.first_answered(snapshot, before, sent.ticks, self._shard.rules)
        task.coverage.done()

    def _page(self, task: Task, content: Any, sent: Sent) -> None:
        page, unreadable = batch.page_of(content, task.at, task.read.end, task.asked_to, task.max_count, task.point["point_type"])
        self._shard.world.monitoring.metrics.read(task.read.purpose, len(page.samples))
        self._set_aside(task, unreadable)
        last = max([*map(ticks_of, page.samples), *page.unreadable], default=task.at)
        if page.cut and last <= task.at:  # one instant fills the page: a larger one is needed (trap 23)
            if task.max_count >= _MAX_PAGE_VALUES:
                raise PIUnavailable(f"more than {task.max_count} values at one instant")
            task.max_count = min(task.max_count * 2, _MAX_PAGE_VALUES)
            self._unfinished.append(task)
        elif task.read.end is None:
            self._forward(task, page, sent)
        else:
            self._reread(task, page, last, sent)

    def _forward(self, task: Task, page: Page, sent: Sent) -> None:
        shard, coverage = self._shard, task.coverage
        ranges = coverage.forward_answered(task.read, page, sent.ticks, shard.world.pi.now(), shard.rules)
        coverage.done()
        self._state(task, ranges, sent)
        assert coverage.high is not None
        newest = page.samples[-1] if page.samples and not page.cut else None
        if newest is not None and ticks_of(newest) >= coverage.high and (coverage.snapshot is None or ticks_of(newest) > coverage.snapshot):
            instant = [sample for sample in page.samples if ticks_of(sample) == ticks_of(newest)]
            shard.preview(task.point, instant, "READ", shard.world.now_micros(), shard.world.pi.now())

    def _reread(self, task: Task, page: Page, last: int, sent: Sent) -> None:
        assert task.read.end is not None
        end = last if page.cut else task.read.end
        task.pages.append((task.at, end, page))
        task.sent.append(sent)
        if page.cut:
            task.at = last
            self._unfinished.append(task)
            return
        limit = self._shard.world.config.pi.load.page_values
        stated = task.coverage.reread_answered(task.read, task.pages, task.sent[0].ticks, self._shard.rules, limit)
        task.coverage.done()
        for ranges, asked in zip(stated, task.sent, strict=True):
            self._state(task, ranges, asked)

    def _state(self, task: Task, ranges: list[Range], sent: Sent) -> None:
        shard, history = self._shard, task.read.purpose is Purpose.BACKFILL
        named = shard.named(task.point)
        for stated in ranges:
            while True:
                try:
                    shard.frames.statement(
                        named, Stated(stated, sent.ticks, sent.clock), history, task.read.cause, shard.world.now_micros(), time.monotonic()
                    )
                except InstantTooLarge as error:
                    self._too_large(task, error)
                    lower = Range(stated.begin, error.ticks, [s for s in stated.samples if ticks_of(s) < error.ticks])
                    self._state(task, [lower], sent)
                    stated = Range(error.ticks + 1, stated.end, [s for s in stated.samples if ticks_of(s) > error.ticks])
                else:
                    break

    def _too_large(self, task: Task, error: InstantTooLarge) -> None:
        shard, key = self._shard, task.coverage.point_key
        incident_id = f"{shard.world.config.source}-{key}-{error.ticks}-too-large"
        shard.incidents.event("VALUE_TOO_LARGE", incident_id, key, error.ticks // 10, shard.world.now_micros(), f"point {key}: {error}")

    def _set_aside(self, task: Task, unreadable: list[Unreadable]) -> None:
        now_micros = self._shard.world.now_micros()
        for item in unreadable:
            self._shard.dead_letters.add("READ", item.reason, item.content, now_micros, task.coverage.point_key, item.ticks)

    def _failed(self, task: Task) -> None:
        task.coverage.failed(task.read, self._shard.world.pi.now(), self._shard.rules)
        task.coverage.done()
