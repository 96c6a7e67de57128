"""One owned shard as a task: does the steps that its tenure asks for, with threads, sockets and timers, and tells it what came of them."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from confluent_kafka import KafkaException

from bridge import progress
from bridge.errors import NotReady, ShardLost
from bridge.incarnation import Incarnation, Record, Setting
from bridge.kafka import Codec, read_partition
from bridge.monitoring import Monitoring
from bridge.pitime import Moment
from bridge.piwebapi import PIWebAPI
from bridge.progress import Left
from bridge.publish import Message, Publisher
from bridge.tenure import Act, Fencings, Step, Tenure
from bridge.watermarks import ages_of
from schemas.config import Config
from schemas.records import Progress
from schemas.topics import PROGRESS
from schemas.wire import WireError

log = structlog.get_logger("bridge.shard")


@dataclass(frozen=True)
class World:
    """What all shards of a process share."""

    config: Config
    pi: PIWebAPI
    codec: Codec
    topics: dict[str, tuple[str, int]]
    """Kafka's id and number of partitions by dataset."""
    chance: random.Random
    monitoring: Monitoring = field(default_factory=Monitoring)
    taking_over: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the progress of a shard is read: for the moment that takes several times what is kept of it."""

    def now(self) -> Moment:
        """The present on all clocks; PI's must have been read once."""
        return self.pi.clock.moment(time.monotonic(), self.now_micros())

    def now_micros(self) -> int:
        """The bridge's wall clock."""
        return time.time_ns() // 1000


Work = Callable[[Incarnation], Coroutine[Any, Any, None]]
"""Something that goes on while a shard is owned."""


class OwnedShard:
    """A shard for as long as the group gives it to us."""

    def __init__(self, number: int, world: World, fenced: Fencings, work: list[Work]) -> None:
        self.tenure = Tenure(Setting(number, world.config, world.topics, world.chance), fenced)
        self._world, self._work = world, work
        self._publisher: Publisher | None = None
        self._workers: list[asyncio.Future[None]] = []
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Lets it look again at once what is to be done: something happened to its tenure."""
        self._stirred.set()

    async def keep(self) -> None:
        """Does what the tenure asks for, until that ends. Raises what no new take-over can mend."""
        try:
            while (step := self.tenure.next(self._world.now())).act is not Act.END:
                await self._do(step)
                self._tell()
        finally:
            await self._rest()
            await self._close()

    async def _do(self, step: Step) -> None:
        match step.act:
            case Act.WAIT:
                await self._wait(step.seconds)
            case Act.OPEN:
                await self._try(self._open())
            case Act.READ:
                await self._try(self._read())
            case Act.COMMIT:
                await self._try(self._commit(step.records))
            case Act.WORK:
                self._begin_work()
            case Act.REST:
                await self._rest()
            case Act.CLOSE:
                await self._close()

    async def _try(self, attempt: Awaitable[None]) -> None:
        """Awaits a step that may fail, and tells the tenure if it does."""
        tenure, now = self.tenure, self._world.now
        try:
            await attempt
        except ShardLost as error:
            log.warning("shard lost", shard=tenure.number, reason=str(error), fenced=error.fenced)
            self._world.monitoring.metrics.fencings.inc(error.fenced)
            tenure.failed(error.fenced, now())
        except KafkaException as error:
            log.warning("shard interrupted", shard=tenure.number, reason=str(error))
            tenure.failed(False, now())

    async def _wait(self, seconds: float) -> None:
        """Until the time is over, the tenure was stirred, or a worker ended with an error."""
        self._stirred.clear()
        stirred = asyncio.ensure_future(self._stir())
        try:
            await asyncio.wait([stirred, *self._workers], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stirred.cancel()
        for worker in [worker for worker in self._workers if worker.done()]:
            self._workers.remove(worker)
            await self._try(worker)

    async def _stir(self) -> None:
        await self._stirred.wait()

    async def _open(self) -> None:
        config = self._world.config
        self._publisher = Publisher(config, self.tenure.transactional_id, config.delivery.transaction_timeout_seconds)
        await self._publisher.open()
        self.tenure.opened()

    async def _read(self) -> None:
        config, codec, number = self._world.config, self._world.codec, self.tenure.number

        def read() -> Left:
            newest = dict(read_partition(config, PROGRESS.name(config.source), number))  # compaction may have left many of each key
            # One by one: as dictionaries all of them take many times what is kept.
            decoded = ((key, None if value is None else cast(Progress, codec.decode(PROGRESS, value))) for key, value in newest.items())
            return progress.left(decoded, ages_of(config.coverage.reread_ages_seconds))

        async with self._world.taking_over:
            try:
                left = await asyncio.to_thread(read)
            except WireError as error:
                raise NotReady(f"a progress record of shard {number} cannot be understood, so nothing can be known: {error}") from error
            self.tenure.progress_read(left, self._world.now())

    async def _commit(self, records: tuple[Record, ...]) -> None:
        assert self._publisher is not None
        messages = [self._message(record) for record in records]
        frames = [(record.topic, record.value) for record in records if record.topic.record == "value_frame"]
        await self._world.monitoring.transaction(self.tenure.number, frames, messages, self._publisher.commit(messages))
        self.tenure.committed(self._world.now())

    def _message(self, record: Record) -> Message:
        key = None if record.key is None else record.key.encode()
        topic = record.topic
        return Message(topic.name(self._world.config.source), record.partition, key, self._world.codec.encode(topic, record.value))

    def _begin_work(self) -> None:
        incarnation = self.tenure.incarnation
        assert incarnation is not None
        log.info(
            "shard taken over",
            shard=incarnation.number,
            epoch=incarnation.state.epoch,
            points=len(incarnation.coverage),
            known=incarnation.known,
        )
        self._workers = [asyncio.create_task(work(incarnation)) for work in self._work]

    async def _rest(self) -> None:
        """Cancels channels and reads and waits until they have ended; their own errors come up elsewhere."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _close(self) -> None:
        self._world.monitoring.health.ended(self.tenure.number)
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.close()

    def _tell(self) -> None:
        incarnation = self.tenure.incarnation
        for note in incarnation.take_notes() if incarnation is not None else []:
            (log.error if note.error else log.warning)(note.event, shard=self.tenure.number, **note.details)
