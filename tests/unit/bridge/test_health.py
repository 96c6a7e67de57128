"""When the process should be started anew, and when it does its work."""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from bridge.errors import ShardLost
from bridge.health import LOOP_SECONDS, Health
from bridge.metrics import Metrics
from bridge.monitoring import Monitoring
from bridge.publish import Message
from runtime.port import Port, PortTaken
from schemas import sections
from tests.unit.bridge.test_metrics import value


def ready() -> Health:
    health = Health(stuck_seconds=180)
    for what in ("PI", "Kafka", "registry"):
        health.knows(what)
    health.member, health.assigned = True, frozenset({0, 1})
    health.beat(1000.0)
    for shard in (0, 1):
        health.committed(shard, 1000.0)
    return health


def test_a_process_that_has_only_just_begun_lives() -> None:
    assert Health().why_dead(5.0) == []


def test_a_loop_that_stands_still_is_dead() -> None:
    health = ready()
    assert health.why_dead(1000.0 + LOOP_SECONDS) == []
    (reason,) = health.why_dead(1001.0 + LOOP_SECONDS)
    assert "event loop has stood still for 11 s" in reason


def test_a_shard_whose_commits_stand_still_longer_than_kafka_is_given_is_dead() -> None:
    health = ready()
    health.beat(1200.0)
    health.committed(1, 1199.0)
    (reason,) = health.why_dead(1200.0)
    assert reason.startswith("shard 0 has committed nothing")


def test_a_shard_that_gave_up_is_not_dead_for_kafka_may_be_away_for_long() -> None:
    health = ready()
    health.ended(0)
    health.ended(1)
    health.beat(9000.0)
    assert health.why_dead(9000.0) == []
    assert health.why_not_ready() == ["shards not taken over yet: 0, 1"]


def test_readiness_names_all_that_is_missing() -> None:
    health = Health()
    health.assigned = frozenset({2})
    assert health.why_not_ready() == [
        "PI has not answered yet",
        "Kafka has not answered yet",
        "registry has not answered yet",
        "not a member of the group yet",
        "shards not taken over yet: 2",
    ]
    assert ready().why_not_ready() == []


def test_a_member_without_shards_stands_by_and_is_ready() -> None:
    health = ready()
    health.assigned = frozenset()
    assert health.why_not_ready() == []


def test_the_first_commit_after_a_take_over_is_known_from_the_others() -> None:
    health = Health()
    assert [health.committed(3, 1.0), health.committed(3, 2.0)] == [True, False]
    health.ended(3)
    assert health.committed(3, 3.0)


# -- the port


class Client:
    def __init__(self, port: Port) -> None:
        self.client = httpx2.Client(base_url=port.address, trust_env=False, timeout=10)

    def get(self, path: str) -> tuple[int, str]:
        answer = self.client.get(path)
        return answer.status_code, answer.text


@pytest.fixture
def monitoring() -> Monitoring:
    return Monitoring(Metrics(), ready())


@pytest.fixture
def client(monitoring: Monitoring) -> Iterator[Client]:
    with Port(sections.Monitoring(port=0), monitoring) as port:
        client = Client(port)
        yield client
        client.client.close()


def test_the_port_is_on_this_machine_only_unless_told_otherwise(client: Client) -> None:
    assert client.client.base_url.host == "127.0.0.1"


def test_figures_are_given_in_prometheus_text_format(client: Client) -> None:
    answer = client.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE pibridge_committed_values_total counter" in answer.text
    assert "process_resident_memory_bytes" in answer.text


def test_health_is_a_status_and_a_sentence(client: Client, monitoring: Monitoring) -> None:
    monitoring.health.beat(time.monotonic())
    for shard in (0, 1):
        monitoring.health.committed(shard, time.monotonic())
    assert client.get("/livez") == (200, "alive\n")
    assert client.get("/readyz") == (200, "ready\n")
    monitoring.health.member = False
    assert client.get("/readyz") == (503, "not a member of the group yet\n")
    monitoring.health.beat(time.monotonic() - 100)
    status, sentence = client.get("/livez")
    assert status == 503
    assert "event loop" in sentence


def test_nothing_else_is_answered(client: Client) -> None:
    assert client.get("/")[0] == 404
    assert client.get("/metrics/../etc/passwd")[0] == 404
    assert client.client.post("/metrics").status_code == 501


async def test_the_port_answers_while_the_event_loop_hangs(monitoring: Monitoring) -> None:
    monitoring.health.beat(time.monotonic() - 100)
    with Port(sections.Monitoring(port=0), monitoring) as port, ThreadPoolExecutor(1) as elsewhere:
        asked = elsewhere.submit(httpx2.get, port.address + "/livez", trust_env=False, timeout=10)
        assert asked.result(timeout=10).status_code == 503  # waited for here, so that the loop of this test does not turn meanwhile


async def test_the_loop_tells_that_it_turns(monitoring: Monitoring) -> None:
    beating = asyncio.create_task(monitoring.beat())
    await asyncio.sleep(0.1)
    beating.cancel()
    assert not any("event loop" in reason for reason in monitoring.health.why_dead(time.monotonic()))


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{number} cannot be listened on"):
            Port(sections.Monitoring(port=number), Monitoring())


# -- transactions


MESSAGES = [Message("pi.plant1.live", 0, None, b"12345"), Message("pi.plant1.dead-letters", None, b"k", b"123")]


async def test_a_commit_counts_when_it_is_done_and_waits_until_then() -> None:
    monitoring = Monitoring()
    done = asyncio.get_running_loop().create_future()
    committing = asyncio.create_task(monitoring.transaction(4, (), MESSAGES, done))
    await asyncio.sleep(0)
    assert monitoring.committing_bytes == 8
    done.set_result(None)
    await committing
    assert monitoring.committing_bytes == 0
    assert value(monitoring.metrics, "pibridge_committed_bytes_total", dataset="live") == 5
    assert value(monitoring.metrics, "pibridge_dead_letters_total") == 1
    assert value(monitoring.metrics, "pibridge_take_overs_total") == 1


async def test_a_commit_that_failed_counts_as_such_and_commits_nothing() -> None:
    monitoring = Monitoring()
    failed = asyncio.get_running_loop().create_future()
    failed.set_exception(ShardLost("fenced"))
    with pytest.raises(ShardLost):
        await monitoring.transaction(4, (), MESSAGES, failed)
    assert value(monitoring.metrics, "pibridge_transactions_total", outcome="failed") == 1
    assert value(monitoring.metrics, "pibridge_committed_bytes_total", dataset="live") == 0
    assert monitoring.committing_bytes == 0
