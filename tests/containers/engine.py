"""The containers of this tier: which images, how they are started, and how those of a crashed run are found again."""

import gc
import io
import socket
import tarfile
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, Self

import psutil
import pytest
from docker.errors import APIError, DockerException, NotFound
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient, get_docker_host
from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

ROOT = Path(__file__).parents[2]
KAFKA_IMAGE = "apache/kafka:4.3.1"
REGISTRY_IMAGE = "apicurio/apicurio-registry:3.3.3"

OWNER_LABEL = "pibridge.tests.owner"
"""Which process started the container: host, process id, and when that process began."""
SINCE_LABEL = "pibridge.tests.since"
"""When it was made, seconds since 1970."""

_START_SECONDS = 120
_ABANDONED_SECONDS = 3600.0
"""Whether a process of another host lives cannot be seen from here; no run takes so long."""
_KAFKA_PORT, _REGISTRY_PORT = 9092, 8080
_CCOMPAT = "/apis/ccompat/v7"


def address() -> str:
    """Where Testcontainers looks for the engine."""
    return get_docker_host() or "unix:///var/run/docker.sock"


@cache
def why_absent() -> str | None:
    """What the engine's client said when none answered; None if one does. Asked once."""
    try:
        client = DockerClient()
        client.client.ping()
        client.client.close()
        return None
    except (DockerException, OSError) as error:
        said = str(error)
    with warnings.catch_warnings():  # docker leaves the socket of a failed attempt to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return said


def without_engine(asked: str, environment: Mapping[str, str], error: str) -> NoReturn:
    """A machine without Docker skips these tests; a CI that lost its Docker must not pass for it."""
    reason = f"no Docker engine answers at {asked}"
    if environment.get("CI") == "true":
        pytest.fail(f"{reason}, and with CI=true the container tests are not skipped: {error}", pytrace=False)
    pytest.skip(reason)


def owner_of(process: psutil.Process) -> str:
    """What a container's label says of the process that started it."""
    return f"{socket.gethostname()}/{process.pid}/{process.create_time():.0f}"


def labels(owner: str | None = None, since_seconds: float | None = None) -> dict[str, str]:
    """Labels of a container, of this process and made now unless told otherwise."""
    return {
        OWNER_LABEL: owner or owner_of(psutil.Process()),
        SINCE_LABEL: f"{time.time() if since_seconds is None else since_seconds:.0f}",
    }


def abandoned(label: Mapping[str, str], now_seconds: float) -> bool:
    """True if whoever started the container is not there any more to remove it."""
    host, pid, began = label[OWNER_LABEL].rsplit("/", 2)
    if host != socket.gethostname():
        return now_seconds - float(label[SINCE_LABEL]) > _ABANDONED_SECONDS
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(began)) > 2.0  # another process has that number now
    except psutil.NoSuchProcess:
        return True


def remove_abandoned(client: DockerClient) -> None:
    """Removes what crashed runs left: no reaper container does it for us where Ryuk is switched off."""
    for container in client.client.containers.list(all=True, filters={"label": OWNER_LABEL}, ignore_removed=True):
        if abandoned(container.labels, time.time()):
            remove(container)


def remove(container: Any) -> None:
    """Removes a container, running or not; one that another run is just removing is left to it."""
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # "removal is already in progress"
            raise


class ServerContainer(DockerContainer):
    """A server that is reached by a port of the engine's host, which is this machine: plain http is taken from no other."""

    def get_container_host_ip(self) -> str:
        return self.get_docker_client().host()


class KafkaContainer(ServerContainer):
    """One broker that is its own controller. Testcontainers' KafkaContainer fits another vendor's image only."""

    def __init__(self) -> None:
        super().__init__(KAFKA_IMAGE)
        # A broker tells its clients where to come back to, so the host's port must be known before the container is made.
        port = free_port()
        self.bootstrap_servers = f"{self.get_container_host_ip()}:{port}"
        self.with_bind_ports(_KAFKA_PORT, port)
        # The image's entry point writes over copies of its own files, which keep their modes: where an image was built with read-only
        # files, only root may.
        self.with_kwargs(labels=labels(), user="root")
        # One KAFKA_* variable replaces the image's whole configuration: so all of it is here.
        self.with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
            # The broker writes transaction markers by calling itself, and the host's port leads nowhere from inside: hence INTERNAL.
            KAFKA_LISTENERS=f"PLAINTEXT://:{_KAFKA_PORT},INTERNAL://:19092,CONTROLLER://:9093",
            KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{self.bootstrap_servers},INTERNAL://localhost:19092",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_INTER_BROKER_LISTENER_NAME="INTERNAL",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="4",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS="4",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
            KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS="1000",
            KAFKA_HEAP_OPTS="-Xms256m -Xmx512m",
        )
        self.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(_START_SECONDS).with_poll_interval(0.2))

    def start(self) -> Self:
        """Returns when the broker takes requests. An error carries the end of the container's log."""
        try:
            return super().start()
        except (RuntimeError, TimeoutError) as error:
            error.add_note(b"\n".join(self.get_logs()).decode(errors="replace")[-4000:])
            raise


class RegistryContainer(ServerContainer):
    """Apicurio Registry with its memory for a store. `start` does not wait, so that Kafka starts meanwhile."""

    def __init__(self) -> None:
        super().__init__(REGISTRY_IMAGE)
        self.with_exposed_ports(_REGISTRY_PORT)
        self.with_kwargs(labels=labels())

    def wait_for_address(self) -> str:
        """Address of the Confluent-compatible API, once it answers."""
        ready = HttpWaitStrategy(_REGISTRY_PORT, f"{_CCOMPAT}/subjects")
        ready.with_startup_timeout(_START_SECONDS).with_poll_interval(0.2).wait_until_ready(self)
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(_REGISTRY_PORT)}{_CCOMPAT}"


class BridgeImage:
    """The bridge's image, built from this checkout; its containers may do and write as little as a cluster would let them."""

    TAG = "pibridge-bridge:test"
    BASE = "python:3.12-slim-bookworm"
    USER = "10001:10001"
    CONFIGURATION = "/etc/pibridge/pibridge.yaml"

    def __init__(self, client: DockerClient) -> None:
        self._client = client.client
        self.image, _ = self._client.images.build(
            fileobj=build_context("bridge", "requirements/bridge.txt", "schemas", "runtime", "bridge"),
            custom_context=True,
            dockerfile="deploy/bridge/Dockerfile",
            tag=self.TAG,
            rm=True,
            forcerm=True,
        )

    @property
    def base_bytes(self) -> int:
        """Size of what the image is built on."""
        return int(self._client.images.get(self.BASE).attrs["Size"])

    def start(self, command: Sequence[str], configuration: Path, environment: dict[str, str]) -> Any:
        """A container of its own, started; not removed when it ends. It shares this machine's network, for all servers are on loopback."""
        return self._client.containers.run(
            self.image.id,
            list(command),
            detach=True,
            network_mode="host",
            environment=environment,
            volumes={str(configuration): {"bind": self.CONFIGURATION, "mode": "ro"}},
            labels=labels(),
            user=self.USER,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit="512m",
        )

    def run(self, *program: str) -> str:
        """What a program in the image says."""
        said = self._client.containers.run(self.image.id, list(program), entrypoint="", remove=True, read_only=True, labels=labels())
        return str(said.decode())


def build_context(name: str, *parts: str) -> io.BytesIO:
    """What Dockerfile.dockerignore leaves of the checkout, as a tar file: no builder has to be sent all of it."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for part in (f"deploy/{name}/Dockerfile", *parts):
            tar.add(ROOT / part, part, filter=lambda entry: None if "__pycache__" in entry.name else entry)
    context.seek(0)
    return context


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
