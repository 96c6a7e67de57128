"""How far bronze is behind Kafka, and silver behind bronze; and waiting until neither is."""

import time
from collections.abc import Callable, Mapping

import structlog
from pyspark.sql import DataFrame

from schemas import topics
from schemas.config import Config, Lakehouse
from spark_jobs import delta, membership, overrule, silver, tables
from spark_jobs.brokers import Brokers
from spark_jobs.destination import ByPath
from spark_jobs.errors import Unavailable
from spark_jobs.landed import Offsets, reached
from spark_jobs.sequences import Place
from spark_jobs.tables import Table

_LOOK_SECONDS = 2.0
_TELL_SECONDS = 10.0
_STATED = (topics.RECORDED, topics.HISTORY)

log = structlog.get_logger()


def behind(ends: Mapping[Place, int], landed: Offsets) -> int:
    """How many offsets are still to be landed up to these ends."""
    return sum(max(0, end - landed.get(topic, {}).get(str(partition), 0)) for (topic, partition), end in ends.items())


def as_of(destination: ByPath, table: Table, version: int | None = None) -> DataFrame:
    """A table at a version, None for its newest: whenever it is read, later commits do not show, as they would in the table itself."""
    place = destination.place(table)
    pinned = membership.version(destination.spark, place) if version is None else version
    return destination.spark.read.format("delta").option("versionAsOf", pinned).load(place)


def unseen(statements: DataFrame, seen: int | None, destination: ByPath) -> DataFrame:
    """Those of the statements that the ledger did not have yet in version `seen`; all of them for None."""
    if seen is None:
        return statements
    then = as_of(destination, tables.COVERAGE, seen)
    return statements.join(then.select(*overrule.PLACE), list(overrule.PLACE), "left_anti")


def wait(destination: ByPath, config: Config, lakehouse: Lakehouse, seconds: float) -> None:
    """Until bronze has all statements that Kafka has now, and silver has seen them. Raises Unavailable after `seconds`."""
    names = [topic.name(config.source) for topic in _STATED]
    ends = Brokers(destination.spark, config.kafka).newest(names)

    def bronze_lacks() -> str | None:
        left = behind(ends, reached([delta.found(destination, table) for table in tables.TABLES], tables.COVERAGE.name))
        return f"bronze is {left:,} records behind Kafka: is `pibridge land` running?" if left else None

    def silver_lacks() -> str | None:
        left = unseen(ledger, silver.seen(destination.spark, lakehouse), destination).count()
        return f"silver is {left:,} statements behind bronze: is `pibridge refine` running?" if left else None

    deadline = time.monotonic() + seconds
    _until_none(bronze_lacks, deadline, seconds)
    ledger = as_of(destination, tables.COVERAGE).where(overrule.STATES)  # what comes from now on is not waited for
    _until_none(silver_lacks, deadline, seconds)


def _until_none(lacks: Callable[[], str | None], deadline: float, seconds: float) -> None:
    told = time.monotonic()
    while (reason := lacks()) is not None:
        now = time.monotonic()
        if now > deadline:
            raise Unavailable(f"{reason}, after {seconds:g} s of waiting")
        if now - told >= _TELL_SECONDS:
            told = now
            log.info("waiting", reason=reason, seconds_left=round(deadline - now))
        time.sleep(_LOOK_SECONDS)
