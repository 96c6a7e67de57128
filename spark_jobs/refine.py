"""The main path of the job that makes silver and gold out of bronze: its queries started, told of, ended in order."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from schemas.config import Config, Lakehouse
from spark_jobs import batches, delta, gold, membership, refined, silver, storage, tables
from spark_jobs.catalog import Catalog, Registration
from spark_jobs.checkpoint import Checkpoint
from spark_jobs.destination import ByPath
from spark_jobs.errors import LandError, Misconfigured, Refused, Unavailable
from spark_jobs.failures import failure
from spark_jobs.lease import Lease
from spark_jobs.maintain import Upkeep, Work
from spark_jobs.session import SPARK_ERRORS, session
from spark_jobs.tables import Table

_BRONZE_SECONDS = 2.0
"""How often is looked for bronze while it does not exist."""
_STARTS = 3
"""So often a query is started, one time after the other without a batch between them."""
_SCHEMA_CHANGED = ("DELTA_SCHEMA_CHANGED", "DELTA_SCHEMA_CHANGED_WITH_STARTING_OPTIONS", "DELTA_SCHEMA_CHANGED_WITH_VERSION")

log = structlog.get_logger()


@dataclass(frozen=True)
class Refinery:
    """One query: what it reads, what it does with a batch, and the tables that it alone writes."""

    name: str
    tables: tuple[Table, ...]
    reads: tuple[Table, ...]
    """What its stream follows."""
    stream: Callable[[], DataFrame]
    work: Work
    seconds: float
    checkpoint: Checkpoint


def refine(config: Config, available_now: bool, stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
    """Refine until `stop` is set, or with `available_now` until all that bronze has at the start is refined. Raises LandError.

    `ready` is called when the session runs (Spark takes over the signal handlers while it starts).
    """
    if config.lakehouse is None:
        raise Misconfigured("the configuration has no section `lakehouse`: warehouse and checkpoints are needed")
    with session(config.lakehouse) as spark:
        ready()
        run(spark, config.source, config.lakehouse, available_now, stop)


def run(spark: SparkSession, source: str, lakehouse: Lakehouse, available_now: bool, stop: threading.Event) -> None:
    """The job on a session that runs. Raises LandError, Refused if another process is at it."""
    if lakehouse.warehouse is None:
        raise Misconfigured("silver and gold are written by path: set lakehouse.warehouse")
    warehouse = storage.absolute(lakehouse.warehouse)
    if not _bronze_exists(spark, warehouse, available_now, stop):
        return
    lease_files = [f"{storage.absolute(lakehouse.checkpoints)}/refine.lease", f"{warehouse}/{refined.CLEANED.layer}.lease"]
    lease = Lease(storage.Storage(spark), lease_files, stop)
    lease.take()
    with ExitStack() as opened:
        opened.callback(lease.close)
        refineries = planned(spark, lakehouse, warehouse, stop)
        for refinery in refineries:
            prepare(spark, refinery, warehouse, source)
        if lakehouse.catalog is not None:
            registration = Registration(Catalog(lakehouse, warehouse), lambda: refined.TABLES, source)
            registration.start()
            opened.callback(registration.close)
        log.info("refining", warehouse=warehouse, available_now=available_now)
        if available_now:  # each sees all that those before it wrote
            for refinery in refineries:
                run_one(refinery, True, stop)
        else:
            _run_together(refineries, stop)
        if lease.lost is not None:
            raise Refused(f"this job ended because {lease.lost}")


def planned(spark: SparkSession, lakehouse: Lakehouse, warehouse: str, stop: threading.Event) -> list[Refinery]:
    """The queries, each after those that it reads from."""
    checkpoints, small = storage.absolute(lakehouse.checkpoints), storage.Storage(spark)
    of_silver, of_gold = (Checkpoint(small, f"{checkpoints}/{name}", streams) for name, streams in ((silver.NAME, 2), (gold.NAME, 1)))

    def kept(checkpoint: Checkpoint, of: tuple[Table, ...], work: Work) -> Work:
        """The work, and now and then upkeep of these tables: nobody else changes them meanwhile."""
        destination, marker = ByPath(spark, small, warehouse), f"{checkpoint.location}.maintained"
        return Upkeep(destination, small, marker, of, lakehouse.maintain_seconds, stop, lambda: datetime.now(UTC)).after(work)

    return [
        Refinery(
            silver.NAME,
            refined.SILVER,
            (tables.COVERAGE, tables.TIMESERIES),
            lambda: silver.stream(spark, warehouse),
            # Bronze is only ever added to, and what reconciliations found is only vacuumed: neither disturbs who writes it meanwhile.
            kept(of_silver, (*tables.TABLES, *refined.SILVER, refined.COMPLETENESS), silver.Silver(spark, of_silver, warehouse)),
            lakehouse.refine_seconds,
            of_silver,
        ),
        Refinery(
            gold.NAME,
            refined.MEASURED,
            (refined.CHANGED_RANGES,),
            lambda: gold.stream(spark, warehouse),
            kept(of_gold, refined.MEASURED, gold.Gold(warehouse)),
            lakehouse.measure_seconds,
            of_gold,
        ),
    ]


def prepare(spark: SparkSession, refinery: Refinery, warehouse: str, source: str) -> None:
    """Create or widen the tables of a query. Raises Refused if tables and checkpoint are not of one life."""
    files = storage.Storage(spark)
    destination = ByPath(spark, files, warehouse)
    read = _ids(spark, refinery.reads, warehouse)
    problem = _problem(spark, refinery, [table for table in refinery.tables if destination.exists(table)], read, warehouse)
    if problem is not None:
        raise Refused(problem)
    for table in refinery.tables:
        delta.ensure(destination, table, source)
    membership.set_tables(files, refinery.checkpoint, _ids(spark, refinery.tables, warehouse) | read)


def _ids(spark: SparkSession, of: Sequence[Table], warehouse: str) -> dict[str, str]:
    return {table.name: membership.table_id(spark, table.path(warehouse)) for table in of}


def _problem(spark: SparkSession, refinery: Refinery, there: Sequence[Table], read: dict[str, str], warehouse: str) -> str | None:
    """Why the query must not start, as a sentence with what to do; None if it may."""
    checkpoint = refinery.checkpoint
    state, known = checkpoint.state(), membership.known_tables(storage.Storage(spark), checkpoint)
    rows = [table.name for table in there if not membership.is_empty(spark, table.path(warehouse))]
    problem = disagreement(state.begun, known, _ids(spark, there, warehouse), rows, [table.name for table in refinery.tables])
    if problem is not None:
        where = f"(checkpoint {checkpoint.location}, tables below {warehouse})"
        return f"{problem} {where}. All of {refinery.name} is then made again from what bronze holds"
    if state.damage is not None:
        problem = f"checkpoint {checkpoint.location} is damaged, {state.damage}: remove it"
    elif anew := sorted(name for name, table_id in read.items() if known.get(name, table_id) != table_id):
        return (
            f"{', '.join(anew)} is another table than the one that checkpoint {checkpoint.location} has read: remove the checkpoint. "
            f"What bronze holds now is then compared with {refinery.name}: hours about which it has no statement, or fewer samples than "
            "were stated, stay as they are until they are read again; in the others, what only lost records told of goes"
        )
    elif state.begun:
        problem = _older_copy(spark, refinery, state.planned, warehouse)
    return None if problem is None else f"{problem}. Nothing is lost by that: what bronze holds is compared with what {refinery.name} has"


def disagreement(begun: bool, known: dict[str, str], ids: dict[str, str], rows: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Why a query must not start with these tables, as a sentence with what to do; None if it may.

    `begun`: the checkpoint has batches; `known`: ids of the tables that belong to it; `ids`: of those of the `wanted` that are there;
    `rows`: those not empty. A lost checkpoint is no harm: what bronze says is then compared with what the tables hold, and nothing is
    appended unseen.
    """
    if begun and (other := sorted(name for name in wanted if known.get(name) != ids.get(name))):
        return (
            f"the tables {', '.join(other)} are not those that the checkpoint filled: remove the checkpoint, and {', '.join(sorted(ids))}"
        )
    if not begun and rows and (missing := sorted(set(wanted) - ids.keys())):
        return f"there are rows in {', '.join(rows)}, and no table {', '.join(missing)}: remove {', '.join(sorted(ids))}"
    return None


def _older_copy(spark: SparkSession, refinery: Refinery, planned_batch: int, warehouse: str) -> str | None:
    query_id = refinery.checkpoint.query_id()
    for table in refinery.tables:
        newest = membership.newest_batch(spark, table.path(warehouse), silver.app_id(query_id, table))
        if newest > planned_batch:
            return (
                f"checkpoint {refinery.checkpoint.location} ends at batch {planned_batch}, but table {table.name} has batch {newest}: "
                "the checkpoint is an older copy. Remove it"
            )
    return None


def _bronze_exists(spark: SparkSession, warehouse: str, available_now: bool, stop: threading.Event) -> bool:
    """Whether bronze is there, waited for if the job goes on; false if `stop` came first. Raises Unavailable."""
    files, told = storage.Storage(spark), False
    needed = [table.path(warehouse) for table in (tables.TIMESERIES, tables.COVERAGE, tables.POINTS)]
    while missing := [path for path in needed if not files.exists(f"{path}/_delta_log")]:
        if available_now:
            raise Unavailable(f"there is no table at {missing[0]}: bronze has to be landed first (pibridge land)")
        if not told:
            log.info("waiting_for_bronze", missing=missing)
            told = True
        if stop.wait(_BRONZE_SECONDS):
            return False
    return True


def _start(refinery: Refinery, work: batches.Batches, available_now: bool) -> StreamingQuery:
    writer = refinery.stream().writeStream.queryName(refinery.name).option("checkpointLocation", refinery.checkpoint.location)
    if available_now:
        return writer.foreachBatch(work).trigger(availableNow=True).start()
    return writer.foreachBatch(work).trigger(processingTime=f"{max(1, round(refinery.seconds * 1000))} milliseconds").start()


def run_one(refinery: Refinery, available_now: bool, stop: threading.Event) -> None:
    """A query to its end. Raises LandError.

    Bronze may get a column in mid-run, which Delta tells by ending the query: the next start reads on.
    """
    left = _STARTS

    def tell() -> None:
        nonlocal left
        for done in work.take():
            left = _STARTS
            log.info("refined", query=refinery.name, batch_id=done.batch_id, rows=done.rows, seconds=round(done.seconds, 3))

    work = batches.Batches(refinery.work)
    while not stop.is_set():
        work.failure, left = None, left - 1
        try:
            return batches.watch(_start(refinery, work, available_now), work, stop, tell)
        except PySparkException as error:
            if not left or isinstance(work.failure, LandError) or not any(mark in str(error) for mark in _SCHEMA_CHANGED):
                raise failure(work.failure, error, f"the query {refinery.name}") from error
            log.info("bronze_has_new_columns", query=refinery.name, starts_again=True)


def _run_together(refineries: list[Refinery], stop: threading.Event) -> None:
    """All queries until one fails or `stop` is set; then the others end too."""
    ending = threading.Event()
    failures: list[Exception] = []

    def follow(refinery: Refinery) -> None:
        try:
            run_one(refinery, False, ending)
        except (LandError, *SPARK_ERRORS) as error:
            failures.append(error)
        finally:
            ending.set()

    with ExitStack() as opened:
        for refinery in refineries:
            thread = threading.Thread(target=follow, args=(refinery,), name=refinery.name)
            thread.start()
            opened.callback(thread.join)
        while not ending.is_set():
            if stop.wait(0.2):
                ending.set()
    if failures:
        raise failures[0]
