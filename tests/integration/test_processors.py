"""The processors on a real Kafka: what they find is what the rules find of the same frames, whoever is killed meanwhile."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import yaml
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from bridge import kafka
from console import subjects, topics
from console.stack import Stack
from proofs.accuracy.clocks import point
from proofs.accuracy.plant import micros, sample
from schemas import wire
from schemas.config import Config, load
from schemas.records import Assessment, Point, Series, ValueFrame
from schemas.shards import shard_of
from schemas.topics import ASSESSMENTS, DEAD_LETTERS, HISTORY, INCIDENTS, LATE, LIVE, POINTS, QUALITY, RECORDED, SKEW, Topic
from stream_processors.assess import Dataset, Overview, Shard
from tests.integration.test_bridge_kafka import SHARDS, config_of

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 240.0
FIVE_HOURS = 18_000.0
PROCESSORS: dict[str, Any] = {
    "state_seconds": 3.0, "session_timeout_seconds": 3.0, "period_seconds": 30, "monitoring": {"port": 0},
    # Of these points nothing is learnt: whether a clock was known when a value came must not change what is found of it.
    "lateness": {"thresholds": [{"name_filter": "*", "threshold_seconds": 600.0}]},
    "quality": {"window_seconds": 60, "flat_samples": 5000},
}  # fmt: skip
Sent = tuple[Dataset, ValueFrame]


@dataclass
class Plant:
    """A source of its own, what was published of it, and the workers that look at it."""

    config: Config
    path: Path
    codec: kafka.Codec
    ids: dict[str, int]
    """Of this version's schemas, by subject."""
    keys: dict[int, list[str]]
    """Of each shard."""
    made: dict[int, list[Sent]] = field(default_factory=lambda: {shard: [] for shard in range(SHARDS)})
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def points(self, shard: int) -> list[Point]:
        """Every tenth point is of an interface that will be 90 s ahead."""
        return [point(key, "OPC2" if number % 10 == 9 else "OPC1") for number, key in enumerate(self.keys[shard])]

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "stream_processors", "run", "--config", str(self.path)]
        with (self.path.parent / f"worker{len(self.workers)}.log").open("w") as log:
            self.workers.append(subprocess.Popen(command, stderr=log, text=True, cwd=ROOT))
        return self.workers[-1]

    def log(self, number: int = -1) -> str:
        return (self.path.parent / f"worker{range(len(self.workers))[number]}.log").read_text()

    def read(self, topic: Topic) -> list[dict[str, Any]]:
        """Everything that a topic holds, but for the garbage."""
        places = range(topic.partition_count(SHARDS))
        values = [value for place in places for _, value in kafka.read_partition(self.config, topic.name(self.config.source), place)]
        return [self.codec.decode(topic, value) for value in values if value is not None and value != b"garbage"]

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{what}\n{self.log()}"
            time.sleep(0.1)


def plant_of(stack: Stack, directory: Path, source: str, points: int) -> Plant:
    made = config_of(stack, directory, source)
    path = directory / f"{source}.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"processors": PROCESSORS}))
    config = load(path, {})
    assert config.source == made.source
    topics.apply(config)
    ids = {registered.subject: cast(int, registered.schema_id) for registered in subjects.register(config)}
    keys: dict[int, list[str]] = {shard: [] for shard in range(SHARDS)}
    for number in range(points * SHARDS * 3):
        if len(own := keys[shard_of(f"main:{number}", SHARDS)]) < points:
            own.append(f"main:{number}")
    plant = Plant(config, path, kafka.codec(config), ids, keys)
    publish(plant, [(POINTS, shard, one["point_key"], one) for shard in keys for one in plant.points(shard)])
    return plant


def publish(plant: Plant, records: list[tuple[Topic, int, str | None, Any]], at_once: int = 200) -> None:
    """In transactions, as the bridge does; bytes as they are."""
    producer = Producer({
        **plant.config.kafka.client_settings(), "transactional.id": f"{plant.config.source}-test", "compression.type": "lz4",
    })  # fmt: skip
    producer.init_transactions(30)
    for begin in range(0, len(records), at_once):
        producer.begin_transaction()
        for topic, partition, key, record in records[begin : begin + at_once]:
            value = record if isinstance(record, bytes) else encoded(plant, topic, record)
            while True:
                try:
                    producer.produce(topic.name(plant.config.source), value, key, partition)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.commit_transaction(60)


def encoded(plant: Plant, topic: Topic, record: Any) -> bytes:
    return wire.encode(plant.ids[topic.subject(plant.config.source)], wire.schema(topic.record), record)


@contextlib.contextmanager
def working(stack: Stack, directory: Path, source: str, points: int) -> Iterator[Plant]:
    """The plant, whose workers are gone in the end."""
    plant = plant_of(stack, directory, source, points)
    try:
        yield plant
    finally:
        for worker in plant.workers:
            worker.kill()
            worker.wait(30)
        plant.codec.close()


# What is published


def frames(plant: Plant, count_of_frames: int, begin: float, step_seconds: float = 1.0) -> None:
    """So many frames of all points for each shard; a late value in each sixtieth, and a statement now and then."""
    for shard, keys in plant.keys.items():
        clock = count = 0
        for n in range(count_of_frames):
            at = begin + n * step_seconds
            own = [_series(key, at - 0.2 + (90 if k % 10 == 9 else 0), n, good=k != 3) for k, key in enumerate(keys)]
            if n % 60 == 30 + shard:
                own[n // 60 % 9] = _series(keys[n // 60 % 9], at - FIVE_HOURS, n)
            plant.made[shard].append(("live", _frame(plant, shard, n, clock, at, own)))
            clock += 1
            if n % 50 == 25:
                stated = _frame(plant, shard, count, clock, at + 0.1, [_statement(keys[0], at)])
                plant.made[shard].append(("recorded", stated | {"origin": "RECORDED", "via": "READ"}))
                clock, count = clock + 1, count + 1


def _series(key: str, stamp: float, n: int, good: bool = True) -> Series:
    value = sample(micros(stamp), float(n % 1013)) | {"good": good}
    return {"point_key": key, "tag": key[5:], "uom": "degC", "statement": None, "samples": [cast(Any, value)]}


def _statement(key: str, at: float) -> Series:
    stated: Any = {
        "kind": "STATED", "from_time": micros(at - 400), "from_ticks": 0, "to_time": micros(at - 300), "to_ticks": 0, "as_of": micros(at),
        "as_of_clock": 1, "count": 0, "digest": 0,
    }  # fmt: skip
    return {"point_key": key, "tag": key[5:], "uom": "degC", "statement": stated, "samples": []}


def _frame(plant: Plant, shard: int, sequence: int, clock: int, at: float, series: list[Series]) -> ValueFrame:
    return {
        "source": plant.config.source, "shard": shard, "epoch": 1, "sequence": sequence, "clock": (1 << 40) + clock, "origin": "LIVE",
        "via": "CHANNEL", "received_time": micros(at), "server_time": micros(at), "cause": None, "series": series,
    }  # fmt: skip


def sent(plant: Plant) -> list[tuple[Topic, int, str | None, Any]]:
    """All frames in the order in which a bridge would send them, shards side by side."""
    topic: dict[Dataset, Topic] = {"live": LIVE, "recorded": RECORDED}
    all_frames = [(topic[dataset], shard, None, frame) for shard, made in plant.made.items() for dataset, frame in made]
    return sorted(all_frames, key=lambda one: one[3]["clock"])


# What has to be found


def expected(plant: Plant, now: float) -> tuple[list[Any], dict[tuple[int, int], Assessment]]:
    """Late values, and what each shard says of each period that its frames close: by the rules, without anything between."""
    late, said = list[Any](), dict[tuple[int, int], Assessment]()
    for shard, made in plant.made.items():
        rules = Shard(plant.config.source, shard, plant.config.processors)
        for one in plant.points(shard):
            rules.point(one)
        for dataset, frame in made:
            assessed = rules.frame(dataset, frame, micros(now))
            late += assessed.late
            said |= {(one["shard"], one["period"]): one for one in assessed.assessments}
    return late, said


def counted(records: list[Any]) -> Counter[str]:
    return Counter(json.dumps(record, sort_keys=True) for record in records)


def same_late(found: list[Any], wanted: list[Any]) -> None:
    """The same findings; each may have been told more than once."""
    assert counted(found).keys() == counted(wanted).keys()


def same_assessments(plant: Plant, wanted: dict[tuple[int, int], Assessment]) -> None:
    """But for what is told once more after each take-over."""

    def new(said: Any) -> dict[str, Any]:
        return {**said, "whole": False, "changes": [change for change in said["changes"] if change["detail"] != "it fails still"]}

    for said in plant.read(ASSESSMENTS):
        place = said["shard"], said["period"]
        if place in wanted:
            assert new(said) == new(wanted[place]), place


def told_of(plant: Plant, wanted: dict[tuple[int, int], Assessment]) -> bool:
    return {(said["shard"], said["period"]) for said in plant.read(ASSESSMENTS)} >= wanted.keys()


def overview_of(plant: Plant) -> tuple[list[Any], list[Any]]:
    """Clocks and quality as the rules see them in what the shards said, in the order in which they said it."""
    overview = Overview(plant.config.source, plant.config.processors)
    told = [overview.take(cast(Assessment, said)) for said in plant.read(ASSESSMENTS)]
    return [skew for skews, _ in told for skew in skews], [finding for _, findings in told for finding in findings]


def overseen(plant: Plant) -> bool:
    skews, findings = overview_of(plant)
    found = counted(plant.read(SKEW)), counted(plant.read(QUALITY))
    return found[0].keys() >= counted(skews).keys() and found[1].keys() >= counted(findings).keys()


def same_overview(plant: Plant) -> None:
    """Whatever the processors still say meanwhile, clocks and quality are what the rules make of it."""
    found = plant.read(SKEW), plant.read(QUALITY)
    skews, findings = overview_of(plant)
    assert counted(found[0]).keys() <= counted(skews).keys()
    assert counted(found[1]).keys() <= counted(findings).keys()


# -- tests


def test_one_worker_finds_what_the_rules_find_sets_bad_input_aside_and_ends_when_told(stack: Stack, tmp_path: Path) -> None:
    with working(stack, tmp_path, "processors_one", points=10) as plant:
        now = time.time()
        frames(plant, 900, now - 905)
        hole = plant.made[1].pop(400)
        assert hole[0] == "live"
        future = plant.made[0][300][1]
        future["received_time"] = micros(now + 3600)
        for dataset, frame in plant.made[2][500:]:  # a point that changes its type
            if dataset == "live":
                frame["series"][0]["samples"] = [
                    cast(Any, one | {"value_type": "LONG", "value_double": None, "value_long": 7}) for one in frame["series"][0]["samples"]
                ]
        late, said = expected(plant, now)
        records = sent(plant)
        records[1000:1000] = [(LIVE, 0, None, b"garbage"), (LIVE, 1, None, b"\x00\x00\x0f\x42\x3fbody"), (ASSESSMENTS, 0, None, b"garbage")]
        publish(plant, records)
        worker = plant.start()
        plant.wait(lambda: told_of(plant, said) and overseen(plant), "everything that was published was judged")
        same_late(plant.read(LATE), late)
        assert len(late) >= 3 * 14
        same_assessments(plant, said)
        same_overview(plant)

        skewed = [found for found in plant.read(SKEW) if found["state"] == "SKEWED"]
        assert {found["clock_group"] for found in skewed} == {"main/OPC2"}
        assert all(abs(found["offset_ours_seconds"] + 90) < 0.5 for found in skewed)
        told = {(found["quality_check"], found["scope"]) for found in plant.read(QUALITY) if found["state"] == "FAILED"}
        assert {("GOOD_RATE", plant.keys[shard][3]) for shard in range(SHARDS)} <= told
        changes = [(change["point_key"], change["quality_check"]) for one in plant.read(ASSESSMENTS) for change in one["changes"]]
        assert (plant.keys[2][0], "SCHEMA_DRIFT") in changes, "over before the shards were put together, if these are read one by one"

        reasons = [letter["reason"] for letter in plant.read(DEAD_LETTERS)]
        for words in ("without the header", "schema id 999999 is not known to the registry", "ahead of this machine's clock"):
            assert sum(words in reason for reason in reasons) == 1, "garbage on two topics is one content"
        assert len(reasons) == 3
        (incident,) = plant.read(INCIDENTS)
        assert (incident["kind"], incident["shard"], incident["from_sequence"]) == ("SEQUENCE_HOLE", 1, hole[1]["sequence"])

        watched(plant)
        tapped(plant, late)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, plant.log()
        assert all(line.startswith("{") for line in plant.log().splitlines()), plant.log()

        again = len(plant.read(LATE))
        plant.start()
        plant.wait(lambda: "shards taken over" in plant.log(), "another worker that goes on")
        time.sleep(3)
        assert len(plant.read(LATE)) == again, "nothing is judged again after an orderly end"


def port_of(plant: Plant, number: int = -1) -> httpx2.Client:
    """The port of a worker."""
    (address,) = set(re.findall(r"http://127\.0\.0\.1:\d+(?=\")", plant.log(number)))
    return httpx2.Client(base_url=address, trust_env=False, timeout=10)


def figures(client: httpx2.Client) -> dict[tuple[str, ...], float]:
    """By name and labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def watched(plant: Plant) -> None:
    """What the worker's port says."""
    with port_of(plant) as client:
        assert client.get("/livez").text == "alive\n"
        assert client.get("/readyz").text == "ready\n"
        plant.wait(lambda: figures(client)["pibridge_processors_points",] == 3 * 10, "points that are counted")
        values = figures(client)
    assert values["pibridge_processors_frames_total", "live", "judged"] == 3 * 900 - 2
    assert values["pibridge_processors_frames_total", "live", "refused"] == 1
    assert values["pibridge_processors_missing_frames_total",] == 1
    assert values["pibridge_processors_shards_loaded",] == SHARDS


def tapped(plant: Plant, late: list[Any]) -> None:
    """`pibridge tap` prints what is there, and ends when it has seen enough."""
    command = [sys.executable, "-m", "console", "tap", "late", "--config", str(plant.path), "--from-beginning"]
    done = subprocess.run(
        [*command, "--json", "--count", str(len(late))], capture_output=True, text=True, timeout=240, check=True, cwd=ROOT
    )
    assert counted([json.loads(line) for line in done.stdout.splitlines()]) == counted(late)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "SLIGHTLY_LATE by 18000" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert "Traceback" not in process.stderr.read()


def test_a_worker_that_is_killed_and_a_storm_of_rebalances_change_no_finding(stack: Stack, tmp_path: Path) -> None:
    """Frames come in four parts. They are received a little ahead of our clock, so that none of their periods is closed by it before."""
    with working(stack, tmp_path, "processors_killed", points=50) as plant:
        now = time.time()
        frames(plant, 720, now + 100, step_seconds=0.25)
        late, said = expected(plant, now)
        assert len(late) == 3 * 12
        assert len(said) >= 3 * 5
        records = sent(plant)
        parts = [records[len(records) * n // 4 : len(records) * (n + 1) // 4] for n in range(4)]

        def found(part: float) -> Callable[[], bool]:
            return lambda: len(counted(plant.read(LATE))) >= part * len(late)

        publish(plant, parts[0])
        first = plant.start()
        plant.wait(found(0.1), "some findings")
        publish(plant, parts[1])
        first.kill()
        first.wait(30)
        plant.start()
        publish(plant, parts[2])
        plant.wait(found(0.6), "findings of the second worker")
        staying = storm(plant, lambda: publish(plant, parts[3]))
        plant.wait(lambda: told_of(plant, said) and overseen(plant), "everything that was published was judged")
        same_late(plant.read(LATE), late)
        same_assessments(plant, said)
        same_overview(plant)
        assert plant.read(DEAD_LETTERS) == plant.read(INCIDENTS) == []
        for number in staying:
            with port_of(plant, number) as client:
                assert figures(client)["pibridge_processors_states_lost_total",] == 0, "what was learnt goes with its shard"
        untouched(plant, records)


def storm(plant: Plant, meanwhile: Callable[[], None]) -> list[int]:
    """Workers come and go faster than shards settle; which of them stay."""
    only = len(plant.workers) - 1
    plant.start()
    plant.start()
    plant.wait(lambda: "shards taken over" in plant.log(), "one of two that join at once")
    plant.workers[only].kill()
    plant.start()
    meanwhile()
    plant.wait(lambda: "shards taken over" in plant.log(), "one that joins before the others know who died")
    plant.workers[only + 1].send_signal(signal.SIGTERM)
    plant.start()
    plant.wait(lambda: "shards taken over" in plant.log(), "one that joins while another one leaves")
    return [only + 2, only + 3, only + 4]


def untouched(plant: Plant, records: list[tuple[Topic, int, str | None, Any]]) -> None:
    """What bronze is made of is what was published, byte by byte."""
    for topic in (LIVE, RECORDED, HISTORY):
        for shard in range(SHARDS):
            published = [encoded(plant, topic, record) for at, partition, _, record in records if (at, partition) == (topic, shard)]
            assert [value for _, value in kafka.read_partition(plant.config, topic.name(plant.config.source), shard)] == published


def test_a_topic_that_is_missing_is_a_sentence_and_exit_code_2(stack: Stack, tmp_path: Path) -> None:
    config_of(stack, tmp_path, "processors_nowhere")
    command = [sys.executable, "-m", "stream_processors", "run", "--config", str(tmp_path / "processors_nowhere.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=ROOT, env={**os.environ})
    assert done.returncode == 2
    assert "topic pi.processors_nowhere.live does not exist; run: pibridge topics apply" in done.stderr
    assert "Traceback" not in done.stderr
