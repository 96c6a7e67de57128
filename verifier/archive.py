"""The archive of one point as the journal tells it, at any serial number. Pure."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from verifier.events import Content, Event

END = 1 << 62
"""A serial number after all others."""
ALWAYS = -(1 << 62)
"""When computed history came to be: before everything that was written."""


class Setting(NamedTuple):
    """How PI's clock was set from an instant of the machine's clock on: so far ahead, and gaining so much per second."""

    since: int
    offset: int
    drift: float


class PIClock:
    """PI's clock against the machine's, which never goes back, whatever faults did to PI's."""

    def __init__(self) -> None:
        self._settings = [Setting(0, 0, 0.0)]

    def move(self, machine: int, offset: int, drift: float) -> None:
        """From that instant of the machine's clock on."""
        self._settings.append(Setting(machine, offset, drift))

    def machine(self, shown: int) -> int:
        """The machine's clock when PI's, as it is set now, shows this."""
        return _machine(self._settings[-1], shown)

    def moments(self, shown: int) -> list[int]:
        """When, by the machine's clock, somebody may have taken this for PI's time.

        More than once where the clock was set: it may have shown it twice, and who last looked before it was set goes on by what he saw.
        """
        first, *others = self._settings
        return sorted({_machine(first, shown), *(at for one in others if (at := _machine(one, shown)) >= one.since)})


def _machine(setting: Setting, shown: int) -> int:
    ahead = shown - setting.offset
    return ahead if setting.drift == 0 else setting.since + round((ahead - setting.since) / (1 + setting.drift))


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
        """The machine's clock at its last change in the archive."""

    def content(self, n: int = END) -> Content:
        """What it said as of a serial number."""
        last = self.contents[0][1]
        for since, content in self.contents:
            if since <= n:
                last = content
        return last


class Read(NamedTuple):
    """A range of a point that was served at an instant of the machine's clock, both ends inclusive.

    A page that came back full serves only what lies before its last instant.
    """

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

    def __init__(self, point_id: int, name: str, point_type: str, uom: str, clock: PIClock) -> None:
        self.point_id, self.name, self.point_type, self.uom = point_id, name, point_type, uom
        self._clock = clock
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
        """The machine's clock at the last change of the archive at an instant; ALWAYS if there was none."""
        first, last = bisect_left(self._times, ticks), bisect_left(self._times, ticks + 1)
        return max((event.changed_at for event in self._archived[first:last]), default=ALWAYS)

    def reads_since(self, shown: int, begin: int, end: int, most: int) -> list[Read]:
        """The first reads since PI's clock showed that time which served all of [begin, end); if it did so twice, those of each time."""
        found: set[Read] = set()
        for at in self._clock.moments(shown):
            places = range(bisect_left(self.reads, at, key=lambda read: read.at), len(self.reads))
            found.update(islice((self.reads[place] for place in places if self.reads[place].covers(begin, end)), most))
        return sorted(found)

    def surely_since(self, shown: int) -> int:
        """The first moment, by the machine's clock, at which somebody may have taken this for PI's time."""
        return self._clock.moments(shown)[0]
