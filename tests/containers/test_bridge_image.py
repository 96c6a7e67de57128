"""The bridge's image: no root, no writable file system, nothing but what a bridge needs; and it does what a bridge does."""

import json
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from console.plant import Plant
from tests.containers.committed import Committed, archived_in_scope, wait_for_coverage
from tests.containers.conftest import Deploy, ReadCommitted
from tests.containers.engine import BridgeImage, free_port
from tests.containers.world import PASSWORD, POINTS, ROOT, SHARDS, Bridge, Container, Deployment, wait_until

pytestmark = pytest.mark.containers


@dataclass(frozen=True)
class Running:
    """A container that has covered all points, while it still runs."""

    deployment: Deployment
    bridge: Bridge
    committed: Committed
    address: str
    """Where it answers /metrics."""

    @property
    def container(self) -> Container:
        assert isinstance(self.bridge.started, Container)
        return self.bridge.started


@pytest.fixture(scope="module")
def running(deploy: Deploy, plant: Plant, read_committed: ReadCommitted) -> Running:
    deployment, port = deploy("image").prepare(), free_port()
    document = yaml.safe_load(deployment.file.read_text()) | {"monitoring": {"port": port}}
    deployment.file.write_text(yaml.safe_dump(document))
    bridge, committed = deployment.start_bridge(), read_committed(deployment)
    wait_for_coverage(committed, plant, bridge)
    return Running(deployment, bridge, committed, f"http://127.0.0.1:{port}")


def attributes(image: BridgeImage) -> dict[str, Any]:
    return dict(image.image.attrs["Config"])


def test_statements_of_all_points_arrive_from_a_container_that_may_write_nowhere(running: Running) -> None:
    held = running.container.container.attrs["HostConfig"]
    assert held["ReadonlyRootfs"]
    assert held["CapDrop"] == ["ALL"]
    assert running.container.container.attrs["Config"]["User"] == BridgeImage.USER
    assert len(running.committed.ledger()) == POINTS


def test_its_health_check_asks_the_bridge_itself(running: Running) -> None:
    wait_until(lambda: running.container.health == "healthy", "a health check that passed", running.bridge)
    said = [entry["Output"].strip() for entry in running.container.container.attrs["State"]["Health"]["Log"]]
    assert "alive" in said
    assert httpx2.get(running.address + "/readyz", trust_env=False).text == "ready\n"


def test_its_figures_can_be_asked_from_the_machine_it_runs_on(running: Running) -> None:
    figures = httpx2.get(running.address + "/metrics", trust_env=False).text
    assert re.search(rf"^pibridge_shards_owned {SHARDS}\.0$", figures, re.MULTILINE)


def test_a_check_in_the_same_image_finds_all_in_order_while_a_bridge_runs(running: Running) -> None:
    checking = running.deployment.start_bridge(command=("check", "--json"))
    assert checking.exit_code() == 0, checking.log()
    told = json.loads(next(line for line in checking.log().splitlines() if line.startswith("{")))
    assert {finding["status"] for finding in told["checks"]} <= {"ok", "hint"}


def test_sigterm_drains_it_and_the_statements_are_the_archive(running: Running, plant: Plant) -> None:
    assert running.bridge.terminate() == 0
    assert '"stopped"' in running.bridge.log()
    assert running.bridge.log().count("shard handed over") == SHARDS
    running.committed.catch_up()
    assert running.committed.sequences() == {
        place: list(range(count)) for place, count in running.committed.next_sequences().items() if count
    }
    assert running.committed.stated() == archived_in_scope(plant, running.committed)
    assert PASSWORD not in running.bridge.log()


def test_a_container_without_a_configuration_ends_with_a_sentence(bridge_image: BridgeImage, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("source: nothing\n")
    bridge = Bridge(Container(bridge_image.start(["run"], tmp_path / "empty.yaml", {})))
    try:
        assert bridge.exit_code() == 2
        assert BridgeImage.CONFIGURATION in bridge.log()
        assert "Traceback" not in bridge.log()
    finally:
        bridge.end()


def test_the_health_check_of_a_bridge_without_a_port_has_nothing_to_ask(bridge_image: BridgeImage) -> None:
    assert "no port to ask" in bridge_image.run("env", "PIBRIDGE_CONFIG=/dev/null", "python", "-m", "bridge.alive")


def test_the_image_runs_as_nobody_and_is_stopped_by_sigterm(bridge_image: BridgeImage) -> None:
    config = attributes(bridge_image)
    assert config["User"] == "65532:65532"
    assert config["StopSignal"] == signal.SIGTERM.name
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "bridge.alive"]
    assert config["Cmd"] == ["run"]


def test_the_image_holds_the_bridge_and_the_locked_packages_of_its_extra_alone(bridge_image: BridgeImage) -> None:
    assert sorted(bridge_image.run("ls", "/opt/pibridge").split()) == ["bridge", "runtime", "schemas"]
    program = "from importlib.metadata import distributions; print(*(f'{d.name}=={d.version}' for d in distributions(path=[{!r}])))"
    held = bridge_image.run("python", "-c", program.replace("{!r}", "'/opt/venv/lib/python3.12/site-packages'")).lower().split()
    locked = re.findall(r"^([a-z0-9._-]+==[^ ;]+)", (ROOT / "requirements" / "bridge.txt").read_text(), re.MULTILINE)
    assert held
    assert {package.replace("_", "-") for package in held} <= {package.replace("_", "-") for package in locked}


def test_the_image_says_how_large_it_is_and_stays_below_a_bound(bridge_image: BridgeImage, capsys: pytest.CaptureFixture[str]) -> None:
    size_mb = bridge_image.image.attrs["Size"] / 1e6
    base_mb = bridge_image.base_bytes / 1e6
    with capsys.disabled():
        sys.stdout.write(f"\nimage of the bridge: {size_mb:.0f} MB, of which {base_mb:.0f} MB are its base\n")
    assert size_mb - base_mb < 150  # numpy with its linear algebra is 70 of these
