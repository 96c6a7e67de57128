"""Seeds by the hundred, in processes beside one another; bugs until some seeds have caught them; a table of both."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any

from proofs.evidence import Evidence
from proofs.seeded_defects.patches import applied
from proofs.simulation.broker import OUTCOMES
from proofs.simulation.bugs import BUGS
from proofs.simulation.nemesis import FAULTS
from proofs.simulation.run import Verdict, play
from proofs.simulation.web_api import SPOILING

SEEDS = 2000
SEEDS_A_BUG, ENOUGH = 50, 5
"""A bug is played until so many seeds have caught it."""
_CHUNK = 50
EXPECTED = frozenset(
    [f"fault: {name}" for name in FAULTS]
    + [f"answer spoilt: {name}" for name in SPOILING]
    + [f"commit: {name}" for name in OUTCOMES]
    + [
        "channel closed for overload", "channel dropped", "channel half open", "channel stalled", "channel stalled for good",
        "channel joined with others", "command: backfill", "command: rescan", "deletion",
        "edit", "fenced and taken over", "full pages", "handshake refused", "late insert", "late insert under a read", "member evicted",
        "member joined", "message lost", "message malformed", "messages heard", "messages out of order",
        "open transaction aborted by a take-over", "producer fenced", "range reads served", "request timed out", "run at one instant",
        "shard assigned", "shard lost", "shard revoked", "streams refused", "transactions committed", "value from the future",
        "archive asked for while off-line", "event queue stuck", "incident EVENT_QUEUE_STUCK CLOSED", "ranges confirmed",
        "read asked for: AGED", "read asked for: AWAY", "silent change", "value as a read is answered",
    ]
)  # fmt: skip
"""What must have occurred in a set of seeds that is to mean anything."""


def processes() -> int:
    """How many seeds are played at once."""
    return max(1, min(os.cpu_count() or 1, 2))


def run(evidence: Evidence, say: Callable[[str], None], seeds: int, with_bugs: bool, wanted: str = "") -> bool:
    """Plays what has no result yet; True if no seed failed, each bug was caught, and everything occurred."""
    with ProcessPoolExecutor(processes()) as pool:
        good = not wanted and _without_bugs(pool, evidence, say, seeds)
        caught = _with_bugs(pool, evidence, say, wanted) if with_bugs or wanted else True
    return caught and (good or bool(wanted))


def _without_bugs(pool: ProcessPoolExecutor, evidence: Evidence, say: Callable[[str], None], seeds: int) -> bool:
    failed = 0
    for begin in range(0, seeds, _CHUNK):
        end = min(begin + _CHUNK, seeds)
        name = f"seeds {begin} to {end - 1}"
        if name not in evidence.results:
            evidence.add(name, summary(pool.map(play, range(begin, end))))
        failed += len(evidence.results[name]["failed"])
        say(f"{name}: {failed} failed so far")
    happened = total(evidence.results)["happened"]
    missing = sorted(name for name in EXPECTED if not happened.get(name)) if seeds >= _CHUNK else []
    if missing:
        say(f"never occurred: {', '.join(missing)}")
    return not failed and not missing


def _with_bugs(pool: ProcessPoolExecutor, evidence: Evidence, say: Callable[[str], None], wanted: str) -> bool:
    names = [name for name in BUGS if wanted in name]
    for name in names:
        entry = f"bug: {name}"
        if entry not in evidence.results:
            evidence.add(entry, caught(_until_caught(pool, name)))
        found = evidence.results[entry]
        say(f"{entry}: caught in {found['caught']} of {found['seeds']} seeds, by {', '.join(found['checks']) or 'nothing'}")
    return all(evidence.results[f"bug: {name}"]["caught"] for name in names)


def _until_caught(pool: ProcessPoolExecutor, bug: str) -> list[Verdict]:
    """The runs of seeds from 0 on, until the bug was caught in some of them."""
    played: list[Verdict] = []
    while len(played) < SEEDS_A_BUG and sum(bool(verdict.failures) for verdict in played) < ENOUGH:
        played += pool.map(partial(play_with, bug), range(len(played), min(len(played) + 2 * processes(), SEEDS_A_BUG)))
    return played


def play_with(bug: str, seed: int) -> Verdict:
    """The run of a seed, with a bug."""
    with applied(BUGS[bug]):
        return play(seed)


def summary(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """What a stretch of seeds came to."""
    happened: Counter[str] = Counter()
    examined: Counter[str] = Counter()
    failed, seconds, simulated, number = [], 0.0, 0.0, 0
    for verdict in verdicts:
        number += 1
        happened.update(verdict.happened)
        examined.update(verdict.examined)
        seconds += verdict.cpu_seconds
        simulated += verdict.simulated_seconds
        if verdict.failures:
            failed.append({key: asdict(verdict)[key] for key in ("seed", "failures", "examples")})
    return {
        "seeds": number, "failed": failed, "cpu_seconds": round(seconds, 1), "simulated_hours": round(simulated / 3600, 1),
        "happened": dict(happened), "examined": dict(examined),
    }  # fmt: skip


def caught(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """In how many seeds a bug was caught, by which checks, and first in which."""
    played = list(verdicts)
    failing = [verdict for verdict in played if verdict.failures]
    checks = Counter(check for verdict in failing for check in verdict.failures)
    return {
        "seeds": len(played), "caught": len(failing), "first_seeds": [verdict.seed for verdict in failing[:3]],
        "checks": dict(sorted(checks.items())), "cpu_seconds": round(sum(verdict.cpu_seconds for verdict in played), 1),
    }  # fmt: skip


def total(results: dict[str, Any]) -> dict[str, Any]:
    """All stretches of seeds together."""
    stretches = [result for name, result in results.items() if name.startswith("seeds ")]
    sums: dict[str, Any] = {key: sum(stretch[key] for stretch in stretches) for key in ("seeds", "cpu_seconds", "simulated_hours")}
    for key in ("happened", "examined"):
        counter: Counter[str] = Counter()
        for stretch in stretches:
            counter.update(stretch[key])
        sums[key] = dict(sorted(counter.items()))
    sums["failed"] = [failure for stretch in stretches for failure in stretch["failed"]]
    return sums


def table(results: dict[str, Any]) -> str:
    """The results for people."""
    sums = total(results)
    lines = [
        f"{sums['seeds']:,} seeds, {sums['simulated_hours']:,.0f} simulated hours, {sums['cpu_seconds']:,.0f} s of CPU, "
        f"{len(sums['failed'])} failed",
        *(f"  seed {failure['seed']}: {failure['failures']}" for failure in sums["failed"]),
        "",
        "| fault or action | times |",
        "| --- | --- |",
        *(f"| {name} | {times:,} |" for name, times in sums["happened"].items()),
    ]
    bugs = {name.removeprefix("bug: "): result for name, result in sorted(results.items()) if name.startswith("bug: ")}
    if bugs:
        lines += ["", "| bug | caught | by |", "| --- | --- | --- |"]
        lines += [f"| {name} | {found['caught']} of {found['seeds']} | {', '.join(found['checks'])} |" for name, found in bugs.items()]
    return "\n".join(lines)


def replay(seed: int, bug: str = "") -> tuple[Verdict, str]:
    """The run of a seed once more, told line by line."""
    with applied(BUGS[bug] if bug else lambda: None):
        verdict = play(seed, telling=True)
    lines = [*verdict.trace, "", f"seed {seed}: {verdict.failures or 'nothing failed'}"]
    lines += [f"  {check}: {example}" for check, example in verdict.examples.items()]
    return verdict, "\n".join(lines)
