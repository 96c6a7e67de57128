"""What happens to the plant during a demo: a lost socket, values inserted late, a malformed one."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from console.plant import Plant, PlantPoint
from console.proof import Statement

LATE_VALUES = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BACK_TICKS = 30 * 10_000_000
"""A late value is put so far below its point's covered end."""


class Inserted(NamedTuple):
    """A value inserted late."""

    point_key: str
    ticks: int
    value: float


class Say:
    """Lines on stderr, each with the seconds since the start."""

    def __init__(self, began: float) -> None:
        self._began = began

    def __call__(self, line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self._began:7.1f} s  {line}\n")
        sys.stderr.flush()


@dataclass
class Story:
    """The scenes, each played once, when its share of the demo's time has passed; `covered` answers a point's covered end in ticks."""

    plant: Plant
    say: Callable[[str], None]
    covered: Callable[[], Mapping[str, int]]
    key_of: Callable[[PlantPoint], str]
    inserted: list[Inserted] = field(default_factory=list)
    _played: int = 0

    def play(self, share: float) -> None:
        """Plays the next scene if its moment has come."""
        scenes: Sequence[tuple[float, Callable[[], bool]]] = ((0.2, self._lose_socket), (0.4, self._insert_late), (0.5, self._malform))
        if self._played < len(scenes) and share >= scenes[self._played][0] and scenes[self._played][1]():
            self._played += 1

    @property
    def over(self) -> bool:
        """True when every scene was played."""
        return self._played == 3

    def _lose_socket(self) -> bool:
        if not self.plant.drop_channel():
            return False
        self.say("story: a channel's socket was cut, without a close frame")
        return True

    def _insert_late(self) -> bool:
        covered = self.covered()
        candidates = [p for p in self.plant.points() if p.live and p.point_type.startswith("Float") and covered.get(self.key_of(p), 0) > 0]
        if len(candidates) < LATE_VALUES:
            return False
        for number, point in enumerate(candidates[:: len(candidates) // LATE_VALUES][:LATE_VALUES]):
            key, value = self.key_of(point), 1000.5 + number
            moment = _EPOCH + timedelta(microseconds=(covered[key] - _BACK_TICKS) // 10)
            self.inserted.append(Inserted(key, self.plant.insert(point.point_id, f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z", value), value))
        self.say(f"story: {LATE_VALUES} values were inserted behind what is covered")
        return True

    def _malform(self) -> bool:
        live = next(point for point in self.plant.points() if point.live)
        self.plant.malform(live.point_id)
        self.say("story: a malformed value was sent on a channel")
        return True


def covered_ends(statements: Mapping[str, Sequence[Statement]]) -> dict[str, int]:
    """Covered end of each point, ticks, by the ledger."""
    return {key: max(statement.end for statement in stated) for key, stated in statements.items() if stated}
