"""The inventory: which points are in scope, from PI to the topic `points` (design 4). Runs with whoever owns shard 0."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import structlog

from bridge import batch
from bridge.errors import PIRefused, PITooLarge, PIUnavailable, PIUnreadable
from bridge.kafka import read_partition
from bridge.piwebapi import same_origin
from bridge.points import packed, unpacked
from bridge.publish import Message, Publisher
from bridge.shard import World
from bridge.wording import shown
from schemas.config import PointSelection
from schemas.records import Point
from schemas.shards import shard_of
from schemas.times import micros_of
from schemas.topics import POINTS

log = structlog.get_logger("bridge.inventory")
_PAGE, _MIN_PAGE = 1000, 10
_BATCH_SOURCES, _MAX_SOURCE = 100, 1000
_RETRY_SECONDS = 5.0
_BATCH_MESSAGES = 5000
_MAX_TEXT_BYTES = 100_000
"""A longer name or description would make a record that Kafka does not take (1 MB), and with it the whole inventory."""
_VOLATILE = ("received_time", "start_time")
_FIELDS = "WebId;Id;Name;Path;Descriptor;PointClass;PointType;DigitalSetName;EngineeringUnits;Span;Zero;Step;Future;DisplayDigits"


class Inventory:
    """Reads the points of every selection, again and again, and publishes those that are new or changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, bytes] = {}
        """What was published, by key and packed."""

    async def run(self) -> None:
        """Runs until cancelled; PI being away only delays it. Raises ShardLost if another process keeps house."""
        config = self._world.config
        publisher = Publisher(
            config, f"{config.kafka.transactional_prefix}.{config.source}.inventory", config.delivery.transaction_timeout_seconds
        )
        try:
            await publisher.open()
            self._known = await asyncio.to_thread(self._published)
            while True:
                try:
                    await self._look(publisher)
                except (PIUnavailable, PIRefused, PIUnreadable) as error:
                    log.warning("inventory not read", reason=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    await asyncio.sleep(config.pi.inventory_seconds)
        finally:
            await publisher.close()

    async def _look(self, publisher: Publisher) -> None:
        """Publishes what is new; then the sources of points whose source nobody has told yet."""
        found = await self._found()
        await self._publish(publisher, found)
        if sources := await self._sources(found):
            await self._publish(publisher, found | sources)

    def _published(self) -> dict[str, bytes]:
        config, codec = self._world.config, self._world.codec
        known: dict[str, bytes] = {}
        for partition in range(config.delivery.shards):
            for key, value in read_partition(config, POINTS.name(config.source), partition):
                if value is not None:
                    known[key] = packed(cast(Point, codec.decode(POINTS, value)))
        return known

    async def _found(self) -> dict[str, bytes]:
        """Every point that a selection has, by key and packed. A walk that breaks off raises: half an inventory is none."""
        pi, found = self._world.config.pi, dict[str, bytes]()
        servers = await self._servers()
        for selection in pi.points:
            page_points = _PAGE
            while True:
                try:
                    await self._walk(selection, servers[pi.servers[selection.server]] + "/points", page_points, found)
                    break
                except (PIRefused, PITooLarge) as error:
                    if page_points <= _MIN_PAGE or not batch.may_be_too_many(error):
                        raise
                    page_points //= 2  # PI's limit of items may be lower, or the answer too large (trap 27)
        return found

    async def _walk(self, selection: PointSelection, points: str, page_points: int, found: dict[str, bytes]) -> None:
        """Adds the points of a selection, page by page."""
        address: str | None = f"{points}?{query(selection, page_points)}"
        seen, ids_seen = set[str](), set[str]()
        while address is not None:
            if address in seen:
                raise PIUnreadable(f"points of {selection.server}: the link to the next page leads back to {address!r:.200}")
            seen.add(address)
            page = await self._world.pi.get(address, "points")
            items = page.get("Items")
            if not isinstance(items, list):
                raise PIUnreadable(f"points of {selection.server}: an answer without a list `Items`")
            for item in items:
                self._add(found, selection, self._world.config.pi.servers[selection.server], item)
            address, known = self._next(page) if items else None, len(ids_seen)
            # Points that shift while they are paged repeat a few; nothing but repeated ones is a walk without an end.
            ids_seen.update(shown(item.get("Id"), 50) for item in items if isinstance(item, dict))
            if address is not None and len(ids_seen) == known:
                raise PIUnreadable(f"points of {selection.server}: a page of points that were all there before, and it links to another")

    async def _sources(self, found: Mapping[str, bytes]) -> dict[str, bytes]:
        """Points whose source is not known, with it; those that PI does not tell now are asked at the next inventory."""
        unknown = [key for key, content in found.items() if unpacked(content)["point_source"] is None]
        told: dict[str, bytes] = {}
        for at in range(0, len(unknown), _BATCH_SOURCES):
            part = {key: unpacked(found[key]) for key in unknown[at : at + _BATCH_SOURCES]}
            try:
                answered = await self._world.pi.batch({key: source_address(self._world.pi.base, p["web_id"]) for key, p in part.items()})
            except (PIUnavailable, PIRefused, PIUnreadable) as error:
                log.warning("point sources not read", points=len(unknown) - at, reason=str(error))
                break
            for key, point in part.items():
                if (source := source_in(answered.contents[key])) is not None:
                    told[key] = packed({**point, "point_source": source})
        return told

    def _next(self, page: dict[str, Any]) -> str | None:
        links = page.get("Links")
        following = links.get("Next") if isinstance(links, dict) else None
        return same_origin(self._world.config.pi.url, following) if isinstance(following, str) else None

    async def _servers(self) -> dict[UUID, str]:
        """Address of each data server by GUID."""
        pi = self._world.config.pi
        answer = await self._world.pi.get(pi.url + "/dataservers", "dataservers")
        addresses: dict[UUID, str] = {}
        try:
            for item in answer["Items"]:
                addresses[UUID(item["Id"])] = f"{pi.url}/dataservers/{quote(item['WebId'])}"
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PIUnreadable(f"the list of data servers is not understood: {error!r}") from error
        if missing := [f"{alias} ({guid})" for alias, guid in pi.servers.items() if guid not in addresses]:
            raise PIRefused(
                f"PI Web API has no data server {', '.join(missing)}; it has {', '.join(map(str, addresses))}: see pi.servers", 404
            )
        return addresses

    def _add(self, found: dict[str, bytes], selection: PointSelection, server_id: UUID, item: Any) -> None:
        try:
            point = self._point(selection, server_id, item)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            log.warning("point not understood", server=selection.server, point=shown(item, 200), reason=f"{type(error).__name__}: {error}")
            return
        if point["point_source"] is None and (known := self._known.get(point["point_key"])) is not None:
            point["point_source"] = unpacked(known)["point_source"]  # an attribute, which the list of points does not tell
        if point["point_key"] not in found and not excluded(selection, point["tag"]):
            found[point["point_key"]] = packed(point)

    def _point(self, selection: PointSelection, server_id: UUID, item: dict[str, Any]) -> Point:
        config, point_id, digits = self._world.config, item["Id"], item.get("DisplayDigits")
        if not isinstance(point_id, int) or isinstance(point_id, bool):
            raise TypeError(f"Id {shown(point_id, 50)} is not a number")
        if not -(1 << 63) <= point_id < 1 << 63 or (isinstance(digits, int) and not -(1 << 31) <= digits < 1 << 31):
            raise ValueError("a number that no PI has")
        start = selection.start if selection.start is not None else config.coverage.start
        now = self._world.pi.now()
        start_micros = now // 10 - start // timedelta(microseconds=1) if isinstance(start, timedelta) else micros_of(start)
        return {
            "source": config.source,
            "point_key": f"{selection.server}:{point_id}",
            "server": selection.server,
            "server_id": str(server_id),
            "point_id": point_id,
            "web_id": _text(item["WebId"]),
            "tag": _text(item["Name"]),
            "path": _text(item["Path"]),
            "descriptor": _text(item.get("Descriptor") or "") or None,
            "point_class": _text(item.get("PointClass") or "") or None,
            "point_type": _text(item["PointType"]),
            "digital_set": _text(item.get("DigitalSetName") or "") or None,
            "engineering_units": _text(item.get("EngineeringUnits") or "") or None,
            "zero": _number(item.get("Zero")),
            "span": _number(item.get("Span")),
            "step": bool(item.get("Step", False)),
            "future": bool(item.get("Future", False)),
            "display_digits": digits if isinstance(digits, int) and not isinstance(digits, bool) else None,
            "in_scope": True,
            "start_time": start_micros,
            "received_time": self._world.now_micros(),
            "point_source": selection.point_source,
        }

    async def _publish(self, publisher: Publisher, found: dict[str, bytes]) -> None:
        changed = [point for key, content in found.items() if (point := self._changed(key, content)) is not None]
        absent = [key for key, content in self._known.items() if key not in found and unpacked(content)["in_scope"]]
        if absent:
            log.warning("points are absent from the inventory and stay in scope", points=len(absent), first=absent[0])
        name, shards = POINTS.name(self._world.config.source), self._world.config.delivery.shards
        for at in range(0, len(changed), _BATCH_MESSAGES):
            part = changed[at : at + _BATCH_MESSAGES]
            messages = []
            for point in part:
                key = point["point_key"]
                messages.append(Message(name, shard_of(key, shards), key.encode(), self._world.codec.encode(POINTS, point)))
            await self._world.monitoring.transaction(None, (), messages, publisher.commit(messages))
            self._known.update((point["point_key"], packed(point)) for point in part)
        log.info("inventory read", points=len(found), changed=len(changed), absent=len(absent))

    def _changed(self, key: str, content: bytes) -> Point | None:
        """The point as found, if it is to be published; a start that counts back from now stays where it was first."""
        point, before = unpacked(content), self._known.get(key)
        if before is None:
            return point
        known = unpacked(before)
        if _same(known, point):
            return None
        point["start_time"] = min(point["start_time"], known["start_time"])
        return point


def query(selection: PointSelection, page_points: int = _PAGE) -> str:
    """The query part of the address of a selection's first page."""
    fields = ";".join(f"Items.{name}" for name in _FIELDS.split(";"))
    query = f"nameFilter={quote(selection.name_filter)}&maxCount={page_points}&webIdType=IDOnly&selectedFields=Links.Next;{fields}"
    return query if selection.point_source is None else f"{query}&sourceFilter={quote(selection.point_source)}"


def source_address(base: str, web_id: str) -> str:
    """Where PI tells the point source of a point (pi-web-api.md 1.3)."""
    return f"{base}/points/{quote(web_id)}/attributes?nameFilter=pointsource&selectedFields=Items.Name;Items.Value"


def source_in(answer: object) -> str | None:
    """The point source in such an answer; None if there is none."""
    items = answer.get("Items") if isinstance(answer, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and str(item.get("Name")).casefold() == "pointsource" and isinstance(item.get("Value"), str):
            return item["Value"] if 0 < len(item["Value"]) <= _MAX_SOURCE and item["Value"].isprintable() else None
    return None


def excluded(selection: PointSelection, tag: str) -> bool:
    """True if the selection leaves a point of this name out."""
    return any(fnmatchcase(tag.casefold(), pattern.casefold()) for pattern in selection.exclude)


def _text(value: object) -> str:
    """The value, if it is a text that Avro and Kafka can carry; raises TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"{shown(value, 100)} is not a text")
    if len(value.encode()) > _MAX_TEXT_BYTES:
        raise ValueError(f"a text of {len(value)} characters")
    return value


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _same(known: Point, found: Point) -> bool:
    if found["start_time"] < known["start_time"]:
        return False
    return all(known[name] == found[name] for name in found if name not in _VOLATILE)  # type: ignore[literal-required]
