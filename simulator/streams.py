"""Values: one stream or an ad hoc set of them (pi-web-api.md 2)."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from simulator.api import MAX_RETURNED_ITEMS, Answer, Refusal, Request, Routes, reply
from simulator.catalogue import Catalogue, letter_of
from simulator.disorder import Disorder
from simulator.events import NO_DATA, Event, float32
from simulator.fields import Fields, below, value_json, values_json
from simulator.journal import Journal
from simulator.pitime import TICKS_PER_SECOND, format_ticks
from simulator.store import END, MAX_AHEAD_SECONDS, Stream

_RETRIEVAL_MODES = ("Auto", "AtOrBefore", "Before", "AtOrAfter", "After", "Exact")
_PROTOCOL_TEXT = "The protocol of the request is not supported by this resource."


@dataclass(slots=True)
class Range:
    """What a `recorded` request asks of each stream."""

    first: int
    last: int
    descending: bool
    outside: bool
    max_count: int


class StreamAnswers:
    """Reads of the store. Stream sets come in no order of ours unless `sortField` asks for one."""

    def __init__(self, catalogue: Catalogue, randomness: random.Random, disorder: Disorder, journal: Journal | None = None) -> None:
        self.catalogue = catalogue
        self._disorder = disorder
        self._random = randomness
        self._journal = journal
        self.values_served = 0

    def add_routes(self, routes: Routes) -> None:
        for name, read in (("value", self._read_value), ("end", self._read_end), ("recordedattime", self._read_recorded_at_time)):
            routes.get(f"streams/{{}}/{name}", self._one(read))
            routes.get(f"streamsets/{name}", self._set_of_one(read))
        routes.get("streams/{}/recorded", self.recorded)
        routes.get("streamsets/recorded", self.recorded_set)
        routes.get("streams/{}/channel", _refuse_plain_channel)
        routes.get("streamsets/channel", _refuse_plain_channel)

    # One value per stream

    def _one(self, read: Callable[[Request, Stream], Event]) -> Callable[[Request, str], Answer]:
        def answer(request: Request, web_id: str) -> Answer:
            _refuse_units(request)
            event = self._serve_one(request, self.catalogue.stream(web_id), read)
            return Answer(200, value_json(event, request.fields))

        return answer

    def _set_of_one(self, read: Callable[[Request, Stream], Event]) -> Callable[[Request], Answer]:
        def answer(request: Request) -> Answer:
            _refuse_units(request)
            streams = self.ordered(request)
            value_fields = below(below(request.fields, "Items"), "Value")
            items = []
            for stream in streams:
                value = value_json(self._serve_one(request, stream, read), value_fields)
                items.append(self.head(request, stream) | {"Value": msgspec.Raw(value)})
            return reply(request, {"Links": {}, "Items": items})

        return answer

    def _serve_one(self, request: Request, stream: Stream, read: Callable[[Request, Stream], Event]) -> Event:
        event = read(request, stream)
        served = request.fate == 200
        self.values_served += served
        if self._journal is not None:
            asked = request.time("time", "*")
            route = "recordedattime" if request.segments[-1] == "recordedattime" else "value"
            self._journal.read(request.id, stream.point.point_id, route, asked, asked, 1, [event] if served else [], request.fate)
        return event

    def _read_value(self, request: Request, stream: Stream) -> Event:
        if request.query.one("time"):
            return value_at(stream, request.time("time", "*"), request.now)
        return stream.current(request.now) or Event(request.now, NO_DATA)

    def _read_end(self, request: Request, stream: Stream) -> Event:
        return stream.newest(END - 1) or Event(request.now, NO_DATA)

    def _read_recorded_at_time(self, request: Request, stream: Stream) -> Event:
        if request.query.one("time") is None:
            raise Refusal(400, "The parameter 'time' is required.")
        ticks = request.time("time", "*")
        mode = request.query.choice("retrievalMode", "Auto", _RETRIEVAL_MODES)
        if mode == "Exact":
            exact = stream.recorded(ticks, ticks, limit=1)
            if not exact:
                raise Refusal(404, f"No recorded value of '{stream.point.name}' was found at the specified time.")
            return exact[0]
        if mode == "Auto":
            found = stream.newest(ticks) or stream.oldest(ticks)
        elif mode in ("AtOrBefore", "Before"):
            found = stream.newest(ticks - (mode == "Before"))
        else:
            found = stream.oldest(ticks + (mode == "After"))
        # Where no value can be, reads return the system state No Data, stamped with the time that was asked for (pi-web-api.md 2.4).
        return found or Event(ticks, NO_DATA)

    # Many values per stream

    def recorded(self, request: Request, web_id: str) -> Answer:
        wanted = _range_of(request, 1)
        stream, fields = self.catalogue.stream(web_id), request.fields
        values = self._values(request, stream, wanted, below(fields, "Items"))
        return reply(request, {"Links": {}, "Items": values, "UnitsAbbreviation": ""})

    def recorded_set(self, request: Request) -> Answer:
        streams = self.ordered(request)
        wanted = _range_of(request, len(streams))
        fields = below(below(request.fields, "Items"), "Items")
        items = []
        for stream in streams:
            values = self._values(request, stream, wanted, fields)
            items.append(self.head(request, stream) | {"Items": values, "UnitsAbbreviation": ""})
        return reply(request, {"Links": {}, "Items": items})

    def _values(self, request: Request, stream: Stream, wanted: Range, fields: Fields | None) -> msgspec.Raw:
        offline = self._disorder.offline_before(request.now)
        fate = request.fate
        readable = wanted
        if offline is not None and wanted.first < offline[0]:
            readable = replace(wanted, first=offline[0])
        if (offline is not None and offline[1] and readable is not wanted) or self._disorder.item_fails(request):
            fate = 500 if fate == 200 else fate
        events = recorded_events(stream, readable) if fate == 200 else []
        self.values_served += len(events)
        if self._journal is not None:
            first, last, most = wanted.first, wanted.last, wanted.max_count
            self._journal.read(request.id, stream.point.point_id, "recorded", first, last, most, events, fate)
        if fate != 200:
            return _error_value(request.now)
        return values_json(events, fields)

    def ordered(self, request: Request) -> list[Stream]:
        streams = self.catalogue.streams(request)
        sort_field = request.query.choice("sortField", "", ("Name",))
        if sort_field:
            descending = request.query.choice("sortOrder", "Ascending", ("Ascending", "Descending")) == "Descending"
            return sorted(streams, key=lambda stream: stream.point.name, reverse=descending)
        self._random.shuffle(streams)
        return streams

    def head(self, request: Request, stream: Stream) -> dict[str, Any]:
        web_id = self.catalogue.web_id(stream.point, letter_of(request.query))
        links = {"Source": f"{request.base}/points/{web_id}"}
        return {"WebId": web_id, "Name": stream.point.name, "Path": self.catalogue.path(stream.point), "Links": links}


def _error_value(now: int) -> msgspec.Raw:
    """A value that failed, inside a 200 (pi-web-api.md 2.4)."""
    errors = [{"FieldName": "Value", "Message": ["The archive cannot be read."]}]
    flags = {"UnitsAbbreviation": "", "Good": False, "Questionable": False, "Substituted": False, "Annotated": False}
    return msgspec.Raw(msgspec.json.encode([{"Timestamp": format_ticks(now), "Value": None, **flags, "Errors": errors}]))


def recorded_events(stream: Stream, wanted: Range) -> list[Event]:
    """The recorded events of a range in the order asked for, cut at `max_count` without a sign (pi-web-api.md 2.2).

    Descending is the mirror image, events of one instant included. Outside adds the neighbours, which count too.
    """
    events = stream.recorded(wanted.first, wanted.last, limit=wanted.max_count, descending=wanted.descending)
    if not wanted.outside:
        return events
    older = stream.newest(wanted.first - 1)
    newer = stream.oldest(wanted.last + 1)
    before, after = (newer, older) if wanted.descending else (older, newer)
    framed = [*([before] if before else []), *events, *([after] if after else [])]
    return framed[: wanted.max_count]


def value_at(stream: Stream, ticks: int, now: int) -> Event:
    """The value of a stream at an instant: interpolated between its neighbours, or the one before where it steps."""
    before = stream.newest(ticks)
    if before is None or (not stream.point.future and ticks > now + MAX_AHEAD_SECONDS * TICKS_PER_SECOND):
        return Event(ticks, NO_DATA)
    value = before.value
    if before.ticks < ticks and not stream.point.step and isinstance(value, float | int):
        after = stream.oldest(ticks)
        if after is not None and isinstance(after.value, float | int):
            share = (ticks - before.ticks) / (after.ticks - before.ticks)
            value = value + (after.value - value) * share
            if stream.point.point_type == "Int32":
                value = round(value)
            elif stream.point.point_type == "Float32":
                value = float32(value)
    return Event(ticks, value, questionable=before.questionable, substituted=before.substituted)


def _range_of(request: Request, streams: int) -> Range:
    _refuse_units(request)
    request.refuse_unmodelled("filterExpression", "associations")
    query = request.query
    if query.boolean("includeFilteredValues", False):
        request.refuse_unmodelled("includeFilteredValues")
    boundary = query.choice("boundaryType", "Inside", ("Inside", "Outside", "Interpolated"))
    if boundary == "Interpolated":
        raise Refusal(400, "boundaryType Interpolated is not modelled by this simulator.")
    max_count = query.integer("maxCount", 1000, least=1)
    if streams * max_count > MAX_RETURNED_ITEMS:
        # For a stream set the limit holds for the product (pi-web-api.md 2.5).
        raise Refusal(400, f"Parameter (maxCount) is greater than the maximum allowed ({MAX_RETURNED_ITEMS}) for {streams} streams.")
    end = request.time("endTime", "*")
    start = request.time("startTime", "*-1d", relative_to=end)
    return Range(min(start, end), max(start, end), end < start, boundary == "Outside", max_count)


def _refuse_units(request: Request) -> None:
    if request.query.one("desiredUnits"):
        raise Refusal(400, "The parameter 'desiredUnits' is not supported for PI points, which have no unit of measure.")


def _refuse_plain_channel(request: Request, *_: str) -> Answer:
    raise Refusal(400, _PROTOCOL_TEXT, key="Message")
