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
import asyncio
import inspect
import json
import operator
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from benchmarks.bridge import archive, channels, latency, load, probe, recovery
from benchmarks.bridge.ground import Ground, Json, Options, Void, as_table, say
from console.stack import StackError, running
from proofs.evidence import Evidence, commit

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
_LEAST, _MOST = (operator.ge, "at least"), (operator.le, "at most")
GOALS: list[tuple[str, Sequence[str], float, tuple[Callable[[float, float], bool], str]]] = [
    *(("live", (shape, "cpu_ratio", "median"), goal, _LEAST) for shape, goal in (("100 x 1", 6), ("100 x 10", 10), ("1 x 1", 5))),
    *(("reads", (f"{n} values a series", "cpu_ratio", "median"), goal, _LEAST) for n, goal in ((1000, 10), (100, 8), (10, 6))),
    *(("producers", (shape, "wall_ratio", "median"), goal, _LEAST) for shape, goal in (("100 x 1", 0.7), ("100 x 10", 0.85))),
    ("calls", ("20 ms a call", "seconds", "median"), 0.5, _MOST),
    ("latency", ("5 000 values/s", "bridge", "p50_ms"), 250, _MOST),
    ("latency", ("5 000 values/s", "bridge", "p99_ms"), 500, _MOST),
    ("recovery", ("times_real_time",), 20, _LEAST),
    ("recovery", ("live_meanwhile", "p99_ms"), 2000, _MOST),
    ("load", ("steady", "cores", "median"), 0.3, _MOST),
    ("load", ("steady", "rss_mib", "max"), 512, _MOST),
    ("load", ("kafka_stopped", "rss_most_mib"), 512, _MOST),
]
"""Section 9 of the design, as far as it is about the bridge: part, place in its result, goal."""


def judged(results: Json) -> Json:
    """Each goal whose part has a result, with what was measured and whether it is met."""
    found: Json = {}
    for part, path, goal, (meets, word) in GOALS:
        if part not in results or "void" in results[part]:
            continue
        measured: Any = results[part]
        for name in path:
            measured = measured[name]
        found[" ".join((part, *path))] = {"measured": measured, "goal": f"{word} {goal:g}", "met": meets(measured, goal)}
    return found


def text_of(results: Json) -> str:
    lines = [line for name, result in results.items() for line in (name, *as_table(result))]
    lines.append("goals")
    for name, goal in judged(results).items():
        lines.append(f"  {name:50} {goal['measured']:>12,}   {goal['goal']:>14}   {'met' if goal['met'] else 'NOT MET'}")
    return "\n".join(lines)


def measure(parts: Sequence[str], options: Options, directory: Path, keep: Callable[[str, Json], None]) -> Json:
    """Results of the parts, each kept as soon as it is there; of a part whose output is wrong, what was wrong with it."""
    results: Json = {}
    for name in parts:
        say(f"{name}: {inspect.getdoc(PARTS[name])}")
        # Each part has servers of its own: none finds what another has left in them.
        with running(directory / name, say=say) as stack:
            try:
                outcome = PARTS[name](Ground(stack, directory / name), options)
                results[name] = asyncio.run(outcome) if inspect.iscoroutine(outcome) else outcome
            except Void as void:
                results[name] = {"void": str(void)}
                say(f"{name}: {void}")
            else:
                results[name]["load_average"] = round(os.getloadavg()[1], 1)  # of five minutes: what others made the machine do
                keep(name, results[name])
    return results


def parser() -> argparse.ArgumentParser:
    standard = Options()
    made = argparse.ArgumentParser("python -m benchmarks.bridge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.epilog = "exit codes: 0 every goal is met, 1 one is not, or an output was wrong, 3 a server could not be started"
    made.add_argument("parts", nargs="*", metavar="PART", help=f"default all: {', '.join(PARTS)}")
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
    made.add_argument("--directory", type=Path, metavar="DIR", help="keep logs and data there (default: a temporary directory)")
    made.add_argument("--missing", action="store_true", help="only parts that --output has no result for, at this commit")
    made.add_argument("--json", action="store_true", help="one JSON object on stdout")
    made.add_argument("--output", type=Path, metavar="FILE", help="write results there too (FILE.json), beside those of the same commit")
    return made


def main(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    if unknown := [name for name in given.parts if name not in PARTS]:
        parser().error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # of the shards in this process
    options = Options(given.rounds, given.seconds, given.values, given.load_seconds, given.points, given.outage_seconds, given.profile)
    evidence = None if given.output is None else Evidence(given.output.stem, commit(), given.output.parent)
    if evidence is not None:
        evidence.resume()
    known = evidence.results if evidence is not None and given.missing else {}
    parts = [name for name in given.parts or PARTS if name not in known]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no child is left behind

    def keep(name: str, result: Json) -> None:
        if evidence is not None:
            evidence.add(name, result)

    try:
        with tempfile.TemporaryDirectory(prefix="pibridge-benchmark-", ignore_cleanup_errors=True) as temporary:
            results = known | measure(parts, options, given.directory or Path(temporary), keep)
    except StackError as error:
        say(str(error))
        return 3
    goals = judged(results)
    print(json.dumps({"schema_version": 1, **results, "goals": goals}) if given.json else text_of(results))
    return 0 if all(goal["met"] for goal in goals.values()) and not any("void" in result for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
