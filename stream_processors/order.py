"""Frames of a shard's topics in the order in which they were made, which their clocks tell. Pure; times are monotonic seconds.

Of two topics, the one from which nothing waits may still have an earlier frame on its way. It is waited for until that topic was read to
its end, as of a moment ago; and not for ever, since somebody may have left a transaction open there.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.wire import WireError
from stream_processors.assess import Dataset
from stream_processors.decode import Decoded

_ON_ITS_WAY_SECONDS = 0.05
"""What was fetched together is told one after the other."""
_PATIENCE_SECONDS = 5.0
DATASETS: tuple[Dataset, ...] = ("live", "recorded")


class Waiting(NamedTuple):
    """A message that came."""

    dataset: Dataset
    offset: int
    decoded: Decoded | None
    """None if it could not be read; its turn is behind the frame before it."""
    problem: WireError | None
    message: bytes
    token: Any
    """What the reader knows it by."""
    came: float


@dataclass
class Order:
    """The frames of one shard that wait for their turn."""

    ended: dict[Dataset, float | None] = field(default_factory=lambda: dict.fromkeys(DATASETS))
    """Since when each topic is known to be read to its end; None if it is not."""
    waiting_bytes: int = 0
    """Of all messages that wait."""
    _queues: dict[Dataset, deque[Waiting]] = field(default_factory=lambda: {dataset: deque() for dataset in DATASETS})

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def oldest(self) -> float | None:
        """When the one came that waits longest."""
        return min((queue[0].came for queue in self._queues.values() if queue), default=None)

    def add(self, waiting: Waiting) -> None:
        """Takes a frame; those of a topic come in their order."""
        self._queues[waiting.dataset].append(waiting)
        self.waiting_bytes += len(waiting.message)
        self.ended[waiting.dataset] = None

    def read_to_end(self, dataset: Dataset, ended: bool, now: float) -> None:
        """Takes note of whether everything of a topic was fetched."""
        if not ended:
            self.ended[dataset] = None
        elif self.ended[dataset] is None:
            self.ended[dataset] = now

    def at_end(self, now: float) -> bool:
        """True if nothing waits, and nothing is on its way."""
        return not len(self) and all(self._nothing_comes(dataset, now) for dataset in DATASETS)

    def next(self, now: float) -> Waiting | None:
        """The frame whose turn it is; None if there is none, or another one may have to go first."""
        heads = [queue[0] for queue in self._queues.values() if queue]
        if not heads:
            return None
        first = min(heads, key=_turn)
        if first.decoded is not None and len(heads) < len(DATASETS) and not self._goes_first(first, now):
            return None
        self.waiting_bytes -= len(first.message)
        return self._queues[first.dataset].popleft()

    def _goes_first(self, waiting: Waiting, now: float) -> bool:
        others = [dataset for dataset in DATASETS if dataset != waiting.dataset]
        waited = now - waiting.came
        return waited >= _PATIENCE_SECONDS or (
            waited >= _ON_ITS_WAY_SECONDS and all(self._nothing_comes(dataset, now) for dataset in others)
        )

    def _nothing_comes(self, dataset: Dataset, now: float) -> bool:
        since = self.ended[dataset]
        return since is not None and now - since >= _ON_ITS_WAY_SECONDS


def _turn(waiting: Waiting) -> int:
    return -1 if waiting.decoded is None else waiting.decoded.frame["clock"]
