"""What is covered of one point, what has to be read, and what an answer lets us state (design 3.2). Pure: instants are PI's ticks.

A point's coverage is the range [low, high): every event in it has been stated, but for ranges whose archive was away. A forward read moves
`high`, a back-fill slice moves `low` down to the point's start; inside, hours become dirty, and all of it is read again at some ages.
"""

from dataclasses import dataclass, field

from bridge.away import NEVER_AWAY, Aways
from bridge.ranges import Page, Range, cut_around
from bridge.rules import AT_ONCE, Mark, Purpose, Read, Retry, Rules, mark_of
from bridge.sums import Sums
from bridge.unread import Unread
from bridge.watermarks import Watermarks
from schemas.times import TICKS_PER_HOUR, hour_of

_FAR = 1 << 62
"""An instant that is never reached."""
MAX_SLICE_FACTOR = 64
"""A back-fill slice grows at most so far beyond its configured length where a point has few events."""


@dataclass(slots=True)
class PointCoverage:
    """Coverage of one point, changed by previews, marks and answers; asks for reads by `owed` and `next_read`."""

    point_key: str
    start: int
    """Back-fill reaches down to here; the first read moves it to the event at or before it."""
    low: int | None = None
    high: int | None = None
    """Both None until the first read."""
    first_event: int | None = None
    """An event that vouches for the archive: that at or before the start, else the newest settled one that the first look found."""
    as_of: int = 0
    """PI's clock when the newest forward read was sent."""
    snapshot: int | None = None
    """Newest preview published."""
    dirty: dict[int, Mark] = field(default_factory=dict)
    lowered: int | None = None
    """A start below the present one, from which back-fill is to go on as soon as the event at or before it is known."""
    blind: tuple[int, str | None] | None = None
    """A forward read sent at or after this instant is owed to an incident."""
    watermarks: Watermarks = field(default_factory=Watermarks)
    sums: Sums = field(default_factory=Sums)
    aways: Aways = NEVER_AWAY
    archived_until: int | None = None
    """While the event queue of its data server is stuck, nothing that came later than this is taken for archived."""
    in_flight: Read | None = None
    unheard: bool = False
    """No channel will tell of it: it is not known to be quiet, so it is read as often as a point with previews."""
    _unread: Unread = field(default_factory=Unread)
    """Previews that the archive has not been read for."""
    _heard_from: int = 0
    """What came until then may have come unheard."""
    _high_heard: bool = False
    """The item at `high` came after that."""
    _read_on: bool = False
    """The last forward page was cut: more is there."""
    _slice_factor: int = 1
    _forward_retry: Retry = AT_ONCE
    _reread_retry: Retry = AT_ONCE
    """Apart, so that an archive that is not there for old data does not hold up the newest."""

    # -- what happens -------------------------------------------------------------------------------------------------------------

    def preview(self, ticks: int, now: int, heard: bool = True) -> bool:
        """Takes note of a live value; True if it made an hour dirty, being older than the covered end. `heard`: a channel told of it."""
        if self.snapshot is None or ticks > self.snapshot:
            self.snapshot = ticks
        if self.high is None or ticks >= self.high:
            self._unread.add(ticks, now)
            if not heard:
                self._heard_from, self._high_heard = now, False
            return False
        if ticks < self.start:
            return False
        self.mark(hour_of(ticks), now, None)
        return True

    def mark(self, hour: int, now: int, cause: str | None) -> None:
        """Makes an hour dirty. The later of two marks holds; the incident of an earlier one stays unless there is a newer incident."""
        earlier = self.dirty.get(hour)
        if earlier is not None:
            now, cause = max(now, earlier.marked), earlier.cause if cause is None else cause
        self.dirty[hour] = mark_of(now, cause)

    def blinded(self, begin: int, end: int, now: int, cause: str | None, margin: int) -> set[str]:
        """Nothing was heard of the point in [begin, end]: the hours from `margin` before it on, and a forward read, are owed.

        Answers the incidents whose debts this one takes over: they are mended when it is.
        """
        before = self._creditors()
        self._heard_from, self._high_heard = max(self._heard_from, end), False
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
        causes = {mark.cause for mark in self.dirty.values()} | ({self.blind[1]} if self.blind is not None else set())
        return {cause for cause in causes if cause is not None}

    def _mark_hours(self, first: int, last: int, now: int, cause: str | None) -> None:
        for hour in range(hour_of(first), hour_of(last) + 1):
            self.mark(hour, now, cause)

    def rescan(self, first: int, last: int, marked: int, cause: str) -> int:
        """Has the covered hours in [first, last) read again, as of `marked` and settle at least; answers how many there are.

        The cause of an incident stays: what it hid is made good by the same read. All of it is stated, and nothing confirmed that was
        stated before now: who asks for it may have lost that.
        """
        hours = self.covered_hours(first, last)
        self.sums.tear(hours.start * TICKS_PER_HOUR, hours.stop * TICKS_PER_HOUR)
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
        if self.blind is not None and self._gets_archived(self.blind[0]):
            owed.insert(0, (Purpose.BLIND, max(not_before, self.blind[0] + rules.settle)))
        return owed + self._owed_below(self.low, self.high, rules)

    def _owed_below(self, low: int, high: int, rules: Rules) -> list[tuple[Purpose, int]]:
        """The reads that are owed below the covered end."""
        not_before, owed = self._reread_retry.not_before, list[tuple[Purpose, int]]()
        if self.dirty and (marked := [mark.marked for hour, mark in self.dirty.items() if self._readable(hour)]):
            first = min(marked)
            owed += [(Purpose.DIRTY, max(not_before, first + rules.settle))] if self._gets_archived(first) else []
        if self.lowered is not None:
            owed.append((Purpose.START, not_before))
        if low > self.start:
            owed.append((Purpose.BACKFILL, not_before))
        if self.aways.ranges:
            owed.append((Purpose.AWAY, max(not_before, min(away.retry_at for away in self.aways.ranges))))
        aged = self.watermarks.due(low, high, _FAR, 0, rules.ages)
        if aged is not None and self._gets_archived(aged.since):
            owed.append((Purpose.AGED, max(not_before, aged.since + rules.settle)))
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
            case Purpose.START:
                return Read(purpose, self._known(self.lowered), None)
            case _:
                return self._read_below(purpose, self._known(self.low), self._known(self.high), now, rules)

    def _read_below(self, purpose: Purpose, low: int, high: int, now: int, rules: Rules) -> Read | None:
        settled, longest = self._settled(now, rules), rules.slice * self._slice_factor
        match purpose:
            case Purpose.DIRTY:  # the newest hour whose mark has settled
                hour = max(hour for hour, mark in self.dirty.items() if settled >= mark.marked and self._readable(hour))
                begin, end = max(hour * TICKS_PER_HOUR, low), min((hour + 1) * TICKS_PER_HOUR, high)
                return Read(purpose, begin, end, self.dirty[hour].cause)
            case Purpose.BACKFILL:
                return Read(purpose, max(self.start, low - longest), low)
            case Purpose.AWAY:
                away = self.aways.due(now)
                return None if away is None else Read(purpose, max(away.begin, away.end - rules.slice), away.end)
            case _:
                aged = self.watermarks.due(low, high, settled, longest, rules.ages)
                return None if aged is None else Read(purpose, aged.begin, aged.end)

    @property
    def heard(self) -> list[tuple[int, int]]:
        """Time and arrival of previews that were heard one after the other and not read yet; before them that at `high`, with arrival 0."""
        told = [preview for preview in self._unread if preview[1] > self._heard_from]
        return [(self._known(self.high), 0), *told] if self._high_heard else told

    def _settled(self, now: int, rules: Rules) -> int:
        """What came up to this instant is in the archive that is asked at `now`."""
        settled = now - rules.settle
        return settled if self.archived_until is None else min(settled, self.archived_until)

    def _gets_archived(self, came: int) -> bool:
        """False while the event queue of its data server holds back what came at this instant."""
        return self.archived_until is None or came <= self.archived_until

    @staticmethod
    def _known(end: int | None) -> int:
        assert end is not None
        return end

    def _forward_due(self, rules: Rules) -> int:
        if self._read_on or self.as_of == 0:
            return 0
        due = self.as_of + (min(rules.seal_max, rules.quiet) if self.unheard else rules.quiet)
        if self._unread:
            due = min(due, self.as_of + rules.seal_max)
        return min(due, self.as_of + rules.seal_min) if len(self._unread) >= rules.seal_previews else due

    def _readable(self, hour: int) -> bool:
        """True if something of the hour is covered, and its archive is not away as far as is known."""
        begin, end = max(hour * TICKS_PER_HOUR, self._known(self.low)), min((hour + 1) * TICKS_PER_HOUR, self._known(self.high))
        return begin < end and not any(away.begin < end and begin < away.end for away in self.aways.ranges)

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
        self.first_event = settled if before_start is None else before_start
        self.watermarks = Watermarks(rules.ages, self._settled(sent, rules))
        for ticks, came in self._unread:
            if self.start <= ticks < anchor:
                self.mark(hour_of(ticks), came, None)
        self._unread.keep(lambda ticks, _: ticks >= anchor)
        if self.blind is not None and self.start < anchor:
            self._mark_hours(max(self.start, anchor - rules.blind_margin), anchor - 1, *self.blind)
        self._forward_retry = AT_ONCE

    def start_answered(self, read: Read, event: int | None) -> None:
        """Takes the time of the event at or before a start that was lowered; None: there is none. Back-fill reaches down to it."""
        self.start = min(self.start, read.begin if event is None else event)
        self.first_event = self.first_event if event is None else event
        if self.lowered is not None and self.lowered >= read.begin:
            self.lowered = None
        self._reread_retry = AT_ONCE

    def forward_answered(self, read: Read, page: Page, sent: int, now: int, rules: Rules) -> list[Range]:
        """What a forward page states; moves `high` to an item of the answer: the next read starts at it.

        It is the newest item that is settled and older than all that came less than settle before the request was sent, or since: that may
        be missing in the answer, and so may the event before it, however old, being on its way from the snapshot into the archive. An item
        of which no preview told counts as such, if it is the last. What lies before an older item that the archive shows has got there.
        All hours of the answer become dirty if the point was blind up to less than settle before.
        """
        newest, settled = page.newest(read.begin), self._settled(sent, rules)
        end = self._sure_end(read.begin, page, settled)
        more = page.cut and newest < settled
        self._high_heard = any(ticks == end for ticks, _ in self.heard)
        self.high, self._read_on = end, more and end > read.begin
        if self.blind is not None and settled < self.blind[0] and read.begin < end:
            self._mark_hours(read.begin, end - 1, *self.blind)
        if not more:
            self.as_of = sent
            if self.blind is not None and settled >= self.blind[0]:
                self.blind = None
        self._unread.keep(lambda ticks, came: ticks >= end and not (ticks == newest == end and came <= settled))
        if more and not self._read_on:
            # The next page begins where this one did, until what is on its way has arrived.
            self._forward_retry = self._forward_retry.failed(now, rules)
        else:
            self._forward_retry = AT_ONCE
        return self._stated(read.begin, end, [cut_around(read.begin, end, page)], settled, rules)[0]

    def _stated(self, begin: int, end: int, pages: list[list[Range]], settled: int, rules: Rules) -> list[list[Range]]:
        """What the pages of a read of [begin, end) state, as it is published: with digests, and as confirmed where nothing is new."""
        assert self.low is not None
        self.watermarks.read(begin, end, self.low, settled, rules.ages)
        return self.sums.stated(begin, end, pages, self.watermarks.cells(rules.ages))

    def left_out(self, ticks: int) -> None:
        """An instant of what was to be stated could not be published."""
        self.sums.tear(ticks, ticks + 1)

    def too_short(self, read: Read, page: Page, sent: int, rules: Rules) -> bool:
        """True if a forward page ends before it says anything that may be stated, and a longer one would: few instants fill it."""
        settled = self._settled(sent, rules)
        if not page.cut or not page.samples or page.samples[-1].ticks >= settled:
            return False
        return self._young(settled) is None and self._sure_end(read.begin, page, settled) == read.begin

    def _sure_end(self, begin: int, page: Page, settled: int) -> int:
        """The newest instant of the page that is settled and before which nothing can be missing; `begin` if there is none."""
        young = self._young(settled)
        newest = page.samples[-1].ticks if page.samples else begin
        if (self.snapshot is None or newest > self.snapshot) and newest == page.newest(begin):
            young = newest if young is None else min(young, newest)
        return page.newest_up_to(settled if young is None else min(settled, young - 1), begin)

    def _young(self, settled: int) -> int | None:
        """The oldest instant of the previews that came after `settled`; None if none did."""
        return min((ticks for ticks, came in self._unread if came > settled), default=None)

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
        self.aways = self.aways.answered(read.begin, read.end)
        self._reread_retry = AT_ONCE
        return self._stated(read.begin, read.end, [cut_around(begin, end, page) for begin, end, page in pages], settled, rules)

    def _whole(self, hour: int, read: Read) -> bool:
        """True if what is covered of an hour lies within the read."""
        assert read.end is not None
        begin, end = max(hour * TICKS_PER_HOUR, self.low or 0), min((hour + 1) * TICKS_PER_HOUR, self.high or 0)
        return read.begin <= begin and end <= read.end

    def failed(self, read: Read, now: int, rules: Rules) -> None:
        """The read got no answer: it stays due, later and later."""
        backwards = read.end is not None or read.purpose is Purpose.START
        if backwards:
            self._reread_retry = self._reread_retry.failed(now, rules)
        else:
            self._forward_retry = self._forward_retry.failed(now, rules)

    def archive_away(self, read: Read, now: int, rules: Rules) -> bool:
        """PI answered that the archive of the range is not there: after some such answers the range is set aside; True if it was.

        So back-fill goes on below it, and other hours are read again. What is owed there stays owed, and it is asked for once a day.
        """
        if read.end is None:
            self.failed(read, now, rules)
            return False
        self._slice_factor = 1
        if not (read.purpose is Purpose.AWAY or self.aways.beside(read.begin, read.end)):
            self._reread_retry = self._reread_retry.failed(now, rules)
            if self._reread_retry.failures < rules.away_failures:
                return False
        assert self.low is not None
        self.aways = self.aways.add(read.begin, read.end, now + rules.away_retry)
        if read.purpose is Purpose.BACKFILL:
            self.low = read.begin
        self.watermarks.read(read.begin, read.end, self.low, self._settled(now, rules), rules.ages)
        self._reread_retry = AT_ONCE
        return True

    def owes(self, incident_id: str) -> bool:
        """True while a forward read or a dirty hour that an incident asked for is outstanding."""
        return incident_id in self._creditors()
