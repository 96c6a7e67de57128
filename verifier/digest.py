"""The verifier's own digest of a set of events, written from its definition in words, not from the bridge's code. Pure.

XXH64 chained from seed 42 over 8-byte little-endian integers: status, ticks since 1970, then each value column that is set. `status` has
the flags in bits 0-3, the value type in bits 4-7, in bit 8 or 9 whether a digital or a system state is set, and its code in bits 16-47.
"""

import struct
from collections.abc import Iterable

from xxhash import xxh64_intdigest

from verifier.events import NEGATIVE_ZERO, NOT_A_NUMBER, Content, Event

_TYPES = {name: code for code, name in enumerate(("UNKNOWN", "DOUBLE", "LONG", "STRING", "DIGITAL", "TIMESTAMP", "BYTES", "NONE"))}
_NAN_BITS = bytes.fromhex("000000000000f87f")
_MASK = {32: 2**32 - 1, 31: 2**31 - 1}
_chunk = struct.Struct("<q")
_double = struct.Struct("<d")


def status_of(content: Content) -> int:
    """Flags, value type and state code in one integer."""
    status = content.flags + (_TYPES[content.kind] << 4)
    if content.code is not None:
        status += (1 << 8 if content.kind == "DIGITAL" else 1 << 9) + ((content.code % 2**32) << 16)
    return status


def hash_of(event: Event) -> int:
    """Unsigned hash of one event; its ordinal and the names of states do not count."""
    content = event.content
    chained = xxh64_intdigest(_chunk.pack(event.ticks), xxh64_intdigest(_chunk.pack(status_of(content)), 42))
    value = content.value
    if value is None:
        return chained
    if content.kind == "DOUBLE":
        if value == NOT_A_NUMBER:
            return xxh64_intdigest(_NAN_BITS, chained)
        return xxh64_intdigest(_double.pack(0.0 if value == NEGATIVE_ZERO else value), chained)
    if content.kind in ("LONG", "TIMESTAMP"):
        return xxh64_intdigest(_chunk.pack(value), chained)
    return xxh64_intdigest(value.encode() if content.kind == "STRING" else value, chained)


class Sum:
    """Count and digest of the events added so far, in any order."""

    __slots__ = ("_high", "_low", "count")

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.count = self._low = self._high = 0
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        number = hash_of(event)
        self.count += 1
        self._low += number & _MASK[32]
        self._high += number >> 33

    @property
    def digest(self) -> int:
        """Low and high sums packed into 63 bits."""
        return (self._high & _MASK[31]) * 2**32 + (self._low & _MASK[32])
