"""PI's JSON to samples: the only place that knows how PI Web API writes values (pi-web-api.md 2.3, 2.4, 3.2)."""

import base64
import binascii
import json
import math
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from bridge import pitime
from bridge.errors import PIUnreadable
from bridge.samples import Flags, Sample, Shape, blob_shape, shape, text_shape
from bridge.wording import shown, written

NO_DATA = 248
"""System state of a place where no archive value can exist (pi-web-api.md 2.4)."""
MAX_VALUE_BYTES = 500_000
"""A longer text or blob does not fit into a frame together with anything else."""

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
    samples: list[Sample] = []
    bad: list[Unreadable] = []
    for item in items:
        try:
            samples.append(sample_of(item, point_type))
        except PIUnreadable as error:
            bad.append(Unreadable(str(error), written(item), error.ticks))
    return in_order(samples), bad


def in_order(samples: list[Sample]) -> list[Sample]:
    """The samples in order of their instants, each instant's in the order given, with ordinals."""
    samples.sort(key=attrgetter("ticks"))
    ordinal, last = 0, None
    for sample in samples:
        ordinal = ordinal + 1 if sample.ticks == last else 0
        sample.ordinal, last = ordinal, sample.ticks
    return samples


def sample_of(item: Any, point_type: str) -> Sample:
    """Sample of one value object, ordinal 0. Raises PIUnreadable with the instant, where that could be read."""
    if not isinstance(item, dict):
        raise PIUnreadable("a value that is not an object")
    ticks = pitime.parse(item.get("Timestamp"))
    try:
        flags = Flags(*[_flag(item, name, default) for name, default in _FLAGS])
        if item.get("Errors"):
            raise PIUnreadable(f"the value carries errors: {shown(item['Errors'], 200)}")
        if "Value" not in item:
            raise PIUnreadable("an object without `Value`")
        return Sample(ticks, *value_of(item["Value"], point_type, flags))
    except PIUnreadable as error:
        error.ticks = ticks
        raise


_FLAGS = (("Good", True), ("Questionable", False), ("Substituted", False), ("Annotated", False))


def _flag(item: dict[str, Any], name: str, default: bool) -> bool:
    flag = item.get(name, default)
    if not isinstance(flag, bool):
        raise PIUnreadable(f"flag {name} is {shown(flag, 50)}, neither true nor false")
    return flag


Number = float | int | None


def value_of(value: Any, point_type: str, flags: Flags) -> tuple[Number, Shape]:
    """A sample's number and shape from PI's `Value`, which may change its type from value to value. Raises PIUnreadable."""
    if value is None:
        return None, shape("NONE", flags)
    if isinstance(value, dict):
        return None, _state(value, flags)
    if isinstance(value, bool):
        raise PIUnreadable(f"a boolean on a point of type {point_type}")
    if isinstance(value, int) and point_type not in _FLOAT_TYPES:
        if not _LONG_MIN <= value <= _LONG_MAX:
            raise PIUnreadable(f"integer {shown(value, 40)} does not fit into 64 bits")
        return value, shape("LONG", flags)
    if isinstance(value, int | float):
        try:
            return float(value), shape("DOUBLE", flags)
        except OverflowError as error:
            raise PIUnreadable(f"number {shown(value, 40)} does not fit into a double") from error
    if isinstance(value, str):
        return _of_text(value, point_type, flags)
    raise PIUnreadable(f"a value of JSON type {type(value).__name__}")


def _state(state: dict[str, Any], flags: Flags) -> Shape:
    code, name, system = state.get("Value"), state.get("Name"), state.get("IsSystem", False)
    if not isinstance(code, int) or isinstance(code, bool) or not _INT_MIN <= code <= _INT_MAX or not isinstance(system, bool):
        raise PIUnreadable(f"a state without a code: {shown(state, 200)}")
    if name is not None and not isinstance(name, str):
        raise PIUnreadable(f"a state whose name is no text: {shown(state, 200)}")
    text = None if name is None else _checked(name)
    if system:
        return shape("NONE", flags, system_state=code, state_name=text)
    return shape("DIGITAL", flags, digital_code=code, text=text)


def _of_text(text: str, point_type: str, flags: Flags) -> tuple[Number, Shape]:
    if point_type in _FLOAT_TYPES and text in _FLOAT_WORDS:
        return _FLOAT_WORDS[text], shape("DOUBLE", flags)
    if point_type == "Timestamp":
        ticks = pitime.parse(text)
        if ticks % 10:  # finer than value_long holds: the text keeps it exact
            return None, text_shape(flags, text)
        return ticks // 10, shape("TIMESTAMP", flags)
    if point_type == "Blob":
        try:
            blob = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise PIUnreadable(f"a blob that is not base64: {error}") from error
        if len(blob) > MAX_VALUE_BYTES:
            raise PIUnreadable(f"a blob of {len(blob)} bytes, more than a frame takes ({MAX_VALUE_BYTES})")
        return None, blob_shape(flags, blob)
    return None, text_shape(flags, _checked(text))


def _checked(text: str) -> str:
    """The text itself, if Avro can carry it."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise PIUnreadable(f"a text that is not Unicode: {error}") from error
    if size > MAX_VALUE_BYTES:
        raise PIUnreadable(f"a text of {size} bytes, more than a frame takes ({MAX_VALUE_BYTES})")
    return text
