"""The six checks of a point and day, out of its hourly figures. Nothing is read or written here."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.refined import VALIDATED

NULL_SHARE, FRESHNESS_MINUTES, VOLUME_Z, GOOD_SHARE, DUPLICATE_SHARE = 0.05, 60.0, 3.0, 0.9, 0.01
"""Limits of the checks; all but GOOD_SHARE are greatest values that pass."""
VOLUME_HOURS = 12
"""With fewer hours none can be more than three standard deviations from their mean."""


def day_of(time: str) -> Column:
    """Begin of the day of a timestamp, UTC."""
    return F.date_trunc("day", F.col(time))


def validated(hourly: DataFrame) -> DataFrame:
    """Rows of pi_metrics_validated for the days of these rows of pi_metrics_hourly, which must be all of their days'."""
    day = Window.partitionBy("point_key", "day")
    volume = F.when(F.col("covered"), F.col("events"))
    spread = F.stddev_pop(volume).over(day)
    far = (volume - F.avg(volume).over(day)) / F.nullif(spread, F.lit(0.0))
    rows = hourly.withColumn("day", day_of("hour")).withColumn("far", F.when(volume.isNotNull(), F.coalesce(far, F.lit(0.0))))
    events = F.sum("events")
    days = rows.groupBy("source", "point_key", "day").agg(
        F.max_by("tag", "hour").alias("tag"),
        F.count_if("covered").cast("int").alias("covered_hours"),
        events.alias("events"),
        _share("null_events", events).alias("null_share"),
        (F.max("longest_gap_seconds") / 60).alias("freshness_minutes"),
        F.when(F.count_if("covered") >= VOLUME_HOURS, F.max_by("far", F.struct(F.abs("far"), "far"))).alias("volume_z"),
        _share("good_events", events).alias("good_share"),
        _share("duplicate_events", events).alias("duplicate_share"),
        _all("value_types").alias("value_types"),
        _all("units").alias("units"),
        F.sum("ambiguous_codes").alias("ambiguous_codes"),
    )
    verdicts = {
        "null_ok": F.col("null_share") <= NULL_SHARE,
        "freshness_ok": F.col("freshness_minutes") <= FRESHNESS_MINUTES,
        "volume_ok": F.abs("volume_z") <= VOLUME_Z,
        "good_ok": F.col("good_share") >= GOOD_SHARE,
        "duplicate_ok": F.col("duplicate_share") <= DUPLICATE_SHARE,
        "schema_ok": (F.size("value_types") <= 1) & (F.size("units") <= 1) & (F.col("ambiguous_codes") == 0),
    }
    passed = F.lit(True)
    for name in verdicts:
        passed = passed & F.coalesce(F.col(name), F.lit(True))
    return days.withColumns(verdicts).withColumn("ok", passed).select(*(column.name for column in VALIDATED.columns))


def _share(part: str, whole: Column) -> Column:
    return F.sum(part) / F.nullif(whole, F.lit(0))


def _all(name: str) -> Column:
    return F.array_sort(F.array_distinct(F.flatten(F.collect_list(name))))
