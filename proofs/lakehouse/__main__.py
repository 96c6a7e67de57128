"""`python -m proofs.lakehouse`: plays a demo, and writes down what its users see of the tables.

A demo of a minute; then the commands `tables`, `query` and `reconcile`, and Unity Catalog's REST interface. Some five minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from console.demo import Demo, Options
from console.result import Result
from console.stack import Stack, StackError, running
from console.telling import Lines
from proofs.evidence import ROOT
from proofs.lakehouse.page import Asked, Described, Seen, page
from schemas.config import load
from spark_jobs import query, refined
from spark_jobs.session import session
from spark_jobs.tables import LAYERS, TABLES

PAGE = ROOT / "docs" / "lakehouse.md"
DEFINED = (*TABLES, *refined.TABLES, refined.COMPLETENESS)
_EPILOG = """\
--write puts the page into docs/lakehouse.md; else it goes to stdout. A Unity Catalog server (uc-server) has to be on PATH.

exit codes: 0 done, 1 the demo proved nothing or a command failed, 2 wrong options, 3 a server could not be started, 130 interrupted"""
_COMMAND_SECONDS = 300


class CommandFailed(Exception):
    """A command did not answer as it should; the text says what it said."""


@dataclass(frozen=True)
class Played:
    """A demo that has run, its servers still up."""

    demo: Demo
    stack: Stack
    result: Result

    def command(self, *arguments: str) -> dict[str, Any]:
        """What a command of pibridge prints with --json. Raises CommandFailed."""
        command = [sys.executable, "-m", "console", *arguments, "--json", "--config", str(self.stack.directory / "pibridge.yaml")]
        done = subprocess.run(
            command, env=self.demo.environment, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )  # fmt: skip
        if done.returncode != 0:
            raise CommandFailed(f"pibridge {' '.join(arguments)} ended with exit code {done.returncode}: {done.stderr or done.stdout}")
        return dict(json.loads(done.stdout))

    def catalog(self, path: str, **query: str) -> dict[str, Any]:
        """What Unity Catalog answers."""
        address = f"{self.stack.catalog_uri}/api/2.1/unity-catalog/{path}"
        return dict(httpx2.get(address, params=query, timeout=20, trust_env=False).raise_for_status().json())


def ask(played: Played, name: str, parameters: dict[str, str]) -> Asked:
    """A question that comes along, with these parameters. Raises CommandFailed."""
    given = [word for key, value in parameters.items() for word in ("--param", f"{key}={value}")]
    shown = " ".join(f"--param {key}={value}" for key, value in parameters.items())
    return Asked(f"pibridge query --file {name} {shown}", played.command("query", "--file", name, *given))


def questions(played: Played, now: datetime) -> list[Asked]:
    """One of each kind. What was known is asked about the first correction: how its point looked a moment before. Raises CommandFailed."""
    begin, end, day = f"{now - timedelta(hours=3):%Y-%m-%dT%H:00:00Z}", f"{now + timedelta(hours=1):%Y-%m-%dT%H:00:00Z}", f"{now:%Y-%m-%d}"
    recent = {"tag": "%", "since": begin, "until": end}
    corrections = ask(played, "corrections_of_day", {"tag": "%", "day": day})
    if not corrections.answer["rows"]:
        raise CommandFailed("the demo's tables tell of no correction today: it was played over midnight (UTC); play it again")
    first = corrections.answer["rows"][0]
    known = datetime.fromisoformat(first["known_time"]) - timedelta(seconds=1)
    return [
        ask(played, "last_values", {"tag": "%"}),
        ask(played, "hourly_averages", recent),
        ask(played, "gaps", recent | {"seconds": "300"}),
        ask(played, "late_share", recent | {"seconds": "15"}),
        corrections,
        ask(played, "known_at", {"tag": first["tag"], "time": f"{known:%Y-%m-%dT%H:%M:%SZ}"}),
    ]


def look(played: Played) -> Seen:
    """Asks for everything. Raises CommandFailed, httpx2.HTTPError."""
    reconciled = played.command("reconcile", "--from", "3h")
    listed = [played.catalog("tables", catalog_name="pibridge", schema_name=layer).get("tables", []) for layer in LAYERS]
    return Seen(
        played.command("tables")["tables"],
        sorted((table for tables in listed for table in tables), key=lambda t: ([*LAYERS].index(t["schema_name"]), t["name"])),
        played.catalog("tables/pibridge.silver.pi_watermarks"),
        questions(played, datetime.now(UTC)),
        reconciled,
        describe(played),
    )


def describe(played: Played) -> list[Described]:
    """Every table as DESCRIBE tells it, asked as `pibridge query` asks, in one session."""
    config = load(played.stack.directory / "pibridge.yaml", played.demo.environment)
    if config.lakehouse is None:
        raise CommandFailed("the demo's configuration has no lakehouse")
    os.environ["JAVA_HOME"] = str(played.stack.java_home)
    with session(config.lakehouse) as spark:
        told = {t: query.answer(spark, str(played.stack.warehouse), query.Question(f"DESCRIBE {t.name}"))["rows"] for t in DEFINED}
    return [Described(table.layer, table.name, table.comment, rows) for table, rows in told.items()]


def play(directory: Path, seconds: float, points: int) -> str:
    """The page. Raises CommandFailed, StackError, httpx2.HTTPError."""
    began = time.monotonic()
    say = Lines(began)
    options = Options(seconds=seconds, points=points, rate=points * 0.3)
    with running(directory, say=say) as stack, closing(Demo(options, stack, say, began)) as demo:
        if stack.catalog_uri is None:
            raise StackError("There is no Unity Catalog to ask.", "Put uc-server on PATH.")
        result = demo.run()
        if result.result != "proved":
            raise CommandFailed(f"the demo proved nothing: {result.examples or result.not_found or result.unsettled}")
        say("asking the tables and the catalog")
        return page(look(Played(demo, stack, result)), str(stack.directory))


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays, and prints or writes the page; answers the exit code."""
    parser = argparse.ArgumentParser(
        "python -m proofs.lakehouse", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="so long values flow (default %(default)s)")
    parser.add_argument("--points", type=int, default=200, help="points of the plant (default %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/lakehouse.md")
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="pibridge-lakehouse-", ignore_cleanup_errors=True) as directory:
            text = play(Path(directory), given.seconds, given.points)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    except (CommandFailed, httpx2.HTTPError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
