import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import pitime
from bridge.errors import PIUnreadable
from schemas.times import TICKS_PER_SECOND, ticks_of

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
        "2024-01-31T23:59:60.1234567Z",
        "2024-01-31T00:00:00.123_567Z",
        "2024-01-31T00:00:00Z1234567Z",
        "2024-01- 1T00:00:00.1234567Z",
        "2024-W05-3T00:00:00.1234567Z",
        "2024-01-31T23:59: 5.1234567Z",
        "2024-01-31T23:59:5 .1234567Z",
        "2024-01-31T23:59:05.12345 7Z",
        "2024-01-31T23:59:05,1234567Z",
        "2024-01-31T23:59:05.123456٣Z",
        "2024-01-31T23:59:٠5.1234567Z",
        "2024-01-31T23:59:75.1234567Z",
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
    if isinstance(text, str):
        for at in (0, 15, 30):
            good = [pitime.text_of(FIRST + n) for n in range(30)]
            with pytest.raises(PIUnreadable) as among_many:
                pitime.parse_all([*good[:at], text, *good[at:]])
            assert str(among_many.value) == str(raised.value)


def by_the_book(text: str) -> int | None:
    """Ticks of a time, read with a pattern and the standard library; None if it is none."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z", text, re.ASCII)
    try:
        whole = datetime.strptime(match[1] + "+0000", "%Y-%m-%dT%H:%M:%S%z") if match else None
    except ValueError:
        return None
    if match is None or whole is None:
        return None
    return ticks_of(whole) + int((match[2] or "").ljust(7, "0"))


@st.composite
def nearly_times(draw: st.DrawFn) -> str:
    """A time with any number of digits, and a character or two changed, put in or left out."""
    text = pitime.text_of(draw(st.integers(FIRST, LAST)))
    text = text[: draw(st.sampled_from([19, 20, *range(21, 28)]))] + draw(st.sampled_from(["Z", "Z", "Z", "", "z", "00Z"]))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(st.sampled_from(["0", "6", "9", " ", "+", "-", "_", ".", "Z", "T", ":", "٣", ""]))
            + text[at + draw(st.integers(0, 1)) :]
        )
    return text


@given(nearly_times())
@settings(max_examples=1000, deadline=None)
def test_a_text_is_a_time_if_and_only_if_the_book_says_so(text: str) -> None:
    expected = by_the_book(text)
    if expected is None:
        with pytest.raises(PIUnreadable):
            pitime.parse(text)
    else:
        assert pitime.parse(text) == expected


REAL = st.builds(
    lambda ticks, size: pitime.text_of(ticks)[:size].removesuffix("Z") + "Z",
    st.integers(FIRST, LAST),
    st.sampled_from([19, *range(21, 28)]),
)


@given(st.lists(REAL, max_size=200))
@settings(max_examples=300, deadline=None)
def test_many_times_at_once_are_the_times_of_each(texts: list[str]) -> None:
    assert pitime.parse_all(texts) == [pitime.parse(text) for text in texts]


@given(st.lists(REAL, min_size=30, max_size=60), nearly_times(), st.integers(0, 30))
@settings(max_examples=1000, deadline=None)
def test_one_text_among_many_is_a_time_if_and_only_if_it_is_one_alone(texts: list[str], doubtful: str, at: int) -> None:
    texts.insert(at, doubtful)
    if by_the_book(doubtful) is None:
        with pytest.raises(PIUnreadable):
            pitime.parse_all(texts)
    else:
        assert pitime.parse_all(texts) == [pitime.parse(text) for text in texts]


@pytest.mark.parametrize("count", [0, 1, 23, 24, 25, 4095, 4096, 4097, 10_000])
def test_any_number_of_times_is_read(count: int) -> None:
    ticks = [FIRST + n * (LAST - FIRST) // 10_000 for n in range(count)]
    assert pitime.parse_all(list(map(pitime.text_of, ticks))) == ticks


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
