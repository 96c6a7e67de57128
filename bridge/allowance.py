"""A share of what may be asked of PI, as a number of reads that grows with time. Pure."""


class Allowance:
    """Reads that may be sent: so many a second, saved up to `most`. What was taken beyond that is waited for."""

    def __init__(self, per_second: float, most: int) -> None:
        self._per_second, self._most = per_second, float(most)
        self._left, self._at = 1.0, 0.0

    def left(self, now_seconds: float) -> int:
        """How many reads may be sent now."""
        self._left = min(self._left + max(now_seconds - self._at, 0.0) * self._per_second, self._most) if self._at else self._left
        self._at = now_seconds
        return int(self._left)

    def take(self, reads: int) -> None:
        """So many were sent, pages of earlier ones included."""
        self._left -= reads
