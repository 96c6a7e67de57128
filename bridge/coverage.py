"""What is covered of one point, what has to be read, and what an answer lets us state (design 3.2). Pure: instants are PI's ticks.

A point's coverage is the range [low, high): every event in it has been stated, but for ranges whose archive was away. A forward read moves
`high`, a back-fill slice moves `low` down to the point's start; inside, hours become dirty, and all of it is read again at some ages.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from bridge.away import Aways
from bridge.ranges import Page as Page
from bridge.ranges import Range as Range
from bridge.ranges import cut_around as cut_around
from bridge.ranges import ticks_of as ticks_of
from bridge.sums import Sums
from bridge.watermarks import Age, Watermarks
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND, hour_of

MAX_SLICE_FACTOR = 64
"""A back-fill slice grows at most so far beyond its configured length where a point has few events."""


class Purpose(Enum):
    """Why a range is read; the order is the order of urgency."""

    FIRST = 0
    BLIND = 1
    FORWARD = 2
    DIRTY = 3
    BACKFILL = 4
    AWAY = 5
    AGED = 6


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
    ages: tuple[Age, ...] = ()
    """When data is read once more."""
    away_retry: int = 24 * TICKS_PER_HOUR
    """When a range whose archive was away is asked for again."""
    retry_min: int = 1 * TICKS_PER_SECOND
    retry_max: int = 300 * TICKS_PER_SECOND
    away_failures: int = 8
    """So many answers in a row that the archive is away set the range aside."""


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
    """Coverage of one point, changed by previews, marks and answers; asks for reads by `next_read`."""

    point_key: str
    start: int
    """Back-fill reaches down to here; the first read moves it to the event at or before it."""
    low: int | None = None
    high: int | None = None
    """Both None until the first read."""
    as_of: int = 0
    """PI's clock when the newest forward read was sent."""
    snapshot: int | None = None
    """Newest preview published."""
    dirty: dict[int, Mark] = field(default_factory=dict)
    blind: tuple[int, str | None] | None = None
    """A forward read sent at or after this instant is owed to an incident."""
    watermarks: Watermarks = field(default_factory=Watermarks)
    sums: Sums = field(default_factory=Sums)
    aways: Aways = field(default_factory=Aways)
    archived_until: int | None = None
    """While the event queue of its data server is stuck, nothing that came later than this is taken for archived."""
    in_flight: Read | None = None
    unheard: bool = False
    """No channel will tell of it: it is not known to be quiet, so it is read as often as a point with previews."""
    _open: list[tuple[int, int]] = field(default_factory=list)
    """Previews that the archive has not been read for: the instant of each, and when it came."""
    _found: int | None = None
    """The newest of these that a read found: when it came is not known."""
    _read_on: bool = False
    """The last forward page was cut: more is there."""
    _slice_factor: int = 1
    _forward_retry: "Retry" = field(default_factory=lambda: Retry())
    _reread_retry: "Retry" = field(default_factory=lambda: Retry())
    """Apart, so that an archive that is not there for old data does not hold up the newest."""

    # -- what happens -------------------------------------------------------------------------------------------------------------

    def preview(self, ticks: int, now: int, heard: bool = True) -> bool:
        """Takes note of a live value; True if it made an hour dirty, being older than the covered end. `heard`: a channel told of it."""
        if self.snapshot is None or ticks > self.snapshot:
            self.snapshot = ticks
        if self.high is None or ticks >= self.high:
            self._open.append((ticks, now))
            self._found = self._found if heard else ticks
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
        causes = {mark.cause for mark in self.dirty.values()} | self.aways.causes | ({self.blind[1]} if self.blind is not None else set())
        return {cause for cause in causes if cause is not None}

    def _mark_hours(self, first: int, last: int, now: int, cause: str | None) -> None:
        for hour in range(hour_of(first), hour_of(last) + 1):
            self.mark(hour, now, cause)

    # -- what to do ---------------------------------------------------------------------------------------------------------------

    def next_read(self, now: int, rules: Rules) -> Read | None:
        """The most urgent read that is due, or None; nothing while one is in flight, for ranges in flight must not overlap."""
        if self.in_flight is not None:
            return None
        if now >= self._forward_retry.not_before and (read := self._forward_read(now, rules)) is not None:
            return read
        if now >= self._reread_retry.not_before and self.low is not None:
            return self._dirty_read(now, rules) or self._backfill_read(rules) or self._away_read(now, rules) or self._aged_read(now, rules)
        return None

    @property
    def heard(self) -> list[tuple[int, int]]:
        """Time and arrival of the previews that channels told of, and for which the archive has not been read."""
        return [preview for preview in self._open if preview[0] != self._found]

    def _settled(self, now: int, rules: Rules) -> int:
        """What came up to this instant is in the archive that is asked at `now`."""
        settled = now - rules.settle
        return settled if self.archived_until is None else min(settled, self.archived_until)

    def _forward_read(self, now: int, rules: Rules) -> Read | None:
        if self.high is None:
            return Read(Purpose.FIRST, self.start, None)
        if self.blind is not None and self._settled(now, rules) >= self.blind[0]:
            return Read(Purpose.BLIND, self.high, None, self.blind[1])
        return Read(Purpose.FORWARD, self.high, None) if self._forward_due(now, rules) else None

    def _forward_due(self, now: int, rules: Rules) -> bool:
        since = now - self.as_of
        if self._read_on or self.as_of == 0 or since >= (min(rules.seal_max, rules.quiet) if self.unheard else rules.quiet):
            return True
        return (len(self._open) >= rules.seal_previews and since >= rules.seal_min) or (bool(self._open) and since >= rules.seal_max)

    def _dirty_read(self, now: int, rules: Rules) -> Read | None:
        assert self.low is not None
        assert self.high is not None
        settled = self._settled(now, rules)
        for hour in sorted(self.dirty, reverse=True):
            mark = self.dirty[hour]
            begin, end = max(hour * TICKS_PER_HOUR, self.low), min((hour + 1) * TICKS_PER_HOUR, self.high)
            if begin < end and settled >= mark.marked:
                return Read(Purpose.DIRTY, begin, end, mark.cause)
        return None

    def _backfill_read(self, rules: Rules) -> Read | None:
        assert self.low is not None
        if self.low <= self.start:
            return None
        return Read(Purpose.BACKFILL, max(self.start, self.low - rules.slice * self._slice_factor), self.low)

    def _aged_read(self, now: int, rules: Rules) -> Read | None:
        assert self.low is not None
        assert self.high is not None
        due = self.watermarks.due(self.low, self.high, self._settled(now, rules), rules.slice * self._slice_factor, rules.ages)
        return None if due is None else Read(Purpose.AGED, due.begin, due.end)

    def _away_read(self, now: int, rules: Rules) -> Read | None:
        away = self.aways.due(now)
        return None if away is None else Read(Purpose.AWAY, max(away.begin, away.end - rules.slice), away.end, away.cause)

    def reread_overdue(self, now: int, rules: Rules) -> int:
        """How long data has waited to be read at an age that it has reached, in ticks; 0: none does."""
        if self.low is None or self.high is None:
            return 0
        due = self.watermarks.due(self.low, self.high, now - rules.settle, 0, rules.ages)
        return 0 if due is None else now - due.since

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
        anchor = self._settled(sent, rules) // TICKS_PER_HOUR * TICKS_PER_HOUR
        anchor = min(anchor, self.start if settled is None else settled, anchor if snapshot is None else snapshot)
        self.low = self.high = anchor
        self.start = min(self.start if before_start is None else before_start, anchor)
        self.watermarks = Watermarks(rules.ages, self._settled(sent, rules))
        for ticks, came in self._open:
            if self.start <= ticks < anchor:
                self.mark(hour_of(ticks), came, None)
        self._open = [(ticks, came) for ticks, came in self._open if ticks >= anchor]
        if self.blind is not None and self.start < anchor:
            self._mark_hours(max(self.start, anchor - rules.blind_margin), anchor - 1, *self.blind)
        self._forward_retry.succeeded()

    def forward_answered(self, read: Read, page: Page, sent: int, now: int, rules: Rules) -> list[Range]:
        """What a forward page states; moves `high` to an item of the answer: the next read starts at it.

        It is the newest item that is settled and older than all that came less than settle before the request was sent, or since: that may
        be missing in the answer, and so may the event before it, however old, being on its way from the snapshot into the archive. An item
        of which no preview told counts as such, if it is the last. What lies before an older item that the archive shows has got there.
        All hours of the answer become dirty if the point was blind up to less than settle before.
        """
        times = [*map(ticks_of, page.samples), *page.unreadable]
        newest, settled = max(times, default=read.begin), self._settled(sent, rules)
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
        return self._stated(read.begin, end, [cut_around(read.begin, end, page)], settled, rules)[0]

    def _stated(self, begin: int, end: int, pages: list[list[Range]], settled: int, rules: Rules) -> list[list[Range]]:
        """What the pages of a read of [begin, end) state, as it is published: with digests, and as confirmed where nothing is new."""
        assert self.low is not None
        self.watermarks.read(begin, end, self.low, settled, rules.ages)
        return self.sums.stated(begin, end, pages, lambda ticks: self.watermarks.cell(ticks, rules.ages))

    def left_out(self, ticks: int) -> None:
        """An instant of what was to be stated could not be published."""
        self.sums.tear(ticks, ticks + 1)

    def too_short(self, read: Read, page: Page, sent: int, rules: Rules) -> bool:
        """True if a forward page ends before it says anything that may be stated, and a longer one would: few instants fill it."""
        settled = self._settled(sent, rules)
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
        settled = self._settled(sent, rules)
        if read.purpose is Purpose.BACKFILL:
            self.low = read.begin
            count = sum(len(page.samples) for _, _, page in pages)
            grow, shrink = count < page_values // 4, count > page_values
            self._slice_factor = min(self._slice_factor * 2, MAX_SLICE_FACTOR) if grow else max(self._slice_factor // (1 + shrink), 1)
        self.dirty = {hour: mark for hour, mark in self.dirty.items() if mark.marked > settled or not self._whole(hour, read)}
        self.aways.answered(read.begin, read.end)
        self._reread_retry.succeeded()
        return self._stated(read.begin, read.end, [cut_around(begin, end, page) for begin, end, page in pages], settled, rules)

    def _whole(self, hour: int, read: Read) -> bool:
        """True if what is covered of an hour lies within the read."""
        assert read.end is not None
        begin, end = max(hour * TICKS_PER_HOUR, self.low or 0), min((hour + 1) * TICKS_PER_HOUR, self.high or 0)
        return read.begin <= begin and end <= read.end

    def failed(self, read: Read, now: int, rules: Rules) -> None:
        """The read got no answer: it stays due, later and later."""
        (self._forward_retry if read.end is None else self._reread_retry).failed(now, rules)

    def archive_away(self, read: Read, now: int, rules: Rules) -> bool:
        """PI answered that the archive of the range is not there: after some such answers the range is set aside; True if it was.

        So back-fill goes on below it, and other hours are read again. It stays owed, and is asked for once a day.
        """
        if read.end is None:
            self.failed(read, now, rules)
            return False
        self._slice_factor = 1
        if not (read.purpose is Purpose.AWAY or self.aways.beside(read.begin, read.end)):
            self._reread_retry.failed(now, rules)
            if self._reread_retry.failures < rules.away_failures:
                return False
        assert self.low is not None
        self.aways.add(read.begin, read.end, now + rules.away_retry, read.cause)
        self.dirty = {hour: mark for hour, mark in self.dirty.items() if not self._whole(hour, read)}
        if read.purpose is Purpose.BACKFILL:
            self.low = read.begin
        self.watermarks.read(read.begin, read.end, self.low, self._settled(now, rules), rules.ages)
        self._reread_retry.succeeded()
        return True

    def owes(self, incident_id: str) -> bool:
        """True while a forward read or a dirty hour that an incident asked for is outstanding."""
        return incident_id in self._creditors()
