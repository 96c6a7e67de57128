"""The bronze job: one streaming query over all topics that have a table, each micro-batch appended to the tables, each row once.

Delta remembers with every append which batch it was (`txnAppId`, `txnVersion`), so a batch that is repeated after a crash adds only what is
missing. The app id holds the query id out of the checkpoint: batch numbers of another life would be taken for landed otherwise.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from spark_jobs import delta, rows, tables
from spark_jobs.checkpoint import Checkpoint
from spark_jobs.decode import Decoder, Tally
from spark_jobs.errors import Refused
from spark_jobs.storage import Storage

_ROWS_PER_FILE = 100_000
"""A small batch must not become a file per Kafka partition."""


class Stopped(Exception):
    """Raised into Spark at the begin of a batch when the job is to end: the batch stays planned and is the next run's first."""


@dataclass(frozen=True)
class Landed:
    """A batch whose rows are in the tables."""

    batch_id: int
    rows: dict[str, int]
    """By table; those without rows are left out."""
    seconds: float


def prepare(spark: SparkSession, checkpoint: Checkpoint, warehouse: str, source: str) -> None:
    """Create or widen the tables. Raises Refused if tables and checkpoint are not of one life."""
    storage = Storage(spark)
    known = checkpoint.tables()
    begun = checkpoint.begun()
    if begun and not known:
        raise Refused(
            f"checkpoint {checkpoint.location} does not say which tables belong to it: it was not made by this job, or was damaged"
        )
    found = {table: delta.state(spark, storage, table.path(warehouse)) for table in tables.TABLES}
    for table, state in found.items():
        path = table.path(warehouse)
        table_id = None if state is None else state.table_id
        problem = disagreement(begun, known.get(table.name), table_id, partial(_has_rows, spark, state, path))
        if problem is not None:
            raise Refused(f"table {table.name} at {path} and checkpoint {checkpoint.location} are not of one life: {problem}")
    if begun:
        _require_no_older_copy(spark, checkpoint, warehouse)
    for table, state in found.items():
        path = table.path(warehouse)
        steps = [delta.create_statement(table, path, source)] if state is None else delta.alterations(table, path, source, state)
        for step in steps:
            spark.sql(step)
    ids = {table.name: state or delta.state(spark, storage, table.path(warehouse)) for table, state in found.items()}
    checkpoint.set_tables({name: state.table_id for name, state in ids.items() if state is not None})


def _has_rows(spark: SparkSession, state: delta.State | None, path: str) -> bool:
    return state is not None and not delta.is_empty(spark, path)


def disagreement(begun: bool, known: str | None, table_id: str | None, has_rows: Callable[[], bool]) -> str | None:
    """Why a query must not start with this checkpoint and this table, as a sentence with what to do; None if it may.

    `begun`: the checkpoint has batches; `known`: id of the table that it belongs to; `table_id`: id of the table that is there.
    """
    if known is None:
        if table_id is not None and has_rows():
            return (
                "the table has rows that the checkpoint knows nothing of, so starting would land every message again. "
                "Bring the checkpoint back, or choose an empty warehouse"
            )
    elif table_id is None and begun:
        return (
            "the table is gone, and starting would leave out all that was in it. Bring the table back; or remove the checkpoint and the "
            "other bronze tables too, to land everything that Kafka still holds"
        )
    elif table_id is not None and table_id != known and (begun or has_rows()):
        return "the table is another one than the checkpoint filled. Bring that one back"
    elif table_id is not None and not begun and has_rows():
        return "the table has rows, and the checkpoint was emptied. Bring the checkpoint back"
    return None


def _require_no_older_copy(spark: SparkSession, checkpoint: Checkpoint, warehouse: str) -> None:
    """A checkpoint copied back from earlier would give old numbers to new rows, and Delta would take these for landed."""
    planned, query_id = checkpoint.planned(), checkpoint.query_id()
    for table in tables.TABLES:
        newest = delta.newest_batch(spark, table.path(warehouse), app_id(query_id, table))
        if newest > planned:
            raise Refused(
                f"checkpoint {checkpoint.location} ends at batch {planned}, but table {table.name} has batch {newest}: the checkpoint is "
                "an older copy, and going on with it would lose rows. Bring the newest one back"
            )


def app_id(query_id: str, table: tables.Table) -> str:
    """Name of this query as a writer of a table, in Delta's log."""
    return f"{tables.LAYER}:{query_id}:{table.name}"


class Landing:
    """Lands one micro-batch after another; Spark calls it from a thread of its own."""

    def __init__(self, decoder: Decoder, checkpoint: Checkpoint, warehouse: str, source: str) -> None:
        self._decoder, self._checkpoint, self._warehouse, self._source = decoder, checkpoint, warehouse, source
        self._records = tables.records_by_topic(source)
        self._query_id: str | None = None
        self._landed: list[Landed] = []
        self._lock = threading.Lock()
        self.stop = threading.Event()
        """Set: no further batch is begun."""
        self.failure: Exception | None = None
        """What ended a batch, as it was before Spark wrapped it."""

    def __call__(self, batch: DataFrame, batch_id: int) -> None:
        """Land a batch; an exception ends the query, and the next run repeats the batch."""
        try:
            if self.stop.is_set():
                raise Stopped
            began = time.monotonic()
            counts = self._land(batch, batch_id)
            with self._lock:
                self._landed.append(Landed(batch_id, counts, time.monotonic() - began))
        except Exception as error:
            self.failure = error
            raise

    def take_landed(self) -> list[Landed]:
        """Batches landed since the last call, oldest first."""
        with self._lock:
            taken, self._landed = self._landed, []
        return taken

    def _land(self, batch: DataFrame, batch_id: int) -> dict[str, int]:
        decoded, tallies = self._decoder.decode(batch)
        try:
            counts = row_counts(tallies, self._records)
            for table, frames in self._appends(decoded, tallies):
                self._append(_union(frames), table, counts[table.name], batch_id)
        finally:
            decoded.unpersist()
        return counts

    def _appends(self, decoded: DataFrame, tallies: Sequence[Tally]) -> list[tuple[tables.Table, list[DataFrame]]]:
        """Tables to append to, in order.

        Dead letters go first: a batch that is repeated may find a schema that was missing before, and then a message is rather in both
        places than in none. Statements come after their samples: who sees a statement sees what it speaks of.
        """
        counts = row_counts(tallies, self._records)
        frames: dict[tables.Table, Callable[[], list[DataFrame]]] = {
            tables.DEAD_LETTERS: lambda: self._dead_letters(decoded, tallies),
            tables.TIMESERIES: lambda: [rows.samples(decoded)],
            tables.COVERAGE: lambda: [rows.statements(decoded)],
            tables.POINTS: lambda: [rows.records(decoded, tables.POINTS)],
            tables.INCIDENTS: lambda: [rows.records(decoded, tables.INCIDENTS)],
        }
        return [(table, made()) for table, made in frames.items() if table.name in counts]

    def _dead_letters(self, decoded: DataFrame, tallies: Sequence[Tally]) -> list[DataFrame]:
        published = [rows.records(decoded, tables.DEAD_LETTERS)]
        ours = [self._decoder.dead_letters(decoded, self._source)] if any(not entry.decoded for entry in tallies) else []
        return published + ours

    def _append(self, frame: DataFrame, table: tables.Table, count: int, batch_id: int) -> None:
        if self._query_id is None:  # the file is there as soon as the first batch is
            self._query_id = self._checkpoint.query_id()
        parallelism = frame.sparkSession.sparkContext.defaultParallelism
        parts = max(1, min(parallelism, -(-count // _ROWS_PER_FILE)))
        writer = frame.coalesce(parts).write.format("delta").mode("append")
        writer.option("txnAppId", app_id(self._query_id, table)).option("txnVersion", batch_id).save(table.path(self._warehouse))


def _union(frames: list[DataFrame]) -> DataFrame:
    first, *others = frames
    for other in others:
        first = first.unionByName(other)
    return first


def row_counts(tallies: Sequence[Tally], records: Mapping[str, str]) -> dict[str, int]:
    """Rows that a batch adds, by table; tables without rows are left out. `records` names the record of each topic."""
    counts = dict.fromkeys((table.name for table in tables.TABLES), 0)
    by_record = {table.record: table.name for table in tables.PLAIN}
    for entry in tallies:
        if not entry.decoded:
            counts[tables.DEAD_LETTERS.name] += entry.records
        elif (record := records[entry.topic]) in by_record:
            counts[by_record[record]] += entry.records
        else:
            counts[tables.TIMESERIES.name] += entry.samples
            counts[tables.COVERAGE.name] += entry.statements
    return {name: count for name, count in counts.items() if count}
