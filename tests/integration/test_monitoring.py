"""A bridge that runs, seen by Prometheus and by probes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from console.plant import Plant
from console.stack import Stack
from tests.containers.world import PASSWORD, PASSWORD_VARIABLE, POINTS, SHARDS, Bridge, Deployment, Servers, start_plant, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    child, control = start_plant(tmp_path_factory.mktemp("plant"))
    yield control
    control.close()
    child.stop()


class Watched:
    """A bridge of its own, and what its port says."""

    def __init__(self, stack: Stack, plant: Plant, directory: Path, source: str = "watched") -> None:
        self.deployment = Deployment(source, Servers(stack.bootstrap_servers, stack.registry_url), plant, directory)
        document = yaml.safe_load(self.deployment.file.read_text()) | {"monitoring": {"port": 0}}
        self.deployment.file.write_text(yaml.safe_dump(document))

    def start(self) -> Bridge:
        self.bridge = self.deployment.start_bridge()
        wait_until(lambda: "figures and health" in self.bridge.log(), "a port to ask", self.bridge)
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+(?=\")", next(x for x in self.bridge.log().splitlines() if "figures" in x))
        self.client = httpx2.Client(base_url=address, trust_env=False, timeout=10)
        return self.bridge

    def get(self, path: str) -> tuple[int, str]:
        answer = self.client.get(path)
        return answer.status_code, answer.text

    def figure(self, name: str, **labels: str) -> float:
        return figure(self.client.get("/metrics").text, name, **labels)

    def end(self) -> None:
        self.client.close()
        self.deployment.end()


def figure(text: str, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(text)
    found = [s.value for family in families for s in family.samples if s.name == name and labels.items() <= s.labels.items()]
    assert found, name
    return sum(found)


@pytest.fixture(scope="module")
def watched(stack: Stack, plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    watched = Watched(stack, plant, tmp_path_factory.mktemp("watched"))
    watched.deployment.prepare()
    bridge = watched.start()
    wait_until(lambda: watched.get("/readyz")[0] == 200, "a bridge that is ready", bridge)
    yield watched
    watched.end()


def test_a_bridge_becomes_ready_and_lives(watched: Watched) -> None:
    assert watched.get("/readyz") == (200, "ready\n")
    assert watched.get("/livez") == (200, "alive\n")


def test_its_figures_show_what_it_commits_reads_and_owns(watched: Watched) -> None:
    def covered() -> bool:
        return (
            watched.figure("pibridge_points", state="covered") == POINTS
            and watched.figure("pibridge_committed_values_total", dataset="live") > 0
        )

    wait_until(covered, "points covered down to their start", watched.bridge)
    assert watched.figure("pibridge_points") == POINTS
    assert watched.figure("pibridge_committed_values_total", dataset="history") > 0
    for dataset in ("live", "history", "progress", "points"):
        assert watched.figure("pibridge_committed_bytes_total", dataset=dataset) > 0
    for dataset in ("live", "history"):
        assert watched.figure("pibridge_committed_frames_total", dataset=dataset) > 0
    assert watched.figure("pibridge_transactions_total", outcome="failed") == 0
    assert watched.figure("pibridge_shards_owned") == watched.figure("pibridge_take_overs_total") == SHARDS
    assert watched.figure("pibridge_pi_values_read_total", purpose="backfill") > 0
    assert watched.figure("pibridge_pi_requests_total", kind="batch", status="2xx") > 0
    assert watched.figure("pibridge_pi_request_seconds_sum", kind="batch") > 0
    assert watched.figure("pibridge_channels_open") >= 1
    assert abs(watched.figure("pibridge_pi_clock_ahead_seconds")) < 5
    assert watched.figure("pibridge_fencings_total") == 0


def test_each_transaction_is_timed(watched: Watched) -> None:
    def timed() -> bool:
        text = watched.get("/metrics")[1]  # both from one answer, since more are committed all the time
        return figure(text, "pibridge_transaction_seconds_count") == figure(text, "pibridge_transactions_total", outcome="committed") > 0

    wait_until(timed, "as many times as transactions", watched.bridge)


def test_a_lost_channel_a_malformed_value_and_the_incident_about_it_are_counted(watched: Watched, plant: Plant) -> None:
    wait_until(lambda: watched.figure("pibridge_channels_open") >= 1, "a channel", watched.bridge)
    plant.malform(next(point.point_id for point in plant.points() if point.live))
    wait_until(lambda: watched.figure("pibridge_dead_letters_total") >= 1, "a dead letter", watched.bridge)
    assert plant.drop_channel() == 1
    wait_until(lambda: watched.figure("pibridge_channels_lost_total") == 1, "a lost channel", watched.bridge)
    wait_until(lambda: watched.figure("pibridge_channel_reconnects_total") >= 1, "an attempt to open it again", watched.bridge)


def test_a_bridge_that_waits_for_pi_is_alive_and_says_why_it_is_not_ready(stack: Stack, plant: Plant, tmp_path: Path) -> None:
    waiting = Watched(stack, plant, tmp_path)
    waiting.deployment.prepare()
    document = yaml.safe_load(waiting.deployment.file.read_text())
    document["pi"]["url"] = "http://127.0.0.1:1/piwebapi"
    document["kafka"]["group_id"] = "another"
    waiting.deployment.file.write_text(yaml.safe_dump(document))
    try:
        bridge = waiting.start()
        wait_until(lambda: "registry" not in waiting.get("/readyz")[1], "Kafka and registry known", bridge)
        assert waiting.get("/readyz") == (503, "PI has not answered yet\nnot a member of the group yet\n")
        assert waiting.get("/livez") == (200, "alive\n")
    finally:
        waiting.end()


def test_a_port_that_is_taken_ends_the_bridge_with_a_sentence(watched: Watched, tmp_path: Path) -> None:
    document = yaml.safe_load(watched.deployment.file.read_text()) | {"monitoring": {"port": watched.client.base_url.port}}
    path = tmp_path / "taken.yaml"
    path.write_text(yaml.safe_dump(document))
    command = [sys.executable, "-m", "bridge", "run", "--config", str(path)]
    environment = os.environ | {PASSWORD_VARIABLE: PASSWORD}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert "cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr
