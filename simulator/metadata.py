"""What is known of points beyond the point object: attributes, several points at once, and the digital state sets (pi-web-api.md 1.3)."""

import random
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from simulator import web_ids
from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.catalogue import Catalogue, letter_of, wildcard
from simulator.events import SYSTEM_STATES, State
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Point

_SYSTEM = "System"


class Metadata:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        sets: dict[str, Sequence[State]] = {_SYSTEM: tuple(SYSTEM_STATES.values())}
        for stream in catalogue.store.streams:
            if stream.point.digital_set:
                sets.setdefault(stream.point.digital_set, stream.point.states)
        self._sets = {self._guid(name): (name, states) for name, states in sets.items()}

    def add_routes(self, routes: Routes) -> None:
        routes.get("points/multiple", self.points)
        routes.get("points/{}/attributes", self.attributes)
        routes.get("points/{}/attributes/{}", self.attribute)
        routes.get("dataservers/{}/enumerationsets", self.sets)
        routes.get("enumerationsets/{}", self.set)
        routes.get("enumerationsets/{}/enumerationvalues", self.values)

    def points(self, request: Request) -> Answer:
        """Points by WebID and path, each for itself: 207 if any failed."""
        request.refuse_unmodelled("includeMode")
        query, items = request.query, []
        wanted: list[tuple[str, str, Callable[[str], Point]]] = [
            *((text, "WebId", lambda t: self._catalogue.stream(t).point) for text in query.all("webId")),
            *((text, "Path", self._catalogue.point_at) for text in query.all("path")),
        ]
        if not wanted:
            raise Refusal(400, "One of the parameters 'webId' and 'path' is required.")
        failed = False
        for text, kind, find in wanted:
            item: dict[str, Any] = {"Identifier": text, "IdentifierType": kind}
            try:
                item["Object"] = self._catalogue.describe(request, find(text), letter_of(query))
            except Refusal as refusal:
                item["Exception"] = {"Errors": [str(refusal)]}
                failed = True
            items.append(item)
        answer = reply(request, {"Links": {}, "Items": items})
        answer.status = 207 if failed else 200
        return answer

    # Attributes

    def attributes(self, request: Request, web_id: str) -> Answer:
        point, names = self._catalogue.stream(web_id).point, wildcard(request.query.one("nameFilter"))
        items = [self._attribute(request, point, name) for name in _attributes(point) if names is None or names.match(name)]
        return reply(request, {"Links": {}, "Items": items})

    def attribute(self, request: Request, web_id: str, name: str) -> Answer:
        point = self._catalogue.stream(web_id).point
        if name.lower() not in _attributes(point):
            raise Refusal(404, f"The attribute '{name}' of point '{point.name}' was not found.")
        return reply(request, self._attribute(request, point, name.lower()))

    def _attribute(self, request: Request, point: Point, name: str) -> dict[str, Any]:
        url = f"{request.base}/points/{self._catalogue.web_id(point, letter_of(request.query))}"
        return {"Name": name, "Value": _attributes(point)[name], "Links": {"Self": f"{url}/attributes/{name}", "Point": url}}

    # Digital state sets

    def sets(self, request: Request, web_id: str) -> Answer:
        self._catalogue.check_server(web_id)
        return reply(request, {"Links": {}, "Items": [self._set(request, guid) for guid in self._sets]})

    def set(self, request: Request, web_id: str) -> Answer:
        return reply(request, self._set(request, self._find(web_id)))

    def values(self, request: Request, web_id: str) -> Answer:
        guid = self._find(web_id)
        name, states = self._sets[guid]
        return reply(request, {"Links": {}, "Items": [self._value(request, guid, name, state) for state in states]})

    def _find(self, web_id: str) -> UUID:
        try:
            decoded = web_ids.decode(web_id)
        except web_ids.BadWebId as error:
            raise Refusal(400, str(error)) from None
        if decoded.marker == "MSD":
            for guid, (name, _) in self._sets.items():
                if (decoded.guids[-1:] == (guid,)) or (not decoded.guids and decoded.path == self._path(name)[2:].upper()):
                    return guid
        raise Refusal(404, f"The enumeration set of WebID '{web_id}' was not found.")

    def _set(self, request: Request, guid: UUID) -> dict[str, Any]:
        name = self._sets[guid][0]
        letter, server = letter_of(request.query), self._catalogue.server_id
        web_id = web_ids.encode_owned(letter, "MSD", (server, guid), self._path(name)[2:])
        url = f"{request.base}/enumerationsets/{web_id}"
        owner = f"{request.base}/dataservers/{web_ids.encode_server(letter, server, self._catalogue.server_name)}"
        links = {"Self": url, "DataServer": owner, "Values": url + "/enumerationvalues"}
        return {"WebId": web_id, "Id": str(guid), "Name": name, "Description": "", "Path": self._path(name), "Links": links}

    def _value(self, request: Request, guid: UUID, name: str, state: State) -> dict[str, Any]:
        path, value_guid = f"{self._path(name)}\\{state.name}", self._guid(f"{name}\\{state.value}")
        owners = (self._catalogue.server_id, value_guid)
        parent = self._set(request, guid)
        return {
            "WebId": web_ids.encode_owned(letter_of(request.query), "MVD", owners, path[2:]),
            "Id": str(value_guid),
            "Name": state.name,
            "Description": "",
            "Value": state.value,
            "Path": path,
            "Links": {"EnumerationSet": parent["Links"]["Self"]},
        }

    def _path(self, name: str) -> str:
        return f"\\\\PIServers[{self._catalogue.server_name}]\\EnumerationSets[{name}]"

    def _guid(self, name: str) -> UUID:
        return UUID(bytes=random.Random(f"{self._catalogue.server_id} {name}").randbytes(16), version=4)  # noqa: S311 - not a secret


def _attributes(point: Point) -> dict[str, Any]:
    """By the Data Archive's own lower-case names."""
    return {
        "archiving": 1,
        "compdev": point.compression_deviation or 0.0,
        "compmax": point.compression_max_ticks // TICKS_PER_SECOND,
        "compmin": 0,
        "compressing": int(point.compression_deviation is not None),
        "descriptor": point.descriptor,
        "digitalset": point.digital_set,
        "displaydigits": point.digits,
        "engunits": point.units,
        "excdev": 0.0,
        "excmax": 600,
        "excmin": 0,
        "exdesc": "",
        "future": int(point.future),
        "location1": 1,
        "pointid": point.point_id,
        "pointsource": point.source,
        "pointtype": point.point_type,
        "ptclassname": "classic",
        "scan": 1,
        "shutdown": 0,
        "span": point.span,
        "step": int(point.step),
        "tag": point.name,
        "zero": point.zero,
    }
