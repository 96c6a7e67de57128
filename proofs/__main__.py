"""`python -m proofs [PART ...]`: the long proofs, part by part. What has a result for the commit at hand is not run again."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from console.stack import Stack, StackError, running
from proofs import evidence
from proofs.accuracy import part as accuracy
from proofs.convergence import part as convergence
from proofs.deployment import ProofFailed
from proofs.driver import part as driver
from proofs.evidence import ROOT, Evidence
from proofs.processes import part as processes
from proofs.reconciliation import part as reconciliation
from proofs.seeded_defects import part as seeded_defects
from proofs.simulation import part as simulation
from proofs.simulation.bugs import BUGS

_DESCRIPTION = """\
Proofs that take too long for `make test`, which holds a short form of each. Results go to docs/evidence/<part>.json
one by one, each with its commit: an interrupted proof goes on where it was."""
_EPILOG = """\
parts:
  seeded_defects   some 25 runs of simulator, bridge, Kafka and Spark, most with a defect on purpose, which the
                   verifier has to notice; about a minute each
  processes        bridges killed at named points and at random, stopped, scaled, and without a broker, under 2,000 values/s;
                   a scene takes two to fifteen minutes, all of them about an hour
  driver           the Spark driver killed in each phase of a batch of bronze, silver and gold, and at random moments; checkpoints and
                   tables that are lost, and what operators read then; a scene takes two to fifteen minutes, all about an hour
  convergence      1,000 late values, edits and deletions in PI's archive, a third of them while no bridge runs: silver equals the
                   archive, and tells of each; half an hour
  bridge_benchmark what the bridge costs and how soon values are in Kafka, beside the obvious way; an hour
  spark_benchmark  what landing costs beside a plain Spark job, how soon values are in Delta, and silver as bronze grows; two hours
  processors_benchmark   values a second of a worker of the stream processors, all rules on, beside Faust one by one and a bare loop;
                   some fifteen minutes
  simulator_benchmark   what the simulator costs and serves, beside json.dumps; some ten minutes
  simulation       the bridge's core against models of PI and Kafka under virtual time: 2,000 seeds of half an hour
                   each, and up to 50 seeds for each bug on purpose; one to two seconds of CPU a seed
  accuracy         clocks that are wrong by a known amount, a day without a fault, and late values of known cause, given to the
                   rules of the stream processors; and defects on purpose; about ten minutes, without servers
  reconcile        120 holes and alterations put into bronze at random and in secret, others into silver and PI: all have to be found,
                   and mended by `pibridge reconcile --repair`; and defects on purpose; some twenty minutes

examples:
  make prove
  make prove ARGS="seeded_defects --only crash"
  make prove ARGS="processes --only broker"
  make prove ARGS="driver --only truncated"
  make prove ARGS="simulation --seeds 200 --no-bugs"
  make prove ARGS="simulation --seed 17"
  make prove ARGS="simulation --only fencing"

exit codes: 0 all as expected, 1 something was not, 2 wrong options, 3 a server could not be started, 130 interrupted"""

Part = Callable[[argparse.Namespace, Evidence], bool]


def on_a_stack(run: Callable[[Stack, Path, Evidence, Callable[[str], None], str], bool], table: Callable[[dict[str, Any]], str]) -> Part:
    """A part that needs servers; prints its table."""

    def prove(given: argparse.Namespace, found: Evidence) -> bool:
        with tempfile.TemporaryDirectory(prefix="pibridge-proof-", ignore_cleanup_errors=True) as temporary:
            directory = Path(temporary) if given.directory is None else given.directory
            with running(directory / "stack") as stack:
                good = run(stack, directory, found, say, given.only)
        sys.stdout.write((json.dumps(found.results) if given.json else table(found.results)) + "\n")
        return good

    return prove


def prove_simulator_benchmark(given: argparse.Namespace, found: Evidence) -> bool:
    """The simulator's figures; the benchmark writes them down itself."""
    if "goals" not in found.results:
        command = [sys.executable, "-m", "benchmarks.simulator", "--output", str(found.path), *(["--json"] if given.json else [])]
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    return all(goal["met"] for goal in found.results["goals"].values())


def by_benchmark(module: str) -> Part:
    """The figures of a benchmark, those parts that have none; it writes them down itself."""

    def prove(given: argparse.Namespace, found: Evidence) -> bool:
        missing = [] if given.fresh else ["--missing"]
        command = [sys.executable, "-m", module, *missing, "--output", str(found.path), *(["--json"] if given.json else [])]
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0

    return prove


def prove_simulation(given: argparse.Namespace, found: Evidence) -> bool:
    """Seeds and bugs; or one seed, told line by line."""
    if given.seed is not None:
        verdict, text = simulation.replay(given.seed, given.bug)
        sys.stdout.write(text + "\n")
        return not verdict.failures
    good = simulation.run(found, say, given.seeds, given.bugs, given.only)
    sys.stdout.write((json.dumps(found.results) if given.json else simulation.table(found.results)) + "\n")
    return good


def prove_accuracy(given: argparse.Namespace, found: Evidence) -> bool:
    """Estimates against truth; prints their tables."""
    good = accuracy.run(found, say, given.only)
    sys.stdout.write((json.dumps(found.results) if given.json else accuracy.table(found.results)) + "\n")
    return good


PARTS: dict[str, Part] = {
    "simulation": prove_simulation,
    "seeded_defects": on_a_stack(seeded_defects.run, seeded_defects.table),
    "processes": on_a_stack(processes.run, processes.table),
    "driver": on_a_stack(driver.run, driver.table),
    "convergence": on_a_stack(convergence.run, convergence.table),
    "simulator_benchmark": prove_simulator_benchmark,
    "bridge_benchmark": by_benchmark("benchmarks.bridge"),
    "spark_benchmark": by_benchmark("benchmarks.spark"),
    "processors_benchmark": by_benchmark("benchmarks.processors"),
    "accuracy": prove_accuracy,
    "reconcile": on_a_stack(reconciliation.run, reconciliation.table),
}


def say(line: str) -> None:
    """A line for the person who waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S', time.gmtime())}  {line}\n")
    sys.stderr.flush()


def main() -> int:
    """Runs the parts; answers the exit code."""
    parser = argparse.ArgumentParser(
        "python -m proofs", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"default all: {', '.join(PARTS)}")
    parser.add_argument("--only", default="", metavar="WORD", help="of a part, only what has this in its name")
    parser.add_argument("--fresh", action="store_true", help="run again what has a result already")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="keep logs and data there (default: a temporary directory)")
    parser.add_argument("--seeds", type=int, default=simulation.SEEDS, metavar="N", help="of the simulation (default %(default)s)")
    parser.add_argument("--bugs", action=argparse.BooleanOptionalAction, default=True, help="of the simulation (default: with bugs)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the simulation: only this seed, told line by line; no evidence")
    parser.add_argument("--bug", default="", choices=["", *BUGS], metavar="NAME", help="with --seed: with this bug")
    parser.add_argument("--json", action="store_true", help="results as JSON on stdout")
    given = parser.parse_args()
    if unknown := [name for name in given.parts if name not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    at = evidence.commit()
    good = True
    try:
        for name in given.parts or PARTS:
            found = Evidence(name, at)
            found.resume(given.fresh)
            say(f"{name} at {at}")
            good = PARTS[name](given, found) and good
    except ProofFailed as error:
        say(str(error))
        return 1
    except StackError as error:
        say(str(error))
        return 3
    except KeyboardInterrupt:
        return 130
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
