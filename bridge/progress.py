"""Progress records of a shard, to state and back (design 3.3, 3.6). Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.away import NEVER_AWAY, Away, Aways
from bridge.coverage import PointCoverage
from bridge.rules import mark_of
from bridge.sums import Span, Sums
from bridge.watermarks import Age
from schemas.records import AwayRange, DirtyHour, OpenIncident, OpenJob, PointProgress, Progress, ShardProgress
from schemas.times import TICKS_PER_MICROSECOND

SHARD_KEY = "shard"
CLOCK_BITS = 40


@dataclass
class ShardState:
    """What a shard counts: epoch, clock, sequences; and what its predecessor left."""

    shard: int
    partitions: int
    epoch: int = 0
    count: int = 0
    """Clocks taken in this epoch."""
    sequences: dict[str, int] = field(default_factory=dict)
    topic_ids: dict[str, str] = field(default_factory=dict)
    alive_at: int | None = None
    """PI's clock at the last sign of life, ticks; None if the shard was never owned."""
    incidents: dict[str, OpenIncident] = field(default_factory=dict)
    archived_until: dict[str, int] = field(default_factory=dict)
    """By data server, the instant (ticks) up to which what came is known to be archived: a queue may be stuck, and nobody know it yet."""
    stuck_queues: dict[str, int] = field(default_factory=dict)
    """Data servers whose event queue is stuck, each with the instant (ticks) up to which what came is archived."""
    commands_offset: int = 0
    """Offset of the next command to be taken."""
    jobs: list[OpenJob] = field(default_factory=list)

    def take_clock(self) -> int:
        """The clock of a frame that closes now, or of a request that is sent now; never the same twice in an epoch."""
        self.count += 1
        return self.epoch << CLOCK_BITS | self.count

    def take_sequence(self, dataset: str) -> int:
        """Sequence of the next frame on a topic, dense from 0."""
        sequence = self.sequences.get(dataset, 0)
        self.sequences[dataset] = sequence + 1
        return sequence

    def record(self) -> Progress:
        """The shard's progress record."""
        shard: ShardProgress = {
            "shard": self.shard,
            "epoch": self.epoch,
            "clock": self.epoch << CLOCK_BITS | self.count,
            "sequences": dict(self.sequences),
            "partitions": self.partitions,
            "topic_ids": dict(self.topic_ids),
            "alive_at": (self.alive_at or 0) // TICKS_PER_MICROSECOND,
            "incidents": [incident.copy() for incident in self.incidents.values()],
            "archived_until": dict(self.archived_until),
            "stuck_queues": dict(self.stuck_queues),
            "commands_offset": self.commands_offset,
            "jobs": [job.copy() for job in self.jobs],
        }
        return {"point": None, "shard": shard}


def shard_state(record: ShardProgress) -> ShardState:
    """State of a shard as its last owner left it; the caller raises the epoch before it does anything."""
    return ShardState(
        shard=record["shard"],
        partitions=record["partitions"],
        epoch=record["epoch"],
        sequences=dict(record["sequences"]),
        topic_ids=dict(record["topic_ids"]),
        alive_at=record["alive_at"] * TICKS_PER_MICROSECOND,
        incidents={incident["incident_id"]: incident for incident in record["incidents"]},
        archived_until=dict(record["archived_until"]),
        stuck_queues=dict(record["stuck_queues"]),
        commands_offset=record["commands_offset"],
        jobs=[job.copy() for job in record["jobs"]],
    )


def point_record(point: PointCoverage, ages: Sequence[Age]) -> Progress | None:
    """Progress record of a point; None before its first read."""
    if point.low is None or point.high is None:
        return None
    dirty: list[DirtyHour] = [
        {"hour": hour, "marked_time": mark.marked // TICKS_PER_MICROSECOND, "cause": mark.cause}
        for hour, mark in sorted(point.dirty.items())
    ]
    aways: list[AwayRange] = [
        {"begin": away.begin, "end": away.end, "retry_time": away.retry_at // TICKS_PER_MICROSECOND} for away in point.aways.ranges
    ]
    progress: PointProgress = {
        "point_key": point.point_key,
        "start": point.start,
        "low": point.low,
        "high": point.high,
        "as_of": point.as_of // TICKS_PER_MICROSECOND,
        "snapshot": point.snapshot,
        "first_event": point.first_event,
        "dirty": dirty,
        "reread": [{"age": age.ticks, "until": mark} for age, mark in zip(ages, point.watermarks.marks, strict=False)],
        "sums": [{"begin": span.begin, "end": span.end, "digest": span.digest} for span in point.sums.spans],
        "away": aways,
    }
    return {"point": progress, "shard": None}


def restored(record: PointProgress, ages: Sequence[Age]) -> PointCoverage:
    """A point's coverage as its last owner committed it."""
    point = PointCoverage(record["point_key"], record["start"])
    point.low, point.high = record["low"], record["high"]
    point.as_of = record["as_of"] * TICKS_PER_MICROSECOND
    point.snapshot, point.first_event = record["snapshot"], record["first_event"]
    # A mark is rounded up, so that it is not cleared by a request sent in the very same microsecond.
    point.dirty = {d["hour"]: mark_of((d["marked_time"] + 1) * TICKS_PER_MICROSECOND, d["cause"]) for d in record["dirty"]}
    point.watermarks.restore(ages, {reread["age"]: reread["until"] for reread in record["reread"]}, point.as_of)
    point.sums = Sums(Span(known["begin"], known["end"], known["digest"]) for known in record["sums"])
    away = tuple(Away(a["begin"], a["end"], a["retry_time"] * TICKS_PER_MICROSECOND) for a in record["away"])
    point.aways = Aways(away) if away else NEVER_AWAY
    return point


class Left(NamedTuple):
    """What the last owner of a shard left."""

    shard: ShardProgress | None
    """None: there was no owner yet."""
    coverage: dict[str, PointCoverage]


def left(records: Iterable[tuple[str, Progress | None]], ages: Sequence[Age]) -> Left:
    """What holds of a partition of `progress`, given in order of offset (None: a tombstone). Of the records none is kept."""
    shard: ShardProgress | None = None
    coverage: dict[str, PointCoverage] = {}
    for key, record in records:
        if record is None:
            coverage.pop(key, None)
        elif record["shard"] is not None:
            shard = record["shard"]
        elif record["point"] is not None:
            coverage[key] = restored(record["point"], ages)
    return Left(shard, coverage)
