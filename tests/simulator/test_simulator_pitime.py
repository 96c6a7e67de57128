from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.pitime import BadTime, format_ticks, parse_time

DAY = 864_000_000_000
NOW = 17_000 * DAY + 12 * 36_000_000_000
CENTRAL = timezone(timedelta(hours=-6))


@given(st.integers(-62_135_596_800 * 10**7, 253_402_300_800 * 10**7 - 1))
def test_a_printed_timestamp_reads_back_to_the_same_tick(ticks: int) -> None:
    assert parse_time(format_ticks(ticks), NOW, CENTRAL) == ticks


@pytest.mark.parametrize(
    ("ticks", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.0000001Z"),
        (16_705_947_984_350_128, "2022-12-09T14:06:38.4350128Z"),
        (16_705_947_984_000_000, "2022-12-09T14:06:38.4Z"),
        (253_402_300_799 * 10**7 + 9_999_999, "9999-12-31T23:59:59.9999999Z"),
    ],
)
def test_trap_16_trailing_zeros_are_trimmed_and_seven_digits_kept(ticks: int, text: str) -> None:
    assert format_ticks(ticks) == text


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        ("", NOW),
        ("*", NOW),
        ("*-1d", NOW - DAY),
        ("*+10m", NOW + 10 * 600_000_000),
        ("* - 1.5h", NOW - 54_000_000_000),
        ("-1h", NOW - 36_000_000_000),
        ("*-1mo", NOW - 30 * DAY),
        ("*-1y", NOW - 366 * DAY),
        ("t", 17_000 * DAY + 6 * 36_000_000_000),
        ("y+1h", 16_999 * DAY + 7 * 36_000_000_000),
        ("2016-07-18T00:00:00Z", 17_000 * DAY),
        ("2016-07-18", 17_000 * DAY + 6 * 36_000_000_000),
        ("2016-07-18T02:00:00+02:00", 17_000 * DAY),
        ("2016-07-18 00:00:00.0000001-05:00", 17_000 * DAY + 5 * 36_000_000_000 + 1),
    ],
)
def test_section_2_2_time_strings_mean_what_the_reference_says(text: str, ticks: int) -> None:
    assert parse_time(text, NOW, CENTRAL) == ticks


def test_section_2_2_a_bare_offset_as_start_counts_from_the_end() -> None:
    assert parse_time("-1h", NOW, UTC, relative_to=17_000 * DAY) == 17_000 * DAY - 36_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "* 10m",
        "*-1",
        "*-1d-1d",
        "01/02/2024",
        "2024-02-30",
        "2024-01-01T25:00:00Z",
        "2024-01-01T00:00:00.12345678Z",
        "now",
        "0000-01-01",
        "*-9999y",
        "*+1.5mo",
    ],
)
def test_trap_28_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadTime):
        parse_time(text, NOW, CENTRAL)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_is_refused(text: str) -> None:
    try:
        assert isinstance(parse_time(text, NOW, CENTRAL), int)
    except BadTime as error:
        assert str(error)  # noqa: PT017 - both outcomes are right
