"""The journal: what happened to the store and what was served of it, line by line, for a verifier that trusts nobody (journal.md)."""

import asyncio
import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from simulator.events import Event, value_json
from simulator.profiles import Clock, Point
from simulator.settings import BadSettings

FORMAT = 1
SYNC_SECONDS = 0.1
_encode = msgspec.json.encode


class JournalLost(Exception):
    """The journal cannot be written any more. What it has is whole up to its last line feed; nothing is added behind that."""


class Journal:
    """Serial numbers are given in the order of the calls. Without a path the lines stay in memory, for tests.

    A call costs the formatting of one line; the disk is only touched by `sync`.
    """

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self.clock = clock
        self._waiting: list[bytes] = []
        self._kept: list[bytes] = []
        self._serial = 0
        self._last_id = 0
        self._requests = 0
        self._path = path
        self._turn = asyncio.Lock()
        self._writing: asyncio.Future[None] | None = None
        try:
            # A journal tells of one run from its start: an older file is never continued and never overwritten.
            self._file = None if path is None else path.open("xb", buffering=0)
        except OSError as error:
            self._file = _open_device(path, error)

    def next_ids(self, count: int = 1) -> int:
        """The first of `count` ids nobody has yet."""
        first = self._last_id + 1
        self._last_id += count
        return first

    def next_request(self) -> str:
        self._requests += 1
        return f"r{self._requests}"

    # What happened

    def start(self, **facts: Any) -> None:
        self._put(b"start", _inner({"format": FORMAT, **facts}))

    def point(self, point: Point, live: bool) -> None:
        facts = {"p": point.point_id, "name": point.name, "type": point.point_type, "uom": point.units, "step": point.step, "live": live}
        self._put(b"point", _inner(facts))

    def wrote(self, point_id: int, event: Event) -> None:
        body = b'"p":%d,"t":%d,"v":%b,"f":%d,"id":%d' % (point_id, event.ticks, value_json(event.value), event.flags, event.id)
        self._put(b"write", body)

    def archived(self, point_id: int, event: Event) -> None:
        self._put(b"archive", b'"p":%d,"id":%d' % (point_id, event.id))

    def discarded(self, point_id: int, event: Event) -> None:
        self._put(b"discard", b'"p":%d,"id":%d' % (point_id, event.id))

    def edited(self, point_id: int, event: Event) -> None:
        self._put(b"edit", b'"p":%d,"id":%d,"v":%b,"f":%d' % (point_id, event.id, value_json(event.value), event.flags))

    def deleted(self, point_id: int, event: Event) -> None:
        self._put(b"delete", b'"p":%d,"id":%d' % (point_id, event.id))

    def history(self, point_id: int, first: int, end: int, events: Sequence[Event], first_id: int) -> None:
        body = b'"p":%d,"from":%d,"to":%d,"id":%d,"events":[%b]' % (point_id, first, end, first_id, _rows(events))
        self._put(b"history", body)

    # The Asset Framework

    def element(self, facts: Mapping[str, Any]) -> None:
        """An element that was created while the server ran."""
        self._put(b"element", _inner(facts))

    def event_frame(self, action: str, facts: Mapping[str, Any]) -> None:
        """`facts` are the whole event frame as it is after `action`."""
        self._put(b"event_frame", _inner({"action": action, **facts}))

    # What was served

    def read(
        self,
        request: str,
        point_id: int,
        route: str,
        first: int,
        last: int,
        most: int,
        events: Sequence[Event],
        status: int = 200,
        attribute: str = "",
    ) -> None:
        """`status` is that of this stream's part of the answer; 0 if the answer was cut, so that nobody can have read it.

        `attribute` is the id of the attribute through which the point was read.
        """
        ends = b'"first":%d,"last":%d' % (events[0].ticks, events[-1].ticks) if events else b'"first":null,"last":null'
        rest = b'"from":%d,"to":%d,"max":%d,"count":%d,"status":%d,%b' % (first, last, most, len(events), status, ends)
        through = b',"a":"%b"' % attribute.encode() if attribute else b""
        self._put(b"read", b'"q":%b,"p":%d,"route":"%b",%b%b' % (_encode(request), point_id, route.encode(), rest, through))

    def opened(self, channel: str, points: Iterable[int]) -> None:
        self._put(b"open", _inner({"c": channel, "points": list(points)}))

    def closed(self, channel: str, why: str) -> None:
        self._put(b"close", _inner({"c": channel, "why": why}))

    def sent(self, channel: str, point_id: int, events: Sequence[Event]) -> None:
        self._put(b"sent", b'"c":%b,"p":%d,"events":[%b]' % (_encode(channel), point_id, _rows(events)))

    def sent_malformed(self, channel: str, point_id: int) -> None:
        self._put(b"sent", b'"c":%b,"p":%d,"events":[],"v":null,"malformed":true' % (_encode(channel), point_id))

    def fault(self, name: str, state: str, detail: Mapping[str, Any]) -> None:
        self._put(b"fault", _inner({"name": name, "state": state, "detail": detail}))

    def _put(self, kind: bytes, body: bytes) -> None:
        self._serial += 1
        self._waiting.append(b'{"k":"%b","n":%d,"at":%d,%b}\n' % (kind, self._serial, self.clock(), body))

    # The file

    async def sync(self) -> None:
        """Writes what waits and waits for the disk, in another thread: the server goes on meanwhile.

        Raises `JournalLost` if a write failed, now or before: behind lines that are missing there must be no others.
        """
        async with self._turn:
            # A sync that was cancelled goes on writing: the next lines come behind its own.
            await self._written()
            lines, self._waiting = self._waiting, []
            if self._file is None:
                self._kept += lines
            elif lines:
                self._writing = asyncio.ensure_future(asyncio.to_thread(_write, self.fileno(), b"".join(lines)))
                await self._written()

    async def _written(self) -> None:
        if self._writing is None:
            return
        try:
            await asyncio.shield(self._writing)
        except OSError as error:
            what = f'journal "{self._path}" cannot be written any more ({error.strerror}), so that it lacks what happened last'
            raise JournalLost(f"{what}: make room, and use this run for no proof") from error

    async def sync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            await self.sync()

    def fileno(self) -> int:
        """Of the open file."""
        assert self._file is not None
        return self._file.fileno()

    def abandon(self) -> None:
        """Removes the file of a run that never began."""
        if self._path is not None and self._file is not None:
            self._file.close()
            if self._path.is_file():
                self._path.unlink()

    async def close(self) -> None:
        """Writes what waits. Raises `JournalLost` if not everything is on the disk."""
        try:
            await self.sync()
        finally:
            if self._file is not None:
                self._file.close()

    def lines(self) -> list[dict[str, Any]]:
        """Everything told so far; of a journal with a file, what is on it and what waits."""
        told = [*self._kept, *self._waiting] if self._path is None else [*self._path.read_bytes().splitlines(True), *self._waiting]
        return parse_journal(b"".join(told))


def parse_journal(text: bytes) -> list[dict[str, Any]]:
    """The lines of a journal. A last line without its line feed was torn by the end of the process and is left out."""
    return [msgspec.json.decode(line) for line in text.split(b"\n")[:-1]]


def _open_device(path: Path | None, error: OSError) -> FileIO:
    """A device in place of a new file. Raises `BadSettings` if `path` is none."""
    if path is not None and path.is_char_device():
        return path.open("wb", buffering=0)
    if isinstance(error, FileExistsError):
        raise BadSettings(f'--journal: "{path}" exists already; each run needs a file of its own') from None
    if isinstance(error, FileNotFoundError):
        raise BadSettings(f'--journal: the folder of "{path}" does not exist; make it first') from None
    raise BadSettings(f'--journal: "{path}" cannot be written: {error.strerror}') from error


def _write(file: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(file, rest) :]
    facts = os.fstat(file)
    if stat.S_ISREG(facts.st_mode):
        os.fsync(file)
    if facts.st_nlink == 0:
        raise FileNotFoundError(errno.ENOENT, "the file was removed")


def _rows(events: Sequence[Event]) -> bytes:
    return b",".join([b"[%d,%b,%d]" % (event.ticks, value_json(event.value), event.flags) for event in events])


def _inner(facts: Mapping[str, Any]) -> bytes:
    """A JSON object without its braces."""
    return _encode(facts)[1:-1]
