"""The verifier on a short real run: simulator, Kafka, registry and bridge; then with one frame that is forged."""

import io
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import httpx2
import pytest
import yaml
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from bridge.pitime import text_of
from console import subjects, topics
from console.plant import Plant
from console.stack import Stack
from console.stack.child import Child
from schemas.config import load
from schemas.times import TICKS_PER_SECOND

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
SOURCE, SHARDS, PATIENCE_SECONDS = "verified", 3, 90.0


@dataclass
class Run:
    """A deployment whose plant was stopped and whose bridge has read on until it had seen everything."""

    stack: Stack
    journal: Path
    server_id: str

    def verify(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Runs `python -m verifier`; answers exit code and result."""
        where = ["--journal", str(self.journal), "--bootstrap-servers", self.stack.bootstrap_servers, "--source", SOURCE]
        schemas = ["--registry", self.stack.registry_url] if "--schemas" not in options else []
        command = [sys.executable, "-m", "verifier", *where, *schemas, "--alias", f"main={self.server_id}", "--json", *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


def failures(result: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Count and example of each check that failed."""
    return {check["check"]: (check["count"], check["example"]) for check in result["checks"] if check["count"]}


@pytest.fixture(scope="module")
def run(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    directory = tmp_path_factory.mktemp("verified")
    journal = directory / "run.jsonl"
    options = ["--points", "40", "--rate", "40", "--history", "6000", "--tick", "0.2", "--journal", str(journal)]
    simulator = start("simulator", ["simulator", "--json", *options], directory)
    try:
        ready = wait_for(lambda: next((line for line in simulator.log().splitlines() if line.startswith("{")), ""), simulator)
        plant = Plant(ready)
        config = directory / "pibridge.yaml"
        config.write_text(yaml.safe_dump(document(stack, plant)), encoding="utf-8")
        topics.apply(load(config, {}))
        subjects.register(load(config, {}))
        bridge = start("bridge", ["bridge", "run", "--config", str(config)], directory)
        try:
            time.sleep(15)
            assert plant.drop_channel() == 1
            time.sleep(4)  # the channel is open again: what follows is heard
            correct(plant, json.loads(ready)["control_url"])
            order(json.loads(ready)["control_url"], "/faults", {"fault": "clock", "offset": -20, "for": 4})
            time.sleep(6)
            plant.stop_load()
            time.sleep(25)  # longer than settle, the blind margin's re-reads and what a quiet point waits for
            bridge.check()
        finally:
            bridge.stop()
        yield Run(stack, journal, plant.server_id)
        plant.close()
    finally:
        simulator.stop()


def correct(plant: Plant, control_url: str) -> None:
    """What people do to the archive while the bridge runs: a late value; another value for an archived event; an event deleted."""
    late, edited, deleted = [point for point in plant.points() if point.point_type.startswith("Float") and point.live][:3]
    instant = plant.insert(late.point_id, "*-10m", 12.5)
    for path, point, change in (("/edit", edited, {"value": -77.25}), ("/delete", deleted, {})):
        (ticks, _), *_ = plant.archive(point, instant - 600 * TICKS_PER_SECOND, instant)
        order(control_url, path, {"point_id": point.point_id, "time": text_of(ticks), **change})


def order(control_url: str, path: str, what: dict[str, Any]) -> None:
    httpx2.post(control_url + path, json=what, timeout=30, trust_env=False).raise_for_status()


def start(name: str, command: list[str], directory: Path) -> Child:
    return Child.start(name, [sys.executable, "-m", *command], log_path=directory / f"{name}.log", directory=ROOT)


def wait_for(found: Any, child: Child) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (text := found()):
        child.check()
        assert time.monotonic() < deadline, child.log()
        time.sleep(0.1)
    return str(text)


def document(stack: Stack, plant: Plant) -> dict[str, Any]:
    return {
        "source": SOURCE,
        "pi": {
            "url": plant.url,
            "auth": {"kind": "anonymous"},
            "servers": {"main": plant.server_id},
            "points": [{"server": "main"}],
        },
        "kafka": {"bootstrap_servers": stack.bootstrap_servers, "replication": 1, "group_id": SOURCE},
        "registry": {"url": stack.registry_url},
        "coverage": {
            "start": "70m",
            "settle_seconds": 2,
            "seal_previews": 1,
            "seal_min_seconds": 2,
            "seal_max_seconds": 4,
            "quiet_seconds": 6,
            "blind_margin_seconds": 4200,
        },
        "delivery": {"shards": SHARDS, "session_timeout_seconds": 6, "drain_seconds": 5},
    }


def test_a_run_of_the_bridge_has_nothing_lost_doubled_wrong_or_invented(run: Run) -> None:
    code, result = run.verify()
    assert failures(result) == {}
    assert code == 0
    examined = result["examined"]
    assert examined["statements"] > 100
    assert examined["archived_events_in_covered_ranges"] > 1000
    assert examined["previews"] > 100
    assert examined["disconnects"] == 1


def test_what_was_inserted_late_edited_and_deleted_was_seen_before_the_end(run: Run) -> None:
    kinds = Counter(json.loads(line)["k"] for line in run.journal.read_bytes().splitlines())
    assert (kinds["edit"], kinds["delete"], kinds["fault"]) == (1, 1, 2)
    code, result = run.verify("--settled")
    assert failures(result) == {}
    assert code == 0


def test_avro_files_do_in_place_of_a_registry(run: Run) -> None:
    code, result = run.verify("--schemas", str(ROOT / "schemas" / "avro"))
    assert (code, failures(result)) == (0, {})


def test_records_of_an_aborted_transaction_are_known_and_count_for_nothing(run: Run) -> None:
    producer = Producer({"bootstrap.servers": run.stack.bootstrap_servers, "transactional.id": "forger"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(f"pi.{SOURCE}.recorded", value=values(run.stack, 1)[0], partition=1)
    assert producer.flush(20) == 0
    producer.abort_transaction(20)
    code, result = run.verify("--settled")
    assert (code, failures(result)) == (0, {})
    assert result["examined"]["records_of_aborted_transactions"] == 1


def test_a_value_that_is_forged_is_noticed(run: Run) -> None:
    """A further frame states a range again, with one value changed. From here on the topics are spoilt."""
    schema = fastavro.parse_schema(json.loads((ROOT / "schemas" / "avro" / "value_frame.avsc").read_text(encoding="utf-8")))
    frames = [(partition, value) for partition in range(SHARDS) for value in values(run.stack, partition)]
    decoded = [(partition, value[:5], decode(value, schema)) for partition, value in frames]
    partition, header, frame = next(entry for entry in reversed(decoded) if forgeable(entry[2]))
    (series,) = [next(one for one in frame["series"] if forgeable({"series": [one]}))]
    own = [other for number, _, other in decoded if number == partition]
    frame["series"] = [series]
    frame["sequence"] = max(other["sequence"] for other in own) + 1
    frame["clock"] = max(other["clock"] for other in own) + (1 << 20)
    series["statement"]["as_of_clock"] = frame["clock"] - 1
    sample = next(sample for sample in series["samples"] if sample["value_double"])
    sample["value_double"] *= 2
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, frame)
    publish(run.stack, partition, header + body.getvalue())
    code, result = run.verify()
    found = failures(result)
    assert code == 1
    assert {check: count for check, (count, _) in found.items()} == {"V3": 1, "V9": 1}
    assert series["point_key"] in found["V3"][1]
    assert "in place of" in found["V3"][1]


def test_a_frame_that_is_published_again_is_noticed(run: Run) -> None:
    publish(run.stack, 0, values(run.stack, 0)[0])
    code, result = run.verify()
    assert code == 1
    count, example = failures(result)["V5"]
    assert count == 1
    assert "is there twice" in example


def decode(value: bytes, schema: Any) -> dict[str, Any]:
    record = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)
    assert isinstance(record, dict)
    return record


def forgeable(frame: dict[str, Any]) -> bool:
    """True if there is a number in it that can be changed."""
    return any(sample["value_double"] for series in frame["series"] for sample in series["samples"])


def publish(stack: Stack, partition: int, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": stack.bootstrap_servers})
    producer.produce(f"pi.{SOURCE}.recorded", value=value, partition=partition)
    assert producer.flush(20) == 0


def values(stack: Stack, partition: int) -> list[bytes]:
    """The committed values of a partition of `recorded`, in order."""
    settings = {"bootstrap.servers": stack.bootstrap_servers, "group.id": "forger", "enable.partition.eof": True}
    consumer = Consumer(settings)
    found: list[bytes] = []
    try:
        consumer.assign([TopicPartition(f"pi.{SOURCE}.recorded", partition, OFFSET_BEGINNING)])
        while (message := consumer.poll(30)) is not None and message.error() is None:
            value = message.value()
            assert value is not None
            found.append(value)
    finally:
        consumer.close()
    assert found
    return found


def test_a_kafka_that_is_not_there_is_a_sentence_and_exit_code_3(run: Run) -> None:
    command = [sys.executable, "-m", "verifier", "--journal", str(run.journal), "--bootstrap-servers", "127.0.0.1:1"]
    done = subprocess.run([*command, "--registry", "http://127.0.0.1:1", "--source", SOURCE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
