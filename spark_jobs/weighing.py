"""Hourly figures of points: which value holds how long in which hour. Nothing is read or written here.

Between two events a value moves on a line, or stays for step points. What is no number, or not good, holds no value until the next event;
up to it, and up to the end of coverage, the value before stays. Hours are recomputed alone or in runs: what lies around a run is taken from
the rows of its first and last hour, which remember the newest event before them and the first one after them.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from schemas.times import MICROSECONDS_PER_HOUR, TICKS_PER_HOUR, TICKS_PER_SECOND
from spark_jobs import digest
from spark_jobs.overrule import hour_of, ticks, time_of, with_hours
from spark_jobs.refined import HOURLY

_EDGES = ("before", "first", "last", "after")
_COUNTED = ("good", "value_type", "value_string", "digital_code", "tag", "uom")


def hours_of(ranges: DataFrame) -> DataFrame:
    """(point_key, hour)s that ranges reach into."""
    return with_hours(ranges.select("point_key", "begin", "end")).select("point_key", "hour").distinct()


def numbered(rows: DataFrame) -> DataFrame:
    """Rows of pi_metrics_hourly with `at_hour`, and the instants of their edges in whole microseconds as ticks."""
    edges = {f"{edge}_at": F.unix_micros(f"{edge}_time") * 10 for edge in _EDGES}
    return rows.withColumns({"at_hour": hour_of(F.unix_micros("hour") * 10), **edges})


def in_runs(hours: DataFrame) -> DataFrame:
    """(point_key, hour)s with `run`, a number that hours one after the other share, and whether an hour `begins` or `ends` its run."""
    order = Window.partitionBy("point_key").orderBy("hour")
    begins = F.coalesce(F.lag("hour").over(order) != F.col("hour") - 1, F.lit(True))
    ends = F.coalesce(F.lead("hour").over(order) != F.col("hour") + 1, F.lit(True))
    edged = hours.withColumns({"begins": begins, "ends": ends})
    return edged.withColumn("run", F.sum(F.col("begins").cast("int")).over(order))


def reached(hours: DataFrame, rows: DataFrame, covered: DataFrame) -> DataFrame:
    """(point_key, hour)s whose figures may hang on these: back to the event before them, on to the event after them.

    `rows`: those of these hours and of the hours beside them. Where no event is known on a side, all that is `covered` there.
    """
    none = F.lit(None).cast("bigint")
    here = rows.select("point_key", F.col("at_hour").alias("hour"), F.col("before_at").alias("back"), F.col("after_at").alias("on"))
    below = rows.select(
        "point_key", (F.col("at_hour") + 1).alias("hour"), F.coalesce("last_at", "before_at").alias("back"), none.alias("on")
    )
    above = rows.select(
        "point_key", (F.col("at_hour") - 1).alias("hour"), none.alias("back"), F.coalesce("first_at", "after_at").alias("on")
    )
    known = (
        here.unionByName(below).unionByName(above).groupBy("point_key", "hour").agg(F.max("back").alias("back"), F.min("on").alias("on"))
    )
    runs = in_runs(hours).join(known, ["point_key", "hour"], "left").groupBy("point_key", "run")
    edges = runs.agg(
        F.min("hour").alias("first"),
        F.max("hour").alias("last"),
        F.max(F.when(F.col("begins"), F.col("back"))).alias("back"),
        F.max(F.when(F.col("ends"), F.col("on"))).alias("on"),
    ).join(covered, "point_key")
    first = F.least("first", hour_of(F.coalesce("back", "low")))
    last = F.greatest("last", hour_of(F.coalesce("on", F.col("high") - 1)))
    return edges.select("point_key", F.explode(F.sequence(first, last)).alias("hour")).distinct()


def number() -> Column:
    """The number of an event, if it is good and has one."""
    value = F.when(F.col("value_type") == "DOUBLE", F.col("value_double")).when(
        F.col("value_type") == "LONG", F.col("value_long").cast("double")
    )
    return F.when(F.col("good") & ~F.isnan(value) & (F.abs(value) < float("inf")), value)


def remembered(runs: DataFrame, rows: DataFrame) -> DataFrame:
    """The hours, with what the rows of the first and the last hour of each run remember of the events around it: the run's seeds."""

    def edge(name: str) -> Column:
        event = F.struct(F.col(f"{name}_at").alias("at"), F.lit(0).alias("ordinal"), F.col(f"{name}_value").alias("number"))
        return F.when(F.col(f"{name}_at").isNotNull(), event).alias(name)

    there = rows.select("point_key", F.col("at_hour").alias("hour"), edge("before"), edge("after"))
    before, after = F.when(F.col("begins"), F.col("before")), F.when(F.col("ends"), F.col("after"))
    joined = runs.join(there, ["point_key", "hour"], "left")
    return joined.select("point_key", "hour", "run", before.alias("seed_before"), after.alias("seed_after"))


def chained(events: DataFrame, lines: DataFrame) -> DataFrame:
    """Rows of pi_timeseries_cleaned in the remembered hours `lines`, and the seeds of their runs, each with what is before and after it.

    `own`: it is an event of these hours. `hour` and the columns of an event are null of seeds.
    """
    own = events.withColumns({"at": ticks("event_time", "ticks"), "number": number(), "hash": digest.sample_hash()})
    own = own.withColumn("hour", hour_of(F.col("at"))).join(lines.select("point_key", "hour", "run"), ["point_key", "hour"])
    own = own.select("point_key", "hour", "run", "at", "ordinal", "number", "hash", *_COUNTED, F.lit(True).alias("own"))
    seeds = lines.select("point_key", "run", F.explode(F.array("seed_before", "seed_after")).alias("seed")).where("seed IS NOT NULL")
    seeds = seeds.select("point_key", "run", "seed.*", F.lit(False).alias("own"))
    order = Window.partitionBy("point_key", "run").orderBy("at", "ordinal")
    return own.unionByName(seeds, allowMissingColumns=True).withColumns(
        {"next_at": F.lead("at").over(order), "next_number": F.lead("number").over(order), "previous_at": F.lag("at").over(order)}
    )


def measured(chain: DataFrame, lines: DataFrame, points: DataFrame) -> DataFrame:
    """Rows of pi_metrics_hourly for the remembered hours `lines`, out of the `chain` of their events.

    `points`: source, point_key, step, tag, uom, and low and high, the point's coverage.
    """
    counted, weighed = _counted(chain.where("own")), _weighed(chain, lines, points)
    joined = lines.join(counted, ["point_key", "hour"], "left").join(weighed, ["point_key", "hour"], "left").join(points, "point_key")
    return _rows(_around(joined))


def _counted(own: DataFrame) -> DataFrame:
    """What is counted of an hour's events, and its first and last one."""
    place = F.struct("at", "ordinal")
    event = F.struct("at", "ordinal", "number")
    code = F.when(F.col("value_type") == "DIGITAL", F.col("digital_code"))
    name = F.when(F.col("value_type") == "DIGITAL", F.struct("digital_code", "value_string"))
    return own.groupBy("point_key", "hour").agg(
        F.count("*").alias("events"),
        F.count_if(F.col("value_type") == "NONE").alias("null_events"),
        F.count_if("good").alias("good_events"),
        (F.count("*") - F.countDistinct("at", "hash")).alias("duplicate_events"),
        F.min_by(event, place).alias("first"),
        F.max_by(event, place).alias("last"),
        F.max_by("tag", place).alias("event_tag"),
        F.max_by("uom", place).alias("event_uom"),
        F.max(F.col("at") - F.col("previous_at")).alias("gap"),
        F.array_sort(F.collect_set(F.when(F.col("value_type") != "NONE", F.col("value_type")))).alias("value_types"),
        F.array_sort(F.collect_set("uom")).alias("units"),
        (F.countDistinct(name) - F.countDistinct(code)).alias("ambiguous_codes"),
    )


def _weighed(chain: DataFrame, lines: DataFrame, points: DataFrame) -> DataFrame:
    """Averages of the values that hold, each weighed by its time."""
    reach = lines.groupBy("point_key", "run").agg(F.min("hour").alias("first_hour"), F.max("hour").alias("last_hour"))
    numbers = chain.where("number IS NOT NULL").join(points.select("point_key", "step", "high"), "point_key")
    held = numbers.join(reach, ["point_key", "run"])
    whole = held.withColumn("until", F.coalesce("next_at", F.greatest("at", "high"))).where("at < until")
    slope = F.when(F.col("step"), 0.0).otherwise((F.coalesce("next_number", "number") - F.col("number")) / (F.col("until") - F.col("at")))
    first = F.greatest(hour_of(F.col("at")), F.col("first_hour"))
    last = F.least(hour_of(F.col("until") - 1), F.col("last_hour"))
    pieces = whole.withColumn("slope", slope).where(first <= last).withColumn("hour", F.explode(F.sequence(first, last)))
    pieces = pieces.withColumns(
        {
            "piece_from": F.greatest("at", F.col("hour") * TICKS_PER_HOUR),
            "piece_to": F.least("until", (F.col("hour") + 1) * TICKS_PER_HOUR),
        }
    )
    pieces = pieces.select(
        "point_key",
        "hour",
        ((F.col("piece_to") - F.col("piece_from")) / TICKS_PER_SECOND).alias("seconds"),
        (F.col("number") + F.col("slope") * (F.col("piece_from") - F.col("at"))).alias("one"),
        (F.col("number") + F.col("slope") * (F.col("piece_to") - F.col("at"))).alias("other"),
    )
    of_hour = Window.partitionBy("point_key", "hour")
    middle = F.sum((F.col("one") + F.col("other")) / 2 * F.col("seconds")).over(of_hour) / F.sum("seconds").over(of_hour)
    # Squares are taken of distances from the average: of the values themselves they would leave nothing of a small deviation.
    pieces = pieces.withColumn("middle", middle).withColumns({"a": F.col("one") - F.col("middle"), "b": F.col("other") - F.col("middle")})
    square = (F.col("a") * F.col("a") + F.col("a") * F.col("b") + F.col("b") * F.col("b")) / 3
    return pieces.groupBy("point_key", "hour").agg(
        F.sum("seconds").alias("value_seconds"),
        F.first("middle").alias("average"),
        F.min(F.least("one", "other")).alias("minimum"),
        F.max(F.greatest("one", "other")).alias("maximum"),
        F.sqrt(F.sum(square * F.col("seconds")) / F.sum("seconds")).alias("standard_deviation"),
    )


def _around(joined: DataFrame) -> DataFrame:
    """With the newest event before each hour and the first one after it."""
    order = Window.partitionBy("point_key", "run").orderBy("hour")
    earlier, later = order.rowsBetween(Window.unboundedPreceding, -1), order.rowsBetween(1, Window.unboundedFollowing)
    so_far, from_here = order.rowsBetween(Window.unboundedPreceding, 0), order.rowsBetween(0, Window.unboundedFollowing)
    return joined.withColumns(
        {
            "before": F.greatest(F.max("last").over(earlier), F.max("seed_before").over(so_far)),
            "after": F.least(F.min("first").over(later), F.min("seed_after").over(from_here)),
        }
    )


def _rows(around: DataFrame) -> DataFrame:
    """Columns of pi_metrics_hourly."""
    begin, end = F.col("hour") * TICKS_PER_HOUR, (F.col("hour") + 1) * TICKS_PER_HOUR
    covered = (F.col("low") <= begin) & (end <= F.col("high"))
    silence = F.when(covered, end - F.coalesce(F.col("last.at"), F.col("before.at")))
    cells = {
        "tag": F.coalesce("event_tag", "tag"),
        "uom": F.coalesce("event_uom", "uom"),
        "hour": F.timestamp_micros(F.col("hour") * MICROSECONDS_PER_HOUR),
        "covered": covered,
        "good_share": F.col("good_events") / F.col("events"),
        "longest_gap_seconds": F.greatest("gap", silence) / TICKS_PER_SECOND,
        **{name: F.coalesce(name, F.lit(0).cast("bigint")) for name in _COUNTS},
        **{name: F.coalesce(name, F.array().cast("array<string>")) for name in ("value_types", "units")},
        "value_seconds": F.coalesce("value_seconds", F.lit(0.0)),
    }
    for edge in _EDGES:
        cells[f"{edge}_time"] = time_of(F.col(f"{edge}.at"))
        cells[f"{edge}_value"] = F.col(f"{edge}.number")
    return around.select(*(cells.get(column.name, F.col(column.name)).alias(column.name) for column in HOURLY.columns))


_COUNTS = ("events", "null_events", "good_events", "duplicate_events", "ambiguous_codes")
