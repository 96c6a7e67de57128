"""One death after another of a Spark job in one deployment: each looked for in what lies there afterwards, each followed by a restart."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from console.stack.child import Child
from proofs.deployment import Deployment, ProofFailed
from proofs.driver.accident import kill_with_children
from proofs.driver.points import JOBS, WRITES, Point
from proofs.driver.traces import Trace, left_by, newest
from proofs.processes.deaths import KILLED

PATIENCE_SECONDS = 600.0
_STARTING_SECONDS = (2.0, 25.0)
"""After so long, drawn evenly, every second job that is killed at random is killed: it starts then, or mends what lies there."""
_WORKING_SECONDS = (0.0, 8.0)
"""And the others so long after the first batch that they have committed."""
_OPEN_SHARE, _MOST_DRAWN = 0.3, 3


def left_open(found: Mapping[str, Any]) -> bool:
    """Whether what lies there, by query, has a batch that was planned and not committed."""
    return any(left["planned"] > left["committed"] for left in found.values())


@dataclass
class Death:
    """A `kill -9`, and what came of it."""

    point: str
    there: bool
    """The process ended by SIGKILL, and its mark names the point."""
    shown: bool
    """What lies there can only have been left at this point."""
    found: dict[str, Any]
    """What lies there, by query."""
    repeated_seconds: float | None = None
    """From the start of the next job until the batch that was open is done; None: it died again before, or none was open."""

    @property
    def open(self) -> bool:
        """Whether it left a batch open."""
        return left_open(self.found)

    @property
    def as_expected(self) -> bool:
        """It happened where it was to."""
        return self.there and self.shown


@dataclass
class Jobs:
    """The jobs of one kind in a deployment, one life after the other."""

    deployment: Deployment
    name: str
    """bronze or refine."""
    defect: str = ""
    """In all of them."""
    deaths: list[Death] = field(default_factory=list)
    _started: int = 0

    def clean(self) -> Child:
        """A job that nobody kills."""
        return self.armed("", None)

    def armed(self, name: str, point: Point | None) -> Child:
        """A job that dies at a named point."""
        self._started += 1
        label = f"{self.name}-{self._started}"
        passing = "0" if point is None else str(point.passing)
        return self.deployment.start(
            label, "proofs.driver", self.defect, name, passing, str(self._mark(label)), self.name, "--config",
            str(self.deployment.config_path),
        )  # fmt: skip

    def mark(self, child: Child) -> str:
        """Where the process says that it was; empty: it was not there."""
        path = self._mark(child.name)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def trace(self, query: str) -> Trace:
        """What lies there of a query."""
        return left_by(self._checkpoint(query), [Path(table.path(str(self.deployment.warehouse))) for table in WRITES[query]])

    def traces(self) -> dict[str, Trace]:
        """Of all queries of the job."""
        return {query: self.trace(query) for query in JOBS[self.name]}

    def done(self, query: str) -> int:
        """The newest batch that Spark holds for done."""
        return newest(self._checkpoint(query) / "commits")

    def _mark(self, label: str) -> Path:
        return self.deployment.directory / f"{label}.mark"

    def _checkpoint(self, query: str) -> Path:
        return self.deployment.checkpoints / query


def die_at(jobs: Jobs, name: str, point: Point) -> Death:
    """A job dies at a named point. Raises ProofFailed if it lives on, or ends otherwise."""
    before, began = jobs.deaths[-1] if jobs.deaths else None, time.monotonic()
    child = jobs.armed(name, point)
    _see_repeated(jobs, child, before, began)
    code = jobs.deployment.ended(child)
    if code != KILLED:
        raise ProofFailed(f"{child.name} was to die at '{name}', and ended with exit code {code}; its log is {child.log_path}")
    traces = jobs.traces()
    death = Death(name, jobs.mark(child) == name, point.shown(traces[point.query]), _told(traces))
    jobs.deaths.append(death)
    return death


def _see_repeated(jobs: Jobs, child: Child, death: Death | None, began: float) -> None:
    """Until the batches that were open at a death are done, or the process is gone."""
    if death is None or not (planned := {query: found["planned"] for query, found in death.found.items()}):
        return

    def done() -> bool:
        return all(jobs.done(query) >= batch for query, batch in planned.items())

    jobs.deployment.wait_until(lambda: done() or not child.alive, "the batch that was open", PATIENCE_SECONDS)
    if done():
        death.repeated_seconds = round(time.monotonic() - began, 1)


def at_points(jobs: Jobs, points: Mapping[str, Point]) -> Child:
    """Dies at each of the points, and starts again after each; answers the job that runs at last."""
    for name, point in points.items():
        die_at(jobs, name, point)
    return _last(jobs)


def at_random(jobs: Jobs, seed: int, count: int) -> Child:
    """Is killed at so many random moments, one life after the other; answers the job that runs at last.

    More are drawn while too few of them came upon a batch that was open.
    """
    chance = Random(seed)
    for number in range(_MOST_DRAWN * count):
        if number >= count and sum(death.open for death in jobs.deaths) >= count * _OPEN_SHARE:
            break
        began, done = time.monotonic(), {query: jobs.done(query) for query in JOBS[jobs.name]}
        child = jobs.clean()
        if number % 2:
            time.sleep(chance.uniform(*_STARTING_SECONDS))
        else:
            _wait_for_work(jobs, child, done)
            time.sleep(chance.uniform(*_WORKING_SECONDS))
        child.check()
        kill_with_children(child.pid)
        code, traces = jobs.deployment.ended(child), jobs.traces()
        jobs.deaths.append(
            Death(f"random moment {number + 1}, after {time.monotonic() - began:.1f} s", code == KILLED, True, _told(traces))
        )
    return _last(jobs)


def _wait_for_work(jobs: Jobs, child: Child, done: Mapping[str, int]) -> None:
    def committed() -> bool:
        child.check()
        return any(jobs.done(query) > batch for query, batch in done.items())

    jobs.deployment.wait_until(committed, f"a batch of {child.name}", PATIENCE_SECONDS)


def _last(jobs: Jobs) -> Child:
    began, child = time.monotonic(), jobs.clean()
    _see_repeated(jobs, child, jobs.deaths[-1], began)
    child.check()
    return child


def _told(traces: Mapping[str, Trace]) -> dict[str, Any]:
    return {query: trace.told() for query, trace in traces.items()}


def as_results(deaths: list[Death]) -> list[dict[str, Any]]:
    """For the evidence."""
    return [asdict(death) | {"as_expected": death.as_expected} for death in deaths]
