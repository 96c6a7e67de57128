"""Frames as the bridge would publish them, without a bridge."""

from collections import Counter

from confluent_kafka import Producer

from benchmarks.bridge.ground import Void
from bridge import kafka
from bridge.frame import Frame, Series
from bridge.samples import DOUBLE
from bridge.samples import Sample as Carried
from schemas.config import Config
from schemas.digest import digest_of
from schemas.records import Sample
from schemas.topics import RECORDED, Topic

_FLUSH_SECONDS = 60.0


class Frames:
    """Publishes frames, with dense sequences and growing clocks. To be closed."""

    def __init__(self, config: Config) -> None:
        self._source, self._codec = config.source, kafka.codec(config)
        self._producer = Producer({**config.kafka.client_settings(), "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"})
        self._sequences: Counter[tuple[str, int]] = Counter()
        self.clock = 1 << 40

    def close(self) -> None:
        """Closes the connections."""
        self._codec.close()

    def send(self, topic: Topic, shard: int, now: int, series: list[Series]) -> None:
        """A frame that was received at `now`, microseconds."""
        sequence = self._sequences[topic.dataset, shard]
        self._sequences[topic.dataset, shard] += 1
        self.clock += 1
        stated = topic is RECORDED
        frame: Frame = {
            "source": self._source, "shard": shard, "epoch": 1, "sequence": sequence, "clock": self.clock,
            "origin": "RECORDED" if stated else "LIVE", "via": "READ" if stated else "CHANNEL", "received_time": now, "server_time": now,
            "cause": None, "series": series,
        }  # fmt: skip
        value, name = self._codec.encode(topic, frame), topic.name(self._source)
        while True:
            try:
                self._producer.produce(name, value=value, partition=shard)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def flush(self) -> None:
        """Until Kafka has all. Raises Void."""
        if self._producer.flush(_FLUSH_SECONDS):
            raise Void("Kafka does not take the frames in time")


def preview(point_key: str, samples: list[Sample]) -> Series:
    """A series of previews, all of them good DOUBLEs."""
    carried = [Carried(s["event_time"] * 10 + s["ticks"], s["value_double"], DOUBLE) for s in samples]
    return {"point_key": point_key, "tag": f"tag {point_key}", "uom": None, "statement": None, "samples": carried}


def statement(point_key: str, samples: list[Sample], begin: int, end: int, clock: int) -> Series:
    """A series that states [begin, end), microseconds, in a read sent at that clock."""
    return preview(point_key, samples) | {
        "statement": {
            "kind": "STATED", "from_time": begin, "from_ticks": 0, "to_time": end, "to_ticks": 0, "as_of": end,
            "as_of_clock": clock, "count": len(samples), "digest": digest_of(samples),
        }
    }  # fmt: skip
