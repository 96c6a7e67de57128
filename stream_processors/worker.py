"""The shards of one process, and the overview where it has that: messages in, messages out. Knows no Kafka, no network and no clock.

Whoever drives it tells which shards it has, hands over the messages of their topics, lets it work, and publishes what it gives out. A
checkpoint says what has to be written, and which messages are part of it: these may be acknowledged when Kafka has both, and what was given
out before. So a message is either part of what is remembered, or comes again.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import structlog

from runtime.dead_letters import DeadLetters
from schemas import wire
from schemas.config import Config
from schemas.oddities import Oddity
from schemas.records import Assessment, ClockSkew, Incident, Point
from schemas.topics import ASSESSMENTS, DEAD_LETTERS, INCIDENTS, LATE, LIVE, QUALITY, RECORDED, SKEW, Topic
from stream_processors.assess import Assessed, Dataset, Overview, Shard
from stream_processors.codec import Codec, UnknownSchema
from stream_processors.metrics import Metrics
from stream_processors.order import Order, Waiting
from stream_processors.pieces import Pieces

log = structlog.get_logger("processors.worker")
TOPICS: dict[Dataset, Topic] = {"live": LIVE, "recorded": RECORDED}
OVERVIEW = "overview"
LETTERS_A_MINUTE = 60
"""A flood of garbage is counted, and not copied."""
_MINUTE = 60_000_000
_GRACE = 10_000_000
"""Frames come so much after their values, microseconds: until then no period is closed by the wall clock."""
_UNUSABLE = (LookupError, ValueError, TypeError, zlib.error)
"""What comes of reading a state that somebody else wrote into, or that is of another version."""
Read = Callable[[str], bytes | None]


class Output(NamedTuple):
    """A message to be published."""

    topic: Topic
    key: str | None
    value: bytes
    partition: int | None = None
    """None: by the key."""


class Checkpoint(NamedTuple):
    """A moment's state: what has to be written in this order, and the messages that are part of it."""

    written: list[tuple[str, bytes]]
    taken: list[Any]


@dataclass
class _Owned:
    """A shard that the group gives to this process."""

    shard: Shard
    begins: dict[Dataset, int]
    """Where its topics began in Kafka when it was taken over."""
    order: Order = field(default_factory=Order)
    taken: list[Any] = field(default_factory=list)
    """Messages that are part of the state, and that nobody has acknowledged yet."""
    changed: bool = False
    points: dict[str, Point] = field(default_factory=dict)
    """What was told of points until all was: the newest of each, since a topic keeps for a while what does not hold any more."""
    informed: bool = False
    """All that is known beside frames was told."""


class Worker:
    """What one process does. Times are microseconds since 1970 where they are called `now`, and monotonic seconds as `moment`."""

    def __init__(self, config: Config, codec: Codec, metrics: Metrics) -> None:
        self._config, self._codec, self._metrics = config, codec, metrics
        self._owned: dict[int, _Owned] = {}
        self._overview: Overview | None = None
        self._pieces = Pieces(OVERVIEW)
        self._overview_taken: list[Any] = []
        self._letters = DeadLetters(config.source)
        self._letters_minute = self._letters_left = 0
        self._incidents: dict[str, Incident] = {}
        """Those of times in which the bridge did not listen, until they are closed."""
        self._oddities: set[str] = set()
        """Ids of those of sequences."""
        self._resting = False
        self._skews: dict[str, ClockSkew] = {}

    # -- which shards

    @property
    def shards(self) -> frozenset[int]:
        """Those whose state was read."""
        return frozenset(self._owned)

    @property
    def informed_shards(self) -> frozenset[int]:
        """Those of which all is known, so that their frames are judged."""
        return frozenset(number for number, owned in self._owned.items() if owned.informed)

    def owns(self, number: int) -> bool:
        """True if the state of a shard was read."""
        return number in self._owned

    @property
    def oversees(self) -> bool:
        """True if this process puts the shards together."""
        return self._overview is not None

    def load(self, number: int, read: Read, begins: dict[Dataset, int], ends: dict[Dataset, int]) -> None:
        """Takes a shard over, with what was written of it; `begins` and `ends` say what its topics hold in Kafka, ends exclusive."""
        shard = Shard(self._config.source, number, self._config.processors)
        try:
            if not shard.state.load(read) and read(f"{number}") is not None:
                raise LookupError(f"the state of shard {number} is of another version")
        except _UNUSABLE as problem:
            log.error("the state of a shard cannot be used and is learnt anew", shard=number, problem=str(problem))
            self._metrics.states_lost.inc()
            shard = Shard(self._config.source, number, self._config.processors)
        for dataset, end in ends.items():
            self._begin_again(number, shard, dataset, end)
        self._owned[number] = _Owned(shard, begins)
        for incident in self._incidents.values():
            shard.incident(incident)
        for skew in self._skews.values():
            shard.skew(skew)

    def _begin_again(self, number: int, shard: Shard, dataset: Dataset, end: int) -> None:
        """Forgets where a topic was that has been created anew since: all of it would seem to have been judged."""
        state = shard.state
        if state.offsets.get(dataset, -1) >= end:
            log.warning("a topic has begun again, and so do its sequences", shard=number, topic=TOPICS[dataset].name(self._config.source))
            for known in (state.sequences, state.offsets, state.unreadable):
                known.pop(dataset, None)

    def load_overview(self, read: Read) -> None:
        """Takes over putting the shards together, with what was written of that."""
        self._overview = Overview(self._config.source, self._config.processors)
        try:
            content = self._pieces.join(read)
            if content is not None and not self._overview.load(content):
                raise LookupError("what is known of clocks and sources is of another version")
        except _UNUSABLE as problem:
            log.error("what is known of clocks and sources cannot be used and is learnt anew", problem=str(problem))
            self._metrics.states_lost.inc()
            self._overview = Overview(self._config.source, self._config.processors)

    def forget(self) -> None:
        """All shards go to other processes, or come back later: whatever was not written is done again then."""
        self._owned.clear()
        self._overview, self._overview_taken = None, []

    def rest(self) -> None:
        """From now on nothing is judged: what is known then can be written for the last time."""
        self._resting = True

    # -- what else is known

    def informed(self, number: int) -> None:
        """All was told that was known of a shard when it was taken over: its frames can be judged."""
        if (owned := self._owned.get(number)) is not None and not owned.informed:
            owned.informed = True
            for point in owned.points.values():
                self.point(number, point)
            owned.points.clear()

    def point(self, number: int, point: Point) -> None:
        """Takes a record of `points`."""
        owned = self._owned.get(number)
        if owned is not None and not owned.informed:
            owned.points[point["point_key"]] = point
        elif owned is not None:
            owned.shard.point(point)
            owned.changed = True

    def incident(self, incident: Incident) -> None:
        """Takes a record of `incidents`."""
        name = incident["incident_id"]
        if incident["kind"] in ("SEQUENCE_HOLE", "SEQUENCE_REPEATED"):
            self._oddities.add(name)
        elif incident["state"] == "CLOSED":
            self._incidents.pop(name, None)
        else:
            self._incidents[name] = incident
        for owned in self._owned.values():
            owned.shard.incident(incident)

    def skew(self, skew: ClockSkew) -> None:
        """Takes a record of `skew`."""
        self._skews[skew["clock_group"]] = skew
        for owned in self._owned.values():
            owned.shard.skew(skew)

    # -- frames

    def take(self, dataset: Dataset, number: int, offset: int, message: bytes, token: Any, moment: float) -> None:
        """Takes a message of a shard's topic, whose schema was learnt; `token` is given back when it is part of the state."""
        if (owned := self._owned.get(number)) is None:
            return
        try:
            decoded, problem = self._codec.frame(message), None
        except wire.WireError as error:
            decoded, problem = None, error
        owned.order.add(Waiting(dataset, offset, decoded, problem, message, token, moment))

    def read_to_end(self, number: int, dataset: Dataset, ended: bool, moment: float) -> None:
        """Tells whether all that a topic holds of a shard was handed over."""
        if (owned := self._owned.get(number)) is not None:
            owned.order.read_to_end(dataset, ended, moment)

    def work(self, number: int, now: int, moment: float) -> Iterator[list[Output]]:
        """Judges the frames of a shard whose turn it is, one after the other; what came of each."""
        owned = self._owned.get(number)
        while owned is not None and owned.informed and not self._resting and (waiting := owned.order.next(moment)) is not None:
            owned.taken.append(waiting.token)
            owned.changed = True
            yield self._judge(number, owned, waiting, now)
            owned = self._owned.get(number)

    def close_periods(self, now: int, moment: float) -> list[Output]:
        """Closes the periods of shards of which everything was read, by the wall clock.

        But not far beyond what the bridge's clocks have told: should ours be ahead, periods would be closed before their frames come.
        """
        outputs = list[Output]()
        heard = max((owned.shard.state.heard_at for owned in self._owned.values()), default=0)
        until = min(now - _GRACE, heard + self._config.processors.period_seconds * 1_000_000)
        for number, owned in self._owned.items():
            if owned.informed and not self._resting and owned.order.at_end(moment) and (closed := owned.shard.advance(until)):
                owned.changed = True
                outputs += self._assessments(number, closed)
        return outputs

    def _judge(self, number: int, owned: _Owned, waiting: Waiting, now: int) -> list[Output]:
        dataset, state = waiting.dataset, owned.shard.state
        new = waiting.offset > state.offsets.get(dataset, -1)
        if waiting.decoded is None:
            if new:
                state.offsets[dataset], state.unreadable[dataset] = waiting.offset, state.unreadable.get(dataset, 0) + 1
            reason = "unknown_schema" if isinstance(waiting.problem, UnknownSchema) else "undecodable"
            return self._refuse(number, waiting, reason, str(waiting.problem), now)
        frame, samples = waiting.decoded
        outputs = list[Output]()
        before = state.sequences.get(dataset)
        if new and before is not None and frame["sequence"] <= before:
            outputs += self._odd(self._oddity(number, waiting, before + 1, frame["sequence"]), now)
            del state.sequences[dataset]
        assessed = owned.shard.frame(dataset, frame, now, samples)
        outcome = "repeated" if assessed.repeated else "judged" if assessed.refused is None else "refused"
        self._metrics.frames.labels(dataset, outcome).inc()
        if assessed.repeated:
            return outputs
        if assessed.lost and before is not None:
            outputs += self._missing(number, owned, waiting, before + 1, assessed.lost, now)
        state.offsets[dataset], state.unreadable[dataset] = waiting.offset, 0
        if assessed.refused is not None:
            return outputs + self._refuse(number, waiting, "future", assessed.refused, now)
        self._metrics.values.labels(dataset).inc(sum(samples.counts))
        return outputs + self._findings(number, assessed)

    def _findings(self, number: int, assessed: Assessed) -> list[Output]:
        for found in assessed.late:
            self._metrics.late.labels(found["category"]).inc(found["samples"])
        late = [Output(LATE, found["point_key"], self._codec.encode(LATE, found), number) for found in assessed.late]
        return late + self._assessments(number, assessed.assessments)

    def _assessments(self, number: int, closed: Iterable[Assessment]) -> list[Output]:
        told = [Output(ASSESSMENTS, f"{number}", self._codec.encode(ASSESSMENTS, said), 0) for said in closed]
        self._metrics.assessments.inc(len(told))
        return told

    def _missing(self, number: int, owned: _Owned, waiting: Waiting, expected: int, lost: int, now: int) -> list[Output]:
        """What is to be told of frames that did not come: nothing where Kafka dropped them, or they are dead letters."""
        dataset, state = waiting.dataset, owned.shard.state
        self._metrics.missing.inc(lost)
        oddity = self._oddity(number, waiting, expected, expected + lost)
        if owned.begins.get(dataset, 0) > state.offsets.get(dataset, waiting.offset) + 1:
            log.warning("Kafka dropped frames before they were judged", shard=number, topic=oddity.topic, frames=lost)
            return []
        return [] if lost <= state.unreadable.get(dataset, 0) else self._odd(oddity, now)

    def _oddity(self, number: int, waiting: Waiting, expected: int, found: int) -> Oddity:
        return Oddity(TOPICS[waiting.dataset].name(self._config.source), number, waiting.offset, expected, found)

    def _odd(self, oddity: Oddity, now: int) -> list[Output]:
        """The incident of a sequence that was not to come, unless somebody told of it."""
        if oddity.incident_id in self._oddities:
            return []
        log.error("frames are missing, or come again", shard=oddity.partition, problem=oddity.text)
        incident = oddity.incident(self._config.source, now)
        self._oddities.add(oddity.incident_id)
        return [Output(INCIDENTS, oddity.incident_id, self._codec.encode(INCIDENTS, incident), 0)]

    def _refuse(self, number: int, waiting: Waiting, kind: str, reason: str, now: int) -> list[Output]:
        """Counts what could not be used, and sets it aside: each content once, and not more than some a minute."""
        return self._set_aside(TOPICS[waiting.dataset], number, waiting.offset, waiting.message, kind, reason, now)

    def _set_aside(self, topic: Topic, number: int, offset: int, message: bytes, kind: str, reason: str, now: int) -> list[Output]:
        self._metrics.refused.labels(kind).inc()
        if now // _MINUTE != self._letters_minute:
            self._letters_minute, self._letters_left = now // _MINUTE, LETTERS_A_MINUTE
        place = topic.name(self._config.source), number, offset
        if self._letters_left <= 0 or not self._letters.add("PROCESS", reason, message, now, place=place):
            return []
        self._letters_left -= 1
        if not self._letters_left:
            log.error("too much cannot be used: until the next minute it is only counted", reason=reason)
        self._metrics.dead_letters.inc()
        return [Output(DEAD_LETTERS, None, self._codec.encode(DEAD_LETTERS, letter)) for letter in self._letters.take()]

    # -- all shards together

    def oversee(self, offset: int, message: bytes, token: Any, now: int) -> list[Output]:
        """Takes a message of `assessments`, whose schema was learnt; what the periods that are complete now showed."""
        if self._overview is None or self._resting:
            return []
        self._overview_taken.append(token)
        try:
            said = cast(Assessment, self._codec.decode(ASSESSMENTS, message))
        except wire.WireError as error:
            return self._set_aside(ASSESSMENTS, 0, offset, message, "undecodable", str(error), now)
        before = self._overview.belated.copy()
        skews, findings = self._overview.take(said)
        if (shard := said["shard"]) in self._overview.belated:
            self._metrics.belated.inc()
            if shard not in before:
                log.warning("a shard is so far behind the others that its clocks do not count", shard=shard, period=said["period"])
        elif shard in before:
            log.info("the clocks of a shard count again", shard=shard)
        for skew in skews:
            self._metrics.skew.labels(skew["state"]).inc()
        for finding in findings:
            self._metrics.quality.labels(finding["state"]).inc()
        told = [Output(SKEW, skew["clock_group"], self._codec.encode(SKEW, skew), 0) for skew in skews]
        keys = [f"{finding['quality_check']}/{finding['scope']}" for finding in findings]
        return told + [Output(QUALITY, key, self._codec.encode(QUALITY, finding)) for key, finding in zip(keys, findings, strict=True)]

    # -- what is remembered

    def checkpoint(self, number: int) -> Checkpoint | None:
        """The state of a shard at this moment; None if nothing has changed since the last one."""
        owned = self._owned.get(number)
        if owned is None or not owned.changed:
            return None
        taken, owned.taken, owned.changed = owned.taken, [], False
        return Checkpoint(list(owned.shard.state.dump()), taken)

    def checkpoint_overview(self) -> Checkpoint | None:
        """The same of all shards together."""
        if self._overview is None or not self._overview_taken:
            return None
        taken, self._overview_taken = self._overview_taken, []
        return Checkpoint(list(self._pieces.split(self._overview.dump())), taken)

    # -- how it stands

    def waiting_since(self) -> float | None:
        """When the frame came that waits longest for its turn, monotonic seconds; None if none waits."""
        return min((oldest for owned in self._owned.values() if (oldest := owned.order.oldest) is not None), default=None)

    def waiting_bytes(self) -> int:
        """Bytes of the messages that wait for their turn."""
        return sum(owned.order.waiting_bytes for owned in self._owned.values())

    def stock(self, now: int) -> None:
        """Shows how shards and points are now."""
        states = [owned.shard.state for owned in self._owned.values()]
        heard = [state.heard_at for state in states if state.heard_at]
        self._metrics.lag.set(max(0, now - min(heard)) / 1_000_000 if heard else 0)
        self._metrics.points.set(sum(map(len, states)))
        self._metrics.waiting.set(sum(len(owned.order) for owned in self._owned.values()))
        self._metrics.shards_loaded.set(len(states))
