"""What is covered of one point, what has to be read, and what an answer lets us state (design 3.2). Pure: instants are PI's ticks.

A point's coverage is the range [low, high): every event in it has been stated. A forward read moves `high`, a back-fill slice moves `low`
down to the point's start, and hours inside become dirty and are read again.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from schemas.records import Sample
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND, hour_of

MAX_SLICE_FACTOR = 64
"""A back-fill slice grows at most so far beyond its configured length where a point has few events."""


class Purpose(Enum):
    """Why a range is read; the order is the order of urgency."""

    FIRST = 0
    BLIND = 1
    FORWARD = 2
    DIRTY = 3
    START = 4
    """Where back-fill is to end: the event at or before a start that was lowered."""
    BACKFILL = 5

    @property
    def requests(self) -> int:
        """Sub-requests of such a read."""
        return 3 if self is Purpose.FIRST else 2 if self is Purpose.START else 1

    @property
    def looks(self) -> bool:
        """True if single events are asked for, and no range."""
        return self in (Purpose.FIRST, Purpose.START)


@dataclass(frozen=True)
class Rules:
    """Times of design 3.2 and 4, in ticks."""

    settle: int
    seal_previews: int
    seal_min: int
    seal_max: int
    quiet: int
    blind_margin: int
    slice: int
    retry_min: int = 1 * TICKS_PER_SECOND
    retry_max: int = 300 * TICKS_PER_SECOND


class Mark(NamedTuple):
    """A dirty hour: when it was marked (PI's clock), and the incident that did."""

    marked: int
    cause: str | None


@dataclass(frozen=True)
class Read:
    """A range of a point to be read: [begin, end), the end open for a forward read."""

    purpose: Purpose
    begin: int
    end: int | None
    cause: str | None = None


class Page(NamedTuple):
    """One answer: samples in order of time, from `begin` on, and whether it was cut at the page limit."""

    samples: list[Sample]
    unreadable: list[int]
    """Instants at which an item could not be understood."""
    cut: bool


class Range(NamedTuple):
    """What may be stated: in [begin, end) the point has exactly these samples."""

    begin: int
    end: int
    samples: list[Sample]


def ticks_of(sample: Sample) -> int:
    """Instant of a sample in ticks."""
    return sample["event_time"] * 10 + sample["ticks"]


@dataclass
class Retry:
    """When a read that failed may be tried again: later and later."""

    failures: int = 0
    not_before: int = 0

    def failed(self, now: int, rules: Rules) -> None:
        """Doubles the pause."""
        self.failures += 1
        self.not_before = now + min(rules.retry_min << min(self.failures - 1, 30), rules.retry_max)

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self.failures = self.not_before = 0


@dataclass
class PointCoverage:
    """Coverage of one point, changed by previews, marks and answers; asks for reads by `owed` and `next_read`."""

    point_key: str
    start: int
    """Back-fill reaches down to here; the first read moves it to the event at or before it."""
    low: int | None = None
    high: int | None = None
    """Both None until the first read."""
    first_event: int | None = None
    """The event at or before the start, as last found: it vouches for the archive."""
    as_of: int = 0
    """PI's clock when the newest forward read was sent."""
    snapshot: int | None = None
    """Newest preview published."""
    dirty: dict[int, Mark] = field(default_factory=dict)
    lowered: int | None = None
    """A start below the present one, from which back-fill is to go on as soon as the event at or before it is known."""
    blind: tuple[int, str | None] | None = None
    """A forward read sent at or after this instant is owed to an incident."""
    in_flight: Read | None = None
    unheard: bool = False
    """No channel will tell of it: it is not known to be quiet, so it is read as often as a point with previews."""
    _open: list[tuple[int, int]] = field(default_factory=list)
    """Previews that the archive has not been read for: the instant of each, and when it came."""
    _read_on: bool = False
    """The last forward page was cut: more is there."""
    _slice_factor: int = 1
    _forward_retry: "Retry" = field(default_factory=lambda: Retry())
    _reread_retry: "Retry" = field(default_factory=lambda: Retry())
    """Apart, so that an archive that is not there for old data does not hold up the newest."""

    # -- what happens -------------------------------------------------------------------------------------------------------------

    def preview(self, ticks: int, now: int) -> bool:
        """Takes note of a live value; True if it made an hour dirty, being older than the covered end."""
        if self.snapshot is None or ticks > self.snapshot:
            self.snapshot = ticks
        if self.high is None or ticks >= self.high:
            self._open.append((ticks, now))
            return False
        if ticks < self.start:
            return False
        self.mark(hour_of(ticks), now, None)
        return True

    def mark(self, hour: int, now: int, cause: str | None) -> None:
        """Makes an hour dirty. The later of two marks holds; the incident of an earlier one stays unless there is a newer incident."""
        earlier = self.dirty.get(hour, Mark(now, None))
        self.dirty[hour] = Mark(max(now, earlier.marked), earlier.cause if cause is None else cause)

    def blinded(self, begin: int, end: int, now: int, cause: str | None, margin: int) -> set[str]:
        """Nothing was heard of the point in [begin, end]: the hours from `margin` before it on, and a forward read, are owed.

        Answers the incidents whose debts this one takes over: they are mended when it is.
        """
        before = self._creditors()
        if self.blind is not None:
            end, cause = max(end, self.blind[0]), cause if cause is not None else self.blind[1]
        self.blind = (end, cause)
        if self.low is not None and self.high is not None:
            # Below `low` too: back-fill may come there before PI has archived what came last.
            first, last = max(begin - margin, min(self.start, self.low)), min(end, self.high - 1)
            if first <= last:
                self._mark_hours(first, last, now, cause)
        return before - self._creditors()

    def _creditors(self) -> set[str]:
        """Incidents that a read of this point is owed to."""
        causes = [mark.cause for mark in self.dirty.values()] + ([] if self.blind is None else [self.blind[1]])
        return {cause for cause in causes if cause is not None}

    def _mark_hours(self, first: int, last: int, now: int, cause: str | None) -> None:
        for hour in range(hour_of(first), hour_of(last) + 1):
            self.mark(hour, now, cause)

    def rescan(self, first: int, last: int, marked: int, cause: str) -> int:
        """Has the covered hours in [first, last) read again, as of `marked` and settle at least; answers how many there are.

        The cause of an incident stays: what it hid is made good by the same read.
        """
        hours = self.covered_hours(first, last)
        for hour in hours:
            earlier = self.dirty.get(hour)
            self.mark(hour, marked, cause if earlier is None or earlier.cause is None else None)
        return len(hours)

    def covered_hours(self, first: int, last: int) -> range:
        """The hours in [first, last) of which something is covered."""
        if self.low is None or self.high is None or self.low >= self.high:
            return range(0)
        return range(max(first, hour_of(self.low)), min(last, hour_of(self.high - 1) + 1))

    def lower(self, start: int) -> None:
        """Has back-fill reach down to `start`, if it does not anyway."""
        if self.low is None:
            self.start = min(self.start, start)
        elif start < self.start:
            self.lowered = start if self.lowered is None else min(start, self.lowered)

    # -- what to do ---------------------------------------------------------------------------------------------------------------

    def owed(self, rules: Rules) -> list[tuple[Purpose, int]]:
        """Which reads are owed, the most urgent first, and when (PI's ticks) each falls due unless something happens before.

        None while one is in flight, for ranges in flight must not overlap.
        """
        if self.in_flight is not None:
            return []
        not_before = self._forward_retry.not_before
        if self.low is None or self.high is None:
            return [(Purpose.FIRST, not_before)]
        owed = [(Purpose.FORWARD, max(not_before, self._forward_due(rules)))]
        if self.blind is not None:
            owed.insert(0, (Purpose.BLIND, max(not_before, self.blind[0] + rules.settle)))
        not_before = self._reread_retry.not_before
        if self.dirty and (marked := [mark.marked for hour, mark in self.dirty.items() if self._covers_some_of(hour)]):
            owed.append((Purpose.DIRTY, max(not_before, min(marked) + rules.settle)))
        if self.lowered is not None:
            owed.append((Purpose.START, not_before))
        if self.low > self.start:
            owed.append((Purpose.BACKFILL, not_before))
        return owed

    def next_read(self, now: int, rules: Rules) -> Read | None:
        """The most urgent read that is due, or None."""
        purpose = next((purpose for purpose, due in self.owed(rules) if due <= now), None)
        match purpose:
            case None:
                return None
            case Purpose.FIRST:
                return Read(purpose, self.start, None)
            case Purpose.BLIND:
                assert self.blind is not None
                return Read(purpose, self._known(self.high), None, self.blind[1])
            case Purpose.FORWARD:
                return Read(purpose, self._known(self.high), None)
            case Purpose.DIRTY:
                return self._dirty_read(now, rules)
            case Purpose.START:
                return Read(purpose, self._known(self.lowered), None)
            case Purpose.BACKFILL:
                low = self._known(self.low)
                return Read(purpose, max(self.start, low - rules.slice * self._slice_factor), low)

    @staticmethod
    def _known(end: int | None) -> int:
        assert end is not None
        return end

    def _forward_due(self, rules: Rules) -> int:
        if self._read_on or self.as_of == 0:
            return 0
        due = self.as_of + (min(rules.seal_max, rules.quiet) if self.unheard else rules.quiet)
        if self._open:
            due = min(due, self.as_of + rules.seal_max)
        return min(due, self.as_of + rules.seal_min) if len(self._open) >= rules.seal_previews else due

    def _covers_some_of(self, hour: int) -> bool:
        return hour * TICKS_PER_HOUR < self._known(self.high) and (hour + 1) * TICKS_PER_HOUR > self._known(self.low)

    def _dirty_read(self, now: int, rules: Rules) -> Read:
        """The newest hour whose mark has settled."""
        hour = max(hour for hour, mark in self.dirty.items() if now >= mark.marked + rules.settle and self._covers_some_of(hour))
        begin, end = max(hour * TICKS_PER_HOUR, self._known(self.low)), min((hour + 1) * TICKS_PER_HOUR, self._known(self.high))
        return Read(Purpose.DIRTY, begin, end, self.dirty[hour].cause)

    def sent(self, read: Read) -> None:
        """The read is on its way; the caller ends it by `done`, whatever becomes of it."""
        self.in_flight = read

    def done(self) -> None:
        """No read is on its way any more."""
        self.in_flight = None

    # -- what an answer means -----------------------------------------------------------------------------------------------------

    def first_answered(self, snapshot: int | None, before_start: int | None, settled: int | None, sent: int, rules: Rules) -> None:
        """Takes the first look: times of the snapshot, of the event at or before the start, of the newest settled one; None: there is none.

        Coverage begins, empty, at the last full hour that is settled, but not above the newest settled event, for the same reason as a
        forward read ends there. Late previews below it make their hours dirty: back-fill may come there before PI has archived them. So
        does what came unheard before a channel was opened.
        """
        anchor = (sent - rules.settle) // TICKS_PER_HOUR * TICKS_PER_HOUR
        anchor = min(anchor, self.start if settled is None else settled, anchor if snapshot is None else snapshot)
        self.low = self.high = anchor
        self.start = min(self.start if before_start is None else before_start, anchor)
        self.first_event = before_start
        for ticks, came in self._open:
            if self.start <= ticks < anchor:
                self.mark(hour_of(ticks), came, None)
        self._open = [(ticks, came) for ticks, came in self._open if ticks >= anchor]
        if self.blind is not None and self.start < anchor:
            self._mark_hours(max(self.start, anchor - rules.blind_margin), anchor - 1, *self.blind)
        self._forward_retry.succeeded()

    def start_answered(self, read: Read, event: int | None) -> None:
        """Takes the time of the event at or before a start that was lowered; None: there is none. Back-fill reaches down to it."""
        self.start = min(self.start, read.begin if event is None else event)
        self.first_event = self.first_event if event is None else event
        if self.lowered is not None and self.lowered >= read.begin:
            self.lowered = None
        self._reread_retry.succeeded()

    def forward_answered(self, read: Read, page: Page, sent: int, now: int, rules: Rules) -> list[Range]:
        """What a forward page states; moves `high` to an item of the answer: the next read starts at it.

        It is the newest item that is settled and older than all that came less than settle before the request was sent, or since: that may
        be missing in the answer, and so may the event before it, however old, being on its way from the snapshot into the archive. An item
        of which no preview told counts as such, if it is the last. What lies before an older item that the archive shows has got there.
        All hours of the answer become dirty if the point was blind up to less than settle before.
        """
        times = [*map(ticks_of, page.samples), *page.unreadable]
        newest, settled = max(times, default=read.begin), sent - rules.settle
        end = self._sure_end(read.begin, page, settled)
        more = page.cut and newest < settled
        self.high, self._read_on = end, more and end > read.begin
        if self.blind is not None and settled < self.blind[0] and read.begin < end:
            self._mark_hours(read.begin, end - 1, *self.blind)
        if not more:
            self.as_of = sent
            if self.blind is not None and settled >= self.blind[0]:
                self.blind = None
        self._open = [(ticks, came) for ticks, came in self._open if ticks >= end and not (ticks == newest == end and came <= settled)]
        if more and not self._read_on:
            self._forward_retry.failed(now, rules)  # the next page begins where this one did, until what is on its way has arrived
        else:
            self._forward_retry.succeeded()
        return cut_around(read.begin, end, page)

    def too_short(self, read: Read, page: Page, sent: int, rules: Rules) -> bool:
        """True if a forward page ends before it says anything that may be stated, and a longer one would: few instants fill it."""
        settled = sent - rules.settle
        if not page.cut or not page.samples or ticks_of(page.samples[-1]) >= settled:
            return False
        return self._young(settled) is None and self._sure_end(read.begin, page, settled) == read.begin

    def _sure_end(self, begin: int, page: Page, settled: int) -> int:
        """The newest instant of the page that is settled and before which nothing can be missing; `begin` if there is none."""
        young, times = self._young(settled), [*map(ticks_of, page.samples), *page.unreadable]
        newest = ticks_of(page.samples[-1]) if page.samples else begin
        if (self.snapshot is None or newest > self.snapshot) and newest == max(times, default=begin):
            young = newest if young is None else min(young, newest)
        return max([begin, *(ticks for ticks in times if ticks <= settled and (young is None or ticks < young))])

    def _young(self, settled: int) -> int | None:
        """The oldest instant of the previews that came after `settled`; None if none did."""
        return min((ticks for ticks, came in self._open if came > settled), default=None)

    def reread_answered(
        self, read: Read, pages: list[tuple[int, int, Page]], sent: int, rules: Rules, page_values: int
    ) -> list[list[Range]]:
        """What the pages of a re-read or back-fill slice state, each `(begin, end, page)`: the whole of the requested range.

        `sent` is when the first of the pages was asked for. Clears the marks of hours that were read whole, if it was sent late enough.
        """
        assert read.end is not None
        if read.purpose is Purpose.BACKFILL:
            self.low = read.begin
            count = sum(len(page.samples) for _, _, page in pages)
            grow, shrink = count < page_values // 4, count > page_values
            self._slice_factor = min(self._slice_factor * 2, MAX_SLICE_FACTOR) if grow else max(self._slice_factor // (1 + shrink), 1)
        for hour, mark in list(self.dirty.items()):
            begin, end = max(hour * TICKS_PER_HOUR, self.low or 0), min((hour + 1) * TICKS_PER_HOUR, self.high or 0)
            if read.begin <= begin and end <= read.end and sent >= mark.marked + rules.settle:
                del self.dirty[hour]
        self._reread_retry.succeeded()
        return [cut_around(begin, end, page) for begin, end, page in pages]

    def failed(self, read: Read, now: int, rules: Rules) -> None:
        """The read got no answer: it stays due, later and later."""
        backwards = read.end is not None or read.purpose is Purpose.START
        (self._reread_retry if backwards else self._forward_retry).failed(now, rules)

    def owes(self, incident_id: str) -> bool:
        """True while a forward read or a dirty hour that an incident asked for is outstanding."""
        return incident_id in self._creditors()


def cut_around(begin: int, end: int, page: Page) -> list[Range]:
    """The page's samples in [begin, end) as ranges that leave out the instants that could not be understood."""
    holes = sorted({ticks for ticks in page.unreadable if begin <= ticks < end})
    ranges = []
    for low, high in zip([begin, *(hole + 1 for hole in holes)], [*holes, end], strict=True):
        if low < high or not holes:
            ranges.append(Range(low, high, [s for s in page.samples if low <= ticks_of(s) < high]))
    return ranges
