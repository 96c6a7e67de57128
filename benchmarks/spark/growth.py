"""Seconds of silver a batch as bronze grows day by day: bronze is written directly, silver is the job's own.

A day of bronze states each hour of each point. After it come small batches: a twentieth of all points, each with its next ten minutes,
which are pure appends; then such batches in which 1 % of the statements besides state an hour again that is two hours, a day or a week old,
as far as there is one, with another value in it. Days are 25 hours apart, so that these batches lie between them.
"""

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.bridge.ground import Ground, Json, Void, say, spread
from benchmarks.spark.jobs import Options, layout
from schemas.config import Lakehouse
from spark_jobs import delta, refine, silver, tables
from spark_jobs.destination import ByPath
from spark_jobs.maintain import Work
from spark_jobs.refined import CLEANED
from spark_jobs.session import session
from spark_jobs.storage import Storage
from spark_jobs.tables import Table

POINTS = (10_000, 100_000)
BATCHES = 5
SHARE = 20
"""One point of so many is in a batch,"""
BATCH_SECONDS = 600
"""with so much of its time."""
AGES_HOURS = (2, 24, 168)
RESTATED = 0.01
_DAY_HOURS, _DAY_APART_HOURS = 24, 25
_BEGIN = 1_700_006_400
"""Seconds; a full hour."""
_ROWS_PER_FILE = 1_000_000


def measure_growth(ground: Ground, options: Options) -> Json:
    """Seconds of silver a batch for 10,000 and 100,000 points, pure appends and with 1 % re-statements, as bronze grows day by day."""
    os.environ["JAVA_HOME"] = str(ground.stack.java_home)
    settings = {"spark.master": "local[2]", "spark.driver.extraClassPath": ground.stack.spark_class_path, "spark.driver.memory": "3g"}
    found: Json = {}
    for points in POINTS:
        root = ground.directory / f"growth{points}"
        lakehouse = Lakehouse(warehouse=str(root / "warehouse"), checkpoints=str(root / "checkpoints"), spark=settings)
        with session(lakehouse) as spark:
            figures = grown(spark, lakehouse, points, options)
            figures["driver_rss_mib"] = sum(one.memory_info().rss for one in psutil.Process().children(True) if one.name() == "java") >> 20
        found[f"{points:,} points".replace(",", " ")] = figures
    return found


def grown(spark: SparkSession, lakehouse: Lakehouse, points: int, options: Options) -> Json:
    """The figures of so many points. Raises Void unless silver has each event once at the end."""
    warehouse = str(lakehouse.warehouse)
    bronze = Bronze(spark, warehouse, points, max(1, options.day_values // points // _DAY_HOURS))
    job = Refining(spark, lakehouse, warehouse)
    days: list[Json] = []
    for day in range(options.days):
        bronze.day(day)
        figures = {
            "bulk_seconds": round(job.seconds(), 1),
            "appends_seconds": spread(_batch(bronze, job, day, number, False) for number in range(BATCHES)),
            "restated_seconds": spread(_batch(bronze, job, day, BATCHES + number, True) for number in range(BATCHES)),
        }
        say(f"{points} points, day {day + 1}: {figures}")
        days.append(figures)
    silver_layout = layout(Path(CLEANED.path(warehouse)))
    if silver_layout["rows"] != bronze.events:
        raise Void(f"silver has {silver_layout['rows']} events, and {bronze.events} were stated")
    return {
        "values_an_hour": bronze.hourly,
        "days": {f"day {number}": figures for number, figures in enumerate(days, 1)},
        "appends": _flatness(days, "appends_seconds"),
        "restated": _flatness(days, "restated_seconds"),
        "silver": silver_layout,
    }


def _flatness(days: list[Json], kind: str) -> Json:
    """The median of the last day beside that of the first."""
    first, last = days[0][kind]["median"], days[-1][kind]["median"]
    return {"first_day_seconds": first, "last_day_seconds": last, "last_day_to_first": round(last / first, 2)}


def _batch(bronze: "Bronze", job: "Refining", day: int, number: int, restates: bool) -> float:
    bronze.batch(day, number, restates)
    return job.seconds()


class Refining:
    """The job of silver, run for what bronze has by now."""

    def __init__(self, spark: SparkSession, lakehouse: Lakehouse, warehouse: str) -> None:
        self._stop, self._took = threading.Event(), list[float]()
        planned = refine.planned(spark, lakehouse, warehouse, self._stop)
        usual = next(one for one in planned if one.name == silver.NAME)
        refine.prepare(spark, usual, warehouse, Bronze.SOURCE)
        self._refinery = replace(usual, work=self._timed(usual.work))

    def seconds(self) -> float:
        """Refines, and says how long the batch took. Raises Void if it was not one batch."""
        self._took.clear()
        refine.run_one(self._refinery, True, self._stop)
        if len(self._took) != 1:
            raise Void(f"{len(self._took)} batches in place of one")
        return self._took[0]

    def _timed(self, work: Work) -> Work:
        def timed(batch: DataFrame, batch_id: int) -> dict[str, int]:
            began = time.monotonic()
            rows = work(batch, batch_id)
            self._took.append(time.monotonic() - began)
            return rows

        return timed


class Bronze:
    """Tables of bronze, written as if they had been landed."""

    SOURCE = "growth"

    def __init__(self, spark: SparkSession, warehouse: str, points: int, hourly: int) -> None:
        self._spark, self.warehouse, self._points, self.hourly = spark, warehouse, points, hourly
        self._clock = 0
        self.events = 0
        """That silver is to have."""
        destination = ByPath(spark, Storage(spark), warehouse)
        for table in (tables.TIMESERIES, tables.COVERAGE, tables.POINTS):
            delta.ensure(destination, table, self.SOURCE)

    def day(self, day: int) -> None:
        """Each hour of a day, of each point."""
        ids = self._spark.range(self._points * _DAY_HOURS)
        hour = F.expr(f"id div {self._points}")
        begin = F.lit(_BEGIN + day * _DAY_APART_HOURS * 3600) + hour * 3600
        point = (F.col("id") % self._points).alias("point")
        self._land(ids.select(point, begin.alias("begin"), F.lit(3600).alias("lasts"), (begin + 3600).alias("read")), False)
        self.events += self._points * _DAY_HOURS * self.hourly

    def batch(self, day: int, number: int, restates: bool) -> None:
        """A small batch behind a day; each number has points of its own."""
        count = self._points // SHARE
        after = _BEGIN + (day * _DAY_APART_HOURS + _DAY_HOURS) * 3600
        ids = self._spark.range(count).select((F.col("id") * SHARE + number).alias("point"))
        read = F.lit(after + BATCH_SECONDS).alias("read")
        stated = ids.select("point", F.lit(after).alias("begin"), F.lit(BATCH_SECONDS).alias("lasts"), read)
        self.events += count * self._values(BATCH_SECONDS)
        if restates:
            stated = stated.unionByName(self._restated(day, number, count).select("*", read))
        self._land(stated, restates)

    def _restated(self, day: int, number: int, count: int) -> DataFrame:
        """Hours to be stated again: a hundredth of the statements."""
        again = max(1, round(count * RESTATED))
        end = day * _DAY_APART_HOURS + _DAY_HOURS
        hours = [hour for age in AGES_HOURS if (hour := end - age) >= 0 and hour % _DAY_APART_HOURS < _DAY_HOURS] or [end - 1]
        picked = F.element_at(F.array(*map(F.lit, hours)), (F.col("id") % len(hours) + 1).cast("int"))
        points = (F.col("id") * SHARE + (number + 1) % SHARE).alias("point")  # others than those that go on in this batch
        return self._spark.range(again).select(
            points, (F.lit(_BEGIN) + picked * 3600).cast("bigint").alias("begin"), F.lit(3600).alias("lasts")
        )

    def _values(self, seconds: int) -> int:
        return max(1, self.hourly * seconds // 3600)

    def _land(self, stated: DataFrame, altered: bool) -> None:
        """Statements of [begin, begin + lasts) seconds with values at even distances: samples first, as the job does it."""
        clock = self._clock = self._clock + 1
        frames = stated.select(*(F.col(name).cast("bigint").alias(name) for name in ("point", "begin", "lasts", "read"))).select(
            "*",
            F.concat(F.lit("main:"), F.col("point").cast("string")).alias("point_key"),
            F.lit(f"pi.{self.SOURCE}.recorded").alias("kafka_topic"),
            F.lit(0).alias("kafka_partition"),
            (F.lit(clock << 50) + F.col("point") * (1 << 20) + F.expr(f"(begin - {_BEGIN}) div {BATCH_SECONDS}")).alias("kafka_offset"),
            F.lit(0).alias("series_index"),
            F.lit(self.SOURCE).alias("source"),
            F.concat(F.lit("tag "), F.col("point").cast("string")).alias("tag"),
            F.lit("READ").alias("via"),
            F.timestamp_seconds("read").alias("received_time"),
            F.lit((1 << 40) + clock).alias("clock"),
        )
        count = F.greatest(F.lit(1), F.expr(f"{self.hourly} * lasts div 3600")).cast("int")
        rows = frames.withColumn("sample_index", F.explode(F.sequence(F.lit(0), count - 1)))
        at = F.col("begin") * 1_000_000 + F.col("sample_index") * (F.col("lasts") * 1_000_000 / count).cast("bigint")
        number = F.col("sample_index").cast("double") + (
            F.when(F.col("sample_index") == 0, F.lit(float(clock))).otherwise(0.0) if altered else 0.0
        )
        samples = rows.select(
            "*",
            F.timestamp_micros(at).alias("event_time"),
            *(F.lit(value).alias(name) for name, value in _SAMPLE.items()),
            number.alias("value_double"),
        )
        self._append(tables.TIMESERIES, samples)
        statements = frames.select(
            "*",
            F.lit("STATED").alias("kind"),
            F.timestamp_seconds("begin").alias("from_time"),
            F.timestamp_seconds(F.col("begin") + F.col("lasts")).alias("to_time"),
            *(F.lit(0).alias(name) for name in ("from_ticks", "to_ticks")),
            F.col("received_time").alias("as_of"),
            F.col("clock").alias("as_of_clock"),
            count.cast("bigint").alias("count"),
        )
        self._append(tables.COVERAGE, statements)

    def _append(self, table: Table, frame: DataFrame) -> None:
        names = set(frame.columns)
        cells = [(F.col(c.name).cast(c.kind.sql) if c.name in names else F.lit(None).cast(c.kind.sql)).alias(c.name) for c in table.columns]
        parts = max(1, min(8, self._points * _DAY_HOURS * self.hourly // _ROWS_PER_FILE))
        frame.select(*cells).coalesce(parts).write.format("delta").mode("append").save(table.path(self.warehouse))


_SAMPLE = {
    "origin": "RECORDED", "uom": "bar", "ticks": 0, "ordinal": 0, "value_type": "DOUBLE", "good": True, "questionable": False,
    "substituted": False, "annotated": False,
}  # fmt: skip
