"""The gold job: hourly figures and daily checks of the points and hours that silver says were stated anew.

Each batch makes the hours that it touches, and those whose values hang on them, equal to what pi_timeseries_cleaned says: so a batch that
is repeated, or sees more of silver than it was told of, does no harm.
"""

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from schemas.times import MICROSECONDS_PER_HOUR
from spark_jobs import checks, difference, overrule, tables, weighing
from spark_jobs.refined import CHANGED_RANGES, CLEANED, HOURLY, VALIDATED, WATERMARKS
from spark_jobs.tables import Table

NAME = "gold"


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
        try:
            # Apart from the table: what is cached and reads it would be recomputed once it is written.
            hours = self._reached(touched).localCheckpoint()
        finally:
            touched.unpersist()
        return {HOURLY.name: self._measure(hours).total, VALIDATED.name: self._validate(hours).total}

    def _reached(self, touched: DataFrame) -> DataFrame:
        """The hours to measure: those that were touched, and those with a row whose values hang on theirs."""
        beside = touched.select("point_key", F.explode(F.sequence(F.col("hour") - 1, F.col("hour") + 1)).alias("hour"))
        marks = touched.sparkSession.read.format("delta").load(self._path(WATERMARKS))
        reached = weighing.reached(touched, weighing.numbered(self._read(beside, HOURLY, "hour")), overrule.covered(marks))
        there = weighing.numbered(self._read(reached, HOURLY, "hour")).select("point_key", F.col("at_hour").alias("hour"))
        return touched.unionByName(reached.join(there, ["point_key", "hour"], "left_semi")).distinct()

    def _measure(self, hours: DataFrame) -> difference.Difference:
        before = weighing.numbered(self._read(hours, HOURLY, "hour"))
        before = before.dropDuplicates(["point_key", "at_hour"])  # a row that is there twice would be wanted twice
        points = self._points(hours.sparkSession).join(hours.select("point_key").distinct(), "point_key", "left_semi")
        wanted = weighing.measured(self._read(hours, CLEANED, "event_time"), hours, before, points)

        def within(found: DataFrame) -> DataFrame:
            placed = found.withColumn("at_hour", overrule.hour_of(F.unix_micros("hour") * 10))
            return placed.join(hours.withColumnRenamed("hour", "at_hour"), ["point_key", "at_hour"], "left_semi")

        return difference.apply(wanted, HOURLY, self._path(HOURLY), ("point_key", "hour"), difference.scope_of(hours, "hour"), within)

    def _validate(self, hours: DataFrame) -> difference.Difference:
        """The days of these hours, from all of their hours."""
        time = F.timestamp_micros(F.col("hour") * MICROSECONDS_PER_HOUR)
        days = hours.select("point_key", F.date_trunc("day", time).alias("day")).distinct().persist(StorageLevel.MEMORY_AND_DISK)
        try:
            first = F.call_function("div", F.unix_micros("day"), F.lit(MICROSECONDS_PER_HOUR))
            whole = days.select("point_key", F.explode(F.sequence(first, first + 23)).alias("hour"))
            hourly = self._read(whole, HOURLY, "hour").withColumn("day", checks.day_of("hour"))
            hourly = hourly.join(days, ["point_key", "day"], "left_semi").drop("day")
            scope = difference.scope_of(whole, "day")
            return difference.apply(
                checks.validated(hourly),
                VALIDATED,
                self._path(VALIDATED),
                ("point_key", "day"),
                scope,
                lambda found: found.join(days, ["point_key", "day"], "left_semi"),
            )
        finally:
            days.unpersist()

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

    def _read(self, hours: DataFrame, table: Table, time: str) -> DataFrame:
        """The rows of a table that may lie in these hours."""
        found = hours.sparkSession.read.format("delta").load(self._path(table))
        return found.where(difference.scope_of(hours, time).condition())
