"""A frame's samples as columns, so that rules look at all of them at once. Pure."""

from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from schemas.records import Sample, Series, ValueFrame
from schemas.times import TICKS_PER_MICROSECOND
from stream_processors.state import ShardState

Array = NDArray[Any]

KINDS = {"UNKNOWN": 0, "DOUBLE": 1, "LONG": 2, "STRING": 3, "DIGITAL": 4, "TIMESTAMP": 5, "BYTES": 6, "NONE": 7}
"""Value types as small numbers, as the state keeps them."""
NONE = KINDS["NONE"]
NUMBERS = 2
"""Kinds up to this are numbers, from 1."""


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
    """Event times, 100 ns ticks since 1970."""
    micros: Array
    """Event times, whole microseconds since 1970."""
    kinds: Array
    values: Array
    """The number; of texts and bytes a checksum, of digital states the code, of system states the code below zero."""
    good: Array
    substituted: Array
    units_changed: list[tuple[int, str | None]]
    """Points, by place in the state, that came with another unit than before, and which they had."""


def columns_of(frame: ValueFrame, state: ShardState) -> Columns | None:
    """The frame's samples, each point with its place in the state; None if there are none. Points that are new get a place."""
    slot_of, units = state.slot_of, state.units
    series_list = [series for series in frame["series"] if series["samples"]]
    if not series_list:
        return None
    slots, counts, samples = list[int](), list[int](), list[Sample]()
    units_changed: list[tuple[int, str | None]] = []
    for series in series_list:
        slot = slot_of.get(series["point_key"])
        if slot is None:
            slot = state.add(series["point_key"], series["tag"], series["uom"])
        elif units[slot] != series["uom"]:
            units_changed.append((slot, units[slot]))
            units[slot] = series["uom"]
        own = series["samples"]
        slots.append(slot)
        counts.append(len(own))
        samples += own
    if len(set(slots)) < len(slots):
        return columns_of(_joined(frame), state)
    lengths = np.array(counts)
    ends = lengths.cumsum()
    micros = np.array([sample["event_time"] for sample in samples], np.int64)
    return Columns(
        np.array(slots),
        ends - lengths,
        lengths,
        np.arange(len(slots)).repeat(lengths),
        micros * TICKS_PER_MICROSECOND + np.array([sample["ticks"] for sample in samples], np.int64),
        micros,
        np.array([KINDS[sample["value_type"]] for sample in samples], np.uint8),
        np.array([_number(sample) for sample in samples], np.float64),
        np.array([sample["good"] for sample in samples], np.bool_),
        np.array([sample["substituted"] for sample in samples], np.bool_),
        units_changed,
    )


def _number(sample: Sample) -> float:
    if (double := sample["value_double"]) is not None:
        return double
    if (long := sample["value_long"]) is not None:
        return float(long)
    if (code := sample["digital_code"]) is not None:
        return float(code)
    if (text := sample["value_string"]) is not None:
        return float(crc32(text.encode()))
    if (content := sample["value_bytes"]) is not None:
        return float(crc32(content))
    return -1.0 - (sample["system_state"] or 0)


def _joined(frame: ValueFrame) -> ValueFrame:
    """The frame with one series a point, where it has several."""
    by_point: dict[str, Series] = {}
    for series in frame["series"]:
        known = by_point.get(series["point_key"])
        by_point[series["point_key"]] = series if known is None else {**series, "samples": known["samples"] + series["samples"]}
    return {**frame, "series": list(by_point.values())}
