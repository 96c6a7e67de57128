"""Values: of one stream, of an ad hoc set, or of all attributes of something (pi-web-api.md 2)."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from simulator.api import MAX_RETURNED_ITEMS, Answer, Refusal, Request, Routes, reply
from simulator.catalogue import Catalogue, letter_of
from simulator.disorder import Disorder
from simulator.events import NO_DATA, Event
from simulator.fields import Fields, below, value_json, values_json
from simulator.journal import Journal
from simulator.pitime import format_ticks
from simulator.sources import Readings, Source, value_at
from simulator.store import END

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
            for set_ in ("streamsets", "streamsets/{}"):
                routes.get(f"{set_}/{name}", self._set_of_one(read))
        routes.get("streams/{}/recorded", self.recorded)
        routes.get("streams/{}/channel", _refuse_plain_channel)
        for set_ in ("streamsets", "streamsets/{}"):
            routes.get(f"{set_}/recorded", self.recorded_set)
            routes.get(f"{set_}/channel", _refuse_plain_channel)

    # One value per stream

    def _one(self, read: Callable[[Request, Source], Event]) -> Callable[[Request, str], Answer]:
        def answer(request: Request, web_id: str) -> Answer:
            source = self.catalogue.source(web_id)
            source.history()
            _refuse_units(request, [source])
            event = self._serve_one(request, source, read)
            return Answer(200, value_json(event, request.fields, source.units))

        return answer

    def _set_of_one(self, read: Callable[[Request, Source], Event]) -> Callable[..., Answer]:
        def answer(request: Request, _: str = "") -> Answer:
            sources = self.ordered(request)
            _refuse_units(request, sources)
            value_fields = below(below(request.fields, "Items"), "Value")
            items = []
            for source in sources:
                value = value_json(self._serve_one(request, source, read), value_fields, source.units)
                items.append(self.head(request, source) | {"Value": msgspec.Raw(value)})
            return reply(request, {"Links": {}, "Items": items})

        return answer

    def _serve_one(self, request: Request, source: Source, read: Callable[[Request, Source], Event]) -> Event:
        event = read(request, source)
        served = request.fate == 200
        self.values_served += served
        if self._journal is not None and source.point_id is not None and event is not source.fixed:
            # Without a time an event frame's value is that of its end.
            asked = event.ticks if source.span is not None else request.time("time", "*")
            route = "recordedattime" if request.segments[-1] == "recordedattime" else "value"
            events = [event] if served else []
            self._journal.read(request.id, source.point_id, route, asked, asked, 1, events, request.fate, source.attribute)
        return event

    def value(self, request: Request, source: Source) -> Event:
        """What `value` answers for the source, told to the journal."""
        return self._serve_one(request, source, self._read_value)

    def _read_value(self, request: Request, source: Source) -> Event:
        return value_of(request, source)

    def _read_end(self, request: Request, source: Source) -> Event:
        return source.history().newest(END - 1) or Event(request.now, NO_DATA)

    def _read_recorded_at_time(self, request: Request, source: Source) -> Event:
        stream = source.history()
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
        source, fields = self.catalogue.source(web_id), request.fields
        [wanted] = _ranges_of(request, [source])
        values = self._values(request, source, wanted, below(fields, "Items"))
        return reply(request, {"Links": {}, "Items": values, "UnitsAbbreviation": source.units})

    def recorded_set(self, request: Request, _: str = "") -> Answer:
        sources = self.ordered(request)
        ranges = _ranges_of(request, sources)
        fields = below(below(request.fields, "Items"), "Items")
        items = []
        for source, wanted in zip(sources, ranges, strict=True):
            values = self._values(request, source, wanted, fields)
            items.append(self.head(request, source) | {"Items": values, "UnitsAbbreviation": source.units})
        return reply(request, {"Links": {}, "Items": items})

    def _values(self, request: Request, source: Source, wanted: Range, fields: Fields | None) -> msgspec.Raw:
        stream = source.history()
        offline = self._disorder.offline_before(request.now)
        fate = request.fate
        readable = wanted
        if offline is not None and wanted.first < offline[0]:
            readable = replace(wanted, first=offline[0])
        if (offline is not None and offline[1] and readable is not wanted) or self._disorder.item_fails(request):
            fate = 500 if fate == 200 else fate
        events = recorded_events(stream, readable) if fate == 200 else []
        self.values_served += len(events)
        if self._journal is not None and source.point_id is not None:
            first, last, most = wanted.first, wanted.last, wanted.max_count
            self._journal.read(request.id, source.point_id, "recorded", first, last, most, events, fate, source.attribute)
        if fate != 200:
            return _error_value(request.now)
        return values_json(events, fields, source.units)

    def ordered(self, request: Request) -> list[Source]:
        """The streams of the set a request asks for. A static attribute is part of a set only as one of its owner's values."""
        sources = self.catalogue.sources(request)
        if len(request.segments) == 2:
            for source in sources:
                source.history()
        elif request.segments[-1] != "value":
            sources = [source for source in sources if source.readings is not None]
        sort_field = request.query.choice("sortField", "", ("Name",))
        if sort_field:
            descending = request.query.choice("sortOrder", "Ascending", ("Ascending", "Descending")) == "Descending"
            return sorted(sources, key=lambda source: source.name, reverse=descending)
        self._random.shuffle(sources)
        return sources

    def head(self, request: Request, source: Source) -> dict[str, Any]:
        web_id = source.encode(letter_of(request.query))
        links = {"Source": f"{request.base}/{source.collection}/{web_id}"}
        return {"WebId": web_id, "Name": source.name, "Path": source.path, "Links": links}


def value_of(request: Request, source: Source) -> Event:
    """The value of a source at the time asked for. An event frame's are those of its end, or of now while it goes on."""
    asked = request.query.one("time")
    if source.readings is None or (source.fixed is not None and not asked):
        return source.fixed or Event(request.now, NO_DATA)
    if asked:
        return value_at(source.readings, request.time("time", "*"), request.now)
    if source.span is not None and source.span[1] < request.now:
        return value_at(source.readings, source.span[1], request.now)
    return source.readings.current(request.now) or Event(request.now, NO_DATA)


def _error_value(now: int) -> msgspec.Raw:
    """A value that failed, inside a 200 (pi-web-api.md 2.4)."""
    errors = [{"FieldName": "Value", "Message": ["The archive cannot be read."]}]
    flags = {"UnitsAbbreviation": "", "Good": False, "Questionable": False, "Substituted": False, "Annotated": False}
    return msgspec.Raw(msgspec.json.encode([{"Timestamp": format_ticks(now), "Value": None, **flags, "Errors": errors}]))


def recorded_events(stream: Readings, wanted: Range) -> list[Event]:
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


def _ranges_of(request: Request, sources: list[Source]) -> list[Range]:
    """What each source is asked for."""
    _refuse_units(request, sources)
    request.refuse_unmodelled("filterExpression", "associations")
    query = request.query
    if query.boolean("includeFilteredValues", False):
        request.refuse_unmodelled("includeFilteredValues")
    boundary = query.choice("boundaryType", "Inside", ("Inside", "Outside", "Interpolated"))
    if boundary == "Interpolated":
        raise Refusal(400, "boundaryType Interpolated is not modelled by this simulator.")
    max_count = query.integer("maxCount", 1000, least=1)
    if len(sources) * max_count > MAX_RETURNED_ITEMS:
        # For a stream set the limit holds for the product (pi-web-api.md 2.5).
        raise Refusal(400, f"Parameter (maxCount) is greater than the maximum allowed ({MAX_RETURNED_ITEMS}) for {len(sources)} streams.")
    # Most share one, and most sets are of points: it is worked out once.
    by_span: dict[tuple[int, int] | None, Range] = {}
    for span in {source.span for source in sources}:
        start, end = times_of(request, span)
        by_span[span] = Range(min(start, end), max(start, end), end < start, boundary == "Outside", max_count)
    return [by_span[source.span] for source in sources]


def times_of(request: Request, span: tuple[int, int] | None) -> tuple[int, int]:
    """The times between which is read: the last day, or for the attributes of an event frame its `span` (pi-web-api.md 2.2)."""
    own_end = span is not None and not request.query.one("endTime")
    end = min(span[1], request.now) if span is not None and own_end else request.time("endTime", "*")
    own_start = span is not None and not request.query.one("startTime")
    start = span[0] if span is not None and own_start else request.time("startTime", "*-1d", relative_to=end)
    return start, end


def _refuse_units(request: Request, sources: list[Source]) -> None:
    if not request.query.one("desiredUnits"):
        return
    if all(source.collection == "attributes" for source in sources):
        request.refuse_unmodelled("desiredUnits")
    else:
        raise Refusal(400, "The parameter 'desiredUnits' is not supported for PI points, which have no unit of measure.")


def _refuse_plain_channel(request: Request, *_: str) -> Answer:
    raise Refusal(400, _PROTOCOL_TEXT, key="Message")
