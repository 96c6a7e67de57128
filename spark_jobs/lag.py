"""How far bronze is behind Kafka, and silver behind bronze; and waiting until neither is."""

import time
from collections.abc import Mapping

import structlog
from pyspark.sql import DataFrame

from schemas import topics
from schemas.config import Config, Lakehouse
from spark_jobs import delta, overrule, silver, tables
from spark_jobs.brokers import Brokers
from spark_jobs.destination import ByPath
from spark_jobs.errors import Unavailable
from spark_jobs.landed import Offsets
from spark_jobs.sequences import Place

_LOOK_SECONDS = 2.0
_TELL_SECONDS = 10.0
_STATED = (topics.RECORDED, topics.HISTORY)

log = structlog.get_logger()


def behind(ends: Mapping[Place, int], landed: Offsets) -> int:
    """How many offsets are still to be landed up to these ends."""
    return sum(max(0, end - landed.get(topic, {}).get(str(partition), 0)) for (topic, partition), end in ends.items())


def unseen(statements: DataFrame, seen: int | None, destination: ByPath) -> DataFrame:
    """Those of the statements that the ledger did not have yet in version `seen`; all of them for None."""
    if seen is None:
        return statements
    then = destination.spark.read.format("delta").option("versionAsOf", seen).load(destination.place(tables.COVERAGE))
    return statements.join(then.select(*overrule.PLACE), list(overrule.PLACE), "left_anti")


def wait(destination: ByPath, config: Config, lakehouse: Lakehouse, seconds: float) -> None:
    """Until bronze has all statements that Kafka has now, and silver has seen them. Raises Unavailable after `seconds`."""
    names = [topic.name(config.source) for topic in _STATED]
    ends = Brokers(destination.spark, config.kafka).newest(names)
    began = told = time.monotonic()
    while (lacks := _lacks(destination, lakehouse, ends)) is not None:
        now = time.monotonic()
        if now - began > seconds:
            raise Unavailable(f"{lacks}, after {seconds:g} s of waiting")
        if now - told >= _TELL_SECONDS:
            told = now
            log.info("waiting", reason=lacks, seconds=round(now - began))
        time.sleep(_LOOK_SECONDS)


def _lacks(destination: ByPath, lakehouse: Lakehouse, ends: Mapping[Place, int]) -> str | None:
    record = delta.found(destination, tables.COVERAGE).record
    if left := behind(ends, {} if record is None else record.ends):
        return f"bronze is {left:,} records behind Kafka: is `pibridge land` running?"
    ledger = destination.spark.read.format("delta").load(destination.place(tables.COVERAGE)).where(overrule.STATES)
    if left := unseen(ledger, silver.seen(destination.spark, lakehouse), destination).count():
        return f"silver is {left:,} statements behind bronze: is `pibridge refine` running?"
    return None
