"""Upkeep of the tables: small files put together, and what no reader needs any more removed.

A micro-batch leaves a file or two in each table it writes to, and a table that is overwritten leaves its last state behind each time. Once
a day that is cleared up by the process that makes silver and gold, between two batches: a table that is changed in place must not be put
together while its only writer is at it, and appends to bronze do not mind. Readers keep what they had open for a week, and for a day where
a table is overwritten.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.destination import Destination
from spark_jobs.storage import Storage
from spark_jobs.tables import Table

Work = Callable[[DataFrame, int], dict[str, int]]

_LAYOUT = {
    # By default 1 GiB: a single value that is edited has the file that holds it written anew.
    "spark.databricks.delta.optimize.maxFileSize": str(128 << 20),
    # Files that were clustered together once are not touched again beyond this size: by default a day's upkeep would write 100 GB anew.
    "spark.databricks.delta.optimize.clustering.mergeStrategy.minCubeSize.threshold": str(1 << 30),
    "spark.databricks.delta.optimize.clustering.mergeStrategy.minCubeSize.targetCubeSize": str(2 << 30),
}

log = structlog.get_logger()


class Upkeep:
    """Of some tables, once in a while. `marker` is the file that remembers when it was done, over restarts."""

    def __init__(
        self,
        destination: Destination,
        storage: Storage,
        marker: str,
        tables: Sequence[Table],
        every_seconds: float,
        stop: threading.Event,
        now: Callable[[], datetime],
    ) -> None:
        self._destination, self._storage, self._marker, self._tables = destination, storage, marker, tables
        self._every, self._stop, self._now = timedelta(seconds=every_seconds), stop, now

    def after(self, work: Work) -> Work:
        """The work, and behind it upkeep where it is due."""

        def done(batch: DataFrame, batch_id: int) -> dict[str, int]:
            rows = work(batch, batch_id)
            if self.due():
                self.keep()
            return rows

        return done

    def due(self) -> bool:
        """Whether it is time; the first look only notes the time, since there is nothing to clear up yet."""
        if self._stop.is_set():
            return False
        last = self._last()
        if last is None:
            self._note()
            return False
        return self._now() - last >= self._every

    def keep(self) -> None:
        """Do it now, unless the job is to end meanwhile. What cannot be done is told, and left to the next time."""
        for table in self._tables:
            if self._stop.is_set():
                return
            if self._destination.exists(table):
                try:
                    log.info("table_kept", table=table.name, **kept(self._destination, table))
                except (PySparkException, Py4JError) as error:
                    log.warning("table_not_kept", table=table.name, problem=str(error).strip().partition("\n")[0])
        self._note()

    def _last(self) -> datetime | None:
        if not self._storage.exists(self._marker):
            return None
        try:
            return datetime.fromisoformat(self._storage.read(self._marker).strip())
        except ValueError:  # cut off by a crash
            return None

    def _note(self) -> None:
        self._storage.write(self._marker, self._now().isoformat() + "\n")


def kept(destination: Destination, table: Table) -> dict[str, int]:
    """Put a table's small files together by its clustering, and remove what its retention lets go; what was done."""
    where, spark = destination.sql_name(table), destination.spark
    done = {} if table.overwritten else _put_together(spark, where)
    spark.sql(f"VACUUM {where}")
    return done


def _put_together(spark: SparkSession, where: str) -> dict[str, int]:
    for name, value in _LAYOUT.items():
        spark.conf.set(name, value)
    (row,) = spark.sql(f"OPTIMIZE {where}").select("metrics.numFilesRemoved", "metrics.numFilesAdded").collect()
    return {"files_before": row[0], "files_after": row[1]}
