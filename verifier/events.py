"""An event as the verifier compares it: bit by bit, whether it comes from the journal, from Kafka or from a table. Pure."""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

GOOD, QUESTIONABLE, SUBSTITUTED, ANNOTATED = 1, 2, 4, 8
"""Bits of the flags, in the journal and here."""
NEGATIVE_ZERO, NOT_A_NUMBER = "-0.0", "NaN"
"""Stand for the two doubles that `==` does not tell by their bits."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FLOATS = frozenset({"Float16", "Float32", "Float64"})
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z")


class Content(NamedTuple):
    """Value and status: two of them are equal if and only if the events say the same, to the last bit."""

    kind: str
    """Value type as in value_frame.avsc."""
    value: Any
    """Number, text or bytes; None where a state stands in its place."""
    code: int | None
    """Code of the digital or system state."""
    name: str | None
    """Its name."""
    flags: int


class Event(NamedTuple):
    """Content at an instant."""

    ticks: int
    ordinal: int
    content: Content


def of_journal(value: Any, flags: int, point_type: str) -> Content:
    """Content of a value as PI prints it. Raises ValueError for a value that no point of this type can have."""
    if value is None:
        return Content("NONE", None, None, None, flags)
    if isinstance(value, dict):
        if value.get("IsSystem", False):
            return Content("NONE", None, value["Value"], value["Name"], flags)
        return Content("DIGITAL", None, value["Value"], value["Name"], flags)
    if isinstance(value, bool):
        raise ValueError(f"a truth value on a point of type {point_type}")
    if point_type in _FLOATS and isinstance(value, str) and value in _WORDS:
        return Content("DOUBLE", _double(_WORDS[value]), None, None, flags)
    if isinstance(value, float) or (isinstance(value, int) and point_type in _FLOATS):
        return Content("DOUBLE", _double(float(value)), None, None, flags)
    if isinstance(value, int):
        return Content("LONG", value, None, None, flags)
    if not isinstance(value, str):
        raise ValueError(f"a value of JSON type {type(value).__name__}")
    if point_type == "Timestamp":
        ticks = ticks_of_text(value)
        # The long of a TIMESTAMP holds microseconds; what is finer keeps its text.
        return Content("STRING", value, None, None, flags) if ticks % 10 else Content("TIMESTAMP", ticks // 10, None, None, flags)
    if point_type == "Blob":
        try:
            return Content("BYTES", base64.b64decode(value, validate=True), None, None, flags)
        except binascii.Error as error:
            raise ValueError(f"a blob that is not base64: {error}") from error
    return Content("STRING", value, None, None, flags)


def of_sample(sample: Mapping[str, Any]) -> Event:
    """Event of a sample of value_frame.avsc, times in whole microseconds."""
    kind, value, code, name = sample["value_type"], None, None, None
    match kind:
        case "DOUBLE":
            value = _double(sample["value_double"])
        case "LONG" | "TIMESTAMP":
            value = sample["value_long"]
        case "STRING":
            value = sample["value_string"]
        case "BYTES":
            value = sample["value_bytes"]
        case "DIGITAL":
            code, name = sample["digital_code"], sample["value_string"]
        case _:
            code, name = sample["system_state"], sample["system_state_name"]
    flags = (
        GOOD * sample["good"]
        | QUESTIONABLE * sample["questionable"]
        | SUBSTITUTED * sample["substituted"]
        | ANNOTATED * sample["annotated"]
    )
    return Event(sample["event_time"] * 10 + sample["ticks"], sample["ordinal"], Content(kind, value, code, name, flags))


def stray_columns(sample: Mapping[str, Any]) -> list[str]:
    """Value columns that are set although the value type does not call for them: a state that also has a number, say."""
    return [name for name in _UNWANTED.get(sample["value_type"], _UNWANTED["NONE"]) if sample[name] is not None]


_COLUMNS = ("value_double", "value_long", "value_string", "value_bytes", "digital_code", "system_state", "system_state_name")
_WANTED = {
    "DOUBLE": ("value_double",),
    "LONG": ("value_long",),
    "TIMESTAMP": ("value_long",),
    "STRING": ("value_string",),
    "BYTES": ("value_bytes",),
    "DIGITAL": ("digital_code", "value_string"),
    "NONE": ("system_state", "system_state_name"),
}
_UNWANTED = {kind: tuple(name for name in _COLUMNS if name not in wanted) for kind, wanted in _WANTED.items()}


def _double(value: float | None) -> Any:
    if value is None:
        return None
    if value != value:
        return NOT_A_NUMBER
    return NEGATIVE_ZERO if value == 0.0 and math.copysign(1.0, value) < 0 else value


def ticks_of_text(text: str) -> int:
    """Ticks of a timestamp as PI prints it. Raises ValueError."""
    parts = _STAMP.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} is no timestamp of PI")
    seconds = (datetime.fromisoformat(parts[1] + "+00:00") - _EPOCH) // timedelta(seconds=1)
    return seconds * 10_000_000 + int((parts[2] or "0").ljust(7, "0"))


def time_text(ticks: int) -> str:
    """An instant for people, with all seven digits."""
    seconds, fraction = divmod(ticks, 10_000_000)
    try:
        return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{fraction:07d}Z"
    except OverflowError:
        return f"{ticks} ticks"


def content_text(content: Content) -> str:
    """Value and status for people."""
    shown = repr(content.value) if content.code is None else f"state {content.code} {content.name!r}"
    names = ("good", "questionable", "substituted", "annotated")
    flags = "+".join(name for bit, name in enumerate(names) if content.flags >> bit & 1) or "no flag"
    return f"{content.kind} {shown:.80} ({flags})"


def event_text(event: Event) -> str:
    """An event for people."""
    place = f" (event {event.ordinal + 1} there)" if event.ordinal else ""
    return f"{time_text(event.ticks)}{place}: {content_text(event.content)}"
