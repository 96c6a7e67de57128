"""PI's time strings and clock (pi-web-api.md 2.2, 2.4). Instants are 100 ns ticks since 1970, UTC."""

import re
import struct
from datetime import UTC, datetime
from functools import lru_cache
from operator import add
from typing import NamedTuple

from bridge.errors import PIUnreadable
from bridge.wording import shown
from schemas.times import TICKS_PER_SECOND, datetime_of, ticks_of

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z", re.ASCII)
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:", re.ASCII)
_SCALES = {20: TICKS_PER_SECOND} | {21 + digits: int(10 ** (7 - digits)) for digits in range(1, 8)}
"""Ticks that the last digit of a time stands for, by length of its text."""

_COLUMNS_FROM = 24
"""Fewer texts are cheaper one after the other."""
_LANES = 4096
"""Texts worked on at once."""
_DIGITS, *_masks = (
    int.from_bytes(struct.pack("<Q", m) * _LANES, "little")
    for m in (0x0F0F0F0F0F0F0F0F, 0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0xFFFFFFFF)
)
_JOINED = [(10**2**n, 8 << n, mask) for n, mask in enumerate(_masks)]


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


def parse_all(texts: list[str]) -> list[int]:
    """What `parse` makes of each text; raises PIUnreadable if one is no time. From a few dozen on it costs half of that."""
    if len(texts) > _LANES:
        return [ticks for at in range(0, len(texts), _LANES) for ticks in parse_all(texts[at : at + _LANES])]
    if len(texts) >= _COLUMNS_FROM:
        rows = [text if len(text) == 28 else _with_seven_digits(text) for text in texts]
        if set(map(len, rows)) == {28}:
            try:
                return list(map(add, map(_minute_of, [text[:17] for text in rows]), _within_minutes("".join(rows).encode(), len(rows))))
            except ValueError:
                pass  # worded by `parse`
    return [parse(text) for text in texts]


def _with_seven_digits(text: str) -> str:
    """A time with fewer digits in 28 characters; anything else is left as it is, or stays what it was: no time."""
    if len(text) == 20:
        return text[:19] + ".0000000" + text[19]
    return text[:-1].ljust(27, "0") + text[-1] if 21 < len(text) < 28 else text


def _within_minutes(rows: bytes, count: int) -> tuple[int, ...]:
    """Ticks since the minute began, of rows of 28 bytes. Raises ValueError if a row does not end like 05.1234567Z.

    Eight digits of all rows at once, in one integer with 64 bits for each: neighbours are joined into pairs, fours and eight.
    """
    tens = rows[17::28]
    if rows[19::28] != b"." * count or rows[27::28] != b"Z" * count or not tens.isdigit() or max(tens) > ord("5"):
        raise ValueError("no seconds with seven digits")
    digits, sixties = bytearray(8 * count), bytearray(8 * count)
    sixties[0::8] = tens
    for place, at in enumerate((18, 20, 21, 22, 23, 24, 25, 26)):
        column = rows[at::28]
        if not column.isdigit():
            raise ValueError("no digits")
        digits[place::8] = column
    words = int.from_bytes(digits, "little") & _DIGITS
    for power, shift, mask in _JOINED:
        words = (words * power + (words >> shift)) & mask
    words += (int.from_bytes(sixties, "little") & _DIGITS) * (10 * TICKS_PER_SECOND)
    return struct.unpack(f"<{count}Q", words.to_bytes(8 * count, "little"))


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
