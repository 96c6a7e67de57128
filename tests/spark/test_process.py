"""The job as operators run it: a process that goes on without its catalog, and ends when asked."""

import json
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from console.stack import Stack
from schemas import topics
from spark_jobs import tables
from tests.spark.world import World, preview, sample, until

pytestmark = pytest.mark.spark


@contextmanager
def relay(port: int, target: tuple[str, int]) -> Iterator[None]:
    """A port that leads to a server for as long as the block lasts."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(target) as server:
                back = threading.Thread(target=_pump, args=(server, self.request))
                back.start()
                _pump(self.request, server)
                back.join()

    class Relay(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    with Relay(("127.0.0.1", port), Connection) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one side hung up
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_the_stream_goes_on_without_a_catalog_and_the_tables_appear_when_it_comes(stack: Stack, catalog_uri: str) -> None:
    port = _free_port()
    world = World(stack, catalog_uri=f"http://127.0.0.1:{port}")
    target = urlsplit(catalog_uri)
    assert target.hostname is not None
    assert target.port is not None
    name = f"{world.lakehouse.catalog_name}.bronze.{tables.TIMESERIES.name}"
    address = f"{catalog_uri}/api/2.1/unity-catalog/tables"
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=1.0))))
    with world.job() as job:
        world.await_rows(job, tables.TIMESERIES, 1, 150)  # the catalog is away from the start
        assert httpx2.get(f"{address}/{name}", timeout=10).status_code == 404
        with relay(port, (target.hostname, target.port)):
            until(lambda: httpx2.get(f"{address}/{name}", timeout=10).status_code == 200, 75, "the table in the catalog")
        world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=2.0))))
        world.await_rows(job, tables.TIMESERIES, 2, 60)  # and away again
        job.send_signal(signal.SIGTERM)
        assert job.wait(30) == 0
    told = [line["event"] for line in _lines(world.log)]
    assert "Traceback" not in world.log.read_text()
    assert [event for event in told if event in ("catalog_away", "first_rows", "catalog_registered", "stopped")] in (
        ["catalog_away", "first_rows", "catalog_registered", "stopped"],
        ["catalog_away", "catalog_registered", "first_rows", "stopped"],
    )
    batches = [line for line in _lines(world.log) if line["event"] == "batch"]
    assert [line["rows"] for line in batches] == [{"pi_timeseries": 1}] * 2
    assert all(line["seconds"] > 0 and line["offsets_behind"] >= 0 for line in batches)


def test_a_kafka_that_is_away_is_told_in_a_sentence(stack: Stack, tmp_path: Path) -> None:
    world = World(stack)
    broken = world.file.read_text().replace(stack.bootstrap_servers, f"127.0.0.1:{_free_port()}")
    (tmp_path / "pibridge.yaml").write_text(broken)
    ran = subprocess.run(
        [sys.executable, "-m", "spark_jobs", "bronze", "--config", str(tmp_path / "pibridge.yaml")],
        env=world.environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 3, ran.stderr
    told = json.loads(ran.stderr.splitlines()[-1])
    assert told["event"] == "failed"
    assert "Kafka at 127.0.0.1" in told["problem"]
    assert "Traceback" not in ran.stderr


def test_a_job_whose_java_is_killed_says_so_in_a_sentence(stack: Stack) -> None:
    world = World(stack)
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=1.0))))
    with world.job() as job:
        world.await_rows(job, tables.TIMESERIES, 1, 150)
        for java in psutil.Process(job.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it starts others for a moment
                java.kill()
        assert job.wait(60) == 3
    told = [json.loads(line) for line in world.log.read_text().splitlines() if line.startswith("{")]
    assert told[-1]["event"] == "failed"
    assert "Java process has ended" in told[-1]["problem"]
    assert "Traceback" not in world.log.read_text()
