"""Enumeration sets: the digital state sets of the data server and those of the asset database (pi-web-api.md 1.3, 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from simulator import web_ids
from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.asset_finder import AssetFinder
from simulator.asset_templates import ENUMERATIONS
from simulator.catalogue import Catalogue, decode, letter_of
from simulator.events import SYSTEM_STATES, State

_SYSTEM = "System"


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose sets: the owner letter of their WebIDs, the server's GUID, the begin of their paths, what links to it are called."""

    letter: str
    server_id: UUID
    path: str
    link: str
    url: Callable[[str], str]
    """Behind the base URL, for WebIDs of a letter."""


@dataclass(frozen=True, slots=True)
class _Set:
    id: UUID
    name: str
    states: Sequence[State]
    owner: _Owner

    @property
    def path(self) -> str:
        return f"{self.owner.path}\\EnumerationSets[{self.name}]"


class EnumerationSets:
    """The database has a set of its own for each digital set, so that the TypeQualifier of an attribute names one of its own."""

    def __init__(self, catalogue: Catalogue, finder: AssetFinder) -> None:
        self._catalogue = catalogue
        self._finder = finder
        server_id, name = catalogue.server_id, catalogue.server_name
        server = _Owner(
            "D",
            server_id,
            f"\\\\PIServers[{name}]",
            "DataServer",
            lambda letter: f"dataservers/{web_ids.encode_server(letter, server_id, name)}",
        )
        assets = finder.assets
        database = _Owner("R", assets.server_id, assets.path, "Database", lambda letter: f"assetdatabases/{finder.database_web_id(letter)}")
        digital: dict[str, Sequence[State]] = {}
        for stream in catalogue.store.streams:
            if stream.point.digital_set:
                digital.setdefault(stream.point.digital_set, stream.point.states)
        self._of_server = _sets(server, {_SYSTEM: tuple(SYSTEM_STATES.values())} | digital)
        self._of_database = _sets(database, ENUMERATIONS | digital)
        self._all = [*self._of_server, *self._of_database]

    def add_routes(self, routes: Routes) -> None:
        routes.get("dataservers/{}/enumerationsets", self.sets_of_server)
        routes.get("assetdatabases/{}/enumerationsets", self.sets_of_database)
        routes.get("enumerationsets/{}", self.set)
        routes.get("enumerationsets/{}/enumerationvalues", self.values)

    def sets_of_server(self, request: Request, web_id: str) -> Answer:
        self._catalogue.check_server(web_id)
        return reply(request, {"Links": {}, "Items": [self._describe(request, one) for one in self._of_server]})

    def sets_of_database(self, request: Request, web_id: str) -> Answer:
        self._finder.check_database(web_id)
        return reply(request, {"Links": {}, "Items": [self._describe(request, one) for one in self._of_database]})

    def set(self, request: Request, web_id: str) -> Answer:
        return reply(request, self._describe(request, self._find(web_id)))

    def values(self, request: Request, web_id: str) -> Answer:
        found = self._find(web_id)
        return reply(request, {"Links": {}, "Items": [self._value(request, found, state) for state in found.states]})

    def url_of_name(self, request: Request, name: str) -> str:
        """Of the database's set of that name."""
        return self._url(request, next(one for one in self._of_database if one.name == name))

    def _find(self, web_id: str) -> _Set:
        decoded = decode(web_id)
        for one in self._all:
            if decoded.marker == f"MS{one.owner.letter}" and (
                decoded.guids[-1:] == (one.id,) or (not decoded.guids and decoded.path == one.path[2:].upper())
            ):
                return one
        raise Refusal(404, f"The enumeration set of WebID '{web_id}' was not found.")

    def _url(self, request: Request, one: _Set) -> str:
        marker, ids = f"MS{one.owner.letter}", (one.owner.server_id, one.id)
        return f"{request.base}/enumerationsets/{web_ids.encode_object(letter_of(request.query), marker, ids, one.path[2:])}"

    def _describe(self, request: Request, one: _Set) -> dict[str, Any]:
        url = self._url(request, one)
        owner = f"{request.base}/{one.owner.url(letter_of(request.query))}"
        links = {"Self": url, one.owner.link: owner, "Values": url + "/enumerationvalues"}
        web_id = url.rpartition("/")[2]
        return {"WebId": web_id, "Id": str(one.id), "Name": one.name, "Description": "", "Path": one.path, "Links": links}

    def _value(self, request: Request, one: _Set, state: State) -> dict[str, Any]:
        path, own = f"{one.path}\\{state.name}", uuid5(one.id, str(state.value))
        marker, ids = f"MV{one.owner.letter}", (one.owner.server_id, one.id, own)
        return {
            "WebId": web_ids.encode_object(letter_of(request.query), marker, ids, path[2:]),
            "Id": str(own),
            "Name": state.name,
            "Description": "",
            "Value": state.value,
            "Path": path,
            "Links": {"EnumerationSet": self._url(request, one)},
        }


def _sets(owner: _Owner, named: dict[str, Sequence[State]]) -> list[_Set]:
    return [_Set(uuid5(owner.server_id, f"enumeration set {owner.path} {name}"), name, states, owner) for name, states in named.items()]
