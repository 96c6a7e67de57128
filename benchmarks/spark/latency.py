"""From an event of PI's to its commit in Delta: simulator, bridge and bronze job, each a process of its own, under a steady load.

The bridge publishes a preview of each event, and states it once the archive has been read, so twice as many rows land. A preview's delay
is the time of the Delta commit that holds it minus its `event_time`, both by this machine's clock; the commit's time is that of its file in
Delta's log, which is there once it is made. Half of the simulator's interval of 0.1 s is in it, as PI's own would be.
"""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from numpy.typing import NDArray

from benchmarks.bridge.ground import Ground, Json, Void, percentile, say
from benchmarks.bridge.processes import Bridge, settle_down, source_of, wait_for
from benchmarks.simulator import Simulator, ended
from benchmarks.spark.jobs import Job, Options, lakehouse, layout, started
from spark_jobs.tables import TIMESERIES

POINTS_PER_RATE = 2
"""A point has a value each two seconds."""
TICK_SECONDS = 0.1
HISTORY_SECONDS, SETTLE_SECONDS = 60, 5.0
WARM_UP_SECONDS = 60.0
PLANNED_SHARE = 0.97
"""Of the values that were to come: fewer would be another load."""
_START_SECONDS, _QUIET_SECONDS, _LAST_SECONDS = 300.0, 5.0, 180.0
_COLUMNS = ["origin", "via", "event_time"]


def measure_latency(ground: Ground, options: Options) -> Json:
    """From an event of PI's to its commit in Delta, under a steady load, and what bridge and job take for it."""
    points = options.rate * POINTS_PER_RATE
    simulator = Simulator("--points", points, "--rate", options.rate, "--tick", TICK_SECONDS, "--history", HISTORY_SECONDS)
    with ended(simulator):
        config, port = source_of(
            ground,
            "latency",
            simulator,
            coverage={"start": "1m", "settle_seconds": SETTLE_SECONDS},
            lakehouse=lakehouse(ground, "latency"),
        )
        command = ("spark_jobs", "bronze", "--config", str(ground.path(config.source)))
        with Bridge(ground, config.source, port) as bridge, started(ground, "latency-job", *command) as job:
            settle_down(bridge, simulator, points, _START_SECONDS)
            wait_for(lambda: any(line["event"] == "first_rows" for line in job.lines()), "a first row in Delta", _START_SECONDS)
            return _under_load(simulator, bridge, job, ground.stack.warehouse / "latency" / TIMESERIES.layer / TIMESERIES.name, options)


def _under_load(simulator: Simulator, bridge: Bridge, job: Job, table: Path, options: Options) -> Json:
    def sent() -> int:
        return int(simulator.control("/status")["values_sent_on_channels"])

    simulator.control("/load", {"running": False})
    time.sleep(_QUIET_SECONDS)
    first, before = time.time(), sent()
    simulator.control("/load", {"running": True})
    time.sleep(WARM_UP_SECONDS)
    clocks = [bridge.cpu_seconds, job.cpu_seconds]
    began, cpu, written = time.time(), [clock() for clock in clocks], simulator.control("/status")["events_written"]
    while time.time() < began + options.seconds:
        job.check()
        time.sleep(1.0)
    end, written = time.time(), simulator.control("/status")["events_written"] - written
    cores = [round((clock() - used) / (end - began), 2) for clock, used in zip(clocks, cpu, strict=True)]
    simulator.control("/load", {"running": False})
    time.sleep(_QUIET_SECONDS)
    wanted = sent() - before
    if written < options.rate * (PLANNED_SHARE * (end - began) - 2 * TICK_SECONDS):
        raise Void(f"{written / (end - began):.0f} values/s were written in place of {options.rate}")
    commits = _all_of(table, first, wanted)
    measured = [one.committed - one.events[(one.events >= began) & (one.events < end)] for one in commits]
    delays: list[float] = np.sort(np.concatenate(measured)).tolist()
    lasted = sorted(line["seconds"] for line in job.lines() if line["event"] == "batch" and began <= _at(line) < end)
    return {
        "values_per_second": round(written / (end - began)),
        "previews_measured": len(delays),
        "commits": sum(began <= one.committed < end for one in commits),
        "delay_p50_seconds": round(percentile(delays, 0.5), 2),
        "delay_p99_seconds": round(percentile(delays, 0.99), 2),
        "delay_most_seconds": round(delays[-1], 2),
        "batch_p50_seconds": round(percentile(lasted, 0.5), 2),
        "batch_p99_seconds": round(percentile(lasted, 0.99), 2),
        "bridge_cores": cores[0],
        "job_cores": cores[1],
        "job_rss_most_mib": job.rss_most_bytes >> 20,
        "table": layout(table),
    }


def _at(line: Json) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


class Commit(NamedTuple):
    """A commit that added rows."""

    committed: float
    """Seconds since 1970."""
    events: NDArray[np.float64]
    """Times of the events of which it has previews, the same way."""


def _all_of(table: Path, since: float, wanted: int) -> list[Commit]:
    """The commits of just so many previews of events since then, waited for. Raises Void if there are fewer, or more."""
    deadline = time.monotonic() + _LAST_SECONDS
    while True:
        commits = list(commits_of(table))
        found = sum(int(np.count_nonzero(one.events >= since)) for one in commits)
        if found == wanted:
            return commits
        if found > wanted or time.monotonic() > deadline:
            raise Void(f"PI sent {wanted} values on channels, and {found} of them are in Delta")
        say(f"  {found} of {wanted} values are in Delta")
        time.sleep(_QUIET_SECONDS)


def commits_of(table: Path) -> Iterator[Commit]:
    """Each commit of a table that was only ever appended to."""
    for version in range(DeltaTable(str(table)).version() + 1):
        entry = table / "_delta_log" / f"{version:020}.json"
        added = [action["add"]["path"] for action in map(json.loads, entry.read_text().splitlines()) if "add" in action]
        if added:
            yield Commit(entry.stat().st_mtime, np.concatenate([event_times(table / path) for path in added]))


def event_times(file: Path) -> NDArray[np.float64]:
    """Of the rows that a channel told of, seconds since 1970."""
    rows = pq.read_table(file, columns=_COLUMNS)
    heard = rows.filter(pc.and_(pc.equal(rows["origin"], "LIVE"), pc.equal(rows["via"], "CHANNEL")))
    return np.asarray(heard["event_time"].cast(pa.int64()), dtype=np.float64) / 1e6
