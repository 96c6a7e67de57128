"""The simulator as pytest fixtures, for the tests of whoever reads PI Web API.

    pytest_plugins = ["simulator.pytest_plugin"]    # in the top conftest.py

    def test_my_client_reads_a_late_value(pi_web_api):
        point = pi_web_api.points()[0]
        pi_web_api.insert(point["point_id"], "*-5m", 1.5)
        assert my_client(pi_web_api.url).read(point["web_id"]) ...

Each simulator is a process of its own, so that clients may block or have any event loop. Nothing is loaded unless it is named.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import pytest

DEFAULT_OPTIONS = ("--points", "100", "--rate", "10")
_PATIENCE_SECONDS = 60.0
# A proxy of the environment is no way to loopback.
_open = build_opener(ProxyHandler({})).open


class Refused(ValueError):
    """The control port did not do what it was asked to; the message is its own."""


class SimulatedPI:
    """A running simulator: its address, and what its control port can do (`python -m simulator --help`)."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.url: str = ready["url"]
        """Ends in /piwebapi."""
        self.control_url: str = ready["control_url"]
        self.server_id: str = ready["server_id"]
        self.server_name: str = ready["server_name"]

    def points(self) -> list[dict[str, Any]]:
        """Of every point `point_id`, `name`, `web_id`, `type`, `source`, `live`, `snapshot_ticks`, `newest_archived_ticks`."""
        return list(self.get("/points"))

    def archive(self, point_id: int) -> list[list[Any]]:
        """The truth: every archived event as [ticks, value, good, questionable, substituted, annotated], in the server's order."""
        return list(self.get("/archive?" + urlencode({"point_id": point_id}))["events"])

    def insert(self, point_id: int, time: str, value: Any, **flags: bool) -> int:
        """Writes an event as an interface does; answers its time in ticks of 100 ns since 1970. A late one is archived at once."""
        return int(self.post("/insert", {"point_id": point_id, "events": [{"time": time, "value": value, **flags}]})["ticks"][0])

    def edit(self, point_id: int, time: str, value: Any, index: int = 0) -> None:
        """Gives event number `index` of that instant another value."""
        self.post("/edit", {"point_id": point_id, "time": time, "value": value, "index": index})

    def delete(self, point_id: int, time: str, index: int = 0) -> None:
        self.post("/delete", {"point_id": point_id, "time": time, "index": index})

    def begin_fault(self, word: str, for_seconds: float | None = None, **details: Any) -> None:
        """Begins a fault (README.md lists them)."""
        lasts = {} if for_seconds is None else {"for": for_seconds}
        self.post("/faults", {"fault": word, **lasts, **details})

    def end_fault(self, word: str = "all") -> int:
        """Ends the faults of that name, or all of them; answers how many."""
        return int(self.post("/faults", {"end": word})["ended"])

    def drop_channels(self, count: int = 1_000_000, close_frame: bool = False) -> int:
        """Ends the oldest channels; answers how many."""
        return int(self.post("/channels/drop", {"count": count, "close_frame": close_frame})["dropped"])

    def run_load(self, running: bool) -> None:
        """Starts or stops the plant: stopped, only the test writes."""
        self.post("/load", {"running": running})

    def status(self) -> dict[str, Any]:
        """Counts of what was written, archived, served."""
        return dict(self.get("/status"))

    def get(self, path: str) -> Any:
        """Asks the control port. Raises `Refused`."""
        return self._call(path, None)

    def post(self, path: str, order: Any) -> Any:
        """Orders the control port. Raises `Refused`."""
        return self._call(path, json.dumps(order).encode())

    def _call(self, path: str, body: bytes | None) -> Any:
        try:
            with _open(Request(self.control_url + path, data=body), timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310 - http, from ourselves
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise Refused(f"{path}: {error.read().decode(errors='replace')}") from None


@contextmanager
def simulated_pi(*options: str) -> Iterator[SimulatedPI]:
    """A simulator with these options of its command line, for as long as the context lasts. Raises RuntimeError if it does not start."""
    command = [sys.executable, "-m", "simulator", "--json", *options]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=log) as process,  # noqa: S603 - ourselves
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                code = process.wait()
                log.seek(0)
                raise RuntimeError(f"the simulator ended with exit code {code}: {log.read().decode(errors='replace').strip()}")
            yield SimulatedPI(json.loads(line))
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def pi_web_api_options() -> Sequence[str]:
    """Options of the command line for `pi_web_api` and `shared_pi_web_api`. Define it anew to have others."""
    return DEFAULT_OPTIONS


@pytest.fixture
def pi_web_api(pi_web_api_options: Sequence[str]) -> Iterator[SimulatedPI]:
    """A simulator for one test, which may do with it what it wants."""
    with simulated_pi(*pi_web_api_options) as pi:
        yield pi


@pytest.fixture(scope="session")
def shared_pi_web_api(pi_web_api_options: Sequence[str]) -> Iterator[SimulatedPI]:
    """One simulator for all tests that only read."""
    with simulated_pi(*pi_web_api_options) as pi:
        yield pi


@pytest.fixture
def start_pi_web_api() -> Iterator[Callable[..., SimulatedPI]]:
    """Starts further simulators with the options given, until the end of the test."""
    with ExitStack() as running:
        yield lambda *options: running.enter_context(simulated_pi(*options))
