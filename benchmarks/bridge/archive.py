"""Batch answers to statements in Kafka, beside the naive bridge; and what a slow PI costs, beside one GET after the other."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx2

from benchmarks import fast_path, plant
from benchmarks.bridge import events, naive
from benchmarks.bridge.channels import Cost, against, points, rates
from benchmarks.bridge.children import batch_body
from benchmarks.bridge.ground import (
    Ground,
    Json,
    Options,
    Void,
    child,
    committed,
    leave_progress,
    owned,
    read_back,
    read_topic,
    say,
    spread,
    until,
    world,
)  # fmt: skip
from benchmarks.simulator import Process, Simulator, ended
from bridge import batch, pitime, progress
from bridge.coverage import PointCoverage
from bridge.frame import FrameBuilder, Limits, Stated
from bridge.incarnation import Incarnation
from bridge.points import Point as ShardPoint
from bridge.progress import ShardState
from bridge.ranges import Range
from bridge.reading import read
from bridge.shard import Work, World
from schemas.records import Point, Progress
from schemas.times import TICKS_PER_SECOND
from schemas.topics import HISTORY

SERIES_VALUES = (1000, 100, 10)
BATCH_POINTS = 100
MOST_BATCHES = 20
RANGE_SECONDS = (plant.END - plant.BEGIN) // TICKS_PER_SECOND
LATENCIES = (0.0, 0.02, 0.05, 0.2)
"""Seconds that PI needs for a call, whatever is asked."""


def reading(world: World) -> list[Work]:
    """A shard's work, without channels."""

    async def ask(incarnation: Incarnation) -> None:
        await read(world, incarnation.reads)

    return [ask]


def to_be_filled(of: list[Point], now: int) -> Iterator[tuple[str, Progress]]:
    """Progress that leaves one slice of back-fill to each point: from the begin to the end of what the canned answers hold."""
    for point in of:
        covered = PointCoverage(point["point_key"], plant.BEGIN, plant.END, plant.END, as_of=now)
        record = progress.point_record(covered, ())
        assert record is not None
        yield point["point_key"], record


async def through_the_bridge(
    world: World, partition: int, server: Process, of: list[Point], values: int, expected: "Counter[events.Event]"
) -> Cost:
    """Back-fill of these points, so many values each: from the answer's first byte to the last commit."""
    cost, total = Cost(), values * len(of)
    leave_progress(world, partition, to_be_filled(of, world.pi.now()))
    await asyncio.to_thread(server.ask, values)
    before = world.pi.requests["batch"]
    async with owned(world, [partition], of, reading) as shards:
        await until(lambda: world.pi.requests["batch"] > before, "the first request")
        with cost.measured():
            await asyncio.to_thread(server.ask, "go")
            await until(lambda: committed(shards, HISTORY.dataset) == total, f"{total} values committed")
    frames = read_back(world.config, world.codec, HISTORY, [partition])
    events.must_be(events.of_frames(frames), expected, f"the bridge, {values} values a series")
    must_be_stated(frames, of)
    return cost


def must_be_stated(frames: list[Json], of: list[Point]) -> None:
    """Raises Void unless the statements of each point cover the whole range, with the digests of their samples."""
    covered: dict[str, list[tuple[int, int]]] = {}
    for series in (series for frame in frames for series in frame["series"]):
        statement = series["statement"]
        if (statement["count"], statement["digest"]) != (len(series["samples"]), fast_path.digest_by_sample(series["samples"])):
            raise Void(f"a statement of {series['point_key']} has another digest than its samples")
        begin, end = (statement[f"{edge}_time"] * 10 + statement[f"{edge}_ticks"] for edge in ("from", "to"))
        covered.setdefault(series["point_key"], []).append((begin, end))
    for point in of:
        ranges = sorted(covered.get(point["point_key"], []))
        joined = all(before[1] == after[0] for before, after in pairwise(ranges))
        if not ranges or not joined or (ranges[0][0], ranges[-1][1]) != (plant.BEGIN, plant.END):
            raise Void(f"{point['point_key']} is not stated from begin to end: {ranges[:3]}")


def naively(ground: Ground, server: Process, url: str, topic: str, values: int, batches: int, expected: "Counter[events.Event]") -> Cost:
    cost = Cost()
    known = [{"point_key": p["point_key"], "tag": p["tag"], "uom": p["engineering_units"]} for p in points(BATCH_POINTS)]
    records = naive.Records(ground.stack.bootstrap_servers, ground.stack.registry_url, topic)
    server.ask(values)
    server.ask("go")
    with cost.measured():
        naive.read(url, [p["web_id"] for p in points(BATCH_POINTS)], known, records, batches)
        records.flush()
    records.close()
    found = events.of_records(read_topic(ground.stack.bootstrap_servers, topic))
    events.must_be(found, events.in_microseconds(expected), f"the naive bridge, {values} values a series")
    return cost


async def measure_reads(ground: Ground, options: Options) -> Json:
    """Batches of 100 series, length by length."""
    found: Json = {}
    with child("answer-batches") as server:
        url = f"http://127.0.0.1:{server.answer()['port']}/piwebapi"
        load = {"load": {"requests_per_second": 1000.0}}
        config = ground.source(
            "reads", url, pi=load, coverage={"slice_seconds": RANGE_SECONDS}, delivery={"shards": len(SERIES_VALUES) * options.rounds}
        )
        async with world(config) as here:
            for at, values in enumerate(SERIES_VALUES):
                batches = max(1, min(MOST_BATCHES, options.values // (values * BATCH_POINTS)))
                of, body, ours, peers = points(batches * BATCH_POINTS), batch_body(values), list[Cost](), list[Cost]()
                expected = events.of_batch(body, [point["point_key"] for point in of])
                plain = events.of_batch(body, [point["point_key"] for point in points(BATCH_POINTS)] * batches)
                for number in range(options.rounds):
                    partition = at * options.rounds + number
                    ours.append(await through_the_bridge(here, partition, server, of, values, expected))
                    topic = ground.topic(f"naive_reads_{partition}")
                    peers.append(await asyncio.to_thread(naively, ground, server, url, topic, values, batches, plain))
                    say(f"reads of {values}: {rates(ours[-1], peers[-1], values * len(of))}")
                found[f"{values} values a series"] = against(ours, peers, values * len(of))
    return found


# -- a slow PI


async def measure_calls(ground: Ground, options: Options) -> Json:
    """An hour of 100 points out of a slow PI: the bridge's batch, to encoded frames; and a GET a point, one after the other."""
    simulator, found = Simulator("--points", BATCH_POINTS, "--rate", 10, "--history", 3 * 3600), dict[str, Any]()
    with ended(simulator):
        simulator.control("/load", {"running": False})
        end = time.time_ns() // 10**9 * TICKS_PER_SECOND - 600 * TICKS_PER_SECOND
        begin = end - 3600 * TICKS_PER_SECOND
        config = ground.source("calls", simulator.url, simulator.server_id, delivery={"shards": 1})
        of = [_point(point) for point in simulator.control("/points")]
        async with world(config) as here:
            await in_a_batch(here, of, begin, end)  # values that were never read have to be computed first
            for latency in LATENCIES:
                if latency:
                    simulator.control("/faults", {"fault": "slow", "seconds": latency})
                ours, peers, values = list[float](), list[float](), 0
                for _ in range(options.rounds):
                    values = await compared_once(here, of, begin, end, ours, peers)
                if latency:
                    simulator.control("/faults", {"end": "all"})
                found[f"{latency * 1e3:.0f} ms a call"] = {
                    "values": values, "seconds": spread(ours, 3), "peer_seconds": spread(peers, 3),
                    "ratio": spread((peer / one for peer, one in zip(peers, ours, strict=True)), 1),
                }  # fmt: skip
                say(f"calls at {latency * 1e3:.0f} ms: {min(ours):.3f} s, one GET after the other {min(peers):.3f} s")
    return found


async def compared_once(world: World, of: list[Point], begin: int, end: int, ours: list[float], peers: list[float]) -> int:
    """Adds the seconds of both ways; answers how many values there were, the same in both."""
    began = time.monotonic()
    frames = await in_a_batch(world, of, begin, end)
    ours.append(time.monotonic() - began)
    began = time.monotonic()
    items = await asyncio.to_thread(one_by_one, world.config.pi.url, of, begin, end)
    peers.append(time.monotonic() - began)
    found = events.of_frames([world.codec.decode(HISTORY, frame) for frame in frames])
    expected = Counter(event for key, item in items if (event := events.sent(key, item)).ticks < end)
    events.must_be(found, expected, "an hour in a batch")
    return found.total()


async def in_a_batch(world: World, of: list[Point], begin: int, end: int) -> list[bytes]:
    """The range of these points as encoded frames."""
    limits = Limits(0.1, 1000, 256_000)
    builder, resources = FrameBuilder(ShardState(0, 1, epoch=1), "calls", limits), dict[str, str]()
    for number, point in enumerate(of):
        resources[str(number)] = batch.recorded(world.pi.base, point["web_id"], begin, end, 10_000)
    for key, content in (await world.pi.batch(resources)).contents.items():
        point = of[int(key)]
        page, unreadable = batch.page_of(content, begin, end, end, 10_000, point["point_type"])
        if unreadable or page.cut:
            raise Void(f"the answer for {point['point_key']} is not whole")
        builder.statement(ShardPoint.of(point), Stated(Range(begin, end, page.samples), end, 1), True, None, 0, 0.0)
    return [world.codec.encode(topic, frame) for topic, frame in builder.take(None, everything=True)]


def one_by_one(url: str, of: list[Point], begin: int, end: int) -> list[tuple[str, Json]]:
    """Value objects with the keys of their points."""
    first, last = pitime.text_of(begin), pitime.text_of(end)
    found = []
    with httpx2.Client(timeout=60, trust_env=False) as client:
        for point in of:
            address = f"{url}/streams/{point['web_id']}/recorded?startTime={first}&endTime={last}&maxCount=10000"
            found += [(point["point_key"], item) for item in client.get(address).json()["Items"]]
    return found


def _point(told: Json) -> Point:
    """A point of the simulator's."""
    [point] = points(1)
    key = f"main:{told['point_id']}"
    return {
        **point,
        "point_key": key,
        "point_id": told["point_id"],
        "web_id": told["web_id"],
        "tag": told["name"],
        "point_type": told["type"],
    }
