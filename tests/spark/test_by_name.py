"""Managed tables written by name, in Spark's own catalog: as on Databricks, as far as that can be had here."""

import shutil

import pytest
from pyspark.sql import SparkSession

from console.stack import Stack
from schemas import topics
from spark_jobs import tables
from spark_jobs.errors import Refused
from tests.spark.world import World, preview, sample, statement

pytestmark = pytest.mark.spark


def test_tables_by_name_land_once_and_their_checkpoint_is_made_again(stack: Stack, spark: SparkSession) -> None:
    world = World(stack, spark)
    world.config = world.configured(warehouse=None, catalog_name="spark_catalog")
    timeseries, coverage = "spark_catalog.bronze.pi_timeseries", "spark_catalog.bronze.pi_coverage"

    def values() -> list[float]:
        return sorted(row["value_double"] for row in spark.table(timeseries).collect())

    for value in (1.0, 2.0):
        world.send(topics.RECORDED, world.frame(statement("main:1", sample(value_double=value))))
        world.land()
    shutil.rmtree(world.checkpoint)
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=3.0))))
    world.land()
    assert values() == [1.0, 2.0, 3.0]
    assert spark.table(coverage).count() == 2
    comments = {row["col_name"]: row["comment"] for row in spark.sql(f"DESCRIBE {timeseries}").collect()}
    assert comments["ticks"] == next(column.comment for column in tables.TIMESERIES.columns if column.name == "ticks")
    detail = spark.sql(f"DESCRIBE DETAIL {timeseries}").collect()[0]
    assert tuple(detail["clusteringColumns"]) == tables.TIMESERIES.cluster_by
    spark.sql(f"DROP TABLE {coverage}")
    with pytest.raises(Refused, match="pi_coverage is gone"):
        world.land()
    world.land(rebuild=True)
    assert spark.table(coverage).count() == 2
