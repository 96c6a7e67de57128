"""A bridge process between the plant and the two containers, ended by SIGTERM: what it has committed by then."""

from dataclasses import dataclass

import pytest

from console.plant import Plant
from schemas import wire
from schemas.shards import shard_of
from schemas.topics import LIVE
from tests.containers.committed import (
    VALUE_TOPICS,
    Committed,
    archived_in_scope,
    event_of,
    instant,
    point_key,
    wait_for_coverage,
)
from tests.containers.conftest import Deploy, ReadCommitted
from tests.containers.world import POINTS, SHARDS, Deployment, Registry, wait_until

pytestmark = pytest.mark.containers


@dataclass(frozen=True)
class Drained:
    """A run that is over."""

    deployment: Deployment
    exit_code: int
    committed: Committed


@pytest.fixture(scope="module")
def drained(deploy: Deploy, plant: Plant, read_committed: ReadCommitted) -> Drained:
    deployment = deploy("drained").prepare()
    bridge, committed = deployment.start_bridge(), read_committed(deployment)
    wait_for_coverage(committed, plant, bridge)
    exit_code = bridge.terminate()
    committed.catch_up()
    return Drained(deployment, exit_code, committed)


def test_sigterm_ends_the_bridge_with_exit_code_0(drained: Drained) -> None:
    assert drained.exit_code == 0


def test_the_statements_are_the_archive_tick_by_tick_in_the_covered_ranges(drained: Drained, plant: Plant) -> None:
    stated = drained.committed.stated()
    assert len(stated) == POINTS
    assert all(stated.values())
    assert stated == archived_in_scope(plant, drained.committed)


def test_previews_that_the_archive_kept_are_what_it_has_at_that_tick(drained: Drained, plant: Plant) -> None:
    archive = archived_in_scope(plant, drained.committed)
    kept = 0
    for preview in drained.committed.values(LIVE):
        assert preview.statement is None
        at_that_tick = [event for (ticks, _), event in archive[preview.point_key].items() if ticks == instant(preview)]
        if at_that_tick:  # what compression throws away was a preview all the same
            assert event_of(preview) in at_that_tick
            kept += 1
    assert kept


def test_every_point_of_the_plant_was_seen_live(drained: Drained, plant: Plant) -> None:
    assert drained.committed.previewed_points() == {point_key(point) for point in plant.points()}


def test_sequences_are_dense_up_to_what_progress_says_comes_next(drained: Drained) -> None:
    found = drained.committed.sequences()
    assert found.keys() == {(topic.dataset, shard) for topic in VALUE_TOPICS for shard in range(SHARDS)}
    assert found == {place: list(range(count)) for place, count in drained.committed.next_sequences().items()}


def test_every_frame_lies_in_the_partition_of_its_points(drained: Drained) -> None:
    for placed in drained.committed.frames:
        keys = [series["point_key"] for series in placed.frame["series"]]
        assert keys
        assert {placed.frame["shard"], *(shard_of(key, SHARDS) for key in keys)} == {placed.partition}


def test_frames_name_the_schema_that_their_topic_registered(drained: Drained, registry: Registry) -> None:
    for topic in VALUE_TOPICS:
        named = {wire.split(message.value)[0] for message in drained.committed.messages if message.topic is topic}
        assert named == {registry.latest(topic.subject(drained.deployment.source))["id"]}


def test_sigterm_lets_a_bridge_commit_what_it_has_gathered(deploy: Deploy, plant: Plant, read_committed: ReadCommitted) -> None:
    deployment = deploy("gathering", commit_seconds=3600.0, commit_bytes=60_000_000).prepare()
    bridge, committed = deployment.start_bridge(), read_committed(deployment)
    sent = plant.status()["values_sent_on_channels"]
    wait_until(lambda: plant.status()["values_sent_on_channels"] > sent + 2 * POINTS, "values on the bridge's channels", bridge)
    committed.catch_up()
    assert not committed.frames
    assert bridge.terminate() == 0
    committed.catch_up()
    assert {placed.partition for placed in committed.frames if placed.dataset == LIVE.dataset} == set(range(SHARDS))
