"""Late data: thresholds, categories, causes; and what is never late."""

from collections.abc import Iterable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import wire
from schemas.processors import Lateness
from schemas.records import Incident
from stream_processors import lateness
from tests.unit.stream_processors.world import HOUR, Heard, micros, null, point, series, value

SMALLEST = 1e-6


def late_by(seconds: float, **settings: Any) -> tuple[str, ...]:
    """Categories of a value that comes so late, to a point of which nothing is known."""
    heard = Heard([point(1)], **settings)
    heard.hear(0, series(1, value(-seconds)))
    return tuple(found["category"] for found in heard.late)


@pytest.mark.parametrize(
    ("seconds", "category"),
    [
        (4 * HOUR, None), (4 * HOUR + SMALLEST, "SLIGHTLY_LATE"),
        (24 * HOUR, "SLIGHTLY_LATE"), (24 * HOUR + SMALLEST, "LATE"),
        (168 * HOUR, "LATE"), (168 * HOUR + SMALLEST, "VERY_LATE"),
        (-300, None), (-300 - SMALLEST, "FUTURE"), (0, None),
    ],
)  # fmt: skip
def test_a_limit_itself_is_not_over_it(seconds: float, category: str | None) -> None:
    assert late_by(seconds) == (() if category is None else (category,))


def test_a_threshold_that_is_configured_holds_before_anything_is_learnt_and_after() -> None:
    configured = {"lateness": Lateness(thresholds=({"name_filter": "t*", "threshold_seconds": 90.0},))}
    assert late_by(90, **configured) == ()
    assert late_by(90 + SMALLEST, **configured) == ("DELAYED",)
    heard = Heard([point(1)], **configured)
    punctual(heard, 60)
    assert heard.hear(4000, series(1, value(4000 - 91))).late[0]["threshold_kind"] == "CONFIGURED"


def punctual(heard: Heard, minutes: int, delay: float = 0.5, keys: tuple[int, ...] = (1,), begin: float = 0.0) -> None:
    """So many minutes in which points are heard once, a little late."""
    for minute in range(minutes):
        at = begin + 60.0 * minute
        heard.hear(at, *(series(key, value(at - delay, float(minute))) for key in keys))


def test_a_point_learns_its_threshold_from_its_own_delay_after_twenty_arrivals() -> None:
    heard = Heard([point(1), point(2)])
    punctual(heard, 19)
    assert (heard.column("threshold", 1), heard.column("threshold_kind", 1)) == (4 * HOUR * 1e6, 1)
    punctual(heard, 1, begin=19 * 60)
    assert (heard.column("threshold", 1), heard.column("threshold_kind", 1)) == (60e6, 3)
    assert heard.hear(1300, series(1, value(1300 - 61))).late[0]["category"] == "DELAYED"
    assert heard.column("threshold", 2) == 4 * HOUR * 1e6


def test_a_point_that_is_always_hours_late_is_not_late() -> None:
    heard = Heard([point("LAB")])
    for hour in range(60):
        heard.hear(hour * HOUR, series("LAB", value(hour * HOUR - 3.5 * HOUR)))
    heard.hear(61 * HOUR, series("LAB", value(61 * HOUR - 7 * HOUR)))
    assert heard.late == []
    assert heard.column("threshold", "LAB") == 4 * 16384e6


def test_one_outage_does_not_raise_a_threshold() -> None:
    heard = Heard([point(1)])
    punctual(heard, 60)
    for second in range(3600):
        heard.hear(7200 + second / 100, series(1, value(3600 + second)))
    assert heard.column("threshold", 1) == 60e6
    assert {found["cause"] for found in heard.late} == {"BUFFERED_INTERFACE"}


def test_a_point_that_becomes_slow_for_good_is_taken_so_in_the_end() -> None:
    heard = Heard([point(1), *(point(key) for key in range(2, 6))])
    punctual(heard, 60, keys=(1, 2, 3, 4, 5))
    for minute in range(60, 400):
        heard.hear(60.0 * minute, series(1, value(60.0 * minute - 1000)), *(series(key, value(60.0 * minute)) for key in (2, 3, 4, 5)))
    assert heard.late[0]["point_key"] == "main:1"
    assert heard.column("threshold", 1) > 1000e6
    assert heard.hear(24_060, series(1, value(24_060 - 1000))).late == []


def test_statements_and_what_a_read_published_are_never_late() -> None:
    heard = Heard([point(1)])
    punctual(heard, 30)
    stated = heard.frame(2000, series(1, value(-30 * 24 * HOUR)), dataset="recorded")
    assert heard.give(stated, "recorded").late == []
    assert heard.hear(2000, series(1, value(-30 * 24 * HOUR)), via="READ").late == []


def test_a_forecast_is_not_from_the_future_and_does_not_poison_what_is_newest() -> None:
    heard = Heard([point("FC", future=True), point(1)])
    assert heard.hear(0, series("FC", value(5 * HOUR), value(-200 * HOUR))).late == []
    heard.hear(1, series(1, value(900)))
    assert heard.late[0]["category"] == "FUTURE"
    assert (heard.late[0]["threshold_seconds"], heard.late[0]["threshold_kind"]) == (300.0, "CONFIGURED")
    assert heard.column("newest", 1) == 0


def test_skew_of_the_clock_group_is_taken_off() -> None:
    heard = Heard([point(1)])
    punctual(heard, 30)
    heard.shard.skew(skew("main/OPC1", 3600.0))
    assert heard.hear(2000, series(1, value(2000 - 3600 - 60))).late == []
    found = heard.hear(2001, series(1, value(2001 - 3600 - 60.5))).late[0]
    assert (found["lateness_seconds"], found["skew_seconds"], found["category"]) == (60.5, 3600.0, "DELAYED")
    heard.shard.skew(skew("main/OPC1", 0.0))
    assert heard.hear(2002, series(1, value(2002 - 3600))).late


def skew(group: str, correction: float) -> Any:
    return {"clock_group": group, "correction_seconds": correction}


def test_what_is_known_of_all_clocks_of_a_server_adds_to_what_is_known_of_one() -> None:
    heard = Heard([point(1), point(2, point_source="OPC2")])
    heard.shard.skew(skew("main", 10.0))
    heard.shard.skew(skew("main/OPC1", 5.0))
    heard.shard.skew(skew("elsewhere", 99.0))
    heard.shard.point(point(3, point_source="OPC3"))
    assert dict(zip(heard.shard.state.group_of, heard.shard.state.group["skew"].tolist(), strict=True)) == {
        "main/-": 10_000_000, "main/OPC1": 15_000_000, "main/OPC2": 10_000_000, "main/OPC3": 10_000_000,
    }  # fmt: skip


# Causes


def busy(scan_seconds: float = 10.0, scans: int = 180) -> Heard:
    """Ten points of one interface and ten of another, scanned for half an hour, the last time just before its end."""
    heard = Heard([point(key, point_source="OPC1" if key < 10 else "OPC2") for key in range(20)])
    for scan in range(scans):
        scanned(heard, 1800 - scan_seconds * (scans - scan), range(20))
    return heard


def scanned(heard: Heard, at: float, keys: Iterable[int]) -> None:
    heard.hear(at, *(series(key, value(at - 0.2, at)) for key in keys))


def causes(heard: Heard) -> set[str]:
    return {found["cause"] for found in heard.late}


def test_what_an_interface_kept_back_is_buffered_in_order_and_the_newest_first() -> None:
    for backwards in (False, True):
        heard = busy()
        for tick in range(180, 360):
            heard.hear(10.0 * tick, *(series(key, value(10.0 * tick - 0.2)) for key in range(10, 20)))
        for n, tick in enumerate(sorted(range(180, 350), reverse=backwards)):
            heard.hear(3601 + n * 0.1, *(series(key, value(10.0 * tick - 0.2)) for key in range(10)))
        assert causes(heard) == {"BUFFERED_INTERFACE"}
        assert sum(found["samples"] for found in heard.late) > 1600


@pytest.mark.parametrize(("silence_seconds", "cause"), [(25.0, "BUFFERED_INTERFACE"), (60.0, "GROUP_SHIFTED")])
def test_how_long_a_silence_is_can_be_configured(silence_seconds: float, cause: str) -> None:
    limits = Lateness(thresholds=({"name_filter": "*", "threshold_seconds": 15.0},), silence_seconds=silence_seconds)
    heard = Heard([point(key) for key in range(5)], lateness=limits)
    heard.hear(0, *(series(key, value(-0.2)) for key in range(5)))
    heard.hear(30, *(series(key, value(5.0)) for key in range(5)))
    heard.hear(30.1, *(series(key, value(6.0)) for key in range(5)))
    assert {found["cause"] for found in heard.late if found["first_event_time"] == micros(6.0)} == {cause}


FIVE_MINUTES: Any = {"scan_seconds": 300.0, "scans": 60}


def test_an_hour_that_comes_twice_to_points_of_every_five_minutes_is_behind_coverage() -> None:
    heard = busy(**FIVE_MINUTES)
    heard.hear(1800.2, series(1, value(1800), *(value(-1500 + 300.0 * n) for n in range(12))))
    assert [(found["samples"], found["cause"]) for found in heard.late] == [(11, "BEHIND_COVERAGE")]


def test_an_edit_between_the_last_two_values_of_a_slow_interface_is_behind_coverage() -> None:
    heard = busy(**FIVE_MINUTES)
    scanned(heard, 1800, range(20))
    heard.hear(1810, *(series(key, value(1600)) for key in range(3)))
    assert causes(heard) == {"BEHIND_COVERAGE"}
    assert len(heard.late) == 3


def test_an_edit_between_the_last_two_values_of_slow_points_of_a_quick_interface_is_behind_coverage() -> None:
    heard = Heard([point(key) for key in range(20)])
    for tick in range(900):
        scanned(heard, 10.0 * tick, range(20 if tick % 30 == 0 else 10))
    heard.hear(8995, *(series(key, value(8500)) for key in range(10, 13)))
    assert causes(heard) == {"BEHIND_COVERAGE"}
    assert len(heard.late) == 3


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
@pytest.mark.parametrize("missed", [1, 4])
def test_what_a_slow_interface_kept_back_is_buffered_in_any_order(missed: int, order: tuple[int, ...]) -> None:
    heard = busy(**FIVE_MINUTES)
    back = 1800 + 300.0 * missed
    scanned(heard, back, range(20))
    for n, scan in enumerate(each for each in order if each < missed):
        heard.hear(back + 0.1 * n, *(series(key, value(1800 + 300.0 * scan)) for key in range(20)))
    assert causes(heard) == {"BUFFERED_INTERFACE"}
    assert len(heard.late) == 20 * missed


def test_until_the_gaps_of_a_group_are_known_a_minute_is_a_silence() -> None:
    limits = Lateness(thresholds=({"name_filter": "*", "threshold_seconds": 30.0},))
    heard = Heard([point(1)], lateness=limits)
    for scan in range(23):
        scanned(heard, 300.0 * scan, [1])
        heard.hear(300.0 * scan + 1, series(1, value(300.0 * scan - 100)))
    assert [found["cause"] for found in heard.late] == ["BEHIND_COVERAGE", *["BUFFERED_INTERFACE"] * 20, *["BEHIND_COVERAGE"] * 2]


def test_three_points_edited_between_two_scans_did_not_move_as_a_group() -> None:
    heard = busy(30.0, 60)
    heard.hear(1795, *(series(key, value(600.0 + 7 * key)) for key in range(3)))
    assert causes(heard) == {"BEHIND_COVERAGE"}
    assert len(heard.late) == 3


def test_what_one_device_behind_a_slower_interface_kept_is_buffered() -> None:
    heard = busy(30.0, 60)
    for tick in range(20):
        scanned(heard, 1800 + 30.0 * tick, range(3, 10))
    heard.hear(2385, *(series(key, *(value(1800 + 30.0 * tick) for tick in range(18))) for key in range(3)))
    assert causes(heard) == {"BUFFERED_INTERFACE"}
    assert sum(found["samples"] for found in heard.late) == 54


def test_most_points_of_a_small_group_edited_after_a_scan_did_not_move_as_a_group() -> None:
    heard = Heard([point(key) for key in range(4)])
    for tick in range(180):
        scanned(heard, 10.0 * tick, range(4))
    heard.hear(1795, *(series(key, value(600.0)) for key in range(3)))
    assert causes(heard) == {"BEHIND_COVERAGE"}
    heard.late.clear()
    heard.hear(1800, *(series(key, value(600.0)) for key in range(4)))
    assert causes(heard) == {"GROUP_SHIFTED"}


def test_a_value_inserted_or_edited_behind_what_was_there_is_behind_coverage() -> None:
    heard = busy()
    heard.hear(1805, series(1, value(600.0, 5.0)))
    heard.hear(1806, series(2, value(590.0, 5.0, substituted=True)), series(11, null(300.0)))
    assert causes(heard) == {"BEHIND_COVERAGE"}
    assert len(heard.late) == 3


def test_a_late_value_of_a_point_that_was_only_read_is_behind_what_was_stated() -> None:
    heard = Heard([point(1)])
    stated: Any = {"kind": "STATED", "from_time": micros(-9e5), "from_ticks": 0, "to_time": micros(-600), "to_ticks": 0}
    heard.read(0, series(1, statement=stated))
    heard.hear(1, series(1, value(-9 * HOUR)))
    assert causes(heard) == {"BEHIND_COVERAGE"}


def test_what_was_stamped_while_we_did_not_listen_is_our_gap() -> None:
    heard = busy()
    heard.shard.incident(lost())
    heard.hear(2001, *(series(key, value(1850)) for key in range(20)))
    assert causes(heard) == {"OUR_GAP"}


def lost(**fields: Any) -> Incident:
    """An incident of points of shard 3 that were not heard from half past ten on, for 200 s."""
    nothing: Any = {field["name"]: None for field in wire.raw_schema("incident")["fields"]}
    said: dict[str, Any] = {
        "source": "plant1", "incident_id": "1", "kind": "CHANNEL_LOST", "state": "OPENED", "shard": 3, "opened_time": micros(2000),
        "from_time": micros(1800), "to_time": micros(2000), "points": 140, "point_keys": [], "detail": "",
    }  # fmt: skip
    return cast(Incident, nothing | said | fields)


def test_an_incident_that_names_all_of_its_points_is_no_gap_of_others() -> None:
    heard = busy()
    heard.shard.incident(lost(points=2, point_keys=["main:1", "main:2"]))
    heard.hear(2001, *(series(key, value(1850)) for key in range(3)))
    assert {found["point_key"]: found["cause"] == "OUR_GAP" for found in heard.late} == {"main:0": False, "main:1": True, "main:2": True}


def test_an_incident_ends_where_it_was_noticed_until_somebody_tells_better_and_is_one_gap() -> None:
    heard = busy()
    gaps = heard.shard.state.our_gaps
    for state, end, known in (("OPENED", None, 2000), ("OPENED", None, 2000), ("REPAIRED", 2400, 2400), ("CLOSED", 2500, 2500)):
        heard.hear(2100, series(1, value(2100)))
        heard.shard.incident(lost(state=state, to_time=end and micros(end)))
        assert {name: (gap.begin, gap.end) for name, gap in gaps.items()} == {"1": (micros(1800), micros(known))}


def test_of_many_gaps_the_newest_are_kept_in_whatever_order_they_are_told() -> None:
    heard = busy()
    for n in reversed(range(300)):
        heard.shard.incident(lost(incident_id=f"{n}", to_time=micros(2000 + n)))
    assert sorted(heard.shard.state.our_gaps) == sorted(f"{n}" for n in range(300 - 256, 300))


@pytest.mark.parametrize("change", [{"shard": 4}, {"kind": "VALUE_TOO_LARGE"}, {"state": "CLOSED"}])
def test_an_incident_that_is_not_about_hearing_here_and_now_is_no_gap(change: dict[str, Any]) -> None:
    heard = busy()
    heard.shard.incident(lost(**{"kind": "BRIDGE_DOWN", "shard": None} | change))
    assert heard.shard.state.our_gaps == {}
    heard.shard.incident(lost(kind="BRIDGE_DOWN", shard=None))
    assert heard.shard.state.our_gaps == {"1": (micros(1800), micros(2000), [])}


def test_a_frame_that_is_lost_is_a_gap_of_ours() -> None:
    heard = busy()
    heard.frame(1900)  # never given
    behind = heard.hear(1900, *(series(key, value(1800)) for key in range(20)))
    assert (behind.lost, causes(heard)) == (1, {"OUR_GAP"})


def test_a_statement_that_is_lost_and_a_frame_from_the_future_behind_a_hole_make_no_gap() -> None:
    heard = busy()
    heard.frame(1901, dataset="recorded")  # never given
    heard.read(1902, series(1))
    assert heard.shard.state.our_gaps == {}
    heard.frame(1903)  # never given
    assert heard.give(heard.frame(90_000, series(1, value(1))), now=1904).refused is not None
    assert heard.shard.state.our_gaps == {}
    heard.hear(1905, series(1, value(1905)))
    assert [tuple(gap) for gap in heard.shard.state.our_gaps.values()] == [(micros(1902), micros(1905), [])]


def test_a_hole_before_anything_was_heard_is_no_gap() -> None:
    heard = Heard([point(1)])
    heard.give(heard.frame(9000, series(1, value(1))), now=0)
    heard.frame(0)  # never given
    heard.hear(1, series(1, value(1)))
    assert heard.shard.state.our_gaps == {}


def test_a_group_that_moves_as_a_whole_without_a_pause_is_a_clock_or_a_way_and_not_late_data() -> None:
    heard = busy()
    for tick in range(181, 240):
        at = 10.0 * tick
        heard.hear(at, *(series(key, value(at - 3600.0)) for key in range(10)), *(series(key, value(at)) for key in range(10, 20)))
    assert causes(heard) == {"GROUP_SHIFTED"}
    assert {found["clock_group"] for found in heard.late} == {"main/OPC1"}


def test_late_values_of_a_point_next_to_one_another_are_one_record() -> None:
    heard = busy()
    found = heard.hear(1805, series(1, value(100.0), value(101.0), value(1804.9), value(-90_000.0))).late
    assert [(f["samples"], f["category"], f["first_event_time"], f["last_event_time"]) for f in found] == [
        (2, "DELAYED", micros(100), micros(101)), (1, "LATE", micros(-90_000), micros(-90_000)),
    ]  # fmt: skip
    assert found[0]["lateness_seconds"] == 1705.0


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-900, 9e5)), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 3), st.floats(-900, 9e5)), max_size=40),
)
def test_every_sample_beyond_its_threshold_is_in_exactly_one_record(one: list[tuple[int, float]], two: list[tuple[int, float]]) -> None:
    heard = Heard([point(key) for key in range(4)])
    for at, batch in ((0.0, one), (100.0, two)):
        own: dict[int, list[Any]] = {}
        for key, delay in batch:
            own.setdefault(key, []).append(value(at - delay))
        found = heard.hear(at, *(series(key, *samples) for key, samples in own.items())).late
        expected = sum(round(delay * 1e6) > 4 * HOUR * 1e6 or round(delay * 1e6) < -300e6 for _, delay in batch)
        assert sum(f["samples"] for f in found) == expected
        assert all(f["first_event_time"] <= f["last_event_time"] for f in found)


def test_a_threshold_follows_the_name_of_the_point() -> None:
    limits = Lateness(thresholds=({"name_filter": "LAB*", "threshold_seconds": 5.0}, {"name_filter": "*", "threshold_seconds": 9.0}))
    assert (lateness.configured(limits, "lab.1"), lateness.configured(limits, "TI")) == (5.0, 9.0)
    assert lateness.configured(Lateness(), "TI") is None
