"""From a frame's newest value to its commit in Delta: the bronze job as a process of its own, under a steady load of frames.

`python -m benchmarks.landing [--rate 5000] [--seconds 60] [--json]`

Every shard publishes a frame of previews each 200 ms, and a frame of statements about the same values each second, so that twice as
many rows land in `pi_timeseries`, and the ledger grows with each batch. A row's delay is the time of the Delta commit that holds it minus
the frame's `received_time`, taken on one clock; the commit's time is the one that Delta wrote into its log.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml
from confluent_kafka import Producer
from deltalake import DeltaTable

from bridge import kafka
from console import subjects, topics
from console.stack import Stack, running
from schemas.config import Config, load
from schemas.digest import digest_of
from schemas.records import Sample, Series, ValueFrame
from schemas.topics import LIVE, RECORDED, Topic

SHARDS, POINTS = 12, 1_000
TICK_SECONDS, STATE_TICKS = 0.2, 5
WARM_UP_SECONDS = 40.0


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.landing", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=int, default=5_000, help="values a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long is measured, after the first rows and a warm-up of 40 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pibridge-landing-") as directory, running(Path(directory)) as stack:
        figures = measure(stack, options.rate, options.seconds)
    if options.json:
        print(json.dumps({"schema_version": 1} | figures))
    else:
        print("\n".join(f"{name:28} {value}" for name, value in figures.items()))
    return 0


def measure(stack: Stack, rate: int, seconds: float) -> dict[str, Any]:
    """Delays of all rows committed in the time measured, and what the job took for it."""
    config, path = configured(stack)
    topics.apply(config)
    subjects.register(config)
    with job(stack, path) as process:
        load_ = Load(config, rate)
        while not any(line.get("event") == "first_rows" for line in log_lines(stack)):
            assert process.poll() is None, log_path(stack).read_text()
            load_.run(TICK_SECONDS)
            time.sleep(5.0)  # else what gathered while Spark started would be caught up with all the time
        load_.run(WARM_UP_SECONDS)
        began, cpu = time.time(), cpu_seconds(process)
        load_.run(seconds)
        end, cpu = time.time(), cpu_seconds(process) - cpu
        memory = sum(member.memory_info().rss for member in family(process))
        time.sleep(8.0)  # the last batches
    warehouse = config.lakehouse and config.lakehouse.warehouse
    delays = sorted(delays_of(Path(f"{warehouse}/bronze/pi_timeseries"), began, end))
    batches = [line for line in log_lines(stack) if line.get("event") == "batch"]
    lasted = sorted(line["seconds"] for line in batches[3:])
    return {
        "values_per_second": rate,
        "rows": len(delays),
        "rows_published": load_.rows_between(began, end),
        "delay_p50_seconds": round(quantile(delays, 0.5), 2),
        "delay_p99_seconds": round(quantile(delays, 0.99), 2),
        "batch_p50_seconds": round(quantile(lasted, 0.5), 2),
        "batch_p90_seconds": round(quantile(lasted, 0.9), 2),
        "cores": round(cpu / (end - began), 2),
        "memory_mib": memory >> 20,
        "load_average": os.getloadavg()[0],
    }


def configured(stack: Stack) -> tuple[Config, Path]:
    """A source of its own on the stack."""
    document = {
        "source": "landing",
        "pi": {
            "url": "http://127.0.0.1:1/piwebapi",
            "auth": {"kind": "anonymous"},
            "servers": {"main": "00000000-0000-0000-0000-000000000001"},
            "points": [{"server": "main"}],
        },
        "kafka": {"bootstrap_servers": stack.bootstrap_servers, "replication": 1},
        "registry": {"url": stack.registry_url},
        "delivery": {"shards": SHARDS},
        "lakehouse": {
            "warehouse": str(stack.warehouse),
            "checkpoints": str(stack.directory / "checkpoints"),
            "spark": {"spark.master": "local[2]", "spark.driver.extraClassPath": stack.spark_class_path}
            | json.loads(os.environ.get("LANDING_SPARK", "{}")),
        },
    }
    path = stack.directory / "pibridge.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load(path, {}), path


@contextmanager
def job(stack: Stack, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The job, until the end of the block."""
    with log_path(stack).open("wb") as log:
        command = [sys.executable, "-m", "spark_jobs", "bronze", "--config", str(path)]
        process = subprocess.Popen(command, env={**os.environ, "JAVA_HOME": str(stack.java_home)}, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)
            if "LANDING_LOG" in os.environ:
                Path(os.environ["LANDING_LOG"]).write_bytes(log_path(stack).read_bytes())


def log_path(stack: Stack) -> Path:
    return stack.directory / "logs" / "landing.log"


def log_lines(stack: Stack) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_path(stack).read_text().splitlines()]


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """CPU time of the process and its children so far."""
    return float(sum(sum(member.cpu_times()[:2]) for member in family(process)))


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The process and all below it: Spark is a child of Python."""
    return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]


class Load:
    """Frames as the bridge would publish them, each in time."""

    def __init__(self, config: Config, rate: int) -> None:
        self._codec = kafka.codec(config)
        self._source = config.source
        self._producer = Producer({**config.kafka.client_settings(), "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"})
        self._per_frame = max(1, round(rate * TICK_SECONDS / SHARDS))
        self._sequences: dict[tuple[str, int], int] = {}
        self._clock, self._tick = 1 << 40, 0
        self._untold: list[list[tuple[str, Sample]]] = [[] for _ in range(SHARDS)]
        self._published: list[tuple[float, int]] = []

    def run(self, seconds: float) -> None:
        """Publish for so long."""
        until, due = time.time() + seconds, time.time()
        while due < until:
            time.sleep(max(0.0, due - time.time()))
            due += TICK_SECONDS
            self._tick += 1
            for shard in range(SHARDS):
                self._previews(shard)
                if self._tick % STATE_TICKS == shard % STATE_TICKS:
                    self._statements(shard)
            self._producer.poll(0)
        assert self._producer.flush(10) == 0

    def rows_between(self, began: float, end: float) -> int:
        return sum(rows for at, rows in self._published if began <= at < end)

    def _previews(self, shard: int) -> None:
        now = time.time_ns() // 1000
        values = [(f"main:{shard + SHARDS * (n % (POINTS // SHARDS))}", sample(now - n, float(n))) for n in range(self._per_frame)]
        self._untold[shard] += values
        series: list[Series] = [
            {"point_key": key, "tag": f"tag {key}", "uom": None, "statement": None, "samples": [v]} for key, v in values
        ]
        self._send(LIVE, shard, now, series)

    def _statements(self, shard: int) -> None:
        by_point: dict[str, list[Sample]] = {}
        for key, value in self._untold[shard]:
            by_point.setdefault(key, []).append(value)
        self._untold[shard] = []
        now = time.time_ns() // 1000
        series: list[Series] = [
            {
                "point_key": key,
                "tag": f"tag {key}",
                "uom": None,
                "statement": {
                    "kind": "STATED", "from_time": now - 2_000_000, "from_ticks": 0, "to_time": now, "to_ticks": 0, "as_of": now,
                    "as_of_clock": self._clock, "count": len(samples), "digest": digest_of(samples),
                },
                "samples": samples,
            }
            for key, samples in by_point.items()
        ]  # fmt: skip
        self._send(RECORDED, shard, now, series)

    def _send(self, topic: Topic, shard: int, now: int, series: list[Series]) -> None:
        sequence = self._sequences.get((topic.dataset, shard), 0)
        self._sequences[topic.dataset, shard] = sequence + 1
        self._clock += 1
        stated = topic is RECORDED
        frame: ValueFrame = {
            "source": self._source, "shard": shard, "epoch": 1, "sequence": sequence, "clock": self._clock,
            "origin": "RECORDED" if stated else "LIVE", "via": "READ" if stated else "CHANNEL", "received_time": now, "server_time": now,
            "cause": None, "series": series,
        }  # fmt: skip
        self._producer.produce(topic.name(self._source), value=self._codec.encode(topic, frame), partition=shard)
        self._published.append((now / 1e6, sum(len(one["samples"]) for one in series)))


def sample(at_micros: int, value: float) -> Sample:
    return {
        "event_time": at_micros, "ticks": 0, "ordinal": 0, "value_type": "DOUBLE", "value_double": value, "value_long": None,
        "value_string": None, "value_bytes": None, "digital_code": None, "system_state": None, "system_state_name": None, "good": True,
        "questionable": False, "substituted": False, "annotated": False,
    }  # fmt: skip


def delays_of(table: Path, began: float, end: float) -> Iterator[float]:
    """Seconds from `received_time` to the commit, of every row received in the time measured."""
    for version in range(DeltaTable(str(table)).version() + 1):
        actions = [json.loads(line) for line in (table / "_delta_log" / f"{version:020}.json").read_text().splitlines()]
        committed = next(action["commitInfo"]["timestamp"] for action in actions if "commitInfo" in action) / 1000
        for added in (action["add"] for action in actions if "add" in action):
            for received in received_times(table / added["path"]):
                if began <= received < end:
                    yield committed - received


def received_times(file: Path) -> list[float]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    column = pq.read_table(file, columns=["received_time"]).column(0)
    return [micros / 1e6 for micros in pc.cast(column, "int64").to_pylist()]


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


if __name__ == "__main__":
    sys.exit(main())
