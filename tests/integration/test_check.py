"""`python -m bridge check` and `pibridge check` against real servers and the simulator, as a person runs them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType  # type: ignore[attr-defined]

from bridge.publish import Publisher
from console import subjects, topics
from console.stack import Stack
from schemas.config import load
from schemas.topics import LIVE, OF_BRIDGE, PROGRESS
from tests.containers.world import PASSWORD, PASSWORD_VARIABLE, USER, start_plant

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {PASSWORD_VARIABLE: PASSWORD}
AWAY = {
    "source": "away",
    "pi": {
        "url": "http://127.0.0.1:1/piwebapi",
        "auth": {"kind": "basic", "username": USER, "password": f"${{env:{PASSWORD_VARIABLE}}}"},
        "servers": {"main": "85bb49d6-f101-4807-baf9-57c2fbd33000"},
        "points": [{"server": "main"}],
    },
    "kafka": {"bootstrap_servers": "127.0.0.1:1"},
    "registry": {"url": "http://127.0.0.1:1"},
}


@pytest.fixture(scope="module")
def document(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A deployment whose topics and subjects were never made."""
    child, plant = start_plant(tmp_path_factory.mktemp("plant"))
    yield AWAY | {
        "source": "unprepared",
        "pi": AWAY["pi"] | {"url": plant.url, "servers": {"main": plant.server_id}},  # type: ignore[operator]
        "kafka": {"bootstrap_servers": stack.bootstrap_servers, "replication": 1, "group_id": "checked"},
        "registry": {"url": stack.registry_url},
        "delivery": {"shards": 3},
    }
    plant.close()
    child.stop()


class Checked:
    """What a run of the command left."""

    def __init__(self, directory: Path, document: dict[str, Any], module: str = "bridge") -> None:
        self.file = directory / "pibridge.yaml"
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")
        command = [sys.executable, "-m", module, "check", "--json", "--config", str(self.file)]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False)
        self.code, self.output = done.returncode, done.stdout + done.stderr
        assert done.stdout.count("\n") == 1, self.output
        self.told = json.loads(done.stdout)
        assert PASSWORD not in self.output
        assert json.dumps(PASSWORD)[1:-1] not in self.output

    def of(self, check: str) -> list[dict[str, str]]:
        return [finding for finding in self.told["checks"] if finding["check"] == check]

    def statuses(self) -> set[str]:
        return {finding["status"] for finding in self.told["checks"]}


def prepared(directory: Path, document: dict[str, Any], source: str) -> dict[str, Any]:
    mine = document | {"source": source}
    path = directory / "prepare.yaml"
    path.write_text(yaml.safe_dump(mine))
    config = load(path, ENVIRONMENT)
    topics.apply(config)
    subjects.register(config)
    return mine


def entries(settings: dict[str, str]) -> list[ConfigEntry]:
    return [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in settings.items()]


def test_missing_topics_and_subjects_are_all_named_with_the_commands_that_make_them(tmp_path: Path, document: dict[str, Any]) -> None:
    checked = Checked(tmp_path, document)
    assert checked.code == 1
    assert checked.told["result"] == "problem"
    assert {finding["hint"] for finding in checked.of("kafka.topics")} == {"run: pibridge topics apply"}
    assert {finding["hint"] for finding in checked.of("registry.subjects")} == {"run: pibridge schemas register"}
    assert len(checked.of("kafka.topics")) == len(checked.of("registry.subjects")) == len(OF_BRIDGE)
    assert {finding["status"] for finding in checked.told["checks"] if finding["check"].startswith("pi.")} == {"ok"}


@pytest.mark.parametrize("module", ["bridge", "console"])
def test_a_deployment_that_is_ready_is_all_ok(tmp_path: Path, document: dict[str, Any], module: str) -> None:
    checked = Checked(tmp_path, prepared(tmp_path, document, "ready"), module)
    assert checked.statuses() == {"ok"}, checked.output
    assert checked.code == 0


def test_shards_and_settings_that_differ_are_told(tmp_path: Path, document: dict[str, Any]) -> None:
    mine = prepared(tmp_path, document, "differing")
    admin = AdminClient({"bootstrap.servers": mine["kafka"]["bootstrap_servers"]})
    changes = [(LIVE, {"retention.ms": "1000"}), (PROGRESS, {"cleanup.policy": "delete", "segment.ms": "700000"})]
    altered = [ConfigResource(ResourceType.TOPIC, topic.name("differing"), incremental_configs=entries(new)) for topic, new in changes]
    for future in admin.incremental_alter_configs(altered).values():
        future.result()
    checked = Checked(tmp_path, mine | {"delivery": {"shards": 4}})
    assert checked.code == 1
    told = {finding["detail"]: finding["status"] for finding in checked.of("kafka.topics")}
    assert told["topic pi.differing.live has 3 partitions, not 4"] == "problem"
    assert told["topic pi.differing.live has retention.ms=1000, and 259200000 is planned"] == "problem"
    assert told["topic pi.differing.progress has cleanup.policy=delete, and compact is planned"] == "problem"
    assert told["topic pi.differing.progress has segment.ms=700000, and 600000 is planned"] == "hint"


def test_limits_of_the_brokers_are_told(tmp_path: Path, document: dict[str, Any]) -> None:
    mine = prepared(tmp_path, document, "limits")
    delivery = {"shards": 3, "session_timeout_seconds": 0.5, "transaction_timeout_seconds": 3600.0}
    checked = Checked(tmp_path, mine | {"delivery": delivery})
    assert checked.code == 1
    assert "session_timeout_seconds is 0.5" in checked.of("kafka.groups")[0]["detail"]
    assert "transaction_timeout_seconds 3600" in checked.of("kafka.transactions")[0]["detail"]


async def test_a_bridge_that_runs_is_not_fenced_by_a_check(tmp_path: Path, document: dict[str, Any]) -> None:
    mine = prepared(tmp_path, document, "running")
    (tmp_path / "running.yaml").write_text(yaml.safe_dump(mine))
    shard = Publisher(load(tmp_path / "running.yaml", ENVIRONMENT), "pibridge.running.0", patience_seconds=20)
    try:
        await shard.open()
        await shard.commit([])
        assert (await asyncio.to_thread(Checked, tmp_path, mine)).code == 0
        await shard.commit([])
    finally:
        await shard.close()


def test_servers_that_do_not_answer_are_all_named_and_the_exit_code_is_3(tmp_path: Path) -> None:
    checked = Checked(tmp_path, AWAY)
    assert checked.code == 3
    unreachable = {finding["check"] for finding in checked.told["checks"] if finding["status"] == "unreachable"}
    assert unreachable == {"pi.reachable", "kafka.brokers", "registry.reachable"}
    assert checked.statuses() == {"unreachable", "not_checked"}


def test_wrong_credentials_are_a_problem_and_are_not_repeated(tmp_path: Path, document: dict[str, Any]) -> None:
    auth = {"kind": "basic", "username": "somebody", "password": f"${{env:{PASSWORD_VARIABLE}}}"}
    checked = Checked(tmp_path, document | {"pi": document["pi"] | {"auth": auth}})
    assert checked.code == 1
    assert checked.of("pi.authorization")[0]["status"] == "problem"
