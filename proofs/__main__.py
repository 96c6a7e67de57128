"""`python -m proofs [PART ...]`: the long proofs, part by part. What has a result for the commit at hand is not run again."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from console.stack import StackError, running
from proofs import evidence
from proofs.deployment import ProofFailed
from proofs.evidence import ROOT, Evidence
from proofs.processes import part as processes
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
  bridge_benchmark what the bridge costs and how soon values are in Kafka, beside the obvious way; an hour
  simulator_benchmark   what the simulator costs and serves, beside json.dumps; some ten minutes
  simulation       the bridge's core against models of PI and Kafka under virtual time: 2,000 seeds of half an hour
                   each, and up to 50 seeds for each bug on purpose; one to two seconds of CPU a seed

examples:
  make prove
  make prove ARGS="seeded_defects --only crash"
  make prove ARGS="processes --only broker"
  make prove ARGS="simulation --seeds 200 --no-bugs"
  make prove ARGS="simulation --seed 17"
  make prove ARGS="simulation --only fencing"

exit codes: 0 all as expected, 1 something was not, 2 wrong options, 3 a server could not be started, 130 interrupted"""

Part = Callable[[argparse.Namespace, Evidence], bool]


def prove_seeded_defects(given: argparse.Namespace, found: Evidence) -> bool:
    """The test of the tester; prints its table."""
    with tempfile.TemporaryDirectory(prefix="pibridge-proof-", ignore_cleanup_errors=True) as temporary:
        directory = Path(temporary) if given.directory is None else given.directory
        with running(directory / "stack") as stack:
            good = seeded_defects.run(stack, directory, found, say, given.only)
    sys.stdout.write((json.dumps(found.results) if given.json else seeded_defects.table(found.results)) + "\n")
    return good


def prove_simulator_benchmark(given: argparse.Namespace, found: Evidence) -> bool:
    """The simulator's figures; the benchmark writes them down itself."""
    if "goals" not in found.results:
        command = [sys.executable, "-m", "benchmarks.simulator", "--output", str(found.path), *(["--json"] if given.json else [])]
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    return all(goal["met"] for goal in found.results["goals"].values())


def prove_bridge_benchmark(given: argparse.Namespace, found: Evidence) -> bool:
    """The bridge's figures, those parts that have none; the benchmark writes them down itself."""
    missing = [] if given.fresh else ["--missing"]
    command = [sys.executable, "-m", "benchmarks.bridge", *missing, "--output", str(found.path), *(["--json"] if given.json else [])]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def prove_simulation(given: argparse.Namespace, found: Evidence) -> bool:
    """Seeds and bugs; or one seed, told line by line."""
    if given.seed is not None:
        verdict, text = simulation.replay(given.seed, given.bug)
        sys.stdout.write(text + "\n")
        return not verdict.failures
    good = simulation.run(found, say, given.seeds, given.bugs, given.only)
    sys.stdout.write((json.dumps(found.results) if given.json else simulation.table(found.results)) + "\n")
    return good


def prove_processes(given: argparse.Namespace, found: Evidence) -> bool:
    """Processes that die under load; prints its table."""
    with tempfile.TemporaryDirectory(prefix="pibridge-proof-", ignore_cleanup_errors=True) as temporary:
        directory = Path(temporary) if given.directory is None else given.directory
        with running(directory / "stack") as stack:
            good = processes.run(stack, directory, found, say, given.only)
    sys.stdout.write((json.dumps(found.results) if given.json else processes.table(found.results)) + "\n")
    return good


PARTS: dict[str, Part] = {
    "simulation": prove_simulation,
    "seeded_defects": prove_seeded_defects,
    "processes": prove_processes,
    "simulator_benchmark": prove_simulator_benchmark,
    "bridge_benchmark": prove_bridge_benchmark,
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
