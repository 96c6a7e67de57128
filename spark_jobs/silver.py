"""The silver job: each micro-batch of bronze's ledger and previews brought into the silver tables.

Nearly every statement continues its point's coverage, and its samples are appended. The others may overrule something: the hours they touch
are resolved anew from the ledger and the samples, and what differs is written. Every step but the append makes a part of a table equal to
what the ledger says, so a batch that is repeated, whatever was written before the crash, comes to the same end; the append is known to
Delta by the batch's number.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from schemas.config import Lakehouse
from spark_jobs import completeness, difference, groups, membership, overrule, quoting, refined, tables
from spark_jobs.checkpoint import Checkpoint
from spark_jobs.errors import LandError
from spark_jobs.refined import CHANGED_RANGES, CLEANED, CORRECTIONS, PREVIEWS_OPEN, WATERMARKS
from spark_jobs.storage import Storage, absolute
from spark_jobs.tables import Table

NAME = "silver"
AT_ONCE = 20_000_000
"""So many events are brought in at once; of a backlog beyond it points are taken in groups."""
_RECORDED = [c.name for c in tables.TIMESERIES.columns if c.name in {*(s.name for s in refined.CLEANED.columns), *overrule.PLACE}]
_EVENTS = f"CASE WHEN kind IS NULL THEN 1 WHEN {overrule.STATES} THEN `count` ELSE 0 END"
_CORRECTION = (*refined.IDENTITY, "as_of_clock", "clock")

log = structlog.get_logger()


@dataclass(frozen=True)
class Stated:
    """What has to be known of a batch's statements before their samples are looked for."""

    samples: int
    first: int
    """Microseconds: received_time of the earliest frame."""
    last: int
    """And of the latest."""


@dataclass(frozen=True)
class Arrived:
    """What a batch brings."""

    statements: int
    stated: int
    """Those that state something."""
    previews: int
    events: int
    """Samples of its statements, and its previews."""
    condition: str
    """Where in the ledger statements may be that overrule its previews."""


def stream(spark: SparkSession, warehouse: str) -> DataFrame:
    """Statements and previews as they come into bronze: rows of the ledger, and rows of the samples without `kind`.

    A batch always ends with a version of the ledger, so that what a batch may see of it can be named.
    """

    def read(table: Table) -> DataFrame:
        return spark.readStream.format("delta").option("maxFilesPerTrigger", 2**31 - 1).load(table.path(warehouse))

    previews = read(tables.TIMESERIES).where("origin = 'LIVE'").select(*(c.name for c in PREVIEWS_OPEN.columns))
    return read(tables.COVERAGE).unionByName(previews, allowMissingColumns=True)


class Silver:
    """Refines one micro-batch after another."""

    def __init__(self, spark: SparkSession, checkpoint: Checkpoint, warehouse: str) -> None:
        self._checkpoint, self._warehouse, self._storage = checkpoint, warehouse, Storage(spark)

    def __call__(self, batch: DataFrame, batch_id: int) -> dict[str, int]:
        """Refine a batch; rows written by table."""
        batch = batch.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            return self._refine(batch, batch_id)
        finally:
            batch.unpersist()

    def _refine(self, batch: DataFrame, batch_id: int) -> dict[str, int]:
        version, arrived = self._version(batch_id), _arrived(batch)
        if not arrived.statements and not arrived.previews:  # files of bronze were put together
            return {}
        divided = groups.conditions(arrived.events, batch.groupBy("point_key").agg(F.expr(f"sum({_EVENTS})")), AT_ONCE)
        may_append = len(divided) == 1 and (batch_id > 0 or membership.is_empty(batch.sparkSession, self._path(CLEANED)))
        counts: Counter[str] = Counter()
        for group in divided:
            counts.update(self._bring_in(batch.where(group), arrived, version, batch_id, may_append))
        if arrived.stated:  # last: gold measures what it is told of by the marks, and is not told twice
            self._tell(batch, batch_id)
        return {name: count for name, count in counts.items() if count}

    def _bring_in(self, batch: DataFrame, arrived: Arrived, version: int | None, batch_id: int, may_append: bool) -> dict[str, int]:
        """Bring in a batch, or some points of it.

        Without `may_append` all goes by comparison, since Delta knows an append by the checkpoint and the batch's number alone. So it is
        with some points: where these are divided is nothing that a repetition may hang on. And with a checkpoint's first batch over a table
        that has rows: the checkpoint before may have appended some and not marked them.
        """
        statements = overrule.with_range(batch.where("kind IS NOT NULL").select(*_names(tables.COVERAGE)))
        previews = batch.where("kind IS NULL").select(*_names(PREVIEWS_OPEN))
        marks = self._read(batch.sparkSession, WATERMARKS)
        classified = overrule.classified(statements.where(overrule.STATES), overrule.covered(marks))
        if not may_append:
            classified = classified.withColumn("appends", F.lit(False))
        classified = classified.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            stated = _stated(classified) if arrived.statements else {}
            counts = self._clean(classified, stated, version, batch_id)
            # Then: who looks at both tables meanwhile sees a value twice rather than not at all.
            counts |= self._preview(previews, statements, arrived, version)
            # Only now: while the append is being made, the batch has to be judged by what was covered before it.
            if arrived.statements:
                self._mark(statements, marks)
            return counts
        finally:
            classified.unpersist()

    # -- events and corrections ----------------------------------------------------------------------------------------------------

    def _clean(self, classified: DataFrame, stated: dict[bool, Stated], version: int | None, batch_id: int) -> dict[str, int]:
        counts = {CLEANED.name: 0, CORRECTIONS.name: 0}
        if (new := stated.get(True)) is not None and new.samples:
            near = f"received_time BETWEEN {quoting.instant(new.first)} AND {quoting.instant(new.last)}"
            samples = self._samples(classified.sparkSession, near)
            self._append(overrule.events(classified.where("appends"), samples), CLEANED, new.samples, batch_id)
            counts[CLEANED.name] += new.samples
        if False in stated and version is not None:
            cleaned, corrected = self._resolve(classified.where("NOT appends"), version)
            counts[CLEANED.name] += cleaned.total
            counts[CORRECTIONS.name] += corrected.total
        return counts

    def _resolve(self, stated: DataFrame, version: int) -> tuple[difference.Difference, difference.Difference]:
        """Bring the hours that these statements touch to what the whole ledger says.

        But not those in which bronze lacks samples of a statement that holds: what silver shows of them may be all that there is.
        """
        spark = stated.sparkSession
        hours = overrule.with_hours(stated.select("point_key", "begin", "end")).select("point_key", "hour").distinct()
        hours = hours.persist(StorageLevel.MEMORY_AND_DISK)
        kept = [hours]
        try:
            scope = difference.scope_of(hours, "event_time")
            ledger = overrule.with_range(self._ledger(spark, version).where(overrule.STATES).where(scope.overlap("from_time", "to_time")))
            ledger = _near(ledger, hours).persist(StorageLevel.MEMORY_AND_DISK)
            kept.append(ledger)
            samples = self._samples(spark, scope.condition())
            judged = overrule.history(ledger, samples, hours).persist(StorageLevel.MEMORY_AND_DISK)
            kept.append(judged)
            if (left := _left(ledger, judged, hours)) is not None:
                hours, judged = (frame.join(left, ["point_key", "hour"], "left_anti") for frame in (hours, judged))
            within = partial(_within, hours)
            # Corrections first: those who look from a correction for the event find either state of it explained.
            corrected = difference.apply(overrule.corrections(judged), CORRECTIONS, self._path(CORRECTIONS), _CORRECTION, scope, within)
            cleaned = difference.apply(overrule.holding(judged), CLEANED, self._path(CLEANED), refined.IDENTITY, scope, within)
            return cleaned, corrected
        finally:
            for frame in kept:
                frame.unpersist()

    # -- previews ------------------------------------------------------------------------------------------------------------------

    def _preview(self, previews: DataFrame, statements: DataFrame, arrived: Arrived, version: int | None) -> dict[str, int]:
        """What is open after the batch. Older statements, too, may overrule a preview that arrives after them."""
        spark = previews.sparkSession
        if arrived.previews and version is not None:
            ledger = self._ledger(spark, version).where(arrived.condition)
            previews = overrule.still_open(previews, overrule.with_range(ledger))
        before = overrule.still_open(self._read(spark, PREVIEWS_OPEN), statements)
        after = overrule.newest(before.unionByName(previews)).select(*_names(PREVIEWS_OPEN))
        after.write.format("delta").mode("overwrite").save(self._path(PREVIEWS_OPEN))
        return {PREVIEWS_OPEN.name: arrived.previews}

    # -- how far, and who is to know -----------------------------------------------------------------------------------------------

    def _mark(self, statements: DataFrame, marks: DataFrame) -> None:
        moved = overrule.watermarks(statements, marks).select(*_names(WATERMARKS))
        moved.coalesce(1).write.format("delta").mode("overwrite").save(self._path(WATERMARKS))

    def _tell(self, batch: DataFrame, batch_id: int) -> None:
        """So that who follows this table sees the rows it speaks of, and how far their points are covered."""
        stated = overrule.with_range(batch.where(overrule.STATES))
        self._append(stated.select(*_names(CHANGED_RANGES)), CHANGED_RANGES, 1, batch_id)

    # -- bronze --------------------------------------------------------------------------------------------------------------------

    def _version(self, batch_id: int) -> int | None:
        """The version of the ledger with which this batch ends; None before its first row.

        Later statements come with later batches: to see them now would leave no trace of what they correct, and append them twice.
        """
        return _ledger_version(self._storage, self._checkpoint.location, batch_id)

    def _ledger(self, spark: SparkSession, version: int) -> DataFrame:
        return spark.read.format("delta").option("versionAsOf", version).load(tables.COVERAGE.path(self._warehouse))

    def _samples(self, spark: SparkSession, condition: str) -> DataFrame:
        """Archived samples with `at` and `hour`. Those of a statement were committed before it."""
        found = self._read(spark, tables.TIMESERIES).where(f"origin = 'RECORDED' AND {condition}").select(*_RECORDED)
        at = overrule.ticks("event_time", "ticks")
        return found.withColumn("at", at).withColumn("hour", overrule.hour_of(F.col("at")))

    # -- silver --------------------------------------------------------------------------------------------------------------------

    def _path(self, table: Table) -> str:
        return table.path(self._warehouse)

    def _read(self, spark: SparkSession, table: Table) -> DataFrame:
        return spark.read.format("delta").load(self._path(table))

    def _append(self, frame: DataFrame, table: Table, rows: int, batch_id: int) -> None:
        writer = frame.coalesce(difference.parts(frame, rows)).write.format("delta").mode("append")
        writer.option("txnAppId", app_id(self._checkpoint.query_id(), table)).option("txnVersion", batch_id).save(self._path(table))


def seen(spark: SparkSession, lakehouse: Lakehouse) -> int | None:
    """The version of the ledger that silver shows, as far as its checkpoint says; None before its first batch."""
    files = Storage(spark)
    checkpoint = Checkpoint(files, f"{absolute(lakehouse.checkpoints)}/{NAME}")
    committed = checkpoint.state().committed
    return None if committed < 0 else _ledger_version(files, checkpoint.location, committed)


def _ledger_version(files: Storage, checkpoint: str, batch_id: int) -> int | None:
    _, _, line, *_ = files.read(f"{checkpoint}/offsets/{batch_id}").splitlines()
    if line == "-":
        return None
    ledger = json.loads(line)
    if ledger["index"] >= 0:
        raise LandError(f"batch {batch_id} of {checkpoint} ends within a version of the ledger, {ledger['reservoirVersion']}")
    return int(ledger["reservoirVersion"]) - 1


def app_id(query_id: str, table: Table) -> str:
    """Name of this query as a writer of a table, in Delta's log."""
    return f"{NAME}:{query_id}:{table.name}"


def _arrived(batch: DataFrame) -> Arrived:
    preview = F.col("kind").isNull()

    def of_previews(column: str) -> Column:
        return F.when(preview, F.col(column))

    (row,) = batch.agg(
        F.count_if(~preview).alias("statements"),
        F.count_if(F.expr(overrule.STATES)).alias("stated"),
        F.count_if(preview).alias("previews"),
        F.expr(f"coalesce(sum({_EVENTS}), 0)").alias("events"),
        F.unix_micros(F.min(of_previews("event_time"))).alias("first"),
        F.unix_micros(F.max(of_previews("event_time"))).alias("last"),
        F.min(of_previews("clock")).alias("clock"),
    ).collect()
    condition = "false"
    if row["previews"]:
        first, last = quoting.instant(row["first"]), quoting.instant(row["last"])
        condition = f"to_time >= {first} AND from_time <= {last} AND as_of_clock > {row['clock']}"
    return Arrived(row["statements"], row["stated"], row["previews"], row["events"], condition)


def _stated(classified: DataFrame) -> dict[bool, Stated]:
    """By whether they are appended. None for which there is no statement."""
    found = classified.groupBy("appends").agg(
        F.sum("count").alias("samples"),
        F.unix_micros(F.min("received_time")).alias("first"),
        F.unix_micros(F.max("received_time")).alias("last"),
    )
    return {row["appends"]: Stated(row["samples"], row["first"], row["last"]) for row in found.collect()}


def _within(hours: DataFrame, events: DataFrame) -> DataFrame:
    """Events of these (point_key, hour)s."""
    placed = events.withColumn("hour", overrule.hour_of(overrule.ticks("event_time", "ticks")))
    return placed.join(hours, ["point_key", "hour"], "left_semi")


def _left(ledger: DataFrame, judged: DataFrame, hours: DataFrame) -> DataFrame | None:
    """Those of the hours in which a statement holds whose samples bronze lacks, told in the log; None if there are none."""
    counted, lacks = completeness.counted_again(ledger, judged, hours), "damage IS NOT NULL"
    if counted.where(lacks).isEmpty():  # as nearly always: which statement holds where need not be found out
        return None
    (edge,) = hours.agg(F.min("hour").alias("first"), F.max("hour").alias("last")).collect()
    holding = completeness.stretches(counted, edge["first"], edge["last"] + 1)
    left = holding.where(lacks).select("point_key", "hour").distinct().localCheckpoint()
    (row,) = left.agg(F.count(F.lit(1)).alias("hours"), F.count_distinct("point_key").alias("points")).collect()
    if not row["hours"]:
        return None
    because = "bronze has fewer samples of them than were stated: `pibridge reconcile --repair` has them read again"
    log.warning("hours_left_as_they_were", hours=row["hours"], points=row["points"], because=because)
    return left


def _near(ranges: DataFrame, hours: DataFrame) -> DataFrame:
    """Ranges that reach between the first and the last of their point's hours."""
    reach = hours.groupBy("point_key").agg(F.min("hour").alias("first_hour"), F.max("hour").alias("last_hour"))
    first, last = overrule.hour_of(F.col("begin")), overrule.hour_of(F.col("end") - 1)
    return ranges.join(reach, "point_key").where((first <= F.col("last_hour")) & (last >= F.col("first_hour")))


def _names(table: Table) -> Sequence[str]:
    return [column.name for column in table.columns]
