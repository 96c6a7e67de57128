"""A lakehouse is damaged at random, in secret: what `pibridge reconcile` finds of it, and what `--repair` leaves."""

import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from bridge.pitime import text_of
from console import proof
from console.lakehouse import Bronze
from console.plant import PlantPoint
from console.proof import Held, Statement
from console.stack import Stack
from console.stack.child import Child
from proofs.deployment import Conditions, Deployment, ProofFailed
from proofs.evidence import Evidence
from proofs.reconciliation import choice
from proofs.reconciliation.choice import Choice, Damage, Spot
from proofs.reconciliation.damage import damage
from proofs.reconciliation.defects import DEFECTS
from proofs.reconciliation.judgement import flagged, judge
from schemas.times import TICKS_PER_HOUR, micros_of

_REST_SECONDS = 300.0
_REPAIR_SECONDS = 1800.0
_FLOW_SECONDS = 10.0
_SEED = 20_240_131
_HOURS_OF_HISTORY = 12
_CONDITIONS = Conditions(
    plant=("--points", "60", "--rate", "12", "--history", str(_HOURS_OF_HISTORY * 3600)),
    settings={
        "coverage": {"start": f"{_HOURS_OF_HISTORY}h", "slice_seconds": 3600},
        "lakehouse": {"refine_seconds": 5, "trigger_seconds": 1},
    },
    job_seconds=900.0,
)
_DAMAGED = "damaged"
"""Name of the result that the 120 stand in."""


@dataclass(frozen=True)
class Amounts:
    """How many things are damaged."""

    samples: int = 60
    whole_statements: int = 20
    ledger_rows: int = 20
    values: int = 20
    silver: int = 10
    harmless: int = 10
    deleted_in_pi: int = 5


def run(stack: Stack, directory: Path, evidence: Evidence, say: Callable[[str], None], wanted: str = "") -> bool:
    """Plays it all in one deployment, unless it has results; of the defects those with `wanted` in the name. True if all is as expected."""
    defects = [name for name in DEFECTS if wanted in name]
    names = ["undamaged", _DAMAGED, *(f"defect: {name}" for name in defects), "repaired"]
    if not all(name in evidence.results for name in names):
        source = f"reconciled{int(time.time()) % 100_000}"
        scene = Scene(Deployment(stack, directory / source, source, _CONDITIONS), Amounts(), evidence, say)
        try:
            scene.play(defects, evidence.path.with_suffix(".svg"))
        finally:
            scene.deployment.close()
    return all(evidence.results[name]["as_expected"] for name in names)


@dataclass
class Scene:
    """One deployment, from whole to damaged to mended."""

    deployment: Deployment
    amounts: Amounts
    evidence: Evidence
    say: Callable[[str], None]
    _runs: int = 0

    def play(self, defects: Sequence[str], picture: Path) -> None:
        """Raises ProofFailed, StackError."""
        self._fill()
        whole = self._reconcile("console", "reconcile")
        self._add("undamaged", whole[0] == 0 and not self._flagged(), {"exit_code": whole[0], "result": whole[1]})
        damages = self._damage()
        self._add(_DAMAGED, *self._judge(damages, True, *self._reconcile("console", "reconcile", "--picture", str(picture))))
        for name in defects:
            self._add(f"defect: {name}", *self._judge(damages, False, *self._reconcile("proofs.reconciliation", name, "reconcile")))
        self._repair()

    def _add(self, name: str, as_expected: bool, result: dict[str, Any]) -> None:
        self.evidence.add(name, {"as_expected": as_expected, **result})
        self.say(f"{name}: {'as expected' if as_expected else 'NOT AS EXPECTED'}")

    # -- a whole lakehouse ---------------------------------------------------------------------------------------------------------

    @property
    def _warehouse(self) -> Path:
        assert self.deployment.config.lakehouse is not None
        return Path(str(self.deployment.config.lakehouse.warehouse))

    def _fill(self) -> None:
        """Hours of history, some of them stated twice."""
        deployment = self.deployment
        self._start("bridge", "bridge", "run")
        time.sleep(_FLOW_SECONDS)
        if not deployment.stand_still(_REST_SECONDS):
            raise ProofFailed(f"{deployment.source}: the bridge did not come to rest; its log is in {deployment.directory}")
        self.say("the archive is read; three hours of it are read again")
        now = datetime.now(UTC)
        again = ("--from", (now - timedelta(hours=6)).isoformat(), "--to", (now - timedelta(hours=3)).isoformat())
        self._finish("rescan", "console", "rescan", *again)
        self._finish("land", "spark_jobs", "bronze", "--available-now")
        self._finish("refine", "spark_jobs", "refine", "--available-now")

    def _start(self, name: str, *module: str) -> Child:
        self._runs += 1
        return self.deployment.start(f"{name}-{self._runs}", *module, "--config", str(self.deployment.config_path))

    def _finish(self, name: str, *module: str) -> None:
        if (exit_code := self.deployment.ended(child := self._start(name, *module))) != 0:
            raise ProofFailed(f"{self.deployment.source}: {name} ended with exit code {exit_code}; its log is {child.log_path}")

    # -- damage --------------------------------------------------------------------------------------------------------------------

    def _damage(self) -> list[Damage]:
        """Puts it in, and says what; the commands that follow are not told."""
        bronze, amounts = Bronze(self._warehouse), self.amounts
        rows, _, _ = bronze.samples()
        statements = bronze.statements()
        drawing = Choice(statements, rows, random.Random(_SEED))
        damages = [
            *drawing.draw(amounts.ledger_rows, choice.statement_gone),
            *drawing.draw(amounts.samples, choice.sample_gone),
            *drawing.draw(amounts.whole_statements, choice.samples_gone),
            *drawing.draw(amounts.values, choice.value_altered),
            *drawing.draw(amounts.silver, choice.silver_event_gone),
            *choice.harmless(drawing, amounts.harmless),
        ]
        damage(self._warehouse, damages)
        damages += self._delete_in_pi(drawing)
        self.say(f"{len(damages)} things are wrong, at {len(drawing.taken)} hours of points")
        return damages

    def _delete_in_pi(self, drawing: Choice) -> list[Damage]:
        """Old events vanish from PI's archive, of which nobody tells the bridge."""
        damages: list[Damage] = []
        old = drawing.hours[: len(drawing.hours) // 2]
        for point in self.deployment.floats():
            key, hour = f"main:{point.point_id}", drawing.chance.choice(old)
            if {(key, hour), (key, hour + 1)} & drawing.taken or not drawing.covers(key, hour):
                continue
            if (ticks := self._good_event(point, hour)) is None:
                continue
            self.deployment.control("/delete", {"point_id": point.point_id, "time": text_of(ticks), "index": 0})
            drawing.taken.add((key, hour))
            damages.append(Damage("deleted in PI", frozenset({(key, hour)}), "PI_DIFFERS"))
            if len(damages) == self.amounts.deleted_in_pi:
                return damages
        raise LookupError(f"only {len(damages)} of {self.amounts.deleted_in_pi} events could be deleted in PI")

    def _good_event(self, point: PlantPoint, hour: int) -> int | None:
        """An event within the hour, not at its ends, whose instant it has to itself."""
        begin = hour * TICKS_PER_HOUR
        events = self.deployment.plant.archive(point, begin + 1, begin + TICKS_PER_HOUR)
        instants = [ticks for ticks, _ in events]
        return next((ticks for ticks, event in events if event.flags[0] and instants.count(ticks) == 1), None)

    # -- judging -------------------------------------------------------------------------------------------------------------------

    def _reconcile(self, *command: str) -> tuple[int, dict[str, Any]]:
        """Exit code and result of a reconciliation of everything."""
        module = list(command)
        if module[0] == "console":
            module.append("--json")
        else:
            module += ["--pi-counts", str(self._counts())]
        child = self._start("reconcile", *module, "--from", f"{_HOURS_OF_HISTORY + 2}h")
        self.deployment.wait_until(lambda: not child.alive, "the end of the reconciliation", _REPAIR_SECONDS)
        lines = [line for line in child.log().splitlines() if line.startswith('{"schema_version"')]
        if not lines or child.exit_code is None:
            raise ProofFailed(f"{self.deployment.source}: the reconciliation has no result; its log is {child.log_path}")
        return child.exit_code, json.loads(lines[-1])

    def _counts(self) -> Path:
        """PI's counts, as the command would have them made."""
        path = self.deployment.directory / "counts.jsonl"
        if not path.exists():
            now = datetime.now(UTC).isoformat()
            self._finish("count", "bridge", "count", "--from", f"{_HOURS_OF_HISTORY + 2}h", "--to", now, "--into", str(path))
        return path

    def _flagged(self) -> dict[Spot, list[str]]:
        return flagged(self._warehouse)

    def _judge(self, damages: Iterable[Damage], all_wanted: bool, exit_code: int, result: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        """Whether all was found, and nothing else, as it was to be; and the figures."""
        found = judge(damages, self._flagged())
        shown = {name: result[name] for name in ("hours", "hours_complete", "findings", "hours_compared_with_pi", "bronze_events")}
        return (found.everything and exit_code == 1) is all_wanted, {"exit_code": exit_code, **found.as_json(), **shown}

    # -- repair --------------------------------------------------------------------------------------------------------------------

    def _repair(self) -> None:
        landing, refining = self._start("land", "spark_jobs", "bronze"), self._start("refine", "spark_jobs", "refine")
        exit_code, result = self._reconcile("console", "reconcile", "--repair")
        for child in (refining, landing):
            child.stop()
        bronze, silver = self._compared_with_archive()
        good = exit_code == 0 and not self._flagged() and bronze.clean and silver.clean and bronze.compared == silver.compared > 0
        shown = {"exit_code": exit_code, "hours": result["hours"], "hours_complete": result["hours_complete"]}
        wrong = {"bronze": bronze.examples, "silver": silver.examples}
        self._add("repaired", good, shown | {"repaired": result.get("repaired"), "archived_events": bronze.compared, "wrong": wrong})

    def _compared_with_archive(self) -> tuple[proof.Verdict, proof.Verdict]:
        """Bronze and silver against PI's archive, event by event and bit by bit."""
        bronze = Bronze(self._warehouse)
        rows, _, _ = bronze.samples()
        statements, cleaned = bronze.statements(), self._cleaned()
        in_bronze, in_silver = proof.Verdict(), proof.Verdict()
        for point in self.deployment.plant.points():
            key = f"main:{point.point_id}"
            if held := proof.holding(statements.get(key, [])):
                truth = self.deployment.plant.archive(point, held[0].begin, held[-1].end)
                proof.compare(key, held, rows, truth, in_bronze)
                whole = Statement(held[0].begin, held[-1].end, 0, 0, (key, 0, 0, 0))
                proof.compare(key, [Held(whole.begin, whole.end, whole)], {whole.place: cleaned.get(key, [])}, truth, in_silver)
        return in_bronze, in_silver

    def _cleaned(self) -> dict[str, list[proof.Row]]:
        found: dict[str, list[proof.Row]] = {}
        rows = DeltaTable(str(self._warehouse / "silver" / "pi_timeseries_cleaned")).to_pyarrow_table().to_pylist()
        for row in rows:
            row["event_time"] = micros_of(row["event_time"])
            found.setdefault(row["point_key"], []).append(proof.landed(row))
        return found


def table(results: dict[str, Any]) -> str:
    """The results for people."""
    lines = ["| run | found | false alarms | as expected |", "| --- | --- | --- | --- |"]
    for name, result in results.items():
        found = ", ".join(f"{kind} {one} of {of}" for kind, (one, of) in result.get("by_kind", {}).items())
        mark = "yes" if result["as_expected"] else "NO"
        lines.append(f"| {name} | {found or 'exit code ' + str(result['exit_code'])} | {result.get('false_alarms', '')} | {mark} |")
    return "\n".join(lines)
