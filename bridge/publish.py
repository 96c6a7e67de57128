"""Kafka transactions of one shard: frames and the progress they imply, together or not at all (design 3.6)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from bridge.errors import ShardLost
from bridge.kafka import LIBRARY_LOG
from bridge.tenure import Patience
from schemas.config import Config

T = TypeVar("T")
_FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED})
_TRY_SECONDS = 10.0
PARTITION_UA = -1
"""Lets the partitioner choose by the key."""


def _seen(outcome: asyncio.Future[Any]) -> None:
    """Keeps asyncio from logging a failure as a defect where whoever waited was cancelled: the shard was lost meanwhile."""
    if not outcome.cancelled():
        outcome.exception()


class Message(NamedTuple):
    """A Kafka message to be."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes


def producer_settings(config: Config, transactional_id: str) -> dict[str, Any]:
    """Settings of a transactional producer of ours."""
    timeout_ms = int(config.delivery.transaction_timeout_seconds * 1000)
    return {
        "compression.type": "lz4",
        "linger.ms": 2,
        "message.max.bytes": 1_000_000,
        "queue.buffering.max.kbytes": 2 * config.delivery.waiting_bytes // 1024,
        **config.kafka.client_settings(),
        "enable.idempotence": True,
        "acks": "all",
        "transactional.id": transactional_id,
        "transaction.timeout.ms": timeout_ms,
        "message.timeout.ms": timeout_ms,
        "partitioner": "murmur2_random",
        "logger": LIBRARY_LOG,
    }


class Publisher:
    """One transactional producer, used by one thread of its own: a commit that waits for a broker stops nothing else.

    Every failure that leaves the outcome open ends in ShardLost: the caller throws the publisher away, takes over anew and reads its
    progress. It never guesses.
    """

    def __init__(self, config: Config, transactional_id: str, patience_seconds: float) -> None:
        self._settings = producer_settings(config, transactional_id)
        self._id, self._patience_seconds = transactional_id, patience_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"publish-{transactional_id}")
        self._producer: Producer | None = None
        self._given_up = False

    async def open(self) -> None:
        """Fences the previous owner and aborts what it left open (KIP-98); returns when this producer may begin."""
        await self._run(self._open)

    async def commit(self, messages: Sequence[Message]) -> None:
        """Commits the messages as one transaction; returns when they are committed. Raises ShardLost otherwise."""
        await self._run(lambda: self._commit(messages))

    async def close(self) -> None:
        """Forgets the producer; a transaction that is open is left to the next owner's fencing."""
        self._given_up = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)

    async def _run(self, step: Callable[[], T]) -> T:
        outcome = asyncio.get_running_loop().run_in_executor(self._thread, step)
        outcome.add_done_callback(_seen)
        return await asyncio.shield(outcome)

    def _drop(self) -> None:
        self._producer = None

    def _open(self) -> None:
        producer = self._producer = Producer(self._settings)
        self._retried("init_transactions", producer, producer.init_transactions)

    def _commit(self, messages: Sequence[Message]) -> None:
        producer = self._producer
        assert producer is not None
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failed.append(error)

        try:
            producer.begin_transaction()
            for message in messages:
                self._produce(producer, message, delivered)
        except KafkaException as error:
            raise self._lost("a message could not be produced", error) from error
        self._retried("commit_transaction", producer, producer.commit_transaction)
        if failed:
            raise ShardLost(f"{self._id}: {len(failed)} messages of a committed transaction were not delivered: {failed[0].str()}")

    def _produce(self, producer: Producer, message: Message, delivered: Callable[[KafkaError | None, object], None]) -> None:
        partition = PARTITION_UA if message.partition is None else message.partition
        while True:
            try:
                producer.produce(message.topic, value=message.value, key=message.key, partition=partition, on_delivery=delivered)
            except BufferError:
                producer.poll(0.1)
            else:
                return

    def _retried(self, what: str, producer: Producer, step: Callable[[float], object]) -> None:
        """Repeats a call as long as Kafka calls its failure retriable (the outcome is then still to be had), within our patience."""
        patience = Patience(self._patience_seconds, time.monotonic())
        while True:
            try:
                step(_TRY_SECONDS)
            except KafkaException as error:
                if self._given_up or not patience.again(error.args[0].retriable(), time.monotonic()):
                    raise self._lost(f"{what} failed", error) from error
            else:
                return
            finally:
                producer.poll(0)  # for its log

    def _lost(self, what: str, error: KafkaException) -> ShardLost:
        cause = error.args[0]
        return ShardLost(f"{self._id}: {what}: {cause.str()}", fenced=cause.code() in _FENCED)
