import os
from collections.abc import Callable, Iterator

import pytest
from testcontainers.core.docker_client import DockerClient

from console.plant import Plant
from tests.containers.committed import Committed
from tests.containers.engine import BridgeImage, KafkaContainer, RegistryContainer, address, remove_abandoned, why_absent, without_engine
from tests.containers.world import Deployment, Registry, Servers, start_plant

Deploy = Callable[..., Deployment]
ReadCommitted = Callable[[Deployment], Committed]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Function) -> None:
    """Asked here and not in the fixture, so that pytest shows one line for all tests that an absent engine skips."""
    if "engine" in item.fixturenames and (said := why_absent()) is not None:
        without_engine(address(), os.environ, said)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """The Docker engine, without what a crashed run left there."""
    client = DockerClient()
    remove_abandoned(client)
    yield client
    client.client.close()


@pytest.fixture(scope="session")
def servers(engine: DockerClient) -> Iterator[Servers]:
    """Kafka and the registry, started at the same time; each test has a source of its own on them."""
    with RegistryContainer() as registry, KafkaContainer() as kafka:
        yield Servers(kafka.bootstrap_servers, registry.wait_for_address())


@pytest.fixture(scope="session")
def bridge_image(engine: DockerClient) -> BridgeImage:
    """Built once: every bridge of this tier runs in it."""
    return BridgeImage(engine)


@pytest.fixture(scope="session")
def registry(servers: Servers) -> Iterator[Registry]:
    client = Registry(servers.registry_url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One plant for all tests: they only read it."""
    process, control = start_plant(tmp_path_factory.mktemp("plant"))
    yield control
    control.close()
    process.stop()


@pytest.fixture(scope="module")
def deploy(servers: Servers, plant: Plant, bridge_image: BridgeImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Makes deployments; none of their bridges survives the module."""
    made: list[Deployment] = []

    def make(source: str, **delivery: float) -> Deployment:
        made.append(Deployment(source, servers, plant, tmp_path_factory.mktemp(source), bridge_image, **delivery))
        return made[-1]

    yield make
    for deployment in made:
        deployment.end()


@pytest.fixture(scope="module")
def read_committed(registry: Registry) -> Iterator[ReadCommitted]:
    """Opens readers of what a deployment has committed."""
    opened: list[Committed] = []

    def read(deployment: Deployment) -> Committed:
        opened.append(Committed(deployment, registry))
        return opened[-1]

    yield read
    for reader in opened:
        reader.close()
