"""Corrections as silver came to tell of them, version by version of its tables."""

import json
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from spark_jobs.refined import CHANGED_RANGES, CORRECTIONS

_COLUMNS = ["point_key", "event_time", "ticks", "change", "before_value_double", "value_double"]
Identity = tuple[str, int, str]
"""Point, instant (ticks), ADDED, CHANGED or REMOVED."""


@dataclass(frozen=True)
class Seen:
    """A correction."""

    before: float | None
    after: float | None
    shown: float | None
    """When silver had told that it shows it, seconds since 1970; None: not yet."""


def corrections(warehouse: Path) -> dict[Identity, list[Seen]]:
    """What pi_corrections holds now, with the time of the first commit of pi_changed_ranges behind its own."""
    table = Path(CORRECTIONS.path(str(warehouse)))
    now = _rows(DeltaTable(str(table)).to_pyarrow_table(columns=_COLUMNS))
    first: dict[tuple[Identity, float | None, float | None], float] = {}
    for at, added in _commits(table):
        for file in added:
            for row in _rows(pq.read_table(table / file, columns=_COLUMNS)):
                first.setdefault(row, at)
    told = [at for at, _ in _commits(Path(CHANGED_RANGES.path(str(warehouse))))]
    found: dict[Identity, list[Seen]] = {}
    for identity, before, after in now:
        at = bisect_left(told, first[identity, before, after])
        found.setdefault(identity, []).append(Seen(before, after, told[at] if at < len(told) else None))
    return found


def _rows(rows: pa.Table) -> list[tuple[Identity, float | None, float | None]]:
    micros = rows["event_time"].cast(pa.int64()).to_pylist()
    rest, keys, changes = (rows[name].to_pylist() for name in ("ticks", "point_key", "change"))
    values = zip(rows["before_value_double"].to_pylist(), rows["value_double"].to_pylist(), strict=True)
    return [
        ((key, at * 10 + ticks, change), before, after)
        for key, at, ticks, change, (before, after) in zip(keys, micros, rest, changes, values, strict=True)
    ]


def _commits(table: Path) -> list[tuple[float, list[str]]]:
    """Time (seconds since 1970) and files added of each commit, oldest first."""
    found = []
    for path in sorted((table / "_delta_log").glob("*.json")):
        if path.stem.isdecimal():
            actions: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            at = next(action["commitInfo"]["timestamp"] for action in actions if "commitInfo" in action) / 1000
            found.append((at, [action["add"]["path"] for action in actions if "add" in action]))
    return found
