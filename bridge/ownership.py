"""Which shards this process owns: the partitions of `points` that Kafka assigns to it in the consumer group (design 3.5).

Membership and the tail of the inventory are one consumer: a partition assigned is a shard owned, and its points are read from the start.
It polls in a thread of its own, so that a busy event loop does not cost the membership.
"""

import asyncio
import threading
from typing import Protocol, cast

import httpx2
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.schema_registry.error import SchemaRegistryError

from bridge.kafka import Codec, consumer
from schemas.config import Config
from schemas.records import Point
from schemas.topics import POINTS
from schemas.wire import WireError

log = structlog.get_logger("bridge.ownership")


class Owner(Protocol):
    """What a change of ownership, and the inventory, is told to; called in the event loop."""

    def assigned(self, shard: int) -> None:
        """The shard is ours: its points follow."""

    def point(self, shard: int, key: str, point: Point | None) -> None:
        """A record of the inventory; None: the point is gone."""

    def points_known(self, shard: int) -> None:
        """Every record that was there has been told."""

    async def revoked(self, shard: int) -> None:
        """The shard goes to another owner as soon as this returns: commit what is gathered."""

    def lost(self, shard: int) -> None:
        """The shard has another owner already: commit nothing more."""

    def failed(self, error: Exception) -> None:
        """Membership ended with an error."""


class Membership:
    """Membership of the group, in a thread; `start` in the event loop that the owner lives in."""

    def __init__(self, config: Config, codec: Codec, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self._config, self._codec, self._owner, self._loop = config, codec, owner, loop
        self._topic = POINTS.name(config.source)
        self._stopping = threading.Event()
        self.joined = threading.Event()
        """Set while the group has accepted us, even if it gives us no shard."""
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)
        self._end_told: set[int] = set()

    def start(self) -> None:
        """Joins the group."""
        self._thread.start()

    async def stop(self) -> None:
        """Leaves the group; shards that are still owned are revoked first."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        session_ms = int(self._config.delivery.session_timeout_seconds * 1000)
        member = consumer(
            self._config,
            self._config.kafka.group_id,
            {
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": session_ms,
                "heartbeat.interval.ms": max(session_ms // 5, 200),
                "enable.partition.eof": True,
                "enable.auto.commit": True,  # for those who watch the group's lag; we never start from it
            },
        )
        try:
            member.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
            while not self._stopping.is_set():
                self._poll(member)
        except (KafkaException, SchemaRegistryError, httpx2.HTTPError) as error:
            self._loop.call_soon_threadsafe(self._owner.failed, error)
        finally:
            member.close()

    def _poll(self, member: Consumer) -> None:
        message = member.poll(0.2)
        if message is None:
            return
        shard = message.partition()
        assert shard is not None
        if (error := message.error()) is None:
            self._tell_point(shard, (message.key() or b"").decode(errors="replace"), message.value())
        elif error.code() == KafkaError._PARTITION_EOF:
            if shard not in self._end_told:
                self._end_told.add(shard)
                self._loop.call_soon_threadsafe(self._owner.points_known, shard)
        elif not error.retriable():
            raise KafkaException(error)

    def _tell_point(self, shard: int, key: str, value: bytes | None) -> None:
        try:
            point = None if value is None else cast(Point, self._codec.decode(POINTS, value))
        except WireError as error:
            log.error("point record not understood", shard=shard, key=key, reason=str(error))
        else:
            self._loop.call_soon_threadsafe(self._owner.point, shard, key, point)

    def _on_assign(self, member: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            partition.offset = OFFSET_BEGINNING
            self._end_told.discard(partition.partition)
            self._loop.call_soon_threadsafe(self._owner.assigned, partition.partition)
        member.incremental_assign(partitions)
        self.joined.set()

    def _on_revoke(self, member: Consumer, partitions: list[TopicPartition]) -> None:
        drained = [asyncio.run_coroutine_threadsafe(self._owner.revoked(p.partition), self._loop) for p in partitions]
        for waiting in drained:
            waiting.result()
        member.incremental_unassign(partitions)

    def _on_lost(self, member: Consumer, partitions: list[TopicPartition]) -> None:
        self.joined.clear()
        for partition in partitions:
            self._loop.call_soon_threadsafe(self._owner.lost, partition.partition)
        member.incremental_unassign(partitions)
