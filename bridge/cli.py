"""`python -m bridge run|check|count|rescan|backfill|jobs --config pibridge.yaml`, `python -m bridge metrics`."""

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import structlog
from confluent_kafka import KafkaException

from bridge import findings, jobs
from bridge.check import check
from bridge.commands import why_refused
from bridge.count import count
from bridge.errors import BridgeError
from bridge.metrics import reference
from bridge.reports import Reports
from bridge.run import run, stops_it
from runtime.logs import log_as_json
from runtime.masking import Mask, secrets_of
from runtime.signals import Told
from schemas.config import CONFIG_VARIABLE, DEFAULT_CONFIG, Config, ConfigError, instant_of, load
from schemas.records import JobKind
from schemas.times import ticks_of

_RUN = """Owns shards of the source's points until SIGTERM or Ctrl-C, and then hands them over first."""
_RUN_EPILOG = """exit codes: 0 stopped as asked, 2 the configuration, a topic or a subject is not as it must be, 3 Kafka, the registry or PI
refused or went away, 130 interrupted. Logs are JSON lines on stderr, without secrets."""
_CHECK = """Looks at everything that `run` needs and changes nothing; says all that is wrong at once, and what to do about it."""
_CHECK_EPILOG = f"""what it looks at:
  pi.*        reachable, certificate, version, who PI takes us for, clock difference, a batch (POST and its header),
              each data server's GUID, selections that match no point, limits for addresses, values and requests
  kafka.*     brokers, topics with partitions, settings and rights, the group, a transactional id that nobody uses
  registry.*  reachable, each subject carries this version's schema

each line has a status:
  {"".join(f"{status.replace('_', ' '):12}{meaning}{chr(10)}  " for status, meaning in findings.MEANINGS.items()).rstrip()}

exit codes: 0 all is well, 1 something is wrong, 2 the configuration file, 3 something does not answer, 130 interrupted"""

_COUNT = """Asks PI how many events it has of each point in scope and each whole hour, and writes a JSON line for each: what `reconcile`
holds against the tables. Only reads, one request at a time, with coverage.reread_share of pi.load."""
_COUNT_EPILOG = """exit codes: 0 written, with a reason where PI gave no answer; 2 usage, configuration, a topic or a subject is not as it
must be; 3 PI, Kafka or the registry does not answer; 130 interrupted"""

_RESCAN = (
    """Has covered hours read again from PI's archive and stated anew: after edits that nobody told of, or where something looks wrong."""
)
_BACKFILL = """Has points filled back to an earlier start than they were configured with; a start that is earlier already stays."""
_JOBS = """Lists the jobs of commands; with an id, follows that one until it is done."""
_JOBS_EPILOG = """Ctrl-C ends only the following: the job goes on, and `jobs ID` follows it again.
exit codes: 0 done, or under way with --no-wait; 1 refused, or no point is concerned; 2 usage, configuration, a topic or a subject is not
as it must be; 3 Kafka or the registry does not answer; 130 interrupted"""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; answers the exit code."""
    given = _parser().parse_args(arguments)
    if given.command == "metrics":
        sys.stdout.write(reference())
        return 0
    try:
        config = load(given.config)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.command in ("rescan", "backfill", "jobs"):
        return _job(config, given)
    mask = Mask(secrets_of(config))
    log_as_json(mask)
    if given.command == "check":
        return _check(config, mask, given.json)
    if given.command == "count":
        return _count(config, mask, given)
    return asyncio.run(_until_told(config, mask))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bridge", description="Publishes PI points to Kafka: previews, statements, progress.")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run until SIGTERM or Ctrl-C", description=_RUN, epilog=_RUN_EPILOG)
    checking = commands.add_parser(
        "check",
        help="look at PI, Kafka and the registry; say all that is wrong",
        description=_CHECK,
        epilog=_CHECK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checking.add_argument("--json", action="store_true", help="print one JSON object: schema_version, result, checks")
    commands.add_parser("metrics", help="print what each figure of /metrics means, as docs/metrics.md")
    counting = commands.add_parser("count", help="have PI count its events, by point and hour", description=_COUNT, epilog=_COUNT_EPILOG)
    _add_range(counting, "the end, exclusive")
    counting.add_argument("--into", type=Path, required=True, metavar="FILE", help="where the lines go")
    jobs_parsers = _add_jobs(commands)
    default = Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))
    for command in (running, checking, counting, *jobs_parsers):
        command.add_argument(
            "--config", type=Path, default=default, help=f"configuration file (default: ${CONFIG_VARIABLE}, or %(default)s)"
        )
    return parser


def _add_jobs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> list[argparse.ArgumentParser]:
    kinds = {"rescan": ("have covered hours read again", _RESCAN), "backfill": ("have points filled back further", _BACKFILL)}
    parsers = [commands.add_parser(name, help=text, description=more, epilog=_JOBS_EPILOG) for name, (text, more) in kinds.items()]
    rescan, backfill = parsers
    _add_range(rescan, "the end, exclusive; whole hours around the range are read")
    backfill.add_argument(
        "--to-start", dest="begin", required=True, metavar="T", help="the new start, as an instant or as 300d: so long ago"
    )
    for parser in parsers:
        parser.add_argument(
            "--point", action="append", default=[], metavar="NAME|KEY", help="a point; may be repeated (default: all points)"
        )
        parser.add_argument("--filter", action="append", default=[], metavar="GLOB", help="names with * and ?; may be repeated")
        parser.add_argument("--reason", metavar="TEXT", help="kept with the job, for others to read")
    listing = commands.add_parser("jobs", help="list jobs, or follow one", description=_JOBS, epilog=_JOBS_EPILOG)
    listing.add_argument("id", nargs="?", metavar="ID", help="the job to follow")
    for parser in (*parsers, listing):
        parser.add_argument("--no-wait", action="store_true", help="do not follow it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
    return [*parsers, listing]


def _add_range(parser: argparse.ArgumentParser, end: str) -> None:
    parser.add_argument(
        "--from", dest="begin", required=True, metavar="T", help="an instant such as 2024-01-31T00:00:00Z, or 30d: so long ago"
    )
    parser.add_argument("--to", dest="end", required=True, metavar="T", help=end)


def _job(config: Config, given: argparse.Namespace) -> int:
    """Gives a command, or looks at those given; answers the exit code."""
    job_id: str | None = None
    try:
        if given.command == "jobs" and (given.id is None or given.no_wait):
            return _list_jobs(config, given.id, given.json)
        job_id = given.id if given.command == "jobs" else _give(config, given)
        if given.no_wait:
            reports = Reports(job_id, config.delivery.shards)
            sys.stderr.write(f"to follow it: pibridge jobs {job_id}\n")
        else:
            reports = jobs.follow(config, job_id, sys.stderr)
        return jobs.told(reports, given.json)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (BridgeError, KafkaException) as error:
        sys.stderr.write(f"{error.args[0].str() if isinstance(error, KafkaException) else error}\n")
        return stops_it(error)
    except KeyboardInterrupt:
        if job_id is not None:
            sys.stderr.write(f"\nthe job goes on; to follow it again: pibridge jobs {job_id}\n")
        return 130


def _give(config: Config, given: argparse.Namespace) -> str:
    """Writes the command and says its id. Raises ValueError where it makes no sense."""
    now = datetime.now(UTC)
    begin = instant_of(given.begin, now)
    end = instant_of(given.end, now) if given.command == "rescan" else None
    kind: JobKind = "BACKFILL" if end is None else "RESCAN"
    command = jobs.command_of(config, kind, begin, end, given.point, given.filter, given.reason)
    if (reason := why_refused(command, now_micros=command["given_time"])) is not None:
        raise ValueError(reason)
    jobs.give(config, command)
    sys.stderr.write(f"job {command['job_id']}\n")
    return command["job_id"]


def _list_jobs(config: Config, job_id: str | None, as_json: bool) -> int:
    found = jobs.known(config)
    if job_id is not None:
        return jobs.told(found.get(job_id, Reports(job_id, config.delivery.shards)), as_json)
    if as_json:
        sys.stdout.write(json.dumps({"schema_version": 1, "jobs": [reports.as_json() for reports in found.values()]}) + "\n")
    else:
        sys.stdout.write("".join(f"{reports.job_id:34} {reports.result:9} {reports.line()}\n" for reports in found.values()))
    return 0


def _check(config: Config, mask: Mask, as_json: bool) -> int:
    try:
        found = asyncio.run(check(config, mask))
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(json.dumps(findings.as_json(found)) + "\n" if as_json else findings.as_text(found))
    return findings.exit_code(found)


def _count(config: Config, mask: Mask, given: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    try:
        begin, end = (ticks_of(instant_of(text, now)) for text in (given.begin, given.end))
        with given.into.open("w", encoding="utf-8") as into:
            tally = asyncio.run(count(config, mask, begin, end, into, sys.stderr))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (BridgeError, KafkaException) as error:
        sys.stderr.write(mask.text(f"{error.args[0].str() if isinstance(error, KafkaException) else error}") + "\n")
        return stops_it(error)
    except KeyboardInterrupt:
        return 130
    sys.stderr.write(f"PI counted {tally.counted:,} hours of points, and gave no answer for {tally.unanswered:,}\n")
    return 0


async def _until_told(config: Config, mask: Mask) -> int:
    log = structlog.get_logger("bridge")
    told = Told()
    try:
        await run(config, told.stop, mask)
    except (BridgeError, KafkaException) as error:
        log.error("the bridge stopped", reason=str(error))
        return stops_it(error)
    log.info("stopped")
    return told.exit_code
