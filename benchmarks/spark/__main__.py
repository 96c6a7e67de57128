"""What the Spark jobs do: landing beside a plain job, how soon values are in Delta, and silver as bronze grows.

    python -m benchmarks.spark                     every part: a table on stdout, progress on stderr; about two hours
    python -m benchmarks.spark throughput latency  these parts
    python -m benchmarks.spark --json              one JSON object in place of the table
    python -m benchmarks.spark --output FILE       results into a file too, part by part, with their commit

The jobs run as users start them. Of `throughput`, ratios mean something on a machine that is shared, since both jobs take turns; other
figures are those of the moment, and the load of the machine stands beside them. Needs Linux.
"""

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.bridge.ground import Ground
from benchmarks.parts import LEAST, MOST, Benchmark, Goal
from benchmarks.spark.growth import measure_growth
from benchmarks.spark.jobs import Options
from benchmarks.spark.latency import measure_latency
from benchmarks.spark.throughput import measure_throughput
from proofs.evidence import commit

PARTS: dict[str, Callable[[Ground, Options], Any]] = {
    "throughput": measure_throughput,
    "latency": measure_latency,
    "silver": measure_growth,
}
GOALS: list[Goal] = [
    ("throughput", ("rows_ratio", "median"), 0.9, LEAST),
    ("latency", ("delay_p50_seconds",), 2.0, MOST),
    ("latency", ("delay_p99_seconds",), 5.0, MOST),
    *(
        ("silver", (points, kind, "last_day_to_first"), 1.2, MOST)
        for points in ("10 000 points", "100 000 points")
        for kind in ("appends", "restated")
    ),
]
"""Section 9 of the design, as far as it is about Spark; flat as bronze grows means a fifth more at most."""
BENCHMARK = Benchmark(PARTS, GOALS)


def main(arguments: list[str]) -> int:
    """Measures; answers the exit code."""
    standard = Options()
    parser = BENCHMARK.parser("python -m benchmarks.spark", __doc__)
    add = parser.add_argument
    add("--values", type=int, default=standard.values, metavar="N", help="of throughput, in Kafka (default %(default)s)")
    add("--rounds", type=int, default=standard.rounds, metavar="N", help="of throughput, both jobs in each (default %(default)s)")
    add("--rate", type=int, default=standard.rate, metavar="N", help="of latency, values a second (default %(default)s)")
    add("--seconds", type=float, default=standard.seconds, metavar="S", help="of latency, after a warm-up (default %(default)s)")
    add("--days", type=int, default=standard.days, metavar="N", help="of silver, so many bronze grows to (default %(default)s)")
    add(
        "--day-values",
        type=int,
        default=standard.day_values,
        metavar="N",
        help="of silver, values a day of all points (default %(default)s)",
    )
    given = BENCHMARK.asked(parser, arguments)
    options = Options(given.values, given.rounds, given.rate, given.seconds, given.days, given.day_values)
    return BENCHMARK.run(given, options, commit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
