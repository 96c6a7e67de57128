"""Seconds of silver a batch as bronze grows day by day: bronze is written directly (`growing.py`), silver is the job's own.

    python -m benchmarks.spark.growth SETTINGS       one number of points, in a process of its own; lines of JSON on stdout

Before the first day that counts, some batches are thrown away: Java compiles what it runs. A day's bulk lies behind all that silver has, as
a back-fill brings it; then come small batches, pure appends first, then with 1 % of the statements once more about hours of the archive.
Each has its previews. Between two days the tables are kept as the job does it. A batch's seconds are Spark's own, with what it takes to
find out what is new.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from benchmarks.bridge.ground import Ground, Json, Void, say, spread
from benchmarks.spark.growing import SOURCE, Bronze
from benchmarks.spark.jobs import Options, layout, started
from schemas.config import Lakehouse
from spark_jobs import maintain, refine, silver, tables
from spark_jobs.destination import ByPath
from spark_jobs.refined import CLEANED, CORRECTIONS, PREVIEWS_OPEN, SILVER
from spark_jobs.session import session
from spark_jobs.storage import Storage

POINTS = (10_000, 100_000)
BATCHES, WARM_UP_BATCHES = 5, 3
_LOOK_SECONDS, _TELL_SECONDS = 5.0, 30.0
_EVENT = ["point_key", "event_time"]


@dataclass(frozen=True)
class Growing:
    """What one process measures."""

    root: str
    class_path: str
    points: int
    rate: int
    days: int
    day_values: int
    batches: int = BATCHES
    warm_up_batches: int = WARM_UP_BATCHES
    day_commits: int = 24

    def lakehouse(self) -> Lakehouse:
        """Tables and checkpoints below the root; as a user has it, but for the cores."""
        settings = {"spark.master": "local[2]", "spark.driver.extraClassPath": self.class_path}
        return Lakehouse(warehouse=f"{self.root}/warehouse", checkpoints=f"{self.root}/checkpoints", spark=settings)


def measure_growth(ground: Ground, options: Options) -> Json:
    """Seconds of silver a batch for 10,000 and 100,000 points, pure appends and with 1 % re-statements, as bronze grows day by day."""
    found: Json = {}
    for points in POINTS:
        growing = Growing(
            str(ground.directory / f"growth{points}"), ground.stack.spark_class_path, points, options.rate, options.days, options.day_values
        )
        found[f"{points:,} points".replace(",", " ")] = _in_a_process(ground, growing)
    return found


def _in_a_process(ground: Ground, growing: Growing) -> Json:
    """The figures, told of as they come. Raises Void."""
    name, told = f"growth-{growing.points}", 0
    with started(ground, name, "benchmarks.spark.growth", json.dumps(asdict(growing))) as job:
        while job.process.poll() is None:
            time.sleep(_LOOK_SECONDS)
            days = [line for line in job.lines() if line["event"] == "day"]
            for day in days[told:]:
                say(f"{growing.points} points, {day['figures']}")
            told = len(days)
    ends = {line["event"]: line for line in job.lines() if line["event"] in ("void", "grown")}
    if "void" in ends:
        raise Void(ends["void"]["problem"])
    if job.process.returncode:
        raise Void(f"the measuring ended with exit code {job.process.returncode}; its log is {job.log_path}")
    figures: Json = ends["grown"]["figures"]
    return figures | {"rss_most_mib": job.rss_most_bytes >> 20}


def grown(spark: SparkSession, growing: Growing, tell: Callable[[Json], None]) -> Json:
    """The figures. Raises Void unless silver has each event once at the end, each correction, and the previews that are open."""
    lakehouse = growing.lakehouse()
    warehouse = str(lakehouse.warehouse)
    bronze = Bronze(spark, warehouse, growing.points, growing.rate, growing.day_values, growing.day_commits)
    job = Refining(spark, lakehouse, warehouse)
    days: list[Json] = []

    def batch(restates: bool) -> float:
        bronze.batch(restates)
        return job.seconds()

    for day in range(growing.days):
        bronze.day()
        figures: Json = {"bulk_seconds": round(job.seconds(), 1)}
        if day == 0:
            for number in range(2 * growing.warm_up_batches):
                batch(number % 2 == 1)
        for kind, restates in (("appends_seconds", False), ("restated_seconds", True)):
            figures[kind] = spread(batch(restates) for _ in range(growing.batches))
        began = time.monotonic()
        _keep(spark, warehouse)
        days.append(figures | {"upkeep_seconds": round(time.monotonic() - began, 1)})
        tell({"event": "day", "figures": {"day": day + 1} | days[-1]})
    check(warehouse, bronze.events, bronze.restatements, bronze.open_previews)
    return {
        "values_an_hour_of_the_archive": bronze.hourly,
        "values_per_second_of_the_present": growing.rate,
        "previews_open": bronze.open_previews,
        "points_sealed_each": bronze.turns,
        "days": {f"day {number}": figures for number, figures in enumerate(days, 1)},
        "appends": _flatness(days, "appends_seconds"),
        "restated": _flatness(days, "restated_seconds"),
        "silver": layout(Path(CLEANED.path(warehouse))),
        "bronze": layout(Path(tables.TIMESERIES.path(warehouse))),
    }


def _keep(spark: SparkSession, warehouse: str) -> None:
    destination = ByPath(spark, Storage(spark), warehouse)
    for table in (tables.TIMESERIES, tables.COVERAGE, *SILVER):
        maintain.kept(destination, table)


def check(warehouse: str, events: int, corrections: int, previews: int) -> None:
    """Raises Void unless silver has so many rows, and each event the value that its newest correction tells of."""
    for table, wanted in ((CLEANED, events), (CORRECTIONS, corrections), (PREVIEWS_OPEN, previews)):
        if (rows := DeltaTable(table.path(warehouse)).to_pyarrow_dataset().count_rows()) != wanted:
            raise Void(f"{table.name} has {rows} rows, and should have {wanted}")
    told = DeltaTable(CORRECTIONS.path(warehouse)).to_pyarrow_table(columns=[*_EVENT, "known_time", "value_double"]).sort_by("known_time")
    newest = {(row["point_key"], row["event_time"]): row["value_double"] for row in told.to_pylist()}
    about = ds.field("event_time").isin(pc.unique(told["event_time"]))
    rows = DeltaTable(CLEANED.path(warehouse)).to_pyarrow_dataset().to_table(columns=[*_EVENT, "value_double"], filter=about)
    shown = {(row["point_key"], row["event_time"]): row["value_double"] for row in rows.to_pylist()}
    if wrong := [event for event, value in newest.items() if shown.get(event) != value]:
        raise Void(f"{len(wrong)} events of {CLEANED.name} are not as they were corrected, such as {wrong[0]}")


def _flatness(days: list[Json], kind: str) -> Json:
    """The median of the last day beside that of the first."""
    first, last = days[0][kind]["median"], days[-1][kind]["median"]
    return {"first_day_seconds": first, "last_day_seconds": last, "last_day_to_first": round(last / first, 2)}


class Refining(StreamingQueryListener):
    """The job of silver, run for what bronze has by now; hears from Spark how long its batches took."""

    def __init__(self, spark: SparkSession, lakehouse: Lakehouse, warehouse: str) -> None:
        self._took, self._ended, self._stop = list[float](), threading.Event(), threading.Event()
        planned = refine.planned(spark, lakehouse, warehouse, self._stop)
        self._refinery = next(one for one in planned if one.name == silver.NAME)
        refine.prepare(spark, self._refinery, warehouse, SOURCE)
        spark.streams.addListener(self)

    def seconds(self) -> float:
        """Refines, and says how long the batch took. Raises Void if it was not one batch."""
        self._took.clear()
        self._ended.clear()
        refine.run_one(self._refinery, True, self._stop)
        if not self._ended.wait(_TELL_SECONDS) or len(self._took) != 1:
            raise Void(f"Spark tells of {len(self._took)} batches in place of one")
        return self._took[0]

    def onQueryStarted(self, event: QueryStartedEvent) -> None:
        """Nothing is to be done."""

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        """A batch is over."""
        if event.progress.numInputRows:
            self._took.append(event.progress.batchDuration / 1000)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:
        """Nothing is to be done."""

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:
        """All has been told of."""
        self._ended.set()


def main(settings: str) -> int:
    """Measures; tells of it in lines of JSON. Answers the exit code."""
    growing = Growing(**json.loads(settings))

    def tell(line: Json) -> None:
        print(json.dumps(line), flush=True)

    with session(growing.lakehouse()) as spark:
        try:
            tell({"event": "grown", "figures": grown(spark, growing, tell)})
        except Void as void:
            tell({"event": "void", "problem": str(void)})
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
