"""PI's time strings and clock (pi-web-api.md 2.2, 2.4). Instants are 100 ns ticks since 1970, UTC."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from bridge.errors import PIUnreadable
from schemas.times import TICKS_PER_SECOND, datetime_of, ticks_of

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z", re.ASCII)


_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:", re.ASCII)
_SCALES = {20: TICKS_PER_SECOND} | {21 + digits: int(10 ** (7 - digits)) for digits in range(1, 8)}
"""Ticks that the last digit of a time stands for, by length of its text."""


@lru_cache(maxsize=8192)
def _minute_of(text: str) -> int:
    """Ticks of a minute, written as `2024-01-31T00:00:`. Raises ValueError. Minutes are few where values are many."""
    if _MINUTE.fullmatch(text) is None:
        raise ValueError(text)
    return ticks_of(datetime.fromisoformat(text + "00+00:00"))


def parse(text: object) -> int:
    """Ticks of a UTC time as PI prints it, 0 to 7 fractional digits; raises PIUnreadable for anything else."""
    if isinstance(text, str) and text.isascii() and (scale := _SCALES.get(len(text))) and text[-1] == "Z":
        digits = text[17:19] + text[20:-1]
        if digits.isdigit() and digits < "6" and (text[19] == "." or len(text) == 20):
            try:
                return _minute_of(text[:17]) + int(digits) * scale
            except ValueError:
                pass  # the error is worded below
    return _slowly(text)


def _slowly(text: object) -> int:
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PIUnreadable(f"timestamp {text!r:.50} is not a UTC time such as 2024-01-31T00:00:00.1234567Z")
    try:
        whole = ticks_of(datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC))
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


class PIClock:
    """PI's clock as a lower bound, carried by our monotonic clock between its own readings.

    An answer that says `T` was written before it reached us: so PI's now is at least `T` plus what has passed since it came. A bound
    from below keeps every promise of the form "the archive up to now minus settle".
    """

    def __init__(self) -> None:
        self._reading: tuple[int, float] | None = None

    def observe(self, ticks: int, monotonic_seconds: float) -> None:
        """Takes a reading that arrived at `monotonic_seconds`."""
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
