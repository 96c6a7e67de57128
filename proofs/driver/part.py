"""Plays the scenes, each in a deployment of its own, and writes down what lay there after each death and what the verifier said."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from console.stack import Stack
from proofs.deployment import Conditions, Deployment, ProofFailed
from proofs.driver import lost as losing
from proofs.driver.deaths import as_results, left_open
from proofs.driver.measured import differing
from proofs.driver.points import JOBS
from proofs.driver.scenes import GOLD, SCENES, Scene, conditions
from proofs.evidence import Evidence

REST_SECONDS = 240.0


@dataclass
class Outcome:
    """What a scene came to."""

    as_expected: bool
    """Every death happened where it was to, no check failed, silver's among them, and the bridge came to rest.

    With a defect on purpose: one of its checks failed. It may be one that leaves no trace of where the death was.
    """
    failures: dict[str, int]
    examples: dict[str, str]
    came_to_rest: bool
    deaths: list[dict[str, Any]] = field(default_factory=list)
    lost: dict[str, Any] | None = None
    """A loss, what was said to it, and what was done."""
    examined: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    verifier_seconds: float = 0.0


def play(stack: Stack, directory: Path, source: str, scene: Scene, under: Conditions, again: bool = True) -> Outcome:
    """One scene, with simulator, bridge and Kafka under load; at the end all is landed and refined. Raises ProofFailed, StackError.

    `again`: gold is measured a second time, and compared, as the check `gold`.
    """
    began = time.monotonic()
    deployment = Deployment(stack, directory / source, source, under)
    try:
        bridge = deployment.bridge()
        played = scene.play(deployment)
        rested = deployment.rest(REST_SECONDS)
        deployment.stop(bridge)
        for child in played.running:
            deployment.stop(child)
        for job in JOBS:
            if (code := losing.run(deployment, job, f"last-{job}", scene.defect).exit_code) != 0:
                raise ProofFailed(f"{source}: the last {job} ended with exit code {code}; its log is in {deployment.directory}")
        verdict = deployment.verify(settled=rested)
        if again and (lines := differing(deployment)):
            verdict = replace(verdict, failures=verdict.failures | {GOLD: len(lines)}, examples=verdict.examples | {GOLD: lines[0]})
    finally:
        deployment.close()
    judged = verdict.examined.get("archived_events_looked_for_in_silver", 0) > 0
    good = bool(verdict.failures.keys() & scene.checks) if scene.checks else rested and judged and not verdict.failures
    return Outcome(
        good and all(death.there if scene.checks else death.as_expected for death in played.deaths),
        verdict.failures, verdict.examples, rested, as_results(played.deaths), None if played.lost is None else played.lost.told(),
        verdict.examined,
        round(time.monotonic() - began, 1), verdict.seconds,
    )  # fmt: skip


def run(stack: Stack, directory: Path, evidence: Evidence, say: Callable[[str], None], wanted: str = "") -> bool:
    """Plays the scenes with `wanted` in their names that have no result yet; True if all is as expected."""
    chosen = [scene for scene in SCENES if wanted in scene.name]
    for number, scene in enumerate(chosen, 1):
        if scene.name in evidence.results:
            continue
        say(f"[{number}/{len(chosen)}] {scene.name}")
        outcome = play(stack, directory, f"driver{number}t{int(time.time()) % 100_000}", scene, conditions())
        evidence.add(scene.name, asdict(outcome))
        say(f"    {'as expected' if outcome.as_expected else 'NOT AS EXPECTED'}, {outcome.failures or 'all zero'}, {outcome.seconds:g} s")
    return all(evidence.results[scene.name]["as_expected"] for scene in chosen)


def table(results: dict[str, Any]) -> str:
    """The results for people: the scenes, then what operators read."""
    lines = [
        "| scene | deaths (a batch was open) | failed checks | open batch done again, s: most | seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, result in results.items():
        deaths = result["deaths"]
        failed = ", ".join(f"{check} {count}" for check, count in sorted(result["failures"].items())) or "none"
        missed = [death["point"] for death in deaths if not death["as_expected"]]
        mark = "" if result["as_expected"] else f" (NOT AS EXPECTED{': ' if missed else ''}{', '.join(missed)})"
        inside = sum(left_open(death["found"]) for death in deaths)
        most = max((death["repeated_seconds"] for death in deaths if death["repeated_seconds"] is not None), default=0.0)
        lines.append(f"| {name} | {len(deaths)} ({inside}) | {failed}{mark} | {most:g} | {result['seconds']:g} |")
    for name, result in results.items():
        if result["lost"] is not None:
            lines += ["", f"{name}: {result['lost']['happened']}", *_steps(result["lost"]["runs"])]
    return "\n".join(lines)


def _steps(runs: list[dict[str, Any]]) -> list[str]:
    lines = []
    for run in runs:
        lines.append(f"  {run['command']}: exit code {run['exit_code']}")
        for said in run["said"]:
            with suppress(KeyError):
                lines.append(f"    {said['event']}: {said.get('problem') or said['because']}")
        if run["then"]:
            lines.append(f"  {run['then']}")
    return lines
