"""Reading Kafka topics of ours from the beginning, and what the brokers say about them."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition, Uuid
from confluent_kafka.schema_registry import SchemaRegistryClient
from fastavro.types import Schema

from bridge.errors import NotReady, Unreachable
from bridge.frame_encoder import encoder_of
from runtime import registry
from runtime.topics import described
from schemas import wire
from schemas.config import Config
from schemas.topics import OF_BRIDGE, Topic

LIBRARY_LOG = logging.getLogger("librdkafka")
"""Where librdkafka logs, instead of writing lines of its own to stderr; it tells when it is polled."""
_SECONDS = 15.0
_64_BITS = (1 << 64) - 1


def consumer(config: Config, group_id: str, more: dict[str, str | int | bool]) -> Consumer:
    """A consumer that sees committed records only and commits no offsets."""
    return Consumer(
        {
            **config.kafka.client_settings(),
            "group.id": group_id,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "logger": LIBRARY_LOG,
            **more,
        }
    )


def read_partition(config: Config, topic: str, partition: int) -> Iterator[tuple[str, bytes | None]]:
    """Key and value of every committed record of a partition, in order of offset, up to its end. Raises KafkaException."""
    reader = consumer(config, f"{config.kafka.group_id}-reader", {"enable.partition.eof": True})
    try:
        reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        deadline = time.monotonic() + _SECONDS
        while True:
            message = reader.poll(1.0)
            if message is None:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{topic}[{partition}] could not be read to its end"))
                continue
            deadline = time.monotonic() + _SECONDS
            if (error := message.error()) is None:
                yield (message.key() or b"").decode(), message.value()
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            else:
                raise KafkaException(error)
    finally:
        reader.close()


class Codec:
    """Encodes our records under the ids the registry gave to their subjects; decodes ours and older ones. To be closed after use."""

    def __init__(self, ids: dict[str, int], client: SchemaRegistryClient) -> None:
        self._ids, self._client = ids, client
        self._writers: dict[int, Schema] = {}
        self._encode_frame = encoder_of(wire.schema("value_frame"))

    def close(self) -> None:
        """Closes the connection to the registry."""
        self._client.close()

    def encode(self, topic: Topic, record: Any) -> bytes:
        """A record of a topic as a message's value."""
        if topic.record == "value_frame":
            return wire.header(self._ids[topic.dataset]) + self._encode_frame(record)
        return wire.encode(self._ids[topic.dataset], wire.schema(topic.record), record)

    def decode(self, topic: Topic, value: bytes) -> dict[str, Any]:
        """The record in a message's value, as this version sees it. Raises wire.WireError."""
        schema_id, body = wire.split(value)
        if schema_id not in self._writers:
            self._writers[schema_id] = wire.parse(json.loads(self._client.get_schema(schema_id).schema_str or ""))
        return wire.decode(body, self._writers[schema_id], wire.schema(topic.record))


def publish(config: Config, topic: Topic, key: str, record: Any) -> None:
    """Publishes one record that a person asked for; returns when Kafka has it. Raises KafkaException, NotReady or Unreachable."""
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            failed.append(error)

    with closing(codec(config)) as opened:
        value = opened.encode(topic, record)
    settings = {"enable.idempotence": True, "acks": "all", "message.timeout.ms": int(_SECONDS * 1000), "logger": LIBRARY_LOG}
    producer = Producer({**config.kafka.client_settings(), **settings})
    producer.produce(topic.name(config.source), key=key.encode(), value=value, on_delivery=delivered)
    if producer.flush(_SECONDS + 5):
        raise KafkaException(
            KafkaError(KafkaError._TIMED_OUT, f"what was given was not taken by {topic.dataset}; whether it will be is unknown")
        )
    if failed:
        raise KafkaException(failed[0])


def codec(config: Config) -> Codec:
    """The codec of this source's topics. Raises NotReady if a subject lacks the schema of this version: producers never register."""
    client = registry.client(config.registry)
    try:
        return Codec({topic.dataset: registry.id_of(client, topic, config.source) for topic in OF_BRIDGE}, client)
    except registry.Unregistered as error:
        client.close()
        raise NotReady(str(error)) from error
    except registry.Away as error:
        client.close()
        raise Unreachable(f"{config.registry.url}: {error}") from error


def _text_of(topic_id: Uuid) -> str:
    high, low = topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits()  # type: ignore[attr-defined]
    return f"{high & _64_BITS:016x}{low & _64_BITS:016x}"


def topic_ids(config: Config) -> dict[str, tuple[str, int]]:
    """Kafka's id and number of partitions of each topic of the source, by dataset. Raises NotReady if one is missing or misshapen."""
    found, problems = described(config, OF_BRIDGE)
    if problems:
        raise NotReady(problems[0])
    return {dataset: (_text_of(topic.topic_id), len(topic.partitions)) for dataset, topic in found.items()}
