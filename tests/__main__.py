"""`python -m tests [TIER ...]`: runs the tests tier by tier, and says how many there were and how long they took.

Fails if a tier has fewer tests than `tiers.json` says (a test that is not collected cannot fail), and, with CI=true, if any is skipped.
All tiers together go two at a time, the longest first; each tells what it found when it ends.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import IO, NamedTuple

HERE = Path(__file__).parent
FAST = "fast"
LONGEST_FIRST = ("spark", "integration", "containers", "simulation", FAST, "demo")
MARKERS = [tier for tier in LONGEST_FIRST if tier != FAST]
TIERS = {tier: tier for tier in LONGEST_FIRST} | {FAST: " and ".join(f"not {marker}" for marker in MARKERS)}


class Outcome(NamedTuple):
    """What a tier came to."""

    tier: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    exit_code: int


def run(tier: str, output: IO[bytes] | None = None) -> Outcome:
    """Runs one tier, its output passed through, or into a file."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", TIERS[tier], f"--junitxml={report}", str(HERE)]
        exit_code = subprocess.run(command, cwd=HERE.parent, check=False, stdout=output, stderr=output).returncode
        suites = ET.parse(report).getroot().iter("testsuite") if report.exists() else []
        counts = [{name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")} for suite in suites]
    total, skipped = sum(c["tests"] for c in counts), sum(c["skipped"] for c in counts)
    failed = sum(c["failures"] + c["errors"] for c in counts)
    return Outcome(tier, total - failed - skipped, failed, skipped, time.monotonic() - began, exit_code)


def run_all() -> list[Outcome]:
    """Runs every tier: whoever of two is free takes the next one, and so both end at about the same time."""
    speaking = Lock()

    def told(tier: str) -> Outcome:
        with tempfile.TemporaryFile() as output:
            print(f"{tier}: begins", flush=True)
            outcome = run(tier, output)
            output.seek(0)
            with speaking:
                print(f"{tier}:\n{output.read().decode(errors='replace')}", flush=True)
        return outcome

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(told, TIERS))


def complaints(outcome: Outcome, expected: int, strict: bool) -> list[str]:
    """What is wrong with a tier besides tests that failed."""
    found = []
    if outcome.exit_code != 0 and not outcome.failed:
        found.append(f"{outcome.tier}: pytest ended with exit code {outcome.exit_code}")
    if (count := outcome.passed + outcome.failed + outcome.skipped) < expected:
        found.append(f"{outcome.tier}: {count} tests were collected, and tests/tiers.json expects at least {expected}")
    if strict and outcome.skipped:
        found.append(f"{outcome.tier}: {outcome.skipped} tests were skipped, which CI does not accept")
    return found


def main(tiers: list[str]) -> int:
    """Runs the named tiers, or all; answers the exit code."""
    if unknown := [tier for tier in tiers if tier not in TIERS]:
        print(f"no tier {', '.join(unknown)}; there are {', '.join(TIERS)}", file=sys.stderr)
        return 2
    expected = json.loads((HERE / "tiers.json").read_text(encoding="utf-8"))
    outcomes = [run(tier) for tier in tiers] if tiers else run_all()
    problems = [line for outcome in outcomes for line in complaints(outcome, expected[outcome.tier], os.environ.get("CI") == "true")]
    print()
    for o in outcomes:
        print(f"  {o.tier:12} {o.passed:4} passed, {o.failed} failed, {o.skipped} skipped in {o.seconds:.0f} s")
    print(*problems, sep="\n")
    failed = sum(o.failed for o in outcomes) + len(problems)
    print(f"{sum(o.passed for o in outcomes)} passed, {failed} failed, {sum(o.skipped for o in outcomes)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
