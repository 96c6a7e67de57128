"""The tier's own promises: nothing is left of a crashed run, and a missing Docker is seen for what it is."""

import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import psutil
import pytest
from docker.errors import NotFound
from testcontainers.core.docker_client import DockerClient

from tests.containers.engine import REGISTRY_IMAGE, labels, owner_of, remove, remove_abandoned, without_engine

pytestmark = pytest.mark.containers

REFUSED = "connection refused"


def ended_process() -> str:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = owner_of(psutil.Process(process.pid))
        process.kill()
    return owner


def make_container(engine: DockerClient, label: dict[str, str]) -> Any:
    return engine.create(REGISTRY_IMAGE, labels=label)


def is_there(engine: DockerClient, container: Any) -> bool:
    try:
        engine.client.containers.get(container.id)
    except NotFound:
        return False
    return True


def test_containers_of_a_crashed_run_are_removed_and_those_of_a_living_one_stay(engine: DockerClient) -> None:
    elsewhere = f"{uuid4()}/1/0"
    crashed = make_container(engine, labels(ended_process()))
    forgotten = make_container(engine, labels(elsewhere, since_seconds=time.time() - 86_400))
    living = [make_container(engine, labels()), make_container(engine, labels(elsewhere))]
    try:
        remove_abandoned(engine)
        assert [is_there(engine, container) for container in (crashed, forgotten, *living)] == [False, False, True, True]
    finally:
        for container in (crashed, forgotten, *living):
            remove(container)


def test_a_machine_without_docker_skips_with_the_address_that_was_asked() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"^no Docker engine answers at unix:///nowhere/docker\.sock$"):
        without_engine("unix:///nowhere/docker.sock", {}, REFUSED)


def test_a_ci_without_docker_fails_with_the_address_that_was_asked() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"no Docker engine answers at unix:///nowhere/docker\.sock.*connection refused"):
        without_engine("unix:///nowhere/docker.sock", {"CI": "true"}, REFUSED)
