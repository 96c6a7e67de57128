"""The tables of a lakehouse by their names, for a session that asks: and the newest of everything as one view."""

from pyspark.sql import SparkSession

from spark_jobs import quoting, refined, tables
from spark_jobs.destination import ByPath
from spark_jobs.refined import CLEANED, PREVIEWS_OPEN
from spark_jobs.storage import Storage

NOW = "pi_timeseries_now"
"""Name of the view of events that hold, with previews that nothing has overruled yet."""


def now_query(cleaned: str, previews_open: str) -> str:
    """The view's query, out of two tables as SQL names them. `archived` is false for previews, whose known_time is null."""
    shared = [column.name for column in CLEANED.columns if column.name != "known_time"]
    columns = ", ".join(map(quoting.name, shared))
    archived = f"SELECT {columns}, known_time, true AS archived FROM {cleaned}"  # noqa: S608 - names of ours, quoted
    still_open = f"SELECT {columns}, CAST(NULL AS TIMESTAMP) AS known_time, false AS archived FROM {previews_open}"  # noqa: S608
    return f"{archived} UNION ALL {still_open}"


def create_views(spark: SparkSession, warehouse: str) -> list[str]:
    """Temporary views of a session, whose names are returned: every table that is there by its name, and `pi_timeseries_now`."""
    destination = ByPath(spark, Storage(spark), warehouse)
    there = [table for table in (*tables.TABLES, *refined.TABLES, refined.COMPLETENESS) if destination.exists(table)]
    for table in there:
        spark.read.format("delta").load(destination.place(table)).createOrReplaceTempView(quoting.name(table.name))
    names = [table.name for table in there]
    if CLEANED not in there or PREVIEWS_OPEN not in there:
        return names
    spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {NOW} AS {now_query(*map(destination.sql_name, (CLEANED, PREVIEWS_OPEN)))}")
    return [*names, NOW]
