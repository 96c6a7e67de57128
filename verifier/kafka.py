"""Reads a source's topics to their end, committed records and the others, and decodes them."""

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import httpx2
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from verifier.errors import Unavailable
from verifier.frames import VALUE_DATASETS, Records, frame_of, incident_of, take_progress

_FILES = dict.fromkeys(VALUE_DATASETS, "value_frame") | {"incidents": "incident", "progress": "progress"}
_PATIENCE_SECONDS = 60.0
_PROGRESS_RECORDS = 10_000


Progress = Callable[[str], None]
"""Takes a line that says how far it is."""


class Message(NamedTuple):
    """A record as it lies in Kafka."""

    dataset: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Schemas:
    """Avro definitions: by id from a registry, or from a folder of .avsc files. Time types are left out: instants stay integers."""

    def __init__(self, registry_url: str | None, folder: Path | None) -> None:
        self._url, self._folder = registry_url, folder
        self._client = httpx2.Client(timeout=30, trust_env=False)
        self._known: dict[object, Any] = {}

    def decode(self, dataset: str, value: bytes) -> dict[str, Any]:
        """The record in a value of Confluent's wire format. Raises ValueError if it is none, Unavailable without its schema."""
        if len(value) < 5 or value[0] != 0:
            raise ValueError("not in Confluent's wire format")
        schema_id = int.from_bytes(value[1:5], "big")
        body = io.BytesIO(value[5:])
        try:
            record = fastavro.schemaless_reader(body, self._schema(dataset, schema_id), None)
        except (EOFError, IndexError, StopIteration, UnicodeDecodeError) as error:
            raise ValueError(f"not Avro of schema {schema_id}: {error!r}") from error
        if not isinstance(record, dict) or body.read(1):
            raise ValueError(f"not Avro of schema {schema_id}: bytes are left over")
        return record

    def _schema(self, dataset: str, schema_id: int) -> Any:
        key: object = dataset if self._folder is not None else schema_id
        if key not in self._known:
            text = self._from_folder(dataset) if self._folder is not None else self._from_registry(schema_id)
            self._known[key] = fastavro.parse_schema(_plain(json.loads(text)))
        return self._known[key]

    def _from_folder(self, dataset: str) -> str:
        assert self._folder is not None
        path = self._folder / f"{_FILES[dataset]}.avsc"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}") from error

    def _from_registry(self, schema_id: int) -> str:
        url = f"{self._url}/schemas/ids/{schema_id}"
        try:
            answer = self._client.get(url)
        except httpx2.HTTPError as error:
            raise Unavailable(f"the registry does not answer at {url}: {error}") from error
        if answer.status_code == 404:
            raise ValueError(f"the registry knows no schema {schema_id}")
        if answer.status_code != 200:
            raise Unavailable(f"the registry answers {answer.status_code} at {url}")
        return str(answer.json()["schema"])


def _plain(avro: Any) -> Any:
    if isinstance(avro, dict):
        return {name: _plain(part) for name, part in avro.items() if name != "logicalType"}
    return [_plain(part) for part in avro] if isinstance(avro, list) else avro


def read(bootstrap_servers: str, source: str, schemas: Schemas, progress: Progress = lambda _: None) -> Records:
    """All records of a source: first what refers to others, then these, so that a bridge that runs on is not accused.

    Raises Unavailable.
    """
    records = Records()
    try:
        for datasets in (("progress", "incidents"), VALUE_DATASETS):
            with _Topics(bootstrap_servers, source, datasets, "read_committed") as topics:
                for count, message in enumerate(topics.messages(), 1):
                    _take(records, schemas, message)
                    if count % _PROGRESS_RECORDS == 0:
                        progress(f"kafka: {count:,} records of {', '.join(datasets)}")
                records.begins |= topics.begins if datasets is VALUE_DATASETS else {}
                records.ends |= topics.ends
                records.partitions = topics.partitions.get("recorded", 0)
        progress("kafka: uncommitted records")
        _take_uncommitted(records, bootstrap_servers, source, schemas)
    except KafkaException as error:
        raise Unavailable(f"Kafka at {bootstrap_servers}: {error.args[0]}") from error
    return records


def _take(records: Records, schemas: Schemas, message: Message) -> None:
    dataset, partition, offset, key, value = message
    try:
        record = None if value is None else schemas.decode(dataset, value)
        if dataset == "progress":
            take_progress(records, (key or b"").decode(), record)
        elif record is None and dataset in VALUE_DATASETS:
            raise ValueError("no value")
        elif record is not None and dataset == "incidents":
            records.incidents.append(incident_of(record))
        elif record is not None:
            records.frames.append(frame_of(record, dataset, partition, offset))
    except (ValueError, KeyError, TypeError) as error:
        records.unreadable.append(f"{dataset}/{partition} offset {offset}: {error}")


def _take_uncommitted(records: Records, bootstrap_servers: str, source: str, schemas: Schemas) -> None:
    """What only a reader of uncommitted records sees. Behind the end of what is committed a transaction may still be open."""
    committed = {frame.place for frame in records.frames}
    with _Topics(bootstrap_servers, source, VALUE_DATASETS, "read_uncommitted") as topics:
        for message in topics.messages():
            place = message[:3]
            if place in committed or message.offset >= records.ends.get(place[:2], 0):
                continue
            try:
                record = schemas.decode(message.dataset, message.value or b"")
                text = f"a frame of epoch {record['epoch']}, sequence {record['sequence']},"
            except ValueError:
                text = "a record"
            records.aborted[place] = text


class _Topics:
    """A consumer over all partitions of some topics, from their beginning to where they end."""

    def __init__(self, bootstrap_servers: str, source: str, datasets: tuple[str, ...], isolation: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": f"pi.{source}.verifier",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
            }
        )
        self._names = {f"pi.{source}.{dataset}": dataset for dataset in datasets}
        self.partitions: dict[str, int] = {}
        self.begins: dict[tuple[str, int], int] = {}
        self.ends: dict[tuple[str, int], int] = {}

    def __enter__(self) -> "_Topics":
        known = self._consumer.list_topics(timeout=20).topics
        for name, dataset in self._names.items():
            if name not in known or known[name].error is not None:
                self._consumer.close()
                raise Unavailable(f"there is no topic {name}")
            self.partitions[dataset] = len(known[name].partitions)
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def messages(self) -> Iterator[Message]:
        """All messages; those of one partition in order."""
        for name, dataset in self._names.items():
            for number in range(self.partitions[dataset]):
                low, _ = self._consumer.get_watermark_offsets(TopicPartition(name, number), timeout=20)
                self.begins[dataset, number] = low or 0
        waiting = set(self.begins)
        self._consumer.assign(
            [TopicPartition(name, p, OFFSET_BEGINNING) for name, d in self._names.items() for p in range(self.partitions[d])]
        )
        silent_since = time.monotonic()
        while waiting:
            batch = self._consumer.consume(1000, 0.2)
            if batch:
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > _PATIENCE_SECONDS:
                raise Unavailable(f"Kafka sent nothing for {_PATIENCE_SECONDS:g} s of {min(waiting)}")
            for message in batch:
                error, at, offset = message.error(), message.partition(), message.offset()
                place = (self._names[message.topic() or ""], -1 if at is None else at)
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    if place in waiting:
                        waiting.remove(place)
                        self.ends[place] = offset or 0
                elif place in waiting:
                    yield Message(*place, offset or 0, message.key(), message.value())
