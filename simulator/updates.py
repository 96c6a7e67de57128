"""Stream updates: registrations whose changes are fetched by marker (pi-web-api.md 3.7). Unlike channels they name edits and deletions."""

import random
from typing import Any
from uuid import UUID

import msgspec

from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.catalogue import Catalogue, letter_of
from simulator.changes import Change
from simulator.journal import Journal
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Clock
from simulator.sources import Source
from simulator.store import Stream

IDLE_TICKS = 15 * 60 * TICKS_PER_SECOND
_MAX_WAITING = 100_000
_Key = tuple[str | None, int | UUID]


class Registration:
    """What one user has not fetched of one stream. A marker is the registration's id and the number of changes before it."""

    def __init__(self, id_: str, key: _Key, source: Source, now: int) -> None:
        self.id = id_
        self.key = key
        self.source = source
        self.used = now
        self.lost = False
        self._first = 0
        self._changes: list[Change] = []
        source.history().listen(self)

    def receive(self, stream: Stream, change: Change) -> None:
        self._changes.append(change)
        if len(self._changes) > _MAX_WAITING:
            self.lost = True

    @property
    def latest(self) -> str:
        return f"{self.id}_{self._first + len(self._changes)}"

    def since(self, position: int) -> list[Change] | None:
        """The changes from `position` on; what is before was received and is forgotten. None if there is no such position."""
        gone = position - self._first
        if not 0 <= gone <= len(self._changes):
            return None
        del self._changes[:gone]
        self._first = position
        return list(self._changes)


class Updates:
    """All registrations. `true` is the machine's clock: after 15 minutes unused a cache is gone, whatever PI's clock says."""

    def __init__(self, catalogue: Catalogue, randomness: random.Random, true: Clock, journal: Journal | None) -> None:
        self._catalogue = catalogue
        self._random = randomness
        self._clock = true
        self._journal = journal
        self._by_id: dict[str, Registration] = {}
        self._by_key: dict[_Key, Registration] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def add_routes(self, routes: Routes) -> None:
        routes.post("streams/{}/updates", self.register)
        routes.post("streamsets/updates", self.register_set)
        routes.get("streams/updates/{}", self.fetch)
        routes.get("streamsets/updates", self.fetch_set)

    def expire(self) -> None:
        now = self._clock()
        for registration in list(self._by_id.values()):
            if now - registration.used > IDLE_TICKS:
                self._forget(registration, "server")

    def forget_all(self, why: str) -> None:
        for registration in list(self._by_id.values()):
            self._forget(registration, why)

    def _forget(self, registration: Registration, why: str) -> None:
        registration.source.history().forget(registration)
        del self._by_id[registration.id], self._by_key[registration.key]
        if self._journal is not None:
            self._journal.closed(_channel(registration), why)

    # Registering

    def register(self, request: Request, web_id: str) -> Answer:
        item = self._register(request, self._source(web_id))
        answer = reply(request, item)
        answer.headers["Location"] = f"{request.base}/streams/updates/{item['LatestMarker']}"
        return answer

    def register_set(self, request: Request) -> Answer:
        given = request.query.all("webId")
        if not given:
            raise Refusal(400, "The parameter 'webId' is required.")
        # All are looked up before any is registered: one bad WebID refuses the whole request.
        sources = [self._source(web_id) for web_id in given]
        items = [self._register(request, source) for source in sources]
        answer = reply(request, {"Items": items})
        markers = "&".join(f"marker={item['LatestMarker']}" for item in items)
        answer.headers["Location"] = f"{request.base}/streamsets/updates?{markers}"
        return answer

    def _source(self, web_id: str) -> Source:
        try:
            source = self._catalogue.source(web_id)
        except Refusal as refusal:
            # Whatever is wrong with a WebID is 400 here; a static attribute is 409 (pi-web-api.md 3.7).
            raise Refusal(400, str(refusal)) from None
        source.history()
        return source

    def _register(self, request: Request, source: Source) -> dict[str, Any]:
        key = (request.user, source.key)
        known = self._by_key.get(key)
        registration = known or Registration(f"{self._random.getrandbits(128):032x}", key, source, self._clock())
        if known is None:
            self._by_id[registration.id] = self._by_key[key] = registration
            if self._journal is not None:
                self._journal.opened(_channel(registration), [] if source.point_id is None else [source.point_id])
        status = "Succeeded" if known is None else "AlreadyRegistered"
        return _head(request, source) | {"LatestMarker": registration.latest, "Status": status}

    # Fetching

    def fetch(self, request: Request, marker: str) -> Answer:
        return reply(request, self._fetch(request, marker))

    def fetch_set(self, request: Request) -> Answer:
        markers = request.query.all("marker")
        if not markers:
            raise Refusal(400, "The parameter 'marker' is required.")
        items = []
        for marker in markers:
            try:
                items.append(self._fetch(request, marker))
            except Refusal as refusal:
                # In a set a marker that is no good fails alone.
                failed = {"RequestedMarker": marker, "LatestMarker": "", "Status": "Failed"}
                items.append(failed | {"Exception": {"Errors": [str(refusal)]}, "Events": []})
        return reply(request, {"Items": items})

    def _fetch(self, request: Request, marker: str) -> dict[str, Any]:
        self.expire()
        id_, _, position = marker.rpartition("_")
        registration = self._by_id.get(id_)
        if registration is None:
            raise Refusal(404, f"The cache of the marker '{marker[:200]}' was not found.")
        if registration.lost:
            # An error while reading unregisters the stream.
            self._forget(registration, "server")
            raise Refusal(404, "The signup was removed because too many updates were waiting.")
        digits = position.isascii() and position.isdigit() and len(position) < 16
        changes = registration.since(int(position)) if digits else None
        if changes is None:
            raise Refusal(409, f"The marker '{marker[:200]}' is not valid.")
        registration.used = self._clock()
        source = registration.source
        if self._journal is not None and source.point_id is not None and changes and request.fate == 200:
            self._journal.sent(_channel(registration), source.point_id, [change.event for change in changes])
        events = [_event(change, source.units) for change in changes]
        if request.fields is None:
            listed: Any = msgspec.Raw(b"[%b]" % b",".join(events))
        else:
            listed = [msgspec.json.decode(event) for event in events]
        return _head(request, source) | {
            "RequestedMarker": marker,
            "LatestMarker": registration.latest,
            "Status": "Updated",
            "Events": listed,
        }


def _head(request: Request, source: Source) -> dict[str, Any]:
    return {"Source": source.encode(letter_of(request.query)), "SourceName": source.name, "SourcePath": source.path}


def _event(change: Change, units: str) -> bytes:
    value = change.event.json(units=units)[1:]
    return b'{"Action":"%b","PreviousEventAction":"%b",%b' % (change.action.encode(), change.previous.encode(), value)


def _channel(registration: Registration) -> str:
    return f"u{registration.id}"
