"""Coverage against a toy of PI: whatever comes when, in the end the statements say what the archive holds.

The toy keeps PI's rules (pi-web-api.md 8.2): the newest event is a snapshot, which compression may discard when the next one comes; late
events wait in a queue for up to settle before reads show them; channels tell of both, a little later, unless the point is blind.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import batch
from bridge.coverage import PointCoverage
from bridge.ranges import Page, Range, ticks_of
from bridge.rules import Purpose, Read, Rules
from tests.unit.bridge.world import HOUR, MINUTE, SECOND, at, item

RULES = Rules(
    settle=2 * MINUTE,
    seal_previews=3,
    seal_min=1 * MINUTE,
    seal_max=10 * MINUTE,
    quiet=30 * MINUTE,
    blind_margin=HOUR,
    slice=25 * MINUTE,
    retry_max=60 * SECOND,
)
START, FIRST_LOOK, END = at("00:10"), at("02:00"), at("05:00")
STEP = 10 * SECOND
FAILING_REQUESTS = 40
"""After so many requests PI is well: a failure at each second page would keep a read from ever ending."""


class Event(NamedTuple):
    """An event at PI: when it happened, came, and can be read; whether compression keeps it."""

    ticks: int
    came: int
    readable: int
    kept: bool
    number: int


@dataclass
class ToyPI:
    """One point's archive and snapshot."""

    events: list[Event]

    def visible(self, now: int) -> list[Event]:
        """What a read sees, in order of time and of coming."""
        there = [e for e in self.events if e.readable <= now]
        newest = max((e for e in there), key=lambda e: (e.ticks, e.came, e.number), default=None)
        return sorted((e for e in there if e.kept or e is newest), key=lambda e: (e.ticks, e.came, e.number))

    def recorded(self, begin: int, end: int, max_count: int, now: int) -> dict[str, Any]:
        """Answer to a read in whole seconds around the range, both ends included."""
        first, last = begin // SECOND * SECOND, -(-end // SECOND) * SECOND
        found = [e for e in self.visible(now) if first <= e.ticks <= last]
        return {"Items": [item(e.ticks, float(e.number)) for e in found[:max_count]]}


@dataclass
class Flight:
    """A request on its way."""

    read: Read
    at: int
    max_count: int
    sent: int
    clock: int
    lands: int
    content: dict[str, Any]
    pages: list[tuple[int, int, Page]] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)
    asked_to: int = 0


class Statement(NamedTuple):
    """A range as stated, with what decides which statement holds."""

    as_of_clock: int
    clock: int
    range: Range


class World:
    """A point, its coverage, and the loop that reads: as thin as the bridge's own."""

    def __init__(self, pi: ToyPI, previews: list[tuple[int, int]], blind: list[tuple[int, int]], page: int, trips: list[int]) -> None:
        self.pi, self.page = pi, page
        self.previews = sorted(previews)
        self.blind_ends = sorted(blind, key=lambda interval: interval[1])
        self.trips = trips
        self.point = PointCoverage("main:1", START)
        self.statements: list[Statement] = []
        self.flight: Flight | None = None
        self.clock = 0
        self.requests = 0

    def run(self, until: int) -> None:
        """Lets time pass."""
        now = FIRST_LOOK
        while now < until:
            while self.previews and self.previews[0][0] <= now:
                came, ticks = self.previews.pop(0)
                self.point.preview(ticks, came)
                self.clock += 1
            while self.blind_ends and self.blind_ends[0][1] <= now:
                begin, end = self.blind_ends.pop(0)
                self.point.blinded(begin, end, now, f"blind-{end}", RULES.blind_margin)
            if self.flight is not None and self.flight.lands <= now:
                self.land(self.flight, now)
            if self.flight is None and (read := self.point.next_read(now, RULES)) is not None:
                self.point.sent(read)
                self.send(Flight(read, read.begin, self.page, 0, 0, 0, {}), now)
            now += STEP

    def send(self, flight: Flight, now: int) -> None:
        """Asks for the next page; the answer is what the archive holds at this moment."""
        trip = self.trips[self.requests % len(self.trips)]
        if self.requests >= FAILING_REQUESTS:
            trip = abs(trip)
        self.requests += 1
        self.clock += 1
        flight.sent, flight.clock, flight.lands = now, self.clock, now + abs(trip) * SECOND
        flight.asked_to = now + batch.AHEAD if flight.read.end is None else flight.read.end
        flight.content = {} if trip < 0 else self.pi.recorded(flight.at, flight.asked_to, flight.max_count, now)
        if flight.read.purpose is Purpose.FIRST and trip >= 0:
            seen = [e.ticks for e in self.pi.visible(now)]
            flight.content = {
                "snapshot": max(seen, default=None),
                "before": max((t for t in seen if t <= START), default=None),
                "settled": max((t for t in seen if t <= now - RULES.settle), default=None),
            }
        self.flight = flight

    def land(self, flight: Flight, now: int) -> None:
        """Takes an answer, as the bridge does."""
        self.flight = None
        if not flight.content:
            self.point.failed(flight.read, now, RULES)
            self.point.done()
        elif flight.read.purpose is Purpose.FIRST:
            content = flight.content
            if content["snapshot"] is not None and content["settled"] is None:
                self.point.failed(flight.read, now, RULES)
            else:
                self.point.first_answered(content["snapshot"], content["before"], content["settled"], flight.sent, RULES)
            self.point.done()
        else:
            self.take(
                flight, batch.page_of(flight.content, flight.at, flight.read.end, flight.asked_to, flight.max_count, "Float64")[0], now
            )

    def take(self, flight: Flight, page: Page, now: int) -> None:
        """Takes a page: a forward page is stated at once, a re-read when its last page came."""
        last = max(map(ticks_of, page.samples), default=flight.at)
        forward = flight.read.end is None
        if page.cut and (last <= flight.at or (forward and self.point.too_short(flight.read, page, flight.sent, RULES))):
            flight.max_count *= 2
            self.send(flight, now)
        elif flight.read.end is None:
            self.state(self.point.forward_answered(flight.read, page, flight.sent, now, RULES), flight.clock)
            self.point.done()
            if page.samples and not page.cut and (self.point.snapshot is None or last > self.point.snapshot):
                self.point.preview(last, now)
        else:
            flight.pages.append((flight.at, last if page.cut else flight.read.end, page))
            flight.asked.append((flight.sent, flight.clock))
            if page.cut:
                flight.at = last
                self.send(flight, now)
                return
            stated = self.point.reread_answered(flight.read, flight.pages, flight.asked[0][0], RULES, self.page)
            self.point.done()
            for ranges, (_, clock) in zip(stated, flight.asked, strict=True):
                self.state(ranges, clock)

    def state(self, ranges: list[Range], as_of_clock: int) -> None:
        """Publishes statements."""
        for stated in ranges:
            self.clock += 1
            self.statements.append(Statement(as_of_clock, self.clock, stated))

    def holding(self, ticks: int) -> Statement | None:
        """The statement that holds at an instant."""
        return max(
            (s for s in self.statements if s.range.begin <= ticks < s.range.end), default=None, key=lambda s: (s.as_of_clock, s.clock)
        )


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], list[tuple[int, int]], list[tuple[int, int]]]:
    """Events, the previews that channels tell of, and the intervals in which they tell nothing."""
    tenths = st.integers(0, (END - START) // SECOND * 10)
    live = sorted(START + t * SECOND // 10 for t in draw(st.lists(tenths, min_size=1, max_size=25)))
    made: list[Event] = []
    for ticks in live:  # ordinary events, runs of them at one instant, come at once and can be read at once
        for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
            came = ticks + draw(st.integers(0, 5)) * SECOND
            made.append(Event(ticks, came, came, draw(st.booleans()), len(made)))
    blind: list[tuple[int, int]] = []
    for begin_minute, minutes in draw(st.lists(st.tuples(st.integers(0, 170), st.integers(1, 40)), max_size=2)):
        begin = FIRST_LOOK + begin_minute * MINUTE
        blind.append((begin, begin + minutes * MINUTE))
    any_time = st.integers(FIRST_LOOK // SECOND, END // SECOND)
    ends = [st.integers(end // SECOND - 110, end // SECOND) for _, end in blind]  # what comes unheard, just before a channel hears again
    little, much, very_much = st.integers(1, 50), st.integers(121, 900), st.integers(121, 3600)
    for came_second in draw(st.lists(st.one_of(any_time, *ends), max_size=10)):
        late_seconds = draw(st.one_of(little, much, very_much))
        came = came_second * SECOND
        queued = draw(st.integers(0, 119 if late_seconds > 120 else 60)) * SECOND
        made.append(Event(max(START, came - late_seconds * SECOND), came, came + queued, True, len(made)))
    heard = [e for e in made if e.came >= FIRST_LOOK and not any(begin <= e.came <= end for begin, end in blind)]
    previews = [(e.came + draw(st.integers(0, 3)) * SECOND, e.ticks) for e in heard]
    return made, previews, blind


@given(histories(), st.sampled_from([2, 3, 5, 1000]), st.lists(st.sampled_from([0, 1, 15, 40, 90, -5]), min_size=1, max_size=7))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_in_the_end_the_statements_that_hold_say_what_the_archive_holds(
    history: tuple[list[Event], list[tuple[int, int]], list[tuple[int, int]]], page: int, trips: list[int]
) -> None:
    events, previews, blind = history
    pi = ToyPI(events)
    world = World(pi, previews, blind, page, trips)
    until = END + 6 * HOUR
    world.run(until)

    point, archive = world.point, pi.visible(until)
    assert point.low is not None
    assert point.high is not None
    assert point.low == point.start <= START
    assert not point.dirty
    assert point.blind is None
    assert point.high == archive[-1].ticks  # the snapshot, which is not stated; all below it is

    borders = {s.range.begin for s in world.statements} | {s.range.end for s in world.statements} | {point.low}
    assert all(world.holding(border) is not None for border in borders if point.low <= border < point.high)
    stated: dict[int, list[float | None]] = {}
    for ticks in {ticks_of(sample) for s in world.statements for sample in s.range.samples} | {e.ticks for e in archive}:
        if point.low <= ticks < point.high:
            holding = world.holding(ticks)
            assert holding is not None
            if found := [sample.number for sample in holding.range.samples if ticks_of(sample) == ticks]:
                stated[ticks] = found
    expected: dict[int, list[float | None]] = {}
    for event in archive:
        if point.low <= event.ticks < point.high:
            expected.setdefault(event.ticks, []).append(float(event.number))
    assert stated == expected
