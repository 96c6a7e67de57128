"""Records that Kafka has no more, topics that were created anew, jobs that get in each other's way, disks that are full."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from pyspark.sql import SparkSession

from bridge import kafka
from console.stack import Stack
from schemas import topics
from schemas.records import Command, Incident, Point
from spark_jobs import delta, tables
from spark_jobs.errors import LandError, Refused, Unavailable
from spark_jobs.incidents import Incidents
from spark_jobs.lease import Lease
from spark_jobs.storage import Storage
from tests.spark.test_bronze import POINT
from tests.spark.world import NOON, Sent, World, preview, sample, statement, until

pytestmark = pytest.mark.spark


@pytest.fixture
def world(stack: Stack, spark: SparkSession) -> World:
    """A source of two points, of which something was landed from three topics."""
    made = World(stack, spark)
    for shard in range(2):
        point = cast(Point, {"source": made.source, **POINT, "point_key": f"main:{shard + 1}", "start_time": NOON - shard})
        made.send(topics.POINTS, made.encoded("point", point), key=point["point_key"], partition=shard)
        made.send(topics.RECORDED, made.frame(statement(point["point_key"], sample()), shard=shard), partition=shard)
    made.send(topics.LIVE, made.frame(preview("main:1", sample())))
    made.send(topics.HISTORY, made.frame(statement("main:1", sample())))
    made.land()
    return made


def published(world: World, topic: topics.Topic) -> list[Any]:
    """What a topic holds, oldest first."""
    codec = kafka.codec(world.config)
    try:
        return [codec.decode(topic, value or b"") for _, value in kafka.read_partition(world.config, topic.name(world.source), 0)]
    finally:
        codec.close()


def lose(world: World, topic: topics.Topic, *, partition: int = 0, key: str = "main:1") -> tuple[int, int]:
    """Three frames that Kafka drops before they are landed, and one that it has still; offsets of the first and the last of the three."""
    of = preview if topic is topics.LIVE else statement
    sent = world.send(topic, *[world.frame(of(key, sample()), shard=partition) for _ in range(3)], partition=partition)
    world.drop_records(sent[-1])
    world.send(topic, world.frame(of(key, sample(value_double=9.0)), shard=partition), partition=partition)
    return sent[0].offset, sent[-1].offset


def rows(world: World, topic: topics.Topic) -> list[float]:
    return [row["value_double"] for row in world.rows(tables.TIMESERIES) if row["kafka_topic"] == topic.name(world.source)]


def test_lost_statements_are_an_incident_and_a_rescan_of_their_points_and_landing_goes_on(world: World) -> None:
    before = time.time_ns() // 1000
    first, last = lose(world, topics.RECORDED, partition=1, key="main:2")
    world.land()
    assert rows(world, topics.RECORDED) == [1.5, 1.5, 9.0]
    name = topics.RECORDED.name(world.source)
    (incident,) = cast(list[Incident], published(world, topics.INCIDENTS))
    assert (incident["incident_id"], incident["kind"], incident["state"]) == (f"lost-{name}-1-{first}", "RECORDS_LOST", "OPENED")
    assert (incident["topic"], incident["partition"], incident["from_offset"]) == (name, 1, first)
    assert last < cast(int, incident["to_offset"])
    (command,) = cast(list[Command], published(world, topics.COMMANDS))
    assert (command["kind"], command["points"], command["job_id"]) == ("RESCAN", ["main:2"], incident["job_id"])
    landed = max(row["kafka_time"] for row in world.rows(tables.COVERAGE) if row["kafka_partition"] == 1 and row["kafka_offset"] < first)
    week = round(max(world.config.coverage.reread_ages_seconds)) * 1_000_000
    assert landed - week - 3_600_000_000 <= cast(int, command["from_time"]) <= landed - week
    assert cast(int, command["to_time"]) >= before
    world.land()
    assert len(published(world, topics.COMMANDS)) == 1, "told twice"


def test_what_kafka_dropped_before_the_first_landing_is_read_again_and_dead_letters_that_are_gone_are_not(
    stack: Stack, spark: SparkSession
) -> None:
    world = World(stack, spark)
    world.drop_records(world.send(topics.RECORDED, world.frame(statement("main:1", sample())))[0])
    garbage, _ = world.send(topics.RECORDED, b"garbage", world.frame(statement("main:1", sample(value_double=9.0))))
    world.land()
    assert rows(world, topics.RECORDED) == [9.0]
    (incident,), (command,) = published(world, topics.INCIDENTS), published(world, topics.COMMANDS)
    assert (incident["incident_id"], incident["job_id"]) == (f"lost-{garbage.topic}-0-0", command["job_id"])
    assert (command["kind"], command["points"], command["from_time"]) == ("RESCAN", [], 0)
    world.send(topics.LIVE, world.frame(preview("main:1", sample())))
    world.land()  # a batch behind the one with the dead letter, which would only be repeated
    world.drop_records(garbage)
    shutil.rmtree(world.path(tables.DEAD_LETTERS))
    world.land(rebuild=True)
    assert world.rows(tables.DEAD_LETTERS) == []
    assert len(published(world, topics.COMMANDS)) == 1, "the tables of statements lack nothing"


def test_lost_back_fill_is_read_again_from_the_points_start(world: World) -> None:
    lose(world, topics.HISTORY)
    world.land()
    assert rows(world, topics.HISTORY) == [1.5, 9.0]
    (command,) = published(world, topics.COMMANDS)
    assert (command["points"], command["from_time"]) == (["main:1"], NOON)


def test_what_kafka_dropped_is_told_before_tables_that_are_gone_are_filled_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise OSError("killed")

    world.send(topics.LIVE, world.frame(preview("main:1", sample())))
    world.land()  # a batch behind the one with statements, which would only be repeated
    name = topics.RECORDED.name(world.source)
    world.drop_records(Sent(name, 1, 0, None))
    shutil.rmtree(world.path(tables.COVERAGE))
    with monkeypatch.context() as patched:
        patched.setattr(delta, "append", killed)
        with pytest.raises(OSError, match="killed"):
            world.land(rebuild=True)
    (incident,), (command,) = published(world, topics.INCIDENTS), published(world, topics.COMMANDS)
    assert (incident["incident_id"], incident["job_id"]) == (f"lost-{name}-1-0", command["job_id"])
    assert (command["points"], command["from_time"]) == (["main:2"], NOON - 1), "not from the start of its points"
    world.land(rebuild=True)
    assert [row["point_key"] for row in world.rows(tables.COVERAGE)] == ["main:1", "main:1"]

    shutil.rmtree(world.path(tables.COVERAGE).parent)
    with monkeypatch.context() as patched:
        patched.setattr(Incidents, "read_again", killed)
        with pytest.raises(OSError, match="killed"):
            world.land(rebuild=True)
    with pytest.raises(Refused, match="the tables are gone"):
        world.land()
    world.land(rebuild=True)
    assert [row["point_key"] for row in world.rows(tables.COVERAGE)] == ["main:1", "main:1"]
    last = published(world, topics.COMMANDS)[-1]
    assert (last["job_id"], last["points"], last["from_time"]) == (command["job_id"], [], 0)


def test_lost_previews_are_an_incident_that_nobody_has_to_do_anything_about(world: World) -> None:
    lose(world, topics.LIVE)
    world.land()
    assert rows(world, topics.LIVE) == [1.5, 9.0]
    assert [(incident["kind"], incident["state"]) for incident in published(world, topics.INCIDENTS)] == [("RECORDS_LOST", "CLOSED")]
    assert published(world, topics.COMMANDS) == []


def test_a_batch_that_was_planned_and_then_lost_in_part_lands_what_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from spark_jobs import bronze

    def killed(*_: Any) -> None:
        raise OSError("killed")

    sent = world.send(topics.RECORDED, *[world.frame(statement("main:1", sample(value_double=v))) for v in (2.0, 3.0, 4.0)])
    with monkeypatch.context() as patched:
        patched.setattr(bronze.Landing, "__call__", killed)
        with pytest.raises(LandError, match="killed"):
            world.land()
    world.drop_records(sent[1])
    world.land()
    assert rows(world, topics.RECORDED) == [1.5, 4.0, 1.5]
    assert [incident["from_offset"] for incident in published(world, topics.INCIDENTS)] == [sent[0].offset]


def test_a_topic_that_was_created_anew_is_refused_at_the_start(world: World) -> None:
    name = topics.LIVE.name(world.source)
    admin = AdminClient({"bootstrap.servers": world.stack.bootstrap_servers})
    for future in admin.delete_topics([name]).values():
        future.result(timeout=30)

    def created() -> bool:
        try:
            admin.create_topics([NewTopic(name, 2, 1)])[name].result(timeout=30)
        except KafkaException:  # its deletion is under way
            return False
        return True

    until(created, 30, "the topic anew")
    world.send(topics.LIVE, *[world.frame(preview("main:1", sample())) for _ in range(5)])
    before = world.versions()
    with pytest.raises(Refused, match=rf"topic {name} was created anew .* name an empty lakehouse.warehouse"):
        world.land()
    with pytest.raises(Refused, match="created anew"):
        world.land(rebuild=True)
    assert world.versions() == before


def test_a_second_job_on_the_same_tables_is_refused_and_one_whose_holder_is_gone_is_not(world: World, spark: SparkSession) -> None:
    held = Lease(Storage(spark), [f"{world.checkpoint}.lease"], threading.Event(), beat_seconds=0.5)
    held.take()
    try:
        with pytest.raises(Refused, match="another job lands into the same tables, process"):
            world.land()
    finally:
        held.close()
    world.land()
    died = subprocess.Popen([sys.executable, "-c", "pass"])
    died.wait()
    lease = Path(f"{world.checkpoint}.lease")
    held = Lease(Storage(spark), [str(lease)], threading.Event())
    lease.write_text(json.dumps(held._me | {"holder": "another", "pid": died.pid, "beat": 7}))
    Path(f"{lease.parent}/.{lease.name}.crc").unlink(missing_ok=True)
    world.land()
    assert not lease.exists()


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    """A file system of its own that is soon full."""
    path.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.parametrize("full", ["warehouse", "checkpoints"])
def test_a_full_disk_ends_the_job_in_a_sentence_and_all_is_landed_once_there_is_room(stack: Stack, spark: SparkSession, full: str) -> None:
    world = World(stack, spark)
    with small_disk(world.root / full, "3m"):
        world.send(topics.LIVE, world.frame(preview("main:1", sample())))
        world.land()
        filler = world.root / full / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(b"\0" * (8 << 20))
        world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=2.0))))
        world.send(topics.RECORDED, world.frame(statement("main:1", sample(value_double=3.0))))
        with pytest.raises(Unavailable, match=r"no space is left .* make room and start again"):
            world.land()
        filler.unlink()
        world.land()
        assert sorted(row["value_double"] for row in world.rows(tables.TIMESERIES)) == [1.5, 2.0, 3.0]
        assert len(world.rows(tables.COVERAGE)) == 1
