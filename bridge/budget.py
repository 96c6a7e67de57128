"""What the bridge may ask of PI: how many requests a second, and when PI itself asked for a pause (design 4). Pure."""

DENIED_PAUSE_SECONDS = 30.0
"""Credentials that were refused are not tried again sooner: accounts lock."""
_TOO_MANY, _DENIED = 429, 401


class Budget:
    """Requests per second as a bucket that holds one second's worth of them, and the pauses that PI asks for."""

    def __init__(self, requests_per_second: float) -> None:
        self._per_second, self._most = requests_per_second, max(1.0, requests_per_second)
        self._level, self._at = 0.0, 0.0
        """Requests that the bucket held at a moment; it empties at the configured rate."""
        self._not_before = 0.0

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
        """Takes note of an answer's status: PI may want to be left alone (429), or not know us (401)."""
        if status == _TOO_MANY:
            self._not_before = now_seconds + (retry_after_seconds or 1.0)
        elif status == _DENIED:
            self._not_before = now_seconds + DENIED_PAUSE_SECONDS

    def _held(self, now_seconds: float) -> float:
        return max(0.0, self._level - (now_seconds - self._at) * self._per_second)
