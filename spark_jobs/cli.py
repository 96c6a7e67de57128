"""Command line of the Spark jobs."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from schemas import config
from spark_jobs import query, reconcile, refine, run
from spark_jobs.errors import LandError, Misconfigured
from spark_jobs.failures import failure
from spark_jobs.session import SPARK_ERRORS

_EPILOG = """\
what it needs:
  a Java 21 runtime (JAVA_HOME), and the Delta, Kafka and Avro connectors of Spark on its class path, as in
    lakehouse:
      warehouse: /data/warehouse          # tables lie at <warehouse>/bronze/<table>
      checkpoints: /data/checkpoints      # how far Kafka was landed
      spark: {spark.driver.extraClassPath: "/jars/*", spark.driver.memory: 2g}
      catalog: {uri: "https://…", token: "${env:UC_TOKEN}"}   # optional: Unity Catalog to register the tables in

It can be stopped (SIGTERM, Ctrl-C) and killed at any moment: the next start goes on where the last one ended, each row once.
By itself it mends a checkpoint that is lost, damaged or an older copy (made again from the tables), and records that Kafka dropped before
they were landed (an incident, and a rescan that has PI asked again). It asks for a person where rows would be left out or doubled: a table
that is gone or an older copy (bring it back, or --rebuild), frames that a topic lacks (pibridge incidents accept), a topic that was created
anew.
Progress goes to stderr, one JSON object a line.

exit codes: 0 ended as asked; 1 do not start again: the log's `problem` says what a person has to decide, or what failed; 2 usage or
configuration, or a topic, a schema, Java or a connector is missing; 3 Kafka or the registry does not answer, a disk is full, or Java was
killed: start again later; 130 interrupted
"""


_REFINE_EPILOG = """\
It reads the bronze tables alone, and needs what `bronze` needs but Kafka and the registry. In lakehouse, refine_seconds (30) is how often
it brings silver up to bronze, measure_seconds (300) how often gold up to silver. It may run beside `bronze` and be killed at any moment.
One process alone writes these tables; a second one is refused. Once a day (maintain_seconds) it also puts small files together, of bronze
too, and removes what no reader needs any more: a week after, and a day after in tables that are overwritten. Without its checkpoints it
compares all of bronze with what the tables hold, and goes on. An hour of which bronze has fewer samples than were stated stays as it is
until it is read again, which a warning tells.

exit codes: 0 ended as asked; 1 do not start again: the log's `problem` says what a person has to decide (tables and checkpoints disagree,
another process is at it), or what failed; 2 usage or configuration, or Java or a connector is missing; 3 no bronze yet, a disk is full, or
Java was killed: start again later; 130 interrupted
"""

_RECONCILE_EPILOG = """\
It holds against each other, by point and hour: the count and digest of each statement that holds, and what bronze has of it; bronze and
silver; coverage and its holes; and with --pi-counts, what PI counts. Nothing is mended: `rescans` in the result says what would mend it
(pibridge reconcile --repair has it done). Rows go to silver.pi_completeness, the result to stdout as one JSON object.
It may run beside `bronze` and `refine`; what silver cannot have seen yet is not held against it.

exit codes: 0 complete; 1 something is missing or altered, or nothing is covered in the range; 2 usage or configuration, or no Java; 3 no
silver yet, or PI gave no number for some hours; 130 interrupted
"""
_QUERY_EPILOG = """\
The tables are there by their names, without a schema: pi_timeseries, pi_coverage, pi_timeseries_cleaned, pi_metrics_hourly, …, and the
view pi_timeseries_now, which has the newest of everything. Nothing can be changed. Times are UTC.

  query --file last_values --param tag=FIC%
  query "SELECT count(*) AS events FROM pi_timeseries_cleaned WHERE event_time >= :since" --param since=2024-01-31T00:00:00Z

exit codes: 0 answered; 1 the question failed; 2 usage, configuration, no question, or no Java; 3 no tables yet; 130 interrupted
"""
_EXIT_CODES = {"complete": 0, "incomplete": 1, "empty": 1, "unanswered": 3}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job; the exit code of the process."""
    parser = argparse.ArgumentParser(prog="spark_jobs", description="Spark jobs of pibridge.")
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB")
    bronze = jobs.add_parser(
        "bronze",
        help="land Kafka's topics in the bronze tables",
        description="Land what the bridge published into Delta tables: every value, every statement about the archive, points, incidents, "
        "dead letters.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_config(bronze)
    bronze.add_argument(
        "--available-now", action="store_true", help="land what is committed now, then end (for a scheduler, and for tests)"
    )
    bronze.add_argument(
        "--rebuild",
        action="store_true",
        help="fill tables that are gone again with what Kafka still holds; what it holds no more is asked from PI again, but what "
        "`pibridge backfill` had read from before a point's start has to be asked for anew",
    )
    bronze.set_defaults(job=_land)
    refined = jobs.add_parser(
        "refine",
        help="make the silver and gold tables out of bronze",
        description="Bring silver and gold up to bronze: events that hold, corrections, open previews, watermarks, hourly figures, checks.",
        epilog=_REFINE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_config(refined)
    refined.add_argument("--available-now", action="store_true", help="refine what bronze has now, then end")
    refined.set_defaults(job=_refine)
    _add_reconcile(jobs)
    _add_query(jobs)
    chosen = parser.parse_args(arguments)
    _configure_logs()
    try:
        settings = config.load(chosen.config)
    except config.ConfigError as error:
        print(f"spark_jobs: {error}", file=sys.stderr)  # noqa: T201 - for a person, before there are logs
        return 2
    return int(chosen.job(settings, chosen))


def _add_config(parser: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get(config.CONFIG_VARIABLE, config.DEFAULT_CONFIG))
    told = f"the configuration (default: ${config.CONFIG_VARIABLE}, else {config.DEFAULT_CONFIG})"
    parser.add_argument("--config", type=Path, default=default, metavar="FILE", help=told)


def _add_reconcile(jobs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = jobs.add_parser(
        "reconcile",
        help="hold ledger, tables and PI's counts against each other",
        description="Find what is missing or altered in the tables, hole by hole and hour by hour.",
        epilog=_RECONCILE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_config(parser)
    parser.add_argument("--from", dest="begin", default="7d", metavar="T", help="an instant, or so long ago (default %(default)s)")
    parser.add_argument("--to", dest="end", metavar="T", help="the end, exclusive (default: now); whole hours are looked at")
    parser.add_argument("--pi-counts", type=Path, metavar="FILE", help="what `python -m bridge count` wrote")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw a heat map of points and hours, as SVG")
    parser.add_argument(
        "--wait", dest="wait_seconds", type=float, default=0.0, metavar="SECONDS",
        help="first wait until bronze and silver have what Kafka has now, at most so long",
    )  # fmt: skip
    parser.set_defaults(job=_reconcile)


def _add_query(jobs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = jobs.add_parser(
        "query",
        help="ask the tables by name, read only",
        description=f"Answer a question in SQL as one JSON object. Questions that come along: {', '.join(query.shipped())}.",
        epilog=_QUERY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_config(parser)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("sql", nargs="?", metavar="SQL", help="the question")
    asked.add_argument("--file", metavar="NAME", help="a file with the question, or the name of one that comes along")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter, :name in the SQL; may be repeated")
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="rows at most (default %(default)s)")
    parser.set_defaults(job=_query)


def _land(settings: config.Config, chosen: argparse.Namespace) -> int:
    return _guarded(lambda stop, ready: run.land(settings, chosen.available_now, stop, ready=ready, rebuild=chosen.rebuild))


def _refine(settings: config.Config, chosen: argparse.Namespace) -> int:
    return _guarded(lambda stop, ready: refine.refine(settings, chosen.available_now, stop, ready=ready))


def _reconcile(settings: config.Config, chosen: argparse.Namespace) -> int:
    return _answered(lambda: _reconciled(settings, chosen))


def _reconciled(settings: config.Config, chosen: argparse.Namespace) -> int:
    moment = datetime.now(UTC)
    try:
        begin = config.instant_of(chosen.begin, moment)
        end = moment if chosen.end is None else config.instant_of(chosen.end, moment)
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    order = reconcile.Order(begin, end, chosen.pi_counts, chosen.picture, chosen.wait_seconds)
    found = reconcile.reconcile(settings, order)
    _say(found)
    return _EXIT_CODES[found["result"]]


def _query(settings: config.Config, chosen: argparse.Namespace) -> int:
    return _answered(lambda: _asked(settings, chosen))


def _asked(settings: config.Config, chosen: argparse.Namespace) -> int:
    text = chosen.sql if chosen.file is None else query.text_of(chosen.file)
    _say(query.ask(settings, query.Question(text, query.parameters_of(chosen.param), chosen.limit)))
    return 0


def _say(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found, allow_nan=False) + "\n")


def _answered(job: Callable[[], int]) -> int:
    """A job that ends by itself. Ctrl-C is left to Spark, which ends what runs and raises KeyboardInterrupt."""
    try:
        return job()
    except (LandError, *SPARK_ERRORS) as error:
        known = error if isinstance(error, LandError) else failure(None, error)
        print(f"spark_jobs: {known}", file=sys.stderr)  # noqa: T201 - for a person, who waits for it
        return known.exit_code
    except KeyboardInterrupt:
        return 130


def _guarded(job: Callable[[threading.Event, Callable[[], None]], None]) -> int:
    """A job that goes on until it is told to end: a signal lets it finish what it is at."""
    stop = threading.Event()
    received: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        received.append(number)
        stop.set()

    def install() -> None:
        signal.signal(signal.SIGINT, on_signal)
        signal.signal(signal.SIGTERM, on_signal)

    install()
    log = structlog.get_logger()
    try:
        job(stop, install)
    except (LandError, *SPARK_ERRORS) as error:
        known = error if isinstance(error, LandError) else failure(None, error)
        if not received:
            # What has a class of its own is explained by its sentence; anything else needs its origin.
            told = {"exc_info": error} if type(known) is LandError else {}
            log.error("failed", problem=str(known), exit_code=known.exit_code, **told)
            return known.exit_code
        log.warning("stopped_with_problem", problem=str(known))
    if received:
        log.info("stopped", signal=signal.Signals(received[0]).name)
        return 130 if signal.SIGINT in received else 0
    return 0


def _configure_logs() -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # The gateway to Java prints the traceback of every exception that a batch ends with; ours are told as sentences.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(lambda record: "py4j" not in record.pathname)  # where it logs by nobody's name
