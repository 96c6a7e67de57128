"""The benchmark of the Spark jobs, small: it measures what it says, and a defect leaves no figure."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from benchmarks.bridge.ground import Ground, Void
from benchmarks.spark import growth, latency, throughput
from benchmarks.spark.jobs import Options, layout
from console.stack import Stack
from spark_jobs import refined

pytestmark = pytest.mark.spark
SMALL = Options(values=5_001, rounds=1, rate=600, seconds=2.0)


def test_both_jobs_land_each_value_and_have_figures(stack: Stack, tmp_path: Path) -> None:
    found = throughput.measure_throughput(Ground(stack, tmp_path), SMALL)
    assert found["rows_ratio"]["median"] > 0
    for job in ("frames", "plain"):
        assert found[job]["table"]["rows"] == SMALL.values
        assert found[job]["rss_most_mib"]["median"] > 100 < found[job]["rows_per_second"]["median"]


def test_every_value_of_the_time_measured_has_a_delay(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "WARM_UP_SECONDS", 1.0)
    found = latency.measure_latency(Ground(stack, tmp_path), SMALL)
    assert found["previews_measured"] > 500
    assert 0 < found["delay_p50_seconds"] <= found["delay_p99_seconds"] <= found["delay_most_seconds"]
    assert found["table"]["files_per_million_rows"] > 0 < found["job_rss_most_mib"]


def test_values_that_delta_lacks_or_has_twice_leave_no_delay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_LAST_SECONDS", 0.0)
    rows = {"origin": ["LIVE", "RECORDED", "LIVE"], "via": ["CHANNEL", "READ", "CHANNEL"], "event_time": [1_000_000, 1_000_000, 3_000_000]}
    write_deltalake(tmp_path, pa.table(rows))
    (commit,) = latency._all_of(tmp_path, 0.0, 2)
    assert list(commit.events) == [1.0, 3.0]
    assert len(latency._all_of(tmp_path, 2.0, 1)) == 1
    for wanted in (1, 3):
        with pytest.raises(Void, match=f"PI sent {wanted} values on channels, and 2 of them"):
            latency._all_of(tmp_path, 0.0, wanted)


def test_silver_is_timed_for_appends_and_for_statements_that_overrule(spark: SparkSession, tmp_path: Path) -> None:
    told: list[Any] = []
    growing = growth.Growing(str(tmp_path), "", points=400, rate=40, days=1, day_values=96_000, batches=1, warm_up_batches=0, day_commits=1)
    found = growth.grown(spark, growing, told.append)
    assert [line["figures"]["day"] for line in told] == [1]
    assert found["restated"]["last_day_to_first"] == found["appends"]["last_day_to_first"] == 1
    assert found["silver"]["rows"] > 96_000
    assert found["bronze"]["rows"] > found["silver"]["rows"] + found["previews_open"]
    assert found["previews_open"] > 10_000


_AT = datetime(2026, 1, 1, tzinfo=UTC)
_EVENTS = [("main:1", _AT, 2.5), ("main:1", _AT + timedelta(seconds=1), 1.0), ("main:2", _AT, 1.0)]
_TOLD = [("main:1", _AT, _AT, 1.5), ("main:1", _AT, _AT + timedelta(seconds=5), 2.5)]


@pytest.mark.parametrize(
    ("events", "told", "previews", "problem"),
    [
        (_EVENTS, _TOLD, 1, None),
        (_EVENTS[1:], _TOLD, 1, "pi_timeseries_cleaned has 2 rows"),
        (_EVENTS, _TOLD[1:], 1, "pi_corrections has 1 rows"),
        (_EVENTS, _TOLD, 2, "pi_previews_open has 2 rows"),
        ([("main:1", _AT, 1.5), *_EVENTS[1:]], _TOLD, 1, "1 events of pi_timeseries_cleaned are not as they were corrected"),
    ],
)
def test_silver_that_lacks_something_has_no_figure(events: Any, told: Any, previews: int, problem: str | None, tmp_path: Path) -> None:
    for table, rows, names in (
        (refined.CLEANED, events, ("point_key", "event_time", "value_double")),
        (refined.CORRECTIONS, told, ("point_key", "event_time", "known_time", "value_double")),
        (refined.PREVIEWS_OPEN, [("main:1",)] * previews, ("point_key",)),
    ):
        write_deltalake(table.path(str(tmp_path)), pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))))
    with nullcontext() if problem is None else pytest.raises(Void, match=problem):
        growth.check(str(tmp_path), 3, 2, 1)


@pytest.mark.parametrize("numbers", [[0, 1], [0, 1, 1], [0, 1, 2, 2]])
def test_a_table_that_lacks_a_value_or_has_one_twice_leaves_no_figure(numbers: list[int], tmp_path: Path) -> None:
    class Here:
        class stack:
            warehouse = tmp_path

    job: Any = None
    write_deltalake(
        tmp_path / "name" / "bronze" / "pi_timeseries", pa.table({"value_double": [throughput.value_of(number) for number in numbers]})
    )
    with pytest.raises(Void, match="in place of 3 values"):
        throughput._figures(Here, "name", job, 3, 1.0, 1.0)  # type: ignore[arg-type]
    assert layout(tmp_path / "name" / "bronze" / "pi_timeseries")["rows"] == len(numbers)
