"""The benchmark of the bridge, small, on real servers: it measures what it says, and a defect leaves no figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.bridge import archive, channels, latency, load, probe, recovery
from benchmarks.bridge.ground import Ground, Options, Void
from bridge.frame import FrameBuilder, Heard
from bridge.samples import PLAIN
from console.stack import Stack

pytestmark = pytest.mark.integration
SMALL = Options(rounds=1, seconds=2.0, values=2000, load_seconds=4.0, points=1000, outage_seconds=2.0)


@pytest.fixture
def ground(stack: Stack, tmp_path: Path) -> Ground:
    return Ground(stack, tmp_path)


async def test_every_shape_of_message_has_figures_of_both_ways(ground: Ground) -> None:
    found = await channels.measure_live(ground, SMALL)
    assert {shape: figures["values"] for shape, figures in found.items()} == {"100 x 1": 2000, "100 x 10": 2000, "1 x 1": 400}
    assert all(figures["cpu_ratio"]["min"] > 0 < figures["peer_values_per_second"]["min"] for figures in found.values())


async def test_a_bridge_that_loses_a_value_has_no_figure(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    previews = FrameBuilder.previews

    def forgets_a_flag(self: FrameBuilder, heard: Sequence[Heard], *more: Any) -> None:
        for _, samples in heard:
            for sample in samples:
                sample.shape = msgspec.structs.replace(sample.shape, flags=PLAIN)
        previews(self, heard, *more)

    monkeypatch.setattr(FrameBuilder, "previews", forgets_a_flag)
    monkeypatch.setattr(channels, "SHAPES", ((100, 1),))
    with pytest.raises(Void, match=r"the bridge, 100 x 1: \d+ values are missing"):
        await channels.measure_live(Ground(ground.stack, ground.directory, "defect_"), SMALL)


async def test_reads_of_every_length_have_figures_of_both_ways(ground: Ground) -> None:
    found = await archive.measure_reads(ground, SMALL)
    assert [figures["values"] for figures in found.values()] == [100_000, 10_000, 2000]
    assert all(figures["cpu_ratio"]["min"] > 0 for figures in found.values())


async def test_several_producers_and_one_deliver_the_same(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "SHARDS", 4)
    found = await channels.measure_producers(ground, Options(rounds=1, values=12_000))
    assert {figures["values"] for figures in found.values()} == {24_000}


async def test_a_batch_and_single_calls_hold_the_same_hour(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LATENCIES", (0.0, 0.001))
    found = await archive.measure_calls(ground, SMALL)
    assert list(found) == ["0 ms a call", "1 ms a call"]
    assert all(figures["values"] > 1000 for figures in found.values())


async def test_every_transaction_of_the_probe_is_read(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PRODUCERS", (2,))
    monkeypatch.setattr(probe, "INTERVALS", (0.1,))
    found = await probe.measure_probe(ground, SMALL)
    assert found["2 x 100 ms"]["commits_per_second"] > 1
    assert found["2 x 100 ms"]["readable"]["p99_ms"] >= found["2 x 100 ms"]["readable"]["p50_ms"] > 0


def test_delays_are_those_of_all_values_that_pi_sent(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "RATES", (100,))
    monkeypatch.setattr(latency, "SETTLE_SECONDS", 3.0)
    found = latency.measure_latency(ground, SMALL)["100 values/s"]
    assert found["bridge"]["values"] > 200
    assert found["bridge"]["p50_ms"] > 0 < found["peer"]["p50_ms"]


def test_an_outage_is_covered_again_with_what_the_archive_holds(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SETTLE_SECONDS", 3.0)
    found = recovery.measure_recovery(ground, SMALL)
    assert found["points"] == 100
    assert found["values_of_the_outage"] > 300
    assert 0 < found["times_real_time_with_start_and_settle"] <= found["times_real_time"]


def test_a_plant_is_watched_and_goes_on_after_kafka_stood_still(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "SETTLE_SECONDS", 3.0)
    monkeypatch.setattr(load, "RATE", 20_000)
    found = load.measure_load(ground, SMALL)
    assert found["steady"]["values_from_channels"] > 300
    assert found["steady"]["cores"]["min"] > 0
    assert found["kafka_stopped"]["rss_most_mib"] > 1
