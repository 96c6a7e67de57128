"""Values a second of one worker of the stream processors, all rules on, frames of 100 (design 9).

    python -m benchmarks.processors                    every part: a table on stdout, progress on stderr; some fifteen minutes
    python -m benchmarks.processors plain              this part
    python -m benchmarks.processors --json             one JSON object in place of the table
    python -m benchmarks.processors --output FILE      results into a file too, part by part, with their commit

Kafka and the registry of `pibridge demo` run for it, and `pibridge process` as an operator starts it: order, state, acknowledgements, dead
letters and figures are in its numbers. Beside it, in turns: `faust`, an agent that takes a record a value and asks the same rules, and
`bare`, a loop of confluent-kafka that takes the same frames, decodes them as ours does and asks the same rules; neither keeps or orders
anything. Each way is one process. What each published is read back and compared; where it differs there is no figure, and the exit code
is 1. Needs Linux.
"""

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.bridge.ground import Ground
from benchmarks.parts import LEAST, Benchmark, Goal
from benchmarks.processors.throughput import Options, measure_mixed, measure_plain
from proofs.evidence import commit

PARTS: dict[str, Callable[[Ground, Options], Any]] = {"plain": measure_plain, "mixed": measure_mixed}
GOALS: list[Goal] = [
    goal
    for part in PARTS
    for goal in (
        (part, ("ours", "values_per_second", "median"), 100_000, LEAST),
        (part, ("ours", "values_per_cpu_second", "median"), 100_000, LEAST),
        (part, ("times_faust", "wall", "median"), 20, LEAST),
        (part, ("times_faust", "cpu", "median"), 20, LEAST),
        (part, ("of_bare", "wall", "median"), 0.3, LEAST),
        (part, ("of_bare", "cpu", "median"), 0.3, LEAST),
    )
]
BENCHMARK = Benchmark(PARTS, GOALS)


def main(arguments: list[str]) -> int:
    """Measures what is asked for; answers the exit code."""
    standard, parser = Options(), BENCHMARK.parser("python -m benchmarks.processors", __doc__)
    parser.add_argument("--rounds", type=int, default=standard.rounds, metavar="N", help="of each part (default %(default)s)")
    parser.add_argument("--values", type=int, default=standard.values, metavar="N", help="a round (default 2,000,000)")
    parser.add_argument(
        "--single-values", type=int, default=standard.single_values, metavar="N", help="of these for the peer of one by one (80,000)"
    )
    given = BENCHMARK.asked(parser, arguments)
    return BENCHMARK.run(given, Options(given.rounds, given.values, given.single_values), commit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
