from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import TICKS_PER_HOUR, datetime_of, hour_of, micros_of, ticks_of

AWARE = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.timezones(),
)


@given(AWARE)
def test_an_instant_comes_back_whatever_its_zone(moment: datetime) -> None:
    assert datetime_of(micros_of(moment)) == moment.astimezone(UTC)


def test_zones_are_converted_and_not_dropped() -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert micros_of(noon) == 1_704_103_200_000_000


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        micros_of(datetime(2024, 1, 1))  # noqa: DTZ001 - the very thing that is refused


def test_ticks_are_tenths_of_a_microsecond() -> None:
    assert ticks_of(datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)) == 10


def test_years_beyond_what_datetime_holds_overflow_and_are_not_wrapped() -> None:
    with pytest.raises(OverflowError):
        datetime_of(1 << 60)


@given(st.integers(-(10**18), 10**18))
def test_an_hour_holds_its_first_tick_and_not_the_next_hours(ticks: int) -> None:
    hour = hour_of(ticks)
    assert hour * TICKS_PER_HOUR <= ticks < (hour + 1) * TICKS_PER_HOUR


def test_instants_before_1970_fall_into_hours_below_zero() -> None:
    assert (hour_of(-1), hour_of(0)) == (-1, 0)
