"""Which statement holds, and since when what it says is known: the order of overruling, as columns. Nothing is read or written here.

At each instant the STATED statement with the greatest (as_of_clock, clock) holds. In that order, and not in the order of arrival, the
statements about an instant also tell its history: so events, the time since which they are known, and corrections are functions of the
ledger, however it came together. A confirmation states no events, and leaves what was stated; like any statement it overrules previews
from before its request.

Instants are `at`, `begin`, `end`: bigint, 100 ns ticks since 1970. Hours are bigint, since 1970.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from schemas.times import TICKS_PER_HOUR
from spark_jobs import digest
from spark_jobs.refined import BEFORE, CLEANED, CORRECTIONS, IDENTITY, VALUE

PLACE = ("kafka_topic", "kafka_partition", "kafka_offset", "series_index")
"""Joins a statement and its samples."""
RANK = ("as_of_clock", "clock", *PLACE)
"""Order of overruling. The place only decides between two deliveries of one statement."""
STATES = "kind = 'STATED'"
"""Which statements say what there is; the others, confirmations, say that it is still so."""
_SLICE = TICKS_PER_HOUR // 30
_EVENT = ("point_key", "hour", "event_time", "ticks", "ordinal")


def ticks(time: str, rest: str) -> Column:
    """An instant of two columns, microseconds and the 100 ns left over."""
    return F.unix_micros(time) * 10 + F.col(rest)


def time_of(instant: Column) -> Column:
    """The timestamp of an instant, without the 100 ns left over."""
    return F.timestamp_micros(F.call_function("div", instant - F.pmod(instant, F.lit(10)), F.lit(10)))


def hour_of(instant: Column) -> Column:
    """The hour of an instant, before 1970 too."""
    return _period_of(instant, TICKS_PER_HOUR)


def _period_of(instant: Column, length: int) -> Column:
    return F.call_function("div", instant - F.pmod(instant, F.lit(length)), F.lit(length))


def with_range(statements: DataFrame) -> DataFrame:
    """Statements with `begin` and `end`; those without width, which state nothing, are left out."""
    ranged = statements.withColumns({"begin": ticks("from_time", "from_ticks"), "end": ticks("to_time", "to_ticks")})
    return ranged.where("begin < end")


def with_hours(ranges: DataFrame, hour: str = "hour") -> DataFrame:
    """One row for each hour that [begin, end) reaches into."""
    return ranges.withColumn(hour, F.explode(F.sequence(hour_of(F.col("begin")), hour_of(F.col("end") - 1))))


def covered(marks: DataFrame) -> DataFrame:
    """[low, high) of each point out of pi_watermarks: whatever was stated about it lies within."""
    return marks.select(
        "point_key", ticks("covered_from", "covered_from_ticks").alias("low"), ticks("covered_to", "covered_to_ticks").alias("high")
    )


def classified(stated: DataFrame, covered: DataFrame) -> DataFrame:
    """STATED statements of a batch with `appends`: true if nothing else was ever stated where its point's statements of the batch lie.

    `covered`: [low, high) of each point before the batch. One statement that may overrule something makes all of its point take the long
    way.
    """
    earlier = Window.partitionBy("point_key").orderBy("begin", "end").rowsBetween(Window.unboundedPreceding, -1)
    apart = F.coalesce(F.max("end").over(earlier) <= F.col("begin"), F.lit(True))
    outside = F.coalesce((F.col("begin") >= F.col("high")) | (F.col("end") <= F.col("low")), F.lit(True))
    judged = stated.join(covered, "point_key", "left").withColumn("alone", apart & outside)
    return judged.withColumn("appends", F.bool_and("alone").over(Window.partitionBy("point_key"))).drop("alone", "low", "high")


def events(statements: DataFrame, samples: DataFrame) -> DataFrame:
    """The events that statements state, where each is the only one about its range: samples of theirs within their range."""
    said = statements.select(*PLACE, "begin", "end", "as_of")
    stated = samples.join(said, list(PLACE)).where("begin <= at and at < end")
    return stated.withColumn("known_time", F.col("as_of")).select(*_names(CLEANED.columns))


def history(ledger: DataFrame, samples: DataFrame, hours: DataFrame) -> DataFrame:
    """One row for each event that was ever stated in these (point_key, hour)s, and each statement about its instant, in order.

    `changed`: status or value differ from what the statement before it said; `known_time`: when it became so; `holds`: no statement
    overrules this one; `present`: it has the event.
    """
    said = with_hours(ledger).join(hours, ["point_key", "hour"])
    said = said.select("point_key", "hour", "begin", "end", "as_of", "cause", "received_time", F.col("tag").alias("stated_tag"), *RANK)
    content = samples.join(hours, ["point_key", "hour"], "left_semi").withColumn("hash", digest.sample_hash())
    content = content.select(*_EVENT, "at", "source", "tag", "uom", "hash", *PLACE, *_names(VALUE))
    known = content.join(said.select("point_key", "hour", "begin", "end", *PLACE), ["point_key", "hour", *PLACE])
    known = known.where("begin <= at and at < end").drop("begin", "end")
    everything = known.select(*_EVENT, "at", "source").distinct().withColumn("slice", _period_of(F.col("at"), _SLICE))
    everything = everything.join(_sliced(said), ["point_key", "slice"]).where("begin <= at and at < end").drop("slice")
    joined = everything.join(known.drop("at", "source"), [*_EVENT, *PLACE], "left")

    order = Window.partitionBy(*_EVENT).orderBy(*RANK)
    first = F.row_number().over(order) == 1
    judged = joined.withColumns(
        {
            "present": F.col("hash").isNotNull(),
            "first": first,
            "changed": first | ~F.col("hash").eqNullSafe(F.lag("hash").over(order)),
            "holds": F.lead("clock").over(order).isNull(),
            "before": F.lag(F.struct("hash", *_names(VALUE))).over(order),
        }
    )
    since = F.last(F.when(F.col("changed"), F.col("as_of")), ignorenulls=True)
    timed = judged.withColumn("known_time", since.over(order.rowsBetween(Window.unboundedPreceding, Window.currentRow)))
    return timed.withColumn("before_known_time", F.lag("known_time").over(order))


def _sliced(said: DataFrame) -> DataFrame:
    """One row for each slice of their hour that statements reach into.

    An hour has a statement for each few values: to hold each of them against all of its events would grow with the square of these.
    """
    hour_begin = F.col("hour") * TICKS_PER_HOUR
    low, high = F.greatest("begin", hour_begin), F.least("end", hour_begin + TICKS_PER_HOUR)
    slices = F.sequence(_period_of(low, _SLICE), _period_of(high - 1, _SLICE))
    return said.withColumn("slice", F.explode(slices)).drop("hour")


def holding(judged: DataFrame) -> DataFrame:
    """Rows of pi_timeseries_cleaned out of a history."""
    return judged.where("holds and present").select(*_names(CLEANED.columns))


def corrections(judged: DataFrame) -> DataFrame:
    """Rows of pi_corrections out of a history: a first statement about an instant corrects nothing."""
    there_before = F.col("before.hash").isNotNull()
    change = F.when(~there_before, "ADDED").when(F.col("present"), "CHANGED").otherwise("REMOVED")
    cells = {
        "change": change,
        "tag": F.col("stated_tag"),
        "before_known_time": F.when(there_before, F.col("before_known_time")),
        **{BEFORE + column.name: F.col(f"before.{column.name}") for column in VALUE},
    }
    return judged.where("changed and not first").select(
        *(cells.get(column.name, F.col(column.name)).alias(column.name) for column in CORRECTIONS.columns)
    )


def newest(previews: DataFrame) -> DataFrame:
    """The newest preview of each identity."""
    order = Window.partitionBy(*IDENTITY).orderBy(F.desc("clock"))
    return previews.withColumn("place", F.row_number().over(order)).where("place = 1").drop("place")


def still_open(previews: DataFrame, statements: DataFrame) -> DataFrame:
    """Previews that none of these statements, confirmations among them, overrules: none about their instant asked after they were sent."""
    said = statements.select(F.col("point_key").alias("stated_key"), "begin", "end", "as_of_clock")
    at = ticks("event_time", "ticks")
    about = (F.col("point_key") == F.col("stated_key")) & (F.col("begin") <= at) & (at < F.col("end"))
    return previews.join(said, about & (F.col("as_of_clock") > F.col("clock")), "left_anti")


def watermarks(statements: DataFrame, known: DataFrame) -> DataFrame:
    """pi_watermarks after these statements: STATED ones move what is covered, all of them how new it is."""
    stated = F.expr(STATES)
    new = statements.select(
        *("source", "point_key", "tag", "as_of", "as_of_clock", "clock"),
        F.when(stated, F.col("begin")).alias("low"),
        F.when(stated, F.col("end")).alias("high"),
    )
    old = known.select(
        *("source", "point_key", "tag", "as_of", "as_of_clock", F.lit(-1).cast("bigint").alias("clock")),
        ticks("covered_from", "covered_from_ticks").alias("low"),
        ticks("covered_to", "covered_to_ticks").alias("high"),
    )
    merged = (
        old.unionByName(new)
        .groupBy("source", "point_key")
        .agg(
            F.max_by("tag", F.struct("as_of_clock", "clock", "tag")).alias("tag"),
            F.min("low").alias("low"),
            F.max("high").alias("high"),
            F.max("as_of").alias("as_of"),
            F.max("as_of_clock").alias("as_of_clock"),
        )
    )
    return merged.select(
        *("source", "point_key", "tag"),
        *_instant("low", "covered_from"),
        *_instant("high", "covered_to"),
        *("as_of", "as_of_clock"),
    )


def _instant(instant: str, name: str) -> tuple[Column, Column]:
    at = F.col(instant)
    return time_of(at).alias(name), F.pmod(at, F.lit(10)).cast("int").alias(f"{name}_ticks")


def _names(columns: Sequence[object]) -> list[str]:
    return [column.name for column in columns]  # type: ignore[attr-defined]
