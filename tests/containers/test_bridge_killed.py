"""`kill -9` of the bridge, and a new one after it: what was lost in between is made good, and nothing is there twice."""

import time
from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import pytest

from bridge.progress import CLOCK_BITS
from console.plant import Plant
from schemas.records import Incident
from schemas.times import TICKS_PER_SECOND
from tests.containers.committed import VALUE_TOPICS, Committed, archived_in_scope, wait_for, wait_for_coverage
from tests.containers.conftest import Deploy, ReadCommitted
from tests.containers.world import POINTS, SHARDS

pytestmark = pytest.mark.containers


@dataclass(frozen=True)
class Killed:
    """Two runs of one deployment: the first was killed, the second drained."""

    committed: Committed
    frames_before: int
    """So many frames were committed by the first."""
    epochs_before: dict[int, int]
    """By shard, at the kill."""
    down: tuple[int, int]
    """When no bridge ran, in ticks."""
    exit_code: int
    """Of the second."""


def versions(committed: Committed, shard: int) -> list[Incident]:
    """What was published of the BRIDGE_DOWN incidents of a shard."""
    return [incident for incident in committed.incidents if incident["kind"] == "BRIDGE_DOWN" and incident["shard"] == shard]


def closed(committed: Committed) -> bool:
    """True if each shard had such an incident and closed it."""
    return all(any(version["state"] == "CLOSED" for version in versions(committed, shard)) for shard in range(SHARDS))


def ticks_now() -> int:
    return time.time_ns() // (1_000_000_000 // TICKS_PER_SECOND)


@pytest.fixture(scope="module")
def killed(deploy: Deploy, plant: Plant, read_committed: ReadCommitted) -> Killed:
    deployment = deploy("killed").prepare()
    first, committed = deployment.start_bridge(), read_committed(deployment)
    wait_for_coverage(committed, plant, first)
    first.kill()
    killed_at = ticks_now()
    epochs = {shard: record["epoch"] for shard, record in committed.shards.items()}
    while sum((point.newest_archived or 0) > killed_at for point in plant.points()) < 3:
        time.sleep(0.2)
    second, restarted_at = deployment.start_bridge(), ticks_now()

    def made_good() -> bool:
        beyond = sum(held[-1].end > restarted_at for held in committed.ledger().values())
        return closed(committed) and beyond > POINTS // 2

    wait_for(committed, made_good, "BRIDGE_DOWN closed for each shard, and most points covered beyond it", second)
    exit_code = second.terminate()
    committed.catch_up()
    before = sum(placed.frame["epoch"] <= epochs[placed.partition] for placed in committed.frames)
    return Killed(committed, before, epochs, (killed_at, restarted_at), exit_code)


def test_the_epoch_of_each_shard_grows(killed: Killed) -> None:
    assert 0 < killed.frames_before < len(killed.committed.frames)
    assert set(killed.epochs_before) == set(range(SHARDS))
    for shard, before in killed.epochs_before.items():
        assert killed.committed.shards[shard]["epoch"] > before
        epochs = [placed.frame["epoch"] for placed in killed.committed.frames if placed.partition == shard]
        assert max(epochs) > before


def test_epochs_and_clocks_only_grow_along_each_partition(killed: Killed) -> None:
    for place in killed.committed.sequences():
        frames = [placed.frame for placed in killed.committed.frames if (placed.dataset, placed.partition) == place]
        clocks = [frame["clock"] for frame in frames]
        assert clocks == sorted(set(clocks))
        assert [clock >> CLOCK_BITS for clock in clocks] == [frame["epoch"] for frame in frames]


def test_sequences_stay_dense_across_the_kill(killed: Killed) -> None:
    found = killed.committed.sequences()
    assert found.keys() == {(topic.dataset, shard) for topic in VALUE_TOPICS for shard in range(SHARDS)}
    assert found == {place: list(range(count)) for place, count in killed.committed.next_sequences().items()}


def test_nothing_is_committed_twice(killed: Killed) -> None:
    times = Counter(
        (placed.dataset, placed.partition, placed.frame["epoch"], placed.frame["sequence"]) for placed in killed.committed.frames
    )
    assert not [frame for frame, count in times.items() if count > 1]


def test_each_shard_opens_a_bridge_down_incident_and_closes_it(killed: Killed) -> None:
    begin, end = (ticks // 10 for ticks in killed.down)
    named = set()
    for shard in range(SHARDS):
        states = [version["state"] for version in versions(killed.committed, shard)]
        assert states == ["OPENED", "REPAIRED", "CLOSED"]
        opened, _, last = versions(killed.committed, shard)
        assert opened["incident_id"] == last["incident_id"]
        assert opened["from_time"] <= begin, "the blind interval begins with the last sign of life"
        assert last["to_time"] is not None
        assert last["to_time"] >= end
        assert last["points"] == len(last["point_keys"]) > 0
        named.update(last["point_keys"])
    assert named == killed.committed.ledger().keys()


def test_what_was_archived_while_no_bridge_ran_is_stated(killed: Killed, plant: Plant) -> None:
    stated, archive = killed.committed.stated(), archived_in_scope(plant, killed.committed)
    begin, end = killed.down
    assert sum(begin <= ticks < end for events in archive.values() for ticks, _ in events) > 0
    assert len(stated) == POINTS
    assert stated == archive


def test_the_order_of_overruling_tells_any_two_overlapping_statements_apart(killed: Killed) -> None:
    tied = [
        (key, one, other)
        for key, statements in killed.committed.statements().items()
        for one, other in combinations(statements, 2)
        if (one.as_of_clock, one.clock) == (other.as_of_clock, other.clock) and one.begin < other.end and other.begin < one.end
    ]
    assert not tied


def test_the_second_bridge_ends_with_exit_code_0(killed: Killed) -> None:
    assert killed.exit_code == 0
