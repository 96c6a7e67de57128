"""Evidence under docs/evidence: one JSON file per part, with the commit that it was found at; what is there need not be done again."""

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "evidence"
SCHEMA_VERSION = 1


def commit() -> str:
    """The commit that is checked out, with `+` where sources differ from it."""
    head = _git("rev-parse", "HEAD")
    return head + ("+" if _git("status", "--porcelain", "--", ":!docs/evidence") else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


class Evidence:
    """Results of one part by name, written down one by one. Results of another commit do not count, unless they are `kept`."""

    def __init__(self, part: str, at: str, folder: Path = FOLDER) -> None:
        self.path, self._at, self._part = folder / f"{part}.json", at, part
        self.results: dict[str, Any] = {}

    def resume(self) -> None:
        """Takes over the results that an earlier run of the same commit left."""
        if not self.path.exists():
            return
        found = json.loads(self.path.read_text(encoding="utf-8"))
        if found["schema_version"] == SCHEMA_VERSION and found["commit"] == self._at and not self._at.endswith("+"):
            self.results = found["results"]

    def add(self, name: str, result: Any) -> None:
        """Writes down a result."""
        self.results[name] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        machine = {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}
        document = {"schema_version": SCHEMA_VERSION, "part": self._part, "commit": self._at, "machine": machine, "results": self.results}
        self.path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
