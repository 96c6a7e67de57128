"""From WebIDs and paths to the things of the Asset Framework, and back to their WebIDs (pi-web-api.md 1.4, 5)."""

from typing import NamedTuple, TypeVar
from uuid import UUID

from simulator import web_ids
from simulator.api import Refusal
from simulator.assets import DATABASE, Assets, Attribute, Element
from simulator.catalogue import decode
from simulator.event_frames import Frame, Frames

_T = TypeVar("_T")
_FRAMES = "EVENTFRAMES["


class Placed(NamedTuple):
    """An element, and the path by which it was reached: with two parents it has two, and so two Full WebIDs."""

    element: Element
    path: str


class Owned(NamedTuple):
    """An attribute, the path of its owner as it was reached, and the owner if it is an event frame."""

    attribute: Attribute
    owner_path: str
    frame: Frame | None = None

    @property
    def path(self) -> str:
        return f"{self.owner_path}|{self.attribute.full_name}"


class AssetFinder:
    """A WebID's ids come before its path: Full finds what was moved, and falls back on the path where the ids lead nowhere."""

    def __init__(self, assets: Assets, frames: Frames) -> None:
        self.assets = assets
        self.frames = frames

    # WebIDs

    def web_id(self, letter: str, marker: str, path: str, *own: UUID) -> str:
        return web_ids.encode_object(letter, marker, (self.assets.server_id, *own), path[2:])

    def server_web_id(self, letter: str) -> str:
        return web_ids.encode_object(letter, "RS", (self.assets.server_id,), self.assets.server_name)

    def database_web_id(self, letter: str) -> str:
        return self.web_id(letter, "RD", self.assets.path, self.assets.database_id)

    def element_web_id(self, placed: Placed, letter: str) -> str:
        return self.web_id(letter, "Em", placed.path, placed.element.id)

    def frame_web_id(self, frame: Frame, letter: str) -> str:
        return self.web_id(letter, "Fm", self.frame_path(frame), frame.id)

    def attribute_web_id(self, owned: Owned, letter: str) -> str:
        marker = "AbE" if owned.frame is None else "AbF"
        return self.web_id(letter, marker, owned.path, owned.attribute.owner, owned.attribute.id)

    def placed(self, element: Element) -> Placed:
        return Placed(element, self.assets.path_of(element))

    def frame_path(self, frame: Frame) -> str:
        if frame.parent is not None:
            return f"{self.frame_path(frame.parent)}\\{frame.name}"
        return f"{self.assets.path}\\EventFrames[{frame.name}]"

    # Finding by WebID

    def check_server(self, web_id: str) -> None:
        self._own_ids(web_id, "RS", "asset server", self.assets.server_name, self.assets.server_id)

    def check_database(self, web_id: str) -> None:
        self._own_ids(web_id, "RD", "asset database", self.assets.path[2:], self.assets.database_id)

    def _own_ids(self, web_id: str, marker: str, what: str, path: str, own: UUID) -> None:
        decoded = self.of_kind(web_id, marker, what)
        by_path = not decoded.guids and (decoded.path or "").upper() == path.upper()
        if not by_path and decoded.guids[-1:] != (own,):
            raise not_found(what, web_id)

    def of_kind(self, web_id: str, marker: str, what: str) -> web_ids.WebId:
        """What the WebID says, if it is one of that kind and of this asset server. What an `L` or `D` belongs to it does not say."""
        decoded = decode(web_id)
        foreign = decoded.letter in "FI" and decoded.guids[0] != self.assets.server_id
        if decoded.marker != marker or foreign:
            raise not_found(what, web_id)
        return decoded

    def element(self, web_id: str) -> Placed:
        decoded = self.of_kind(web_id, "Em", "element")
        found = self._element_at(decoded.path or "")
        if not decoded.guids:
            if found is None:
                raise not_found("element", web_id)
            return found
        element = self.assets.by_id.get(decoded.guids[-1])
        if found is not None and (element is None or found.element is element):
            return found
        if element is None:
            raise not_found("element", web_id)
        return self.placed(element)

    def frame(self, web_id: str) -> Frame:
        decoded = self.of_kind(web_id, "Fm", "event frame")
        frame = self.frames.by_id.get(decoded.guids[-1]) if decoded.guids else self._frame_at(decoded.path or "")
        if frame is None:
            raise not_found("event frame", web_id)
        return frame

    def attribute(self, web_id: str) -> Owned:
        decoded = decode(web_id)
        if decoded.marker not in ("AbE", "AbF") or (decoded.letter in "FI" and decoded.guids[0] != self.assets.server_id):
            raise not_found("attribute", web_id)
        found = self._attribute_at(decoded.path or "")
        if not decoded.guids:
            if found is None:
                raise not_found("attribute", web_id)
            return found
        owner, own = decoded.guids[-2:]
        if found is not None and (found.attribute.owner, found.attribute.id) == (owner, own):
            return found
        for owned in self._attributes_of(owner):
            if owned.attribute.id == own:
                return owned
        if found is None:
            raise not_found("attribute", web_id)
        return found

    def _attributes_of(self, owner: UUID) -> list[Owned]:
        element, frame = self.assets.by_id.get(owner), self.frames.by_id.get(owner)
        if element is not None:
            return self.attributes_of_element(self.placed(element))
        return [] if frame is None else self.attributes_of_frame(frame)

    def attributes_of_element(self, placed: Placed) -> list[Owned]:
        return [Owned(attribute, placed.path) for attribute in self.assets.attributes_of(placed.element)]

    def attributes_of_frame(self, frame: Frame) -> list[Owned]:
        path = self.frame_path(frame)
        return [Owned(attribute, path, frame) for attribute in self.frames.attributes_of(frame)]

    # Finding by path

    def names(self, path: str, what: str) -> list[str]:
        """The upper-cased parts of a path behind server and database. Refuses with 400 what is no path, with 404 another database's."""
        server, _, rest = path.removeprefix("\\\\").partition("\\")
        if not path.startswith("\\\\") or not server or not rest:
            raise Refusal(400, f"The path '{path}' is not a valid path of {what}.")
        database, *names = rest.upper().split("\\")
        if server.upper() != self.assets.server_name.upper() or database != DATABASE.upper():
            raise not_found(what, path)
        return names

    def element_at(self, path: str) -> Placed:
        self.names(path, "an element")
        return _there(self._element_at(path[2:]), "element", path)

    def frame_at(self, path: str) -> Frame:
        self.names(path, "an event frame")
        return _there(self._frame_at(path[2:]), "event frame", path)

    def attribute_at(self, path: str) -> Owned:
        self.names(path, "an attribute")
        return _there(self._attribute_at(path[2:]), "attribute", path)

    def _below(self, path: str) -> list[str] | None:
        """The upper-cased names behind server and database of a path without its leading backslashes, or None if it is not of this one."""
        prefix = self.assets.path[2:].upper() + "\\"
        return path.upper()[len(prefix) :].split("\\") if path.upper().startswith(prefix) else None

    def _element_at(self, path: str) -> Placed | None:
        names = self._below(path)
        if names is None:
            return None
        at, below, element = self.assets.path, self.assets.roots, None
        for name in names:
            element = below.get(name)
            if element is None:
                return None
            at, below = f"{at}\\{element.name}", element.children
        return None if element is None else Placed(element, at)

    def _frame_at(self, path: str) -> Frame | None:
        names = self._below(path)
        if names is None or not names[0].startswith(_FRAMES) or not names[0].endswith("]"):
            return None
        # Of several event frames of one name a path means the first: it cannot say more (pi-web-api.md 6.2).
        frame = self.frames.named(names[0][len(_FRAMES) : -1])
        for name in names[1:]:
            if frame is not None:
                frame = next((child for child in frame.children if child.name.upper() == name), None)
        return frame

    def _attribute_at(self, path: str) -> Owned | None:
        owner, _, name = path.partition("|")
        placed, frame = self._element_at(owner), self._frame_at(owner)
        found = self.attributes_of_element(placed) if placed else self.attributes_of_frame(frame) if frame else []
        return next((owned for owned in found if owned.attribute.full_name.upper() == name.upper()), None)


def not_found(what: str, named: str) -> Refusal:
    return Refusal(404, f"The {what} '{named[:300]}' was not found.")


def _there(found: _T | None, what: str, named: str) -> _T:
    if found is None:
        raise not_found(what, named)
    return found
