"""Landing page, system, data servers and points: what exists, and its WebIDs (pi-web-api.md 1)."""

import re
from functools import lru_cache, partial
from typing import Any, Protocol
from uuid import UUID

from simulator import web_ids
from simulator.api import Answer, Query, Refusal, Request, Routes, reply
from simulator.listing import page, the_server
from simulator.pitime import TICKS_PER_SECOND, format_ticks
from simulator.profiles import Point
from simulator.sources import Source
from simulator.store import Store, Stream

_FULL_VERSION = "1.19.1.64"


class AttributeFinder(Protocol):
    """Who knows attributes: streams of their own, and all those of an element, an event frame or an attribute as one set."""

    def source(self, web_id: str) -> Source: ...
    def source_set(self, request: Request, web_id: str) -> list[Source]: ...


class Catalogue:
    """The one data server with its points. `attributes` finds the other things that are streams, where there are any."""

    def __init__(self, store: Store, server_id: UUID, server_name: str, started: int) -> None:
        self.store = store
        self.attributes: AttributeFinder | None = None
        self._sources: dict[int, Source] = {}
        self.server_id = server_id
        self.server_name = server_name
        self._started = started
        self._web_ids: dict[tuple[str, int], str] = {}

    def add_routes(self, routes: Routes) -> None:
        routes.get("", self.landing)
        routes.get("system", self.system)
        routes.get("system/status", self.system_status)
        routes.get("system/versions", self.system_versions)
        routes.get("system/userinfo", self.system_userinfo)
        routes.get("system/cacheinstances", lambda request: reply(request, {"Items": []}))
        routes.get("system/configuration", _refuse_configuration)
        routes.get("dataservers", self.servers)
        routes.get("dataservers/{}", self.server)
        routes.get("dataservers/{}/points", self.points)
        routes.get("points", self.point_by_path)
        routes.get("points/{}", self.point)

    # Finding

    def stream(self, web_id: str) -> Stream:
        """The stream behind a point's WebID of any type. Refuses with 400 what is no WebID, with 404 what is nobody's."""
        decoded = decode(web_id)
        stream = None
        if decoded.marker == "DP":
            if decoded.guids and decoded.guids[0] != self.server_id:
                raise Refusal(404, f"The data server of WebID '{web_id}' was not found.")
            if decoded.point_id is not None:
                stream = self.store.by_id.get(decoded.point_id)
            elif decoded.path is not None:
                server, _, tag = decoded.path.partition("\\")
                if server.upper() == self.server_name.upper():
                    stream = self.store.by_name.get(tag.upper())
        if stream is None:
            raise Refusal(404, f"The point of WebID '{web_id}' was not found.")
        return stream

    def source(self, web_id: str) -> Source:
        """What `streams/{webId}` is about: a point or an attribute. Refuses like `stream`."""
        # Only a look: points, by far the most, are decoded once.
        if self.attributes is not None and web_id[2:5] in ("AbE", "AbF"):
            return self.attributes.source(web_id)
        return self.source_of(self.stream(web_id))

    def source_of(self, stream: Stream) -> Source:
        """The point as a source: always the same object."""
        point = stream.point
        known = self._sources.get(point.point_id)
        if known is None:
            encode = partial(self.web_id, point)
            known = Source(point.point_id, point.name, self.path(point), "points", encode, stream, point.point_id)
            self._sources[point.point_id] = known
        return known

    def sources(self, request: Request) -> list[Source]:
        """The streams of a stream set: those of the `webId` parameters, or with a WebID in the path the attributes of what it names.

        One bad WebID refuses the whole request.
        """
        if len(request.segments) == 3:
            if self.attributes is None:
                raise Refusal(404, f"The object of WebID '{request.segments[1]}' was not found.")
            return self.attributes.source_set(request, request.segments[1])
        given = request.query.all("webId")
        if not given:
            raise Refusal(400, "The parameter 'webId' is required.")
        return [self.source(web_id) for web_id in given]

    def check_server(self, web_id: str) -> None:
        decoded = decode(web_id)
        by_id = decoded.guids == (self.server_id,)
        by_path = not decoded.guids and (decoded.path or "").upper() == self.server_name.upper()
        if decoded.marker != "DS" or not (by_id or by_path):
            raise Refusal(404, f"The data server of WebID '{web_id}' was not found.")

    def web_id(self, point: Point, letter: str) -> str:
        key = (letter, point.point_id)
        known = self._web_ids.get(key)
        if known is None:
            known = self._web_ids[key] = web_ids.encode_point(letter, self.server_id, self.server_name, point.point_id, point.name)
        return known

    def path(self, point: Point) -> str:
        return f"\\\\{self.server_name}\\{point.name}"

    # Answering

    def landing(self, request: Request) -> Answer:
        base = request.base
        links = {
            "Self": base + "/",
            "AssetServers": base + "/assetservers",
            "DataServers": base + "/dataservers",
            "System": base + "/system",
        }
        return reply(request, {"Links": links})

    def system(self, request: Request) -> Answer:
        base = request.base + "/system"
        names = ("CacheInstances", "Configuration", "UserInfo", "Versions", "Status")
        links = {"Self": base} | {name: f"{base}/{name.lower()}" for name in names}
        return reply(request, {"ProductTitle": "PI Web API (simulator)", "ProductVersion": _FULL_VERSION, "Links": links})

    def system_status(self, request: Request) -> Answer:
        minutes = (request.now - self._started) / (60 * TICKS_PER_SECOND)
        status = {"UpTimeInMinutes": minutes, "State": "Running", "CacheInstances": 0, "ServerTime": format_ticks(request.now)}
        return reply(request, status)

    def system_versions(self, request: Request) -> Answer:
        release, _, build = _FULL_VERSION.rpartition(".")
        return reply(request, {"PI Web API": {"FullVersion": _FULL_VERSION, "MajorMinorRevision": release, "Build": build}})

    def system_userinfo(self, request: Request) -> Answer:
        known = request.user is not None
        info = {
            "IdentityType": "WindowsIdentity",
            "Name": request.user if known else "NT AUTHORITY\\ANONYMOUS LOGON",
            "IsAuthenticated": known,
            "SID": "S-1-5-21-1000-1000-1000-1001" if known else "S-1-5-7",
            "ImpersonationLevel": "None",
        }
        return reply(request, info)

    def servers(self, request: Request) -> Answer:
        return the_server(request, "data server", self.server_name, lambda: self._server(request))

    def server(self, request: Request, web_id: str) -> Answer:
        self.check_server(web_id)
        return reply(request, self._server(request))

    def points(self, request: Request, web_id: str) -> Answer:
        self.check_server(web_id)
        query = request.query
        name, source = wildcard(query.one("nameFilter")), wildcard(query.one("sourceFilter"))
        matching = [
            stream.point
            for stream in self.store.streams
            if (name is None or name.match(stream.point.name)) and (source is None or source.match(stream.point.source))
        ]
        letter = letter_of(query)
        return page(request, matching, lambda point: self.describe(request, point, letter))

    def point_by_path(self, request: Request) -> Answer:
        path = request.query.one("path")
        if path is None:
            raise Refusal(400, "The parameter 'path' is required.")
        return reply(request, self.describe(request, self.point_at(path), letter_of(request.query)))

    def point_at(self, path: str) -> Point:
        server, separator, tag = path.removeprefix("\\\\").partition("\\")
        if not path.startswith("\\\\") or not separator or not tag:
            raise Refusal(400, f"The path '{path}' is not a valid point path.")
        stream = self.store.by_name.get(tag.upper()) if server.upper() == self.server_name.upper() else None
        if stream is None:
            raise Refusal(404, f"The point '{path}' was not found.")
        return stream.point

    def point(self, request: Request, web_id: str) -> Answer:
        return reply(request, self.describe(request, self.stream(web_id).point, letter_of(request.query)))

    def _server(self, request: Request) -> dict[str, Any]:
        web_id = web_ids.encode_server(letter_of(request.query), self.server_id, self.server_name)
        url = f"{request.base}/dataservers/{web_id}"
        return {
            "WebId": web_id,
            "Id": str(self.server_id),
            "Name": self.server_name,
            "Path": f"\\\\PIServers[{self.server_name}]",
            "IsConnected": True,
            "ServerVersion": "3.4.440.477",
            "ServerTime": format_ticks(request.now),
            "Links": {"Self": url, "Points": url + "/points", "EnumerationSets": url + "/enumerationsets"},
        }

    def describe(self, request: Request, point: Point, letter: str) -> dict[str, Any]:
        web_id, base = self.web_id(point, letter), request.base
        stream = f"{base}/streams/{web_id}"
        server = web_ids.encode_server(letter, self.server_id, self.server_name)
        return {
            "WebId": web_id,
            "Id": point.point_id,
            "Name": point.name,
            "Path": self.path(point),
            "Descriptor": point.descriptor,
            "PointClass": "classic",
            "PointType": point.point_type,
            "DigitalSetName": point.digital_set,
            "EngineeringUnits": point.units,
            "Span": point.span,
            "Zero": point.zero,
            "Step": point.step,
            "Future": point.future,
            "DisplayDigits": point.digits,
            "Links": {
                "Self": f"{base}/points/{web_id}",
                "DataServer": f"{base}/dataservers/{server}",
                "Attributes": f"{base}/points/{web_id}/attributes",
                "InterpolatedData": stream + "/interpolated",
                "RecordedData": stream + "/recorded",
                "PlotData": stream + "/plot",
                "SummaryData": stream + "/summary",
                "Value": stream + "/value",
                "EndValue": stream + "/end",
            },
        }


def _refuse_configuration(_: Request) -> Answer:
    raise Refusal(403, "Only administrators may read the configuration.")


def decode(web_id: str) -> web_ids.WebId:
    """What the WebID says. Refuses with 400 what is none."""
    try:
        return web_ids.decode(web_id)
    except web_ids.BadWebId as error:
        raise Refusal(400, str(error)) from None


def letter_of(query: Query) -> str:
    """The type letter of the WebIDs the answer shall carry, from `webIdType`."""
    name = query.choice("webIdType", "Full", ("Full", "IDOnly", "PathOnly", "LocalIDOnly", "DefaultIDOnly"))
    return web_ids.TYPE_LETTERS[name.lower()]


@lru_cache(maxsize=256)
def wildcard(text: str | None) -> re.Pattern[str] | None:
    """`*` and `?` only: a bracket in a tag name is a bracket."""
    if not text:
        return None
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in re.sub(r"\*+", "*", text))
    return re.compile("".join(parts) + r"\Z", re.IGNORECASE | re.DOTALL)
