"""The first stage of clock skew: clock groups, and what their points agree on in a period."""

from typing import Any

from schemas.processors import Skew
from stream_processors import floors
from tests.unit.stream_processors.world import Heard, micros, null, point, series, value


def minute(heard: Heard) -> dict[str, Any]:
    """What the first minute said, group by group."""
    heard.advance(60)
    return {group["clock_group"]: group for group in heard.assessments[0]["groups"]}


def test_points_share_a_clock_by_server_and_point_source_or_as_configured() -> None:
    settings = Skew(groups=({"name": "plc-12", "server": "main", "point_source": "OPC1", "name_filter": "u12*"},))
    groups = [floors.group_of(settings, *point) for point in (
        ("main:1", "U12.TI", "OPC1"), ("main:2", "U13.TI", "OPC1"), ("main:3", "U12.TI", "OPC2"), ("other:4", "U12.TI", "OPC1"),
        ("main:5", "X", None),
    )]  # fmt: skip
    assert groups == ["plc-12", "main/OPC1", "main/OPC2", "other/OPC1", "main/-"]


def test_a_period_tells_the_least_delay_and_the_mean_of_each_group() -> None:
    heard = Heard([point(1), point(2), point(3, point_source="OPC2")])
    heard.hear(0.5, series(1, value(0.3), value(0.4)), series(2, value(0.1)), series(3, value(2.5)))
    heard.hear(30, series(1, value(29.0)))
    said = minute(heard)
    assert said["main/OPC1"] == {
        "clock_group": "main/OPC1", "server": "main", "points": 2, "samples": 4, "lagging": 0, "floor_seconds": 0.1, "mean_seconds": 0.425,
    }  # fmt: skip
    assert said["main/OPC2"]["floor_seconds"] == -2.0


def test_a_point_whose_stamps_are_not_its_clocks_does_not_speak_for_its_group() -> None:
    heard = Heard([point(key) for key in range(6)])
    heard.hear(1, series(0, value(200.0)), *(series(key, value(0.9 - 0.01 * key)) for key in range(1, 6)))
    assert minute(heard)["main/OPC1"]["floor_seconds"] == 0.11


def test_corrections_forecasts_reads_and_statements_tell_nothing_of_a_clock() -> None:
    heard = Heard([point(1), point(2, future=True), point(3)])
    heard.hear(1, series(1, value(0.5), value(5.0, substituted=True)), series(2, value(9000.0)))
    heard.hear(2, series(3, value(1.9)), via="READ")
    heard.read(3, series(3, value(2.9)))
    said = minute(heard)["main/OPC1"]
    assert (said["points"], said["samples"], said["floor_seconds"]) == (1, 1, 0.5)


def test_forecasts_are_not_counted_with_what_comes_after_the_point_is_none_any_more() -> None:
    heard = Heard([point(1, future=True)])
    heard.hear(1, series(1, value(9000.0), value(9060.0)))
    heard.shard.point(point(1))
    heard.hear(2, series(1, value(1.5)))
    said = minute(heard)["main/OPC1"]
    assert (said["samples"], said["floor_seconds"], said["mean_seconds"]) == (1, 0.5, 0.5)


def test_a_system_state_is_stamped_by_the_clock_too() -> None:
    heard = Heard([point(1)])
    heard.hear(1, series(1, null(0.8)))
    assert minute(heard)["main/OPC1"]["floor_seconds"] == 0.2


def test_the_next_period_begins_empty() -> None:
    heard = Heard([point(1)])
    heard.hear(1, series(1, value(-5)))
    heard.hear(61, series(1, value(60.9)))
    heard.advance(120)
    assert [said["groups"][0]["floor_seconds"] for said in heard.assessments] == [6.0, 0.1]
    heard.advance(180)
    assert heard.assessments[-1]["groups"] == []


def test_values_that_come_a_period_late_like_averages_are_told_apart() -> None:
    heard = Heard([point(1), point(2)])
    for second in range(0, 300, 20):
        heard.hear(second + 0.1, series(1, value(second - 20)), series(2, value(second - 33)))
    assert [said["groups"][0]["lagging"] for said in heard.assessments] == [1] * 4


def test_pis_clock_is_as_far_ahead_as_its_best_reading_says() -> None:
    heard = Heard([point(1)])
    heard.hear(1, series(1, value(1)), server=7.2)
    heard.hear(2, series(1, value(2)), server=7.9)
    heard.hear(3, series(1, value(3)), server=None)
    heard.advance(60)
    heard.hear(61, series(1, value(61)), server=None)
    heard.advance(120)
    assert [said["server_ahead_seconds"] for said in heard.assessments] == [7.9, None]
    assert heard.assessments[0]["end_time"] == micros(60)
