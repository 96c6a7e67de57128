"""What transactions cost by themselves: 1, 4 and 12 producers of the bridge's in one process, committing each 50, 100 and 200 ms."""

import asyncio
import struct
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from benchmarks.bridge.ground import Ground, Json, Options, Void, child, cpu_seconds, milliseconds, say
from benchmarks.simulator import Process
from bridge.publish import Message, Publisher
from schemas.config import Config
from schemas.topics import LIVE, PROGRESS

PRODUCERS = (1, 4, 12)
INTERVALS = (0.05, 0.1, 0.2)
BYTES_PER_SECOND = 200_000
"""Of all producers together: 5,000 values, as frames hold them."""
_WARM_SECONDS = 2.0
_STAMP = struct.Struct("<Q")


def stamps(bootstrap_servers: str, topic: str, partitions: int) -> Iterator[list[float]]:
    """Seconds from a committed message's stamp until it could be read, of all that came since the last time."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers, "group.id": "probe", "isolation.level": "read_committed",
            "enable.auto.commit": False, "fetch.wait.max.ms": 500,
        }
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)])
    while True:
        message = consumer.poll(0.05)
        if message is None or message.error() is not None:
            yield []
        else:
            yield [(time.time_ns() - _STAMP.unpack_from(message.value() or b"")[0]) / 1e9]


@asynccontextmanager
async def opened(config: Config, name: str) -> Any:
    publisher = Publisher(config, name, 60)
    try:
        await publisher.open()
        yield publisher
    finally:
        await publisher.close()


async def keep_committing(
    publisher: Publisher, config: Config, partition: int, interval: float, size: int, offset: float, until: float
) -> list[float]:
    """Commits a frame and a progress record each interval; answers how long each commit took."""
    took, due = list[float](), time.monotonic() + offset
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        frame = _STAMP.pack(time.time_ns()) + bytes(size)
        messages = [
            Message(LIVE.name(config.source), partition, None, frame),
            Message(PROGRESS.name(config.source), partition, b"shard", bytes(500)),
        ]
        began = time.monotonic()
        await publisher.commit(messages)
        took.append(time.monotonic() - began)
        due = max(due + interval, time.monotonic())
    return took


async def seen_by(watch: Process, commits: int) -> list[float]:
    """The delays of so many transactions, once all of them could be read."""
    seen, deadline = list[float](), time.monotonic() + 20
    while len(seen) < commits and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        seen += await asyncio.to_thread(watch.ask, "more")
    if len(seen) != commits:
        raise Void(f"{commits} transactions were committed, and {len(seen)} could be read")
    return seen


async def _one(config: Config, count: int, interval: float, seconds: float, broker: int) -> Json:
    size = int(BYTES_PER_SECOND * interval / count)
    async with AsyncExitStack() as stack:
        publishers = [await stack.enter_async_context(opened(config, f"{config.source}.{n}")) for n in range(count)]
        with child("tell-delays", config.kafka.bootstrap_servers, LIVE.name(config.source), count) as watch:
            await asyncio.to_thread(watch.answer)

            async def committing(lasting: float) -> list[list[float]]:
                until = time.monotonic() + lasting
                return await asyncio.gather(
                    *(keep_committing(p, config, n, interval, size, interval * n / count, until) for n, p in enumerate(publishers))
                )

            await seen_by(watch, sum(map(len, await committing(_WARM_SECONDS))))  # connections are made, the broker has compiled its code
            cpu, theirs, began = time.process_time(), cpu_seconds(broker), time.monotonic()
            took = await committing(seconds)
            wall = time.monotonic() - began
            cores, broker_cores = (time.process_time() - cpu) / wall, (cpu_seconds(broker) - theirs) / wall
            commits = sum(map(len, took))
            seen = await seen_by(watch, commits)
    return {
        "cores": round(cores, 3), "broker_cores": round(broker_cores, 3), "commits_per_second": round(commits / wall, 1),
        "commit": milliseconds(second for some in took for second in some), "readable": milliseconds(seen),
    }  # fmt: skip


async def measure_probe(ground: Ground, options: Options) -> Json:
    """Each number of producers with each interval."""
    found: Json = {}
    broker = ground.stack.server("kafka").pid
    for count in PRODUCERS:
        for interval in INTERVALS:
            config = ground.source(f"probe_{count}_{interval * 1e3:.0f}", "http://127.0.0.1:1/piwebapi", delivery={"shards": count})
            one = await _one(config, count, interval, options.seconds / 2, broker)
            found[f"{count} x {interval * 1e3:.0f} ms"] = one
            commit, readable = one["commit"]["p99_ms"], one["readable"]["p99_ms"]
            say(f"{count} producers, {interval * 1e3:.0f} ms: {one['cores']} cores, p99: commit {commit} ms, readable {readable} ms")
    return found
