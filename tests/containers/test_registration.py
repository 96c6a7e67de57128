"""What `pibridge schemas register` leaves in the registry, read back over its REST API."""

import json
from copy import deepcopy
from importlib.resources import files
from typing import Any

import pytest

from console import subjects
from schemas.topics import LIVE, PROGRESS, TOPICS, Topic
from tests.containers.conftest import Deploy
from tests.containers.world import Deployment, Registry

pytestmark = pytest.mark.containers

each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.dataset)


@pytest.fixture(scope="module")
def registered(deploy: Deploy) -> Deployment:
    return deploy("registered").prepare()


def definition(topic: Topic) -> dict[str, Any]:
    file = files("schemas").joinpath("avro", f"{topic.record}.avsc")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def with_a_new_field(topic: Topic, **field: Any) -> dict[str, Any]:
    changed = deepcopy(definition(topic))
    changed["fields"].append({"name": "shift", "type": "string", **field})
    return changed


def without_its_first_field(topic: Topic) -> dict[str, Any]:
    changed = deepcopy(definition(topic))
    assert "default" not in changed["fields"].pop(0)
    return changed


@each_topic
def test_each_subject_holds_the_definition_in_the_avsc_file(registered: Deployment, registry: Registry, topic: Topic) -> None:
    held = registry.latest(topic.subject(registered.source))
    assert json.loads(held["schema"]) == definition(topic)
    assert registry.schema_of(held["id"]) == definition(topic)


@each_topic
def test_each_subject_is_kept_compatible_in_full_with_all_its_versions(registered: Deployment, registry: Registry, topic: Topic) -> None:
    assert registry.compatibility(topic.subject(registered.source)) == "FULL_TRANSITIVE"


def test_registering_again_changes_nothing(registered: Deployment, registry: Registry) -> None:
    before = subjects.plan(registered.config)
    assert None not in [known.schema_id for known in before]
    assert subjects.register(registered.config) == before
    assert {tuple(registry.versions(topic.subject(registered.source))) for topic in TOPICS} == {(1,)}


@each_topic
def test_a_field_without_a_default_is_refused_for_old_records_lack_it(registered: Deployment, registry: Registry, topic: Topic) -> None:
    subject = topic.subject(registered.source)
    assert registry.offer(subject, with_a_new_field(topic)) == 409
    assert registry.versions(subject) == [1]


@pytest.mark.parametrize("topic", [t for t in TOPICS if t is not PROGRESS], ids=lambda topic: topic.dataset)  # all of its have defaults
def test_a_dropped_field_is_refused_for_old_readers_need_it(registered: Deployment, registry: Registry, topic: Topic) -> None:
    subject = topic.subject(registered.source)
    assert registry.offer(subject, without_its_first_field(topic)) == 409
    assert registry.versions(subject) == [1]


def test_a_field_with_a_default_is_accepted(deploy: Deploy, registry: Registry) -> None:
    evolving = deploy("evolving").prepare()
    subject = LIVE.subject(evolving.source)
    assert registry.offer(subject, with_a_new_field(LIVE, default="")) == 200
    assert registry.versions(subject) == [1, 2]
