"""Faust on transactional topics: two defects of faust-streaming 0.15.3 mended, which is therefore pinned exactly.

- It has no setting for the isolation level, and reads what was aborted.
- It counts the offset that comes behind transaction markers as one of the offsets that are missing. When that record is acknowledged too,
  its offset is there twice, and what may be committed ends at it: commits stand nearly still, and a restart reads nearly everything again.

Besides, it tells whether a partition was read to its end.
"""

from typing import Any, cast

import aiokafka
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP


class CommittedThread(AIOKafkaConsumerThread):
    """Reads committed records only."""

    def _create_worker_consumer(self, transport: Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # it is looked at when the consumer starts
        return consumer

    def read_to_end(self, tp: TP) -> bool:
        """True if everything of a partition that was committed when Kafka answered last was fetched; in whatever thread."""
        subscription = self._ensure_consumer()._subscription.subscription
        if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
            return False
        state = subscription.assignment.state_value(tp)
        return bool(state.has_valid_position and state.lso is not None and state.position >= state.lso)


class CommittedConsumer(Consumer):
    """Commits behind transaction markers."""

    _thread: CommittedThread

    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """`offset_to` is the record that came, which Faust takes for the last one that is missing."""
        await super()._add_gap(tp, offset_from, offset_to - 1)

    def read_to_end(self, tp: TP) -> bool:
        """As `CommittedThread.read_to_end`."""
        return self._thread.read_to_end(tp)


class CommittedTransport(Transport):
    """The transport of an app whose topics are transactional."""

    Consumer = cast(Any, CommittedConsumer)
