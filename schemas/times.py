"""PI time as integers.

PI keeps time in steps of 100 ns, which `datetime` cannot hold (pi-web-api.md 2.4). Inside the bridge an instant is `ticks`: 100 ns steps
since 1970-01-01T00:00:00Z. In Avro it is whole microseconds plus the 0 to 9 ticks left over.
"""

from datetime import UTC, datetime, timedelta

TICKS_PER_MICROSECOND = 10
TICKS_PER_SECOND = 10_000_000
TICKS_PER_HOUR = 3600 * TICKS_PER_SECOND
MICROSECONDS_PER_HOUR = TICKS_PER_HOUR // TICKS_PER_MICROSECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros_of(moment: datetime) -> int:
    """Microseconds since 1970 of an aware `datetime`."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: only aware times are used")
    return (moment - _EPOCH) // _MICROSECOND


def datetime_of(micros: int) -> datetime:
    """Aware UTC `datetime` of microseconds since 1970; raises OverflowError beyond the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=micros)


def ticks_of(moment: datetime) -> int:
    """100 ns ticks since 1970 of an aware `datetime`."""
    return micros_of(moment) * TICKS_PER_MICROSECOND


def hour_of(ticks: int) -> int:
    """Number of the hour, counted from 1970, that holds an instant."""
    return ticks // TICKS_PER_HOUR
