"""What the bridge does with real servers, beside the obvious way to do the same (design 9).

    python -m benchmarks.bridge                    every part: a table on stdout, progress on stderr; about an hour
    python -m benchmarks.bridge live reads         these parts
    python -m benchmarks.bridge --json             one JSON object in place of the table
    python -m benchmarks.bridge --output FILE      results into a file too, part by part, with their commit

Kafka and the registry of `pibridge demo` run for it. What either way makes is read back, decoded and compared with what PI sent: where it
differs there is no figure, and the exit code is 1. `cpu` is that of the process, all threads. Both ways take turns, so that ratios mean
something on a machine that is shared; other figures are orders of magnitude. Needs Linux.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from benchmarks.bridge import archive, channels, latency, load, probe, recovery
from benchmarks.bridge.ground import Ground, Options
from benchmarks.parts import LEAST, MOST, Benchmark, Goal
from proofs.evidence import commit

PARTS: dict[str, Callable[[Ground, Options], Any]] = {
    "probe": probe.measure_probe,
    "live": channels.measure_live,
    "reads": archive.measure_reads,
    "producers": channels.measure_producers,
    "calls": archive.measure_calls,
    "latency": latency.measure_latency,
    "recovery": recovery.measure_recovery,
    "load": load.measure_load,
}
GOALS: list[Goal] = [
    *(("live", (shape, "cpu_ratio", "median"), goal, LEAST) for shape, goal in (("100 x 1", 6), ("100 x 10", 10), ("1 x 1", 5))),
    *(("reads", (f"{n} values a series", "cpu_ratio", "median"), goal, LEAST) for n, goal in ((1000, 10), (100, 8), (10, 6))),
    *(("producers", (shape, "wall_ratio", "median"), goal, LEAST) for shape, goal in (("100 x 1", 0.7), ("100 x 10", 0.85))),
    ("calls", ("20 ms a call", "seconds", "median"), 0.5, MOST),
    ("latency", ("5 000 values/s", "bridge", "p50_ms"), 250, MOST),
    ("latency", ("5 000 values/s", "bridge", "p99_ms"), 500, MOST),
    ("recovery", ("times_real_time",), 20, LEAST),
    ("recovery", ("live_meanwhile", "p99_ms"), 2000, MOST),
    ("load", ("steady", "cores", "median"), 0.3, MOST),
    ("load", ("steady", "rss_mib", "max"), 512, MOST),
    ("load", ("kafka_stopped", "rss_most_mib"), 512, MOST),
]
"""Section 9 of the design, as far as it is about the bridge."""
BENCHMARK = Benchmark(PARTS, GOALS)


def parser() -> argparse.ArgumentParser:
    standard = Options()
    made = BENCHMARK.parser("python -m benchmarks.bridge", __doc__)
    made.add_argument(
        "--rounds", type=int, default=standard.rounds, metavar="N", help="of live, reads, producers, calls (default %(default)s)"
    )
    made.add_argument(
        "--values", type=int, default=standard.values, metavar="N", help="a round of live, reads, producers (default 100,000)"
    )
    made.add_argument(
        "--seconds", type=float, default=standard.seconds, metavar="S", help="of latency; half of it of probe (default %(default)s)"
    )
    made.add_argument(
        "--points", type=int, default=standard.points, metavar="N", help="of load; a tenth in latency and recovery (default 100,000)"
    )
    made.add_argument("--load-seconds", type=float, default=standard.load_seconds, metavar="S", help="of load (default %(default)s)")
    made.add_argument(
        "--outage-seconds", type=float, default=standard.outage_seconds, metavar="S", help="Kafka stopped (default %(default)s)"
    )
    made.add_argument("--profile", type=Path, metavar="FILE", help="stacks of the bridge under load, if py-spy is on PATH")
    return made


def main(arguments: list[str]) -> int:
    given = BENCHMARK.asked(parser(), arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # of the shards in this process
    options = Options(given.rounds, given.seconds, given.values, given.load_seconds, given.points, given.outage_seconds, given.profile)
    return BENCHMARK.run(given, options, commit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
