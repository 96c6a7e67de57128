"""`python -m bridge run --config pibridge.yaml`."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import structlog
from confluent_kafka import KafkaException

from bridge.errors import BridgeError
from bridge.run import run, stops_it
from schemas.config import Config, ConfigError, load

_EPILOG = """exit codes: 0 stopped as asked, 2 the configuration, a topic or a subject is not as it must be, 3 Kafka, the registry or PI
refused or went away, 130 interrupted. Logs are JSON lines on stderr."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the bridge; answers the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bridge", description="Publishes PI points to Kafka: previews, statements, progress.", epilog=_EPILOG
    )
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run until SIGTERM or Ctrl-C; both hand the shards over first", epilog=_EPILOG)
    running.add_argument("--config", type=Path, default=Path("pibridge.yaml"), help="configuration file (default: %(default)s)")
    given = parser.parse_args(arguments)
    try:
        config = load(given.config)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _log_as_json()
    return asyncio.run(_until_told(config))


async def _until_told(config: Config) -> int:
    log = structlog.get_logger("bridge")
    stop = asyncio.Event()
    signals: list[signal.Signals] = []

    def told(number: signal.Signals) -> None:
        signals.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told, number)
    try:
        await run(config, stop)
    except (BridgeError, KafkaException) as error:
        log.error("the bridge stopped", reason=str(error))
        return stops_it(error)
    log.info("stopped")
    return 130 if signal.SIGINT in signals else 0


def _log_as_json() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
