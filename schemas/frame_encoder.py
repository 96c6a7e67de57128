"""Frames as Avro bytes, by column: byte for byte what fastavro writes, at a small part of its cost (performance.md 3.3).

Nearly all samples of a frame differ from one another in their time and one number. So the bytes of everything else, the *shape*, are made
once by fastavro itself and kept, and the times and numbers of all samples of a shape are packed together. So are the names of a point kept.
What is rare goes to fastavro, a sample or the whole frame.

Between 1978-12-02 and the year 3111 a time takes exactly eight bytes as an Avro long, and ticks and ordinals below 64 take one: such
samples have one length, and a column is written with a stride.
"""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, cast

import fastavro
from fastavro.types import Schema

from schemas.records import Sample, Series, ValueFrame

_SHAPES_KEPT, _POINTS_KEPT = 1 << 12, 1 << 17
"""Beyond so many all are forgotten, and made again as they come. A point takes about 300 bytes."""
_COLUMNS_FROM = 2
"""A sample that is the only one of its shape is left to fastavro."""
_LANES = 4096
"""Times that are spread in one go."""
_EIGHT_BYTES_FROM, _EIGHT_BYTES_BELOW = 1 << 48, 1 << 55
_ONE_BYTE_BELOW = 64

_LEADING = (("event_time", "long"), ("ticks", "int"), ("ordinal", "int"))
_NUMBERS = {"value_double": "double", "value_long": "long"}
_columns: Callable[[Sample], Any] = itemgetter(*[name for name, _ in _LEADING], *_NUMBERS)
_ONLY = frozenset({type(None)})
_NUMBER_OF = {(frozenset({float}), _ONLY): "value_double", (_ONLY, frozenset({int})): "value_long", (_ONLY, _ONLY): None}
"""The number that all samples of a group have, by the types in their columns `value_double` and `value_long`."""


class SchemaMismatch(ValueError):
    """A schema that is not laid out as this encoder needs it, or a record that does not fit it."""


class Shape(NamedTuple):
    """Bytes of a sample behind its ordinal, before and behind its number."""

    head: bytes
    tail: bytes


class FrameEncoder:
    """Encodes frames of one schema. Raises SchemaMismatch if that is not laid out as `value_frame` is, as far as it matters here."""

    def __init__(self, schema: Schema) -> None:
        definition = {name: value for name, value in cast(dict[str, Any], schema).items() if not name.startswith("__")}
        frame, series_field = _without_last(definition, "series")
        series, samples_field = _without_last(_items(series_field), "samples")
        sample = _items(samples_field)
        names = [field["name"] for field in sample["fields"]]
        if tuple((field["name"], _plain(field["type"])) for field in sample["fields"][:3]) != _LEADING:
            raise SchemaMismatch("a sample does not begin with event_time, ticks and ordinal")
        self._whole, self._frame, self._series, self._sample = (_writer(part) for part in (definition, frame, series, sample))
        self._heads = {name: _writer(_up_to(sample, name, kind)) for name, kind in _NUMBERS.items()}
        self._rest: Callable[[Sample], Any] = itemgetter(*[name for name in names[3:] if name not in _NUMBERS])
        self._point: Callable[[Series], Any] = itemgetter(*[field["name"] for field in series["fields"]])
        self._sample_fields, self._series_fields = {len(names)}, len(series["fields"]) + 1
        self._shapes: dict[Any, Shape] = {}
        self._points: dict[Any, bytes] = {}

    def encode(self, frame: ValueFrame) -> bytes:
        """What fastavro's strict writer writes, or the error that it raises."""
        try:
            return self._by_column(frame)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, struct.error):
            return self._whole(frame)

    def _by_column(self, frame: ValueFrame) -> bytes:
        series = frame["series"]
        rows = self._rows([sample for one in series for sample in one["samples"]])
        out, at = [self._frame(_without(frame, "series"))], 0
        if series:
            out.append(varint(len(series)))
        for one in series:
            out.append(self._prefix(one))
            if count := len(one["samples"]):
                out.append(varint(count))
                out += rows[at : at + count]
                at += count
            out.append(b"\0")
        out.append(b"\0")
        return b"".join(out)

    def _prefix(self, series: Series) -> bytes:
        """A series but for its samples; kept where it has no statement, which is the case of previews."""
        if series["statement"] is not None or len(series) != self._series_fields:
            return self._series(_without(series, "samples"))
        point = self._point(series)
        prefix = self._points.get(point)
        if prefix is None:
            prefix = self._points[point] = self._series(_without(series, "samples"))
            _forget(self._points, _POINTS_KEPT)
        return prefix

    def _rows(self, samples: list[Sample]) -> list[bytes]:
        """The bytes of each sample."""
        if not set(map(len, samples)) <= self._sample_fields:
            raise SchemaMismatch("a sample with fields that the schema does not have")
        alike: dict[Any, list[int]] = {}
        for at, rest in enumerate(map(self._rest, samples)):
            if (places := alike.get(rest)) is None:
                places = alike[rest] = []
            places.append(at)
        if len(alike) == 1:
            return self._group(next(iter(alike)), samples)
        rows = [b""] * len(samples)
        for rest, places in alike.items():
            for at, row in zip(places, self._group(rest, [samples[at] for at in places]), strict=True):
                rows[at] = row
        return rows

    def _group(self, rest: Any, samples: list[Sample]) -> list[bytes]:
        """The bytes of samples that differ in nothing but their time and number."""
        first = samples[0]
        free = first["value_bytes"] is not None or (first["value_string"] is not None and first["digital_code"] is None)
        if free or len(samples) < _COLUMNS_FROM:  # of texts and blobs no two are alike
            return list(map(self._sample, samples))
        times, ticks, ordinals, doubles, longs = zip(*map(_columns, samples), strict=True)
        number = _NUMBER_OF[frozenset(map(type, doubles)), frozenset(map(type, longs))]
        in_range = min(times) >= _EIGHT_BYTES_FROM and max(times) < _EIGHT_BYTES_BELOW and max(ticks) < _ONE_BYTE_BELOW > max(ordinals)
        if not in_range:
            return list(map(self._sample, samples))
        shape = self._shapes.get((number, rest))
        if shape is None:
            shape = self._shapes[number, rest] = self._shape(first, number)
            _forget(self._shapes, _SHAPES_KEPT)
        if number == "value_long":  # the number's own length differs
            rows = _fixed_rows(times, ticks, ordinals, shape.head, b"", b"")
            return [row + varint(long) + shape.tail for row, long in zip(rows, longs, strict=True)]
        packed = struct.pack(f"<{len(doubles)}d", *doubles) if number else b""
        return _fixed_rows(times, ticks, ordinals, shape.head, packed, shape.tail)

    def _shape(self, sample: Sample, number: str | None) -> Shape:
        """The shape of a sample: fastavro writes it, with zeros for what differs, and as far as its number alone to know where that is."""
        zeros: dict[str, Any] = {**sample, "event_time": 0, "ticks": 0, "ordinal": 0}
        if number is None:
            return Shape(self._sample(zeros)[3:], b"")
        zeros[number] = 0.0 if number == "value_double" else 0
        up_to: dict[str, Any] = {}
        for name in zeros:
            up_to[name] = zeros[name]
            if name == number:
                break
        zero = 8 if number == "value_double" else 1
        head = self._heads[number](up_to)[3:-zero]
        return Shape(head, self._sample(zeros)[3 + len(head) + zero :])


def encoder_of(schema: Schema) -> Callable[[ValueFrame], bytes]:
    """Encodes frames of a schema: by column, or by fastavro where the schema is not laid out for that."""
    try:
        return FrameEncoder(schema).encode
    except SchemaMismatch:
        return _writer(cast(dict[str, Any], schema))


def _fixed_rows(
    times: Sequence[int], ticks: Sequence[int], ordinals: Sequence[int], head: bytes, packed: bytes, tail: bytes
) -> list[bytes]:
    """Samples of one length: the bytes that all share, then the columns. `packed` holds eight bytes for each, or none."""
    shared = bytes(10) + head + (bytes(8) if packed else b"") + tail
    size, number = len(shared), 10 + len(head)
    out = bytearray(shared * len(times))
    spread = eight_byte_varints(times)
    for byte in range(8):
        out[byte::size] = spread[byte::8]
    out[8::size] = bytes(ticks).translate(_TWICE)
    out[9::size] = bytes(ordinals).translate(_TWICE)
    if packed:
        for byte in range(8):
            out[number + byte :: size] = packed[byte::8]
    whole = bytes(out)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def varint(number: int) -> bytes:
    """An Avro int or long. Raises OverflowError beyond 64 bits."""
    left = number << 1 ^ number >> 63
    if not 0 <= left < 1 << 64:
        raise OverflowError(f"{number} does not fit into a long")
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def _lanes(mask: int) -> int:
    """The mask in each of `_LANES` words of 64 bits."""
    return mask * (((1 << 64 * _LANES) - 1) // ((1 << 64) - 1))


_APART = [
    (_lanes(low), _lanes(high), shift)
    for low, high, shift in [
        (0x000000000FFFFFFF, 0x00FFFFFFF0000000, 4),
        (0x00003FFF00003FFF, 0x0FFFC0000FFFC000, 2),
        (0x007F007F007F007F, 0x3F803F803F803F80, 1),
    ]
]
_MORE_FOLLOW = b"\x80\x80\x80\x80\x80\x80\x80\x00"
_TWICE = bytes(2 * number & 0xFF for number in range(256))


def eight_byte_varints(numbers: Sequence[int]) -> bytes:
    """Avro longs, one after the other, of numbers from 2**48 to 2**55 - 1: those that take eight bytes.

    All are worked on at once, in one integer with 64 bits for each: halves, quarters and eighths of their 56 bits are pushed apart, until
    each byte holds seven of them. That costs a tenth of a loop over the numbers.
    """
    parts = []
    for at in range(0, len(numbers), _LANES):
        part = numbers[at : at + _LANES]
        words = int.from_bytes(struct.pack(f"<{len(part)}Q", *part), "little") << 1
        for low, high, shift in _APART:
            words = words & low | (words & high) << shift
        words |= int.from_bytes(_MORE_FOLLOW * len(part), "little")
        parts.append(words.to_bytes(8 * len(part), "little"))
    return b"".join(parts)


def _forget(kept: dict[Any, Any], most: int) -> None:
    if len(kept) > most:
        kept.clear()


def _without(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {field: value for field, value in record.items() if field != name}


def _writer(definition: dict[str, Any]) -> Callable[[Any], bytes]:
    """Encodes records of a schema by fastavro, which raises ValueError or TypeError, naming the field, where one does not fit."""
    schema = fastavro.parse_schema(definition)

    def write(record: Any) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, record, strict=True)
        return out.getvalue()

    return write


def _plain(kind: Any) -> Any:
    """A type without the braces that nothing else stands in."""
    return kind["type"] if isinstance(kind, dict) and kind.keys() == {"type"} else kind


def _without_last(record: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record but for its last field, which must have this name; and that field."""
    *fields, last = record["fields"]
    if last["name"] != name:
        raise SchemaMismatch(f"{record['name']} does not end with {name}")
    return record | {"fields": fields}, last


def _items(field: dict[str, Any]) -> dict[str, Any]:
    """The record that a field is an array of."""
    kind = field["type"]
    items = kind.get("items") if isinstance(kind, dict) else None
    if not isinstance(items, dict) or items.get("type") != "record":
        raise SchemaMismatch(f"{field['name']} is not an array of records")
    return items


def _up_to(record: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    """The record as far as the field with this name, which must be of this type, or null."""
    names = [field["name"] for field in record["fields"]]
    if name not in names or [_plain(one) for one in record["fields"][names.index(name)]["type"]] != ["null", kind]:
        raise SchemaMismatch(f"{name} is not a {kind} or null")
    return record | {"fields": record["fields"][: names.index(name) + 1]}
