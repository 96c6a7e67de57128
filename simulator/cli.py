"""`python -m simulator`: options, start, the line that says it is ready, the end."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator import server
from simulator.journal import JournalLost
from simulator.replay import HISTORY_FOLDER, BadHistory
from simulator.settings import PROFILES, BadSettings, Settings

log = logging.getLogger("simulator")

_DESCRIPTION = """\
A strict PI Web API with a plant behind it: points, recorded values, batch and channels as a real
server answers them, wrong requests refused as a real server refuses them. What it shows depends on
--seed, the point and the time, so history needs no memory and is the same again tomorrow."""

_EPILOG = f"""\
examples:
  python -m simulator
      1,000 points, 100 values/s, one hour of history, on free ports which it prints

  python -m simulator --port 8443 --control-port 8444 --points 5000 --rate 1000 --history 86400
      a day of history, computed when it is read

  SIM_PASSWORD=secret python -m simulator --user bridge --password-env SIM_PASSWORD
      asks for Basic authentication

  python -m simulator --replay-csv machine_temperature={HISTORY_FOLDER.name}/machine_temperature_system_failure.csv
      one more point with real history, rows inserted in file order (a file name is also looked for beside the simulator)

  python -m simulator --profile verify --special-points 50 --journal run.jsonl
      values that identify themselves, and corrections;
      tells everything that happens and everything served, for a verifier (journal.md)

the control port (loopback, JSON, no authentication; not part of PI):
  GET  /status                               what was written, archived, thrown away, served
  GET  /points                               every point with its newest archived event
  GET  /archive?point_id=&from_ticks=&to_ticks=   the truth: archived events with from <= t < to
  POST /insert         {{"point_id": 1004, "events": [{{"time": "*-5m", "value": 1.5}}]}}   late ones go to the archive
  POST /edit           {{"point_id": 1004, "time": "2026-01-01T00:00:00Z", "index": 0, "value": 2.5}}   another value, Substituted
  POST /delete         {{"point_id": 1004, "time": "2026-01-01T00:00:00Z", "index": 0}}
  POST /queue          {{"held": true}}   the archive lags behind the snapshots until false
  POST /faults         {{"fault": "refuse", "status": 503, "for": 20}} begins one, {{"end": "refuse"}} or "all" ends, GET tells
  POST /channels/drop  {{"count": 1, "close_frame": false}}   ends sockets, with or without a close frame
  POST /malformed      {{"point_id": 1004}}   one unusable value in that point's next channel message
  POST /tokens/revoke  makes every Bearer token worthless
  POST /load           {{"running": false}}   stops and starts the plant
  GET  /elements       every element with its paths and points, GET /event-frames every event frame as it is
  POST /elements       {{"parent": path or null, "name": "P 1", "template": "Pump", "point_ids": [1004]}}
  POST /event-frames   {{"name": "E", "template": "High alarm", "elements": [path], "start": "*-2h", "end": "*-1h", "parent": id}}
  POST /event-frames/change   {{"ef": id, "severity": "Major", "close": "*", "capture": true, "acknowledge": "me", "annotate": "text"}}

exit codes: 0 ended by SIGTERM, 2 wrong options (a port is taken, a file is missing), 3 the journal cannot be
written any more (a full disk), 130 interrupted"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m simulator", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Settings()
    add = parser.add_argument
    add("--host", default=default.host, help="address to listen on (default %(default)s)")
    add("--port", type=int, default=default.port, help="PI Web API's port, 0 = a free one (default %(default)s)")
    add(
        "--control-port", type=int, default=default.control_port, help="the control port on 127.0.0.1, 0 = a free one (default %(default)s)"
    )
    add("--server-name", default=default.server_name, metavar="NAME", help="name of the data server (default %(default)s)")
    add("--points", type=int, default=default.points, metavar="N", help="points in the plant (default %(default)s)")
    add(
        "--rate",
        type=float,
        default=default.rate_per_second,
        metavar="R",
        help="values per second of all points together (default %(default)s)",
    )
    add(
        "--special-points",
        type=int,
        default=default.special_points,
        metavar="N",
        help="how many of --points are forecasts (Future), timestamps, blobs, Int16 and Float16 in turn (default %(default)s)",
    )
    add(
        "--profile",
        choices=PROFILES,
        default=default.profile,
        help="steady; bursty: ten seconds' values arrive together; aveva: 50 values/s per 1,000 points whatever --rate; "
        "idle: 19 of 20 points quiet; verify: each value names its point and serial number, with runs of one instant, many states, "
        "late values, edits and deletions (default %(default)s)",
    )
    for option, noun, share in (("--late", "late values", "2 %%"), ("--edits", "edits", "0.5 %%"), ("--deletes", "deletions", "0.5 %%")):
        add(option, type=float, metavar="R", help=f"{noun} per second (default 0; in profile verify {share} of --rate)")
    add("--elements", type=int, metavar="N", help="elements of the asset framework (default: about one piece of equipment per ten points)")
    add(
        "--af-cache",
        type=float,
        default=default.af_cache_seconds,
        metavar="SECONDS",
        help="how long a new element is not found, unless a request says Cache-Control: no-cache (default %(default)s)",
    )
    add(
        "--event-frames",
        type=float,
        default=default.event_frames_per_minute,
        metavar="R",
        help="event frames per minute, in history too, without the children of batches; 0 = none (default %(default)s)",
    )
    add("--seed", type=int, default=default.seed, metavar="N", help="another seed is another plant (default %(default)s)")
    add(
        "--history",
        type=float,
        default=default.history_seconds,
        metavar="SECONDS",
        help="how far back the archive reaches (default %(default)s)",
    )
    add(
        "--tick",
        type=float,
        default=default.tick_seconds,
        metavar="SECONDS",
        help="polling interval of channels and load (default %(default)s)",
    )
    add("--no-compression", action="store_true", help="archive every previous snapshot instead of testing it")
    add(
        "--server-utc-offset-hours",
        type=float,
        default=default.server_utc_offset_hours,
        metavar="H",
        help="zone for time strings which name none; not UTC on purpose, clients must send Z (default %(default)s)",
    )
    add("--user", metavar="NAME", help="ask for Basic authentication with this user (default: anonymous)")
    add("--password-env", metavar="VARIABLE", help="environment variable which holds the password of --user")
    add("--client-id", metavar="NAME", help="grant Bearer tokens to this OAuth 2 client: client_credentials, scope system")
    add("--client-secret-env", metavar="VARIABLE", help="environment variable which holds the secret of --client-id")
    add(
        "--token-seconds",
        type=float,
        default=default.token_seconds,
        metavar="SECONDS",
        help="how long a token is good (default %(default)s)",
    )
    add("--negotiate", action="store_true", help="challenge with Negotiate too, as a server with Kerberos does; no ticket is ever good")
    add(
        "--rate-limit",
        type=int,
        default=default.rate_limit,
        metavar="N",
        help="requests per second and address, then 429; 0 = no limit (default %(default)s)",
    )
    add(
        "--replay-csv",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a point with the history of a CSV file (timestamp,value; UTC); repeatable",
    )
    add(
        "--journal",
        type=Path,
        metavar="FILE",
        help="tell every write, archiving, edit, deletion and read to a new file of JSON lines (journal.md)",
    )
    add("--faults", type=Path, metavar="FILE", help="a YAML script of faults: what goes wrong when (README.md)")
    add("--json", action="store_true", help="say that it is ready as one JSON line on stdout")
    return parser


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Raises `BadSettings`."""
    return Settings(
        host=arguments.host,
        port=arguments.port,
        control_port=arguments.control_port,
        server_name=arguments.server_name,
        points=arguments.points,
        rate_per_second=arguments.rate,
        seed=arguments.seed,
        history_seconds=arguments.history,
        tick_seconds=arguments.tick,
        compression=not arguments.no_compression,
        server_utc_offset_hours=arguments.server_utc_offset_hours,
        user=arguments.user,
        password=_read_secret("--password-env", arguments.password_env, "--user", arguments.user),
        client_id=arguments.client_id,
        client_secret=_read_secret("--client-secret-env", arguments.client_secret_env, "--client-id", arguments.client_id),
        token_seconds=arguments.token_seconds,
        negotiate=arguments.negotiate,
        rate_limit=arguments.rate_limit,
        journal=arguments.journal,
        faults=arguments.faults,
        profile=arguments.profile,
        late_per_second=arguments.late,
        edits_per_second=arguments.edits,
        deletes_per_second=arguments.deletes,
        special_points=arguments.special_points,
        elements=arguments.elements,
        af_cache_seconds=arguments.af_cache,
        event_frames_per_minute=arguments.event_frames,
        replay=tuple(_read_replay(text) for text in arguments.replay_csv),
    )


def _read_secret(option: str, variable: str | None, owner: str, name: str | None) -> str:
    if variable is None:
        return ""
    if name is None:
        raise BadSettings(f"{option} needs {owner}")
    secret = os.environ.get(variable, "")
    if not secret:
        raise BadSettings(f"the environment variable {variable} named by {option} is not set")
    return secret


def _read_replay(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=")
    if not separator or not name or not file:
        raise BadSettings(f'--replay-csv "{text}" must have the form NAME=FILE')
    path = Path(file)
    beside = HISTORY_FOLDER.parent / path
    return name, beside if not path.exists() and beside.exists() else path


def main(argv: Sequence[str]) -> int:
    """Runs until a signal. The exit code."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s simulator %(levelname)s %(message)s")
    try:
        return asyncio.run(_run(read_settings(arguments), as_json=arguments.json))
    except (BadSettings, BadHistory) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    except JournalLost as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 3
    except KeyboardInterrupt:
        return 130


async def _run(settings: Settings, *, as_json: bool) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    loop.add_signal_handler(signal.SIGTERM, end, 0)
    loop.add_signal_handler(signal.SIGINT, end, 130)
    running = await server.start(settings)
    ready = {
        "url": running.url,
        "control_url": running.control_url,
        "server_id": str(running.server_id),
        "server_name": settings.server_name,
        "points": len(running.store.streams),
    }
    if as_json:
        sys.stdout.write(json.dumps(ready) + "\n")
    else:
        sys.stdout.write("".join(f"{name.replace('_', ' '):<12} {value}\n" for name, value in ready.items()))
    sys.stdout.flush()
    log.info("ready: %s points at %s, control at %s", ready["points"], running.url, running.control_url)
    assert running.ticking is not None
    either: list[asyncio.Future[Any]] = [ended, running.ticking]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    log.info("ending")
    await running.stop()
    return ended.result()
