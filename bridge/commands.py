"""Commands that a person gave, as jobs of a shard: what each has to have read, how far it is, when it is done (design 3.3). Pure.

A job implies marks of hours, or a lower start, in the coverage of its points. These, the offset of the command and the open job go into
one transaction: a job is taken once, and survives a take-over.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bridge.coverage import PointCoverage
from bridge.pitime import Moment
from bridge.points import Point
from schemas.records import MAX_NAMES, Command, Job, JobState, OpenJob
from schemas.times import TICKS_PER_HOUR, TICKS_PER_MICROSECOND, hour_of

if TYPE_CHECKING:
    from bridge.incarnation import Incarnation

WINDOW_HOURS = 24
"""So many hours of each point are marked at a time: progress keeps every mark, and a year has 8,760."""
_REPORT_SECONDS = 1.0


@dataclass
class _Running:
    """An open job with what follows from it and the coverage of its points."""

    record: OpenJob
    points: list[str]
    owed: dict[str, int] = field(default_factory=dict)
    """Hours that points have to be read yet, as far as they were planned."""
    unplanned: int = 0
    """Hours of all points that are planned later."""
    reported_seconds: float = 0.0
    reported_hours: int = -1


class Commands:
    """The jobs of one shard that are not done."""

    def __init__(self, incarnation: "Incarnation", inherited: Iterable[OpenJob]) -> None:
        self._owner = incarnation
        self._running: dict[str, _Running] = {}
        self._reports: list[Job] = []
        for record in inherited:
            running = self._running[record["job_id"]] = _Running(record, self._concerned(record["points"], record["filters"]))
            self._look_at_all(running)

    @property
    def open(self) -> bool:
        """True while a job is not done."""
        return bool(self._running)

    @property
    def reports(self) -> bool:
        """True if there is something to report."""
        return bool(self._reports)

    def records(self) -> list[OpenJob]:
        """What the next owner has to know."""
        return [running.record for running in self._running.values()]

    def take_reports(self) -> list[Job]:
        """The versions to publish since the last call."""
        reports, self._reports = self._reports, []
        return reports

    # -- what happens -------------------------------------------------------------------------------------------------------------

    def take(self, offset: int, command: Command, now: Moment) -> None:
        """Begins the job of a command at an offset of `commands`, unless the shard took it before."""
        state = self._owner.state
        if offset < state.commands_offset:
            return
        state.commands_offset = offset + 1
        if command["job_id"] not in self._running:
            self._begin(command, now)

    def _begin(self, command: Command, now: Moment) -> None:
        begin, end = command["from_time"], command["to_time"]
        record: OpenJob = {
            "job_id": command["job_id"],
            "kind": command["kind"],
            "points": command["points"],
            "filters": command["filters"],
            "from_time": 0 if begin is None else begin,
            "to_time": end,
            "reason": command["reason"],
            "accepted_time": now.ticks // TICKS_PER_MICROSECOND + 1,  # not before now
            "hours": 0,
            "hours_done": 0,
            "hours_uncovered": 0,
            "planned_from": 0,
            "planned_to": 0,
        }
        running = _Running(record, [])
        if (reason := why_refused(command, now.ticks // TICKS_PER_MICROSECOND)) is not None:
            self._report(running, "REFUSED", now, reason)
            return
        self._running[record["job_id"]] = running
        running.points = self._concerned(record["points"], record["filters"])
        if record["kind"] == "RESCAN":
            first, last = _hours(record)
            record["planned_from"] = record["planned_to"] = last
            record["hours"] = self._covered(running, first, last)
            record["hours_uncovered"] = (last - first) * len(running.points) - record["hours"]
        self._look_at_all(running)
        if record["kind"] == "BACKFILL":
            record["hours"] = sum(running.owed.values())
        self._report(running, "RUNNING", now)

    def forget(self, point_key: str) -> None:
        """The point is out of scope: no job waits for it."""
        for running in self._running.values():
            running.owed.pop(point_key, None)

    def settle(self, changed: Set[str], now: Moment) -> None:
        """Plans what is next, and ends the jobs that nothing is owed to any more; `changed`: points whose coverage may have changed."""
        for job_id, running in list(self._running.items()):
            for key in [key for key in changed if key in running.owed]:
                self._look_at(running, key)
            if not running.owed and not self._plan(running):
                del self._running[job_id]
                running.record["hours_done"] = running.record["hours"]
                self._report(running, "DONE", now)
                continue
            left = running.unplanned + sum(running.owed.values())
            running.record["hours_done"] = max(running.record["hours_done"], running.record["hours"] - left)
            news = running.record["hours_done"] != running.reported_hours
            if news and now.seconds - running.reported_seconds >= _REPORT_SECONDS:
                self._report(running, "RUNNING", now)

    # -- what a job has to have read ----------------------------------------------------------------------------------------------

    def _plan(self, running: _Running) -> bool:
        """Marks the next window of hours, the newest first; False if none is left."""
        record = running.record
        if record["kind"] != "RESCAN":
            return False
        first, last = _hours(record)[0], record["planned_from"]
        covered = [hours for key in running.points if (hours := self._coverage(key).covered_hours(first, last))]
        record["planned_to"] = max((hours.stop for hours in covered), default=first)
        record["planned_from"] = max(first, record["planned_to"] - WINDOW_HOURS)
        for key in running.points:
            marked = record["accepted_time"] * TICKS_PER_MICROSECOND
            if self._coverage(key).rescan(record["planned_from"], record["planned_to"], marked, record["job_id"]):
                self._owner.changed(key)
                self._look_at(running, key)
        running.unplanned = self._covered(running, first, record["planned_from"])
        return bool(running.owed)

    def _look_at_all(self, running: _Running) -> None:
        """What points owe to a job of which only its record is known."""
        record = running.record
        if record["kind"] == "RESCAN":
            running.unplanned = self._covered(running, _hours(record)[0], record["planned_from"])
        for key in running.points:
            if record["kind"] == "BACKFILL" and self._start_is_above(self._coverage(key), record):
                self._coverage(key).lower(record["from_time"] * TICKS_PER_MICROSECOND)
                self._owner.changed(key)
            running.owed[key] = 0
            self._look_at(running, key)

    def _look_at(self, running: _Running, key: str) -> None:
        point, record = self._owner.coverage_in_scope(key), running.record
        if point is None:
            hours = 0
        elif record["kind"] == "RESCAN":
            hours = sum(record["planned_from"] <= hour < record["planned_to"] for hour in point.dirty)
        else:
            hours = self._hours_above_start(point, record)
        if hours:
            running.owed[key] = hours
        else:
            running.owed.pop(key, None)

    def _hours_above_start(self, point: PointCoverage, record: OpenJob) -> int:
        start = record["from_time"] * TICKS_PER_MICROSECOND
        low = record["accepted_time"] * TICKS_PER_MICROSECOND if point.low is None else point.low
        hours = -(-(low - start) // TICKS_PER_HOUR)
        return max(hours, 1) if self._start_is_above(point, record) else max(hours, 0)

    @staticmethod
    def _start_is_above(point: PointCoverage, record: OpenJob) -> bool:
        """True until the event at or before the start was looked for; of a point that was never read, until it is."""
        return point.low is None or point.start > record["from_time"] * TICKS_PER_MICROSECOND

    def _covered(self, running: _Running, first: int, last: int) -> int:
        return sum(len(self._coverage(key).covered_hours(first, last)) for key in running.points)

    def _coverage(self, key: str) -> PointCoverage:
        known = self._owner.coverage_in_scope(key)
        return PointCoverage(key, 0) if known is None else known

    def _concerned(self, names: Iterable[str], filters: Iterable[str]) -> list[str]:
        wanted, patterns = {name.casefold() for name in names}, [pattern.casefold() for pattern in filters]
        return [key for key, point in self._owner.points.items() if _is_meant(point, wanted, patterns)]

    # -- what is told -------------------------------------------------------------------------------------------------------------

    def _report(self, running: _Running, state: JobState, now: Moment, detail: str = "") -> None:
        record, owner = running.record, self._owner
        running.reported_seconds, running.reported_hours = now.seconds, record["hours_done"]
        self._reports.append(
            {
                "source": owner.config.source,
                "job_id": record["job_id"],
                "shard": owner.number,
                "kind": record["kind"],
                "state": state,
                "points": len(running.points),
                "hours": record["hours"],
                "hours_done": record["hours_done"],
                "hours_uncovered": record["hours_uncovered"],
                "from_time": record["from_time"],
                "to_time": record["to_time"],
                "reason": record["reason"],
                "accepted_time": record["accepted_time"],
                "updated_time": now.micros,
                "detail": detail,
            }
        )


def why_refused(command: Command, now_micros: int) -> str | None:
    """Why a command makes no sense at `now_micros` since 1970, in a sentence; None if it does."""
    begin, end = command["from_time"], command["to_time"]
    if len(command["points"]) + len(command["filters"]) > MAX_NAMES:
        return f"more than {MAX_NAMES} names and filters: give several commands, or wider filters"
    match command["kind"]:
        case "RESCAN":
            if begin is None or end is None or begin >= end:
                return "a rescan needs a time to begin at and a later one to end at"
        case "BACKFILL":
            if begin is None or begin >= now_micros:
                return "a back-fill needs a start that lies in the past"
        case _:
            return "a command of another kind than this version knows"
    return None


def _is_meant(point: Point, wanted: Set[str], patterns: list[str]) -> bool:
    if not wanted and not patterns:
        return True
    name = point.tag.casefold()
    return name in wanted or point.point_key.casefold() in wanted or any(fnmatchcase(name, pattern) for pattern in patterns)


def _hours(record: OpenJob) -> tuple[int, int]:
    """The whole hours around the range of a rescan: the first, and the one after the last."""
    end = record["to_time"]
    assert end is not None
    first = hour_of(record["from_time"] * TICKS_PER_MICROSECOND)
    return first, hour_of(end * TICKS_PER_MICROSECOND - 1) + 1
