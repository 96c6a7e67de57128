"""Progress records: what a shard writes, its next owner reads."""

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from bridge import progress
from bridge.coverage import PointCoverage
from bridge.progress import ShardState
from bridge.rules import Mark
from bridge.sums import Span, Sums
from bridge.watermarks import Watermarks, ages_of
from schemas import wire
from schemas.records import OpenIncident, Progress
from tests.unit.bridge.world import RULES, at, covered, hour

OPEN: OpenIncident = {
    "incident_id": "lost",
    "kind": "CHANNEL_LOST",
    "opened_time": 5,
    "from_time": 4,
    "to_time": None,
    "points": 1,
    "point_keys": ["main:1"],
    "detail": "channel of 1 points: gone",
}


def over_the_wire(record: Progress) -> Progress:
    """The record as its reader gets it."""
    _, body = wire.split(wire.encode(1, wire.schema("progress"), cast(dict[str, Any], record)))
    return cast(Progress, wire.decode(body, wire.schema("progress")))


def restored(point: PointCoverage) -> PointCoverage:
    record = progress.point_record(point, RULES.ages)
    assert record is not None
    read = over_the_wire(record)["point"]
    assert read is not None
    return progress.restored(read, RULES.ages)


def test_a_point_that_was_never_read_has_no_record() -> None:
    assert progress.point_record(PointCoverage("main:1", 0), RULES.ages) is None


def test_coverage_comes_back_to_the_tick() -> None:
    point = PointCoverage("main:1", at("00:00", 3), at("06:00", 1), at("09:00", 9), as_of=at("09:02"), snapshot=at("09:01", 7))
    heir = restored(point)
    assert (heir.start, heir.low, heir.high) == (at("00:00", 3), at("06:00", 1), at("09:00", 9))
    assert (heir.as_of, heir.snapshot) == (at("09:02"), at("09:01", 7))


def test_dirty_hours_come_back_with_their_incident() -> None:
    point = covered("06:00", "09:00")
    point.mark(hour("07:00"), at("09:10"), "lost")
    point.mark(hour("06:00"), at("09:11"), None)
    heir = restored(point)
    assert {key: mark.cause for key, mark in heir.dirty.items()} == {hour("07:00"): "lost", hour("06:00"): None}
    assert heir.owes("lost")


@given(st.integers(0, 9))
def test_a_mark_never_comes_back_earlier_than_it_was_made(more: int) -> None:
    point = covered("06:00", "09:00")
    point.mark(hour("07:00"), at("09:10", more), None)
    assert restored(point).dirty[hour("07:00")].marked > at("09:10", more)


def test_what_only_an_answer_could_pay_is_still_due_after_a_hand_over() -> None:
    point = covered("06:00", "09:00")
    point.mark(hour("07:00"), at("09:10"), None)
    read = restored(point).next_read(at("09:20"), RULES)
    assert read is not None
    assert (read.begin, read.end) == (at("07:00"), at("08:00"))


def test_the_start_that_the_first_read_found_is_not_forgotten() -> None:
    record = progress.point_record(PointCoverage("main:1", at("02:10"), at("06:00"), at("09:00")), RULES.ages)
    assert record is not None
    assert record["point"] is not None
    assert progress.restored(record["point"], RULES.ages).start == at("02:10")


def test_a_shards_state_comes_back_and_its_clock_count_begins_anew() -> None:
    state = ShardState(5, 12, epoch=7, alive_at=at("09:00"), topic_ids={"live": "abc"}, incidents={"lost": OPEN})
    for _ in range(3):
        state.take_clock()
    state.take_sequence("live")
    state.take_sequence("live")
    state.take_sequence("recorded")
    record = over_the_wire(state.record())["shard"]
    assert record is not None
    assert record["clock"] == (7 << 40) + 3
    heir = progress.shard_state(record)
    assert heir == ShardState(
        5, 12, epoch=7, alive_at=at("09:00"), topic_ids={"live": "abc"}, incidents={"lost": OPEN}, sequences={"live": 2, "recorded": 1}
    )
    heir.epoch += 1
    assert heir.take_clock() > record["clock"]


def test_a_clock_is_never_given_twice() -> None:
    state = ShardState(5, 12, epoch=2)
    clocks = [state.take_clock() for _ in range(100)]
    assert clocks == sorted(set(clocks))


def test_the_record_is_a_copy_that_later_counting_does_not_change() -> None:
    state = ShardState(5, 12)
    state.take_sequence("live")
    record = state.record()
    state.take_sequence("live")
    assert record["shard"] is not None
    assert record["shard"]["sequences"] == {"live": 1}


def test_the_newest_record_of_each_key_holds_and_a_tombstone_removes_it() -> None:
    def point(key: str, high: str) -> tuple[str, Progress | None]:
        covering = covered("06:00", high)
        covering.point_key = key
        return key, progress.point_record(covering, RULES.ages)

    first, second = ShardState(5, 12, epoch=1), ShardState(5, 12, epoch=2)
    shard, points = progress.left(
        [
            ("shard", first.record()),
            point("main:1", "07:00"),
            point("main:2", "07:00"),
            point("main:1", "08:00"),
            ("shard", second.record()),
            ("main:2", None),
            ("main:3", None),
        ],
        RULES.ages,
    )
    assert shard is not None
    assert shard["epoch"] == 2
    assert {key: point.high for key, point in points.items()} == {"main:1": at("08:00")}


def test_an_empty_partition_is_a_shard_that_was_never_owned() -> None:
    assert progress.left([], RULES.ages) == (None, {})


def test_marks_are_tuples_that_compare_by_value() -> None:
    assert Mark(1, None) == (1, None)


def test_watermarks_digests_and_ranges_whose_archive_was_away_come_back() -> None:
    ages = ages_of((7200.0, 86_400.0))
    point = covered("06:00", "09:00")
    point.watermarks = Watermarks(ages, at("09:00"))
    point.watermarks.read(at("06:00"), at("07:00"), at("06:00"), at("09:30"), ages)
    point.sums = Sums([Span(at("06:00"), at("07:00"), 5), Span(at("07:00"), at("08:30", 1), (1 << 63) - 1)])
    point.mark(hour("07:00"), at("09:01"), "lost")
    point.aways = point.aways.add(at("05:00"), at("06:00"), at("23:00"))
    record = progress.point_record(point, ages)
    assert record is not None
    read = over_the_wire(record)["point"]
    assert read is not None
    heir = progress.restored(read, ages)
    assert heir.watermarks.marks == point.watermarks.marks
    assert heir.sums.spans == point.sums.spans
    assert heir.aways.ranges == point.aways.ranges
    assert heir.owes("lost")


def test_an_age_that_is_new_in_the_configuration_counts_from_the_newest_forward_read() -> None:
    point = covered("06:00", "09:00", as_of="10:00")
    record = progress.point_record(point, ())
    assert record is not None
    assert record["point"] is not None
    heir = progress.restored(record["point"], ages_of((7200.0,)))
    assert list(heir.watermarks.marks) == [at("08:00")]


def test_what_is_known_of_event_queues_comes_back() -> None:
    state = ShardState(3, 12, archived_until={"main": at("09:00"), "other": at("08:00")}, stuck_queues={"main": at("09:00")})
    shard = over_the_wire(state.record())["shard"]
    assert shard is not None
    assert progress.shard_state(shard).stuck_queues == {"main": at("09:00")}
    assert progress.shard_state(shard).archived_until == {"main": at("09:00"), "other": at("08:00")}
