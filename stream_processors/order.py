"""Frames of a shard's topics in the order in which they were made, which their clocks tell. Pure; times are monotonic seconds.

Of two topics, the one from which nothing waits may still have an earlier frame on its way. It is waited for until that topic was read to its
end, as of a moment ago; and not for ever, since somebody may have left a transaction open there.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from stream_processors.assess import Dataset
from stream_processors.decode import Decoded

_ON_ITS_WAY_SECONDS = 0.05
"""What was fetched together is told one after the other."""
_PATIENCE_SECONDS = 5.0
DATASETS: tuple[Dataset, ...] = ("live", "recorded")


class Waiting(NamedTuple):
    """A frame that came."""

    dataset: Dataset
    offset: int
    decoded: Decoded
    size: int
    """Bytes of its message."""
    came: float


@dataclass
class Order:
    """The frames of one shard that wait for their turn."""

    ended: dict[Dataset, float | None] = field(default_factory=lambda: dict.fromkeys(DATASETS))
    """Since when each topic is known to be read to its end; None if it is not."""
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
        first = min(heads, key=lambda waiting: waiting.decoded.frame["clock"])
        if len(heads) < len(DATASETS) and not self._goes_first(first, now):
            return None
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
