"""What rules need to know beside frames: points of the shards, incidents, and clocks as they were found. Read from the topics' beginnings.

These topics say how things stand, so no offset is kept: each take-over reads all of it, which also makes good what came meanwhile. The
reader polls in a thread of its own and tells the event loop, in the order of each partition.
"""

import asyncio
import logging
import threading
from typing import Any, Protocol, cast

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.config import Config
from schemas.records import ClockSkew, Incident, Point
from schemas.topics import INCIDENTS, POINTS, SKEW, Topic
from schemas.wire import WireError
from stream_processors.codec import Codec
from stream_processors.errors import Unavailable

log = structlog.get_logger("processors.context")
_AT_ONCE = 500
_POLL_SECONDS = 0.2
_AGAIN_SECONDS = 2.0
_COMMON = (INCIDENTS, SKEW)
Record = tuple[Topic, int, dict[str, Any]]
"""Topic, partition and content."""


class Informed(Protocol):
    """Who is told; called in the event loop."""

    def point(self, number: int, point: Point) -> None:
        """A record of the inventory, of a shard."""

    def incident(self, incident: Incident) -> None:
        """A record of `incidents`."""

    def skew(self, skew: ClockSkew) -> None:
        """A record of `skew`."""

    def informed(self, number: int) -> None:
        """All was told that was known of a shard, and of all, when it was taken over."""


class Context:
    """The reader. `start` it in the event loop that is to be told."""

    def __init__(self, config: Config, codec: Codec, told: Informed) -> None:
        self._codec, self._told, self._config = codec, told, config
        self._loop = asyncio.get_running_loop()
        self.failure: asyncio.Future[None] = self._loop.create_future()
        """Done when the reader ended with an error."""
        self._topics = {topic.name(config.source): topic for topic in (*_COMMON, POINTS)}
        self._wanted: tuple[int, frozenset[int]] = (0, frozenset())
        """Number of the take-over, and the shards."""
        self._current = 0
        self._behind: set[tuple[str, int]] = {(topic.name(config.source), 0) for topic in _COMMON}
        """Partitions that were not read to their end since the take-over."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="context", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    async def stop(self) -> None:
        """Ends the reader."""
        self._stopping.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def follow(self, shards: frozenset[int]) -> None:
        """From now on the points of these shards are told, all of them again."""
        self._current += 1
        points = POINTS.name(self._config.source)
        self._behind = {place for place in self._behind if place[0] != points} | {(points, shard) for shard in shards}
        self._wanted = (self._current, shards)

    # -- in the thread

    def _run(self) -> None:
        try:
            reader = self._reader()
            try:
                self._read(reader)
            finally:
                reader.close()
        except KafkaException as error:
            self._tell(self._failed, Unavailable(f"points, incidents and clocks cannot be read: {error.args[0].str()}"))
        except Exception as error:  # noqa: BLE001 - whoever waits for `failure` raises it
            self._tell(self._failed, error)

    def _reader(self) -> Consumer:
        return Consumer({
            **self._config.kafka.client_settings(),
            "group.id": f"{self._config.kafka.group_id}-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "logger": logging.getLogger("librdkafka"),
        })  # fmt: skip

    def _read(self, reader: Consumer) -> None:
        take_over, points = 0, list[TopicPartition]()
        reader.assign([TopicPartition(topic.name(self._config.source), 0, OFFSET_BEGINNING) for topic in _COMMON])
        while not self._stopping.is_set():
            if self._wanted[0] != take_over:
                take_over, shards = self._wanted
                if points:
                    reader.incremental_unassign([TopicPartition(place.topic, place.partition) for place in points])
                name = POINTS.name(self._config.source)
                points = [TopicPartition(name, shard, OFFSET_BEGINNING) for shard in sorted(shards)]
                if points:
                    reader.incremental_assign(points)
            records, ends = list[Record](), list[tuple[str, int]]()
            for message in reader.consume(_AT_ONCE, _POLL_SECONDS):
                self._sort(message, records, ends)
            if records or ends:
                self._tell(self._take, take_over, records, ends)

    def _sort(self, message: Message, records: list[Record], ends: list[tuple[str, int]]) -> None:
        place = message.topic() or "", cast(int, message.partition())
        if (error := message.error()) is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                ends.append(place)
            elif error.fatal() or error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
                raise KafkaException(error)
            else:
                log.warning("a topic cannot be read just now", topic=place[0], reason=error.str())
        elif (value := message.value()) is not None:
            topic = self._topics[place[0]]
            try:
                records.append((topic, place[1], self._decoded(topic, value)))
            except WireError as problem:
                log.error("a record cannot be read", topic=place[0], partition=place[1], offset=message.offset(), reason=str(problem))

    def _decoded(self, topic: Topic, value: bytes) -> dict[str, Any]:
        while True:
            try:
                return self._codec.decode(topic, value)
            except Unavailable as error:
                log.warning("waiting for the registry", reason=str(error))
                if self._stopping.wait(_AGAIN_SECONDS):
                    raise WireError("not read: the process ends") from error

    def _tell(self, callback: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *arguments)

    # -- in the event loop

    def _failed(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)

    def _take(self, take_over: int, records: list[Record], ends: list[tuple[str, int]]) -> None:
        try:
            self._pass_on(take_over, records, ends)
        except Exception as error:  # noqa: BLE001 - whoever waits for `failure` raises it
            self._failed(error)

    def _pass_on(self, take_over: int, records: list[Record], ends: list[tuple[str, int]]) -> None:
        points = POINTS.name(self._config.source)
        for topic, partition, record in records:
            if topic is INCIDENTS:
                self._told.incident(cast(Incident, record))
            elif topic is SKEW:
                self._told.skew(cast(ClockSkew, record))
            elif take_over == self._current:
                self._told.point(partition, cast(Point, record))
        before = len(self._behind)
        self._behind -= {place for place in ends if take_over == self._current or place[0] != points}
        if len(self._behind) < before and not any(topic != points for topic, _ in self._behind):
            for shard in self._wanted[1]:
                if (points, shard) not in self._behind:
                    self._told.informed(shard)
