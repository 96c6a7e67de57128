"""One store per stream: the snapshot, a buffer of one event, and behind it the archive (pi-web-api.md 8.2).

Every answer of the simulator is a view of it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Protocol

from simulator.changes import Action, Change, Previous
from simulator.compression import SwingingDoor
from simulator.events import Event, Value
from simulator.journal import Journal
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
    def receive(self, stream: "Stream", change: Change) -> None: ...


@dataclass(slots=True)
class Counts:
    """What happened to the store since the simulator was ready. Computed history is not counted: nobody wrote it."""

    written: int = 0
    archived: int = 0
    late: int = 0
    compressed_away: int = 0
    edited: int = 0
    deleted: int = 0
    rejected: int = 0


class Archive:
    """The archived events of one stream in time order; those of one instant in the order of their insertion.

    An edit or a deletion copies the computed events of its instant into the stored part and hides them in the computed one.
    """

    __slots__ = ("_computed", "_events", "_hidden", "_ticks")

    def __init__(self, computed: Computed | None = None) -> None:
        self._computed = computed
        self._ticks: list[int] = []
        self._events: list[Event] = []
        self._hidden: set[int] = set()

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

    def replace(self, ticks: int, index: int, event: Event) -> None:
        """Puts `event` in the place of the archived event number `index` of that instant."""
        self._events[self._place(ticks, index)] = event

    def remove(self, ticks: int, index: int) -> None:
        place = self._place(ticks, index)
        del self._events[place], self._ticks[place]

    def _place(self, ticks: int, index: int) -> int:
        """Where event number `index` of that instant is stored, now that it must be."""
        first = bisect_left(self._ticks, ticks)
        if self._computed is not None and ticks not in self._hidden:
            self._hidden.add(ticks)
            history = self._computed.events(ticks, ticks + 1)
            # The computed events were there first.
            self._events[first:first] = history
            self._ticks[first:first] = [ticks] * len(history)
        return first + index

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
                if self._hidden:
                    history = [event for event in history if event.ticks not in self._hidden]
                # The sort is stable: at one instant the computed event, which was there first, stays first.
                segment = sorted(history + segment, key=_ticks_of) if history and segment else history or segment
            if descending:
                segment = segment[::-1]
            yield segment


class EventQueue:
    """The way of events into the archives, shared by all streams. Held back, the archives lag behind the snapshots until it is let go."""

    def __init__(self, counts: Counts, journal: Journal | None = None) -> None:
        self.counts = counts
        self.journal = journal
        self.held = False
        self._waiting: list[tuple[Stream, Event]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, stream: "Stream", event: Event) -> None:
        if self.held:
            self._waiting.append((stream, event))
        else:
            self._pass(stream, event)

    def let_go(self) -> None:
        """Archives what was held back, in the order in which it came."""
        self.held = False
        waiting, self._waiting = self._waiting, []
        for stream, event in waiting:
            self._pass(stream, event)

    def _pass(self, stream: "Stream", event: Event) -> None:
        stream.archive.insert(event)
        self.counts.archived += 1
        if self.journal is not None:
            self.journal.archived(stream.point.point_id, event)


class Stream:
    """A point with its values. A future point has no snapshot: what is written stands in the archive at once, uncompressed."""

    __slots__ = ("_door", "_front", "_listeners", "_queue", "archive", "live", "point", "snapshot")

    def __init__(self, point: Point, counts: Counts, computed: Computed | None = None, queue: EventQueue | None = None) -> None:
        self.point = point
        self.archive = Archive(computed)
        self.snapshot: Event | None = None
        self.live = False
        self._queue = EventQueue(counts) if queue is None else queue
        # What is older than this is late.
        self._front = BEGINNING
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
        queue, journal = self._queue, self._queue.journal
        queue.counts.written += 1
        if journal is not None:
            event.id = journal.next_ids()
            journal.wrote(self.point.point_id, event)
        late = event.ticks < self._front
        previous = Previous.NONE
        if late:
            queue.counts.late += 1
        else:
            self._front = event.ticks
        if late or self.point.future:
            queue.put(self, event)
        else:
            if self.snapshot is not None:
                previous = self._retire(self.snapshot, event)
            self.snapshot = event
        if self._listeners:
            self._tell(Change(Action.INSERT if late else Action.ADD, event, previous))
        return late

    def _retire(self, snapshot: Event, new: Event) -> Previous:
        """Archives the snapshot or throws it away, now that `new` takes its place."""
        if self._door.keeps(snapshot, new):
            self._queue.put(self, snapshot)
            self._door.restart(snapshot)
            return Previous.ARCHIVED
        self._queue.counts.compressed_away += 1
        if self._queue.journal is not None:
            self._queue.journal.discarded(self.point.point_id, snapshot)
        return Previous.DISCARDED

    def reject(self) -> None:
        """Counts an event the server did not take."""
        self._queue.counts.rejected += 1

    def edit(self, ticks: int, index: int, value: Value, *, questionable: bool = False, annotated: bool = False) -> Event | None:
        """Gives event number `index` of that instant another value, marked Substituted. None if nothing stands there."""
        old = self._standing(ticks, index)
        if old is None:
            return None
        new = Event(ticks, value, questionable=questionable, substituted=True, annotated=annotated)
        new.id = old.id
        if old is self.snapshot:
            self.snapshot = new
        else:
            self.archive.replace(ticks, index, new)
        self._queue.counts.edited += 1
        if self._queue.journal is not None:
            self._queue.journal.edited(self.point.point_id, new)
        self._tell(Change(Action.UPDATE, new, Previous.NONE))
        return new

    def delete(self, ticks: int, index: int) -> Event | None:
        """Removes event number `index` of that instant. None if nothing stands there.

        Where the snapshot was deleted the newest archived event is what there is, until something newer than the snapshot is written.
        """
        old = self._standing(ticks, index)
        if old is None:
            return None
        if old is self.snapshot:
            self.snapshot = None
        else:
            self.archive.remove(ticks, index)
        self._queue.counts.deleted += 1
        if self._queue.journal is not None:
            self._queue.journal.deleted(self.point.point_id, old)
        self._tell(Change(Action.DELETE, old, Previous.NONE))
        return old

    def _standing(self, ticks: int, index: int) -> Event | None:
        events = self.recorded(ticks, ticks)
        return events[index] if 0 <= index < len(events) else None

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener.receive(self, change)

    def current(self, now: int) -> Event | None:
        """The value of the stream: the snapshot; of a future point the newest event that is not ahead of `now`."""
        if self.point.future:
            return self.newest(now)
        return self.snapshot or self.newest(END - 1)

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

    def __init__(self, streams: list[Stream], queue: EventQueue) -> None:
        self.streams = streams
        self.queue = queue
        self.counts = queue.counts
        self.by_id = {stream.point.point_id: stream for stream in streams}
        # Tag names differ by more than case, always.
        self.by_name = {stream.point.name.upper(): stream for stream in streams}
