"""Waiting for bronze and silver, over real Kafka."""

import time
from datetime import timedelta
from threading import Event
from types import SimpleNamespace

import pytest
from pyspark.sql import SparkSession

from schemas import topics
from schemas.times import datetime_of
from spark_jobs import lag, reconcile, refine, silver
from spark_jobs.destination import ByPath
from spark_jobs.errors import Unavailable
from spark_jobs.reconcile import Order
from spark_jobs.storage import Storage
from tests.spark.world import NOON, World, preview, sample, statement

pytestmark = pytest.mark.spark


def test_waiting_ends_once_bronze_has_what_kafka_had_and_silver_what_bronze_had(
    world: World, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = str(world.lakehouse.warehouse)

    def wait() -> None:
        lag.wait(ByPath(spark, Storage(spark), warehouse), world.config, world.lakehouse, 0.1)

    def refined() -> None:
        stop = Event()
        of_silver = next(one for one in refine.planned(spark, world.lakehouse, warehouse, stop) if one.name == silver.NAME)
        refine.prepare(spark, of_silver, warehouse, world.source)
        refine.run_one(of_silver, True, stop)

    world.send(topics.RECORDED, world.frame(statement("main:1", sample(NOON + 5))))
    world.land()
    refined()
    wait()
    world.send(topics.RECORDED, b"no statement")
    world.send(topics.LIVE, world.frame(preview("main:1", sample(NOON + 6))))
    world.land()
    names = Storage.names

    def few(self: Storage, location: str) -> list[str]:
        assert not location.endswith("_delta_log"), "it has a file for each batch"
        return names(self, location)

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "names", few)
        wait()  # bronze has seen them, and nothing of them is for the ledger
    world.send(topics.HISTORY, world.frame(statement("main:1", start=NOON - 10_000_000, end=NOON)), partition=1)
    with pytest.raises(Unavailable, match="records behind Kafka: is `pibridge land` running"):
        wait()
    world.land()
    with pytest.raises(Unavailable, match="1 statements behind bronze: is `pibridge refine` running"):
        wait()

    def meanwhile(_: float) -> None:
        """Silver gets there, and bronze goes on."""
        refined()
        world.send(topics.RECORDED, world.frame(statement("main:1", start=NOON + 10_000_000, end=NOON + 20_000_000)))
        world.land()

    monkeypatch.setattr(lag, "time", SimpleNamespace(monotonic=time.monotonic, sleep=meanwhile))
    begin = datetime_of(NOON)
    order = Order(begin - timedelta(hours=1), begin + timedelta(hours=1), wait_seconds=300.0)
    found = reconcile.run(spark, world.config, world.lakehouse, order)
    assert (found["result"], found["points"], found["hours"], found["bronze_events"]) == ("complete", 1, 1, 1)
