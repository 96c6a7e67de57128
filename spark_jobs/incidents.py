"""Incidents that the landing opens: holes in sequences, which a person has to accept, and records that Kafka dropped, which are read again.

They go to the topic `incidents` like those of the bridge, under ids that are the same whenever the same thing is met again, so that telling
of it twice is harmless. A hole counts as accepted when the newest version of its incident has an `accepted_time`; nothing else is asked.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from pyspark.sql import Row
from pyspark.sql import functions as F

from schemas import topics, wire
from schemas.config import Config
from schemas.oddities import Oddity
from schemas.records import MAX_NAMES, Command, Incident, IncidentKind
from schemas.times import micros_of
from spark_jobs import kafka, tables
from spark_jobs.brokers import Brokers
from spark_jobs.destination import Destination
from spark_jobs.landed import Offsets
from spark_jobs.registry import Registry
from spark_jobs.sequences import Place

_HOUR_MICROS = 3_600_000_000
_READ_AGAIN = (topics.RECORDED.dataset, topics.HISTORY.dataset)
"""Datasets whose loss leaves out statements. Previews promise nothing; points, incidents and dead letters have no archive."""


@dataclass(frozen=True)
class Loss:
    """Offsets of a partition that were to be landed next, and that Kafka has no more."""

    topic: str
    partition: int
    from_offset: int
    to_offset: int
    """Exclusive: the first that is still there."""

    @property
    def incident_id(self) -> str:
        """The same as long as landing stands still."""
        return f"lost-{self.topic}-{self.partition}-{self.from_offset}"

    @property
    def text(self) -> str:
        """What is lost, in a sentence."""
        last = self.to_offset - 1
        return f"Kafka dropped offsets {self.from_offset} to {last} of {self.topic} partition {self.partition} before they were landed"


def losses(starts: Offsets, earliest: dict[Place, int]) -> list[Loss]:
    """What lies between where landing is to go on and what Kafka still has."""
    return [
        Loss(topic, int(partition), offset, earliest[topic, int(partition)])
        for topic, partitions in sorted(starts.items())
        for partition, offset in sorted(partitions.items(), key=lambda item: int(item[0]))
        if offset < earliest.get((topic, int(partition)), 0)
    ]


class Incidents:
    """Publishes incidents and commands of the landing, and looks up what was accepted."""

    def __init__(self, brokers: Brokers, registry: Registry, destination: Destination, config: Config, now: Callable[[], datetime]) -> None:
        self._brokers, self._registry, self._destination, self._config, self._now = brokers, registry, destination, config, now
        self._source = config.source

    def open_oddities(self, oddities: Iterable[Oddity]) -> None:
        """Tell of frames that are missing or came twice."""
        for oddity in oddities:
            self._publish(oddity.incident(self._source, micros_of(self._now())))

    def accepted(self, ids: Iterable[str]) -> set[str]:
        """Those of the incidents that a person accepted."""
        wanted = sorted(set(ids))
        topic = topics.INCIDENTS.name(self._source)
        options = kafka.source_options(self._config.kafka) | {"subscribe": topic}
        records = self._destination.spark.read.format("kafka").options(**options).load()
        mine = records.where(F.col("key").cast("string").isin(wanted)).orderBy("offset").select(F.col("key").cast("string"), "value")
        newest = {str(row[0]): self._decoded(row) for row in mine.collect()}
        return {key for key, incident in newest.items() if incident is not None and incident["accepted_time"] is not None}

    def read_again(self, lost: Sequence[Loss]) -> list[str]:
        """Tell of records that Kafka dropped, and have the bridge read again what statements among them said; ids of the jobs."""
        jobs = []
        for topic in sorted({loss.topic for loss in lost}):
            concerned = [loss for loss in lost if loss.topic == topic]
            places = [(loss.partition, loss.from_offset) for loss in concerned]
            command = self._rescan("lost", topic, places, [loss.text for loss in concerned])
            for loss in concerned:
                self._publish(self._of_loss(loss, command))
            jobs += self._commanded(command)
        return jobs

    def read_accepted(self, oddities: Sequence[Oddity]) -> list[str]:
        """Have the bridge read again what statements in holes may have said, now that they were accepted; ids of the jobs."""
        jobs = []
        for topic in sorted({oddity.topic for oddity in oddities}):
            holes = [oddity for oddity in oddities if oddity.topic == topic and oddity.kind == "SEQUENCE_HOLE"]
            if holes:  # known by the missing sequences, which are 0 at a partition's beginning as offsets are
                places = [(hole.partition, hole.expected) for hole in holes]
                jobs += self._commanded(self._rescan("hole", topic, places, [hole.text for hole in holes]))
        return jobs

    def _commanded(self, command: Command | None) -> list[str]:
        """Publish a command, if there is one; its id."""
        if command is None:
            return []
        value = self._encoded(topics.COMMANDS, cast(dict[str, Any], command))
        self._brokers.publish(topics.COMMANDS.name(self._source), command["job_id"], value)
        return [command["job_id"]]

    # -- records ----------------------------------------------------------------------------------------------------------------------

    def _rescan(self, why: str, topic: str, places: Sequence[tuple[int, int]], texts: Sequence[str]) -> Command | None:
        """All covered hours that missing statements may have been about; None of a topic without statements.

        `places` are partitions, and where in each the loss begins: at 0, all of it is lost. `recorded` speaks of the newest hours and of
        those that are read once more at an age; `history` of anything since the points' start, as do all records of a partition from its
        beginning.
        """
        dataset = topic.removeprefix(f"pi.{self._source}.")
        if dataset not in _READ_AGAIN:
            return None
        partitions = sorted({partition for partition, _ in places})
        points, start = self._points(partitions)
        landed = self._landed_until(topic, partitions)
        if dataset == topics.HISTORY.dataset or landed is None or any(begin == 0 for _, begin in places):
            begin = start
        else:
            oldest = max(self._config.coverage.reread_ages_seconds, default=0)
            begin = max(0, landed - round(oldest * 1_000_000) - _HOUR_MICROS)
        what = json.dumps(places)
        now = micros_of(self._now())
        return {
            "source": self._source,
            "job_id": f"rescan-{why}-{dataset}-{hashlib.sha256(what.encode()).hexdigest()[:12]}",
            "kind": "RESCAN",
            "points": points,
            "filters": [],
            "from_time": begin,
            "to_time": now,
            "reason": "; ".join(texts)[:1000],
            "given_time": now,
        }

    def _points(self, partitions: list[int]) -> tuple[list[str], int]:
        """Keys of the points of some shards, none if there are more than a command may name; and where the oldest of all begins."""
        known = self._destination.spark.table(self._destination.sql_name(tables.POINTS)).where(F.col("kafka_partition").isin(partitions))
        keys = [str(row[0]) for row in known.select("point_key").distinct().limit(MAX_NAMES + 1).collect()]
        (oldest,) = known.agg(F.unix_micros(F.min("start_time"))).collect()[0]
        return (sorted(keys) if len(keys) <= MAX_NAMES else []), max(0, oldest or 0)

    def _landed_until(self, topic: str, partitions: list[int]) -> int | None:
        """When the last statement was published that every one of the partitions has in the ledger; None if one has none."""
        ledger = self._destination.spark.table(self._destination.sql_name(tables.COVERAGE)).where(F.col("kafka_topic") == topic)
        newest = ledger.groupBy("kafka_partition").agg(F.unix_micros(F.max("kafka_time"))).collect()
        by_partition = {int(row[0]): int(row[1]) for row in newest}
        return min((by_partition[p] for p in partitions), default=None) if by_partition.keys() >= set(partitions) else None

    def _of_loss(self, loss: Loss, command: Command | None) -> Incident:
        begin = micros_of(self._now()) if command is None else cast(int, command["from_time"])
        told = "no statements are among them" if command is None else f"job {command['job_id']} reads again what they may have stated"
        incident = self._incident(
            loss.incident_id,
            "RECORDS_LOST",
            f"{loss.text}; {told}",
            begin,
            shard=loss.partition,
            topic=loss.topic,
            partition=loss.partition,
            from_offset=loss.from_offset,
            to_offset=loss.to_offset,
            job_id=None if command is None else command["job_id"],
        )
        if loss.topic == topics.LIVE.name(self._source):  # previews promise nothing, so nobody has to do anything about them
            incident["state"], incident["closed_time"], incident["to_time"] = "CLOSED", incident["opened_time"], incident["opened_time"]
        return incident

    def _incident(self, incident_id: str, kind: IncidentKind, detail: str, begin: int, **places: Any) -> Incident:
        plain: dict[str, Any] = {field["name"]: None for field in wire.raw_schema("incident")["fields"]}
        said = {
            "source": self._source,
            "incident_id": incident_id,
            "kind": kind,
            "state": "OPENED",
            "opened_time": micros_of(self._now()),
            "from_time": begin,
            "points": 0,
            "point_keys": [],
            "detail": detail,
        }
        return cast(Incident, plain | said | places)

    def _publish(self, incident: Incident) -> None:
        value = self._encoded(topics.INCIDENTS, cast(dict[str, Any], incident))
        self._brokers.publish(topics.INCIDENTS.name(self._source), incident["incident_id"], value)

    def _encoded(self, topic: topics.Topic, record: dict[str, Any]) -> bytes:
        schema_id = self._registry.id_of(topic.subject(self._source), wire.schema_text(topic.record))
        return wire.encode(schema_id, wire.schema(topic.record), record)

    def _decoded(self, row: Row) -> dict[str, Any] | None:
        try:
            schema_id, body = wire.split(bytes(row[1] or b""))
            definition = self._registry.definition(schema_id)
            return None if definition.problem else wire.decode(body, wire.parse(json.loads(definition.text)), wire.schema("incident"))
        except wire.WireError:
            return None
