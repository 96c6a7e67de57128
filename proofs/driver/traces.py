"""What a query left behind when it died: read from its checkpoint and the tables' Delta logs, without any of the job's code."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Trace:
    """How far a query was."""

    planned: int
    """Newest batch whose offsets were fixed; -1: none."""
    committed: int
    """Newest batch that Spark holds for done."""
    written: dict[str, list[str]] = field(default_factory=dict)
    """By table: Delta's operations since the newest batch was planned, in order. Those without any are left out."""
    numbered: frozenset[str] = frozenset()
    """Tables among them with a commit that names this batch."""
    unfinished: dict[str, int] = field(default_factory=dict)
    """By table: Parquet files that were begun since, and that no commit of it mentions."""

    @property
    def open(self) -> bool:
        """A batch was planned, and is not done."""
        return self.planned == self.committed + 1

    def told(self) -> dict[str, Any]:
        """For the evidence."""
        return {"planned": self.planned, "committed": self.committed, "written": self.written, "unfinished_files": self.unfinished}


def left_by(checkpoint: Path, tables: Iterable[Path]) -> Trace:
    """The trace of the query with this checkpoint in the tables that it alone writes to."""
    planned, committed = newest(checkpoint / "offsets"), newest(checkpoint / "commits")
    if planned < 0:
        return Trace(planned, committed)
    since = (checkpoint / "offsets" / str(planned)).stat().st_mtime_ns
    written: dict[str, list[str]] = {}
    numbered: set[str] = set()
    unfinished: dict[str, int] = {}
    for table in tables:
        mentioned: set[str] = set()
        for actions in _commits(table / "_delta_log", since):
            for action in actions:
                if "commitInfo" in action:
                    written.setdefault(table.name, []).append(action["commitInfo"]["operation"])
                if action.get("txn", {}).get("version") == planned:
                    numbered.add(table.name)
                mentioned |= {action[kind]["path"] for kind in ("add", "remove") if kind in action}
        if begun := [file for file in table.glob("*.parquet") if file.stat().st_mtime_ns >= since and file.name not in mentioned]:
            unfinished[table.name] = len(begun)
    return Trace(planned, committed, written, frozenset(numbered), unfinished)


def newest(directory: Path) -> int:
    """The greatest number that a file's name in it is; -1 without one."""
    return max((int(path.name) for path in directory.glob("*") if path.name.isdecimal()), default=-1)


def _commits(log: Path, since: int) -> Iterator[list[dict[str, Any]]]:
    """The actions of each commit that was written since then (nanoseconds), oldest first."""
    for path in sorted(log.glob("*.json")):
        if path.stem.isdecimal() and path.stat().st_mtime_ns >= since:
            yield [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
