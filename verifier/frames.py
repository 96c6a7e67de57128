"""Records of Kafka as the verifier needs them, out of what the Avro decoder gave (times as plain integers). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from verifier.events import Event, of_sample, stray_columns

VALUE_DATASETS = ("live", "recorded", "history")
CLOCK_BITS = 40

Place = tuple[str, int, int]
"""Dataset, partition and offset of a record."""


class Statement(NamedTuple):
    """What an archive read states; times in ticks."""

    kind: str
    begin: int
    end: int
    as_of: int
    as_of_clock: int
    size: int
    """Number of events, as stated."""
    digest: int


class Series(NamedTuple):
    """Values of one point in a frame."""

    point_key: str
    uom: str | None
    statement: Statement | None
    events: list[Event]
    stray: str | None
    """A sample that has values in columns that its type does not call for."""


class Frame(NamedTuple):
    """A frame and where it was found."""

    dataset: str
    partition: int
    offset: int
    shard: int
    epoch: int
    sequence: int
    clock: int
    origin: str
    via: str
    series: list[Series]

    @property
    def place(self) -> Place:
        return self.dataset, self.partition, self.offset

    @property
    def text(self) -> str:
        return f"{self.dataset}/{self.partition} offset {self.offset}"


class Incident(NamedTuple):
    """A version of an incident; times in ticks."""

    incident_id: str
    kind: str
    state: str
    shard: int | None
    begin: int
    end: int | None
    points: int
    point_keys: tuple[str, ...]


@dataclass
class Records:
    """What Kafka holds of a source."""

    partitions: int = 0
    """Shards: the partitions of `recorded`."""
    frames: list[Frame] = field(default_factory=list)
    """Committed ones; by topic and partition in order of offset."""
    begins: dict[tuple[str, int], int] = field(default_factory=dict)
    """First offset that is still there, by dataset and partition."""
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    """Offset to which committed records were read."""
    aborted: dict[Place, str] = field(default_factory=dict)
    """Records that only a reader of uncommitted ones sees, and what they are."""
    incidents: list[Incident] = field(default_factory=list)
    """Every committed version, in order."""
    covered: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Range that progress calls covered, by point key."""
    away: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Ranges in it whose archive was not there, by point key: progress says that nothing may be stated of them yet."""
    next_sequences: dict[tuple[str, int], int] = field(default_factory=dict)
    """Sequence that progress gives to the next frame, by dataset and shard."""
    unreadable: list[str] = field(default_factory=list)
    """Committed records that cannot be decoded, each in a sentence."""


def frame_of(record: Mapping[str, Any], dataset: str, partition: int, offset: int) -> Frame:
    """A decoded ValueFrame."""
    return Frame(
        dataset,
        partition,
        offset,
        record["shard"],
        record["epoch"],
        record["sequence"],
        record["clock"],
        record["origin"],
        record["via"],
        [_series(series) for series in record["series"]],
    )


def _series(record: Mapping[str, Any]) -> Series:
    stray = None
    for sample in record["samples"]:
        if names := stray_columns(sample):
            stray = f"a {sample['value_type']} with {', '.join(names)}"
            break
    statement = None if record["statement"] is None else statement_of(record["statement"])
    return Series(record["point_key"], record["uom"], statement, [of_sample(sample) for sample in record["samples"]], stray)


def statement_of(record: Mapping[str, Any]) -> Statement:
    """A statement, out of a frame or of a row of the coverage ledger."""
    return Statement(
        record["kind"],
        record["from_time"] * 10 + record["from_ticks"],
        record["to_time"] * 10 + record["to_ticks"],
        record["as_of"] * 10,
        record["as_of_clock"],
        record["count"],
        record["digest"],
    )


def incident_of(record: Mapping[str, Any]) -> Incident:
    """A decoded Incident."""
    end = record["to_time"]
    return Incident(
        record["incident_id"],
        record["kind"],
        record["state"],
        record["shard"],
        record["from_time"] * 10,
        None if end is None else end * 10,
        record["points"],
        tuple(record["point_keys"]),
    )


def take_progress(records: Records, key: str, record: Mapping[str, Any] | None) -> None:
    """Takes a progress record; the last one under a key holds. None is a tombstone."""
    if record is None:
        records.covered.pop(key, None)
        records.away.pop(key, None)
    elif (point := record["point"]) is not None:
        records.covered[key] = (point["low"], point["high"])
        records.away[key] = [(away["begin"], away["end"]) for away in point.get("away", ())]
    elif (shard := record["shard"]) is not None:
        for dataset, sequence in shard["sequences"].items():
            records.next_sequences[dataset, shard["shard"]] = sequence
