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
from itertools import chain, groupby
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


def status_of(sample: Sample) -> int:
    """Value type, state code and flags of a sample in one integer, laid out as the module's doc says."""
    status = (
        sample["good"]
        | sample["questionable"] << 1
        | sample["substituted"] << 2
        | sample["annotated"] << 3
        | VALUE_TYPE_CODES[sample["value_type"]] << 4
    )
    if (code := sample["digital_code"]) is not None:
        status |= 1 << 8 | (code & 0xFFFFFFFF) << 16
    elif (code := sample["system_state"]) is not None:
        status |= 1 << 9 | (code & 0xFFFFFFFF) << 16
    return status


def hash_of(sample: Sample) -> int:
    """Unsigned 64-bit hash of a sample."""
    return _hash_from(_status_hash(sample), sample)


def _status_hash(sample: Sample) -> int:
    return xxh64_intdigest(_long(status_of(sample)), _SEED)


def _hash_from(h: int, sample: Sample) -> int:
    h = xxh64_intdigest(_long(sample["event_time"] * 10 + sample["ticks"]), h)
    if (double := sample["value_double"]) is not None:
        h = xxh64_intdigest(_CANONICAL_NAN if math.isnan(double) else _double(double + 0.0), h)
    if (integer := sample["value_long"]) is not None:
        h = xxh64_intdigest(_long(integer), h)
    if sample["value_type"] == "STRING" and (text := sample["value_string"]) is not None:
        h = xxh64_intdigest(text.encode(), h)
    if (blob := sample["value_bytes"]) is not None:
        h = xxh64_intdigest(blob, h)
    return h


def digest_of(samples: Iterable[Sample]) -> int:
    """Digest of a set of samples."""
    low = high = 0
    for _, alike in groupby(samples, _status_fields):  # neighbours mostly have the same status: it is hashed once for all of them
        first = next(alike)
        start = _status_hash(first)
        for sample in chain((first,), alike):
            h = _hash_from(start, sample)
            low += h
            high += h >> 33
    return (high & _HIGH) << 32 | low & _LOW


def add(left: int, right: int) -> int:
    """Digest of two sets that share no sample, from their digests."""
    low = (left & _LOW) + (right & _LOW)
    high = (left >> 32) + (right >> 32)
    return (high & _HIGH) << 32 | low & _LOW
