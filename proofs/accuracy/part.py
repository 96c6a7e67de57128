"""Accuracy of the stream processors' rules: clocks, a day without a fault, late values; and defects that have to show."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from proofs.accuracy import clocks, late
from proofs.accuracy.clocks import ODD_WAYS, SKEWS, WAYS, Estimate
from proofs.accuracy.defects import CLOCK_DEFECTS, LATE_DEFECTS, applied
from proofs.accuracy.late import Result, Score
from proofs.evidence import Evidence

_CASES = [(skew, way) for way in WAYS for skew in SKEWS] + [("0 s", way) for way in ODD_WAYS]


def run(evidence: Evidence, say: Callable[[str], None], wanted: str = "") -> bool:
    """Measures what has no result yet; True if all is within its bounds, and each defect was noticed."""
    steps: dict[str, Callable[[], dict[str, Any]]] = {}
    steps |= {f"clock: {skew}, {way}": partial(_clock, skew, way) for skew, way in _CASES}
    steps["late values"] = _late
    steps[f"late values, {late.SHARDS} shards"] = _late_in_shards
    steps["a day without a fault"] = _day
    steps |= {f"defect: {name}": partial(_clock_defect, name) for name in CLOCK_DEFECTS}
    steps |= {f"defect: {name}": partial(_late_defect, name) for name in LATE_DEFECTS}
    good = True
    for name, step in steps.items():
        if wanted not in name:
            continue
        if name not in evidence.results:
            evidence.add(name, step())
        right = bool(evidence.results[name]["good"])
        say(f"{name}: {'as expected' if right else 'NOT AS EXPECTED'}")
        good = good and right
    return good


def _clock(skew: str, way: str) -> dict[str, Any]:
    return asdict(clocks.estimate(skew, way))


def _late() -> dict[str, Any]:
    result = late.run()
    return {**asdict(result), "good": result.good}


def _late_in_shards() -> dict[str, Any]:
    result = late.run(shards=late.SHARDS)
    return {**asdict(result), "good": result.good_in_shards}


def _day() -> dict[str, Any]:
    found = clocks.day()
    return {**found, "good": not found["false_alarms"] and found["judged"] >= 0.9 * found["groups"]}


def _clock_defect(name: str) -> dict[str, Any]:
    defect, skew, way = CLOCK_DEFECTS[name]
    with applied(defect):
        found = clocks.estimate(skew, way)
    return {"good": not found.good, "shown_by": f"{skew}, {way}", "error_seconds": found.error_seconds, "false_alarms": found.false_alarms}


def _late_defect(name: str) -> dict[str, Any]:
    with applied(LATE_DEFECTS[name]):
        found = late.run()
    return {"good": not found.good, "shown_by": "late values", "confusions": found.confusions}


def table(results: dict[str, Any]) -> str:
    """The results for people."""
    rows = [Estimate(**result) for name, result in results.items() if name.startswith("clock: ")]
    parts = [clocks.table(rows)] if rows else []
    for name in (name for name in results if name.startswith("late values")):
        plain = {key: value for key, value in results[name].items() if key != "good"}
        parts.append(f"{name}: " + late.table(Result(**{**plain, "scores": [Score(**score) for score in plain["scores"]]})))
    if "a day without a fault" in results:
        day = results["a day without a fault"]
        suspects = ", ".join(f"{number} {kind}" for kind, number in day["suspects"].items()) or "none"
        heard = f"{day['hours']:.0f} h, {day['groups']} clock groups of which {day['judged']} were judged"
        parts.append(f"{heard}: {len(day['false_alarms'])} false alarms; suspect at some time: {suspects}")
    defects = {name.removeprefix("defect: "): result for name, result in results.items() if name.startswith("defect: ")}
    if defects:
        lines = ["| defect | noticed | by |", "|---|---|---|"]
        parts.append(
            "\n".join([*lines, *(f"| {name} | {'yes' if d['good'] else 'NO'} | {d['shown_by']} |" for name, d in defects.items())])
        )
    return "\n\n".join(parts)
