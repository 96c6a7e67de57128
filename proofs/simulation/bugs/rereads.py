"""Defects in re-reads by age, confirmations, what is not an answer, and commands. For proofs only."""

from array import array
from typing import Any

from bridge import batch, normalise, progress
from bridge.away import NEVER_AWAY, Aways
from bridge.commands import Commands
from bridge.coverage import PointCoverage
from bridge.event_queue import EventQueue
from bridge.normalise import Unreadable
from bridge.pitime import Moment
from bridge.ranges import Page, Range
from bridge.rules import Purpose, Read
from bridge.sums import Sums
from bridge.watermarks import Watermarks
from proofs.seeded_defects.patches import _set
from proofs.simulation.bugs.registry import bug
from schemas.records import Command

# -- re-reads by age, confirmations, what is not an answer -----------------------------------------------------------------------------


@bug
def confirmed_though_it_differs() -> None:
    """A re-read is taken for what was stated before."""

    def stated(self: Sums, begin: int, end: int, pages: Any, cells: Any) -> list[list[Range]]:
        known = {(span.begin, span.end) for span in self.spans}
        answered = usual(self, begin, end, pages, cells)
        return [[r._replace(confirmed=r.confirmed or (r.begin, r.end) in known) for r in ranges] for ranges in answered]

    usual = Sums.stated
    _set(Sums, "stated", stated)


@bug
def watermark_moved_at_the_request() -> None:
    """Data counts as read at an age when the request is sent, whatever becomes of it."""

    def sent(self: PointCoverage, read: Read) -> None:
        usual(self, read)
        if read.purpose is Purpose.AGED and read.end is not None:
            self.watermarks.marks = array("q", [max(mark, read.end) for mark in self.watermarks.marks])

    usual = PointCoverage.sent
    _set(PointCoverage, "sent", sent)


@bug
def no_reread_at_the_oldest_age() -> None:
    """What changes late in silence is never found."""
    usual = Watermarks.due
    _set(Watermarks, "due", lambda self, low, high, settled, longest, ages: usual(self, low, high, settled, longest, ages[:-1]))


@bug
def stuck_queue_not_seen() -> None:
    """Statements run past what the event queue holds."""
    _set(EventQueue, "judge", lambda self, sent: False)


@bug
def range_without_data_taken_for_empty() -> None:
    """No Data where the request began or ended is left out, and the rest is stated."""

    def page_of(content: Any, *more: Any) -> tuple[Page, list[Unreadable]]:
        page, unreadable = usual(content, *more)
        return page._replace(samples=[s for s in page.samples if s.shape.system_state != normalise.NO_DATA]), unreadable

    usual = batch.page_of
    _set(batch, "page_of", page_of)
    _set(batch, "NO_DATA", None)


@bug
def range_whose_archive_was_away_forgotten() -> None:
    """Back-fill passes it, and nobody asks again."""
    _set(Aways, "add", lambda self, begin, end, retry_at: self)


@bug
def range_whose_archive_was_away_lost_with_its_owner() -> None:
    """The next owner does not know of it."""

    def restored(record: Any, ages: Any) -> PointCoverage:
        point = usual(record, ages)
        point.aways = NEVER_AWAY
        return point

    usual = progress.restored
    _set(progress, "restored", restored)


# -- commands ----------------------------------------------------------------------------------------------------------------------


@bug
def a_job_done_when_its_first_page_is_read() -> None:
    """A point that changes owes nothing to a job any more."""

    def look_at(self: Commands, running: Any, key: str) -> None:
        if running.owed.get(key):
            del running.owed[key]
        else:
            usual(self, running, key)

    usual = Commands._look_at
    _set(Commands, "_look_at", look_at)


@bug
def offset_of_a_command_committed_before_what_it_implies() -> None:
    """The command is taken note of in one transaction and acted on in the next."""

    def begin(self: Commands, command: Command, now: Moment) -> None:
        self.__dict__.setdefault("noted", []).append(command)

    def settle(self: Commands, changed: Any, now: Moment) -> None:
        for command in self.__dict__.pop("late", []):
            usual_begin(self, command, now)
        self.__dict__["late"] = self.__dict__.pop("noted", [])
        usual_settle(self, changed, now)

    usual_begin, usual_settle = Commands._begin, Commands.settle
    _set(Commands, "_begin", begin)
    _set(Commands, "settle", settle)


@bug
def a_job_that_the_next_owner_does_not_know() -> None:
    """An open job is kept in memory alone."""
    _set(Commands, "records", lambda self: [])
