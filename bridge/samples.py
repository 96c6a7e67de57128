"""Samples as the bridge carries them: an instant, a number, and a shape that most of them share. Pure.

Nearly all samples differ from one another in their time and one number only. Everything else, the shape, is made once and kept, with what
follows from it: how many bytes it takes, and where its hash begins. So a value costs one small object on its way into a frame.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from schemas import digest, records
from schemas.records import ValueType

_PLAIN_BYTES = 64
"""A sample takes at most so many in a frame, without its texts and bytes."""
_SHAPES_KEPT = 4096
NUMBER_COLUMN = {"DOUBLE": "value_double", "LONG": "value_long", "TIMESTAMP": "value_long"}
"""The column that a sample's number stands in, by value type; the other types have none."""


class Flags(msgspec.Struct, frozen=True):
    """PI's flags, verbatim."""

    good: bool = True
    questionable: bool = False
    substituted: bool = False
    annotated: bool = False


class Shape(msgspec.Struct, frozen=True, eq=False):
    """All of a sample but its instant, ordinal and number. Two shapes are the same if they are the same object: see `shape`."""

    value_type: ValueType
    flags: Flags
    text: str | None
    blob: bytes | None
    digital_code: int | None
    system_state: int | None
    state_name: str | None
    size_bytes: int
    """About how many bytes a sample takes in a frame; never less than it does."""
    status_hash: int
    """What the hash of a sample begins with (schemas.digest)."""
    family: "Shape | None" = None
    """The shape of the empty text, of which this one differs in its text alone."""


class Sample(msgspec.Struct, gc=False):
    """An event of a point's."""

    ticks: int
    """PI's time."""
    number: float | int | None
    """As the shape's value type says: a double, a long, microseconds since 1970; None where the value is no number."""
    shape: Shape
    ordinal: int = 0
    """nth event at that instant."""


def _made(
    value_type: ValueType,
    flags: Flags,
    text: str | None = None,
    blob: bytes | None = None,
    digital_code: int | None = None,
    system_state: int | None = None,
    state_name: str | None = None,
    family: Shape | None = None,
) -> Shape:
    size = _PLAIN_BYTES + sum(len(part.encode()) for part in (text, state_name) if part is not None) + len(blob or b"")
    status = digest.status(value_type, flags.good, flags.questionable, flags.substituted, flags.annotated, digital_code, system_state)
    return Shape(value_type, flags, text, blob, digital_code, system_state, state_name, size, digest.status_hash(status), family)


@lru_cache(maxsize=_SHAPES_KEPT)
def shape(
    value_type: ValueType,
    flags: Flags,
    digital_code: int | None = None,
    text: str | None = None,
    system_state: int | None = None,
    state_name: str | None = None,
) -> Shape:
    """The shape of numbers, states and absent values: the same object for the same arguments, as long as it is kept."""
    return _made(value_type, flags, text, None, digital_code, system_state, state_name)


def text_shape(flags: Flags, text: str) -> Shape:
    """The shape of a text."""
    return _made("STRING", flags, text, family=shape("STRING", flags, text=""))


def blob_shape(flags: Flags, blob: bytes) -> Shape:
    """The shape of a blob."""
    return _made("BYTES", flags, blob=blob)


PLAIN = Flags()
DOUBLE = shape("DOUBLE", PLAIN)
"""The shape of most values."""


def size_of(samples: Sequence[Sample]) -> int:
    """About how many bytes samples take in a frame; never less than they do."""
    return sum([sample.shape.size_bytes for sample in samples])


def record_of(sample: Sample) -> records.Sample:
    """The sample as a record of the contract."""
    of = sample.shape
    column = NUMBER_COLUMN.get(of.value_type)
    return {
        "event_time": sample.ticks // 10,
        "ticks": sample.ticks % 10,
        "ordinal": sample.ordinal,
        "value_type": of.value_type,
        "value_double": sample.number if column == "value_double" else None,
        "value_long": _whole(sample.number) if column == "value_long" else None,
        "value_string": of.text,
        "value_bytes": of.blob,
        "digital_code": of.digital_code,
        "system_state": of.system_state,
        "system_state_name": of.state_name,
        "good": of.flags.good,
        "questionable": of.flags.questionable,
        "substituted": of.flags.substituted,
        "annotated": of.flags.annotated,
    }


def _whole(number: float | int | None) -> int | None:
    assert number is None or isinstance(number, int)
    return number
