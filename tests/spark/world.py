"""A source of its own on the local stack: its topics and schemas, a transactional producer, the bronze job; and delta-rs to look at it."""

import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx2
import yaml
from confluent_kafka import KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from console.stack import Stack
from schemas import config, topics, wire
from schemas.digest import digest_of
from schemas.records import DeadLetter, Incident, Point, Sample, Series, Statement, ValueFrame
from schemas.times import micros_of
from spark_jobs import run, tables
from spark_jobs.registry import Registry
from tests.unit.schemas import frames

SHARDS = 2
NOON = 1_700_000_000_000_000
"""An instant, microseconds."""


def sample(at: int = NOON, **fields: Any) -> Sample:
    """A good DOUBLE of 1.5, or what `fields` make of it."""
    number: dict[str, object] = {} if "value_type" in fields else {"value_type": "DOUBLE", "value_double": 1.5}
    return frames.sample(at, **(number | fields))


def preview(point_key: str, *samples: Sample, uom: str | None = None) -> Series:
    return {"point_key": point_key, "tag": f"tag of {point_key}", "uom": uom, "statement": None, "samples": list(samples)}


def statement(point_key: str, *samples: Sample, start: int = NOON, end: int = NOON + 10_000_000, **fields: Any) -> Series:
    """A series whose statement says that [start, end) holds exactly these samples."""
    said: dict[str, Any] = {
        "kind": "STATED",
        "from_time": start,
        "from_ticks": 3,
        "to_time": end,
        "to_ticks": 7,
        "as_of": end + 1,
        "as_of_clock": 5,
        "count": len(samples),
        "digest": digest_of(samples),
    }
    return preview(point_key, *samples) | {"statement": cast(Statement, said | fields)}


@dataclass(frozen=True)
class Sent:
    """A record in Kafka."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


class World:
    """One source."""

    def __init__(
        self, stack: Stack, spark: SparkSession | None = None, catalog_uri: str | None = None, warehouse: str = "warehouse"
    ) -> None:
        self.stack, self._spark, self._warehouse = stack, spark, warehouse
        self.source = f"t{uuid4().hex[:8]}"
        self.root = stack.warehouse / self.source
        self.root.mkdir()
        self.config = self.configured(catalog_uri)
        self.ids: dict[str, int] = {}
        self._sequence = 0
        self._next: dict[tuple[str, int], int] = {}
        self._create_topics()
        for topic in topics.TOPICS:
            self.ids[topic.record] = self.register(topic.subject(self.source), wire.raw_schema(topic.record))
        self._producer = self.producer()

    # -- configuration -------------------------------------------------------------------------------------------

    def configured(self, catalog_uri: str | None = None, **lakehouse: Any) -> config.Config:
        """The configuration, read from a file as users write it."""
        document = {
            "source": self.source,
            "pi": {
                "url": "http://127.0.0.1:1/piwebapi",
                "auth": {"kind": "anonymous"},
                "servers": {"main": str(uuid4())},
                "points": [{"server": "main"}],
            },
            "kafka": {"bootstrap_servers": self.stack.bootstrap_servers},
            "registry": {"url": self.stack.registry_url},
            "lakehouse": {
                "warehouse": str(self.root / self._warehouse),
                "checkpoints": str(self.root / "checkpoints"),
                "catalog_name": self.source,
                "trigger_seconds": 0.2,
                "spark": self.stack.brief_spark,
                "catalog": None if catalog_uri is None else {"uri": catalog_uri},
            }
            | lakehouse,
        }
        self.file = self.root / "pibridge.yaml"
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")
        return config.load(self.file)

    @property
    def lakehouse(self) -> config.Lakehouse:
        assert self.config.lakehouse is not None
        return self.config.lakehouse

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoints" / "bronze"

    # -- Kafka and registry --------------------------------------------------------------------------------------

    def _create_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.stack.bootstrap_servers})
        wanted = [NewTopic(topic.name(self.source), topic.partition_count(SHARDS), 1) for topic in topics.TOPICS]
        for future in admin.create_topics(wanted).values():
            future.result(timeout=30)

    def register(self, subject: str, definition: dict[str, Any]) -> int:
        answer = httpx2.post(f"{self.stack.registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(definition)}, timeout=20)
        answer.raise_for_status()
        return int(answer.json()["id"])

    def producer(self) -> Producer:
        transactional_id = f"test.{self.source}.{uuid4().hex[:6]}"
        producer = Producer({"bootstrap.servers": self.stack.bootstrap_servers, "transactional.id": transactional_id})
        producer.init_transactions(30)
        return producer

    def frame(self, *series: Series, shard: int = 0, **fields: Any) -> ValueFrame:
        """A frame, whose sequence is set when it is sent; of statements if a series has one."""
        self._sequence += 1
        stated = any(one["statement"] for one in series)
        plain: dict[str, Any] = {
            "source": self.source,
            "shard": shard,
            "epoch": 1,
            "sequence": -1,
            "clock": 1 << 40 | self._sequence,
            "origin": "RECORDED" if stated else "LIVE",
            "via": "READ" if stated else "CHANNEL",
            "received_time": NOON + 500_000 + self._sequence,
            "server_time": NOON + 400_000,
            "cause": None,
            "series": list(series),
        }
        return cast(ValueFrame, plain | fields)

    def encoded(self, record: str, value: ValueFrame | Point | Incident | DeadLetter) -> bytes:
        return wire.encode(self.ids[record], wire.schema(record), cast(dict[str, Any], value))

    def send(
        self, topic: topics.Topic, *values: bytes | ValueFrame | None, partition: int = 0, key: str | None = None, abort: bool = False
    ) -> list[Sent]:
        """Publish in one transaction. A frame gets its topic's and partition's next sequence, unless it was given one."""
        sent: list[Sent] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                sent.append(Sent(message.topic() or "", message.partition() or 0, message.offset() or 0, message.value()))

        self._producer.begin_transaction()
        taken = dict(self._next)
        for value in values:
            if isinstance(value, dict) and value["sequence"] == -1:
                value["sequence"] = self.next_sequence(topic, partition)
            content = self.encoded("value_frame", value) if isinstance(value, dict) else value
            self._producer.produce(topic.name(self.source), value=content, key=key, partition=partition, on_delivery=delivered)
        assert self._producer.flush(30) == 0
        if abort:
            self._producer.abort_transaction(30)
            self._next = taken
        else:
            self._producer.commit_transaction(30)
        assert len(sent) == len(values)
        return sent

    def next_sequence(self, topic: topics.Topic, partition: int = 0) -> int:
        """The next sequence, taken."""
        sequence = self._next.get((topic.name(self.source), partition), 0)
        self._next[topic.name(self.source), partition] = sequence + 1
        return sequence

    def drop_records(self, up_to: Sent) -> None:
        """What retention does: the record and all before it in its partition are gone."""
        admin = AdminClient({"bootstrap.servers": self.stack.bootstrap_servers})
        for future in admin.delete_records([TopicPartition(up_to.topic, up_to.partition, up_to.offset + 1)]).values():
            future.result(timeout=30)

    # -- the job -------------------------------------------------------------------------------------------------

    def land(self, rebuild: bool = False) -> None:
        """Everything that is committed now, by the job itself on the shared Spark session."""
        assert self._spark is not None
        registry = Registry(self.config.registry)
        try:
            run.run(self._spark, registry, self.config, self.lakehouse, True, threading.Event(), rebuild)
        finally:
            registry.close()

    @contextmanager
    def job(self) -> Iterator[subprocess.Popen[bytes]]:
        """The bronze job as a process of its own, which writes to `log`; killed at the end if it still runs."""
        command = [sys.executable, "-m", "spark_jobs", "bronze", "--config", str(self.file)]
        with self.log.open("w") as stderr:
            process = subprocess.Popen(command, env=self.environment(), stderr=stderr)
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    @property
    def log(self) -> Path:
        """What the job as a process says."""
        return self.root / "job.log"

    def await_rows(self, job: subprocess.Popen[bytes], table: tables.Table, count: int, seconds: float) -> None:
        """Until a table has so many rows; fails after so long, or if the job ends."""

        def landed() -> bool:
            assert job.poll() is None, self.log.read_text()
            return DeltaTable.is_deltatable(str(self.path(table))) and len(self.rows(table)) == count

        until(landed, seconds, f"{count} rows in {table.name}")

    def environment(self) -> dict[str, str]:
        """For the job as a process of its own."""
        return {**os.environ, "JAVA_HOME": str(self.stack.java_home)}

    # -- the tables ----------------------------------------------------------------------------------------------

    def path(self, table: tables.Table) -> Path:
        assert self.lakehouse.warehouse is not None
        return Path(table.path(self.lakehouse.warehouse))

    def table(self, table: tables.Table) -> DeltaTable:
        return DeltaTable(str(self.path(table)))

    def rows(self, table: tables.Table) -> list[dict[str, Any]]:
        """All rows by delta-rs, in Kafka's order; times as microseconds."""
        read = self.table(table).to_pyarrow_table()
        found = [_plain(row) for row in read.to_pylist()]
        order = ("kafka_topic", "kafka_partition", "kafka_offset", "series_index", "sample_index")
        return sorted(found, key=lambda row: tuple(row.get(name, 0) for name in order))

    def versions(self) -> dict[str, int]:
        """Number of the newest commit of each table."""
        return {table.name: self.table(table).version() for table in tables.TABLES}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: micros_of(value) if hasattr(value, "tzinfo") else value for name, value in row.items()}


def expected_samples(sent: Sent, frame: ValueFrame) -> list[dict[str, Any]]:
    """Rows of pi_timeseries that a frame must become, without kafka_time."""
    return [
        {name: frame[name] for name in _FRAME}  # type: ignore[literal-required]
        | {name: series[name] for name in ("point_key", "tag", "uom")}
        | one
        | _coordinates(sent)
        | {"series_index": at, "sample_index": within}
        for at, series in enumerate(frame["series"])
        for within, one in enumerate(series["samples"])
    ]


def expected_statements(sent: Sent, frame: ValueFrame) -> list[dict[str, Any]]:
    """Rows of pi_coverage that a frame must become, without kafka_time."""
    return [
        {name: frame[name] for name in _FRAME if name != "origin"}  # type: ignore[literal-required]
        | {"point_key": series["point_key"], "tag": series["tag"]}
        | series["statement"]
        | _coordinates(sent)
        | {"series_index": at}
        for at, series in enumerate(frame["series"])
        if series["statement"] is not None
    ]


_FRAME = ("source", "shard", "epoch", "sequence", "clock", "origin", "via", "received_time", "server_time", "cause")


def _coordinates(sent: Sent) -> dict[str, Any]:
    return {"kafka_topic": sent.topic, "kafka_partition": sent.partition, "kafka_offset": sent.offset}


def without(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


def until(condition: Any, seconds: float, what: str) -> None:
    """Wait until the condition holds; fails after so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def wire_header(schema_id: int) -> bytes:
    return struct.pack(">bI", 0, schema_id)
