"""One store per stream: the snapshot, a buffer of one event, and behind it the archive (pi-web-api.md 8.2).

Every answer of the simulator is a view of it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Protocol

from simulator.compression import SwingingDoor
from simulator.events import Event
from simulator.profiles import Point

BEGINNING = -(1 << 62)
END = 1 << 62
# How far ahead of its clock the data server takes values of ordinary points and can say anything about them (pi-web-api.md 2.4, 8.2).
MAX_AHEAD_SECONDS = 600
_ticks_of = attrgetter("ticks")


class Computed(Protocol):
    """Archived events that are a function of time and take no memory, all with `first <= ticks < end`."""

    @property
    def first(self) -> int: ...
    @property
    def end(self) -> int: ...
    def edges(self, first: int, end: int) -> list[int]: ...
    def events(self, first: int, end: int) -> list[Event]: ...


class Listener(Protocol):
    def receive(self, stream: "Stream", event: Event) -> None: ...


@dataclass(slots=True)
class Counts:
    """What happened to the store since the simulator was ready. Computed history is not counted: nobody wrote it."""

    written: int = 0
    archived: int = 0
    late: int = 0
    compressed_away: int = 0


class Archive:
    """The archived events of one stream in time order; those of one instant in the order of their insertion.

    Edits and deletions of computed events will copy the slots they touch into the stored part and hide them in the computed one.
    """

    __slots__ = ("_computed", "_events", "_ticks")

    def __init__(self, computed: Computed | None = None) -> None:
        self._computed = computed
        self._ticks: list[int] = []
        self._events: list[Event] = []

    def insert(self, event: Event) -> None:
        """Adds beside what already stands at that instant, never in its place (update option Insert)."""
        ticks = event.ticks
        if not self._ticks or ticks >= self._ticks[-1]:
            self._ticks.append(ticks)
            self._events.append(event)
        else:
            at = bisect_right(self._ticks, ticks)
            self._ticks.insert(at, ticks)
            self._events.insert(at, event)

    def read(self, first: int = BEGINNING, last: int = END, *, limit: int = END, descending: bool = False) -> list[Event]:
        """At most `limit` events with `first <= ticks <= last`, from the old end, or from the new end and backwards if `descending`."""
        found: list[Event] = []
        if limit < 1:
            return found
        for segment in self._segments(first, last, descending):
            found += segment
            if len(found) >= limit:
                del found[limit:]
                break
        return found

    def _segments(self, first: int, last: int, descending: bool) -> Iterator[list[Event]]:
        computed = self._computed
        edges = [first, last + 1] if computed is None else [first, *computed.edges(first, last + 1), last + 1]
        pairs = list(pairwise(edges))
        for begin, end in reversed(pairs) if descending else pairs:
            segment = self._events[bisect_left(self._ticks, begin) : bisect_left(self._ticks, end)]
            if computed is not None:
                history = computed.events(begin, end)
                # The sort is stable: at one instant the computed event, which was there first, stays first.
                segment = sorted(history + segment, key=_ticks_of) if history and segment else history or segment
            if descending:
                segment = segment[::-1]
            yield segment


class Stream:
    """A point with its values."""

    __slots__ = ("_counts", "_door", "_listeners", "archive", "live", "point", "snapshot")

    def __init__(self, point: Point, counts: Counts, computed: Computed | None = None) -> None:
        self.point = point
        self.archive = Archive(computed)
        self.snapshot: Event | None = None
        self.live = False
        self._counts = counts
        self._door = SwingingDoor(point.compression_deviation, point.compression_max_ticks, step=point.step)
        self._listeners: list[Listener] = []

    def resume(self, archived: Event | None, passed: list[Event]) -> None:
        """Sets the compression test as if `archived` had been archived last and `passed` thrown away since."""
        if archived is not None:
            self._door.restart(archived)
        for event in passed:
            self._door.narrow(event)

    def write(self, event: Event) -> bool:
        """Takes an event in and reports it on channels. True if it was late, so that it went straight to the archive, uncompressed."""
        snapshot, counts = self.snapshot, self._counts
        counts.written += 1
        late = snapshot is not None and event.ticks < snapshot.ticks
        if late:
            self.archive.insert(event)
            counts.archived += 1
            counts.late += 1
        else:
            if snapshot is not None:
                if self._door.keeps(snapshot, event):
                    self.archive.insert(snapshot)
                    self._door.restart(snapshot)
                    counts.archived += 1
                else:
                    counts.compressed_away += 1
            self.snapshot = event
        for listener in self._listeners:
            listener.receive(self, event)
        return late

    def recorded(self, first: int, last: int, *, limit: int = END, descending: bool = False) -> list[Event]:
        """Archived events with `first <= ticks <= last`, and the snapshot if it lies there.

        The snapshot is the newest item, and a later read may not find it again.
        """
        snapshot = self.snapshot
        if snapshot is None or not first <= snapshot.ticks <= last:
            return self.archive.read(first, last, limit=limit, descending=descending)
        if descending:
            return [snapshot, *self.archive.read(first, last, limit=limit - 1, descending=True)]
        found = self.archive.read(first, last, limit=limit)
        if len(found) < limit:
            found.append(snapshot)
        return found

    def newest(self, last: int) -> Event | None:
        """The newest recorded event at or before `last`; of several at one instant the one inserted last."""
        found = self.recorded(BEGINNING, last, limit=1, descending=True)
        return found[0] if found else None

    def oldest(self, first: int) -> Event | None:
        """The oldest recorded event at or after `first`; of several at one instant the one inserted first."""
        found = self.recorded(first, END, limit=1)
        return found[0] if found else None

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return tuple(self._listeners)


class Store:
    """All streams of the one data server, in the order of their point ids."""

    def __init__(self, streams: list[Stream], counts: Counts) -> None:
        self.streams = streams
        self.counts = counts
        self.by_id = {stream.point.point_id: stream for stream in streams}
        # Tag names differ by more than case, always.
        self.by_name = {stream.point.name.upper(): stream for stream in streams}
