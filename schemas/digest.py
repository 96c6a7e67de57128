"""Digest of the samples in a range (design 3.4): equal in Python and in Spark, additive over ranges, blind to order within an instant.

A sample's hash is what Spark computes for
`xxhash64(status bigint, ticks since 1970 bigint, value_double, value_long, value_string, value_bytes)`: XXH64 chained from seed 42, nulls
skipped, -0.0 as 0.0, each NaN as the canonical one; value_string counts for the value type STRING only (names of states are translated by
servers). `status` is a 64-bit integer:

    bits 0-3    good 1, questionable 2, substituted 4, annotated 8
    bits 4-7    value type: UNKNOWN 0, DOUBLE 1, LONG 2, STRING 3, DIGITAL 4, TIMESTAMP 5, BYTES 6, NONE 7
    bit  8      digital_code is set
    bit  9      system_state is set
    bits 16-47  the code that is set, as unsigned 32 bits; 0 if none is

The digest of a set of samples is two sums packed into one non-negative 63-bit integer: low 32 bits of the hashes modulo 2**32, and their
high 31 bits (hash >> 33, unsigned) modulo 2**31, the latter shifted left by 32. `schemas/digest_vectors.json` holds test vectors.
"""

import math
import struct
from collections.abc import Iterable
from operator import itemgetter

from xxhash import xxh64_intdigest

from schemas.records import Sample

VALUE_TYPE_CODES = {
    "UNKNOWN": 0,
    "DOUBLE": 1,
    "LONG": 2,
    "STRING": 3,
    "DIGITAL": 4,
    "TIMESTAMP": 5,
    "BYTES": 6,
    "NONE": 7,
}
EMPTY = 0
"""Digest of no samples."""

_SEED = 42
_LOW = 0xFFFFFFFF
_HIGH = 0x7FFFFFFF
_long = struct.Struct("<q").pack
_double = struct.Struct("<d").pack
_status_fields = itemgetter("value_type", "good", "questionable", "substituted", "annotated", "digital_code", "system_state")
_CANONICAL_NAN = struct.pack("<Q", 0x7FF8000000000000)


def status(
    value_type: str, good: bool, questionable: bool, substituted: bool, annotated: bool, digital_code: int | None, system_state: int | None
) -> int:
    """Value type, state code and flags in one integer, laid out as the module's doc says."""
    bits = good | questionable << 1 | substituted << 2 | annotated << 3 | VALUE_TYPE_CODES[value_type] << 4
    if digital_code is not None:
        bits |= 1 << 8 | (digital_code & 0xFFFFFFFF) << 16
    elif system_state is not None:
        bits |= 1 << 9 | (system_state & 0xFFFFFFFF) << 16
    return bits


def status_of(sample: Sample) -> int:
    """The status of a sample."""
    return status(*_status_fields(sample))


def status_hash(status: int) -> int:
    """What the hash of each sample with this status begins with."""
    return xxh64_intdigest(_long(status), _SEED)


def value_hash(
    start: int, ticks: int, double: float | None, integer: int | None, text: str | None = None, blob: bytes | None = None
) -> int:
    """Unsigned 64-bit hash of a sample, from that of its status; `text` only where it counts: of the value type STRING."""
    h = xxh64_intdigest(_long(ticks), start)
    if double is not None:
        h = xxh64_intdigest(_CANONICAL_NAN if math.isnan(double) else _double(double + 0.0), h)
    if integer is not None:
        h = xxh64_intdigest(_long(integer), h)
    if text is not None:
        h = xxh64_intdigest(text.encode(), h)
    if blob is not None:
        h = xxh64_intdigest(blob, h)
    return h


def hash_of(sample: Sample) -> int:
    """Unsigned 64-bit hash of a sample."""
    text = sample["value_string"] if sample["value_type"] == "STRING" else None
    ticks = sample["event_time"] * 10 + sample["ticks"]
    return value_hash(status_hash(status_of(sample)), ticks, sample["value_double"], sample["value_long"], text, sample["value_bytes"])


def packed(low: int, high: int) -> int:
    """The digest out of the sum of the hashes, and that of the hashes shifted right by 33."""
    return (high & _HIGH) << 32 | low & _LOW


def digest_of(samples: Iterable[Sample]) -> int:
    """Digest of a set of samples."""
    low = high = 0
    for h in map(hash_of, samples):
        low += h
        high += h >> 33
    return packed(low, high)


def add(left: int, right: int) -> int:
    """Digest of two sets that share no sample, from their digests."""
    low = (left & _LOW) + (right & _LOW)
    high = (left >> 32) + (right >> 32)
    return packed(low, high)
