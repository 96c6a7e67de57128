"""Evidence under docs/evidence: a JSON file a part, each result with its commit; what is there need not be done again."""

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "evidence"
SCHEMA_VERSION = 2


def commit() -> str:
    """The commit that is checked out, with `+` where sources differ from it."""
    head = _git("rev-parse", "HEAD")
    return head + ("+" if _git("status", "--porcelain", "--", ":!docs/evidence") else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


class Evidence:
    """Results of one part by name, written down one by one, each with its commit.

    `results` are those of the commit at hand, which alone count; those of others stay in the file until they are found anew.
    """

    def __init__(self, part: str, at: str, folder: Path = FOLDER) -> None:
        self.path, self._at, self._part = folder / f"{part}.json", at, part
        self.results: dict[str, Any] = {}
        self._others: dict[str, Any] = {}

    def resume(self, fresh: bool = False) -> None:
        """Takes over what earlier runs left; `fresh`: without counting any of it."""
        if not self.path.exists():
            return
        document = json.loads(self.path.read_text(encoding="utf-8"))
        if document["schema_version"] != SCHEMA_VERSION:
            return
        for name, found in document["results"].items():
            if found["commit"] == self._at and not self._at.endswith("+") and not fresh:
                self.results[name] = found["result"]
            else:
                self._others[name] = found

    def add(self, name: str, result: Any) -> None:
        """Writes down a result."""
        self.results[name] = result
        self._others.pop(name, None)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        machine = {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}
        results = self._others | {name: {"commit": self._at, "result": found} for name, found in self.results.items()}
        document = {"schema_version": SCHEMA_VERSION, "part": self._part, "machine": machine, "results": results}
        self.path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
