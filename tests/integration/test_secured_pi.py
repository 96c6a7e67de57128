"""A whole bridge against a PI that speaks TLS with the plant's own authority and lets in tokens which expire every few seconds."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from console.plant import Plant
from console.stack import Stack
from console.stack.child import Child
from tests.containers.committed import Committed, archived_in_scope, wait_for_coverage
from tests.containers.world import POINTS, ROOT, Deployment, Registry, wait_until
from tests.integration.test_monitoring import Watched
from tests.unit.bridge.tls_front import Authority, tls_in_front_of

pytestmark = pytest.mark.integration
CLIENT, SECRET = "plant-bridge", "Kessel & Pumpe/9"
TOKEN_SECONDS = 4
ENVIRONMENT = {"PI_CLIENT_SECRET": SECRET}


class Front:
    """TLS in front of the plant, in a thread of its own."""

    def __init__(self, plant: Plant, directory: Path) -> None:
        self.authority, self.port = Authority(directory), 0
        self._context = self.authority.context_for("localhost")
        self._behind = int(urlsplit(plant.url).port or 0)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with tls_in_front_of(self._behind, self._context) as self.port:
            self._ready.set()
            await self._stop.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    options = ["--points", POINTS, "--rate", 20, "--history", 6000, "--tick", 0.2, "--client-id", CLIENT, "--token-seconds", TOKEN_SECONDS]
    child = Child.start(
        "simulator",
        [sys.executable, "-m", "simulator", "--json", "--client-secret-env", "PI_CLIENT_SECRET", *map(str, options)],
        log_path=tmp_path_factory.mktemp("plant") / "simulator.log",
        environment=os.environ | ENVIRONMENT,
        directory=ROOT,
    )
    wait_until(lambda: '"url"' in child.log(), "a simulator that is ready")
    control = Plant(next(line for line in child.log().splitlines() if line.startswith("{")))
    yield control
    control.close()
    child.stop()


@pytest.fixture
def front(plant: Plant, tmp_path: Path) -> Iterator[Front]:
    front = Front(plant, tmp_path)
    yield front
    front.close()


def secured(deployment: Deployment, front: Front) -> None:
    """Lets the deployment's file lead through the front, with tokens."""
    document = yaml.safe_load(deployment.file.read_text())
    origin = f"https://localhost:{front.port}"
    token_url = origin + "/identitymanager/connect/token"
    auth = {"kind": "oauth", "token_url": token_url, "client_id": CLIENT, "client_secret": "${env:PI_CLIENT_SECRET}"}
    document["pi"] |= {"url": origin + "/piwebapi", "auth": auth, "ca_file": str(front.authority.ca_file)}
    deployment.file.write_text(yaml.safe_dump(document))


@pytest.fixture
def watched(stack: Stack, plant: Plant, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    watched = Watched(stack, plant, tmp_path, "secured")
    secured(watched.deployment, front)
    watched.deployment.prepare()
    yield watched
    watched.end()


@pytest.fixture
def committed(watched: Watched) -> Iterator[Committed]:
    registry = Registry(watched.deployment.servers.registry_url)
    committed = Committed(watched.deployment, registry)
    yield committed
    committed.close()
    registry.close()


def test_nothing_is_refused_and_nothing_lost_while_tokens_come_and_go(watched: Watched, plant: Plant, committed: Committed) -> None:
    bridge = watched.start()
    wait_for_coverage(committed, plant, bridge)
    wait_until(lambda: watched.figure("pibridge_pi_requests_total", kind="token", status="2xx") >= 3, "tokens that were renewed", bridge)
    assert watched.figure("pibridge_pi_requests_total", status="4xx") == 0
    plant.revoke_tokens()
    before = watched.figure("pibridge_pi_requests_total", kind="batch", status="2xx")
    wait_until(lambda: watched.figure("pibridge_pi_requests_total", kind="batch", status="2xx") > before + 3, "reads that go on", bridge)
    assert bridge.terminate() == 0
    committed.catch_up()
    assert committed.stated() == archived_in_scope(plant, committed)
    assert "failed" not in bridge.log()
    assert SECRET not in bridge.log()
    assert "Bearer" not in bridge.log()
