"""Frames as Avro bytes, by column: byte for byte what fastavro writes, at a small part of its cost (performance.md 3.3). Pure.

Nearly all samples of a frame differ from one another in their time and one number. So the bytes of everything else, the layout of a shape,
are made once by fastavro itself and kept, and the times and numbers of all samples of a shape are packed together. So are the names of a
point kept. What is rare goes to fastavro, a sample or the whole frame.

Between 1978-12-02 and the year 3111 a time takes exactly eight bytes as an Avro long, and ticks and ordinals below 64 take one: such
samples have one length, and stand in a table with a row each.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import fastavro
import numpy as np
from fastavro.types import Schema
from numpy.typing import NDArray

from bridge.frame import Frame, Series, plain
from bridge.samples import DOUBLE, NUMBER_COLUMN, Sample, Shape, record_of
from schemas.records import SeriesHead

_SHAPES_KEPT, _POINTS_KEPT = 1 << 12, 1 << 14
"""Beyond so many all are forgotten, and made again as they come. A point takes about 300 bytes, and 3 µs to be made again."""
_COLUMNS_FROM = 8
"""Fewer samples of a shape are left to fastavro."""
_EIGHT_BYTES_FROM, _EIGHT_BYTES_BELOW = 1 << 48, 1 << 55
_ONE_BYTE_BELOW = 64
_TIME_BYTES, _LEADING_BYTES = 8, 10
_SMALL = [bytes([2 * number]) for number in range(_ONE_BYTE_BELOW)]
_SHIFTS = np.arange(0, 7 * _TIME_BYTES, 7, dtype=np.uint64)
_SEVEN_BITS = np.uint64(0x7F)
_MORE_FOLLOW = np.array([0x80] * (_TIME_BYTES - 1) + [0], np.uint8)

_LEADING = (("event_time", "long"), ("ticks", "int"), ("ordinal", "int"))
_COLUMNS = {"value_double": ("double", 8), "value_long": ("long", 1), "value_string": ("string", 1)}
"""Columns that samples of a shape or family differ in; their Avro type, and how many bytes a zero or an empty text takes."""


class SchemaMismatch(ValueError):
    """A schema that is not laid out as this encoder needs it, or a record that does not fit it."""


class Layout(NamedTuple):
    """Bytes of a sample behind its ordinal, before and behind its number."""

    head: bytes
    tail: bytes


class _Rows(Protocol):
    """Samples of one shape as bytes, in order."""

    def take(self, count: int) -> bytes:
        """The next so many."""


class _Table:
    """Rows of one length."""

    def __init__(self, rows: bytes, size: int) -> None:
        self._rows, self._size, self._at = rows, size, 0

    def take(self, count: int) -> bytes:
        begin, self._at = self._at, self._at + count * self._size
        return self._rows[begin : self._at]


class _List:
    """Rows of different lengths."""

    def __init__(self, rows: list[bytes]) -> None:
        self._rows, self._at = rows, 0

    def take(self, count: int) -> bytes:
        begin, self._at = self._at, self._at + count
        return b"".join(self._rows[begin : self._at])


class FrameEncoder:
    """Encodes frames of one schema. Raises SchemaMismatch if that is not laid out as `value_frame` is, as far as it matters here."""

    def __init__(self, schema: Schema) -> None:
        definition = {name: value for name, value in cast(dict[str, Any], schema).items() if not name.startswith("__")}
        frame, series_field = _without_last(definition, "series")
        series, samples_field = _without_last(_items(series_field), "samples")
        sample = _items(samples_field)
        if tuple((field["name"], _plain(field["type"])) for field in sample["fields"][:3]) != _LEADING:
            raise SchemaMismatch("a sample does not begin with event_time, ticks and ordinal")
        if {field["name"] for field in sample["fields"]} != record_of(Sample(0, None, DOUBLE)).keys():
            raise SchemaMismatch("a sample has other fields than are known here")
        if {field["name"] for field in series["fields"]} != SeriesHead.__annotations__.keys():
            raise SchemaMismatch("a series has other fields than are known here")
        self._whole, self._frame, self._series, self._sample = (_writer(part) for part in (definition, frame, series, sample))
        self._heads = {name: _writer(_up_to(sample, name, kind)) for name, (kind, _) in _COLUMNS.items()}
        self._layouts: dict[Shape, Layout] = {}
        self._points: dict[tuple[str, str, str | None], bytes] = {}

    def encode(self, frame: Frame) -> bytes:
        """What fastavro's strict writer writes, or the error that it raises."""
        try:
            return self._by_column(frame)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
            return self._whole(plain(frame))

    def _by_column(self, frame: Frame) -> bytes:
        series = frame["series"]
        out = [self._frame(_without(frame, "series"))]
        if series:
            out.append(varint(len(series)))
        for one, rows in zip(series, self._rows_of(series), strict=True):
            out.append(self._prefix(one))
            if count := len(one["samples"]):
                out += (varint(count), rows)
            out.append(b"\0")
        out.append(b"\0")
        return b"".join(out)

    def _prefix(self, series: Series) -> bytes:
        """A series but for its samples; kept where it has no statement, which is the case of previews."""
        if series["statement"] is not None:
            return self._series(_without(series, "samples"))
        point = series["point_key"], series["tag"], series["uom"]
        prefix = self._points.get(point)
        if prefix is None:
            prefix = self._points[point] = self._series(_without(series, "samples"))
            _forget(self._points, _POINTS_KEPT)
        return prefix

    def _rows_of(self, series: list[Series]) -> list[bytes]:
        """The samples of each series."""
        shapes = [[sample.shape.family or sample.shape for sample in one["samples"]] for one in series]
        alike: dict[Shape, list[Sample]] = {}
        for one, own in zip(series, shapes, strict=True):
            if own and own.count(own[0]) == len(own):
                del own[1:]
                alike.setdefault(own[0], []).extend(one["samples"])
            else:
                for shape, sample in zip(own, one["samples"], strict=True):
                    alike.setdefault(shape, []).append(sample)
        rows = {shape: self._rows(shape, samples) for shape, samples in alike.items()}
        return [
            rows[own[0]].take(len(one["samples"])) if len(own) == 1 else b"".join([rows[shape].take(1) for shape in own])
            for one, own in zip(series, shapes, strict=True)
        ]

    def _rows(self, shape: Shape, samples: list[Sample]) -> _Rows:
        """Samples that differ in nothing but their time and number."""
        table = None if len(samples) < _COLUMNS_FROM else self._table(shape, samples)
        return _List([self._sample(record_of(sample)) for sample in samples]) if table is None else table

    def _table(self, shape: Shape, samples: list[Sample]) -> _Rows | None:
        """The same by column; None where a time, or an ordinal, takes more or fewer bytes than nearly all do."""
        ticks, ordinals = np.array([sample.ticks for sample in samples], np.int64), [sample.ordinal for sample in samples]
        times = ticks // 10
        if (
            times.min() < _EIGHT_BYTES_FROM
            or times.max() >= _EIGHT_BYTES_BELOW
            or not 0 <= min(ordinals) <= max(ordinals) < _ONE_BYTE_BELOW
        ):
            return None
        layout = self._layouts.get(shape)
        if layout is None:
            layout = self._layouts[shape] = self._layout(shape)
            _forget(self._layouts, _SHAPES_KEPT)
        column = _column_of(shape)
        if column in ("value_long", "value_string"):  # of different lengths
            rows = _split(_table_of(times, ticks - times * 10, ordinals, layout.head))
            written = map(_text if column == "value_string" else _long, samples)
            return _List([row + value + layout.tail for row, value in zip(rows, written, strict=True)])
        numbers = np.array([sample.number for sample in samples], np.float64) if column == "value_double" else None
        table = _table_of(times, ticks - times * 10, ordinals, layout.head, numbers, layout.tail)
        return _Table(table.tobytes(), table.shape[1])

    def _layout(self, shape: Shape) -> Layout:
        """The layout of a shape: fastavro writes a sample of zeros, and the same as far as its value alone, to know where that is."""
        column = _column_of(shape)
        zeros: dict[str, Any] = dict(record_of(Sample(0, 0 if shape.value_type in NUMBER_COLUMN else None, shape)))
        whole = self._sample(zeros)[len(_LEADING) :]
        if column is None:
            return Layout(whole, b"")
        up_to = {name: zeros[name] for name in list(zeros)[: list(zeros).index(column) + 1]}
        _, zero = _COLUMNS[column]
        head = self._heads[column](up_to)[len(_LEADING) : -zero]
        return Layout(head, whole[len(head) + zero :])


def _column_of(shape: Shape) -> str | None:
    """The column that samples of this shape, or of its family, differ in."""
    return "value_string" if shape.value_type == "STRING" else NUMBER_COLUMN.get(shape.value_type)


def _long(sample: Sample) -> bytes:
    return varint(cast(int, sample.number))


def _text(sample: Sample) -> bytes:
    text = cast(str, sample.shape.text).encode()
    return varint(len(text)) + text


def encoder_of(schema: Schema) -> Callable[[Frame], bytes]:
    """Encodes frames of a schema: by column, or by fastavro where the schema is not laid out for that."""
    try:
        return FrameEncoder(schema).encode
    except SchemaMismatch:
        write = _writer(cast(dict[str, Any], schema))
        return lambda frame: write(plain(frame))


def _table_of(
    times: NDArray[np.int64],
    ticks: NDArray[np.int64],
    ordinals: Sequence[int],
    head: bytes,
    numbers: NDArray[np.float64] | None = None,
    tail: bytes = b"",
) -> NDArray[np.uint8]:
    """Samples of one length, a row each: the bytes that all share, then the columns."""
    number = _LEADING_BYTES + len(head)
    shared = bytes(_LEADING_BYTES) + head + (b"" if numbers is None else bytes(8)) + tail
    table = np.empty((len(times), len(shared)), np.uint8)
    table[:] = np.frombuffer(shared, np.uint8)
    table[:, :_TIME_BYTES] = eight_byte_varints(times)
    table[:, _TIME_BYTES] = 2 * ticks
    if any(ordinals):
        table[:, _TIME_BYTES + 1] = 2 * np.array(ordinals)
    if numbers is not None:
        table[:, number : number + 8] = numbers.view(np.uint8).reshape(-1, 8)
    return table


def _split(table: NDArray[np.uint8]) -> list[bytes]:
    size, rows = table.shape[1], table.tobytes()
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def eight_byte_varints(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Avro longs, eight bytes each, of numbers from 2**48 to 2**55 - 1."""
    sevens = (numbers.astype(np.uint64)[:, None] << np.uint64(1) >> _SHIFTS) & _SEVEN_BITS
    return sevens.astype(np.uint8) | _MORE_FOLLOW


def varint(number: int) -> bytes:
    """An Avro int or long. Raises OverflowError beyond 64 bits."""
    if 0 <= number < _ONE_BYTE_BELOW:
        return _SMALL[number]
    left = number << 1 ^ number >> 63
    if not 0 <= left < 1 << 64:
        raise OverflowError(f"{number} does not fit into a long")
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


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
