"""Where tables lie: by path below a warehouse, or by name as managed tables of a catalog. The only place that knows the difference.

By path is what runs on a laptop and on any Spark with Delta: no stream stops because a catalog is away, which is told by REST (`catalog`).
By name is for Databricks, whose own catalog is Spark's: `lakehouse.warehouse` is left out of the configuration.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrameWriter, SparkSession

from schemas.config import Lakehouse
from spark_jobs import membership, quoting
from spark_jobs.storage import Storage, absolute
from spark_jobs.tables import LAYER, Table


class Destination(Protocol):
    """Where the tables of a lakehouse lie."""

    @property
    def spark(self) -> SparkSession:
        """The session that reads and writes them."""

    def sql_name(self, table: Table) -> str:
        """The table in SQL, quoted."""

    def place(self, table: Table) -> str:
        """The table's place, for people."""

    def exists(self, table: Table) -> bool:
        """Whether there is such a Delta table."""

    def has_rows(self, table: Table) -> bool:
        """Whether a table that exists holds anything."""

    def properties(self, table: Table) -> dict[str, str]:
        """Properties of a table that exists, as they were set."""

    def remarks(self, table: Table) -> Iterator[str]:
        """User metadata of the table's commits, newest first, as far as its log reaches back."""

    def writers(self, table: Table) -> dict[str, int]:
        """Newest batch of each who appended to the table by number; none where Delta cannot be asked."""

    def make_room(self, layer: str) -> None:
        """Make what tables of a layer have to lie in."""

    def save(self, writer: DataFrameWriter, table: Table) -> None:
        """Write to the table."""

    def lease_files(self) -> list[str]:
        """Files, besides that of the checkpoint, that one job holds at a time."""


@dataclass(frozen=True)
class ByPath:
    """Tables at `<warehouse>/<layer>/<name>`."""

    spark: SparkSession
    storage: Storage
    warehouse: str

    def sql_name(self, table: Table) -> str:
        return quoting.table(table.path(self.warehouse))

    def place(self, table: Table) -> str:
        return table.path(self.warehouse)

    def exists(self, table: Table) -> bool:
        return membership.version(self.spark, self.place(table)) >= 0

    def has_rows(self, table: Table) -> bool:
        # A table as it was created needs no Spark job.
        return membership.version(self.spark, self.place(table)) > 0 and not self.spark.table(self.sql_name(table)).isEmpty()

    def properties(self, table: Table) -> dict[str, str]:
        return membership.properties(self.spark, self.place(table))

    def remarks(self, table: Table) -> Iterator[str]:
        # One by one from the newest: listed, they would be as many as there were batches in a month.
        for version in range(membership.version(self.spark, self.place(table)), -1, -1):
            commit = f"{self.place(table)}/_delta_log/{version:020}.json"
            if not self.storage.exists(commit):
                return
            for line in self.storage.read(commit).splitlines():
                if (remark := json.loads(line).get("commitInfo", {}).get("userMetadata")) is not None:
                    yield str(remark)

    def writers(self, table: Table) -> dict[str, int]:
        return membership.batches(self.spark, self.place(table))

    def make_room(self, layer: str) -> None:
        """Directories come with their tables."""

    def save(self, writer: DataFrameWriter, table: Table) -> None:
        writer.save(self.place(table))

    def lease_files(self) -> list[str]:
        return [f"{self.warehouse}/{LAYER}.lease"]


@dataclass(frozen=True)
class ByName:
    """Managed tables `<catalog>.<layer>.<name>`."""

    spark: SparkSession
    catalog: str

    def sql_name(self, table: Table) -> str:
        return ".".join(map(quoting.name, (self.catalog, table.layer, table.name)))

    def place(self, table: Table) -> str:
        return f"{self.catalog}.{table.layer}.{table.name}"

    def exists(self, table: Table) -> bool:
        return self.spark.catalog.tableExists(self.sql_name(table))

    def has_rows(self, table: Table) -> bool:
        return not self.spark.table(self.sql_name(table)).isEmpty()

    def properties(self, table: Table) -> dict[str, str]:
        return {row["key"]: row["value"] for row in self.spark.sql(f"SHOW TBLPROPERTIES {self.sql_name(table)}").collect()}

    def remarks(self, table: Table) -> Iterator[str]:
        history = self.spark.sql(f"DESCRIBE HISTORY {self.sql_name(table)}").where("userMetadata IS NOT NULL")
        for row in history.orderBy("version", ascending=False).select("userMetadata").toLocalIterator():
            yield str(row[0])

    def writers(self, table: Table) -> dict[str, int]:
        return {}  # no SQL tells of them

    def make_room(self, layer: str) -> None:
        self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoting.name(self.catalog)}.{quoting.name(layer)}")

    def save(self, writer: DataFrameWriter, table: Table) -> None:
        writer.saveAsTable(self.sql_name(table))

    def lease_files(self) -> list[str]:
        return []  # there is no directory of ours; that of the checkpoint is held


def destination_of(spark: SparkSession, storage: Storage, lakehouse: Lakehouse) -> Destination:
    """Where the configuration wants the tables."""
    if lakehouse.warehouse is None:
        return ByName(spark, lakehouse.catalog_name)
    return ByPath(spark, storage, absolute(lakehouse.warehouse))
