"""A frame's samples as columns, so that rules look at all of them at once. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from schemas.records import Sample, SeriesHead, ValueFrame
from schemas.times import TICKS_PER_MICROSECOND
from stream_processors.state import ShardState

Array = NDArray[Any]

KINDS = {"UNKNOWN": 0, "DOUBLE": 1, "LONG": 2, "STRING": 3, "DIGITAL": 4, "TIMESTAMP": 5, "BYTES": 6, "NONE": 7}
"""Value types as small numbers, as the state keeps them and as their Avro enum counts them."""
NONE = KINDS["NONE"]
NUMBERS = 2
"""Kinds up to this are numbers, from 1."""


class Samples(NamedTuple):
    """The samples of a frame, in its order."""

    counts: list[int]
    """Of each series, how many they are."""
    micros: Array
    """Event times, whole microseconds since 1970."""
    ticks: Array
    """Event times, 100 ns ticks since 1970."""
    kinds: Array
    values: Array
    """The number; of texts and bytes a checksum, of digital states the code, of system states the code below zero."""
    good: Array
    substituted: Array

    def take(self, places: Array, counts: list[int]) -> "Samples":
        """These samples in this order."""
        return Samples(counts, *(column[places] for column in self[1:]))


class Columns(NamedTuple):
    """The samples of a frame; those of one point are next to one another, in the frame's order."""

    slots: Array
    """Of each point that has samples, its place in the state."""
    starts: Array
    """Of each point, where its samples begin."""
    counts: Array
    """Of each point, how many they are."""
    of_point: Array
    """Of each sample, the position of its point in `slots`."""
    ticks: Array
    micros: Array
    kinds: Array
    values: Array
    good: Array
    substituted: Array
    """The last six as in `Samples`."""
    units_changed: list[tuple[int, str | None]]
    """Points, by place in the state, that came with another unit than before, and which they had."""


def columns_of(series: Sequence[SeriesHead], samples: Samples, state: ShardState) -> Columns | None:
    """The samples, each point with its place in the state; None if there are none. Points that are new get a place."""
    slot_of, units = state.slot_of, state.units
    slots, counts = list[int](), list[int]()
    units_changed: list[tuple[int, str | None]] = []
    for one, count in zip(series, samples.counts, strict=True):
        if not count:
            continue
        slot = slot_of.get(one["point_key"])
        if slot is None:
            slot = state.add(one["point_key"], one["tag"], one["uom"])
        elif units[slot] != one["uom"]:
            units_changed.append((slot, units[slot]))
            units[slot] = one["uom"]
        slots.append(slot)
        counts.append(count)
    if not slots:
        return None
    places, lengths = np.array(slots), np.array(counts)
    if len(set(slots)) < len(slots):
        places, lengths, samples = _joined(places, lengths, samples)
    ends = lengths.cumsum()
    return Columns(
        places, ends - lengths, lengths, np.arange(len(places)).repeat(lengths), samples.ticks, samples.micros, samples.kinds,
        samples.values, samples.good, samples.substituted, units_changed,
    )  # fmt: skip


def _joined(slots: Array, lengths: Array, samples: Samples) -> tuple[Array, Array, Samples]:
    """The same with one entry a point, where a point has several."""
    known, first, which = np.unique(slots, return_index=True, return_inverse=True)
    order = np.argsort(first)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    of_sample = position[which].repeat(lengths)
    counts = np.bincount(of_sample)
    return known[order], counts, samples.take(np.argsort(of_sample, kind="stable"), counts.tolist())


def samples_of(frame: ValueFrame) -> Samples:
    """The samples of a frame that stand in it as dictionaries."""
    samples = [sample for series in frame["series"] for sample in series["samples"]]
    micros = np.array([sample["event_time"] for sample in samples], np.int64)
    return Samples(
        [len(series["samples"]) for series in frame["series"]],
        micros,
        micros * TICKS_PER_MICROSECOND + np.array([sample["ticks"] for sample in samples], np.int64),
        np.array([KINDS[sample["value_type"]] for sample in samples], np.uint8),
        np.array([_number(sample) for sample in samples], np.float64),
        np.array([sample["good"] for sample in samples], np.bool_),
        np.array([sample["substituted"] for sample in samples], np.bool_),
    )


def _number(sample: Sample) -> float:
    text, content = sample["value_string"], sample["value_bytes"]
    return number_of(
        sample["value_double"],
        sample["value_long"],
        sample["digital_code"],
        None if text is None else text.encode(),
        content,
        sample["system_state"],
    )


def number_of(
    double: float | None, long: int | None, code: int | None, text: bytes | None, content: bytes | None, state: int | None
) -> float:
    """What stands for a value in `Samples.values`: the first that it has."""
    if double is not None:
        return double
    if long is not None:
        return float(long)
    if code is not None:
        return float(code)
    if text is not None:
        return float(crc32(text))
    if content is not None:
        return float(crc32(content))
    return -1.0 - (state or 0)
