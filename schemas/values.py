"""Flat values out of frames, for Python consumers."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, cast

from fastavro.types import Schema

from schemas import wire
from schemas.records import Origin, Sample, Series, Statement, ValueFrame, ValueType, Via
from schemas.times import datetime_of


class Value(NamedTuple):
    """One value of one point, with the frame and the statement it came in."""

    source: str
    point_key: str
    tag: str
    uom: str | None
    event_time: datetime
    """UTC, whole microseconds."""
    ticks: int
    """The 100 ns left over, 0 to 9."""
    ordinal: int
    value: float | int | str | bytes | datetime | None
    """The value itself; the state's name for DIGITAL; None for a system state."""
    value_type: ValueType
    digital_code: int | None
    system_state: int | None
    good: bool
    questionable: bool
    substituted: bool
    annotated: bool
    origin: Origin
    via: Via
    statement: Statement | None
    """What the archive read stated; None for a preview."""
    shard: int
    epoch: int
    sequence: int
    clock: int


def read_frame(message: bytes, writer_of: Callable[[int], Schema]) -> ValueFrame:
    """The frame in a Kafka message, times as microseconds; `writer_of` answers the parsed schema of an id. Raises WireError."""
    schema_id, body = wire.split(message)
    return cast(ValueFrame, wire.decode(body, writer_of(schema_id), wire.schema("value_frame")))


def read_values(messages: Iterable[bytes], schema_of: Callable[[int], dict[str, Any]]) -> Iterator[Value]:
    """Flat values of Kafka messages of `live`, `recorded` or `history`, in the order of the messages.

    `schema_of` answers the Avro definition for a schema id, such as a registry's look-up; each id is asked once.
    Raises WireError at the first message that is no frame: a caller that wants to go on catches it and sets that message aside.
    An empty statement yields nothing; who needs statements reads frames.
    """
    writer_of = cache(lambda schema_id: wire.parse(schema_of(schema_id)))
    for message in messages:
        frame = read_frame(message, writer_of)
        for series in frame["series"]:
            for sample in series["samples"]:
                yield _value(frame, series, sample)


def _value(frame: ValueFrame, series: Series, sample: Sample) -> Value:
    return Value(
        frame["source"],
        series["point_key"],
        series["tag"],
        series["uom"],
        datetime_of(sample["event_time"]),
        sample["ticks"],
        sample["ordinal"],
        _plain(sample),
        sample["value_type"],
        sample["digital_code"],
        sample["system_state"],
        sample["good"],
        sample["questionable"],
        sample["substituted"],
        sample["annotated"],
        frame["origin"],
        frame["via"],
        series["statement"],
        frame["shard"],
        frame["epoch"],
        frame["sequence"],
        frame["clock"],
    )


def _plain(sample: Sample) -> float | int | str | bytes | datetime | None:
    match sample["value_type"]:
        case "DOUBLE":
            return sample["value_double"]
        case "LONG":
            return sample["value_long"]
        case "STRING" | "DIGITAL":
            return sample["value_string"]
        case "BYTES":
            return sample["value_bytes"]
        case "TIMESTAMP":
            return None if sample["value_long"] is None else datetime_of(sample["value_long"])
        case _:
            return None
