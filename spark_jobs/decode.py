"""From Kafka records to rows: each value is read by the schema that its prefix names, and seen through our own current schema.

A batch is read from Kafka once: decoded with the schemas known so far, kept, and counted by topic and schema id. Only when the count shows
an id never seen is it decoded anew with that one; so a new schema version needs no restart, and the usual batch no extra pass.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any

import structlog
import xxhash
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

from schemas import topics, wire
from spark_jobs import evolution, tables
from spark_jobs.errors import Misconfigured
from spark_jobs.registry import Definition, Registry
from spark_jobs.sequences import Place

log = structlog.get_logger()

CONTENT_LIMIT = 64 << 10
"""So many bytes of an undecodable message are kept in its dead letter."""

_END = bytes(SystemRandom().sample(range(256), 8))
"""Set behind each body, and read as the field behind the record: only where the record ends exactly with the body is it found there.
`from_avro` alone takes a body that is too long for a good one. No byte of it comes twice, so a shifted one is never taken for it,
and it is drawn anew by each process, so that no message can hold it on purpose."""

_COORDINATES = ("kafka_key", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_time")


@dataclass(frozen=True)
class Tally:
    """Records that share topic, partition, schema id and fate in a batch."""

    topic: str
    schema_id: int | None
    """Null where the value has no header."""
    decoded: bool
    records: int
    samples: int
    statements: int
    partition: int = 0
    frames: list[tuple[int, int | None]] = field(default_factory=list)
    """On topics of frames: offset and sequence of each record, None where it could not be read."""


def frames_of(tallies: Iterable[Tally]) -> dict[Place, list[tuple[int, int | None]]]:
    """What came on each partition of the topics of frames."""
    found: dict[Place, list[tuple[int, int | None]]] = {}
    for entry in tallies:
        if entry.frames:
            found.setdefault((entry.topic, entry.partition), []).extend(entry.frames)
    return found


class Decoder:
    """Decodes the batches of one query."""

    def __init__(self, registry: Registry, source: str) -> None:
        """Raises Unavailable if the registry does not answer, Misconfigured if it knows no schema of frames, so that none can be read."""
        self._registry = registry
        self._records = tables.records_by_topic(source)
        self.definitions = {record: wire.raw_schema(record) for record in tables.RECORDS}
        """Our definition of each record, with what later versions say besides."""
        # Most likely these are in the first batch, which then needs no second look. Those that are not, are learnt.
        subjects = {topic.subject(source): topic.record for topic in topics.TOPICS if topic.name(source) in self._records}
        newest = {subject: registry.newest(subject) for subject in subjects}
        if emptied := sorted(subject for subject, found in newest.items() if found is None and subjects[subject] == "value_frame"):
            raise Misconfigured(
                f"the registry has no schema under {', '.join(emptied)}: if it had, bring back what it stored, since frames in Kafka "
                "name schemas by their ids; if it is new, run: pibridge schemas register"
            )
        self._known: dict[int, Definition] = {}
        self._learn(found for found in newest.values() if found is not None)

    def decode(self, batch: DataFrame) -> tuple[DataFrame, list[Tally]]:
        """The batch decoded, one column per record name of `wire.RECORDS`, and what is in it.

        The caller unpersists the frame. Raises Unavailable if a new schema id cannot be looked up.
        """
        # Ids once answered as unknown are asked again each batch: the registry decides how long that answer holds.
        self._learn([self._registry.definition(key) for key, value in self._known.items() if value.problem])
        while True:
            decoded = decoded_batch(batch, self._records, self._known, self.definitions).persist(StorageLevel.MEMORY_AND_DISK)
            tallies = tally(decoded, self._frame_topics())
            new = {entry.schema_id for entry in tallies if entry.schema_id is not None} - self._known.keys()
            if not new:
                self._forget({entry.schema_id for entry in tallies})
                return decoded, tallies
            decoded.unpersist()
            self._learn(self._registry.definition(schema_id) for schema_id in new if schema_id is not None)

    def decode_unkept(self, batch: DataFrame) -> tuple[DataFrame, int]:
        """A batch of any size, decoded anew whenever it is read, and how many records are in it.

        It costs a pass to learn its schemas. Raises Unavailable if one cannot be looked up.
        """
        found = {row[0]: row[1] for row in batch.groupBy(_schema_id()).count().collect()}
        self._learn(self._registry.definition(schema_id) for schema_id in found.keys() - self._known.keys() if schema_id is not None)
        return decoded_batch(batch, self._records, self._known, self.definitions), sum(found.values())

    def _learn(self, found: Iterable[Definition]) -> None:
        for definition in found:
            self._known[definition.schema_id] = definition
            record = next((name for name in tables.RECORDS if wire.RECORDS[name] == definition.record), None)
            if record is None:
                continue
            wider = evolution.merged(self.definitions[record], json.loads(definition.text))
            try:
                tables.bronze(self.definitions | {record: wider})
            except ValueError as error:
                log.error("later_fields_do_not_land", schema_id=definition.schema_id, problem=str(error))
            else:
                self.definitions[record] = wider

    def _frame_topics(self) -> list[str]:
        return sorted(topic for topic, record in self._records.items() if record == "value_frame")

    def _forget(self, seen: set[int | None]) -> None:
        """Unusable ids out of garbage must not pile up in every later plan."""
        self._known = {key: value for key, value in self._known.items() if value.problem is None or key in seen}

    def dead_letters(self, decoded: DataFrame, source: str) -> DataFrame:
        """The records of a decoded batch that could not be read, as rows of the dead-letter table."""
        return undecodable(decoded, source, self._records, self._known)


def decoded_batch(
    batch: DataFrame, records: Mapping[str, str], known: Mapping[int, Definition], definitions: Mapping[str, dict[str, Any]]
) -> DataFrame:
    """Kafka rows with their schema id and one nullable struct per record; only where `is_decoded` does it hold what was published."""
    # A task for each partition of Kafka costs more than its few records do.
    rows = batch.coalesce(batch.sparkSession.sparkContext.defaultParallelism).select(
        F.col("key").cast("string").alias("kafka_key"),
        F.col("topic").alias("kafka_topic"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("timestamp").alias("kafka_time"),
        "value",
        _schema_id().alias("schema_id"),
    )
    structs = [_struct(record, records, known.values(), definitions[record]).alias(record) for record in sorted(set(records.values()))]
    return rows.select(*_COORDINATES, "value", "schema_id", *structs)


def _schema_id() -> Column:
    has_header = (F.length("value") >= 5) & (F.substring("value", 1, 1) == F.lit(b"\0"))
    return F.when(has_header, F.conv(F.hex(F.substring("value", 2, 4)), 16, 10).cast("bigint"))


def _struct(record: str, records: Mapping[str, str], known: Iterable[Definition], definition: dict[str, Any]) -> Column:
    ours = _ended(definition)
    # PERMISSIVE gives a struct of nulls where a body does not fit.
    options = {"avroSchema": ours, "mode": "PERMISSIVE"}
    body = F.concat(F.expr("substring(value, 6)"), F.lit(_END))
    here = F.col("kafka_topic").isin(sorted(topic for topic, name in records.items() if name == record))
    column = F.when(F.lit(False), from_avro(body, ours, options))
    for one in known:
        if one.record == wire.RECORDS[record]:
            writer = _ended(json.loads(one.text))
            column = column.when(here & (F.col("schema_id") == one.schema_id), from_avro(body, writer, options))
    return column


def _ended(definition: dict[str, Any]) -> str:
    """A schema of the record and what we set behind it."""
    end = {"type": "fixed", "name": "LandedEnd", "size": len(_END)}
    return json.dumps(
        {"type": "record", "name": "Landed", "fields": [{"name": "record", "type": definition}, {"name": "end", "type": end}]}
    )


def is_decoded(record: str) -> Column:
    """Whether a row of a decoded batch holds this record, from its first byte to its last."""
    return F.coalesce(F.col(record).getField("end") == F.lit(_END), F.lit(False))


def record_of(record: str) -> Column:
    """The record in a row of a decoded batch."""
    return F.col(record).getField("record")


def _any_decoded() -> Column:
    found = F.lit(False)
    for record in sorted(tables.RECORDS):
        found = found | is_decoded(record)
    return found


def tally(decoded: DataFrame, frame_topics: list[str]) -> list[Tally]:
    """What is in a decoded batch; one pass, which also fills the cache."""
    series = F.when(is_decoded("value_frame"), record_of("value_frame").getField("series"))
    sequence = F.when(is_decoded("value_frame"), record_of("value_frame").getField("sequence"))
    none = F.lit(0).cast("bigint")
    samples = F.aggregate(series, none, lambda total, one: total + F.size(one["samples"]))
    statements = F.aggregate(series, none, lambda total, one: total + one["statement"].isNotNull().cast("bigint"))
    frame = F.when(F.col("kafka_topic").isin(frame_topics), F.struct(F.col("kafka_offset"), sequence))
    counted = decoded.groupBy("kafka_topic", "kafka_partition", "schema_id", _any_decoded().alias("decoded")).agg(
        F.count(F.lit(1)).alias("records"),
        F.coalesce(F.sum(samples), none).alias("samples"),
        F.coalesce(F.sum(statements), none).alias("statements"),
        F.collect_list(frame).alias("frames"),
    )
    return [_tally(row) for row in counted.collect()]


def _tally(row: Row) -> Tally:
    counts = row["records"], row["samples"], row["statements"]
    frames = [(offset, sequence) for offset, sequence in row["frames"]]
    return Tally(row["kafka_topic"], row["schema_id"], row["decoded"], *counts, row["kafka_partition"], frames)


def _content_hash(content: Column) -> Column:
    """XXH3-128, which no function of Spark computes."""

    # Defined in here, it is sent to the workers whole: they need xxhash, and none of our modules.
    def hexadecimal(value: bytes) -> str:
        return xxhash.xxh3_128_hexdigest(value)

    return F.udf(hexadecimal, "string", useArrow=False)(content)


def undecodable(decoded: DataFrame, source: str, records: Mapping[str, str], known: Mapping[int, Definition]) -> DataFrame:
    """Rows of `pi_dead_letters` for what could not be read, with reason, coordinates and the bytes themselves."""
    value, schema_id = F.col("value"), F.col("schema_id")
    size = F.length(value).cast("string")
    reason = F.when(value.isNull(), F.lit("a Kafka record without a value"))
    reason = reason.when(schema_id.isNull(), F.concat(size, F.lit(" bytes without the header of the Confluent wire format")))
    # Those that are alike together: garbage may have as many ids as messages, and with a branch for each the plan would grow as long.
    alike: dict[str, list[int]] = {}
    for definition in known.values():
        if definition.problem is not None:
            alike.setdefault(definition.problem.removeprefix(f"schema id {definition.schema_id}"), []).append(definition.schema_id)
    for problem, ids in alike.items():
        reason = reason.when(schema_id.isin(ids), F.concat(F.lit("schema id "), schema_id, F.lit(problem)))
    for definition in known.values():
        for topic, record in sorted(records.items()):
            if definition.record is not None and definition.record != wire.RECORDS[record]:
                wrong = f"schema id {definition.schema_id} is {definition.record}, and this topic holds {wire.RECORDS[record]}"
                reason = reason.when((schema_id == definition.schema_id) & (F.col("kafka_topic") == topic), F.lit(wrong))
    reason = reason.otherwise(
        F.concat(F.lit("body of "), (F.length(value) - 5).cast("string"), F.lit(" bytes does not fit schema id "), schema_id)
    )
    content = F.coalesce(value, F.lit(b""))
    cells: dict[str, Column] = {
        "source": F.lit(source),
        "stage": F.lit("LAND"),
        "reason": reason,
        "content": F.substring(content, 1, CONTENT_LIMIT),
        "content_bytes": F.length(content).cast("bigint"),
        "content_hash": _content_hash(content),
        "topic": F.col("kafka_topic"),
        "partition": F.col("kafka_partition"),
        "offset": F.col("kafka_offset"),
        "received_time": F.current_timestamp(),
    }
    chosen = [
        (F.col(column.name) if column.part == "kafka" else cells.get(column.name, F.lit(None).cast(column.kind.sql))).alias(column.name)
        for column in tables.DEAD_LETTERS.columns
    ]
    return decoded.where(~_any_decoded()).select(*chosen)
