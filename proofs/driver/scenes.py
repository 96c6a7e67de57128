"""The scenes: what happens to the Spark jobs of one deployment before its values stop and the verifier judges."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from console.stack.child import Child
from proofs.deployment import Conditions, Deployment
from proofs.driver import lost as losing
from proofs.driver.deaths import Death, Jobs, at_points, at_random
from proofs.driver.points import GROUPS, POINTS, Point
from spark_jobs import gold, silver

DEFECT = "defect: "
"""So the name of a scene with a defect on purpose begins."""
GOLD = "gold"
"""The check of gold, besides those of the verifier."""
SEED, RANDOM_DEATHS = 30, 10
PATIENCE_SECONDS = 1800.0


@dataclass
class Played:
    """What a scene leaves to be judged."""

    deaths: list[Death] = field(default_factory=list)
    running: list[Child] = field(default_factory=list)
    """Jobs that run at its end."""
    lost: losing.Lost | None = None


@dataclass(frozen=True)
class Scene:
    """A course of events in one deployment whose bridge runs."""

    name: str
    play: Callable[[Deployment], Played]
    checks: frozenset[str] = frozenset()
    """With a defect on purpose: the checks of which one at least must fail. Else none may."""
    defect: str = ""
    """In all jobs, the last ones too: these would else make good what it did."""


def conditions(points: int = 60, rate: int = 60, changes: float = 0.25) -> Conditions:
    """A plant with so many late values, edits and deletions a second each, so that silver has something to merge in nearly each batch.

    Nobody tells of edits and deletions; they are found where a late value has its hour read again. The past
    is short: an hour of it is what each late value costs, and what every batch goes over again.
    """
    return Conditions(
        plant=(
            "--profile", "verify", "--points", str(points), "--rate", str(rate), "--history", "480",
            "--late", str(changes), "--edits", str(changes), "--deletes", str(changes), "--event-frames", "0",
        ),
        settings={
            "coverage": {
                "start": "4m", "seal_previews": 5, "seal_min_seconds": 3, "seal_max_seconds": 8, "quiet_seconds": 10,
            },
            "delivery": {"frame_bytes": 256_000},
            "lakehouse": {"trigger_seconds": 1.0, "refine_seconds": 3.0, "measure_seconds": 5.0},
        },
        job_seconds=PATIENCE_SECONDS,
        verifier_seconds=PATIENCE_SECONDS,
    )  # fmt: skip


def dying(bronze: Mapping[str, Point], refine: Mapping[str, Point], defect: str = "") -> Callable[[Deployment], Played]:
    """First the job of bronze dies at its points, then that of silver and gold at its own, while bronze goes on."""

    def play(deployment: Deployment) -> Played:
        landing = Jobs(deployment, "bronze", defect)
        played = Played(landing.deaths)
        if bronze:
            played.running.append(at_points(landing, bronze))
        if refine:
            refining = Jobs(deployment, "refine", defect)
            played.running += [] if bronze else [landing.clean()]
            played.running.append(at_points(refining, refine))
            played.deaths += refining.deaths
        return played

    return play


def _random(job: str, seed: int) -> Callable[[Deployment], Played]:
    def play(deployment: Deployment) -> Played:
        landing = Jobs(deployment, "bronze")
        if job == "bronze":
            return Played(landing.deaths, [at_random(landing, seed, RANDOM_DEATHS)])
        running, refining = landing.clean(), Jobs(deployment, job)
        return Played(refining.deaths, [running, at_random(refining, seed, RANDOM_DEATHS)])

    return play


def _losing(damage: losing.Damage, defect: str = "") -> Callable[[Deployment], Played]:
    return lambda deployment: Played(lost=losing.play(deployment, damage, defect))


def _one(name: str) -> dict[str, Point]:
    return {name: POINTS[name]}


def _defect(name: str, play: Callable[[str], Callable[[Deployment], Played]], *checks: str) -> Scene:
    return Scene(DEFECT + name, play(name), frozenset(checks), name)


WITH_DEFECTS = [
    _defect(
        "bronze appends without the batch's number",
        lambda defect: dying(_one("bronze: all committed, commit log not written"), {}, defect),
        "V6",
    ),
    _defect(
        "silver appends without the batch's number",
        lambda defect: dying({}, _one("silver: events appended, nothing marked"), defect),
        "V7",
    ),
    _defect("a lost checkpoint begins anew", lambda defect: _losing(losing.LOSSES["checkpoints deleted"], defect), "V6"),
    _defect("gold is told of the first batch only", lambda defect: _losing(lambda *_: "nothing", defect), GOLD),
]
SCENES = [
    *WITH_DEFECTS,
    Scene("bronze killed in each phase", dying(GROUPS["bronze"], {})),
    Scene("silver killed in each phase", dying({}, GROUPS[silver.NAME])),
    Scene("gold killed in each phase", dying({}, GROUPS[gold.NAME])),
    Scene("bronze killed at random", _random("bronze", SEED)),
    Scene("refine killed at random", _random("refine", SEED + 1)),
    *(Scene(name, _losing(damage)) for name, damage in losing.LOSSES.items()),
]
