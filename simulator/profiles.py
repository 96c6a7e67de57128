"""The points of the simulated plant, and what each of them shows: a function of seed, point and time, and of nothing else.

Time is cut into slots of one period; slot n of a point holds its nth event since 1970, or two at one instant. So any
stretch of any point can be computed by itself, tomorrow or in another process, and comes out the same.
"""

import math
import struct
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from simulator.events import SYSTEM_STATES, Event, State, Value, float32
from simulator.pitime import TICKS_PER_SECOND, format_ticks

_MASK = (1 << 64) - 1
_SLOT_STEP = 0x2545F4914F6CDD1D
_IO_TIMEOUT = SYSTEM_STATES[246]
COMPRESSION_MAX_SECONDS = 8 * 3600
FORECAST_SECONDS = 6 * 3600


@dataclass(frozen=True, slots=True)
class Point:
    """A PI point as its metadata has it. `compression_deviation` None switches compression off."""

    point_id: int
    name: str
    point_type: str
    descriptor: str = ""
    units: str = ""
    source: str = "R"
    digital_set: str = ""
    states: tuple[State, ...] = ()
    zero: float = 0.0
    span: float = 100.0
    step: bool = False
    compression_deviation: float | None = None
    compression_max_ticks: int = COMPRESSION_MAX_SECONDS * TICKS_PER_SECOND
    digits: int = -5
    future: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    code: str
    noun: str
    units: str
    zero: float
    span: float


_MEASUREMENTS = (
    _Kind("FIC", "feed flow", "m3/h", 0.0, 250.0),
    _Kind("TI", "temperature", "degC", -20.0, 420.0),
    _Kind("PIC", "pressure", "bar", 0.0, 40.0),
    _Kind("LIC", "level", "%", 0.0, 100.0),
    _Kind("AI", "oxygen", "ppm", 0.0, 1000.0),
    _Kind("VI", "vibration", "mm/s", 0.0, 25.0),
    _Kind("JI", "power", "kW", 0.0, 3200.0),
)
_COUNTERS = (_Kind("SI", "speed", "1/min", 0.0, 3000.0), _Kind("NI", "pieces in buffer", "", 0.0, 500.0))
_SWITCHES = (
    ("XV", "valve", "OpenClosed", ("Closed", "Open")),
    ("HS", "drive", "RunStop", ("Stopped", "Running")),
    ("MD", "controller mode", "LoopMode", ("Auto", "Manual", "Cascade", "Tracking")),
    ("SQ", "sequence", "ReactorPhase", ("Idle", "Filling", "Heating", "Reacting", "Cooling", "Draining")),
)
_AREAS = ("crude unit", "reforming", "hydrotreater", "utilities", "tank farm", "Prüffeld", "blending")
_PHASES = ("charge", "heat", "hold", "cool", "discharge", "Reinigung nach 3 Ansätzen", "sample 1/2")


def mix(x: int) -> int:
    """64 well-spread bits of an integer (splitmix64): the only randomness values have."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def mix_run(key: int, first_slot: int, count: int) -> Sequence[int]:
    """`mix(key ^ slot * _SLOT_STEP)` of `count` slots in a row, all worked out at once in the lanes of one long integer.

    A lane has 128 bits and holds 64: the product of two such numbers fits, so no lane ever reaches into the next.
    """
    ones, mask, steps = _lanes(count)
    x = (steps + ones * (first_slot * _SLOT_STEP & _MASK) & mask) ^ ones * key
    x = x + ones * 0x9E3779B97F4A7C15 & mask
    x = ((x ^ x >> 30) & mask) * 0xBF58476D1CE4E5B9 & mask
    x = ((x ^ x >> 27) & mask) * 0x94D049BB133111EB & mask
    x = (x ^ x >> 31) & mask
    return struct.unpack(f"<{2 * count}Q", x.to_bytes(16 * count, "little"))[::2]


@lru_cache(maxsize=8)
def _lanes(count: int) -> tuple[int, int, int]:
    """In each of `count` lanes: 1; all of its 64 bits; its number times the step from slot to slot."""
    ones = sum(1 << 128 * lane for lane in range(count))
    return ones, ones * _MASK, sum((lane * _SLOT_STEP & _MASK) << 128 * lane for lane in range(count))


@dataclass(slots=True)
class Profile:
    """What an interface would send for one point, after its exception test, slot by slot. A period of None is a quiet point."""

    point: Point
    key: int
    weight: float
    twins: bool
    period: int | None = None
    ahead: int = 0
    """Slots between the writing of a value and its time: a forecast's horizon."""
    _rounding: int = 1
    _waves: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        h = mix(self.key)
        # Some interfaces stamp whole seconds or milliseconds: timestamps with 0 to 7 digits stand side by side (pi-web-api.md 2.4).
        self._rounding = {0: TICKS_PER_SECOND, 1: TICKS_PER_SECOND // 1000}.get(h % 10, 1)
        slow, fast = 600 + h % 3000, 60 + (h >> 12) % 240
        self._waves = (math.tau / slow, (h >> 24) % 628 / 100, math.tau / fast, (h >> 36) % 628 / 100)

    def slot_at(self, ticks: int) -> int:
        """The last slot whose event is not after `ticks`."""
        assert self.period is not None
        slot = ticks // self.period
        return slot if self.ticks_of(slot, self.hash_of(slot)) <= ticks else slot - 1

    def hash_of(self, slot: int) -> int:
        return mix(self.key ^ (slot * _SLOT_STEP))

    def ticks_of(self, slot: int, h: int) -> int:
        """When slot `slot` has its event; always inside the slot, so events keep the order of slots."""
        period, rounding = self.period, self._rounding
        assert period is not None
        begin = slot * period
        if period > rounding > 1:
            return -(-begin // rounding) * rounding
        return begin + ((h & 0xFFFFF) * period >> 20)

    def unusual(self, h: int) -> int:
        """1: a system state in place of the value, 2: a questionable value, 0: neither. A few in a thousand."""
        chance = h >> 50
        return 1 if chance < 33 else 2 if chance < 80 else 0

    def twin(self, h: int) -> bool:
        """Whether two events stand at the one instant of this slot."""
        return self.twins and (h >> 43) & 15 == 0

    def kept(self, before: int, h: int, after: int) -> bool:
        """Whether history before the start of the simulator has the slot of hash `h` archived, between its neighbours' hashes.

        Real compression needs everything since the last archived event; this rule needs only the neighbours: about one in
        eight by hash, each change to or from an unusual value, both of two events at one instant, and every value of a
        digital or string point, which all are changes.
        """
        return self._kept_alone(h) or self.unusual(before) != 0 or self.unusual(h) != 0 or self.unusual(after) != 0

    def _kept_alone(self, h: int) -> bool:
        return not h >> 40 & 7 or self.point.step or self.twin(h)

    def archived(self, first_slot: int, end_slot: int) -> list[Event]:
        """The events of the kept slots of a range, as history before the start has them."""
        hashes = mix_run(self.key, first_slot - 1, end_slot - first_slot + 2)
        odd = list(map(self.unusual, hashes))
        kept_alone, events = self._kept_alone, self.events
        found: list[Event] = []
        for slot, h, before, here, after in zip(range(first_slot, end_slot), hashes[1:], odd, odd[1:], odd[2:], strict=False):
            if before or here or after or kept_alone(h):
                found += events(slot, h)
        return found

    def events(self, slot: int, h: int) -> list[Event]:
        """The events of one slot, whose hash is `h`: one, or two at one instant."""
        ticks = self.ticks_of(slot, h)
        unusual = self.unusual(h)
        if unusual == 1:
            return [Event(ticks, _IO_TIMEOUT)]
        first = Event(ticks, self._value(slot, ticks, h), questionable=unusual == 2)
        if self.twin(h):
            return [first, Event(ticks, self._value(slot + 1, ticks, mix(h)))]
        return [first]

    def quiet_value(self, ticks: int) -> Event:
        """The one value a quiet point got long ago."""
        h = mix(self.key + 1)
        return Event(ticks, self._value(h & 0xFFFF, ticks, h))

    def correction(self, number: int, ticks: int) -> Value:
        """The value that correction `number` of the plant puts at `ticks`."""
        h = mix(self.key + 2 * number + 3)
        return self._value(h & 0xFFFF, ticks, h)

    def _value(self, slot: int, ticks: int, h: int) -> Value:
        point = self.point
        if point.states:
            # Neighbouring slots differ in their lowest bit, so every event is a change, which is what an exception test lets through.
            half = len(point.states) // 2
            return point.states[2 * ((h >> 20) % half) + (slot & 1)]
        if point.point_type == "String":
            return f"B-{slot % 9000 + 1000} {_PHASES[slot % len(_PHASES)]}"
        if point.point_type == "Timestamp":
            return format_ticks(ticks - h % (3600 * TICKS_PER_SECOND))
        if point.point_type == "Blob":
            return b64encode(h.to_bytes(8, "big") * (1 + slot % 3)).decode()
        w1, p1, w2, p2 = self._waves
        t = ticks / TICKS_PER_SECOND
        noise = ((h >> 20) & 0xFFFFF) / 0xFFFFF - 0.5
        value = point.zero + point.span * (0.5 + 0.25 * math.sin(w1 * t + p1) + 0.05 * math.sin(w2 * t + p2) + 0.02 * noise)
        if point.point_type in ("Int16", "Int32"):
            return round(value)
        return float32(value) if point.point_type in ("Float16", "Float32") else value


def build_profiles(
    count: int, rate_per_second: float, seed: int, specials: int = 0, kind: type["Profile"] = Profile, one_live_in: int = 1
) -> list[Profile]:
    """`count` points which together send `rate_per_second` values, the last `specials` of them of the rarer kinds.

    All but one in `one_live_in` are quiet.

    Of a hundred others, 85 are floats, 8 digital, 4 integers, 3 strings; one is quiet, and two now and then have two events at one instant.
    """
    profiles = []
    point_id = 1000
    for index in range(count):
        key = mix(seed * 1_000_003 + index)
        point_id += 1 + key % 7
        plain = _special(index, point_id, key) if index >= count - specials else _profile(index, point_id, key)
        profiles.append(kind(plain.point, key, 0.0 if index % one_live_in else plain.weight, plain.twins))
    total_weight = sum(profile.weight for profile in profiles)
    for profile in profiles:
        if profile.weight and rate_per_second > 0:
            profile.period = max(1, round(TICKS_PER_SECOND * total_weight / (profile.weight * rate_per_second)))
            if profile.point.future:
                profile.ahead = max(1, FORECAST_SECONDS * TICKS_PER_SECOND // profile.period)
    return profiles


def _profile(index: int, point_id: int, key: int) -> Profile:
    # 37 and 53 have no divisor in common with 100: every hundred points have each rank once, mixed.
    rank = (index * 37 + 13) % 100
    quiet = (index * 53 + 7) % 100 == 0
    point = _build_point(rank, point_id, key)
    weight = 0.0 if quiet else 0.25 if point.point_type in ("Digital", "String") else (0.5, 1.0, 1.0, 2.0)[key >> 8 & 3]
    return Profile(point, key, weight, twins=rank in (20, 60) and not quiet)


def _special(index: int, point_id: int, key: int) -> Profile:
    """Forecasts, timestamps, blobs and 16-bit numbers in turn."""
    kind, code, noun = (
        ("Float64", "FC", "load forecast"),
        ("Timestamp", "TS", "end of last batch"),
        ("Blob", "BL", "analyser trace"),
        ("Int16", "NI", "pieces on belt"),
        ("Float16", "TI", "surface temperature"),
    )[index % 5]
    name = f"U{10 + key % 60}:{code}-{point_id}.PV"
    stepping = kind in ("Timestamp", "Blob")
    deviation = 0.0 if stepping else 2.5
    future = code == "FC"
    point = Point(point_id, name, kind, noun, step=stepping, compression_deviation=None if future else deviation, future=future)
    return Profile(point, key, 0.25, twins=False)


def _build_point(rank: int, point_id: int, key: int) -> Point:
    unit = 10 + key % 60
    where = f"unit {unit}, {_AREAS[unit % len(_AREAS)]}"
    source = ("OPC1", "OPC2", "LAB")[key >> 10 & 1 if key >> 11 & 15 else 2]

    def name(code: str) -> str:
        return f"U{unit}:{code}-{point_id}.PV"

    choose = key >> 16
    if 85 <= rank < 93:
        code, noun, digital_set, texts = _SWITCHES[choose % len(_SWITCHES)]
        states = tuple(State(text, number) for number, text in enumerate(texts))
        return Point(
            point_id,
            name(code),
            "Digital",
            f"{noun}, {where}",
            "state",
            source,
            digital_set,
            states,
            0.0,
            len(texts) - 1.0,
            True,
            compression_deviation=0.0,
        )
    if rank >= 97:
        return Point(point_id, name("BI"), "String", f"batch step, {where}", "", source, step=True, compression_deviation=0.0)
    kind = (_COUNTERS if rank >= 93 else _MEASUREMENTS)[choose % (len(_COUNTERS) if rank >= 93 else len(_MEASUREMENTS))]
    point_type = "Int32" if rank >= 93 else "Float64" if rank >= 50 else "Float32"
    return Point(
        point_id,
        name(kind.code),
        point_type,
        f"{kind.noun}, {where}",
        kind.units,
        source,
        zero=kind.zero,
        span=kind.span,
        compression_deviation=0.025 * kind.span,
    )


Clock = Callable[[], int]
"""Ticks of the data server's clock: what `*` and ServerTime are made of."""
