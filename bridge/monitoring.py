"""What the parts of the process tell about themselves: figures and health."""

import time
from collections.abc import Awaitable, Sequence

from bridge.health import Health
from bridge.metrics import Metrics
from bridge.publish import Message
from runtime import heartbeat
from runtime.port import answer
from schemas.records import ValueFrame
from schemas.topics import Topic


class Monitoring:
    """Figures and health of one process."""

    def __init__(self, metrics: Metrics | None = None, health: Health | None = None) -> None:
        self.metrics, self.health = metrics or Metrics(), health or Health()
        self.committing_bytes = 0
        """Of transactions that are under way."""

    async def transaction(
        self, shard: int | None, frames: Sequence[tuple[Topic, ValueFrame]], messages: Sequence[Message], commit: Awaitable[None]
    ) -> None:
        """Awaits the commit of a shard's messages, or of the inventory's (None), and takes note of how it went."""
        sizes = [(message.topic.rpartition(".")[2], len(message.value)) for message in messages]
        size, began = sum(one for _, one in sizes), time.monotonic()
        self.committing_bytes += size
        try:
            await commit
        except Exception:
            self.metrics.transactions.labels("failed").inc()
            raise
        finally:
            self.committing_bytes -= size
        now = time.monotonic()
        self.metrics.committed(frames, sizes, now - began)
        if shard is not None and self.health.committed(shard, now):
            self.metrics.take_overs.inc()

    async def beat(self) -> None:
        """Tells that the event loop turns, until cancelled."""
        await heartbeat.beat(self.health.beat, self.metrics.loop_delay.set)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a GET."""
        return answer(path, self.metrics.exposition, lambda: self.health.why_dead(time.monotonic()), self.health.why_not_ready)
