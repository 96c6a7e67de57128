"""Whether bronze, silver and PI hold what the coverage ledger states, by point and hour: as columns. Nothing is read or written here.

A statement counts as long as it holds somewhere: what newer ones overrule altogether harms nobody. Its count and digest are those that the
bridge wrote when it read PI; here they are reckoned again from the columns that people query. Instants are bigint, 100 ns ticks since 1970,
hours bigint since 1970.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from schemas.times import MICROSECONDS_PER_HOUR, TICKS_PER_HOUR
from spark_jobs import digest, overrule
from spark_jobs.overrule import PLACE, RANK
from spark_jobs.refined import COMPLETENESS

COMPLETE = "COMPLETE"
HOLE, MISSING, SURPLUS, ALTERED, SILVER_DIFFERS, PI_DIFFERS = FINDINGS = (
    "HOLE", "MISSING", "SURPLUS", "ALTERED", "SILVER_DIFFERS", "PI_DIFFERS",
)  # fmt: skip
"""The gravest first."""
_HOUR = ("point_key", "hour")


def _or_zero(name: str) -> Column:
    """A number that is 0 where a join found nothing."""
    return F.coalesce(name, F.lit(0).cast("bigint"))


def recounted(stated: DataFrame, samples: DataFrame) -> DataFrame:
    """STATED statements with `damage`: how bronze's samples differ from what they counted; null if they do not."""
    reckoned = samples.groupBy(*PLACE).agg(F.count(F.lit(1)).alias("found"), digest.digest().alias("found_digest"))
    found, found_digest = _or_zero("found"), _or_zero("found_digest")
    damage = F.when(found < F.col("count"), MISSING).when(found > F.col("count"), SURPLUS).when(found_digest != F.col("digest"), ALTERED)
    return stated.join(reckoned, list(PLACE), "left").withColumn("damage", damage).drop("found", "found_digest")


def counted_again(ledger: DataFrame, judged: DataFrame, hours: DataFrame) -> DataFrame:
    """Statements with `damage`: MISSING where the history of these (point_key, hour)s has fewer of their samples than they counted.

    Of a statement that reaches beyond the hours nothing can be said.
    """
    found = judged.where("present").groupBy(*PLACE).agg(F.count(F.lit(1)).alias("found"))
    among = overrule.with_hours(ledger).join(hours, list(_HOUR), "left_semi").groupBy(*PLACE).agg(F.count(F.lit(1)).alias("among"))
    whole = F.col("among") == overrule.hour_of(F.col("end") - 1) - overrule.hour_of(F.col("begin")) + 1
    damage = F.when(whole & (_or_zero("found") < F.col("count")), MISSING)
    joined = ledger.join(among, list(PLACE)).join(found, list(PLACE), "left")
    return joined.withColumn("damage", damage).drop("found", "among")


def stretches(recounted_: DataFrame, first: int, last: int) -> DataFrame:
    """[begin, end) by point and hour, each with the statement that holds there; no row where none does. Hours in [first, last)."""
    hour_begin = F.col("hour") * TICKS_PER_HOUR
    begin, end = F.greatest("begin", F.lit(first * TICKS_PER_HOUR)), F.least("end", F.lit(last * TICKS_PER_HOUR))
    said = overrule.with_hours(recounted_.withColumns({"begin": begin, "end": end}).where("begin < end"))
    said = said.select(
        *_HOUR,
        F.greatest("begin", hour_begin).alias("begin"),
        F.least("end", hour_begin + TICKS_PER_HOUR).alias("end"),
        F.struct(*RANK, "as_of", "damage").alias("statement"),
    )
    in_time = Window.partitionBy(*_HOUR).orderBy("low")
    borders = said.select(*_HOUR, F.explode(F.array("begin", "end")).alias("low")).distinct()
    pieces = borders.withColumn("high", F.lead("low").over(in_time)).where("high IS NOT NULL")
    about = pieces.join(said, list(_HOUR)).where("begin <= low AND high <= end")
    holds = about.groupBy(*_HOUR, "low", "high").agg(F.max("statement").alias("statement"))  # the rank is what it begins with
    return holds.select(*_HOUR, F.col("low").alias("begin"), F.col("high").alias("end"), "statement.*")


def holding(stretches_: DataFrame, samples: DataFrame) -> DataFrame:
    """The samples that hold, with `at` and `hour`."""
    where = stretches_.select("hour", "begin", "end", *PLACE)
    return samples.join(where, list(PLACE)).where("begin <= at AND at < end").drop("begin", "end")


def spans(marks: DataFrame, ledger: DataFrame) -> DataFrame:
    """[low, high) of each point: what silver's watermarks remember to be covered, and what the ledger says."""
    known = marks.select(
        *("source", "point_key", "tag"),
        overrule.ticks("covered_from", "covered_from_ticks").alias("low"),
        overrule.ticks("covered_to", "covered_to_ticks").alias("high"),
    )
    both = known.where("low < high").unionByName(
        ledger.select("source", "point_key", "tag", F.col("begin").alias("low"), F.col("end").alias("high"))
    )
    return both.groupBy("source", "point_key").agg(
        F.max_by("tag", "high").alias("tag"), F.min("low").alias("low"), F.max("high").alias("high")
    )


def hours_of(spans_: DataFrame, first: int, last: int) -> DataFrame:
    """One row for each hour in [first, last) that a point's coverage reaches into, and how much of it: `covered`, ticks."""
    low, high = F.greatest("low", F.lit(first * TICKS_PER_HOUR)), F.least("high", F.lit(last * TICKS_PER_HOUR))
    clipped = spans_.withColumns({"begin": low, "end": high}).where("begin < end")
    begin = F.greatest("begin", F.col("hour") * TICKS_PER_HOUR)
    end = F.least("end", (F.col("hour") + 1) * TICKS_PER_HOUR)
    return overrule.with_hours(clipped).select("source", *_HOUR, "tag", (end - begin).alias("covered"))


def ledger_by_hour(stretches_: DataFrame) -> DataFrame:
    """What the ledger says of each hour; `first_as_of`: when its first instant was read, null if what is stated about it is not whole."""
    place, damaged = F.struct(*PLACE), F.col("damage").isNotNull()
    first = (F.col("begin") == F.col("hour") * TICKS_PER_HOUR) & ~damaged
    return stretches_.groupBy(*_HOUR).agg(
        F.sum(F.col("end") - F.col("begin")).alias("stated"),
        F.count_distinct(place).alias("statements"),
        F.count_distinct(F.when(damaged, place)).alias("damaged_statements"),
        F.collect_set("damage").alias("damages"),
        F.max("as_of").alias("stated_as_of"),
        F.max(F.when(first, F.col("as_of"))).alias("first_as_of"),
    )


def bronze_by_hour(events: DataFrame) -> DataFrame:
    """Events that hold; `first_events` and `first_good`: those at the first instant of the hour."""
    first = F.col("at") == F.col("hour") * TICKS_PER_HOUR
    return events.groupBy(*_HOUR).agg(
        F.count(F.lit(1)).alias("bronze_events"),
        digest.digest().alias("bronze_digest"),
        F.count_if("good").alias("good_events"),
        F.count_if(first).alias("first_events"),
        F.count_if(first & F.col("good")).alias("first_good"),
    )


def silver_by_hour(cleaned: DataFrame) -> DataFrame:
    """Events of pi_timeseries_cleaned, which have `hour`."""
    return cleaned.groupBy(*_HOUR).agg(F.count(F.lit(1)).alias("silver_events"), digest.digest().alias("silver_digest"))


def touched(statements: DataFrame) -> DataFrame:
    """The hours that statements are about, and how new the newest is."""
    return overrule.with_hours(statements).groupBy(*_HOUR).agg(F.max("as_of").alias("as_of"))


def unseen_by_hour(unseen: DataFrame) -> DataFrame:
    """The hours that silver has not seen all statements about; `waits`: one that it has not seen is `young`."""
    return overrule.with_hours(unseen).groupBy(*_HOUR).agg(F.bool_or("young").alias("waits"))


def compared(
    hours: DataFrame, ledger: DataFrame, bronze: DataFrame, silver: DataFrame, reads: DataFrame, unseen: DataFrame, counted: DataFrame
) -> DataFrame:
    """All that is known of each of the hours, side by side.

    PI counts the events at either end of an hour, so that it is only comparable where the first instant of the next hour is stated and
    whole as well, and where it was asked after all of that had been read. `comparable`: it is; `good`, `good_and_bad`: what it should
    count, the latter if it counts bad values too; `unanswered`: it was asked, and gave no number.
    """

    def both(here: str, at_end: str) -> Column:
        return F.col(here) + F.col(at_end)

    after = ledger.select("point_key", (F.col("hour") - 1).alias("hour"), F.col("first_as_of").alias("next_as_of"))
    firsts = bronze.select(
        "point_key",
        (F.col("hour") - 1).alias("hour"),
        F.col("first_events").alias("next_events"),
        F.col("first_good").alias("next_good"),
    )
    joined = hours
    for other in (ledger, bronze, silver, reads, unseen, counted, after, firsts):
        joined = joined.join(other, list(_HOUR), "left")
    numbers = ("stated", "statements", "damaged_statements", "bronze_events", "bronze_digest", "silver_events", "silver_digest")
    joined = joined.withColumns({name: _or_zero(name) for name in (*numbers, "good_events", "next_events", "next_good")})
    joined = joined.withColumns({"good": both("good_events", "next_good"), "good_and_bad": both("bronze_events", "next_events")})
    whole = (F.col("covered") == TICKS_PER_HOUR) & (F.col("stated") == TICKS_PER_HOUR)
    since_read = F.col("counted_time") > F.greatest(F.unix_micros("stated_as_of"), F.unix_micros("next_as_of"))
    number = F.coalesce("count", F.when(F.col("good_and_bad") == 0, F.lit(0).cast("bigint")))  # "No Data" where there is none
    asked = whole & F.col("next_as_of").isNotNull() & F.coalesce(since_read, F.lit(False))
    return joined.withColumns(
        {
            "comparable": asked & F.col("problem").isNull() & number.isNotNull(),
            "unanswered": asked & (F.col("problem").isNotNull() | number.isNull()),
            "number": number,
        }
    )


def judged(compared_: DataFrame, counts_bad: bool, checked_micros: int) -> DataFrame:
    """Rows of pi_completeness, `unanswered`, and `rescan`: reading PI again would help. `counts_bad`: PI's Count has bad values in it.

    Where silver alone differs, and has not seen all, refining helps.
    """
    uncovered = F.col("covered") - F.col("stated")
    waits = F.coalesce("waits", F.lit(False))
    same = (F.col("silver_events") == F.col("bronze_events")) & (F.col("silver_digest") == F.col("bronze_digest"))
    wanted = F.col("good_and_bad" if counts_bad else "good")
    is_so = {
        HOLE: uncovered > 0,
        **{damage: F.array_contains("damages", damage) for damage in (MISSING, SURPLUS, ALTERED)},
        SILVER_DIFFERS: ~waits & ~same,
        PI_DIFFERS: F.col("comparable") & (F.col("number") != wanted),
    }
    found = F.array_compact(F.array(*(F.when(is_so[finding], finding) for finding in FINDINGS)))
    cells = {
        "hour": F.timestamp_micros(F.col("hour") * MICROSECONDS_PER_HOUR),
        "findings": F.col("found"),
        "verdict": F.coalesce(F.get("found", F.lit(0)), F.lit(COMPLETE)),
        "silver_waits": waits,
        "covered_seconds": F.col("covered") / 1e7,
        "uncovered_seconds": uncovered / 1e7,
        "pi_events": F.when(F.col("comparable"), F.col("number")),
        "events_for_pi": F.when(F.col("comparable"), wanted),
        "pi_counted_time": F.timestamp_micros("counted_time"),
        "checked_time": F.timestamp_micros(F.lit(checked_micros)),
    }
    columns = [cells.get(column.name, F.col(column.name)).alias(column.name) for column in COMPLETENESS.columns]
    refining_helps = F.col("waits").isNotNull() & (F.size("found") == 1) & F.array_contains("found", SILVER_DIFFERS)
    rescan = (F.size("found") > 0) & ~refining_helps
    return compared_.withColumn("found", found).select(*columns, "unanswered", rescan.alias("rescan"))
