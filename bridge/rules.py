"""Words of coverage: why a range is read, by which rules, what is owed, and how patience grows (design 3.2, 4). Pure."""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from bridge.watermarks import Age
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND


class Purpose(Enum):
    """Why a range is read; the order is the order of urgency."""

    FIRST = 0
    BLIND = 1
    FORWARD = 2
    DIRTY = 3
    START = 4
    """Where back-fill is to end: the event at or before a start that was lowered."""
    BACKFILL = 5
    AWAY = 6
    """Ranges whose archive was not there."""
    AGED = 7
    """Data that has reached an age at which it is read once more."""

    @property
    def requests(self) -> int:
        """Sub-requests of such a read."""
        return 3 if self is Purpose.FIRST else 2 if self is Purpose.START else 1

    @property
    def looks(self) -> bool:
        """True if single events are asked for, and no range."""
        return self in (Purpose.FIRST, Purpose.START)


@dataclass(frozen=True)
class Rules:
    """Times of design 3.2 and 4, in ticks."""

    settle: int
    seal_previews: int
    seal_min: int
    seal_max: int
    quiet: int
    blind_margin: int
    slice: int
    ages: tuple[Age, ...] = ()
    """When data is read once more."""
    away_retry: int = 24 * TICKS_PER_HOUR
    """When a range whose archive was away is asked for again."""
    retry_min: int = 1 * TICKS_PER_SECOND
    retry_max: int = 300 * TICKS_PER_SECOND
    away_failures: int = 8
    """So many answers in a row that the archive is away set the range aside."""


class Mark(NamedTuple):
    """A dirty hour: when it was marked (PI's clock), and the incident that did."""

    marked: int
    cause: str | None


@lru_cache(1 << 10)
def mark_of(marked: int, cause: str | None) -> Mark:
    """The mark, the same object for all hours and points that a loss makes dirty at one moment."""
    return Mark(marked, cause)


@dataclass(frozen=True, slots=True)
class Read:
    """A range of a point to be read: [begin, end), the end open for a forward read."""

    purpose: Purpose
    begin: int
    end: int | None
    cause: str | None = None


class Retry(NamedTuple):
    """When a read that failed may be tried again: later and later."""

    failures: int = 0
    not_before: int = 0

    def failed(self, now: int, rules: Rules) -> "Retry":
        """After one more failure: the pause doubles."""
        return Retry(self.failures + 1, now + min(rules.retry_min << min(self.failures, 30), rules.retry_max))


AT_ONCE = Retry()
"""Nothing failed: the next failure is the first."""
