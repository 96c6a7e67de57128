"""What the parts of the process tell about themselves: figures and health."""

import time

from runtime import heartbeat
from runtime.port import answer
from stream_processors.health import Health
from stream_processors.metrics import Metrics


class Monitoring:
    """Figures and health of one process."""

    def __init__(self) -> None:
        self.metrics, self.health = Metrics(), Health()

    async def beat(self) -> None:
        """Tells that the event loop turns, until cancelled."""
        await heartbeat.beat(self.health.beat, self.metrics.loop_delay.set)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a GET."""
        return answer(path, self.metrics.exposition, lambda: self.health.why_dead(time.monotonic()), self.health.why_not_ready)
