"""What a consumer that reads committed records only finds on a source's topics, and what it adds up to."""

import struct
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import NamedTuple, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from console.plant import Plant, PlantPoint
from console.proof import Event, Held, Statement, holding, numbered
from schemas import wire
from schemas.records import Incident, Point, ShardProgress, ValueFrame
from schemas.times import TICKS_PER_SECOND, ticks_of
from schemas.topics import HISTORY, INCIDENTS, LIVE, POINTS, PROGRESS, RECORDED, Topic
from schemas.values import Value, read_frame, read_values
from tests.containers.world import PATIENCE_SECONDS, SHARDS, Bridge, Deployment, Registry, wait_until

VALUE_TOPICS = (LIVE, RECORDED, HISTORY)
Events = dict[tuple[int, int], Event]
"""By instant (ticks) and ordinal there."""


class Message(NamedTuple):
    """A committed Kafka message."""

    topic: Topic
    partition: int
    offset: int
    key: bytes | None
    value: bytes


class Placed(NamedTuple):
    """A frame and where it was found."""

    dataset: str
    partition: int
    offset: int
    frame: ValueFrame


class Committed:
    """All that is committed on a source's topics, from their beginning; `catch_up` reads on."""

    def __init__(self, deployment: Deployment, registry: Registry) -> None:
        self.messages: list[Message] = []
        self.frames: list[Placed] = []
        self.incidents: list[Incident] = []
        """Every version, in order."""
        self.points: dict[str, Point] = {}
        self.shards: dict[int, ShardProgress] = {}
        """What the newest progress record of each shard says."""
        self._registry = registry
        self._topics = {topic.name(deployment.source): topic for topic in (*VALUE_TOPICS, INCIDENTS, POINTS, PROGRESS)}
        self._writer_of = cache(lambda schema_id: wire.parse(registry.schema_of(schema_id)))
        servers = {"bootstrap.servers": deployment.servers.bootstrap_servers}
        self._admin = AdminClient(dict(servers))
        self._consumer = Consumer(
            {
                **servers,
                "group.id": f"{deployment.source}_reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        partitions = [(name, number) for name, topic in self._topics.items() for number in range(topic.partition_count(SHARDS))]
        self._read_to = dict.fromkeys(partitions, 0)
        self._consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for name, number in partitions])

    def catch_up(self) -> None:
        """Reads to where the partitions end now. Waits for a transaction that is open there: it is part of what was written."""
        ends = self._ends()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while behind := [place for place, end in ends.items() if self._read_to[place] < end]:
            assert time.monotonic() < deadline, f"no committed records up to the end of {behind}"
            message = self._consumer.poll(0.5)
            if message is None:
                continue
            name, partition, offset = message.topic(), message.partition(), message.offset()
            assert name is not None
            assert partition is not None
            assert offset is not None
            error = message.error()
            if error is None:
                self._read_to[name, partition] = offset + 1
                self._take(Message(self._topics[name], partition, offset, message.key(), cast(bytes, message.value())))
            elif error.code() == KafkaError._PARTITION_EOF:
                self._read_to[name, partition] = offset  # transaction markers count, and no message shows them
            else:
                raise KafkaException(error)

    def close(self) -> None:
        self._consumer.close()
        del self._admin  # it ends with its last reference, and while it lives it calls for its broker

    def values(self, *topics: Topic) -> list[Value]:
        """The values on these topics."""
        return list(read_values((m.value for m in self.messages if m.topic in topics), self._registry.schema_of))

    def previews_archived(self) -> set[tuple[str, int, int]]:
        """Point, time and ticks of the previews that a statement confirmed: compression throws most of them away."""

        def samples(*topics: Topic) -> set[tuple[str, int, int]]:
            wanted = {topic.dataset for topic in topics}
            series = (series for placed in self.frames if placed.dataset in wanted for series in placed.frame["series"])
            return {(one["point_key"], sample["event_time"], sample["ticks"]) for one in series for sample in one["samples"]}

        return samples(LIVE) & samples(RECORDED, HISTORY)

    def previewed_points(self) -> set[str]:
        """Points of which previews were committed."""
        return {series["point_key"] for placed in self.frames if placed.dataset == LIVE.dataset for series in placed.frame["series"]}

    def statements(self) -> dict[str, list[Statement]]:
        """All statements, by point. Empty ones count too, which have no value to be seen by."""
        stated: dict[str, list[Statement]] = defaultdict(list)
        for placed in self.frames:
            for index, series in enumerate(placed.frame["series"]):
                if (statement := series["statement"]) is not None and statement["kind"] != "CONFIRMED":  # what was stated holds on
                    begin = statement["from_time"] * 10 + statement["from_ticks"]
                    end = statement["to_time"] * 10 + statement["to_ticks"]
                    place = (placed.dataset, placed.partition, placed.offset, index)
                    stated[series["point_key"]].append(Statement(begin, end, statement["as_of_clock"], placed.frame["clock"], place))
        return dict(stated)

    def ledger(self) -> dict[str, list[Held]]:
        """Which statement holds where, by point."""
        return {key: holding(statements) for key, statements in self.statements().items()}

    def stated(self) -> dict[str, Events]:
        """The events that the statements which hold have, by point. Fails if one is there twice."""
        ledger, events = self.ledger(), dict[str, Events]()
        records = {(p.dataset, p.partition, p.offset, i): s["statement"] for p in self.frames for i, s in enumerate(p.frame["series"])}
        for key in ledger:
            events[key] = {}
        for value in self.values(RECORDED, HISTORY):
            ticks, key = instant(value), value.point_key
            assert value.statement is not None, f"a value without a statement: {value}"
            holds = next(held.statement for held in ledger[key] if held.begin <= ticks < held.end)
            if (holds.clock, records[holds.place]) == (value.clock, value.statement):
                assert (ticks, value.ordinal) not in events[key], f"stated twice: {value}"
                events[key][ticks, value.ordinal] = event_of(value)
        return events

    def sequences(self) -> dict[tuple[str, int], list[int]]:
        """The frames' sequences in order of offset, by dataset and partition."""
        found: dict[tuple[str, int], list[int]] = defaultdict(list)
        for placed in self.frames:
            found[placed.dataset, placed.partition].append(placed.frame["sequence"])
        return dict(found)

    def next_sequences(self) -> dict[tuple[str, int], int]:
        """The sequence that progress gives to the next frame, by dataset and partition."""
        return {(dataset, number): count for number, shard in self.shards.items() for dataset, count in shard["sequences"].items()}

    def _ends(self) -> dict[tuple[str, int], int]:
        asked = {TopicPartition(*place): OffsetSpec.latest() for place in self._read_to}  # type: ignore[no-untyped-call]
        answers = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=30)
        return {(partition.topic, partition.partition): answer.result().offset for partition, answer in answers.items()}

    def _take(self, message: Message) -> None:
        self.messages.append(message)
        if message.topic in VALUE_TOPICS:
            frame = read_frame(message.value, self._writer_of)
            self.frames.append(Placed(message.topic.dataset, message.partition, message.offset, frame))
            return
        schema_id, body = wire.split(message.value)
        record = wire.decode(body, self._writer_of(schema_id))
        if message.topic is INCIDENTS:
            self.incidents.append(cast(Incident, record))
        elif message.topic is POINTS:
            self.points[record["point_key"]] = cast(Point, record)
        elif (shard := record["shard"]) is not None:
            self.shards[message.partition] = cast(ShardProgress, shard)


def wait_for(committed: Committed, condition: Callable[[], bool], what: str, bridge: Bridge) -> None:
    """Reads on until the condition holds, while the bridge runs."""

    def holds() -> bool:
        bridge.must_run()
        committed.catch_up()
        return condition()

    wait_until(holds, what, bridge)


def point_key(point: PlantPoint) -> str:
    """Key of a point of the plant, whose server the configuration calls `main`."""
    return f"main:{point.point_id}"


def wait_for_coverage(committed: Committed, plant: Plant, bridge: Bridge) -> None:
    """Waits until every point has previews and is covered from the configured start on, beyond where its first read began."""
    keys = {point_key(point) for point in plant.points()}
    reached = int(time.time()) * TICKS_PER_SECOND

    def all_covered() -> bool:
        ledger = committed.ledger()
        return (
            ledger.keys() == keys == committed.previewed_points()
            and all(held[0].begin <= committed.points[key]["start_time"] * 10 for key, held in ledger.items())
            and sum(held[-1].end > reached for held in ledger.values()) > len(keys) // 2
            and len(committed.previews_archived()) >= 10
        )

    wait_for(
        committed,
        all_covered,
        f"all {len(keys)} points covered from their start on, most of them beyond their first read, and previews among it",
        bridge,
    )


def covered_range(held: list[Held]) -> tuple[int, int]:
    """Begin and end of a point's coverage, which has no gap."""
    gaps = [(before.end, after.begin) for before, after in pairwise(held) if before.end != after.begin]
    assert not gaps, f"gaps in coverage: {gaps}"
    return held[0].begin, held[-1].end


def archived_in_scope(plant: Plant, committed: Committed) -> dict[str, Events]:
    """The events that the plant's archive has in each point's covered range."""
    points = {point_key(point): point for point in plant.points()}
    return {key: dict(numbered(plant.archive(points[key], *covered_range(held)))) for key, held in committed.ledger().items()}


def instant(value: Value) -> int:
    """When the event happened, in ticks."""
    return ticks_of(value.event_time) + value.ticks


def event_of(value: Value) -> Event:
    """The value as the plant's archive is compared with: bit by bit."""
    flags = (value.good, value.questionable, value.substituted, value.annotated)
    match value.value_type:
        case "DOUBLE":
            return Event("double", struct.pack(">d", value.value), None, flags)
        case "DIGITAL":
            return Event("digital", value.value, value.digital_code, flags)
        case "NONE":
            return Event("state", None, value.system_state, flags)
        case kind:
            return Event(kind.lower(), value.value, None, flags)
