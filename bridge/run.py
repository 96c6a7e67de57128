"""The main path of the bridge: opens PI, Kafka and the registry, joins the group, and keeps every shard that it is given (design 4)."""

import asyncio
import random
import time
from collections import deque
from contextlib import closing, nullcontext
from typing import Any, cast

import structlog
from confluent_kafka import KafkaException

from bridge import kafka
from bridge.census import NOBODY, census
from bridge.errors import BridgeError, NotReady, PIRefused, PIUnavailable, PIUnreadable, ShardLost
from bridge.health import Health
from bridge.inventory import Inventory
from bridge.masking import Mask
from bridge.monitoring import Monitoring, Port
from bridge.ownership import Membership
from bridge.piwebapi import PIWebAPI
from bridge.shard import Shard, World
from schemas.config import Config
from schemas.records import Point

log = structlog.get_logger("bridge.run")
_CLOCK_SECONDS = 30.0
_RETRY_SECONDS = 2.0
_STATUS_SECONDS = 10.0
_FOLLOW_SECONDS, _STOCK_SECONDS = 1.0, 10.0
_BEYOND_TIMEOUT_SECONDS = 60.0
"""A commit ends, in whatever way, within the transaction's time-out; only one that is overdue by so much is stuck."""
_FENCINGS, _FENCING_SECONDS = 3, 600.0
"""So many fencings in so long mean that two deployments fight over one source."""


class OwnedShard:
    """A shard for as long as the group gives it to us, through as many incarnations as that takes."""

    def __init__(self, number: int, world: World, fenced: "Fencings") -> None:
        self.points: dict[str, Point] = {}
        self.points_known = asyncio.Event()
        self.stop = asyncio.Event()
        self.current: Shard | None = None
        self._number, self._world, self._fenced = number, world, fenced

    async def keep(self) -> None:
        """Owns the shard until `stop`, or cancelled. Raises what no new take-over can mend."""
        while not self.stop.is_set():
            try:
                await self._wait_for_points()
                await self._own()
            except ShardLost as error:
                log.warning("shard lost", shard=self._number, reason=str(error), fenced=error.fenced)
                if error.fenced:
                    self._world.monitoring.metrics.fencings.inc()
                    self._fenced.add(time.monotonic())
            except KafkaException as error:
                log.warning("shard interrupted", shard=self._number, reason=str(error))
            finally:
                self._world.monitoring.health.ended(self._number)
            if not self.stop.is_set():
                await asyncio.sleep(_RETRY_SECONDS * self._world.chance.random())

    async def _wait_for_points(self) -> None:
        await asyncio.wait(
            [known := asyncio.ensure_future(self.points_known.wait()), stop := asyncio.ensure_future(self.stop.wait())],
            return_when="FIRST_COMPLETED",
        )
        known.cancel()
        stop.cancel()

    async def _own(self) -> None:
        if self.stop.is_set():
            return
        self.current = Shard(self._number, self._world, self.points)
        if self._number != 0:
            await self.current.run(self.stop)
            return
        house = asyncio.create_task(Inventory(self._world).run())
        owning = asyncio.create_task(self.current.run(self.stop))
        try:
            done, _ = await asyncio.wait([house, owning], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (house, owning):
                task.cancel()
            await asyncio.gather(house, owning, return_exceptions=True)


class Fencings:
    """Counts how often another producer took a shard's place."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self, now_seconds: float) -> None:
        """Takes note of one; raises NotReady when they come too often: then another deployment has our transactional ids."""
        self._times.append(now_seconds)
        while self._times and now_seconds - self._times[0] > _FENCING_SECONDS:
            self._times.popleft()
        if len(self._times) >= _FENCINGS:
            raise NotReady(
                f"fenced {len(self._times)} times within ten minutes: another deployment uses kafka.transactional_prefix and this source; "
                "stop one of them, or give it another prefix and group"
            )


class Bridge:
    """All shards of one process; told by the group which they are."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._owned: dict[int, OwnedShard] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._fenced = Fencings()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def assigned(self, shard: int) -> None:
        owned = self._owned[shard] = OwnedShard(shard, self._world, self._fenced)
        task = self._tasks[shard] = asyncio.create_task(owned.keep(), name=f"shard-{shard}")
        task.add_done_callback(self._ended)

    def point(self, shard: int, key: str, point: Point | None) -> None:
        owned = self._owned.get(shard)
        if owned is None:
            return
        if point is not None and point["in_scope"]:
            owned.points[key] = point
        elif owned.points.pop(key, None) is not None and owned.current is not None:
            owned.current.incidents.forget(key)

    def points_known(self, shard: int) -> None:
        if shard in self._owned:
            self._owned[shard].points_known.set()

    async def revoked(self, shard: int) -> None:
        owned, task = self._owned.pop(shard, None), self._tasks.pop(shard, None)
        if owned is None or task is None:
            return
        owned.stop.set()
        await asyncio.wait([task], timeout=self._world.config.delivery.drain_seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        log.info("shard handed over", shard=shard)

    def lost(self, shard: int) -> None:
        owned, task = self._owned.pop(shard, None), self._tasks.pop(shard, None)
        if owned is not None and task is not None:
            task.cancel()
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
        chores = [asyncio.create_task(chore) for chore in (self._read_clock(), self._tell(), self._follow(members))]
        stopping = asyncio.create_task(stop.wait())
        try:
            waiting = cast("list[asyncio.Future[Any]]", [stopping, self._failure, *chores])
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await members.stop()
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
                for name, count in (owned.current.committed if owned.current is not None else {}).items():
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
            if (owned := self._owned.get(number)) is not None and (shard := owned.current) is not None:
                counted = counted.plus(census(map(shard.coverage.get, owned.points), self._world.pi.now()))
                waiting_bytes += shard.frames.waiting_bytes
                incidents += [record["kind"] for record in shard.incidents.records.values()]
            await asyncio.sleep(0)
        monitoring.metrics.stock(counted, waiting_bytes, incidents, len(monitoring.health.assigned), len(monitoring.health.owned))


async def run(config: Config, stop: asyncio.Event, mask: Mask | None = None) -> None:
    """Runs the bridge until `stop`; `mask` learns of tokens that it fetches. Raises NotReady or PIRefused where a person has to act."""
    monitoring = Monitoring(health=Health(config.delivery.transaction_timeout_seconds + _BEYOND_TIMEOUT_SECONDS))
    port = nullcontext() if config.monitoring is None else Port(config.monitoring, monitoring)
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
