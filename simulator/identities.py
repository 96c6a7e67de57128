"""Values of the `verify` profile: each carries its point and a serial number, so that a row found anywhere can be traced.

A serial counts the events of one point: those of the plant from 0, those of corrections from `CORRECTIONS` on. What a type
can hold of it:

    Float64            point id * 2^31 + serial, an integer below 2^53
    Float32, Int32     the serial, of a Float32 in 24 bits
    Int16, Float16     the serial in 15 and 11 bits
    String, Blob       P<point id>#<serial>, the blob in base64
    Timestamp          that many seconds after 1970
    Digital            one of the states, chosen by the serial
"""

from base64 import b64encode
from dataclasses import dataclass

from simulator.events import SYSTEM_STATES, Event, Value
from simulator.pitime import TICKS_PER_SECOND, format_ticks
from simulator.profiles import Point, Profile

CORRECTIONS = 1 << 30
_PLANT_MASK = CORRECTIONS - 1
_LONGEST_RUN = 6
_STATES = tuple(SYSTEM_STATES.values())


def identity(point: Point, serial: int) -> Value:
    """The value of `point` that carries `serial`, below 2^31."""
    kind, name = point.point_type, f"P{point.point_id}#{serial}"
    if point.states:
        return point.states[serial % len(point.states)]
    if kind == "String":
        return name
    if kind == "Blob":
        return b64encode(name.encode()).decode()
    if kind == "Timestamp":
        return format_ticks(serial * TICKS_PER_SECOND)
    if kind == "Float64":
        return float(((point.point_id & 0x3FFFFF) << 31) + serial)
    if kind == "Int32":
        return serial
    # The highest bit kept tells corrections from the plant here too.
    bits = {"Float32": 24, "Int16": 15, "Float16": 11}[kind]
    short = serial & ((1 << bits - 1) - 1) | (serial >= CORRECTIONS) << bits - 1
    return short if kind == "Int16" else float(short)


@dataclass(slots=True)
class IdentifiedProfile(Profile):
    """A point of the `verify` profile. One slot in sixteen is a run of two to six events at one instant, one in fifty a system state."""

    def unusual(self, h: int) -> int:
        chance = h >> 50
        return 1 if chance < 330 else 2 if chance < 660 else 0

    def twin(self, h: int) -> bool:
        return (h >> 43) & 15 == 0

    def events(self, slot: int, h: int) -> list[Event]:
        ticks, unusual = self.ticks_of(slot, h), self.unusual(h)
        if unusual == 1:
            return [Event(ticks, _STATES[h % len(_STATES)])]
        count = 2 + (h >> 30) % (_LONGEST_RUN - 1) if self.twin(h) else 1
        return [Event(ticks, identity(self.point, slot * 8 + i & _PLANT_MASK), questionable=unusual == 2) for i in range(count)]

    def correction(self, number: int, ticks: int) -> Value:
        return identity(self.point, CORRECTIONS + number)

    def _value(self, slot: int, ticks: int, h: int) -> Value:
        return identity(self.point, slot * 8 & _PLANT_MASK)
