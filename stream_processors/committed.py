"""Faust on transactional topics: two defects of faust-streaming 0.15.3 mended, which is therefore pinned exactly.

- It has no setting for the isolation level, and reads what was aborted.
- It counts the offset that comes behind transaction markers as one of the offsets that are missing. When that record is acknowledged too,
  its offset is there twice, and what may be committed ends at it: commits stand nearly still, and a restart reads nearly everything again.

Besides, it tells whether a partition was read to its end.
"""

import time
from typing import Any, cast

import aiokafka
from faust.transport.consumer import RecordMap
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

_BELIEVED_MILLISECONDS = 3_000
"""Kafka answers twice a second where nothing comes."""


class CommittedThread(AIOKafkaConsumerThread):
    """Reads committed records only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fetched: dict[TP, int] = {}
        """Offset of the last record that was fetched of each partition."""

    def _create_worker_consumer(self, transport: Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # it is looked at when the consumer starts
        return consumer

    async def _fetch_records(self, *arguments: Any, **named: Any) -> RecordMap:
        records = await super()._fetch_records(*arguments, **named)
        self.fetched.update({tp: own[-1].offset for tp, own in records.items() if own})
        return records

    def read_to_end(self, tp: TP, taken: int) -> bool:
        """True if everything of a partition that was committed when Kafka answered last was fetched, and taken up to the offset `taken`.

        An answer counts for a moment: while the partition's leader is away, more may be there. Called by the event loop, beside which
        this thread fetches: to be believed if it is still so a moment later.
        """
        subscription = self._ensure_consumer()._subscription.subscription
        if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
            return False
        state = subscription.assignment.state_value(tp)
        lately = state.timestamp is not None and time.time() * 1000 - state.timestamp <= _BELIEVED_MILLISECONDS
        ended = lately and state.has_valid_position and state.lso is not None and state.position >= state.lso
        return bool(ended and self.fetched.get(tp, -1) <= taken)


class CommittedConsumer(Consumer):
    """Commits behind transaction markers."""

    _thread: CommittedThread

    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """`offset_to` is the record that came, which Faust takes for the last one that is missing."""
        await super()._add_gap(tp, offset_from, offset_to - 1)

    def read_to_end(self, tp: TP, taken: int) -> bool:
        """As `CommittedThread.read_to_end`."""
        return self._thread.read_to_end(tp, taken)

    def begin_again(self) -> None:
        """To be told when partitions were revoked: what was fetched and not acknowledged comes again."""
        self._thread.fetched.clear()


class CommittedTransport(Transport):
    """The transport of an app whose topics are transactional."""

    Consumer = cast(Any, CommittedConsumer)
