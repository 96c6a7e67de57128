"""PI's time strings and clock (pi-web-api.md 2.2, 2.4). Instants are 100 ns ticks since 1970, UTC."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from bridge.errors import PIUnreadable
from bridge.wording import shown
from schemas.times import TICKS_PER_SECOND, datetime_of, ticks_of

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z", re.ASCII)


@lru_cache(maxsize=4096)
def _seconds_of(text: str) -> int:
    return ticks_of(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC))


def parse(text: object) -> int:
    """Ticks of a UTC time as PI prints it, 0 to 7 fractional digits; raises PIUnreadable for anything else."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PIUnreadable(f"timestamp {shown(text, 50)} is not a UTC time such as 2024-01-31T00:00:00.1234567Z")
    try:
        whole = _seconds_of(match[1])
    except ValueError as error:
        raise PIUnreadable(f"timestamp {text!r} does not exist: {error}") from error
    return whole + (int(match[2].ljust(7, "0")) if match[2] else 0)


def text_of(ticks: int) -> str:
    """An instant as PI prints it, always with seven digits."""
    seconds, rest = divmod(ticks, TICKS_PER_SECOND)
    return f"{datetime_of(seconds * 1_000_000).isoformat()[:19]}.{rest:07d}Z"


def whole_second(ticks: int, up: bool = False) -> int:
    """The whole second at or below an instant, or at or above it: what every server parses without loss."""
    return -(-ticks // TICKS_PER_SECOND) * TICKS_PER_SECOND if up else ticks // TICKS_PER_SECOND * TICKS_PER_SECOND


class Moment(NamedTuple):
    """One instant on the three clocks that the bridge lives by."""

    seconds: float
    """Our monotonic clock: for pauses and patience."""
    ticks: int
    """PI's clock, at least: for all that is stated."""
    micros: int
    """The bridge's wall clock, which may jump: it is told, and nothing is reckoned with it."""


_EARLIEST, _LATEST = parse("1970-01-01T00:00:00Z"), parse("2200-01-01T00:00:00Z")
"""Years that PI's clock may show; reads reach beyond it, and times end with the year 9999."""


class PIClock:
    """PI's clock as a lower bound, carried by our monotonic clock between its own readings.

    An answer that says `T` was written before it reached us: so PI's now is at least `T` plus what has passed since it came. A bound
    from below keeps every promise of the form "the archive up to now minus settle".
    """

    def __init__(self) -> None:
        self._reading: tuple[int, float] | None = None

    def observe(self, ticks: int, monotonic_seconds: float) -> None:
        """Takes a reading that arrived at `monotonic_seconds`; raises PIUnreadable if no clock of a PI can show that (trap 17)."""
        if not _EARLIEST <= ticks < _LATEST:
            raise PIUnreadable(f"PI's clock says {text_of(ticks)}, which cannot be", ticks)
        self._reading = (ticks, monotonic_seconds)

    @property
    def known(self) -> bool:
        return self._reading is not None

    def now(self, monotonic_seconds: float) -> int:
        """PI's time, ticks; raises LookupError before the first reading."""
        if self._reading is None:
            raise LookupError("PI's clock has not been read yet")
        ticks, at = self._reading
        return ticks + int((monotonic_seconds - at) * TICKS_PER_SECOND)

    def moment(self, monotonic_seconds: float, wall_micros: int) -> Moment:
        """The instant on all clocks; raises LookupError before the first reading."""
        return Moment(monotonic_seconds, self.now(monotonic_seconds), wall_micros)
