"""A shard's channels: which points share one, what their messages become, and what a lost one means (design 3.2, 4)."""

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from bridge.channel import Channel, Reconnect, addresses
from bridge.errors import PIRefused, PIUnreadable
from bridge.normalise import channel_message, parse_json, samples_of
from schemas.records import Point

if TYPE_CHECKING:
    from bridge.shard import Shard

log = structlog.get_logger("bridge.listening")
_GATHER_SECONDS = 0.5
"""New points that appear within so long share channels."""
_REFUSED_SECONDS = 300.0
"""A single point whose channel PI refuses is tried again after so long."""


class Ear:
    """Listens on one channel for its points: turns messages into previews, and silence into blind intervals."""

    def __init__(self, shard: "Shard", points: Sequence[Point], number: int, blind: tuple[int, str | None]) -> None:
        """`blind`: since when nobody listens to these points, and the incident about that."""
        self._shard, self._number = shard, number
        self._points = {point["web_id"]: point for point in points}
        self._blind, self._incident = blind
        self._listening = False
        self._heard = self._blind
        self._losses = 0

    def opened(self) -> None:
        self._listening = True
        self._heard = self._shard.world.pi.now()
        self._shard.heard_again(self._in_scope(), self._blind, self._incident)

    def message(self, body: str | bytes) -> None:
        self._heard = self._shard.world.pi.now()
        try:
            for web_id, items in list(channel_message(parse_json(body))):
                self._values(web_id, items)
        except PIUnreadable as error:
            content = body if isinstance(body, bytes) else body.encode(errors="surrogatepass")
            self._shard.dead_letters.add("CHANNEL", str(error), content, self._shard.world.now_micros())

    def lost(self, reason: str) -> None:
        """The blind interval begins with the last message, not when the loss was noticed."""
        if not self._listening:
            return
        self._listening = False
        self._blind, self._losses = self._heard, self._losses + 1
        world = self._shard.world
        self._incident = f"{world.config.source}-{self._shard.number}-{self._shard.state.epoch}-channel-{self._number}-{self._losses}"
        points = [point["point_key"] for point in self._in_scope()]
        self._shard.incidents.open(
            "CHANNEL_LOST", self._incident, points, self._blind // 10, world.now_micros(), f"channel of {len(points)} points: {reason}"
        )
        log.warning("channel lost", shard=self._shard.number, channel=self._number, points=len(points), reason=reason)

    @property
    def blind(self) -> tuple[int, str | None]:
        """Since when this channel hears nothing, and the incident about that."""
        return self._blind, self._incident

    def _in_scope(self) -> list[Point]:
        return [point for point in self._points.values() if point["point_key"] in self._shard.points]

    def _values(self, web_id: str, items: list[object]) -> None:
        shard, point = self._shard, self._points.get(web_id)
        now_micros, now = shard.world.now_micros(), shard.world.pi.now()
        if point is None:
            content = json.dumps({"WebId": web_id, "Items": items}).encode()
            shard.dead_letters.add("CHANNEL", f'stream "{web_id}" is none that this channel was opened for', content, now_micros)
            return
        if point["point_key"] not in shard.points:
            return
        samples, unreadable = samples_of(items, point["point_type"])
        for item in unreadable:
            shard.dead_letters.add("CHANNEL", item.reason, item.content, now_micros, point["point_key"], item.ticks)
        if not samples:
            return
        shard.preview(point, samples, "CHANNEL", now_micros, now)


class Listening:
    """Opens channels for all points of a shard, for new ones as they appear, and splits those that PI refuses."""

    def __init__(self, shard: "Shard") -> None:
        self._shard = shard
        self._on_channel: set[str] = set()
        self._opened = 0

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                new = [point for key, point in self._shard.points.items() if key not in self._on_channel]
                if new:
                    self._on_channel.update(point["point_key"] for point in new)
                    await self._open(tasks, new, self._shard.blind_since())
                await asyncio.sleep(_GATHER_SECONDS)

    async def _open(self, tasks: asyncio.TaskGroup, points: Sequence[Point], blind: tuple[int, str | None]) -> None:
        config = self._shard.world.config.pi
        by_web_id = {point["web_id"]: point for point in points}
        for address, web_ids in addresses(config.url, list(by_web_id), config.channels.heartbeat_polls, config.channels.url_bytes):
            self._opened += 1
            ear = Ear(self._shard, [by_web_id[web_id] for web_id in web_ids], self._opened, blind)
            tasks.create_task(self._keep(tasks, address, [by_web_id[web_id] for web_id in web_ids], ear))
            await asyncio.sleep(config.channels.open_interval_seconds)

    async def _keep(self, tasks: asyncio.TaskGroup, address: str, points: list[Point], ear: Ear) -> None:
        config = self._shard.world.config.pi
        reconnect = Reconnect(config.channels.reconnect_seconds, config.channels.reconnect_max_seconds, self._shard.world.chance)
        channel = Channel(self._shard.world.pi, config, address, ear, reconnect, self._shard.overloaded)
        try:
            await channel.run()
        except PIRefused as error:
            log.warning("channel refused", shard=self._shard.number, points=len(points), reason=str(error))
            await self._after_refusal(tasks, points, ear.blind)

    async def _after_refusal(self, tasks: asyncio.TaskGroup, points: list[Point], blind: tuple[int, str | None]) -> None:
        """One bad stream refuses the whole channel (trap 35): halves are tried, until it stands alone."""
        if len(points) > 1:
            middle = len(points) // 2
            await self._open(tasks, points[:middle], blind)
            await self._open(tasks, points[middle:], blind)
        else:
            await asyncio.sleep(_REFUSED_SECONDS)
            await self._open(tasks, points, blind)
