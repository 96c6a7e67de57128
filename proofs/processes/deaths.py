"""One death after another in one deployment: each checked to have happened where it was to, each recovery measured."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from console.stack.child import Child
from proofs.deployment import PATIENCE_SECONDS, SHARDS, Deployment
from proofs.processes.load import selection
from proofs.processes.points import Point
from proofs.processes.watch import Watch, open_records

KILLED = 128 + signal.SIGKILL
RANDOM_SECONDS = (4.0, 14.0)
"""After so long, drawn evenly, a bridge is killed at a random moment of its life; it is taking over then, or at work."""
_MALFORMED_POINTS = 8
_WORK_SECONDS = 3.0
"""So long a bridge that has recovered works before it is stopped for the next death."""


@dataclass
class Death:
    """An accident, and what came of it."""

    point: str
    there: bool
    """The process ended by SIGKILL, and its mark names the point."""
    wanted_open: bool = False
    """A transaction was to be open then."""
    open_records: int = 0
    """Offsets of open transactions, or behind them, right after."""
    first_frame_seconds: float | None = None
    """From the start of the next process, or the death if another replica took over, to the first frame of the first shard."""
    all_shards_seconds: float | None = None
    """The same to the first frame of the last shard."""

    @property
    def as_expected(self) -> bool:
        """It happened there, in an open transaction if there was to be one."""
        return self.there and (self.open_records > 0 or not self.wanted_open)


@dataclass
class Bridges:
    """The bridges of a deployment, and what Kafka has of them."""

    deployment: Deployment
    watch: Watch
    digits: str
    """Last digits of the ids of the points in scope."""
    deaths: list[Death] = field(default_factory=list)
    _started: int = 0

    def clean(self) -> Child:
        """A bridge as it is."""
        self._started += 1
        return self.deployment.start(f"bridge-{self._started}", "bridge", "run", "--config", str(self.deployment.config_path))

    def armed(self, name: str, point: Point, number: signal.Signals = signal.SIGKILL) -> Child:
        """A bridge that a signal hits at a named point."""
        self._started += 1
        label = f"bridge-{self._started}"
        mark = self.deployment.directory / f"{label}.mark"
        return self.deployment.start(
            label, "proofs.processes", name, str(point.passing), str(int(number)), str(mark), "run", "--config",
            str(self.deployment.config_path),
        )  # fmt: skip

    def mark(self, child: Child) -> str:
        """Where the process says that it was; empty: it was not there."""
        path = self.deployment.directory / f"{child.name}.mark"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def epochs(self) -> list[int]:
        """The newest epoch of each shard."""
        return [self.watch.epoch(shard) for shard in range(SHARDS)]

    def recovered(self, epochs: list[int], began: float, shards: Iterable[int] = range(SHARDS)) -> tuple[float, float]:
        """Waits until each of the shards has frames of a later epoch; seconds since `began` to the first and to the last."""
        wanted = list(shards)

        def frames() -> list[float | None]:
            return [self.watch.frames_again(shard, epochs[shard]) for shard in wanted]

        self.deployment.wait_until(lambda: None not in frames(), "a frame of every shard", PATIENCE_SECONDS)
        arrived = [at - began for at in frames() if at is not None]
        return round(min(arrived), 2), round(max(arrived), 2)

    def working(self, child: Child) -> None:
        """Waits until the process has said that it owns all shards."""
        self.deployment.wait_until(lambda: len(owned(child)) == SHARDS, "ownership of every shard", PATIENCE_SECONDS)

    def more_points(self) -> None:
        """Takes further points into scope."""
        fresh = next(digit for digit in "0123456789" if digit not in self.digits)
        self.digits += fresh
        self.deployment.select(selection(self.digits))


def owned(child: Child) -> set[int]:
    """The shards that a bridge says it has taken over and not given up."""
    shards: set[int] = set()
    for line in child.log().splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "shard taken over":
            shards.add(entry["shard"])
        elif entry.get("event") in ("shard handed over", "shard lost", "shard lost to another member", "shard interrupted"):
            shards.discard(entry["shard"])
    return shards


def _lose_channel(bridges: Bridges, child: Child) -> None:
    bridges.working(child)
    time.sleep(2)
    bridges.deployment.plant.drop_channel()


def _malform(bridges: Bridges, child: Child) -> None:
    bridges.working(child)
    time.sleep(2)
    chosen = tuple(f"{digit}.PV" for digit in bridges.digits)
    for point in [point for point in bridges.deployment.floats() if point.name.endswith(chosen)][:_MALFORMED_POINTS]:
        bridges.deployment.plant.malform(point.point_id)


def _terminate(bridges: Bridges, child: Child) -> None:
    bridges.working(child)
    time.sleep(2)
    os.kill(child.pid, signal.SIGTERM)


CAUSES: Mapping[str, Callable[[Bridges, Child], None]] = {
    "lost channel": _lose_channel,
    "malformed value": _malform,
    "SIGTERM": _terminate,
}


def die_at(bridges: Bridges, name: str, point: Point) -> Death:
    """A bridge dies at a named point; another one is not started yet. Raises ProofFailed if it lives on."""
    if point.cause == "more points":
        bridges.more_points()
    child = bridges.armed(name, point)
    if (cause := CAUSES.get(point.cause)) is not None:
        cause(bridges, child)
    code = bridges.deployment.ended(child)
    death = Death(name, code == KILLED and bridges.mark(child) == name, point.open, open_records(bridges.deployment))
    bridges.deaths.append(death)
    return death


def recover(bridges: Bridges, death: Death) -> Child:
    """The next bridge, from its start to frames of every shard."""
    epochs, began = bridges.epochs(), time.monotonic()
    child = bridges.clean()
    death.first_frame_seconds, death.all_shards_seconds = bridges.recovered(epochs, began)
    return child


def at_points(bridges: Bridges, points: Mapping[str, Point]) -> Child:
    """Dies at each of the points, and recovers after each; answers the bridge that runs at last."""
    last: Child | None = None
    for name, point in points.items():
        if last is not None:
            time.sleep(_WORK_SECONDS)
            bridges.deployment.stop(last)
        last = recover(bridges, die_at(bridges, name, point))
    assert last is not None
    return last


def at_random(bridges: Bridges, seed: int, count: int) -> Child:
    """Is killed at so many random moments, one life after the other; answers the bridge that runs at last.

    A life that ends before it commits a frame counts as a death, and its recovery is that of the next process.
    """
    chance = Random(seed)
    child = bridges.clean()
    for number in range(count):
        time.sleep(seconds := chance.uniform(*RANDOM_SECONDS))
        os.kill(child.pid, signal.SIGKILL)
        code = bridges.deployment.ended(child)
        death = Death(f"random moment {number + 1}, after {seconds:.2f} s", code == KILLED)
        bridges.deaths.append(death)
        epochs, began = bridges.epochs(), time.monotonic()
        child = bridges.clean()
        if number % 2 or number == count - 1:  # every second one dies wherever it is
            death.first_frame_seconds, death.all_shards_seconds = bridges.recovered(epochs, began)
    return child


def as_results(deaths: list[Death]) -> list[dict[str, Any]]:
    """For the evidence."""
    return [asdict(death) | {"as_expected": death.as_expected} for death in deaths]
