"""Channels: WebSockets that are sent, once per tick, what was written to their streams since the tick before (pi-web-api.md 3)."""

import asyncio
import logging
import random
from collections.abc import Awaitable
from dataclasses import dataclass

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from simulator.api import Refusal, Request
from simulator.catalogue import Catalogue, letter_of
from simulator.changes import Action, Change
from simulator.events import NO_DATA, Event
from simulator.journal import Journal
from simulator.profiles import Clock
from simulator.sources import Source
from simulator.store import Stream

log = logging.getLogger("simulator")

_encode = msgspec.json.encode
_HEARTBEAT = b'{"Links":{},"Items":[]}'
_MALFORMED = (
    b'{"Timestamp":"2026-13-45T99:99:99Z","Value":1.0,"UnitsAbbreviation":"",'
    b'"Good":true,"Questionable":false,"Substituted":false,"Annotated":false}'
)
# A client that has stopped reading is dropped before it takes the server's memory. Real queues are finite too (pi-web-api.md 3.4).
_MAX_WAITING_VALUES = 500_000
_CLOSE_SECONDS = 2.0


@dataclass(slots=True)
class Line:
    """What faults do to all channels."""

    stalled: bool = False
    lost: bool = True
    lose_share: float = 0.0
    blanks: int = 0


class Ear:
    """Listens to one stream for a channel."""

    __slots__ = ("channel", "source")

    def __init__(self, channel: "Channel", source: Source) -> None:
        self.channel = channel
        self.source = source

    def receive(self, stream: Stream, change: Change) -> None:
        self.channel.receive(self.source, change)


class Channel:
    """One open socket: what waits for it, and how many ticks it has been silent."""

    def __init__(
        self,
        name: str,
        sources: list[Source],
        heads: list[bytes],
        heartbeat_rate: int,
        randomness: random.Random,
        line: Line,
        journal: Journal | None = None,
    ) -> None:
        self.name = name
        self._line = line
        self.frozen = False
        self._journal = journal
        self._heads = dict(zip(sources, heads, strict=True))
        self._ears = [Ear(self, source) for source in sources]
        self._heartbeat_rate = heartbeat_rate
        self._random = randomness
        # None is a value nobody can use.
        self._waiting: dict[Source, list[Event | None]] = {}
        self._waiting_values = 0
        self._silent_ticks = 0
        self._due = asyncio.Event()
        self.overrun = False
        self.why_closed = "client"

    def open(self, now: int, initial_values: bool) -> None:
        if self._journal is not None:
            self._journal.opened(self.name, [source.point_id for source in self._heads if source.point_id is not None])
        for ear in self._ears:
            readings = ear.source.history()
            readings.listen(ear)
            current = readings.current(now) if initial_values else None
            if current is not None:
                self._put(ear.source, current)

    def close(self) -> None:
        for ear in self._ears:
            ear.source.history().forget(ear)
        if self._journal is not None:
            self._journal.closed(self.name, self.why_closed)

    def receive(self, source: Source, change: Change) -> None:
        if self._line.lose_share and self._random.random() < self._line.lose_share:
            return
        # A message has no word for a deletion (pi-web-api.md 3.3): here the value at that instant turns into a system state.
        deleted = change.action is Action.DELETE
        self._put(source, Event(change.event.ticks, NO_DATA) if deleted else change.event)

    def receive_malformed(self, source: Source) -> None:
        """One value that is no value goes out with the stream's next message. The store knows nothing of it."""
        self._put(source, None)

    def _put(self, source: Source, event: Event | None) -> None:
        self._waiting.setdefault(source, []).append(event)
        self._waiting_values += 1
        if self._waiting_values > _MAX_WAITING_VALUES:
            self.overrun = True

    def tick(self) -> None:
        """One poll of the server. `heartbeatRate` counts these, not seconds."""
        if self.frozen or self._line.stalled:
            if self.frozen or self._line.lost:
                self._waiting, self._waiting_values = {}, 0
            return
        if self._waiting:
            self._silent_ticks = 0
            self._due.set()
            return
        self._silent_ticks += 1
        if 0 < self._heartbeat_rate <= self._silent_ticks:
            self._silent_ticks = 0
            self._due.set()

    async def next_message(self) -> tuple[bytes, int]:
        """The next frame and the number of values in it. Streams come in any order, the values of one in the order they were written."""
        await self._due.wait()
        self._due.clear()
        waiting, count = list(self._waiting.items()), self._waiting_values
        self._waiting, self._waiting_values = {}, 0
        if not waiting:
            return _HEARTBEAT, 0
        self._random.shuffle(waiting)
        items = []
        for source, events in waiting:
            values = b",".join([_MALFORMED if event is None else event.json(units=source.units) for event in events])
            items.append(b'%b,"Items":[%b],"UnitsAbbreviation":%b}' % (self._heads[source], values, _encode(source.units)))
            if self._journal is not None and source.point_id is not None:
                self._write_down(self._journal, source.point_id, events)
        return b'%b{"Links":{},"Items":[%b]}' % (b" " * self._line.blanks, b",".join(items)), count

    def _write_down(self, journal: Journal, point_id: int, events: list[Event | None]) -> None:
        whole = [event for event in events if event is not None]
        if whole:
            journal.sent(self.name, point_id, whole)
        for _ in range(len(events) - len(whole)):
            journal.sent_malformed(self.name, point_id)


class Channels:
    """All open channels."""

    def __init__(self, catalogue: Catalogue, randomness: random.Random, clock: Clock, journal: Journal | None = None) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._journal = journal
        self._served = 0
        self.line = Line()
        self._random = randomness
        self._open: dict[Channel, tuple[web.WebSocketResponse, web.Request]] = {}
        self._farewells: set[asyncio.Task[int]] = set()
        self.values_sent = 0

    def __len__(self) -> int:
        return len(self._open)

    def tick(self) -> None:
        for channel, (_, raw) in list(self._open.items()):
            if channel.overrun:
                log.warning("channel of %s reads too slowly and is dropped", raw.remote)
                channel.why_closed = "server"
                _abort(raw)
            channel.tick()

    async def serve(self, raw: web.Request, request: Request, web_id: str | None) -> web.StreamResponse:
        """Answers a handshake and stays until the socket ends. Refuses it whole if any WebID is bad (pi-web-api.md 3.5)."""
        channel = self._prepare(request, web_id)
        socket = web.WebSocketResponse(timeout=_CLOSE_SECONDS, compress=False)
        check = socket.can_prepare(raw)
        if not check:
            raise Refusal(400, "The WebSocket handshake is not valid.", key="Message")
        # Listening starts before the 101: what is written after the client sees it open is never missed.
        channel.open(self._clock(), request.query.boolean("includeInitialValues", False))
        try:
            await socket.prepare(raw)
            self._open[channel] = (socket, raw)
            sender = asyncio.create_task(self._send(channel, socket, raw))
            try:
                # Server to client only: whatever the client sends changes nothing (pi-web-api.md 3.1).
                async for _ in socket:
                    pass
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
        finally:
            self._open.pop(channel, None)
            channel.close()
        return socket

    def _prepare(self, request: Request, web_id: str | None) -> Channel:
        if request.segments[0] == "streams" and web_id is not None:
            found = [self._catalogue.source(web_id)]
        else:
            found = self._catalogue.sources(request)
            if web_id is not None:
                found = [source for source in found if source.readings is not None]
        for source in found:
            source.history()
        # Twice the same point, in whatever form, is one stream of the channel.
        sources = list({source.key: source for source in found}.values())
        letter = letter_of(request.query)
        rate = request.query.integer("heartbeatRate", 0, least=-2_147_483_648, most=2_147_483_647)
        request.query.boolean("includeInitialValues", False)
        self._served += 1
        heads = [self._head(source, letter) for source in sources]
        return Channel(f"c{self._served}", sources, heads, rate, self._random, self.line, self._journal)

    def _head(self, source: Source, letter: str) -> bytes:
        head = {"WebId": source.encode(letter), "Name": source.name, "Path": source.path, "Links": {}}
        return _encode(head)[:-1]

    async def _send(self, channel: Channel, socket: web.WebSocketResponse, raw: web.Request) -> None:
        while True:
            message, values = await channel.next_message()
            try:
                await socket.send_frame(message, WSMsgType.TEXT)
            except ConnectionError:
                return
            self.values_sent += values

    def send_malformed(self, stream: Stream) -> int:
        """How many open channels will be sent a value nobody can use in `stream`'s next message."""
        listening = [ear for ear in stream.listeners if isinstance(ear, Ear)]
        for ear in listening:
            ear.channel.receive_malformed(ear.source)
        return len(listening)

    def abort(self, count: int, close_frame: bool, why: str) -> None:
        """`drop` by a fault, which cannot wait for the farewells."""
        task = asyncio.create_task(self.drop(count, close_frame, why))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    def freeze(self) -> None:
        """The channels that are open neither send nor read any more."""
        for channel, (_, raw) in self._open.items():
            channel.frozen = True
            if raw.transport is not None:
                raw.transport.pause_reading()

    def thaw(self, why: str) -> None:
        """Nobody comes back from a half-open connection: it is reset."""
        for channel, (_, raw) in list(self._open.items()):
            if channel.frozen:
                del self._open[channel]
                channel.why_closed = why
                if raw.transport is not None:
                    raw.transport.resume_reading()
                _abort(raw)

    async def drop(self, count: int, close_frame: bool, why: str = "dropped") -> int:
        """Drops up to `count` channels, the oldest first; without a close frame their connections just end. How many it dropped."""
        victims = list(self._open.items())[:count]
        farewells: list[Awaitable[bool]] = []
        for channel, (socket, raw) in victims:
            del self._open[channel]
            channel.why_closed = why
            if close_frame:
                farewells.append(socket.close(code=WSCloseCode.GOING_AWAY))
            else:
                _abort(raw)
        await asyncio.gather(*farewells)
        return len(victims)


def _abort(raw: web.Request) -> None:
    if raw.transport is not None:
        raw.transport.abort()
