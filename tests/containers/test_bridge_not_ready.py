"""A bridge that lacks something stops at once, says what, and how to mend it."""

import re

import pytest

from schemas import wire
from schemas.topics import INCIDENTS, LIVE, TOPICS
from tests.containers.committed import wait_for
from tests.containers.conftest import Deploy, ReadCommitted
from tests.containers.world import SHARDS, Registry

pytestmark = pytest.mark.containers


def command_in(reason: str) -> list[str]:
    """The words after `pibridge` in the command that a sentence names at its end."""
    named = re.search(r"; run: pibridge ([a-z ]+)$", reason)
    assert named, reason
    return named[1].split()


def test_the_commands_that_a_bridge_names_are_what_it_needs_to_start(deploy: Deploy, read_committed: ReadCommitted) -> None:
    bare = deploy("bare")

    without_topics = bare.start_bridge()
    assert without_topics.exit_code() == 2
    assert without_topics.reason() == f"topic {LIVE.name('bare')} does not exist; run: pibridge topics apply"
    bare.pibridge(*command_in(without_topics.reason()))

    without_subjects = bare.start_bridge()
    assert without_subjects.exit_code() == 2
    assert without_subjects.reason() == f"subject {LIVE.subject('bare')} lacks this version's schema; run: pibridge schemas register"
    bare.pibridge(*command_in(without_subjects.reason()))

    bridge, committed = bare.start_bridge(), read_committed(bare)
    wait_for(committed, lambda: len(committed.shards) == SHARDS, "all shards taken over", bridge)
    assert bridge.terminate() == 0


def test_a_bridge_stops_when_a_single_subject_lacks_its_schema(deploy: Deploy, registry: Registry) -> None:
    lacking = deploy("lacking")
    lacking.pibridge("topics", "apply")
    for topic in TOPICS:
        definition = {"type": "record", "name": "Other", "fields": []} if topic is INCIDENTS else wire.raw_schema(topic.record)
        assert registry.offer(topic.subject(lacking.source), definition) == 200
    bridge = lacking.start_bridge()
    assert bridge.exit_code() == 2
    assert bridge.reason() == f"subject {INCIDENTS.subject('lacking')} lacks this version's schema; run: pibridge schemas register"


def test_a_bridge_with_another_number_of_shards_than_its_topics_stops(deploy: Deploy) -> None:
    deploy("resharded").prepare()
    bridge = deploy("resharded", shards=SHARDS + 1).start_bridge()
    assert bridge.exit_code() == 2
    assert f"topic {LIVE.name('resharded')} has {SHARDS} partitions, and the configuration says {SHARDS + 1}" in bridge.reason()
    assert "delivery.shards" in bridge.reason()


def test_a_bridge_that_pi_does_not_let_in_stops_without_a_word_of_its_password(deploy: Deploy) -> None:
    bridge = deploy("locked_out").prepare().start_bridge(password="Tank-8 öffnen")
    assert bridge.exit_code() == 3
    assert "401" in bridge.reason()
    assert "Tank-8" not in bridge.log()
