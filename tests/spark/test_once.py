"""Restarts and repeats: each row once. And what must not be started: tables and a checkpoint that are not of one life."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from console.stack import Stack
from schemas import topics
from spark_jobs import tables
from spark_jobs.errors import Refused
from tests.spark.world import World, preview, sample, statement

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def landed(stack: Stack, spark: SparkSession) -> World:
    """Two batches in the tables, each of a run of its own, in a warehouse whose name must be quoted with care."""
    world = World(stack, spark, warehouse="it's a `wäre` house; --")
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=1.0))))
    world.land()
    world.send(topics.RECORDED, world.frame(statement("main:1", sample(value_double=2.0))), b"garbage")
    world.land()
    return world


def _contents(world: World) -> list[object]:
    return [world.versions(), *(world.rows(table) for table in tables.TABLES)]


def _newest(directory: Path) -> Path:
    return max((path for path in directory.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


def _remove(path: Path) -> None:
    path.unlink()
    path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


def test_a_restart_adds_nothing_twice(landed: World) -> None:
    assert sorted(row["value_double"] for row in landed.rows(tables.TIMESERIES)) == [1.0, 2.0]
    assert len(landed.rows(tables.COVERAGE)) == len(landed.rows(tables.DEAD_LETTERS)) == 1
    before = _contents(landed)
    landed.land()
    assert _contents(landed) == before


def test_a_batch_repeated_after_a_kill_between_delta_and_the_commit_log_adds_no_row(landed: World) -> None:
    before = _contents(landed)
    commit = _newest(landed.checkpoint / "commits")
    _remove(commit)
    landed.land()
    assert commit.exists(), "the batch was not repeated"
    assert _contents(landed) == before


def _without_checkpoint(world: World) -> None:
    shutil.rmtree(world.checkpoint)


def _emptied_checkpoint(world: World) -> None:
    for path in world.checkpoint.iterdir():
        if path.name != "pibridge-tables.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _older_checkpoint(world: World) -> None:
    for directory in ("commits", "offsets"):
        _remove(_newest(world.checkpoint / directory))


def _foreign_checkpoint(world: World) -> None:
    (world.checkpoint / "pibridge-tables.json").unlink()


def _without_table(world: World) -> None:
    shutil.rmtree(world.path(tables.COVERAGE))


def _another_table(world: World) -> None:
    shutil.rmtree(world.path(tables.COVERAGE))
    shutil.copytree(world.path(tables.POINTS), world.path(tables.COVERAGE))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_without_checkpoint, "knows nothing of"),
        (_emptied_checkpoint, "checkpoint was emptied"),
        (_older_checkpoint, "older copy"),
        (_foreign_checkpoint, "does not say which tables"),
        (_without_table, "pi_coverage .* the table is gone"),
        (_another_table, "pi_coverage .* another one"),
    ],
    ids=lambda value: getattr(value, "__name__", "").strip("_"),
)
def test_tables_and_checkpoint_that_are_not_of_one_life_are_refused_and_nothing_is_touched(
    landed: World, damage: Callable[[World], None], told: str, tmp_path: Path
) -> None:
    shutil.copytree(landed.root, kept := tmp_path / "kept")
    damage(landed)
    damaged = {path.relative_to(landed.root) for path in landed.root.rglob("*")}
    try:
        with pytest.raises(Refused, match=told):
            landed.land()
        assert {path.relative_to(landed.root) for path in landed.root.rglob("*")} == damaged
    finally:
        shutil.rmtree(landed.root)
        shutil.copytree(kept, landed.root)


def test_after_the_damage_is_mended_the_job_goes_on(landed: World) -> None:
    landed.send(topics.LIVE, landed.frame(preview("main:1", sample(value_double=3.0))), partition=1)
    landed.land()
    assert sorted(row["value_double"] for row in landed.rows(tables.TIMESERIES)) == [1.0, 2.0, 3.0]


def test_records_that_kafka_dropped_before_they_were_landed_stop_the_job(landed: World) -> None:
    before = len(landed.rows(tables.TIMESERIES))
    sent = landed.send(topics.LIVE, *[landed.frame(preview("main:1", sample())) for _ in range(3)])
    landed.drop_records(sent[1])
    landed.send(topics.LIVE, landed.frame(preview("main:1", sample())))
    with pytest.raises(Refused, match=rf"no longer has records .* \[{sent[0].offset}, .*{sent[0].topic}-0"):
        landed.land()
    assert len(landed.rows(tables.TIMESERIES)) == before
