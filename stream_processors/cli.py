"""`python -m stream_processors run --config pibridge.yaml`, `python -m stream_processors metrics`."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import structlog

from runtime.logs import log_as_json
from runtime.masking import Mask, secrets_of
from runtime.signals import Told
from schemas.config import CONFIG_VARIABLE, DEFAULT_CONFIG, Config, ConfigError, load
from stream_processors.errors import ProcessorsError
from stream_processors.metrics import reference

_RUN = "Judges what the bridge publishes, until SIGTERM or Ctrl-C: which values come late, whose clock is wrong, which points are unsound."
_EPILOG = f"""\
what it reads and writes:
  live, recorded    the values, by shard; also points, incidents
  late, skew,       what it finds; `pibridge tap late|skew|quality` shows it
  quality
  assessments       what each shard says of a period: one worker puts these together
  processors-*      what it remembers, so that it goes on where it was; `pibridge topics apply` creates all topics

Start as many as you like, up to one a shard: they share the shards among themselves, and take over from one that ends. Any of them can be
killed at any moment: what it had not written is read again, and nothing is counted twice, though some findings are told twice. So it is
when one joins. It is judged by what is known then: where a wrong clock or an incident was found meanwhile, what was said before may be
said otherwise. Nothing else depends on them.
Limits and clock groups stand in the section `processors` of the configuration, as does the port for /metrics, /livez and /readyz.
Without --config the file is ${CONFIG_VARIABLE}, or {DEFAULT_CONFIG}. Logs are JSON lines on stderr, without secrets.

exit codes: 0 stopped as asked; 2 usage, the configuration, a topic or a subject is not as it must be; 3 Kafka or the registry does not
answer or went away, start again later; 130 interrupted
"""


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
    log_as_json(Mask(secrets_of(config)))
    return asyncio.run(_until_told(config))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stream_processors", description="Finds late data, clock skew and unsound points.")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser(
        "run", help="run until SIGTERM or Ctrl-C", description=_RUN, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))
    running.add_argument("--config", type=Path, default=default, metavar="FILE", help="configuration file")
    commands.add_parser("metrics", help="print what each figure of /metrics means, as docs/metrics-processors.md")
    return parser


async def _until_told(config: Config) -> int:
    from stream_processors.app import run  # Faust takes a second to import

    log = structlog.get_logger("processors")
    told = Told()
    try:
        await run(config, told.stop)
    except ProcessorsError as error:
        log.error("the processors stopped", reason=str(error))
        return error.exit_code
    log.info("stopped")
    return told.exit_code
