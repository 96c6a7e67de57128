"""What a table is, and the bronze tables: names, paths, columns and comments, all derived from `schemas/avro/*.avsc`.

Only Kafka's coordinates are described here. A field added to an Avro file becomes a column of its group without a change. The tables that
are made from these are in `refined.py`. Pure: no Spark.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from schemas import topics, wire

LAYER = "bronze"
"""The layer that this job writes, and the schema of its tables."""
LAYERS = {
    "bronze": "As landed from Kafka",
    "silver": "PI's archive as it holds, resolved from bronze",
    "gold": "Aggregates over silver",
}
"""Schemas of the catalog, with their comments."""

Part = Literal["frame", "series", "statement", "sample", "record", "kafka", "refined"]
"""Where a column's value comes from: a level of the frame, the whole record of the other topics, Kafka, or other columns."""


@dataclass(frozen=True)
class Kind:
    """A column's type in the three spellings it is needed in."""

    sql: str
    json: Any = field(hash=False)
    """Spark's JSON form."""
    catalog: str
    """Unity Catalog's type_name."""


STRING = Kind("string", "string", "STRING")
INT = Kind("int", "integer", "INT")
LONG = Kind("bigint", "long", "LONG")
DOUBLE = Kind("double", "double", "DOUBLE")
BOOLEAN = Kind("boolean", "boolean", "BOOLEAN")
BINARY = Kind("binary", "binary", "BINARY")
TIMESTAMP = Kind("timestamp", "timestamp", "TIMESTAMP")

_PRIMITIVES = {"string": STRING, "enum": STRING, "int": INT, "long": LONG, "double": DOUBLE, "boolean": BOOLEAN, "bytes": BINARY}


@dataclass(frozen=True)
class Column:
    """A column: nullable always, so that a later optional field needs no rewrite."""

    name: str
    kind: Kind
    comment: str
    part: Part


@dataclass(frozen=True)
class Table:
    name: str
    comment: str
    record: str
    """Avro file, without ending, that its columns come from; empty if they are defined here."""
    columns: tuple[Column, ...]
    cluster_by: tuple[str, ...]
    skipping: tuple[str, ...]
    """Columns with minimum and maximum per file: those people filter by. The rest would only cost time at each commit."""
    layer: str = LAYER
    """bronze, silver or gold: the schema in the catalog, and the directory."""
    overwritten: bool = False
    """Who writes it puts new rows in place of all, or of a whole range: what was there before has no reader for long."""

    def path(self, warehouse: str) -> str:
        """Where the table lies under a warehouse root."""
        return f"{warehouse.rstrip('/')}/{self.layer}/{self.name}"

    def all_properties(self, source: str) -> dict[str, str]:
        """Delta's settings of the table, and what it was made from."""
        settings = {
            "delta.enableDeletionVectors": "false",  # delta-rs' pyarrow readers refuse tables with them
            "delta.dataSkippingStatsColumns": ",".join(self.skipping),
            "delta.checkpointInterval": "50",  # of commits: Delta's 10 would be a second's work every few seconds
            "pibridge.source": source,
        }
        if self.overwritten:
            settings |= {"delta.deletedFileRetentionDuration": "interval 1 day", "delta.logRetentionDuration": "interval 2 days"}
        if not self.record:
            return settings
        return settings | {"pibridge.schema": self.record, "pibridge.schema_fingerprint": fingerprint(self.record)}


def fingerprint(record: str) -> str:
    """Short hash of an Avro file's meaning: equal if the definitions are, whatever their layout."""
    canonical = json.dumps(wire.raw_schema(record), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def kind_of(avro: Any) -> Kind:
    """The column type of an Avro type; raises ValueError for one that has none."""
    if isinstance(avro, list):
        rest = [branch for branch in avro if branch != "null"]
        if len(rest) == 1:
            return kind_of(rest[0])
        raise ValueError(f"a union of several types has no column type: {avro!r}")
    if isinstance(avro, dict):
        if avro.get("logicalType") == "timestamp-micros":
            return TIMESTAMP
        if avro["type"] == "array":
            item = kind_of(avro["items"])
            array = {"type": "array", "elementType": item.json, "containsNull": True}
            return Kind(f"array<{item.sql}>", array, "ARRAY")
        return kind_of(avro["type"])
    if avro not in _PRIMITIVES:
        raise ValueError(f"no column type for the Avro type {avro!r}")
    return _PRIMITIVES[avro]


def _fields(definition: dict[str, Any], part: Part, without: tuple[str, ...] = ()) -> dict[str, Column]:
    return {
        entry["name"]: Column(entry["name"], kind_of(entry["type"]), entry["doc"], part)
        for entry in definition["fields"]
        if entry["name"] not in without
    }


def _inner(definition: dict[str, Any], name: str) -> dict[str, Any]:
    """The record inside a field: an array's items, or the branch of a union that is not null."""
    avro = next(entry["type"] for entry in definition["fields"] if entry["name"] == name)
    if isinstance(avro, list):
        avro = next(branch for branch in avro if branch != "null")
    inner: dict[str, Any] = avro["items"] if avro["type"] == "array" else avro
    return inner


def _ordered(columns: dict[str, Column], first: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns named come first; those of later schema versions follow."""
    return tuple(columns[name] for name in first) + tuple(column for name, column in columns.items() if name not in first)


KAFKA_KEY = Column("kafka_key", STRING, "Key of the Kafka record, as UTF-8 text; null if it had none.", "kafka")
KAFKA = (
    Column("kafka_topic", STRING, "Topic of the Kafka record that this row came from.", "kafka"),
    Column("kafka_partition", INT, "Partition of that record.", "kafka"),
    Column("kafka_offset", LONG, "Offset of that record: with topic and partition it names the record for good.", "kafka"),
    Column(
        "kafka_time",
        TIMESTAMP,
        "Kafka's timestamp of that record, UTC, milliseconds: when it was published, not when the event was.",
        "kafka",
    ),
)
SERIES_INDEX = Column(
    "series_index",
    INT,
    "Position of the series in its frame, from 0: with the Kafka coordinates it joins samples to their statement.",
    "kafka",
)
SAMPLE_INDEX = Column(
    "sample_index", INT, "Position of the sample in its series, from 0: with the columns before it the identity of a bronze row.", "kafka"
)


def _timeseries(frame: dict[str, Any]) -> Table:
    """Every sample, with what its series and frame say, and where it came from."""
    series = _inner(frame, "series")
    of_frame = _fields(frame, "frame", without=("series",))
    head = (of_frame.pop("source"), *_ordered(_fields(series, "series", without=("statement", "samples")), ("point_key", "tag", "uom")))
    tail = _ordered(of_frame, ("origin", "via", "cause", "received_time", "server_time", "shard", "epoch", "sequence", "clock"))
    return Table(
        "pi_timeseries",
        "Every value that the bridge published, previews and archive reads alike, one row a sample, append only. "
        "Which of them hold is decided by the statements in pi_coverage.",
        "value_frame",
        (*head, *_fields(_inner(series, "samples"), "sample").values(), *tail, *KAFKA, SERIES_INDEX, SAMPLE_INDEX),
        ("point_key", "event_time"),
        ("point_key", "event_time", "origin", "received_time", "clock", "kafka_topic", "kafka_partition", "kafka_offset"),
    )


def _coverage(frame: dict[str, Any]) -> Table:
    """Every statement, with what its series and frame say, and where it came from."""
    series = _inner(frame, "series")
    of_frame = _fields(frame, "frame", without=("series", "origin"))
    head = (of_frame.pop("source"), *_ordered(_fields(series, "series", without=("statement", "samples", "uom")), ("point_key", "tag")))
    tail = _ordered(of_frame, ("cause", "via", "received_time", "server_time", "shard", "epoch", "sequence", "clock"))
    skipping = ("point_key", "from_time", "to_time", "as_of", "as_of_clock", "received_time", "clock")
    return Table(
        "pi_coverage",
        "The coverage ledger: one row a statement. In [from, to) the archive held exactly the samples of pi_timeseries with the same Kafka "
        "coordinates and series_index, as of as_of; none of them is a statement too.",
        "value_frame",
        (*head, *_fields(_inner(series, "statement"), "statement").values(), *tail, *KAFKA, SERIES_INDEX),
        ("point_key", "from_time"),
        (*skipping, "kafka_topic", "kafka_partition", "kafka_offset"),
    )


def _plain(name: str, comment: str, record: str, definition: dict[str, Any], cluster_by: tuple[str, ...]) -> Table:
    columns = (*_fields(definition, "record").values(), KAFKA_KEY, *KAFKA)
    return Table(
        name, comment, record, columns, cluster_by, tuple(dict.fromkeys((*cluster_by, "kafka_topic", "kafka_partition", "kafka_offset")))
    )


def bronze(definitions: Mapping[str, dict[str, Any]]) -> tuple[Table, ...]:
    """The bronze tables for definitions of the records, each by its Avro file's name; a later version's fields become columns."""
    return (
        _timeseries(definitions["value_frame"]),
        _coverage(definitions["value_frame"]),
        _plain(
            "pi_points",
            "Every version of every point's metadata that the inventory published; the greatest kafka_offset of a point holds.",
            "point",
            definitions["point"],
            ("point_key",),
        ),
        _plain(
            "pi_incidents",
            "Every version of every incident; the greatest kafka_offset of an incident holds.",
            "incident",
            definitions["incident"],
            ("incident_id",),
        ),
        _plain(
            "pi_dead_letters",
            "Bytes that could not be used, with reason and coordinates; stage LAND are messages that this job could not decode.",
            "dead_letter",
            definitions["dead_letter"],
            ("received_time",),
        ),
        _plain(
            "pi_late_events",
            "Samples that came later than their point's threshold allows, or from the future, by point and frame; at least once.",
            "late",
            definitions["late"],
            ("point_key", "first_event_time"),
        ),
        _plain(
            "pi_clock_skew",
            "Every version of what is known of the clocks; the greatest kafka_offset of a clock group holds.",
            "skew",
            definitions["skew"],
            ("clock_group",),
        ),
        _plain(
            "pi_quality_checks",
            "Every change in what the quality checks say of points and sources; at least once.",
            "quality",
            definitions["quality"],
            ("quality_check", "scope"),
        ),
    )


def widened(known: Table, wider: Table) -> Table:
    """The table with the columns that a wider definition has besides: last, as Delta adds them."""
    names = {column.name for column in known.columns}
    return replace(known, columns=known.columns + tuple(column for column in wider.columns if column.name not in names))


RECORDS = ("value_frame", "point", "incident", "dead_letter", "late", "skew", "quality")
"""Avro files of the records that land."""
TABLES = bronze({record: wire.raw_schema(record) for record in RECORDS})
TIMESERIES, COVERAGE, *PLAIN = TABLES
POINTS, INCIDENTS, DEAD_LETTERS, LATE_EVENTS, CLOCK_SKEW, QUALITY_CHECKS = PLAIN
"""Tables with one row a record."""


def records_by_topic(source: str) -> dict[str, str]:
    """The topics that have a table, and the Avro file of their values."""
    return {topic.name(source): topic.record for topic in topics.TOPICS if topic.record in RECORDS}
