"""`check` against a broker that forbids: each right that the bridge lacks is named, with the resource and where to look."""

import json
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from testcontainers.core.docker_client import DockerClient

from console.plant import Plant
from schemas.topics import LIVE, POINTS, TOPICS
from tests.containers.engine import BridgeImage, KafkaContainer
from tests.containers.world import Deployment, Servers

pytestmark = pytest.mark.containers
SOURCE = "forbidden"
US, ANOTHER = "User:ANONYMOUS", "User:another"


@pytest.fixture(scope="module")
def guarded(engine: DockerClient) -> Iterator[KafkaContainer]:
    """A broker that allows everything on what has no rule, and then only what the rules say."""
    kafka = KafkaContainer()
    kafka.with_envs(
        KAFKA_AUTHORIZER_CLASS_NAME="org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND="true",
    )
    with kafka:
        yield kafka


@pytest.fixture(scope="module")
def deployment(
    guarded: KafkaContainer, servers: Servers, plant: Plant, bridge_image: BridgeImage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    mine = Servers(guarded.bootstrap_servers, servers.registry_url)
    deployment = Deployment(SOURCE, mine, plant, tmp_path_factory.mktemp(SOURCE), bridge_image)
    yield deployment.prepare()
    deployment.end()


def allow(kafka: KafkaContainer, kind: ResourceType, name: str, user: str, *operations: AclOperation, prefix: bool = False) -> None:
    pattern = ResourcePatternType.PREFIXED if prefix else ResourcePatternType.LITERAL
    rules = [AclBinding(kind, name, pattern, user, "*", operation, AclPermissionType.ALLOW) for operation in operations]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.create_acls(rules).values():
        future.result()


def checked(deployment: Deployment) -> tuple[int, list[dict[str, str]]]:
    """Exit code and findings of a check in the image."""
    bridge = deployment.start_bridge(command=("check", "--json"))
    code = bridge.exit_code()
    told = json.loads(next(line for line in bridge.log().splitlines() if line.startswith("{")))
    return code, [finding for finding in told["checks"] if finding["status"] != "ok"]


def test_every_right_that_is_missing_is_named_at_once(guarded: KafkaContainer, deployment: Deployment) -> None:
    assert checked(deployment) == (0, [])
    allow(guarded, ResourceType.TOPIC, LIVE.name(SOURCE), ANOTHER, AclOperation.WRITE)
    allow(guarded, ResourceType.TOPIC, POINTS.name(SOURCE), US, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS)
    allow(guarded, ResourceType.GROUP, f"{SOURCE}_bridge", ANOTHER, AclOperation.READ)
    allow(guarded, ResourceType.TRANSACTIONAL_ID, f"pibridge.{SOURCE}.", ANOTHER, AclOperation.WRITE, prefix=True)
    code, findings = checked(deployment)
    assert code == 1
    assert {finding["status"] for finding in findings} == {"problem"}
    assert all("pibridge topics plan" in finding["hint"] for finding in findings)
    details = {finding["check"]: finding["detail"] for finding in findings}
    assert sorted(finding["check"] for finding in findings) == ["kafka.groups", "kafka.topics", "kafka.topics", "kafka.transactions"]
    assert "authorization failed" in details["kafka.groups"].lower()
    assert "authorization failed" in details["kafka.transactions"].lower()
    topics = " ".join(finding["detail"] for finding in findings if finding["check"] == "kafka.topics")
    assert f"topic {LIVE.name(SOURCE)}: " in topics
    assert f"topic {POINTS.name(SOURCE)}: this user may not Read" in topics


def test_with_exactly_the_rights_that_the_plan_lists_all_is_well(guarded: KafkaContainer, deployment: Deployment) -> None:
    for topic in TOPICS:
        allow(guarded, ResourceType.TOPIC, topic.name(SOURCE), US, AclOperation.WRITE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
    for name in ("points", "progress", "commands"):
        allow(guarded, ResourceType.TOPIC, f"pi.{SOURCE}.{name}", US, AclOperation.READ)
    allow(guarded, ResourceType.GROUP, f"{SOURCE}_bridge", US, AclOperation.READ)
    allow(guarded, ResourceType.TRANSACTIONAL_ID, f"pibridge.{SOURCE}.", US, AclOperation.WRITE, AclOperation.DESCRIBE, prefix=True)
    assert checked(deployment) == (0, [])
