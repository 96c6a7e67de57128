"""Bronze as a plant leaves it, written directly: archived days further and further back, and a present that goes on under a steady load.

Time goes on by half a minute a batch. In each, every point has previews, and those points are sealed whose turn it is: a statement says
what the archive has of them since they were last sealed. So the open previews stay as many as the seal rules of the bridge leave. Some
batches state hours of the archive again besides, each with one value that is another one.
"""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from schemas.config import Coverage
from spark_jobs import delta, tables
from spark_jobs.destination import ByPath
from spark_jobs.storage import Storage
from spark_jobs.tables import Table

BATCH_SECONDS = 30
"""The default of lakehouse.refine_seconds."""
AGES_HOURS = (2, 24, 168)
RESTATED = 0.01
SOURCE = "growth"
_DAY_HOURS, _HOUR_SECONDS = 24, 3600
_NOW = 1_700_006_400
"""Seconds; a full hour. Days lie before it."""
_MICROS = 1_000_000
_SPREAD = 7919
"""Prime: points that follow one another have their values at other moments."""


class Bronze:
    """Tables of bronze, written as if they had been landed."""

    def __init__(self, spark: SparkSession, warehouse: str, points: int, rate: int, day_values: int, day_commits: int) -> None:
        self._spark, self.warehouse, self._points, self._day_commits = spark, warehouse, points, day_commits
        self.hourly = max(1, day_values // points // _DAY_HOURS)
        """Archived values of a point an hour; in the present there are more."""
        self._every = points * _MICROS // rate
        rules = Coverage()
        sealed_after = min(max(rules.seal_previews * points / rate, rules.seal_min_seconds), rules.seal_max_seconds)
        self.turns = max(2, round(sealed_after / BATCH_SECONDS))
        """A point is sealed in one batch of so many,"""
        self._until = self.turns * BATCH_SECONDS
        """and values have been heard for so many seconds by now."""
        self._clock, self._days, self._batches = 0, 0, 0
        self.events, self.restatements = 0, 0
        """What silver and its corrections are to have."""
        destination = ByPath(spark, Storage(spark), warehouse)
        for table in (tables.TIMESERIES, tables.COVERAGE, tables.POINTS):
            delta.ensure(destination, table, SOURCE)
        self._hear(F.col("point") % self.turns * BATCH_SECONDS, F.lit(self._until))

    def day(self) -> None:
        """The day before those that there are, each hour of a point stated by itself."""
        self._days += 1
        hours = _DAY_HOURS // self._day_commits
        for first in range(-self._days * _DAY_HOURS, (1 - self._days) * _DAY_HOURS, hours):
            begins = F.sequence(F.lit(first * _HOUR_SECONDS), F.lit((first + hours - 1) * _HOUR_SECONDS), F.lit(_HOUR_SECONDS))
            ranges = self._all().withColumn("begin", F.explode(begins))
            self.events += self._state(ranges.withColumn("end", F.col("begin") + _HOUR_SECONDS))

    def batch(self, restates: bool) -> None:
        """What comes within half a minute."""
        number, before = self._batches, self._until
        self._batches, self._until = number + 1, before + BATCH_SECONDS
        self._hear(F.lit(before), F.lit(self._until))
        sealed = self._of_turn(number).withColumns({"begin": F.lit(number * BATCH_SECONDS), "end": F.lit(before)})
        self.events += self._state(sealed, present=True)
        if restates:
            again = max(1, round(self._points / self.turns * RESTATED))
            self._state(self._restated(self._of_turn(number + 1).limit(again)), altered=True)
            self.restatements += again

    @property
    def open_previews(self) -> int:
        """So many previews no statement has overruled."""
        point = np.arange(self._points)
        turn, sealed = point % self.turns, np.full(self._points, -1)
        for number in range(self._batches):
            sealed[turn == number % self.turns] = (number + self.turns) * BATCH_SECONDS
        begin = np.where(sealed < 0, turn * BATCH_SECONDS, sealed)
        offset = point * _SPREAD % self._points * self._every // self._points
        return int(np.sum(_ordinal(self._until, offset, self._every) - _ordinal(begin, offset, self._every)))

    # -- frames --------------------------------------------------------------------------------------------------------------------

    def _all(self) -> DataFrame:
        return self._spark.range(self._points).select(F.col("id").alias("point"))

    def _of_turn(self, number: int) -> DataFrame:
        return self._all().where(F.col("point") % self.turns == number % self.turns)

    def _restated(self, points: DataFrame) -> DataFrame:
        """An hour of each of these points: two hours, a day or a week old, as far as there is one."""
        there = [age for age in AGES_HOURS if age <= self._days * _DAY_HOURS]
        age = F.element_at(F.array(*map(F.lit, there)), (F.col("point") % len(there) + 1).cast("int"))
        begin = (-age * _HOUR_SECONDS).cast("bigint")
        return points.withColumns({"begin": begin, "end": begin + _HOUR_SECONDS})

    def _hear(self, begin: Column, end: Column) -> None:
        """Previews of all points."""
        self._clock += 1
        frames = self._framed(self._all().withColumns({"begin": begin, "end": end}), present=True)
        self._append(tables.TIMESERIES, self._samples(frames, "LIVE", altered=False))

    def _state(self, ranges: DataFrame, present: bool = False, altered: bool = False) -> int:
        """Statements of these ranges: samples first, as the job does it. How many events they state."""
        self._clock += 1
        frames = self._framed(ranges, present)
        self._append(tables.TIMESERIES, self._samples(frames, "RECORDED", altered))
        statements = frames.select(
            "*",
            F.lit("STATED").alias("kind"),
            *(F.timestamp_seconds(F.col(name) + _NOW).alias(f"{where}_time") for name, where in (("begin", "from"), ("end", "to"))),
            *(F.lit(0).alias(name) for name in ("from_ticks", "to_ticks")),
            F.col("received_time").alias("as_of"),
            F.col("clock").alias("as_of_clock"),
        )
        self._append(tables.COVERAGE, statements)
        (row,) = frames.agg(F.sum("count").alias("events")).collect()
        return int(row["events"])

    def _framed(self, ranges: DataFrame, present: bool) -> DataFrame:
        """What a frame says of its series; `first` and `count` of its values, which lie at even distances, apart for each point."""
        every = self._every if present else _HOUR_SECONDS * _MICROS // self.hourly
        offset = F.expr(f"point * {_SPREAD} % {self._points} * {every} div {self._points}")
        placed = ranges.select(*(F.col(name).cast("bigint").alias(name) for name in ("point", "begin", "end")), offset.alias("offset"))
        first, beyond = (_ordinal_of(name, every) for name in ("begin", "end"))
        return placed.select(
            "*",
            F.lit(every).alias("every"),
            first.alias("first"),
            (beyond - first).alias("count"),
            F.concat(F.lit("main:"), F.col("point").cast("string")).alias("point_key"),
            F.lit(f"pi.{SOURCE}.recorded").alias("kafka_topic"),
            F.lit(0).alias("kafka_partition"),
            F.expr(f"{self._clock << 30} + point * {_DAY_HOURS} + pmod(begin div {_HOUR_SECONDS}, {_DAY_HOURS})").alias("kafka_offset"),
            F.lit(0).alias("series_index"),
            F.lit(SOURCE).alias("source"),
            F.concat(F.lit("tag "), F.col("point").cast("string")).alias("tag"),
            F.timestamp_micros(F.lit((_NOW + self._until) * _MICROS + self._clock)).alias("received_time"),
            F.lit((1 << 40) + self._clock).alias("clock"),
        )

    def _samples(self, frames: DataFrame, origin: str, altered: bool) -> DataFrame:
        """Values of frames, a row each; `altered`: the first of each series is one that nobody has seen."""
        rows = frames.where("count > 0").withColumn("sample_index", F.explode(F.sequence(F.lit(0), F.col("count").cast("int") - 1)))
        at = (F.col("first") + F.col("sample_index")) * F.col("every") + F.col("offset") + _NOW * _MICROS
        number = (F.col("first") + F.col("sample_index")) / 7.0
        if altered:
            number += F.when(F.col("sample_index") == 0, float(self._clock)).otherwise(0.0)
        return rows.select(
            "*",
            F.timestamp_micros(at).alias("event_time"),
            F.lit(origin).alias("origin"),
            F.lit("CHANNEL" if origin == "LIVE" else "READ").alias("via"),
            *(F.lit(value).alias(name) for name, value in _SAMPLE.items()),
            number.alias("value_double"),
        )

    def _append(self, table: Table, frame: DataFrame) -> None:
        names = set(frame.columns)
        cells = [(F.col(c.name).cast(c.kind.sql) if c.name in names else F.lit(None).cast(c.kind.sql)).alias(c.name) for c in table.columns]
        frame.select(*cells).coalesce(1).write.format("delta").mode("append").save(table.path(self.warehouse))


def _ordinal_of(seconds: str, every: int) -> Column:
    """The first value of a point at or after that: the nth lies at n times `every` microseconds, and `offset`."""
    after = f"({seconds} * {_MICROS}L - offset)"
    return F.expr(f"({after} + pmod(-{after}, {every}L)) div {every}L")


def _ordinal(seconds: NDArray[np.int64] | int, offset: NDArray[np.int64], every: int) -> NDArray[np.int64]:
    """The same, reckoned apart from Spark."""
    before: NDArray[np.int64] = (offset - np.asarray(seconds, np.int64) * _MICROS) // every
    return np.negative(before)


_SAMPLE = {
    "uom": "bar", "ticks": 0, "ordinal": 0, "value_type": "DOUBLE", "good": True, "questionable": False, "substituted": False,
    "annotated": False,
}  # fmt: skip
