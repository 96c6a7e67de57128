"""Bronze tables on storage: created, widened, looked at."""

import json
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_jobs import quoting
from spark_jobs.errors import Refused
from spark_jobs.storage import Storage
from spark_jobs.tables import Table


@dataclass(frozen=True)
class State:
    """A table as it lies there."""

    table_id: str
    """Made with the table and gone with it."""
    columns: dict[str, tuple[str, str]]
    """SQL type and comment by name."""
    properties: dict[str, str]


def state(spark: SparkSession, storage: Storage, path: str) -> State | None:
    """The table at a path; None if there is none."""
    if not storage.exists(f"{path}/_delta_log"):
        return None
    snapshot = _snapshot(spark, path)
    metadata = snapshot.metadata()
    schema = StructType.fromJson(json.loads(metadata.schemaString()))
    columns = {field.name: (field.dataType.simpleString(), str(field.metadata.get("comment", ""))) for field in schema.fields}
    configuration = _jvm(spark).scala.jdk.javaapi.CollectionConverters.asJava(metadata.configuration())
    return State(str(metadata.id()), columns, dict(configuration))


def is_empty(spark: SparkSession, path: str) -> bool:
    """Whether the table at a path has no file."""
    snapshot = _snapshot(spark, path)
    return bool(snapshot.version() == 0 or snapshot.numOfFiles() == 0)  # the latter is a Spark job


def create_statement(table: Table, path: str, source: str) -> str:
    """SQL that creates the table with all columns, comments and properties."""
    columns = ", ".join(f"{quoting.name(c.name)} {c.kind.sql.upper()} COMMENT {quoting.text(c.comment)}" for c in table.columns)
    return (
        f"CREATE TABLE {quoting.table(path)} ({columns}) USING DELTA COMMENT {quoting.text(table.comment)}"
        f" CLUSTER BY ({', '.join(map(quoting.name, table.cluster_by))}) TBLPROPERTIES ({_properties(table.all_properties(source))})"
    )


def alterations(table: Table, path: str, source: str, found: State) -> list[str]:
    """SQL that brings an older table up to the present columns, comments and properties.

    Raises Refused if a column has another type, or the table holds another source.
    """
    where = quoting.table(path)
    if (other := found.properties.get("pibridge.source", source)) != source:
        raise Refused(f"table {table.name} at {path} holds source {other}, not {source}: give each source a warehouse of its own")
    steps = []
    new = [c for c in table.columns if c.name not in found.columns]
    if new:
        steps.append(
            f"ALTER TABLE {where} ADD COLUMNS "
            f"({', '.join(f'{quoting.name(c.name)} {c.kind.sql.upper()} COMMENT {quoting.text(c.comment)}' for c in new)})"
        )
    for column in table.columns:
        kind, comment = found.columns.get(column.name, (column.kind.sql, column.comment))
        if kind != column.kind.sql:
            raise Refused(f"column {column.name} of table {table.name} at {path} is {kind}, and the schema now says {column.kind.sql}")
        if comment != column.comment:
            steps.append(f"ALTER TABLE {where} ALTER COLUMN {quoting.name(column.name)} COMMENT {quoting.text(column.comment)}")
    wanted = table.all_properties(source)
    if changed := {key: value for key, value in wanted.items() if found.properties.get(key) != value}:
        steps.append(f"ALTER TABLE {where} SET TBLPROPERTIES ({_properties(changed)})")
    return steps


def _properties(values: dict[str, str]) -> str:
    return ", ".join(f"{quoting.text(key)} = {quoting.text(value)}" for key, value in values.items())


def newest_batch(spark: SparkSession, path: str, app_id: str) -> int:
    """Number of the newest batch that the table has from a writer; -1 if it has none."""
    snapshot = _snapshot(spark, path)
    if snapshot.version() == 0:
        return -1
    # Delta writes them beside each commit; asking the snapshot itself would be a Spark job a table.
    checksum = snapshot.checksumOpt()
    known = checksum.get().setTransactions() if checksum.isDefined() else checksum
    transactions = known.get() if known.isDefined() else snapshot.setTransactions()
    versions = [
        int(entry.version()) for entry in _jvm(spark).scala.jdk.javaapi.CollectionConverters.asJava(transactions) if entry.appId() == app_id
    ]
    return max(versions, default=-1)


def _snapshot(spark: SparkSession, path: str) -> Any:
    """Delta's own view of the newest version: DESCRIBE DETAIL would cost a Spark job a table."""
    jvm = _jvm(spark)
    none = jvm.scala.Option.empty()
    return jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path).update(False, none, none)


def _jvm(spark: SparkSession) -> Any:
    return spark._jvm
