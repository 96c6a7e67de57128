"""The main path of the bridge: opens PI, Kafka and the registry, joins the group, and keeps every shard that it is given (design 4)."""

import asyncio
import random
import time
from contextlib import closing, nullcontext
from typing import Any, cast

import structlog
from confluent_kafka import KafkaException

from bridge import kafka
from bridge.budget import part_of
from bridge.census import NOBODY, census
from bridge.errors import BridgeError, NotReady, PIRefused, PIUnavailable, PIUnreadable
from bridge.health import Health
from bridge.inbox import Inbox
from bridge.incarnation import Incarnation
from bridge.inventory import Inventory
from bridge.listening import listen
from bridge.monitoring import Monitoring
from bridge.ownership import Membership
from bridge.piwebapi import PIWebAPI
from bridge.reading import read
from bridge.shard import OwnedShard, Work, World
from bridge.tenure import Fencings
from runtime.masking import Mask
from runtime.port import Port, PortTaken
from schemas.config import Config
from schemas.records import Point

log = structlog.get_logger("bridge.run")
_CLOCK_SECONDS = 30.0
_INBOX_SECONDS = 0.5
_RETRY_SECONDS = 2.0
_STATUS_SECONDS = 10.0
_FOLLOW_SECONDS, _STOCK_SECONDS = 1.0, 10.0
_BEYOND_TIMEOUT_SECONDS = 60.0
"""A commit ends, in whatever way, within the transaction's time-out; only one that is overdue by so much is stuck."""


class Bridge:
    """All shards of one process; told by the group which they are."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._owned: dict[int, OwnedShard] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._fenced = Fencings()
        self._share()
        self._inbox = Inbox(world.config, world.codec, self.failed)
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def _share(self) -> None:
        """All processes of the deployment have one budget: this one takes the part of its shards."""
        config = self._world.config
        self._world.pi.share(part_of(config.pi.load, len(self._owned), config.delivery.shards))

    def assigned(self, shard: int) -> None:
        owned = self._owned[shard] = OwnedShard(shard, self._world, self._fenced, self._work_of(shard))
        task = self._tasks[shard] = asyncio.create_task(owned.keep(), name=f"shard-{shard}")
        task.add_done_callback(self._ended)
        self._share()

    def _work_of(self, shard: int) -> list[Work]:
        """What goes on while the shard is owned; the owner of shard 0 keeps house as well."""
        world = self._world

        async def listening(incarnation: Incarnation) -> None:
            await listen(world, incarnation.hearing)

        async def reading(incarnation: Incarnation) -> None:
            await read(world, incarnation.reads)

        async def commanding(incarnation: Incarnation) -> None:
            while True:
                for offset, command in self._inbox.since(incarnation.state.commands_offset):
                    incarnation.commands.take(offset, command, world.now())
                await asyncio.sleep(_INBOX_SECONDS)

        async def keeping_house(_: Incarnation) -> None:
            await Inventory(world).run()

        works: list[Work] = [listening, reading, commanding]
        return [*works, keeping_house] if shard == 0 else works

    def point(self, shard: int, key: str, point: Point | None) -> None:
        if (owned := self._owned.get(shard)) is not None:
            owned.tenure.point(key, point)

    def points_known(self, shard: int) -> None:
        if (owned := self._owned.get(shard)) is not None:
            owned.tenure.points_known()
            owned.stir()

    async def revoked(self, shard: int) -> None:
        owned, task = self._owned.pop(shard, None), self._tasks.pop(shard, None)
        if owned is None or task is None:
            return
        owned.tenure.revoked()
        owned.stir()
        await asyncio.wait([task], timeout=self._world.config.delivery.drain_seconds)
        owned.tenure.lost()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._share()
        log.info("shard handed over", shard=shard)

    def lost(self, shard: int) -> None:
        owned, task = self._owned.pop(shard, None), self._tasks.pop(shard, None)
        if owned is not None and task is not None:
            owned.tenure.lost()
            task.cancel()  # a commit that is on its way is not waited for
            self._share()
            log.warning("shard lost to another member", shard=shard)

    def failed(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(cast(Exception, error))

    async def run(self, stop: asyncio.Event) -> None:
        """Owns shards until `stop`; then hands them over. Raises what ended it otherwise."""
        members = Membership(self._world.config, self._world.codec, self, asyncio.get_running_loop())
        members.start()
        self._inbox.start()
        chores = [asyncio.create_task(chore) for chore in (self._read_clock(), self._tell(), self._follow(members))]
        stopping = asyncio.create_task(stop.wait())
        try:
            waiting = cast("list[asyncio.Future[Any]]", [stopping, self._failure, *chores])
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await members.stop()
            self._inbox.stop()
            for task in [stopping, *chores]:
                task.cancel()
            await asyncio.gather(stopping, *chores, return_exceptions=True)
        if self._failure.done():
            self._failure.result()

    async def _read_clock(self) -> None:
        while True:
            await asyncio.sleep(_CLOCK_SECONDS)
            try:
                await self._world.pi.read_clock()
            except (PIUnavailable, PIRefused, PIUnreadable) as error:
                log.warning("PI's clock not read", reason=str(error))

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_STATUS_SECONDS)
            counts: dict[str, int] = {}
            for owned in self._owned.values():
                incarnation = owned.tenure.incarnation
                for name, count in (incarnation.committed_counts if incarnation is not None else {}).items():
                    counts[name] = counts.get(name, 0) + count
            log.info("status", shards=sorted(self._owned), committed=counts, pi_requests=dict(self._world.pi.requests))

    async def _follow(self, members: Membership) -> None:
        """Tells health which shards are ours, and from time to time counts how they and their points are."""
        monitoring, due = self._world.monitoring, 0.0
        health = monitoring.health
        while True:
            health.member, health.assigned = members.joined.is_set(), frozenset(self._owned)
            if time.monotonic() >= due:
                await self._take_stock()
                due = time.monotonic() + _STOCK_SECONDS
            await asyncio.sleep(_FOLLOW_SECONDS)

    async def _take_stock(self) -> None:
        """A shard at a time, so that a large plant does not hold up the event loop."""
        monitoring = self._world.monitoring
        counted, waiting_bytes, incidents = NOBODY, monitoring.committing_bytes, list[str]()
        for number in sorted(monitoring.health.owned):
            if (owned := self._owned.get(number)) is not None and (incarnation := owned.tenure.incarnation) is not None:
                counted = counted.plus(census(map(incarnation.coverage.get, incarnation.points), self._world.pi.now(), incarnation.rules))
                waiting_bytes += incarnation.frames.waiting_bytes
                incidents += [record["kind"] for record in incarnation.incidents.records.values()]
            await asyncio.sleep(0)
        monitoring.metrics.stock(counted, waiting_bytes, incidents, len(monitoring.health.assigned), len(monitoring.health.owned))


async def run(config: Config, stop: asyncio.Event, mask: Mask | None = None) -> None:
    """Runs the bridge until `stop`; `mask` learns of tokens that it fetches. Raises NotReady or PIRefused where a person has to act."""
    monitoring = Monitoring(health=Health(config.delivery.transaction_timeout_seconds + _BEYOND_TIMEOUT_SECONDS))
    try:
        port = nullcontext() if config.monitoring is None else Port(config.monitoring, monitoring)
    except PortTaken as error:
        raise NotReady(str(error)) from error
    with port:
        beating = asyncio.create_task(monitoring.beat())
        try:
            await _open_and_run(config, monitoring, stop, mask)
        finally:
            beating.cancel()


async def _open_and_run(config: Config, monitoring: Monitoring, stop: asyncio.Event, mask: Mask | None) -> None:
    health, pi = monitoring.health, PIWebAPI(config.pi, monitoring.metrics, mask)
    try:
        topics = await asyncio.to_thread(kafka.topic_ids, config)
        health.knows("Kafka")
        codec = await asyncio.to_thread(kafka.codec, config)
        health.knows("registry")
        with closing(codec):
            if await _first_clock(pi, stop):
                health.knows("PI")
                await Bridge(World(config, pi, codec, topics, random.Random(), monitoring)).run(stop)  # noqa: S311 - jitter
    finally:
        await pi.close()


async def _first_clock(pi: PIWebAPI, stop: asyncio.Event) -> bool:
    """Waits until PI has told its time, without which nothing can be stated; False if told to stop meanwhile."""
    while not stop.is_set():
        try:
            await pi.read_clock()
        except (PIUnavailable, PIUnreadable) as error:
            log.warning("waiting for PI", address=pi.base, reason=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return True
    return False


def stops_it(error: BridgeError | KafkaException) -> int:
    """Exit code of the process that ended with this error."""
    return 2 if isinstance(error, NotReady) else 3
