"""What happens to the plant during a demo: a wrong clock, a lost socket, values kept back, values inserted late, a malformed one."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from console.plant import Plant, PlantPoint
from console.proof import Statement
from console.stack import StackError

LATE_VALUES = 5
AHEAD_SECONDS = 90.0
"""The clock of one interface is so far ahead."""
HELD_SECONDS = 30.0
"""Another one keeps its values back for so long."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BACK_TICKS = 300 * 10_000_000
"""A late value is put so far below its point's covered end: before the demo began, so that no incident of its own explains it."""


class Inserted(NamedTuple):
    """A value inserted late."""

    point_key: str
    ticks: int
    value: float


class Held(NamedTuple):
    """When an interface kept its values back, microseconds since 1970."""

    begin: int
    end: int


class Cast(NamedTuple):
    """Which interface of the plant plays what."""

    plain: str
    """Nothing ails it."""
    buffered: str
    ahead: str


def cast_of(live: Iterable[PlantPoint]) -> Cast:
    """The interface with most points is plain, the next one buffers. Raises StackError if there are fewer than three."""
    counts = Counter(point.source for point in live)
    by_size = sorted(counts, key=lambda source: (-counts[source], source))
    if len(by_size) < 3:
        raise StackError(f"Only {len(by_size)} interfaces of the plant send values, and the story needs three.", "Give it more --points.")
    return Cast(*by_size[:3])


@dataclass
class Story:
    """The scenes, each played once and in their order, when its share of the demo's time has passed."""

    plant: Plant
    say: Callable[[str], None]
    covered: Callable[[], Mapping[str, int]]
    """Covered end of each point, ticks."""
    ready: Callable[[str], bool]
    """Whether the processors have heard of an interface wherever it has points, and the lost socket has been replaced."""
    key_of: Callable[[PlantPoint], str]
    inserted: list[Inserted] = field(default_factory=list)
    held: Held | None = None
    """None until the values were delivered."""
    cast: Cast = field(init=False)
    _live: list[PlantPoint] = field(init=False)
    played: int = 0
    """So many scenes are over."""
    _held_since: int = 0

    def __post_init__(self) -> None:
        """Looks at the plant. Raises StackError if it is too small for the story."""
        self._live = [point for point in self.plant.points() if point.live]
        self.cast = cast_of(self._live)

    def begin(self) -> None:
        """Sets the scene before anybody looks: one clock is wrong from the beginning."""
        self.plant.begin_fault("interface_clock", interface=self.cast.ahead, offset=AHEAD_SECONDS)
        self.say(f"story: the clock of interface {self.cast.ahead} is {AHEAD_SECONDS:g} s ahead")

    def keys(self, interface: str) -> set[str]:
        """Points of an interface that send values."""
        return {self.key_of(point) for point in self._live if point.source == interface}

    def play(self, share: float) -> None:
        """Plays the next scene if its moment has come."""
        scenes: Sequence[tuple[float, Callable[[], bool]]] = (
            (0.1, self._lose_socket), (0.2, self._hold), (0.6, self._deliver), (0.7, self._insert_late), (0.8, self._malform),
        )  # fmt: skip
        if self.played < len(scenes) and share >= scenes[self.played][0] and scenes[self.played][1]():
            self.played += 1

    @property
    def over(self) -> bool:
        """True when every scene was played."""
        return self.played == 5

    def _lose_socket(self) -> bool:
        if not self.plant.drop_channel():
            return False
        self.say("story: a channel's socket was cut, without a close frame")
        return True

    def _hold(self) -> bool:
        if not self.ready(self.cast.buffered):
            return False
        self._held_since = _now()
        self.plant.begin_fault("buffer_interface", interface=self.cast.buffered)
        self.say(f"story: interface {self.cast.buffered} keeps its values back")
        return True

    def _deliver(self) -> bool:
        if _now() - self._held_since < HELD_SECONDS * 1e6:
            return False
        self.plant.end_fault("buffer_interface")
        self.held = Held(self._held_since, _now())
        self.say(f"story: interface {self.cast.buffered} delivered what it had kept for {HELD_SECONDS:g} s, in one burst")
        return True

    def _insert_late(self) -> bool:
        covered = self.covered()
        floats = [p for p in self._live if p.point_type.startswith("Float") and covered.get(self.key_of(p), 0) > 0]
        plain = [point for point in floats if point.source == self.cast.plain]
        candidates = plain if len(plain) >= LATE_VALUES else floats
        if len(candidates) < LATE_VALUES:
            return False
        for number, point in enumerate(candidates[:: len(candidates) // LATE_VALUES][:LATE_VALUES]):
            key, value = self.key_of(point), 1000.5 + number
            moment = _EPOCH + timedelta(microseconds=(covered[key] - _BACK_TICKS) // 10)
            self.inserted.append(Inserted(key, self.plant.insert(point.point_id, f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z", value), value))
        self.say(f"story: {LATE_VALUES} values were inserted behind what is covered")
        return True

    def _malform(self) -> bool:
        self.plant.malform(self._live[0].point_id)
        self.say("story: a malformed value was sent on a channel")
        return True


def covered_ends(statements: Mapping[str, Sequence[Statement]]) -> dict[str, int]:
    """Covered end of each point, ticks, by the ledger."""
    return {key: max(statement.end for statement in stated) for key, stated in statements.items() if stated}


def _now() -> int:
    return time.time_ns() // 1000
