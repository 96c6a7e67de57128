"""PI's time strings and timestamps (pi-web-api.md 2.2, 2.4).

All time inside the simulator is an integer: 100 ns ticks since 1970-01-01 UTC.
"""

import calendar
import re
import time
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

TICKS_PER_SECOND = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1 = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * TICKS_PER_SECOND
_YEAR_10000 = (int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) + 1) * TICKS_PER_SECOND

_UNIT_TICKS = {
    "ms": TICKS_PER_SECOND // 1000,
    "s": TICKS_PER_SECOND,
    "m": 60 * TICKS_PER_SECOND,
    "h": 3600 * TICKS_PER_SECOND,
    "d": 86400 * TICKS_PER_SECOND,
    "w": 7 * 86400 * TICKS_PER_SECOND,
}
_UNIT_MONTHS = {"mo": 1, "y": 12}
_OFFSET = re.compile(r"(?P<sign>[+-])\s*(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>mo|ms|[smhdwy])$", re.IGNORECASE)
_ISO = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<clock>\d{2}:\d{2}(?::\d{2})?)(?:\.(?P<fraction>\d{1,7}))?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?$",
    re.IGNORECASE,
)


class BadTime(ValueError):
    """The text is no PI time string. The message is fit for the client."""


def now_ticks() -> int:
    """The machine's clock, the default of every `clock` parameter."""
    return time.time_ns() // 100


def format_ticks(ticks: int) -> str:
    """The timestamp as PI prints it: UTC, `Z`, up to seven fractional digits without trailing zeros."""
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    minutes, second = divmod(seconds, 60)
    text = f"{_minute_text(minutes)}{second:02d}"
    if fraction:
        return f"{text}.{fraction:07d}".rstrip("0") + "Z"
    return text + "Z"


@lru_cache(maxsize=4096)
def _minute_text(minutes: int) -> str:
    t = time.gmtime(minutes * 60)
    return f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:"


def parse_time(text: str, now: int, zone: tzinfo, *, relative_to: int | None = None) -> int:
    """Ticks of a PI time string.

    `now` is what `*` means. `zone` is read into strings that name none, the server's own unless the request says `timeZone`.
    `relative_to` is what a bare `-1h` is counted from: the end time where a start time is read, else now.
    Raises `BadTime`. Weekday names, month names and bare day numbers are not modelled and refused rather than guessed.
    """
    stripped = text.strip()
    if not stripped:
        return now
    offset = _OFFSET.search(stripped)
    # "2024-01-02T03:04:05-05:00" has no unit letter at its end, so an ISO zone can never be taken for an offset.
    reference = stripped[: offset.start()].strip() if offset else stripped
    base = now if relative_to is None else relative_to
    if reference:
        base = _parse_reference(reference, text, now, zone)
    ticks = base if offset is None else _shift(base, offset)
    if not _YEAR_1 <= ticks < _YEAR_10000:
        raise BadTime(f"The time '{text}' is outside the years 1 to 9999.")
    return ticks


def _parse_reference(reference: str, text: str, now: int, zone: tzinfo) -> int:
    word = reference.lower()
    if word == "*":
        return now
    if word in ("t", "today", "y", "yesterday"):
        local = (_EPOCH + timedelta(seconds=now // TICKS_PER_SECOND)).astimezone(zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        if word[0] == "y":
            midnight -= timedelta(days=1)
        return _ticks_of(midnight)
    match = _ISO.match(reference)
    if match is None:
        raise BadTime(f"The time string '{text}' is not valid.")
    try:
        return _parse_iso(match, zone)
    except (ValueError, OverflowError):
        raise BadTime(f"The time string '{text}' is not valid.") from None


def _parse_iso(match: re.Match[str], zone: tzinfo) -> int:
    moment = datetime.fromisoformat(f"{match['date']}T{match['clock'] or '00:00:00'}")
    written = match["zone"]
    if written is None:
        moment = moment.replace(tzinfo=zone)
    elif written in ("Z", "z"):
        moment = moment.replace(tzinfo=UTC)
    else:
        sign = -1 if written[0] == "-" else 1
        digits = written[1:].replace(":", "")
        minutes = int(digits[2:])
        if int(digits[:2]) > 14 or minutes > 59:
            raise ValueError(written)
        moment = moment.replace(tzinfo=UTC) - sign * timedelta(hours=int(digits[:2]), minutes=minutes)
    return _ticks_of(moment) + int((match["fraction"] or "").ljust(7, "0"))


def _ticks_of(moment: datetime) -> int:
    delta = moment - _EPOCH
    return (delta.days * 86400 + delta.seconds) * TICKS_PER_SECOND + delta.microseconds * 10


def _shift(base: int, offset: re.Match[str]) -> int:
    sign = -1 if offset["sign"] == "-" else 1
    unit, number = offset["unit"].lower(), offset["number"]
    if unit in _UNIT_TICKS:
        whole, _, decimals = number.partition(".")
        exact = int(whole or "0") * _UNIT_TICKS[unit]
        if decimals:
            exact += int(decimals) * _UNIT_TICKS[unit] // 10 ** len(decimals)
        return base + sign * exact
    months = float(number) * _UNIT_MONTHS[unit]
    if not months.is_integer():
        raise BadTime(f"The interval '{offset[0]}' must be a whole number of months.")
    if months > 120_000 or not _YEAR_1 <= base < _YEAR_10000:
        raise BadTime(f"The interval '{offset[0]}' is too long.")
    return _shift_months(base, sign * int(months), offset[0])


def _shift_months(base: int, months: int, text: str) -> int:
    seconds, fraction = divmod(base, TICKS_PER_SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise BadTime(f"The interval '{text}' is too long.")
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return _ticks_of(moment.replace(year=year, month=month + 1, day=day)) + fraction
