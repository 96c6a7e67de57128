"""Rows of the bronze tables out of a decoded batch. Columns come in the tables' order, so that appends go by name and by position alike."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs import tables
from spark_jobs.decode import is_decoded, record_of

_KAFKA = [column.name for column in tables.KAFKA]


def _series(decoded: DataFrame, table: tables.Table) -> DataFrame:
    """One row a series. Fields of the frame are taken apart first: the frame itself would be copied, with all series, into each row."""
    fields = {column.name for column in table.columns if column.part == "frame"}
    frame = record_of("value_frame")
    return decoded.where(is_decoded("value_frame")).select(
        *_KAFKA,
        *[frame.getField(name).alias(f"frame_{name}") for name in sorted(fields)],
        F.posexplode(frame.getField("series")).alias("series_index", "series"),
    )


def _cell(column: tables.Column) -> Column:
    match column.part:
        case "frame":
            return F.col(f"frame_{column.name}").alias(column.name)
        case "series":
            return F.col(f"series_{column.name}").alias(column.name)
        case "sample":
            return F.col("sample").getField(column.name).alias(column.name)
        case "statement":
            return F.col("statement").getField(column.name).alias(column.name)
        case "record":
            return F.col("record").getField(column.name).alias(column.name)
        case "kafka" | "refined":
            return F.col(column.name)


def _parted(series: DataFrame, table: tables.Table, *inner: Column) -> DataFrame:
    frame = [f"frame_{column.name}" for column in table.columns if column.part == "frame"]
    of_series = [F.col("series").getField(c.name).alias(f"series_{c.name}") for c in table.columns if c.part == "series"]
    return series.select(*_KAFKA, "series_index", *frame, *of_series, *inner)


def samples(decoded: DataFrame, table: tables.Table) -> DataFrame:
    """One row a sample, of `pi_timeseries` as it is by now."""
    exploded = F.posexplode(F.col("series").getField("samples")).alias("sample_index", "sample")
    return _parted(_series(decoded, table), table, exploded).select(*map(_cell, table.columns))


def statements(decoded: DataFrame, table: tables.Table) -> DataFrame:
    """One row a statement, with or without samples, of `pi_coverage` as it is by now."""
    stated = _series(decoded, table).where(F.col("series").getField("statement").isNotNull())
    statement = F.col("series").getField("statement").alias("statement")
    return _parted(stated, table, statement).select(*map(_cell, table.columns))


def records(decoded: DataFrame, table: tables.Table) -> DataFrame:
    """One row a record, of a table whose rows are records."""
    mine = decoded.where(is_decoded(table.record)).withColumn("record", record_of(table.record))
    return mine.select(*map(_cell, table.columns))
