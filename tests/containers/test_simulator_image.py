"""The simulator's image: it needs no root, no writable file system and no capability, and answers like the simulator itself."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from testcontainers.core.docker_client import DockerClient

from tests.containers.engine import ServerContainer, build_context, labels
from tests.containers.world import PATIENCE_SECONDS

pytestmark = pytest.mark.containers

TAG = "pibridge-simulator:test"
PORT = 8080
POINTS = 30


@pytest.fixture(scope="module")
def image(engine: DockerClient) -> Any:
    built, _ = engine.client.images.build(
        fileobj=build_context("simulator", "requirements/simulator.txt", "simulator"),
        custom_context=True,
        dockerfile="deploy/simulator/Dockerfile",
        tag=TAG,
        rm=True,
        forcerm=True,
    )
    return built


@pytest.fixture(scope="module")
def simulator(image: Any) -> Iterator[ServerContainer]:
    """Running as tightly as a cluster would run it, under a user that the image does not know."""
    container = ServerContainer(TAG)
    container.with_exposed_ports(PORT)
    container.with_command(["--points", str(POINTS), "--rate", "30", "--json"])
    container.with_kwargs(
        labels=labels(), user="12345:12345", read_only=True, cap_drop=["ALL"], security_opt=["no-new-privileges"], mem_limit="512m"
    )
    with container:
        wait_for_health(container)
        yield container


def wait_for_health(container: ServerContainer) -> None:
    """Returns when the image's own health check says so."""
    wrapped = container.get_wrapped_container()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while wrapped.attrs["State"].get("Health", {}).get("Status") != "healthy":
        assert wrapped.status in ("created", "running"), wrapped.logs().decode()
        assert time.monotonic() < deadline, wrapped.attrs["State"]
        time.sleep(0.2)
        wrapped.reload()


@pytest.fixture
def web_api(simulator: ServerContainer) -> Iterator[httpx2.Client]:
    address = f"http://{simulator.get_container_host_ip()}:{simulator.get_exposed_port(PORT)}/piwebapi"
    with httpx2.Client(base_url=address, timeout=30, trust_env=False) as client:
        yield client


def test_the_image_runs_as_nobody_in_particular_and_holds_nothing_but_the_simulator(image: Any, simulator: ServerContainer) -> None:
    assert image.attrs["Config"]["User"] == "65532:65532"
    code, output = simulator.get_wrapped_container().exec_run(["python", "-c", "import os; print(os.getuid(), *sorted(os.listdir()))"])
    assert (code, output.decode().split()) == (0, ["12345", "simulator"])
    assert simulator.get_wrapped_container().exec_run(["touch", "/tmp/file"])[0] != 0


def test_a_value_is_read_from_outside_the_container(web_api: httpx2.Client) -> None:
    [server] = web_api.get("/dataservers").raise_for_status().json()["Items"]
    points = web_api.get(f"/dataservers/{server['WebId']}/points").raise_for_status().json()["Items"]
    assert len(points) == POINTS
    live = next(point for point in points if point["PointType"] == "Float32")
    path = f"/streams/{live['WebId']}/recorded?startTime=*-1h"
    items = web_api.get(path).raise_for_status().json()["Items"]
    assert items
    assert {"Timestamp", "Value", "Good"} <= items[0].keys()


def test_the_control_port_is_not_to_be_reached_from_outside(simulator: ServerContainer) -> None:
    wrapped = simulator.get_wrapped_container()
    program = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8081/status').status)"
    assert wrapped.exec_run(["python", "-c", program])[1].decode().strip() == "200"
    wrapped.reload()
    assert list(wrapped.attrs["NetworkSettings"]["Ports"]) == [f"{PORT}/tcp"]


def test_it_ends_with_0_when_it_is_told_to(simulator: ServerContainer) -> None:
    wrapped = simulator.get_wrapped_container()
    wrapped.stop(timeout=30)
    assert wrapped.wait()["StatusCode"] == 0
    assert "Traceback" not in wrapped.logs().decode()
