"""`pibridge reconcile`: has PI count, has the tables looked at, and with `--repair` has everything read again that is not as it should be.

The work is done by processes of their own: `bridge count` asks PI, `spark_jobs reconcile` compares. A repair is rescans, which a running
bridge does; what it states then overrules what is in the tables, once it is landed and refined.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge import jobs
from console import answers
from console.answers import Answer, NoAnswer
from schemas.config import Config

_BEFORE = ("result", "hours", "hours_complete", "findings")


@dataclass(frozen=True)
class Options:
    """What the user chose."""

    begin: datetime
    end: datetime
    pi: bool = True
    """Ask PI for its counts."""
    repair: bool = False
    wait_seconds: float = 900.0
    """So long is waited for the rescans of a repair, and again until what they stated is landed and refined."""
    picture: Path | None = None


def run(path: Path, config: Config, options: Options) -> Answer:
    """The result of `spark_jobs reconcile`, after a repair with `repaired`: what was found before, and what became of the rescans.

    `path` is the file that `config` was read from. Raises NoAnswer, BridgeError, KafkaException, KeyboardInterrupt.
    """
    found = _look(path, options, 0.0)
    if not options.repair or not found.result["rescans"]:
        return found
    repaired = {name: found.result[name] for name in _BEFORE} | {"jobs": _rescan(config, found.result["rescans"], options.wait_seconds)}
    again = _look(path, options, options.wait_seconds)
    return Answer(again.result | {"repaired": repaired}, again.exit_code)


def _look(path: Path, options: Options, wait_seconds: float) -> Answer:
    begin, end = options.begin.isoformat(), options.end.isoformat()
    given = ["--config", str(path), "--from", begin, "--to", end]
    more = [*(["--picture", str(options.picture)] if options.picture else []), *(["--wait", str(wait_seconds)] if wait_seconds else [])]
    with tempfile.TemporaryDirectory(prefix="pibridge-counts-") as directory:
        if options.pi:
            counts = Path(directory) / "counts.jsonl"
            code, _ = answers.run("bridge", "count", *given, "--into", str(counts))
            if code != 0:
                raise NoAnswer(code)
            more += ["--pi-counts", str(counts)]
        return answers.answer_of("spark_jobs", "reconcile", *given, *more)


def _rescan(config: Config, wanted: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """Gives all of them, then follows one after the other until it is done; those that are not after so long are left running."""
    given = []
    for rescan in wanted:
        begin, end = (datetime.fromisoformat(rescan[name]) for name in ("from_time", "to_time"))
        command = jobs.command_of(config, "RESCAN", begin, end, rescan["points"], [], "reconcile")
        jobs.give(config, command)
        given.append(command["job_id"])
    told, until = [], time.monotonic() + seconds
    for number, job_id in enumerate(given, 1):
        sys.stderr.write(f"rescan {number} of {len(given)}: {job_id}\n")
        reports = jobs.follow(config, job_id, sys.stderr, max(0.0, until - time.monotonic()))
        told.append({"job_id": job_id, "result": reports.result, "hours": reports.sum("hours_done"), "remarks": reports.remarks()})
    return told
