"""One value of a stream, and how PI prints it (pi-web-api.md 2.4)."""

import math
import struct
from functools import lru_cache

import msgspec

from simulator.pitime import format_ticks


class State(msgspec.Struct, frozen=True, rename="pascal"):
    """A digital state. `is_system` tells state 248 of a user's set from No Data."""

    name: str
    value: int
    is_system: bool = False


Value = float | int | str | State

# Set 0 of every data server, whatever the type of a point (pi-web-api.md 2.4).
SYSTEM_STATES = {
    number: State(name, number, True)
    for first, names in (
        (210, ("Access Denied", "No Sample", "No Result", "Unit Down", "Sample Bad", "Equip Fail", "No Lab Data", "Trace")),
        (233, ("DCS Failed",)),
        (237, ("Bad Output", "Scan Off", "Scan On", "Configure", "Failed", "Error", "Execute", "Filtered", "Calc Off", "I/O Timeout")),
        (247, ("Set to Bad", "No Data", "Calc Failed", "Calc Overflow", "Under Range", "Over Range", "Pt Created")),
        (254, ("Shutdown", "Bad Input", "Bad Total", "No_Alarm", "Over UCL", "Under LCL")),
    )
    for number, name in enumerate(names, first)
}
NO_DATA = SYSTEM_STATES[248]

# One bit for each property of the value object, in the order PI prints them.
FIELD_NAMES = ("Timestamp", "Value", "UnitsAbbreviation", "Good", "Questionable", "Substituted", "Annotated")
TIMESTAMP, VALUE, UNITS, GOOD, QUESTIONABLE, SUBSTITUTED, ANNOTATED = (1 << i for i in range(7))
ALL_FIELDS = 127

_encode = msgspec.json.Encoder().encode


class Event:
    """A value at an instant. Never changes; its JSON is written once for the set of fields last asked for."""

    __slots__ = ("_fields", "_json", "annotated", "good", "id", "questionable", "substituted", "ticks", "value")

    def __init__(self, ticks: int, value: Value, *, questionable: bool = False, substituted: bool = False, annotated: bool = False) -> None:
        self.ticks = ticks
        self.value = value
        self.good = not (type(value) is State and value.is_system)
        self.questionable = questionable
        self.substituted = substituted
        self.annotated = annotated
        self.id = 0
        """Which event of the journal this is; 0 where no journal is kept. Another value of the same event has the same id."""
        self._fields = -1
        self._json = b""

    @property
    def flags(self) -> int:
        """As the journal writes them: good 1, questionable 2, substituted 4, annotated 8."""
        return self.good + 2 * self.questionable + 4 * self.substituted + 8 * self.annotated

    def json(self, fields: int = ALL_FIELDS, units: str = "") -> bytes:
        """The value object as PI prints it, with only the properties whose bits are set. `units` are those of an attribute."""
        if units:
            return self._written(fields, units if self.good else "")
        if self._fields != fields:
            self._json = self._written(fields, "")
            self._fields = fields
        return self._json

    def _written(self, fields: int, units: str) -> bytes:
        parts = []
        if fields & TIMESTAMP:
            parts.append(b'"Timestamp":"%b"' % format_ticks(self.ticks).encode())
        if fields & VALUE:
            parts.append(b'"Value":%b' % value_json(self.value))
        tail = _tail(fields, units, self.good, self.questionable, self.substituted, self.annotated)
        if tail:
            parts.append(tail)
        return b"{%b}" % b",".join(parts)

    def __repr__(self) -> str:
        return f"Event({format_ticks(self.ticks)}, {self.value!r})"


@lru_cache(maxsize=4096)
def _tail(fields: int, units: str, good: bool, questionable: bool, substituted: bool, annotated: bool) -> bytes:
    texts = []
    if fields & UNITS:
        # Always empty for PI points; their unit is EngineeringUnits of the point.
        texts.append(f'"UnitsAbbreviation":{_encode(units).decode()}')
    for bit, name, flag in (
        (GOOD, "Good", good),
        (QUESTIONABLE, "Questionable", questionable),
        (SUBSTITUTED, "Substituted", substituted),
        (ANNOTATED, "Annotated", annotated),
    ):
        if fields & bit:
            texts.append(f'"{name}":{"true" if flag else "false"}')
    return ",".join(texts).encode()


def value_json(value: Value) -> bytes:
    """What stands behind `"Value":`. Floats keep their `.0`; the three that JSON has no number for are strings."""
    if type(value) is float and not math.isfinite(value):
        return b'"NaN"' if math.isnan(value) else b'"Infinity"' if value > 0 else b'"-Infinity"'
    return _encode(value)


def float32(value: float) -> float:
    """The double whose shortest text is that of the nearest Float32, as PI prints Float32 points. Raises OverflowError beyond its range."""
    if not math.isfinite(value):
        return value
    packed = struct.pack("<f", value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if abs(short) < 3.4e38 and struct.pack("<f", short) == packed:
            return short
    return float(f"{struct.unpack('<f', packed)[0]:.9g}")
