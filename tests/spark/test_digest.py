"""Spark computes the digest that Python computes, from the table's own columns."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs import digest, tables
from tests.unit.schemas.test_digest import VECTORS, sample_of

pytestmark = pytest.mark.spark

COLUMNS = [column for column in tables.TIMESERIES.columns if column.part == "sample"]


def test_spark_gives_the_status_hash_and_digest_of_every_vector(spark: SparkSession) -> None:
    samples = [dict(sample_of(vector)) for vector in VECTORS["vectors"]]
    rows = [(*(sample[column.name] for column in COLUMNS), at) for at, sample in enumerate(samples)]
    schema = ", ".join(f"{c.name} {'bigint' if c.name == 'event_time' else c.kind.sql}" for c in COLUMNS) + ", at int"
    frame = spark.createDataFrame(rows, schema).withColumn("event_time", F.timestamp_micros("event_time"))

    found = frame.select("at", digest.status().alias("status"), digest.sample_hash().alias("hash")).orderBy("at").collect()
    assert [(row["status"], str(row["hash"])) for row in found] == [(vector["status"], vector["hash"]) for vector in VECTORS["vectors"]]
    (total,) = frame.select(digest.digest().alias("digest")).collect()
    assert str(total["digest"]) == VECTORS["digest"]
    (none,) = frame.where("at < 0").select(digest.digest().alias("digest")).collect()
    assert none["digest"] == 0
