"""What a worker takes over with a shard, and what it leaves behind: messages that come again, topics that begin again, the last writing."""

from typing import Any

import pytest

from schemas import wire
from schemas.topics import INCIDENTS
from tests.unit.stream_processors.test_worker import Driven, assessments, frames, overseen
from tests.unit.stream_processors.world import HOUR, micros, point


@pytest.fixture
def driven() -> Driven:
    return Driven()


def test_garbage_that_is_read_again_explains_no_hole_behind_it() -> None:
    made = list(frames(6))
    first = Driven()
    first.take(made[0][1], 0)
    first.take(b"garbage", 1)
    first.take(made[1][1], 2)
    first.take(b"the last one", 3)
    first.work()
    first.write()
    later = Driven(store=first.store)
    for offset, content in ((0, made[0][1]), (1, b"garbage"), (2, made[1][1]), (3, b"the last one"), (8, made[4][1])):
        later.take(content, offset)
    later.work()
    (incident,) = later.of(INCIDENTS)
    assert (incident["from_sequence"], incident["to_sequence"]) == (2, 4)


def test_sequences_that_step_back_are_an_incident_and_judged_and_told_once() -> None:
    made = [frame for _, frame in frames(6)]
    first = Driven()
    for offset, frame in enumerate([*made[:5], *made[1:]]):
        first.take(frame, offset)
    first.work()
    first.write()
    (incident,) = first.of(INCIDENTS)
    assert (incident["incident_id"], incident["kind"]) == ("repeated-pi.plant1.live-3-5-5-1", "SEQUENCE_REPEATED")
    assert first.figure("pibridge_processors_frames_total", dataset="live", outcome="judged") == 10
    again = Driven(store=first.store)
    for offset, frame in enumerate([*made[:5], *made[1:]]):
        again.take(frame, offset)
    again.work()
    assert again.of(INCIDENTS) == []
    assert again.figure("pibridge_processors_frames_total", dataset="live", outcome="repeated") == 10


def test_a_topic_that_was_created_anew_is_judged_from_its_beginning() -> None:
    made = [frame for _, frame in frames(6)]
    first = Driven()
    for offset, frame in enumerate(made):
        first.take(frame, offset)
    first.work()
    first.write()
    for end, judged in ((6, 0), (4, 4)):
        later = Driven(store=dict(first.store), ends=end)
        for offset, frame in enumerate(made[:4]):
            later.take(frame, offset)
        later.work()
        assert later.figure("pibridge_processors_frames_total", dataset="live", outcome="judged") == judged
        assert later.of(INCIDENTS) == []


def test_incidents_that_are_closed_are_not_kept_but_for_the_ids_of_holes(driven: Driven) -> None:
    told: Any = {name: None for name in (field["name"] for field in wire.raw_schema("incident")["fields"])}
    told |= {"kind": "CHANNEL_LOST", "from_time": 0, "to_time": 1, "opened_time": 0, "points": 0, "point_keys": []}
    for number in range(3):
        driven.worker.incident(told | {"incident_id": f"{number}", "state": "REPAIRED"})
    for number in range(2):
        driven.worker.incident(told | {"incident_id": f"{number}", "state": "CLOSED"})
    driven.worker.load(4, driven.store.get, {}, {})
    assert [list(driven.worker._owned[shard].shard.state.our_gaps) for shard in (3, 4)] == [["0", "1", "2"], ["2"]]


def test_what_a_topic_says_of_a_point_that_does_not_hold_any_more_is_no_change_at_a_take_over(driven: Driven) -> None:
    driven.write()
    other = Driven((), store=driven.store)
    other.worker.load(3, other.store.get, {}, {})
    for point_type in ("Float32", "Digital", "Float64"):
        other.worker.point(3, point(1, point_type=point_type))
    assert other.worker.informed_shards == set()
    other.worker.informed(3)
    other.worker.informed(3)
    assert other.worker.informed_shards == {3}
    assert other.worker._owned[3].shard.state.changes == []
    other.worker.point(3, point(1, point_type="Digital"))
    (change,) = other.worker._owned[3].shard.state.changes
    assert change["detail"] == "type and digital set Digital/ in place of Float64/"


def test_nothing_is_judged_once_all_is_to_be_written_for_the_last_time(driven: Driven) -> None:
    for offset, made in frames(4):
        driven.take(made, offset)
    driven.worker.rest()
    assert driven.work() == []
    assert overseen(driven, assessments(3)) == []
    driven.write()
    assert (driven.acknowledged, driven.worker.checkpoint_overview()) == ([], None)


def test_no_period_is_closed_once_all_is_to_be_written_for_the_last_time(driven: Driven) -> None:
    for offset, made in frames(4):
        driven.take(made, offset)
    driven.work()
    driven.worker.rest()
    assert driven.worker.close_periods(micros(HOUR), driven.moment) == []
