"""Runs defects, each scene without one first, and says which check noticed which."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from console.stack import Stack
from proofs.deployment import Deployment
from proofs.evidence import Evidence
from proofs.seeded_defects.scenes import DEFECTS, Defect, Scene


@dataclass
class Outcome:
    """What a run came to."""

    scene: str
    checks: list[str]
    """Those of which one must fail; none if all must be zero."""
    failures: dict[str, int]
    examples: dict[str, str]
    came_to_rest: bool
    seconds: float
    verifier_seconds: float
    statements: int
    archived_events: int
    as_expected: bool = False
    remark: str = ""


def play(stack: Stack, directory: Path, source: str, scene: Scene, patch: str, checks: Iterable[str]) -> Outcome:
    """One run. Raises ProofFailed, StackError."""
    began = time.monotonic()
    deployment = Deployment(stack, directory / source, source, scene.conditions)
    try:
        rested = scene.play(deployment, patch or scene.usual)
        verdict = deployment.verify(settled=rested)
    finally:
        deployment.close()
    outcome = Outcome(
        scene.name, sorted(checks), verdict.failures, verdict.examples, rested, round(time.monotonic() - began, 1), verdict.seconds,
        verdict.examined.get("statements", 0), verdict.examined.get("archived_events_in_covered_ranges", 0),
    )  # fmt: skip
    if patch:
        outcome.as_expected = bool(outcome.failures.keys() & set(checks))
    elif scene.told:
        outcome.as_expected, outcome.remark = rested, "the job told what is lost, and asked for it to be read again"
    else:
        outcome.as_expected = rested and not outcome.failures
    return outcome


def run(stack: Stack, directory: Path, evidence: Evidence, say: Callable[[str], None], wanted: str = "") -> bool:
    """Runs what has no result yet, of the defects whose patch or scene has `wanted` in its name; True if all is as expected."""
    chosen = [defect for defect in DEFECTS if wanted in defect.patch or wanted in defect.scene.name]
    runs: dict[str, tuple[Scene, Defect | None]] = {}
    for defect in chosen:
        runs[f"without a defect: {defect.scene.name}"] = (defect.scene, None)
        runs[defect.patch] = (defect.scene, defect)
    for number, (name, (scene, found)) in enumerate(runs.items(), 1):
        if name in evidence.results:
            continue
        say(f"[{number}/{len(runs)}] {name}")
        source = f"p{number}t{int(time.time()) % 100_000}"
        outcome = play(stack, directory, source, scene, "" if found is None else found.patch, () if found is None else found.checks)
        evidence.add(name, asdict(outcome))
        say(f"    {'as expected' if outcome.as_expected else 'NOT AS EXPECTED'}, {outcome.failures or 'all zero'}, {outcome.seconds:g} s")
    return all(evidence.results[name]["as_expected"] for name in runs)


def table(results: dict[str, Any]) -> str:
    """The results for people: without a defect, with one, the checks that failed."""
    lines = ["| run | scene | failed checks | expected | seconds |", "| --- | --- | --- | --- | --- |"]
    for name, result in sorted(results.items(), key=lambda entry: (entry[1]["scene"], bool(entry[1]["checks"]))):
        failed = ", ".join(f"{check} {count}" for check, count in sorted(result["failures"].items())) or "none"
        expected = " or ".join(result["checks"]) or result["remark"] or "none"
        mark = "" if result["as_expected"] else " (NOT AS EXPECTED)"
        lines.append(f"| {name} | {result['scene']} | {failed}{mark} | {expected} | {result['seconds']:g} |")
    return "\n".join(lines)
