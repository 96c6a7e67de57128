"""What the parts stand on: Kafka and registry, sources in them, shards of a bridge in this process, and what consumers find afterwards."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

import yaml
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.simulator import Process
from bridge import kafka
from bridge.piwebapi import PIWebAPI
from bridge.shard import OwnedShard, Work, World
from bridge.tenure import Fencings
from console import subjects, topics
from console.stack import Stack
from schemas.config import Config, load
from schemas.records import Point, Progress
from schemas.topics import PROGRESS, Topic

SERVER_ID = "85bb49d6-f101-4807-baf9-57c2fbd33000"
CHILDREN = "benchmarks.bridge.children"
MOST_SECONDS = 60.0
Json = dict[str, Any]


class Void(Exception):
    """What was made is not what should have been made: there is no figure."""


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())}  {text}", file=sys.stderr, flush=True)


def spread(figures: Iterable[float], digits: int = 2) -> Json:
    """Median and range."""
    ordered = sorted(figures)
    low, middle, high = (round(figure, digits) for figure in (ordered[0], statistics.median(ordered), ordered[-1]))
    return {"median": middle, "min": low, "max": high}


def percentile(ordered: Sequence[float], share: float) -> float:
    """The figure below which this share of them lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(seconds: Iterable[float]) -> Json:
    """Median, 99th percentile and largest, in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        raise Void("nothing was seen that could be timed")
    return {name: round(percentile(ordered, share) * 1e3, 1) for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0))}


@dataclass(frozen=True)
class Options:
    """How much of each part."""

    rounds: int = 5
    seconds: float = 20.0
    values: int = 100_000
    """In a round of a saturated part."""
    load_seconds: float = 600.0
    points: int = 100_000
    outage_seconds: float = 300.0
    profile: Path | None = None
    """Where py-spy's stacks of the large load go."""


class Ground:
    """A stack that is up, and a directory; names of sources and topics begin with `prefix`."""

    def __init__(self, stack: Stack, directory: Path, prefix: str = "") -> None:
        self.stack, self.directory, self._prefix = stack, directory, prefix

    def source(self, name: str, url: str, server_id: str = SERVER_ID, pi: Json | None = None, **sections: Json) -> Config:
        """A source with its topics and subjects; `pi` and `sections` are merged into its configuration, which lies in `<name>.yaml`."""
        name = self._prefix + name
        document: Json = {
            "source": name,
            "pi": {"url": url, "auth": {"kind": "anonymous"}, "servers": {"main": server_id}, "points": [{"server": "main"}]} | (pi or {}),
            "kafka": {"bootstrap_servers": self.stack.bootstrap_servers, "replication": 1, "group_id": name, "transactional_prefix": name},
            "registry": {"url": self.stack.registry_url},
        }
        for section, content in sections.items():
            document[section] = document.get(section, {}) | content
        self.path(name).write_text(yaml.safe_dump(document), encoding="utf-8")
        config = load(self.path(name), {})
        topics.apply(config)
        subjects.register(config)
        return config

    def path(self, name: str) -> Path:
        """Where a source's configuration lies."""
        return self.directory / f"{name}.yaml"

    def topic(self, name: str, partitions: int = 1) -> str:
        """A topic for a peer."""
        name = self._prefix + name
        admin = AdminClient({"bootstrap.servers": self.stack.bootstrap_servers})
        admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])[name].result(30)
        return name


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM now."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) * 1024


@contextmanager
def child(*arguments: object) -> Any:
    """A process of benchmarks.bridge.children, ended with the block."""
    process = Process(CHILDREN, *arguments)
    try:
        yield process
    finally:
        process.stop()


# -- shards in this process


@asynccontextmanager
async def world(config: Config) -> AsyncIterator[World]:
    """What shards need, PI's clock being ours."""
    pi, ids = PIWebAPI(config.pi), kafka.topic_ids(config)
    pi.clock.observe(time.time_ns() // 100, time.monotonic())
    with closing(kafka.codec(config)) as codec:
        try:
            yield World(config, pi, codec, ids, Random(1))
        finally:
            await pi.close()


@asynccontextmanager
async def owned(
    world: World, numbers: Sequence[int], points: Sequence[Point], work: Callable[[Any], list[Work]]
) -> AsyncIterator[list[OwnedShard]]:
    """Shards with these points each, as if the group had given them to us; handed over at the end of the block."""
    shards, tasks = [], []
    for number in numbers:
        shard = OwnedShard(number, world, Fencings(), work(world))
        for point in points:
            shard.tenure.point(point["point_key"], point)
        shard.tenure.points_known()
        shards.append(shard)
        tasks.append(asyncio.create_task(shard.keep()))
    try:
        yield shards
    finally:
        for shard in shards:
            shard.tenure.revoked()
            shard.stir()
        await asyncio.gather(*tasks)


async def until(condition: Callable[[], bool], what: str, seconds: float = MOST_SECONDS) -> None:
    """Raises Void after a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Void(f"{what} did not come about within {seconds:g} s")
        await asyncio.sleep(0.005)


def committed(shards: Sequence[OwnedShard], dataset: str) -> int:
    """Values that the shards have committed."""
    return sum(0 if shard.tenure.incarnation is None else shard.tenure.incarnation.committed_counts.get(dataset, 0) for shard in shards)


def leave_progress(world: World, partition: int, records: Iterable[tuple[str, Progress]]) -> None:
    """Writes progress as if a predecessor had left it."""
    producer = Producer({**world.config.kafka.client_settings(), "linger.ms": 50})
    for key, record in records:
        while True:
            try:
                producer.produce(
                    PROGRESS.name(world.config.source), key=key.encode(), value=world.codec.encode(PROGRESS, record), partition=partition
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(60):
        raise Void("progress could not be written")


# -- what consumers find


def read_back(config: Config, codec: kafka.Codec, topic: Topic, partitions: Iterable[int]) -> list[Json]:
    """The committed records of these partitions, decoded."""
    name = topic.name(config.source)
    values = [value for number in partitions for _, value in kafka.read_partition(config, name, number)]
    return [codec.decode(topic, value) for value in values if value is not None]


def read_topic(bootstrap_servers: str, name: str) -> list[bytes]:
    """The committed values of a peer's topic."""
    settings = {
        "bootstrap.servers": bootstrap_servers, "group.id": "benchmark", "isolation.level": "read_committed", "enable.auto.commit": False,
        "enable.partition.eof": True,
    }  # fmt: skip
    consumer = Consumer(cast("dict[str, str | int | float | bool]", settings))
    values: list[bytes] = []
    try:
        count = len(consumer.list_topics(name, timeout=30).topics[name].partitions)
        consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for number in range(count)])
        while count:
            for message in consumer.consume(10_000, timeout=1.0):
                if (error := message.error()) is None:
                    values.append(cast(bytes, message.value()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    count -= 1
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return values


def as_table(result: Any, indent: str = "  ") -> list[str]:
    """Lines of a result: name, figure, range."""
    lines = []
    for name, part in result.items():
        if isinstance(part, dict) and part.keys() == {"median", "min", "max"}:
            lines.append(f"{indent}{name:{44 - len(indent)}} {part['median']:>14,}   ({part['min']:,} to {part['max']:,})")
        elif isinstance(part, dict):
            lines += [f"{indent}{name}", *as_table(part, indent + "  ")]
        else:
            text = f"{part:,}" if isinstance(part, int | float) else json.dumps(part)
            lines.append(f"{indent}{name:{44 - len(indent)}} {text:>14}")
    return lines
