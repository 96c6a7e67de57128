"""Faust on a transactional topic: each of its two defects shows where its mend is left out."""

import json
import subprocess
import sys
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from console.stack import Stack

pytestmark = pytest.mark.integration
TRANSACTIONS = 120


@pytest.fixture(scope="module")
def topic(stack: Stack) -> str:
    """A topic whose every fourth transaction was aborted; the last one says "end"."""
    name = f"transactions-{uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": stack.bootstrap_servers})
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])[name].result(30)
    producer = Producer({"bootstrap.servers": stack.bootstrap_servers, "transactional.id": name})
    producer.init_transactions(30)
    for number in range(TRANSACTIONS):
        producer.begin_transaction()
        aborted = number % 4 == 3
        producer.produce(name, f"{'aborted' if aborted else 'committed'} {number}".encode())
        producer.flush(30)
        (producer.abort_transaction if aborted else producer.commit_transaction)(30)
    producer.begin_transaction()
    producer.produce(name, b"end")
    producer.commit_transaction(30)
    return name


def read(stack: Stack, topic: str, mends: str) -> tuple[list[str], int]:
    """What Faust read of the topic, and the offset that it committed."""
    group = f"{topic}-{mends}"
    command = [sys.executable, "-m", "tests.integration.faust_reader", stack.bootstrap_servers, topic, group, mends]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    reader = Consumer({"bootstrap.servers": stack.bootstrap_servers, "group.id": group})
    try:
        (place,) = reader.committed([TopicPartition(topic, 0)], timeout=30)
    finally:
        reader.close()
    return json.loads(done.stdout.splitlines()[-1]), place.offset


COMMITTED = [f"committed {number}" for number in range(TRANSACTIONS) if number % 4 != 3] + ["end"]
END = 2 * TRANSACTIONS + 1
"""The offset behind the last record: each transaction is a record and a marker."""


def test_what_was_aborted_is_not_read_and_everything_that_was_read_is_committed(stack: Stack, topic: str) -> None:
    assert read(stack, topic, "all") == (COMMITTED, END)


def test_without_the_first_mend_what_was_aborted_is_read(stack: Stack, topic: str) -> None:
    seen, _ = read(stack, topic, "isolation")
    assert "aborted 3" in seen
    assert len(seen) == TRANSACTIONS + 1


def test_without_the_second_mend_commits_stand_nearly_still(stack: Stack, topic: str) -> None:
    seen, committed = read(stack, topic, "gaps")
    assert seen == COMMITTED
    assert committed < END / 2
