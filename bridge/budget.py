"""What the bridge may ask of PI: how many requests a second, and when PI itself asked for a pause (design 4). Pure."""

from email.utils import parsedate_to_datetime
from typing import Protocol

DENIED_PAUSE_SECONDS = 30.0
"""Credentials that were refused are not tried again sooner: accounts lock."""
MAX_WISH_SECONDS = 600.0
"""PI's wish to be left alone is heard up to here: no header may silence the bridge for a day."""
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 1.0, 30.0
"""Without a wish the pauses double, from the one to the other: Retry-After is not promised (pi-web-api.md 7.5)."""
_JITTER = 0.5
"""Share of a pause that chance adds: those who were sent away together do not come back together (trap 8)."""
_BUSY, _DENIED = frozenset({429, 503}), 401


class Chance(Protocol):
    """Where randomness comes from."""

    def random(self) -> float: ...


class Budget:
    """Requests per second as a bucket that holds one second's worth of them, and the pauses that PI asks for."""

    def __init__(self, requests_per_second: float, chance: Chance) -> None:
        self._per_second, self._most = requests_per_second, max(1.0, requests_per_second)
        self._chance = chance
        self._level, self._at = 0.0, 0.0
        """Requests that the bucket held at a moment; it empties at the configured rate."""
        self._not_before = 0.0
        self._pauses = 0
        """How many in a row."""

    def pause_seconds(self, now_seconds: float) -> float:
        """How long the next request has to wait; 0 if it may be sent now."""
        over = self._held(now_seconds) + 1 - self._most
        # Rounding must not leave a pause so short that waiting for it changes nothing.
        full = over / self._per_second if over > 1e-9 else 0.0
        return max(0.0, self._not_before - now_seconds, full)

    def sent(self, now_seconds: float) -> None:
        """Takes note of a request."""
        self._level, self._at = self._held(now_seconds) + 1, now_seconds

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

    def _held(self, now_seconds: float) -> float:
        return max(0.0, self._level - (now_seconds - self._at) * self._per_second)


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
