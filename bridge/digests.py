"""The digest of samples as the bridge carries them (schemas.digest): by column where there are many of one shape. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bridge.samples import NUMBER_COLUMN, Sample, Shape
from schemas import digest

_COLUMNS_FROM = 120
"""Fewer hashes are cheaper one after the other."""
_TEXTS = frozenset({"STRING", "BYTES"})
"""Value types whose hash needs more than a number."""
_Words = NDArray[np.uint64]
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime) for prime in (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
)
_CANONICAL_NAN = np.uint64(0x7FF8000000000000)
_LOW, _33 = np.uint64(0xFFFFFFFF), np.uint64(33)


def digest_of(samples: Sequence[Sample]) -> int:
    """Digest of a set of samples."""
    low = high = 0
    for shape, alike in _by_shape(samples):
        by_column = len(alike) >= _COLUMNS_FROM and shape.value_type not in _TEXTS
        more_low, more_high = (_by_column if by_column else _one_by_one)(shape, alike)
        low, high = low + more_low, high + more_high
    return digest.packed(low, high)


def _by_shape(samples: Sequence[Sample]) -> list[tuple[Shape, Sequence[Sample]]]:
    if not samples:
        return []
    first = samples[0].shape
    if [sample.shape for sample in samples].count(first) == len(samples):
        return [(first, samples)]
    groups: dict[Shape, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.shape, []).append(sample)
    return list(groups.items())


def _one_by_one(shape: Shape, samples: Sequence[Sample]) -> tuple[int, int]:
    low = high = 0
    column = NUMBER_COLUMN.get(shape.value_type)
    text = shape.text if shape.value_type == "STRING" else None
    for sample in samples:
        double, integer = (sample.number, None) if column == "value_double" else (None, sample.number)
        h = digest.value_hash(shape.status_hash, sample.ticks, double, integer, text, shape.blob)  # type: ignore[arg-type]
        low += h
        high += h >> 33
    return low, high


def _by_column(shape: Shape, samples: Sequence[Sample]) -> tuple[int, int]:
    hashes = _xxh64(_longs([sample.ticks for sample in samples]), np.uint64(shape.status_hash))
    match NUMBER_COLUMN.get(shape.value_type):
        case "value_double":
            with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
                doubles = np.array([sample.number for sample in samples], np.float64) + 0.0  # -0.0 becomes 0.0
            words = doubles.view(np.uint64)
            words[np.isnan(doubles)] = _CANONICAL_NAN
            hashes = _xxh64(words, hashes)
        case "value_long":
            hashes = _xxh64(_longs([sample.number for sample in samples]), hashes)
    # Sums of 2**32 halves of 32 bits fit into 64.
    return int((hashes & _LOW).sum()), int((hashes >> _33).sum())


def _longs(numbers: Sequence[float | int | None]) -> _Words:
    return np.array(numbers, np.int64).view(np.uint64)


def _rotated(words: _Words, bits: int) -> _Words:
    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))


def _xxh64(words: _Words, seeds: _Words | np.uint64) -> _Words:
    """XXH64 of eight bytes each (the xxHash specification, inputs of less than 32 bytes)."""
    mixed = _rotated(words * _P2, 31) * _P1
    h: _Words = np.full(len(words), seeds) + (_P5 + np.uint64(8)) if isinstance(seeds, np.uint64) else seeds + (_P5 + np.uint64(8))
    h = _rotated(h ^ mixed, 27) * _P1 + _P4
    h ^= h >> _33
    h *= _P2
    h ^= h >> np.uint64(29)
    h *= _P3
    h ^= h >> np.uint64(32)
    return h
