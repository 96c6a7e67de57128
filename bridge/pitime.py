"""PI's time strings and clock (pi-web-api.md 2.2, 2.4). Instants are 100 ns ticks since 1970, UTC."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bridge.errors import PIUnreadable
from bridge.wording import shown
from schemas.times import TICKS_PER_SECOND, datetime_of, ticks_of

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z", re.ASCII)
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:", re.ASCII)
_SCALES = {20: TICKS_PER_SECOND} | {21 + digits: int(10 ** (7 - digits)) for digits in range(1, 8)}
"""Ticks that the last digit of a time stands for, by length of its text."""

_COLUMNS_FROM = 24
"""Fewer texts are cheaper one after the other."""
_ROW = "0000-00-00T00:00:00.0000000Z"
_MARKS = [at for at, letter in enumerate(_ROW) if letter != "0"]
_MARK_BYTES = np.frombuffer("".join(_ROW[at] for at in _MARKS).encode(), np.uint8)
_DIGITS = [at for at, letter in enumerate(_ROW) if letter == "0"]
_DIGIT = {at: place for place, at in enumerate(_DIGITS)}
_MOST = np.array([5 if at in (14, 17) else 9 for at in _DIGITS], np.uint8)
"""The greatest digit at each place, where that is not for `datetime` to say: minutes and seconds."""


def _weights() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """What each digit counts: columns are the hour, written as year, month, day and hour, and the ticks since it began."""
    weights = np.zeros((len(_DIGITS), 2))
    for power, at in enumerate(reversed((0, 1, 2, 3, 5, 6, 8, 9, 11, 12))):
        weights[_DIGIT[at], 0] = 10.0**power
    for at, seconds in ((14, 600), (15, 60), (17, 10), (18, 1)):
        weights[_DIGIT[at], 1] = seconds * TICKS_PER_SECOND
    for power, at in enumerate(range(26, 19, -1)):
        weights[_DIGIT[at], 1] = 10.0**power
    return weights


_WEIGHTS = _weights()
"""All sums stay below 2**53, so that doubles hold them exactly."""


@lru_cache(maxsize=8192)
def _minute_of(text: str) -> int:
    """Ticks of a minute, written as `2024-01-31T00:00:`. Raises ValueError. Minutes are few where values are many."""
    if _MINUTE.fullmatch(text) is None:
        raise ValueError(text)
    return ticks_of(datetime.fromisoformat(text + "00+00:00"))


@lru_cache(maxsize=8192)
def _hour_of(number: int) -> int:
    """Ticks of an hour, written as the number 2024013107. Raises ValueError."""
    day, hour = divmod(number, 100)
    return ticks_of(datetime(day // 10_000, day // 100 % 100, day % 100, hour, tzinfo=UTC))


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


def parse_all(texts: list[str]) -> list[int]:
    """What `parse` makes of each text; raises PIUnreadable if one is no time. From a few dozen on it costs a quarter of that."""
    if len(texts) >= _COLUMNS_FROM:
        rows = [text if len(text) == 28 else _with_seven_digits(text) for text in texts]
        if set(map(len, rows)) == {28}:
            try:
                return _by_column("".join(rows).encode())
            except ValueError:
                pass  # worded by `parse`
    return [parse(text) for text in texts]


def _with_seven_digits(text: str) -> str:
    """A time with fewer digits in 28 characters; anything else is left as it is, or stays what it was: no time."""
    if len(text) == 20:
        return text[:19] + ".0000000" + text[19]
    return text[:-1].ljust(27, "0") + text[-1] if 21 < len(text) < 28 else text


def _by_column(rows: bytes) -> list[int]:
    """Ticks of times of 28 bytes each, one after the other. Raises ValueError if one is none."""
    letters = np.frombuffer(rows, np.uint8).reshape(-1, len(_ROW))
    digits = letters[:, _DIGITS] - np.uint8(ord("0"))
    if not (letters[:, _MARKS] == _MARK_BYTES).all() or (digits > _MOST).any():
        raise ValueError("a time that is not written like 2024-01-31T00:00:05.1234567Z")
    hours, within = (digits.astype(np.float64) @ _WEIGHTS).astype(np.int64).T
    first = int(hours[0])
    if (hours == first).all():
        return (within + _hour_of(first)).tolist()  # type: ignore[no-any-return]
    distinct, places = np.unique(hours, return_inverse=True)
    return (within + np.array([_hour_of(hour) for hour in distinct.tolist()])[places]).tolist()  # type: ignore[no-any-return]


def _slowly(text: object) -> int:
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PIUnreadable(f"timestamp {shown(text, 50)} is not a UTC time such as 2024-01-31T00:00:00.1234567Z")
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
