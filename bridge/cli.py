"""`python -m bridge run|check --config pibridge.yaml`, `python -m bridge metrics`."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import structlog
from confluent_kafka import KafkaException

from bridge import findings
from bridge.check import check
from bridge.errors import BridgeError
from bridge.logs import log_as_json
from bridge.masking import Mask, secrets_of
from bridge.metrics import reference
from bridge.run import run, stops_it
from schemas.config import CONFIG_VARIABLE, DEFAULT_CONFIG, Config, ConfigError, load

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
    mask = Mask(secrets_of(config))
    log_as_json(mask)
    if given.command == "check":
        return _check(config, mask, given.json)
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
    default = Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))
    for command in (running, checking):
        command.add_argument(
            "--config", type=Path, default=default, help=f"configuration file (default: ${CONFIG_VARIABLE}, or %(default)s)"
        )
    return parser


def _check(config: Config, mask: Mask, as_json: bool) -> int:
    try:
        found = asyncio.run(check(config, mask))
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(json.dumps(findings.as_json(found)) + "\n" if as_json else findings.as_text(found))
    return findings.exit_code(found)


async def _until_told(config: Config, mask: Mask) -> int:
    log = structlog.get_logger("bridge")
    stop = asyncio.Event()
    signals: list[signal.Signals] = []

    def told(number: signal.Signals) -> None:
        signals.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told, number)
    try:
        await run(config, stop, mask)
    except (BridgeError, KafkaException) as error:
        log.error("the bridge stopped", reason=str(error))
        return stops_it(error)
    log.info("stopped")
    return 130 if signal.SIGINT in signals else 0
