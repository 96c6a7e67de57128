"""One shard, from take-over to hand-over: its channels, its reads, its transactions (design 3.5, 3.6 and 4)."""

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import structlog

from bridge import progress
from bridge.coverage import PointCoverage, Rules, ticks_of
from bridge.dead_letters import DeadLetters
from bridge.errors import NotReady
from bridge.frame import FrameBuilder, Limits, Named
from bridge.incidents import Incidents
from bridge.kafka import Codec, read_partition
from bridge.listening import Listening
from bridge.monitoring import Monitoring
from bridge.piwebapi import PIWebAPI
from bridge.progress import ShardState
from bridge.publish import Message, Publisher
from bridge.reading import Reading
from schemas.config import Config, Coverage
from schemas.records import Point, Progress, Sample, Via
from schemas.times import TICKS_PER_SECOND
from schemas.topics import DEAD_LETTERS, INCIDENTS, PROGRESS, Topic
from schemas.wire import WireError

ALIVE_SECONDS = 10.0
_LOOK_SECONDS = 0.2
"""However long frames gather, what is due and whether to stop is looked at this often."""
log = structlog.get_logger("bridge.shard")


@dataclass(frozen=True)
class World:
    """What all shards of a process share."""

    config: Config
    pi: PIWebAPI
    codec: Codec
    topics: dict[str, tuple[str, int]]
    """Kafka's id and number of partitions by dataset."""
    chance: random.Random
    monitoring: Monitoring = field(default_factory=Monitoring)

    def now_micros(self) -> int:
        """The bridge's clock."""
        return time.time_ns() // 1000


def rules_of(coverage: Coverage) -> Rules:
    """The configured times in ticks."""

    def ticks(seconds: float) -> int:
        return int(seconds * TICKS_PER_SECOND)

    return Rules(
        settle=ticks(coverage.settle_seconds),
        seal_previews=coverage.seal_previews,
        seal_min=ticks(coverage.seal_min_seconds),
        seal_max=ticks(coverage.seal_max_seconds),
        quiet=ticks(coverage.quiet_seconds),
        blind_margin=ticks(coverage.blind_margin_seconds),
        slice=ticks(coverage.slice_seconds),
    )


class Shard:
    """One incarnation of a shard: from fencing the previous owner to the last commit. Any doubt about a commit ends it with ShardLost."""

    def __init__(self, number: int, world: World, points: dict[str, Point]) -> None:
        delivery = world.config.delivery
        self.number, self.world = number, world
        self.points = points
        """Points in scope by key; the owner of the process keeps it up to date."""
        self.rules = rules_of(world.config.coverage)
        self.coverage: dict[str, PointCoverage] = {}
        self.dead_letters = DeadLetters(world.config.source)
        self.state: ShardState
        self.frames: FrameBuilder
        self.incidents: Incidents
        self._takeover: str | None = None
        self._blind_from = 0
        self._inherited: frozenset[str] = frozenset()
        self._publisher = Publisher(
            world.config, f"{world.config.kafka.transactional_prefix}.{world.config.source}.{number}", delivery.transaction_timeout_seconds
        )
        self._changed: set[str] = set()
        self._first_gathered: float | None = None
        self._committing_bytes = 0
        self._last_commit = 0.0
        self._stopping = False
        self.committed: dict[str, int] = {}
        """Frames, samples and statements committed, by name, for the log."""

    # -- life ---------------------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Owns the shard until `stop`; then commits what was gathered. Raises ShardLost, NotReady, KafkaException."""
        listening, reading = Listening(self), Reading(self)
        workers: list[asyncio.Task[Any]] = []
        commits: asyncio.Task[None] | None = None
        stopping = asyncio.create_task(stop.wait())
        try:
            await self._take_over()
            commits = asyncio.create_task(self._commit_in_turn())
            workers = [asyncio.create_task(listening.run()), asyncio.create_task(reading.run())]
            done, _ = await asyncio.wait([stopping, commits, *workers], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            await _end(workers)
            self._stopping = True
            await commits
            await self._commit()
        finally:
            await _end([stopping, *workers, *([commits] if commits is not None else [])])
            await self._publisher.close()

    async def _take_over(self) -> None:
        """Fences, then reads progress, then commits the new epoch, before anything else is done (KIP-618's order)."""
        await self._publisher.open()
        config, codec = self.world.config, self.world.codec

        def read() -> list[tuple[str, Progress | None]]:
            records = read_partition(config, PROGRESS.name(config.source), self.number)
            return [(key, None if value is None else cast(Progress, codec.decode(PROGRESS, value))) for key, value in records]

        try:
            left, points = progress.newest(await asyncio.to_thread(read))
        except WireError as error:
            raise NotReady(f"a progress record of shard {self.number} cannot be understood, so nothing can be known: {error}") from error
        fresh = ShardState(self.number, self.world.topics[PROGRESS.dataset][1])
        self.state = fresh if left is None else progress.shard_state(left)
        self._check_topics(left is None)
        self.state.epoch += 1
        for record in points.values():
            point = PointCoverage(record["point_key"], record["start"])
            progress.restore(point, record)
            self.coverage[point.point_key] = point
        limits = config.delivery
        self.frames = FrameBuilder(self.state, config.source, Limits(limits.frame_seconds, limits.frame_samples, limits.frame_bytes))
        self.incidents = Incidents(config.source, self.number, self.state.incidents)
        self.state.alive_at = self._deaf_since()
        self._open_hand_over()
        self._blind_from = self.state.alive_at = self.state.alive_at or self.world.pi.now()
        await self._commit(alive=False)
        log.info("shard taken over", shard=self.number, epoch=self.state.epoch, points=len(self.coverage), known=left is not None)

    def _check_topics(self, first: bool) -> None:
        ids = {dataset: topic_id for dataset, (topic_id, _) in self.world.topics.items()}
        if first:
            self.state.topic_ids = ids
        elif self.state.partitions != self.world.topics[PROGRESS.dataset][1]:
            raise NotReady(f"shard {self.number} was kept with {self.state.partitions} shards: set delivery.shards back")
        elif changed := sorted(d for d, topic_id in self.state.topic_ids.items() if ids.get(d) != topic_id):
            raise NotReady(
                f"topics were created anew since shard {self.number} was last owned: {', '.join(changed)}; their records are gone"
            )

    def _deaf_since(self) -> int | None:
        """Since when the points were not listened to: the last sign of life, or earlier where a channel was lost and not reopened."""
        if self.state.alive_at is None:
            return None
        unheard = [i["from_time"] * 10 for i in self.state.incidents.values() if i["to_time"] is None]
        return min([self.state.alive_at, *unheard])

    def _open_hand_over(self) -> None:
        """Nobody listened since the last owner's sign of life: a blind interval of every point that had coverage."""
        known = [key for key in self.coverage if key in self.points]
        if self.state.alive_at is None or not known:
            return
        self._takeover = f"{self.world.config.source}-{self.number}-{self.state.epoch}-takeover"
        self._inherited = frozenset(self.state.incidents)
        self.incidents.open(
            "BRIDGE_DOWN",
            self._takeover,
            known,
            self.state.alive_at // 10,
            self.world.now_micros(),
            f"shard {self.number} had no owner; what came meanwhile is read from the archive",
        )
        for incident_id in self._inherited:
            self.incidents.inherit(incident_id, known)

    # -- what channels and reads bring --------------------------------------------------------------------------------------------

    def named(self, point: Point) -> Named:
        """How the point is written into frames."""
        return Named(point["point_key"], point["tag"], point["engineering_units"])

    def covering(self, point: Point) -> PointCoverage:
        """Coverage of a point in scope, new where there was none."""
        known = self.coverage.get(point["point_key"])
        if known is None:
            known = self.coverage[point["point_key"]] = PointCoverage(point["point_key"], point["start_time"] * 10)
        known.start = min(known.start, point["start_time"] * 10)
        return known

    def preview(self, point: Point, samples: list[Sample], via: Via, received_micros: int, now: int) -> None:
        """Publishes live values; one that lies below the covered end makes its hour dirty."""
        self.frames.preview(self.named(point), samples, via, received_micros, time.monotonic())
        coverage = self.covering(point)
        for sample in samples:
            if coverage.preview(ticks_of(sample), now):
                self.changed(point["point_key"])

    def changed(self, point_key: str) -> None:
        """The point's progress goes into the next transaction."""
        self._changed.add(point_key)

    def blind_since(self) -> tuple[int, str | None]:
        """Since when nobody listens to a point that has no channel yet, and the incident about that."""
        return self._blind_from, self._takeover

    def heard_again(self, points: Iterable[Point], since: int, incident_id: str | None) -> None:
        """A channel hears these points again, for the first time since `since` (PI's ticks)."""
        now = self.world.pi.now()
        keys = []
        for point in points:
            superseded = self.covering(point).blinded(since, now, now, incident_id, self.rules.blind_margin)
            if incident_id is not None:
                self.incidents.follow(superseded, incident_id)
            self.changed(point["point_key"])
            keys.append(point["point_key"])
        if incident_id is not None:
            self.incidents.heard(incident_id, keys, now // 10)

    def overloaded(self) -> bool:
        """True while more waits for Kafka than the configured bytes."""
        return self._committing_bytes + self.frames.waiting_bytes > self.world.config.delivery.waiting_bytes

    # -- transactions -------------------------------------------------------------------------------------------------------------

    async def _commit_in_turn(self) -> None:
        delivery = self.world.config.delivery
        pause_seconds = min(delivery.frame_seconds, delivery.commit_seconds, _LOOK_SECONDS) / 2
        while not self._stopping:
            await asyncio.sleep(pause_seconds)
            now = time.monotonic()
            self.frames.close_old(now)
            if not self._something():
                self._first_gathered = None
                if now - self._last_commit >= ALIVE_SECONDS:
                    await self._commit()
                continue
            self._first_gathered = self._first_gathered or now
            waited = now - self._first_gathered + pause_seconds
            if waited >= delivery.commit_seconds or self.frames.waiting_bytes >= delivery.commit_bytes:
                await self._commit()

    def _something(self) -> bool:
        return not self.frames.empty or bool(self._changed) or bool(self.incidents.changed) or not self.dead_letters.empty

    async def _commit(self, alive: bool = True) -> None:
        """Commits all that was gathered, with the progress it implies, in one transaction."""
        codec, source, pi = self.world.codec, self.world.config.source, self.world.pi
        now = pi.now()
        if alive:
            self.state.alive_at = now
        self.incidents.settle(self._owes, self.world.now_micros())
        self.state.incidents = self.incidents.records
        self._committing_bytes = self.frames.waiting_bytes
        frames = self.frames.take(now // 10, everything=True)
        self._first_gathered = None
        messages = [Message(topic.name(source), self.number, None, codec.encode(topic, frame)) for topic, frame in frames]
        messages += [self._keyed(INCIDENTS, incident["incident_id"], incident) for incident in self.incidents.take_changed()]
        messages += [self._keyed(DEAD_LETTERS, letter["point_key"], letter) for letter in self.dead_letters.take()]
        changed, self._changed = self._changed, set()
        for key in sorted(changed):
            if (record := progress.point_record(self.coverage[key])) is not None:
                messages.append(self._progress(key, record))
        messages.append(self._progress(progress.SHARD_KEY, self.state.record()))
        await self.world.monitoring.transaction(self.number, frames, messages, self._publisher.commit(messages))
        self._last_commit = time.monotonic()
        self._committing_bytes = 0
        for topic, frame in frames:
            self._count(topic.dataset, sum(len(series["samples"]) for series in frame["series"]))
            self._count(f"{topic.dataset}_frames", 1)

    def _owes(self, point_key: str, incident_id: str) -> bool:
        if incident_id in self._inherited and self._takeover in self.state.incidents:
            return True
        point = self.coverage.get(point_key)
        return point is not None and point_key in self.points and point.owes(incident_id)

    def _keyed(self, topic: Topic, key: str | None, record: Any) -> Message:
        return Message(
            topic.name(self.world.config.source), None, None if key is None else key.encode(), self.world.codec.encode(topic, record)
        )

    def _progress(self, key: str, record: Progress) -> Message:
        return Message(PROGRESS.name(self.world.config.source), self.number, key.encode(), self.world.codec.encode(PROGRESS, record))

    def _count(self, name: str, more: int) -> None:
        self.committed[name] = self.committed.get(name, 0) + more


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancels tasks and waits until they have ended; their own errors were dealt with or come up elsewhere."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
