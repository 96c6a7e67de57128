"""The simulator's journal: what happened in PI's store, and what was read and sent. Read as data; nothing of the simulator is imported."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from verifier.archive import PointArchive, Read, Stored
from verifier.errors import JournalError
from verifier.events import of_journal
from verifier.truth import Disconnect, Truth

_RANGE_ROUTES = frozenset({"recorded"})
_ORDERLY = frozenset({"client", "server"})
"""How a channel ends without anyone having cut it."""
_PROGRESS_LINES = 1_000_000
_TICKS_PER_SECOND = 10_000_000


class Line(msgspec.Struct, rename={"since": "from", "until": "to", "fresh": "id"}):
    """Any line; which fields it has depends on its kind."""

    k: str
    n: int
    at: int
    p: int = -1
    t: int | None = None
    v: Any = None
    f: int = 1
    fresh: int | None = None
    since: int = 0
    until: int = 0
    events: tuple[Any, ...] = ()
    q: str = ""
    route: str = ""
    max: int | None = None
    count: int = 0
    status: int = 0
    first: int | None = None
    last: int | None = None
    c: int | str | None = None
    points: tuple[int, ...] = ()
    why: str = ""
    name: str = ""
    type: str = ""
    uom: str | None = None
    format: int = 0
    server_id: str = ""
    state: str = ""
    detail: dict[str, Any] = {}


def read(path: Path, progress: Callable[[str], None] = lambda _: None) -> Truth:
    """Reads a whole journal. A last line without an end is what a kill leaves and does not count. Raises JournalError."""
    try:
        with path.open("rb") as lines:
            return parse(lines, progress)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error


def parse(lines: Iterator[bytes] | Any, progress: Callable[[str], None] = lambda _: None) -> Truth:
    """Reads the lines of a journal. Raises JournalError."""
    reader, decoder = _Reader(), msgspec.json.Decoder(Line)
    for number, text in enumerate(lines, 1):
        if not text.endswith(b"\n"):
            break
        try:
            line = decoder.decode(text)
            reader.take(line)
        except (msgspec.DecodeError, ValueError, KeyError, TypeError) as error:
            raise JournalError(f"line {number}: {error!r:.300}") from error
        if number % _PROGRESS_LINES == 0:
            progress(f"journal: {number:,} lines")
    if not reader.truth.server_id:
        raise JournalError("no line says where the journal begins: this is no journal, or an empty one")
    for point in reader.truth.points.values():
        point.freeze()
    return reader.truth


class _Reader:
    """Takes line after line; each kind has a method of its name."""

    def __init__(self) -> None:
        self.truth = Truth()
        self._events: dict[int | None, Stored] = {}
        self._channels: dict[int | str | None, tuple[int, tuple[int, ...]]] = {}
        """Serial number of its opening, and points, of each channel that is open."""
        self._kinds: dict[str, Callable[[Line], None]] = {
            "start": self._start,
            "point": self._point,
            "write": self._write,
            "archive": self._archive,
            "discard": self._discard,
            "edit": self._edit,
            "delete": self._delete,
            "history": self._history,
            "read": self._read,
            "open": self._open,
            "close": self._close,
            "sent": self._sent,
            "fault": self._fault,
            "element": self._not_ours,
            "event_frame": self._not_ours,
        }

    def take(self, line: Line) -> None:
        if line.n != self.truth.lines + 1:
            raise ValueError(f"serial number {line.n} follows {self.truth.lines}: a part of the journal is missing")
        if line.k not in self._kinds:
            raise ValueError(f"format 1 has no kind {line.k!r}")
        self.truth.lines += 1
        self._kinds[line.k](line)

    def _start(self, line: Line) -> None:
        if line.format != 1:
            raise ValueError(f"format {line.format} is not known; this verifier reads format 1")
        self.truth.server_id = line.server_id

    def _point(self, line: Line) -> None:
        self.truth.points[line.p] = PointArchive(line.p, line.name, line.type, line.uom or "", self.truth.clock)

    def _write(self, line: Line) -> None:
        if line.t is None or line.fresh is None:
            raise ValueError("a written event without a time or an id")
        point = self.truth.points[line.p]
        self._events[line.fresh] = point.written(line.t, of_journal(line.v, line.f, point.point_type), line.n)

    def _archive(self, line: Line) -> None:
        event = self._named(line)
        event.born, event.place, event.changed_at = line.n, line.n, self._machine(line)

    def _discard(self, line: Line) -> None:
        self._named(line)

    def _edit(self, line: Line) -> None:
        event = self._named(line)
        event.contents.append((line.n, of_journal(line.v, line.f, self.truth.points[line.p].point_type)))
        event.changed_at = self._machine(line)

    def _delete(self, line: Line) -> None:
        event = self._named(line)
        event.died, event.changed_at = line.n, self._machine(line)

    def _named(self, line: Line) -> Stored:
        """The event that a line is about."""
        if line.fresh not in self._events:
            raise ValueError(f"no event has the id {line.fresh} that this {line.k} is about")
        return self._events[line.fresh]

    def _history(self, line: Line) -> None:
        """Computed history numbers its events from the line's id on."""
        point, first = self.truth.points[line.p], line.fresh
        if first is None:
            raise ValueError("history without an id")
        for place, (ticks, value, flags) in enumerate(line.events):
            self._events[first + place] = point.computed(ticks, of_journal(value, flags, point.point_type), place)

    def _read(self, line: Line) -> None:
        if line.status != 200:
            return
        point = self.truth.points[line.p]
        low, high = min(line.since, line.until), max(line.since, line.until)
        look = Read(self._machine(line), line.n, low, high, line.q)
        shown = [ticks for ticks in (line.first, line.last) if ticks is not None]
        point.looks.append(look._replace(begin=min(low, *shown), last=max(high, *shown)) if shown else look)
        if line.route not in _RANGE_ROUTES:
            return
        if line.max is not None and line.count >= line.max and line.last is not None:
            # A full page may end inside an instant: what is sure ends before its last one (or begins after it, read backwards).
            look = look._replace(last=line.last - 1) if line.since <= line.until else look._replace(begin=line.last + 1)
        point.reads.append(look)

    def _open(self, line: Line) -> None:
        self._channels[line.c] = line.n, line.points

    def _close(self, line: Line) -> None:
        """A channel that was cut is a disconnect of the points for which none was opened after it: who opened another did not miss it."""
        opened, points = self._channels.pop(line.c, (0, ()))
        if line.why in _ORDERLY:
            return
        missed = set(points).difference(*(others for later, others in self._channels.values() if later > opened))
        if missed:
            self.truth.disconnects.append(Disconnect(line.n, self._machine(line), str(line.c), line.why, tuple(sorted(missed))))

    def _sent(self, line: Line) -> None:
        point = self.truth.points[line.p]
        for event in line.events:
            # What was malformed on purpose has no value, and nobody may have made one of it.
            if not isinstance(event, dict) and len(event) == 3 and event[1] is not None:
                point.sent.setdefault((event[0], of_journal(event[1], event[2], point.point_type)), line.n)

    def _fault(self, line: Line) -> None:
        self.truth.faults += 1
        # A clock fault's own line has the clock as it is while the fault is off.
        if line.name == "clock" and line.state == "on":
            offset = round(line.detail.get("offset", 0.0) * _TICKS_PER_SECOND)
            self.truth.clock.move(self._machine(line), offset, line.detail.get("drift", 0.0))
        elif line.name == "clock" and line.state == "off":
            self.truth.clock.move(line.at, 0, 0.0)

    def _machine(self, line: Line) -> int:
        """The machine's clock at a line."""
        return self.truth.clock.machine(line.at)

    def _not_ours(self, line: Line) -> None:
        """Elements and event frames are no values."""
