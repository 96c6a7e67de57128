"""Virtual time: what is to happen when, in one order that a seed decides; and what did happen, counted and told."""

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

from schemas.times import TICKS_PER_SECOND

EPOCH = 17_040_672_000_000_000
"""PI's clock at second 0: a whole hour in 2024, in ticks."""


class Clockwork:
    """The only clock and the only source of chance of a run."""

    def __init__(self, seed: int, begin_seconds: float, telling: bool = False) -> None:
        self.chance = Random(seed)
        self.now = begin_seconds
        self.happened: Counter[str] = Counter()
        """How often each fault and each action occurred."""
        self.trace: list[str] = []
        self._telling = telling
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._entered = 0

    def later(self, seconds: float, deed: Callable[[], None]) -> None:
        """Does something after so long; what is due at one moment is done in the order of entering."""
        self._entered += 1
        heappush(self._waiting, (self.now + max(0.0, seconds), self._entered, deed))

    def run(self, until: float) -> None:
        """Lets time pass."""
        while self._waiting and self._waiting[0][0] <= until:
            self.now, _, deed = heappop(self._waiting)
            deed()
        self.now = until

    def ticks(self) -> int:
        """PI's true clock."""
        return EPOCH + int(self.now * TICKS_PER_SECOND)

    def tell(self, what: str, details: str = "") -> None:
        """Counts an occurrence; keeps a line of it where somebody wants to read it."""
        self.happened[what] += 1
        if self._telling:
            self.trace.append(f"{self.now:9.3f}  {what}  {details}")

    def likely(self, share: float) -> bool:
        """True with this chance."""
        return self.chance.random() < share
