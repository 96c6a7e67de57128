"""PI's values in their regular shape: decoded straight into it, and turned into samples in one sweep.

The shape is that of pi-web-api.md 2.3, 2.4 and 3.2, with exactly the fields that `normalise` looks at. Whatever does not fit it, or cannot
be kept exactly, goes the long way of `normalise`: so what is odd is judged there and nowhere else. Fields that nobody asked for are skipped
and not judged: a name that is no UTF-8 costs no value.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import lt
from typing import Any, Self, cast

import msgspec

from bridge import normalise, pitime
from bridge.errors import PIUnreadable
from bridge.normalise import ChannelSeries, Unreadable, channel_message, parse_json
from bridge.samples import DOUBLE, Flags, Sample

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


class _Columns(msgspec.Struct):
    """Of many values, one stream's after the other's."""

    ticks: list[int]
    """The instant of each."""
    samples: list[Sample | None]
    """Of the good floating-point numbers, which most are: what these are does not depend on the point's type."""

    @classmethod
    def of(cls, items: list[Item]) -> Self:
        """Raises PIUnreadable if a value has no time that exists."""
        ticks = pitime.parse_all([item.Timestamp for item in items])
        samples = [
            Sample(at, value, DOUBLE)
            if type(value := item.Value) is float and item.Good and not (item.Questionable or item.Substituted or item.Annotated)
            else None
            for item, at in zip(items, ticks, strict=True)
        ]
        return cls(ticks, samples)


class Values(msgspec.Struct, gc=False):
    """The values of one stream, all in the regular shape."""

    items: list[Item]
    columns: _Columns
    begin: int
    """Place of the first in the columns."""
    document: bytes | str | msgspec.Raw
    """What they were decoded from."""
    at: int | None = None
    """The stream's place in it, if it holds several."""

    def plain(self) -> list[Any]:
        """The same values as plain JSON, decoded again; only the fields that were asked for, if the whole cannot be decoded."""
        body = self.document
        try:
            document = parse_json(bytes(body) if isinstance(body, msgspec.Raw) else body)
        except PIUnreadable:
            # Field by field: what walks into a value may give up at a depth that decoding still managed.
            return [{name: getattr(item, name) for name in _FIELDS} for item in self.items]
        return cast(list[Any], document["Items"] if self.at is None else document["Items"][self.at]["Items"])


def ranges_of(contents: Sequence[msgspec.Raw]) -> list[Values | None]:
    """The values of `recorded` answers; None for what is anything else, or has a value that does not fit."""
    decoded = [_items_of(content) for content in contents]
    try:
        columns = _Columns.of([item for items in decoded if items is not None for item in items])
    except PIUnreadable:  # in one of them: each by itself
        return [None] if len(contents) == 1 else [values for content in contents for values in ranges_of([content])]
    values: list[Values | None] = []
    begin = 0
    for content, items in zip(contents, decoded, strict=True):
        values.append(None if items is None else Values(items, columns, begin, content))
        begin += 0 if items is None else len(items)
    return values


def _items_of(content: msgspec.Raw) -> list[Item] | None:
    try:
        return decode_range(content).Items
    except MISFIT:
        return None


def heard(body: bytes | str) -> Iterable[tuple[str, Values | list[Any]]]:
    """WebID and values of each stream of a channel message; none for a heartbeat.

    Taking them raises PIUnreadable if it has another shape: after the streams that could be read, so they must be taken one by one.
    """
    streams = _streams(body)
    return ((series.web_id, series.items) for series in _plainly(body)) if streams is None else streams


def _plainly(body: bytes | str) -> Iterator[ChannelSeries]:
    yield from channel_message(parse_json(body))


def _streams(body: bytes | str) -> list[tuple[str, Values | list[Any]]] | None:
    """The streams of a channel message; None if a value does not fit."""
    try:
        streams = decode_message(body).Items
        columns = _Columns.of([item for stream in streams for item in stream.Items])
    except (*MISFIT, PIUnreadable):
        return None
    values: list[tuple[str, Values | list[Any]]] = []
    begin = 0
    for at, stream in enumerate(streams):
        items = stream.Items
        values.append((stream.WebId, Values(items, columns, begin, body, at)))
        begin += len(items)
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
    items, begin, columns = values.items, values.begin, values.columns
    if len(items) == 1:  # as most streams of a channel message have
        return [columns.samples[begin] or _sample(items[0], columns.ticks[begin], point_type)]
    end = begin + len(items)
    samples, ticks = columns.samples[begin:end], columns.ticks[begin:end]
    if None in samples:
        judged = zip(samples, items, ticks, strict=True)
        samples = [_sample(item, at, point_type) if sample is None else sample for sample, item, at in judged]
    whole = cast(list[Sample], samples)
    return whole if all(map(lt, ticks, islice(ticks, 1, None))) else normalise.in_order(whole)


def _sample(item: Item, ticks: int, point_type: str) -> Sample:
    flags = Flags(item.Good, item.Questionable, item.Substituted, item.Annotated)
    return Sample(ticks, *normalise.value_of(item.Value, point_type, flags))
