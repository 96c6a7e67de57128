"""What a reconciliation found of the damages, by the table that it wrote."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from proofs.reconciliation.choice import Damage, Spot


@dataclass
class Found:
    """Damages found and alarms without one."""

    by_kind: dict[str, tuple[int, int]]
    """So many were found, of so many."""
    false_alarms: list[str]

    @property
    def everything(self) -> bool:
        """Every damage was found where it is, and nothing besides."""
        return not self.false_alarms and all(found == of for found, of in self.by_kind.values())

    def as_json(self) -> dict[str, Any]:
        """For the evidence."""
        return {"by_kind": self.by_kind, "false_alarms": len(self.false_alarms), "examples": self.false_alarms[:3]}


def flagged(warehouse: Path) -> dict[Spot, list[str]]:
    """Findings by point and hour, where there are any."""
    rows = DeltaTable(str(warehouse / "silver" / "pi_completeness")).to_pyarrow_table().to_pylist()
    return {(row["point_key"], int(row["hour"].timestamp()) // 3600): row["findings"] for row in rows if row["findings"]}


def judge(damages: Iterable[Damage], findings: Mapping[Spot, Sequence[str]]) -> Found:
    """A damage is found if every hour in which it shows has the finding that names it."""
    by_kind: dict[str, tuple[int, int]] = {}
    told = set[Spot]()
    for damage in damages:
        if damage.finding:
            found, of = by_kind.get(damage.kind, (0, 0))
            by_kind[damage.kind] = found + all(damage.finding in findings.get(spot, []) for spot in damage.spots), of + 1
            told |= damage.spots
    return Found(by_kind, [f"{spot}: {findings[spot]}" for spot in sorted(findings.keys() - told)])
