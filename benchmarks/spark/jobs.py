"""Spark jobs of these benchmarks as processes: their configuration, what they log, what they take, and what their tables consist of."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
from deltalake import DeltaTable

from benchmarks.bridge.ground import Ground, Json, Void
from schemas.config import Config
from schemas.records import Sample

_LOOK_SECONDS = 0.5
NOWHERE = "http://127.0.0.1:1/piwebapi"
"""No PI is asked for anything."""


@dataclass(frozen=True)
class Options:
    """How much of each part."""

    values: int = 5_000_000
    rounds: int = 3
    rate: int = 5_000
    seconds: float = 600.0
    days: int = 7
    day_values: int = 7_200_000


def lakehouse(ground: Ground, name: str) -> Json:
    """Tables and checkpoints of a source's own, as a section of its configuration."""
    return {
        "warehouse": str(ground.stack.warehouse / name),
        "checkpoints": str(ground.directory / name / "checkpoints"),
        "spark": {"spark.master": "local[2]", "spark.driver.extraClassPath": ground.stack.spark_class_path},
    }


def source(ground: Ground, name: str, shards: int) -> Config:
    """A source with its topics and subjects, and a lakehouse of its own."""
    return ground.source(name, NOWHERE, delivery={"shards": shards}, lakehouse=lakehouse(ground, name))


@dataclass
class Job:
    """A process with a log of JSON lines, watched while it runs."""

    process: subprocess.Popen[bytes]
    log_path: Path
    rss_most_bytes: int = 0
    """Of the process and all below it together: Spark's driver is a child of Python."""
    _over: threading.Event = field(default_factory=threading.Event)

    def lines(self) -> list[Json]:
        """What it has logged."""
        return [json.loads(line) for line in self.log_path.read_text(encoding="utf-8").splitlines() if line.startswith("{")]

    def check(self) -> None:
        """Raises Void if it has ended."""
        if self.process.poll() is not None:
            raise Void(f"the job ended with exit code {self.process.returncode}; its log is {self.log_path}")

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        leader = psutil.Process(self.process.pid)
        return [leader, *leader.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """CPU so far."""
        return float(sum(sum(member.cpu_times()[:2]) for member in self.family()))

    def watch(self) -> None:
        """Notes how much memory is taken, until the end."""
        while not self._over.wait(_LOOK_SECONDS):
            try:
                self.rss_most_bytes = max(self.rss_most_bytes, sum(member.memory_info().rss for member in self.family()))
            except psutil.NoSuchProcess:
                continue

    def end(self) -> None:
        """Ends the process, if it runs, and the watch."""
        self._over.set()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(120)


@contextmanager
def started(ground: Ground, name: str, *module: str) -> Iterator[Job]:
    """A job, ended with the block."""
    log_path = ground.directory / f"{name}.log"
    with log_path.open("wb") as log:
        environment = {**os.environ, "JAVA_HOME": str(ground.stack.java_home)}
        job = Job(subprocess.Popen([sys.executable, "-m", *module], env=environment, stderr=log, stdout=log), log_path)
    watching = threading.Thread(target=job.watch, name=f"memory of {name}", daemon=True)
    watching.start()
    try:
        yield job
    finally:
        job.end()
        watching.join()


def finished(ground: Ground, name: str, *module: str) -> Job:
    """A job that ends by itself, when it has. Raises Void if it fails."""
    with started(ground, name, *module) as job:
        if (code := job.process.wait(3600)) != 0:
            raise Void(f"{name} ended with exit code {code}; its log is {job.log_path}")
    return job


def layout(table: Path) -> Json:
    """Files and bytes of a table, by million rows."""
    files: dict[str, list[Any]] = pa.table(DeltaTable(str(table)).get_add_actions(flatten=True)).to_pydict()
    rows = sum(files["num_records"])
    if rows == 0:
        raise Void(f"{table} is empty")
    millions = rows / 1e6
    return {
        "rows": rows,
        "files_per_million_rows": round(len(files["path"]) / millions, 1),
        "bytes_per_million_rows": round(sum(files["size_bytes"]) / millions),
    }


def sample(at_micros: int, value: float) -> Sample:
    """A good DOUBLE."""
    return {
        "event_time": at_micros, "ticks": 0, "ordinal": 0, "value_type": "DOUBLE", "value_double": value, "value_long": None,
        "value_string": None, "value_bytes": None, "digital_code": None, "system_state": None, "system_state_name": None, "good": True,
        "questionable": False, "substituted": False, "annotated": False,
    }  # fmt: skip
