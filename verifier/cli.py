"""`python -m verifier --journal FILE --bootstrap-servers HOST:PORT --registry URL --source NAME`."""

import argparse
import json
import sys
import time
from pathlib import Path

from verifier import journal, kafka, report
from verifier.checks import Evidence, verify
from verifier.delta import Lakehouse
from verifier.errors import JournalError, Unavailable
from verifier.findings import RULES, Findings

_DESCRIPTION = """\
Compares what the simulated PI did with what came out of the other end: says what is lost, doubled, wrong or
invented, with an example. It shares no code with what it judges; the journal, the Avro files and the tables
are data to it.

Each check has a count of failures, and should have zero:
"""
_EPILOG = """\
what it reads, in this order: the versions of the Delta tables, Kafka (committed records, then the others), the
journal. So it may look at a system that runs; what nobody can have seen yet is counted as outstanding:
  not_yet_seen   the archive changed after the last read of that instant
  not_landed     bronze ends before these samples
With --settled these are failures too: for a run in which the load has stopped, every incident is closed, the
bridge has read on for longer than `settle`, and the Spark jobs have caught up.

examples:
  python -m simulator --journal run.jsonl        (then the bridge, for a while)

  python -m verifier --journal run.jsonl --bootstrap-servers 127.0.0.1:9092 --registry http://127.0.0.1:8081 \\
      --source plant1 --alias main=85bb49d6-f101-4807-baf9-57c2fbd33000
      Kafka against the journal

  python -m verifier ... --warehouse /data/warehouse --json
      bronze too, and silver where it exists; the result as JSON on stdout

  python -m verifier ... --schemas schemas/avro
      without a registry: the Avro definitions are these files

exit codes: 0 every count is zero, 1 a check failed, 2 wrong options or a journal that cannot be read, 3 Kafka, the
registry or a table is not available, 130 interrupted. The result is on stdout, progress on stderr.
"""


def main(arguments: list[str] | None = None) -> int:
    """Verifies; answers the exit code."""
    given = _parser().parse_args(arguments)
    began = time.monotonic()

    def progress(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {text}\n")
        sys.stderr.flush()

    try:
        findings, versions = _verify(given, progress)
    except JournalError as error:
        sys.stderr.write(f"{given.journal}: {error}\n")
        return 2
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 3
    except KeyboardInterrupt:
        return 130
    progress("done")
    result = json.dumps(report.as_object(findings, given.source, versions)) if given.json else report.as_table(findings)
    sys.stdout.write(result + "\n")
    return 0 if findings.clean else 1


def _verify(given: argparse.Namespace, progress: kafka.Progress) -> tuple[Findings, dict[str, int]]:
    lakehouse = None if given.warehouse is None else Lakehouse(given.warehouse, given.source)
    schemas = kafka.Schemas(given.registry, given.schemas)
    records = kafka.read(given.bootstrap_servers, given.source, schemas, progress)
    progress(f"kafka: {len(records.frames):,} frames, {len(records.aborted):,} records of aborted transactions")
    truth = journal.read(given.journal, progress)
    progress(f"journal: {truth.lines:,} lines about {len(truth.points):,} points")
    tables = None if lakehouse is None else lakehouse.tables()
    findings = verify(Evidence(truth, records, tables, dict(given.alias)), given.settled, progress)
    return findings, {} if lakehouse is None else lakehouse.versions


def _parser() -> argparse.ArgumentParser:
    rules = "\n".join(f"  {check:4} {rule}" for check, rule in RULES.items())
    parser = argparse.ArgumentParser(
        prog="python -m verifier",
        description=_DESCRIPTION + rules,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--journal", type=Path, required=True, metavar="FILE", help="the simulator's journal")
    parser.add_argument("--bootstrap-servers", required=True, metavar="HOST:PORT", help="Kafka")
    schemas = parser.add_mutually_exclusive_group(required=True)
    schemas.add_argument("--registry", metavar="URL", help="schema registry with Confluent's API")
    schemas.add_argument("--schemas", type=Path, metavar="DIR", help="folder of .avsc files, in place of a registry")
    parser.add_argument("--source", required=True, metavar="NAME", help="id of the source: the topics are pi.NAME.*")
    parser.add_argument(
        "--alias",
        type=_alias,
        action="append",
        default=[],
        metavar="NAME=GUID",
        help="which data server a server alias stands for; repeatable (default: every alias is the journal's server)",
    )
    parser.add_argument("--warehouse", type=Path, metavar="DIR", help="root of the Delta tables (default: Kafka only)")
    parser.add_argument("--settled", action="store_true", help="nothing may be outstanding")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    return parser


def _alias(text: str) -> tuple[str, str]:
    name, equals, guid = text.partition("=")
    if not (name and equals and guid):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=GUID")
    return name, guid
