"""Channel bytes to Kafka, one producer; and twelve transactional producers beside one that delivers at least once."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from confluent_kafka import KafkaError, Producer

from benchmarks import plant
from benchmarks.bridge import events, naive
from benchmarks.bridge.children import channel_messages
from benchmarks.bridge.ground import Ground, Json, Options, Void, child, committed, owned, read_back, read_topic, say, spread, until, world
from benchmarks.simulator import Process
from bridge import publish, shard
from bridge.incarnation import Incarnation
from bridge.listening import listen
from bridge.shard import OwnedShard, Work, World
from schemas.config import Config
from schemas.records import Point
from schemas.topics import LIVE

SHAPES = ((100, 1), (100, 10), (1, 1))
SATURATED_SHAPES = SHAPES[:2]
SHARDS = 12
SMALL_SHARE = 5
"""Messages of one value are so many times fewer."""
ONE_CHANNEL = {"url_bytes": 16_384}
"""A URL that all points of a shard fit into: the feeder sends every stream on every channel."""
Shape = tuple[int, int]


def points(count: int = plant.POINTS) -> list[Point]:
    """Points as the inventory knows them, their kinds repeating every hundred."""
    kinds = [sender.point for sender in plant.senders()]
    made: list[Point] = []
    for n in range(count):
        like = kinds[n % len(kinds)]
        key, web_id = (like.point_key, like.web_id) if n < len(kinds) else (f"main:{1000 + n}", f"{like.web_id}{n}")
        made.append(
            {
                "source": "plant1", "point_key": key, "server": "main", "server_id": "", "point_id": 1000 + n, "web_id": web_id,
                "tag": like.tag, "path": "", "descriptor": None, "point_class": None, "point_type": like.point_type,
                "digital_set": None, "engineering_units": like.uom, "zero": None, "span": None, "step": False, "future": False,
                "display_digits": None, "in_scope": True, "start_time": plant.BEGIN // 10, "received_time": 0,
                "point_source": None,
            }
        )  # fmt: skip
    return made


def listening(world: World) -> list[Work]:
    """A shard's work, without reads."""

    async def hear(incarnation: Incarnation) -> None:
        await listen(world, incarnation.hearing)

    return [hear]


def open_channels(shards: list[OwnedShard]) -> int:
    ears = [ear for shard in shards if shard.tenure.incarnation is not None for ear in shard.tenure.incarnation.hearing.ears]
    return sum(ear.listening for ear in ears)


class Cost:
    """CPU seconds of this process, all threads, and seconds, while a block lasts."""

    cpu = wall = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        gc.collect()
        gc.freeze()  # what is expected is none of what either way would hold
        cpu, wall = time.process_time(), time.monotonic()
        yield
        self.cpu, self.wall = time.process_time() - cpu, time.monotonic() - wall
        gc.unfreeze()


def expected_of(shape: Shape, total: int, times: int = 1) -> "Counter[events.Event]":
    found = events.of_messages(channel_messages(*shape, total))
    return Counter({event: count * times for event, count in found.items()})


async def through_the_bridge(
    world: World, numbers: list[int], feeder: Process, shape: Shape, total: int, expected: "Counter[events.Event]"
) -> Cost:
    """So many values a channel into as many shards, each with a channel of its own; until all are committed, or at least delivered."""
    cost = Cost()
    async with owned(world, numbers, points(), listening) as shards:
        await until(lambda: open_channels(shards) == len(numbers), "every channel open")
        await asyncio.to_thread(feeder.ask, [*shape, total])
        with cost.measured():
            sending = asyncio.create_task(asyncio.to_thread(feeder.ask, "send"))
            await until(lambda: committed(shards, LIVE.dataset) == total * len(numbers), f"{total} values committed by each shard")
        await sending
    found = events.of_frames(read_back(world.config, world.codec, LIVE, numbers))
    events.must_be(found, expected, f"the bridge, {shape[0]} x {shape[1]}")
    return cost


async def naively(
    ground: Ground, feeder: Process, topic: str, shape: Shape, total: int, expected: "Counter[events.Event]", url: str
) -> Cost:
    cost, known = Cost(), {p["web_id"]: {"point_key": p["point_key"], "tag": p["tag"], "uom": p["engineering_units"]} for p in points()}
    records = naive.Records(ground.stack.bootstrap_servers, ground.stack.registry_url, topic)
    listening = asyncio.create_task(naive.listen(url.replace("http", "ws", 1), known, records, total))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(feeder.ask, [*shape, total])
    with cost.measured():
        sending = asyncio.create_task(asyncio.to_thread(feeder.ask, "send"))
        await listening
        records.flush()
    await sending
    records.close()
    found = events.of_records(read_topic(ground.stack.bootstrap_servers, topic))
    events.must_be(found, events.in_microseconds(expected), f"the naive bridge, {shape[0]} x {shape[1]}")
    return cost


def against(ours: list[Cost], peers: list[Cost], values: int) -> Json:
    """Both ways: CPU a value, values a second; how many times less CPU and more values a second, round by round."""
    return {
        "values": values,
        "cpu_us_per_value": spread(cost.cpu / values * 1e6 for cost in ours),
        "peer_cpu_us_per_value": spread(cost.cpu / values * 1e6 for cost in peers),
        "values_per_second": spread((values / cost.wall for cost in ours), 0),
        "peer_values_per_second": spread((values / cost.wall for cost in peers), 0),
        "cpu_ratio": spread(peer.cpu / cost.cpu for cost, peer in zip(ours, peers, strict=True)),
        "wall_ratio": spread(peer.wall / cost.wall for cost, peer in zip(ours, peers, strict=True)),
    }


async def measure_live(ground: Ground, options: Options) -> Json:
    """One producer beside the naive bridge, shape by shape."""
    found: Json = {}
    with child("feed-channels") as feeder:
        url = f"http://127.0.0.1:{feeder.answer()['port']}/piwebapi"
        config = ground.source("live", url, pi={"channels": ONE_CHANNEL}, delivery={"shards": len(SHAPES) * options.rounds})
        async with world(config) as here:
            for at, shape in enumerate(SHAPES):
                total = options.values // (SMALL_SHARE if shape == (1, 1) else 1)
                expected, ours, peers = expected_of(shape, total), list[Cost](), list[Cost]()
                for number in range(options.rounds):
                    partition = at * options.rounds + number
                    ours.append(await through_the_bridge(here, [partition], feeder, shape, total, expected))
                    topic = ground.topic(f"naive_live_{partition}")
                    peers.append(await naively(ground, feeder, topic, shape, total, expected, url))
                    say(f"live {shape[0]} x {shape[1]}: {rates(ours[-1], peers[-1], total)}")
                found[f"{shape[0]} x {shape[1]}"] = against(ours, peers, total)
    return found


def rates(ours: Cost, peer: Cost, values: int) -> str:
    """A line about a round."""
    cpu, wall = ([getattr(cost, name) / values * 1e6 for cost in (ours, peer)] for name in ("cpu", "wall"))
    return f"{cpu[0]:.2f} and {cpu[1]:.2f} us of CPU a value, {1e6 / wall[0]:,.0f} and {1e6 / wall[1]:,.0f} values/s"


# -- transactions against at-least-once


class AtLeastOnce:
    """In the place of a shard's publisher: one idempotent producer for all of them, and no transactions."""

    _producer: Producer | None = None

    def __init__(self, config: Config, transactional_id: str, patience_seconds: float) -> None:
        self._config, self._id = config, transactional_id

    async def open(self) -> None:
        if AtLeastOnce._producer is None:
            settings = publish.producer_settings(self._config, self._id)
            AtLeastOnce._producer = Producer({k: v for k, v in settings.items() if not k.startswith("transaction")})

    async def commit(self, messages: list[publish.Message]) -> None:
        """Returns when all are delivered."""
        await asyncio.to_thread(self._deliver, messages)

    def _deliver(self, messages: list[publish.Message]) -> None:
        producer, waiting = AtLeastOnce._producer, len(messages)
        assert producer is not None

        def delivered(error: KafkaError | None, _: object) -> None:
            nonlocal waiting
            if error is not None:
                raise Void(error.str())
            waiting -= 1

        for m in messages:
            partition = publish.PARTITION_UA if m.partition is None else m.partition
            producer.produce(m.topic, value=m.value, key=m.key, partition=partition, on_delivery=delivered)
        while waiting:
            producer.poll(0.01)

    async def close(self) -> None:
        return


async def measure_producers(ground: Ground, options: Options) -> Json:
    """Twelve shards, each with a producer of its own and transactions; and the same twelve with one idempotent producer."""
    found: Json = {}
    with child("feed-channels") as feeder:
        url = f"http://127.0.0.1:{feeder.answer()['port']}/piwebapi"
        for shape in SATURATED_SHAPES:
            name = f"{shape[0]} x {shape[1]}"
            # A source a shape: with more shards than there may be sockets, some would have no channel.
            config = ground.source(
                f"producers_{'x'.join(map(str, shape))}",
                url,
                pi={"channels": ONE_CHANNEL},
                delivery={"shards": options.rounds * 2 * SHARDS},
            )
            total = options.values * 2 // SHARDS // (shape[0] * shape[1]) * shape[0] * shape[1]
            expected = expected_of(shape, total, SHARDS)
            costs: dict[bool, list[Cost]] = {True: [], False: []}
            partition = 0
            async with world(config) as here:
                for _ in range(options.rounds):
                    for transactional in costs:
                        numbers = list(range(partition, partition := partition + SHARDS))
                        publisher: Any = publish.Publisher if transactional else AtLeastOnce
                        with mock.patch.object(shard, "Publisher", publisher):
                            costs[transactional].append(await through_the_bridge(here, numbers, feeder, shape, total, expected))
                    ours, peer = costs[True][-1], costs[False][-1]
                    say(f"producers {name}: {rates(ours, peer, total * SHARDS)}")
            AtLeastOnce._producer = None
            found[name] = against(costs[True], costs[False], total * SHARDS)
    return found
