"""`python -m benchmarks.standing`: what points cost that only stand there: CPU of the bridge's core a second, idle and under previews.

The core is driven under virtual time as its drivers do: reads are asked for four times a second and shard, what is to be committed twenty
times, new channels twice; points are counted every ten seconds. No sockets, no Kafka, no decoding: those are `benchmarks.fast_path`.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from bridge import progress
from bridge.census import NOBODY, census
from bridge.coverage import PointCoverage
from bridge.incarnation import Incarnation, Setting
from bridge.pitime import Moment
from bridge.points import Point
from bridge.progress import SHARD_KEY, ShardState
from bridge.samples import DOUBLE, Sample
from bridge.watermarks import ages_of
from schemas.config import Config
from schemas.records import Progress
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND
from schemas.topics import TOPICS

_EPOCH = 17_040_672_000_000_000
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Load:
    """A shape of the day."""

    name: str
    shards: int
    values_per_second: int
    just_taken_over: bool = False
    """Nobody listened before: every point owes the incident about that a read, and PI does not answer yet."""


def loads(values_per_second: int) -> Iterator[Load]:
    for shards in (1, 12):
        yield Load("idle", shards, 0)
        yield Load("previews", shards, values_per_second)
    yield Load("idle after a take-over", 12, 0, just_taken_over=True)


class Driven:
    """Shards with their points, covered and heard, driven under virtual time."""

    def __init__(self, load: Load, points: int) -> None:
        self._load, self._chance = load, Random(1)
        self._config = _config(load.shards)
        self._begin = _EPOCH + 10 * TICKS_PER_HOUR
        self._second = 0.0
        self.shards = [self._shard(number, points) for number in range(load.shards)]

    def _now(self) -> Moment:
        ticks = self._begin + int(self._second * TICKS_PER_SECOND)
        return Moment(self._second, ticks, ticks // 10)

    def _shard(self, number: int, points: int) -> Incarnation:
        topics = {topic.dataset: (topic.dataset, topic.partition_count(self._load.shards)) for topic in TOPICS}
        keys = range(number, points, self._load.shards)
        left = [(f"main:{key}", _progress(key, self._begin)) for key in keys]
        if self._load.just_taken_over:
            left.append((SHARD_KEY, _left_shard(number, self._load.shards, self._begin)))
        inventory = {f"main:{key}": _point(key) for key in keys}
        known = progress.left(left, ages_of(self._config.coverage.reread_ages_seconds))
        shard = Incarnation(Setting(number, self._config, topics, self._chance), inventory, known, self._now())
        for ear in shard.hearing.new_ears(self._now()):
            ear.opened(self._now())
        for coverage in shard.coverage.values():
            if not self._load.just_taken_over:
                coverage.blind = None
                coverage.dirty.clear()
        self._commit(shard)
        return shard

    def _commit(self, shard: Incarnation) -> None:
        shard.transaction(self._now())
        shard.committed(self._now())

    def cpu_seconds(self, seconds: int) -> float:
        """CPU of so many seconds of this load."""
        keys = [(shard, list(shard.points.values())) for shard in self.shards]
        a_look = self._load.values_per_second * _LOOK_SECONDS
        self._go(keys, a_look, 2)  # what is only done once
        began = time.process_time()
        self._go(keys, a_look, seconds)
        return time.process_time() - began

    def _go(self, shards: list[tuple[Incarnation, list[Point]]], values_a_look: float, seconds: int) -> None:
        for look in range(int(seconds / _LOOK_SECONDS)):
            self._second += _LOOK_SECONDS
            now = self._now()
            for _ in range(int(values_a_look)):
                shard, points = self._chance.choice(shards)
                shard.previews([(self._chance.choice(points), [_sample(now.ticks)])], "CHANNEL", now)
            for shard, _ in shards:
                if look % 5 == 0:
                    shard.reads.next(now)
                if look % 10 == 0:
                    shard.hearing.new_ears(now)
                if shard.due(now, _LOOK_SECONDS):
                    self._commit(shard)
            if look % 200 == 0:
                counted = NOBODY
                for shard, _ in shards:
                    counted = counted.plus(census(map(shard.coverage.get, shard.points), now.ticks, shard.rules))


def _config(shards: int) -> Config:
    document: dict[str, Any] = {
        "source": "standing",
        "pi": {
            "url": "https://pi.example/piwebapi",
            "auth": {"kind": "anonymous"},
            "servers": {"main": "85bb49d6-f101-4807-baf9-57c2fbd33000"},
            "points": [{"server": "main"}],
            "channels": {"url_bytes": 16_384},
        },
        "kafka": {"bootstrap_servers": "kafka:9092"},
        "registry": {"url": "https://registry.example"},
        "delivery": {"shards": shards},
    }
    return Config.model_validate(document)


def _point(number: int) -> Point:
    return Point(f"main:{number}", "main", f"F1DP{number:06d}", f"T{number}", None, "Float64", _EPOCH)


def _progress(number: int, now: int) -> Progress:
    covered = PointCoverage(f"main:{number}", _EPOCH, _EPOCH, now - TICKS_PER_HOUR // 2, as_of=now)
    record = progress.point_record(covered, ())
    assert record is not None
    return record


def _left_shard(number: int, shards: int, now: int) -> Progress:
    return ShardState(number, shards, epoch=1, alive_at=now - 60 * TICKS_PER_SECOND).record()


def _sample(ticks: int) -> Sample:
    return Sample(ticks, 1.5, DOUBLE)


def main() -> int:
    """Prints CPU milliseconds a second of each load."""
    parser = argparse.ArgumentParser("python -m benchmarks.standing", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000, help="points of all shards together (default %(default)s)")
    parser.add_argument("--values", type=int, default=5000, help="previews a second of all together (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=20, help="virtual seconds of each load (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args()
    found = []
    for load in loads(given.values):
        used = Driven(load, given.points).cpu_seconds(given.seconds) / given.seconds
        found.append({"load": load.name, "shards": load.shards, "cpu_ms_per_second": round(used * 1000, 1)})
        if not given.json:
            sys.stdout.write(f"{load.name:24} {load.shards:3} shards {used * 1000:9.1f} ms of CPU a second\n")
            sys.stdout.flush()
    if given.json:
        sys.stdout.write(json.dumps({"schema_version": 1, "points": given.points, "loads": found}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
