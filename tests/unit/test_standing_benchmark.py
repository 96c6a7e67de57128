"""The benchmark of points that only stand there drives the core as it is."""

import pytest

from benchmarks.standing import Driven, Load, loads


@pytest.mark.parametrize("load", list(loads(100)), ids=lambda load: f"{load.name}, {load.shards}")
def test_every_load_runs_and_commits_what_was_heard(load: Load) -> None:
    driven = Driven(load, 50)
    assert driven.cpu_seconds(3) > 0
    committed = sum(shard.committed_counts.get("live", 0) for shard in driven.shards)
    assert committed >= load.values_per_second * 3 * 0.9
