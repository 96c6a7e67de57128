"""Values a second of one worker with all rules on, beside Faust with a record a value and a bare loop, in turns and from the same values.

What a way is to judge lies in Kafka before it starts, so that it goes as fast as it can. Ours is watched by its own figures, from when the
group gives it its shards: reading the points again, and waiting for the order of topics, are in its time. The peers know their points, and
time themselves from their first message. Afterwards what each has published is read back, and has to be
what the rules say of the frames without anything between; else there is no figure.
"""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import fastavro
import httpx2
import psutil
from confluent_kafka import Producer

from benchmarks.bridge.ground import Ground, Json, Void, read_back, read_topic, say, spread
from benchmarks.processors.frames import FLAT, SETTINGS, SHARDS, Expected, encoded, expected, flat, frames, keys, of_one, points, rules
from bridge import kafka
from console import subjects
from proofs.evidence import ROOT
from schemas import wire
from schemas.config import Config
from schemas.processors import Processors
from schemas.records import ValueFrame
from schemas.topics import ASSESSMENTS, LATE, LIVE, POINTS
from stream_processors.columns import samples_of

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 600.0
SETTLE_SECONDS = 60.0
"""What was found is in Kafka so long after the last value."""
_AT_ONCE = 40
"""Frames a transaction."""
_VALUES = re.compile(r'^pibridge_processors_values_total\{dataset="live"\} (\S+)$', re.MULTILINE)
_ASSIGNED = re.compile(r"^pibridge_processors_shards_assigned (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Options:
    """How much."""

    rounds: int = 3
    values: int = 2_000_000
    single_values: int = 80_000
    """Of these the first so many for the peer that takes them one by one."""


@dataclass
class Taken:
    """What a way took for so many values."""

    values: int
    wall_seconds: float
    cpu_seconds: float

    @property
    def a_second(self) -> float:
        return self.values / self.wall_seconds

    @property
    def a_cpu_second(self) -> float:
        return self.values / self.cpu_seconds


def measure_plain(ground: Ground, options: Options) -> Json:
    """Frames of 100 floating-point numbers."""
    return _measure(ground, options, "plain", mixed=False)


def measure_mixed(ground: Ground, options: Options) -> Json:
    """Frames of 100 values as a plant has them: 13 of 100 are integers, digital states and texts."""
    return _measure(ground, options, "mixed", mixed=True)


def _measure(ground: Ground, options: Options, name: str, mixed: bool) -> Json:
    all_of_it, first_of_it = expected(options.values, mixed), expected(options.single_values, mixed)
    taken: dict[str, list[Taken]] = {"ours": [], "faust": [], "bare": []}
    for number in range(options.rounds):
        source = f"{name}{number}"
        config = ground.source(source, "http://127.0.0.1:1/piwebapi", delivery={"shards": SHARDS}, processors=SETTINGS)
        say(f"round {number + 1} of {options.rounds}: publishing {options.values:,} values")
        _publish_points(config)
        _publish_frames(config, options.values, mixed)
        singles = ground.topic(f"{source}-singles", SHARDS)
        _publish_singles(config, singles, options.single_values, mixed)
        ways: list[tuple[str, Callable[[], Taken]]] = [
            ("ours", partial(_ours, ground, config, options.values, all_of_it)),
            ("faust", partial(_peer, ground, config, "faust", singles, options.single_values, first_of_it)),
            ("bare", partial(_peer, ground, config, "bare", LIVE.name(config.source), options.values, all_of_it)),
        ]
        for way, run in ways[number % 3 :] + ways[: number % 3]:
            taken[way].append(run())
            say(f"{way}: {taken[way][-1].a_second:,.0f} values/s, {taken[way][-1].a_cpu_second:,.0f} a second of CPU")
    figures: Json = {"values": options.values, "late_records": len(all_of_it.late), "periods": len(all_of_it.said)} | _figures(taken)
    figures["rules_alone_values_per_cpu_second"] = {
        "frames": round(_rules_alone(frames("alone", options.values // 10, mixed))),
        "one_by_one": round(_rules_alone(_singles(options.single_values // 10, mixed))),
    }
    return figures


def _figures(taken: dict[str, list[Taken]]) -> Json:
    figures: Json = {}
    for way, each in taken.items():
        figures[way] = {
            "values_per_second": spread((one.a_second for one in each), 0),
            "values_per_cpu_second": spread((one.a_cpu_second for one in each), 0),
        }
    for way, name in (("faust", "times_faust"), ("bare", "of_bare")):
        pairs = [*zip(taken["ours"], taken[way], strict=True)]
        figures[name] = {
            "wall": spread(ours.a_second / peer.a_second for ours, peer in pairs),
            "cpu": spread(ours.a_cpu_second / peer.a_cpu_second for ours, peer in pairs),
        }
    return figures


def _rules_alone(made: Iterable[ValueFrame]) -> float:
    """What the rules cost where nobody reads or decodes: how much of a way's time is theirs."""
    shards = [rules("alone", number, own, Processors.model_validate(SETTINGS)) for number, own in enumerate(keys())]
    ready = [(frame, samples_of(frame)) for frame in made]
    began = time.process_time()
    for frame, samples in ready:
        shards[frame["shard"]].frame("live", frame, frame["received_time"], samples)
    return sum(sum(samples.counts) for _, samples in ready) / (time.process_time() - began)


def _singles(values: int, mixed: bool) -> Iterator[ValueFrame]:
    sequences = [0] * SHARDS
    for frame in frames("alone", values, mixed):
        for record in flat(frame):
            yield of_one(record, frame["shard"], sequences[frame["shard"]])
            sequences[frame["shard"]] += 1


# -- the ways


def _ours(ground: Ground, config: Config, values: int, wanted: Expected) -> Taken:
    """`pibridge process`, which is ended as an operator would."""
    with _worker(ground, config) as (worker, address):
        taken = _watch(worker, address, values)
        deadline = time.monotonic() + SETTLE_SECONDS
        late, said = _found(config, {})
        while len(late) < len(wanted.late) or not _periods(said) >= _periods(wanted.said):
            if time.monotonic() > deadline:
                break  # what is missing is told below
            time.sleep(1)
            late, said = _found(config, {})
    must_be("ours", late, said, wanted)
    return taken


@contextmanager
def _worker(ground: Ground, config: Config) -> Iterator[tuple[psutil.Process, str]]:
    """The worker itself, which the command starts, and the address of its figures."""
    log = ground.directory / f"{config.source}.log"
    command = [sys.executable, "-m", "console", "process", "--config", str(ground.path(config.source))]
    with log.open("w") as stream, subprocess.Popen(command, stderr=stream, cwd=ROOT) as process:
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not (found := re.search(r"http://127\.0\.0\.1:\d+(?=\")", log.read_text())):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Void(f"the worker did not start: {log.read_text()[-500:]}")
                time.sleep(0.05)
            (worker,) = psutil.Process(process.pid).children()
            yield worker, found[0]
        finally:
            process.terminate()
            process.wait(60)


def _watch(worker: psutil.Process, address: str, values: int) -> Taken:
    """From the last look at which the worker had no shards to the one at which it had judged all values.

    Frames are read and decoded ahead of the rules: to begin with the first value that was judged would leave much of that out.
    """
    deadline, judged, before = time.monotonic() + PATIENCE_SECONDS, 0, None
    with httpx2.Client(base_url=address, trust_env=False, timeout=60) as client:
        while time.monotonic() < deadline:
            text, times = client.get("/metrics").text, worker.cpu_times()
            now = time.monotonic(), times.user + times.system
            judged = _figure(_VALUES, text)
            if _figure(_ASSIGNED, text) < SHARDS:
                before = now
            elif before is None:
                raise Void("the worker had its shards before the first look")
            elif judged >= values:
                return Taken(values, now[0] - before[0], now[1] - before[1])
            time.sleep(POLL_SECONDS)
    raise Void(f"{judged:,} of {values:,} values were judged in {PATIENCE_SECONDS:g} s")


def _figure(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return round(float(found[1])) if found else 0


def _peer(ground: Ground, config: Config, way: str, topic: str, values: int, wanted: Expected) -> Taken:
    outputs = {found.dataset: ground.topic(f"{config.source}-{way}-{found.dataset}") for found in (LATE, ASSESSMENTS)}
    command = [sys.executable, "-m", "benchmarks.processors.peers", way, str(ground.path(config.source)), topic, *outputs.values()]
    done = subprocess.run([*command, str(values)], capture_output=True, text=True, timeout=PATIENCE_SECONDS, cwd=ROOT, check=False)
    if done.returncode:
        raise Void(f"{way} ended with exit code {done.returncode}: {done.stderr[-500:]}")
    must_be(way, *_found(config, outputs), wanted)
    return Taken(**json.loads(done.stdout))


# -- what was found


def _found(config: Config, peers: dict[str, str]) -> tuple[list[Json], list[Json]]:
    """Late records and assessments of ours, or of a peer's topics."""
    with closing(kafka.codec(config)) as codec:
        if peers:
            own = [(topic, read_topic(config.kafka.bootstrap_servers, peers[topic.dataset])) for topic in (LATE, ASSESSMENTS)]
            both = [[codec.decode(topic, value) for value in values] for topic, values in own]
        else:
            both = [read_back(config, codec, topic, range(topic.partition_count(SHARDS))) for topic in (LATE, ASSESSMENTS)]
    return both[0], both[1]


def must_be(way: str, late: Sequence[Any], said: Sequence[Any], wanted: Expected) -> None:
    """Raises Void where a way says something else than the rules: each late value once, and of each period of the frames the same."""
    differ = _late(late) - _late(wanted.late), _late(wanted.late) - _late(late)
    if any(differ):
        raise Void(f"{way}: late values: {differ[0].total()} are too many, {differ[1].total()} are missing")
    periods = _periods(wanted.said)
    # Behind the last frame the wall clock closes what no frame did.
    own = Counter(_text(one) for one in said if (one["shard"], one["period"]) in periods)
    if own != (right := Counter(map(_text, wanted.said))):
        raise Void(f"{way}: {(own - right).total()} of {len(wanted.said)} periods say something else, {(right - own).total()} are missing")


def _late(records: Sequence[Any]) -> Counter[str]:
    """A frame of one value has a sequence of its own."""
    return Counter(_text({**one, "sequence": 0, "epoch": 0}) for one in records)


def _text(record: Any) -> str:
    return json.dumps({**record, "source": ""}, sort_keys=True)


def _periods(said: Sequence[Any]) -> set[tuple[int, int]]:
    return {(one["shard"], one["period"]) for one in said}


# -- what is published


def _publish_points(config: Config) -> None:
    ids = _ids(config)
    messages = (
        (POINTS.name(config.source), wire.encode(ids[POINTS.dataset], wire.schema(POINTS.record), dict(one)), one["point_key"], shard)
        for shard, own in enumerate(keys())
        for one in points(own)
    )
    _publish(config, messages)


def _publish_frames(config: Config, values: int, mixed: bool) -> None:
    schema_id = _ids(config)[LIVE.dataset]
    name = LIVE.name(config.source)
    _publish(config, ((name, encoded(schema_id, frame), None, frame["shard"]) for frame in frames(config.source, values, mixed)))


def _publish_singles(config: Config, topic: str, values: int, mixed: bool) -> None:
    schema = fastavro.parse_schema(FLAT)
    messages = (
        (topic, wire.encode(0, schema, record)[5:], record["point_key"], frame["shard"])
        for frame in frames(config.source, values, mixed)
        for record in flat(frame)
    )
    _publish(config, messages, transactional=False)


def _ids(config: Config) -> dict[str, int]:
    registered = {one.subject: one.schema_id for one in subjects.register(config)}
    return {topic.dataset: registered[topic.subject(config.source)] or 0 for topic in (POINTS, LIVE)}


def _publish(config: Config, messages: Iterator[tuple[str, bytes, str | None, int]], transactional: bool = True) -> None:
    """In order; in transactions as the bridge does."""
    more: Json = {"transactional.id": f"{config.source}-benchmark"} if transactional else {}
    producer = Producer({**config.kafka.client_settings(), "compression.type": "lz4", "linger.ms": 5, **more})
    if transactional:
        producer.init_transactions(30)
        producer.begin_transaction()
    for number, (topic, value, key, partition) in enumerate(messages, 1):
        while True:
            try:
                producer.produce(topic, value, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
        if transactional and number % _AT_ONCE == 0:
            producer.commit_transaction(60)
            producer.begin_transaction()
    if transactional:
        producer.commit_transaction(60)
    if producer.flush(60):
        raise Void("Kafka did not take what was to be judged")
