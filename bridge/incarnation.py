"""One incarnation of a shard: all it knows between a take-over and its end, and what goes into each transaction (design 3.5, 3.6). Pure.

Any doubt about a commit ends an incarnation: the next one begins with what Kafka has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bridge import progress
from bridge.budget import Chance
from bridge.commands import Commands
from bridge.coverage import PointCoverage
from bridge.errors import NotReady
from bridge.event_queue import EventQueues
from bridge.frame import FrameBuilder, Heard, Limits
from bridge.hearing import Hearing
from bridge.incidents import Incidents
from bridge.pitime import Moment
from bridge.points import Point
from bridge.progress import Left, ShardState
from bridge.reads import Reads
from bridge.rules import Rules
from bridge.urgency import Agenda
from bridge.watermarks import ages_of
from runtime.dead_letters import DeadLetters
from schemas.config import Config, Coverage
from schemas.records import Via
from schemas.times import TICKS_PER_SECOND
from schemas.topics import DEAD_LETTERS, INCIDENTS, JOBS, PROGRESS, Topic

ALIVE_SECONDS = 10.0
"""A sign of life is committed so often, even if there is nothing else."""


class Record(NamedTuple):
    """A record of a transaction; without a partition the key chooses it."""

    topic: Topic
    partition: int | None
    key: str | None
    value: Any


class Note(NamedTuple):
    """Something for the log."""

    event: str
    details: dict[str, Any]
    error: bool = False
    """Somebody has to do something about it."""


@dataclass(frozen=True)
class Setting:
    """What an incarnation is told and does not change."""

    number: int
    config: Config
    topics: Mapping[str, tuple[str, int]]
    """Kafka's id and number of partitions by dataset."""
    chance: Chance


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
        ages=ages_of(coverage.reread_ages_seconds),
        away_retry=ticks(coverage.away_retry_seconds),
    )


class Incarnation:
    """Coverage, frames and incidents of a shard, as previews, answers and lost channels change them; hands out its transactions."""

    def __init__(self, setting: Setting, points: dict[str, Point], left: Left, now: Moment) -> None:
        """`points`: those in scope by key, which the owner keeps up to date; `left`: by the last owner, read after fencing.

        Raises NotReady where what was left does not fit to Kafka's topics.
        """
        delivery, config = setting.config.delivery, setting.config
        self.number, self.config = setting.number, config
        self.points = points
        self.rules = rules_of(config.coverage)
        self.known = left.shard is not None
        self.state = _state_of(setting, left.shard)
        self.state.epoch += 1
        self.coverage = left.coverage
        self.frames = FrameBuilder(self.state, config.source, Limits(delivery.frame_seconds, delivery.frame_samples, delivery.frame_bytes))
        self.dead_letters = DeadLetters(config.source)
        self.incidents = Incidents(config.source, self.number, self.state.incidents)
        self.notes: list[Note] = []
        self.agenda = Agenda(self.rules, self.coverage_in_scope, points)
        self._changed: set[str] = set()
        self._first_gathered: float | None = None
        self._last_commit = now.seconds
        self._committing_bytes = 0
        self._committing: list[tuple[str, int]] = []
        self.committed_counts: dict[str, int] = {}
        """Frames and samples committed, by name, for the log."""
        self.state.alive_at = self._deaf_since()
        takeover = self._open_hand_over(now)
        self.state.alive_at = self.state.alive_at or now.ticks
        self.hearing = Hearing(self, setting.chance, (self.state.alive_at, takeover))
        self.reads = Reads(self)
        self.event_queues = EventQueues(self, now)
        self.commands = Commands(self, self.state.jobs)

    def _deaf_since(self) -> int | None:
        """Since when the points were not listened to: the last sign of life, or earlier where a channel was lost and not reopened."""
        if self.state.alive_at is None:
            return None
        unheard = [i["from_time"] * 10 for i in self.state.incidents.values() if i["to_time"] is None]
        return min([self.state.alive_at, *unheard])

    def _open_hand_over(self, now: Moment) -> str | None:
        """Nobody listened since the last owner's sign of life: a blind interval of every point, be it covered already or not."""
        known = list(self.points)
        if self.state.alive_at is None or not known:
            return None
        inherited = list(self.state.incidents)
        takeover = f"{self.config.source}-{self.number}-{self.state.epoch}-takeover"
        detail = f"shard {self.number} had no owner; what came meanwhile is read from the archive"
        self.incidents.open("BRIDGE_DOWN", takeover, known, self.state.alive_at // 10, now.micros, detail)
        for incident_id in inherited:
            self.incidents.inherit(incident_id, known, takeover)
        return takeover

    # -- what channels and reads bring --------------------------------------------------------------------------------------------

    def scope_changed(self, point_key: str) -> None:
        """A point came into scope, went out of it, or is described anew: `points` has it already."""
        if point_key not in self.points:
            self.incidents.forget(point_key)
            self.commands.forget(point_key)
        self.agenda.changed(point_key)
        self.hearing.scope_changed(point_key)
        self.reads.scope_changed()
        self.event_queues.scope_changed()

    def coverage_in_scope(self, point_key: str) -> PointCoverage | None:
        """Coverage of a point; None if it is not in scope."""
        point = self.points.get(point_key)
        return None if point is None else self.covering(point)

    def covering(self, point: Point) -> PointCoverage:
        """Coverage of a point in scope, new where there was none."""
        start = point.start
        known = self.coverage.get(point.point_key)
        if known is None:
            known = self.coverage[point.point_key] = PointCoverage(point.point_key, start)
        elif start < known.start:
            known.start = start
        return known

    def previews(self, heard: Sequence[Heard], via: Via, now: Moment) -> None:
        """Publishes live values; one that lies below the covered end makes its hour dirty."""
        self.frames.previews(heard, via, now.micros, now.seconds)
        told, server, ticks_now = via != "READ", "", now.ticks
        for point, samples in heard:
            if told and point.server != server:
                server = point.server
                self.event_queues.of(point, now).preview(ticks_now)
            coverage, dirty = self.covering(point), False
            for sample in samples:
                dirty |= coverage.preview(sample.ticks, ticks_now, told)
            if dirty:
                self.changed(coverage.point_key)
            else:
                self.agenda.changed(coverage.point_key)

    def happened(self, point: Point, ticks: int, now: Moment) -> None:
        """A channel told that something happened to a point at an instant, whatever it was."""
        dirty = self.covering(point).preview(ticks, now.ticks, True)
        (self.changed if dirty else self.agenda.changed)(point.point_key)

    def changed(self, point_key: str) -> None:
        """The point's progress goes into the next transaction."""
        self._changed.add(point_key)
        self.agenda.changed(point_key)

    def heard_again(self, points: Iterable[Point], since: int, incident_id: str | None, now: Moment) -> None:
        """A channel hears these points again, for the first time since `since` (PI's ticks)."""
        known = list(points)
        for point in known:
            self.covering(point).unheard = False
        self.blinded(known, since, incident_id, now)

    def blinded(self, points: Iterable[Point], since: int, incident_id: str | None, now: Moment) -> None:
        """What happened to these points since then (PI's ticks) may have been missed: it is read again, and that mends the incident."""
        keys = []
        for point in points:
            superseded = self.covering(point).blinded(since, now.ticks, now.ticks, incident_id, self.rules.blind_margin)
            if incident_id is not None:
                self.incidents.follow(superseded, incident_id)
            self.changed(point.point_key)
            keys.append(point.point_key)
        if incident_id is not None:
            self.incidents.heard(incident_id, keys, now.ticks // 10)

    def overloaded(self) -> bool:
        """True while more waits for Kafka than the configured bytes."""
        return self._committing_bytes + self.frames.waiting_bytes > self.config.delivery.waiting_bytes

    def note(self, event: str, **details: Any) -> None:
        """Leaves a line for the log."""
        self.notes.append(Note(event, details))

    def error(self, event: str, **details: Any) -> None:
        """Leaves a line for the log that somebody has to do something about."""
        self.notes.append(Note(event, details, error=True))

    def take_notes(self) -> list[Note]:
        """The notes since the last call."""
        notes, self.notes = self.notes, []
        return notes

    # -- transactions -------------------------------------------------------------------------------------------------------------

    def due(self, now: Moment, look_seconds: float) -> bool:
        """True if a transaction should be committed now, since the next look comes after `look_seconds` only."""
        delivery = self.config.delivery
        self.frames.close_old(now.seconds)
        if not self._something():
            self._first_gathered = None
            return now.seconds - self._last_commit >= ALIVE_SECONDS
        if self._first_gathered is None:
            self._first_gathered = now.seconds
        waited = now.seconds - self._first_gathered + look_seconds
        return waited >= delivery.commit_seconds or self.frames.waiting_bytes >= delivery.commit_bytes

    def _something(self) -> bool:
        told = bool(self.incidents.changed) or self.commands.reports or not self.dead_letters.empty
        return told or not self.frames.empty or bool(self._changed)

    def announcement(self, now: Moment) -> list[Record]:
        """The first transaction, before anything else is done: the new epoch, and since when nobody listened."""
        return self._records(now)

    def transaction(self, now: Moment) -> list[Record]:
        """All that was gathered, with the progress it implies."""
        self.state.alive_at = self.hearing.heard_until(now)
        return self._records(now)

    def _records(self, now: Moment) -> list[Record]:
        self.incidents.settle(self._changed, self._owes, now.micros)
        self.commands.settle(self._changed, now)
        self.state.incidents, self.state.jobs = self.incidents.records, self.commands.records()
        self._committing_bytes, self._first_gathered = self.frames.waiting_bytes, None
        frames = self.frames.take(now.ticks // 10 - now.micros, everything=True)
        self._committing = [(topic.dataset, sum(len(series["samples"]) for series in frame["series"])) for topic, frame in frames]
        records = [Record(topic, self.number, None, frame) for topic, frame in frames]
        records += [Record(INCIDENTS, None, incident["incident_id"], incident) for incident in self.incidents.take_changed()]
        records += [Record(JOBS, None, f"{job['job_id']}/{self.number}", job) for job in self.commands.take_reports()]
        records += [Record(DEAD_LETTERS, None, letter["point_key"], letter) for letter in self.dead_letters.take()]
        changed, self._changed = self._changed, set()
        for key in sorted(changed):
            if (record := progress.point_record(self.coverage[key], self.rules.ages)) is not None:
                records.append(Record(PROGRESS, self.number, key, record))
        records.append(Record(PROGRESS, self.number, progress.SHARD_KEY, self.state.record()))
        return records

    def committed(self, now: Moment) -> None:
        """The transaction handed out last is committed."""
        self._last_commit, self._committing_bytes = now.seconds, 0
        for dataset, samples in self._committing:
            self.committed_counts[dataset] = self.committed_counts.get(dataset, 0) + samples
            self.committed_counts[f"{dataset}_frames"] = self.committed_counts.get(f"{dataset}_frames", 0) + 1
        self._committing = []

    def _owes(self, point_key: str, incident_id: str) -> bool:
        point = self.coverage.get(point_key)
        return point is not None and point_key in self.points and point.owes(incident_id)


def _state_of(setting: Setting, left: Any) -> ShardState:
    """The shard's counts as the last owner left them. Raises NotReady if Kafka's topics are not those it knew."""
    partitions = setting.topics[PROGRESS.dataset][1]
    ids = {dataset: topic_id for dataset, (topic_id, _) in setting.topics.items()}
    if left is None:
        return ShardState(setting.number, partitions, topic_ids=ids)
    state = progress.shard_state(left)
    if state.partitions != partitions:
        raise NotReady(f"shard {setting.number} was kept with {state.partitions} shards: set delivery.shards back")
    if changed := sorted(d for d, topic_id in state.topic_ids.items() if ids.get(d) != topic_id):
        raise NotReady(
            f"topics were created anew since shard {setting.number} was last owned: {', '.join(changed)}; their records are gone"
        )
    state.topic_ids = ids
    return state
