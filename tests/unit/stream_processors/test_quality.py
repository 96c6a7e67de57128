"""The checks of a point, on complete windows."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import wire
from schemas.processors import Quality
from schemas.records import Sample
from tests.unit.stream_processors.world import HOUR, Heard, micros, null, point, series, value


def hours(heard: Heard, number: int, samples: list[Sample] | None = None, each: int = 20, key: int = 1, begin: int = 0) -> None:
    """So many whole hours with `each` ordinary values of a point, evenly; `samples` come in the first of them too.

    Another point is heard every four minutes.
    """
    for hour in range(begin, begin + number):
        start = hour * HOUR
        instants = [(start + (n + 0.5) * HOUR / each, key) for n in range(each)] + [(start + 240 * n, "clock") for n in range(15)]
        for at, who in sorted(instants, key=lambda each: each[0]):
            heard.hear(at, series(who, value(at - 0.1, at)))
        if samples and hour == begin:
            for n, sample in enumerate(samples):
                heard.hear(start + 3590 + n * 0.001, series(key, sample))
    heard.hear((begin + number) * HOUR, series("clock", value((begin + number) * HOUR)))


def verdicts(heard: Heard, check: str) -> list[bool]:
    return [change["failed"] for change in heard.of(check) if change["point_key"] == "main:1"]


def share(check: str, ordinary: int, odd: list[Sample], **limits: Any) -> list[bool]:
    heard = Heard([point(1), point("clock")], quality=Quality(**limits) if limits else Quality())
    hours(heard, 1, odd, each=ordinary)
    return verdicts(heard, check)


def at(n: int) -> float:
    return 3589 + n / 100


@pytest.mark.parametrize(("nulls", "failed"), [(5, []), (6, [True])])
def test_five_of_a_hundred_without_a_value_are_allowed(nulls: int, failed: list[bool]) -> None:
    assert share("NULL_RATE", 100 - nulls, [null(at(n)) for n in range(nulls)], good_share=0.0) == failed


@pytest.mark.parametrize(("bad", "failed"), [(10, []), (11, [True])])
def test_ninety_of_a_hundred_good_ones_are_enough(bad: int, failed: list[bool]) -> None:
    assert share("GOOD_RATE", 100 - bad, [value(at(n), n + 0.5, good=False) for n in range(bad)]) == failed


@pytest.mark.parametrize(("twice", "failed"), [(1, []), (2, [True])])
def test_one_of_a_hundred_that_came_twice_is_allowed(twice: int, failed: list[bool]) -> None:
    assert share("DUPLICATES", 99 - twice, [value(at(0), 0.5)] * (twice + 1)) == failed


def test_two_values_at_one_instant_are_no_duplicates() -> None:
    assert share("DUPLICATES", 90, [value(at(0), float(n), ordinal=n) for n in range(10)]) == []


def test_a_state_that_comes_twice_at_one_instant_is_a_duplicate_and_another_state_is_none() -> None:
    assert share("DUPLICATES", 90, [null(at(0), 246)] * 3, null_share=1.0, good_share=0.0) == [True]
    assert share("DUPLICATES", 90, [null(at(0), 246 + n) for n in range(3)], null_share=1.0, good_share=0.0) == []


def test_a_window_that_is_not_finished_says_nothing() -> None:
    heard = Heard([point(1)])
    for n in range(100):
        heard.hear(n * 35.0, series(1, null(n * 35.0)))
    assert heard.of("NULL_RATE") == []
    heard.hear(3600, series(1, null(3600)))
    assert verdicts(heard, "NULL_RATE") == [True]


def test_an_empty_window_says_nothing_of_shares_and_leaves_who_fails_failing() -> None:
    heard = Heard([point(1), point("clock")])
    hours(heard, 1, [null(at(n)) for n in range(20)])
    assert verdicts(heard, "NULL_RATE") == [True]
    hours(heard, 5, each=0, begin=1)
    assert verdicts(heard, "NULL_RATE") == [True]


def test_a_share_of_few_samples_waits_until_there_are_twenty() -> None:
    heard = Heard([point(1), point("clock")])
    hours(heard, 1, [null(at(n)) for n in range(10)], each=9)
    assert verdicts(heard, "NULL_RATE") == []
    hours(heard, 1, each=1, begin=1)
    assert verdicts(heard, "NULL_RATE") == [True]
    assert heard.of("NULL_RATE")[0]["value"] == 0.5


def test_who_failed_is_well_again_after_two_good_windows_and_says_so_once() -> None:
    heard = Heard([point(1), point("clock")])
    hours(heard, 1, [null(at(n)) for n in range(20)])
    hours(heard, 1, begin=1)
    assert verdicts(heard, "NULL_RATE") == [True]
    hours(heard, 1, [null(HOUR * 2 + at(n)) for n in range(20)], begin=2)
    hours(heard, 3, begin=3)
    assert verdicts(heard, "NULL_RATE") == [True, False]


# Volume


def volume(*counts: int) -> list[tuple[bool, float | None]]:
    """What is said of volume when so many values come hour by hour; the first hour was not heard whole."""
    heard = Heard([point(1), point("clock")])
    for hour, count in enumerate(counts):
        hours(heard, 1, each=count, begin=hour)
    return [(change["failed"], change["value"]) for change in heard.of("VOLUME") if change["point_key"] == "main:1"]


def test_a_count_three_deviations_away_is_allowed_and_one_more_is_not() -> None:
    steady = [100] * 10  # whose deviation is what chance alone makes, ten
    assert volume(*steady, 70) == []
    assert volume(*steady, 130) == []
    assert [failed for failed, _ in volume(*steady, 69)] == [True]
    assert volume(*steady, 131)[0][1] == pytest.approx(3.1)


def test_a_point_without_any_variance_does_not_fail_at_the_first_value_that_is_missing() -> None:
    assert volume(*[100] * 10, 99) == []
    assert [failed for failed, _ in volume(*[1] * 10, 5)] == [True]


def test_an_empty_window_counts_for_volume() -> None:
    assert [failed for failed, _ in volume(*[100] * 10, 0)] == [True]


def test_volume_is_judged_after_eight_windows_that_were_heard_whole() -> None:
    assert volume(*[100] * 8, 5) == []
    assert [failed for failed, _ in volume(*[100] * 9, 5)] == [True]


def test_a_window_in_which_we_did_not_listen_says_nothing_of_volume() -> None:
    heard = Heard([point(1), point("clock")])
    for hour in range(10):
        hours(heard, 1, each=100, begin=hour)
    heard.frame(10 * HOUR + 1)  # lost
    hours(heard, 1, each=5, begin=10)
    assert heard.of("VOLUME") == []
    hours(heard, 1, each=5, begin=11)
    assert verdicts(heard, "VOLUME") == [True]


def ten_hours() -> Heard:
    """A point with a value each half a minute, and another one with it; what is usual is known of both."""
    heard = Heard([point(1), point(2)])
    for n in range(1200):
        heard.hear(n * 30, series(1, value(n * 30, float(n))), series(2, value(n * 30, float(n))))
    return heard


def test_a_silence_of_ours_fails_no_volume_whether_a_frame_or_the_time_ends_it() -> None:
    for told in (True, False):
        heard = ten_hours()
        for n in range(1200, 1272):
            heard.hear(n * 30, series(1, value(n * 30)), series(2, value(n * 30)))
        if told:
            for minute in range(637, 900):
                heard.advance(minute * 60)
        else:
            heard.hear(11 * HOUR + 1, series(1, value(11 * HOUR)))
        assert heard.of("VOLUME") == []
        mean = heard.column("volume_mean", 1)
        assert mean == pytest.approx(120, abs=1), "nothing is learnt of it"


def test_a_hole_across_the_end_of_a_window_leaves_neither_of_both_whole() -> None:
    heard = ten_hours()
    for n in range(1200, 1319):
        heard.hear(n * 30, series(1, value(n * 30)), series(2, value(n * 30)))
    heard.frame(11 * HOUR - 10)  # lost
    heard.hear(11 * HOUR + 10, series(2, value(11 * HOUR)))
    for minute in range(661, 721):
        heard.hear(minute * 60, series(2, value(minute * 60)))
    heard.hear(12 * HOUR, series(2, value(12 * HOUR)))
    assert heard.of("VOLUME") == []


# Freshness


def test_a_point_is_stale_after_an_hour_while_little_is_known_of_its_cadence() -> None:
    heard = Heard([point(1), point("clock")])
    for minute in range(6):
        heard.hear(minute * 60, series(1, value(minute * 60)))
    for minute in range(6, 66):
        heard.hear(minute * 60, series("clock", value(minute * 60)))
    assert heard.column("heard", 1) == micros(300)
    assert heard.of("FRESHNESS") == []
    heard.hear(3960, series("clock", value(3960)))
    heard.hear(4020, series("clock", value(4020)))
    assert verdicts(heard, "FRESHNESS") == [True]
    assert (heard.of("FRESHNESS")[0]["value"], heard.of("FRESHNESS")[0]["threshold"]) == (3660.0, 3600.0)
    heard.hear(4025, series(1, value(4025)))
    heard.hear(4080, series("clock", value(4080)))
    assert verdicts(heard, "FRESHNESS") == [True, False]


def test_a_quiet_point_is_normal_until_it_is_known_to_be_quicker() -> None:
    heard = Heard([point(1), point("clock")])
    heard.hear(0, series(1, value(0)))
    for minute in range(1000):
        heard.hear(minute * 60, series("clock", value(minute * 60)))
    assert heard.of("FRESHNESS") == []


def test_a_quick_point_is_stale_after_minutes_and_a_quiet_one_after_days() -> None:
    heard = Heard([point(1), point("day")])
    for minute in range(0, 40 * 1440, 10):
        if minute < 39 * 1440:
            heard.hear(minute * 60, series(1, value(minute * 60)))
        if minute % 1440 == 0:
            heard.hear(minute * 60 + 1, series("day", value(minute * 60)))
        if minute >= 39 * 1440:
            heard.read(minute * 60, series(1))
    assert heard.column("fresh_for", 1) == 4 * 1024e6
    assert heard.column("fresh_for", "day") == 4 * 131_072e6
    assert [change["point_key"] for change in heard.of("FRESHNESS")] == ["main:1"]
    assert heard.of("FRESHNESS")[0]["from_time"] == heard.column("heard", 1)


def test_where_nothing_is_heard_at_all_no_point_is_blamed() -> None:
    heard = Heard([point(1)])
    for minute in range(60):
        heard.hear(minute * 60, series(1, value(minute * 60)))
    heard.advance(10 * HOUR)
    heard.advance(20 * HOUR)
    assert heard.of("FRESHNESS") == []


def slow() -> Heard:
    """Two points of which a value comes each five minutes, and nothing between."""
    heard = Heard([point(1), point(2)])
    for n in range(50):
        heard.hear(n * 300.2, *(series(key, value(n * 300.2)) for key in (1, 2)))
    return heard


def test_the_time_in_which_we_did_not_listen_makes_no_point_stale_when_we_listen_again() -> None:
    heard = slow()
    back = 50 * 300.2 + 6000
    heard.hear(back, series(2, value(back)))
    heard.advance(back + 120)
    assert heard.of("FRESHNESS") == []
    for n in range(1, 12):
        heard.hear(back + n * 300.2, series(2, value(back + n * 300.2)))
    assert verdicts(heard, "FRESHNESS") == [True]


def test_a_point_that_was_stale_before_we_did_not_listen_is_so_until_it_is_heard() -> None:
    heard = slow()
    for at in (*(n * 300.2 for n in range(50, 60)), *(30_000 + n * 300.2 for n in range(3))):
        heard.hear(at, series(2, value(at)))
    assert verdicts(heard, "FRESHNESS") == [True]
    heard.hear(31_000, series(1, value(31_000)))
    heard.advance(31_060)
    assert verdicts(heard, "FRESHNESS") == [True, False]


def test_where_all_points_are_slow_their_silences_are_none_of_ours() -> None:
    heard = slow()
    for n in range(50, 60):
        heard.hear(n * 300.2, series(2, value(n * 300.2)))
    assert verdicts(heard, "FRESHNESS") == [True]


def test_an_outage_that_the_bridge_tells_of_makes_no_point_stale() -> None:
    heard = Heard([point(1), point("clock")])
    for n in range(200):
        heard.hear(n * 30, series(1, value(n * 30)), series("clock", value(n * 30)))
    told: Any = {name: None for name in (field["name"] for field in wire.raw_schema("incident")["fields"])}
    told |= {"incident_id": "1", "kind": "BRIDGE_DOWN", "state": "REPAIRED", "points": 2, "point_keys": []}
    heard.shard.incident(told | {"opened_time": micros(6000), "from_time": micros(5971), "to_time": micros(6260)})
    heard.hear(6260, series("clock", value(6260)))
    heard.hear(6280, series("clock", value(6280)))
    heard.advance(6300)
    assert heard.of("FRESHNESS") == []
    for n in range(20):
        heard.hear(6300 + n * 30, series("clock", value(6300 + n * 30)))
    assert verdicts(heard, "FRESHNESS") == [True]


def test_a_point_out_of_scope_is_not_stale() -> None:
    heard = Heard([point(1), point("clock")])
    for minute in range(6):
        heard.hear(minute * 60, series(1, value(minute * 60)))
    heard.shard.point(point(1, in_scope=False))
    for minute in range(6, 300):
        heard.hear(minute * 60, series("clock", value(minute * 60)))
    assert heard.of("FRESHNESS") == []


# Schema, lines, spans


def test_a_point_that_changes_its_type_is_told_at_once_and_taken_as_it_is_then() -> None:
    heard = Heard([point(1), point("clock")])
    heard.hear(0, series(1, value(0)))
    heard.hear(10, series(1, value(9, value_type="STRING", value_double=None, value_string="on")))
    heard.hear(20, series(1, null(19), value(19.5, value_type="STRING", value_double=None, value_string="off")))
    heard.hear(70, series("clock", value(70)))
    assert verdicts(heard, "SCHEMA_DRIFT") == [True]
    hours(heard, 2, begin=1, each=0)
    assert verdicts(heard, "SCHEMA_DRIFT") == [True, False]


def test_a_type_that_changes_within_a_frame_and_another_unit_are_drifts() -> None:
    heard = Heard([point(1), point(2)])
    heard.hear(0, series(1, value(0), value(1, value_type="LONG", value_double=None, value_long=3)), series(2, value(0)))
    heard.hear(1, series(2, value(1), uom="K"))
    heard.hear(70, series(2, value(70), uom="K"))
    assert sorted((change["point_key"], change["failed"]) for change in heard.of("SCHEMA_DRIFT")) == [("main:1", True), ("main:2", True)]
    assert any("'K' in place of '°C'" in change["detail"] for change in heard.changes)


def test_a_value_of_another_type_between_two_in_one_frame_changes_what_is_expected_back() -> None:
    heard = Heard([point(1)])
    odd: dict[str, Any] = {"value_type": "STRING", "value_double": None, "value_string": "on"}
    heard.hear(0, series(1, value(0), value(1, **odd), value(2)))
    heard.hear(60, series(1, value(60)))
    hours(heard, 2, begin=1)
    assert verdicts(heard, "SCHEMA_DRIFT") == [True, False]
    assert heard.of("SCHEMA_DRIFT")[0]["detail"] == "values of type STRING in place of DOUBLE"


def test_another_digital_set_is_a_drift_and_the_same_one_told_again_is_none() -> None:
    heard = Heard([point(1, point_type="Digital", digital_set="OnOff")])
    heard.hear(0, series(1, value(0)))
    heard.shard.point(point(1, point_type="Digital", digital_set="OnOff"))
    heard.hear(60, series(1, value(60)))
    assert heard.of("SCHEMA_DRIFT") == []
    heard.shard.point(point(1, point_type="Digital", digital_set="Modes"))
    heard.hear(120, series(1, value(120)))
    assert verdicts(heard, "SCHEMA_DRIFT") == [True]


def test_a_number_that_keeps_coming_and_never_changes_is_a_flat_line() -> None:
    heard = Heard([point(1), point(2, step=True), point("clock")])
    for n in range(240):
        heard.hear(n * 60, series(1, value(n * 60, float(n) if n < 5 else 7.0)), series(2, value(n * 60, 7.0)))
    assert [(c["point_key"], c["failed"]) for c in heard.of("FLAT_LINE")] == [("main:1", True)]
    for n in range(240, 480):
        heard.hear(n * 60, series(1, value(n * 60, float(n))))
    assert verdicts(heard, "FLAT_LINE") == [True, False]


def test_a_line_is_not_flat_if_the_point_has_been_so_for_as_long_before() -> None:
    heard = Heard([point(1), point("clock")])
    for n in range(1200):
        heard.hear(n * 60, series(1, value(n * 60, float(n // 50))))
    assert heard.of("FLAT_LINE") == []


def test_repeated_samples_and_silence_are_no_flat_line() -> None:
    heard = Heard([point(1), point("clock")])
    heard.hear(0, series(1, value(0, 1.0)))
    for n in range(1, 240):
        heard.hear(n * 60, series(1, value(0, 1.0)) if n % 2 else series("clock", value(n * 60, float(n))))
    assert heard.of("FLAT_LINE") == []
    assert heard.column("run", 1) == 1


@pytest.mark.parametrize(("odd", "failed"), [([-0.1], []), ([-0.1, 100.5], [True]), ([0.0, 100.0], [])])
def test_values_outside_zero_and_span_are_counted_and_its_ends_lie_within(odd: list[float], failed: list[bool]) -> None:
    heard = Heard([point(1, zero=0.0, span=100.0), point("clock")])
    for n in range(100):
        heard.hear(n * 36.0, series(1, value(n * 36.0, odd[n] if n < len(odd) else n / 2)))
    heard.hear(3600, series("clock", value(3600)))
    assert verdicts(heard, "OUT_OF_SPAN") == failed


def test_states_and_texts_have_no_span() -> None:
    heard = Heard([point(1, zero=0.0, span=1.0), point("clock")])
    for n in range(100):
        heard.hear(n * 36.0, series(1, null(n * 36.0)))
    heard.hear(3600, series("clock", value(3600)))
    assert heard.of("OUT_OF_SPAN") == []


ORDINARY = st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans(), st.booleans())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ORDINARY, min_size=1, max_size=12), min_size=1, max_size=12))
def test_how_samples_are_cut_into_frames_does_not_matter(frames: list[list[tuple[int, int, bool, bool]]]) -> None:
    """Counts, runs and duplicates are the same whether samples come one by one or many at once."""
    one, many = Heard([point(1), point(2), point(3)]), Heard([point(1), point(2), point(3)])
    instant = 0.0
    for batch in frames:
        own: dict[int, list[Sample]] = {}
        for key, number, good, again in batch:
            instant += 0.0 if again else 0.001
            own.setdefault(key + 1, []).append(value(instant, float(number), good=good) if number < 3 else null(instant))
        many.hear(10, *(series(key, *samples) for key, samples in own.items()))
        for key, samples in own.items():
            for sample in samples:
                one.hear(10, series(key, sample))
    for name in ("count", "nulls", "bad", "duplicates", "run", "window_count", "expected_kind", "newest", "last_ticks", "period_floor"):
        assert [one.column(name, key) for key in (1, 2, 3) if f"main:{key}" in one.shard.state.slot_of] == [
            many.column(name, key) for key in (1, 2, 3) if f"main:{key}" in many.shard.state.slot_of
        ], name
