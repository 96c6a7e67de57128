"""What Kafka has of each shard, from the moment it is there: which epoch commits, and since when frames are committed again."""

import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import cast
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition

from bridge import kafka
from bridge.progress import SHARD_KEY
from proofs.deployment import SHARDS, Deployment, ProofFailed
from schemas.records import Progress
from schemas.topics import PROGRESS, TOPICS


@dataclass(frozen=True)
class Seen:
    """A shard's progress record, which is committed together with the frames it counts."""

    epoch: int
    frames: int
    """Frames of the shard on all topics, ever."""
    produced: float
    """When it was produced, seconds since 1970."""
    arrived: float
    """When a reader of committed records got it, monotonic clock."""


def frames_again(records: list[Seen], above_epoch: int, since: float) -> float | None:
    """When the first frames arrived of a later epoch that were produced after `since` (seconds since 1970); None: there are none yet.

    The record that announces an epoch counts the frames of the one before, and is none.
    """
    for before, seen in pairwise(records):
        if seen.epoch > above_epoch and seen.produced > since and seen.frames > before.frames:
            return seen.arrived
    return None


class Watch:
    """Reads the shards' progress records as they are committed, in a thread, until closed."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._seen: list[list[Seen]] = [[] for _ in range(SHARDS)]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._end.set()
        self._thread.join()

    def epoch(self, shard: int) -> int:
        """The newest epoch committed; 0: there was none."""
        return self._seen[shard][-1].epoch if self._seen[shard] else 0

    def frames_again(self, shard: int, above_epoch: int, since: float = 0.0) -> float | None:
        """As the function of this name, of a shard as far as it was read."""
        return frames_again(list(self._seen[shard]), above_epoch, since)

    def _run(self) -> None:
        config, codec = self._deployment.config, kafka.codec(self._deployment.config)
        reader = kafka.consumer(config, f"watch-{uuid4()}", {"log_level": 0})
        name = PROGRESS.name(config.source)
        reader.assign([TopicPartition(name, number, 0) for number in range(SHARDS)])
        try:
            while not self._end.is_set():
                message = reader.poll(0.2)
                if message is None or message.error() is not None or message.key() != SHARD_KEY.encode():
                    continue
                value, partition = message.value(), message.partition()
                assert value is not None
                assert partition is not None
                shard = cast(Progress, codec.decode(PROGRESS, value))["shard"]
                assert shard is not None
                seen = Seen(shard["epoch"], sum(shard["sequences"].values()), message.timestamp()[1] / 1000, time.monotonic())
                self._seen[partition].append(seen)
        finally:
            reader.close()
            codec.close()


def open_records(deployment: Deployment) -> int:
    """Offsets on our topics that belong to transactions which are neither committed nor aborted, or lie behind such."""
    ends: dict[str, dict[tuple[str, int], int]] = {}
    for isolation in ("read_uncommitted", "read_committed"):
        reader = Consumer(
            {"bootstrap.servers": deployment.stack.bootstrap_servers, "group.id": f"ends-{uuid4()}", "isolation.level": isolation}
        )
        try:
            ends[isolation] = {
                (topic.name(deployment.source), number): reader.get_watermark_offsets(
                    TopicPartition(topic.name(deployment.source), number), timeout=20
                )[1]
                for topic in TOPICS
                for number in range(topic.partition_count(SHARDS))
            }
        except TypeError as error:
            raise ProofFailed(f"{deployment.source}: Kafka did not tell the ends of the topics") from error
        finally:
            reader.close()
    return sum(end - ends["read_committed"][at] for at, end in ends["read_uncommitted"].items())
