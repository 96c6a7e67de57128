"""The main path of the bronze job: open everything, start the query, tell of each batch, end in order."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from schemas.config import Config, Lakehouse
from spark_jobs import bronze, kafka, tables
from spark_jobs.batches import Batches, Done, watch
from spark_jobs.brokers import Brokers
from spark_jobs.catalog import Catalog, Registration
from spark_jobs.checkpoint import Checkpoint
from spark_jobs.decode import Decoder
from spark_jobs.destination import destination_of
from spark_jobs.errors import LandError, LostRecords, Misconfigured, Refused
from spark_jobs.failures import failure
from spark_jobs.incidents import Incidents, Loss, losses
from spark_jobs.lease import Lease
from spark_jobs.refill import lost, refill
from spark_jobs.registry import Registry
from spark_jobs.session import session
from spark_jobs.storage import Storage, absolute

_BATCH_SETTING = "spark.pibridge.maxOffsetsPerTrigger"
_BATCH_OFFSETS = "5000"
"""Frames hold up to 1,000 samples: so a batch after an outage stays within memory and a minute."""

_STATED = (tables.TIMESERIES, tables.COVERAGE)
"""What is told of before the first landing: of the others nothing can be read again, and nobody missed it so far."""

log = structlog.get_logger()


def land(
    config: Config, available_now: bool, stop: threading.Event, ready: Callable[[], None] = lambda: None, rebuild: bool = False
) -> None:
    """Land into bronze until `stop` is set, or with `available_now` until everything committed at the start is landed.

    `ready` is called when the session runs (Spark takes over the signal handlers while it starts). `rebuild` allows to fill tables that are
    gone again. Raises LandError.
    """
    if config.lakehouse is None:
        raise Misconfigured("the configuration has no section `lakehouse`: checkpoints, and mostly a warehouse, are needed")
    kafka.client_settings(config.kafka)  # refused before Spark takes its seconds to start
    with ExitStack() as opened:
        registry = Registry(config.registry)
        opened.callback(registry.close)
        registry.check()
        spark = opened.enter_context(session(config.lakehouse))
        ready()
        run(spark, registry, config, config.lakehouse, available_now, stop, rebuild)


def run(
    spark: SparkSession,
    registry: Registry,
    config: Config,
    lakehouse: Lakehouse,
    available_now: bool,
    stop: threading.Event,
    rebuild: bool = False,
) -> None:
    """The job on a session that runs. Raises LandError."""
    files = Storage(spark)
    destination = destination_of(spark, files, lakehouse)
    checkpoint = Checkpoint(files, f"{absolute(lakehouse.checkpoints)}/{tables.LAYER}")
    brokers = Brokers(spark, config.kafka)
    topic_ids = brokers.topic_ids(tables.records_by_topic(config.source))
    with ExitStack() as opened:
        lease = Lease(files, [f"{checkpoint.location}.lease", *destination.lease_files()], stop)
        lease.take()
        opened.callback(lease.close)
        verdict = bronze.prepare(destination, checkpoint, config.source, rebuild)
        last = None if verdict.landed is None else verdict.landed.record
        _require_same_topics(topic_ids, {} if last is None else last.topic_ids)
        decoder = Decoder(registry, config.source)
        incidents = Incidents(brokers, registry, destination, config, lambda: datetime.now(UTC))
        if last is None or verdict.refill:
            # First: from then on nothing would show that these were lost.
            names = verdict.refill or [table.name for table in (tables.TABLES if rebuild else _STATED)]
            _tell(incidents, lost(brokers, config.source, names))
        if verdict.begin_anew:
            log.warning("checkpoint_removed", checkpoint=checkpoint.location, because="the tables are gone")
            checkpoint.remove()
        landing = bronze.Landing(decoder, checkpoint, destination, config.source, incidents, topic_ids, verdict.landed)
        landing.widen()
        if last is not None and verdict.refill:
            refill(destination, decoder, config, last, [table for table in landing.tables if table.name in verdict.refill])
        if lakehouse.catalog is not None and lakehouse.warehouse is not None:
            registration = Registration(Catalog(lakehouse, absolute(lakehouse.warehouse)), lambda: landing.tables, config.source)
            landing.on_widened = registration.look
            registration.start()
            opened.callback(registration.close)
        if not stop.is_set():
            log.info(
                "landing", destination=destination.place(tables.TIMESERIES), checkpoint=checkpoint.location, available_now=available_now
            )
            pass_losses = partial(_pass_losses, brokers, checkpoint, incidents, topic_ids)
            pass_losses()
            work = Batches(landing)
            _follow(lambda: _start(spark, config, lakehouse, checkpoint, work, available_now), work, stop, pass_losses)
        if lease.lost is not None:
            raise Refused(f"this job ended because {lease.lost}")


def _require_same_topics(found: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Refused if a topic was created anew: its offsets begin again, and two records would have the same coordinates in the tables."""
    if anew := sorted(topic for topic, topic_id in known.items() if found.get(topic, topic_id) != topic_id):
        raise Refused(
            f"topic {', '.join(anew)} was created anew since it was last landed: its offsets begin again, and its records could not be "
            "told from those in the tables. Keep these tables as they are, and name an empty lakehouse.warehouse and "
            "lakehouse.checkpoints for what comes now"
        )


def _pass_losses(brokers: Brokers, checkpoint: Checkpoint, incidents: Incidents, topic_ids: Mapping[str, str]) -> bool:
    """Where Kafka dropped what was to be landed next: tell of it, have it read again, go on behind it. Whether there was any."""
    _require_same_topics(brokers.topic_ids(topic_ids), topic_ids)
    earliest = brokers.earliest(topic_ids)
    found = losses(checkpoint.next_starts(), earliest)
    if not found:
        return False
    _tell(incidents, found)
    checkpoint.raise_to(earliest)
    return True


def _tell(incidents: Incidents, found: Sequence[Loss]) -> None:
    if found:
        jobs = incidents.read_again(found)
        log.error("records_lost", lost=[loss.text for loss in found], jobs=jobs, incidents=[loss.incident_id for loss in found])


_STARTS = 3
_METRICS_DEFECT = 'because the return value of "scala.Option.get()" is null'


def _follow(start: Callable[[], StreamingQuery], work: Batches, stop: threading.Event, pass_losses: Callable[[], bool]) -> None:
    """Start the query, and again where that helps, until it ends for good. Raises LandError."""
    done, fruitless = work.done, 0
    while fruitless < _STARTS:
        try:
            if _landed(start(), work, stop):
                return
        except LostRecords:
            if not pass_losses():
                raise
        fruitless = fruitless + 1 if work.done == done else 0
        done = work.done
    raise LandError(f"the query ended {_STARTS} times one after the other without landing a batch; the log says why each time")


def _landed(query: StreamingQuery, work: Batches, stop: threading.Event) -> bool:
    """Watch a query to its end; false if it has to be started again. Raises LandError.

    Spark 4.1 ends a query whose first batch is one that was planned before the start, as after a kill, once that batch is committed: the
    Kafka source's metrics fail, because nobody has asked for the newest offsets yet (SPARK-55271). The next start finds it committed.
    """
    work.failure = None
    try:
        watch(query, work, stop, Told(query, work))
    except PySparkException as error:
        if work.failure is None and _METRICS_DEFECT in str(error) and not stop.is_set():
            log.info("batch_repeated", starts_again=True)
            return False
        raise failure(work.failure, error) from error
    return True


def _start(
    spark: SparkSession, config: Config, lakehouse: Lakehouse, checkpoint: Checkpoint, work: Batches, available_now: bool
) -> StreamingQuery:
    options = kafka.source_options(config.kafka) | {
        "subscribe": ",".join(sorted(tables.records_by_topic(config.source))),
        "maxOffsetsPerTrigger": lakehouse.spark.get(_BATCH_SETTING, _BATCH_OFFSETS),
    }
    writer = (
        spark.readStream.format("kafka")
        .options(**options)
        .load()
        .writeStream.queryName(f"bronze-{config.source}")
        .option("checkpointLocation", checkpoint.location)
        .foreachBatch(work)
    )
    if available_now:
        return writer.trigger(availableNow=True).start()
    return writer.trigger(processingTime=f"{max(1, round(lakehouse.trigger_seconds * 1000))} milliseconds").start()


class Told:
    """Tells of each batch of a query, in the log, once Spark has committed it: what is told is not done again after a crash."""

    def __init__(self, query: StreamingQuery, work: Batches) -> None:
        self._query, self._work = query, work
        self._untold: list[Done] = []
        self._first = True

    def __call__(self) -> None:
        """Look for what can be told by now."""
        self._untold += self._work.take()
        if not self._untold:
            return
        # Spark's progress of a batch comes after its commit; waiting for a batch has one of the same number, in which nothing was added.
        progress = {entry.batchId: entry for entry in self._query.recentProgress if "addBatch" in entry.durationMs}
        for done in [entry for entry in self._untold if entry.batch_id in progress]:
            self._untold.remove(done)
            if done.rows and self._first:
                log.info("first_rows", batch_id=done.batch_id, rows=done.rows)
                self._first = False
            log.info("batch", **batch_line(done, json.loads(progress[done.batch_id].json)))


def batch_line(done: Done, progress: dict[str, Any]) -> dict[str, Any]:
    """What is told of a batch."""
    behind = progress["sources"][0].get("metrics") or {}
    return {
        "batch_id": done.batch_id,
        "rows": done.rows,
        "records": progress["numInputRows"],
        "seconds": round(progress["batchDuration"] / 1000, 3),
        "landing_seconds": round(done.seconds, 3),
        "max_offsets_behind": int(behind.get("maxOffsetsBehindLatest", 0)),
        "offsets_behind": offsets_behind(progress["sources"][0]),
    }


def offsets_behind(progress: dict[str, Any]) -> int:
    """Offsets between the end of a batch and the newest committed ones, over all partitions."""
    ends, newest = progress.get("endOffset") or {}, progress.get("latestOffset") or {}
    return sum(
        max(0, offset - ends.get(topic, {}).get(partition, 0))
        for topic, partitions in newest.items()
        for partition, offset in partitions.items()
    )
