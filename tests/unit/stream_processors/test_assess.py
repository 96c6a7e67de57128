"""The order of the rules: frames in, findings out; replays, holes, and frames that cannot be."""

from typing import Any

import pytest

from schemas import wire
from schemas.processors import Processors
from schemas.records import Assessment
from stream_processors.assess import Overview
from tests.unit.stream_processors.world import HOUR, Heard, micros, point, series, value


def test_a_frame_that_comes_again_changes_nothing() -> None:
    heard = Heard([point(1)])
    made = heard.frame(1, series(1, value(-5 * HOUR)))
    assert len(heard.give(made).late) == 1
    count = heard.column("count", 1)
    again = heard.give(made)
    assert (again.repeated, again.late, again.lost, heard.column("count", 1)) == (True, [], 0, count)


def test_each_dataset_has_its_own_sequence() -> None:
    heard = Heard([point(1)])
    heard.hear(1, series(1, value(1)))
    assert not heard.read(2, series(1)).repeated
    assert heard.shard.state.sequences == {"live": 0, "recorded": 0}


def test_the_first_frame_ever_has_lost_none_and_a_hole_counts_what_is_missing() -> None:
    heard = Heard([point(1)])
    heard.sequences["live"] = 41
    assert heard.hear(1, series(1, value(1))).lost == 0
    heard.sequences["live"] += 3
    assert heard.hear(2, series(1, value(2))).lost == 3


def test_a_frame_from_the_future_is_refused_and_the_next_one_is_taken() -> None:
    heard = Heard([point(1)])
    heard.give(heard.frame(0, series(1, value(0))), now=0)
    wrong = heard.give(heard.frame(301, series(1, value(301))), now=0.9)
    assert wrong.refused is not None
    assert "300 s ahead" in wrong.refused
    right = heard.give(heard.frame(2, series(1, value(2))), now=2)
    assert (right.refused, right.lost, heard.shard.state.heard_at) == (None, 0, micros(2))
    assert heard.give(heard.frame(302, series(1, value(302))), now=2).refused is None


def test_a_value_from_the_future_is_a_finding_and_moves_no_clock_of_ours() -> None:
    heard = Heard([point(1)])
    late = heard.hear(0, series(1, value(10**7))).late
    assert [found["category"] for found in late] == ["FUTURE"]
    assert heard.shard.state.heard_at == micros(0)
    assert heard.column("newest", 1) == 0


def test_a_clock_of_ours_that_steps_back_opens_no_minute_again() -> None:
    heard = Heard([point(1)])
    heard.hear(65, series(1, value(65)))
    heard.hear(125, series(1, value(125)))
    heard.hear(10, series(1, value(10)))
    heard.hear(185, series(1, value(185)))
    assert [said["period"] - micros(0) // 60_000_000 for said in heard.assessments] == [1, 2]
    assert heard.shard.state.heard_at == micros(185)


def test_minutes_close_without_frames_when_the_time_is_told() -> None:
    heard = Heard([point(1)])
    heard.hear(5, series(1, value(5)))
    heard.advance(59)
    assert heard.assessments == []
    heard.advance(60)
    assert heard.assessments[0]["groups"][0]["samples"] == 1
    heard.advance(60)
    assert len(heard.assessments) == 1


def test_a_point_of_which_the_inventory_has_not_told_yet_is_judged_all_the_same() -> None:
    heard = Heard()
    assert heard.hear(0, series(9, value(-5 * HOUR))).late[0]["clock_group"] == "main/-"
    heard.shard.point(point(9, point_source="OPC7"))
    assert heard.hear(1, series(9, value(-5 * HOUR))).late[0]["clock_group"] == "main/OPC7"


def test_every_finding_fits_its_schema() -> None:
    heard = Heard([point(1), point(2, point_source="OPC2")])
    overview = Overview("plant1", Processors())
    heard.hear(0, series(1, value(-5 * HOUR)), series(2, value(9999)))
    found: dict[str, list[Any]] = {"late": list(heard.late), "skew": [], "quality": [], "assessment": []}
    for n in range(800):
        heard.hear(n * 10, series(1, value(n * 10 + 90.0)), series(2, value(n * 10, good=False)))
    found["assessment"] = list(heard.assessments)
    for said in heard.assessments:
        skews, findings = overview.take(said)
        found["skew"] += skews
        found["quality"] += findings
    for name, records in found.items():
        assert records, name
        for record in records:
            schema = wire.schema(name)
            assert wire.decode(memoryview(wire.encode(1, schema, record))[5:], schema) == record


# Sources that end


def sizes(heard: Heard, at: float) -> dict[str, int]:
    heard.advance(at)
    return {scope["scope"]: scope["points"] for scope in heard.assessments[-1]["scopes"]}


def test_a_point_counts_for_the_source_that_it_has_now_and_for_none_when_it_is_out_of_scope() -> None:
    heard = Heard([point(1, point_source=None), point(2)])
    heard.hear(0, series(1, value(0)), series(2, value(0)))
    assert sizes(heard, 60) == {"main/-": 1, "main/OPC1": 1}
    heard.shard.point(point(1))
    assert sizes(heard, 120) == {"main/OPC1": 2}
    heard.shard.point(point(2, in_scope=False))
    assert sizes(heard, 180) == {"main/OPC1": 1}


@pytest.mark.parametrize(
    ("change", "failed"), [({"point_source": "OPC2"}, [True, False, True]), ({"in_scope": False}, [True, False])], ids=["moved", "out"]
)
def test_what_fails_of_a_point_is_over_where_it_leaves_and_begins_anew_where_it_is(change: dict[str, Any], failed: list[bool]) -> None:
    heard = Heard([point(1), point("clock")])
    for n in range(120):
        heard.hear(n * 30, series(1, value(n * 30, float(n), good=False)), series("clock", value(n * 30)))
    heard.hear(HOUR, series("clock", value(HOUR)))
    heard.shard.point(point(1, **change))
    for n in range(121, 241):
        heard.hear(n * 30, *([series(1, value(n * 30, float(n), good=False))] if len(failed) > 2 else []), series("clock", value(n * 30)))
    told = heard.of("GOOD_RATE")
    assert [said["failed"] for said in told] == failed
    assert [said["clock_group"] for said in told] == ["main/OPC1", "main/OPC1", "main/OPC2"][: len(failed)]
    assert heard.of("VOLUME") == []


# Second stage


def said(shard: int, period: int, **fields: Any) -> Assessment:
    groups: Any = [{"clock_group": "main/OPC1", "server": "main", "points": 4, "samples": 9, "lagging": 0}]
    groups[0] |= {"floor_seconds": 0.1, "mean_seconds": 0.2}
    plain: Assessment = {
        "source": "plant1", "shard": shard, "period": period, "end_time": (period + 1) * 60_000_000, "server_ahead_seconds": None,
        "groups": groups, "scopes": [], "whole": False, "changes": [],
    }  # fmt: skip
    return plain | fields  # type: ignore[return-value]


def test_a_period_is_judged_when_all_shards_have_told_of_it() -> None:
    overview = Overview("plant1", Processors())
    for period in range(100, 105):
        overview.take(said(0, period))
        overview.take(said(1, period))
    overview.take(said(0, 105))
    assert overview.clocks.groups["main/OPC1"].track.periods == [100, 101, 102, 103, 104]
    before = list(overview.clocks.groups["main/OPC1"].track.periods)
    overview.take(said(0, 105))
    assert overview.clocks.groups["main/OPC1"].track.periods == before
    overview.take(said(1, 105))
    assert overview.clocks.groups["main/OPC1"].track.periods == [*before, 105]


def test_a_shard_that_says_nothing_holds_up_the_others_for_two_periods() -> None:
    overview = Overview("plant1", Processors())
    for shard in (0, 1):
        overview.take(said(shard, 100))
    for period in range(101, 110):
        overview.take(said(0, period))
    assert overview.clocks.groups["main/OPC1"].track.periods[-1] == 109


def test_an_assessment_that_comes_again_changes_nothing() -> None:
    one, other = Overview("plant1", Processors()), Overview("plant1", Processors())
    told = [said(shard, period) for period in range(100, 130) for shard in (0, 1)]
    first = [one.take(each) for each in told]
    second = [other.take(each) for each in told for _ in range(2)]
    assert [each for each in first if each != ([], [])] == [each for each in second if each != ([], [])]
    assert one.clocks.groups["main/OPC1"].track == other.clocks.groups["main/OPC1"].track


def change() -> Any:
    return {
        "point_key": "main:1", "tag": "T1", "clock_group": "main/OPC1", "asset": None, "quality_check": "NULL_RATE", "failed": True,
        "value": 1.0, "threshold": 0.05, "from_time": 0, "to_time": 1, "detail": "",
    }  # fmt: skip


def test_what_was_not_told_before_a_crash_counts_when_its_period_is_told_again() -> None:
    overview = Overview("plant1", Processors())
    for period in range(100, 105):
        overview.take(said(0, period))
    for _ in range(2):
        assert overview.take(said(0, 104, changes=[change()])) == ([], [])
    found = [finding for period in range(105, 110) for finding in overview.take(said(0, period))[1]]
    assert [(finding["scope"], finding["state"]) for finding in found] == [("main:1", "FAILED")]


def test_of_a_shard_that_catches_up_the_changes_of_points_still_count() -> None:
    overview = Overview("plant1", Processors())
    for period in range(100, 110):
        overview.take(said(0, period))
    overview.take(said(1, 101, changes=[change()]))
    found = [finding for period in range(110, 116) for finding in overview.take(said(0, period))[1]]
    assert [(finding["scope"], finding["state"]) for finding in found] == [("main:1", "FAILED")]


def test_of_a_shard_that_is_behind_the_others_one_is_told_until_it_is_not() -> None:
    overview = Overview("plant1", Processors())
    for period in range(100, 110):
        overview.take(said(0, period))
    overview.take(said(1, 101))
    assert overview.belated == {1}
    overview.take(said(1, 110))
    assert overview.belated == set()


# Settings that change


def test_what_was_counted_in_periods_of_another_length_is_not_taken_for_ours() -> None:
    overview = Overview("plant1", Processors(period_seconds=10))
    overview.take(said(0, 600, end_time=601 * 10_000_000))
    content = overview.dump()
    assert Overview("plant1", Processors(period_seconds=10)).load(content)
    changed = Overview("plant1", Processors(period_seconds=60))
    assert not changed.load(content)
    changed.take(said(0, 600, end_time=601 * 10_000_000))
    for period in range(100, 103):
        changed.take(said(0, period))
    assert changed.clocks.groups["main/OPC1"].track.periods == [100, 101, 102]


@pytest.mark.parametrize(("before", "after"), [(10, 60), (60, 10)])
def test_a_shard_whose_periods_have_another_length_now_goes_on_with_these(before: int, after: int) -> None:
    first = Heard([point(1)], period_seconds=before)
    first.hear(0, series(1, value(0)))
    later = Heard(period_seconds=after)
    assert later.shard.state.load(dict(first.shard.state.dump()).get)
    later.sequences = dict(first.sequences)
    for second in range(1, 242):
        later.hear(second, series(1, value(second)))
    assert len(later.assessments) == 240 // after
    assert {said["end_time"] for said in later.assessments} >= {micros(120), micros(180), micros(240)}


@pytest.mark.parametrize("period_seconds", [5, 60])
def test_periods_are_as_long_as_configured(period_seconds: int) -> None:
    heard = Heard([point(1)], period_seconds=period_seconds)
    for second in range(121):
        heard.hear(second, series(1, value(second)))
    assert len(heard.assessments) == 120 // period_seconds
    assert heard.assessments[0]["end_time"] == micros(period_seconds)
