"""The benchmark of the Spark jobs, small: it measures what it says, and a defect leaves no figure."""

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
from schemas.config import Lakehouse
from spark_jobs import silver

pytestmark = pytest.mark.spark
SMALL = Options(values=5_001, rounds=1, rate=600, seconds=2.0, days=2, day_values=96_000)


def lakehouse(root: Path) -> Lakehouse:
    return Lakehouse(warehouse=str(root / "warehouse"), checkpoints=str(root / "checkpoints"))


def test_both_jobs_land_each_value_and_have_figures(stack: Stack, tmp_path: Path) -> None:
    found = throughput.measure_throughput(Ground(stack, tmp_path), SMALL)
    assert found["rows_ratio"]["median"] > 0
    for job in ("frames", "plain"):
        assert found[job]["table"]["rows"] == SMALL.values
        assert found[job]["rss_most_mib"]["median"] > 100 < found[job]["rows_per_second"]["median"]


def test_every_value_of_the_time_measured_has_a_delay(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "WARM_UP_SECONDS", 0.4)
    found = latency.measure_latency(Ground(stack, tmp_path), SMALL)
    assert found["rows_measured"] > 500
    assert 0 < found["delay_p50_seconds"] <= found["delay_p99_seconds"]
    assert found["table"]["files_per_million_rows"] > 0 < found["rss_most_mib"]


def test_silver_is_timed_for_appends_and_for_statements_that_overrule(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "BATCHES", 1)
    found = growth.grown(spark, lakehouse(tmp_path), 400, SMALL)
    assert list(found["days"]) == ["day 1", "day 2"]
    assert found["values_an_hour"] == 10
    assert found["restated"]["last_day_to_first"] > 0 < found["appends"]["last_day_to_first"]
    assert found["silver"]["rows"] == 2 * (400 * 24 * 10 + 2 * 20 * 1)


def test_events_that_silver_does_not_have_leave_no_figure(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silver.Silver, "_append", lambda *_: None)
    monkeypatch.setattr(growth, "BATCHES", 1)
    with pytest.raises(Void):
        growth.grown(spark, lakehouse(tmp_path), 100, Options(days=1, day_values=2_400))


@pytest.mark.parametrize("numbers", [[0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 1.0, 2.0, 2.0]])
def test_a_table_that_lacks_a_value_or_has_one_twice_leaves_no_figure(numbers: list[float], tmp_path: Path) -> None:
    class Here:
        class stack:
            warehouse = tmp_path

    job: Any = None
    write_deltalake(tmp_path / "name" / "bronze" / "pi_timeseries", pa.table({"value_double": numbers}))
    with pytest.raises(Void, match="in place of 3 values"):
        throughput._figures(Here, "name", job, 3, 1.0, 1.0)  # type: ignore[arg-type]
    assert layout(tmp_path / "name" / "bronze" / "pi_timeseries")["rows"] == len(numbers)
