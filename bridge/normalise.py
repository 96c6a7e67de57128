"""PI's JSON to samples: the only place that knows how PI Web API writes values (pi-web-api.md 2.3, 2.4, 3.2)."""

import base64
import binascii
import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from bridge import pitime
from bridge.errors import PIUnreadable
from bridge.wording import shown, written
from schemas.records import Sample

NO_DATA = 248
"""System state of a place where no archive value can exist (pi-web-api.md 2.4)."""
MAX_VALUE_BYTES = 500_000
"""A longer text or blob does not fit into a frame together with anything else."""

PLAIN: Sample = {
    "event_time": 0,
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
"""A sample without a value, to be copied: half the cost of writing one down."""

_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1
_FLOAT_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FLOAT_TYPES = frozenset({"Float16", "Float32", "Float64"})


class Unreadable(NamedTuple):
    """A part of an answer that could not be understood: a dead letter to be."""

    reason: str
    content: bytes
    ticks: int | None
    """The instant concerned, where it could be read."""


class ChannelSeries(NamedTuple):
    """Values of one stream in a channel message."""

    web_id: str
    items: list[Any]


def parse_json(body: bytes | str) -> Any:
    """A JSON document; bare NaN and Infinity are accepted. Raises PIUnreadable."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise PIUnreadable(f"not JSON: {error}") from error


def channel_message(document: Any) -> Iterator[ChannelSeries]:
    """The streams of a channel message; none for a heartbeat. Raises PIUnreadable if it has another shape.

    One stream that cannot be read does not cost the others: it is raised after them.
    """
    items = document.get("Items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise PIUnreadable("a channel message without a list `Items`")
    wrong: PIUnreadable | None = None
    for item in items:
        try:
            series = _series(item)
        except PIUnreadable as error:
            wrong = wrong or error
        else:
            yield series
    if wrong is not None:
        raise wrong


def _series(item: Any) -> ChannelSeries:
    if not isinstance(item, dict) or not isinstance(item.get("WebId"), str):
        raise PIUnreadable("a stream of a channel message without a `WebId`")
    values = item.get("Items", [item["Value"]] if "Value" in item else None)
    if not isinstance(values, list):
        raise PIUnreadable(f'stream "{item["WebId"]:.100}" of a channel message without a list `Items`')
    return ChannelSeries(item["WebId"], values)


def samples_of(items: list[Any], point_type: str) -> tuple[list[Sample], list[Unreadable]]:
    """Samples of value objects in order of time, each instant's in the order given, with ordinals; and what could not be understood."""
    timed: list[tuple[int, Sample]] = []
    bad: list[Unreadable] = []
    for item in items:
        try:
            timed.append(sample_of(item, point_type))
        except PIUnreadable as error:
            bad.append(Unreadable(str(error), written(item), error.ticks))
    return in_order(timed), bad


def in_order(timed: list[tuple[int, Sample]]) -> list[Sample]:
    """The samples in order of their instants, each instant's in the order given, with ordinals."""
    timed.sort(key=lambda pair: pair[0])
    ordinal, last = 0, None
    for ticks, sample in timed:
        ordinal = ordinal + 1 if ticks == last else 0
        sample["ordinal"], last = ordinal, ticks
    return [sample for _, sample in timed]


def sample_of(item: Any, point_type: str) -> tuple[int, Sample]:
    """Instant (ticks) and sample of one value object, ordinal 0. Raises PIUnreadable with the instant, where that could be read."""
    if not isinstance(item, dict):
        raise PIUnreadable("a value that is not an object")
    ticks = pitime.parse(item.get("Timestamp"))
    micros, left = divmod(ticks, 10)
    try:
        flags = [_flag(item, name, default) for name, default in _FLAGS]
        sample = PLAIN.copy()
        sample["event_time"], sample["ticks"] = micros, left
        sample["good"], sample["questionable"], sample["substituted"], sample["annotated"] = flags
        if item.get("Errors"):
            raise PIUnreadable(f"the value carries errors: {shown(item['Errors'], 200)}")
        if "Value" not in item:
            raise PIUnreadable("an object without `Value`")
        put(sample, item["Value"], point_type)
    except PIUnreadable as error:
        error.ticks = ticks
        raise
    return ticks, sample


_FLAGS = (("Good", True), ("Questionable", False), ("Substituted", False), ("Annotated", False))


def _flag(item: dict[str, Any], name: str, default: bool) -> bool:
    flag = item.get(name, default)
    if not isinstance(flag, bool):
        raise PIUnreadable(f"flag {name} is {shown(flag, 50)}, neither true nor false")
    return flag


def put(sample: Sample, value: Any, point_type: str) -> None:
    """Sets value type and value columns from PI's `Value`, which may change its type from value to value. Raises PIUnreadable."""
    if value is None:
        return
    if isinstance(value, dict):
        _put_state(sample, value)
    elif isinstance(value, bool):
        raise PIUnreadable(f"a boolean on a point of type {point_type}")
    elif isinstance(value, int) and point_type not in _FLOAT_TYPES:
        if not _LONG_MIN <= value <= _LONG_MAX:
            raise PIUnreadable(f"integer {shown(value, 40)} does not fit into 64 bits")
        sample["value_type"], sample["value_long"] = "LONG", value
    elif isinstance(value, int | float):
        try:
            sample["value_type"], sample["value_double"] = "DOUBLE", float(value)
        except OverflowError as error:
            raise PIUnreadable(f"number {shown(value, 40)} does not fit into a double") from error
    elif isinstance(value, str):
        _put_text(sample, value, point_type)
    else:
        raise PIUnreadable(f"a value of JSON type {type(value).__name__}")


def _put_state(sample: Sample, state: dict[str, Any]) -> None:
    code, name, system = state.get("Value"), state.get("Name"), state.get("IsSystem", False)
    if not isinstance(code, int) or isinstance(code, bool) or not _INT_MIN <= code <= _INT_MAX or not isinstance(system, bool):
        raise PIUnreadable(f"a state without a code: {shown(state, 200)}")
    if name is not None and not isinstance(name, str):
        raise PIUnreadable(f"a state whose name is no text: {shown(state, 200)}")
    text = None if name is None else _checked(name)
    if system:
        sample["system_state"], sample["system_state_name"] = code, text
    else:
        sample["value_type"], sample["digital_code"], sample["value_string"] = "DIGITAL", code, text


def _put_text(sample: Sample, text: str, point_type: str) -> None:
    if point_type in _FLOAT_TYPES and text in _FLOAT_WORDS:
        sample["value_type"], sample["value_double"] = "DOUBLE", _FLOAT_WORDS[text]
    elif point_type == "Timestamp":
        ticks = pitime.parse(text)
        if ticks % 10:  # finer than value_long holds: the text keeps it exact
            sample["value_type"], sample["value_string"] = "STRING", text
        else:
            sample["value_type"], sample["value_long"] = "TIMESTAMP", ticks // 10
    elif point_type == "Blob":
        try:
            blob = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise PIUnreadable(f"a blob that is not base64: {error}") from error
        if len(blob) > MAX_VALUE_BYTES:
            raise PIUnreadable(f"a blob of {len(blob)} bytes, more than a frame takes ({MAX_VALUE_BYTES})")
        sample["value_type"], sample["value_bytes"] = "BYTES", blob
    else:
        sample["value_type"], sample["value_string"] = "STRING", _checked(text)


def _checked(text: str) -> str:
    """The text itself, if Avro can carry it."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise PIUnreadable(f"a text that is not Unicode: {error}") from error
    if size > MAX_VALUE_BYTES:
        raise PIUnreadable(f"a text of {size} bytes, more than a frame takes ({MAX_VALUE_BYTES})")
    return text
