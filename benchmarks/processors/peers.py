"""`python -m benchmarks.processors.peers faust|bare CONFIG TOPIC LATE SAID VALUES`: the peers, as processes.

Each reads `TOPIC` from its beginning until it has judged so many values, publishes what the rules say to the topics `LATE` and `SAID`, and
prints what that took: seconds by the wall, and of CPU, all threads; `bare` from when it asks for its partitions, `faust`, which has to
join a group first, from its first value. Neither keeps any state, an order
of topics, dead letters or figures, sees what was lost, or can go on where it was.
"""

import asyncio
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import fastavro
import faust
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from benchmarks.processors.frames import FLAT, SHARDS, keys, of_one, rules
from schemas.config import Config, load
from schemas.topics import ASSESSMENTS, LATE, Topic
from stream_processors.assess import Assessed, Shard
from stream_processors.codec import Codec, codec

Json = dict[str, Any]


class Watch:
    """Time between the first value and the last one."""

    def __init__(self, values: int) -> None:
        self.values, self._left = values, values
        self._wall = self._cpu = 0.0

    def judged(self, values: int) -> bool:
        """Counts values after they were judged; True when all were. To be called with 0 before the first."""
        if not self._wall:
            self._wall, self._cpu = time.monotonic(), time.process_time()
        self._left -= values
        return self._left <= 0

    def taken(self) -> Json:
        return {"values": self.values, "wall_seconds": time.monotonic() - self._wall, "cpu_seconds": time.process_time() - self._cpu}


def shards_of(config: Config) -> list[Shard]:
    """The rules, which know their points."""
    return [rules(config.source, number, own, config.processors) for number, own in enumerate(keys())]


def messages_of(opened: Codec, assessed: Assessed) -> Iterable[tuple[Topic, bytes]]:
    """What was found, encoded."""
    for late in assessed.late:
        yield LATE, opened.encode(LATE, late)
    for said in assessed.assessments:
        yield ASSESSMENTS, opened.encode(ASSESSMENTS, said)


def run_bare(config: Config, opened: Codec, topic: str, outputs: dict[str, str], values: int) -> Json:
    """The same frames in a loop of confluent-kafka."""
    consumer = Consumer({
        **config.kafka.client_settings(), "group.id": f"{topic}-bare", "isolation.level": "read_committed", "enable.auto.commit": False,
    })  # fmt: skip
    producer = Producer({**config.kafka.client_settings(), "compression.type": "lz4", "linger.ms": 5})
    shards, watch, done = shards_of(config), Watch(values), False
    watch.judged(0)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(SHARDS)])
    while not done:
        for message in consumer.consume(500, 1.0):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            value = message.value() or b""
            if (schema_id := opened.lacks(value)) is not None:
                opened.learn(schema_id)
            frame, samples = opened.frame(value)
            assessed = shards[frame["shard"]].frame("live", frame, time.time_ns() // 1000, samples)
            for found, content in messages_of(opened, assessed):
                producer.produce(outputs[found.dataset], content)
            done = watch.judged(sum(samples.counts))
        producer.poll(0)
    producer.flush(60)
    taken = watch.taken()
    consumer.close()
    return taken


async def run_faust(config: Config, opened: Codec, topic: str, outputs: dict[str, str], values: int, directory: str) -> Json:
    """A record a value, an agent, and the rules for each."""
    app = faust.App(
        f"{topic}-faust", broker=f"kafka://{config.kafka.bootstrap_servers}", store="memory://", datadir=directory, autodiscover=False,
        web_enabled=False, topic_allow_declare=False, topic_disable_leader=True, topic_partitions=SHARDS,
        producer_compression_type="lz4", producer_max_request_size=16 << 20,
    )  # fmt: skip
    shards, watch, sequences = shards_of(config), Watch(values), [0] * SHARDS
    schema, ended = fastavro.parse_schema(FLAT), asyncio.Event()
    sinks = {found: app.topic(name, value_type=bytes, value_serializer="raw") for found, name in outputs.items()}

    @app.agent(app.topic(topic, key_type=bytes, value_type=bytes, value_serializer="raw"))
    async def judge(stream: Any) -> None:
        async for event in stream.events():
            watch.judged(0)
            record: Any = fastavro.schemaless_reader(io.BytesIO(event.value), schema, None)
            number = event.message.partition
            frame = of_one(record, number, sequences[number])
            sequences[number] += 1
            assessed = shards[number].frame("live", frame, time.time_ns() // 1000)
            for found, content in messages_of(opened, assessed):
                await sinks[found.dataset].send(value=content)
            if watch.judged(1):
                ended.set()

    await app.start()
    await ended.wait()
    taken = watch.taken()
    await app.producer.flush()
    await app.stop()
    return taken


def main(way: str, path: str, topic: str, late: str, said: str, values: str) -> int:
    config = load(Path(path), {})
    outputs = {LATE.dataset: late, ASSESSMENTS.dataset: said}
    with closing(codec(config)) as opened, tempfile.TemporaryDirectory() as directory:
        if way == "bare":
            taken = run_bare(config, opened, topic, outputs, int(values))
        else:
            taken = asyncio.run(run_faust(config, opened, topic, outputs, int(values), directory))
    print(json.dumps(taken), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
