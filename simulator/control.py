"""The control port, for tests and demonstrations: JSON on a loopback address of its own, no authentication. Nothing of it exists in PI.

What it says about the archive is read from the store itself: the truth a client is measured against.
"""

import json
from base64 import b64decode, b64encode
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from simulator.api import Query, Refusal
from simulator.asset_control import AssetControl
from simulator.control_messages import read_order, refuse, tell
from simulator.events import SYSTEM_STATES, Event, Value, float32, value_json
from simulator.faults import read_fault
from simulator.pitime import TICKS_PER_SECOND, BadTime, format_ticks, parse_time
from simulator.profiles import Point
from simulator.store import BEGINNING, END, MAX_AHEAD_SECONDS, Stream

if TYPE_CHECKING:
    from simulator.server import Running


class DropOrder(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    close_frame: bool = True


class LoadOrder(msgspec.Struct, forbid_unknown_fields=True):
    running: bool


class PointOrder(msgspec.Struct, forbid_unknown_fields=True):
    point_id: int


class NewEvent(msgspec.Struct, forbid_unknown_fields=True):
    """`value` is a number, a text, a state's number or name for a digital point, or {"system_state": 246} for any."""

    time: str
    value: Any
    questionable: bool = False
    substituted: bool = False
    annotated: bool = False


class InsertOrder(msgspec.Struct, forbid_unknown_fields=True):
    point_id: int
    events: list[NewEvent]


class EditOrder(msgspec.Struct, forbid_unknown_fields=True):
    """`index` counts the events of the instant `time`, in the server's order."""

    point_id: int
    time: str
    value: Any
    index: int = 0
    questionable: bool = False
    annotated: bool = False


class DeleteOrder(msgspec.Struct, forbid_unknown_fields=True):
    point_id: int
    time: str
    index: int = 0


class QueueOrder(msgspec.Struct, forbid_unknown_fields=True):
    held: bool


class Control:
    def __init__(self, running: "Running") -> None:
        self._running = running
        self._store = running.store
        self._catalogue = running.catalogue
        self._answers = running.answers
        self._channels = running.channels
        self._load = running.load
        self._requests = running.routes.requests
        self._clock = running.clock
        clock, true = running.clock, running.clock.true
        self._assets = AssetControl(running.framework, running.store, clock, true, running.journal)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            [
                web.get("/status", self.status),
                web.get("/points", self.points),
                web.get("/archive", self.archive),
                web.post("/insert", self.insert),
                web.post("/edit", self.edit),
                web.post("/delete", self.delete),
                web.post("/queue", self.hold_queue),
                web.get("/faults", self.tell_faults),
                web.post("/faults", self.set_faults),
                web.post("/channels/drop", self.drop),
                web.post("/tokens/revoke", self.revoke_tokens),
                web.post("/malformed", self.malformed),
                web.post("/load", self.set_load),
                *self._assets.routes(),
            ]
        )
        return app

    async def status(self, _: web.Request) -> web.Response:
        counts = self._store.counts
        return tell(
            {
                "points": len(self._store.streams),
                "events_written": counts.written,
                "events_archived": counts.archived,
                "events_late": counts.late,
                "events_compressed_away": counts.compressed_away,
                "events_edited": counts.edited,
                "events_deleted": counts.deleted,
                "events_rejected": counts.rejected,
                "events_waiting_for_archive": len(self._store.queue),
                "channels_open": len(self._channels),
                "values_served": self._answers.values_served,
                "values_sent_on_channels": self._channels.values_sent,
                "load_running": self._load.running,
                "requests": dict(self._requests),
            }
        )

    async def points(self, _: web.Request) -> web.Response:
        return tell([self._describe(stream) for stream in self._store.streams])

    def _describe(self, stream: Stream) -> dict[str, Any]:
        newest = stream.archive.read(limit=1, descending=True)
        return {
            "point_id": stream.point.point_id,
            "name": stream.point.name,
            "web_id": self._catalogue.web_id(stream.point, "F"),
            "type": stream.point.point_type,
            "source": stream.point.source,
            "newest_archived_ticks": newest[0].ticks if newest else None,
            "snapshot_ticks": stream.snapshot.ticks if stream.snapshot else None,
            "live": stream.live,
        }

    async def archive(self, raw: web.Request) -> web.Response:
        """The archived events of one point with from_ticks <= t < to_ticks, in the server's order; never the snapshot."""
        try:
            query = Query(raw.query_string)
            stream = self._stream(query.integer("point_id", -1, most=2_147_483_647))
            first, end = _ticks(query, "from_ticks"), _ticks(query, "to_ticks")
        except Refusal as refusal:
            return refuse(refusal)
        events = stream.archive.read(BEGINNING if first is None else first, END if end is None else end - 1)
        rows = [[e.ticks, msgspec.Raw(value_json(e.value)), e.good, e.questionable, e.substituted, e.annotated] for e in events]
        return tell({"point_id": stream.point.point_id, "events": rows})

    async def insert(self, raw: web.Request) -> web.Response:
        """Writes events through the store like any other; all of them, or none if one is wrong."""
        try:
            order = await read_order(raw, InsertOrder)
            stream = self._stream(order.point_id)
            events = [self._event(stream.point, event) for event in order.events]
        except Refusal as refusal:
            return refuse(refusal)
        late = [stream.write(event) for event in events].count(True)
        return tell({"point_id": order.point_id, "written": len(events), "late": late, "ticks": [event.ticks for event in events]})

    def _event(self, point: Point, new: NewEvent) -> Event:
        now = self._clock()
        ticks, value = self._instant(new.time), _value_of(point, new.value)
        if not point.future and ticks > now + MAX_AHEAD_SECONDS * TICKS_PER_SECOND:
            # Ordinary points take values up to ten minutes ahead and reject later ones (pi-web-api.md 8.2).
            raise Refusal(400, f"{new.time} lies more than {MAX_AHEAD_SECONDS} s ahead of the server's clock")
        return Event(ticks, value, questionable=new.questionable, substituted=new.substituted, annotated=new.annotated)

    def _instant(self, text: str) -> int:
        try:
            return parse_time(text, self._clock(), UTC)
        except BadTime as error:
            raise Refusal(400, str(error)) from None

    async def edit(self, raw: web.Request) -> web.Response:
        """Gives one archived event, or the snapshot, another value."""
        try:
            order = await read_order(raw, EditOrder)
            stream, ticks = self._stream(order.point_id), self._instant(order.time)
            value = _value_of(stream.point, order.value)
            if stream.edit(ticks, order.index, value, questionable=order.questionable, annotated=order.annotated) is None:
                raise _nothing_there(stream, order.time, order.index)
        except Refusal as refusal:
            return refuse(refusal)
        return tell({"point_id": order.point_id, "ticks": ticks, "index": order.index})

    async def delete(self, raw: web.Request) -> web.Response:
        try:
            order = await read_order(raw, DeleteOrder)
            stream, ticks = self._stream(order.point_id), self._instant(order.time)
            if stream.delete(ticks, order.index) is None:
                raise _nothing_there(stream, order.time, order.index)
        except Refusal as refusal:
            return refuse(refusal)
        return tell({"point_id": order.point_id, "ticks": ticks, "index": order.index})

    async def hold_queue(self, raw: web.Request) -> web.Response:
        try:
            order = await read_order(raw, QueueOrder)
        except Refusal as refusal:
            return refuse(refusal)
        waited = len(self._store.queue)
        if order.held:
            self._store.queue.held = True
        else:
            self._store.queue.let_go()
        return tell({"held": order.held, "waited": waited})

    async def tell_faults(self, _: web.Request) -> web.Response:
        return tell([{"fault": fault.word, **fault.detail()} for fault, _ in self._running.disorder.on])

    async def set_faults(self, raw: web.Request) -> web.Response:
        """{"fault": word, ...} begins one now, {"end": word or "all"} ends those of that name."""
        disorder = self._running.disorder
        try:
            order = msgspec.json.decode(await raw.read())
            if isinstance(order, dict) and list(order) == ["end"]:
                return tell({"ended": disorder.end_all(str(order["end"]), self._running)})
            disorder.begin(read_fault(order), self._running)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return refuse(Refusal(400, str(error)))
        return await self.tell_faults(raw)

    async def drop(self, raw: web.Request) -> web.Response:
        try:
            order = await read_order(raw, DropOrder)
        except Refusal as refusal:
            return refuse(refusal)
        return tell({"dropped": await self._channels.drop(max(0, order.count), order.close_frame)})

    async def revoke_tokens(self, _: web.Request) -> web.Response:
        return tell({"revoked": self._running.gate.revoke_all()})

    async def malformed(self, raw: web.Request) -> web.Response:
        try:
            stream = self._stream((await read_order(raw, PointOrder)).point_id)
        except Refusal as refusal:
            return refuse(refusal)
        channels = self._channels.send_malformed(stream)
        return tell({"point_id": stream.point.point_id, "channel_open": channels > 0, "channels": channels})

    async def set_load(self, raw: web.Request) -> web.Response:
        try:
            order = await read_order(raw, LoadOrder)
        except Refusal as refusal:
            return refuse(refusal)
        if order.running:
            self._load.run(self._clock())
        else:
            self._load.stop()
        return tell({"running": self._load.running})

    def _stream(self, point_id: int) -> Stream:
        stream = self._store.by_id.get(point_id)
        if stream is None:
            raise Refusal(404, f"There is no point {point_id}.")
        return stream


def _nothing_there(stream: Stream, time: str, index: int) -> Refusal:
    return Refusal(404, f'Point "{stream.point.name}" has no event number {index} at {time}.')


def _value_of(point: Point, given: Any) -> Value:
    try:
        return _value(point, given)
    except (ValueError, OverflowError) as error:
        raise Refusal(400, str(error)) from None


def _value(point: Point, given: Any) -> Value:
    """`given` as a value of the point's type. Raises ValueError, OverflowError."""
    if isinstance(given, dict):
        code = given.get("system_state")
        if set(given) != {"system_state"} or code not in SYSTEM_STATES:
            raise ValueError(f"{json.dumps(given)} is not a known system state")
        return SYSTEM_STATES[code]
    if point.states:
        for state in point.states:
            if not isinstance(given, bool) and given in (state.value, state.name):
                return state
    elif point.point_type == "String":
        if isinstance(given, str):
            return given
    elif point.point_type == "Timestamp":
        return format_ticks(parse_time(str(given), 0, UTC))
    elif point.point_type == "Blob":
        return b64encode(b64decode(str(given), validate=True)).decode()
    elif isinstance(given, int | float) and not isinstance(given, bool):
        if point.point_type in ("Int16", "Int32"):
            if float(given).is_integer() and abs(given) < 2 ** (int(point.point_type[3:]) - 1):
                return int(given)
        elif point.point_type in ("Float16", "Float32"):
            return float32(float(given))
        else:
            return float(given)
    elif given in ("NaN", "Infinity", "-Infinity") and point.point_type in ("Float16", "Float32", "Float64"):
        return float(given)
    raise ValueError(f'{json.dumps(given)} is no value of point "{point.name}", which is {point.point_type}')


def _ticks(query: Query, name: str) -> int | None:
    text = query.one(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise Refusal(400, f"{name} must be an integer.") from None
