"""Sequences of frames are dense: what is missing, or came twice, stops a batch until a person accepts that."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest
from pyspark.sql import SparkSession

from console.stack import Stack
from schemas import topics
from spark_jobs import tables
from spark_jobs.errors import Refused
from tests.spark.test_lost import published
from tests.spark.world import World, preview, sample, statement

pytestmark = pytest.mark.spark


@pytest.fixture
def world(stack: Stack, spark: SparkSession) -> World:
    """A source that has landed sequences 0 and 1 of two topics."""
    made = World(stack, spark)
    for topic, series in ((topics.LIVE, preview("main:1", sample())), (topics.RECORDED, statement("main:1", sample()))):
        made.send(topic, made.frame(series), made.frame(series))
    made.land()
    return made


def incidents(world: World, *more: str) -> Any:
    command = [sys.executable, "-m", "console", "incidents", *more, "--json", "--config", str(world.file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def frames(world: World, topic: topics.Topic = topics.LIVE) -> list[int]:
    name = topic.name(world.source)
    return [row["sequence"] for row in world.rows(tables.TIMESERIES) if row["kafka_topic"] == name]


def test_a_hole_stops_the_batch_until_the_incident_that_names_it_is_accepted(world: World) -> None:
    (sent,) = world.send(topics.LIVE, world.frame(preview("main:1", sample()), sequence=4))
    world.send(topics.RECORDED, world.frame(statement("main:1", sample())))
    name = f"hole-{sent.topic}-0-{sent.offset}-2-4"
    for _ in range(2):  # a restart changes nothing
        with pytest.raises(Refused, match=rf"lacks sequences 2 to 3 before offset {sent.offset}.* incidents accept {name}"):
            world.land()
    assert (frames(world), frames(world, topics.RECORDED)) == ([0, 1], [0, 1])
    (incident,) = incidents(world)["incidents"]
    assert {key: incident[key] for key in ("incident_id", "kind", "state", "partition", "from_sequence", "to_sequence")} == {
        **{"incident_id": name, "kind": "SEQUENCE_HOLE", "state": "OPENED", "partition": 0, "from_sequence": 2, "to_sequence": 4},
    }
    accepted = incidents(world, "accept", name, "--reason", "the topic was cut by hand")["incidents"][0]
    assert (accepted["state"], accepted["accepted_reason"]) == ("CLOSED", "the topic was cut by hand")
    world.land()
    assert (frames(world), frames(world, topics.RECORDED)) == ([0, 1, 4], [0, 1, 2])
    world.send(topics.LIVE, world.frame(preview("main:1", sample()), sequence=5))
    world.land()
    assert frames(world) == [0, 1, 4, 5]
    assert [row["state"] for row in world.rows(tables.INCIDENTS)] == ["OPENED", "OPENED", "CLOSED"]


def test_another_hole_is_not_covered_by_an_accepted_one(world: World) -> None:
    (first,) = world.send(topics.RECORDED, world.frame(statement("main:1", sample()), sequence=3))
    with pytest.raises(Refused, match=r"lacks sequence 2 .* start again: what they may have stated is then read again"):
        world.land()
    assert published(world, topics.COMMANDS) == []
    incidents(world, "accept", f"hole-{first.topic}-0-{first.offset}-2-3")
    world.land()
    (command,) = published(world, topics.COMMANDS)
    lacks = f"{first.topic} partition 0 lacks sequence 2 before offset {first.offset}"
    assert (command["kind"], command["reason"]) == ("RESCAN", lacks)
    world.send(topics.RECORDED, world.frame(statement("main:1", sample()), sequence=6))
    with pytest.raises(Refused, match="lacks sequences 4 to 5 "):
        world.land()


@pytest.mark.parametrize(("sequence", "told"), [(1, "has sequence 1 at offset .* where 2 was"), (0, "has sequence 0 at offset .* where 2")])
def test_a_sequence_that_was_there_or_a_step_back_is_found(world: World, sequence: int, told: str) -> None:
    (sent,) = world.send(topics.RECORDED, world.frame(statement("main:1", sample()), sequence=sequence))
    with pytest.raises(Refused, match=told):
        world.land()
    incidents(world, "accept", f"repeated-{sent.topic}-0-{sent.offset}-2-{sequence}")
    assert published(world, topics.COMMANDS) == []
    world.send(topics.RECORDED, world.frame(statement("main:1", sample()), sequence=sequence + 1))
    world.land()
    assert frames(world, topics.RECORDED) == [0, 1, sequence, sequence + 1]


def test_a_frame_that_could_not_be_read_explains_its_hole_and_nothing_stops(world: World) -> None:
    unreadable = world.encoded("value_frame", world.frame(preview("main:1", sample()), sequence=2))[:-3]
    world.send(topics.LIVE, unreadable)
    world.land()
    world.send(topics.LIVE, world.frame(preview("main:1", sample()), sequence=3))
    world.land()
    assert frames(world) == [0, 1, 3]
    assert len(world.rows(tables.DEAD_LETTERS)) == 1
    world.send(topics.LIVE, world.frame(preview("main:1", sample()), sequence=5))
    with pytest.raises(Refused, match="lacks sequence 4 "):
        world.land()


def test_what_is_expected_is_known_still_when_the_checkpoint_is_lost(world: World) -> None:
    shutil.rmtree(world.checkpoint)
    world.send(topics.LIVE, world.frame(preview("main:1", sample()), sequence=3))
    with pytest.raises(Refused, match="lacks sequence 2 "):
        world.land()


def test_the_first_frame_of_a_topic_that_was_not_cut_has_sequence_0(stack: Stack, spark: SparkSession) -> None:
    world = World(stack, spark)
    world.send(topics.LIVE, world.frame(preview("main:1", sample()), sequence=1))
    with pytest.raises(Refused, match="lacks sequence 0 before offset 0"):
        world.land()
