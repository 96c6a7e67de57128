"""Frames and samples to test with."""

from schemas import wire
from schemas.records import Sample, Series, Statement, ValueFrame

NINE = 1_704_099_600_000_000
"""2024-01-01T09:00:00Z, microseconds since 1970."""


def sample(event_time: int = NINE, **fields: object) -> Sample:
    """A sample without a value, good, with the fields given."""
    plain: Sample = {
        "event_time": event_time,
        "ticks": 0,
        "ordinal": 0,
        "value_type": "NONE",
        "value_double": None,
        "value_long": None,
        "value_string": None,
        "value_bytes": None,
        "digital_code": None,
        "system_state": None,
        "system_state_name": None,
        "good": True,
        "questionable": False,
        "substituted": False,
        "annotated": False,
    }
    assert fields.keys() <= plain.keys()
    plain.update(fields)  # type: ignore[typeddict-item]
    return plain


def statement(**fields: object) -> Statement:
    """A statement about an hour without events."""
    plain: Statement = {
        "kind": "STATED",
        "from_time": NINE,
        "from_ticks": 0,
        "to_time": NINE + 3_600_000_000,
        "to_ticks": 0,
        "as_of": NINE + 7_200_000_000,
        "as_of_clock": 1 << 40,
        "count": 0,
        "digest": 0,
    }
    assert fields.keys() <= plain.keys()
    plain.update(fields)  # type: ignore[typeddict-item]
    return plain


def frame(*samples: Sample, stated: Statement | None = None) -> ValueFrame:
    """A frame of one point: previews, or a statement."""
    series: Series = {"point_key": "main:1", "tag": "TI-101", "uom": "°C", "statement": stated, "samples": list(samples)}
    return {
        "source": "plant1",
        "shard": 3,
        "epoch": 1,
        "sequence": 0,
        "clock": (1 << 40) + 1,
        "origin": "LIVE" if stated is None else "RECORDED",
        "via": "CHANNEL" if stated is None else "READ",
        "received_time": NINE + 1,
        "server_time": None,
        "cause": None,
        "series": [series],
    }


def message(of: ValueFrame, schema_id: int = 7) -> bytes:
    """The frame in wire format."""
    return wire.encode(schema_id, wire.schema("value_frame"), dict(of))
