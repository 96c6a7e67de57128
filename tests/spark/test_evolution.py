"""A newer bridge begins to publish while the job runs: old and new rows are right, and the new field is a column with its comment."""

import copy
import shutil
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from console.stack import Stack
from schemas import topics, wire
from spark_jobs import tables
from tests.spark.world import World, preview, sample, statement

pytestmark = pytest.mark.spark


def evolved() -> dict[str, Any]:
    """Later fields of the frame, of a statement and of a sample."""
    definition = copy.deepcopy(wire.raw_schema("value_frame"))
    series = tables._inner(definition, "series")
    stated, sampled = tables._inner(series, "statement"), tables._inner(series, "samples")
    for record, name in ((definition, "batch_note"), (stated, "reader"), (sampled, "raw")):
        record["fields"].append({"name": name, "type": ["null", "string"], "default": None, "doc": f"A later field, {name}."})
    return definition


def send_later(world: World) -> None:
    """A frame of a newer bridge, with all of its fields."""
    later, later_id = evolved(), world.register(topics.RECORDED.subject(world.source), evolved())
    frame = cast(dict[str, Any], world.frame(statement("main:1", sample(value_double=2.0))))
    frame |= {"sequence": world.next_sequence(topics.RECORDED), "batch_note": "b"}
    frame["series"][0]["statement"]["reader"] = "r"
    frame["series"][0]["samples"][0]["raw"] = "s"
    world.send(topics.RECORDED, wire.encode(later_id, wire.parse(later), frame))


def test_a_later_field_becomes_a_column_while_the_job_runs(stack: Stack) -> None:
    world = World(stack)
    world.send(topics.RECORDED, world.frame(statement("main:1", sample(value_double=1.0))))
    with world.job() as job:
        world.await_rows(job, tables.COVERAGE, 1, 150)
        send_later(world)
        world.send(topics.RECORDED, world.frame(statement("main:1", sample(value_double=3.0))))
        world.await_rows(job, tables.COVERAGE, 3, 90)
        job.terminate()
        job.wait(30)
    found = [(row["value_double"], row["raw"], row["batch_note"]) for row in world.rows(tables.TIMESERIES)]
    assert found == [(1.0, None, None), (2.0, "s", "b"), (3.0, None, None)]
    assert [(row["reader"], row["batch_note"]) for row in world.rows(tables.COVERAGE)] == [(None, None), ("r", "b"), (None, None)]
    comments = {field.name: field.metadata.get("comment") for field in world.table(tables.TIMESERIES).schema().fields}
    assert comments["raw"] == "A later field, raw."
    assert world.rows(tables.DEAD_LETTERS) == []


def test_a_table_that_is_filled_again_has_later_fields_still(stack: Stack, spark: SparkSession) -> None:
    world = World(stack, spark)
    send_later(world)
    world.land()
    shutil.rmtree(world.path(tables.TIMESERIES))
    world.land(rebuild=True)
    assert [(row["value_double"], row["raw"], row["batch_note"]) for row in world.rows(tables.TIMESERIES)] == [(2.0, "s", "b")]


def test_a_point_whose_type_changes_and_a_hostile_name_land_as_they_are(stack: Stack, spark: SparkSession) -> None:
    world = World(stack, spark)
    hostile = """main:`'"; DROP TABLE x; -- ü\u202e\U0001f525\\"""
    kinds = [sample(), sample(value_type="STRING", value_string=hostile), sample(value_type="DIGITAL", digital_code=1, value_string="`'\"")]
    for one in kinds:
        world.send(topics.LIVE, world.frame({**preview(hostile, one), "tag": hostile, "uom": "'`"}))
        world.land()
    found = world.rows(tables.TIMESERIES)
    assert [row["value_type"] for row in found] == ["DOUBLE", "STRING", "DIGITAL"]
    assert {row["point_key"] for row in found} == {row["tag"] for row in found} == {hostile}
    assert [row["value_string"] for row in found] == [None, hostile, "`'\""]
