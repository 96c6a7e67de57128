"""Plays the scenes, each in a deployment of its own, and writes down what the verifier said and how long recovery took."""

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from console.stack import Stack
from proofs.deployment import Conditions, Deployment, ProofFailed
from proofs.evidence import Evidence
from proofs.processes import load
from proofs.processes.deaths import Bridges, as_results
from proofs.processes.scenes import DEFECT, SCENES, Scene
from proofs.processes.watch import Watch

REST_SECONDS = 240.0


@dataclass
class Outcome:
    """What a scene came to."""

    as_expected: bool
    """Every accident happened where it was to, no check failed, the bridge came to rest, under the wanted load.

    With a defect on purpose: one of its checks failed.
    """
    failures: dict[str, int]
    examples: dict[str, str]
    came_to_rest: bool
    values_per_second: float
    deaths: list[dict[str, Any]] = field(default_factory=list)
    examined: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    verifier_seconds: float = 0.0


def play(
    stack: Stack,
    directory: Path,
    source: str,
    scene: Scene,
    conditions: Conditions,
    least_values_per_second: float,
    landed: bool = True,
) -> Outcome:
    """One scene; `landed`: in the end its topics are landed in bronze, and judged there too. Raises ProofFailed, StackError."""
    began = time.monotonic()
    deployment = Deployment(stack, directory / source, source, conditions)
    try:
        watch = Watch(deployment)
        with closing(watch):
            bridges = Bridges(deployment, watch, load.DIGITS_FROM_START)
            for child in (running := scene.play(bridges)):
                child.check()
            rested = deployment.rest(REST_SECONDS)
        for child in running:
            child.stop()
        if landed and (exit_code := deployment.land()) != 0:
            raise ProofFailed(f"{source}: the bronze job ended with exit code {exit_code}; its log is in {directory / source}")
        verdict = deployment.verify(settled=rested, landed=landed)
        values_per_second = round(load.values_per_second(deployment.journal))
    finally:
        deployment.close()
    good = bool(verdict.failures.keys() & scene.checks) if scene.checks else rested and not verdict.failures
    there = all(death.as_expected for death in bridges.deaths)
    return Outcome(
        good and there and values_per_second >= least_values_per_second,
        verdict.failures, verdict.examples, rested, values_per_second, as_results(bridges.deaths), verdict.examined,
        round(time.monotonic() - began, 1), verdict.seconds,
    )  # fmt: skip


def run(stack: Stack, directory: Path, evidence: Evidence, say: Callable[[str], None], wanted: str = "") -> bool:
    """Plays the scenes with `wanted` in their names that have no result yet; True if all is as expected."""
    chosen = [scene for scene in SCENES if wanted in scene.name]
    for number, scene in enumerate(chosen, 1):
        if scene.name in evidence.results:
            continue
        say(f"[{number}/{len(chosen)}] {scene.name}")
        source = f"processes{number}t{int(time.time()) % 100_000}"
        outcome = play(stack, directory, source, scene, load.conditions(), load.VALUES_PER_SECOND)
        evidence.add(scene.name, asdict(outcome))
        say(f"    {'as expected' if outcome.as_expected else 'NOT AS EXPECTED'}, {outcome.failures or 'all zero'}, {outcome.seconds:g} s")
    return all(evidence.results[scene.name]["as_expected"] for scene in chosen)


def recovery(results: dict[str, Any]) -> tuple[float, float, float, float]:
    """Median and maximum of seconds to the first frame, and to the first frame of the last shard, over all accidents without a defect."""
    deaths = [death for name, result in results.items() if not name.startswith(DEFECT) for death in result["deaths"]]
    first = [death["first_frame_seconds"] for death in deaths if death["first_frame_seconds"] is not None]
    last = [death["all_shards_seconds"] for death in deaths if death["all_shards_seconds"] is not None]
    if not first:
        return 0.0, 0.0, 0.0, 0.0
    return round(statistics.median(first), 2), max(first), round(statistics.median(last), 2), max(last)


def table(results: dict[str, Any]) -> str:
    """The results for people."""
    lines = [
        "| scene | accidents (in open transactions) | failed checks | values/s | frames again, s: p50, max | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, result in results.items():
        deaths = result["deaths"]
        failed = ", ".join(f"{check} {count}" for check, count in sorted(result["failures"].items())) or "none"
        missed = [death["point"] for death in deaths if not death["as_expected"]]
        mark = "" if result["as_expected"] else f" (NOT AS EXPECTED{': ' if missed else ''}{', '.join(missed)})"
        inside = sum(bool(death["open_records"]) for death in deaths)
        p50, most, _, _ = recovery({name.removeprefix(DEFECT): result})
        lines.append(
            f"| {name} | {len(deaths)} ({inside}) | {failed}{mark} | {result['values_per_second']:g} | {p50:g}, {most:g} "
            f"| {result['seconds']:g} |"
        )
    p50, most, last_p50, last_most = recovery(results)
    lines.append(f"recovery: first frame p50 {p50:g} s, max {most:g} s; of the last shard p50 {last_p50:g} s, max {last_most:g} s")
    return "\n".join(lines)
