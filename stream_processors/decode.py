"""Frames out of Avro bytes, by column: what fastavro reads, at a small part of its cost. Pure.

Nearly all samples of a frame are floating-point numbers. As Avro they have one length and one layout, so they are looked at together, as
rows of a table: whether each is laid out like that, and then their times and numbers. Others are read one by one. What does not fit the
layout, and any schema that is not laid out as ours, is left to fastavro, which also says what is wrong with it.

Between 1978-12-02 and the year 3111 a time takes exactly eight bytes as an Avro long, and ticks and ordinals below 64 take one.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from fastavro.types import Schema
from numpy.typing import NDArray

from schemas import wire
from schemas.records import FrameHead, Origin, SeriesHead, Statement, StatementKind, ValueFrame, Via
from schemas.times import TICKS_PER_MICROSECOND
from stream_processors.columns import KINDS, Samples, number_of, samples_of

T = TypeVar("T")

_POINTS_KEPT = 1 << 17
"""Beyond so many all are forgotten, and read anew as they come. A point takes some 500 bytes."""
_SHORT_KEY = 128
_HEADER_BYTES = 5

_ROW_BYTES, _KIND_AT, _NUMBER_AT = 30, 10, 12
_DOUBLE = 2 * KINDS["DOUBLE"]
_SECOND_BRANCH = 2
"""How Avro writes the branch of a union that is not null."""
_MORE_FOLLOW, _ALL = 0x80, 0xFF
_LOOKED_AT = np.array([_MORE_FOLLOW] * 10 + [_ALL] * 2 + [0] * 8 + [_ALL] * 6 + [0xFE] * 4, np.uint8)
"""Bits of a row that tell its layout,"""
_EXPECTED = np.array([_MORE_FOLLOW] * 7 + [0] * 3 + [_DOUBLE, _SECOND_BRANCH] + [0] * 18, np.uint8)
"""and how they must be: a time of eight bytes, ticks and ordinal of one, a double, no other value, four flags."""
_ROW = np.arange(_ROW_BYTES)
_GOOD_AT, _SUBSTITUTED_AT = 26, 28

_ORIGINS: tuple[Origin, ...] = ("UNKNOWN", "LIVE", "RECORDED")
_VIAS: tuple[Via, ...] = ("UNKNOWN", "CHANNEL", "UPDATES", "POLLING", "READ")
_STATEMENT_KINDS: tuple[StatementKind, ...] = ("UNKNOWN", "STATED", "CONFIRMED")
_NUMBER = struct.Struct("<d")


class Decoded(NamedTuple):
    """A frame whose series hold no samples, and the samples."""

    frame: ValueFrame
    samples: Samples


class _Unusual(Exception):
    """Bytes that this decoder leaves to fastavro."""


class _Point(NamedTuple):
    """A point as it stands in frames, behind its key."""

    rest: bytes
    """Tag and unit."""
    head: SeriesHead
    """Without a statement; shared by all frames."""


class Decoder:
    """Decodes frames of all schemas that it is given."""

    def __init__(self) -> None:
        self._reader = wire.schema("value_frame")
        self._ours = wire.layout(wire.raw_schema("value_frame"))
        self._usual: dict[int, bool] = {}
        self._points: dict[bytes, _Point] = {}

    def frame(self, message: bytes, definition: dict[str, Any], writer: Schema) -> Decoded:
        """The frame in a message in wire format, of a schema as the registry has it and as `wire.parse` made it. Raises WireError."""
        schema_id, body = wire.split(message)
        usual = self._usual.get(schema_id)
        if usual is None:
            usual = self._usual[schema_id] = wire.layout(definition) == self._ours
        if usual:
            try:
                return self._by_column(message)
            except (_Unusual, LookupError, ValueError, struct.error, OverflowError):
                pass  # fastavro tells what it is
        frame = cast(ValueFrame, wire.decode(body, writer, self._reader))
        return Decoded(frame, samples_of(frame))

    def _by_column(self, message: bytes) -> Decoded:
        head, at = _head(message)
        rows, series, counts = _Rows(message), list[SeriesHead](), list[int]()
        block, at = _long(message, at)
        while block:
            for _ in range(_positive(block)):
                one, at = self._series(message, at)
                series.append(one)
                before = rows.total
                number, at = _long(message, at)
                while number:
                    at = rows.read(at, _positive(number))
                    number, at = _long(message, at)
                counts.append(rows.total - before)
            block, at = _long(message, at)
        if at != len(message):
            raise _Unusual
        return Decoded(cast(ValueFrame, {**head, "series": series}), rows.samples(counts))

    def _series(self, message: bytes, at: int) -> tuple[SeriesHead, int]:
        """A series as far as its samples."""
        begin = at
        size = message[at]
        at += 1 + (size >> 1)
        point = self._points.get(message[begin:at])
        if point is not None and message.startswith(point.rest, at):
            at += len(point.rest)
        else:
            point, at = self._read_point(message, begin)
        if message[at] == 0:
            return point.head, at + 1
        statement, at = _statement(message, at)
        return {**point.head, "statement": statement}, at

    def _read_point(self, message: bytes, begin: int) -> tuple[_Point, int]:
        key, end_of_key = _text(message, begin)
        tag, at = _text(message, end_of_key)
        uom, at = _optional(message, at, _text)
        point = _Point(message[end_of_key:at], {"point_key": key, "tag": tag, "uom": uom, "statement": None})
        if message[begin] < _SHORT_KEY:  # whose length is one byte, so that the key is found by it
            if len(self._points) >= _POINTS_KEPT:
                self._points.clear()
            self._points[message[begin:end_of_key]] = point
        return point, at


class _Rows:
    """The samples of a message: where those lie that are laid out as nearly all are, and what the others are."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._starts: list[int] = []
        self._odd_places: list[int] = []
        self._odd: list[tuple[int, int, int, float, bool, bool]] = []
        """Microseconds, ticks left over, kind, number, good, substituted."""
        self.total = 0

    def read(self, at: int, count: int) -> int:
        """Takes so many samples; where they end."""
        message, size = self._message, _ROW_BYTES * count
        if count > len(message):
            raise _Unusual
        if count > 1 and message[at + _KIND_AT : at + size : _ROW_BYTES] == bytes((_DOUBLE,)) * count:
            self._starts += range(at, at + size, _ROW_BYTES)
            self.total += count
            return at + size
        for _ in range(count):
            if message[at + _KIND_AT] == _DOUBLE:
                self._starts.append(at)
                at += _ROW_BYTES
            else:
                at = self._read_odd(at)
            self.total += 1
        return at

    def _read_odd(self, at: int) -> int:
        message = self._message
        micros, at = _long(message, at)
        ticks, at = _long(message, at)
        _, at = _long(message, at)
        kind, at = _long(message, at)
        if not 0 <= kind < len(KINDS):
            raise _Unusual
        double, at = _optional(message, at, _double)
        long, at = _optional(message, at, _long)
        text, at = _optional(message, at, _bytes)
        if text is not None:
            text.decode()  # for what it raises
        content, at = _optional(message, at, _bytes)
        code, at = _optional(message, at, _long)
        state, at = _optional(message, at, _long)
        _, at = _optional(message, at, _text)
        good, questionable, substituted, annotated = message[at : at + 4]
        if max(good, questionable, substituted, annotated) > 1:
            raise _Unusual
        number = number_of(double, long, code, text, content, state)
        self._odd_places.append(self.total)
        self._odd.append((micros, ticks, kind, number, good == 1, substituted == 1))
        return at + 4

    def samples(self, counts: list[int]) -> Samples:
        """All of them. Raises _Unusual if one of those that looked alike is laid out in another way."""
        rows = np.frombuffer(self._message, np.uint8)[np.array(self._starts, np.int64)[:, None] + _ROW]
        if not (rows & _LOOKED_AT == _EXPECTED).all():
            raise _Unusual
        micros = _eight_byte_longs(rows)
        left = (rows[:, 8] >> 1).astype(np.int64) ^ -(rows[:, 8] & 1).astype(np.int64)
        numbers = np.ascontiguousarray(rows[:, _NUMBER_AT : _NUMBER_AT + 8]).view("<f8").ravel()
        kinds = np.full(len(rows), KINDS["DOUBLE"], np.uint8)
        columns = [micros, left, kinds, numbers, rows[:, _GOOD_AT] == 1, rows[:, _SUBSTITUTED_AT] == 1]
        if self._odd:
            columns = self._with_odd(columns)
        micros, left, *rest = columns
        return Samples(counts, micros, micros * TICKS_PER_MICROSECOND + left, *rest)

    def _with_odd(self, columns: list[NDArray[Any]]) -> list[NDArray[Any]]:
        places = np.array(self._odd_places)
        usual = np.ones(self.total, np.bool_)
        usual[places] = False
        merged = []
        for column, odd in zip(columns, zip(*self._odd, strict=True), strict=True):
            whole = np.empty(self.total, column.dtype)
            whole[usual], whole[places] = column, np.array(odd, column.dtype)
            merged.append(whole)
        return merged


def _eight_byte_longs(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Avro longs of eight bytes each, from the beginning of each row: seven bits a byte, the lowest first."""
    bits = np.ascontiguousarray(rows[:, :8]).view("<u8").ravel()
    bits = bits & np.uint64(0x7F7F7F7F7F7F7F7F)
    bits = (bits & np.uint64(0x007F007F007F007F)) | (bits & np.uint64(0x7F007F007F007F00)) >> np.uint64(1)
    bits = (bits & np.uint64(0x00003FFF00003FFF)) | (bits & np.uint64(0x3FFF00003FFF0000)) >> np.uint64(2)
    bits = (bits & np.uint64(0x000000000FFFFFFF)) | (bits & np.uint64(0x0FFFFFFF00000000)) >> np.uint64(4)
    longs: NDArray[np.int64] = (bits >> np.uint64(1)).astype(np.int64) ^ -(bits & np.uint64(1)).astype(np.int64)
    return longs


def _head(message: bytes) -> tuple[FrameHead, int]:
    source, at = _text(message, _HEADER_BYTES)
    shard, at = _long(message, at)
    epoch, at = _long(message, at)
    sequence, at = _long(message, at)
    clock, at = _long(message, at)
    origin, at = _long(message, at)
    via, at = _long(message, at)
    received, at = _long(message, at)
    server, at = _optional(message, at, _long)
    cause, at = _optional(message, at, _text)
    return {
        "source": source, "shard": shard, "epoch": epoch, "sequence": sequence, "clock": clock, "origin": _ORIGINS[_positive(origin, 0)],
        "via": _VIAS[_positive(via, 0)], "received_time": received, "server_time": server, "cause": cause,
    }, at  # fmt: skip


def _statement(message: bytes, at: int) -> tuple[Statement, int]:
    if not _present(message, at):
        raise _Unusual
    kind, at = _long(message, at + 1)
    numbers = []
    for _ in range(8):
        number, at = _long(message, at)
        numbers.append(number)
    begin, begin_ticks, end, end_ticks, as_of, as_of_clock, count, digest = numbers
    return {
        "kind": _STATEMENT_KINDS[_positive(kind, 0)], "from_time": begin, "from_ticks": begin_ticks, "to_time": end,
        "to_ticks": end_ticks, "as_of": as_of, "as_of_clock": as_of_clock, "count": count, "digest": digest,
    }, at  # fmt: skip


def _positive(number: int, least: int = 1) -> int:
    """The number. Raises _Unusual if it is smaller: Avro may write the size of a block in bytes beside a negative count."""
    if number < least:
        raise _Unusual
    return number


def _present(message: bytes, at: int) -> bool:
    """Whether a union of null and something has something. Raises _Unusual if it is neither."""
    if (branch := message[at]) == _SECOND_BRANCH:
        return True
    if branch:
        raise _Unusual
    return False


def _long(message: bytes, at: int) -> tuple[int, int]:
    """An Avro int or long, and where it ends."""
    byte = message[at]
    at += 1
    bits, shift = byte & 0x7F, 7
    while byte & _MORE_FOLLOW:
        byte = message[at]
        at += 1
        bits |= (byte & 0x7F) << shift
        shift += 7
    if bits >> 64:
        raise _Unusual
    return bits >> 1 ^ -(bits & 1), at


def _bytes(message: bytes, at: int) -> tuple[bytes, int]:
    size, at = _long(message, at)
    end = at + _positive(size, 0)
    if end > len(message):
        raise _Unusual
    return message[at:end], end


def _text(message: bytes, at: int) -> tuple[str, int]:
    content, at = _bytes(message, at)
    return content.decode(), at


def _double(message: bytes, at: int) -> tuple[float, int]:
    (double,) = _NUMBER.unpack_from(message, at)
    return double, at + _NUMBER.size


def _optional(message: bytes, at: int, read: Callable[[bytes, int], tuple[T, int]]) -> tuple[T | None, int]:
    """A union of null and what `read` reads."""
    return read(message, at + 1) if _present(message, at) else (None, at + 1)
