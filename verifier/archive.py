"""The archive of one point as the journal tells it, at any serial number. Pure."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from verifier.events import Content, Event

END = 1 << 62
"""A serial number after all others."""
ALWAYS = -(1 << 62)
"""When computed history came to be: before everything that was written."""


class Stored:
    """An event of the store: archived from serial number `born` on (END: never), until `died`, with each content it had."""

    __slots__ = ("born", "changed_at", "contents", "died", "place", "ticks")

    def __init__(self, ticks: int, content: Content, n: int) -> None:
        self.ticks = ticks
        self.born = self.died = END
        self.place = 0
        """Its place among the events at its instant."""
        self.contents: list[tuple[int, Content]] = [(n, content)]
        self.changed_at = ALWAYS
        """PI's clock at its last change in the archive."""

    def content(self, n: int = END) -> Content:
        """What it said as of a serial number."""
        last = self.contents[0][1]
        for since, content in self.contents:
            if since <= n:
                last = content
        return last


class Read(NamedTuple):
    """A range of a point that was served, both ends inclusive; a page that came back full serves only what lies before its last instant."""

    at: int
    n: int
    begin: int
    last: int
    request: str

    def covers(self, begin: int, end: int) -> bool:
        """True if all of [begin, end) was served."""
        return self.begin <= begin and end - 1 <= self.last


class PointArchive:
    """A point: its archive, what was read of it, and what channels sent of it. `freeze` comes after the last change."""

    def __init__(self, point_id: int, name: str, point_type: str, uom: str) -> None:
        self.point_id, self.name, self.point_type, self.uom = point_id, name, point_type, uom
        self.stored: list[Stored] = []
        """All that was ever written or computed, archived or not."""
        self.reads: list[Read] = []
        """Reads of a range of the archive."""
        self.looks: list[Read] = []
        """All that was served, single values too."""
        self.sent: dict[tuple[int, Content], int] = {}
        """What channels sent, and in which line first."""
        self._archived: list[Stored] = []
        self._times: list[int] = []

    def computed(self, ticks: int, content: Content, place: int) -> Stored:
        """Takes an event of computed history."""
        event = Stored(ticks, content, ALWAYS)
        event.born, event.place = ALWAYS, place
        self.stored.append(event)
        return event

    def written(self, ticks: int, content: Content, n: int) -> Stored:
        """Takes an event that entered the store."""
        event = Stored(ticks, content, n)
        self.stored.append(event)
        return event

    def freeze(self) -> None:
        """Brings everything into order."""
        self._archived = sorted((event for event in self.stored if event.born != END), key=lambda e: (e.ticks, e.born != ALWAYS, e.place))
        self._times = [event.ticks for event in self._archived]
        self.reads.sort()
        self.looks.sort()

    def between(self, begin: int, end: int, n: int = END - 1) -> list[Event]:
        """The archived events with begin <= ticks < end as of a serial number, in the server's order."""
        return list(self._between(begin, end, n))

    def _between(self, begin: int, end: int, n: int) -> Iterator[Event]:
        previous, ordinal = None, 0
        archived = self._archived
        for index in range(bisect_left(self._times, begin), bisect_left(self._times, end)):
            event = archived[index]
            if event.born <= n < event.died:
                ordinal = ordinal + 1 if event.ticks == previous else 0
                previous = event.ticks
                yield Event(previous, ordinal, event.contents[0][1] if len(event.contents) == 1 else event.content(n))

    def changed_at(self, ticks: int) -> int:
        """PI's clock at the last change of the archive at an instant; ALWAYS if there was none."""
        first, last = bisect_left(self._times, ticks), bisect_left(self._times, ticks + 1)
        return max((event.changed_at for event in self._archived[first:last]), default=ALWAYS)

    def reads_since(self, at: int, begin: int, end: int, most: int) -> list[Read]:
        """The first reads at or after an instant of PI's clock that served all of [begin, end)."""
        found = []
        for index in range(bisect_left(self.reads, at, key=lambda read: read.at), len(self.reads)):
            if self.reads[index].covers(begin, end):
                found.append(self.reads[index])
                if len(found) == most:
                    break
        return found
