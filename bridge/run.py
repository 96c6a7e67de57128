"""The main path of the bridge: opens PI, Kafka and the registry, joins the group, and keeps every shard that it is given (design 4)."""

import asyncio
import random
from contextlib import closing
from typing import Any, cast

import structlog
from confluent_kafka import KafkaException

from bridge import kafka
from bridge.errors import BridgeError, NotReady, PIRefused, PIUnavailable, PIUnreadable
from bridge.incarnation import Incarnation
from bridge.inventory import Inventory
from bridge.listening import listen
from bridge.ownership import Membership
from bridge.piwebapi import PIWebAPI
from bridge.reading import read
from bridge.shard import OwnedShard, Work, World
from bridge.tenure import Fencings
from schemas.config import Config
from schemas.records import Point

log = structlog.get_logger("bridge.run")
_CLOCK_SECONDS = 30.0
_RETRY_SECONDS = 2.0
_STATUS_SECONDS = 10.0


class Bridge:
    """All shards of one process; told by the group which they are."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._owned: dict[int, OwnedShard] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._fenced = Fencings()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def assigned(self, shard: int) -> None:
        owned = self._owned[shard] = OwnedShard(shard, self._world, self._fenced, self._work_of(shard))
        task = self._tasks[shard] = asyncio.create_task(owned.keep(), name=f"shard-{shard}")
        task.add_done_callback(self._ended)

    def _work_of(self, shard: int) -> list[Work]:
        """What goes on while the shard is owned; the owner of shard 0 keeps house as well."""
        world = self._world

        async def listening(incarnation: Incarnation) -> None:
            await listen(world, incarnation.hearing)

        async def reading(incarnation: Incarnation) -> None:
            await read(world, incarnation.reads)

        async def keeping_house(_: Incarnation) -> None:
            await Inventory(world).run()

        return [listening, reading, keeping_house] if shard == 0 else [listening, reading]

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
        log.info("shard handed over", shard=shard)

    def lost(self, shard: int) -> None:
        owned, task = self._owned.pop(shard, None), self._tasks.pop(shard, None)
        if owned is not None and task is not None:
            owned.tenure.lost()
            task.cancel()  # a commit that is on its way is not waited for
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
        chores = [asyncio.create_task(self._read_clock()), asyncio.create_task(self._tell())]
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
                incarnation = owned.tenure.incarnation
                for name, count in (incarnation.committed_counts if incarnation is not None else {}).items():
                    counts[name] = counts.get(name, 0) + count
            log.info("status", shards=sorted(self._owned), committed=counts, pi_requests=dict(self._world.pi.requests))


async def run(config: Config, stop: asyncio.Event) -> None:
    """Runs the bridge until `stop`. Raises NotReady or PIRefused where a person has to act."""
    pi = PIWebAPI(config.pi)
    try:
        topics = await asyncio.to_thread(kafka.topic_ids, config)
        codec = await asyncio.to_thread(kafka.codec, config)
        with closing(codec):
            if await _first_clock(pi, stop):
                await Bridge(World(config, pi, codec, topics, random.Random())).run(stop)  # noqa: S311 - jitter
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
