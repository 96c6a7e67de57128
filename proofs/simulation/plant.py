"""A model of PI's points: snapshot, event queue, compression, archive (pi-web-api.md 8.2); it keeps the journal that the verifier reads."""

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bridge import pitime
from proofs.simulation.clockwork import EPOCH, Clockwork
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND

SERVER_ID = "85bb49d6-f101-4807-baf9-57c2fbd33000"
NO_DATA = {"Name": "No Data", "Value": 248, "IsSystem": True}
LATE_SECONDS = 1200.0
"""Nothing comes later than this: what comes unheard lies within the margin before a blind interval."""


class Event:
    """An event of a point; its text is what PI Web API prints."""

    __slots__ = ("fresh", "item", "ticks", "value")

    def __init__(self, fresh: int, ticks: int, value: Any) -> None:
        self.fresh, self.ticks, self.value = fresh, ticks, value
        self.item = item_of(ticks, value)


def item_of(ticks: int, value: Any) -> dict[str, Any]:
    """A value object as PI Web API writes it."""
    return {"Timestamp": pitime.text_of(ticks), "Value": value, "UnitsAbbreviation": "", "Good": True, "Questionable": False,
            "Substituted": False, "Annotated": False}  # fmt: skip


@dataclass
class PointModel:
    """A point: what is archived in order of time, and the snapshot."""

    number: int
    point_type: str
    mean_seconds: float
    compressed: float
    """Share of ordinary values that compression discards."""
    late_seconds: float = 0.0
    """What comes in order comes so late."""
    archived: list[Event] = field(default_factory=list)
    snapshot: Event | None = None
    changed: float = -1e9
    """When it last changed."""

    @property
    def web_id(self) -> str:
        return f"F1DP{self.number:04d}"

    @property
    def key(self) -> str:
        return f"main:{self.number}"

    def between(self, first: int, last: int) -> list[Event]:
        """What a read shows: the archive from `first` to `last`, both inclusive, and the snapshot if it lies there."""
        low, high = bisect_left(self.archived, first, key=_ticks), bisect_left(self.archived, last + 1, key=_ticks)
        found = self.archived[low:high]
        if self.snapshot is not None and first <= self.snapshot.ticks <= last:
            found = sorted([*found, self.snapshot], key=_ticks)
        return found

    def at_or_before(self, ticks: int) -> Event | None:
        """The newest event up to an instant."""
        at = bisect_left(self.archived, ticks + 1, key=_ticks)
        found = self.archived[at - 1] if at else None
        if self.snapshot is not None and self.snapshot.ticks <= ticks and (found is None or found.ticks <= self.snapshot.ticks):
            return self.snapshot
        return found


def _ticks(event: Event) -> int:
    return event.ticks


class Plant:
    """All points, and the journal."""

    def __init__(self, clockwork: Clockwork) -> None:
        self.points: dict[int, PointModel] = {}
        self.by_web_id: dict[str, PointModel] = {}
        self.found_at = 0.0
        """When all that people changed in silence must have been found."""
        self.queue_seconds = 0.0
        """How long the event queue holds back what goes into the archive."""
        self.stuck = False
        """Whether the event queue brings nothing into the archive, until `release`."""
        self._held: list[tuple[PointModel, Event]] = []
        self.heard: Callable[[PointModel, Event, bool], None] = lambda point, event, late: None
        """Is told of every event that enters, and whether it lies behind the snapshot."""
        self.lines: list[bytes] = []
        self._clockwork = clockwork
        self._fresh = 0
        self._released = clockwork.now
        self.journal("start", format=1, server_id=SERVER_ID, server_name="SIM", seed=0, profile="simulation", history_from=0, compression=1)

    def journal(self, kind: str, **fields: Any) -> None:
        """Adds a line."""
        line = {"k": kind, "n": len(self.lines) + 1, "at": self._clockwork.ticks(), **fields}
        self.lines.append(msgspec.json.encode(line) + b"\n")

    def add(self, point: PointModel) -> None:
        """A point comes to be."""
        self.points[point.number] = point
        self.by_web_id[point.web_id] = point
        self.journal("point", p=point.number, name=f"T{point.number}", type=point.point_type, uom="", step=False, live=True)

    def write(self, point: PointModel, ticks: int) -> Event:
        """An event enters: as the new snapshot, or late, straight into the event queue."""
        self._fresh += 1
        event = Event(self._fresh, ticks, _value(self._fresh, point.point_type))
        self.journal("write", p=point.number, t=ticks, v=event.value, f=1, id=event.fresh)
        old, point.changed = point.snapshot, self._clockwork.now
        late = old is not None and ticks < old.ticks
        if late:
            self._archive(point, event)
        else:
            point.snapshot = event
            if old is not None:
                self._leave(point, old, ticks)
        self.heard(point, event, late)
        return event

    def _leave(self, point: PointModel, old: Event, ticks: int) -> None:
        """The snapshot moves on: compression decides what becomes of the old one; of events at one instant none is discarded."""
        alone = old.ticks != ticks and not (point.archived and point.archived[-1].ticks == old.ticks)
        if alone and self._clockwork.likely(point.compressed):
            self.journal("discard", p=point.number, id=old.fresh)
        else:
            self._archive(point, old)

    def _archive(self, point: PointModel, event: Event) -> None:
        """Through the event queue, which keeps its order."""
        if self.stuck:
            self._held.append((point, event))
            return
        self._released = max(self._released, self._clockwork.now + self.queue_seconds)
        if self._released <= self._clockwork.now:
            self._enter(point, event)
        else:
            self._clockwork.later(self._released - self._clockwork.now, lambda: self._enter(point, event))

    def release(self) -> None:
        """The event queue goes on: what waited enters the archive in its order."""
        self.stuck = False
        held, self._held = self._held, []
        for point, event in held:
            self._archive(point, event)

    def _enter(self, point: PointModel, event: Event) -> None:
        insort(point.archived, event, key=_ticks)
        point.changed = self._clockwork.now
        self.journal("archive", p=point.number, id=event.fresh)

    def remember(self, point: PointModel, begin: int, end: int) -> None:
        """History from before the run; its last event is the snapshot."""
        at = begin
        while at < end:
            if point.snapshot is not None:
                self._enter(point, point.snapshot)
            self._fresh += 1
            point.snapshot = event = Event(self._fresh, at, _value(self._fresh, point.point_type))
            self.journal("write", p=point.number, t=at, v=event.value, f=1, id=event.fresh)
            at += int(self._clockwork.chance.expovariate(1 / max(point.mean_seconds, 240.0)) * TICKS_PER_SECOND) + 1

    # -- what people do -------------------------------------------------------------------------------------------------------------

    def correct(self, point: PointModel, deleting: bool) -> bool:
        """Edits or deletes an archived event of the last minutes, and inserts another in the same hour: only that is told by channels.

        False if there is none.
        """
        low = self._clockwork.ticks() - int(LATE_SECONDS * TICKS_PER_SECOND)
        found = [event for event in point.archived[-40:] if event.ticks >= low and event.ticks % TICKS_PER_HOUR > TICKS_PER_SECOND]
        if not found:
            return False
        event = self._clockwork.chance.choice(found)
        if deleting:
            point.archived.remove(event)
            self.journal("delete", p=point.number, id=event.fresh)
        else:
            self._edit(point, event)
        self.write(point, event.ticks - self._clockwork.chance.randrange(1, TICKS_PER_SECOND))
        return True

    def change_in_silence(self, point: PointModel, oldest_age_seconds: float, until: float) -> bool:
        """Edits or deletes an archived event of a full hour that has yet to reach the oldest age, and tells nobody.

        False if there is none that reaches it before `until`.
        """
        clockwork, chance = self._clockwork, self._clockwork.chance

        def reached_at(event: Event) -> float:
            return (event.ticks // TICKS_PER_HOUR + 1) * 3600.0 - EPOCH / TICKS_PER_SECOND + oldest_age_seconds

        found = [event for event in point.archived if clockwork.now + 60.0 < reached_at(event) < until]
        if not found:
            return False
        event = chance.choice(found)
        self.found_at = max(self.found_at, reached_at(event) + 60.0)
        if chance.random() < 0.5:
            point.archived.remove(event)
            self.journal("delete", p=point.number, id=event.fresh)
        else:
            self._edit(point, event)
        point.changed = clockwork.now
        return True

    def _edit(self, point: PointModel, event: Event) -> None:
        self._fresh += 1
        event.value = _value(self._fresh, point.point_type)
        event.item = item_of(event.ticks, event.value)
        self.journal("edit", p=point.number, id=event.fresh, v=event.value, f=1)


def _value(number: int, point_type: str) -> Any:
    """A value that no other event has."""
    if point_type == "Int32":
        return number
    if point_type == "String":
        return f"v{number}"
    if point_type == "Digital":
        return {"Name": f"S{number}", "Value": number, "IsSystem": False}
    return number + 0.5
