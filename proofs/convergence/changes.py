"""What is changed in PI's archive: scripted from a seed, over what silver holds already, so that each change corrects something."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from console.plant import PlantPoint
from proofs.deployment import Deployment
from proofs.seeded_defects.scenes import text_of
from schemas.times import TICKS_PER_SECOND
from spark_jobs.refined import CLEANED

KINDS = {"insert": "ADDED", "edit": "CHANGED", "delete": "REMOVED"}
"""What is done, and what pi_corrections calls it."""
_YOUNGEST_SECONDS = 5.0
"""What is younger may be read for the first time just now."""


@dataclass(frozen=True)
class Change:
    """One change, as it was made."""

    kind: str
    point_key: str
    ticks: int
    before: float | None
    after: float | None
    made: float
    """Seconds since 1970."""
    down: bool
    """No bridge ran then."""

    @property
    def identity(self) -> tuple[str, int, str]:
        """How pi_corrections is to know it: point, instant, change. Each is made once."""
        return self.point_key, self.ticks, KINDS[self.kind]


@dataclass
class Script:
    """Makes changes in a plant, none of them at an instant of another."""

    deployment: Deployment
    chance: Random
    made: list[Change]

    def make(self, kinds: Iterable[str], oldest_seconds: float, down: bool) -> int:
        """Makes one change of each of these kinds, at ages up to so many seconds, most of them young; answers how many found a place."""
        points = {f"main:{point.point_id}": point for point in self.deployment.floats()}
        places = _places(self.deployment.warehouse, points.keys())
        used = {(change.point_key, change.ticks) for change in self.made}
        count = 0
        for kind in kinds:
            wanted = _now() - round(TICKS_PER_SECOND * _YOUNGEST_SECONDS * (oldest_seconds / _YOUNGEST_SECONDS) ** self.chance.random())
            chosen = self._nearest(kind, places, wanted, _now() - round(oldest_seconds * TICKS_PER_SECOND), used)
            if chosen is not None:
                key, ticks, before = chosen
                used.add((key, ticks))
                self.made.append(self._change(kind, points[key], key, ticks, before, down))
                count += 1
        return count

    def _nearest(
        self, kind: str, places: dict[str, list[tuple[int, float | None]]], wanted: int, oldest: int, used: set[tuple[str, int]]
    ) -> tuple[str, int, float | None] | None:
        """A place of a point drawn at random from those for this kind, as near to the wanted instant as there is."""
        keys = [key for key in sorted(places) if _is_for(kind, key)]
        self.chance.shuffle(keys)
        for key in keys:
            free = [(at, value) for at, value in _of_kind(kind, places[key]) if (key, at) not in used and at >= oldest]
            if free:
                at, value = min(free, key=lambda place: abs(place[0] - wanted))
                return key, at, value
        return None

    def _change(self, kind: str, point: PlantPoint, key: str, ticks: int, before: float | None, down: bool) -> Change:
        after = None if kind == "delete" else 5000.5 + len(self.made)  # exact in 32 bits, and told from all others
        time_text, made = text_of(ticks), time.time()
        if kind == "insert":
            assert after is not None
            assert self.deployment.plant.insert(point.point_id, time_text, after) == ticks
        else:
            order = {"point_id": point.point_id, "time": time_text, "index": 0}
            self.deployment.control(f"/{kind}", order if after is None else order | {"value": after})
        return Change(kind, key, ticks, before, after, made, down)


def _now() -> int:
    return time.time_ns() // 100


def _is_for(kind: str, point_key: str) -> bool:
    """Each kind has points of its own: an insert has its whole hour read again, and would show what else was changed there."""
    return int(point_key.rpartition(":")[2]) % len(KINDS) == list(KINDS).index(kind)


def _of_kind(kind: str, events: list[tuple[int, float | None]]) -> Iterator[tuple[int, float | None]]:
    """Instants of a point at which a change of this kind can be made, with what is there."""
    if kind == "insert":
        yield from (((one + other) // 2, None) for (one, _), (other, _) in pairwise(events) if other - one > 2)
        return
    alone = Counter(at for at, _ in events)
    yield from ((at, value) for at, value in events if value is not None and alone[at] == 1)


def _places(warehouse: Path, keys: Iterable[str]) -> dict[str, list[tuple[int, float | None]]]:
    """The events that silver has of these points, by time; None for a value that is no good number."""
    columns = ["point_key", "event_time", "ticks", "value_double", "good"]
    rows = DeltaTable(CLEANED.path(str(warehouse))).to_pyarrow_table(columns=columns)
    rows = rows.filter(pc.is_in(rows["point_key"], pa.array(sorted(keys))))
    at = pc.add(pc.multiply(rows["event_time"].cast(pa.int64()), 10), rows["ticks"].cast(pa.int64()))
    found: dict[str, list[tuple[int, float | None]]] = defaultdict(list)
    for key, ticks, value, good in zip(
        *(column.to_pylist() for column in (rows["point_key"], at, rows["value_double"], rows["good"])), strict=True
    ):
        found[key].append((ticks, value if good else None))
    return {key: sorted(events, key=lambda event: event[0]) for key, events in found.items()}
