"""What the bridge relies on in Kafka and the registry, on real servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from bridge import kafka
from bridge.errors import NotReady, ShardLost
from bridge.ownership import Membership
from bridge.publish import Message, Publisher
from console import subjects, topics
from console.stack import Stack
from schemas.config import Config, load
from schemas.records import Point
from schemas.shards import shard_of
from schemas.topics import LIVE, OF_STATE, POINTS, PROGRESS, TOPICS

pytestmark = pytest.mark.integration
SHARDS = 3


def config_of(stack: Stack, directory: Path, source: str, shards: int = SHARDS) -> Config:
    document: dict[str, Any] = {
        "source": source,
        "pi": {
            "url": "http://127.0.0.1:1/piwebapi",
            "auth": {"kind": "anonymous"},
            "servers": {"main": "85bb49d6-f101-4807-baf9-57c2fbd33000"},
            "points": [{"server": "main"}],
        },
        "kafka": {"bootstrap_servers": stack.bootstrap_servers, "replication": 1, "group_id": source},
        "registry": {"url": stack.registry_url},
        "delivery": {"shards": shards, "session_timeout_seconds": 6, "drain_seconds": 5},
    }
    path = directory / f"{source}.yaml"
    path.write_text(yaml.safe_dump(document))
    return load(path, {})


@pytest.fixture(scope="module")
def config(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A source with its topics and subjects."""
    made = config_of(stack, tmp_path_factory.mktemp("config"), "bridge_kafka")
    topics.apply(made)
    subjects.register(made)
    return made


@contextlib.asynccontextmanager
async def publisher(config: Config, transactional_id: str) -> AsyncIterator[Publisher]:
    opened = Publisher(config, transactional_id, patience_seconds=20)
    try:
        await opened.open()
        yield opened
    finally:
        await opened.close()


def committed(config: Config, partition: int) -> list[bytes | None]:
    return [value for _, value in kafka.read_partition(config, LIVE.name(config.source), partition)]


async def test_records_of_a_transaction_are_read_back_in_order(config: Config) -> None:
    name = LIVE.name(config.source)
    async with publisher(config, "in-order") as producer:
        await producer.commit([Message(name, 0, None, b"first"), Message(name, 0, None, b"second")])
    assert committed(config, 0) == [b"first", b"second"]


async def test_a_fenced_owner_cannot_commit_and_is_told_that_it_was_fenced(config: Config) -> None:
    name = LIVE.name(config.source)
    async with publisher(config, "fenced") as old:
        await old.commit([Message(name, 1, None, b"old")])
        async with publisher(config, "fenced") as new:
            with pytest.raises(ShardLost) as lost:
                await old.commit([Message(name, 1, None, b"never")])
            assert lost.value.fenced
            await new.commit([Message(name, 1, None, b"new")])
    assert committed(config, 1) == [b"old", b"new"]


async def test_a_message_that_kafka_refuses_ends_the_incarnation_and_commits_nothing(config: Config) -> None:
    name = LIVE.name(config.source)
    before = committed(config, 2)
    async with publisher(config, "refused") as producer:
        with pytest.raises(ShardLost):
            await producer.commit([Message(name, 2, None, b"small"), Message(name, 2, None, bytes(2_000_000))])
    assert committed(config, 2) == before


def test_shard_of_is_the_partition_that_kafka_gives_to_the_key(config: Config) -> None:
    producer = Producer({"bootstrap.servers": config.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    found: dict[str, int] = {}

    def delivered(error: object, message: Any) -> None:
        assert error is None
        found[message.key().decode()] = message.partition()

    keys = [f"main:{number}" for number in range(200)] + ["plant_ü:1", "af:96f9a00e-4d80-471f-aba9-ea89a1db402c"]
    for key in keys:
        producer.produce(PROGRESS.name(config.source), key=key.encode(), value=b"", on_delivery=delivered)
    producer.flush(20)
    assert found == {key: shard_of(key, SHARDS) for key in keys}
    assert set(found.values()) == set(range(SHARDS))


def test_topics_are_planned_then_created_once(stack: Stack, tmp_path: Path) -> None:
    fresh = config_of(stack, tmp_path, "planned")
    assert {planned.state for planned in topics.plan(fresh)} == {"to create"}
    assert [planned.topic for planned in topics.apply(fresh)] == [*TOPICS, *OF_STATE]
    assert {planned.state for planned in topics.plan(fresh)} == {"exists"}
    assert topics.apply(fresh) == []


def test_missing_topics_and_another_number_of_shards_are_refused_with_what_to_do(stack: Stack, config: Config, tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="run: pibridge topics apply"):
        kafka.topic_ids(config_of(stack, tmp_path, "nowhere"))
    with pytest.raises(NotReady, match=r"set delivery\.shards"):
        kafka.topic_ids(config_of(stack, tmp_path, "bridge_kafka", shards=SHARDS + 1))


def test_a_subject_that_was_never_registered_is_refused_with_what_to_do(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="run: pibridge schemas register"):
        kafka.codec(config_of(stack, tmp_path, "unregistered"))


def test_registering_twice_gives_the_same_ids(config: Config) -> None:
    again = subjects.register(config)
    assert subjects.plan(config) == again
    assert None not in {registered.schema_id for registered in again}


@dataclass
class Recorder:
    """An owner that only takes notes."""

    shards: set[int]
    drained: list[int]

    def assigned(self, shard: int) -> None:
        self.shards.add(shard)

    def point(self, shard: int, key: str, point: Point | None) -> None: ...

    def points_known(self, shard: int) -> None: ...

    async def revoked(self, shard: int) -> None:
        await asyncio.sleep(0)
        self.drained.append(shard)
        self.shards.discard(shard)

    def lost(self, shard: int) -> None:
        self.shards.discard(shard)

    def failed(self, error: Exception) -> None:
        raise error


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.fixture
def codec(config: Config) -> Iterator[kafka.Codec]:
    with contextlib.closing(kafka.codec(config)) as opened:
        yield opened


async def test_two_members_share_the_shards_and_one_that_leaves_drains_first(config: Config, codec: kafka.Codec) -> None:
    loop = asyncio.get_running_loop()
    first, second = Recorder(set(), []), Recorder(set(), [])
    one, two = Membership(config, codec, first, loop), Membership(config, codec, second, loop)
    one.start()
    await until(lambda: first.shards == {0, 1, 2})
    two.start()
    await until(lambda: first.shards and second.shards and not first.shards & second.shards and len(first.shards | second.shards) == SHARDS)
    assert first.drained, "the shards that moved were drained by their owner"
    await one.stop()
    await until(lambda: second.shards == {0, 1, 2})
    await two.stop()
    assert second.shards == set()


async def test_group_offsets_show_how_far_the_inventory_was_read_and_garbage_in_it_stops_nobody(config: Config, codec: kafka.Codec) -> None:
    async with publisher(config, "inventory") as producer:
        await producer.commit([Message(POINTS.name(config.source), 0, b"\xff", b"garbage")])
    owner = Recorder(set(), [])
    member = Membership(config, codec, owner, asyncio.get_running_loop())
    member.start()
    await until(lambda: owner.shards == {0, 1, 2})
    partition = TopicPartition(POINTS.name(config.source), 0)
    admin_view = Consumer({"bootstrap.servers": config.kafka.bootstrap_servers, "group.id": config.kafka.group_id})
    try:
        await until(lambda: admin_view.committed([partition], timeout=10)[0].offset > 0)
    finally:
        admin_view.close()
        await member.stop()
