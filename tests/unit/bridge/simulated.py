"""The bridge's real client, inventory, channels and core against a simulator in this process."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp

from bridge import progress
from bridge.incarnation import Incarnation, Setting
from bridge.inventory import Inventory
from bridge.kafka import Codec
from bridge.piwebapi import PIWebAPI
from bridge.points import Point, unpacked
from bridge.shard import World
from schemas.config import Config
from simulator import server
from simulator.server import Running
from simulator.settings import Settings
from tests.simulator.world import Hand
from tests.unit.bridge.world import config, setting


def reading(
    url: str,
    server_id: str,
    load: dict[str, Any] | None = None,
    channels: dict[str, Any] | None = None,
    selections: list[dict[str, Any]] | None = None,
) -> Config:
    """A configuration of one shard that reads this PI Web API."""
    document = config(load={"requests_per_second": 10_000.0} | (load or {}), channels=channels).model_dump()
    document["pi"] |= {"url": url, "servers": {"main": server_id}, "points": selections or [{"server": "main"}]}
    return Config.model_validate(document)


class Simulated:
    """A simulator with its clock in the test's hand, and the bridge's client to it."""

    def __init__(self, running: Running, clock: Hand, world: World, session: aiohttp.ClientSession) -> None:
        self.running, self.clock, self.world, self.pi = running, clock, world, world.pi
        self._session = session

    async def fault(self, word: str, **details: Any) -> None:
        """Begins a fault (simulator/README.md)."""
        await self._order("/faults", {"fault": word, **details})

    async def end_faults(self) -> None:
        await self._order("/faults", {"end": "all"})

    async def write(self, point_id: int) -> None:
        """Writes a value of now, as an interface does."""
        await self._order("/insert", {"point_id": point_id, "events": [{"time": "*", "value": 1}]})

    async def _order(self, path: str, order: Any) -> None:
        async with self._session.post(self.running.control_url + path, json=order) as answer:
            assert answer.status == 200, await answer.text()

    async def points(self) -> dict[str, Point]:
        """What the inventory finds."""
        return {key: Point.of(unpacked(content)) for key, content in (await self.found()).items()}

    async def found(self) -> dict[str, bytes]:
        """The same as the inventory keeps it."""
        return await Inventory(self.world)._found()

    async def point_sources(self, found: dict[str, bytes]) -> dict[str, str | None]:
        """The sources that the inventory asks for afterwards."""
        told = await Inventory(self.world)._sources(found)
        return {key: unpacked(content)["point_source"] for key, content in told.items()}

    def incarnation(self, points: dict[str, Point]) -> Incarnation:
        """A core with these points in scope."""
        told = setting(self.world.config)
        return Incarnation(Setting(0, self.world.config, told.topics, told.chance), points, progress.left([], ()), self.world.now())


@asynccontextmanager
async def simulated(
    points: int = 50,
    load: dict[str, Any] | None = None,
    channels: dict[str, Any] | None = None,
    selections: list[dict[str, Any]] | None = None,
) -> AsyncIterator[Simulated]:
    """A simulator of so many points whose plant stands still, and a bridge's world whose clock was read."""
    clock = Hand()
    running = await server.start(Settings(points=points, rate_per_second=50.0, tick_seconds=60.0), clock)
    running.load.stop()
    settings = reading(running.url, str(running.server_id), load, channels, selections)
    client = PIWebAPI(settings.pi)
    try:
        await client.read_clock()
        world = World(settings, client, cast(Codec, None), {}, random.Random(1))
        async with aiohttp.ClientSession() as session:
            yield Simulated(running, clock, world, session)
    finally:
        await client.close()
        await running.stop()
