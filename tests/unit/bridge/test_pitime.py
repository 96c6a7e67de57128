from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import pitime
from bridge.errors import PIUnreadable
from schemas.times import TICKS_PER_SECOND

FIRST, LAST = pitime.parse("0001-01-01T00:00:00Z"), pitime.parse("9999-12-31T23:59:59.9999999Z")


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("2022-12-09T14:06:36Z", 0),
        ("2022-12-09T14:06:36.4Z", 4_000_000),
        ("2022-12-09T14:06:36.43Z", 4_300_000),
        ("2022-12-09T14:06:36.000001Z", 10),
        ("2022-12-09T14:06:36.4350128Z", 4_350_128),
    ],
)
def test_trap_16_zero_to_seven_fractional_digits_are_read_exactly(text: str, fraction: int) -> None:
    whole = int(datetime(2022, 12, 9, 14, 6, 36, tzinfo=UTC).timestamp()) * TICKS_PER_SECOND
    assert pitime.parse(text) == whole + fraction


def test_trap_17_the_end_of_the_year_9999_does_not_overflow() -> None:
    assert LAST == 253_402_300_799 * TICKS_PER_SECOND + 9_999_999
    assert pitime.text_of(LAST) == "9999-12-31T23:59:59.9999999Z"


@given(st.integers(FIRST, LAST))
def test_an_instant_comes_back_as_it_was_written(ticks: int) -> None:
    assert pitime.parse(pitime.text_of(ticks)) == ticks
    assert len(pitime.text_of(ticks)) == 28


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        "",
        "*",
        "2024-01-31",
        "2024-01-31T00:00:00",
        "2024-01-31T00:00:00+00:00",
        "2024-01-31T00:00:00.12345678Z",
        "2024-01-31T00:00:00.Z",
        "2024-02-30T00:00:00Z",
        "2024-01-31T24:00:00Z",
        "2024-01-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "2024-01-31T00:00:00Z\n",
        "٢٠٢٤-01-31T00:00:00Z",
        "31/01/2024 00:00:00",
        "x" * 1_000_000,
    ],
    ids=lambda text: repr(text)[:30],
)
def test_trap_28_anything_but_utc_as_pi_prints_it_is_unreadable(text: object) -> None:
    with pytest.raises(PIUnreadable) as raised:
        pitime.parse(text)
    assert len(str(raised.value)) < 200


@given(st.integers(-(10**17), 10**17))
def test_whole_seconds_lie_around_an_instant(ticks: int) -> None:
    below, above = pitime.whole_second(ticks), pitime.whole_second(ticks, up=True)
    assert below <= ticks <= above
    assert above - below == (0 if ticks % TICKS_PER_SECOND == 0 else TICKS_PER_SECOND)
    assert below % TICKS_PER_SECOND == above % TICKS_PER_SECOND == 0


def test_the_clock_goes_on_from_its_last_reading() -> None:
    clock = pitime.PIClock()
    assert not clock.known
    with pytest.raises(LookupError):
        clock.now(0.0)
    clock.observe(1000, 50.0)
    assert clock.known
    assert clock.now(52.5) == 1000 + 25_000_000
    clock.observe(7, 53.0)
    assert clock.now(53.0) == 7


@pytest.mark.parametrize("shown", ["9999-12-31T23:59:59.9999999Z", "2200-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_trap_17_a_clock_that_cannot_be_right_is_not_believed(shown: str) -> None:
    clock = pitime.PIClock()
    clock.observe(pitime.parse("2024-01-01T00:00:00Z"), 5.0)
    with pytest.raises(PIUnreadable, match="cannot be"):
        clock.observe(pitime.parse(shown), 6.0)
    assert clock.now(5.0) == pitime.parse("2024-01-01T00:00:00Z")
