"""What the bridge publishes lands in bronze: each row once, every column as it was."""

import math
from pathlib import Path

import pytest

from schemas import topics
from spark_jobs import tables
from tests.spark.world import NOON, World, expected_samples, expected_statements, preview, sample, statement, without

pytestmark = pytest.mark.spark

EVERY_KIND = (
    sample(NOON, ticks=9, value_double=-0.0, questionable=True),
    sample(NOON, ticks=9, ordinal=1, value_double=1e308, substituted=True, annotated=True),
    sample(NOON + 1, value_type="LONG", value_long=-(1 << 62)),
    sample(NOON + 2, value_type="STRING", value_string="Überlauf ✓ 'quoted'"),
    sample(NOON + 3, value_type="STRING", value_string=""),
    sample(NOON + 4, value_type="DIGITAL", digital_code=-3, value_string="Läuft"),
    sample(NOON + 5, value_type="TIMESTAMP", value_long=-1),
    sample(NOON + 6, value_type="BYTES", value_bytes=b"\0\xff\x80"),
    sample(NOON + 7, value_type="NONE", system_state=248, system_state_name="Keine Daten", good=False),
    sample(-62_135_596_800_000_000, ticks=1, value_double=math.inf),
)


def test_samples_and_statements_land_once_with_every_column_as_published(world: World) -> None:
    frames = [
        (topics.LIVE, world.frame(preview("main:1", *EVERY_KIND, uom="°C"), preview("main:2", sample()), server_time=None)),
        (topics.RECORDED, world.frame(statement("main:1", *EVERY_KIND), statement("main:3", sample(NOON + 8)), cause="incident-1")),
        (topics.HISTORY, world.frame(statement("main:2", sample(NOON - 9, ticks=4), as_of_clock=1 << 50))),
    ]
    sent = [(world.send(topic, frame)[0], frame) for topic, frame in frames]
    world.land()

    order = ("kafka_topic", "kafka_partition", "kafka_offset", "series_index", "sample_index")
    wanted = sorted((row for one, frame in sent for row in expected_samples(one, frame)), key=lambda row: [row[name] for name in order])
    found = world.rows(tables.TIMESERIES)
    assert [list(row) for row in found] == [[column.name for column in tables.TIMESERIES.columns]] * len(wanted)
    assert [repr(sorted(row.items())) for row in without(found, "kafka_time")] == [repr(sorted(row.items())) for row in wanted]
    assert all(abs(row["kafka_time"] - found[0]["kafka_time"]) < 3600e6 for row in found)

    stated = sorted((row for one, frame in sent for row in expected_statements(one, frame)), key=lambda row: [row[name] for name in order[:4]])
    assert len(stated) == 3
    assert without(world.rows(tables.COVERAGE), "kafka_time") == stated


def test_an_empty_statement_is_a_row_of_coverage_only(world: World) -> None:
    sent = world.send(topics.RECORDED, frame := world.frame(statement("main:1"), statement("main:2", kind="CONFIRMED", count=7, digest=99)))
    world.land()
    assert world.rows(tables.TIMESERIES) == []
    assert without(world.rows(tables.COVERAGE), "kafka_time") == expected_statements(sent[0], frame)
    assert world.versions() == {"pi_timeseries": 0, "pi_coverage": 1, "pi_points": 0, "pi_incidents": 0, "pi_dead_letters": 0}


def test_an_aborted_transaction_never_appears(world: World) -> None:
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=666.0))), abort=True)
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=1.0))))
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=667.0))), abort=True)
    world.land()
    assert [row["value_double"] for row in world.rows(tables.TIMESERIES)] == [1.0]


def test_a_restart_adds_nothing_twice(world: World) -> None:
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=1.0))))
    world.land()
    world.land()
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=2.0))), partition=1)
    world.land()
    assert [row["value_double"] for row in world.rows(tables.TIMESERIES)] == [1.0, 2.0]


def test_a_batch_written_again_after_a_kill_before_its_commit_adds_no_row(world: World) -> None:
    world.send(topics.LIVE, world.frame(preview("main:1", sample())))
    world.land()
    world.send(topics.RECORDED, world.frame(statement("main:1", sample())), b"garbage")
    world.land()
    before = world.versions(), world.rows(tables.TIMESERIES), world.rows(tables.COVERAGE), world.rows(tables.DEAD_LETTERS)
    assert [len(rows) for rows in before[1:]] == [2, 1, 1]
    commits = sorted((path for path in (world.checkpoint / "commits").iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    _remove(commits[-1])
    world.land()
    assert (world.versions(), world.rows(tables.TIMESERIES), world.rows(tables.COVERAGE), world.rows(tables.DEAD_LETTERS)) == before
    assert commits[-1].exists()


def _remove(path: Path) -> None:
    path.unlink()
    path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
