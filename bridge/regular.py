"""PI's values in their regular shape: decoded straight into it, and turned into samples in one sweep.

The shape is that of pi-web-api.md 2.3, 2.4 and 3.2, with exactly the fields that `normalise` looks at. Whatever does not fit it, or cannot
be kept exactly, goes the long way of `normalise`: so what is odd is judged there and nowhere else. Fields that nobody asked for are skipped
and not judged: a name that is no UTF-8 costs no value.
"""

from collections.abc import Iterator
from itertools import islice
from operator import lt
from typing import Any, cast

import msgspec

from bridge import normalise, pitime
from bridge.errors import PIUnreadable
from bridge.normalise import Unreadable, channel_message, parse_json
from schemas.records import Sample

MISFIT = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What msgspec raises where a document is no JSON or has another shape."""


class Item(msgspec.Struct, gc=False):
    """A value object (2.4). Booleans, lists and `Errors` do not fit."""

    Timestamp: str
    Value: int | float | str | dict[str, Any] | None
    Good: bool = True
    Questionable: bool = False
    Substituted: bool = False
    Annotated: bool = False
    Errors: None = None


_FIELDS = tuple(name for name in Item.__struct_fields__ if name != "Errors")


class _Range(msgspec.Struct):
    """A `recorded` answer (2.3)."""

    Items: list[Item]
    WebException: None = None
    Errors: None = None


class _Stream(msgspec.Struct):
    """One stream of a channel message (3.2)."""

    WebId: str
    Items: list[Item]


class _Message(msgspec.Struct):
    """A channel message (3.2)."""

    Items: list[_Stream]


decode_range = msgspec.json.Decoder(_Range).decode
decode_message = msgspec.json.Decoder(_Message).decode


class Values(msgspec.Struct, gc=False):
    """The values of one stream, all in the regular shape and with a time that exists."""

    items: list[Item]
    ticks: list[int]
    """The instant of each."""
    document: bytes | str | msgspec.Raw
    """What they were decoded from."""
    at: int | None
    """Their stream's place in it, if it holds several."""

    def plain(self) -> list[Any]:
        """The same values as plain JSON, decoded again; only the fields that were asked for, if the whole cannot be decoded."""
        body = bytes(self.document) if isinstance(self.document, msgspec.Raw) else self.document
        try:
            document = parse_json(body)
        except PIUnreadable:
            # Field by field: what walks into a value may give up at a depth that decoding still managed.
            return [{name: getattr(item, name) for name in _FIELDS} for item in self.items]
        return cast(list[Any], document["Items"] if self.at is None else document["Items"][self.at]["Items"])


def range_of(content: msgspec.Raw) -> Values | None:
    """The values of a `recorded` answer; None if it is anything else, or a value does not fit."""
    try:
        items = decode_range(content).Items
        return Values(items, pitime.parse_all([item.Timestamp for item in items]), content, None)
    except (*MISFIT, PIUnreadable):
        return None


def heard(body: bytes | str) -> Iterator[tuple[str, Values | list[Any]]]:
    """WebID and values of each stream of a channel message; none for a heartbeat.

    Raises PIUnreadable if it has another shape: after the streams that could be read, so they must be taken one by one.
    """
    if (streams := _streams(body)) is not None:
        yield from streams
    else:
        yield from ((series.web_id, series.items) for series in channel_message(parse_json(body)))


def _streams(body: bytes | str) -> list[tuple[str, Values | list[Any]]] | None:
    """The streams of a channel message; None if a value does not fit."""
    try:
        streams = decode_message(body).Items
        ticks = pitime.parse_all([item.Timestamp for stream in streams for item in stream.Items])
        values: list[tuple[str, Values | list[Any]]] = []
        begin = 0
        for at, stream in enumerate(streams):
            end = begin + len(stream.Items)
            values.append((stream.WebId, Values(stream.Items, ticks[begin:end], body, at)))
            begin = end
    except (*MISFIT, PIUnreadable):
        return None
    return values


def plain(values: Values | list[Any]) -> list[Any]:
    """The values as plain JSON."""
    return values.plain() if isinstance(values, Values) else values


def samples_of(values: Values | list[Any], point_type: str) -> tuple[list[Sample], list[Unreadable]]:
    """What `normalise.samples_of` makes of the values as plain JSON."""
    if isinstance(values, Values):
        try:
            return _samples(values, point_type), []
        except PIUnreadable:  # one of them, on a point of this type: to be judged as it was written
            values = values.plain()
    return normalise.samples_of(values, point_type)


def _samples(values: Values, point_type: str) -> list[Sample]:
    if len(values.items) == 1:  # as most streams of a channel message are
        return [_sample(values.items[0], values.ticks[0], point_type)]
    samples = [_sample(item, ticks, point_type) for item, ticks in zip(values.items, values.ticks, strict=True)]
    if all(map(lt, values.ticks, islice(values.ticks, 1, None))):
        return samples
    return normalise.in_order(list(zip(values.ticks, samples, strict=True)))


def _sample(item: Item, ticks: int, point_type: str) -> Sample:
    sample = normalise.PLAIN.copy()
    sample["event_time"] = ticks // 10
    sample["ticks"] = ticks % 10
    value = item.Value
    if type(value) is float:
        sample["value_type"] = "DOUBLE"
        sample["value_double"] = value
    else:
        normalise.put(sample, value, point_type)
    if not item.Good:
        sample["good"] = False
    if item.Questionable:
        sample["questionable"] = True
    if item.Substituted:
        sample["substituted"] = True
    if item.Annotated:
        sample["annotated"] = True
    return sample
