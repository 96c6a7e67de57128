"""What a bridge publishes of a made-up plant, as frames and as records of a value; and what the rules find in it.

Ten thousand points in four shards, five thousand values a second, in frames of a hundred points. One frame in 25 holds a value that is
five hours old, and a point in each shard is never good. Times lie in the past: what waits in Kafka is judged as fast as it can be.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proofs.accuracy.clocks import point
from proofs.accuracy.plant import micros, sample
from schemas import wire
from schemas.processors import Processors
from schemas.records import Assessment, LateSamples, Point, Sample, Series, ValueFrame
from schemas.shards import shard_of
from stream_processors.assess import Shard

SHARDS, SERIES, POINTS_A_SHARD = 4, 100, 2500
SETTINGS: dict[str, Any] = {"period_seconds": 30, "quality": {"window_seconds": 120}, "monitoring": {"port": 0}}
"""Of the processors: periods and windows close often enough to be part of what is measured."""
_BEGIN = 1_767_225_590.0
"""Ten seconds before a period ends, so that few values show a whole one."""
STEP_SECONDS = SHARDS * SERIES / 5000
"""Between two frames of a shard."""
_FIVE_HOURS = 18_000.0
LATE_IN, _NEVER_GOOD = 25, 3
_SCHEMA = wire.schema("value_frame")
_ODD: list[dict[str, Any]] = [
    {"value_type": "LONG", "value_long": 4711},
    {"value_type": "DIGITAL", "digital_code": 2, "value_string": "Manual"},
    {"value_type": "STRING", "value_string": "batch 47110815: filling"},
]


def keys() -> list[list[str]]:
    """The points of each shard."""
    found: list[list[str]] = [[] for _ in range(SHARDS)]
    number = 0
    while any(len(own) < POINTS_A_SHARD for own in found):
        own = found[shard_of(f"main:{number}", SHARDS)]
        if len(own) < POINTS_A_SHARD:
            own.append(f"main:{number}")
        number += 1
    return found


def points(own: list[str]) -> list[Point]:
    """A shard's records of `points`: twenty interfaces."""
    return [point(key, f"OPC{number % 20}") for number, key in enumerate(own)]


def rules(source: str, shard: int, own: list[str], settings: Processors) -> Shard:
    """The rules of a shard that knows its points."""
    made = Shard(source, shard, settings)
    for one in points(own):
        made.point(one)
    return made


def frames(source: str, values: int, mixed: bool) -> Iterator[ValueFrame]:
    """So many values, in the order in which they are made; of `mixed`, 13 of a hundred points are no floating-point numbers."""
    own = keys()
    for n in range(values // SERIES):
        shard, sequence = n % SHARDS, n // SHARDS
        at = _BEGIN + sequence * STEP_SECONDS
        yield {
            "source": source, "shard": shard, "epoch": 1, "sequence": sequence, "clock": (1 << 40) + sequence, "origin": "LIVE",
            "via": "CHANNEL", "received_time": micros(at), "server_time": micros(at), "cause": None,
            "series": [*_series(own[shard], sequence, at, mixed)],
        }  # fmt: skip


def _series(own: list[str], sequence: int, at: float, mixed: bool) -> Iterator[Series]:
    first = sequence * SERIES
    for offset in range(SERIES):
        place = (first + offset) % len(own)
        late = sequence % LATE_IN == LATE_IN - 1 and offset == sequence // LATE_IN % SERIES
        value = sample(micros(at - (_FIVE_HOURS if late else 0.2)), float((sequence * 7 + offset) % 1013), good=place != _NEVER_GOOD)
        if mixed and place % 100 >= 87:
            value |= {**_ODD[place % len(_ODD)], "value_double": None}  # type: ignore[typeddict-item]
        yield {"point_key": own[place], "tag": own[place][5:], "uom": "degC", "statement": None, "samples": [value]}


@dataclass
class Expected:
    """What the rules find, frame by frame, without anything between."""

    late: list[LateSamples] = field(default_factory=list)
    said: list[Assessment] = field(default_factory=list)


def expected(values: int, mixed: bool) -> Expected:
    """Of as many values, by dictionaries, so that the decoder of columns is judged too."""
    settings, found = Processors.model_validate({**SETTINGS}), Expected()
    shards = [rules("expected", number, own, settings) for number, own in enumerate(keys())]
    for frame in frames("expected", values, mixed):
        assessed = shards[frame["shard"]].frame("live", frame, frame["received_time"])
        found.late += assessed.late
        found.said += assessed.assessments
    return found


def encoded(schema_id: int, frame: ValueFrame) -> bytes:
    """A message of `live`."""
    return wire.encode(schema_id, _SCHEMA, dict(frame))


# -- one record a value

FLAT: dict[str, Any] = {
    "type": "record", "name": "PIValue",
    "fields": [
        {"name": "point_key", "type": "string"},
        {"name": "tag", "type": "string"},
        {"name": "uom", "type": ["null", "string"]},
        {"name": "event_time", "type": "long"},
        {"name": "received_time", "type": "long"},
        {"name": "server_time", "type": "long"},
        {"name": "value", "type": ["null", "double", "long", "string"]},
        {"name": "digital_code", "type": ["null", "int"]},
        {"name": "good", "type": "boolean"},
    ],
}  # fmt: skip


def flat(frame: ValueFrame) -> Iterator[dict[str, Any]]:
    """The values of a frame as records; times are whole microseconds."""
    for series in frame["series"]:
        for one in series["samples"]:
            value: Any = one["value_double"]
            for other in (one["value_long"], one["value_string"]):
                value = other if value is None else value
            yield {
                "point_key": series["point_key"], "tag": series["tag"], "uom": series["uom"], "event_time": one["event_time"],
                "received_time": frame["received_time"], "server_time": frame["server_time"], "value": value,
                "digital_code": one["digital_code"], "good": one["good"],
            }  # fmt: skip


def of_one(record: dict[str, Any], shard: int, sequence: int) -> ValueFrame:
    """A frame of one such record, for the rules."""
    value, code = record["value"], record["digital_code"]
    fields: dict[str, Any] = {"good": record["good"], "value_double": None}
    if code is not None:
        fields |= {"value_type": "DIGITAL", "digital_code": code, "value_string": value}
    elif isinstance(value, float):
        fields["value_double"] = value
    elif isinstance(value, int):
        fields |= {"value_type": "LONG", "value_long": value}
    else:
        fields |= {"value_type": "STRING", "value_string": value}
    samples: list[Sample] = [sample(record["event_time"], 0.0, **fields)]
    return {
        "source": "flat", "shard": shard, "epoch": 1, "sequence": sequence, "clock": sequence, "origin": "LIVE", "via": "CHANNEL",
        "received_time": record["received_time"], "server_time": record["server_time"], "cause": None,
        "series": [{"point_key": record["point_key"], "tag": record["tag"], "uom": record["uom"], "statement": None, "samples": samples}],
    }  # fmt: skip
