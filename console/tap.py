"""`pibridge tap`: what the processors find, as it comes, over Kafka alone."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, TextIO

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from bridge import kafka
from console.incidents import time_text
from runtime import registry
from schemas.config import Config
from schemas.topics import LATE, QUALITY, SKEW, Topic
from schemas.wire import WireError

_POLL_SECONDS = 0.5
_SECONDS = 15.0
TAPS = {"late": LATE, "skew": SKEW, "quality": QUALITY}


def tap(config: Config, name: str, from_beginning: bool, as_json: bool, count: int | None, out: TextIO = sys.stdout) -> None:
    """Writes each finding as a line, until `count` were written or for ever. Raises KafkaException; KeyboardInterrupt passes through."""
    topic = TAPS[name]
    line = _json if as_json else _LINES[name]
    for number, record in enumerate(_records(config, topic, from_beginning), 1):
        out.write(line(record) + "\n")
        out.flush()
        if number == count:
            return


def _records(config: Config, topic: Topic, from_beginning: bool) -> Iterator[dict[str, Any]]:
    """Committed records of all partitions: those that come from now on, or all."""
    with closing(kafka.Codec({}, registry.client(config.registry))) as codec:
        reader = kafka.consumer(config, f"{config.kafka.group_id}-reader", {})
        try:
            places = [TopicPartition(topic.name(config.source), number) for number in range(topic.partition_count(config.delivery.shards))]
            for place in places:
                place.offset = OFFSET_BEGINNING if from_beginning else _end(reader, place)
            reader.assign(places)
            sys.stderr.write(f"watching {topic.name(config.source)}{'' if from_beginning else ' from now on'}; Ctrl-C ends\n")
            while True:
                message = reader.poll(_POLL_SECONDS)
                if message is None:
                    continue
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                try:
                    yield codec.decode(topic, message.value() or b"")
                except WireError as problem:
                    sys.stderr.write(f"{topic.name(config.source)}[{message.partition()}] at {message.offset()}: {problem}\n")
        finally:
            reader.close()


def _end(reader: Consumer, place: TopicPartition) -> int:
    _, end = reader.get_watermark_offsets(place, timeout=_SECONDS)
    return int(end)


def _json(record: dict[str, Any]) -> str:
    """The record as it stands in Kafka: times in microseconds since 1970."""
    return json.dumps(record, ensure_ascii=False)


def _late(record: dict[str, Any]) -> str:
    samples = f"{record['samples']} value{'s' if record['samples'] > 1 else ''}"
    return (
        f"{time_text(record['received_time'])}  {record['tag']} ({record['point_key']}): {samples} from "
        f"{time_text(record['first_event_time'])} {record['category']} by {abs(record['lateness_seconds']):.1f} s "
        f"(allowed {record['threshold_seconds']:.0f} s, {record['threshold_kind'].lower()}); {record['cause']}"
    )


def _skew(record: dict[str, Any]) -> str:
    return f"{time_text(record['assessed_time'])}  {record['detail']} ({record['kind']})"


def _quality(record: dict[str, Any]) -> str:
    what = record["tag"] or record["scope"]
    measured = "" if record["value"] is None else f" {record['value']:.4g}"
    allowed = "" if record["threshold"] is None else f" (limit {record['threshold']:.4g})"
    return (
        f"{time_text(record['to_time'])}  {record['scope_kind'].lower()} {what}: {record['quality_check']} {record['state']}"
        f"{measured}{allowed} {record['detail']}"
    ).rstrip()


_LINES: dict[str, Callable[[dict[str, Any]], str]] = {"late": _late, "skew": _skew, "quality": _quality}
