"""A share of what may be asked of PI, as requests that become more with time. Pure."""


class Allowance:
    """Requests that may be sent: so many a second, one at most saved up. What was taken beyond that is waited for."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left, self._at = 1.0, 0.0

    def left(self, now_seconds: float) -> float:
        """How much of a request may be sent now; not above 1."""
        self._left = min(self._left + max(now_seconds - self._at, 0.0) * self._per_second, 1.0) if self._at else self._left
        self._at = now_seconds
        return max(self._left, 0.0)

    def take(self, requests: float) -> None:
        """So much of a request was sent, pages of earlier reads included."""
        self._left -= requests
