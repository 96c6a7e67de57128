"""Which tables belong to a checkpoint of silver or gold, and which batch each has.

Bronze knows by its tables' own logs how far they were landed (`landed`). What is made out of bronze needs less: it is made again wherever
checkpoint and tables are not of one life, once somebody has removed them. So the ids of the tables stand in a file inside the checkpoint.
"""

import json
from typing import Any

from pyspark.sql import SparkSession

from spark_jobs.checkpoint import Checkpoint
from spark_jobs.storage import Storage

_TABLES = "pibridge-tables.json"


def known_tables(storage: Storage, checkpoint: Checkpoint) -> dict[str, str]:
    """Names of the tables that belong to a checkpoint, with their Delta ids."""
    path = f"{checkpoint.location}/{_TABLES}"
    return dict(json.loads(storage.read(path))) if storage.exists(path) else {}


def set_tables(storage: Storage, checkpoint: Checkpoint, ids: dict[str, str]) -> None:
    """Remember the tables that belong to a checkpoint."""
    storage.write(f"{checkpoint.location}/{_TABLES}", json.dumps(ids, sort_keys=True, indent=1) + "\n")


def table_id(spark: SparkSession, path: str) -> str:
    """Delta's id of the table at a path, made with the table and gone with it."""
    return str(_snapshot(spark, path).metadata().id())


def is_empty(spark: SparkSession, path: str) -> bool:
    """Whether the table at a path has no file."""
    snapshot = _snapshot(spark, path)
    return bool(snapshot.version() == 0 or snapshot.numOfFiles() == 0)  # the latter is a Spark job


def properties(spark: SparkSession, path: str) -> dict[str, str]:
    """Properties of the table at a path, as they were set."""
    entries = _jvm(spark).scala.jdk.javaapi.CollectionConverters.asJava(_snapshot(spark, path).metadata().configuration())
    return {str(name): str(entries[name]) for name in entries}


def version(spark: SparkSession, path: str) -> int:
    """Newest version of the table at a path; -1 if there is none."""
    return int(_snapshot(spark, path).version())


def newest_batch(spark: SparkSession, path: str, app_id: str) -> int:
    """Number of the newest batch that the table at a path has from a writer; -1 if it has none."""
    return batches(spark, path).get(app_id, -1)


def batches(spark: SparkSession, path: str) -> dict[str, int]:
    """Number of the newest batch that the table at a path has from each writer that numbers its batches."""
    snapshot = _snapshot(spark, path)
    if snapshot.version() == 0:
        return {}
    # Delta writes them beside each commit; asking the snapshot itself would be a Spark job a table.
    checksum = snapshot.checksumOpt()
    known = checksum.get().setTransactions() if checksum.isDefined() else checksum
    transactions = known.get() if known.isDefined() else snapshot.setTransactions()
    found: dict[str, int] = {}
    for entry in _jvm(spark).scala.jdk.javaapi.CollectionConverters.asJava(transactions):
        found[str(entry.appId())] = max(int(entry.version()), found.get(str(entry.appId()), -1))
    return found


def _snapshot(spark: SparkSession, path: str) -> Any:
    """Delta's own view of the newest version: DESCRIBE DETAIL would cost a Spark job a table."""
    jvm = _jvm(spark)
    none = jvm.scala.Option.empty()
    return jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path).update(False, none, none)


def _jvm(spark: SparkSession) -> Any:
    return spark._jvm
