"""Restarts, repeats, and checkpoints and tables that were lost or copied back: each row once, or a sentence that says what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from console.stack import Stack
from schemas import topics
from spark_jobs import delta, quoting, tables
from spark_jobs.errors import LandError, Refused
from spark_jobs.registry import Definition, Registry
from tests.spark.world import World, preview, sample, statement

pytestmark = pytest.mark.spark


class Killed(Exception):
    """In place of a kill: whatever was committed stays, and nothing else happens."""


def _send(world: World, value: float) -> None:
    """Something for three tables."""
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=value))), b"garbage")
    world.send(topics.RECORDED, world.frame(statement("main:1", sample(value_double=-value))), partition=1)


@pytest.fixture(scope="module")
def landed(stack: Stack, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three batches, each of a run of its own, in a warehouse whose name must be quoted with care; copies of all from after the first."""
    world = World(stack, spark, warehouse="it's a `wäre` house; --")
    for value in (1.0, 2.0, 3.0):
        _send(world, value)
        world.land()
        if value == 1.0:
            shutil.copytree(world.root, older(world))
    return world


def older(world: World) -> Path:
    return world.root.with_name(world.root.name + "-older")


@pytest.fixture
def whole(landed: World, tmp_path: Path) -> Any:
    """The world, put back as it was afterwards; Kafka has what the test sent, and the next test must land that too."""
    shutil.copytree(landed.root, kept := tmp_path / "kept")
    yield landed
    shutil.rmtree(landed.root)
    shutil.copytree(kept, landed.root)


def contents(world: World) -> list[Any]:
    return [
        [{name: value for name, value in row.items() if table is not tables.DEAD_LETTERS or name != "received_time"} for row in rows]
        for table in tables.TABLES
        for rows in [world.rows(table)]
    ]


def everything(world: World, values: list[float]) -> None:
    """Each value is there once in each table, and nothing else."""
    assert sorted(row["value_double"] for row in world.rows(tables.TIMESERIES)) == sorted([*values, *(-value for value in values)])
    assert len(world.rows(tables.COVERAGE)) == len(world.rows(tables.DEAD_LETTERS)) == len(values)


def newest(directory: Path) -> Path:
    return max((path for path in directory.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


def remove(path: Path) -> None:
    path.unlink()
    path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


def cut(path: Path) -> None:
    """Half of it is left, as after a crash of the machine."""
    text = path.read_text()
    remove(path)
    path.write_text(text[: len(text) // 2])


def test_a_restart_adds_nothing_twice(landed: World) -> None:
    everything(landed, [1.0, 2.0, 3.0])
    before = contents(landed), landed.versions()
    landed.land()
    assert (contents(landed), landed.versions()) == before


def test_a_batch_repeated_after_a_kill_between_delta_and_the_commit_log_adds_no_row(whole: World) -> None:
    before = contents(whole), whole.versions()
    remove(commit := newest(whole.checkpoint / "commits"))
    whole.land()
    assert commit.exists(), "the batch was not repeated"
    assert (contents(whole), whole.versions()) == before


def _lost(world: World) -> None:
    shutil.rmtree(world.checkpoint)


def _emptied(world: World) -> None:
    shutil.rmtree(world.checkpoint)
    world.checkpoint.mkdir()


def _without_id(world: World) -> None:
    remove(world.checkpoint / "metadata")


def _cut_offsets(world: World) -> None:
    cut(newest(world.checkpoint / "offsets"))


def _cut_commit(world: World) -> None:
    cut(newest(world.checkpoint / "commits"))


def _without_last_batch(world: World) -> None:
    for directory in ("commits", "offsets"):
        remove(newest(world.checkpoint / directory))


def _without_commits(world: World) -> None:
    shutil.rmtree(world.checkpoint / "commits")


def _copied_back(world: World) -> None:
    shutil.rmtree(world.checkpoint)
    shutil.copytree(older(world) / "checkpoints" / "bronze", world.checkpoint)


def _of_another_query(world: World) -> None:
    (world.checkpoint / "metadata").write_text('{"id":"00000000-0000-0000-0000-000000000000"}')
    (world.checkpoint / ".metadata.crc").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "damage",
    [_lost, _emptied, _without_id, _cut_offsets, _cut_commit, _without_last_batch, _without_commits, _copied_back, _of_another_query],
    ids=lambda damage: damage.__name__.strip("_"),
)
def test_a_checkpoint_that_is_lost_damaged_or_copied_back_is_made_again_from_the_tables(
    whole: World, damage: Callable[[World], None]
) -> None:
    before = contents(whole)
    damage(whole)
    whole.land()
    assert contents(whole) == before
    damaged, mended = newest(whole.checkpoint / "offsets"), newest(whole.checkpoint / "commits")
    assert (damaged.name, mended.name) == ("2", "2")


@pytest.fixture(scope="module")
def torn(stack: Stack, spark: SparkSession) -> World:
    """One batch that is whole; tests tear further ones."""
    world = World(stack, spark)
    _send(world, 1.0)
    world.land()
    return world


@pytest.mark.parametrize("lost", [False, True], ids=["checkpoint_kept", "checkpoint_lost"])
@pytest.mark.parametrize("appends", [0, 1, 2])
def test_a_batch_that_was_killed_between_its_tables_is_made_whole_from_the_same_records(
    torn: World, monkeypatch: pytest.MonkeyPatch, appends: int, lost: bool
) -> None:
    value = 2.0 + appends + 10 * lost
    _send(torn, value)
    real = delta.append
    done: list[str] = []

    def killed(*arguments: Any) -> None:
        if len(done) == appends:
            raise Killed
        real(*arguments)
        done.append(arguments[1].name)

    with monkeypatch.context() as patched:
        patched.setattr(delta, "append", killed)
        with pytest.raises(LandError):
            torn.land()
    assert done == ["pi_dead_letters", "pi_timeseries", "pi_coverage"][:appends]
    if lost:
        shutil.rmtree(torn.checkpoint)
    _send(torn, value + 100)  # so that a batch with other boundaries would be another batch
    torn.land()
    found = [row["value_double"] for row in torn.rows(tables.TIMESERIES)]
    assert len(found) == len(set(found))
    assert {value, value + 100, -value, -value - 100} <= set(found)
    assert len(torn.rows(tables.COVERAGE)) == len(torn.rows(tables.DEAD_LETTERS)) == len(found) // 2


def test_a_batch_that_goes_to_other_tables_when_it_is_repeated_does_not_stop_the_starts_that_follow(
    torn: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frame cannot be read at first; the driver dies behind the dead letter, and then the schema is known."""
    definition, append = Registry.definition, delta.append
    letters = len(torn.rows(tables.DEAD_LETTERS))
    torn.send(topics.RECORDED, torn.frame(statement("main:1", sample(value_double=50.0))), partition=1)

    def unknown(registry: Registry, schema_id: int) -> Definition:
        if schema_id == torn.ids["value_frame"]:
            return Definition(schema_id, None, "", "not known")
        return definition(registry, schema_id)

    def killed(*arguments: Any) -> None:
        append(*arguments)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "definition", unknown)
        patched.setattr(delta, "append", killed)
        with pytest.raises(LandError):
            torn.land()
    assert len(torn.rows(tables.DEAD_LETTERS)) == letters + 1
    torn.send(topics.RECORDED, torn.frame(statement("main:1", sample(value_double=51.0))), partition=1)
    torn.land()
    torn.land()
    found = [row["value_double"] for row in torn.rows(tables.TIMESERIES)]
    assert (found.count(50.0), found.count(51.0)) == (1, 1)
    assert len(torn.rows(tables.DEAD_LETTERS)) == letters + 1


def test_tables_brought_back_from_a_backup_land_again_what_they_lack(whole: World) -> None:
    before = contents(whole)
    warehouse = whole.path(tables.TIMESERIES).parents[1]
    shutil.rmtree(warehouse)
    shutil.copytree(older(whole) / warehouse.name, warehouse)
    assert len(whole.rows(tables.COVERAGE)) == 1
    whole.land()
    assert contents(whole) == before


def _without_table(world: World) -> None:
    shutil.rmtree(world.path(tables.COVERAGE))


def _older_table(world: World) -> None:
    path = world.path(tables.COVERAGE)
    shutil.rmtree(path)
    shutil.copytree(older(world) / path.relative_to(world.root), path)


def _another_table(world: World) -> None:
    shutil.rmtree(world.path(tables.COVERAGE))
    shutil.copytree(world.path(tables.DEAD_LETTERS), world.path(tables.COVERAGE))


def _without_tables(world: World) -> None:
    shutil.rmtree(world.path(tables.COVERAGE).parent)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_without_table, "pi_coverage is gone, .* --rebuild"),
        (_older_table, r"pi_coverage .* \(batch 0 in place of 2\) is an older copy"),
        (_another_table, "pi_coverage .* is another one: its log is that of pi_dead_letters"),
        (_without_tables, "the tables are gone, .* --rebuild"),
    ],
    ids=lambda value: getattr(value, "__name__", "").strip("_"),
)
def test_a_table_that_would_lack_rows_is_refused_and_nothing_is_touched(whole: World, damage: Callable[[World], None], told: str) -> None:
    damage(whole)
    damaged = {path.relative_to(whole.root) for path in whole.root.rglob("*")}
    with pytest.raises(Refused, match=told):
        whole.land()
    assert {path.relative_to(whole.root) for path in whole.root.rglob("*")} == damaged


@pytest.mark.parametrize("gone", [*tables.TABLES[:2], tables.DEAD_LETTERS, None], ids=lambda table: "all" if table is None else table.name)
def test_a_table_that_is_gone_is_filled_again_from_kafka_if_the_operator_says_so(whole: World, gone: tables.Table | None) -> None:
    before = contents(whole)
    shutil.rmtree(whole.path(tables.COVERAGE).parent if gone is None else whole.path(gone))
    whole.land(rebuild=True)
    assert contents(whole) == before
    whole.land()
    assert contents(whole) == before


def clear_away(spark: SparkSession, path: Path) -> None:
    """What Delta does to commits that a checkpoint covers, a month after them."""
    where, log = quoting.table(str(path)), path / "_delta_log"
    for setting in ("'delta.checkpointInterval' = '1'", "'later' = 'commit'"):
        spark.sql(f"ALTER TABLE {where} SET TBLPROPERTIES ({setting})")
    checkpoint = json.loads((log / "_last_checkpoint").read_text())["version"]
    for commit in log.glob("*.json"):
        if int(commit.stem) < checkpoint:
            remove(commit)


def test_a_table_that_had_its_last_rows_so_long_ago_that_their_commit_was_cleared_away_is_known_still(
    stack: Stack, spark: SparkSession
) -> None:
    world = World(stack, spark)
    _send(world, 1.0)
    world.land()
    clear_away(spark, world.path(tables.DEAD_LETTERS))
    for damage in (lambda _: None, _lost):
        damage(world)
        world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=2.0))))
        world.land()
    _send(world, 3.0)
    world.land()
    assert sorted(row["value_double"] for row in world.rows(tables.TIMESERIES)) == [-3.0, -1.0, 1.0, 2.0, 2.0, 3.0]
    assert len(world.rows(tables.DEAD_LETTERS)) == 2


def test_rows_that_nobody_knows_the_origin_of_are_refused(stack: Stack, spark: SparkSession) -> None:
    world = World(stack, spark)
    world.send(topics.LIVE, world.frame(preview("main:1", sample())))
    world.land()
    logged = world.path(tables.TIMESERIES) / "_delta_log"
    for commit in logged.glob("*.json"):
        text = commit.read_text()
        remove(commit)
        commit.write_text(text.replace('"userMetadata"', '"otherMetadata"'))
    shutil.rmtree(world.checkpoint)
    spark.sql("CLEAR CACHE")
    with pytest.raises(Refused, match=r"pi_timeseries .* has rows, and its log does not say"):
        world.land()


def test_after_all_that_the_job_goes_on(landed: World) -> None:
    _send(landed, 4.0)
    landed.land()
    everything(landed, [1.0, 2.0, 3.0, 4.0])


def test_a_table_that_is_gone_together_with_the_checkpoint_is_filled_again_and_nothing_new_is_passed_over(landed: World) -> None:
    shutil.rmtree(landed.path(tables.COVERAGE))
    shutil.rmtree(landed.checkpoint)
    _send(landed, 5.0)
    landed.land(rebuild=True)
    everything(landed, [1.0, 2.0, 3.0, 4.0, 5.0])
