"""Changes PI's archive under a running deployment, a third of it while no bridge runs, and waits until silver tells of each change."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from console.stack import Stack
from console.stack.child import Child
from proofs.convergence.changes import KINDS, Change, Script
from proofs.convergence.seen import Identity, Seen, corrections
from proofs.deployment import Conditions, Deployment, ProofFailed
from proofs.evidence import Evidence
from spark_jobs.refined import CORRECTIONS, WATERMARKS

SEED = 11
_REST_SECONDS = 240.0
_START_SECONDS = 300.0
_BURST = 10
"""So many changes are chosen from what silver holds at a moment."""
_LOOK_SECONDS = 2.0
_ENOUGH = 100
"""Of fewer the 99th percentile is the longest."""


@dataclass(frozen=True)
class Course:
    """How much is changed, how fast, and how soon the deployment is to notice it."""

    changes: int
    seconds: float
    """The time over which the changes are spread that are made while the bridge runs."""
    points: int
    values_per_second: int
    reread_ages_seconds: tuple[float, ...]
    """Nobody tells of edits and deletions: what is younger than the last of these is read again at these ages."""
    refine_seconds: float
    defect: str = ""
    """In the job that makes silver."""
    checks: frozenset[str] = frozenset()
    """With a defect: checks of which one must fail, unless changes are missing in pi_corrections."""

    def conditions(self) -> Conditions:
        return Conditions(
            plant=(
                "--profile", "verify", "--points", str(self.points), "--rate", str(self.values_per_second), "--history", "1800",
                "--late", "0", "--edits", "0", "--deletes", "0", "--event-frames", "0",
            ),
            settings={
                "coverage": {
                    "start": "30m", "seal_previews": 5, "seal_min_seconds": 3, "seal_max_seconds": 8, "quiet_seconds": 10,
                    "reread_ages_seconds": list(self.reread_ages_seconds), "reread_share": 0.5,
                },
                "lakehouse": {"refine_seconds": self.refine_seconds, "measure_seconds": 3600.0},
            },
            job_seconds=900.0,
            verifier_seconds=900.0,
        )  # fmt: skip


@dataclass
class Outcome:
    """What came of a course."""

    as_expected: bool
    """Each change is in pi_corrections once, with both values, and nothing else is; silver equals the archive event by event."""
    changes: dict[str, int]
    """By kind."""
    missing: list[str]
    """Changes that pi_corrections does not tell of, or otherwise than they were."""
    unscripted: int
    """Rows of pi_corrections about something else."""
    failures: dict[str, int]
    examples: dict[str, str]
    came_to_rest: bool
    delays: dict[str, dict[str, float]] = field(default_factory=dict)
    """Seconds from the change in PI until silver shows it, by kind, and by whether the bridge ran."""
    course: dict[str, Any] = field(default_factory=dict)
    examined: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def play(stack: Stack, directory: Path, source: str, course: Course) -> Outcome:
    """One course. Raises ProofFailed, StackError."""
    began = time.monotonic()
    deployment = Deployment(stack, directory / source, source, course.conditions())
    try:
        bridge, jobs = deployment.bridge(), _jobs(deployment, course)
        deployment.wait_until(lambda: _covered(deployment, course.points), "silver of every point", _START_SECONDS)
        script = Script(deployment, Random(SEED), [])
        kinds = _kinds(course.changes, script.chance)
        down = len(kinds) // 3
        _make(script, kinds[down:], course.seconds, max(course.reread_ages_seconds) * 0.8, jobs)
        deployment.stop(bridge)
        _make(script, kinds[:down], 0.0, 1200.0, jobs, down=True)
        restarted = time.time()
        bridge = deployment.bridge(name="bridge-again")
        patience = max(course.reread_ages_seconds) * 1.5 + 4 * course.refine_seconds + 60.0
        _wait_for(deployment, script.made, patience)
        rested = deployment.rest(_REST_SECONDS)
        for child in (bridge, *jobs):
            deployment.stop(child)
        for code in (deployment.land(name="last-bronze"), deployment.ended(_refine(deployment, course, "last-refine", "--available-now"))):
            if code != 0:
                raise ProofFailed(f"{source}: a last job ended with exit code {code}; the logs are in {deployment.directory}")
        found = corrections(deployment.warehouse)  # once all has been read again: what that told of twice would be there
        verdict = deployment.verify(settled=rested)
    finally:
        deployment.close()
    missing = [_told(change) for change in script.made if not _is_told(change, found)]
    unscripted = sum(map(len, found.values())) - (len(script.made) - len(missing))
    whole = not missing and len(script.made) == course.changes
    judged = verdict.examined.get("archived_events_looked_for_in_silver", 0) > 0
    right = rested and judged and whole and unscripted == 0 and not verdict.failures
    noticed = bool(missing) or bool(verdict.failures.keys() & course.checks)
    return Outcome(
        noticed if course.defect else right,
        {kind: sum(change.kind == kind for change in script.made) for kind in KINDS}, missing[:20], unscripted, verdict.failures,
        verdict.examples, rested, delays(script.made, found, restarted), asdict(course) | {"checks": sorted(course.checks)},
        verdict.examined,
        round(time.monotonic() - began, 1),
    )  # fmt: skip


def _jobs(deployment: Deployment, course: Course) -> list[Child]:
    bronze = deployment.start("bronze", "spark_jobs", "bronze", "--config", str(deployment.config_path))
    return [bronze, _refine(deployment, course, "refine")]


def _refine(deployment: Deployment, course: Course, name: str, *flags: str) -> Child:
    arguments = ("refine", "--config", str(deployment.config_path), *flags)
    return deployment.start(name, "proofs.driver", course.defect, "", "0", "", *arguments)


def _covered(deployment: Deployment, points: int) -> bool:
    """Whether silver has a watermark of each point."""
    try:
        return int(DeltaTable(WATERMARKS.path(str(deployment.warehouse))).to_pyarrow_dataset().count_rows()) >= points
    except TableNotFoundError:
        return False


def _kinds(count: int, chance: Random) -> list[str]:
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(count)]
    chance.shuffle(kinds)
    return kinds


def _make(script: Script, kinds: Sequence[str], seconds: float, oldest_seconds: float, jobs: Iterable[Child], down: bool = False) -> None:
    """Makes changes of these kinds, some at a time, spread over so many seconds. Raises ProofFailed if they find no place."""
    began = time.monotonic()
    for at in range(0, len(kinds), _BURST):
        time.sleep(max(0.0, began + seconds * at / len(kinds) - time.monotonic()))
        for job in jobs:
            job.check()
        wanted = kinds[at : at + _BURST]
        if (made := script.make(wanted, oldest_seconds, down)) < len(wanted):
            raise ProofFailed(f"{script.deployment.source}: silver has a place for {made} of {len(wanted)} changes only")


def _wait_for(deployment: Deployment, made: Sequence[Change], seconds: float) -> None:
    """Until silver tells of each change, or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = corrections(deployment.warehouse) if (Path(CORRECTIONS.path(str(deployment.warehouse))) / "_delta_log").exists() else {}
        if all(_is_told(change, found) for change in made):
            return
        time.sleep(_LOOK_SECONDS)


def _is_told(change: Change, found: dict[Identity, list[Seen]]) -> bool:
    """Once, with what was before and after, and shown."""
    seen = found.get(change.identity, [])
    return len(seen) == 1 and (seen[0].before, seen[0].after) == (change.before, change.after) and seen[0].shown is not None


def _told(change: Change) -> str:
    return f"{change.kind} of {change.point_key} at {change.ticks}: {change.before} to {change.after}{', no bridge' if change.down else ''}"


def delays(made: Sequence[Change], found: dict[Identity, list[Seen]], restarted: float) -> dict[str, dict[str, float]]:
    """Median, 99th percentile (from 100 changes on) and longest by kind; of changes made without a bridge also counted from its start."""
    groups: dict[str, list[float]] = {}
    for change in made:
        for seen in found.get(change.identity, []):
            if seen.shown is not None:
                groups.setdefault(f"{change.kind}, {'no bridge' if change.down else 'bridge running'}", []).append(seen.shown - change.made)
                if change.down:
                    groups.setdefault(f"{change.kind}, from the bridge's start", []).append(seen.shown - restarted)
    return {name: _spread(sorted(group)) for name, group in sorted(groups.items())}


def _spread(ordered: Sequence[float]) -> dict[str, float]:
    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

    tail = {"p99_seconds": at(0.99)} if len(ordered) >= _ENOUGH else {}
    return {"count": len(ordered), "p50_seconds": at(0.5), **tail, "max_seconds": at(1.0)}


WHOLE = Course(1000, 600.0, 100, 100, (30.0, 120.0, 300.0), 30.0)
SHORT = Course(30, 20.0, 20, 20, (15.0, 90.0), 2.0)
COURSES = {
    "30 changes": SHORT,
    "1,000 changes": WHOLE,
    **{
        f"defect: {defect}": replace(SHORT, defect=defect, checks=frozenset(checks))
        for defect, checks in (("the merge is left out", ("V7",)), ("corrections are left out", ()))
    },
}


def run(stack: Stack, directory: Path, evidence: Evidence, say: Callable[[str], None], wanted: str = "") -> bool:
    """Plays the courses with `wanted` in their names that have no result yet; True if all is as expected."""
    chosen = {name: course for name, course in COURSES.items() if wanted in name}
    for number, (name, course) in enumerate(chosen.items(), 1):
        if name in evidence.results:
            continue
        say(f"[{number}/{len(chosen)}] {name}")
        outcome = play(stack, directory, f"converge{number}t{int(time.time()) % 100_000}", course)
        evidence.add(name, asdict(outcome))
        verdict = f"{len(outcome.missing)} missing, {outcome.failures or 'all zero'}"
        say(f"    {'as expected' if outcome.as_expected else 'NOT AS EXPECTED'}, {verdict}, {outcome.seconds:g} s")
    return all(evidence.results[name]["as_expected"] for name in chosen)


def table(results: dict[str, Any]) -> str:
    """The results for people."""
    lines = ["| course | changes | missing | unscripted | failed checks | seconds |", "| --- | --- | --- | --- | --- | --- |"]
    for name, result in results.items():
        failed = ", ".join(f"{check} {count}" for check, count in sorted(result["failures"].items())) or "none"
        mark = "" if result["as_expected"] else " (NOT AS EXPECTED)"
        made = sum(result["changes"].values())
        lines.append(f"| {name} | {made} | {len(result['missing'])} | {result['unscripted']} | {failed}{mark} | {result['seconds']:g} |")
    for name, result in results.items():
        ages = ", ".join(f"{age:g}" for age in result["course"]["reread_ages_seconds"])
        lines += [
            "",
            f"{name}: seconds from the change in PI until silver shows it",
            f"(read again after {ages} s, refined each {result['course']['refine_seconds']:g} s)",
            "| change | count | p50 | p99 | max |",
            "| --- | --- | --- | --- | --- |",
        ]
        for group, spread in result["delays"].items():
            cells = [f"{spread[cell]:g}" if cell in spread else "" for cell in ("p50_seconds", "p99_seconds", "max_seconds")]
            lines.append(f"| {group} | {spread['count']} | {' | '.join(cells)} |")
    return "\n".join(lines)
