"""What an incarnation takes over, and what it puts into its transactions."""

import pytest

from bridge import progress
from bridge.errors import NotReady
from bridge.incarnation import Incarnation, Record
from schemas.records import Progress
from tests.unit.bridge.world import SECOND, at, config, covered, incarnation, moment, point, sample, setting


def left_by(owner: Incarnation, records: list[Record]) -> list[tuple[str, Progress | None]]:
    """What a reader of `progress` finds after these transactions."""
    return [(record.key or "", record.value) for record in records if record.topic.dataset == "progress"]


def owner_with_coverage() -> tuple[Incarnation, list[Record]]:
    """An owner whose point is covered to 09:00, and its last transaction, at 10:00."""
    owner = incarnation(1)
    owner.coverage["main:1"] = covered("00:00", "09:00")
    owner.changed("main:1")
    return owner, owner.transaction(moment("10:00"))


def states(records: list[Record]) -> list[tuple[str, str]]:
    return [(record.value["kind"], record.value["state"]) for record in records if record.topic.dataset == "incidents"]


def test_frames_and_the_progress_that_they_imply_are_in_one_transaction() -> None:
    owner = incarnation(1)
    owner.coverage["main:1"] = covered("00:00", "09:00")
    owner.previews([(point(1), [sample(at("08:30"))])], "CHANNEL", moment("10:00"))
    topics = [(record.topic.dataset, record.key) for record in owner.transaction(moment("10:00"))]
    assert topics == [("live", None), ("progress", "main:1"), ("progress", "shard")]


def test_the_next_owner_goes_on_with_coverage_sequences_and_a_higher_epoch() -> None:
    owner, _ = owner_with_coverage()
    owner.previews([(point(1), [sample(at("09:30"))])], "CHANNEL", moment("10:00"))
    owner.changed("main:1")
    successor = incarnation(1, now="10:20", left=left_by(owner, owner.transaction(moment("10:01"))))
    assert successor.state.epoch == owner.state.epoch + 1
    assert successor.state.sequences == {"live": 1}
    assert (successor.coverage["main:1"].low, successor.coverage["main:1"].high) == (at("00:00"), at("09:00"))


def test_a_hand_over_is_an_incident_that_closes_when_the_blind_interval_was_read() -> None:
    owner, records = owner_with_coverage()
    successor = incarnation(1, now="10:20", left=left_by(owner, records))
    assert states(successor.announcement(moment("10:20"))) == [("BRIDGE_DOWN", "OPENED")]
    (ear,) = successor.hearing.new_ears(moment("10:20"))
    ear.opened(moment("10:21"))
    assert states(successor.transaction(moment("10:21"))) == [("BRIDGE_DOWN", "REPAIRED")]
    successor.coverage["main:1"].dirty.clear()
    successor.coverage["main:1"].blind = None
    successor.changed("main:1")
    assert states(successor.transaction(moment("10:30"))) == [("BRIDGE_DOWN", "CLOSED")]


def test_an_incident_of_the_owner_before_stays_open_until_the_hand_over_made_good_what_it_hid() -> None:
    owner, _ = owner_with_coverage()
    (ear,) = owner.hearing.new_ears(moment("10:00"))
    ear.opened(moment("10:00"))
    ear.lost("cut", moment("10:01"))
    left = left_by(owner, [*owner_with_coverage()[1], *owner.transaction(moment("10:01"))])
    successor = incarnation(1, now="10:20", left=left)
    assert ("CHANNEL_LOST", "CLOSED") not in states(successor.announcement(moment("10:20")))


def test_the_sign_of_life_is_not_later_than_the_last_message_of_a_channel_that_may_be_dead() -> None:
    owner = incarnation(1)
    (ear,) = owner.hearing.new_ears(moment("10:00"))
    ear.opened(moment("10:00"))
    ear.message(b'{"Items":[]}', moment("10:00:10"))
    owner.transaction(moment("10:00:25"))
    assert owner.state.alive_at == at("10:00:10")


def test_before_a_channel_was_ever_opened_the_sign_of_life_does_not_move() -> None:
    owner = incarnation(1)
    owner.transaction(moment("10:00:20"))
    assert owner.state.alive_at == at("10:00")
    owner.hearing.new_ears(moment("10:00:20"))
    owner.transaction(moment("10:00:40"))
    assert owner.state.alive_at == at("10:00")


def test_a_commit_waits_for_its_time_or_its_size() -> None:
    owner = incarnation(1, settings=config(commit_seconds=0.2, commit_bytes=10_000))
    now = moment("10:00", seconds=50.0)
    owner.committed(now)
    assert not owner.due(now, 0.05)
    owner.previews([(point(1), [sample(at("09:30"))])], "CHANNEL", now)
    assert not owner.due(now, 0.05)
    assert owner.due(now._replace(seconds=50.16), 0.05)
    owner.transaction(now)
    owner.previews([(point(1), [sample(at("09:30") + n * SECOND) for n in range(200)])], "CHANNEL", now)
    assert owner.due(now, 0.05)


def test_what_is_on_its_way_to_kafka_counts_as_waiting_until_it_is_committed() -> None:
    owner = incarnation(1, settings=config(waiting_bytes=5_000))
    owner.previews([(point(1), [sample(at("09:30") + n * SECOND) for n in range(200)])], "CHANNEL", moment("10:00"))
    assert owner.overloaded()
    owner.transaction(moment("10:00"))
    assert owner.overloaded()
    assert owner.reads.next(moment("10:00")) is None
    owner.committed(moment("10:00"))
    assert not owner.overloaded()


@pytest.mark.parametrize("change", ["topic", "shards"])
def test_recreated_topics_and_another_number_of_shards_are_refused(change: str) -> None:
    owner, records = owner_with_coverage()
    told = setting()
    topics = {dataset: (topic_id + "x", n) if change == "topic" else (topic_id, n + 1) for dataset, (topic_id, n) in told.topics.items()}
    with pytest.raises(NotReady):
        Incarnation(type(told)(0, told.config, topics, told.chance), {}, progress.left(left_by(owner, records), ()), moment("10:20"))


def test_a_transaction_does_not_change_after_it_was_handed_out() -> None:
    owner = incarnation(1)
    owner.coverage["main:1"] = covered("00:00", "09:00")
    (ear,) = owner.hearing.new_ears(moment("10:00"))
    ear.opened(moment("10:00"))
    ear.lost("cut", moment("10:01"))
    shard = owner.transaction(moment("10:01"))[-1].value["shard"]
    ear.opened(moment("10:02"))
    assert shard["incidents"][0]["to_time"] is None
