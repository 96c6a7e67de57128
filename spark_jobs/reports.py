"""What a reconciliation found, out of its rows: figures, examples, the rescans that mend it, the grid of its picture."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from schemas.times import MICROSECONDS_PER_HOUR, datetime_of
from spark_jobs import heat_map, rescans
from spark_jobs.completeness import COMPLETE, FINDINGS
from spark_jobs.rescans import Rescan

SCHEMA_VERSION = 1
_EXAMPLES = 20
_MOST_HOURS = 200_000
"""Of points: where more are incomplete, all points are read again."""
_SHOWN = (
    "point_key", "tag", "findings", "uncovered_seconds", "statements", "damaged_statements", "bronze_events", "silver_events", "pi_events",
    "events_for_pi",
)  # fmt: skip


def counts_bad(compared: DataFrame) -> bool:
    """Whether PI's Count has bad values in it, which is not documented: what explains more hours is taken; if both do alike, it has not."""
    number = F.col("number")
    (row,) = compared.where("comparable").agg(
        F.count_if(number == F.col("good")).alias("good"), F.count_if(number == F.col("good_and_bad")).alias("bad")
    ).collect()  # fmt: skip
    return bool(row["bad"] > row["good"])


def result(judged: DataFrame, begin: datetime, end: datetime, checked_micros: int, bad: bool | None) -> dict[str, Any]:
    """The result as one object. `bad`: whether PI counts bad values; None if it was not asked.

    incomplete_hours are the first hours of points that are not complete, `rescans` what has those of them read again that this mends.
    """
    counted = {finding: F.count_if(F.array_contains("findings", finding)).alias(finding) for finding in FINDINGS}
    (row,) = judged.agg(
        F.count_distinct("point_key").alias("points"),
        F.count(F.lit(1)).alias("hours"),
        F.count_if(F.col("verdict") == COMPLETE).alias("complete"),
        F.count_if("silver_waits").alias("waits"),
        F.sum("bronze_events").alias("bronze_events"),
        F.sum("silver_events").alias("silver_events"),
        F.count("pi_events").alias("compared"),
        F.count_if("unanswered").alias("unanswered"),
        *counted.values(),
    ).collect()
    wrong = judged.where(F.col("verdict") != COMPLETE)
    hour = F.unix_micros("hour").alias("hour_micros")
    examples = wrong.orderBy("hour", "point_key").limit(_EXAMPLES).select(hour, *_SHOWN).collect()
    incomplete = row["hours"] - row["complete"]
    return {
        "schema_version": SCHEMA_VERSION,
        "result": _result(row["hours"], incomplete, row["unanswered"]),
        "from_time": _text(begin),
        "to_time": _text(end),
        "checked_time": _text(datetime_of(checked_micros)),
        "points": row["points"],
        "hours": row["hours"],
        "hours_complete": row["complete"],
        "hours_silver_waits": row["waits"],
        "hours_compared_with_pi": row["compared"],
        "hours_unanswered_by_pi": row["unanswered"],
        "pi_counts_bad_values": bad,
        "bronze_events": row["bronze_events"] or 0,
        "silver_events": row["silver_events"] or 0,
        "findings": {finding: row[finding] for finding in FINDINGS if row[finding]},
        "incomplete_hours": [{"hour": _time(one["hour_micros"])} | {name: one[name] for name in _SHOWN} for one in examples],
        "incomplete_hours_left_out": incomplete - len(examples),
        "rescans": [_as_json(rescan) for rescan in _rescans(wrong.where("rescan"))],
    }


def _result(hours: int, incomplete: int, unanswered: int) -> str:
    """unanswered: PI gave no number for some hours, and nothing else is wrong. empty: there is nothing that could be complete."""
    if not hours:
        return "empty"
    return "incomplete" if incomplete else "unanswered" if unanswered else "complete"


def _rescans(wrong: DataFrame) -> Sequence[Rescan]:
    found = wrong.select("point_key", _hour()).limit(_MOST_HOURS + 1).collect()
    if len(found) > _MOST_HOURS:
        (edge,) = wrong.select(_hour()).agg(F.min("hour").alias("first"), F.max("hour").alias("last")).collect()
        return [Rescan((), edge["first"], edge["last"] + 1)]
    hours: dict[str, set[int]] = {}
    for row in found:
        hours.setdefault(row["point_key"], set()).add(row["hour"])
    return rescans.planned(hours)


def _as_json(rescan: Rescan) -> dict[str, Any]:
    begin, end = (_time(hour * MICROSECONDS_PER_HOUR) for hour in (rescan.first, rescan.last))
    return {"points": list(rescan.points), "from_time": begin, "to_time": end}


def _hour() -> Column:
    """Number of the hour, counted from 1970."""
    return F.call_function("div", F.unix_micros("hour"), F.lit(MICROSECONDS_PER_HOUR)).alias("hour")


def _time(micros: int) -> str:
    return _text(datetime_of(micros))


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def grid(judged: DataFrame) -> heat_map.Grid:
    """Verdicts for the picture: from the first hour of any point to the last one, the gravest where several share a cell."""
    hours = judged.select("point_key", "tag", "verdict", _hour())
    (edge,) = hours.agg(F.min("hour").alias("first"), F.max("hour").alias("last")).collect()
    if edge["first"] is None:
        return heat_map.Grid([], [], {})
    first, width = edge["first"], -(-(edge["last"] + 1 - edge["first"]) // heat_map.MAX_COLUMNS)
    by_name = Window.orderBy("tag", "point_key")
    points = hours.groupBy("point_key").agg(F.max("tag").alias("tag"))
    points = points.withColumn("row", F.ntile(heat_map.MAX_ROWS).over(by_name) - 1)
    labels = points.groupBy("row").agg(F.min("tag").alias("one"), F.max("tag").alias("other"), F.count(F.lit(1)).alias("points"))
    gravity = F.array_position(F.array(*map(F.lit, (*FINDINGS, COMPLETE))), F.col("verdict"))
    column = F.call_function("div", F.col("hour") - first, F.lit(width))
    placed = hours.drop("tag").join(points, "point_key").withColumn("column", column)
    cells = placed.groupBy("row", "column").agg(F.min_by("verdict", gravity).alias("verdict"))
    return heat_map.Grid(
        [row["one"] if row["points"] == 1 else f"{row['one']} … {row['other']}" for row in labels.orderBy("row").collect()],
        [f"{datetime_of(hour * MICROSECONDS_PER_HOUR):%m-%d %H:%M}" for hour in range(first, edge["last"] + 1, width)],
        {(row["row"], row["column"]): row["verdict"] for row in cells.collect()},
    )
