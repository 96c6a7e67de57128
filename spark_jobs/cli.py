"""Command line of the Spark jobs."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

import structlog
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from schemas import config
from spark_jobs import refine, run
from spark_jobs.errors import LandError

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

exit codes: 0 ended as asked; 1 tables, checkpoint and Kafka disagree, a person has to decide; 2 usage or configuration;
3 Kafka, registry or Java unavailable, start again later; 130 interrupted
"""


_REFINE_EPILOG = """\
It reads the bronze tables alone, and needs what `bronze` needs but Kafka and the registry. In lakehouse, refine_seconds (30) is how often
it brings silver up to bronze, measure_seconds (300) how often gold up to silver. It may run beside `bronze` and be killed at any moment.
One process alone writes these tables. Once a day (maintain_seconds) it also puts small files together, of bronze too, and removes what no
reader needs any more: a week after, and a day after in the two tables that are overwritten all the time. Without its checkpoints it
compares all of bronze with what the tables hold, and goes on.

exit codes: 0 ended as asked; 1 tables and checkpoints disagree; 2 usage or configuration; 3 no bronze yet, or no Java; 130 interrupted
"""


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
    bronze.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration, pibridge.yaml")
    bronze.add_argument(
        "--available-now", action="store_true", help="land what is committed now, then end (for a scheduler, and for tests)"
    )
    bronze.add_argument(
        "--rebuild",
        action="store_true",
        help="fill tables that are gone again with what Kafka still holds; what it holds no more is asked from PI again",
    )
    bronze.set_defaults(job=_land)
    refined = jobs.add_parser(
        "refine",
        help="make the silver and gold tables out of bronze",
        description="Bring silver and gold up to bronze: events that hold, corrections, open previews, watermarks, hourly figures, checks.",
        epilog=_REFINE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    refined.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration, pibridge.yaml")
    refined.add_argument("--available-now", action="store_true", help="refine what bronze has now, then end")
    refined.set_defaults(job=_refine)
    chosen = parser.parse_args(arguments)
    _configure_logs()
    try:
        settings = config.load(chosen.config)
    except config.ConfigError as error:
        print(f"spark_jobs: {error}", file=sys.stderr)  # noqa: T201 - for a person, before there are logs
        return 2
    return _guarded(partial(chosen.job, settings, chosen))


def _land(settings: config.Config, chosen: argparse.Namespace, stop: threading.Event, ready: Callable[[], None]) -> None:
    run.land(settings, chosen.available_now, stop, ready=ready, rebuild=chosen.rebuild)


def _refine(settings: config.Config, chosen: argparse.Namespace, stop: threading.Event, ready: Callable[[], None]) -> None:
    refine.refine(settings, chosen.available_now, stop, ready=ready)


def _guarded(job: Callable[[threading.Event, Callable[[], None]], None]) -> int:
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
    except (LandError, PySparkException, Py4JError) as error:
        known = error if isinstance(error, LandError) else run.failure(None, error)
        if not received:
            # What has a class of its own is explained by its sentence; anything else needs its origin.
            told = {"exc_info": error} if type(known) is LandError else {}
            log.error("failed", problem=str(known), exit_code=known.exit_code, **told)
            return known.exit_code
        log.warning("stopped_with_problem", problem=str(error))
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
