"""One small deployment: a simulator with a journal, a bridge and a bronze job that may carry a patch, and the verifier."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import httpx2
import yaml

from bridge import kafka, progress
from bridge.coverage import PointCoverage
from bridge.progress import ShardState
from console import subjects, topics
from console.plant import Plant, PlantPoint
from console.stack import Stack
from console.stack.child import Child
from schemas.config import load
from schemas.records import Progress
from schemas.times import TICKS_PER_SECOND
from schemas.topics import PROGRESS

ROOT = Path(__file__).parents[1]
SHARDS = 3
SETTLE_SECONDS = 2
PATIENCE_SECONDS = 120.0
_SETTLED_SECONDS = 60.0
_ALL_CHANNELS = 1000


class ProofFailed(Exception):
    """A run did not come to where it can be judged."""


@dataclass(frozen=True)
class Conditions:
    """What the scenes differ in."""

    plant: tuple[str, ...] = ("--profile", "verify", "--points", "30", "--rate", "30", "--history", "7200")
    """Options of the simulator."""
    points: tuple[dict[str, str], ...] = ({"server": "main"},)
    all_read: bool = True
    """Rest means that each point of the selections was read; else each that has progress."""
    faults: tuple[dict[str, Any], ...] = ()
    """The simulator's script of faults."""
    zone: str | None = None
    """Local time of all processes, in POSIX's words."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the configuration has otherwise, by section; `pi.load` is a section too."""
    job_seconds: float = PATIENCE_SECONDS
    """So long a process may take that ends by itself."""
    verifier_seconds: float = PATIENCE_SECONDS
    """So long the verifier may take."""


@dataclass
class Verdict:
    """What the verifier said."""

    failures: dict[str, int]
    examples: dict[str, str]
    examined: dict[str, int]
    seconds: float


@dataclass
class Deployment:
    """Starts the simulator at once; everything that was started ends with `close`."""

    stack: Stack
    directory: Path
    source: str
    conditions: Conditions
    opened: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True)
        self.journal = self.directory / "journal.jsonl"
        self._environment = {**os.environ, "JAVA_HOME": str(self.stack.java_home)}
        if self.conditions.zone is not None:
            self._environment["TZ"] = self.conditions.zone
        ready = self._start_simulator()
        self._control = json.loads(ready)["control_url"]
        self.plant = self.opened.enter_context(closing(Plant(ready)))
        self.config_path = self.directory / "pibridge.yaml"
        self.select(self.conditions.points)
        topics.apply(self.config)
        subjects.register(self.config)
        self._codec = self.opened.enter_context(closing(kafka.codec(self.config)))

    def select(self, points: Sequence[dict[str, str]]) -> None:
        """Writes the configuration with these selections of points, for processes that are started from now on."""
        document = self._document()
        document["pi"]["points"] = list(points)
        for section, more in self.conditions.settings.items():
            at = document
            for name in section.split("."):
                at = at.setdefault(name, {})
            at.update(more)
        self.config_path.write_text(yaml.safe_dump(document), encoding="utf-8")
        self.config = load(self.config_path, {})

    def close(self) -> None:
        """Ends all processes."""
        self.opened.close()

    @property
    def warehouse(self) -> Path:
        """Where the tables lie."""
        return self.stack.warehouse / self.source

    @property
    def checkpoints(self) -> Path:
        """Where the jobs' checkpoints lie."""
        return self.directory / "checkpoints"

    # -- processes ----------------------------------------------------------------------------------------------------------------

    def start(self, name: str, *module: str) -> Child:
        """A process of this deployment."""
        log_path = self.directory / f"{name}.log"
        command = [sys.executable, "-m", *module]
        child = Child.start(name, command, log_path=log_path, environment=self._environment, directory=ROOT, grace_seconds=10)
        self.opened.callback(child.stop)
        return child

    def bridge(self, patch: str = "", name: str = "bridge") -> Child:
        """The bridge, with a patch in it or none."""
        return self.start(name, "proofs.seeded_defects", patch, "bridge", "run", "--config", str(self.config_path))

    def land(self, patch: str = "", name: str = "spark") -> int:
        """Lands what is committed; answers the job's exit code."""
        job = self.start(name, "proofs.seeded_defects", patch, "spark_jobs", "bronze", "--config", str(self.config_path), "--available-now")
        return self.ended(job)

    def stop(self, child: Child) -> None:
        """Ends a process as an operator would. Raises ProofFailed if it does not end well."""
        os.kill(child.pid, signal.SIGTERM)
        if (code := self.ended(child)) != 0:
            raise ProofFailed(f"{child.name} was told to stop and ended with exit code {code}; its log is {child.log_path}")

    def ended(self, child: Child) -> int:
        """Waits for the end of a process; its exit code."""
        self.wait_until(lambda: not child.alive, f"the end of {child.name}", self.conditions.job_seconds)
        assert child.exit_code is not None
        return child.exit_code

    def _start_simulator(self) -> str:
        script = self.directory / "faults.yaml"
        script.write_text(yaml.safe_dump({"faults": list(self.conditions.faults)}), encoding="utf-8")
        options = ("--json", "--seed", "7", "--tick", "0.2", "--journal", str(self.journal), "--faults", str(script))
        child = self.start("simulator", "simulator", *options, *self.conditions.plant)
        lines: list[str] = []

        def answered() -> bool:
            child.check()
            lines.extend(line for line in child.log().splitlines() if line.startswith('{"url"'))
            return bool(lines)

        self.wait_until(answered, "the simulator", PATIENCE_SECONDS)
        return lines[0]

    def _document(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "pi": {
                "url": self.plant.url,
                "auth": {"kind": "anonymous"},
                "servers": {"main": self.plant.server_id},
                "load": {"page_values": 500, "requests_per_second": 100.0, "request_timeout_seconds": 5.0},
            },
            "kafka": {"bootstrap_servers": self.stack.bootstrap_servers, "replication": 1, "group_id": self.source},
            "registry": {"url": self.stack.registry_url},
            "coverage": {
                "start": "2h", "settle_seconds": SETTLE_SECONDS, "seal_previews": 1, "seal_min_seconds": 2, "seal_max_seconds": 4,
                "quiet_seconds": 6, "blind_margin_seconds": 7200,
            },
            "delivery": {"shards": SHARDS, "session_timeout_seconds": 6, "drain_seconds": 5, "frame_bytes": 8192},
            "lakehouse": {
                "warehouse": str(self.warehouse),
                "checkpoints": str(self.checkpoints),
                "spark": self.stack.brief_spark,
            },
        }  # fmt: skip

    # -- the plant ----------------------------------------------------------------------------------------------------------------

    def control(self, path: str, order: dict[str, Any]) -> None:
        """An order to the simulator's control port."""
        httpx2.post(self._control + path, json=order, timeout=30, trust_env=False).raise_for_status()

    def floats(self) -> list[PlantPoint]:
        """The live points with numbers."""
        return [point for point in self.plant.points() if point.live and point.point_type.startswith("Float")]

    def selected(self, point: PlantPoint) -> bool:
        """True if the configuration has the point in scope."""
        return any(fnmatchcase(point.name, selection.name_filter) for selection in self.config.pi.points)

    # -- waiting ------------------------------------------------------------------------------------------------------------------

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Looks again and again. Raises ProofFailed."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise ProofFailed(f"{self.source}: {what} did not come within {seconds:g} s; the logs are in {self.directory}")
            time.sleep(0.1)

    def stand_still(self, seconds: float = _SETTLED_SECONDS) -> bool:
        """Stops the plant, and waits until the bridge has read all it can owe; False if it does not get there in `seconds`."""
        self.plant.stop_load()
        self.control("/faults", {"end": "all"})
        since = max(point.newest_archived or 0 for point in self.plant.points())
        stopped = max(since, time.time_ns() // 100) + SETTLE_SECONDS * TICKS_PER_SECOND
        try:
            self.wait_until(lambda: self._settled(stopped), "rest", seconds)
        except ProofFailed:
            return False
        return True

    def rest(self, seconds: float) -> bool:
        """Stands still after all was read once more: nobody tells of deletions, but what nobody heard of is read again."""
        self.plant.stop_load()
        self.control("/channels/drop", {"count": _ALL_CHANNELS, "close_frame": False})
        return self.stand_still(seconds)

    def _settled(self, stopped: int) -> bool:
        """True if every point was read after `stopped`, down to its start, and nothing is owed to an hour or an incident."""
        points = {f"main:{point.point_id}" for point in self.plant.points() if self.selected(point)} if self.conditions.all_read else set()
        for number in range(SHARDS):
            state, coverage = self._progress(number)
            if state is None or state.incidents:
                return False
            for key, point in coverage.items():
                if point.low is None or point.low > point.start or point.dirty or point.as_of < stopped:
                    return False
                points.discard(key)
        return not points

    def _progress(self, number: int) -> tuple[ShardState | None, dict[str, PointCoverage]]:
        left = progress.left(
            (
                (key, None if value is None else cast(Progress, self._codec.decode(PROGRESS, value)))
                for key, value in kafka.read_partition(self.config, PROGRESS.name(self.source), number)
            ),
            (),
        )
        return None if left.shard is None else progress.shard_state(left.shard), left.coverage

    # -- judging ------------------------------------------------------------------------------------------------------------------

    def verify(self, settled: bool, landed: bool = True) -> Verdict:
        """The verifier's judgement on journal, Kafka and, if it was `landed`, bronze. Raises ProofFailed if it has none."""
        began = time.monotonic()
        command = [
            sys.executable, "-m", "verifier", "--journal", str(self.journal), "--bootstrap-servers", self.stack.bootstrap_servers,
            "--registry", self.stack.registry_url, "--source", self.source, "--alias", f"main={self.plant.server_id}",
            "--json", *(["--warehouse", str(self.warehouse)] if landed else []), *(["--settled"] if settled else []),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=self.conditions.verifier_seconds)
        if not done.stdout:
            raise ProofFailed(f"{self.source}: the verifier has no result: {done.stderr[-500:]}")
        report = json.loads(done.stdout)
        failed = [check for check in report["checks"] if check["count"]]
        return Verdict(
            {check["check"]: check["count"] for check in failed},
            {check["check"]: check["example"] for check in failed},
            report["examined"],
            round(time.monotonic() - began, 1),
        )
