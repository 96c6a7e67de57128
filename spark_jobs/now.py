"""What most people ask silver: the newest of everything, and what was known at a time. As SQL, for whatever runs it."""

from datetime import datetime

from pyspark.sql import SparkSession

from spark_jobs import quoting, refined
from spark_jobs.refined import BEFORE, CLEANED, CORRECTIONS, PREVIEWS_OPEN, VALUE
from spark_jobs.tables import Table

NOW = "pi_timeseries_now"
"""Name of the view of events that hold, with previews that nothing has overruled yet."""
_IDENTITY = ("source", "point_key", "tag", "event_time", "ticks", "ordinal")


def now_query(cleaned: str, previews_open: str) -> str:
    """The view's query, out of two tables as SQL names them. `archived` is false for previews, whose known_time is null."""
    shared = [column.name for column in CLEANED.columns if column.name != "known_time"]
    columns = ", ".join(map(quoting.name, shared))
    archived = f"SELECT {columns}, known_time, true AS archived FROM {cleaned}"  # noqa: S608 - names of ours, quoted
    still_open = f"SELECT {columns}, CAST(NULL AS TIMESTAMP) AS known_time, false AS archived FROM {previews_open}"  # noqa: S608
    return f"{archived} UNION ALL {still_open}"


def known_at(time: datetime, cleaned: str = CLEANED.name, corrections: str = CORRECTIONS.name) -> str:
    """Query for the events that reads sent up to a time had shown: those that still hold, and those that were corrected later."""
    instant = f"TIMESTAMP {quoting.text(time.isoformat())}"
    value = [column.name for column in VALUE]
    names = ", ".join(map(quoting.name, (*_IDENTITY, *value)))
    before = ", ".join([*map(quoting.name, _IDENTITY), *(f"{quoting.name(BEFORE + name)} AS {quoting.name(name)}" for name in value)])
    holds = f"SELECT {names} FROM {cleaned} WHERE known_time <= {instant}"  # noqa: S608 - as above
    held = f"SELECT {before} FROM {corrections} WHERE before_known_time <= {instant} AND known_time > {instant}"  # noqa: S608
    return f"{holds} UNION ALL {held}"


def create_views(spark: SparkSession, warehouse: str) -> None:
    """Temporary views of a session: every silver and gold table by its name, and `pi_timeseries_now`."""

    def lying(table: Table) -> str:
        return quoting.table(table.path(warehouse))

    for table in refined.TABLES:
        spark.read.format("delta").load(table.path(warehouse)).createOrReplaceTempView(quoting.name(table.name))
    spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {NOW} AS {now_query(lying(CLEANED), lying(PREVIEWS_OPEN))}")
