"""Frames: what a shard gathered for one topic (design 3.4). Pure: encoding without I/O, time passed in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.digests import digest_of
from bridge.points import Point
from bridge.progress import ShardState
from bridge.ranges import Range
from bridge.samples import Sample, record_of, size_of
from schemas.records import FrameHead, SeriesHead, Statement, ValueFrame, Via
from schemas.topics import HISTORY, LIVE, RECORDED, Topic

MAX_FRAME_BYTES = 900_000
"""A frame never grows beyond this: Kafka's default limit of a message is 1 MB."""


class Limits(NamedTuple):
    """When a frame is full."""

    seconds: float
    samples: int
    size_bytes: int


class Series(SeriesHead):
    """A series of the contract, its samples as the bridge carries them."""

    samples: list[Sample]


class Frame(FrameHead):
    """A frame of the contract, its samples as the bridge carries them."""

    series: list[Series]


def plain(frame: Frame) -> ValueFrame:
    """The frame as a record of the contract."""
    series = [{**one, "samples": [record_of(sample) for sample in one["samples"]]} for one in frame["series"]]
    return {**frame, "series": series}  # type: ignore[typeddict-item]


Heard = tuple[Point, list[Sample]]
"""What was heard of a point: one value or several."""


class Stated(NamedTuple):
    """A range of a point's archive and when it was asked for."""

    range: Range
    as_of: int
    as_of_clock: int


@dataclass(slots=True)
class OpenFrame:
    """A frame that still takes series."""

    topic: Topic
    via: Via
    cause: str | None
    opened_seconds: float
    """Monotonic clock at its first series."""
    received_micros: int = 0
    series: list[Series] = field(default_factory=list)
    by_point: dict[str, Series] = field(default_factory=dict)
    samples: int = 0
    size_bytes: int = 200

    def full(self, limits: Limits) -> bool:
        """True if it should be closed before it takes more."""
        return self.samples >= limits.samples or self.size_bytes >= limits.size_bytes


def _series_bytes(series: Series) -> int:
    return 128 + 4 * (len(series["point_key"]) + len(series["tag"]) + len(series["uom"] or ""))


class FrameBuilder:
    """Gathers previews and statements of a shard into frames, and closes them in an order that the clock keeps."""

    def __init__(self, state: ShardState, source: str, limits: Limits) -> None:
        self._state, self._source, self._limits = state, source, limits
        self._open: dict[tuple[str, Via, str | None], OpenFrame] = {}
        self._closed: list[tuple[Topic, Frame]] = []
        self._closed_bytes = 0

    def previews(self, heard: Sequence[Heard], via: Via, received_micros: int, now_seconds: float) -> None:
        """Adds live values, of each point one or several; those of one point in one frame share a series."""
        samples = [sample for _, some in heard for sample in some]
        frame, size_bytes = self._frame(LIVE, via, None, now_seconds, samples[0].shape.size_bytes), size_of(samples)
        if len(samples) > 1 and not self._takes(frame, len(samples), size_bytes):
            for point, some in heard:
                for sample in some:
                    self.previews([(point, [sample])], via, received_micros, now_seconds)
            return
        frame.received_micros = received_micros
        by_point = frame.by_point
        for point, some in heard:
            if (series := by_point.get(point.point_key)) is None:
                series = by_point[point.point_key] = _series(point, None, [])
                frame.series.append(series)
                frame.size_bytes += _series_bytes(series)
            series["samples"] += some
        frame.samples += len(samples)
        frame.size_bytes += size_bytes

    def statement(self, point: Point, stated: Stated, history: bool, cause: str | None, received_micros: int, now_seconds: float) -> None:
        """Adds a statement, cut where it is too long for a frame. Raises InstantTooLarge, adding nothing, if one instant does not fit.

        What is confirmed is added without its samples.
        """
        pieces = [stated.range] if stated.range.confirmed else list(pieces_of(stated.range, self._limits.size_bytes))
        for piece in pieces:
            samples = [] if piece.confirmed else piece.samples
            series = _series(point, _statement(piece, stated.as_of, stated.as_of_clock), samples)
            size = size_of(samples) + _series_bytes(series)
            frame = self._frame(HISTORY if history else RECORDED, "READ", cause, now_seconds, size)
            frame.series.append(series)
            frame.samples += len(samples)
            frame.size_bytes += size
            frame.received_micros = received_micros

    def _frame(self, topic: Topic, via: Via, cause: str | None, now_seconds: float, more_bytes: int) -> OpenFrame:
        key = (topic.dataset, via, cause)
        frame = self._open.get(key)
        if frame is not None and self._is_full(frame, more_bytes):
            self._close(key)
            frame = None
        if frame is None:
            frame = self._open[key] = OpenFrame(topic, via, cause, now_seconds)
        return frame

    def _is_full(self, frame: OpenFrame, more_bytes: int) -> bool:
        """True if so many bytes more do not go into it."""
        size_bytes, limits = frame.size_bytes, self._limits
        return frame.samples >= limits.samples or size_bytes >= limits.size_bytes or size_bytes + more_bytes > MAX_FRAME_BYTES

    def _takes(self, frame: OpenFrame, samples: int, more_bytes: int) -> bool:
        """True if so many samples more, of so many bytes together, stay within all limits."""
        limits = self._limits
        return frame.samples + samples <= limits.samples and frame.size_bytes + more_bytes <= min(limits.size_bytes, MAX_FRAME_BYTES)

    def _close(self, key: tuple[str, Via, str | None]) -> None:
        frame = self._open.pop(key)
        record: Frame = {
            "source": self._source,
            "shard": self._state.shard,
            "epoch": self._state.epoch,
            "sequence": self._state.take_sequence(frame.topic.dataset),
            "clock": self._state.take_clock(),
            "origin": "LIVE" if frame.topic is LIVE else "RECORDED",
            "via": frame.via,
            "received_time": frame.received_micros,
            "server_time": None,
            "cause": frame.cause,
            "series": frame.series,
        }
        self._closed.append((frame.topic, record))
        self._closed_bytes += frame.size_bytes

    def close_old(self, now_seconds: float) -> None:
        """Closes what is full or older than the limit."""
        for key in [k for k, f in self._open.items() if f.full(self._limits) or now_seconds - f.opened_seconds >= self._limits.seconds]:
            self._close(key)

    def take(self, server_ahead_micros: int | None, everything: bool = False) -> list[tuple[Topic, Frame]]:
        """The frames closed since the last call, in the order of their clocks; `everything` closes the open ones first.

        `server_ahead_micros` is how far PI's clock is ahead of ours, None if that is not known.
        """
        if everything:
            for key in list(self._open):
                self._close(key)
        closed, self._closed, self._closed_bytes = self._closed, [], 0
        for _, record in closed:
            record["server_time"] = None if server_ahead_micros is None else record["received_time"] + server_ahead_micros
        return closed

    @property
    def empty(self) -> bool:
        """True if nothing was gathered since the last `take`."""
        return not self._open and not self._closed

    @property
    def waiting_bytes(self) -> int:
        """About how many bytes are gathered and not yet taken."""
        size_bytes = self._closed_bytes
        for frame in self._open.values():
            size_bytes += frame.size_bytes
        return size_bytes


class InstantTooLarge(Exception):
    """The samples at one instant do not fit into a frame."""

    def __init__(self, ticks: int, size_bytes: int) -> None:
        super().__init__(f"the values at one instant take {size_bytes} bytes, more than a frame ({MAX_FRAME_BYTES})")
        self.ticks, self.size_bytes = ticks, size_bytes


def pieces_of(stated: Range, size_bytes: int) -> Iterator[Range]:
    """The range in pieces of about `size_bytes` that join without a gap; no cut divides an instant."""
    if size_of(stated.samples) <= min(size_bytes, MAX_FRAME_BYTES - 1000):
        yield stated
        return
    begin, samples, size = stated.begin, list[Sample](), 0
    for instant in _instants(stated.samples):
        more = size_of(instant)
        if more > MAX_FRAME_BYTES - 1000:
            raise InstantTooLarge(instant[0].ticks, more)
        if samples and size + more > size_bytes:
            at = instant[0].ticks
            yield Range(begin, at, samples)
            begin, samples, size = at, [], 0
        samples += instant
        size += more
    yield Range(begin, stated.end, samples)


def _instants(samples: list[Sample]) -> Iterator[list[Sample]]:
    group: list[Sample] = []
    for sample in samples:
        if group and group[0].ticks != sample.ticks:
            yield group
            group = []
        group.append(sample)
    if group:
        yield group


def _series(point: Point, statement: Statement | None, samples: list[Sample]) -> Series:
    return {"point_key": point.point_key, "tag": point.tag, "uom": point.uom, "statement": statement, "samples": samples}


def _statement(piece: Range, as_of: int, as_of_clock: int) -> Statement:
    return {
        "kind": "CONFIRMED" if piece.confirmed else "STATED",
        "from_time": piece.begin // 10,
        "from_ticks": piece.begin % 10,
        "to_time": piece.end // 10,
        "to_ticks": piece.end % 10,
        "as_of": as_of // 10,
        "as_of_clock": as_of_clock,
        "count": len(piece.samples),
        "digest": digest_of(piece.samples) if piece.digest is None else piece.digest,
    }
