"""The benchmark of the processors, small, on real servers: all three ways find the same, and a value that changed leaves no figure."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.bridge.ground import Ground, Void
from benchmarks.processors import frames, throughput
from benchmarks.processors.throughput import Options
from console.stack import Stack
from schemas.records import ValueFrame

pytestmark = pytest.mark.integration
SMALL = Options(rounds=1, values=20_000, single_values=4000)


def test_ours_faust_one_by_one_and_a_bare_loop_find_the_same(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "STEP_SECONDS", 2.0)
    found = throughput.measure_mixed(Ground(stack, tmp_path, "small_"), SMALL)
    assert (found["late_records"], found["periods"]) == (8, 12)
    assert all(found[way]["values_per_cpu_second"]["min"] > 0 for way in ("ours", "faust", "bare"))


def test_a_value_that_changed_on_the_way_leaves_no_figure(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frames.frames

    def one_is_on_time(*arguments: Any, **named: Any) -> Iterator[ValueFrame]:
        for frame in whole(*arguments, **named):
            for series in frame["series"]:
                for sample in series["samples"]:
                    if frame["sequence"] == frames.LATE_IN - 1 and frame["shard"] == 1:
                        cast(Any, sample)["event_time"] = frame["received_time"] - 200_000
            yield frame

    monkeypatch.setattr(throughput, "frames", one_is_on_time)
    monkeypatch.setattr(throughput, "SETTLE_SECONDS", 3.0)
    with pytest.raises(Void, match="ours: late values: 0 are too many, 1 are missing"):
        throughput.measure_plain(Ground(stack, tmp_path, "changed_"), SMALL)
