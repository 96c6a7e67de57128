"""From a frame's newest value to its commit in Delta: the bronze job as a process of its own, under a steady load of frames.

Every shard publishes a frame of previews each 200 ms, and a frame of statements about the same values each second, so that twice as
many rows land in `pi_timeseries`, and the ledger grows with each batch. A row's delay is the time of the Delta commit that holds it minus
the frame's `received_time`, taken on one clock; the commit's time is the one that Delta wrote into its log.
"""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from benchmarks.bridge.ground import Ground, Json, Void, percentile
from benchmarks.spark.jobs import Options, layout, sample, source, started
from benchmarks.spark.publishing import Frames, preview, statement
from bridge.frame import Series
from schemas.config import Config
from schemas.records import Sample
from schemas.topics import LIVE, RECORDED, Topic
from spark_jobs.tables import TIMESERIES

SHARDS, POINTS = 12, 1_000
TICK_SECONDS, STATE_TICKS = 0.2, 5
WARM_UP_SECONDS = 40.0
_FIRST_SECONDS, _PAUSE_SECONDS, _LAST_SECONDS = 300.0, 5.0, 120.0


def measure_latency(ground: Ground, options: Options) -> Json:
    """From a frame's newest value to its commit in Delta, under a steady load, and what the job takes for it."""
    config = source(ground, "latency", SHARDS)
    table = ground.stack.warehouse / "latency" / TIMESERIES.layer / TIMESERIES.name
    command = ("spark_jobs", "bronze", "--config", str(ground.path("latency")))
    with started(ground, "latency", *command) as job, closing(Load(config, options.rate)) as load:
        began = time.time()
        while not any(line["event"] == "first_rows" for line in job.lines()):
            job.check()
            if time.time() > began + _FIRST_SECONDS:
                raise Void(f"no row came into Delta within {_FIRST_SECONDS:g} s; the job's log is {job.log_path}")
            load.run(TICK_SECONDS)
            time.sleep(_PAUSE_SECONDS)  # else what gathered while Spark started would be caught up with all the time
        load.run(WARM_UP_SECONDS)
        began, cpu = time.time(), job.cpu_seconds()
        load.run(options.seconds)
        end, cpu = time.time(), job.cpu_seconds() - cpu
        while layout(table)["rows"] < load.rows_between(0.0, time.time()) and time.time() < end + _LAST_SECONDS:
            job.check()
            time.sleep(1.0)
        time.sleep(2.0)  # until the last batch is told of
    delays = sorted(delays_of(table, began, end))
    published = load.rows_between(began, end)
    if len(delays) != published:
        raise Void(f"{published} values were published in the time measured, and {len(delays)} of them are in Delta")
    batches = [line["seconds"] for line in job.lines() if line["event"] == "batch"]
    lasted = sorted(batches[3:] or batches[-1:])  # the first of them still compile what they run
    return {
        "values_per_second": options.rate,
        "rows_measured": len(delays),
        "delay_p50_seconds": round(percentile(delays, 0.5), 2),
        "delay_p99_seconds": round(percentile(delays, 0.99), 2),
        "batch_p50_seconds": round(percentile(lasted, 0.5), 2),
        "batch_p90_seconds": round(percentile(lasted, 0.9), 2),
        "cores": round(cpu / (end - began), 2),
        "rss_most_mib": job.rss_most_bytes >> 20,
        "table": layout(table),
    }


class Load:
    """Frames as the bridge would publish them, each in time."""

    def __init__(self, config: Config, rate: int) -> None:
        self._frames = Frames(config)
        self._per_frame = max(1, round(rate * TICK_SECONDS / SHARDS))
        self._tick = 0
        self._untold: list[list[tuple[str, Sample]]] = [[] for _ in range(SHARDS)]
        self._published: list[tuple[float, int]] = []

    def close(self) -> None:
        """Closes the connections."""
        self._frames.close()

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
        self._frames.flush()

    def rows_between(self, began: float, end: float) -> int:
        """Values of the frames received then."""
        return sum(rows for at, rows in self._published if began <= at < end)

    def _previews(self, shard: int) -> None:
        now = time.time_ns() // 1000
        values = [(f"main:{shard + SHARDS * (n % (POINTS // SHARDS))}", sample(now - n, float(n))) for n in range(self._per_frame)]
        self._untold[shard] += values
        self._send(LIVE, shard, now, [preview(key, [value]) for key, value in values])

    def _statements(self, shard: int) -> None:
        by_point: dict[str, list[Sample]] = {}
        for key, value in self._untold[shard]:
            by_point.setdefault(key, []).append(value)
        self._untold[shard] = []
        now, clock = time.time_ns() // 1000, self._frames.clock
        self._send(RECORDED, shard, now, [statement(key, samples, now - 2_000_000, now, clock) for key, samples in by_point.items()])

    def _send(self, topic: Topic, shard: int, now: int, series: list[Series]) -> None:
        self._frames.send(topic, shard, now, series)
        self._published.append((now / 1e6, sum(len(one["samples"]) for one in series)))


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
    """Of each row, seconds since 1970."""
    column = pq.read_table(file, columns=["received_time"]).column(0)
    return [micros / 1e6 for micros in column.cast(pa.int64()).to_pylist()]
