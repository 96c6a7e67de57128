"""Bugs for the simulation to catch: each a change of the core, in tests and proofs only."""

from collections.abc import Callable
from itertools import count
from typing import Any

from bridge import batch
from bridge.coverage import PointCoverage
from bridge.frame import FrameBuilder
from bridge.hearing import Ear, Hearing
from bridge.incarnation import Incarnation, Record
from bridge.normalise import Unreadable
from bridge.pitime import Moment, PIClock
from bridge.progress import Left
from bridge.ranges import Page, Range, ticks_of
from bridge.reads import Reads
from bridge.rules import Read, Rules
from bridge.tenure import Act, Step, Tenure, _Phase
from proofs.seeded_defects.patches import _set
from proofs.simulation.bugs.registry import bug

# -- transactions --------------------------------------------------------------------------------------------------------------------


@bug
def progress_before_data() -> None:
    """Progress in a transaction of its own, first."""
    _in_two(lambda record: record.topic.dataset == "progress")


@bug
def two_transactions() -> None:
    """Data in a transaction of its own, then progress."""
    _in_two(lambda record: record.topic.dataset != "progress")


def _in_two(early: Callable[[Record], bool]) -> None:
    def next_(self: Tenure, now: Moment) -> Step:
        if waiting := self.__dict__.get("waiting"):
            return Step(Act.COMMIT, records=waiting)
        step = usual_next(self, now)
        if step.act is Act.COMMIT:
            first = tuple(record for record in step.records if early(record))
            if first and len(first) < len(step.records):
                self.__dict__["waiting"] = tuple(record for record in step.records if not early(record))
                self.__dict__["half"] = True
                return Step(Act.COMMIT, records=first)
        return step

    def committed(self: Tenure, now: Moment) -> None:
        if self.__dict__.pop("half", False):
            return
        self.__dict__["waiting"] = ()
        usual_committed(self, now)

    def failed(self: Tenure, fenced: bool, now: Moment) -> None:
        self.__dict__["waiting"] = ()
        usual_failed(self, fenced, now)

    def lost(self: Tenure) -> None:
        self.__dict__["waiting"] = ()
        usual_lost(self)

    usual_next, usual_committed, usual_failed, usual_lost = Tenure.next, Tenure.committed, Tenure.failed, Tenure.lost
    for name, changed in (("next", next_), ("committed", committed), ("failed", failed), ("lost", lost)):
        _set(Tenure, name, changed)


@bug
def progress_read_before_fencing() -> None:
    """What the owner before commits between the two is overlooked."""

    def next_(self: Tenure, now: Moment) -> Step:
        self.__dict__["seen"] = now
        step = usual_next(self, now)
        if step.act is Act.OPEN and "left" not in self.__dict__:
            return Step(Act.READ)
        return step

    def progress_read(self: Tenure, left: Left, now: Moment) -> None:
        self.__dict__["left"] = left

    def opened(self: Tenure) -> None:
        usual_opened(self)
        usual_read(self, self.__dict__.pop("left"), self.__dict__["seen"])

    usual_next, usual_opened, usual_read = Tenure.next, Tenure.opened, Tenure.progress_read
    _set(Tenure, "next", next_)
    _set(Tenure, "progress_read", progress_read)
    _set(Tenure, "opened", opened)


@bug
def clock_reused_after_an_unknown_commit() -> None:
    """The next incarnation goes on in the epoch of the one whose last commit may be in Kafka."""

    def failed(self: Tenure, fenced: bool, now: Moment) -> None:
        self.__dict__["unknown"] = not fenced
        usual_failed(self, fenced, now)

    def progress_read(self: Tenure, left: Left, now: Moment) -> None:
        usual_read(self, left, now)
        if self.__dict__.pop("unknown", False) and self.incarnation is not None:
            self.incarnation.state.epoch -= 1

    usual_failed, usual_read = Tenure.failed, Tenure.progress_read
    _set(Tenure, "failed", failed)
    _set(Tenure, "progress_read", progress_read)


@bug
def producer_reused_after_an_unknown_commit() -> None:
    """A commit without an answer is taken for a commit."""

    def failed(self: Tenure, fenced: bool, now: Moment) -> None:
        if self._phase is _Phase.OWNING and not fenced:
            self.committed(now)
        else:
            usual(self, fenced, now)

    usual = Tenure.failed
    _set(Tenure, "failed", failed)


@bug
def commit_in_on_lost() -> None:
    """A shard that is lost is drained like one that is revoked."""
    _set(Tenure, "lost", Tenure.revoked)


@bug
def random_transactional_id() -> None:
    """No owner fences another."""
    numbers = count()
    usual = vars(Tenure)["transactional_id"].fget
    _set(Tenure, "transactional_id", property(lambda self: f"{usual(self)}-{next(numbers)}"))


@bug
def fenced_owner_that_fights() -> None:
    """One that was fenced takes the shard back at once."""

    def failed(self: Tenure, fenced: bool, now: Moment) -> None:
        usual(self, fenced, now)
        self._not_before = now.seconds

    usual = Tenure.failed
    _set(Tenure, "failed", failed)


@bug
def oldest_values_dropped_at_the_byte_cap() -> None:
    """Where Kafka is too slow, the oldest frames make room and reading goes on."""

    def overloaded(self: Incarnation) -> bool:
        while self.frames._closed and usual(self):
            self.frames._closed.pop(0)
            self.frames._closed_bytes = sum(900 + 100 * len(frame["series"]) for _, frame in self.frames._closed)
        return False

    usual = Incarnation.overloaded
    _set(Incarnation, "overloaded", overloaded)


# -- channels and clocks ---------------------------------------------------------------------------------------------------------------


@bug
def blind_interval_from_the_moment_of_detection() -> None:
    """What came between the last message and the end of the patience is overlooked."""

    def open_incident(self: Ear, reason: str, now: Moment) -> None:
        self._heard = now.ticks
        usual(self, reason, now)

    usual = Ear._open_incident
    _set(Ear, "_open_incident", open_incident)


@bug
def wall_clock_for_time_outs() -> None:
    """Pauses and patience are reckoned with a clock that people set."""

    def moment(self: PIClock, monotonic_seconds: float, wall_micros: int) -> Moment:
        return usual(self, monotonic_seconds, wall_micros)._replace(seconds=wall_micros / 1e6)

    usual = PIClock.moment
    _set(PIClock, "moment", moment)


@bug
def sign_of_life_from_a_channel_that_may_be_dead() -> None:
    """The sign of life says now, although a channel was not heard of for a while."""
    _set(Hearing, "heard_until", lambda self, now: now.ticks)


# -- reads -----------------------------------------------------------------------------------------------------------------------------


@bug
def whole_server_emptiness_believed() -> None:
    """Ranges that all come back empty are stated as empty."""
    _set(Reads, "_servers_without_a_value", staticmethod(lambda tasks, contents: set()))


@bug
def failed_values_taken_for_an_empty_range() -> None:
    """A value with Errors in place of a stream's values is set aside, and the rest of the range stated without any."""

    def page_of(content: Any, *more: Any) -> tuple[Page, list[Unreadable]]:
        items = content.get("Items") if isinstance(content, dict) else None
        if items and all("Errors" in item for item in items):
            content = {"Items": []}
        return usual(content, *more)

    usual = batch.page_of
    _set(batch, "page_of", page_of)


@bug
def dirty_mark_cleared_by_an_answer_sent_before_it() -> None:
    """Any answer clears the marks of its hours."""

    def reread_answered(self: PointCoverage, read: Read, pages: Any, sent: int, rules: Rules, page_values: int) -> list[list[Range]]:
        return usual(self, read, pages, 1 << 62, rules, page_values)

    usual = PointCoverage.reread_answered
    _set(PointCoverage, "reread_answered", reread_answered)


@bug
def dirty_hour_read_before_it_has_settled() -> None:
    """A marked hour is read at once, and that clears it."""

    def mark(self: PointCoverage, hour: int, now: int, cause: str | None) -> None:
        usual(self, hour, now - 20 * 10_000_000, cause)

    usual = PointCoverage.mark
    _set(PointCoverage, "mark", mark)


@bug
def the_end_is_settled_and_no_item() -> None:
    """The covered end passes the event that is on its way from the snapshot into the archive."""

    def forward_answered(self: PointCoverage, read: Read, page: Page, sent: int, now: int, rules: Rules) -> list[Range]:
        answered = usual(self, read, page, sent, now, rules)
        newest = max([*map(ticks_of, page.samples), *page.unreadable], default=read.begin)
        end = max(read.begin, min(newest, sent - rules.settle))
        if self.high is None or end <= self.high:
            return answered
        self.high = end
        return [Range(read.begin, end, [sample for sample in page.samples if read.begin <= ticks_of(sample) < end])]

    usual = PointCoverage.forward_answered
    _set(PointCoverage, "forward_answered", forward_answered)


@bug
def previews_on_their_way_not_waited_for() -> None:
    """The covered end passes a value that came a little late and is still in the event queue."""
    _set(PointCoverage, "_young", lambda self, settled: None)


@bug
def an_item_that_no_preview_told_of_taken_for_old() -> None:
    """The covered end reaches a snapshot that came a moment ago, and passes the event before it."""

    def sure_end(self: PointCoverage, begin: int, page: Page, settled: int) -> int:
        young, times = self._young(settled), [*map(ticks_of, page.samples), *page.unreadable]
        return max([begin, *(ticks for ticks in times if ticks <= settled and (young is None or ticks < young))])

    _set(PointCoverage, "_sure_end", sure_end)


@bug
def what_a_read_leaves_to_be_read_is_forgotten() -> None:
    """A point that was answered is looked at again when something happens to it, and not before."""
    _set(Incarnation, "changed", lambda self, point_key: self._changed.add(point_key))


@bug
def sequence_taken_before_a_frame_is_full() -> None:
    """A frame that turns out empty leaves a hole: sequences are counted when a frame opens."""

    def take(self: FrameBuilder, server_micros: int | None, everything: bool = False) -> Any:
        if self.empty:
            self._state.take_sequence("live")
        return usual(self, server_micros, everything)

    usual = FrameBuilder.take
    _set(FrameBuilder, "take", take)
