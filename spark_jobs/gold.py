"""The gold job: hourly figures and daily checks of the points and hours that silver says were stated anew.

Each batch makes the hours that it touches, and those whose values hang on them, equal to what pi_timeseries_cleaned says: so a batch that
is repeated, or sees more of silver than it was told of, does no harm.
"""

from collections import Counter

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from schemas.times import MICROSECONDS_PER_HOUR
from spark_jobs import checks, difference, groups, overrule, tables, weighing
from spark_jobs.refined import CHANGED_RANGES, CLEANED, HOURLY, VALIDATED, WATERMARKS
from spark_jobs.tables import Table

NAME = "gold"
AT_ONCE = 200_000
"""So many hours of points are measured at once; of a backlog beyond it points are taken in groups."""


def stream(spark: SparkSession, warehouse: str) -> DataFrame:
    """Ranges that were stated anew, after silver shows them."""
    return spark.readStream.format("delta").option("maxFilesPerTrigger", 2**31 - 1).load(CHANGED_RANGES.path(warehouse))


class Gold:
    """Measures one micro-batch after another."""

    def __init__(self, warehouse: str) -> None:
        self._warehouse = warehouse

    def __call__(self, batch: DataFrame, batch_id: int) -> dict[str, int]:
        """Measure what a batch names; rows written by table."""
        touched = weighing.hours_of(overrule.with_range(batch)).persist(StorageLevel.MEMORY_AND_DISK)
        counts: Counter[str] = Counter()
        try:
            for group in groups.conditions(touched.count(), touched.groupBy("point_key").count(), AT_ONCE):
                # Apart from the table: what is cached and reads it would be recomputed once it is written.
                hours = self._reached(touched.where(group)).localCheckpoint()
                scope = difference.scope_of(hours, "hour")
                counts[HOURLY.name] += self._measure(hours, scope).total
                counts[VALIDATED.name] += self._validate(hours, scope).total
        finally:
            touched.unpersist()
        return dict(counts)

    def _reached(self, touched: DataFrame) -> DataFrame:
        """The hours to measure: those that were touched, and those with a row whose values hang on theirs."""
        spark, scope = touched.sparkSession, difference.scope_of(touched, "hour")
        beside = weighing.numbered(self._read(spark, HOURLY, scope.wider(MICROSECONDS_PER_HOUR)))
        marks = spark.read.format("delta").load(self._path(WATERMARKS))
        reached = weighing.reached(touched, beside, overrule.covered(marks)).localCheckpoint()
        there = weighing.numbered(self._read(spark, HOURLY, difference.scope_of(reached, "hour")))
        there = there.select("point_key", F.col("at_hour").alias("hour"))
        return touched.unionByName(reached.join(there, ["point_key", "hour"], "left_semi")).distinct()

    def _measure(self, hours: DataFrame, scope: difference.Scope) -> difference.Difference:
        spark = hours.sparkSession
        before = weighing.numbered(self._read(spark, HOURLY, scope)).dropDuplicates(["point_key", "at_hour"])  # each is wanted once
        points = self._points(spark).join(hours.select("point_key").distinct(), "point_key", "left_semi").localCheckpoint()
        # Each is used in several places: Spark would read, and plan, what is behind it for each of them.
        lines = weighing.remembered(weighing.in_runs(hours), before).localCheckpoint()
        chain = weighing.chained(self._read(spark, CLEANED, scope.by("event_time")), lines).persist(StorageLevel.MEMORY_AND_DISK)

        def within(found: DataFrame) -> DataFrame:
            placed = found.withColumn("at_hour", overrule.hour_of(F.unix_micros("hour") * 10))
            return placed.join(hours.withColumnRenamed("hour", "at_hour"), ["point_key", "at_hour"], "left_semi")

        try:
            wanted = weighing.measured(chain, lines, points)
            return difference.apply(wanted, HOURLY, self._path(HOURLY), ("point_key", "hour"), scope, within)
        finally:
            chain.unpersist()

    def _validate(self, hours: DataFrame, scope: difference.Scope) -> difference.Difference:
        """The days of these hours, from all of their hours."""
        time = F.timestamp_micros(F.col("hour") * MICROSECONDS_PER_HOUR)
        days = hours.select("point_key", F.date_trunc("day", time).alias("day")).distinct().localCheckpoint()
        whole = scope.in_whole(24 * MICROSECONDS_PER_HOUR)
        hourly = self._read(hours.sparkSession, HOURLY, whole).withColumn("day", checks.day_of("hour"))
        return difference.apply(
            checks.validated(hourly.join(days, ["point_key", "day"], "left_semi").drop("day")),
            VALIDATED,
            self._path(VALIDATED),
            ("point_key", "day"),
            whole.by("day"),
            lambda found: found.join(days, ["point_key", "day"], "left_semi"),
        )

    def _points(self, spark: SparkSession) -> DataFrame:
        """What has to be known of each point: its rule between events, and how far it is covered."""
        described = spark.read.format("delta").load(tables.POINTS.path(self._warehouse)).groupBy("point_key")
        newest = described.agg(F.max_by(F.struct("step", "engineering_units"), "kafka_offset").alias("point"))
        marks = spark.read.format("delta").load(self._path(WATERMARKS))
        covered = marks.select("source", "point_key", "tag").join(overrule.covered(marks), "point_key")
        return covered.join(newest, "point_key", "left").select(
            *("source", "point_key", "tag", "low", "high"),
            F.coalesce("point.step", F.lit(False)).alias("step"),
            F.col("point.engineering_units").alias("uom"),
        )

    def _path(self, table: Table) -> str:
        return table.path(self._warehouse)

    def _read(self, spark: SparkSession, table: Table, scope: difference.Scope) -> DataFrame:
        """The rows of a table that may lie in a scope."""
        return spark.read.format("delta").load(self._path(table)).where(scope.condition())
