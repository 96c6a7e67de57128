"""What the bridge may ask of PI: how many requests a second, and when PI itself asked for a pause (design 4). Pure."""

from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

from schemas.config import Load

DENIED_PAUSE_SECONDS = 30.0
"""Credentials that were refused are not tried again sooner: accounts lock."""
MAX_WISH_SECONDS = 600.0
"""PI's wish to be left alone is heard up to here: no header may silence the bridge for a day."""
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 1.0, 30.0
"""Without a wish the pauses double, from the one to the other: Retry-After is not promised (pi-web-api.md 7.5)."""
_JITTER = 0.5
"""Share of a pause that chance adds: those who were sent away together do not come back together (trap 8)."""
_CLOCK_PER_SECOND = 0.2
"""So often a process without shards may ask, which only reads PI's clock."""
_BUSY, _DENIED = frozenset({429, 503}), 401


class Chance(Protocol):
    """Where randomness comes from."""

    def random(self) -> float: ...


class Part(NamedTuple):
    """What one process may ask of PI."""

    requests_per_second: float
    concurrency: int
    """Requests under way at once."""


def part_of(load: Load, owned: int, shards: int) -> Part:
    """The part of a process that owns so many of all shards: those of all processes add up to what is configured.

    Each may have one request under way, and one without shards may look at PI's clock now and then: less lets nobody work.
    """
    share = owned / shards
    per_second = load.requests_per_second * share if owned else min(load.requests_per_second, _CLOCK_PER_SECOND)
    return Part(per_second, max(int(load.concurrency * share), 1))


class Budget:
    """Requests per second as a bucket that holds one second's worth of them, and the pauses that PI asks for."""

    def __init__(self, requests_per_second: float, chance: Chance) -> None:
        self._per_second, self._most = requests_per_second, max(1.0, requests_per_second)
        self._chance = chance
        self._left, self._at = self._most, 0.0
        """Requests that may be sent at once, as of a moment; more come at the rate."""
        self._not_before = 0.0
        self._pauses = 0
        """How many in a row."""

    def share(self, requests_per_second: float, now_seconds: float) -> None:
        """From now on this rate: what may be sent at once does not grow by it, so that nothing is handed out twice."""
        most = max(1.0, requests_per_second)
        self._left, self._at = min(self._left_at(now_seconds), most), now_seconds
        self._per_second, self._most = requests_per_second, most

    def pause_seconds(self, now_seconds: float) -> float:
        """How long the next request has to wait; 0 if it may be sent now."""
        missing = 1 - self._left_at(now_seconds)
        # Rounding must not leave a pause so short that waiting for it changes nothing.
        empty = missing / self._per_second if missing > 1e-9 else 0.0
        return max(0.0, self._not_before - now_seconds, empty)

    def sent(self, now_seconds: float) -> None:
        """Takes note of a request."""
        self._left, self._at = self._left_at(now_seconds) - 1, now_seconds

    def answered(self, status: int, retry_after_seconds: float | None, now_seconds: float) -> None:
        """Takes note of an answer's status: PI may want to be left alone (429, 503), or not know us (401). No pause shortens another."""
        if status in _BUSY:
            self._busy(retry_after_seconds, now_seconds)
        elif status == _DENIED:
            self._pause(DENIED_PAUSE_SECONDS, now_seconds)
        elif status < 400:
            self._pauses = 0

    def _busy(self, retry_after_seconds: float | None, now_seconds: float) -> None:
        seconds = min(retry_after_seconds or 0.0, MAX_WISH_SECONDS)
        if now_seconds >= self._not_before:  # else it was sent before the pause that is on, and without a wish says nothing new
            seconds = max(seconds, min(_FIRST_PAUSE_SECONDS * 2**self._pauses, _MAX_PAUSE_SECONDS))
            self._pauses = min(self._pauses + 1, 30)
        self._pause(seconds * (1 + _JITTER * self._chance.random()), now_seconds)

    def _pause(self, seconds: float, now_seconds: float) -> None:
        self._not_before = max(self._not_before, now_seconds + seconds)

    def _left_at(self, now_seconds: float) -> float:
        return min(self._most, self._left + (now_seconds - self._at) * self._per_second)


def wish_seconds(retry_after: str | None, date: str | None) -> float | None:
    """How long a `Retry-After` asks to wait, at most MAX_WISH_SECONDS; None if there is none that can be understood.

    It holds seconds, or an instant on the server's clock, which the answer's own `Date` tells (RFC 9110, 10.2.3).
    """
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after[:9]), MAX_WISH_SECONDS)
    try:
        seconds = (parsedate_to_datetime(retry_after) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_WISH_SECONDS)
