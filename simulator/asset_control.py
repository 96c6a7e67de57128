"""What the control port can do to the Asset Framework: create elements, and make event frames live as a test wants."""

from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from simulator.api import Refusal
from simulator.asset_framework import AssetFramework
from simulator.asset_templates import BY_NAME
from simulator.assets import Element
from simulator.control_messages import read_order, refuse, tell
from simulator.event_frames import SEVERITIES, Frame, facts_of
from simulator.journal import Journal
from simulator.pitime import BadTime, parse_time
from simulator.profiles import Clock
from simulator.store import Store


class NewElement(msgspec.Struct, forbid_unknown_fields=True):
    """`parent` is a path, or null for the top of the database."""

    name: str
    parent: str | None = None
    template: str = ""
    point_ids: tuple[int, ...] = ()


class NewFrame(msgspec.Struct, forbid_unknown_fields=True):
    """`elements` are paths, `parent` the id of another event frame. A `start` in the past makes it a late one, an `end` a closed one."""

    name: str
    template: str
    elements: tuple[str, ...] = ()
    start: str = "*"
    end: str | None = None
    parent: str | None = None


class FrameChange(msgspec.Struct, forbid_unknown_fields=True):
    """What shall happen to the event frame `ef`, in this order."""

    ef: str
    severity: str | None = None
    close: str | None = None
    """When it ends."""
    capture: bool = False
    acknowledge: str | None = None
    """By whom."""
    annotate: str | None = None


class AssetControl:
    """`true` is the machine's clock, by which the cache ages; `clock` is PI's, by which times are read."""

    def __init__(self, framework: AssetFramework, store: Store, clock: Clock, true: Clock, journal: Journal | None) -> None:
        self._assets = framework.assets
        self._frames = framework.frames
        self._finder = framework.finder
        self._store = store
        self._clock = clock
        self._true = true
        self._journal = journal
        self._created = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/elements", self.elements),
            web.post("/elements", _answering(self.create_element)),
            web.get("/event-frames", self.event_frames),
            web.post("/event-frames", _answering(self.create_frame)),
            web.post("/event-frames/change", _answering(self.change_frame)),
        ]

    async def elements(self, _: web.Request) -> web.Response:
        """Every element a client can find by now."""
        return tell([self._describe(element) for element in self._assets.by_id.values()])

    def _describe(self, element: Element) -> dict[str, Any]:
        return {
            "id": str(element.id),
            "name": element.name,
            "paths": self._assets.paths_of(element),
            "template": element.template,
            "point_ids": [stream.point.point_id for stream in element.streams],
        }

    async def create_element(self, raw: web.Request) -> Any:
        order = await read_order(raw, NewElement)
        parent = None if order.parent is None else self._finder.element_at(order.parent).element
        if not order.name or any(character in order.name for character in "\\|[]{}*?;"):
            raise Refusal(400, f'"{order.name}" cannot be the name of an element.')
        if self._assets.waits(order.name, parent):
            raise Refusal(400, f'There is an element "{order.name}" already.')
        if order.template and (order.template not in BY_NAME or BY_NAME[order.template].instance_type != "Element"):
            raise Refusal(400, f'There is no element template "{order.template}".')
        missing = [number for number in order.point_ids if number not in self._store.by_id]
        if missing:
            raise Refusal(404, f"There is no point {missing[0]}.")
        streams = tuple(self._store.by_id[number] for number in order.point_ids)
        element = self._assets.create(order.name, parent, order.template, streams, self._true())
        path = f"{self._assets.path if parent is None else self._assets.path_of(parent)}\\{element.name}"
        if self._journal is not None:
            self._journal.element({"el": str(element.id), "name": element.name, "path": path, "template": element.template})
        return {"id": str(element.id), "path": path}

    async def event_frames(self, _: web.Request) -> web.Response:
        """Every event frame as it is: the truth a client is measured against."""
        return tell([facts_of(frame) for frame in self._frames.by_id.values()])

    async def create_frame(self, raw: web.Request) -> Any:
        order = await read_order(raw, NewFrame)
        if not order.name or "\\" in order.name or "|" in order.name:
            raise Refusal(400, f'"{order.name}" cannot be the name of an event frame.')
        if order.template not in BY_NAME or BY_NAME[order.template].instance_type != "EventFrame":
            raise Refusal(400, f'There is no event frame template "{order.template}".')
        start, end = self._instant(order.start), None if order.end is None else self._instant(order.end)
        if end is not None and end < start:
            raise Refusal(400, f"{order.end} is before {order.start}")
        parent = None if order.parent is None else self._find(order.parent)
        elements = [self._finder.element_at(path).element for path in order.elements]
        self._created += 1
        own = self._assets.guid("event frame by hand", self._created)
        frame = self._frames.create(own, order.name, order.template, start, elements, parent)
        if end is not None:
            self._frames.close(frame, end)
        return facts_of(frame)

    async def change_frame(self, raw: web.Request) -> Any:
        order = await read_order(raw, FrameChange)
        frame, now = self._find(order.ef), self._clock()
        closed = None if order.close is None else self._instant(order.close)
        if order.severity is not None and order.severity not in SEVERITIES:
            raise Refusal(400, f'"{order.severity}" is no severity: one of {", ".join(SEVERITIES)}')
        if closed is not None and closed < frame.start:
            raise Refusal(400, f"{order.close} is before the start of the event frame")
        if order.severity is not None:
            self._frames.set_severity(frame, order.severity)
        if closed is not None:
            self._frames.close(frame, closed)
        if order.capture:
            self._frames.capture(frame, now)
        if order.acknowledge is not None:
            self._frames.acknowledge(frame, order.acknowledge, now)
        if order.annotate is not None:
            self._frames.annotate(frame, order.annotate, "PLANT\\control", now)
        return facts_of(frame)

    def _find(self, text: str) -> Frame:
        try:
            frame = self._frames.by_id.get(UUID(text))
        except ValueError:
            frame = None
        if frame is None:
            raise Refusal(404, f"There is no event frame {text}.")
        return frame

    def _instant(self, text: str) -> int:
        try:
            return parse_time(text, self._clock(), UTC)
        except BadTime as error:
            raise Refusal(400, str(error)) from None


def _answering(work: Callable[[web.Request], Awaitable[Any]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(raw: web.Request) -> web.Response:
        try:
            return tell(await work(raw))
        except Refusal as refusal:
            return refuse(refusal)

    return answer
