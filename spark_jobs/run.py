"""The main path of the bronze job: open everything, start the query, tell of each batch, end in order."""

import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import structlog
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from schemas.config import Config, Lakehouse
from spark_jobs import bronze, kafka, storage, tables
from spark_jobs.catalog import Catalog, Registration
from spark_jobs.checkpoint import Checkpoint
from spark_jobs.decode import Decoder
from spark_jobs.errors import LandError, Misconfigured, Refused, Unavailable
from spark_jobs.registry import Registry
from spark_jobs.session import session

_POLL_SECONDS = 0.2
_BATCH_SETTING = "spark.pibridge.maxOffsetsPerTrigger"
_BATCH_OFFSETS = "5000"
"""Frames hold up to 1,000 samples: so a batch after an outage stays within memory and a minute."""
_ADMIN_TIMEOUT_MS = 15_000

log = structlog.get_logger()


def land(config: Config, available_now: bool, stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
    """Land into bronze until `stop` is set, or with `available_now` until everything committed at the start is landed.

    `ready` is called when the session runs (Spark takes over the signal handlers while it starts). Raises LandError.
    """
    if config.lakehouse is None:
        raise Misconfigured("the configuration has no section `lakehouse`: warehouse and checkpoints are needed")
    kafka.client_settings(config.kafka)  # refused before Spark takes its seconds to start
    with ExitStack() as opened:
        registry = Registry(config.registry)
        opened.callback(registry.close)
        registry.check()
        spark = opened.enter_context(session(config.lakehouse))
        ready()
        run(spark, registry, config, config.lakehouse, available_now, stop)


def run(spark: SparkSession, registry: Registry, config: Config, lakehouse: Lakehouse, available_now: bool, stop: threading.Event) -> None:
    """The job on a session that runs. Raises LandError."""
    warehouse = storage.absolute(lakehouse.warehouse)
    checkpoint = Checkpoint(storage.Storage(spark), f"{storage.absolute(lakehouse.checkpoints)}/{tables.LAYER}")
    _require_topics(spark, config)
    bronze.prepare(spark, checkpoint, warehouse, config.source)
    with ExitStack() as opened:
        if lakehouse.catalog is not None:
            registration = Registration(Catalog(lakehouse, warehouse), tables.TABLES, config.source)
            registration.start()
            opened.callback(registration.close)
        if stop.is_set():
            return
        landing = bronze.Landing(Decoder(registry, config.source), checkpoint, warehouse, config.source)
        log.info("landing", warehouse=warehouse, checkpoint=checkpoint.location, available_now=available_now)
        for _ in range(_STARTS):
            if _landed(_start(spark, config, lakehouse, checkpoint, landing, available_now), landing, stop):
                return
        raise LandError(f"the query ended {_STARTS} times after repeating a batch: its commit does not stay in {checkpoint.location}")


_STARTS = 3
_METRICS_DEFECT = 'because the return value of "scala.Option.get()" is null'


def _landed(query: StreamingQuery, landing: bronze.Landing, stop: threading.Event) -> bool:
    """Watch a query to its end; false if it has to be started again. Raises LandError.

    Spark 4.1 ends a query whose first batch is one that was planned before the start, as after a kill, once that batch is committed: the
    Kafka source's metrics fail, because nobody has asked for the newest offsets yet (SPARK-55271). The next start finds it committed.
    """
    try:
        _watch(query, landing, stop)
    except PySparkException as error:
        if isinstance(landing.failure, bronze.Stopped):
            return True
        if landing.failure is None and _METRICS_DEFECT in str(error) and not stop.is_set():
            log.info("batch_repeated", starts_again=True)
            return False
        raise failure(landing.failure, error) from error
    finally:
        _stop(query)
    return True


def _start(
    spark: SparkSession, config: Config, lakehouse: Lakehouse, checkpoint: Checkpoint, landing: bronze.Landing, available_now: bool
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
        .foreachBatch(landing)
    )
    if available_now:
        return writer.trigger(availableNow=True).start()
    return writer.trigger(processingTime=f"{max(1, round(lakehouse.trigger_seconds * 1000))} milliseconds").start()


def _watch(query: StreamingQuery, landing: bronze.Landing, stop: threading.Event) -> None:
    """Tell of each batch until the query ends; raises what ended it."""
    untold: list[bronze.Landed] = []
    ended = False
    first = True
    while not ended:
        # A running batch is finished, and one that is about to begin declines itself.
        if stop.is_set():
            landing.stop.set()
            if not query.status["isTriggerActive"]:
                _stop(query)
        time.sleep(_POLL_SECONDS)
        ended = not query.isActive
        untold += landing.take_landed()
        if not untold:
            continue
        # Spark's progress of a batch comes after its commit: what is told here is not done again after a crash.
        progress = {entry.batchId: json.loads(entry.json) for entry in query.recentProgress if entry.numInputRows}
        for landed in [entry for entry in untold if entry.batch_id in progress]:
            untold.remove(landed)
            if landed.rows and first:
                log.info("first_rows", batch_id=landed.batch_id, rows=landed.rows)
                first = False
            log.info("batch", **batch_line(landed, progress[landed.batch_id]))
    query.awaitTermination()


def batch_line(landed: bronze.Landed, progress: dict[str, Any]) -> dict[str, Any]:
    """What is told of a batch."""
    behind = progress["sources"][0].get("metrics") or {}
    return {
        "batch_id": landed.batch_id,
        "rows": landed.rows,
        "records": progress["numInputRows"],
        "seconds": round(progress["batchDuration"] / 1000, 3),
        "landing_seconds": round(landed.seconds, 3),
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


def _stop(query: StreamingQuery) -> None:
    if query.isActive:
        query.stop()


def _require_topics(spark: SparkSession, config: Config) -> None:
    """Said before the query, which would wait a minute and then speak of something else. Raises Unavailable."""
    jvm: Any = spark._jvm
    properties = jvm.java.util.Properties()
    for key, value in kafka.client_settings(config.kafka).items():
        properties.setProperty(key, value)
    properties.setProperty("default.api.timeout.ms", str(_ADMIN_TIMEOUT_MS))
    properties.setProperty("request.timeout.ms", str(_ADMIN_TIMEOUT_MS // 3))
    try:
        admin = jvm.org.apache.kafka.clients.admin.Admin.create(properties)
        try:
            present = set(admin.listTopics().names().get())
        finally:
            admin.close(jvm.java.time.Duration.ofSeconds(1))
    except Py4JJavaError as error:
        cause = error.java_exception.getCause() or error.java_exception
        raise Unavailable(f"Kafka at {config.kafka.bootstrap_servers} does not answer: {cause.getMessage()}") from error
    if missing := sorted(tables.records_by_topic(config.source).keys() - present):
        raise Unavailable(f"Kafka has no topic {', '.join(missing)}: create the topics first (pibridge topics apply)")


_LOST = ("Some data may have been lost", "failOnDataLoss", "KAFKA_DATA_LOSS")
_AWAY = (
    "org.apache.kafka.common.errors.TimeoutException",
    "org.apache.kafka.common.errors.DisconnectException",
    "No resolvable bootstrap urls",
)


def failure(ours: Exception | None, spark: Exception) -> LandError:
    """What ended the query, as an error with a sentence and an exit code."""
    if isinstance(ours, LandError):
        return ours
    text = f"{ours}\n{spark}"
    if any(mark in text for mark in _LOST):
        # The partition and its offsets stand in the last of Spark's nested reasons, if anywhere.
        reasons = [reason for reason in re.findall(r"Reason: (.+)", text) if "Python Proxy" not in reason]
        return Refused(
            "Kafka no longer has records that were to be landed next (retention, or a topic that was created anew). "
            f"They have to be asked from PI again: {reasons[-1] if reasons else _first_line(spark)}"
        )
    if any(mark in text for mark in _AWAY):
        return Unavailable(f"Kafka does not answer: {_first_line(ours or spark)}")
    return LandError(f"the query ended: {_first_line(ours or spark)}")


def _first_line(error: Exception) -> str:
    """The first line of an error without Spark's preamble: its messages go on for pages."""
    text = re.sub(r"^\[STREAM_FAILED\] .*? terminated with exception: ", "", str(error).strip())
    return (text.splitlines() or [type(error).__name__])[0]
