"""Reconciles the lakehouse: ledger against bronze and silver, coverage and its holes, PI's own counts. Makes a table, and one object.

Jobs that land and refine go on meanwhile. So silver is read before the ledger, and an hour about which silver's newest batch did not have a
statement is not judged by silver while that is young; nor is such an hour read again for what silver shows alone.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from schemas.config import Config, Lakehouse
from schemas.times import MICROSECONDS_PER_HOUR, TICKS_PER_HOUR, micros_of, ticks_of
from spark_jobs import completeness, delta, difference, heat_map, lag, overrule, quoting, reports, silver, storage, tables
from spark_jobs.catalog import Catalog, CatalogError
from spark_jobs.destination import ByPath
from spark_jobs.errors import Misconfigured, Unavailable
from spark_jobs.refined import CLEANED, COMPLETENESS, WATERMARKS
from spark_jobs.session import session

_SILVER_SECONDS = 900
"""So far silver may be behind bronze before it is judged by what it lacks."""
_COUNTS = "point_key string, hour bigint, count bigint, counted_time bigint, problem string"

log = structlog.get_logger()


@dataclass(frozen=True)
class Order:
    """What is to be reconciled."""

    begin: datetime
    end: datetime
    pi_counts: Path | None = None
    """Lines of `python -m bridge count`; None: PI is not asked."""
    picture: Path | None = None
    """Where the heat map goes."""
    wait_seconds: float = 0.0
    """So long is waited first until bronze and silver have all that Kafka has now; 0: not at all."""

    @property
    def hours(self) -> tuple[int, int]:
        """The hours that the range touches, [first, last), counted from 1970."""
        first, last = ticks_of(self.begin), ticks_of(self.end)
        return first // TICKS_PER_HOUR, -(-last // TICKS_PER_HOUR)


class _Frames(NamedTuple):
    """What is compared, each as it was at one moment, and these in this order."""

    cleaned: DataFrame
    marks: DataFrame
    ledger: DataFrame
    """All statements of the hours, with begin and end."""
    unseen: DataFrame
    """Those that silver has not seen yet, with `young`: it need not show them yet."""


def reconcile(config: Config, order: Order) -> dict[str, Any]:
    """The result, as `reports.result` describes it. Raises LandError."""
    if config.lakehouse is None:
        raise Misconfigured("the configuration has no section `lakehouse`: warehouse and checkpoints are needed")
    with session(config.lakehouse) as spark:
        return run(spark, config, config.lakehouse, order)


def run(spark: SparkSession, config: Config, lakehouse: Lakehouse, order: Order) -> dict[str, Any]:
    """The same on a session that runs."""
    if lakehouse.warehouse is None:
        raise Misconfigured("silver and gold are written by path: set lakehouse.warehouse")
    if order.begin >= order.end:
        raise Misconfigured("there is nothing to reconcile: the range ends before it begins")
    if order.pi_counts is not None and not order.pi_counts.is_file():
        raise Misconfigured(f"there is no file {order.pi_counts} with PI's counts")
    warehouse = storage.absolute(lakehouse.warehouse)
    destination = ByPath(spark, storage.Storage(spark), warehouse)
    if missing := [table for table in (tables.TIMESERIES, tables.COVERAGE, CLEANED, WATERMARKS) if not destination.exists(table)]:
        job = "land" if missing[0] in tables.TABLES else "refine"
        raise Unavailable(f"there is no table {missing[0].layer}.{missing[0].name} yet: start the job that makes it (pibridge {job})")
    if order.wait_seconds:
        lag.wait(destination, config, lakehouse, order.wait_seconds)
    delta.ensure(destination, COMPLETENESS, config.source)
    checked = micros_of(datetime.now(UTC))
    with ExitStack() as opened:

        def kept(frame: DataFrame) -> DataFrame:
            persisted = frame.persist(StorageLevel.MEMORY_AND_DISK)
            opened.callback(persisted.unpersist)
            return persisted

        compared = kept(_compared(destination, lakehouse, order, kept, checked))
        counts_bad = reports.counts_bad(compared)
        judged = kept(completeness.judged(compared, counts_bad, checked))
        _write(destination, judged, order)
        result = reports.result(judged, order.begin, order.end, checked, counts_bad if order.pi_counts is not None else None)
        if order.picture is not None:
            title = f"{config.source}: {result['hours_complete']:,} of {result['hours']:,} hours of points are complete"
            _draw(heat_map.svg(reports.grid(judged), title), order.picture)
    _register(lakehouse, warehouse, config.source)
    return result


def _compared(
    destination: ByPath, lakehouse: Lakehouse, order: Order, kept: Callable[[DataFrame], DataFrame], checked_micros: int
) -> DataFrame:
    first, last = order.hours
    frames = _frames(destination, lakehouse, first, last + 1, checked_micros)
    stated = frames.ledger.where(overrule.STATES)
    samples = _samples(destination, stated)
    held = kept(completeness.stretches(completeness.recounted(stated, samples), first, last + 1))  # one more: PI counts both ends
    return completeness.compared(
        completeness.hours_of(completeness.spans(frames.marks, stated), first, last),
        kept(completeness.ledger_by_hour(held)),
        kept(completeness.bronze_by_hour(completeness.holding(held, samples))),
        completeness.silver_by_hour(frames.cleaned),
        completeness.touched(frames.ledger),
        completeness.unseen_by_hour(frames.unseen),
        _counted(destination.spark, order.pi_counts),
    )


def _frames(destination: ByPath, lakehouse: Lakehouse, first: int, last: int, checked_micros: int) -> _Frames:
    begin, end = (quoting.instant(hour * MICROSECONDS_PER_HOUR) for hour in (first, last))
    seen = silver.seen(destination.spark, lakehouse)
    cleaned = lag.as_of(destination, CLEANED).where(f"event_time >= {begin} AND event_time < {end}")
    marks = lag.as_of(destination, WATERMARKS)
    cleaned = cleaned.withColumn("hour", overrule.hour_of(overrule.ticks("event_time", "ticks")))
    ledger = overrule.with_range(lag.as_of(destination, tables.COVERAGE).where(f"from_time < {end} AND to_time >= {begin}"))
    young = checked_micros - _SILVER_SECONDS * 1_000_000
    unseen = lag.unseen(ledger.where(overrule.STATES), seen, destination)
    return _Frames(cleaned, marks, ledger, unseen.withColumn("young", F.expr(f"received_time >= {quoting.instant(young)}")))


def _samples(destination: ByPath, stated: DataFrame) -> DataFrame:
    """The samples of statements, with `at`. Those of a statement were committed before it."""
    (row,) = stated.agg(F.unix_micros(F.min("from_time")).alias("begin"), F.unix_micros(F.max("to_time")).alias("end")).collect()
    near = "false"
    if row["begin"] is not None:
        near = f"event_time BETWEEN {quoting.instant(row['begin'])} AND {quoting.instant(row['end'])}"
    names = (*overrule.PLACE, "point_key", *(column.name for column in tables.TIMESERIES.columns if column.part == "sample"))
    found = destination.spark.read.format("delta").load(destination.place(tables.TIMESERIES))
    return found.where(f"origin = 'RECORDED' AND {near}").select(*names).withColumn("at", overrule.ticks("event_time", "ticks"))


def _counted(spark: SparkSession, lines: Path | None) -> DataFrame:
    if lines is None:
        return spark.createDataFrame([], _COUNTS)
    return spark.read.schema(_COUNTS).option("mode", "FAILFAST").json(lines.resolve().as_uri())


def _write(destination: ByPath, judged: DataFrame, order: Order) -> None:
    """In place of what earlier runs found of these hours, in one commit."""
    begin, end = (quoting.instant(hour * MICROSECONDS_PER_HOUR) for hour in order.hours)
    rows = judged.select(*(column.name for column in COMPLETENESS.columns)).coalesce(difference.parts(judged, judged.count()))
    writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", f"hour >= {begin} AND hour < {end}")
    destination.save(writer, COMPLETENESS)


def _draw(picture: str, place: Path) -> None:
    try:
        place.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"the picture cannot be written: {error}") from error


def _register(lakehouse: Lakehouse, warehouse: str, source: str) -> None:
    """Once; a catalog that is away is told, and changes nothing of the result."""
    if lakehouse.catalog is None:
        return
    catalog = Catalog(lakehouse, warehouse)
    try:
        catalog.register([COMPLETENESS], source)
    except CatalogError as error:
        log.warning("catalog_away", table=COMPLETENESS.name, problem=str(error))
    finally:
        catalog.close()
